"""Module: what it finds in its attributes, as a tree under transforms, its state, and moving it."""

import copy
import pickle

import numpy as np
import pytest

import xgrad as xg
from xgrad import nn, optim
from xgrad.pytree import flatten, tree_map

TIGHT = {"rtol": 1e-10, "atol": 1e-10}


def linear(n, m, seed, **options):
    return nn.Linear(n, m, generator=seed, dtype="float64", **options)


class Model(nn.Module):
    """Parts in a list and a dict, one weight under two names, a buffer of each kind, and a function."""

    def __init__(self, device="cpu"):
        self.first = linear(3, 4, 1, device=device)
        self.rest = [linear(4, 4, 2, device=device), {"head": linear(4, 2, 3, device=device)}]
        self.scale = xg.Tensor(1.5, device=device)
        self.tied = self.rest[0].weight
        self.register_buffer("seen", xg.zeros(4, device=device))
        self.register_buffer("ones", xg.ones((), device=device), persistent=False)
        self.function = nn.tanh
        self.name = "model"

    def forward(self, x):
        h = self.function(self.first(x) * self.scale)
        with xg.no_grad():
            self.seen[...] = self.seen + h.detach().mean(axis=0)
        h = self.rest[0](h) + xg.matmul(h, self.tied) * self.ones
        return self.rest[1]["head"](h)


NAMES = [
    "first.weight",
    "first.bias",
    "rest.0.weight",
    "rest.0.bias",
    "rest.1.head.weight",
    "rest.1.head.bias",
    "scale",
]


def cost(model, x):
    return (model(x) ** 2).mean()


@pytest.fixture
def x(rng):
    return rng.standard_normal((5, 3))


# What it holds --------------------------------------------------------------------------------------------------------


def test_parts_parameters_and_buffers_are_found():
    model = Model()
    assert [name for name, _ in model.named_parameters()] == NAMES
    assert [name for name, _ in model.named_buffers()] == ["seen", "ones"]
    assert list(map(id, model.buffers())) == [id(model.seen), id(model.ones)]
    assert [name for name, _ in model.named_modules()] == ["", "first", "rest.0", "rest.1.head"]
    assert [id(m) for m in model.modules()] == [id(m) for _, m in model.named_modules()]
    assert [name for name, _ in nn.Sequential(model, nn.relu, model, nn.Linear(2, 1)).named_children()] == ["0", "3"]
    assert [*model.children()] == [model.first, model.rest[0], model.rest[1]["head"]]
    assert list(model.state_dict()) == [*NAMES, "seen"]


def test_apply_reaches_parts_before_the_whole():
    model, seen = Model(), []
    assert model.apply(seen.append) is model
    assert seen == [model.rest[1]["head"], model.rest[0], model.first, model]


def test_registering_checks_what_it_is_given():
    model = nn.Module()
    model.register_buffer("nothing", None)
    model.register_parameter("bias", None)
    model.register_parameter("weight", xg.Tensor([1.0, 2.0]))
    assert (model.nothing, model.bias) == (None, None)
    assert list(model.state_dict()) == ["weight"]
    with pytest.raises(
        TypeError, match=r"register_buffer: mean must be a Tensor that requires no.*; got a Tensor of sh"
    ):
        model.register_buffer("mean", xg.Tensor([1.0]))
    with pytest.raises(TypeError, match=r"register_buffer: mean must be.*; got list"):
        model.register_buffer("mean", [1.0])
    with pytest.raises(TypeError, match=r"register_parameter: scale must be a leaf.*; got a recorded result of shape"):
        model.register_parameter("scale", 2 * model.weight)
    with pytest.raises(ValueError, match=r"register_buffer: name must be that of an attribute; got 'a.b'"):
        model.register_buffer("a.b", xg.zeros(1))


def test_repr_counts_what_is_trained_and_what_is_frozen():
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    model[0].requires_grad_(False)
    assert repr(model).split("\n") == [
        "Sequential: 3 parameters, 8 frozen",
        "  0: Linear(3, 2): 0 parameters, 8 frozen",
        "  1: Linear(2, 1): 3 parameters",
    ]


def test_zero_grad_drops_gradients(x):
    model = Model()
    cost(model, x).backward()
    assert all(p.grad is not None for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())


# Freezing -------------------------------------------------------------------------------------------------------------


