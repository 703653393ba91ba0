"""Long videos from a start image alone: do they stay sharp and colourful, or blur, freeze and collapse?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8

from slowfast_bench.cache import Progress
from slowfast_bench.scores.following import ROWS_PER_BATCH, row_seeds
from slowfast_vgen.memory.config import MemoryConfig
from slowfast_vgen.metrics.frames import collapsed, colour_spread, motion, scene_cuts, sharpness
from slowfast_vgen.rollout import WorldModel
from slowfast_vgen.types import Episode, Frames

WINDOW_FRAMES = 32
"""Late frames are this many; sharpness over the horizon is told for each as many."""
SHEET_EPISODES, SHEET_COLUMNS = 3, 16
"""Kept for the contact sheet."""


@dataclass(frozen=True)
class LongRollouts:
    """One seed's scores; NaN where a video was not decoded whole."""

    sharpness: Float[np.ndarray, "episodes windows"]
    colour_spread: Float[np.ndarray, "episodes windows"]
    collapsed: Float[np.ndarray, " episodes"]
    """1 where more than half of the last window's frames are nearly one colour or like noise."""
    scene_cuts: Float[np.ndarray, " episodes"]
    motion: Float[np.ndarray, " episodes"]
    rollbacks: Float[np.ndarray, " episodes"]
    """How often the guard took a memory back; NaN without memory."""
    sheet: UInt8[np.ndarray, "shown columns height width 3"]


def generate_long(
    world: WorldModel,
    episodes: Sequence[Episode],
    memory: MemoryConfig | None,
    seed: int,
    decode_all: bool,
    progress: Progress,
) -> LongRollouts:
    """One video an episode with the episode's own actions; without `decode_all` only its last window is scored."""
    parts = []
    for begin in range(0, len(episodes), ROWS_PER_BATCH):
        block = episodes[begin : begin + ROWS_PER_BATCH]
        images = np.stack([one.frames[0] for one in block])
        rollout = world.start_batch(images, memory or False, row_seeds(seed, begin, len(block)))
        chunks = []
        for number in range(len(block[0].chunks)):
            chunks.append(rollout.step([one.chunks[number].action for one in block]))
            progress(len(block))
        latents = torch.cat(chunks, 1)
        first = 0 if decode_all else latents.shape[1] - WINDOW_FRAMES
        rollbacks = rollout.memory.rollbacks if rollout.memory else [np.nan] * len(block)
        scores = []
        for row, start in enumerate(images):
            frames = world.model.codec.decode(latents[row, first:]).cpu().numpy()
            whole = np.concatenate([start[None], frames]) if decode_all else frames
            scores.append(score_video(whole, latents.shape[1], block[row].fps, rollbacks[row]))
        parts += scores
    return join_videos(parts)


def score_video(frames: Frames, num_new: int, fps: float, rollbacks: float = np.nan) -> LongRollouts:
    """Scores one video: its start image and `num_new` frames, or the last window alone."""
    is_whole = len(frames) > num_new
    num_windows = num_new // WINDOW_FRAMES
    shown = np.linspace(0, len(frames) - 1, SHEET_COLUMNS).round().astype(int)
    return LongRollouts(
        sharpness=_by_window(sharpness(frames[is_whole:]), num_windows)[None],
        colour_spread=_by_window(colour_spread(frames[is_whole:]), num_windows)[None],
        collapsed=np.array([float(collapsed(frames[-WINDOW_FRAMES:]).mean() > 0.5)]),
        scene_cuts=np.array([scene_cuts(frames, fps) if is_whole else np.nan], np.float64),
        motion=np.array([motion(frames) if is_whole else np.nan]),
        rollbacks=np.array([rollbacks], np.float64),
        sheet=frames[None, shown],
    )


def join_videos(parts: Sequence[LongRollouts]) -> LongRollouts:
    """The scores of several videos in one record."""
    names = ("sharpness", "colour_spread", "collapsed", "scene_cuts", "motion", "rollbacks")
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return LongRollouts(**joined, sheet=np.concatenate([part.sheet for part in parts[:SHEET_EPISODES]]))


def _by_window(values: Float[np.ndarray, " frames"], num_windows: int) -> Float[np.ndarray, " windows"]:
    """The mean of each window; NaN for windows before the frames that are there."""
    means = values.reshape(-1, WINDOW_FRAMES).mean(1)
    return np.concatenate([np.full(num_windows - len(means), np.nan), means])
