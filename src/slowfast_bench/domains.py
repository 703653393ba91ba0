"""One model over many domains: quality in each on held-out episodes, and what fast learning adds where it was left out.

Of each recorded episode the beginning is shown; then four chunks are generated in closed loop from its own action
texts. Scores are those of `quality`. A denoiser that was trained without a domain is scored in that domain alone, with
and without fast learning.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from slowfast_bench.cache import Block, Progress, joined, run_blocks
from slowfast_bench.generate import generate_ways
from slowfast_bench.paths.ways import Way
from slowfast_bench.results import Results
from slowfast_bench.scores.following import row_seeds
from slowfast_bench.scores.next_chunk import CLIP_CHUNKS, CLIP_FRAMES, NextChunks, score_clips
from slowfast_bench.variants import Arm, frozen_arm, memory_arm
from slowfast_vgen.data.sources import EpisodeSource
from slowfast_vgen.data.tables import content_hash
from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.config import MemoryConfig
from slowfast_vgen.memory.settings import FastLearningConfig
from slowfast_vgen.metrics.bootstrap import NUM_RESAMPLES, estimate
from slowfast_vgen.metrics.networks import Networks
from slowfast_vgen.metrics.video_distance import estimate_distance
from slowfast_vgen.models.denoiser import DenoiserModule
from slowfast_vgen.pictures import Panel
from slowfast_vgen.results import Row
from slowfast_vgen.rollout import WorldModel

VERSION = 3
ADAPTATION = FastLearningConfig(learning_rate=3e-3, updates_per_chunk=4, rewind_chunks=0)
"""Eq. 3 as it learns here: stronger than for an episode's memory (results/domains_sweep.json)."""
EPISODES_PER_PART = 16
METRICS = {"psnr": "psnr", "ssim": "ssim", "distance": "distance_mbv2"}
"""Field of the scores -> what rows call it."""


@dataclass(frozen=True)
class DomainsConfig:
    """How large the measurement is."""

    num_episodes: int = 64
    """Of each domain."""
    num_seeds: int = 3
    num_shown: int = 11
    """Chunks of true frames before the first that is generated."""

    def __post_init__(self) -> None:
        if min(self.num_episodes, self.num_seeds) < 1 or self.num_shown < 1:
            raise UserError(
                f"at least 1 episode, 1 seed and 1 chunk that is shown are needed, got {self.num_episodes}, "
                f"{self.num_seeds}, {self.num_shown}"
            )

    @classmethod
    def quick(cls) -> "DomainsConfig":
        """Shows that everything runs; its figures mean nothing."""
        return cls(num_episodes=2, num_seeds=1, num_shown=3)


def describe_source(source: EpisodeSource) -> list[dict[str, Any]]:
    """What tells a data set's episodes, for the protocol; of a folder and of its shards the same.

    Raises:
        DefectiveDataError: a header or a chunk table that is missing or broken.
    """
    content = content_hash(map(source.tables, range(len(source))))
    return [
        {"world": header.world, "split": header.split, "episodes": header.num_episodes, "creation": header.creation}
        | {"content_sha256": content}
        for header in source.headers
    ]


def domain_arms(world: WorldModel, without: DenoiserModule | None) -> list[Arm]:
    """A world's own fast learning, eq. 3, none, and the frozen frame; the latter two also of a denoiser left out."""
    eq3 = MemoryConfig(lora=ADAPTATION)
    arms = [memory_arm("no_memory", "no fast learning", world, None), memory_arm("eq3", "eq. 3", world, eq3)]
    if world.shipped_memory.ridge is not None:
        arms.insert(0, memory_arm("memory", "ridge rule (shipped)", world, world.shipped_memory))
    if without is not None:
        other = world.with_parts(without.to(world.device).eval().requires_grad_(False))
        arms += [
            memory_arm("left_out", "trained without it, no fast learning", other, None),
            memory_arm("left_out_eq3", "trained without it, eq. 3", other, eq3),
        ]
    return [*arms, frozen_arm(world)]


def shown_then_generated(
    arm: Arm, ways: Sequence[Way], seeds: Sequence[int], networks: Networks, progress: Progress = lambda _: None
) -> NextChunks:
    """Scores of the chunks that an arm generates after the beginning of each way, which it is shown."""
    made = generate_ways(arm, ways, seeds, observe=True, progress=progress)
    clips, true = ([frames[-CLIP_FRAMES:] for frames in some] for some in (made, [way.frames for way in ways]))
    return score_clips(np.stack(clips), np.stack(true), networks)


