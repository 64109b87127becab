"""The checker bites: every rule, scaled a little or with a pullback dropped, is caught."""

import numpy as np
import pytest

import xgrad as xg
from xgrad.registry import every_function
from xgrad.testing import GradcheckError, gradcheck

from .cases import CASES, prepared

RULES = sorted(n for n, f in every_function().items() if hasattr(f, "op") and f.op.rule is not None and n in CASES)


def mutated(rule, change):
    """A rule whose pullbacks are each put through ``change(position, pullback)``; a joint one is taken apart."""

    def mutant(xp, out, *arrays, **metadata):
        made = rule(xp, out, *arrays, **metadata)
        if callable(made) and len(arrays) > 1:
            made = tuple(lambda ct, joint=made, i=i: joint(ct)[i] for i in range(len(arrays)))
        if callable(made):
            return change(0, made)
        return tuple(p if p is None else change(i, p) for i, p in enumerate(made))

    return mutant


def survivors(name, change, monkeypatch):
    """Whether all cases of ``name`` pass with the mutated rule."""
    op = every_function()[name].op
    monkeypatch.setattr(op, "rule", mutated(op.rule, change))
    for specs, metadata in CASES[name]:
        function, arrays = prepared(name, specs, metadata, "cpu")
        try:
            gradcheck(function, *arrays, order=1, forward=False)
        except GradcheckError:
            return False
    return True


@pytest.mark.parametrize("name", RULES)
def test_a_scaled_rule_is_caught(name, monkeypatch):
    assert not survivors(name, lambda i, p: lambda ct: p(ct) * 1.001, monkeypatch)


HELD = {"where": 0, "take": 1, "take_along_axis": 1, "copysign": 1, "special.softmax_cross_entropy": 1}


@pytest.mark.parametrize("name", RULES)
def test_a_dropped_pullback_is_caught(name, monkeypatch):
    count = every_function()[name].op.arrays
    for dropped in range(count or 2):
        if name in HELD and dropped == HELD[name]:
            continue  # never differentiated
        with monkeypatch.context() as patch:
            assert not survivors(name, lambda i, p, d=dropped: None if i == d and (count or 2) > 1 else p, patch) or (
                count == 1
            )


def test_a_wrong_custom_formula_is_reported_with_its_numbers():
    def wrong(x):
        return xg.sin(x) + 0.001 * x.detach()

    with pytest.raises(GradcheckError, match=r"reverse mode, order 1, argument 0.*Entry \(\d,\)"):
        gradcheck(wrong, np.array([0.3, 0.7]))


def test_single_precision_is_refused():
    with pytest.raises(TypeError, match="float64"):
        gradcheck(xg.sin, np.array([0.3], np.float32))
