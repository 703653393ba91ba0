"""The journal of a ridge memory: what it was written with, from which the fast weights can be computed again.

A journal consists of blocks. An episode has one; merging appends another memory's blocks, and the next write begins a
new one. Each entry got a weight by the novelty of its place against what had been written then: the entries before it
in its block, and the blocks that its own followed (`Block.reach`).
"""

import copy
from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from slowfast_vgen.memory.columns import ColumnValues
from slowfast_vgen.memory.ridge import RidgeState, exact_dtype, with_rows

KeysOf = Callable[[Float[Tensor, "episodes frames 3"]], Float[Tensor, "episodes entries key_width"]]
"""Callback: gives the addresses of frames seen from some poses."""


@dataclass(frozen=True, eq=False)
class Written:
    """One chunk as it was written, with all that is needed to write it again."""

    chunk: int
    """Number of the chunk from 0; the start image has -1."""
    poses: Float[Tensor, "episodes frames 3"]
    values: ColumnValues | None
    """Content of the columns; None once it is forgotten, when only the path is still known."""
    weights: Float[Tensor, "episodes entries"] | None
    tick: int
    """Number of the write: what was written earlier has decayed as many times as the ticks differ."""
    recall_error: Float[Tensor, " episodes"] | None = None
    """The memory's recall error after this write, for rewinding; None where its content was changed since."""

    def to(self, device: torch.device | str) -> "Written":
        """A copy on another device."""
        return self._each(lambda value: value.to(device))

    def rows(self, rows: slice) -> "Written":
        """The entry of some of the episodes."""
        return self._each(lambda value: value[rows])

    def with_row(self, row: slice, other: "Written") -> "Written":
        """A copy with the poses and weights of one episode replaced by those of `other`."""
        assert self.weights is not None and other.weights is not None
        poses, weights = with_rows(self.poses, row, other.poses), with_rows(self.weights, row, other.weights)
        return replace(self, poses=poses, weights=weights, recall_error=None)

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Written":
        values, weights, error = (
            None if value is None else change(value) for value in (self.values, self.weights, self.recall_error)
        )
        return replace(self, poses=change(self.poses), values=values, weights=weights, recall_error=error)


@dataclass(frozen=True, eq=False)
class Block:
    """Entries that were written one after the other."""

    entries: tuple[Written, ...] = ()
    reach: int = 0
    """Number of blocks directly before this one that were known when it was written."""
    merged_in: bool = False
    """True if another episode wrote it."""
    base: RidgeState | None = None
    """The fast weights before the entries were written; None if there were none."""
    base_tick: int = 0

    @property
    def holds(self) -> bool:
        """True if anything was written."""
        return bool(self.entries) or self.base is not None

    def to(self, device: torch.device | str) -> "Block":
        """A copy on another device."""
        base = None if self.base is None else self.base.to(device)
        return replace(self, entries=tuple(entry.to(device) for entry in self.entries), base=base)

    def rows(self, rows: slice) -> "Block":
        """The block of some of the episodes."""
        base = None if self.base is None else self.base.rows(rows)
        return replace(self, entries=tuple(entry.rows(rows) for entry in self.entries), base=base)

    def later(self, chunks: int, ticks: int) -> "Block":
        """The block as part of a memory that has `chunks` chunks already; the start image stays one."""
        entries = tuple(
            replace(entry, chunk=entry.chunk + chunks if entry.chunk >= 0 else -1, tick=entry.tick + ticks)
            for entry in self.entries
        )
        return replace(self, entries=entries, merged_in=True, base_tick=self.base_tick + ticks)

    def counts(self) -> dict[str, Any]:
        """The block's numbers as JSON values."""
        return {
            "entries": len(self.entries),
            "reach": self.reach,
            "merged_in": self.merged_in,
            "base_tick": self.base_tick,
        }

    def written(self, like: RidgeState, tick: int, keys: KeysOf) -> RidgeState:
        """The fast weights of this block alone at a tick, by the operations that wrote it, in `like`'s precision."""
        state, now = like.empty(), self.base_tick
        if self.base is not None:
            state = self.base.to(dtype=like.gram.dtype)
        for entry in self.entries:
            state.decay(entry.tick - now)
            now = entry.tick
            if entry.values is not None and entry.weights is not None:
                state.add(keys(entry.poses), entry.values.flatten(1, 2), entry.weights)
        state.decay(tick - now)
        return state

    def with_base_below(self, state: RidgeState, tick: int, keys: KeysOf) -> "Block":
        """The block with the fast weights `state` minus its entries as the base."""
        first = self.entries[0].tick - 1
        exact = exact_dtype(state.gram.device)
        own = self.written(state.empty(dtype=exact), tick, keys)
        share = (1 - state.config.forgetting) ** (tick - first)
        base = state.empty()
        if share > 1e-3:  # of less, nothing but rounding would come back
            base.gram = ((state.gram.to(exact) - own.gram) / share).to(state.gram.dtype)
            base.cross = ((state.cross.to(exact) - own.cross) / share).to(state.cross.dtype)
        return replace(self, base=base, base_tick=first)


