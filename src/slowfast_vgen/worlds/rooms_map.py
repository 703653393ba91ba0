"""Maps of the world `vizdoom-rooms`: rooms and corridors drawn from a seed, and where one can stand in them.

Lengths are map units, x east and y north, all integers. Rooms are rectangles on a grid of `CELL` units, apart from each
other; straight corridors join them. Surfaces are broad and flat on purpose: a video model of 64x64 pixels shall be able
to draw them, and each wall of a room looks different, so that it matters to remember which is where.
"""

import hashlib
from collections import deque
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from slowfast_vgen.worlds.rooms_wad import (
    CEILING_COLOURS,
    FIRST_CEILING,
    FIRST_FLOOR,
    FLOOR_COLOURS,
    TILE,
    WALL_COLOURS,
    plain,
    playpal,
    texture_name,
    texture_pixels,
)

CELL = 32
MARGIN = 40
"""The camera keeps this far from walls, measured along each axis (a square body)."""
ROOM_CELLS = (10, 18)
ROOM_COUNT = (3, 6)
DOOR_CELLS = (6, 7)
"""Wide enough that free width (door - 2 MARGIN) exceeds the 96 units of a chunk: a walker on that lattice can pass."""
DOOR_HEIGHT = 128


@dataclass(frozen=True)
class Rect:
    """A closed rectangle in map units."""

    left: int
    bottom: int
    right: int
    top: int

    def holds(self, x: int, y: int) -> bool:
        """Whether the point lies inside or on the border."""
        return self.left <= x <= self.right and self.bottom <= y <= self.top

    def grown(self, by_x: int, by_y: int) -> "Rect":
        """The rectangle with each side moved outward (inward where negative)."""
        return Rect(self.left - by_x, self.bottom - by_y, self.right + by_x, self.top + by_y)

    def meets(self, other: "Rect") -> bool:
        """Whether the two have a point in common."""
        meets_x = self.left <= other.right and other.left <= self.right
        return meets_x and self.bottom <= other.top and other.bottom <= self.top


@dataclass(frozen=True)
class Corridor:
    """A straight passage between the rooms `first` and `second`; `along_x` tells its direction."""

    rect: Rect
    first: int
    second: int
    along_x: bool


