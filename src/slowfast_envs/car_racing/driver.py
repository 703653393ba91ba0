"""The driver of `car-racing`: seven verbs, their phrasings, and a driver that looks at the track's tiles."""

import itertools
import math
from typing import NamedTuple

import numpy as np

from slowfast_envs.actions import read_phrasings
from slowfast_envs.car_racing.engine import Controls, Race

PHRASINGS = read_phrasings("car_racing/phrasings.json")
"""Canonical verb -> its phrasings, the canonical one first. No phrasing belongs to two verbs."""

CONTROLS: dict[str, Controls] = {
    "accelerate": Controls(0.0, 0.08, 0.0),
    "drive_on": Controls(0.0, 0.0, 0.0),
    "brake": Controls(0.0, 0.0, 0.05),
    "bear_left": Controls(-0.1, 0.0, 0.0),
    "bear_right": Controls(0.1, 0.0, 0.0),
    "steer_left": Controls(-0.3, 0.0, 0.0),
    "steer_right": Controls(0.3, 0.0, 0.0),
}
"""Controls that each verb holds for its whole chunk. Without gas the car nearly keeps its speed."""

CHUNK_SECONDS = 0.4
_WHEELBASE = 3.24  # units from the front to the rear axle
_WHEEL_RATE = 3.0  # radians a second, at which the front wheels turn
_STEERING = ("drive_on", "bear_left", "bear_right", "steer_left", "steer_right")
_AHEAD = 4  # tiles, from the car's predicted place to the one that the driver looks at
_NEED = 12.0  # where going straight costs no more than this beyond the best plan, there is time for the pedals
# Units a second.
_SLACK = 2.5  # by which the speed may be wrong
_TOO_FAST = 9.0  # to steer at all
_LEAST_SPEED = 4.0  # to plan with: a car at rest must look somewhere too


class Habits(NamedTuple):
    """Habits of a driver."""

    random_share: float
    """Share of the chunks that begin a random verb, held for one or two chunks."""
    speeds: tuple[float, float]
    """Units per second: in the sharpest bends, and on straight road."""
    stop_share: float
    """Share of the chunks that begin to brake for three to six, until the car stops."""


class _State(NamedTuple):
    """A car in the driver's model: its place, its heading and its front wheels' angle, in radians."""

    x: float
    y: float
    angle: float
    wheels: float


class Driver:
    """Keeps a car on the road, mostly."""

    def __init__(self, race: Race, habits: Habits, rng: np.random.Generator) -> None:
        self._race, self._habits, self._rng = race, habits, rng
        self._planned: list[str] = []
        self._tiles = race.track[:, 2:]

    def verb(self) -> str:
        """The verb of the next chunk."""
        if not self._planned:
            self._planned = self._whim()
        return self._planned.pop() if self._planned else self._sensible()

    def _whim(self) -> list[str]:
        draw = self._rng.random()
        if draw < self._habits.random_share:
            verb = str(self._rng.choice(list(CONTROLS)))
            return [verb] * int(self._rng.integers(1, 3))
        if draw < self._habits.random_share + self._habits.stop_share:
            return ["brake"] * int(self._rng.integers(3, 7))
        return []

    def _sensible(self) -> str:
        """Steers along the road; if it need not steer, it controls the speed."""
        race = self._race
        x, y, degrees = race.pose
        start = _State(x, y, math.radians(degrees), race.steering)
        speed = max(race.speed, _LEAST_SPEED)
        costs = {plan: self._cost(start, speed, plan) for plan in itertools.product(_STEERING, repeat=2)}
        best = min(costs, key=lambda plan: costs[plan])
        need = min(cost for plan, cost in costs.items() if plan[0] == "drive_on") - costs[best]
        excess = race.speed - self._wanted_speed()
        if race.speed < _LEAST_SPEED or (abs(excess) > _SLACK and need < _NEED):
            return "brake" if excess > 0 else "accelerate"
        return "brake" if excess > _TOO_FAST else best[0]

    def _wanted_speed(self) -> float:
        """Speed in units per second that the sharpest bend on the next tiles allows."""
        x, y, _ = self._race.pose
        near = self._nearest(x, y)
        headings = self._race.track[(near + np.arange(14)) % len(self._tiles), 1]
        turned = np.abs((np.diff(headings) + math.pi) % math.tau - math.pi)
        slow, fast = self._habits.speeds
        return slow + (fast - slow) * max(0.0, 1 - float(turned.max()) / 0.25)

    def _nearest(self, x: float, y: float) -> int:
        return int(((self._tiles - (x, y)) ** 2).sum(1).argmin())

    def _cost(self, state: _State, speed: float, plan: tuple[str, ...]) -> float:
        """Squared distances from the road's middle after each verb, and how far the last heading is off."""
        cost = 0.0
        for verb in plan:
            state = _ahead(state, speed, verb)
            near = self._nearest(state.x, state.y)
            cost += float(((self._tiles[near] - state[:2]) ** 2).sum())
        goal_x, goal_y = self._tiles[(near + _AHEAD) % len(self._tiles)]
        off = (math.atan2(goal_y - state.y, goal_x - state.x) - state.angle + math.pi) % math.tau - math.pi
        return cost + 60 * off**2


def _ahead(state: _State, speed: float, verb: str) -> _State:
    """State after a chunk of a car that does not slip, in eight small steps."""
    x, y, angle, wheels = state
    dt = CHUNK_SECONDS / 8
    goal = -CONTROLS[verb].steer
    for _ in range(8):
        wheels += min(max(goal - wheels, -_WHEEL_RATE * dt), _WHEEL_RATE * dt)
        angle += speed * dt * math.tan(wheels) / _WHEELBASE
        x += speed * dt * math.cos(angle)
        y += speed * dt * math.sin(angle)
    return _State(x, y, angle, wheels)
