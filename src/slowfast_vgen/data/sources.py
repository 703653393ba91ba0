"""Sources of episodes: a data set folder or a folder of shards, read through one interface."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from slowfast_vgen.data.format import EpisodeDataset
from slowfast_vgen.data.headers import DatasetHeader, EpisodeHeader
from slowfast_vgen.data.rules import DefectiveDataError
from slowfast_vgen.data.shards.index import is_sharded
from slowfast_vgen.data.shards.read import ShardSet
from slowfast_vgen.data.skipped import LeftOut
from slowfast_vgen.types import Chunk, Episode, Frames, Poses

Tables = tuple[EpisodeHeader, tuple[Chunk, ...]]


class EpisodeSource(Protocol):
    """Episodes by number, from 0 on. Each method reads as little as possible, and raises DefectiveDataError."""

    @property
    def folder(self) -> Path:
        """Folder of the episodes."""
        ...

    @property
    def groups(self) -> Sequence[range]:
        """Episode numbers in groups that are read and cached together."""
        ...

    @property
    def num_bytes(self) -> int:
        """Bytes on disk."""
        ...

    @property
    def headers(self) -> tuple[DatasetHeader, ...]:
        """Headers of the data sets that the episodes belong to, in the order of their episodes."""
        ...

    def __len__(self) -> int:
        """Number of episodes."""
        ...

    def __getitem__(self, number: int) -> Episode:
        """Reads a whole episode."""
        ...

    def __iter__(self) -> Iterator[Episode]:
        """Reads one whole episode after the other."""
        ...

    def name(self, number: int) -> str:
        """Returns the name of an episode in messages."""
        ...

    def tables(self, number: int) -> Tables:
        """Reads the header and the chunks of an episode."""
        ...

    def frames(self, number: int) -> Frames:
        """Decodes the video of an episode."""
        ...

    def poses(self, number: int) -> Poses | None:
        """Reads the poses of an episode; None where it has none."""
        ...


def readable_episodes(
    source: EpisodeSource, max_bad_share: float, numbers: Sequence[int] | None = None
) -> Iterator[Episode]:
    """Yields all or the given episodes, without those that cannot be read.

    Raises:
        UserError: a larger share than `max_bad_share` cannot be read.
    """
    wanted = range(len(source)) if numbers is None else numbers
    left_out = LeftOut(len(wanted), max_bad_share)
    for number in wanted:
        try:
            episode = source[number]
        except (DefectiveDataError, OSError) as error:
            left_out.add(source.name(number), error)
            continue
        yield episode


def open_episodes(folder: Path, unfinished: bool = False) -> EpisodeSource:
    """Opens a folder of shards where there is an index of shards, else a data set folder.

    Raises:
        UserError: neither, or one that is broken or, unless `unfinished`, incomplete.
    """
    return ShardSet(folder) if is_sharded(folder) else EpisodeDataset(folder, unfinished)
