"""The smoke test of a trained world: actions, long videos and revisits on maps that it never saw, in one resumable run.

A figure here does not rank papers; it shows whether the world and its memory do what they are for.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8

from slowfast_bench.cache import Block, Progress, Records, run_blocks
from slowfast_bench.generate import generate_tours
from slowfast_bench.paths.episodes import LAP_CHUNKS, SEED, SPLIT, HeldOut, Outcomes, Tour, play_tours
from slowfast_bench.results import Results
from slowfast_bench.scores.following import Following, generate_chunks, row_seeds, score_chunks
from slowfast_bench.scores.long_videos import (
    SHEET_COLUMNS,
    WINDOW_FRAMES,
    LongRollouts,
    generate_long,
    join_videos,
    score_video,
)
from slowfast_bench.scores.revisits import (
    MOST_PAIRS,
    RevisitReference,
    Revisits,
    reference_scores,
    score_tours,
    tour_pairs,
)
from slowfast_bench.variants import memory_arm
from slowfast_envs.actions import FRAMES_PER_CHUNK, VERBS
from slowfast_envs.base import FRAME_SIZE
from slowfast_envs.vizdoom.engine import Play
from slowfast_vgen.errors import UserError
from slowfast_vgen.metrics.bootstrap import NUM_RESAMPLES, estimate, estimate_ratio
from slowfast_vgen.metrics.features import ImageFeatures
from slowfast_vgen.pictures import Panel
from slowfast_vgen.results import Row
from slowfast_vgen.rollout import WorldModel
from slowfast_vgen.types import Episode, Frames

VERSION = 2
"""Raised with every change that makes kept blocks of older code wrong."""
FOLLOWING_CHUNKS = 16
SCRIPTS = ("full-turn", "out-and-back")
LONG_ARMS = {"": "off", "_memory": "best"}
"""Ending of a figure's name -> arm."""
assert SHEET_COLUMNS == MOST_PAIRS, "all rows of the contact sheet have as many columns"
ARM_LABELS = {"off": "no memory", "paper": "paper", "best": "best"}
FOLLOWING = {
    "action_following": "direction",
    "action_following_five_way": "five_way",
    "action_following_flow": "flow",
    "first_frame_gain_db": "first_frame_gain",
    "first_frame_psnr_db": "first_frame_psnr",
    "chunk_psnr_db": "chunk_psnr",
}
"""Metric -> the field of the scores that holds it."""
BY_VERB = ("action_following_five_way", "first_frame_gain_db", "first_frame_psnr_db", "chunk_psnr_db")
REVISITS = {
    "psnr_truth": ("psnr", "revisit_psnr_db", "revisit_gain_db"),
    "colour_distance_truth": ("colour_distance", "revisit_colour_distance", ""),
    "psnr_own_visit": ("history_psnr", "history_psnr_db", "history_gain_db"),
    "colour_distance_own_visit": ("history_colour_distance", "history_colour_distance", ""),
    "src_mbv2": ("similarity", "src_mbv2", "src_mbv2_gain"),
}
"""Metric -> the field of the scores that holds it, the name of its rows, and that of what a memory adds to it."""


@dataclass(frozen=True)
class SmokeConfig:
    """How large the smoke test is."""

    num_episodes: int = 32
    num_seeds: int = 3
    num_frames: int = 256
    """Of a long video."""

    def __post_init__(self) -> None:
        if self.num_episodes < 1 or self.num_seeds < 1:
            raise UserError(f"at least 1 episode and 1 seed are needed, got {self.num_episodes} and {self.num_seeds}")
        if self.num_frames < WINDOW_FRAMES or self.num_frames % WINDOW_FRAMES:
            raise UserError(f"a long video has a multiple of {WINDOW_FRAMES} frames, got {self.num_frames}")

    @classmethod
    def quick(cls) -> "SmokeConfig":
        """Shows that everything runs; its figures mean nothing."""
        return cls(num_episodes=4, num_seeds=1, num_frames=32)

    @property
    def num_chunks(self) -> int:
        """Chunks of a long video."""
        return self.num_frames // FRAMES_PER_CHUNK


