"""Pairs of consecutive frames with the verb of their chunk: what an inverse dynamics model learns from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, UInt8

from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Chunk, Episode, Frames

STILL = "stay"
"""The verb under which nothing moves."""
RETRACE = "retrace"
"""The verb of a way back: many motions are recorded under it, so that none is learned from it."""
MIRRORED = {
    "turn_left": "turn_right",
    "turn_right": "turn_left",
    "go_forward": "go_forward",
    "go_back": "go_back",
    "stay": "stay",
}
"""Verb of who walks through rooms -> the one that a mirror shows; in the order in which a reader has its verbs."""
REVERSED = MIRRORED | {"go_forward": "go_back", "go_back": "go_forward"}
"""Verb -> the one that the video shows backwards."""


@dataclass(frozen=True)
class FramePairs:
    """Frames end to end, and which of them are pairs."""

    frames: Frames
    first: Int64[np.ndarray, " pairs"]
    """The earlier frame of each pair; the later one is the next."""
    label: Int64[np.ndarray, " pairs"]
    """Index of the verb among `names`."""
    names: tuple[str, ...]

    @property
    def key(self) -> list[int]:
        """Counts and sums that differ where the pairs differ, nearly always: a training resumes only with the same."""
        return [len(self.frames), len(self.first), int(self.first.sum()), int(self.label.sum())]

    def balanced(self, rng: np.random.Generator, count: int) -> Int64[np.ndarray, " count"]:
        """Random pairs, every verb equally often on average: a reader shall not expect what data happens to hold."""
        by_verb = [np.flatnonzero(self.label == index) for index in range(len(self.names))]
        held = [rows for rows in by_verb if len(rows)]
        chosen = [held[verb] for verb in rng.integers(len(held), size=count)]
        return np.array([rows[rng.integers(len(rows))] for rows in chosen])


def told_verb(chunk: Chunk) -> str:
    """The chunk's verb; empty for a chunk without one, and for "retrace", which many motions stand under."""
    return "" if chunk.verb == RETRACE else chunk.verb


def shows_nothing(frames: UInt8[np.ndarray, "f_g+1 height width 3"], verb: str) -> bool:
    """Whether the verb moves but the frames are all the same: refused from the first step on, it cannot be read."""
    return verb != STILL and bool((frames[1:] == frames[:1]).all())


def verbs_of(episodes: Iterable[Episode]) -> tuple[str, ...]:
    """All verbs of the episodes: those of who walks in their own order, others by name."""
    found = {told_verb(chunk) for episode in episodes for chunk in episode.chunks} - {""}
    return tuple(verb for verb in MIRRORED if verb in found) + tuple(sorted(found - set(MIRRORED)))


def frame_pairs(episodes: Sequence[Episode], names: tuple[str, ...] | None = None) -> FramePairs:
    """The pairs of all chunks whose verb is among `names`; None for all verbs that there are.

    A pair of equal frames whose verb moves is left out: a wall refused the step, and nothing in it could be learned.
    What such a pair looks like is learned from standing still.

    Raises:
        UserError: fewer than two verbs, a verb without a pair, or frames of several sizes.
    """
    names = verbs_of(episodes) if names is None else names
    if len(names) < 2:
        told = ", ".join(names) or "none"
        raise UserError(f"reading actions needs data with at least two verbs, but this has {told}; give other data")
    if len({episode.frames.shape[1:] for episode in episodes}) > 1:
        raise UserError("the episodes have frames of several sizes; give data of one size")
    firsts, labels, offset = [], [], 0
    for episode in episodes:
        same = (episode.frames[1:] == episode.frames[:-1]).all((1, 2, 3))
        for chunk in episode.chunks:
            verb = told_verb(chunk)
            if verb not in names:
                continue
            rows = np.arange(chunk.start_frame - 1, chunk.end_frame - 1)
            rows = rows if verb == STILL else rows[~same[rows]]
            firsts.append(offset + rows)
            labels.append(np.full(len(rows), names.index(verb)))
        offset += episode.num_frames
    label = np.concatenate(labels) if labels else np.empty(0, np.int64)
    missing = [name for index, name in enumerate(names) if not (label == index).any()]
    if missing:
        raise UserError(f"the data shows no frame of {', '.join(missing)}; give data that has every verb")
    return FramePairs(np.concatenate([one.frames for one in episodes]), np.concatenate(firsts), label, names)


def swapped_labels(names: Sequence[str], others: Mapping[str, str]) -> Int64[np.ndarray, " verbs"] | None:
    """For each verb the index of its other, as `MIRRORED` or `REVERSED` has it; None where one is not among `names`."""
    swapped = [others.get(name, "") for name in names]
    return np.array([names.index(other) for other in swapped]) if set(swapped) <= set(names) else None
