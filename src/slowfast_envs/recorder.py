"""Recording of frames, true states and chunks, for engines whose truth is more than a pose."""

from collections.abc import Iterable
from typing import Generic, TypeVar

import numpy as np
from jaxtyping import UInt8

from slowfast_envs.actions import FRAMES_PER_CHUNK
from slowfast_vgen.types import Chunk, Frames

StateT = TypeVar("StateT")
Frame = UInt8[np.ndarray, "size size 3"]
"""One RGB frame, 0 to 255."""


class Recorder(Generic[StateT]):
    """A recording in the making, chunk by chunk, from the start image on."""

    def __init__(self, frame: Frame, state: StateT) -> None:
        """Begins with the start image and its state."""
        self._frames = [frame]
        self.states = [state]
        """The true states, one per frame."""
        self.chunks: list[Chunk] = []

    @property
    def frames(self) -> Frames:
        """All frames so far, the start image first."""
        return np.stack(self._frames)

    def record(self, verb: str, text: str, moments: Iterable[tuple[Frame, StateT]]) -> Frames:
        """Adds a chunk; returns its frames.

        Args:
            verb: verb of the chunk.
            text: text of the chunk.
            moments: frame and state of its `FRAMES_PER_CHUNK` frames; each is added before the next is taken.
        """
        self.chunks.append(Chunk(text, verb, len(self._frames), FRAMES_PER_CHUNK))
        for frame, state in moments:
            self._frames.append(frame)
            self.states.append(state)
        return np.stack(self._frames[-FRAMES_PER_CHUNK:])


def rows(values: Iterable[Iterable[float]]) -> list[list[float]]:
    """One list of numbers per frame, as JSON values: to the micrometre."""
    return [[round(float(number), 6) for number in value] for value in values]
