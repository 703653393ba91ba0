"""What episodes of a task came to, as arrays, and the figures that are made of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float, Float32

from slowfast_bench.planning.task import Task, TaskEpisode
from slowfast_vgen.metrics.bootstrap import estimate
from slowfast_vgen.metrics.frames import psnr
from slowfast_vgen.metrics.video_distance import VideoFeatures, estimate_distance
from slowfast_vgen.plan.planner import Decision
from slowfast_vgen.results import Row
from slowfast_vgen.types import Frames

CLIP_STRIDE = 2
"""Every second frame of the way is in the clip whose features are compared."""

PerDecision = Float[np.ndarray, "episodes decisions"]


@dataclass(frozen=True)
class PlanScores:
    """Some episodes of one arm; NaN for all of an episode that crashed, and where a measure does not apply."""

    distance: PerDecision
    """Of each decision, from where it should have led, as things stood at the end."""
    on_way: PerDecision
    """1 where the decision began exactly on the true way."""
    right: PerDecision
    """1 where the action that was read is that of the true way; NaN off the way."""
    confidence: PerDecision
    imagination_psnr: PerDecision
    """Of the imagined frames against those of the true way; NaN off the way."""
    success: Float[np.ndarray, " episodes"]
    features: Float32[np.ndarray, "episodes features"]
    """Of the imagined video."""
    error: np.ndarray
    """Why an episode crashed; empty where it did not."""

    @classmethod
    def joined(cls, parts: "Sequence[PlanScores]") -> "PlanScores":
        """All episodes, in order."""
        names = [one.name for one in fields(cls)]
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


class Scorer:
    """Fills in the scores of episodes as decisions come: `on_decision` is told of each."""

    def __init__(self, episodes: Sequence[TaskEpisode | str], task: Task) -> None:
        self.episodes, self.length, self.num_decisions = episodes, task.frames_per_chunk, task.num_decisions
        shape = len(episodes), task.num_decisions
        self.distance, self.on_way, self.right, self.confidence, self.psnr = (np.full(shape, np.nan) for _ in range(5))
        self.errors = [one if isinstance(one, str) else "" for one in episodes]
        self.imagined: list[list[Frames]] = [[] for _ in episodes]
        self.begun = [not isinstance(one, str) for one in episodes]
        """Whether the next decision of each begins on the true way."""

    def on_decision(self, row: int, decision: Decision) -> None:
        """Takes down where a decision has led."""
        episode, number = self.episodes[row], decision.number
        assert not isinstance(episode, str)
        on_way = self.begun[row]
        self.on_way[row, number] = on_way
        self.distance[row, : number + 1] = episode.distances(number)
        self.confidence[row, number] = decision.confidence
        if on_way:
            self.right[row, number] = episode.is_right(number, decision.read)
        if decision.imagined is not None:
            self.imagined[row].append(decision.imagined)
            if on_way:
                true = episode.true_way[self.length * number : self.length * (number + 1)]
                self.psnr[row, number] = psnr(decision.imagined, true).mean()
        self.begun[row] = number + 1 < self.num_decisions and episode.on_way(number + 1)

    def scores(self, clips: VideoFeatures) -> PlanScores:
        """Those of all episodes as they stand now; what crashed counts nowhere but as a crash."""
        success = np.full(len(self.episodes), np.nan)
        features = np.full((len(self.episodes), clips.num_features), np.nan, np.float32)
        for row, (episode, frames) in enumerate(zip(self.episodes, self.imagined, strict=True)):
            if self.errors[row] or isinstance(episode, str):
                for values in (self.distance, self.on_way, self.right, self.confidence, self.psnr):
                    values[row] = np.nan
                continue
            success[row] = episode.succeeded()
            if len(frames) == self.num_decisions:  # clips of one length
                features[row] = clip_features(clips, np.concatenate(frames))
        return PlanScores(
            self.distance,
            self.on_way,
            self.right,
            self.confidence,
            self.psnr,
            success,
            features,
            np.array(self.errors, "<U300"),
        )


def clip_features(clips: VideoFeatures, frames: Frames) -> Float32[np.ndarray, " features"]:
    """Of a whole way as one clip."""
    return clips(frames[None, CLIP_STRIDE - 1 :: CLIP_STRIDE])[0]


def arm_rows(
    name: str, seeds: Sequence[PlanScores], near: float, true: Float32[np.ndarray, "episodes features"], clips: str
) -> Iterator[Row]:
    """Of one arm that acted by itself.

    Args:
        name: of the arm.
        seeds: its scores.
        near: a way-point counts as reached within this distance.
        true: features of the true ways; none for no distance of videos.
        clips: what that distance is called.
    """
    distance = np.stack([one.distance for one in seeds], 1)
    for metric, values in (
        ("distance", distance),
        ("final_distance", distance[:, :, -1:]),
        ("success", np.stack([one.success for one in seeds], 1)),
        ("way_points", np.where(np.isnan(distance), np.nan, distance <= near)),
        ("on_way", np.stack([one.on_way for one in seeds], 1)),
        ("confidence", np.stack([one.confidence for one in seeds], 1)),
    ):
        yield Row.of(estimate(values), metric, name)
    features = np.stack([one.features for one in seeds], 1)
    whole = np.isfinite(features).all((1, 2))
    if whole.sum() > 1 and len(true) > 1:
        yield Row.of(estimate_distance(features[whole], true), clips, name)


def forced_rows(name: str, scores: PlanScores) -> list[Row]:
    """Of one arm whose every decision began on the true way: where does it break?"""
    measured = {"imagination_psnr": scores.imagination_psnr, "idm_accuracy": scores.right}
    return [Row.of(estimate(values[:, None]), metric, name) for metric, values in measured.items()]


def differences(arms: Mapping[str, Sequence[PlanScores]], reference: str) -> Iterator[Row]:
    """How much further off than the reference each arm is, episode by episode and seed by seed."""
    if reference not in arms:
        return
    base = np.stack([one.distance for one in arms[reference]], 1)
    for name, seeds in arms.items():
        values = np.stack([one.distance for one in seeds], 1)
        if name != reference and values.shape[1] in (1, base.shape[1]):
            yield Row.of(estimate(values - base), "distance", name, minus=reference)


def by_decision(values: Sequence[PerDecision]) -> list[float | None]:
    """The mean over episodes and seeds at each decision, for plots; None where nothing was measured."""
    joined = np.concatenate(values)
    counts = (~np.isnan(joined)).sum(0)
    totals = np.nansum(joined, 0)
    return [round(float(total / count), 4) if count else None for total, count in zip(totals, counts, strict=True)]
