"""Paths with their true frames, however they came about: what an arm is shown, and what it is scored against."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from slowfast_envs.actions import FRAMES_PER_CHUNK
from slowfast_vgen.data.rules import DefectiveDataError
from slowfast_vgen.data.sources import EpisodeSource
from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Frames, Poses


@dataclass(frozen=True)
class Way:
    """Chunks of `FRAMES_PER_CHUNK` frames after a start image; the first `num_shown` of them may be shown."""

    frames: Frames
    poses: Poses
    """Of every frame, in the world's own units; zeros where there are none."""
    actions: tuple[str, ...]
    num_shown: int


def recorded_ways(source: EpisodeSource, count: int, num_shown: int, num_made: int) -> list[Way]:
    """The beginnings of the first `count` episodes that are long enough and whose chunks are all of the usual length.

    Raises:
        UserError: there are not so many.
    """
    ways: list[Way] = []
    for way in _ways(source, num_shown, num_made):
        ways.append(way)
        if len(ways) == count:
            return ways
    raise UserError(
        f"{source.folder} has {len(ways)} episodes that begin with {num_shown + num_made} chunks of {FRAMES_PER_CHUNK} "
        f"frames, but {count} are wanted; record more or longer ones, or ask for fewer"
    )


def _ways(source: EpisodeSource, num_shown: int, num_made: int) -> Iterator[Way]:
    num_chunks = num_shown + num_made
    stop = 1 + FRAMES_PER_CHUNK * num_chunks
    for number in range(len(source)):
        try:
            episode = source[number]
        except (DefectiveDataError, OSError) as error:
            raise UserError(f"cannot evaluate on {source.name(number)}: {str(error).splitlines()[0]}") from error
        chunks = episode.chunks[:num_chunks]
        starts = [(chunk.start_frame, chunk.num_frames) for chunk in chunks]
        if starts != [(1 + FRAMES_PER_CHUNK * index, FRAMES_PER_CHUNK) for index in range(num_chunks)]:
            continue
        poses = np.zeros((stop, 3)) if episode.poses is None else episode.poses[:stop]
        yield Way(episode.frames[:stop], poses, tuple(chunk.action for chunk in chunks), num_shown)
