"""Textures and palette of the maps of `vizdoom-streets`, all generated: roads, pavements, facades, skies.

A name encodes its picture: `Facade`'s eight letters, for instance, are the colours and the style of a whole front.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from slowfast_envs.vizdoom.textures import PaintedLook, Pixels

Colour = tuple[int, int, int]

FACADES: tuple[Colour, ...] = (
    (196, 84, 62), (226, 178, 92), (120, 150, 176), (178, 196, 150), (214, 132, 108), (150, 92, 70), (236, 216, 176),
    (104, 128, 112), (188, 150, 190), (92, 104, 140), (222, 150, 60), (164, 60, 76), (140, 190, 190), (232, 232, 224),
    (124, 120, 110), (206, 112, 140), (90, 140, 90), (240, 196, 150), (70, 110, 150), (170, 130, 84), (214, 206, 104),
    (130, 84, 120), (176, 176, 186), (84, 90, 92),
)  # fmt: skip
TRIMS: tuple[Colour, ...] = ((245, 245, 238), (228, 208, 168), (70, 64, 62), (150, 70, 56), (120, 132, 140))
GLASS: tuple[Colour, ...] = ((52, 70, 98), (120, 168, 204), (38, 40, 46), (252, 222, 130))
AWNINGS: tuple[Colour, ...] = (
    (214, 40, 44), (30, 120, 70), (36, 84, 190), (244, 200, 40), (240, 124, 30), (120, 50, 140), (20, 140, 150),
)  # fmt: skip
GROUND: dict[str, Colour] = {
    "asphalt": (74, 75, 80), "marking": (232, 230, 220), "pavement": (172, 166, 154), "joint": (146, 140, 130),
    "kerb": (206, 202, 192), "kerb shade": (150, 147, 140), "grass": (98, 156, 66), "tuft": (84, 138, 56),
    "hedge": (48, 110, 50), "leaf": (62, 128, 58), "hedge shade": (34, 80, 38), "leaf shade": (44, 96, 44),
    "door": (84, 52, 34), "dark": (30, 28, 30),
}  # fmt: skip
ROOFS: tuple[Colour, ...] = ((128, 122, 118), (150, 92, 74), (96, 100, 108))
# Overhead, at the horizon, and the clouds.
SKIES: tuple[tuple[Colour, Colour, Colour], ...] = (
    ((70, 130, 214), (190, 220, 245), (250, 250, 252)),
    ((120, 150, 180), (206, 212, 216), (226, 230, 232)),
    ((52, 84, 160), (250, 190, 130), (255, 214, 170)),
    ((90, 110, 190), (246, 206, 214), (255, 232, 232)),
    ((40, 110, 190), (150, 210, 214), (240, 250, 250)),
    ((150, 154, 160), (190, 190, 188), (168, 170, 174)),
)
SKY_BANDS = 10
_SHADE = 0.74


def _shaded(colour: Colour) -> Colour:
    red, green, blue = (round(_SHADE * part) for part in colour)
    return red, green, blue


def _between(first: Colour, last: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, last, strict=True))
    return red, green, blue


def _all_colours() -> dict[object, Colour]:
    """Every colour under a key of its own; the palette has them in this order."""
    entries: dict[object, Colour] = {key: colour for key, colour in GROUND.items()}
    for kind, colours in (("facade", FACADES), ("trim", TRIMS), ("glass", GLASS), ("awning", AWNINGS), ("roof", ROOFS)):
        for index, colour in enumerate(colours):
            entries[kind, index, 0] = colour
            entries[kind, index, 1] = _shaded(colour)
    for index, (above, horizon, cloud) in enumerate(SKIES):
        for band in range(SKY_BANDS):
            entries["sky", index, band] = _between(above, horizon, band / (SKY_BANDS - 1))
        entries["cloud", index] = cloud
    return entries


_COLOURS = _all_colours()
_ENTRY = {key: number for number, key in enumerate(_COLOURS, start=1)}
assert len(_ENTRY) <= 255

ROAD_TILE, ROAD_PIXELS = 192, 128
"""Width of a road's texture in units, which is the road's width, and in pixels."""


class Facade(NamedTuple):
    """The front of a house: one picture from the pavement to the roof, two windows wide."""

    colour: int
    storeys: int
    """Number of storeys above the ground floor, 1 to 5."""
    windows: str
    """One of `WINDOWS`."""
    ground: str
    """One of `GROUND_FLOORS`."""
    trim: int

    def texture(self, shaded: bool) -> str:
        """Engine name, eight letters."""
        return f"F{self.colour:02X}{self.storeys}{self.windows}{self.ground}{self.trim}{int(shaded)}"

    @classmethod
    def of_texture(cls, name: str) -> tuple["Facade", bool]:
        """The facade that a name encodes, and whether the side is shaded."""
        return cls(int(name[1:3], 16), int(name[3]), name[4], name[5], int(name[6])), name[7] == "1"


WINDOWS = "ABCDEF"
GROUND_FLOORS = "ABCD"
FACADE_PIXELS = 128
"""Side of a facade's picture."""


