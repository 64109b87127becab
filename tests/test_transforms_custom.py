"""Rules of the user's own, constants, and checkpoints."""

import tracemalloc

import numpy as np
import pytest

import xgrad as xg
from xgrad.errors import GraphError
from xgrad.pytree import flatten
from xgrad.testing import gradcheck

A = np.array([0.3, -0.7, 1.1])
B = np.array([0.8, 0.6, -1.4])


def close(ours, theirs, rtol=1e-12):
    a, b = flatten(ours)[0], flatten(theirs)[0]
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=rtol, atol=1e-14)


# The same function with its derivative derived, given as a pullback, and given as a tangent ---------------------------


def plain(p, y):
    return {"s": xg.sin(p["a"]) * y, "e": (xg.exp(p["b"]),)}


given = xg.custom_vjp(plain)
pushed = xg.custom_jvp(plain)


@given.vjp
def given_vjp(out, p, y):
    def pullback(ct):
        a = ct["s"] * xg.cos(p["a"]) * y
        return {"a": a, "b": ct["e"][0] * out["e"][0]}, ct["s"] * xg.sin(p["a"])

    return pullback


@pushed.jvp
def pushed_jvp(out, primals, tangents):
    (p, y), (dp, dy) = primals, tangents
    return {"s": dp["a"] * xg.cos(p["a"]) * y + xg.sin(p["a"]) * dy, "e": (out["e"][0] * dp["b"],)}


P = {"a": A, "b": np.array(0.4)}
Q = {"a": B, "b": np.array(-1.2)}


def total(f):
    return lambda p, y: (f(p, y)["s"] ** 2).sum() * f(p, y)["e"][0]


USES = {
    "grad": lambda f: xg.grad(total(f), argnums=(0, 1))(P, B),
    "only the first": lambda f: xg.grad(total(f))(P, B),
    "only one leaf": lambda f: xg.grad(lambda a: total(f)({"a": a, "b": 0.4}, B))(A),
    "only one result": lambda f: xg.grad(lambda p: f(p, B)["e"][0])(P),
    "vjp": lambda f: xg.vjp(f, P, B)[1]({"s": A, "e": (2.0,)}),
    "jvp": lambda f: xg.jvp(f, (P, B), (Q, A)),
    "jvp of one": lambda f: xg.jvp(lambda y: f(P, y), (B,), (A,)),
    "linearize": lambda f: xg.linearize(f, P, B)[1](Q, A),
    "hvp": lambda f: xg.hvp(total(f), (P, B), (Q, A)),
    "jvp of grad": lambda f: xg.jvp(xg.grad(total(f)), (P, B), (Q, A)),
    "hessian": lambda f: xg.hessian(total(f))(P, B),
    "jacobian": lambda f: (xg.jacobian(f, mode="reverse")(P, B), xg.jacobian(f, mode="forward")(P, B)),
    "checkpointed": lambda f: xg.hvp(total(xg.checkpoint(f)), (P, B), (Q, A)),
    "third": lambda f: xg.grad(lambda p: xg.hvp(total(f), (p, B), (Q, A))[0]["a"].sum())(P),
}


@pytest.mark.parametrize("name", USES)
@pytest.mark.parametrize("f", [given, pushed], ids=["custom_vjp", "custom_jvp"])
def test_a_right_rule_changes_nothing(f, name):
    close(USES[name](f), USES[name](plain), rtol=1e-10)


@pytest.mark.parametrize("f", [given, pushed], ids=["custom_vjp", "custom_jvp"])
def test_on_a_tape_and_every_device(f, device):
    leaves = [xg.Tensor(v, device=device) for v in (A, 0.4, B)]
    twins = [xg.Tensor(v, device=device) for v in (A, 0.4, B)]
    total(f)({"a": leaves[0], "b": leaves[1]}, leaves[2]).backward()
    total(plain)({"a": twins[0], "b": twins[1]}, twins[2]).backward()
    for a, b in zip(leaves, twins, strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-12)
        assert a.grad.device == a.device


@pytest.mark.parametrize("f", [given, pushed], ids=["custom_vjp", "custom_jvp"])
def test_gradcheck_takes_a_custom_rule(f):
    gradcheck(f, P, B, order=3)


