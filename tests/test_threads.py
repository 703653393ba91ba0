"""Sessions of one world in several threads, and steps that end before they are done."""

import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any

import numpy as np
import pytest
import torch
from tiny import remembering, shaken
from torch import nn

from slowfast_vgen.memory.config import MemoryConfig, memory_by_name
from slowfast_vgen.memory.names import MEMORY_NAMES
from slowfast_vgen.memory.ridge import RidgeConfig
from slowfast_vgen.memory.settings import FastLearningConfig
from slowfast_vgen.memory.sharing import sharing_weights
from slowfast_vgen.models import text
from slowfast_vgen.models.addressing.address import PlanarAddress
from slowfast_vgen.models.fingerprint import sha256_of_tensors
from slowfast_vgen.models.world_model import WorldWeights
from slowfast_vgen.rollout import WorldModel

IMAGE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
ACTIONS = ("turn left", "go forward", "turn right")
SHIPPED = MemoryConfig(RidgeConfig(), FastLearningConfig(learning_rate=1e-2))
FAMILIES = ("VideoTransformer", "UNet3DDenoiser", "WanDenoiser")


def world_of(ridge_world: WorldModel, family: str, target: str = "flow") -> WorldModel:
    """A small world that every rule can act in."""
    model = ridge_world.model
    denoiser = remembering(family, 4).eval().requires_grad_(False)
    address = shaken(lambda: PlanarAddress(key_width=64)).eval().requires_grad_(False)
    config = type(model.config)("tiny", num_sampling_steps=2, target=target)
    return WorldModel(WorldWeights(config, model.codec, denoiser, model.text_encoder, address))  # type: ignore[arg-type]


def video(world: WorldModel, name: str, seed: int) -> np.ndarray:
    session = world.start(IMAGE, memory_by_name(name, SHIPPED) or False, seed)
    return np.concatenate([session.step(action) for action in ACTIONS[:2]])


