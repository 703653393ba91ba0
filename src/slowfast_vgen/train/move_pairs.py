"""Pairs of frames before and after a move, with what was moved where: what a reader of moves learns from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Episode, Frames


@dataclass(frozen=True)
class MovePairs:
    """Frames end to end, and which of them are pairs."""

    frames: Frames
    first: Int64[np.ndarray, " pairs"]
    """The frame before each move."""
    last: Int64[np.ndarray, " pairs"]
    """The move's last frame."""
    label: Int64[np.ndarray, " pairs"]
    """Index of what was moved among `names`."""
    spot: Float32[np.ndarray, "pairs 2"]
    """Where it lies then, metres."""
    names: tuple[str, ...]

    @property
    def key(self) -> list[float]:
        """Counts and sums that differ where the pairs differ, nearly always: a training resumes only with the same."""
        return [len(self.frames), len(self.first), int(self.first.sum()), float(self.spot.sum())]


def move_pairs(episodes: Sequence[Episode], names: tuple[str, ...] | None = None) -> MovePairs:
    """The pairs of all moves of things among `names`; None for all things that there are.

    Raises:
        UserError: episodes whose metadata tell no moves, none of a thing among `names`, or frames of several sizes.
    """
    if len({episode.frames.shape[1:] for episode in episodes}) > 1:
        raise UserError("the episodes have frames of several sizes; give data of one size")
    rows: list[tuple[int, int, str, list[float]]] = []
    offset = 0
    for episode in episodes:
        rows += [(offset + before, offset + last, name, spot) for before, last, name, spot in told_moves(episode)]
        offset += episode.num_frames
    names = tuple(sorted({name for _, _, name, _ in rows})) if names is None else names
    rows = [row for row in rows if row[2] in names]
    if not rows:
        raise UserError(
            "the data tells no moves of things; make some with: slowfast data make --env metaworld --script moves"
        )
    return MovePairs(
        np.concatenate([one.frames for one in episodes]),
        np.array([row[0] for row in rows]),
        np.array([row[1] for row in rows]),
        np.array([names.index(row[2]) for row in rows]),
        np.array([row[3] for row in rows], np.float32),
        names,
    )


def told_moves(episode: Episode) -> list[tuple[int, int, str, list[float]]]:
    """The frame before each move, its last frame, what was moved, and where that lies then.

    Raises:
        UserError: the metadata tell none.
    """
    told = episode.metadata
    found = []
    try:
        if told["script"] != "moves":
            raise ValueError(told["script"])
        for chunk, goal in zip(episode.chunks, told["sub_goals"], strict=True):
            if name := goal["block"]:
                last = chunk.end_frame - 1
                x, y, *_ = told["objects"][name][last]
                found.append((chunk.start_frame - 1, last, name, [x, y]))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        wanted = "an episode is none of whole moves; give data of the script moves of the world metaworld"
        raise UserError(f"{wanted} ({error!r:.80})") from error
    return found
