"""Does a world remember? Places seen before and out of the window, at several gaps, on maps that it never saw.

Each tour is played on true frames up to where all that follows was seen before; the rest is generated, once by every
arm: no memory, the shipped memory, and a longer raw context instead of a memory; or read out of the memory, with no
denoising. References that need no model: the last frame frozen, and the codec's ceiling, the true frame of the same
pose as the codec gives it back, the most that any memory could bring.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float

from slowfast_bench.cache import Block, Progress, Records, run_blocks
from slowfast_bench.paths.episodes import SEED, SPLIT, HeldOut
from slowfast_bench.paths.tours import BUCKETS, TOUR_SETS
from slowfast_bench.results import Results
from slowfast_bench.scores.following import ROWS_PER_BATCH, row_seeds
from slowfast_bench.scores.tour_scores import Seen, TourScores, joined
from slowfast_bench.variants import memory_arm, readout_arm
from slowfast_envs.actions import FRAMES_PER_CHUNK
from slowfast_envs.walking import STEP_UNITS
from slowfast_vgen.errors import UserError
from slowfast_vgen.metrics.bootstrap import NUM_RESAMPLES, estimate, estimate_share
from slowfast_vgen.metrics.frames import psnr
from slowfast_vgen.pictures import Panel
from slowfast_vgen.results import Row
from slowfast_vgen.rollout import WorldModel

VERSION = 2
"""Raised with every change that makes kept blocks of older code wrong."""
OWN_SETS = ("full-turn-16", "out-and-back-16", "loop-64")
"""Tours that are also generated whole from the start image, for what a session shows of its own earlier frames."""
RAW_PAST_FRAMES = 8
"""Past frames of the arm "raw": the longest context that the slow model was trained on, and dearer than the memory."""
NEAR_STEPS, NEAR_RADIANS = 4.0, 1.0
"""A pose is new where no earlier one is as near as this, in steps and in heading."""
SAME_RADIANS = 0.2
"""Headings of one view: half a frame's turn. How far its place is from the nearest one seen decides what is gained."""
BESIDE_STEPS = (0, 1, 2, 3, 4)
"""Steps beside a seen pose at which the gain is told: 0 is the very pose, 1 up to one step away, and so on."""
SHEET_SETS = ("full-turn-64", "out-and-back-64", "loop-200")


@dataclass(frozen=True)
class RecallConfig:
    """How large the measurement is."""

    num_maps: int = 64
    num_seeds: int = 3
    num_novel_chunks: int = 24
    """Chunks of each walk on which new places are looked at."""

    def __post_init__(self) -> None:
        if min(self.num_maps, self.num_seeds, self.num_novel_chunks) < 1:
            raise UserError(
                "at least 1 map, 1 seed and 1 chunk are needed, got "
                f"{self.num_maps}, {self.num_seeds} and {self.num_novel_chunks}"
            )

    @classmethod
    def quick(cls) -> "RecallConfig":
        """Shows that everything runs; its figures mean nothing."""
        return cls(num_maps=2, num_seeds=1, num_novel_chunks=4)


@dataclass(frozen=True)
class Novel:
    """Next chunks after the true past: PSNR of those at places never seen, and of all; NaN elsewhere."""

    new_places: Float[np.ndarray, "walks chunks"]
    all_places: Float[np.ndarray, "walks chunks"]


VARIANTS = {"off": "no_memory", "on": "memory", "raw": f"raw_context_{RAW_PAST_FRAMES // FRAMES_PER_CHUNK}"}
"""Arm -> what its rows call it; the others are called as they are."""


