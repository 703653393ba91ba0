"""Places seen again after they have left the context window: does the video show what was there?

Each tour is run twice. *Seen*: the way out is true frames (the memory learns from them), the way back is generated and
compared with the true frames. *Own*: all is generated from the start image, and each frame of the way back is compared
with the session's own frame of the same pose (docs/conventions.md: ground-truth and history comparison).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float, UInt8

from slowfast_bench.paths.episodes import Tour
from slowfast_envs.actions import FRAMES_PER_CHUNK
from slowfast_envs.vizdoom.engine import Play
from slowfast_vgen.metrics.features import ImageFeatures
from slowfast_vgen.metrics.frames import colour_distance, feature_similarity, pad_with_nan, psnr, revisits
from slowfast_vgen.types import Frames

MOST_PAIRS = 16
"""Revisited frames of the longest tour; shorter ones are filled up with NaN."""
SHEET_TOURS = 3

PerPair = Float[np.ndarray, "tours pairs"]


@dataclass(frozen=True)
class Revisits:
    """One arm's and one seed's scores, a value a revisited frame."""

    psnr: PerPair
    """Seen: against the true frame."""
    colour_distance: PerPair
    history_psnr: PerPair
    """Own: against the session's own earlier frame."""
    history_colour_distance: PerPair
    similarity: PerPair
    """Own: cosine of features times 100, for the last frame of each chunk."""
    sheet: UInt8[np.ndarray, "shown columns height width 3"]
    """Seen: revisited frames of the first tours; black where a tour has fewer."""


@dataclass(frozen=True)
class RevisitReference:
    """What needs no model."""

    copy_psnr: PerPair
    """Of a frozen last frame."""
    copy_colour_distance: PerPair
    unrelated_similarity: PerPair
    """Features of the true first frame, against those half the way out: what another view of the scene scores."""
    sheet: UInt8[np.ndarray, "shown columns height width 3"]


def tour_pairs(tour: Tour, play: Play, window: int) -> list[tuple[int, int]]:
    """Frames of the way back and the earlier frames of the same pose, where these left the context `window`."""
    return revisits(play.poses, 1 + FRAMES_PER_CHUNK * tour.num_out, window)


def score_tours(
    seen: Sequence[Frames],
    own: Sequence[Frames],
    plays: Sequence[Play],
    pairs: Sequence[list[tuple[int, int]]],
    features: ImageFeatures,
) -> Revisits:
    """Scores both runs of each tour."""
    rows: dict[str, list[np.ndarray]] = {field.name: [] for field in fields(Revisits)}
    for seen_frames, own_frames, play, tour in zip(seen, own, plays, pairs, strict=True):
        later, earlier = (list(side) for side in zip(*tour, strict=True))
        rows["psnr"].append(psnr(seen_frames[later], play.frames[later]))
        rows["colour_distance"].append(colour_distance(seen_frames[later], play.frames[later]))
        rows["history_psnr"].append(psnr(own_frames[later], own_frames[earlier]))
        rows["history_colour_distance"].append(colour_distance(own_frames[later], own_frames[earlier]))
        ends = [pair for pair in tour if pair[0] % FRAMES_PER_CHUNK == 0]
        found = features(np.concatenate([own_frames[[pair[side] for pair in ends]] for side in (0, 1)]))
        rows["similarity"].append(feature_similarity(found[: len(ends)], found[len(ends) :]))
        rows["sheet"].append(_columns(seen_frames[later]))
    return Revisits(**_joined(rows))


def reference_scores(
    tours: Sequence[Tour], plays: Sequence[Play], pairs: Sequence[list[tuple[int, int]]], features: ImageFeatures
) -> RevisitReference:
    """Scores of the true frames and of a frozen last one."""
    rows: dict[str, list[np.ndarray]] = {field.name: [] for field in fields(RevisitReference)}
    for tour, play, these in zip(tours, plays, pairs, strict=True):
        true = play.frames[[later for later, _ in these]]
        num_out = FRAMES_PER_CHUNK * tour.num_out
        frozen = np.broadcast_to(play.frames[num_out], true.shape)
        rows["copy_psnr"].append(psnr(frozen, true))
        rows["copy_colour_distance"].append(colour_distance(frozen, true))
        found = features(play.frames[[0, num_out // 2]])
        rows["unrelated_similarity"].append(feature_similarity(found[:1], found[1:]))
        rows["sheet"].append(_columns(true))
    return RevisitReference(**_joined(rows))


def _columns(frames: Frames) -> Frames:
    filled = np.zeros((MOST_PAIRS, *frames.shape[1:]), np.uint8)
    filled[: len(frames)] = frames
    return filled


def _joined(rows: dict[str, list[np.ndarray]]) -> dict[str, np.ndarray]:
    sheet = np.stack(rows.pop("sheet")[:SHEET_TOURS])
    return {name: pad_with_nan(values, MOST_PAIRS) for name, values in rows.items()} | {"sheet": sheet}
