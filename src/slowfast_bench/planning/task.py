"""What a planning task must give, whatever its engine."""

from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
from jaxtyping import UInt8

from slowfast_vgen.models.vocabulary import Vocabulary
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
    true_actions: tuple[str, ...]
    """The right way, an action a decision, in the environment's words."""

    def distances(self, number: int) -> list[float]:
        """Of decisions 0 to `number`, the latest: from where each should have led, as things stand now.

        In the task's unit. A way-point that was passed stays passed; a thing that was put back may be moved again.
        """
        ...

    def on_way(self, number: int) -> bool:
        """Whether it is now where decision `number` (from 0 on) should begin: `true_actions[number]` is right then."""
        ...

    def is_right(self, number: int, action: str) -> bool:
        """Whether an action is as good as `true_actions[number]`."""
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
    world_model: str
    """The shipped world that was trained for it."""
    reader: str
    """The shipped inverse dynamics model that reads its actions."""
    action_texts: tuple[str, ...]
    """See `PlanEnvironment`."""
    vocabulary: Vocabulary | None
    """What people call its actions; see `goal.split_goal`."""
    frame_size: tuple[int, int]
    frames_per_chunk: int

    def describe(self) -> dict[str, Any]:
        """All that decides its episodes, as JSON values."""
        ...

    def draw_action(self, rng: np.random.Generator, sub_goal: str) -> str:
        """An action drawn at random by who knows the sub-goal but has seen nothing."""
        ...

    def open(self, rows: range) -> AbstractContextManager[list[TaskEpisode | str]]:
        """Some of the episodes; the same row is always the same one. In place of one that could not begin, the reason.

        Raises:
            UserError: the engine is not installed, or there are not so many episodes.
        """
        ...