class RecallTest:
    """One world under one configuration: `RecallTest(world, config).run(folder)`."""

    def __init__(self, world: WorldModel, config: RecallConfig) -> None:
        self.world, self.config = world, config
        longer = world.with_parts(num_past_frames=RAW_PAST_FRAMES)
        self.arms = {
            "off": memory_arm("off", "no memory", world, None),
            "on": memory_arm("on", "memory", world, world.shipped_memory),
            "raw": memory_arm("raw", "raw context twice as long, not trained as a baseline", longer, None),
        }
        self.unseeded = (
            {} if world.shipped_memory.ridge is None else {"readout": readout_arm(world, world.shipped_memory)}
        )
        """Arms that no seed changes."""
        self.tours = TourScores(config.num_maps)

    @property
    def protocol(self) -> dict[str, Any]:
        """Everything that decides the figures, as JSON values."""
        model = self.world.model
        return {
            "command": "evaluate recall",
            "version": VERSION,
            "world": model.config.name,
            "weights_sha256": model.fingerprint,
            "resolution": list(self.world.frame_size),
            "past_frames": model.config.num_past_frames,
            "new_frames": model.config.num_new_frames,
            "sampling_steps": model.config.num_sampling_steps,
            "precision": self.world.precision,
            "memory": self.world.shipped_memory.to_json(),
            "src_network": "MobileNetV2 on ImageNet, embedded; the paper's SRC has ResNet-18",
            "raw_context_frames": RAW_PAST_FRAMES,
            "arms": {name: arm.describe() for name, arm in (self.arms | self.unseeded).items()},
            "split": SPLIT,
            "map_seed": SEED,
            "tours": list(TOUR_SETS),
            "own_tours": list(OWN_SETS),
            "gaps_in_frames": {name: list(bounds) for name, bounds in BUCKETS.items()},
            **asdict(self.config),
            "interval": f"95 % bootstrap over maps, {NUM_RESAMPLES} resamples; of costs least and greatest repetition",
        }

    def run(self, folder: Path | None = None) -> Results:
        """Computes what `folder` does not hold yet, and the rows.

        Raises:
            UserError: a needed package is missing, or `folder` cannot be written.
            KeyboardInterrupt: says how much is done.
        """
        return self._report(run_blocks(list(self._blocks()), folder))

    def _blocks(self) -> Iterator[Block[Any]]:
        for seed in range(self.config.num_seeds):  # seed by seed: a run that is stopped has whole seeds
            for name in TOUR_SETS:
                work = self.config.num_maps * 40
                if seed == 0:
                    yield Block(f"{name}-frozen", Seen, 0, partial(self._reference, name, "frozen"))
                    yield Block(f"{name}-ceiling", Seen, 0, partial(self._reference, name, "ceiling"))
                    for arm in self.unseeded:
                        yield self.tours.block(f"{name}-{arm}-0", name, self.unseeded[arm], seed, work)
                for arm, played in self.arms.items():
                    yield self.tours.block(f"{name}-{arm}-{seed}", name, played, seed, work)
            for name in OWN_SETS:
                for arm in ("off", "on"):
                    yield self.tours.block(f"own-{name}-{arm}-{seed}", name, self.arms[arm], seed, work, own=True)
            for arm in ("off", "on"):
                work = self.config.num_maps * self.config.num_novel_chunks
                yield Block(f"novel-{arm}-{seed}", Novel, work, partial(self._novel, arm, seed))

    def _reference(self, name: str, reference: Literal["frozen", "ceiling"], progress: Progress) -> Seen:
        return self.tours.reference(name, self.world.model.codec, reference)

    def _novel(self, arm: str, seed: int, progress: Progress) -> Novel:
        walks, num_chunks = self._walks.wanders, self.config.num_novel_chunks
        rows, codec = [], self.world.model.codec
        for begin in range(0, len(walks), ROWS_PER_BATCH):
            block = walks[begin : begin + ROWS_PER_BATCH]
            true = np.stack([one.frames for one in block])
            seeds, poses = row_seeds(seed, begin, len(block)), torch.zeros(*true.shape[:2], 3)  # nobody looks at poses
            rollout = self.arms[arm].begin(true[:, 0], seeds, poses)
            scores = []
            for number in range(num_chunks):
                now = slice(1 + FRAMES_PER_CHUNK * number, 1 + FRAMES_PER_CHUNK * (number + 1))
                actions = [one.chunks[number].action for one in block]
                new = codec.decode(rollout.predict(actions)).cpu().numpy()
                scores.append(psnr(new, true[:, now]).mean(-1))
                latents = codec.encode(torch.from_numpy(np.ascontiguousarray(true[:, now])).to(self.world.device))
                rollout.observe_latents(latents, actions)
                progress(len(block))
            rows.append(np.stack(scores, 1))
        values = np.concatenate(rows)
        return Novel(np.where(self._new_places, values, np.nan), values)

    @cached_property
    def _walks(self) -> HeldOut:
        return HeldOut(self.config.num_maps, self.config.num_novel_chunks)

    @cached_property
    def _new_places(self) -> Bool[np.ndarray, "walks chunks"]:
        found = []
        for walk in self._walks.wanders:
            assert walk.poses is not None
            away, turned = _apart(walk.poses)
            near = (away < NEAR_STEPS) & (turned < NEAR_RADIANS)
            row = []
            for number in range(self.config.num_novel_chunks):
                now = 1 + FRAMES_PER_CHUNK * number
                window = max(0, now - self.world.model.config.num_past_frames)
                row.append(not near[now : now + FRAMES_PER_CHUNK, :window].any())
            found.append(row)
        return np.array(found)

    @cached_property
    def _steps_beside(self) -> Float[np.ndarray, "walks chunks"]:
        """How far a chunk leads from what was seen and has left the window: that of its farthest frame, in steps.

        Of each frame it is the distance to the nearest place that was looked from in the same direction; infinite for
        a direction that is new.
        """
        past = self.world.model.config.num_past_frames
        found = np.full((len(self._walks.wanders), self.config.num_novel_chunks), np.inf)
        for row, walk in enumerate(self._walks.wanders):
            assert walk.poses is not None
            away, turned = _apart(walk.poses)
            away = np.where(turned < SAME_RADIANS, away, np.inf)
            for number in range(self.config.num_novel_chunks):
                now = 1 + FRAMES_PER_CHUNK * number
                if now > past:
                    found[row, number] = away[now : now + FRAMES_PER_CHUNK, : now - past].min(1).max()
        return found

    def _report(self, records: Records) -> Results:
        seeds = range(self.config.num_seeds)
        rows = self._seen_rows(records)
        own = {
            arm: {name: [records[f"own-{name}-{arm}-{seed}"] for seed in seeds] for name in OWN_SETS}
            for arm in ("off", "on")
        }
        for metric, field, name, gain in (
            ("psnr_own_visit", "history_psnr", "history_psnr_db", "history_gain_db"),
            ("src_mbv2", "similarity", "src", "src_gain"),
            ("scene_cuts", "scene_cuts", "scuts", ""),
            ("motion", "motion", "motion", ""),
        ):
            rows += _pair(metric, name, gain, {arm: joined(parts, field) for arm, parts in own.items()})
        novel = {arm: [records[f"novel-{arm}-{seed}"] for seed in seeds] for arm in ("off", "on")}
        for metric, field, name, gain in (
            ("novel_psnr", "new_places", "novel_psnr_db", "novel_gain_db"),
            ("psnr", "all_places", "next_chunk_psnr_db", "next_chunk_gain_db"),
        ):
            values = {arm: np.stack([getattr(one, field) for one in parts], 1) for arm, parts in novel.items()}
            rows += _pair(metric, name, gain, values)
        for steps in BESIDE_STEPS:
            at = (np.ceil(self._steps_beside - 0.1) == steps)[:, None]
            gains, beside = np.where(at, values["on"] - values["off"], np.nan), f"{steps}_steps_beside"
            rows.append(_gain(gains, "psnr", f"next_chunk_gain_db_{beside}", dataset=beside.replace("_", " ")))
        sheet: list[Panel] = []
        for name in SHEET_SETS:
            frames = {"true": self.tours.reference(name, self.world.model.codec, "true").sheet}
            frames |= {
                label: records[f"{name}-{arm}-0"].sheet for arm, label in (("on", "memory"), ("off", "no memory"))
            }
            for index in range(len(frames["true"])):
                sheet += [Panel(f"{name} {1 + index}: {label}", each[index]) for label, each in frames.items()]
        return Results.made(self.protocol, rows, self.world.device, records.commits, {"tours": sheet})

    def _seen_rows(self, records: dict[str, Any]) -> list[Row]:
        """Recall against the true frames: by gap over all tours, and by kind of tour."""
        seeds = range(self.config.num_seeds)
        values: dict[str, dict[str, np.ndarray]] = {}
        gaps = {name: records[f"{name}-frozen"].gap for name in TOUR_SETS}
        once = {"frozen": "frozen", "ceiling": "ceiling"} | {one: f"{one}-0" for one in self.unseeded}
        for name in TOUR_SETS:
            values[name] = {
                arm: np.stack([records[f"{name}-{arm}-{seed}"].psnr for seed in seeds], 1) for arm in self.arms
            }
            for arm, block in once.items():
                values[name][arm] = np.repeat(records[f"{name}-{block}"].psnr[:, None], len(seeds), 1)
        rows: list[Row] = []
        everywhere: dict[str, list[np.ndarray]] = {arm: [] for arm in next(iter(values.values()))}
        for bucket, (fewest, most) in BUCKETS.items():
            chosen = {name: ((gap >= fewest) & (gap <= most))[:, None] for name, gap in gaps.items()}
            kinds = [name for name in TOUR_SETS if chosen[name].any()]
            if not kinds:
                continue
            masked = {arm: [np.where(chosen[name], values[name][arm], np.nan) for name in kinds] for arm in everywhere}
            together = {arm: np.concatenate(parts, -1) for arm, parts in masked.items()}
            for arm, parts in masked.items():
                everywhere[arm] += parts
                variant, name = VARIANTS.get(arm, arm), f"recall_psnr_db_{arm}_{bucket}"
                rows.append(Row.of(estimate(together[arm]), "psnr_truth", variant, gap=bucket, name=name))
            gain = together["on"] - together["off"]
            rows.append(_gain(gain, "psnr_truth", f"recall_gain_db_{bucket}", gap=bucket))
            worst = np.where(gain <= np.nanquantile(gain, 0.05), gain, np.nan)
            name = f"recall_worst_5_percent_gain_db_{bucket}"
            rows.append(_gain(worst, "psnr_truth_worst5_gain", name, gap=bucket))
            for place, name in enumerate(kinds):
                kind = name.rsplit("-", 1)[0] if name[-1].isdigit() else name
                if name.endswith(bucket.removeprefix("gap")) or kind == name:
                    own, kind = masked["on"][place] - masked["off"][place], kind.replace("-", "_")
                    name = f"recall_gain_db_{kind}_{bucket}"
                    rows.append(_gain(own, "psnr_truth", name, gap=bucket, dataset=kind))
        all_of = {arm: np.concatenate(parts, -1) for arm, parts in everywhere.items()}
        for arm, minus, name in (
            ("on", "off", "recall_gain_db"),
            ("on", "raw", "gain_over_raw_context_db"),
            ("raw", "off", "raw_context_gain_db"),
            ("on", "frozen", "gain_over_frozen_db"),
            ("readout", "on", "readout_minus_memory_db"),
        ):
            if arm in all_of:
                difference, variants = all_of[arm] - all_of[minus], [VARIANTS.get(one, one) for one in (arm, minus)]
                rows.append(Row.of(estimate(difference), "psnr_truth", variants[0], minus=variants[1], name=name))
        closed = estimate_share(all_of["on"], all_of["off"], all_of["ceiling"])
        return [*rows, Row.of(closed, "ceiling_gap_closed", "memory", name="ceiling_gap_closed")]


def _pair(metric: str, name: str, gain: str, values: dict[str, np.ndarray]) -> list[Row]:
    """Rows of no memory, of the memory, and, where it has a name, of what the memory adds."""
    rows = [Row.of(estimate(each), metric, VARIANTS[arm], name=f"{name}_{arm}") for arm, each in values.items()]
    return [*rows, _gain(values["on"] - values["off"], metric, gain)] if gain else rows


def _gain(values: np.ndarray, metric: str, name: str, gap: str | None = None, dataset: str | None = None) -> Row:
    return Row.of(estimate(values), metric, "memory", minus="no_memory", gap=gap, dataset=dataset, name=name)


def _apart(poses: Float[np.ndarray, "frames 3"]) -> tuple[np.ndarray, np.ndarray]:
    """Steps and radians between every two poses `[frames, frames]`, in map units and degrees."""
    places, headings = poses[:, :2] / STEP_UNITS, np.deg2rad(poses[:, 2])
    away = np.linalg.norm(places[:, None] - places[None], axis=-1)
    return away, np.abs((headings[:, None] - headings[None] + np.pi) % (2 * np.pi) - np.pi)