class SmokeTest:
    """One world under one configuration: `SmokeTest(world, config).run(folder)`."""

    def __init__(self, world: WorldModel, config: SmokeConfig) -> None:
        """Checks that the world fits the protocol.

        Raises:
            UserError: a world of other frames or chunks than those of vizdoom-rooms.
        """
        size, num_new = world.frame_size, world.model.config.num_new_frames
        if size != (FRAME_SIZE, FRAME_SIZE) or num_new != FRAMES_PER_CHUNK:
            raise UserError(
                f"the smoke test wants a world of {FRAME_SIZE}x{FRAME_SIZE} pixels, {FRAMES_PER_CHUNK} frames a chunk; "
                f"{world.model.config.name} has {size[1]}x{size[0]} and {num_new}: give one trained on vizdoom-rooms"
            )
        self.world, self.config = world, config
        self.held_out = HeldOut(config.num_episodes, config.num_chunks)
        self.following_chunks = min(FOLLOWING_CHUNKS, config.num_chunks)
        self.arms = {"off": None, "paper": world.paper_memory, "best": world.shipped_memory}

    @cached_property
    def protocol(self) -> dict[str, Any]:
        """Everything that decides the figures, as JSON values."""
        model = self.world.model
        tours = self.held_out.full_turns + self.held_out.out_and_backs
        scenes = [scene.digest for scene in self.held_out.scenes] + [tour.scene.digest for tour in tours]
        return {
            "command": "evaluate smoke",
            "version": VERSION,
            "world": model.config.name,
            "weights_sha256": model.fingerprint,
            "resolution": list(self.world.frame_size),
            "past_frames": model.config.num_past_frames,
            "new_frames": model.config.num_new_frames,
            "sampling_steps": model.config.num_sampling_steps,
            "precision": self.world.precision,
            "episodes": self.config.num_episodes,
            "seeds": list(range(self.config.num_seeds)),
            "long_video_frames": self.config.num_frames,
            "following_chunks": self.following_chunks,
            "data": {"world": "vizdoom-rooms", "split": SPLIT, "seed": SEED},
            "scenes_sha256": hashlib.sha256("".join(scenes).encode()).hexdigest(),
            "memory": {name: arm.to_json() if arm else None for name, arm in self.arms.items()},
            "full_turn_chunks": 2 * LAP_CHUNKS,
            "out_and_back_chunks": sorted({len(tour.verbs) for tour in self.held_out.out_and_backs}),
            "late_frames": WINDOW_FRAMES,
            "whole_long_videos_decoded": "first seed only (cuts, motion, sharpness over the horizon)",
            "long_videos_with_memory": "first seed only",
            "image_features": {"name": ImageFeatures.name, "sha256": ImageFeatures.fingerprint},
            "interval": f"95 %, percentile bootstrap over episodes, {NUM_RESAMPLES} resamples",
        }

    def run(self, folder: Path | None = None) -> Results:
        """Computes what `folder` does not hold yet, and the rows.

        Raises:
            UserError: a needed package is missing, or `folder` cannot be written.
            KeyboardInterrupt: says how much is done.
        """
        return self._report(run_blocks(list(self._blocks()), folder))

    def _blocks(self) -> Iterator[Block[Any]]:
        number, seeds = self.config.num_episodes, range(self.config.num_seeds)
        yield Block("reference-following", Following, 0, self._codec_following)
        for seed in seeds:
            yield Block(f"following-{seed}", Following, number * self.following_chunks, partial(self._following, seed))
        for script in SCRIPTS:
            work = 2 * sum(len(tour.verbs) for tour in self._tours(script))
            yield Block(f"reference-{script}", RevisitReference, 0, partial(self._revisit_reference, script))
            for seed in seeds:
                for arm in self.arms:
                    revisit = partial(self._revisits, script, arm, seed)
                    yield Block(f"{script}-{arm}-{seed}", Revisits, work, revisit)
        yield Block("reference-long", LongRollouts, 0, self._true_long)
        yield Block("reference-long-codec", LongRollouts, 0, self._codec_long)
        for seed in seeds:
            for arm in self._long_arms(seed):
                work = number * self.config.num_chunks
                yield Block(f"long-{arm}-{seed}", LongRollouts, work, partial(self._long, arm, seed))

    @staticmethod
    def _long_arms(seed: int) -> list[str]:
        """Long videos with memory cost half of the whole run at three seeds, so one seed of them has to do."""
        return [arm for arm in LONG_ARMS.values() if arm == "off" or seed == 0]

    def _following(self, seed: int, progress: Progress) -> Following:
        episodes = self.held_out.wanders
        chunks = generate_chunks(self.world, episodes, self.following_chunks, seed, progress)
        return score_chunks(chunks, episodes, self._outcomes)

    def _codec_following(self, progress: Progress) -> Following:
        episodes, num_frames = self.held_out.wanders, FRAMES_PER_CHUNK * self.following_chunks
        chunks = [self._round_trip(one.frames[1 : 1 + num_frames]) for one in episodes]
        shape = (len(chunks), self.following_chunks, FRAMES_PER_CHUNK, FRAME_SIZE, FRAME_SIZE, 3)
        return score_chunks(np.stack(chunks).reshape(shape), episodes, self._outcomes)

    def _long(self, arm: str, seed: int, progress: Progress) -> LongRollouts:
        return generate_long(self.world, self.held_out.wanders, self.arms[arm], seed, seed == 0, progress)

    def _true_long(self, progress: Progress) -> LongRollouts:
        return join_videos([score_video(one.frames, self.config.num_frames, one.fps) for one in self.held_out.wanders])

    def _codec_long(self, progress: Progress) -> LongRollouts:
        def late(episode: Episode) -> LongRollouts:
            return score_video(self._round_trip(episode.frames[-WINDOW_FRAMES:]), self.config.num_frames, episode.fps)

        return join_videos([late(episode) for episode in self.held_out.wanders])

    def _revisits(self, script: str, arm: str, seed: int, progress: Progress) -> Revisits:
        tours, plays = self._tours(script), self._plays(script)
        compared = memory_arm(arm, ARM_LABELS[arm], self.world, self.arms[arm])
        seeds = row_seeds(seed, 0, len(tours))
        seen, own = (generate_tours(compared, tours, plays, seeds, observe, progress) for observe in (True, False))
        return score_tours(seen, own, plays, self._pairs(script), self._features)

    def _revisit_reference(self, script: str, progress: Progress) -> RevisitReference:
        return reference_scores(self._tours(script), self._plays(script), self._pairs(script), self._features)

    def _tours(self, script: str) -> list[Tour]:
        return self.held_out.full_turns if script == "full-turn" else self.held_out.out_and_backs

    def _plays(self, script: str) -> list[Play]:
        if script not in self._played:
            self._played[script] = play_tours(self._tours(script))
        return self._played[script]

    def _pairs(self, script: str) -> list[list[tuple[int, int]]]:
        config = self.world.model.config
        window = config.num_past_frames + config.num_new_frames
        return [tour_pairs(*one, window) for one in zip(self._tours(script), self._plays(script), strict=True)]

    @cached_property
    def _played(self) -> dict[str, list[Play]]:
        return {}

    @cached_property
    def _outcomes(self) -> Outcomes:
        return self.held_out.outcomes(self.following_chunks)

    @cached_property
    def _features(self) -> ImageFeatures:
        return ImageFeatures.load()

    def _round_trip(self, frames: Frames) -> Frames:
        codec = self.world.model.codec
        return codec.decode(codec.encode(torch.from_numpy(frames).to(self.world.device))).cpu().numpy()

    def _report(self, records: Records) -> Results:
        seeds = range(self.config.num_seeds)
        long_arms = {
            ending: [records[f"long-{arm}-{seed}"] for seed in seeds if arm in self._long_arms(seed)]
            for ending, arm in LONG_ARMS.items()
        }
        scripts = {
            script: {arm: [records[f"{script}-{arm}-{seed}"] for seed in seeds] for arm in self.arms}
            for script in SCRIPTS
        }
        references = {script: records[f"reference-{script}"] for script in SCRIPTS}
        true = records["reference-long"]
        following = [records[f"following-{seed}"] for seed in seeds]
        rows = [
            *following_rows(following, records["reference-following"]),
            *long_rows(long_arms, true, records["reference-long-codec"]),
            *revisit_rows(scripts, references),
        ]
        sheet = []
        for script, arms in scripts.items():
            panels = {"true": references[script].sheet} | {ARM_LABELS[arm]: one[0].sheet for arm, one in arms.items()}
            sheet += _panels(f"{script}, way back", panels)
        long = {ARM_LABELS[arm]: long_arms[ending][0].sheet for ending, arm in LONG_ARMS.items()}
        sheet += _panels(f"{self.config.num_frames} frames", {"true": true.sheet} | long)
        results = Results.made(self.protocol, rows, self.world.device, records.commits, {"episodes": sheet})
        told = {
            "not_measured": [row.name for row in rows if not row.n],
            "per_seed": {row.name: _spread(row) for row in results.rows if len(row.per_seed) > 1},
            "horizon": sharpness_over_horizon(long_arms, true),
        }
        return replace(results, protocol=results.protocol | told)


