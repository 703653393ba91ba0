"""Maps of the world `vizdoom-rooms`: rooms and corridors drawn from a seed.

Lengths are map units, x east and y north, all integers. Rooms are rectangles on a grid of `CELL` units, apart from each
other; straight corridors join them. Surfaces are broad and flat on purpose: a video model of 64x64 pixels must be able
to draw them, and each wall of a room looks different, so that it matters to remember which is which.
"""

from collections import deque
from functools import lru_cache

import numpy as np

from slowfast_envs.base import scene_random
from slowfast_envs.scene import CELL, MARGIN, Corridor, Rect, Scene
from slowfast_envs.vizdoom.rooms_textures import (
    CEILING_COLOURS,
    FIRST_CEILING,
    FIRST_FLOOR,
    FLOOR_COLOURS,
    TILE,
    WALL_COLOURS,
    RoomsLook,
    plain,
    texture_name,
)
from slowfast_envs.vizdoom.udmf import Panel, write_udmf

__all__ = ["MARGIN", "Corridor", "Rect", "Scene", "draw_scene"]

ROOM_CELLS = (10, 18)
ROOM_COUNT = (3, 6)
DOOR_CELLS = (6, 7)
"""Widths of a door: less 2 MARGIN they exceed the 96 units of a chunk, so that a walker on that lattice can pass."""
DOOR_HEIGHT = 128
START_MARGIN = 96
"""Paths start this far from walls, so that the start image shows more than one of them."""
LOOP_CHUNKS = 8
"""Number of chunks of the smallest loop: one on each side, and four turns."""


@lru_cache(maxsize=256)
def draw_scene(seed: int) -> Scene:
    """The map of a seed (any int >= 0): 3 to 6 rooms, all reachable from each other."""
    rng = scene_random(seed, 1)
    while True:
        rooms = _draw_rooms(rng)
        corridors = _draw_corridors(rng, rooms)
        if corridors is not None:
            break
    decor = _RoomsDecor(rng)
    heights = [int(rng.choice((160, 192, 224))) for _ in rooms] + [DOOR_HEIGHT] * len(corridors)
    text, textures = write_udmf(rooms, corridors, heights, decor)
    starts = tuple(room.grown(-START_MARGIN, -START_MARGIN) for room in rooms)
    return Scene(seed, tuple(rooms), tuple(corridors), starts, 0, LOOP_CHUNKS, text, textures, RoomsLook())


def _draw_rooms(rng: np.random.Generator) -> list[Rect]:
    """Cuts a rectangle of cells into leaves, largest first, and sets one room into each leaf."""
    low, high = ROOM_CELLS
    num_rooms = int(rng.integers(ROOM_COUNT[0], ROOM_COUNT[1] + 1))
    columns, rows = (3, 2) if num_rooms > 4 else (2, 2)
    if rng.random() < 0.5:
        columns, rows = rows, columns
    leaves = [(0, 0, columns * 17, rows * 17)]
    while len(leaves) < num_rooms:
        leaves.sort(key=lambda leaf: (leaf[2] - leaf[0]) * (leaf[3] - leaf[1]))
        x0, y0, x1, y1 = leaves.pop()
        if max(x1 - x0, y1 - y0) < 2 * (low + 2):
            return _draw_rooms(rng)  # the largest leaf is too small to cut
        if x1 - x0 >= y1 - y0:
            cut = int(rng.integers(x0 + low + 2, x1 - low - 1))
            leaves += [(x0, y0, cut, y1), (cut, y0, x1, y1)]
        else:
            cut = int(rng.integers(y0 + low + 2, y1 - low - 1))
            leaves += [(x0, y0, x1, cut), (x0, cut, x1, y1)]
    rooms = []
    for x0, y0, x1, y1 in leaves:
        largest = (min(x1 - x0 - 2, high), min(y1 - y0 - 2, high))
        width, height = (int(rng.integers(max(low, size - 4), size + 1)) for size in largest)
        left = x0 + 1 + int(rng.integers(0, x1 - x0 - width - 1))
        bottom = y0 + 1 + int(rng.integers(0, y1 - y0 - height - 1))
        rooms.append(Rect(left * CELL, bottom * CELL, (left + width) * CELL, (bottom + height) * CELL))
    return rooms


