"""Houses of the Miniworld worlds: rooms joined by doors, drawn from a seed, and the free space in them.

Lengths are units of 1/80 metre, x east and y north, all integers, so that walking is exact and a step is 0.3 m.
"""

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache

import numpy as np

from slowfast_envs.base import scene_random
from slowfast_envs.scene import Corridor, Rect, inner_space, room_around

UNITS_PER_METRE = 80
CELL = 32
"""Spacing in units of the grid that houses are drawn on. Walls are one cell thick."""
MARGIN = 28
"""The walker's middle keeps this far from walls, measured along each axis (a square body)."""
CAMERA_MARGIN = 10
ROOM_CELLS = (8, 19)
HOUSE_CELLS = {3: (26, 20), 4: (26, 26), 5: (38, 26), 6: (38, 26)}
"""Extents of a house by its number of rooms."""
DOOR_CELLS = 5
"""Width of a door: less 2 MARGIN it exceeds the 96 units of a chunk, so that a walker on that lattice can pass."""
DOOR_HEIGHT = 208
START_MARGIN = 72
"""Paths start this far from walls, so that the start image shows more than one of them."""
LOOP_CHUNKS = 8
"""Number of chunks of the smallest loop: one on each side, and four turns."""

WALLS = (
    "brick_wall", "cardboard", "cinder_blocks", "concrete_tiles", "drywall", "marble", "metal_grill", "rock", "stucco",
    "wood", "wood_planks",
)  # fmt: skip
FLOORS = ("asphalt", "floor_tiles_bw", "grass", "wood", "wood_planks", "brick_wall", "cardboard", "concrete_tiles")
CEILINGS = ("ceiling_tiles", "ceiling_tile_noborder", "concrete", "stucco", "white", "wood")
COLOURS = (
    (225, 40, 35), (40, 165, 60), (45, 80, 225), (245, 205, 40), (240, 130, 30), (150, 60, 200), (40, 190, 205),
    (240, 105, 175), (245, 245, 240), (30, 35, 45),
)  # fmt: skip
"""Colours of boxes, balls and the panels on walls."""
PANEL_SHARE = 0.85
"""Share of the stretches of wall with a panel, among those that are long enough for one."""
THINGS = {"barrel": (72, 36), "cone": (60, 28), "duckie": (48, 33), "medkit": (32, 21), "potion": (56, 21)}
"""Meshes of Miniworld with their height here, and their radius at that height."""


@dataclass(frozen=True)
class Room:
    """Appearance of a room: Miniworld's names of its surfaces, and the height of its ceiling."""

    wall: str
    floor: str
    ceiling: str
    height: int


@dataclass(frozen=True)
class Item:
    """A thing on the floor that is walked around: a box, a ball or a mesh of Miniworld."""

    kind: str
    """"box", "ball" or a key of `THINGS`."""
    x: int
    y: int
    heading: int
    """Heading in sixteenths of a circle."""
    colour: int
    """Index into `COLOURS` of a box or ball; 0 otherwise."""
    sides: tuple[int, int, int]
    """Sizes east, north and up; for a ball its diameter each; for a mesh only the height counts."""
    radius: int
    """Largest distance of any part of it from its middle."""


@dataclass(frozen=True)
class Panel:
    """A flat coloured board on a wall."""

    x: int
    y: int
    heading: int
    """Direction that it faces, in sixteenths of a circle; away from its wall."""
    width: int
    height: int
    middle: int
    """Height of its middle above the floor."""
    colour: int