def test_a_rule_is_used_and_not_the_function():
    @xg.custom_vjp
    def clipped(x):
        return x * 1

    clipped.vjp(lambda out, x: lambda ct: (xg.clip(ct, -1.0, 1.0),))
    close(xg.grad(lambda x: (clipped(x) * np.array([0.5, 7.0, -9.0])).sum())(A), np.array([0.5, 1.0, -1.0]))
    close(clipped(A), A)


def test_foreign_code_and_keywords():
    @xg.custom_vjp
    def smooth(x, width, *, times=1):
        y = np.asarray(x.detach().numpy() if isinstance(x, xg.Tensor) else x)
        for _ in range(times):
            y = np.convolve(y, np.ones(width) / width, "same")
        return y

    @smooth.vjp
    def smooth_vjp(out, x, width, *, times=1):
        return lambda ct: (smooth(ct, width, times=times), None)

    matrix = np.stack([np.convolve(np.convolve(e, np.ones(3) / 3, "same"), np.ones(3) / 3, "same") for e in np.eye(5)])
    x, ct = np.arange(5.0), np.array([1.0, -2.0, 0.5, 3.0, 1.5])
    close(xg.vjp(lambda x: smooth(x, 3, times=2), x)[1](ct)[0], matrix @ ct)


def test_complex_rules_speak_the_language_of_vjp():
    f = xg.custom_vjp(lambda z: z * z)
    f.vjp(lambda out, z: lambda ct: (ct * xg.conj(2 * z),))
    g = xg.custom_jvp(lambda z: z * z)
    g.jvp(lambda out, primals, tangents: 2 * primals[0] * tangents[0])
    z, t = A + 1j * B, B - 2j * A
    for h in (f, g):
        close(xg.grad(lambda z, h=h: xg.abs(h(z)).sum())(z), xg.grad(lambda z: xg.abs(z * z).sum())(z))
        close(xg.vjp(h, z)[1](t)[0], xg.vjp(lambda z: z * z, z)[1](t)[0])
        close(xg.jvp(h, (z,), (t,))[1], 2 * z * t)


def test_masked_branches_stay_zero_through_a_rule():
    f = xg.custom_vjp(lambda x: xg.log(x))
    f.vjp(lambda out, x: lambda ct: (ct / x,))
    with np.errstate(all="ignore"):
        found = xg.grad(lambda x: xg.where(x > 0, f(xg.sqrt(x)), 0.0).sum())(np.array([-1.0, 0.0, 4.0]))
    assert found[2] == 0.125


RULES = {
    "no tuple": (lambda out, x, y: lambda ct: ct, TypeError, r"one cotangent per argument \(2\); got Tensor"),
    "too few": (lambda out, x, y: lambda ct: (ct,), TypeError, r"one cotangent per argument \(2\); got a tuple of 1"),
    "shape": (lambda out, x, y: lambda ct: (ct[:2], ct), ValueError, r"got \(2,\) for \(3,\) at argument \[0\]"),
    "structure": (lambda out, x, y: lambda ct: ({"a": ct}, ct), (ValueError, TypeError), "array|dict"),
    "no pullback": (lambda out, x, y: (1, 2), TypeError, "must return a pullback.*got tuple"),
}


@pytest.mark.parametrize("name", RULES)
def test_wrong_rules(name):
    rule, error, words = RULES[name]
    f = xg.custom_vjp(lambda x, y: x * y)
    f.vjp(rule)
    with pytest.raises(error, match=words):
        xg.grad(lambda x: f(x, B).sum())(A)


def test_wrong_tangents():
    f = xg.custom_jvp(lambda x: x * 2)
    f.jvp(lambda out, primals, tangents: tangents[0][:2])
    for call in (lambda: xg.jvp(f, (A,), (A,)), lambda: xg.grad(lambda x: f(x).sum())(A)):
        with pytest.raises(ValueError, match=r"the tangent must have the shape of the result; got \(2,\) for \(3,\)"):
            call()


def test_wrong_uses():
    @xg.custom_vjp
    def bare(x):
        return x * 2

    with pytest.raises(NotImplementedError, match=r"bare: this custom_vjp function has no rule yet.*@bare\.vjp"):
        xg.grad(bare)(1.0)
    assert bare(2.0) == 4.0
    with pytest.raises(TypeError, match=r"custom_vjp: the first argument must be a function; got float"):
        xg.custom_vjp(3.0)
    with pytest.raises(TypeError, match=r"bare\.vjp: the first argument must be a function"):
        bare.vjp(None)
    keyword = xg.custom_vjp(lambda x, *, y: x * y)
    keyword.vjp(lambda out, x, *, y: lambda ct: (ct * y,))
    with pytest.raises(TypeError, match="tracked Tensor by keyword"):
        xg.grad(lambda x: keyword(x, y=x))(2.0)
    assert float(xg.grad(lambda x: keyword(x, y=3.0))(2.0)) == 3.0


