"""A map of ViZDoom from above: rooms, the way that was led, its way-points, and where the camera went since."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from slowfast_envs.actions import FRAMES_PER_CHUNK
from slowfast_envs.scene import Rect, Scene
from slowfast_envs.vizdoom.engine import HORIZONTAL_FOV_DEGREES
from slowfast_envs.walking import STEP_UNITS, TURN_DEGREES, Place

Colour = tuple[int, int, int]

_SOLID: Colour = (43, 48, 58)
_WALL: Colour = (22, 25, 31)
_FLOOR: Colour = (238, 235, 228)
_LED: Colour = (64, 118, 190)
_REACHED: Colour = (47, 142, 84)
_WENT: Colour = (214, 84, 42)
_SIGHT: Colour = (250, 206, 92)
_PAPER: Colour = (255, 255, 255)
_FINE = 3
"""Drawn so many times larger and shrunk, so that lines are smooth."""
_BORDER = 48
"""Map units of solid around the rooms."""
_SIGHT_STEPS = 5.0
_NEAR_STEPS = 2.0


class MapView:
    """Draws one scene again and again: `MapView(scene, 256).draw(led, way_points, trail)`."""

    def __init__(self, scene: Scene, side: int) -> None:
        rects = [*scene.rooms, *(corridor.rect for corridor in scene.corridors)]
        left, right = min(rect.left for rect in rects), max(rect.right for rect in rects)
        bottom, top = min(rect.bottom for rect in rects), max(rect.top for rect in rects)
        span = max(right - left, top - bottom) + 2 * _BORDER
        self.side, self.scale = side, side * _FINE / span
        self.centre = (left + right) / 2, (bottom + top) / 2
        self.background = Image.new("RGB", (side * _FINE, side * _FINE), _SOLID)
        pen = ImageDraw.Draw(self.background)
        for rect in rects:  # all walls first: a door is where two floors meet
            pen.rectangle(self._box(rect, 10), fill=_WALL)
        self.floor = Image.new("L", self.background.size)
        inside = ImageDraw.Draw(self.floor)
        for rect in rects:
            pen.rectangle(self._box(rect, 0), fill=_FLOOR)
            inside.rectangle(self._box(rect, 0), fill=255)

    def draw(
        self, led: Sequence[Place], way_points: Sequence[Place] = (), trail: Sequence[Place] = ()
    ) -> UInt8[np.ndarray, "side side 3"]:
        """The map with the camera where `trail` ends, or `led` where there is no trail yet.

        Args:
            led: places of every frame of the way here.
            way_points: to pass on the way back, a chunk each; the first is where it begins. Those that were reached in
                their turn are filled, the next one is ringed in the camera's colour.
            trail: places of every frame since.
        """
        here = (trail or led)[-1]
        picture = self._with_sight(here)
        pen = ImageDraw.Draw(picture)
        self._line(pen, led, _LED, 2.2)
        self._line(pen, trail, _WENT, 2.6)
        self._dot(pen, led[0], 6.5, _PAPER, _LED)
        for number, place in enumerate(way_points[1:], start=1):
            frame = FRAMES_PER_CHUNK * number
            if frame < len(trail):
                fill, edge = (_REACHED if _steps(trail[frame], place) <= _NEAR_STEPS else _PAPER), _LED
            else:
                fill, edge = _PAPER, (_WENT if frame - FRAMES_PER_CHUNK < len(trail) else _LED)
            self._dot(pen, place, 3.6, fill, edge)
        self._arrow(pen, here)
        return np.asarray(picture.resize((self.side, self.side), Image.Resampling.BOX))

    def _point(self, x: float, y: float) -> tuple[float, float]:
        middle = self.side * _FINE / 2
        return middle + (x - self.centre[0]) * self.scale, middle - (y - self.centre[1]) * self.scale

    def _box(self, rect: Rect, grown: float) -> tuple[float, float, float, float]:
        (x0, y1), (x1, y0) = self._point(rect.left, rect.bottom), self._point(rect.right, rect.top)
        by = grown * self.scale
        return x0 - by, y0 - by, x1 + by, y1 + by

    def _line(self, pen: ImageDraw.ImageDraw, places: Sequence[Place], colour: Colour, width: float) -> None:
        points = [self._point(place.x, place.y) for place in places]
        if len(set(points)) > 1:
            pen.line(points, fill=colour, width=round(width * _FINE), joint="curve")

    def _dot(self, pen: ImageDraw.ImageDraw, place: Place, radius: float, fill: Colour, outline: Colour) -> None:
        x, y = self._point(place.x, place.y)
        by = radius * _FINE
        pen.ellipse((x - by, y - by, x + by, y + by), fill=fill, outline=outline, width=round(1.2 * _FINE))

    def _arrow(self, pen: ImageDraw.ImageDraw, place: Place) -> None:
        x, y = self._point(place.x, place.y)
        angle = math.radians(place.heading * TURN_DEGREES)
        corners = [(9.0, 0.0), (-6.0, 6.0), (-3.0, 0.0), (-6.0, -6.0)]
        cos, sin = math.cos(angle) * _FINE, math.sin(angle) * _FINE
        points = [(x + ahead * cos - aside * sin, y - ahead * sin - aside * cos) for ahead, aside in corners]
        pen.polygon(points, fill=_WENT, outline=_PAPER, width=_FINE)

    def _with_sight(self, place: Place) -> Image.Image:
        """The background with the cone that the camera sees, where there is floor."""
        x, y = self._point(place.x, place.y)
        by = _SIGHT_STEPS * STEP_UNITS * self.scale
        middle, half = -place.heading * TURN_DEGREES, HORIZONTAL_FOV_DEGREES / 2
        layer = self.background.copy()
        ImageDraw.Draw(layer).pieslice((x - by, y - by, x + by, y + by), middle - half, middle + half, fill=_SIGHT)
        return Image.composite(Image.blend(self.background, layer, 0.6), self.background, self.floor)


def _steps(one: Place, other: Place) -> float:
    return math.hypot(one.x - other.x, one.y - other.y) / STEP_UNITS