def road_texture(along_x: bool, centre: int) -> str:
    """A road's texture, with a dashed line in the middle and a line on each side.

    Tiles of floors begin at multiples of `ROAD_TILE`; a road whose centre is one has the middle line at the tile's rim.
    """
    return f"ROAD{'X' if along_x else 'Y'}{int(centre % ROAD_TILE == 0)}"


class StreetsLook(PaintedLook):
    """Streets by day. A `Look`."""

    world = "vizdoom-streets"
    colours = tuple(_COLOURS.values())

    def pixels(self, name: str) -> Pixels:
        """The picture that the name encodes."""
        if name.startswith("F"):
            return _facade(*Facade.of_texture(name))
        if name.startswith("ROAD"):
            return _road(name[4] == "X", name[5] == "1")
        if name.startswith("SKY"):
            return _sky(int(name[3]))
        if name.startswith("ZEBRA"):
            picture = _plain("asphalt")
            picture[:, np.arange(64) // 16 % 2 == 0] = _ENTRY["marking"]
            return picture if name[5] == "X" else picture.T.copy()
        if name.startswith("ROOF"):
            return np.full((64, 64), _ENTRY["roof", int(name[4]), 0], np.uint8)
        if name == "PAVEMENT":
            picture = _plain("pavement")
            picture[::32] = picture[:, ::32] = _ENTRY["joint"]
            return picture
        if name == "GRASS":
            return _speckled("grass", "tuft")
        if name in ("HEDGE0", "HEDGE1"):
            shade = " shade" if name[5] == "1" else ""
            return _speckled(f"hedge{shade}", f"leaf{shade}")
        return _plain({"ASPHALT": "asphalt", "KERB0": "kerb", "KERB1": "kerb shade"}[name])


def _plain(colour: str) -> Pixels:
    return np.full((64, 64), _ENTRY[colour], np.uint8)


def _speckled(colour: str, speckle: str) -> Pixels:
    """Patches of 8 pixels of a second colour, a third of all."""
    picture = _plain(colour)
    patches = np.random.default_rng(5).random((8, 8)) < 1 / 3
    picture[patches.repeat(8, 0).repeat(8, 1)] = _ENTRY[speckle]
    return picture


def _road(along_x: bool, centred_at_rim: bool) -> Pixels:
    """Rows lie across the road."""
    picture = np.full((ROAD_PIXELS, ROAD_PIXELS), _ENTRY["asphalt"], np.uint8)
    across = np.abs(np.arange(ROAD_PIXELS) - (ROAD_PIXELS - 1) / 2)
    along = np.arange(ROAD_PIXELS) % 64 < 36
    picture[np.ix_(across < 3.5, along)] = _ENTRY["marking"]
    picture[(across > 57) & (across < 61)] = _ENTRY["marking"]
    if centred_at_rim:
        picture = np.roll(picture, ROAD_PIXELS // 2, axis=0)
    return picture if along_x else picture.T.copy()


SKY_WIDTH, SKY_HEIGHT = 1024, 128


@cache
def _sky(index: int) -> Pixels:
    """All round: bands that grow pale downwards, and clouds, so that each direction has its own piece of sky."""
    bands = np.linspace(0, SKY_BANDS - 0.001, SKY_HEIGHT).astype(int)
    entries = np.array([_ENTRY["sky", index, band] for band in range(SKY_BANDS)], np.uint8)
    picture = np.repeat(entries[bands][:, None], SKY_WIDTH, axis=1)
    rng = np.random.default_rng([6, index])
    rows, columns = np.mgrid[:SKY_HEIGHT, :SKY_WIDTH]
    for _ in range(26):
        x, y = rng.uniform(0, SKY_WIDTH), rng.uniform(10, 100)
        width, height = rng.uniform(30, 90), rng.uniform(3, 9)
        away = (columns - x + SKY_WIDTH / 2) % SKY_WIDTH - SKY_WIDTH / 2  # the picture closes to a ring
        picture[(away / width) ** 2 + ((rows - y) / height) ** 2 < 1] = _ENTRY["cloud", index]
    return picture


def _facade(facade: Facade, shaded: bool) -> Pixels:
    """Picture of a front: cornice, storeys and ground floor from the top down."""
    side = FACADE_PIXELS
    wall, trim = _ENTRY["facade", facade.colour, int(shaded)], _ENTRY["trim", facade.trim, int(shaded)]
    glass = _ENTRY["glass", (facade.colour + facade.trim) % len(GLASS), int(shaded)]
    picture = np.full((side, side), wall, np.uint8)
    cornice = 5
    picture[:cornice] = trim
    storey = (side - cornice - side // (facade.storeys + 1) - 6) // facade.storeys
    ground = cornice + facade.storeys * storey
    bay = np.full((storey, side // 2), wall, np.uint8)
    _windows(bay, facade.windows, trim, glass)
    picture[cornice:ground] = np.tile(bay, (facade.storeys, 2))
    awning = _ENTRY["awning", (facade.colour * 3 + facade.trim) % len(AWNINGS), int(shaded)]
    _ground_floor(picture[ground:], facade.ground, trim, glass, awning)
    return picture


def _box(picture: Pixels, rows: Sequence[float], columns: Sequence[float], entry: int) -> None:
    """Fills a part given in shares of the height and the width."""
    height, width = picture.shape
    (top, bottom), (left, right) = rows, columns
    picture[round(top * height) : round(bottom * height), round(left * width) : round(right * width)] = entry


def _windows(bay: Pixels, style: str, trim: int, glass: int) -> None:
    """Draws the windows of one bay of one storey."""
    if style == "A":  # one window in a frame
        _box(bay, (0.16, 0.88), (0.22, 0.78), trim)
        _box(bay, (0.24, 0.80), (0.28, 0.72), glass)
    elif style == "B":  # two tall ones
        for left in (0.14, 0.58):
            _box(bay, (0.12, 0.86), (left, left + 0.28), glass)
        _box(bay, (0.86, 0.93), (0.10, 0.90), trim)
    elif style == "C":  # a ribbon
        _box(bay, (0.25, 0.75), (0, 1), glass)
        _box(bay, (0.75, 0.85), (0, 1), trim)
    elif style == "D":  # a window with shutters
        _box(bay, (0.18, 0.84), (0.12, 0.88), trim)
        _box(bay, (0.18, 0.84), (0.34, 0.66), glass)
    elif style == "E":  # glass all over
        _box(bay, (0, 1), (0, 1), glass)
        _box(bay, (0, 0.14), (0, 1), trim)
        _box(bay, (0, 1), (0, 0.08), trim)
        _box(bay, (0, 1), (0.5, 0.58), trim)
    else:  # small windows between bands
        _box(bay, (0, 0.16), (0, 1), trim)
        _box(bay, (0.34, 0.82), (0.30, 0.70), glass)


def _ground_floor(floor: Pixels, style: str, trim: int, glass: int, awning: int) -> None:
    """Draws a ground floor of two bays."""
    if style == "A":  # a shop
        _box(floor, (0.30, 0.90), (0.06, 0.62), glass)
        _box(floor, (0.30, 1), (0.70, 0.90), _ENTRY["dark"])
        _box(floor, (0.08, 0.34), (0.02, 0.96), awning)
    elif style == "B":  # a door and a window
        _box(floor, (0.22, 1), (0.16, 0.36), trim)
        _box(floor, (0.30, 1), (0.19, 0.33), _ENTRY["door"])
        _box(floor, (0.28, 0.74), (0.58, 0.86), glass)
    elif style == "C":  # an arcade
        for left in (0.08, 0.58):
            _box(floor, (0.20, 1), (left, left + 0.34), _ENTRY["dark"])
        _box(floor, (0, 0.12), (0, 1), trim)
    else:  # a base with a row of windows and a painted door
        _box(floor, (0.10, 1), (0, 1), trim)
        for left in (0.06, 0.72):
            _box(floor, (0.28, 0.72), (left, left + 0.22), glass)
        _box(floor, (0.26, 1), (0.40, 0.60), awning)