def test_a_closure_over_a_tracked_tensor_is_refused():
    def outer(x):
        f = xg.custom_vjp(lambda y: x * y)
        f.vjp(lambda out, y: lambda ct: (ct,))
        return f(2 * x)

    with pytest.raises(GraphError, match="closes over a tracked Tensor"):
        xg.grad(outer)(3.0)


def test_stop_gradient():
    assert float(xg.grad(lambda x: x * xg.stop_gradient(x))(3.0)) == 3.0
    assert float(xg.jvp(lambda x: x * xg.stop_gradient(x), (3.0,), (1.0,))[1]) == 3.0
    assert float(xg.grad(xg.grad(lambda x: x**2 * xg.stop_gradient(x)))(3.0)) == 6.0
    tree = xg.stop_gradient({"a": xg.Tensor(A), "b": (A, "text")})
    assert not tree["a"].requires_grad and tree["b"][0] is A and tree["b"][1] == "text"


# Checkpoints ----------------------------------------------------------------------------------------------------------


def network(every, wrap, width=8, layers=64):
    def run(x, weights):
        for i in range(0, layers, every):

            def block(h, ws):
                for w in ws:
                    h = xg.tanh(h @ w)
                return h

            x = wrap(block)(x, weights[i : i + every])
        return (x * x).sum()

    return run


def peak(f):
    tracemalloc.start()
    try:
        f()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_third_of_the_memory(rng):
    """64 layers, a checkpoint every 8: measured 0.28 of the peak without, and the same gradients to the bit."""
    weights = [0.4 * rng.standard_normal((8, 8)) for _ in range(64)]
    x = rng.standard_normal((4096, 8))
    keeping = xg.grad(network(8, lambda f: f), argnums=1)
    again = xg.grad(network(8, xg.checkpoint), argnums=1)
    for a, b in zip(keeping(x, weights), again(x, weights), strict=True):
        np.testing.assert_array_equal(a, b)
    assert peak(lambda: again(x, weights)) <= peak(lambda: keeping(x, weights)) / 3


def test_a_third_of_the_memory_on_a_tape(rng):
    weights = [xg.Tensor(0.4 * rng.standard_normal((8, 8))) for _ in range(64)]
    x = xg.asarray(rng.standard_normal((4096, 8)))
    peaks, grads = [], []
    for wrap in (lambda f: f, xg.checkpoint):
        peaks.append(peak(lambda wrap=wrap: network(8, wrap)(x, weights).backward()))
        grads.append([w.grad.numpy() for w in weights])
    close(grads[1], grads[0])
    assert peaks[1] <= peaks[0] / 3


def test_what_a_checkpoint_closes_over_gets_its_gradient(device):
    """Leaves (parameters) and intermediate results alike, each recorded at the level it belongs to."""

    def loss(a, wrap):
        b = xg.exp(a)
        inner = wrap(lambda t: xg.sin(t) * b + xg.sum(a))
        return (inner(a) * b).sum()

    leaf, twin = xg.Tensor(A, device=device), xg.Tensor(A, device=device)
    loss(leaf, xg.checkpoint).backward()
    loss(twin, lambda f: f).backward()
    np.testing.assert_allclose(leaf.grad.numpy(), twin.grad.numpy(), rtol=1e-12)
    close(xg.hessian(lambda a: loss(a, xg.checkpoint))(A), xg.hessian(lambda a: loss(a, lambda f: f))(A))


def test_a_module_in_a_checkpoint(rng):
    model = xg.nn.Sequential(xg.nn.Linear(3, 4), xg.nn.Linear(4, 2))
    x = xg.asarray(rng.standard_normal((5, 3)).astype(np.float32))
    (model(x) ** 2).sum().backward()
    plain_grads = [p.grad.numpy() for p in model.parameters()]
    (xg.checkpoint(model)(x) ** 2).sum().backward()
    close([p.grad.numpy() for p in model.parameters()], plain_grads, rtol=1e-6)


