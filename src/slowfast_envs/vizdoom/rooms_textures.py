"""Textures and palette of the maps of `vizdoom-rooms`, all generated, none borrowed."""

import numpy as np

from slowfast_envs.vizdoom.textures import PaintedLook, Pixels

TILE = 64
"""Side in pixels of each texture; the map stretches it over a wall."""

# Saturated and far apart; floors dark and ceilings pale, so that the horizon is always plain to see.
WALL_COLOURS = (
    (220, 30, 30), (30, 160, 50), (40, 70, 220), (245, 210, 30), (240, 125, 20), (140, 40, 190), (30, 190, 200),
    (240, 90, 170), (250, 250, 250), (105, 110, 130), (120, 70, 30), (150, 220, 40), (15, 100, 100), (130, 130, 240),
    (245, 170, 140), (140, 15, 60),
)  # fmt: skip
FLOOR_COLOURS = (
    (70, 60, 50), (50, 70, 55), (50, 55, 85), (85, 50, 50), (75, 75, 75), (70, 50, 85), (100, 85, 50), (40, 80, 90),
)  # fmt: skip
CEILING_COLOURS = (
    (200, 200, 200), (185, 205, 225), (225, 210, 185), (190, 220, 190), (220, 190, 205), (205, 195, 225),
    (170, 190, 190), (225, 225, 180),
)  # fmt: skip
COLOURS = WALL_COLOURS + FLOOR_COLOURS + CEILING_COLOURS
FIRST_FLOOR, FIRST_CEILING = len(WALL_COLOURS), len(WALL_COLOURS) + len(FLOOR_COLOURS)
"""Indices in `COLOURS` of the first colours of floors and of ceilings."""


def texture_name(kind: str, first: int, second: int) -> str:
    """Engine name (upper case, at most 8 letters) of a two-colour texture; colours index `COLOURS`."""
    return f"R{kind}{first:02X}{second:02X}"


def plain(colour: int) -> str:
    """Engine name of a one-colour texture."""
    return texture_name("P", colour, colour)


class RoomsLook(PaintedLook):
    """Flat colours. A `Look`."""

    world = "vizdoom-rooms"
    colours = COLOURS

    def pixels(self, name: str) -> Pixels:
        """A tile of 64x64 pixels."""
        kind, first, second = name[1], int(name[2:4], 16), int(name[4:6], 16)
        half = np.arange(TILE) >= TILE // 2
        rows, columns = np.meshgrid(half, half, indexing="ij")
        mask = {"P": np.zeros_like(rows), "V": columns, "H": rows, "C": rows ^ columns}[kind]
        return np.where(mask, second + 1, first + 1).astype(np.uint8)