class Domains:
    """All domains under one configuration: `Domains(world, ways, without, config, networks, sources).run(folder)`."""

    def __init__(
        self,
        world: WorldModel,
        ways: Mapping[str, Sequence[Way]],
        without: Mapping[str, DenoiserModule],
        config: DomainsConfig,
        networks: Networks,
        sources: Mapping[str, Any],
    ) -> None:
        """Keeps what is given.

        Args:
            world: all of whose domains these are.
            ways: domain -> its held-out episodes.
            without: domain -> a denoiser that never saw it.
            config: sizes.
            networks: what measures look through.
            sources: domain -> what tells its episodes, for the protocol.

        Raises:
            UserError: a denoiser for a domain that is not evaluated, or frames of another size than the world's.
        """
        if unknown := sorted(set(without) - set(ways)):
            raise UserError(
                f"a denoiser was given for {unknown[0]!r}, which is none of the domains: {', '.join(ways)}; name its "
                "held-out episodes too"
            )
        for name, some in ways.items():
            if some[0].frames.shape[1:3] != world.frame_size:
                (height, width), wanted = some[0].frames.shape[1:3], world.frame_size
                raise UserError(
                    f"the frames of {name} are {width}x{height}, but {world.model.config.name} makes "
                    f"{wanted[1]}x{wanted[0]}; import or record them in that size"
                )
        self.world, self.ways, self.config, self.networks, self.sources = world, ways, config, networks, sources
        self.arms = {name: domain_arms(world, without.get(name)) for name in ways}

    @property
    def protocol(self) -> dict[str, Any]:
        """Everything that decides the figures, as JSON values."""
        return {
            "command": "evaluate domains",
            "version": VERSION,
            "world": self.world.model.config.name,
            "precision": self.world.precision,
            "sampling_steps": self.world.model.config.num_sampling_steps,
            "domains": {
                name: {"episodes": self.sources[name], "arms": {arm.name: arm.describe() for arm in arms}}
                for name, arms in self.arms.items()
            },
            "made_chunks": CLIP_CHUNKS,
            "networks_sha256": self.networks.sha256,
            **asdict(self.config),
            "interval": f"95 % bootstrap over episodes, {NUM_RESAMPLES} resamples",
        }

    def run(self, folder: Path | None = None) -> Results:
        """Computes what `folder` does not hold yet.

        Raises:
            UserError: `folder` cannot be written.
            KeyboardInterrupt: says how much is done.
        """
        records = run_blocks(list(self._blocks()), folder)
        rows: list[Row] = []
        sheets: dict[str, list[Panel]] = {}
        for domain, arms in self.arms.items():
            scores = {arm.name: [self._joined(records, domain, arm, seed) for seed in self._seeds] for arm in arms}
            rows += self._rows(domain, scores)
            true = np.stack([way.frames[-CLIP_FRAMES:][::2] for way in self.ways[domain][:1]])
            panels = [Panel("true", true[0])]
            panels += [Panel(arm.label, scores[arm.name][0].sheet[0]) for arm in arms if arm.name != "frozen"]
            sheets[domain] = panels
        return Results.made(self.protocol, rows, self.world.device, records.commits, sheets)

    @property
    def _seeds(self) -> range:
        return range(self.config.num_seeds)

    def _rows(self, domain: str, scores: Mapping[str, Sequence[NextChunks]]) -> Iterator[Row]:
        true = self._true_features(domain)
        for arm, seeds in scores.items():
            for field, metric in METRICS.items():
                values = estimate(np.stack([getattr(one, field) for one in seeds], 1))
                yield Row.of(values, metric, arm, dataset=domain, name=f"{field}_{arm}_{domain}")
            distance = estimate_distance(np.stack([one.clip for one in seeds], 1), true)
            yield Row.of(distance, "fvd_mbv2", arm, dataset=domain)
        for arm, base in (("memory", "no_memory"), ("eq3", "no_memory"), ("left_out_eq3", "left_out"),
                          ("no_memory", "left_out")):  # fmt: skip
            for field in ("psnr", "distance") if arm in scores and base in scores else ():
                pairs = zip(scores[arm], scores[base], strict=True)
                change = estimate(np.stack([getattr(one, field) - getattr(two, field) for one, two in pairs], 1))
                name = f"{field}_{arm}_minus_{base}_{domain}"
                yield Row.of(change, METRICS[field], arm, minus=base, dataset=domain, name=name)

    def _true_features(self, domain: str) -> np.ndarray:
        """Of many true clips: as many of each episode as fit in without overlap."""
        frames = [way.frames[1:] for way in self.ways[domain]]
        starts = range(0, len(frames[0]) - CLIP_FRAMES + 1, CLIP_FRAMES)
        return self.networks.clips(np.stack([one[start : start + CLIP_FRAMES] for one in frames for start in starts]))

    def _blocks(self) -> Iterator[Block[Any]]:
        for seed in self._seeds:
            for domain, arms in self.arms.items():
                for arm in arms:
                    for first in range(0, self.config.num_episodes, EPISODES_PER_PART):
                        rows = slice(first, min(first + EPISODES_PER_PART, self.config.num_episodes))
                        work = (rows.stop - first) * (self.config.num_shown + CLIP_CHUNKS)
                        compute = partial(self._scores, domain, arm, seed, rows)
                        yield Block(f"{domain}-{arm.name}-{seed}-{first}", NextChunks, work, compute)

    def _scores(self, domain: str, arm: Arm, seed: int, rows: slice, progress: Progress) -> NextChunks:
        ways = self.ways[domain]
        return shown_then_generated(arm, ways[rows], row_seeds(seed, 0, len(ways))[rows], self.networks, progress)

    def _joined(self, records: Mapping[str, Any], domain: str, arm: Arm, seed: int) -> NextChunks:
        firsts = range(0, self.config.num_episodes, EPISODES_PER_PART)
        return joined([records[f"{domain}-{arm.name}-{seed}-{first}"] for first in firsts])
