"""The suite: every measure of quality and consistency, for one world with and without its memory and for baselines.

`standard` is what is reported, `quick` shows that everything runs. Parts are kept per 16 episodes, so that a stopped
run goes on where it was. Nothing here looks at a figure: `experiment_figures` makes rows of the kept scores.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from slowfast_bench.cache import Block, Progress, joined, run_blocks
from slowfast_bench.cost import Cost, measured_cost
from slowfast_bench.experiment_figures import Scores, suite_results
from slowfast_bench.paths.episodes import WORLD as HOME
from slowfast_bench.paths.episodes import Tour, play_tours
from slowfast_bench.paths.tours import BUCKETS, held_out_tours
from slowfast_bench.results import Results
from slowfast_bench.scores.consistency import Revisited, RolledOut, revisited, rolled_out, sheet_columns
from slowfast_bench.scores.following import row_seeds
from slowfast_bench.scores.next_chunk import CLIP_CHUNKS, CLIP_FRAMES, NextChunks, next_chunks
from slowfast_bench.variants import Arm, context_arm, frozen_arm, memory_arm, readout_arm
from slowfast_envs.actions import FRAMES_PER_CHUNK
from slowfast_envs.base import FRAME_SIZE
from slowfast_envs.vizdoom.engine import Play
from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.settings import ContextConfig
from slowfast_vgen.metrics.bootstrap import NUM_RESAMPLES
from slowfast_vgen.metrics.networks import Networks
from slowfast_vgen.models.denoiser import DenoiserModule
from slowfast_vgen.rollout import WorldModel

VERSION = 1
"""Raised with every change that makes kept parts of older code wrong."""
PARTS = ("clips", "revisits", "rollouts")
EPISODES_PER_PART = 16
CLIP_SET, ROLLOUT_SET = "wander", "retrace"
REVISIT_SETS = {
    "gap16": ("full-turn-16", "out-and-back-16"),
    "gap64": ("full-turn-64", "out-and-back-64"),
    "gap200": ("full-turn-200", "out-and-back-200"),
}
"""For each gap, the kinds of path; maps take turns."""
CONTEXTS = {
    "raw_context_2": ("raw context of 2 chunks", ContextConfig("raw", 4)),
    "raw_context_4": ("raw context of 4 chunks", ContextConfig("raw", 12)),
    "raw_context_8": ("raw context of 8 chunks", ContextConfig("raw", 28)),
    "anchor": ("one anchor frame", ContextConfig("anchor", 1)),
    "retrieval": ("frames retrieved by true pose", ContextConfig("retrieval", 4)),
}
SHORT_ONLY = ("raw_context_2", "raw_context_4", "readout")
"""Arms without roll-outs: `raw_context_8` sees all that the first two see, and a read-out of what was never seen is
blank."""
NEEDS_CONTEXT = "needs weights: --context DIR (the denoiser folder of `slowfast train context`)"


@dataclass(frozen=True)
class SuiteConfig:
    """How large the suite is."""

    suite: str = "standard"
    num_maps: int = 64
    num_seeds: int = 3
    parts: tuple[str, ...] = PARTS
    """What is measured of `PARTS`."""
    paths_of: str = HOME
    """The world whose held-out paths are walked, by its name in `engines`."""

    def __post_init__(self) -> None:
        if self.num_maps < 2 or self.num_seeds < 1:
            raise UserError(f"the suite needs at least 2 maps and 1 seed, got {self.num_maps} and {self.num_seeds}")
        if not self.parts or not set(self.parts) <= set(PARTS):
            raise UserError(f"the suite's parts are {', '.join(PARTS)}; got {', '.join(self.parts) or 'none'}")

    @classmethod
    def named(cls, suite: str) -> "SuiteConfig":
        """The configuration of a suite.

        Raises:
            UserError: an unknown name.
        """
        known = {"standard": cls(), "quick": cls("quick", 4, 1)}
        if suite not in known:
            raise UserError(f"unknown suite {suite!r}; choose one of {', '.join(known)}")
        return known[suite]


def suite_arms(world: WorldModel, context: DenoiserModule | None) -> list[Arm]:
    """The world's own memory, none, a frozen frame, the memory read out; with their denoiser, memories of frames."""
    arms = [
        memory_arm("memory", "memory", world, world.shipped_memory),
        memory_arm("no_memory", "no memory", world, None),
        frozen_arm(world),
    ]
    if world.shipped_memory.ridge is not None:
        arms.append(readout_arm(world, world.shipped_memory))
    if context is not None:
        other = world.with_parts(context.to(world.device).eval().requires_grad_(False))
        arms += [context_arm(name, label, other, kind) for name, (label, kind) in CONTEXTS.items()]
    return arms


