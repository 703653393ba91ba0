"""Surfaces of the maps of `vizdoom-mazes`: textures of Freedoom, the game that ViZDoom brings along.

Maps only name them; no picture of Freedoom is part of this package. They are bold and far apart, so that they can be
distinguished at 64x64 pixels, and none of them moves.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from slowfast_envs.scene import Lump

WALL_WIDTHS = {
    "A-CAMO4": 128, "A-CONCTE": 128, "A-MYWOOD": 128, "A-TILE": 128, "AQLITE07": 64, "AQLITE09": 64, "AQLITE11": 64,
    "AQLITE15": 64, "CEMENT9": 64, "COMPOHSO": 128, "CRATWIDE": 128, "DOC1": 128, "DOKGRIR": 128, "LITEYEL3": 128,
    "MARBLE1": 128, "MODWALL3": 64, "PANBLUE": 64, "PANRED": 64, "PIPES": 64, "REDWALL1": 128, "ROCK4": 128,
    "SHAWN1": 128, "SKIN2": 128, "SP_ROCK1": 128, "STARBR2": 128, "STWALL": 128, "YELMETAL": 128, "ZZWOLF1": 128,
    "ZZWOLF9": 128, "ZZWOLF10": 128, "ZZWOLF11": 128, "ZZWOLF12": 128,
}  # fmt: skip
"""Name -> width in pixels."""
WALL_HEIGHT = 128
"""Height of each in pixels."""
# As in the rooms: floors dark and ceilings pale, so that the horizon is plain to see.
FLOORS = ("FLAT14", "FLAT8", "FLOOR7_2", "FLOOR1_6", "FLAT5_7", "AQF045", "AQF019", "FLAT5_1", "FLAT4", "STEP2")
CEILINGS = (
    "AQF015", "CEIL3_4", "CRATOP2", "FCGRATE1", "FLAT2", "FLAT22", "FLAT23", "FLAT5_3", "GRNLITE1", "MFLR8_3",
)  # fmt: skip


@dataclass(frozen=True)
class MazesLook:
    """Freedoom's textures in the game's own palette. A `Look`."""

    world: str = "vizdoom-mazes"

    def palette(self) -> list[Lump]:
        """Empty: the game's colours stay, and its light fades with distance."""
        return []

    def textures(self, names: Iterable[str]) -> list[Lump]:
        """Empty: the game has them."""
        return []

    def identity(self, names: Iterable[str]) -> Iterator[bytes]:
        """Name of their game; the map's text has the textures' names. A test checks that Freedoom's pictures stay."""
        yield b"Freedoom"
