"""Do dreams stay where they are? Long videos from a start image alone, with the actions of walks that bump into walls.

A place that comes again is compared with its first visit in the same video. Which frames are of one place is told by
*what the frames show*: the commanded motions less the steps that a reader of actions, on the decoded frames, says were
not made; never by what the path or the memory believes. Beside it stand the pairs by the commanded motions alone, and
how often reader and path disagree. True walks into walls, shown frame by frame, tell how far off the path ends.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8

from slowfast_bench.cache import Block, Progress, joined, run_blocks
from slowfast_bench.paths.bumps import (
    CROSSING,
    DREAM_CHUNKS,
    RETURNING,
    bumping_walks,
    digest,
    dream_walks,
    is_step,
)
from slowfast_bench.paths.episodes import SEED, SPLIT, Tour, play_tours
from slowfast_bench.results import Results
from slowfast_bench.scores.following import ROWS_PER_BATCH, row_seeds
from slowfast_envs.actions import FRAMES_PER_CHUNK
from slowfast_envs.walking import STEP_UNITS, Place, advance_free, poses_of
from slowfast_vgen.errors import UserError
from slowfast_vgen.metrics.bootstrap import NUM_RESAMPLES, estimate
from slowfast_vgen.metrics.features import ImageFeatures
from slowfast_vgen.metrics.frames import (
    colour_spread,
    feature_similarity,
    motion,
    pad_with_nan,
    psnr,
    revisits,
    scene_cuts,
)
from slowfast_vgen.models.inverse_dynamics import InverseDynamics
from slowfast_vgen.models.step_judge import ChangeJudge, StepJudge, TrustingJudge
from slowfast_vgen.pictures import Panel
from slowfast_vgen.results import Estimate, Row
from slowfast_vgen.rollout import WorldModel
from slowfast_vgen.types import Frames

VERSION = 1
"""Raised with every change that makes kept blocks of older code wrong."""
GAPS = {"gap32": (32, 64), "gap64": (65, 200), "gap200": (201, 100_000)}
"""Fewest and most frames between a frame and the first visit of its place."""
WINDOW_FRAMES = 8
"""A place that was last in view so few frames ago may still be in the window."""
READABLE_SPREAD = 0.12
"""Deviation of the colours of a frame, of 1, below which a wall fills it and nothing can be read off it."""
REFUSED_SHARE = 0.05
"""Of all steps of true walks, how many a wall refuses."""
SIMILAR_PAIRS = 16
"""Pairs of a dream whose image features are compared, evenly spread: a network is dear."""
SHEET_DREAMS, SHEET_COLUMNS = 3, 16
_PATHS = ("memory", "change_alone", "all_made")
"""Arms that have a path."""
BY_DREAM = {
    "scene_cuts": ("scene_cuts", "scene_cuts"),
    "motion": ("motion", "motion"),
    "src_mbv2": ("src_mbv2", "similarity"),
    "steps_not_made_share": ("steps_not_made_share", "refused"),
    "steps_unread_share": ("steps_unread_share", "unread"),
    "reader_path_disagree_share": ("reader_path_disagree_share", "disagreed"),
}
"""Metrics that have a value a dream: how their rows' names begin, and the field that holds it."""
PAIRS = {"": "", "_commanded": "commanded_", "_by_pair": "by_pair_"}
"""Kinds of pairs: ending of the metric, and how their fields begin."""


@dataclass(frozen=True)
class DreamsConfig:
    """How large the measurement is."""

    num_maps: int = 64
    num_seeds: int = 3
    """Of the dreams with our memory; those that it is compared with have the first of them."""
    num_compared: int = 32
    """Maps of the dreams that ours are compared with."""
    num_crossing: int = 8
    """Maps of walks that also come to places by another way than before."""
    num_chunks: int = DREAM_CHUNKS

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value < 1:
                raise UserError(f"{name} of the dreams must be at least 1, got {value}")

    @classmethod
    def quick(cls) -> "DreamsConfig":
        """Shows that everything runs; its figures mean nothing."""
        return cls(num_maps=2, num_seeds=1, num_compared=2, num_crossing=1, num_chunks=12)


