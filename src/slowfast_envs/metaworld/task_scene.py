"""One of Meta-World's own tasks as a scene: reset by a seed, moved by its expert or an action, drawn and measured."""

import hashlib
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from slowfast_envs.base import FRAME_SIZE
from slowfast_envs.metaworld.engine import hide_base, hide_marks, import_metaworld
from slowfast_envs.metaworld.table import STEPS_PER_FRAME, Action, Position, check_action
from slowfast_envs.metaworld.tasks import task_named
from slowfast_envs.mujoco.camera import Camera, View
from slowfast_envs.recorder import Frame

VIEW = View(look_at=(0.0, 0.68, 0.13), distance=0.92, azimuth=150.0, elevation=-36.0)
"""View past the robot's right shoulder: fronts of drawers and doors are seen."""

_NO_REWARD: tuple[float, dict[str, Any]] = (0.0, {})


@dataclass(frozen=True)
class TaskState:
    """The true state of a task at one moment."""

    hand: Position
    opening: float
    """Opening of the grip: 0 closed, 1 open."""
    thing: Position
    """Position of the thing that the task moves."""
    is_done: bool
    """True if Meta-World counts the task as done."""


class TaskStage:
    """A task, in one scene at a time. A context manager; `close` ends the drawing.

    Args:
        verb: one of `TASKS`.
        size: side of a frame, pixels.
        view: viewpoint of the camera.

    Raises:
        UserError: no such task, Meta-World is not installed, or MuJoCo cannot draw here.
    """

    def __init__(self, verb: str, size: int = FRAME_SIZE, view: View = VIEW) -> None:
        self.task = task_named(verb)
        environments, experts = import_metaworld()
        env = environments[f"{self.task.env}-v3-goal-observable"](seed=0)
        env.max_path_length = 10**9  # the length of an episode is decided here
        env.seeded_rand_vec, env._freeze_rand_vec = True, False  # each reset draws a scene from the seed
        # The reward takes half of a step's time and is not looked at; success is asked for once a frame.
        self._judge = env.evaluate_state
        env.evaluate_state = lambda *_: _NO_REWARD
        self._env = env
        self._expert = experts[f"{self.task.env}-v3"]()
        hide_base(env.model)
        hide_marks(env.model, "goal" if self.task.shows_goal else "")
        if verb in ("push", "pick_place"):
            env.model.geom("objGeom").matid = -1  # its dark wood can hardly be distinguished from the table
        self._camera = Camera(env.model, view, size)
        self.reset(0)

    def __enter__(self) -> "TaskStage":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the drawing; may be called twice."""
        self._camera.close()

    def reset(self, seed: int) -> None:
        """Sets up the scene of a seed, any whole number from 0; it does not depend on what came before."""
        self._env.seed(seed)
        self._env.reset()
        self._step(np.array([0.0, 0.0, 0.0, -1.0]))  # only a step brings what is seen in line with the scene

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the task and of what its expert sees, to the micrometre; after `reset` it names the scene."""
        seen = self._observation.round(6) + 0.0  # no negative zero
        return hashlib.sha256(self.task.env.encode() + seen.tobytes()).hexdigest()

    def act(self, action: Action) -> None:
        """Holds an action for one frame; see `table.Action`.

        Raises:
            UserError: not four finite numbers.
        """
        action = check_action(action)
        for _ in range(STEPS_PER_FRAME):
            self._step(action)

    def act_expert(self) -> None:
        """Lets Meta-World's expert act for one frame; it decides again at each control step."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of its own actions: they are clipped, as intended
            for _ in range(STEPS_PER_FRAME):
                self._step(self._expert.get_action(self._observation))

    def state(self) -> TaskState:
        """The true state now."""
        seen = self._observation
        done = bool(self._judge(seen, self._last)[1]["success"])
        return TaskState(seen[:3].copy(), float(seen[3]), seen[4:7].copy(), done)

    def frame(self) -> Frame:
        """Picture of the current state."""
        return self._camera.shoot(self._env.data)

    def _step(self, action: np.ndarray) -> None:
        self._last = np.asarray(action, np.float32)
        self._observation, *_ = self._env.step(self._last)