def _draw_corridors(rng: np.random.Generator, rooms: list[Rect]) -> list[Corridor] | None:
    """Joins all rooms (a random tree, then some more passages); None if that is impossible."""
    pairs = [(i, j) for i in range(len(rooms)) for j in range(i)]
    rng.shuffle(pairs)
    group = list(range(len(rooms)))
    corridors: list[Corridor] = []
    for extra in (False, True):
        for i, j in pairs:
            if extra and (rng.random() > 0.4 or any({c.first, c.second} == {i, j} for c in corridors)):
                continue
            if not extra and group[i] == group[j]:
                continue
            corridor = _passage(rng, rooms, int(i), int(j))
            if corridor is None or any(corridor.rect.grown(CELL, CELL).meets(c.rect) for c in corridors):
                continue
            corridors.append(corridor)
            group = [group[j] if g == group[i] else g for g in group]
    return corridors if len(set(group)) == 1 else None


def _passage(rng: np.random.Generator, rooms: list[Rect], i: int, j: int) -> Corridor | None:
    """A straight corridor between two rooms that face each other with no third room between, or None."""
    door_width = int(rng.integers(DOOR_CELLS[0], DOOR_CELLS[1] + 1)) * CELL
    corner = 2 * CELL  # a strip of wall stays next to every door
    for along_x in (True, False):
        a, b = (rooms[i], rooms[j]) if along_x else (rooms[i].swapped(), rooms[j].swapped())
        if a.left > b.left:
            a, b = b, a
        low, high = max(a.bottom, b.bottom) + corner, min(a.top, b.top) - corner
        width = min(door_width, high - low)
        if a.right >= b.left or width < DOOR_CELLS[0] * CELL:
            continue
        bottom = low + CELL * int(rng.integers((high - low - width) // CELL + 1))
        rect = Rect(a.right, bottom, b.left, bottom + width)
        rect = rect if along_x else rect.swapped()
        padded = rect.grown(0, CELL) if along_x else rect.grown(CELL, 0)
        if not any(padded.meets(room) for k, room in enumerate(rooms) if k not in (i, j)):
            return Corridor(rect, i, j, along_x)
    return None


class _RoomsDecor:
    """Floors and ceilings of one colour, walls of one or two. A `Decor`."""

    sector_settings = "lightlevel=255;"

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._floors = rng.permutation(len(FLOOR_COLOURS)) + FIRST_FLOOR
        self._ceilings = rng.permutation(len(CEILING_COLOURS)) + FIRST_CEILING
        self._colours: dict[int, _Colours] = {}

    def flats(self, region: int) -> tuple[str, str]:
        """Plain colours, each used once before one is repeated."""
        floor = plain(int(self._floors[region % len(self._floors)]))
        return floor, plain(int(self._ceilings[region % len(self._ceilings)]))

    def panel(self, region: int, length: int, height: int) -> Panel:
        """One of the patterns."""
        name, tile_width, tile_height = _draw_panel(self._rng, length, height, self._colours_of(region))
        return Panel(name, TILE / tile_width, TILE / tile_height)

    def lintel(self, region: int) -> str:
        """One colour."""
        return plain(self._colours_of(region).draw())

    def _colours_of(self, region: int) -> "_Colours":
        if region not in self._colours:
            self._colours[region] = _Colours(self._rng)
        return self._colours[region]


class _Colours:
    """Wall colours in random order, repeated when all are used: neighbours in a room never share one."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._order = deque(int(colour) for colour in rng.permutation(len(WALL_COLOURS)))

    def draw(self) -> int:
        self._order.rotate(-1)
        return self._order[-1]


def _draw_panel(rng: np.random.Generator, length: int, height: int, colours: _Colours) -> tuple[str, float, float]:
    """Texture name of a wall and the width and height in map units of one tile of it."""
    kind = str(rng.choice(list("PVHCS"), p=[0.3, 0.25, 0.15, 0.15, 0.15]))
    if length < 128 or kind == "P":  # a pattern on a narrow wall would be too fine for a small video model
        return plain(colours.draw()), length, height
    first, second = colours.draw(), colours.draw()
    if kind == "V":
        stripes = min(4, max(2, round(length / 96)))
        return texture_name("V", first, second), 2 * length / stripes, height
    if kind == "H":
        return texture_name("H", first, second), length, height * (1 if rng.random() < 0.5 else 2 / 3)
    if kind == "C":
        return texture_name("C", first, second), 2 * length / max(2, round(2 * length / height)), height
    return texture_name("V", first, second), length, height  # one half each