class Suite:
    """Arms under one configuration: `Suite(arms, config, networks).run(folder)`."""

    def __init__(
        self,
        arms: Sequence[Arm],
        config: SuiteConfig,
        networks: Networks,
        missing: Mapping[str, str],
        command: str = "evaluate standard",
    ) -> None:
        """`missing` tells, for each measure or arm that cannot be had, what to give.

        Raises:
            UserError: a world of other frames than the paths'.
        """
        world = arms[0].world
        if world.frame_size != (FRAME_SIZE, FRAME_SIZE):
            raise UserError(
                f"the suite's paths are those of {config.paths_of}, {FRAME_SIZE}x{FRAME_SIZE} pixels; "
                f"{world.model.config.name} has {world.frame_size[1]}x{world.frame_size[0]}"
            )
        self.arms, self.config, self.networks, self.missing = list(arms), config, networks, dict(missing)
        self.command = command
        self._played: dict[str, tuple[list[Tour], list[Play]]] = {}

    @property
    def protocol(self) -> dict[str, Any]:
        """Everything that decides the figures, as JSON values."""
        model = self.arms[0].world.model
        return {
            "command": self.command,
            "version": VERSION,
            "world": model.config.name,
            "weights_sha256": model.fingerprint,
            "resolution": list(self.arms[0].world.frame_size),
            "past_frames": model.config.num_past_frames,
            "new_frames": model.config.num_new_frames,
            "sampling_steps": model.config.num_sampling_steps,
            "precision": self.arms[0].world.precision,
            "arms": {arm.name: arm.describe() for arm in self.arms},
            "networks_sha256": self.networks.sha256,
            "clips": f"{CLIP_FRAMES} frames, {CLIP_CHUNKS} chunks in closed loop after the true way so far",
            "paths": {"clips": CLIP_SET, "revisits": REVISIT_SETS, "roll_outs": ROLLOUT_SET},
            "gaps_in_frames": {name: list(BUCKETS[name]) for name in REVISIT_SETS},
            "roll_out_seeds": "episode i has seed i modulo the number of seeds",
            "interval": f"95 % bootstrap over maps, {NUM_RESAMPLES} resamples; of seconds a frame the quartiles",
            **asdict(self.config),
        }

    def run(self, folder: Path | None = None) -> Results:
        """Computes what `folder` does not hold yet, and the rows.

        Raises:
            UserError: `folder` cannot be written.
            KeyboardInterrupt: says how much is done.
        """
        records = run_blocks(list(self._blocks()), folder)
        parts = self.config.parts

        def of_seeds(part: str) -> dict[str, list[Any]]:
            return {arm.name: [self._joined(records, part, arm, seed) for seed in self._seeds] for arm in self.arms}

        long = [arm for arm in self.arms if "rollouts" in parts and arm.name not in SHORT_ONLY]
        scores = Scores(
            clips=of_seeds("clips") if "clips" in parts else {},
            revisits={gap: of_seeds(gap) for gap in REVISIT_SETS} if "revisits" in parts else {},
            rollouts={arm.name: self._joined(records, "rollouts", arm, 0) for arm in long},
            costs={arm.name: records[f"cost-{arm.name}"] for arm in self.arms},
            true_clips=self._true_clips,
            true_revisits=self._true_revisits,
            true_rollouts=lambda: np.stack([play.frames for play in self._set(ROLLOUT_SET)[1]]),
        )
        protocol = self.protocol | {"needs_weights": self.missing}
        return suite_results(protocol, scores, self.arms, self.networks, records.commits)

    @property
    def _seeds(self) -> range:
        return range(self.config.num_seeds)

    @property
    def _firsts(self) -> range:
        return range(0, self.config.num_maps, EPISODES_PER_PART)

    def _blocks(self) -> Iterator[Block[Any]]:
        for arm in self.arms:
            yield Block(f"cost-{arm.name}", Cost, 0, partial(self._cost, arm))
        for seed in self._seeds:
            for arm in self.arms:
                if "clips" in self.config.parts:
                    yield from self._parts("clips", arm, seed, NextChunks, next_chunks, partial(self._set, CLIP_SET))
                for gap in REVISIT_SETS if "revisits" in self.config.parts else ():
                    yield from self._parts(gap, arm, seed, Revisited, revisited, partial(self._revisit_set, gap))
                if "rollouts" in self.config.parts and seed == 0 and arm.name not in SHORT_ONLY:
                    yield from self._parts("rollouts", arm, 0, RolledOut, rolled_out, partial(self._set, ROLLOUT_SET))

    def _parts(
        self, part: str, arm: Arm, seed: int, record: type[Any], score: Callable[..., Any], paths: Callable[[], Any]
    ) -> Iterator[Block[Any]]:
        for first in self._firsts:
            count = min(EPISODES_PER_PART, self.config.num_maps - first)
            compute = partial(self._compute, part, arm, seed, score, paths, slice(first, first + count))
            yield Block(f"{part}-{arm.name}-{seed}-{first}", record, count, compute)

    def _compute(
        self,
        part: str,
        arm: Arm,
        seed: int,
        score: Callable[..., Any],
        paths: Callable[[], Any],
        rows: slice,
        progress: Progress,
    ) -> Any:
        tours, plays = paths()
        seeds = row_seeds(seed, 0, len(tours))
        if part == "rollouts":
            seeds = [row_seeds(index % self.config.num_seeds, index, 1)[0] for index in range(len(tours))]
        result = score(arm, tours[rows], plays[rows], seeds[rows], self.networks, lambda _: None)
        progress(len(tours[rows]))
        return result

    def _joined(self, records: Mapping[str, Any], part: str, arm: Arm, seed: int) -> Any:
        return joined([records[f"{part}-{arm.name}-{seed}-{first}"] for first in self._firsts])

    def _cost(self, arm: Arm, progress: Progress) -> Cost:
        without = next((one for one in self.arms if one.name == "no_memory"), arm)
        return measured_cost(arm, without, self._set(ROLLOUT_SET)[1][0])

    def _set(self, name: str) -> tuple[list[Tour], list[Play]]:
        if name not in self._played:
            tours = held_out_tours(name, self.config.num_maps, world=self.config.paths_of)
            self._played[name] = tours, play_tours(tours)
        return self._played[name]

    def _revisit_set(self, gap: str) -> tuple[list[Tour], list[Play]]:
        """The kinds of path in turns, map by map."""
        kinds = [self._set(name) for name in REVISIT_SETS[gap]]
        picks = [kinds[index % len(kinds)] for index in range(self.config.num_maps)]
        return [one[0][index] for index, one in enumerate(picks)], [one[1][index] for index, one in enumerate(picks)]

    def _true_revisits(self) -> np.ndarray:
        """Columns of the contact sheet at the middle gap."""
        tours, plays = self._revisit_set("gap64")
        later = [play.frames[1 + FRAMES_PER_CHUNK * tour.num_out :] for tour, play in zip(tours, plays, strict=True)]
        return np.stack([sheet_columns(frames) for frames in later])

    def _true_clips(self) -> np.ndarray:
        """Many clips of true frames: six of each path."""
        plays = self._set(CLIP_SET)[1]
        starts = range(1, len(plays[0].frames) - CLIP_FRAMES + 1, CLIP_FRAMES)
        return np.stack([play.frames[start : start + CLIP_FRAMES] for play in plays for start in starts])
