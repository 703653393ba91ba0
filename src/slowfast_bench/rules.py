"""The rules of fast learning side by side, each with and without the slow-fast loop (the paper's table 4)."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from slowfast_bench.cache import Block, Progress, run_blocks
from slowfast_bench.paths.episodes import SEED, SPLIT
from slowfast_bench.scores.tour_scores import Own, Seen, TourScores, joined
from slowfast_bench.variants import memory_arm, readout_arm
from slowfast_vgen.errors import UserError
from slowfast_vgen.machine import provenance
from slowfast_vgen.memory.config import MemoryConfig, memory_by_name
from slowfast_vgen.memory.fast_learning import FastLearningConfig
from slowfast_vgen.metrics.bootstrap import NUM_RESAMPLES, Estimate, estimate
from slowfast_vgen.models.denoiser import DenoiserModule
from slowfast_vgen.rollout import World

VERSION = 2
RULES = (
    "off",
    "denoising-original",
    "denoising",
    "replay",
    "local",
    "local-delta",
    "local+denoising",
)
"""In the order of the table; `memory.config.memory_by_name` knows them."""
LORA = FastLearningConfig(learning_rate=3e-4, rewind_chunks=0)
"""Of rules that learn by gradients, in a world whose own memory does not: the rate at which eq. 3 keeps most of the
palette (docs/decisions/0004)."""
SEEN_SETS = ("out-and-back-64",)
OWN_SETS = ("full-turn-16", "out-and-back-16")


@dataclass(frozen=True)
class RulesConfig:
    """How large the comparison is."""

    num_maps: int = 64
    num_seeds: int = 3

    def __post_init__(self) -> None:
        if self.num_maps < 1 or self.num_seeds < 1:
            raise UserError(f"at least 1 map and 1 seed are needed, got {self.num_maps} and {self.num_seeds}")

    @classmethod
    def quick(cls) -> "RulesConfig":
        """Shows that everything runs; its figures mean nothing."""
        return cls(num_maps=2, num_seeds=1)


@dataclass(frozen=True)
class Arm:
    """One rule on slow weights that did or did not go through a loop."""

    rule: str
    loop: str
    """Rule of the loop that the slow weights went through; empty for none."""
    world: World
    memory: MemoryConfig | None

    @property
    def name(self) -> str:
        """As it stands in the figures."""
        rule = self.rule.replace("-", "_").replace("+", "_and_")
        return f"{rule}_after_{self.loop.replace('-', '_')}_loop" if self.loop else rule


def make_arms(world: World, before: DenoiserModule, after: Mapping[str, DenoiserModule]) -> list[Arm]:
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

    def on(denoiser: DenoiserModule) -> World:
        return world.with_parts(denoiser.to(world.device).eval().requires_grad_(False))

    shipped = world.shipped_memory
    settings = MemoryConfig(shipped.local, shipped.lora or LORA)
    first = on(before)
    arms = [Arm(rule, "", first, memory_by_name(rule, settings)) for rule in RULES]
    for loop, denoiser in after.items():
        other = on(denoiser)
        rules = ["off", loop] + (["local-delta", "local+denoising"] if loop == "local" else [])
        arms += [Arm(rule, loop, other, memory_by_name(rule, settings)) for rule in rules]
    return arms


class RulesTest:
    """The arms under one configuration: `RulesTest(arms, config).run(folder)`."""

    def __init__(self, arms: list[Arm], config: RulesConfig) -> None:
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

    def run(self, folder: Path | None = None) -> tuple[dict[str, Any], dict[str, Estimate]]:
        """Computes what `folder` does not hold yet; gives the protocol and the figures.

        Raises:
            UserError: a needed package is missing, or `folder` cannot be written.
            KeyboardInterrupt: says how much is done.
        """
        records = run_blocks(list(self._blocks()), folder)
        seeds = range(self.config.num_seeds)
        figures: dict[str, Estimate] = {}
        for arm in self.arms:
            own = {name: [records[f"own-{name}-{arm.name}-{seed}"] for seed in seeds] for name in OWN_SETS}
            seen = {name: [records[f"seen-{name}-{arm.name}-{seed}"] for seed in seeds] for name in SEEN_SETS}
            for figure, parts, field in (
                ("src", own, "similarity"),
                ("scuts", own, "scene_cuts"),
                ("motion", own, "motion"),
                ("history_psnr_db", own, "history_psnr"),
                ("revisit_psnr_db", seen, "psnr"),
            ):
                figures[f"{figure}_{arm.name}"] = estimate(joined(parts, field))
        for arm in self._readable:
            parts = {name: [records[f"readout-{name}-{arm.name}"]] for name in SEEN_SETS}
            figures[f"revisit_psnr_db_readout_{arm.name}"] = estimate(joined(parts, "psnr"))
        return self.protocol | provenance(figures, self.arms[0].world.device, records.commits), figures

    @property
    def _readable(self) -> list[Arm]:
        """Arms whose memory can be read out, one a rule: what is read hangs on no denoiser and on no seed."""
        return [arm for arm in self.arms if not arm.loop and arm.memory is not None and arm.memory.local is not None]

    def _blocks(self) -> Iterator[Block[Any]]:
        for arm in self._readable:
            for name in SEEN_SETS:
                yield Block(
                    f"readout-{name}-{arm.name}", Seen, self.config.num_maps, partial(self._read_out, name, arm)
                )
        for seed in range(self.config.num_seeds):
            for arm in self.arms:
                for name in OWN_SETS:
                    yield Block(
                        f"own-{name}-{arm.name}-{seed}", Own, self.config.num_maps, partial(self._own, name, arm, seed)
                    )
                for name in SEEN_SETS:
                    yield Block(
                        f"seen-{name}-{arm.name}-{seed}",
                        Seen,
                        self.config.num_maps,
                        partial(self._seen, name, arm, seed),
                    )

    def _own(self, name: str, arm: Arm, seed: int, progress: Progress) -> Own:
        progress(self.config.num_maps)
        return self.tours.own(name, memory_arm(arm.name, arm.name, arm.world, arm.memory), seed)

    def _seen(self, name: str, arm: Arm, seed: int, progress: Progress) -> Seen:
        progress(self.config.num_maps)
        return self.tours.seen(name, memory_arm(arm.name, arm.name, arm.world, arm.memory), seed)

    def _read_out(self, name: str, arm: Arm, progress: Progress) -> Seen:
        progress(self.config.num_maps)
        assert arm.memory is not None
        return self.tours.seen(name, readout_arm(arm.world, arm.memory), 0)
