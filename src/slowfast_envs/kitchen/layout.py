"""The start of a scene of the world `franka-kitchen`: colours, light, camera and what is open, drawn from a seed.

Needs no engine.
"""

import hashlib
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from slowfast_envs.kitchen.fixtures import FIXTURES
from slowfast_envs.mujoco.camera import View

VIEW = View(look_at=(-0.33, 0.48, 2.09), distance=2.03, azimuth=98.0, elevation=-24.0)
"""Mean view, over the robot's right shoulder; each scene has a slightly different one."""

Colour = tuple[float, float, float]
"""Red, green and blue in [0, 1]."""
_CABINETS: tuple[Colour, ...] = (
    (0.46, 0.5, 0.6), (0.55, 0.36, 0.22), (0.35, 0.5, 0.38), (0.62, 0.58, 0.5), (0.3, 0.36, 0.55), (0.6, 0.3, 0.28),
)  # fmt: skip
_WALLS: tuple[Colour, ...] = (
    (0.66, 0.7, 0.8), (0.85, 0.8, 0.66), (0.68, 0.8, 0.7), (0.82, 0.7, 0.68), (0.75, 0.75, 0.75),
)  # fmt: skip
_KETTLES: tuple[Colour, ...] = (
    (0.9, 0.9, 0.9), (0.85, 0.2, 0.15), (0.15, 0.4, 0.8), (0.95, 0.75, 0.15), (0.2, 0.6, 0.35),
)  # fmt: skip
_MICROWAVES: tuple[Colour, ...] = ((0.7, 0.7, 0.72), (0.75, 0.68, 0.5), (0.45, 0.6, 0.68), (0.7, 0.42, 0.4))
_ON_SHARE = 0.35


@dataclass(frozen=True)
class Kitchen:
    """A scene at its start."""

    view: View
    cabinets: Colour
    wall: Colour
    kettle: Colour
    microwave: Colour
    brightness: float
    """Brightness of the room's light; 1 is the engine's own."""
    states: dict[str, int]
    """State of each fixture; see `fixtures.FIXTURES`."""

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256 of all fields: equal exactly if two scenes start alike."""
        values = [getattr(self, field.name) for field in fields(self)]
        return hashlib.sha256(repr(values).encode()).hexdigest()


def draw_kitchen(seed: int) -> Kitchen:
    """The kitchen of a seed, any whole number from 0."""
    rng = np.random.default_rng([7, seed])
    x, y, z = (np.array(VIEW.look_at) + rng.uniform(-0.04, 0.04, 3)).round(4).tolist()
    distance, azimuth, elevation = (
        (np.array(VIEW[1:]) + rng.uniform((-0.05, -6.0, -4.0), (0.1, 6.0, 4.0))).round(4).tolist()
    )
    states = {
        name: int(rng.integers(len(fixture.values))) if len(fixture.values) > 2 else int(rng.random() < _ON_SHARE)
        for name, fixture in FIXTURES.items()
    }
    return Kitchen(
        View((x, y, z), distance, azimuth, elevation),
        _near(rng, _CABINETS),
        _near(rng, _WALLS),
        _near(rng, _KETTLES),
        _near(rng, _MICROWAVES),
        round(float(rng.uniform(0.75, 1.25)), 4),
        states,
    )


def _near(rng: np.random.Generator, colours: tuple[Colour, ...]) -> Colour:
    """Draws one of the colours and changes it slightly."""
    colour = np.array(colours[rng.integers(len(colours))]) + rng.uniform(-0.05, 0.05, 3)
    red, green, blue = colour.clip(0, 1).round(4).tolist()
    return red, green, blue
