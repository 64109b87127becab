"""What ``debug`` finds, whom it blames and what it leaves behind."""

import gc
import sys
import threading
import warnings

import numpy as np
import pytest

import xgrad as xg
from xgrad import core, debugging
from xgrad.debugging import Checks
from xgrad.errors import NonFiniteError
from xgrad.forward import Dual
from xgrad.registry import every_function
from xgrad.reverse import Node, state

HERE = __file__


def here():
    """The line that calls this."""
    return sys._getframe(1).f_lineno


@pytest.fixture(autouse=True)
def nothing_left():
    ways = (core.Primitive.implementation, Node.record, Dual.record, core.advance)
    yield
    assert state.debug is None
    assert (core.Primitive.implementation, Node.record, Dual.record, core.advance) == ways
    for function in every_function().values():
        for implementation, _ in getattr(getattr(function, "op", None), "short", {}).values():
            assert not hasattr(implementation, "unguarded")


def found(error, function, line, indices=None):
    """The error blames this function, called at this line of this file."""
    assert error.function == function, error
    assert error.filename == HERE and error.lineno == line, error
    assert str(error).startswith(function) and f"{HERE}:{line}" in str(error)
    if indices is not None:
        assert error.indices == indices


# Results --------------------------------------------------------------------------------------------------------------


def test_a_result_names_function_line_shapes_and_places(device):
    x = xg.asarray([[1.0, 0.0], [2.0, 0.0]], device=device, requires_grad=True) * 1
    with pytest.raises(NonFiniteError) as caught, xg.debug():
        line = here() + 1
        xg.log(x).sum()
    found(caught.value, "log", line, [(0, 1), (1, 1)])
    assert "-inf at (0, 1), (1, 1), 2 of 4 elements" in str(caught.value)
    assert "x (2, 2)" in str(caught.value) and "float64" in str(caught.value)
    assert "xg.log(x).sum()" in str(caught.value)  # the text of the line
    assert "test_a_result_names" in str(caught.value)  # and the function it is in
    assert isinstance(caught.value, FloatingPointError)


def test_constants_no_grad_and_numbers_are_checked_too():
    for a in (xg.asarray([-1.0]), xg.Tensor(-1.0), np.array([-1.0])):
        with pytest.raises(NonFiniteError, match="sqrt: the result is nan"), xg.debug(), xg.no_grad():
            xg.sqrt(a)


def test_places_are_the_first_few():
    with pytest.raises(NonFiniteError, match=r"\(0,\), \(1,\), \(2,\), \.\.\., 10 of 10") as caught, xg.debug():
        1 / xg.zeros(10)
    assert len(caught.value.indices) == 3


def test_operators_numpy_functions_and_methods_name_the_users_line():
    x = xg.Tensor([0.0, 1.0])
    for call, function in (
        (lambda: 1 / x, "divide"),
        (lambda: np.log(x), "log"),
        (lambda: (x - 1).sum() / x.min(), "divide"),
        (lambda: x.__pow__(-1.0), "pow"),
    ):
        with pytest.raises(NonFiniteError) as caught, xg.debug():
            call()
        found(caught.value, function, call.__code__.co_firstlineno)


def test_only_the_first_is_reported():
    x = xg.Tensor(0.0)
    with pytest.raises(NonFiniteError) as caught, xg.debug():
        line = here() + 1
        y = xg.log(x)
        xg.exp(-y) - y
    found(caught.value, "log", line)


def test_the_library_does_not_warn_first():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(NonFiniteError), xg.debug():
            xg.log(xg.Tensor(0.0))


# Whom to blame --------------------------------------------------------------------------------------------------------


def test_a_nan_that_came_with_an_argument_is_not_blamed_on_the_function():
    good, bad = xg.Tensor([1.0, 2.0]), xg.Tensor([1.0, np.nan])
    with pytest.raises(NonFiniteError, match="x2 is nan at") as caught, xg.debug():
        good * bad
    assert "came from outside" in str(caught.value) and caught.value.indices == [(1,)]
    with xg.debug():
        assert float(xg.nansum(bad)) == 1.0
        assert xg.isnan(bad).any()
        assert float(xg.where(xg.isnan(bad), 0.0, bad).sum()) == 1.0


def test_infinities_that_were_given_are_passed_on_but_not_what_they_become():
    scores = xg.Tensor([[1.0, 2.0], [3.0, 4.0]])
    with xg.debug():
        masked = xg.where(np.array([[True, False], [True, True]]), scores, -np.inf)
        xg.exp(masked - masked.max(axis=1, keepdims=True)).sum().backward()
        xg.full((2,), np.inf) + 1
    with pytest.raises(NonFiniteError, match=r"subtract: the result is nan .*an infinite argument"), xg.debug():
        masked - masked


