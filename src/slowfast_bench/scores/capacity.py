"""How much one memory holds: recall of the first room against the number of rooms walked through since.

A session walks through maps, one after the other, each at a place of its own on the memory's plane, on true frames;
then it stands in the first map again, and every chunk of the first walk is predicted once more after its true past.
The slow weights are the same throughout; what changes is the ridge memory's key width, the rank of a LoRA that learns
by eq. 3 instead, or the rule.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from slowfast_bench.cache import Block, Progress, run_blocks
from slowfast_bench.paths.episodes import SPLIT
from slowfast_bench.results import Results
from slowfast_bench.variants import recalled
from slowfast_envs.actions import FRAMES_PER_CHUNK, PHRASINGS
from slowfast_envs.vizdoom.engine import VizdoomEngine
from slowfast_envs.vizdoom.rooms import VizdoomRooms
from slowfast_envs.vizdoom.rooms_map import Scene
from slowfast_envs.walking import Place, poses_of, walk
from slowfast_envs.walking_scripts import draw_start, free_wander
from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.config import MemoryConfig, memory_by_name
from slowfast_vgen.memory.settings import FastLearningConfig, LoraConfig
from slowfast_vgen.metrics.bootstrap import estimate
from slowfast_vgen.metrics.frames import psnr
from slowfast_vgen.models.addressing.address import PlanarAddress
from slowfast_vgen.results import Estimate, Row
from slowfast_vgen.rollout import Rollout, WorldModel

VERSION = 3
APART_STEPS = 1000.0
"""Distance of one map's origin from the next, in steps: nothing of one is near anything of another."""
_STREAM = 7  # apart from the streams of the world and of other held-out paths


@dataclass(frozen=True)
class CapacityConfig:
    """What is measured."""

    key_widths: tuple[int, ...] = (256, 512, 1024, 2048)
    """Of the ridge memory: its numbers are key width times (key width + value width)."""
    ranks: tuple[int, ...] = (8, 32, 128)
    """Of a LoRA that learns by eq. 3."""
    rules: tuple[str, ...] = ("ridge-delta", "denoising-original", "replay")
    """Other rules, at the world's own key width and a rank of 32."""
    learning_rate: float = 3e-4
    """Of every LoRA."""
    rooms: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    num_rows: int = 8
    """Sessions side by side, each through maps of its own."""
    chunks_per_room: int = 8
    """Chunks of a walk on each map, about a room's worth: a look round and some steps."""

    def __post_init__(self) -> None:
        sizes = (*self.key_widths, *self.ranks, *self.rooms, self.num_rows, self.chunks_per_room)
        if not self.key_widths or not self.rooms or min(sizes) < 1:
            raise UserError("capacity needs at least one width, one number of rooms and one row, all above 0")

    @classmethod
    def quick(cls) -> "CapacityConfig":
        """Shows that everything runs; its figures mean nothing."""
        return cls((64,), (2,), ("ridge-delta",), rooms=(1, 2), num_rows=2, chunks_per_room=2)


@dataclass(frozen=True)
class Walk:
    """A walk on one map."""

    scene: Scene
    start: Place
    verbs: tuple[str, ...]


PerChunk = Float[np.ndarray, "rows chunks"]


@dataclass(frozen=True)
class Recalled:
    """PSNR of each chunk of the first walk, predicted after as many rooms as `CapacityConfig.rooms` has."""

    psnr: Float[np.ndarray, "rows rooms chunks"]
    readout: Float[np.ndarray, "rows rooms chunks"]
    """Of what the memory recalls, with no denoising; NaN for a memory that recalls nothing."""