@dataclass(frozen=True)
class Scene:
    """One map: where the rooms are and the UDMF text that draws them; made anew from `seed` by `draw_scene`."""

    seed: int
    rooms: tuple[Rect, ...]
    corridors: tuple[Corridor, ...]
    text: str
    """The map in UDMF, the engine's text format."""
    textures: tuple[str, ...]
    """Names of the textures that the text mentions, sorted."""

    @cached_property
    def walkable(self) -> tuple[Rect, ...]:
        """Where the camera may stand: the rooms less the margin, joined through the corridors."""
        inner = [room.grown(-MARGIN, -MARGIN) for room in self.rooms]
        for corridor in self.corridors:
            by_x, by_y = (MARGIN, -MARGIN) if corridor.along_x else (-MARGIN, MARGIN)
            inner.append(corridor.rect.grown(by_x, by_y))
        return tuple(inner)

    def is_free(self, x: int, y: int) -> bool:
        """Whether the camera may stand at (x, y): no solid point within `MARGIN` along either axis."""
        return any(rect.holds(x, y) for rect in self.walkable)

    def room_at(self, x: int, y: int) -> int | None:
        """Index of the room around (x, y), None in corridors and in the solid."""
        return next((index for index, room in enumerate(self.rooms) if room.holds(x, y)), None)

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256 of the map's text and its textures' bytes: equal exactly where the maps look the same."""
        sha = hashlib.sha256(self.text.encode() + playpal())
        for name in self.textures:
            sha.update(name.encode() + texture_pixels(name).tobytes())
        return sha.hexdigest()


@lru_cache(maxsize=256)
def draw_scene(seed: int) -> Scene:
    """The map of a seed (any int >= 0): 3 to 6 rooms, all reachable from each other."""
    rng = np.random.default_rng([seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF, seed >> 64, 1])
    while True:
        rooms = _draw_rooms(rng)
        corridors = _draw_corridors(rng, rooms)
        if corridors is not None:
            break
    text, textures = _udmf(rng, rooms, corridors)
    return Scene(seed, tuple(rooms), tuple(corridors), text, textures)


def _draw_rooms(rng: np.random.Generator) -> list[Rect]:
    """Cuts a rectangle of cells into leaves, largest first, and sets one room into each leaf."""
    low, high = ROOM_CELLS
    wanted = int(rng.integers(ROOM_COUNT[0], ROOM_COUNT[1] + 1))
    columns, rows = (3, 2) if wanted > 4 else (2, 2)
    if rng.random() < 0.5:
        columns, rows = rows, columns
    leaves = [(0, 0, columns * 17, rows * 17)]
    while len(leaves) < wanted:
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
    """Joins all rooms (a random tree, then some more passages); None where that cannot be done."""
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
    wanted = int(rng.integers(DOOR_CELLS[0], DOOR_CELLS[1] + 1)) * CELL
    corner = 2 * CELL  # a strip of wall stays beside every door
    for along_x in (True, False):
        a, b = (rooms[i], rooms[j]) if along_x else (_swap(rooms[i]), _swap(rooms[j]))
        if a.left > b.left:
            a, b = b, a
        low, high = max(a.bottom, b.bottom) + corner, min(a.top, b.top) - corner
        width = min(wanted, high - low)
        if a.right >= b.left or width < DOOR_CELLS[0] * CELL:
            continue
        bottom = low + CELL * int(rng.integers((high - low - width) // CELL + 1))
        rect = Rect(a.right, bottom, b.left, bottom + width)
        rect = rect if along_x else _swap(rect)
        padded = rect.grown(0, CELL) if along_x else rect.grown(CELL, 0)
        if not any(padded.meets(room) for k, room in enumerate(rooms) if k not in (i, j)):
            return Corridor(rect, i, j, along_x)
    return None


def _swap(rect: Rect) -> Rect:
    return Rect(rect.bottom, rect.left, rect.top, rect.right)


def _udmf(rng: np.random.Generator, rooms: list[Rect], corridors: list[Corridor]) -> tuple[str, tuple[str, ...]]:
    """The map's text and the names of its textures."""
    used: set[str] = set()
    vertices: dict[tuple[int, int], int] = {}
    sides: list[str] = []
    lines: list[str] = []
    sectors: list[str] = []

    def vertex(x: int, y: int) -> int:
        return vertices.setdefault((x, y), len(vertices))

    def line(v1: tuple[int, int], v2: tuple[int, int], front: int, back: int | None) -> None:
        two = "twosided=true;" if back is not None else "blocking=true;"
        back_side = f"sideback={back};" if back is not None else ""
        lines.append(f"linedef{{v1={vertex(*v1)};v2={vertex(*v2)};sidefront={front};{back_side}{two}}}")

    def side(text: str) -> int:
        sides.append(f"sidedef{{{text}}}")
        return len(sides) - 1

    def panel(sector: int, length: int, height: int, colours: _Colours) -> int:
        name, tile_width, tile_height = _draw_panel(rng, length, height, colours)
        used.add(name)
        scale = f"scalex_mid={TILE / tile_width:.8f};scaley_mid={TILE / tile_height:.8f};"
        return side(f'sector={sector};texturemiddle="{name}";{scale}')

    floors = rng.permutation(len(FLOOR_COLOURS)) + FIRST_FLOOR
    ceilings = rng.permutation(len(CEILING_COLOURS)) + FIRST_CEILING
    regions = [*rooms, *(corridor.rect for corridor in corridors)]
    heights = [int(rng.choice((160, 192, 224))) for _ in rooms] + [DOOR_HEIGHT] * len(corridors)
    for index in range(len(regions)):
        floor, ceiling = plain(int(floors[index % len(floors)])), plain(int(ceilings[index % len(ceilings)]))
        used |= {floor, ceiling}
        sectors.append(
            f'sector{{heightfloor=0;heightceiling={heights[index]};texturefloor="{floor}";'
            f'textureceiling="{ceiling}";lightlevel=255;}}'
        )
    for index, region in enumerate(regions):
        colours = _Colours(rng)
        for v1, v2 in _clockwise(region):
            if index >= len(rooms) and (v1[0] == v2[0]) == corridors[index - len(rooms)].along_x:
                continue  # the open ends of a corridor: the rooms draw them
            cuts = [v1]
            for sector, corridor in enumerate(corridors, start=len(rooms)) if index < len(rooms) else ():
                ends = _shared(v1, v2, corridor.rect)
                if ends is None:
                    continue
                lintel = plain(colours.draw())
                used.add(lintel)
                front = side(f'sector={index};texturetop="{lintel}";')
                line(ends[0], ends[1], front, side(f"sector={sector};"))
                cuts += ends
            cuts = sorted([*cuts, v2], key=lambda point: abs(point[0] - v1[0]) + abs(point[1] - v1[1]))
            for a, b in zip(cuts[::2], cuts[1::2], strict=True):
                line(a, b, panel(index, abs(a[0] - b[0]) + abs(a[1] - b[1]), heights[index], colours), None)
    thing = f"thing{{x={rooms[0].left + 2 * CELL};y={rooms[0].bottom + 2 * CELL};angle=0;type=1;"
    thing += "skill1=true;skill2=true;skill3=true;skill4=true;skill5=true;single=true;coop=true;dm=true;}"
    points = [f"vertex{{x={x};y={y};}}" for x, y in vertices]
    text = "\n".join(['namespace="zdoom";', thing, *points, *lines, *sides, *sectors, ""])
    return text, tuple(sorted(used))


def _clockwise(rect: Rect) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """The four sides with the inside at the right hand, as the engine wants it."""
    corners = [(rect.left, rect.bottom), (rect.left, rect.top), (rect.right, rect.top), (rect.right, rect.bottom)]
    return list(zip(corners, corners[1:] + corners[:1], strict=True))


def _shared(v1: tuple[int, int], v2: tuple[int, int], rect: Rect) -> list[tuple[int, int]] | None:
    """The ends, in the order of v1 to v2, of the side of `rect` that lies on the line; None where none does."""
    for b, a in _clockwise(rect):
        across = 0 if v1[0] == v2[0] else 1
        along = 1 - across
        low, high = sorted((v1[along], v2[along]))
        if a[across] == b[across] == v1[across] and low <= min(a[along], b[along]) and max(a[along], b[along]) <= high:
            return [a, b]
    return None


class _Colours:
    """Wall colours in random order, over again when all are used: neighbours in a room never share one."""

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
