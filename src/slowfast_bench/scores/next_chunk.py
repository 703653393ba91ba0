"""Quality of short clips: what follows the true past and an action, against the true frames.

The way so far is shown; then four chunks are generated in closed loop. The first of them is the paper's setting (next
chunk given the true past chunk and action); all sixteen frames are the clip whose distribution FVD compares.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from slowfast_bench.cache import Progress
from slowfast_bench.generate import generate_tours
from slowfast_bench.paths.episodes import Tour
from slowfast_bench.variants import Arm
from slowfast_envs.actions import FRAMES_PER_CHUNK
from slowfast_envs.vizdoom.engine import Play
from slowfast_vgen.metrics.frames import psnr, ssim
from slowfast_vgen.metrics.networks import Networks

SHOWN_CHUNKS, CLIP_CHUNKS = 20, 4
CLIP_FRAMES = FRAMES_PER_CHUNK * CLIP_CHUNKS

PerFrame = Float[np.ndarray, "episodes frames"]


@dataclass(frozen=True)
class NextChunks:
    """Scores of some episodes by one arm and seed; NaN, or no column, where a network was not given."""

    psnr: PerFrame
    """Of the clip's every frame."""
    ssim: PerFrame
    """Of the first chunk, as all below."""
    distance: PerFrame
    """To the true frame, by the embedded network."""
    lpips: PerFrame
    clip: Float[np.ndarray, "episodes features"]
    """Features of the clip, embedded network."""
    i3d: Float[np.ndarray, "episodes features"]
    sheet: UInt8[np.ndarray, "episodes columns height width 3"]
    """The clip's every second frame."""


def next_chunks(
    arm: Arm,
    tours: Sequence[Tour],
    plays: Sequence[Play],
    seeds: Sequence[int],
    networks: Networks,
    progress: Progress,
) -> NextChunks:
    """Shows the way so far and scores the clip after it."""
    made = generate_tours(arm, tours, plays, seeds, observe=True, progress=progress)
    return score_clips(np.stack([frames[-CLIP_FRAMES:] for frames in made]), true_clips(plays), networks)


def true_clips(plays: Sequence[Play]) -> UInt8[np.ndarray, "episodes frames height width 3"]:
    """What comes after the way that is shown."""
    return np.stack([play.frames[-CLIP_FRAMES:] for play in plays])


def score_clips(
    clips: UInt8[np.ndarray, "episodes frames height width 3"],
    true: UInt8[np.ndarray, "episodes frames height width 3"],
    networks: Networks,
) -> NextChunks:
    """Scores of clips, however they were made."""
    first, truth = clips[:, :FRAMES_PER_CHUNK], true[:, :FRAMES_PER_CHUNK]
    return NextChunks(
        psnr=psnr(clips, true),
        ssim=ssim(first, truth),
        distance=networks.distance(first, truth),
        lpips=networks.lpips(first, truth) if networks.lpips else np.full(first.shape[:2], np.nan),
        clip=networks.clips(clips),
        i3d=networks.i3d(clips) if networks.i3d else np.empty((len(clips), 0)),
        sheet=clips[:, ::2],
    )
