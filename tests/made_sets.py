"""Small data sets of noise, for several test files."""

from pathlib import Path
from typing import Any

import numpy as np

from slowfast_vgen.data.format import DatasetWriter, EpisodeDataset
from slowfast_vgen.data.headers import DatasetHeader
from slowfast_vgen.data.sources import EpisodeSource
from slowfast_vgen.data.tables import content_hash
from slowfast_vgen.types import Chunk, Episode

ACTIONS = (("turn left", "turn_left"), ("walk to the red door", "go_forward"), ("pick up the ball", ""))


def episode_of(seed: int, lengths: tuple[int, ...] = (4, 3), poses: bool = True, size: int = 8, **more: Any) -> Episode:
    """An episode whose frames, actions and poses come from `seed`; its metadata tell the seed as `number`."""
    rng = np.random.default_rng(seed)
    num_frames = 1 + sum(lengths)
    starts = np.cumsum([1, *lengths])
    chunks = tuple(
        Chunk(*ACTIONS[(seed + at) % len(ACTIONS)], int(start), length)
        for at, (start, length) in enumerate(zip(starts, lengths, strict=False))
    )
    frames = rng.integers(0, 256, (num_frames, size, size, 3), dtype=np.uint8)
    metadata = {"number": seed, "scene": f"scene {seed}", "script": "spin", "licence": "CC0", **more}
    return Episode(frames, chunks, rng.uniform(0, 359, (num_frames, 3)) if poses else None, 10.0, metadata)


def make_set(folder: Path, *episodes: Episode, world: str = "tiny", split: str = "train") -> EpisodeDataset:
    """Writes a data set, or adds to one."""
    writer = DatasetWriter(folder, DatasetHeader(world, split, len(episodes), {"seed": 0}))
    for episode in episodes[writer.num_present :]:
        writer.append(episode)
    return EpisodeDataset(folder)


def content_of(source: EpisodeSource) -> str:
    """The hash over what a data set teaches, as it is printed by `data info`."""
    return content_hash(map(source.tables, range(len(source))))


def make_tiny_set(folder: Path, count: int, first: int = 0, **options: Any) -> EpisodeDataset:
    """A data set of `count` episodes of two and three chunks, every other one without poses."""
    numbers = range(first, first + count)
    episodes = [episode_of(n, (4, 3, 2)[: 2 + n % 2], poses=n % 2 == 0) for n in numbers]
    return make_set(folder, *episodes, **options)
