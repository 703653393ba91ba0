"""What the next investment buys: recall against the compute of the slow-fast loop, and against the model's size.

Each point is one finished run of the loop, its learning rate fallen to zero. Codec, addresses and the memory's settings
are those of one world throughout; only the denoiser changes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from slowfast_bench.cache import Block, Progress, run_blocks
from slowfast_bench.paths.episodes import SEED, SPLIT
from slowfast_bench.scores.tour_scores import Seen, TourScores, joined
from slowfast_bench.variants import memory_arm, readout_arm
from slowfast_vgen.errors import UserError
from slowfast_vgen.machine import provenance
from slowfast_vgen.memory.config import MemoryConfig
from slowfast_vgen.metrics.bootstrap import NUM_RESAMPLES, Estimate, estimate
from slowfast_vgen.rollout import World

VERSION = 2
SEEN_SETS = ("full-turn-16", "out-and-back-64")
FLOP_PER_WEIGHT_AND_TOKEN = 6
"""Forward and backward pass of a transformer (arXiv 2001.08361, 2.1); attention itself, a few per cent here, is left
out."""


@dataclass(frozen=True)
class ScalingConfig:
    """How large the measurement of each point is."""

    num_maps: int = 64
    num_seeds: int = 3

    def __post_init__(self) -> None:
        if self.num_maps < 1 or self.num_seeds < 1:
            raise UserError(f"at least 1 map and 1 seed are needed, got {self.num_maps} and {self.num_seeds}")

    @classmethod
    def quick(cls) -> "ScalingConfig":
        """Shows that everything runs; its figures mean nothing."""
        return cls(num_maps=2, num_seeds=1)


@dataclass(frozen=True)
class ScalingPoint:
    """One run of the loop."""

    name: str
    world: World
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

    def __init__(self, points: Sequence[ScalingPoint], memory: MemoryConfig, config: ScalingConfig) -> None:
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
            "tours": list(SEEN_SETS),
            "split": SPLIT,
            "map_seed": SEED,
            **asdict(self.config),
            "interval": f"95 % bootstrap over maps, {NUM_RESAMPLES} resamples",
        }

    def run(self, folder: Path | None = None) -> tuple[dict[str, Any], dict[str, Estimate]]:
        """Computes what `folder` does not hold yet; PSNR with and without memory, the gain, and the read-out.

        Raises:
            UserError: a needed package is missing, or `folder` cannot be written.
            KeyboardInterrupt: says how much is done.
        """
        records = run_blocks(list(self._blocks()), folder)
        figures: dict[str, Estimate] = {}
        for point in self.points:
            psnr: dict[str, np.ndarray] = {}
            for arm in ("off", "on"):
                seeds = range(self.config.num_seeds)
                parts = {
                    name: [records[self._block_name(name, point, arm, seed)] for seed in seeds] for name in SEEN_SETS
                }
                psnr[arm] = joined(parts, "psnr")
                figures[f"recall_psnr_db_{arm}_{point.name}"] = estimate(psnr[arm])
            figures[f"recall_gain_db_{point.name}"] = estimate(psnr["on"] - psnr["off"])
        if self.memory.local is not None:  # hangs on no denoiser, so it is the same for all points
            parts = {name: [records[f"{name}-readout"]] for name in SEEN_SETS}
            figures["recall_psnr_db_readout"] = estimate(joined(parts, "psnr"))
        return self.protocol | provenance(figures, self.points[0].world.device, records.commits), figures

    @staticmethod
    def _block_name(name: str, point: ScalingPoint, arm: str, seed: int) -> str:
        return f"{name}-{point.world.model.fingerprint[:12]}-{arm}-{seed}"

    def _blocks(self) -> Iterator[Block[Any]]:
        for name in SEEN_SETS if self.memory.local is not None else ():
            yield Block(f"{name}-readout", Seen, self.config.num_maps, partial(self._read_out, name))
        for seed in range(self.config.num_seeds):
            for point in self.points:
                for arm in ("off", "on"):
                    for name in SEEN_SETS:
                        compute = partial(self._seen, name, point, arm, seed)
                        yield Block(self._block_name(name, point, arm, seed), Seen, self.config.num_maps, compute)

    def _seen(self, name: str, point: ScalingPoint, arm: str, seed: int, progress: Progress) -> Seen:
        progress(self.config.num_maps)
        played = memory_arm(arm, arm, point.world, self.memory if arm == "on" else None)
        return self.tours.seen(name, played, seed)

    def _read_out(self, name: str, progress: Progress) -> Seen:
        progress(self.config.num_maps)
        return self.tours.seen(name, readout_arm(self.points[0].world, self.memory), 0)