@dataclass(frozen=True)
class Dreams:
    """One seed's dreams of one arm: a value a pair, NaN where a dream has fewer, or a value a dream."""

    psnr: Float[np.ndarray, "dreams pairs"]
    gap: Float[np.ndarray, "dreams pairs"]
    commanded_psnr: Float[np.ndarray, "dreams pairs"]
    """The same for pairs by the commanded motions alone."""
    commanded_gap: Float[np.ndarray, "dreams pairs"]
    by_pair_psnr: Float[np.ndarray, "dreams pairs"]
    """The same where the reader is believed pair by pair, of views of one colour, too."""
    by_pair_gap: Float[np.ndarray, "dreams pairs"]
    similarity: Float[np.ndarray, "dreams few"]
    """Cosine of image features times 100, of some of the pairs."""
    refused: Float[np.ndarray, " dreams"]
    """Share of the commanded steps that the frames show not to have been made."""
    unread: Float[np.ndarray, " dreams"]
    """Share of the commanded steps along views that nothing can be read off."""
    disagreed: Float[np.ndarray, " dreams"]
    """Share of the commanded steps of which reader and path say different things; NaN without a path."""
    scene_cuts: Float[np.ndarray, " dreams"]
    motion: Float[np.ndarray, " dreams"]
    sheet: UInt8[np.ndarray, "shown columns height width 3"]


@dataclass(frozen=True)
class Walks:
    """True walks into walls, shown frame by frame."""

    end_error: Float[np.ndarray, " walks"]
    """Steps from where the path believes to stand at the end to where the camera stands."""


class Shown(NamedTuple):
    """What the frames show of each motion that was commanded; all of one value a frame after the first."""

    made: Bool[np.ndarray, " steps"]
    """False for a step that the frames show not to have been made."""
    made_by_pair: Bool[np.ndarray, " steps"]
    """The same where the reader is believed pair by pair, of views of one colour, too."""
    readable: Bool[np.ndarray, " steps"]


def steps_shown(reader: InverseDynamics, frames: Frames, verbs: Sequence[str]) -> Shown:
    """Which motions were made, as a reader of actions tells by the frames.

    Of each chunk of steps the reader tells how many were made before a wall refused the rest, if one did: the number
    for which the log-probabilities of the step, up to there, and of standing still, from there on, are largest.
    `REFUSED_SHARE` of the steps are expected to be refused, whereas the reader was trained on as many pairs that stand
    still as pairs that step. Where one of two frames is nearly of one colour nothing can be read off them; there a
    motion stands as it was commanded, unless the pairs before and after it tell otherwise.
    """
    logs = reader.log_probabilities(torch.from_numpy(np.ascontiguousarray(frames))).cpu().numpy()
    still = reader.names.index(str(reader.config.still))
    own = np.repeat([reader.names.index(verb) for verb in verbs], FRAMES_PER_CHUNK)
    stands = logs[:, still] - logs[np.arange(len(own)), own]
    spread = colour_spread(frames)
    readable = np.minimum(spread[1:], spread[:-1]) >= READABLE_SPREAD
    step = is_step(verbs)
    rarely = math.log(REFUSED_SHARE / (1 - REFUSED_SHARE))
    odds = np.where(readable & step, stands + rarely, 0).reshape(-1, FRAMES_PER_CHUNK)
    from_here_on = np.concatenate([odds[:, ::-1].cumsum(1)[:, ::-1], np.zeros((len(odds), 1))], 1)
    # Of equal numbers the larger one: where nothing can be read, all were made.
    num_made = FRAMES_PER_CHUNK - from_here_on[:, ::-1].argmax(1)
    made = np.arange(FRAMES_PER_CHUNK) < num_made[:, None]
    return Shown(made.reshape(-1) | ~step, ~(step & (stands > 0)), readable)


