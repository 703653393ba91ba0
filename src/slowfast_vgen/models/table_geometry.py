"""The position of a table in the picture of a fixed camera, which a reader of moves needs in order to learn."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

Spot = tuple[float, float]
"""x and y on the table, metres."""


@dataclass(frozen=True)
class TableGeometry:
    """A camera that looks down at a table, and where on it things are moved. Metres and degrees; z is up."""

    look_at: tuple[float, float, float]
    """The point in the middle of the picture."""
    distance: float
    """Distance from `look_at` to the camera."""
    azimuth: float
    """Direction of sight, counter-clockwise from x."""
    elevation: float
    """Elevation of the line of sight; negative looks down, by more than half the field of view."""
    fov: float
    """Field of view, the same vertically and horizontally."""
    height: float
    """Height of the centres of the things that are moved."""
    low: Spot
    """Least x and y that anything is brought to."""
    high: Spot
    """Greatest x and y."""

    def spots(self, cells: int) -> Float64[np.ndarray, "cells cells 2"]:
        """The points at `height` that the centres of a picture's cells show: x and y in metres, rows from the top."""
        azimuth, elevation = np.radians(self.azimuth), np.radians(self.elevation)
        ahead = np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])
        right = np.array([np.sin(azimuth), -np.cos(azimuth), 0.0])
        up = np.cross(right, ahead)
        across = ((np.arange(cells) + 0.5) / cells * 2 - 1) * np.tan(np.radians(self.fov) / 2)
        sight = ahead + across[None, :, None] * right - across[:, None, None] * up
        camera = np.array(self.look_at) - self.distance * ahead
        reached = camera + sight * ((self.height - camera[2]) / sight[..., 2:])
        return reached[..., :2]