@dataclass(frozen=True)
class House:
    """One scene: everything that is drawn, and the free space."""

    seed: int
    rooms: tuple[Rect, ...]
    looks: tuple[Room, ...]
    doors: tuple[Corridor, ...]
    items: tuple[Item, ...]
    panels: tuple[Panel, ...]
    start_chunks: int = 0
    """Number of chunks forward that are free at a start; the starts are far enough from walls anyway."""
    loop_chunks: int = LOOP_CHUNKS
    """Paths that walk loops start where a loop of at most this many chunks is free."""

    @cached_property
    def starts(self) -> tuple[Rect, ...]:
        """Areas where paths may start: small squares, free all over."""
        return tuple(
            square
            for room in self.rooms
            for square in _squares(room.grown(-START_MARGIN, -START_MARGIN))
            if not any(_distance(square, item.x, item.y) < item.radius + MARGIN for item in self.items)
        )

    @cached_property
    def walkable(self) -> tuple[Rect, ...]:
        """Areas open to the walker except for items: rooms less the margin, joined through the doors."""
        return inner_space(self.rooms, self.doors, MARGIN)

    @cached_property
    def airy(self) -> tuple[Rect, ...]:
        """Areas open to a camera: outside of walls, and not so near that it would see through."""
        return inner_space(self.rooms, self.doors, CAMERA_MARGIN)

    def is_free(self, x: int, y: int) -> bool:
        """True if the walker may be at (x, y)."""
        return any(rect.holds(x, y) for rect in self.walkable) and not any(
            (x - item.x) ** 2 + (y - item.y) ** 2 < (item.radius + MARGIN) ** 2 for item in self.items
        )

    def is_airy(self, x: int, y: int) -> bool:
        """True if a camera may be above (x, y)."""
        return any(rect.holds(x, y) for rect in self.airy)

    def room_at(self, x: int, y: int) -> int | None:
        """Index of the room around (x, y), None in doors and in the solid."""
        return room_around(self.rooms, x, y)

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256 of everything that is drawn."""
        return hashlib.sha256(json.dumps({**asdict(self), "seed": None}, sort_keys=True).encode()).hexdigest()


@lru_cache(maxsize=256)
def draw_house(seed: int) -> House:
    """The house of a seed (any int >= 0): 3 to 6 rooms, all reachable from each other, with a few items in each."""
    rng = scene_random(seed, 1)
    while True:
        rooms = _draw_rooms(rng)
        doors = _draw_doors(rng, rooms) if rooms else None
        if rooms and doors:
            break
    walls, floors, ceilings = (rng.permutation(names) for names in (WALLS, FLOORS, CEILINGS))
    looks = tuple(
        Room(str(walls[index]), str(floors[index]), str(ceilings[index]), int(rng.choice((224, 240, 264))))
        for index in range(len(rooms))
    )
    items = tuple(item for room in rooms for item in _draw_items(rng, room, doors))
    panels = tuple(panel for room in rooms for panel in _draw_panels(rng, room, doors))
    return House(seed, tuple(rooms), looks, tuple(doors), items, panels)


def _draw_rooms(rng: np.random.Generator) -> list[Rect] | None:
    """Cuts a rectangle of cells into leaves, largest first; a room is a leaf less a wall. None if one is too large."""
    low, high = (cells + 1 for cells in ROOM_CELLS)
    num_rooms = int(rng.choice(list(HOUSE_CELLS)))
    columns, rows = HOUSE_CELLS[num_rooms] if rng.random() < 0.5 else HOUSE_CELLS[num_rooms][::-1]
    leaves = [(0, 0, columns, rows)]
    while len(leaves) < num_rooms:
        leaves.sort(key=lambda leaf: (leaf[2] - leaf[0]) * (leaf[3] - leaf[1]))
        x0, y0, x1, y1 = leaves.pop()
        if x1 - x0 < 2 * low and y1 - y0 < 2 * low:
            return None
        if x1 - x0 >= y1 - y0:
            cut = int(rng.integers(x0 + low, x1 - low + 1))
            leaves += [(x0, y0, cut, y1), (cut, y0, x1, y1)]
        else:
            cut = int(rng.integers(y0 + low, y1 - low + 1))
            leaves += [(x0, y0, x1, cut), (x0, cut, x1, y1)]
    if any(max(x1 - x0, y1 - y0) > high for x0, y0, x1, y1 in leaves):
        return None
    return [Rect(x0 * CELL, y0 * CELL, (x1 - 1) * CELL, (y1 - 1) * CELL) for x0, y0, x1, y1 in leaves]


def _draw_doors(rng: np.random.Generator, rooms: list[Rect]) -> list[Corridor] | None:
    """Joins all rooms (a random tree, then some more doors); None if that is impossible."""
    pairs = [(i, j) for i in range(len(rooms)) for j in range(i)]
    group = list(range(len(rooms)))
    doors: list[Corridor] = []
    spare: list[Corridor] = []
    for index in rng.permutation(len(pairs)):
        i, j = pairs[index]
        door = _door(rng, rooms, i, j)
        if door is None:
            continue
        if group[i] == group[j]:
            spare.append(door)
            continue
        doors.append(door)
        group = [group[j] if g == group[i] else g for g in group]
    if len(set(group)) > 1:
        return None
    return doors + [door for door in spare if rng.random() < 0.5]


def _door(rng: np.random.Generator, rooms: list[Rect], i: int, j: int) -> Corridor | None:
    """A door in the wall that two rooms share, None if they share none that is long enough."""
    for along_x in (True, False):
        a, b = (rooms[i], rooms[j]) if along_x else (rooms[i].swapped(), rooms[j].swapped())
        if a.left > b.left:
            a, b = b, a
        low, high = max(a.bottom, b.bottom) + CELL, min(a.top, b.top) - CELL
        if a.right + CELL != b.left or high - low < DOOR_CELLS * CELL:
            continue
        bottom = low + CELL * int(rng.integers((high - low) // CELL - DOOR_CELLS + 1))
        rect = Rect(a.right, bottom, b.left, bottom + DOOR_CELLS * CELL)
        return Corridor(rect if along_x else rect.swapped(), i, j, along_x)
    return None


def _squares(rect: Rect) -> Iterator[Rect]:
    """The squares of a cell's size that fit into a rectangle."""
    for left in range(rect.left, rect.right - CELL + 1, CELL):
        for bottom in range(rect.bottom, rect.top - CELL + 1, CELL):
            yield Rect(left, bottom, left + CELL - 1, bottom + CELL - 1)


