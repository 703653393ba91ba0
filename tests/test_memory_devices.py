"""Memories on another device than the CPU.

The meta device computes shapes only, but minds as a GPU does when a tensor of the CPU comes in between.
"""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import remembering
from torch import Tensor, nn

from slowfast_vgen.memory.config import MemoryConfig, memory_by_name
from slowfast_vgen.memory.episode import EpisodeMemory
from slowfast_vgen.memory.names import MEMORY_NAMES
from slowfast_vgen.memory.ridge import RidgeConfig, exact_dtype
from slowfast_vgen.memory.settings import FastLearningConfig
from slowfast_vgen.models.addressing.address import PlanarAddress
from slowfast_vgen.models.text import TextEncoder
from slowfast_vgen.models.world_model import WorldWeights
from slowfast_vgen.rollout import Rollout, WorldModel

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
ACTIONS = ("turn left", "go forward", "turn right")
FAMILIES = ("VideoTransformer", "UNet3DDenoiser", "WanDenoiser")
LIKE_DENOISING = ("denoising-original", "denoising-independent", "replay", "ridge+denoising")
"""Rules that learn as `denoising` does."""
SHIPPED = MemoryConfig(RidgeConfig(journal_chunks=3, forgetting=0.01), FastLearningConfig())


def world_on(
    device: str, ridge_world: WorldModel, text_encoder: TextEncoder, family: str, still: bool = False
) -> WorldModel:
    """A small world on a device; its texts are embedded beforehand, since nothing comes back from the meta device."""
    model = ridge_world.model
    known = {action: text_encoder([action]).tokens[0] for action in ACTIONS}
    denoiser, codec = remembering(family).eval().requires_grad_(False), copy.deepcopy(model.codec)
    address = PlanarAddress.still(64) if still else PlanarAddress(key_width=64)
    texts = TextEncoder(nn.Linear(1, 1))
    texts.know(known)
    world_model = WorldWeights(model.config, codec, denoiser, texts, address.eval().requires_grad_(False))  # type: ignore[arg-type]
    return WorldModel(world_model.to(device))


def tensors_in(thing: Any, seen: set[int]) -> list[Tensor]:
    """Every tensor that a memory holds, wherever it is kept; what it was given of the world apart."""
    if id(thing) in seen or isinstance(thing, nn.Module):
        return []
    seen.add(id(thing))
    if isinstance(thing, Tensor):
        return [thing]
    if isinstance(thing, dict):
        parts = list(thing.values())
    elif isinstance(thing, list | tuple):
        parts = list(thing)
    else:
        parts = [value for name, value in getattr(thing, "__dict__", {}).items() if name not in ("host", "_learner")]
    return [tensor for part in parts for tensor in tensors_in(part, seen)]


def assert_on(device: str, memory: EpisodeMemory) -> None:
    found = [each for part in memory.parts for each in tensors_in(part, set())]
    assert found
    assert {each.device.type for each in found if each.dim()} == {device}


def started(world: WorldModel, name: str, episodes: int = 1) -> Rollout:
    rollout = world.start_batch(IMAGES[:episodes], memory_by_name(name, SHIPPED) or False, range(episodes), 1)
    for action in ACTIONS:
        rollout.step([action] * episodes)
    return rollout


@pytest.mark.parametrize(
    ("family", "name"),
    [
        *[("VideoTransformer", name) for name in MEMORY_NAMES[1:] if name not in LIKE_DENOISING],
        ("WanDenoiser", "ridge"),
        pytest.param("UNet3DDenoiser", "ridge", marks=pytest.mark.slow),
        *[pytest.param("VideoTransformer", name, marks=pytest.mark.slow) for name in LIKE_DENOISING],
        *[pytest.param(family, "ridge+denoising", marks=pytest.mark.slow) for family in FAMILIES[1:]],
    ],
)
def test_every_rule_and_operation_stays_on_the_device(
    ridge_world: WorldModel, text_encoder: TextEncoder, family: str, name: str
) -> None:
    world = world_on("meta", ridge_world, text_encoder, family)
    rollout, other = started(world, name), started(world, name)
    if family == "VideoTransformer":
        started(world, name, episodes=2)
    assert rollout.predict(["turn left"]).device.type == "meta"
    fork = rollout.fork()
    fork.step(["turn left"])
    if rollout.memory is None or fork.memory is None or other.memory is None:
        return
    assert_on("meta", rollout.memory)
    rollout.rewind(1)
    rollout.observe_latents(torch.empty(1, 4, 8, 8, 8, device="meta"), ["go forward"])
    if "delta" not in name:
        rollout.memory.merge(other.memory)
        if rollout.memory.lora is None:
            rollout.memory.forget(4, 5)
            rollout.memory.forget(1, 2)
    if rollout.memory.ridge is not None:
        rollout.memory.ridge.move([rollout.memory.ridge.pose[:, None].expand(-1, 4, -1)] * 0)
        fork.memory.ridge.move([each.poses + 1 for each in fork.memory.ridge.journal[-2:]])  # type: ignore[union-attr]
    rollout.step(["turn left"])
    assert_on("meta", rollout.memory)
    assert_on("meta", fork.memory)
    assert all(each.device.type == "meta" for name, each in rollout.memory.parts[0].tensors().items() if each.dim())


@pytest.mark.parametrize("name", ["ridge", "ridge-delta", "replay", "ridge+denoising"])
def test_saved_memories_come_back_on_the_worlds_device(
    ridge_world: WorldModel, text_encoder: TextEncoder, tmp_path: Path, name: str
) -> None:
    here, there = (world_on(device, ridge_world, text_encoder, "VideoTransformer") for device in ("cpu", "meta"))
    there.model.fingerprint = here.model.fingerprint
    rollout = started(here, name)
    assert rollout.memory is not None
    rollout.memory.save(tmp_path / "m")
    loaded = there.load_memory(tmp_path / "m")
    assert_on("meta", loaded)
    rollout.memory.to("meta")
    assert_on("meta", rollout.memory)
    further = there.start_batch(IMAGES[:1], loaded, [0], 1)
    assert further.step(["turn left"]).device.type == "meta"
    assert further.memory is not None
    assert_on("meta", further.memory)
    back = started(here, name)
    assert back.memory is not None
    twin = back.memory.fork().to("cpu")
    assert all(
        torch.equal(one, two)
        for one, two in zip(back.memory.parts[0].tensors().values(), twin.parts[0].tensors().values(), strict=True)
    )


def test_sums_over_a_journal_are_made_in_float64_where_the_device_has_it() -> None:
    assert exact_dtype(torch.device("cuda")) == exact_dtype(torch.device("cpu")) == torch.float64
    assert exact_dtype(torch.device("mps")) == torch.float32
