"""Maps of the world `vizdoom-streets`: a grid of streets between houses and parks, drawn from a seed.

Lengths are map units, x east and y north, all integers. Lanes and distances between crossings are whole chunks of the
car, so that every path round a block closes to the unit. Cars keep to the right.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from slowfast_envs.base import scene_random
from slowfast_envs.scene import Look, Rect, digest_of
from slowfast_envs.vizdoom.grid import draw_pairs, has_block
from slowfast_envs.vizdoom.slabs import Slab, write_slabs
from slowfast_envs.vizdoom.streets_textures import (
    FACADE_PIXELS,
    FACADES,
    GROUND_FLOORS,
    ROAD_PIXELS,
    ROAD_TILE,
    ROOFS,
    SKIES,
    TRIMS,
    WINDOWS,
    Facade,
    StreetsLook,
    road_texture,
)
from slowfast_envs.vizdoom.udmf import Panel, Point

LANE = 48
"""Distance from the middle of a road to the middle of a lane. Two lanes make a road, 192 units wide."""
ROAD = 2 * LANE
"""Half a road's width, and so half a crossing's side."""
PAVEMENT = 48
SPACINGS = (480, 576, 672)
"""Distances from the middle of a crossing to the next."""
BODY = 20
"""Half the side of the square that the car covers at its nose, middle and tail."""
GRIDS = ((3, 3), (4, 3), (4, 4), (5, 3))
"""Numbers of crossings along the two sides of a town."""
OPENED = (0.5, 0.9)
"""Least and largest share of the streets that close blocks."""

_RIM = ROAD + PAVEMENT + 144  # from the outer crossings to the map's border: the last row of houses
_KERB, _HEDGE = 8, 44  # heights
_ZEBRA = 40
_STOREY, _GROUND_FLOOR = 72, 96
_FRONT = 160  # approximate width of a facade's picture


class Exit(NamedTuple):
    """A street that leaves a crossing."""

    heading: int
    """Heading in quarters of a circle, counter-clockwise from east."""
    crossing: int
    """Index of the crossing that it leads to."""


@dataclass(frozen=True)
class StreetMap:
    """One town: its streets and the UDMF text that draws them."""

    seed: int
    crossings: tuple[Point, ...]
    """Middles of the crossings."""
    streets: tuple[tuple[int, int], ...]
    """The pairs of crossings that a street joins, the western or southern one first."""
    text: str
    textures: tuple[str, ...]
    look: Look

    @cached_property
    def exits(self) -> tuple[tuple[Exit, ...], ...]:
        """The streets that leave each crossing, by heading."""
        exits: list[list[Exit]] = [[] for _ in self.crossings]
        for i, j in self.streets:
            heading = 0 if self.crossings[i][1] == self.crossings[j][1] else 1
            exits[i].append(Exit(heading, j))
            exits[j].append(Exit(heading + 2, i))
        return tuple(tuple(sorted(leaving)) for leaving in exits)

    @cached_property
    def roads(self) -> tuple[Rect, ...]:
        """The asphalt: each street with the crossings at its ends."""
        return tuple(_between(self.crossings[i], self.crossings[j], ROAD, ROAD) for i, j in self.streets)

    @cached_property
    def _free(self) -> tuple[Rect, ...]:
        return tuple(road.grown(-BODY, -BODY) for road in self.roads)

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256, equal exactly if the maps look the same."""
        return digest_of(self.text, self.look, self.textures)

    def is_free(self, x: int, y: int) -> bool:
        """True if all points within `BODY` of (x, y), along either axis, are on the asphalt."""
        return any(rect.holds(x, y) for rect in self._free)


@lru_cache(maxsize=64)
def draw_streets(seed: int) -> StreetMap:
    """The map of a seed (any int >= 0): 9 to 16 crossings, each with two streets at least."""
    rng = scene_random(seed, 5)  # no other map ends in 5
    columns, rows = (int(side) for side in rng.permutation(GRIDS[rng.integers(len(GRIDS))]))
    while True:
        pairs = draw_pairs(rng, columns, rows, OPENED)
        if has_block(pairs, columns) and min(np.bincount(np.ravel(pairs), minlength=columns * rows)) >= 2:
            break
    xs, ys = (np.cumsum([_RIM, *rng.choice(SPACINGS, side - 1)]).tolist() for side in (columns, rows))
    crossings = tuple((x, y) for y in ys for x in xs)
    town = _Town(rng, xs, ys)
    slabs = [*town.ground(), *town.blocks(), *town.rim()]
    for number in range(len(crossings)):
        for other in (number + 1, number + columns):
            adjacent = other < len(crossings) and (other > number + 1 or other % columns)
            if adjacent and (number, other) not in pairs:
                slabs += town.gap(crossings[number], crossings[other])
    for i, j in pairs:
        slabs += _street(crossings[i], crossings[j])
    slabs += [_flat(_between(middle, middle, ROAD, ROAD), "ASPHALT") for middle in crossings]
    sky = f"SKY{rng.integers(len(SKIES))}"
    text, textures = write_slabs(slabs, sky, crossings[0])
    return StreetMap(seed, crossings, tuple(sorted(pairs)), text, textures, StreetsLook())


def _between(first: Point, second: Point, by_x: int, by_y: int) -> Rect:
    """The rectangle around two points, grown."""
    return Rect(*first, *second).grown(by_x, by_y)


_KERBS = (Panel("KERB0", 1, 1), Panel("KERB1", 1, 1))
_HEDGES = (Panel("HEDGE0", 0.5, 1), Panel("HEDGE1", 0.5, 1))


