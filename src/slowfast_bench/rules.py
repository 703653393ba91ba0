"""Fast learning and the slow-fast loop on tours that come back.

`RulesTest`: every rule of fast learning, with and without the loop (the paper's table 4). `ScalingTest`: recall against
the compute of the loop and the size of the denoiser; each point is one finished run of the loop, its learning rate
fallen to zero, while codec, addresses and the memory's settings are those of one world throughout.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from slowfast_bench.cache import Block, run_blocks
from slowfast_bench.paths.episodes import SEED, SPLIT
from slowfast_bench.results import Results
from slowfast_bench.scores.tour_scores import TourScores, joined
from slowfast_bench.variants import memory_arm, readout_arm
from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.config import MemoryConfig, memory_by_name
from slowfast_vgen.memory.settings import FastLearningConfig
from slowfast_vgen.metrics.bootstrap import NUM_RESAMPLES, estimate
from slowfast_vgen.models.denoiser import DenoiserModule
from slowfast_vgen.results import Row
from slowfast_vgen.rollout import WorldModel

VERSION = 2
RULES = (
    "off",
    "denoising-original",
    "denoising",
    "replay",
    "ridge",
    "ridge-delta",
    "ridge+denoising",
)
"""In the order of the table; `memory.config.memory_by_name` knows them."""
LORA = FastLearningConfig(learning_rate=3e-4, rewind_chunks=0)
"""Of rules that learn by gradients, in a world whose own memory does not: the rate at which eq. 3 keeps most of the
palette (docs/decisions/0004)."""
SEEN_SETS = ("out-and-back-64",)
OWN_SETS = ("full-turn-16", "out-and-back-16")
SCALING_SETS = ("full-turn-16", "out-and-back-64")
FLOP_PER_WEIGHT_AND_TOKEN = 6
"""Forward and backward pass of a transformer (arXiv 2001.08361, 2.1); attention itself, a few per cent here, is left
out."""


@dataclass(frozen=True)
class ToursConfig:
    """How many tours are played."""

    num_maps: int = 64
    num_seeds: int = 3

    def __post_init__(self) -> None:
        if self.num_maps < 1 or self.num_seeds < 1:
            raise UserError(f"at least 1 map and 1 seed are needed, got {self.num_maps} and {self.num_seeds}")

    @classmethod
    def quick(cls) -> "ToursConfig":
        """Shows that everything runs; its figures mean nothing."""
        return cls(num_maps=2, num_seeds=1)


@dataclass(frozen=True)
class Arm:
    """One rule on slow weights that did or did not go through a loop."""

    rule: str
    loop: str
    """Rule of the loop that the slow weights went through; empty for none."""
    world: WorldModel
    memory: MemoryConfig | None

    @property
    def name(self) -> str:
        """As it stands in the figures."""
        rule = self.rule.replace("-", "_").replace("+", "_and_")
        return f"{rule}_after_{self.loop.replace('-', '_')}_loop" if self.loop else rule


def make_arms(world: WorldModel, before: DenoiserModule, after: Mapping[str, DenoiserModule]) -> list[Arm]:
    """Every rule on the weights before any loop, then on those of the loop with that rule.

    Args:
        world: gives the codec, the addresses and the settings of each rule.
        before: the denoiser before any loop.
        after: the denoiser of each rule's loop, by the rule's name. Rules that have none are left out there; no memory
            and both rules at once are measured on each of them.

    Raises:
        UserError: a loop with a rule that is not known.
    """
    if unknown := sorted(set(after) - set(RULES)):
        raise UserError(f"unknown rule {unknown[0]!r} of a loop; choose one of {', '.join(RULES[1:])}")

    def on(denoiser: DenoiserModule) -> WorldModel:
        return world.with_parts(denoiser.to(world.device).eval().requires_grad_(False))

    shipped = world.shipped_memory
    settings = MemoryConfig(shipped.ridge, shipped.lora or LORA)
    first = on(before)
    arms = [Arm(rule, "", first, memory_by_name(rule, settings)) for rule in RULES]
    for loop, denoiser in after.items():
        other = on(denoiser)
        rules = ["off", loop] + (["ridge-delta", "ridge+denoising"] if loop == "ridge" else [])
        arms += [Arm(rule, loop, other, memory_by_name(rule, settings)) for rule in rules]
    return arms


class RulesTest:
    """The arms under one configuration: `RulesTest(arms, config).run(folder)`."""

    def __init__(self, arms: list[Arm], config: ToursConfig) -> None:
        self.arms, self.config, self.tours = arms, config, TourScores(config.num_maps)

    @property
    def protocol(self) -> dict[str, Any]:
        """Everything that decides the figures, as JSON values."""
        world = self.arms[0].world
        return {
            "command": "evaluate rules",
            "version": VERSION,
            "world": world.model.config.name,
            "sampling_steps": world.model.config.num_sampling_steps,
            "precision": world.precision,
            "arms": {
                arm.name: {
                    "weights_sha256": arm.world.model.fingerprint,
                    "memory": None if arm.memory is None else arm.memory.to_json(),
                }
                for arm in self.arms
            },
            "src_network": "MobileNetV2 on ImageNet, embedded; the paper's SRC has ResNet-18",
            "seen_tours": list(SEEN_SETS),
            "own_tours": list(OWN_SETS),
            "split": SPLIT,
            "map_seed": SEED,
            **asdict(self.config),
            "interval": f"95 % bootstrap over maps, {NUM_RESAMPLES} resamples",
        }

    def run(self, folder: Path | None = None) -> Results:
        """Computes what `folder` does not hold yet, and the rows.

        Raises:
            UserError: a needed package is missing, or `folder` cannot be written.
            KeyboardInterrupt: says how much is done.
        """
        records = run_blocks(list(self._blocks()), folder)
        seeds = range(self.config.num_seeds)
        rows: list[Row] = []
        for arm in self.arms:
            own = {name: [records[f"own-{name}-{arm.name}-{seed}"] for seed in seeds] for name in OWN_SETS}
            seen = {name: [records[f"seen-{name}-{arm.name}-{seed}"] for seed in seeds] for name in SEEN_SETS}
            for metric, field, column in (
                ("src_mbv2", "similarity", "src"),
                ("scene_cuts", "scene_cuts", "scuts"),
                ("motion", "motion", "motion"),
                ("psnr_own_visit", "history_psnr", "history_psnr_db"),
            ):
                rows.append(Row.of(estimate(joined(own, field)), metric, arm.name, name=f"{column}_{arm.name}"))
            values = estimate(joined(seen, "psnr"))
            rows.append(Row.of(values, "psnr_truth", arm.name, name=f"revisit_psnr_db_{arm.name}"))
        for arm in self._readable:
            values = estimate(joined({name: [records[f"readout-{name}-{arm.name}"]] for name in SEEN_SETS}, "psnr"))
            variant = f"readout_{arm.name}"
            rows.append(Row.of(values, "psnr_truth", variant, name=f"revisit_psnr_db_{variant}"))
        return Results.made(self.protocol, rows, self.arms[0].world.device, records.commits)

    @property
    def _readable(self) -> list[Arm]:
        """Arms whose memory can be read out, one a rule: what is read hangs on no denoiser and on no seed."""
        return [arm for arm in self.arms if not arm.loop and arm.memory is not None and arm.memory.ridge is not None]

    def _blocks(self) -> Iterator[Block[Any]]:
        block, work = self.tours.block, self.config.num_maps
        for arm in self._readable:
            assert arm.memory is not None
            for name in SEEN_SETS:
                yield block(f"readout-{name}-{arm.name}", name, readout_arm(arm.world, arm.memory), 0, work)
        for seed in range(self.config.num_seeds):
            for arm in self.arms:
                played = memory_arm(arm.name, arm.name, arm.world, arm.memory)
                for name in OWN_SETS:
                    yield block(f"own-{name}-{arm.name}-{seed}", name, played, seed, work, own=True)
                for name in SEEN_SETS:
                    yield block(f"seen-{name}-{arm.name}-{seed}", name, played, seed, work)


@dataclass(frozen=True)
class ScalingPoint:
    """One run of the loop."""

    name: str
    world: WorldModel
    """With the run's denoiser."""
    num_steps: int
    windows_per_step: int

    @property
    def num_parameters(self) -> int:
        """Weights of the denoiser."""
        return sum(parameter.numel() for parameter in self.world.model.denoiser.parameters())

    @property
    def training_flop(self) -> float:
        """Floating-point operations of the loop: 6 a weight and token, every chunk being a window of past and new."""
        model = self.world.model
        _, height, width = model.latent_shape
        patch = getattr(model.denoiser.config, "patch_size", 1)
        frames = model.config.num_past_frames + model.config.num_new_frames
        tokens = frames * (height // patch) * (width // patch) * self.windows_per_step * self.num_steps
        return float(FLOP_PER_WEIGHT_AND_TOKEN * self.num_parameters * tokens)


class ScalingTest:
    """The points under one configuration: `ScalingTest(points, memory, config).run(folder)`."""

    def __init__(self, points: Sequence[ScalingPoint], memory: MemoryConfig, config: ToursConfig) -> None:
        if not points:
            raise UserError("no finished run of the loop was given; name at least one folder that `train loop` wrote")
        names = [point.name for point in points]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise UserError(f"two runs are called {twice[0]!r}; their folders must have different names")
        self.points, self.memory, self.config = list(points), memory, config
        self.tours = TourScores(config.num_maps)

    @property
    def protocol(self) -> dict[str, Any]:
        """Everything that decides the figures, as JSON values."""
        world = self.points[0].world
        return {
            "command": "evaluate scaling",
            "version": VERSION,
            "world": world.model.config.name,
            "sampling_steps": world.model.config.num_sampling_steps,
            "precision": world.precision,
            "memory": self.memory.to_json(),
            "points": {
                point.name: {
                    "weights_sha256": point.world.model.fingerprint,
                    "parameters": point.num_parameters,
                    "loop_steps": point.num_steps,
                    "loop_flop": point.training_flop,
                }
                for point in self.points
            },
            "tours": list(SCALING_SETS),
            "split": SPLIT,
            "map_seed": SEED,
            **asdict(self.config),
            "interval": f"95 % bootstrap over maps, {NUM_RESAMPLES} resamples",
        }

    def run(self, folder: Path | None = None) -> Results:
        """Computes what `folder` does not hold yet; PSNR with and without memory, the gain, and the read-out.

        Raises:
            UserError: a needed package is missing, or `folder` cannot be written.
            KeyboardInterrupt: says how much is done.
        """
        records = run_blocks(list(self._blocks()), folder)
        rows: list[Row] = []
        for point in self.points:
            psnr: dict[str, np.ndarray] = {}
            for arm, variant in (("off", "no_memory"), ("on", "memory")):
                blocks = {
                    name: [records[_block_name(name, point, arm, seed)] for seed in range(self.config.num_seeds)]
                    for name in SCALING_SETS
                }
                psnr[arm], name = joined(blocks, "psnr"), f"recall_psnr_db_{arm}_{point.name}"
                rows.append(Row.of(estimate(psnr[arm]), "psnr_truth", variant, dataset=point.name, name=name))
            gain, name = estimate(psnr["on"] - psnr["off"]), f"recall_gain_db_{point.name}"
            rows.append(Row.of(gain, "psnr_truth", "memory", minus="no_memory", dataset=point.name, name=name))
        if self.memory.ridge is not None:  # hangs on no denoiser, so it is the same for all points
            values = estimate(joined({name: [records[f"{name}-readout"]] for name in SCALING_SETS}, "psnr"))
            rows.append(Row.of(values, "psnr_truth", "readout", name="recall_psnr_db_readout"))
        return Results.made(self.protocol, rows, self.points[0].world.device, records.commits)

    def _blocks(self) -> Iterator[Block[Any]]:
        block, work = self.tours.block, self.config.num_maps
        for name in SCALING_SETS if self.memory.ridge is not None else ():
            yield block(f"{name}-readout", name, readout_arm(self.points[0].world, self.memory), 0, work)
        for seed in range(self.config.num_seeds):
            for point in self.points:
                for arm, memory in (("off", None), ("on", self.memory)):
                    played = memory_arm(arm, arm, point.world, memory)
                    for name in SCALING_SETS:
                        yield block(_block_name(name, point, arm, seed), name, played, seed, work)


def _block_name(name: str, point: ScalingPoint, arm: str, seed: int) -> str:
    return f"{name}-{point.world.model.fingerprint[:12]}-{arm}-{seed}"