class CapacityTest:
    """One world under one configuration: `CapacityTest(world, config).run(folder)`."""

    def __init__(self, world: WorldModel, config: CapacityConfig) -> None:
        self.world, self.config = world, config
        shipped = world.shipped_memory.ridge
        if shipped is None or world.model.address is None:
            name = world.model.config.name
            raise UserError(f"the world {name!r} has no ridge memory, whose capacity could be measured")
        self.memory = MemoryConfig(ridge=shipped)
        self.arms: dict[str, tuple[WorldModel, MemoryConfig | None]] = {"off": (world, None)}
        for width in config.key_widths:
            self.arms[f"width{width}"] = _with_key_width(world, width), self.memory
        for rank in config.ranks:
            self.arms[f"rank{rank}"] = world, MemoryConfig(lora=self._learning(rank))
        for rule in config.rules:
            self.arms[rule.replace("-", "_")] = world, memory_by_name(rule, MemoryConfig(shipped, self._learning()))

    def _learning(self, rank: int = 32) -> FastLearningConfig:
        return FastLearningConfig(LoraConfig(rank), learning_rate=self.config.learning_rate, rewind_chunks=0)

    @property
    def protocol(self) -> dict[str, Any]:
        """Everything that decides the figures, as JSON values."""
        return {
            "command": "evaluate capacity",
            "version": VERSION,
            "world": self.world.model.config.name,
            "weights_sha256": self.world.model.fingerprint,
            "sampling_steps": self.world.model.config.num_sampling_steps,
            "precision": self.world.precision,
            "memory": self.memory.to_json(),
            "split": SPLIT,
            **asdict(self.config),
        }

    def run(self, folder: Path | None = None) -> Results:
        """The gain over no memory, and each memory's size."""
        records = run_blocks(list(self._blocks()), folder)
        off = records["off"].psnr
        rows = []
        for arm, (world, memory) in self.arms.items():
            if memory is None:
                continue
            gain, read = records[arm].psnr - off[:, :1], records[arm].readout - off[:, :1]
            for index, rooms in enumerate(self.config.rooms):
                for metric, name, values in (
                    ("psnr_truth", "recall_gain_db", gain),
                    ("psnr_truth_readout", "readout_gain_db", read if memory.ridge is not None else None),
                ):
                    if values is not None:
                        found, gap = estimate(values[:, index][:, None]), f"{rooms} rooms"
                        name = f"{name}_{arm}_rooms{rooms}"
                        rows.append(Row.of(found, metric, arm, minus="no_memory", gap=gap, name=name))
            size = world.start_batch(self._frames[:1, 0, 0], memory, [0]).memory
            assert size is not None
            rows.append(Row.of(Estimate.exact(size.num_bytes() / 2**20), "memory_mb", arm))
        rows.append(Row.of(estimate(off[:, :1]), "psnr_truth", "no_memory", name="recall_psnr_db_off"))
        return Results.made(self.protocol, rows, self.world.device, records.commits)

    def _blocks(self) -> Iterator[Block[Any]]:
        work = self.config.num_rows * max(self.config.rooms)
        for arm in self.arms:
            yield Block(arm, Recalled, work, partial(self._recalled, arm))

    def _recalled(self, arm: str, progress: Progress) -> Recalled:
        world, memory = self.arms[arm]
        rollout = world.start_batch(self._frames[:, 0, 0], memory or False, range(self.config.num_rows))
        scores = []
        for room in range(max(self.config.rooms)):
            if room:
                _teleport(rollout, room, self._latents[:, room, :1])
            self._watch(rollout, room)
            progress(self.config.num_rows)
            if room + 1 in self.config.rooms:
                scores.append(self._score(rollout))
        made, read = (np.stack(each, 1) for each in zip(*scores, strict=True))
        return Recalled(made, read)

    def _watch(self, rollout: Rollout, room: int) -> None:
        for chunk in range(self.config.chunks_per_room):
            now = slice(1 + FRAMES_PER_CHUNK * chunk, 1 + FRAMES_PER_CHUNK * (chunk + 1))
            actions = [PHRASINGS[row[room].verbs[chunk]][0] for row in self._walks]
            rollout.observe_latents(self._latents[:, room, now], actions)

    def _score(self, rollout: Rollout) -> tuple[PerChunk, PerChunk]:
        """Walks through the first map once more, on a copy of the memory: each chunk predicted, and read out."""
        again = rollout.fork()
        _teleport(again, 0, self._latents[:, 0, :1])
        codec, found, read = self.world.model.codec, [], []
        for chunk in range(self.config.chunks_per_room):
            now = slice(1 + FRAMES_PER_CHUNK * chunk, 1 + FRAMES_PER_CHUNK * (chunk + 1))
            actions = [PHRASINGS[row[0].verbs[chunk]][0] for row in self._walks]
            true, recall = self._frames[:, 0, now], recalled(again, actions)
            found.append(psnr(codec.decode(again.predict(actions)).cpu().numpy(), true).mean(-1))
            read.append(np.full(len(true), np.nan))
            if recall is not None:
                read[-1] = psnr(codec.decode(recall.latents).cpu().numpy(), true).mean(-1)
            again.observe_latents(self._latents[:, 0, now], actions)
        return np.stack(found, 1), np.stack(read, 1)

    @cached_property
    def _walks(self) -> list[list[Walk]]:
        """A row of walks for each session, every one on a map of its own."""
        world, rooms = VizdoomRooms(SPLIT, 0), max(self.config.rooms)
        rows = []
        for row in range(self.config.num_rows):
            walks = []
            for room in range(rooms):
                index = row * rooms + room
                scene = world.scene(index)
                rng = np.random.default_rng([_STREAM, index])
                start = draw_start(rng, scene, "wander")
                walks.append(Walk(scene, start, tuple(free_wander(rng, scene, start, self.config.chunks_per_room))))
            rows.append(walks)
        return rows

    @cached_property
    def _frames(self) -> np.ndarray:
        """uint8 `[rows, rooms, frames, height, width, 3]`."""
        rows = []
        with VizdoomEngine() as engine:
            for walks in self._walks:
                engine.load([one.scene for one in walks])
                rows.append(
                    np.stack(
                        [engine.render(one.scene, poses_of(walk(one.scene, one.start, one.verbs)[0])) for one in walks]
                    )
                )
        return np.stack(rows)

    @cached_property
    def _latents(self) -> Tensor:
        """`[rows, rooms, frames, channels, h, w]`."""
        codec = self.world.model.codec
        return torch.stack([codec.encode(torch.from_numpy(frames).to(self.world.device)) for frames in self._frames])


def _teleport(rollout: Rollout, room: int, start: Tensor) -> None:
    """Stands at the start of a room's map, which lies far from all the others on the memory's plane."""
    rollout.history = start
    if rollout.memory is not None and rollout.memory.ridge is not None:
        pose = torch.zeros_like(rollout.memory.ridge.pose)
        pose[:, 0] = room * APART_STEPS
        rollout.memory.ridge.pose = pose
        rollout.write_start()


def _with_key_width(world: WorldModel, width: int) -> WorldModel:
    """The same world with a narrower or wider memory: addresses need no training."""
    model = world.model
    assert model.address is not None
    settings = {name: value for name, value in model.address.config.items() if not name.startswith("_")}
    address = PlanarAddress(**settings | {"key_width": width}).eval().requires_grad_(False)
    address.path.load_state_dict(model.address.path.state_dict())
    return world.with_parts(address=address)