def _panels(title: str, rows: dict[str, UInt8[np.ndarray, "shown columns height width 3"]]) -> list[Panel]:
    """The episodes one after the other, each with all its rows."""
    shown = range(len(next(iter(rows.values()))))
    return [Panel(f"{title} {1 + index}: {label}", frames[index]) for index in shown for label, frames in rows.items()]


def _spread(row: Row) -> dict[str, Any]:
    """The seeds' own means, and their standard deviation."""
    means = [value for value in row.per_seed if np.isfinite(value)]
    return {"means": means, "spread": float(np.std(means, ddof=1)) if len(means) > 1 else 0.0}


def following_rows(seeds: Sequence[Following], codec: Following) -> Iterator[Row]:
    """Action following and first frames; `codec` are the scores of the true chunks after the codec's round trip."""
    for metric, field in FOLLOWING.items():
        values = _stacked(seeds, field)
        yield Row.of(estimate(values), metric, name=metric)
        for index, verb in enumerate(VERBS if metric in BY_VERB else ()):
            chosen = np.where((codec.verb == index)[:, None], values, np.nan)
            yield Row.of(estimate(chosen), metric, dataset=verb)
    yield Row.of(estimate(_stacked(seeds[:1], "copy_psnr")), "first_frame_psnr_db", "frozen", name="copy_psnr_db")
    yield Row.of(estimate(_stacked([codec], "chunk_psnr")), "chunk_psnr_db", "codec", name="codec_psnr_db")
    for metric in ("action_following_five_way", "action_following_flow"):
        yield Row.of(estimate(_stacked([codec], FOLLOWING[metric])), metric, "codec")