def test_a_frozen_part_is_state_and_can_be_freed(x):
    model = Model()
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    assert model.rest[0].requires_grad_(False) is model.rest[0]
    assert [name for name, _ in model.named_parameters()] == [n for n in NAMES if not n.startswith("rest.0")]
    assert [name for name, _ in model.named_buffers()] == ["seen", "ones"]
    assert list(model.state_dict()) == list(before)
    cost(model, x).backward()
    optim.SGD(model.parameters(), lr=0.1).step()
    for name, value in model.state_dict().items():
        if name != "seen":
            assert (value.numpy() == before[name]).all() == name.startswith("rest.0"), name
    assert [g.shape for g in flatten(xg.grad(cost)(model, x))[0]] == [p.shape for p in model.parameters()]
    model.requires_grad_()
    assert [name for name, _ in model.named_parameters()] == NAMES
    assert model.tied is model.rest[0].weight
    cost(model, x).backward()
    assert all(p.grad is not None for p in model.parameters())
    assert [name for name, _ in model.named_buffers()] == ["seen", "ones"]


# Copies ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_models_of_their_own(clone, x):
    model = Model()
    model.first.requires_grad_(False)
    other = clone(model)
    assert [name for name, _ in other.named_parameters()] == [name for name, _ in model.named_parameters()]
    assert list(other.state_dict()) == list(model.state_dict())
    assert other.tied is other.rest[0].weight
    np.testing.assert_array_equal(other(x).detach().numpy(), model(x).detach().numpy())
    cost(other, x).backward()
    assert all(p.grad is None for p in model.parameters())


# A tree ---------------------------------------------------------------------------------------------------------------


def test_a_module_is_a_tree_of_its_parameters():
    model = Model()
    leaves, structure = flatten([model])
    assert list(map(id, leaves)) == list(map(id, model.parameters()))
    assert structure.paths() == [f"[0].{name}" for name in NAMES]
    (made,) = structure([2 * leaf.detach() for leaf in leaves])
    assert type(made) is Model
    assert [name for name, _ in made.named_parameters()] == NAMES  # constants now, but in the places of parameters
    np.testing.assert_array_equal(made.tied.numpy(), 2 * model.tied.detach().numpy())
    assert (made.seen is model.seen, made.function, made.name) == (True, nn.tanh, "model")
    assert made.first is not model.first
    assert made.rest is not model.rest
    assert model.first.weight.is_leaf


def test_gradients_by_transform_are_a_module_and_those_of_backward(device, x):
    model, x = Model(device), xg.asarray(x, device=device)
    loss = cost(model, x)
    loss.backward()
    with xg.no_grad():
        value, found = xg.value_and_grad(cost)(model, x)
    assert float(value) == pytest.approx(float(loss), rel=1e-12)
    assert type(found) is Model
    for (name, g), (same, p) in zip(found.named_parameters(), model.named_parameters(), strict=True):
        assert (name, g.device) == (same, p.device)
        assert not g.requires_grad
        np.testing.assert_allclose(g.numpy(), p.grad.numpy(), **TIGHT)


def test_gradients_by_transform_are_recorded_on_the_tape(x):
    model = Model()
    penalty = sum((g * g).sum() for g in xg.grad(cost)(model, x).parameters())
    penalty.backward()

    def of_raw(tree):
        rebuilt = flatten(model)[1](flatten(tree)[0])
        with xg.no_grad():
            return sum((g * g).sum() for g in flatten(xg.grad(cost)(rebuilt, x))[0])

    values = [p.detach() for p in model.parameters()]
    step, base = 1e-6, values[0].numpy().copy()
    direction = np.random.default_rng(0).standard_normal(base.shape)
    up, down = (float(of_raw([xg.asarray(base + s * step * direction), *values[1:]])) for s in (1, -1))
    assert (up - down) / (2 * step) == pytest.approx(float((model.first.weight.grad * direction).sum()), rel=1e-6)


def test_a_loop_of_functional_steps_is_gradient_descent(x):
    model, other = Model(), Model()
    optimiser = optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        cost(model, x).backward()
        optimiser.step()
    with xg.no_grad():
        for _ in range(3):
            other = tree_map(lambda p, g: p - 0.1 * g, other, xg.grad(cost)(other, x))
    for (name, a), (_, b) in zip(model.named_parameters(), other.named_parameters(), strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.numpy(), **TIGHT, err_msg=name)
    other.requires_grad_()
    cost(other, x).backward()
    assert all(p.is_leaf and p.grad is not None for p in other.parameters())


def test_one_array_may_be_two_gradients(x):
    class Sum(nn.Module):
        def __init__(self):
            self.a, self.b = xg.Tensor([1.0, 2.0]), xg.Tensor([3.0, 4.0])

    model = Sum()
    found = xg.grad(lambda m: (m.a + m.b).sum())(model)
    assert [name for name, _ in found.named_parameters()] == ["a", "b"]
    same = xg.ones(2)
    stepped = tree_map(lambda p, g, h: p.detach() - g.detach() - h, model, found, tree_map(lambda p: same, model))
    assert (stepped.a.tolist(), stepped.b.tolist()) == ([-1.0, 0.0], [1.0, 2.0])
    assert flatten(tree_map(lambda p: 0.0, model))[0] == [0.0, 0.0]


