"""SciPy's ufuncs take Tensors by NumPy's protocol, also in a process that has not set SCIPY_ARRAY_API."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("scipy")

PROGRAM = """
import numpy as np
import scipy.special
import xgrad as xg

names = [n for n in dir(xg.special) if isinstance(getattr(scipy.special, n, None), np.ufunc)]
assert len(names) > 50, names
random = np.random.default_rng(0)
for name in names:
    theirs, ours = getattr(scipy.special, name), getattr(xg.special, name)
    arrays = [random.uniform(0.2, 0.8, (3, 4)) + 2 * (name == "zeta") for _ in range(theirs.nin)]
    value, pull = xg.vjp(theirs, *arrays)
    np.testing.assert_allclose(value, theirs(*arrays), rtol=1e-13, err_msg=name)
    for a, b in zip(pull(value), xg.vjp(ours, *arrays)[1](value)):
        np.testing.assert_array_equal(a, b, err_msg=name)
for function in (scipy.special.jv, scipy.special.ellipe):
    try:
        xg.grad(lambda x: function(*[x] * function.nin))(0.5)
    except TypeError as error:
        assert str(error).startswith(f"scipy.special.{function.__name__}: not supported on a Tensor"), error
    else:
        raise AssertionError(function)
try:
    xg.grad(scipy.special.logsumexp)(np.ones(3))
except TypeError as error:
    assert "SCIPY_ARRAY_API=1" in str(error), error
else:
    raise AssertionError("a gradient was lost")
print("done", len(names))
"""


def test_ufuncs_of_scipy_are_recorded_without_its_array_api_switch():
    environment = {k: v for k, v in os.environ.items() if k != "SCIPY_ARRAY_API"}
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment)
    assert result.stdout.startswith("done"), result.stderr
