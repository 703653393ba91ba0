"""The seven verbs of the car of `vizdoom-streets`, and how it moves: whole units, exact angles.

It never turns on the spot: a quarter turn is eight steps, two chunks. The mirrored verb undoes a step, to the unit.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np

from slowfast_envs.actions import carried_out, check_verb, read_phrasings
from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Poses

PHRASINGS = read_phrasings("vizdoom/car_phrasings.json")
"""Canonical verb -> its phrasings, the canonical one first. No phrasing belongs to two verbs."""

VERBS = tuple(PHRASINGS)

TURN_DEGREES = 11.25
"""Turn of one frame in degrees. A multiple of 360 / 65536, the engine's unit, so that angles never drift."""
HEADINGS = 32
STEP_UNITS = 24
"""Length of one frame's step on a straight line."""
RADIUS = 96
"""Radius of the circle that the car turns on. It is slower there, by a fifth."""
REACH = 28
"""Distance from the car's middle to its nose, and to its tail."""


class CarPlace(NamedTuple):
    """A pose in exact terms: map units and heading in 32nds of a circle, counter-clockwise from east."""

    x: int
    y: int
    heading: int


class Ground(Protocol):
    """Ground that knows its free places."""

    def is_free(self, x: int, y: int) -> bool:
        """True if a part of the car may be at (x, y)."""
        ...


def _turned(quarter: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """The vectors of the first quarter of a circle, turned to all four."""
    vectors = list(quarter)
    for _ in range(3):
        vectors += [(-dy, dx) for dx, dy in vectors[-len(quarter) :]]
    return tuple(vectors)


def _ray(length: float) -> tuple[tuple[int, int], ...]:
    """Nearest whole-unit vector of this length for each heading."""
    angles = [math.radians(TURN_DEGREES * heading) for heading in range(HEADINGS // 4)]
    return _turned([(round(length * math.cos(angle)), round(length * math.sin(angle))) for angle in angles])


def _arcs() -> tuple[tuple[int, int], ...]:
    """The chords of the circle, from each heading to the next; a quarter's sum is the radius both ways."""
    angles = [math.radians(TURN_DEGREES * heading) for heading in range(HEADINGS // 4 + 1)]
    points = [(round(RADIUS * math.sin(angle)), round(RADIUS * (1 - math.cos(angle)))) for angle in angles]
    return _turned([(x2 - x1, y2 - y1) for (x1, y1), (x2, y2) in pairwise(points)])


STEPS = _ray(STEP_UNITS)
"""Displacement of one frame straight on, for each heading."""
ARCS = _arcs()
"""Displacement of one frame from each heading to the next one to the left; turning right from there is the same."""
_NOSE = _ray(REACH)


def is_clear(ground: Ground, place: CarPlace) -> bool:
    """True if nose, middle and tail of the car are on free ground."""
    x, y, heading = place
    dx, dy = _NOSE[heading]
    return ground.is_free(x, y) and ground.is_free(x + dx, y + dy) and ground.is_free(x - dx, y - dy)


def advance(ground: Ground, place: CarPlace, verb: str) -> tuple[CarPlace, bool]:
    """The place one frame later, and whether the step was refused: then the car stays."""
    if verb == "stop":
        return place, False
    x, y, heading = place
    turn = {"turn_left": 1, "back_right": 1, "turn_right": -1, "back_left": -1}.get(verb, 0)
    sign = -1 if verb in ("reverse", "back_left", "back_right") else 1
    dx, dy = ARCS[heading if turn > 0 else heading - 1] if turn else STEPS[heading]
    target = CarPlace(x + sign * dx, y + sign * dy, (heading + turn) % HEADINGS)
    return (target, False) if is_clear(ground, target) else (place, True)


def drive(ground: Ground, start: CarPlace, verbs: Sequence[str]) -> tuple[list[CarPlace], list[bool]]:
    """Places of frames 0 to 4 len(verbs), the start included, and for each whether its step was refused.

    Raises:
        UserError: an unknown verb, or a start that is too near a kerb.
    """
    for verb in verbs:
        check_verb(verb, VERBS)
    if not is_clear(ground, start):
        raise UserError(f"the car cannot be at x={start.x}, y={start.y}: a kerb is too near; choose free road")
    return carried_out(start, verbs, lambda place, verb: advance(ground, place, verb))


def car_poses(places: Sequence[CarPlace]) -> Poses:
    """Poses of the places: one row (x, y, degrees in [0, 360)) each."""
    return np.array([(x, y, heading * TURN_DEGREES) for x, y, heading in places], np.float64).reshape(-1, 3)