def test_what_to_look_for():
    zero = xg.Tensor([0.0])
    with xg.debug(inf=False):
        y = 1 / zero
        with pytest.raises(NonFiniteError, match="nan"):
            y * 0
    with xg.debug(nan=False), pytest.raises(NonFiniteError, match="inf"):
        1 / zero
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with xg.debug(nan=False):
            zero / zero
        with xg.debug(forward=False):
            zero / zero


def test_a_masked_branch_is_found_by_the_forward_check_only():
    x = xg.Tensor([0.0, 1.0])
    with pytest.raises(NonFiniteError, match="log"), xg.debug():
        xg.where(x > 0, xg.log(x), 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with xg.debug(forward=False):
            xg.where(x > 0, xg.log(x), 0.0).sum().backward()
    assert x.grad.tolist() == [0.0, 1.0]


def test_float32_overflow_and_complex():
    with pytest.raises(NonFiniteError, match=r"exp.*float32"), xg.debug():
        xg.exp(xg.Tensor([100.0], dtype=xg.float32))
    with pytest.raises(NonFiniteError, match="log"), xg.debug():
        xg.log(xg.Tensor([0j]))


def test_calls_through_an_installed_library_name_both_lines(monkeypatch, tmp_path):
    places = (*debugging._installed(), str(tmp_path))
    monkeypatch.setattr(debugging, "_installed", lambda: places)
    library = tmp_path / "library.py"
    library.write_text("def double(x):\n    return x * 2\n\n\ndef inverse(x):\n    return 1 / x\n")
    space = {}
    exec(compile(library.read_text(), str(library), "exec"), space)
    with xg.debug():
        line = here() + 2
        with pytest.raises(NonFiniteError) as caught:
            space["inverse"](xg.Tensor(0.0))
        found(caught.value, "divide", line)
        assert f"(through {library}:6)" in str(caught.value)
        y = space["double"](xg.Tensor(np.nan))  # libraries carry NaN on purpose
        with pytest.raises(NonFiniteError, match="add: x1 is nan, before the call"):
            y + 1


# Composites -----------------------------------------------------------------------------------------------------------


def test_a_composite_names_the_users_line_and_its_own_name():
    x = xg.Tensor([1.0, -1.0])
    with pytest.raises(NonFiniteError) as caught, xg.debug():
        line = here() + 1
        xg.float_power(x, 0.5)
    found(caught.value, "pow", line)
    assert "inside float_power" in str(caught.value)


def test_what_a_composite_masks_away_is_no_alarm():
    x = xg.Tensor([0.0, 1.0])
    with xg.debug():
        assert xg.sinc(x).tolist()[0] == 1.0
        xg.sinc(x).sum().backward()
        assert xg.logaddexp2(xg.Tensor(-np.inf), xg.Tensor(-np.inf)).tolist() == -np.inf
        assert xg.jvp(xg.sinc, (np.array(0.0),), (np.array(1.0),))[1] == 0.0


def test_an_exception_in_a_composite_mentions_the_alarm_and_leaves_no_state():
    def formula(xp, x):
        """Fails after it made a NaN."""
        xp.log(x)
        raise KeyError("planted")

    with pytest.raises(KeyError) as caught, xg.debug():
        try:
            state.debug.composite("planted", formula, (xg.Tensor(-1.0),), {})
        finally:
            assert state.debug.inside is None and state.debug.pending == {}
    assert "log (inside planted): the result is nan" in caught.value.__notes__[0]


def test_losses_of_nn_name_the_users_line():
    logits = xg.Tensor([[1.0, np.nan]])
    with pytest.raises(NonFiniteError) as caught, xg.debug():
        line = here() + 1
        xg.nn.cross_entropy(logits, np.array([0]))
    assert caught.value.filename == HERE and caught.value.lineno == line


# The pass back --------------------------------------------------------------------------------------------------------


def test_a_cotangent_names_the_line_of_the_forward_call(device):
    x = xg.asarray([4.0, 0.0], device=device, requires_grad=True)
    with xg.debug():
        line = here() + 1
        y = xg.sqrt(x)
        loss = y.sum()
        with pytest.raises(NonFiniteError) as caught:
            loss.backward()
    found(caught.value, "sqrt", line, [(1,)])
    assert "the cotangent of x is inf" in str(caught.value)
    assert f"recorded at {HERE}:{line}" in caught.value.__notes__[0]


def test_zero_times_infinity_in_a_pullback():
    x = xg.Tensor([1e-320])
    with xg.debug():
        line = here() + 1
        y = xg.log(x)  # finite, but not its derivative
        with pytest.raises(NonFiniteError, match="log: the cotangent of x is inf") as caught:
            (y * 0.5).sum().backward()
    found(caught.value, "log", line)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x, infinite = xg.Tensor([1.0]), np.array([np.inf])
        with xg.debug(inf=False):
            line = here() + 1
            y = x * infinite
            with pytest.raises(NonFiniteError, match="multiply: the cotangent of x1 is nan") as caught:
                y.backward([0.0])
    found(caught.value, "multiply", line)


def test_zeros_of_a_selection_are_no_alarm():
    x = xg.Tensor([4.0, 0.0])
    with xg.debug():
        xg.sqrt(x)[:1].sum().backward()
        assert x.grad.tolist() == [0.25, 0.0]
        xg.where(x > 0, xg.sqrt(x), 0.0).sum().backward()
        assert x.grad.tolist() == [0.25, 0.0]
        xg.grad(lambda x: xg.grad(lambda x: xg.where(x > 0, xg.sqrt(x), 0.0).sum())(x).sum())(x)
        xg.jvp(lambda x: xg.sqrt(x[:1] * 0 + 1), (x,), (x,))


def test_a_graph_from_outside_is_checked_without_a_line():
    x = xg.Tensor([0.0])
    loss = xg.sqrt(x).sum()
    with pytest.raises(NonFiniteError, match=r"sqrt.*recorded outside of debug") as caught, xg.debug():
        loss.backward()
    assert caught.value.lineno is None


def test_a_graph_from_inside_keeps_its_lines():
    x = xg.Tensor([1.0])
    with xg.debug():
        line = here() + 1
        y = xg.exp(x)
    y.node.edges = ((y.node.edges[0][0], lambda ct: [][0], 0),)
    with pytest.raises(IndexError) as caught:
        y.backward()
    assert f"exp, argument x of shape (1,), cotangent (1,), recorded at {HERE}:{line}" in caught.value.__notes__[0]


@pytest.mark.filterwarnings("ignore:overflow")
def test_given_cotangents_and_sums_that_overflow():
    x = xg.Tensor([1.0])
    with xg.debug():
        with pytest.raises(NonFiniteError, match=r"multiply: the cotangent of its result is nan .*given so"):
            (x * 2).backward([np.nan])
        huge = 1e308
        x = xg.Tensor([0.1])
        with pytest.raises(NonFiniteError, match=r"backward: the gradient of a leaf .*overflowed"):
            (x * huge - x * -huge).backward()
        y = x * 1
        line = here() - 1
        with pytest.raises(NonFiniteError, match="multiply: the cotangent of its result is inf") as caught:
            (y * huge - y * -huge).backward()
    found(caught.value, "multiply", line)


def test_several_results_and_joint_pullbacks():
    a = xg.Tensor(np.eye(2))
    with xg.debug():
        line = here() + 1
        w, v = xg.linalg.eigh(a)
        assert v.node.edges[0][0].site.line == w.node.site.line == line
        w.sum().backward(retain_graph=True)
        with pytest.raises(NonFiniteError) as caught:
            w.backward([1.0, np.inf])
    found(caught.value, "linalg.eigh", line)


def test_backward_can_be_left_out():
    x = xg.Tensor([0.0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with xg.debug(backward=False):
            xg.sqrt(x).sum().backward()
            assert np.isinf(xg.jvp(xg.sqrt, (np.array(0.0),), (np.array(1.0),))[1])
    assert np.isinf(x.grad.tolist())


# Transforms -----------------------------------------------------------------------------------------------------------


def test_grad_of_grad_names_the_forward_line():
    def f(x):
        return x**1.5

    line = f.__code__.co_firstlineno + 1
    with xg.debug():
        assert float(xg.grad(f)(0.0)) == 0.0
        with pytest.raises(NonFiniteError) as caught:
            xg.grad(xg.grad(f))(0.0)
    found(caught.value, "pow", line)
    assert "in the pullback of pow, called at" in str(caught.value)


def test_forward_mode_names_the_forward_line():
    def f(x, y):
        return xg.atan2(xg.sqrt(x), y) + xg.matmul(y, y)

    line = f.__code__.co_firstlineno + 1
    x, y = np.array([0.0, 1.0]), np.array([1.0, 2.0])
    with pytest.raises(NonFiniteError, match="the tangent is inf") as caught, xg.debug():
        xg.jvp(f, (x, y), (x + 1, y))
    found(caught.value, "sqrt", line, [(0,)])


def test_tangents_of_calls_on_many_arrays():
    x = np.array([0.0, 1.0])
    big = np.array([1e200, 1e200])
    with pytest.raises(NonFiniteError, match="matmul: the tangent is inf"), xg.debug():
        xg.jvp(lambda x: xg.matmul(x, big), (x,), (big,))
    with pytest.raises(NonFiniteError, match="concat: tangent 0 is nan"), xg.debug():
        xg.jvp(lambda x: xg.concat([x, x]), (x,), (np.array([np.nan, 0.0]),))


def test_forward_over_reverse_checks_the_tangents_of_cotangents():
    with pytest.raises(NonFiniteError, match="pow: the cotangent of x1 is inf") as caught, xg.debug():
        line = here() + 1
        xg.jvp(xg.grad(lambda x: x**1.5), (np.array(0.0),), (np.array(1.0),))
    found(caught.value, "pow", line)


def test_custom_rules_and_checkpoints():
    @xg.custom_vjp
    def f(x):
        return xg.asarray(x.numpy() / 1)

    @f.vjp
    def f_vjp(out, x):
        return lambda ct: (ct * xg.asarray(np.array([np.inf])),)

    x = xg.Tensor([1.0])
    with xg.debug():
        line = here() + 1
        y = f(x)
        with pytest.raises(NonFiniteError) as caught:
            y.backward()
    assert caught.value.lineno == line or "f_vjp" in str(caught.value)
    assert any(f"recorded at {HERE}:{line}" in note for note in caught.value.__notes__)

    @xg.custom_vjp
    def g(x):
        with np.errstate(all="ignore"):
            return np.log(x.numpy() - 1)

    g.vjp(lambda out, x: lambda ct: (ct,))
    with pytest.raises(NonFiniteError, match="g: the result is -inf"), xg.debug():
        g(x)

    @xg.checkpoint
    def part(x):
        return xg.sqrt(x - 1)

    line = part.__wrapped__.__code__.co_firstlineno + 2
    with pytest.raises(NonFiniteError) as caught, xg.debug():
        part(x).backward()
    found(caught.value, "sqrt", line)


# What is left behind --------------------------------------------------------------------------------------------------


def test_decorator_nesting_and_exceptions():
    @xg.debug()
    def f(x, depth=2):
        return f(x, depth - 1) if depth else xg.log(x)

    with pytest.raises(NonFiniteError):
        f(xg.Tensor(0.0))
    assert state.debug is None
    with xg.debug():
        outer = state.debug
        with pytest.raises(NonFiniteError), xg.debug(inf=False):
            xg.log(xg.Tensor(-1.0))
        assert state.debug is outer and isinstance(outer, Checks) and not outer.quiet
        with pytest.raises(KeyError), xg.debug():
            raise KeyError
        x = xg.Tensor([0.0])
        with pytest.raises(NonFiniteError):
            xg.sqrt(x).sum().backward()
        assert not outer.quiet and outer.site is None
        xg.sqrt(x + 1).sum().backward()
    assert x.grad.tolist() == [0.5]
    with np.errstate(all="ignore"):
        assert xg.log(xg.Tensor(0.0)).tolist() == -np.inf


def test_other_threads_are_not_checked():
    inside, done, results = threading.Event(), threading.Event(), []

    def other():
        inside.wait(10)
        with np.errstate(all="ignore"):
            x = xg.Tensor([0.0])
            y = xg.sqrt(x)
            y.sum().backward()
            results.append((float(xg.log(xg.Tensor(0.0))), x.grad.tolist(), hasattr(y.node, "site")))
            results.append(xg.jvp(xg.sqrt, (np.array(0.0),), (np.array(1.0),))[1].tolist())
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    with xg.debug():
        inside.set()
        assert done.wait(10)
        with pytest.raises(NonFiniteError):
            xg.log(xg.Tensor(0.0))
    thread.join()
    assert results == [(-np.inf, [np.inf], False), np.inf]


def test_results_are_those_without_debug():
    def f(x, a):
        w, v = xg.linalg.eigh(a @ a.mT)
        return xg.logsumexp(xg.tanh(x) @ v * w) + xg.std(x) if hasattr(xg, "logsumexp") else (xg.tanh(x) @ v * w).sum()

    rng = np.random.default_rng(0)
    x, a = rng.normal(size=3), rng.normal(size=(3, 3))
    plain = [xg.grad(f, argnums=(0, 1))(x, a), xg.hvp(f, (x, a), (x, a)), xg.jvp(f, (x, a), (x, a))]
    with xg.debug():
        checked = [xg.grad(f, argnums=(0, 1))(x, a), xg.hvp(f, (x, a), (x, a)), xg.jvp(f, (x, a), (x, a))]
    for p, c in zip(xg.pytree.flatten(plain)[0], xg.pytree.flatten(checked)[0], strict=True):
        assert np.array_equal(p, c)


def test_debug_makes_no_cycles():
    x = xg.Tensor(np.ones(4))
    gc.collect()
    gc.disable()
    before = [o for o in gc.get_objects() if type(o) is Node]  # of tests that failed, or that keep some
    try:
        with xg.debug():
            for _ in range(20):
                xg.sin(x * 2).sum().backward()
        known = set(map(id, before))
        assert not [o for o in gc.get_objects() if type(o) is Node and o.op is not None and id(o) not in known]
    finally:
        gc.enable()
