"""Consistency of long roll-outs: does the video stay one place, sharp, and under the control of the actions?

Two kinds of play. *Revisits*: the first visit is shown, the second generated and compared with the true frames, at gaps
of 16, 64 and 200 frames. *Roll-outs*: 128 frames out and the same way back, all generated from the start image; every
frame of the way back has its mirror on the way out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float, UInt8

from slowfast_bench.cache import Progress
from slowfast_bench.generate import generate_tours
from slowfast_bench.paths.episodes import Tour
from slowfast_bench.scores.following import TURNS
from slowfast_bench.variants import Arm
from slowfast_envs.actions import FRAMES_PER_CHUNK
from slowfast_envs.base import FPS
from slowfast_envs.vizdoom.engine import Play
from slowfast_vgen.metrics.frames import (
    gaps,
    horizontal_shift,
    mirror_mse,
    motion,
    pad_with_nan,
    psnr,
    revisits,
    scene_cuts,
    sharpness,
    ssim,
)
from slowfast_vgen.metrics.networks import Networks, PairMeasure
from slowfast_vgen.types import Frames

SHEET_COLUMNS = 12
WINDOW_FRAMES = 8
"""Frames of the same pose that are as near as this may both be in the window."""

PerFrame = Float[np.ndarray, "episodes frames"]
PerEpisode = Float[np.ndarray, " episodes"]


@dataclass(frozen=True)
class Revisited:
    """Frames of places shown before, against the true ones; NaN where an episode has fewer."""

    psnr: PerFrame
    ssim: PerFrame
    distance: PerFrame
    """By the embedded network."""
    gap: PerFrame
    """How many frames ago the pose was last in view."""
    sheet: UInt8[np.ndarray, "episodes columns height width 3"]


@dataclass(frozen=True)
class RolledOut:
    """Videos generated whole."""

    history_psnr: PerFrame
    """Frames of the way back against the video's own first frame of the same pose."""
    history_ssim: PerFrame
    history_distance: PerFrame
    similarity: PerFrame
    """SRC by the embedded network, for each chunk's last frame; NaN elsewhere."""
    similarity_resnet18: PerFrame
    """The paper's; NaN where its network was not given."""
    gap: PerFrame
    mirror: PerFrame
    """Mean squared error against the mirrored frame."""
    truth_psnr: PerFrame
    """Against the true frame of the path, from the first generated frame on."""
    sharpness: PerFrame
    scene_cuts: PerEpisode
    motion: PerEpisode
    following: PerEpisode
    """Share of turning chunks at whose first frame the picture moves the right way."""
    sheet: UInt8[np.ndarray, "episodes columns height width 3"]


def revisited(
    arm: Arm,
    tours: Sequence[Tour],
    plays: Sequence[Play],
    seeds: Sequence[int],
    networks: Networks,
    progress: Progress,
) -> Revisited:
    """The first visit shown, the second scored against the true frames."""
    made = generate_tours(arm, tours, plays, seeds, observe=True, progress=progress)
    return score_revisits(made, tours, plays, networks)


def score_revisits(
    made: Sequence[Frames], tours: Sequence[Tour], plays: Sequence[Play], networks: Networks
) -> Revisited:
    """Scores of frames, however they were made."""
    rows: dict[str, list[np.ndarray]] = {field.name: [] for field in fields(Revisited)}
    for frames, tour, play in zip(made, tours, plays, strict=True):
        pairs = revisits(play.poses, 1 + FRAMES_PER_CHUNK * tour.num_out, WINDOW_FRAMES)
        later = np.array([pair[0] for pair in pairs])
        seen, true = frames[later], play.frames[later]
        rows["psnr"].append(psnr(seen, true))
        rows["ssim"].append(ssim(seen, true))
        rows["distance"].append(networks.distance(seen, true))
        rows["gap"].append(np.array(gaps(play.poses), np.float64)[later])
        rows["sheet"].append(sheet_columns(frames[1 + FRAMES_PER_CHUNK * tour.num_out :]))
    return Revisited(**_joined(rows))


def rolled_out(
    arm: Arm,
    tours: Sequence[Tour],
    plays: Sequence[Play],
    seeds: Sequence[int],
    networks: Networks,
    progress: Progress,
) -> RolledOut:
    """All generated from the start image."""
    made = generate_tours(arm, tours, plays, seeds, observe=False, progress=progress)
    return score_rollouts(made, tours, plays, networks)


def score_rollouts(
    made: Sequence[Frames], tours: Sequence[Tour], plays: Sequence[Play], networks: Networks
) -> RolledOut:
    """Scores of frames, however they were made."""
    rows: dict[str, list[np.ndarray]] = {field.name: [] for field in fields(RolledOut)}
    for frames, tour, play in zip(made, tours, plays, strict=True):
        num_out = FRAMES_PER_CHUNK * tour.num_out
        pairs = revisits(play.poses, 1 + num_out, WINDOW_FRAMES)
        later, earlier = (np.array([pair[side] for pair in pairs]) for side in (0, 1))
        again, before = frames[later], frames[earlier]
        rows["history_psnr"].append(psnr(again, before))
        rows["history_ssim"].append(ssim(again, before))
        rows["history_distance"].append(networks.distance(again, before))
        rows["similarity"].append(_at_chunk_ends(later, networks.similarity, again, before))
        resnet = networks.similarity_resnet18
        rows["similarity_resnet18"].append(
            _at_chunk_ends(later, resnet, again, before) if resnet else np.full(len(later), np.nan)
        )
        rows["gap"].append(np.array(gaps(play.poses), np.float64)[later])
        rows["mirror"].append(mirror_mse(frames, num_out))
        rows["truth_psnr"].append(psnr(frames[1:], play.frames[1:]))
        rows["sharpness"].append(sharpness(frames[1:]))
        rows["scene_cuts"].append(np.array(float(scene_cuts(frames, FPS))))
        rows["motion"].append(np.array(motion(frames)))
        rows["following"].append(np.array(following(frames, tour)))
        rows["sheet"].append(sheet_columns(frames))
    return RolledOut(**_joined(rows))


def following(frames: Frames, tour: Tour) -> float:
    """Share of the turning chunks at whose first frame the picture moves the right way; NaN without turns."""
    right_way = [
        TURNS[verb] * horizontal_shift(frames[FRAMES_PER_CHUNK * chunk], frames[FRAMES_PER_CHUNK * chunk + 1]) > 0
        for chunk, verb in enumerate(tour.verbs)
        if verb in TURNS
    ]
    return float(np.mean(right_way)) if right_way else float("nan")


def _at_chunk_ends(numbers: np.ndarray, measure: PairMeasure, a: Frames, b: Frames) -> Float[np.ndarray, " frames"]:
    """The measure where a frame's number is the last of a chunk: a network is dear, and frames of a chunk are alike."""
    ends = numbers % FRAMES_PER_CHUNK == 0
    values = np.full(len(numbers), np.nan)
    if ends.any():
        values[ends] = measure(a[ends], b[ends])
    return values


def sheet_columns(frames: Frames) -> Frames:
    """`SHEET_COLUMNS` frames spread over a video."""
    return frames[np.linspace(0, len(frames) - 1, SHEET_COLUMNS).round().astype(int)]


def _joined(rows: dict[str, list[np.ndarray]]) -> dict[str, np.ndarray]:
    joined = {"sheet": np.stack(rows.pop("sheet"))}
    for name, values in rows.items():
        flat = [np.atleast_1d(value) for value in values]
        padded = pad_with_nan(flat, max(len(row) for row in flat))
        joined[name] = padded[:, 0] if values[0].ndim == 0 else padded
    return joined
