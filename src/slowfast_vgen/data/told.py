"""The actions of a data set: every verb and text, and how the camera moves while a verb is carried out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from slowfast_vgen.data.motion import measured_step
from slowfast_vgen.data.rules import DefectiveDataError
from slowfast_vgen.data.sources import EpisodeSource
from slowfast_vgen.types import Chunk, Poses

MOST_EPISODES = 300
"""Number of episodes of each data set whose poses are read."""
ALIKE = (0.25, 0.25, 5.0)
"""Largest difference between two chunks of one verb that count as the same motion: steps, steps, degrees."""

ChunkMotion = tuple[float, float, float]
"""Steps forward, steps to the left, degrees to the left, from a chunk's beginning to its end, in the reference frame
of its beginning."""


@dataclass(frozen=True)
class Told:
    """The actions of several data sets."""

    actions: tuple[tuple[str, str], ...]
    """Verb and text of every chunk; the verb is empty where a source has none."""
    motions: dict[str, ChunkMotion]
    """Verb -> usual motion, for verbs whose chunks mostly move the camera in the same way."""


def read_told(sources: Iterable[EpisodeSource]) -> Told:
    """Reads the tables of all episodes and the poses of some; episodes that cannot be read are skipped."""
    actions: list[tuple[str, str]] = []
    walks: list[tuple[tuple[Chunk, ...], Poses]] = []
    for source in sources:
        for number in range(len(source)):
            try:
                _, chunks = source.tables(number)
                poses = source.poses(number) if number < MOST_EPISODES else None
            except (DefectiveDataError, OSError):
                continue
            actions += [(chunk.verb, chunk.action) for chunk in chunks]
            walks += [] if poses is None else [(chunks, poses)]
    moved: dict[str, list[ChunkMotion]] = {}
    step_units = _step_units([poses for _, poses in walks])
    for chunks, poses in walks:
        for chunk in chunks:
            motion = motion_between(poses[chunk.start_frame - 1 : chunk.end_frame], step_units)
            moved.setdefault(chunk.verb, []).append(motion)
    return Told(tuple(actions), {verb: motion for verb, motion in _usual(moved) if verb})


def _step_units(poses: list[Poses]) -> float:
    """Returns the length of a step in the unit of the poses; 1 where the camera never leaves its place."""
    if not poses:
        return 1.0
    starts = np.cumsum([0, *(len(rows) for rows in poses)])[:-1]
    return measured_step(np.concatenate(poses), starts) or 1.0


def motion_between(poses: Poses, step_units: float) -> ChunkMotion:
    """Returns the motion from the first pose to the last.

    >>> motion_between(np.array([[0.0, 0.0, 90.0], [0.0, 24.0, 90.0], [0.0, 48.0, 112.5]]), 24.0)
    (2.0, 0.0, 22.5)
    """
    (x, y), heading = poses[-1, :2] - poses[0, :2], np.deg2rad(poses[0, 2])
    turns = (np.diff(poses[:, 2]) + 180) % 360 - 180
    forward = x * np.cos(heading) + y * np.sin(heading)
    left = y * np.cos(heading) - x * np.sin(heading)
    rounded = [round(float(value), 3) + 0.0 for value in (forward / step_units, left / step_units, turns.sum())]
    return rounded[0], rounded[1], rounded[2]


def _usual(moved: dict[str, list[ChunkMotion]]) -> Iterator[tuple[str, ChunkMotion]]:
    for verb, rows in moved.items():
        motions: Float64[np.ndarray, "chunks 3"] = np.array(rows, np.float64)
        usual = np.median(motions, axis=0)
        if (np.abs(motions - usual) <= ALIKE).all(1).mean() > 0.5:
            forward, left, turn = (round(float(value), 3) + 0.0 for value in usual)
            yield verb, (forward, left, turn)
