"""Typed records that cross module borders. No torch here: data and engines import only this."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float64, UInt8

Frames = UInt8[np.ndarray, "num_frames height width 3"]
"""RGB frames, 0 to 255."""

Poses = Float64[np.ndarray, "num_frames 3"]
"""x and y in the world's length unit (x east, y north), heading in degrees counter-clockwise from east, in [0, 360)."""


@dataclass(frozen=True)
class Chunk:
    """One action and the frames it brought about (paper 3.1: past chunk, action, next chunk).

    Frames `start_frame` to `start_frame + num_frames - 1` of the episode were seen while `action` was carried out.
    """

    action: str
    """Free text of the action as a user would type it, such as "turn left"."""
    verb: str
    """The canonical name of the action's verb, such as "turn_left"; empty where a source has none."""
    start_frame: int
    num_frames: int

    @property
    def end_frame(self) -> int:
        """Index of the first frame after the chunk."""
        return self.start_frame + self.num_frames


@dataclass(frozen=True)
class Episode:
    """One recording: frame 0 is the start image, the chunks tile frames 1 to the end without gap or overlap."""

    frames: Frames
    chunks: tuple[Chunk, ...]
    poses: Poses | None
    """The pose of each frame, or None where the source has none."""
    fps: float
    metadata: dict[str, Any] = field(default_factory=dict)
    """Metadata as JSON values: world, split, scene (hash of the map), script, seed, licence."""

    @property
    def num_frames(self) -> int:
        """Number of frames in the episode, the start image included."""
        return len(self.frames)
