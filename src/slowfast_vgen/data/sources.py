"""Where episodes come from: a folder of them or a folder of shards, the same to those who read them."""

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
    """Episodes by number, from 0 on. Each method reads no more than it must, and raises DefectiveDataError."""

    @property
    def folder(self) -> Path:
        """Where they lie."""
        ...

    @property
    def groups(self) -> Sequence[range]:
        """The numbers of the episodes in parts that are worth keeping together."""
        ...

    @property
    def num_bytes(self) -> int:
        """On disk."""
        ...

    @property
    def headers(self) -> tuple[DatasetHeader, ...]:
        """Of the data sets that the episodes belong to; theirs follow each other."""
        ...

    def __len__(self) -> int:
        """Episodes there are."""
        ...

    def __getitem__(self, number: int) -> Episode:
        """A whole episode."""
        ...

    def __iter__(self) -> Iterator[Episode]:
        """One whole episode after the other."""
        ...

    def name(self, number: int) -> str:
        """What an episode is called in messages."""
        ...

    def tables(self, number: int) -> Tables:
        """Header and chunks."""
        ...

    def frames(self, number: int) -> Frames:
        """The decoded video."""
        ...

    def poses(self, number: int) -> Poses | None:
        """The poses, where there are any."""
        ...


def readable_episodes(
    source: EpisodeSource, max_bad_share: float, numbers: Sequence[int] | None = None
) -> Iterator[Episode]:
    """One whole episode after the other, all or the given ones, those left out that cannot be read.

    Raises:
        UserError: more of them than the share.
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
    """Shards where the folder has an index of shards, else a data set folder.

    Raises:
        UserError: neither, or one that is broken or, unless that is accepted, `unfinished`.
    """
    return ShardSet(folder) if is_sharded(folder) else EpisodeDataset(folder, unfinished)
