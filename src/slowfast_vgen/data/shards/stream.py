"""Episodes of shards in a shuffled, endless stream that resumes exactly where it was stopped.

The order depends only on the index, the seed and the buffer: each epoch permutes the shards, and a buffer mixes the
episodes of neighbouring ones. It holds numbers, not videos, so it costs nothing, and the position in the stream is one
number. Several readers (ranks, and workers of each) take turns in the one order.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Self

import numpy as np

from slowfast_vgen.data.rules import DefectiveDataError
from slowfast_vgen.data.shards.read import ShardSet
from slowfast_vgen.data.skipped import LeftOut
from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Episode

STATE_VERSION = 2


@dataclass(frozen=True)
class StreamConfig:
    """The order of a stream, and how many unreadable episodes it tolerates."""

    seed: int = 0
    shuffle: bool = True
    """Whether episodes are shuffled; False gives them in the order of the index."""
    buffer_episodes: int = 4096
    """Number of episodes among which the next one is drawn; the shards that hold them are read concurrently."""
    num_epochs: int | None = None
    """Number of passes over all episodes; None for an endless stream."""
    max_bad_share: float = 0.0
    """Largest share of the episodes that may be left out because they cannot be read."""

    def __post_init__(self) -> None:
        if self.buffer_episodes < 1:
            raise UserError(f"the buffer of a stream holds at least 1 episode, got {self.buffer_episodes}")
        if self.num_epochs is not None and self.num_epochs < 1:
            raise UserError(f"a stream has at least 1 epoch, got {self.num_epochs}")


@dataclass(frozen=True)
class Part:
    """Part of the stream that one of several readers takes: every `count`-th episode, from number `index` on."""

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise UserError(f"part {self.index} of {self.count} does not exist; parts count from 0")

    @classmethod
    def of(cls, rank: int, num_ranks: int, worker: int = 0, num_workers: int = 1) -> "Part":
        """Returns the part of a data loader's worker in one of several processes.

        >>> Part.of(rank=1, num_ranks=2, worker=2, num_workers=4)
        Part(index=5, count=8)
        """
        if not 0 <= rank < num_ranks or not 0 <= worker < num_workers:
            raise UserError(f"worker {worker} of {num_workers} in rank {rank} of {num_ranks} does not exist")
        # Workers of one rank take turns within its own turns, as a data loader asks them.
        return cls(rank + num_ranks * worker, num_ranks * num_workers)


class ShardStream:
    """An iterator over `Episode`s: `for episode in ShardStream(folder): ...`.

    `state_dict()` returns the position as JSON values; a stream of the same shards, seed and buffer that loads them by
    `load_state_dict` resumes with the next episode, including the count of those left out. While none are left out, all
    parts have the same state after the same number of episodes, and any number of parts can resume from it.
    """

    def __init__(self, folder: Path, config: StreamConfig | None = None, part: Part | None = None) -> None:
        """Reads the index, but no shard.

        Args:
            folder: folder of shards.
            config: order; by default shuffled, endless, tolerating no unreadable episode.
            part: episodes to take; by default all.

        Raises:
            UserError: no shards, or impossible settings.
        """
        self.shards = ShardSet(folder)
        self.config, self.part = config or StreamConfig(), part or Part()
        self.left_out = LeftOut(len(self.shards), self.config.max_bad_share)
        self._turns = 0
        """Number of episodes that all parts have taken, as of this part's position."""
        self._epoch = -1
        self._order: Iterator[int] = iter(())
        self._num_drawn = 0
        """Number of episodes drawn from `_order`."""

    def __iter__(self) -> Self:
        """Returns itself."""
        return self

    def __next__(self) -> Episode:
        """Returns the next episode that can be read.

        Raises:
            UserError: a larger share of episodes than allowed cannot be read, or any where none may be left out.
        """
        while True:
            turn = self._turns + self.part.index
            if self.config.num_epochs is not None and turn >= self.config.num_epochs * len(self.shards):
                raise StopIteration
            number = self._number(turn)
            try:
                episode = self.shards[number]
            except DefectiveDataError as error:
                self.left_out.add(self.shards.name(number), error)
                episode = None
            # Only now: an interrupt while the episode is read must not lose it.
            self._turns += self.part.count
            if episode is not None:
                return episode

    def state_dict(self) -> dict[str, Any]:
        """Returns the position in the stream as JSON values."""
        return {**self._identity(), "turns": self._turns, "left_out": list(self.left_out.names)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Moves to the position of another stream.

        Raises:
            UserError: a state of other shards or another order, or an invalid one.
        """
        own = self._identity()
        differing = sorted(name for name in own if state.get(name) != own[name])
        if differing:
            raise UserError(
                f"the state is of another stream than that of {self.shards.folder} ({', '.join(differing)} differ); "
                "use the same shards and settings"
            )
        turns = state.get("turns")
        if not isinstance(turns, int) or turns < 0:
            raise UserError(f"the state of the stream of {self.shards.folder} has {turns!r:.40} turns")
        self._turns = turns
        self.left_out.restore(state.get("left_out", ()))

    def _identity(self) -> dict[str, Any]:
        """Returns the values that must be equal for the order to be equal."""
        config = self.config
        order = {"seed": config.seed, "buffer_episodes": config.buffer_episodes} if config.shuffle else {}
        index = self.shards.index
        dealt = hashlib.sha256(repr([len(shard) for shard in index.shards]).encode()).hexdigest()
        shards = {"content_sha256": index.content_sha256, "dealt_sha256": dealt}
        return {"version": STATE_VERSION, "shuffle": config.shuffle, **order, **shards}

    def _number(self, turn: int) -> int:
        """Returns the number of the episode at a turn; an earlier turn than the last recomputes its epoch's order."""
        epoch, place = divmod(turn, len(self.shards))
        if epoch != self._epoch or place < self._num_drawn:
            self._epoch, self._num_drawn = epoch, 0
            self._order = epoch_order(self.shards.groups, self.config, epoch)
        number = next(islice(self._order, place - self._num_drawn, None))
        self._num_drawn = place + 1
        return number


def epoch_order(groups: Sequence[range], config: StreamConfig, epoch: int) -> Iterator[int]:
    """Yields the numbers of all episodes, each once, in the order of an epoch.

    Args:
        groups: episode numbers of each shard.
        config: seed, shuffle and buffer.
        epoch: number of the epoch, from 0 on.
    """
    if not config.shuffle:
        for group in groups:
            yield from group
        return
    rng = np.random.default_rng((config.seed, epoch))
    buffer: list[int] = []
    for shard in rng.permutation(len(groups)):
        for number in groups[shard]:
            if len(buffer) < config.buffer_episodes:
                buffer.append(number)
                continue
            slot = int(rng.integers(len(buffer)))
            yield buffer[slot]
            buffer[slot] = number
    yield from (buffer[slot] for slot in rng.permutation(len(buffer)))
