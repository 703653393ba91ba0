"""Subsets of a data set's episodes, and a held-out part where no validation set is given."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from slowfast_vgen.data.format import groups_of
from slowfast_vgen.data.headers import DatasetHeader
from slowfast_vgen.data.rules import DefectiveDataError
from slowfast_vgen.data.sources import EpisodeSource, Tables
from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Episode, Frames, Poses


class EpisodeSubset:
    """The given episodes of a source, renumbered from 0 on, as an `EpisodeSource`."""

    def __init__(self, source: EpisodeSource, numbers: Sequence[int]) -> None:
        self.source, self.numbers = source, tuple(numbers)

    @property
    def folder(self) -> Path:
        """Folder of the whole source."""
        return self.source.folder

    @property
    def groups(self) -> tuple[range, ...]:
        """Episode numbers in groups of `GROUP_EPISODES`."""
        return groups_of(len(self))

    @property
    def num_bytes(self) -> int:
        """Bytes of the whole source, in proportion to the number of episodes."""
        return self.source.num_bytes * len(self) // len(self.source)

    @property
    def headers(self) -> tuple[DatasetHeader, ...]:
        """Headers of the data sets that the whole source belongs to."""
        return self.source.headers

    def __len__(self) -> int:
        """Number of given episodes."""
        return len(self.numbers)

    def __getitem__(self, number: int) -> Episode:
        """Reads a whole episode."""
        return self.source[self.numbers[number]]

    def __iter__(self) -> Iterator[Episode]:
        """Reads one whole episode after the other."""
        return (self.source[number] for number in self.numbers)

    def name(self, number: int) -> str:
        """Returns the source's name of the episode."""
        return self.source.name(self.numbers[number])

    def tables(self, number: int) -> Tables:
        """Reads the header and the chunks of an episode."""
        return self.source.tables(self.numbers[number])

    def frames(self, number: int) -> Frames:
        """Decodes the video of an episode."""
        return self.source.frames(self.numbers[number])

    def poses(self, number: int) -> Poses | None:
        """Reads the poses of an episode; None where it has none."""
        return self.source.poses(self.numbers[number])


def split_held_out(source: EpisodeSource, share: float) -> tuple[EpisodeSubset, EpisodeSubset]:
    """Splits episodes into a training part and a held-out validation part; the same data gives the same split.

    Whole scenes are held out, so that no place is in both parts, in the order of the SHA-256 of their names: at least
    one episode, and never over twice the share. Where no scene is that small, single episodes are held out.

    Args:
        source: at least two episodes.
        share: share of the episodes to hold out, above 0 and below 1.

    Raises:
        UserError: fewer than two episodes.
    """
    count = len(source)
    if count < 2:
        raise UserError(
            f"{source.folder} holds {count} episode, of which none can be held out to validate on; "
            "give more episodes, or another data set with --validation DIR"
        )
    wanted = min(max(1, round(share * count)), count - 1)
    most = min(max(wanted, math.floor(2 * share * count)), count - 1)
    episodes_of: dict[str, list[int]] = {}
    for number in range(count):
        episodes_of.setdefault(_scene(source, number), []).append(number)
    held: list[int] = []
    for scene in sorted(episodes_of, key=_digest):
        if len(held) < wanted and len(held) + len(episodes_of[scene]) <= most:
            held += episodes_of[scene]
    if not held:
        held = sorted(range(count), key=lambda number: _digest(str(number)))[:wanted]
    kept = sorted(set(range(count)) - set(held))
    return EpisodeSubset(source, kept), EpisodeSubset(source, sorted(held))


def _scene(source: EpisodeSource, number: int) -> str:
    """Returns the scene of an episode; one that states none, or cannot be read, is a scene of its own."""
    try:
        scene = source.tables(number)[0].metadata.get("scene")
    except (DefectiveDataError, OSError):
        scene = None
    return f"scene {scene}" if isinstance(scene, str) else f"episode {number}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
