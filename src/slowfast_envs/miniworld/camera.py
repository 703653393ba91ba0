"""The camera of the Miniworld worlds: in the walker's eyes, or behind and above its body.

Lengths are metres, in Miniworld's axes: x east, y up, z south.
"""

import math
from typing import Literal, NamedTuple

from slowfast_envs.miniworld.map import UNITS_PER_METRE, House
from slowfast_envs.walking import HEADINGS, Place

Camera = Literal["first", "third"]

FOV_DEGREES: dict[Camera, float] = {"first": 90.0, "third": 75.0}
"""Horizontal and vertical field of view."""
EYES_METRES = 1.35
BOOM_METRES = 1.5
"""Distance of the third-person camera behind the walker, unless a wall is nearer."""
_BOOM_STEPS = 30
_HEIGHT_METRES = (1.9, 2.45)
"""Height of the third-person camera on a whole boom and on none: if a wall pushes it close, it rises and looks down."""
_TARGET_METRES = (1.1, 0.9)
"""Point that the third-person camera looks at: its distance ahead of the walker, and its height."""

Vector = tuple[float, float, float]


class View(NamedTuple):
    """Position of the camera and direction of sight, a vector of any length."""

    eye: Vector
    direction: Vector


def view_of(house: House, place: Place, camera: Camera) -> View:
    """The view of `camera` with the walker on the place; it depends on nothing else."""
    angle = angle_of(place)
    east, south = math.cos(angle), -math.sin(angle)
    x, z = place.x / UNITS_PER_METRE, -place.y / UNITS_PER_METRE
    if camera == "first":
        return View((x, EYES_METRES, z), (east, 0.0, south))
    boom = _boom(house, place)
    whole, none = _HEIGHT_METRES
    height = none + (whole - none) * boom / BOOM_METRES
    ahead, high = _TARGET_METRES
    return View(
        (x - boom * east, height, z - boom * south), ((ahead + boom) * east, high - height, (ahead + boom) * south)
    )


def angle_of(place: Place) -> float:
    """The heading in radians, counter-clockwise from east."""
    return 2 * math.pi * place.heading / HEADINGS


def _boom(house: House, place: Place) -> float:
    """Free distance for a camera behind the walker, metres."""
    angle = angle_of(place)
    step = BOOM_METRES * UNITS_PER_METRE / _BOOM_STEPS
    for count in range(1, _BOOM_STEPS + 1):
        back = count * step
        if not house.is_airy(round(place.x - back * math.cos(angle)), round(place.y - back * math.sin(angle))):
            return (count - 1) * BOOM_METRES / _BOOM_STEPS
    return BOOM_METRES
