"""The checker itself: it passes what is right, catches what is wrong, and says what differs."""

import itertools

import numpy as np
import pytest

import xgrad as xg
from xgrad.testing import GradcheckError, gradcheck

A = np.array([[0.3, -0.7, 1.1], [0.9, 0.4, -1.3]])
B = np.array([0.8, -0.6, 1.4])


def custom(f, rule):
    made = xg.custom_vjp(f)
    made.vjp(rule)
    return made


PLANTED = {
    "sign": (lambda x: xg.sin(x), lambda out, x: lambda ct: (-ct * xg.cos(x),)),
    "scale": (lambda x: xg.sin(x), lambda out, x: lambda ct: (1.001 * ct * xg.cos(x),)),
    "offset": (lambda x: xg.sin(x), lambda out, x: lambda ct: (ct * xg.cos(x) + 1e-4,)),
    "another function": (lambda x: xg.tanh(x), lambda out, x: lambda ct: (ct * (1 - out),)),
    "out for x": (lambda x: xg.exp(x), lambda out, x: lambda ct: (ct * x,)),
    "one entry": (lambda x: x**2, lambda out, x: lambda ct: (ct * 2 * x * (xg.asarray(A) != 1.1),)),
    "transposed": (lambda x: x @ np.eye(3) * 2, lambda out, x: lambda ct: (2 * xg.flip(ct, axis=1),)),
    "dropped": (lambda x: x * 3, lambda out, x: lambda ct: (None,)),
    "no cotangent": (lambda x: x * 3, lambda out, x: lambda ct: (3 * xg.ones_like(ct),)),
    "mean for sum": (
        lambda x: xg.sum(x, axis=0),
        lambda out, x: lambda ct: (xg.broadcast_to(ct / x.shape[0], x.shape),),
    ),
    "wrong axis": (
        lambda x: xg.sum(x @ x.T, axis=0),
        lambda out, x: lambda ct: (xg.broadcast_to(ct[:, None], (2, 2)) @ x,),
    ),
    "conjugate missing": (lambda x: xg.abs(x * 1j + x), lambda out, x: lambda ct: (ct * x,)),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_rule_is_caught(name):
    f, rule = PLANTED[name]
    with pytest.raises(GradcheckError, match=r"mode, order 1, argument 0: the derivative is .* finite difference is"):
        gradcheck(custom(f, rule), A)
    gradcheck(f, A)  # the function itself passes


def test_a_rule_that_is_wrong_at_second_order_only():
    f = custom(xg.sin, lambda out, x: lambda ct: (ct * xg.stop_gradient(xg.cos(x)),))
    gradcheck(f, B, order=1)
    with pytest.raises(GradcheckError, match=r"order 2, argument 0"):
        gradcheck(f, B, order=2)


def test_a_rule_that_is_wrong_at_third_order_only():
    def rule(out, x):
        slope = xg.cos(x)
        curve = -xg.stop_gradient(xg.sin(x)) * (x - xg.stop_gradient(x))  # right in value and first derivative
        return lambda ct: (ct * (xg.stop_gradient(slope) + curve),)

    gradcheck(custom(xg.sin, rule), B, order=2)
    with pytest.raises(GradcheckError, match=r"order 3, argument 0"):
        gradcheck(custom(xg.sin, rule), B, order=3)
    gradcheck(xg.sin, B, order=3)


def test_a_wrong_tangent_is_caught_in_forward_mode():
    @xg.custom_jvp
    def f(x):
        return xg.sin(x)

    f.jvp(lambda out, primals, tangents: 1.001 * tangents[0] * xg.cos(primals[0]))
    with pytest.raises(GradcheckError, match="order 1"):
        gradcheck(f, B)


def test_the_second_of_two_arguments_is_named():
    f = custom(lambda x, y: x * y, lambda out, x, y: lambda ct: (ct * y, xg.sum(ct * x, axis=0) * 1.01))
    with pytest.raises(GradcheckError, match="argument 1:"):
        gradcheck(f, A, B)


def test_a_leaf_of_a_tree_is_named():
    def f(p):
        return p["w"] ** 2 + 1.01 * p["b"] - 0.01 * xg.stop_gradient(p["b"]) + xg.stop_gradient(p["b"]) * 0.2

    with pytest.raises(GradcheckError, match=r"argument 0\['b'\]"):
        gradcheck(f, {"w": A, "b": B})


def test_the_report_has_inputs_direction_numbers_and_entry():
    f = custom(xg.sin, lambda out, x: lambda ct: (ct * xg.cos(x) * np.array([1.0, 1.0, 1.5]),))
    with pytest.raises(GradcheckError) as caught:
        gradcheck(f, B)
    text = str(caught.value)
    assert "Entry (2,): derivative " in text and "at Tensor([ 0.8, -0.6,  1.4])" in text and "along Tensor([" in text
    exact, numeric = (
        float(v.rstrip(".,"))
        for v in (text.split("derivative is ")[1].split()[0], text.split("difference is ")[1].split()[0])
    )
    assert abs(exact - numeric) > 0.01


@pytest.mark.parametrize(
    "f, x",
    [
        (xg.abs, 0.0),
        (lambda x: xg.maximum(x, 0), 0.0),
        (lambda x: xg.maximum(x, 0), 1e-4),  # beside the kink, but within the step
        (lambda x: xg.max(x), [1.0, 1.0]),
        (lambda x: xg.clip(x, -1, 1), 1.0),
        (lambda x: xg.sqrt(xg.sum(x**2)), [0.0, 0.0]),
        (lambda x: xg.where(x > 0, 2 * x, x), 0.0),
    ],
)
def test_kinks_are_found(f, x):
    with pytest.raises(GradcheckError, match=r"kink at or near the point.*Move the point"):
        gradcheck(f, np.array(x))


def test_a_kink_of_the_derivative_is_found_at_order_two():
    f = lambda x: xg.maximum(x, 0) ** 2
    gradcheck(f, np.array(0.0), order=1)
    with pytest.raises(GradcheckError, match=r"order 2.*kink"):
        gradcheck(f, np.array(0.0), order=2)


def test_kinks_can_be_allowed():
    gradcheck(xg.abs, np.array(0.0), order=1, kinks=False)


@pytest.mark.parametrize("f", [lambda x: 1 / x, lambda x: xg.exp(10 * x), lambda x: xg.sin(50 * x), lambda x: x**9])
def test_curved_is_not_kinked(f):
    gradcheck(f, np.array([0.05, 0.31, -0.62]), order=2)


def test_the_edge_of_the_domain():
    with pytest.raises(GradcheckError, match=r"not finite.*edge of its domain"):
        gradcheck(lambda x: xg.log(x), np.array(1e-4))


def test_jumps_are_found():
    with pytest.raises(GradcheckError, match="kink"):
        gradcheck(lambda x: xg.floor(x) + x, np.array(1.0))


def test_a_function_that_does_not_repeat_itself():
    count = itertools.count()
    with pytest.raises(GradcheckError, match="different results for the same arguments"):
        gradcheck(lambda x: x * next(count), B)


@pytest.mark.parametrize("x", [A + 1j * A[::-1], np.array(0.3 - 0.8j)])
def test_complex(x):
    gradcheck(lambda z: xg.exp(z) * z, x)
    gradcheck(lambda z: xg.abs(z) ** 2 + xg.real(z * z), x)
    with pytest.raises(GradcheckError, match="imaginary part"):
        gradcheck(lambda z: xg.real(z) + xg.imag(xg.stop_gradient(z)), x)


def test_single_precision_needs_a_tolerance():
    x = B.astype(np.float32)
    with pytest.raises(TypeError, match=r"argument 0 must be float64 or complex128; got float32.*rtol"):
        gradcheck(xg.sin, x)
    gradcheck(xg.sin, x, rtol=1e-2, atol=1e-3)
    with pytest.raises(GradcheckError):
        gradcheck(custom(xg.sin, lambda out, x: lambda ct: (1.1 * ct * xg.cos(x),)), x, rtol=1e-2, atol=1e-3)


def test_wrong_uses():
    for call, error, words in (
        (lambda: gradcheck(3.0, B), TypeError, "must be a function; got float"),
        (lambda: gradcheck(xg.sin, B, order=0), ValueError, "order must be at least 1; got 0"),
        (lambda: gradcheck(xg.sin, B, directions=0), ValueError, "directions must be at least 1; got 0"),
        (lambda: gradcheck(xg.sin, np.array([1, 2])), TypeError, "no argument of floating dtype"),
    ):
        with pytest.raises(error, match=f"gradcheck: .*{words}"):
            call()


def test_every_device(device, rng):
    x = xg.asarray(rng.uniform(0.5, 1.5, (2, 3)), device=device)
    gradcheck(lambda x, y: xg.sin(x) @ y, x, xg.asarray(B, device=device), directions=3)
