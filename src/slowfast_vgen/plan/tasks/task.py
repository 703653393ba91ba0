"""What a planning task must give, whatever its engine."""

from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
from jaxtyping import UInt8

from slowfast_vgen.plan.environment import PlanEnvironment
from slowfast_vgen.types import Frames

Maps = UInt8[np.ndarray, "num_frames side side 3"]
MAP_SIDE = 256
"""Pixels of a map's picture."""


class TaskEpisode(Protocol):
    """One episode, led to where planning begins."""

    environment: PlanEnvironment
    frames: Frames
    """What was shown while it was led, the start image first."""
    actions: tuple[str, ...]
    """What was carried out then, a text a chunk."""
    true_way: Frames
    """What the right way shows, `f_g` frames a decision."""
    true_verbs: tuple[str, ...]
    """The right way, a verb a decision."""

    def distance(self, number: int) -> float:
        """From where the episode is now to where decision `number` (from 0 on) should lead, in the task's unit."""
        ...

    def on_way(self, number: int) -> bool:
        """Whether it is now exactly where decision `number` should begin, so that `true_verbs[number]` is right."""
        ...

    def succeeded(self) -> bool:
        """Whether the goal is reached now."""
        ...

    def maps(self, num_frames: int) -> Maps:
        """The engine from above as it was in the latest frames, `MAP_SIDE` pixels a side.

        Before the first decision the latest frames are those of the way here.
        """
        ...


class Task(Protocol):
    """Held-out episodes with one goal."""

    name: str
    goal: str
    """In words."""
    unit: str
    """Of distances, in the plural."""
    near: float
    """A way-point counts as reached within this distance."""
    num_led: int
    """Chunks that an episode is led by."""
    num_decisions: int
    fps: float
    action_texts: tuple[str, ...]
    frame_size: tuple[int, int]
    frames_per_chunk: int

    def describe(self) -> dict[str, Any]:
        """All that decides its episodes, as JSON values."""
        ...

    def open(self, rows: range) -> AbstractContextManager[list[TaskEpisode | str]]:
        """Some of the episodes; the same row is always the same one. In place of one that could not begin, the reason.

        Raises:
            UserError: the engine is not installed, or there are not so many episodes.
        """
        ...
