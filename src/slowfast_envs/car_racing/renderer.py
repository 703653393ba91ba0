"""Pictures of a race from above: the car below the middle, headed up. No numbers and no bar, unlike the engine's own.

They depend only on the poses of car and wheels: a tile that was driven on looks as before.
"""

import hashlib
import math

import numpy as np
from jaxtyping import Float64, UInt8
from PIL import Image, ImageDraw

from slowfast_envs.base import FRAME_SIZE
from slowfast_envs.car_racing.engine import Race

VIEW_UNITS = 40
"""Side of the picture in units of the world. The road is about 13 wide."""
_SCALE = 3  # factor by which pictures are drawn larger, then averaged
_SIDE = FRAME_SIZE * _SCALE
_ZOOM = _SIDE / VIEW_UNITS
_CAR = (_SIDE / 2, 0.75 * _SIDE)  # where it is drawn, from the upper left
_PATCH, _FIELD = 50 / 3, 20  # the engine's: side of a patch of grass, and patches from the middle to the rim

# Ground, patches on it, road: the engine's own colours first.
SCENERY: tuple[tuple[tuple[int, int, int], tuple[int, int, int], tuple[int, int, int]], ...] = (
    ((102, 204, 102), (102, 230, 102), (102, 102, 102)),
    ((222, 196, 134), (236, 212, 156), (118, 104, 96)),
    ((232, 238, 244), (216, 226, 238), (110, 116, 126)),
    ((142, 110, 78), (158, 124, 88), (84, 82, 86)),
    ((60, 122, 84), (50, 106, 76), (140, 136, 130)),
    ((196, 122, 92), (212, 138, 104), (92, 88, 100)),
)

_Quads = Float64[np.ndarray, "num_quads 4 2"]


class View:
    """Draws one race in one of the sceneries."""

    def __init__(self, race: Race, scenery: int) -> None:
        self._race = race
        ground, patch, road = SCENERY[scenery]
        self._ground = ground
        quads, colours = [], []
        for i in range(-_FIELD, _FIELD, 2):
            for j in range(-_FIELD, _FIELD, 2):
                left, bottom = _PATCH * i, _PATCH * j
                right, top = left + _PATCH, bottom + _PATCH
                quads.append([(left, bottom), (right, bottom), (right, top), (left, top)])
                colours.append(patch)
        for corners, shade, colour in race.road:
            quads.append(corners)
            red, green, blue = colour or road
            colours.append((red + shade, green + shade, blue + shade))
        self._quads: _Quads = np.array(quads, np.float64)
        self._colours: UInt8[np.ndarray, "num_quads 3"] = np.array(colours, np.uint8)
        self._middles, self._reach = self._quads.mean(1), VIEW_UNITS + _PATCH

    @property
    def digest(self) -> str:
        """Hex SHA-256 of all that does not move. Corners are rounded to a millionth: processors differ beyond."""
        sha = hashlib.sha256(np.round(self._quads, 6).tobytes())
        for colours in (np.array([self._ground], np.uint8), self._colours):
            sha.update(colours.tobytes())
        return sha.hexdigest()

    def frame(self) -> UInt8[np.ndarray, "64 64 3"]:
        """Picture of the current state."""
        x, y, degrees = self._race.pose
        image = Image.new("RGB", (_SIDE, _SIDE), self._ground)
        draw = ImageDraw.Draw(image)
        near = np.flatnonzero(((self._middles - (x, y)) ** 2).sum(1) < self._reach**2)
        angle = math.radians(90 - degrees)
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])

        def on_screen(points: np.ndarray) -> np.ndarray:
            return (points - (x, y)) @ turn.T * (_ZOOM, -_ZOOM) + _CAR

        for quad, colour in zip(on_screen(self._quads[near]), self._colours[near], strict=True):
            draw.polygon(quad.ravel().tolist(), fill=tuple(colour.tolist()))
        for corners, part in self._race.car:
            draw.polygon(on_screen(np.array(corners)).ravel().tolist(), fill=part)
        return np.asarray(image.reduce(_SCALE))