def rebuilt(blocks: tuple[Block, ...], tick: int, like: RidgeState, keys: KeysOf) -> RidgeState:
    """Fast weights at a tick, computed again from the journal; bit for bit as they were where it has one block."""
    first, *others = (block.written(like, tick, keys) for block in blocks)
    for other in others:
        first = first.plus(other)
    return first


def followed_by(blocks: tuple[Block, ...], entry: Written) -> tuple[Block, ...]:
    """Adds an entry: to the last block, or to a new one if that is another episode's or does not reach all before."""
    last = blocks[-1]
    if last.merged_in or last.reach < len(blocks) - 1:
        return (*blocks, Block((entry,), reach=len(blocks)))
    return (*blocks[:-1], replace(last, entries=(*last.entries, entry)))


def measured(blocks: tuple[Block, ...], recall_error: Float[Tensor, " episodes"]) -> tuple[Block, ...]:
    """Stores the memory's recall error in the latest entry."""
    *others, last = blocks
    entries = (*last.entries[:-1], replace(last.entries[-1], recall_error=recall_error))
    return (*others, replace(last, entries=entries))


def unmeasured(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    """Removes the recall error from all entries, since the memory has been changed as a whole."""
    return tuple(
        replace(block, entries=tuple(replace(entry, recall_error=None) for entry in block.entries)) for block in blocks
    )


def bare_blocks(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    """Blocks at the beginning that another episode wrote before its first chunk: their entries have no chunk number."""

    def is_bare(block: Block) -> bool:
        numbered = block.base is not None or any(entry.chunk >= 0 for entry in block.entries)
        return block.merged_in and block.holds and not numbered

    return tuple(takewhile(is_bare, blocks))


def dropped_oldest(blocks: tuple[Block, ...], like: RidgeState, keys: KeysOf) -> tuple[Block, ...]:
    """Removes the oldest entry, which becomes part of its block's base."""
    place = next(index for index, block in enumerate(blocks) if block.entries)
    block = blocks[place]
    entry, *rest = block.entries
    base = replace(block, entries=(entry,)).written(like, entry.tick, keys)
    changed = replace(block, entries=tuple(rest), base=base, base_tick=entry.tick)
    return (*blocks[:place], changed, *blocks[place + 1 :])


def without(blocks: tuple[Block, ...], chunks: Container[int]) -> tuple[Block, ...]:
    """Removes the content of some chunks, but not the poses that they were seen from."""
    return tuple(
        replace(
            block,
            entries=tuple(
                replace(entry, values=None, weights=None) if entry.chunk in chunks else entry for entry in block.entries
            ),
        )
        for block in blocks
    )


def reweighed(
    blocks: tuple[Block, ...], before: tuple[Block, ...], like: RidgeState, keys: KeysOf
) -> tuple[Block, ...]:
    """Gives the entries the weights that they would have got without the content that only `before` holds."""
    state = like.empty(dtype=exact_dtype(like.gram.device))
    done: list[Block] = []
    changed: list[bool] = []
    for number, (block, old) in enumerate(zip(blocks, before, strict=True)):
        known = slice(number - block.reach, number)
        reweigh = any(changed[known])
        entries: list[Written] = []
        running = copy.copy(state)
        now = block.base_tick
        if block.base is not None:
            running = block.base.to(dtype=state.gram.dtype)
        for index, entry in enumerate(block.entries):
            if index == 0:
                running.decay(max(0, entry.tick - 1 - now))
                for other in done[known]:
                    running = running.plus(other.written(state, entry.tick - 1, keys))
            else:
                running.decay(entry.tick - 1 - now)
            if entry.values is not None and entry.weights is not None:
                own = keys(entry.poses).to(state.gram)
                values, weights = entry.values, entry.weights
                if reweigh:
                    weights = running.write_weights(running.novelty(running.factor(), own)).to(weights)
                    entry = replace(entry, weights=weights)
                running.decay()
                running.add(own, values.flatten(1, 2), weights)
            else:
                reweigh |= old.entries[index].values is not None
                running.decay()
            now = entry.tick
            entries.append(entry)
        done.append(replace(block, entries=tuple(entries)))
        changed.append(reweigh)
    return tuple(done)
