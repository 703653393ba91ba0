"""Walking in the worlds of exact poses: one turn, one step or a pause per frame.

Everything here is exact integer arithmetic on a `Place`, so that a pose seen twice is the very same pose.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from slowfast_envs.actions import carried_out, check_verb
from slowfast_envs.scene import Scene
from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Poses

TURN_DEGREES = 22.5
"""Turn of one frame in degrees. A multiple of 360 / 65536, the engine's unit, so that angles never drift."""
HEADINGS = 16
STEP_UNITS = 24
"""Length of one frame's step in map units, up to the rounding of its two components to whole units."""


class Place(NamedTuple):
    """A pose in exact terms: map units and heading in sixteenths of a circle, counter-clockwise from east."""

    x: int
    y: int
    heading: int

    @classmethod
    def of_pose(cls, pose: Sequence[float] | np.ndarray) -> "Place":
        """The place of a pose (x, y, degrees).

        Raises:
            UserError: x or y is no whole number, or the heading no multiple of `TURN_DEGREES`.
        """
        x, y, degrees = (float(value) for value in pose)
        sixteenths = degrees / TURN_DEGREES
        if not (x.is_integer() and y.is_integer() and sixteenths.is_integer()):
            raise UserError(
                f"the pose ({x}, {y}, {degrees}) is not on the camera's grid; give x and y as whole numbers and the "
                f"heading as a multiple of {TURN_DEGREES} degrees"
            )
        return cls(int(x), int(y), int(sixteenths) % HEADINGS)


def poses_of(places: Sequence[Place]) -> Poses:
    """Poses of the places: one row (x, y, degrees in [0, 360)) each."""
    return np.array([(x, y, heading * TURN_DEGREES) for x, y, heading in places], np.float64).reshape(-1, 3)


def _half_circle_steps() -> list[tuple[int, int]]:
    angles = [math.radians(index * TURN_DEGREES) for index in range(HEADINGS // 2)]
    return [(round(STEP_UNITS * math.cos(angle)), round(STEP_UNITS * math.sin(angle))) for angle in angles]


# The second half is the first negated: a step back undoes a step forward, to the unit.
STEPS = tuple(_half_circle_steps() + [(-dx, -dy) for dx, dy in _half_circle_steps()])
"""Displacement of one frame of "go_forward" per heading."""


def check_free(scene: Scene, place: Place) -> None:
    """Raises `UserError` if the camera cannot be at the place."""
    if not scene.is_free(place.x, place.y):
        raise UserError(f"the camera cannot be at x={place.x}, y={place.y}: a wall is too near; choose free space")


def advance_free(place: Place, verb: str) -> Place:
    """The place one frame later if no wall is in the way.

    >>> advance_free(Place(0, 0, 0), "go_back")
    Place(x=-24, y=0, heading=0)
    """
    x, y, heading = place
    if verb == "turn_left":
        return Place(x, y, (heading + 1) % HEADINGS)
    if verb == "turn_right":
        return Place(x, y, (heading - 1) % HEADINGS)
    if verb == "stay":
        return place
    dx, dy = STEPS[heading if verb == "go_forward" else (heading + HEADINGS // 2) % HEADINGS]
    return Place(x + dx, y + dy, heading)


def advance(scene: Scene, place: Place, verb: str) -> tuple[Place, bool]:
    """The place one frame later, and whether a step was refused because it would come too close to a wall."""
    target = advance_free(place, verb)
    is_step = (target.x, target.y) != (place.x, place.y)
    return (place, True) if is_step and not scene.is_free(target.x, target.y) else (target, False)


def walk(scene: Scene, start: Place, verbs: Sequence[str]) -> tuple[list[Place], list[bool]]:
    """Places of frames 0 to 4 len(verbs), the start included, and for each whether its step was refused.

    Raises:
        UserError: an unknown verb, or a start that is too near a wall.
    """
    for verb in verbs:
        check_verb(verb)
    check_free(scene, start)
    return carried_out(start, verbs, lambda place, verb: advance(scene, place, verb))
