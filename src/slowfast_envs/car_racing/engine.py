"""The car and the track of gymnasium's CarRacing, stepped without its pictures. `renderer` draws them."""

import itertools
import math
import os
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64

from slowfast_vgen.errors import UserError

STEPS_PER_FRAME = 5
"""Steps of the engine per frame: it makes 50 steps per second, of which 10 frames are recorded."""


class Controls(NamedTuple):
    """Controls that are held for a chunk."""

    steer: float
    """Steering from -1 (full left) to 1 (full right); the wheels cannot follow beyond 0.4."""
    gas: float
    """Gas pedal from 0 to 1."""
    brake: float
    """Brake pedal from 0 to 1."""


class Tile(NamedTuple):
    """A piece of the road, seen from above."""

    corners: list[tuple[float, float]]
    shade: int
    """Extra brightness, so that speed can be seen. The engine forgets it where a wheel has been."""
    colour: tuple[int, int, int] | None
    """Colour of the tile; None for the road's."""


class Race:
    """One track with one car on it, at rest at first, on the road and headed along it. A context manager.

    Raises:
        UserError: a package is missing.
    """

    def __init__(self, seed: int, start: float) -> None:
        """Draws the track of a seed (any int >= 0) and puts the car on it, `start` of a lap (0 to 1) from the line."""
        self._env, car_class = _make()
        self._env.reset(seed=seed)
        self.track: Float64[np.ndarray, "num_tiles 4"] = np.array(self._env.track)
        """One row per tile, in driving order: an unused angle, the heading less a quarter turn, x, y."""
        self._env.car.destroy()
        tile = int(start * len(self.track)) % len(self.track)
        self._env.car = car_class(self._env.world, *self.track[tile, 1:])
        self._env.step(None)  # the wheels learn that they are on the road

    def __enter__(self) -> "Race":
        return self

    def __exit__(self, *_: object) -> None:
        """Frees the track: its tiles hold on to each other through the engine, where Python cannot see it."""
        self._env._destroy()
        self._env.world.contactListener = self._env.world.contactListener_bug_workaround = None

    @property
    def pose(self) -> tuple[float, float, float]:
        """The hull's x, y and heading in degrees, counter-clockwise from east, in [0, 360)."""
        x, y = self._env.car.hull.position
        degrees = (math.degrees(self._env.car.hull.angle) + 90) % 360
        return x, y, 0.0 if degrees == 360 else degrees  # -1e-20 % 360 is 360

    @property
    def speed(self) -> float:
        """Speed in units per second."""
        return float(self._env.car.hull.linearVelocity.length)

    @property
    def steering(self) -> float:
        """Angle of the front wheels in radians, positive to the left."""
        return float(self._env.car.wheels[0].joint.angle)

    @property
    def is_off_road(self) -> bool:
        """True if no wheel is on the road."""
        return not any(wheel.tiles for wheel in self._env.car.wheels)

    @property
    def road(self) -> list[Tile]:
        """The road and its red and white borders."""
        shades = itertools.cycle((0, 3, 5))  # by the track's order, as in the engine
        return [
            Tile(corners, 0, colour) if isinstance(colour, tuple) else Tile(corners, next(shades), None)
            for corners, colour in self._env.road_poly
        ]

    @property
    def car(self) -> list[tuple[list[tuple[float, float]], tuple[int, int, int]]]:
        """The parts of the car from the bottom up: corners and colour."""
        return [
            (
                [tuple(body.transform * corner) for corner in fixture.shape.vertices],
                tuple(round(255 * part) for part in body.color),
            )
            for body in self._env.car.drawlist
            for fixture in body.fixtures
        ]

    def frame(self, controls: Controls) -> None:
        """Drives for the time of one frame."""
        for _ in range(STEPS_PER_FRAME):
            self._env.step(np.array(controls))


@cache
def _classes() -> tuple[Any, Any]:
    """CarRacing without its pictures, and its car."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        from gymnasium.envs.box2d.car_dynamics import Car
        from gymnasium.envs.box2d.car_racing import CarRacing
    except Exception as error:  # gymnasium reports missing packages by a class of its own
        missing = error if isinstance(error, ModuleNotFoundError) else error.__cause__
        if not isinstance(missing, ImportError):
            raise
        package = (missing.name or "Box2D").partition(".")[0]
        raise UserError(
            f"the world car-racing needs the package {package}; install it with: "
            "pip install 'slowfast-vgen[car-racing]'"
        ) from error

    class WithoutPictures(CarRacing):  # each step would draw one, and that is nearly all of its time
        def _render(self, mode: str) -> None:
            pass

    return WithoutPictures, Car


def _make() -> tuple[Any, Any]:
    """A new environment, since what a car did to an old one could change the next path, and the class of cars."""
    env_class, car_class = _classes()
    return env_class(), car_class