NESTED = {
    "hessian": lambda f: xg.hessian(lambda x: f(x).sum())(A),
    "hvp": lambda f: xg.hvp(lambda x: f(x).sum(), (A,), (B,)),
    "jvp": lambda f: xg.jvp(f, (A,), (B,)),
    "jvp of grad": lambda f: xg.jvp(xg.grad(lambda x: f(x).sum()), (A,), (B,)),
    "grad of jvp": lambda f: xg.grad(lambda x: xg.jvp(f, (x,), (B,))[1].sum())(A),
    "third": lambda f: xg.grad(lambda x: xg.hvp(lambda y: f(y).sum(), (x,), (B,))[0].sum())(A),
    "jacobian": lambda f: (xg.jacobian(f, mode="reverse")(A), xg.jacobian(f, mode="forward")(A)),
    "pullback twice": lambda f: [xg.vjp(f, A)[1](B), xg.vjp(f, A)[1](A)],
    "in a checkpoint": lambda f: xg.grad(lambda x: xg.checkpoint(lambda y: f(f(y)))(x).sum())(A),
}


@pytest.mark.parametrize("name", NESTED)
def test_checkpoints_under_nested_transforms(name):
    f = lambda x: xg.sin(xg.exp(x) * x[0])
    again = xg.checkpoint(f)
    close(NESTED[name](lambda x: again(again(x))), NESTED[name](lambda x: f(f(x))), rtol=1e-10)


def test_checkpoints_take_trees_keywords_and_other_things():
    @xg.checkpoint
    def f(p, mode, *, scale, flags=()):
        assert mode == "fast" and flags == ("a",)
        return {"v": [p["a"] ** 2 * scale], "n": 3, "text": "t"}

    def loss(p):
        out = f(p, "fast", scale=p["b"], flags=("a",))
        assert out["n"] == 3 and out["text"] == "t"
        return out["v"][0].sum()

    close(xg.grad(loss)({"a": A, "b": 2.0}), {"a": 4 * A, "b": np.sum(A**2)})


def test_results_that_nobody_used_and_arguments_that_come_back():
    f = xg.checkpoint(lambda x, y: (xg.sin(x), xg.cos(y), x))
    close(xg.grad(lambda x, y: f(x, y)[0].sum(), argnums=(0, 1))(A, B), (np.cos(A), 0 * B))
    close(xg.grad(lambda x: (f(x, B)[2] * f(x, B)[0]).sum())(A), np.sin(A) + A * np.cos(A))
    assert f(A, B)[2] is A


def test_masked_branches_stay_zero_in_a_checkpoint():
    with np.errstate(all="ignore"):
        for f in (
            lambda x: xg.checkpoint(lambda x: xg.where(x > 0, xg.log(x), 0.0))(x),
            lambda x: xg.where(x > 0, xg.checkpoint(xg.log)(x), 0.0),
            lambda x: xg.checkpoint(lambda x: xg.where(x > 0, x, 0.0))(xg.log(x)),
        ):
            found = xg.grad(lambda x, f=f: f(x).sum())(np.array([-1.0, 0.0, 4.0]))
            assert found[2] == 0.25 and found[0] == 0.0


def test_the_pass_back_inside_no_grad():
    x = xg.Tensor(A)
    y = xg.checkpoint(xg.sin)(x).sum()
    with xg.no_grad():
        y.backward()
    np.testing.assert_allclose(x.grad.numpy(), np.cos(A))


def test_a_checkpoint_that_writes_to_its_argument_is_refused():
    @xg.checkpoint
    def f(x):
        x += 1
        return x * x

    with pytest.raises(ValueError, match="checkpoint: the function must not write to its arguments"):
        xg.grad(lambda x: f(x * 1).sum())(A)


def test_a_checkpoint_that_does_not_repeat_itself_is_refused():
    calls = []

    def f(x, y):
        calls.append(1)
        return (xg.sin(x), xg.sin(y)) if len(calls) == 1 else (xg.sin(x), 1.0)

    with pytest.raises(GraphError, match="did not repeat itself"):
        xg.grad(lambda x, y: sum(v.sum() for v in map(xg.asarray, xg.checkpoint(f)(x, y))), argnums=(0, 1))(A, B)
    with pytest.raises(TypeError, match="checkpoint: the first argument must be a function"):
        xg.checkpoint(A)
