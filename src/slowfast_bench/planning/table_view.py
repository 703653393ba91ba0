"""A table from above, turned as the camera sees it: where blocks lie, where they lay at first, and what they passed."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from slowfast_envs.metaworld.layout import BLOCK_HALF, COLOURS, REACH_HIGH, REACH_LOW, Spot

Colour = tuple[int, int, int]

_PAPER: Colour = (238, 235, 228)
_TABLE: Colour = (206, 190, 168)
_REACH: Colour = (184, 164, 138)
_INK: Colour = (43, 48, 58)
_HOME: Colour = (47, 142, 84)
_FINE = 3
"""Drawn so many times larger and shrunk, so that lines are smooth."""
_SPAN = 0.66
"""Metres that the picture shows from side to side."""


class TableView:
    """Draws one scene again and again: `TableView(homes, 256).draw(spots, trails)`."""

    def __init__(self, homes: Mapping[str, Spot], side: int) -> None:
        self.homes, self.side, self.scale = dict(homes), side, side * _FINE / _SPAN
        self.middle = (REACH_LOW[0] + REACH_HIGH[0]) / 2, (REACH_LOW[1] + REACH_HIGH[1]) / 2
        self.background = Image.new("RGB", (side * _FINE, side * _FINE), _PAPER)
        pen = ImageDraw.Draw(self.background)
        pen.rectangle(self._box(REACH_LOW, REACH_HIGH, 0.03), fill=_TABLE)
        pen.rectangle(self._box(REACH_LOW, REACH_HIGH, 0.0), outline=_REACH, width=_FINE)
        for name, spot in self.homes.items():
            pen.ellipse(self._box(spot, spot, 1.6 * BLOCK_HALF), outline=_fill(name), width=3 * _FINE)

    def draw(self, spots: Mapping[str, Spot], trails: Mapping[str, Sequence[Spot]]) -> UInt8[np.ndarray, "side side 3"]:
        """The blocks where they lie, each with a thin line along its trail and a thick one to where it lay at first."""
        picture = self.background.copy()
        pen = ImageDraw.Draw(picture)
        for name, trail in trails.items():
            if len(trail) > 1:
                pen.line([self._point(spot) for spot in trail], fill=_fill(name), width=_FINE, joint="curve")
        for name, spot in spots.items():
            near = float(np.hypot(*np.subtract(spot, self.homes[name]))) < BLOCK_HALF
            if not near:
                pen.line([self._point(spot), self._point(self.homes[name])], fill=_INK, width=2 * _FINE)
        for name, spot in spots.items():
            near = float(np.hypot(*np.subtract(spot, self.homes[name]))) < BLOCK_HALF
            draw = pen.rectangle if name.endswith("cube") else pen.ellipse
            draw(self._box(spot, spot, BLOCK_HALF), fill=_fill(name), outline=_HOME if near else _INK, width=2 * _FINE)
        return np.asarray(picture.resize((self.side, self.side), Image.Resampling.BOX))

    def _point(self, spot: Spot) -> tuple[float, float]:
        half = self.side * _FINE / 2
        return half - (spot[0] - self.middle[0]) * self.scale, half + (spot[1] - self.middle[1]) * self.scale

    def _box(self, low: Spot, high: Spot, grown: float) -> tuple[float, float, float, float]:
        right, top = self._point((low[0] - grown, low[1] - grown))
        left, bottom = self._point((high[0] + grown, high[1] + grown))
        return left, top, right, bottom


def _fill(name: str) -> Colour:
    red, green, blue = (round(255 * part) for part in COLOURS[name.split()[0]])
    return red, green, blue
