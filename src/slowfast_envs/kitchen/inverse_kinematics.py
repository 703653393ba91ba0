"""Inverse kinematics of the kitchen's robot arm: joint angles that bring the hand to a place."""

from typing import Any

import numpy as np
from jaxtyping import Float64

from slowfast_envs.kitchen.engine import WORLD
from slowfast_envs.kitchen.fixtures import Direction
from slowfast_envs.mujoco.engine import import_mujoco

Angles = Float64[np.ndarray, "7"]
"""Angles of the arm's joints from the base to the hand, radians."""
REST: Angles = np.array([-1.0, -0.3, 0.0, -2.6, 0.0, 0.7, 0.8])
"""Posture of the waiting arm: upright, away from everything that can be moved."""
SEARCH: Angles = np.array([0.15, -1.76, 1.84, -2.48, 0.26, 0.71, 1.6])
"""Posture where the search for handles on fronts starts: folded, the hand in front of the stove."""
_STRETCHED: Angles = np.array([0.0, 0.3, 0.0, -1.9, 0.0, 0.5, 0.8])
_SITE = "end_effector"
_NUM_JOINTS = 7
_DAMPING = 0.05
_MOST_STEP = 0.15  # radians a joint and step
_DIRECTION_WEIGHT = 0.3
_SEARCH_WEIGHT = 0.01
_CLOSE = 1e-4  # metres
_STEPS = 120


def stretched(target: Float64[np.ndarray, "3"]) -> Angles:
    """The arm bent in one upright plane with a place: start of the search for things that move in all directions."""
    return np.array([np.arctan2(-target[0], target[1]), *_STRETCHED[1:]])


class Arm:
    """The arm within a model's state (`mujoco.MjData`), which it changes."""

    def __init__(self, model: Any, data: Any) -> None:
        self._mujoco = import_mujoco(WORLD)
        self._model, self._data = model, data
        self._site = model.site(_SITE).id
        self._low, self._high = model.jnt_range[:_NUM_JOINTS].T
        self._jacobian = np.zeros((6, model.nv))

    @property
    def angles(self) -> Angles:
        """The current angles."""
        return np.array(self._data.qpos[:_NUM_JOINTS])

    @angles.setter
    def angles(self, angles: Angles) -> None:
        self._data.qpos[:_NUM_JOINTS] = angles.clip(self._low, self._high)
        self._mujoco.mj_kinematics(self._model, self._data)

    @property
    def hand(self) -> Float64[np.ndarray, "3"]:
        """Position of the hand, metres."""
        return np.array(self._data.site_xpos[self._site])

    def reach(self, target: Float64[np.ndarray, "3"], direction: Direction, start: Angles) -> Angles:
        """Angles that bring the hand to a place, by damped least squares (Wampler 1986), within the joints' limits.

        In the first half the hand is turned too, as far as the place allows.

        Args:
            target: goal of the hand, metres.
            direction: where the hand should point.
            start: angles where the search begins; nearby ones are found.
        """
        unit = np.array(direction) / np.linalg.norm(direction)
        self.angles = start
        for step in range(_STEPS):
            error = target - self.hand
            turning = step < _STEPS // 2
            if not turning and np.linalg.norm(error) < _CLOSE:
                break
            self.angles = self.angles + self._step(error, unit if turning else None)
        return self.angles

    def _step(self, error: np.ndarray, direction: np.ndarray | None) -> np.ndarray:
        """The change of angles that reduces the error and turns the hand towards the direction, if any."""
        self._mujoco.mj_comPos(self._model, self._data)
        self._mujoco.mj_jacSite(self._model, self._data, self._jacobian[:3], self._jacobian[3:], self._site)
        jacobian = self._jacobian[:3, :_NUM_JOINTS]
        if direction is not None:
            pointing = self._data.site_xmat[self._site].reshape(3, 3)[:, 2]
            jacobian = np.concatenate([jacobian, _DIRECTION_WEIGHT * self._jacobian[3:, :_NUM_JOINTS]])
            error = np.concatenate([error, _DIRECTION_WEIGHT * np.cross(pointing, direction)])
        inverse = jacobian.T @ np.linalg.inv(jacobian @ jacobian.T + _DAMPING**2 * np.eye(len(error)))
        free = np.eye(_NUM_JOINTS) - inverse @ jacobian
        change = inverse @ error + _SEARCH_WEIGHT * free @ (SEARCH - self.angles)
        return change * min(1.0, _MOST_STEP / (np.abs(change).max() + 1e-12))