def long_rows(arms: Mapping[str, Sequence[LongRollouts]], true: LongRollouts, codec: LongRollouts) -> Iterator[Row]:
    """Sharpness, colour, collapse, cuts, motion; `arms` maps the ending of a name, such as "_memory", to its seeds."""
    variants = {"": "no_memory", "_memory": "memory", "_true": "true"}
    for ending, seeds in arms.items():
        for metric, field in (("late_sharpness_ratio", "sharpness"), ("late_colour_spread_ratio", "colour_spread")):
            late = np.stack([getattr(one, field)[:, -1] for one in seeds], 1)
            ratio = estimate_ratio(late, getattr(true, field))
            yield Row.of(ratio, metric, variants[ending], name=metric + ending)
    ratio = estimate_ratio(codec.sharpness[:, -1:], true.sharpness[:, -1])
    yield Row.of(ratio, "late_sharpness_ratio", "codec", name="codec_sharpness_ratio")
    for ending, seeds in {**arms, "_true": [true]}.items():
        for metric, field, name in (
            ("collapsed_share", "collapsed", "collapsed_share"),
            ("scene_cuts", "scene_cuts", "scuts"),
            ("motion", "motion", "motion_score"),
        ):
            yield Row.of(estimate(_stacked(seeds, field)), metric, variants[ending], name=name + ending)
    yield Row.of(estimate(_stacked(arms["_memory"], "rollbacks")), "rollbacks", "memory")


def sharpness_over_horizon(arms: Mapping[str, Sequence[LongRollouts]], true: LongRollouts) -> dict[str, list[float]]:
    """Mean sharpness of each window of 32 frames, of the first seed and of the true frames."""
    firsts = {f"sharpness{ending}": seeds[0] for ending, seeds in arms.items()} | {"sharpness_true": true}
    return {name: [round(float(value), 5) for value in one.sharpness.mean(0)] for name, one in firsts.items()}


def revisit_rows(
    scripts: Mapping[str, Mapping[str, Sequence[Revisits]]], references: Mapping[str, RevisitReference]
) -> list[Row]:
    """Scores of revisits and what the memory adds to them: `scripts[script][arm]` are the seeds' scores.

    Over all scripts first, then of each.
    """
    variants = {"off": "no_memory", "paper": "paper", "best": "memory"}
    samples: dict[tuple[str, str, str, str | None], dict[str, np.ndarray]] = {}
    for script, arms in scripts.items():
        for metric, (field, name, gain) in REVISITS.items():
            values = {arm: _stacked(seeds, field) for arm, seeds in arms.items()}
            for arm, each in values.items():
                samples.setdefault((metric, f"{name}_{arm}", variants[arm], None), {})[script] = each
                if gain and arm != "off":
                    key = metric, f"{gain}_{arm}", variants[arm], "no_memory"
                    samples.setdefault(key, {})[script] = each - values["off"]
        for metric, name, variant, field in (
            ("psnr_truth", "revisit_psnr_db_copy", "frozen", "copy_psnr"),
            ("colour_distance_truth", "revisit_colour_distance_copy", "frozen", "copy_colour_distance"),
            ("src_mbv2", "src_mbv2_unrelated", "unrelated", "unrelated_similarity"),
        ):
            samples.setdefault((metric, name, variant, None), {})[script] = _stacked([references[script]], field)
    rows = []
    for only in (None, *scripts):
        dataset = None if only is None else only.replace("-", "_")
        for (metric, name, variant, minus), own in samples.items():
            values_of = np.concatenate(list(own.values()), -1) if only is None else own[only]
            full = name if dataset is None else f"{name}_{dataset}"
            rows.append(Row.of(estimate(values_of), metric, variant, minus=minus, dataset=dataset, name=full))
    return rows


def _stacked(seeds: Sequence[object], field: str) -> Float[np.ndarray, "episodes seeds *more"]:
    return np.stack([getattr(one, field) for one in seeds], 1)