def _distance(rect: Rect, x: int, y: int) -> float:
    """Distance from a point to the nearest point of a rectangle."""
    return math.hypot(max(rect.left - x, 0, x - rect.right), max(rect.bottom - y, 0, y - rect.top))


def _draw_items(rng: np.random.Generator, room: Rect, doors: list[Corridor]) -> Iterator[Item]:
    """One to three items, each by a wall, clear of the doors and of the others, so that paths stay open."""
    placed: list[Item] = []
    num_items = int(rng.integers(1, 4))
    for _ in range(30):
        if len(placed) == num_items:
            break
        kind, colour, sides, radius = _draw_kind(rng)
        near = radius + 6
        x = int(rng.integers(room.left + near, room.right - near + 1))
        y = int(rng.integers(room.bottom + near, room.top - near + 1))
        side = int(rng.integers(4))
        x = (x, x, room.left + near, room.right - near)[side]
        y = (room.bottom + near, room.top - near, y, y)[side]
        way = radius + 2 * MARGIN
        if any(door.rect.grown(way, way).holds(x, y) for door in doors) or any(
            (x - other.x) ** 2 + (y - other.y) ** 2 < (radius + other.radius + 24) ** 2 for other in placed
        ):
            continue
        placed.append(Item(kind, x, y, int(rng.integers(16)), colour, sides, radius))
    yield from placed


def _draw_kind(rng: np.random.Generator) -> tuple[str, int, tuple[int, int, int], int]:
    """Kind, colour, sides and radius of an item."""
    draw = rng.random()
    if draw < 0.45:
        sides = (int(rng.integers(28, 65)), int(rng.integers(28, 65)), int(rng.integers(28, 97)))
        radius = math.ceil(math.hypot(sides[0], sides[1]) / 2)
        return "box", int(rng.integers(len(COLOURS))), sides, radius
    if draw < 0.75:
        size = int(rng.integers(36, 65))
        return "ball", int(rng.integers(len(COLOURS))), (size, size, size), size // 2 + 1
    kind = str(rng.choice(list(THINGS)))
    height, radius = THINGS[kind]
    return kind, 0, (height, height, height), radius


def _draw_panels(rng: np.random.Generator, room: Rect, doors: list[Corridor]) -> Iterator[Panel]:
    """At most one board on each stretch of wall between corners and doors; no colour twice in a room."""
    colours = [int(colour) for colour in rng.permutation(len(COLOURS))]
    for heading, low, high, line in _walls(room):
        along = 1 if heading % 8 == 0 else 0  # walls that face east or west run north
        cuts = [low, high]
        for door in doors:
            rect = (door.rect.left, door.rect.bottom, door.rect.right, door.rect.top)
            if line in (rect[1 - along], rect[3 - along]) and low < rect[along] and rect[along + 2] < high:
                cuts += [rect[along], rect[along + 2]]
        cuts.sort()
        for start, end in zip(cuts[::2], cuts[1::2], strict=True):
            if end - start < 80 or rng.random() > PANEL_SHARE or not colours:
                continue
            width = int((end - start) * rng.uniform(0.35, 0.85))
            height = int(rng.integers(60, 131))
            place = int(rng.integers(start + width // 2 + 4, end - width // 2 - 3))
            x, y = (line, place) if along else (place, line)
            yield Panel(x, y, heading, width, height, int(rng.integers(100, 126)), colours.pop())


def _walls(room: Rect) -> list[tuple[int, int, int, int]]:
    """Each wall's facing direction, the start and the end of its run, and its line."""
    return [
        (0, room.bottom, room.top, room.left),
        (4, room.left, room.right, room.bottom),
        (8, room.bottom, room.top, room.right),
        (12, room.left, room.right, room.top),
    ]