def test_other_transforms_take_modules(x):
    model = Model()
    pushed = xg.jvp(lambda m: m(x), (model,), (tree_map(xg.ones_like, model),))[1]
    assert pushed.shape == (5, 2)
    value, pullback = xg.vjp(lambda m: m(x), model)
    (back,) = pullback(xg.ones_like(value))
    total = sum(float(g.detach().sum()) for g in back.parameters())
    assert total == pytest.approx(float(pushed.detach().sum()), rel=1e-10)
    rows = xg.jacobian(lambda line: line(x[0]))(linear(3, 2, 0))
    assert {name: p.shape for name, p in rows.named_parameters()} == {"weight": (2, 2, 3), "bias": (2, 2)}


def test_buffers_written_inside_a_transform_reach_the_model_as_plain_values(device, x):
    model, plain = Model(device), Model(device)
    x = xg.asarray(x, device=device)
    plain(x)
    found = xg.grad(cost)(model, x)
    assert found.seen is model.seen
    assert not model.seen.requires_grad
    np.testing.assert_allclose(model.seen.numpy(), plain.seen.numpy(), **TIGHT)


def test_trees_of_other_modules_do_not_fit():
    with pytest.raises(ValueError, match=r"must be a Linear with 'weight', 'bias'; got a Linear with 'weight'"):
        tree_map(lambda a, b: a, nn.Linear(3, 2), nn.Linear(3, 2, bias=False))


def test_a_circle_of_modules_is_a_tree_too():
    model = Model()
    model.first.whole = model
    made = tree_map(lambda p: p.detach(), model)
    assert made.first.whole is made


def test_a_class_says_of_itself_that_it_is_a_container():
    class Box:
        def __init__(self, **held):
            self.held = held

        def __tree__(self):
            return self.held, lambda held: type(self)(**held)

    class Special(Box):
        pass

    found = tree_map(lambda v: v + 1, {"box": Special(a=1, b=(2, 3))})
    assert type(found["box"]) is Special
    assert found["box"].held == {"a": 2, "b": (3, 4)}


# State ----------------------------------------------------------------------------------------------------------------


def test_a_state_of_other_names_is_loaded_where_they_agree():
    model = nn.Linear(3, 2, generator=0)
    bias = model.bias.detach().numpy().copy()
    found = model.load_state_dict({"weight": np.ones((2, 3), np.float32), "scale": 1.0}, strict=False)
    assert (found.missing_keys, found.unexpected_keys) == (["bias"], ["scale"])
    assert (model.weight == 1).all()
    np.testing.assert_array_equal(model.bias.detach().numpy(), bias)
    assert model.load_state_dict(model.state_dict()) == ([], [])
    with pytest.raises(ValueError, match=r"load_state_dict: weight must have shape \(2, 3\); got \(2,\)"):
        model.load_state_dict({"weight": np.ones(2, np.float32)}, strict=False)


# Moving ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [("float32",), (xg.float32,), ("cpu", "float32"), (np.float32,)])
def test_to_converts_what_is_floating(arguments, x):
    model = Model()
    model.register_buffer("count", xg.asarray(3))
    ids = [id(p) for p in model.parameters()]
    assert model.to(*arguments) is model
    assert {str(value.dtype) for name, value in model.state_dict().items() if name != "count"} == {"float32"}
    assert (model.ones.dtype, model.count.dtype) == ("float32", "int64")
    assert [id(p) for p in model.parameters()] == ids
    cost(model, x.astype("float32")).backward()
    assert all(p.grad.dtype == "float32" for p in model.parameters())


def test_to_moves_and_converts_at_once(device):
    model = Model().to(device=device, dtype="float32")
    place = xg.Tensor(1.0, device=device).device
    assert {(v.device, str(v.dtype)) for _, v in [*model.named_parameters(), *model.named_buffers()]} == {
        (place, "float32")
    }
    assert model.to(place).first.weight.device == place


def test_to_checks_its_arguments():
    model = nn.Linear(3, 2)
    with pytest.raises(TypeError, match="to: dtype must be real floating; got int64"):
        model.to("int64")
    with pytest.raises(ValueError, match="unknown device"):
        model.to("gpu", "float64")
    assert model.weight.dtype == "float32"


@pytest.mark.parametrize("change", [lambda m: m.to("float32"), lambda m: m.requires_grad_(False)])
def test_a_watched_model_is_not_changed_under_its_gradient(change, x):
    with pytest.raises(TypeError, match=r": a parameter is watched by a transform or was computed.*outside"):
        xg.grad(lambda m: cost(change(m), x))(Model())