@pytest.mark.parametrize(
    ("family", "target"),
    [
        ("VideoTransformer", "flow"),
        ("WanDenoiser", "v_prediction"),
        pytest.param("UNet3DDenoiser", "epsilon", marks=pytest.mark.slow),
    ],
)
def test_four_threads_with_every_memory_go_as_one_by_one(
    ridge_world: WorldModel, family: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = world_of(ridge_world, family, target)
    weights = world.model.denoiser.state_dict()
    before = sha256_of_tensors(weights)
    places = [each.data_ptr() for each in weights.values()]
    names = MEMORY_NAMES if family == "VideoTransformer" else ("ridge", "denoising", "ridge+denoising")
    jobs = [(name, seed) for seed in range(4) for name in names]
    alone = {job: video(world, *job) for job in jobs}
    monkeypatch.setattr(text, "CACHE_SIZE", 1)  # embeddings are made and dropped all the time
    together = Barrier(4)

    def run(seed: int) -> dict[Any, np.ndarray]:
        together.wait()
        order = names[seed:] + names[:seed]
        return {(name, seed): video(world, name, seed) for name in order}

    with ThreadPoolExecutor(4) as pool:
        found = {job: made for part in pool.map(run, range(4)) for job, made in part.items()}
    different = [job for job in jobs if not np.array_equal(found[job], alone[job])]
    assert not different
    assert sha256_of_tensors(world.model.denoiser.state_dict()) == before
    assert [each.data_ptr() for each in world.model.denoiser.state_dict().values()] == places
    assert all(parameter.grad is None for parameter in world.model.denoiser.parameters())


def test_forks_of_one_session_in_threads_do_not_meet(ridge_world: WorldModel) -> None:
    session = ridge_world.start(IMAGE, SHIPPED, 3, num_sampling_steps=2)
    session.step("turn left")
    forks = [session.fork() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        chunks = list(pool.map(lambda fork: [fork.step(action) for action in ACTIONS], forks))
    expected = [session.step(action) for action in ACTIONS]
    assert all(np.array_equal(one, other) for made in chunks for one, other in zip(made, expected, strict=True))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_module_over_shared_weights_says_the_same_and_is_its_own(family: str) -> None:
    net = remembering(family, 3).eval()
    other = sharing_weights(net)
    assert type(other) is type(net)
    for (name, one), (_, two) in zip(net.named_parameters(), other.named_parameters(), strict=True):
        assert one.data_ptr() == two.data_ptr(), name
        assert one.requires_grad and not two.requires_grad
    mine = {id(module) for module in net.modules()}
    assert not any(id(module) in mine for module in other.modules())
    inputs = torch.randn(1, 2, 8, 8, 8), torch.full((1, 2), 0.5), text.TextEncoder.null(1), None
    with torch.no_grad():
        net.requires_grad_(False)  # as in a world: torch multiplies in another way where weights ask for gradients
        assert torch.equal(net.predict(*inputs), other.predict(*inputs))  # type: ignore[operator]
        net.requires_grad_(True)
        other.requires_grad_(False)
        next(each for each in other.modules() if isinstance(each, nn.Linear)).weight = nn.Parameter(torch.zeros(1))
    assert all(one.requires_grad for one in net.parameters())


class _Interrupted:
    """Ctrl-C at the n-th call of any Python function of the package or of torch's optimisers."""

    def __init__(self, at: int) -> None:
        self.at, self.calls = at, 0

    def __call__(self, frame: Any, event: str, _: Any) -> None:
        name = frame.f_code.co_filename
        closed = frame.f_code.co_name == "<genexpr>"  # Python itself drops what is raised while it closes one
        if event == "call" and not closed and ("slowfast_vgen" in name or "torch/optim" in name):
            self.calls += 1
            if self.calls == self.at:
                raise KeyboardInterrupt


def interrupted(at: int, step: Any) -> int:
    """Runs a step with an interrupt; how many calls there were."""
    tracer = _Interrupted(at)
    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        step()
    finally:
        sys.settrace(before)
    return tracer.calls


@pytest.mark.parametrize("name", MEMORY_NAMES[1:])
def test_an_interrupt_anywhere_in_a_step_leaves_the_session_where_it_was(ridge_world: WorldModel, name: str) -> None:
    memory = memory_by_name(name, SHIPPED) or False
    session, twin = (ridge_world.start(IMAGE, memory, 5, num_sampling_steps=2) for _ in range(2))
    session.step("turn left")
    twin.step("turn left")
    for share in np.linspace(0, 1, 10):
        fork = session.fork()
        num_calls = interrupted(0, partial(fork.step, "go forward"))
        with pytest.raises(KeyboardInterrupt):
            interrupted(1 + int(share * 0.8 * num_calls), lambda: session.step("go forward"))
        assert session.num_chunks == 1
        assert session.memory is None or session.memory.num_chunks == 1
    for action in ("go forward", "turn right"):
        assert np.array_equal(session.step(action), twin.step(action))
    session.rewind(2)
    twin.rewind(2)
    assert np.array_equal(session.step("stay"), twin.step("stay"))


@pytest.mark.parametrize("name", ["ridge", "denoising", "ridge+denoising"])
def test_an_error_while_the_memory_learns_leaves_the_session_where_it_was(
    ridge_world: WorldModel, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = memory_by_name(name, SHIPPED) or False
    session, twin = (ridge_world.start(IMAGE, memory, 5, num_sampling_steps=2) for _ in range(2))
    codec = ridge_world.model.codec
    with monkeypatch.context() as patched:
        patched.setattr(codec, "decode", lambda _: (_ for _ in ()).throw(RuntimeError("no room left")))
        with pytest.raises(RuntimeError, match="no room left"):
            session.step("turn left")
    assert session.num_chunks == 0
    assert np.array_equal(session.step("turn left"), twin.step("turn left"))
