"""Loss scaling: the same steps as without, overflow, growth, state, and no look from the host."""

import numpy as np
import pytest

import xgrad as xg


def problem(device, seed=0):
    model = xg.nn.Sequential(xg.nn.Linear(4, 8, generator=seed), xg.nn.tanh, xg.nn.Linear(8, 1, generator=seed + 1))
    return model.to(device), xg.optim.Adam(model.parameters(), lr=0.01)


def values(model):
    return [p.detach().numpy().copy() for p in model.parameters()]


def test_a_scaled_run_is_the_plain_run(device, rng):
    x = xg.asarray(rng.standard_normal((16, 4)).astype(np.float32), device=device)
    runs = []
    for scaler in (None, xg.optim.GradScaler(2.0**12, growth_interval=3), xg.optim.GradScaler(enabled=False)):
        model, optimiser = problem(device)
        for _ in range(8):
            loss = (model(x) ** 2).mean()
            if scaler is None:
                loss.backward()
                optimiser.step()
            else:
                scaler.scale(loss).backward()
                scaler.step(optimiser)
                scaler.update()
        runs.append(values(model))
        if scaler is not None:
            assert float(scaler.get_scale()) == (2.0**14 if scaler.enabled else 1.0)  # grown twice
    for run in runs[1:]:
        for a, b in zip(runs[0], run, strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_a_step_that_overflowed_is_cancelled(bad, device):
    model, optimiser = problem(device)
    scaler = xg.optim.GradScaler(1024.0, growth_interval=1)
    x = xg.ones((3, 4), dtype="float32", device=device)
    for spoiled in (False, True, False):
        before = values(model)
        loss = (model(x) ** 2).mean()
        scaler.scale(loss).backward()
        if spoiled:
            last = list(model.parameters())[-1]
            last.grad = last.grad * bad
        scale = float(scaler.get_scale())
        scaler.step(optimiser)
        scaler.update()
        assert float(scaler.get_scale()) == scale * (0.5 if spoiled else 2.0)
        changed = [bool((a != b).any()) for a, b in zip(before, values(model), strict=True)]
        assert not any(changed) if spoiled else all(changed)


def test_gradients_may_be_clipped_between():
    model, optimiser = problem("cpu")
    scaler = xg.optim.GradScaler(4096.0)
    x = xg.ones((3, 4), dtype="float32")
    loss = 100.0 * (model(x) ** 2).mean()
    loss.backward(retain_graph=True)
    want = [p.grad.numpy().copy() for p in model.parameters()]
    scaler.scale(loss).backward()
    scaler.unscale_(optimiser)
    for p, g in zip(model.parameters(), want, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), g, rtol=1e-5)
    with pytest.raises(RuntimeError, match="unscaled already"):
        scaler.unscale_(optimiser)
    xg.optim.clip_grad_norm(list(model.parameters()), 1.0)
    scaler.step(optimiser)
    scaler.update()
    with pytest.raises(RuntimeError, match="no step since the last update"):
        scaler.update()


def test_small_gradients_survive_float16_only_when_scaled(rng):
    x = xg.asarray(rng.standard_normal((8, 4)).astype(np.float32))
    norms = {}
    for scaled in (False, True):
        layer = xg.nn.Linear(4, 2, generator=0)
        scaler = xg.optim.GradScaler(2.0**20, enabled=scaled)
        with xg.autocast("float16"):
            loss = layer(x).sum() * 1e-8  # cotangents below the smallest float16
        scaler.scale(loss).backward()
        norms[scaled] = float(xg.linalg.vector_norm(layer.weight.grad / scaler.get_scale()))
    assert norms[False] == 0.0
    assert norms[True] == pytest.approx(float(xg.linalg.vector_norm(1e-8 * x.sum(axis=0))) * 2**0.5, rel=1e-2)


def test_a_resumed_scaler_goes_on(tmp_path):
    scaler = xg.optim.GradScaler(1024.0, growth_interval=2)
    model, optimiser = problem("cpu")
    x = xg.ones((3, 4), dtype="float32")

    def step(s):
        s.scale((model(x) ** 2).mean()).backward()
        s.step(optimiser)
        s.update()

    step(scaler)
    xg.save(scaler.state_dict(), tmp_path / "scaler.safetensors")
    other = xg.optim.GradScaler()
    other.load_state_dict(xg.load(tmp_path / "scaler.safetensors"))
    for s in (scaler, other):
        step(s)
        assert float(s.get_scale()) == 2048.0
    other.load_state_dict(
        {"scale": 8.0, "growth_factor": 2.0, "backoff_factor": 0.5, "growth_interval": 5, "_growth_tracker": 3}
    )
    assert float(other.get_scale()) == 8.0


def test_numbers_out_of_range_are_refused():
    wrong = {"init_scale": 0.0, "growth_factor": 1.0, "backoff_factor": 1.0, "growth_interval": 0}
    for name, value in wrong.items():
        with pytest.raises(ValueError, match=f"GradScaler: {name} is out of range"):
            xg.optim.GradScaler(**{name: value})