def _flat(rect: Rect, texture: str, scale: float = 0.5, height: int = 0) -> Slab:
    return Slab(rect, height, Panel(texture, scale, scale), _KERBS)


def _street(first: Point, second: Point) -> Iterator[Slab]:
    """The road between two crossings, with a zebra crossing at each end."""
    along_x = first[1] == second[1]
    rect = _between(first, second, *((-ROAD, ROAD) if along_x else (ROAD, -ROAD)))
    texture = road_texture(along_x, first[1] if along_x else first[0])
    yield _flat(rect, texture, ROAD_PIXELS / ROAD_TILE)
    left, bottom, right, top = rect.left, rect.bottom, rect.right, rect.top
    if along_x:
        yield _flat(Rect(left, bottom, left + _ZEBRA, top), "ZEBRAY")
        yield _flat(Rect(right - _ZEBRA, bottom, right, top), "ZEBRAY")
    else:
        yield _flat(Rect(left, bottom, right, bottom + _ZEBRA), "ZEBRAX")
        yield _flat(Rect(left, top - _ZEBRA, right, top), "ZEBRAX")


class _Town:
    """Draws everything between the streets."""

    def __init__(self, rng: np.random.Generator, xs: list[int], ys: list[int]) -> None:
        self._rng = rng
        self._xs, self._ys = xs, ys
        self._colours = deque(rng.permutation(len(FACADES)).tolist())  # each is used once before one is repeated

    def ground(self) -> Iterator[Slab]:
        """Pavement all over, for streets to be cut into."""
        yield _flat(Rect(0, 0, self._xs[-1] + _RIM, self._ys[-1] + _RIM), "PAVEMENT", height=_KERB)

    def blocks(self) -> Iterator[Slab]:
        """Contents of each block of the grid: houses, mostly, or a park."""
        inside = ROAD + PAVEMENT
        for left, right in pairwise(self._xs):
            for bottom, top in pairwise(self._ys):
                rect = Rect(left, bottom, right, top).grown(-inside, -inside)
                yield from self._park(rect) if self._rng.random() < 0.16 else self._houses(rect)

    def rim(self) -> Iterator[Slab]:
        """Houses all round the streets."""
        width, height = self._xs[-1] + _RIM, self._ys[-1] + _RIM
        depth = _RIM - ROAD - PAVEMENT
        across, up = ([0, depth, *self._cuts(values), values[-1] + ROAD + PAVEMENT] for values in (self._xs, self._ys))
        for low, high in zip(across, [*across[1:], width], strict=True):
            yield self._house(Rect(low, 0, high, depth))
            yield self._house(Rect(low, height - depth, high, height))
        for low, high in pairwise(up[1:]):
            yield self._house(Rect(0, low, depth, high))
            yield self._house(Rect(width - depth, low, width, high))

    def gap(self, first: Point, second: Point) -> Iterator[Slab]:
        """Houses in place of a missing street of the grid: they close the row."""
        inside = ROAD + PAVEMENT
        along_x = first[1] == second[1]
        return self._houses(_between(first, second, *((-inside, inside) if along_x else (inside, -inside))))

    def _cuts(self, values: list[int]) -> list[int]:
        """Borders between houses along the rim."""
        return [low + int(self._rng.integers(6, 12)) * (high - low) // 16 for low, high in pairwise(values)]

    def _houses(self, rect: Rect) -> Iterator[Slab]:
        """One to four houses, wall to wall."""
        xs, ys = (
            [low, *self._split(low, high), high] for low, high in ((rect.left, rect.right), (rect.bottom, rect.top))
        )
        for left, right in pairwise(xs):
            for bottom, top in pairwise(ys):
                yield self._house(Rect(left, bottom, right, top))

    def _split(self, low: int, high: int) -> list[int]:
        if high - low < 240 and self._rng.random() < 0.5:
            return []
        return [low + int(self._rng.integers(6, 11)) * (high - low) // 16]

    def _house(self, rect: Rect) -> Slab:
        rng = self._rng
        self._colours.rotate(-1)
        facade = Facade(
            self._colours[-1],
            int(rng.choice((1, 2, 2, 3, 3, 4, 5))),
            WINDOWS[rng.integers(len(WINDOWS))],
            GROUND_FLOORS[rng.integers(len(GROUND_FLOORS))],
            int(rng.integers(len(TRIMS))),
        )
        height = _KERB + _GROUND_FLOOR + facade.storeys * _STOREY
        fronts = []
        for length, shaded in ((rect.right - rect.left, False), (rect.top - rect.bottom, True)):
            pictures = max(1, round(length / _FRONT))
            across, up = pictures * FACADE_PIXELS / length, FACADE_PIXELS / (height - _KERB)
            fronts.append(Panel(facade.texture(shaded), across, up))
        roof = Panel(f"ROOF{rng.integers(len(ROOFS))}", 1, 1)
        return Slab(rect, height, roof, (fronts[0], fronts[1]))

    def _park(self, rect: Rect) -> Iterator[Slab]:
        """A lawn with hedges."""
        yield _flat(rect, "GRASS", 0.5, _KERB + 1)
        for _ in range(int(self._rng.integers(3, 6))):
            width, height = (int(side) for side in self._rng.permutation((32, int(self._rng.choice((32, 64, 96))))))
            left = rect.left + int(self._rng.integers(rect.right - rect.left - width + 1))
            bottom = rect.bottom + int(self._rng.integers(rect.top - rect.bottom - height + 1))
            tall = _HEDGE * int(self._rng.choice((1, 1, 3)))
            yield Slab(Rect(left, bottom, left + width, bottom + height), tall, Panel("HEDGE0", 0.5, 0.5), _HEDGES)