def places_of(start: Place, verbs: Sequence[str], made: Bool[np.ndarray, " steps"]) -> list[Place]:
    """Where each frame is seen from if the motions are carried out but for those that were not made; no walls."""
    places = [start]
    for number, done in enumerate(made):
        verb = verbs[number // FRAMES_PER_CHUNK]
        places.append(advance_free(places[-1], verb) if done else places[-1])
    return places


class DreamsTest:
    """One world under one configuration: `DreamsTest(world, reader, config).run(folder)`."""

    def __init__(self, world: WorldModel, reader: InverseDynamics, config: DreamsConfig) -> None:
        if world.model.address is None:
            raise UserError(
                f"the world {world.model.config.name!r} has no path that a dream could lose; give one with addresses"
            )
        self.world, self.reader, self.config = world, reader, config
        self.arms: dict[str, tuple[WorldModel, bool]] = {
            "memory": (world, True),
            "change_alone": (judged_by(world, ChangeJudge()), True),
            "all_made": (judged_by(world, TrustingJudge()), True),
            "none": (world, False),
        }
        """Our judge; every view that does not change taken for a wall; every step for made; no memory."""

    @property
    def protocol(self) -> dict[str, Any]:
        """Everything that decides the figures, as JSON values."""
        model = self.world.model
        assert model.address is not None
        return {
            "command": "evaluate dreams",
            "version": VERSION,
            "world": model.config.name,
            "weights_sha256": model.fingerprint,
            "reader_sha256": self.reader.fingerprint,
            "precision": self.world.precision,
            "sampling_steps": model.config.num_sampling_steps,
            "memory": self.world.shipped_memory.to_json(),
            "judge": {"name": type(model.address.path.judge).__name__, **_settings(model.address.path.judge)},
            "arms": list(self.arms),
            "scripts": {"dreams": list(RETURNING), "crossing": list(CROSSING)},
            "split": SPLIT,
            "map_seed": SEED,
            "paths_sha256": digest([*self._walks, *self._crossing, *self._bumping]),
            "pairs": "a frame and the first visit of its place, by the commanded motions less the steps that the "
            "reader says were not made",
            "reading": {"readable_spread": READABLE_SPREAD, "refused_share": REFUSED_SHARE},
            "gaps_in_frames": {name: list(bounds) for name, bounds in GAPS.items()},
            "worst5": "mean of the worst twentieth of all pairs",
            "src_network": "MobileNetV2 on ImageNet, embedded; the paper's SRC has ResNet-18",
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
        sheets = {"dreams": self._sheet(records)}
        return Results.made(self.protocol, self._rows(records), self.world.device, records.commits, sheets)

    def _blocks(self) -> Iterator[Block[Any]]:
        for arm in _PATHS:
            yield Block(f"walks-{arm}", Walks, 0, partial(self._walked, arm))
        for name, arm, seed, walks in self._runs():
            for begin in range(0, len(walks), ROWS_PER_BATCH):
                rows = range(begin, min(begin + ROWS_PER_BATCH, len(walks)))
                work = len(rows) * self.config.num_chunks
                yield Block(f"{name}-{begin}", Dreams, work, partial(self._dreamed, arm, seed, walks, rows))

    def _runs(self) -> Iterator[tuple[str, str, int, Sequence[Tour]]]:
        """Name, arm, seed and walks of each run of dreams, the most wanted first."""
        for seed in range(self.config.num_seeds):
            yield f"dreams-memory-{seed}", "memory", seed, self._walks
            if seed == 0:
                for arm in self.arms:
                    if arm != "memory":
                        yield f"dreams-{arm}-0", arm, 0, self._walks[: self.config.num_compared]
                for arm in ("memory", "change_alone"):
                    yield f"crossing-{arm}-0", arm, 0, self._crossing

    @cached_property
    def _walks(self) -> list[Tour]:
        return dream_walks(self.config.num_maps, self.config.num_chunks)

    @cached_property
    def _crossing(self) -> list[Tour]:
        return dream_walks(self.config.num_crossing, self.config.num_chunks, CROSSING)

    @cached_property
    def _bumping(self) -> list[Tour]:
        return bumping_walks(self.config.num_maps)

    @cached_property
    def _features(self) -> ImageFeatures:
        return ImageFeatures.load(self.world.device)

    def _dreamed(self, arm: str, seed: int, all_walks: Sequence[Tour], rows: range, progress: Progress) -> Dreams:
        world, memory = self.arms[arm]
        walks = [all_walks[row] for row in rows]
        starts = play_tours([Tour(walk.scene, walk.start, (), 0) for walk in walks])
        images = np.stack([start.frames[0] for start in starts])
        rollout = world.start_batch(images, memory, row_seeds(seed, rows.start, len(rows)))
        chunks, believed = [], []
        for number in range(self.config.num_chunks):
            chunks.append(rollout.step([walk.actions[number] for walk in walks]))
            if rollout.memory is not None and rollout.memory.ridge is not None:
                ridge = rollout.memory.ridge
                believed.append(ridge.path[:, -1 - FRAMES_PER_CHUNK : -1].cpu().numpy())
            progress(len(rows))
        latents = torch.cat(chunks, 1)
        scores = []
        for index, walk in enumerate(walks):
            decoded = world.model.codec.decode(latents[index]).cpu().numpy()
            path = np.concatenate([np.zeros((1, 3)), *(poses[index] for poses in believed)]) if believed else None
            scores.append(self._score(walk, np.concatenate([images[index : index + 1], decoded]), path))
        return _joined(scores)

    def _score(self, walk: Tour, frames: Frames, path: np.ndarray | None) -> dict[str, Any]:
        step = is_step(walk.verbs)
        made, by_pair, readable = steps_shown(self.reader, frames, walk.verbs)
        found: dict[str, Any] = {}
        for name, done in (("", made), ("commanded_", np.ones_like(made)), ("by_pair_", by_pair)):
            pairs = np.array(revisits(poses_of(places_of(walk.start, walk.verbs, done)), 1, WINDOW_FRAMES), np.int64)
            later, first = pairs.reshape(-1, 2).T
            found[f"{name}psnr"], found[f"{name}gap"] = (
                psnr(frames[later], frames[first]),
                (later - first).astype(float),
            )
            if not name:
                found["similarity"] = self._similar(frames, later, first)
        total = max(int(step.sum()), 1)
        found["refused"] = (~made)[step].sum() / total
        found["unread"] = (~readable)[step].sum() / total
        moved = None if path is None else np.linalg.norm(np.diff(path[:, :2], axis=0), axis=1) > 0.5
        found["disagreed"] = np.nan if moved is None else (moved != made)[step].sum() / total
        found["scene_cuts"] = float(scene_cuts(frames, self.world.model.config.fps))
        found["motion"] = motion(frames)
        found["sheet"] = frames[np.linspace(0, len(frames) - 1, SHEET_COLUMNS).round().astype(int)]
        return found

    def _similar(self, frames: Frames, later: np.ndarray, first: np.ndarray) -> Float[np.ndarray, " few"]:
        if not len(later):
            return np.zeros(0)
        few = np.unique(np.linspace(0, len(later) - 1, SIMILAR_PAIRS).round().astype(int))
        return feature_similarity(self._features(frames[later[few]]), self._features(frames[first[few]]))

    def _walked(self, arm: str, progress: Progress) -> Walks:
        world = self.arms[arm][0]
        errors = []
        for begin in range(0, len(self._bumping), ROWS_PER_BATCH):
            walks = self._bumping[begin : begin + ROWS_PER_BATCH]
            plays = play_tours(walks)
            true = np.stack([play.frames for play in plays])
            rollout = world.start_batch(true[:, 0], True, [0] * len(walks))
            for number in range(len(walks[0].verbs)):
                now = slice(1 + FRAMES_PER_CHUNK * number, 1 + FRAMES_PER_CHUNK * (number + 1))
                rollout.observe(torch.from_numpy(true[:, now]), [walk.actions[number] for walk in walks])
            assert rollout.memory is not None and rollout.memory.ridge is not None
            errors += [
                end_error(pose, play.poses)
                for pose, play in zip(rollout.memory.ridge.pose.cpu().numpy(), plays, strict=True)
            ]
        return Walks(np.array(errors))

    def _rows(self, records: dict[str, Any]) -> Iterator[Row]:
        runs: dict[tuple[str, str], list[Dreams]] = defaultdict(list)
        for name, arm, _, walks in self._runs():
            parts = [records[f"{name}-{begin}"] for begin in range(0, len(walks), ROWS_PER_BATCH)]
            runs[name.partition("-")[0], arm].append(joined(parts))
        for (kind, arm), seeds in runs.items():
            dataset = None if kind == "dreams" else kind
            behind = ("" if kind == "dreams" else "_crossing") + ("" if arm == "memory" else f"_{arm}")
            variant = "no_memory" if arm == "none" else arm
            for pairs, field in PAIRS.items():
                values, gaps = (_side_by_side(seeds, f"{field}{part}") for part in ("psnr", "gap"))
                for gap, (fewest, most) in GAPS.items():
                    chosen = np.where((gaps >= fewest) & (gaps <= most), values, np.nan)
                    told = f"own_visit_psnr_{gap}"
                    for worst, found in (("", estimate(chosen)), ("_worst5", worst_twentieth(chosen))):
                        metric, name = f"psnr_own_visit{worst}{pairs}", f"{told}{worst}{behind}{pairs}"
                        yield Row.of(found, metric, variant, gap=gap, dataset=dataset, name=name)
                    for number, script in enumerate(RETURNING if kind == "dreams" and not pairs else ()):
                        if number < len(chosen):
                            own, name = estimate(chosen[number :: len(RETURNING)]), f"{told}_{script}{behind}"
                            yield Row.of(own, "psnr_own_visit", variant, gap=gap, dataset=script, name=name)
            for metric, (name, field) in BY_DREAM.items():
                own = estimate(_side_by_side(seeds, field))
                yield Row.of(own, metric, variant, dataset=dataset, name=f"{name}{behind or '_memory'}")
        for arm in _PATHS:
            name = "bump_path_end_error_steps" + ("" if arm == "memory" else f"_{arm}")
            error = estimate(records[f"walks-{arm}"].end_error[:, None])
            yield Row.of(error, "bump_path_end_error_steps", arm, name=name)

    def _sheet(self, records: dict[str, Any]) -> list[Panel]:
        sheet = []
        for index in range(min(SHEET_DREAMS, self.config.num_maps)):
            for arm in self.arms:
                sheet.append(Panel(f"dream {1 + index}: {arm}", records[f"dreams-{arm}-0-0"].sheet[index]))
        return sheet


def judged_by(world: WorldModel, judge: StepJudge) -> WorldModel:
    """The same world whose path is told by another judge which steps were made."""
    import copy

    address = copy.deepcopy(world.model.address)
    assert address is not None
    address.path.judge = judge
    return world.with_parts(address=address)


def end_error(pose: np.ndarray, poses: np.ndarray) -> float:
    """Steps from a believed place (x, y in steps, x forward at the start) to the last of a walk's true poses."""
    heading = np.deg2rad(poses[0, 2])
    dx, dy = (poses[-1, :2] - poses[0, :2]) / STEP_UNITS
    true = (dx * np.cos(heading) + dy * np.sin(heading), dy * np.cos(heading) - dx * np.sin(heading))
    return float(np.linalg.norm(pose[:2] - true))


def worst_twentieth(values: np.ndarray) -> Estimate:
    """The mean of the worst twentieth of all values."""
    if np.isnan(values).all():
        return estimate(values)
    return estimate(np.where(values <= np.nanquantile(values, 0.05), values, np.nan))


def _settings(judge: StepJudge) -> dict[str, Any]:
    return dict(vars(judge))


def _joined(scores: Sequence[dict[str, Any]]) -> Dreams:
    made: dict[str, np.ndarray] = {}
    for name in Dreams.__dataclass_fields__:
        rows = [np.asarray(score[name]) for score in scores]
        ragged = rows[0].ndim == 1
        made[name] = pad_with_nan(rows, max(1, *(len(row) for row in rows))) if ragged else np.stack(rows)
    return Dreams(**made)


def _side_by_side(seeds: Sequence[Dreams], name: str) -> np.ndarray:
    """`[dreams, seeds, pairs]`, or `[dreams, seeds]`."""
    rows = [getattr(seed, name) for seed in seeds]
    if rows[0].ndim == 2:
        longest = max(row.shape[1] for row in rows)
        rows = [np.pad(row, ((0, 0), (0, longest - row.shape[1])), constant_values=np.nan) for row in rows]
    return np.stack(rows, 1)
