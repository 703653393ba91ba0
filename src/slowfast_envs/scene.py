"""One map to walk on: where its rooms are, where the camera may stand and what the engine ViZDoom draws.

Lengths are map units, x east and y north, all integers.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

Lump = tuple[str, bytes]
"""A named part of the engine's archive."""


class Look(Protocol):
    """Generated textures that travel with the maps, or some that the engine has anyway."""

    @property
    def world(self) -> str:
        """Name of the world that looks so."""
        ...

    def palette(self) -> list[Lump]:
        """What replaces the game's own colours; empty where nothing does."""
        ...

    def textures(self, names: Iterable[str]) -> list[Lump]:
        """What the archive must hold so that the engine knows these textures; empty where it knows them anyway."""
        ...

    def identity(self, names: Iterable[str]) -> Iterator[bytes]:
        """What tells the named textures from any others, for a digest."""
        ...


CELL = 32
"""Maps are drawn on a grid of so many units."""
MARGIN = 40
"""The camera keeps this far from walls, measured along each axis (a square body)."""


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
    """One map: where the rooms are and the UDMF text that draws them; made anew from `seed` by its world."""

    seed: int
    rooms: tuple[Rect, ...]
    """The rooms, or the junctions of a maze: what scripts count as another place to go to."""
    corridors: tuple[Corridor, ...]
    starts: tuple[Rect, ...]
    """Where paths may start: not too near to walls."""
    start_chunks: int
    """Chunks forward that are free at a start, so that its image shows more than the wall ahead."""
    loop_chunks: int
    """Paths that walk loops start where one of at most so many chunks is free."""
    text: str
    """The map in UDMF, the engine's text format."""
    textures: tuple[str, ...]
    """Names of the textures that the text mentions, sorted."""
    look: Look
    """Where the engine finds those textures."""

    @property
    def world(self) -> str:
        """Name of the world that the map is of."""
        return self.look.world

    @cached_property
    def walkable(self) -> tuple[Rect, ...]:
        """Where the camera may stand: the rooms less the margin, joined through the corridors."""
        return inner_space(self.rooms, self.corridors, MARGIN)

    def is_free(self, x: int, y: int) -> bool:
        """Whether the camera may stand at (x, y): no solid point within `MARGIN` along either axis."""
        return any(rect.holds(x, y) for rect in self.walkable)

    def room_at(self, x: int, y: int) -> int | None:
        """Index of the room around (x, y), None in corridors and in the solid."""
        return room_around(self.rooms, x, y)

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256, equal exactly where the maps look the same."""
        return digest_of(self.text, self.look, self.textures)


def inner_space(rooms: Sequence[Rect], corridors: Sequence[Corridor], margin: int) -> tuple[Rect, ...]:
    """Where one keeps the margin from all walls: the rooms less the margin, joined through the corridors."""
    inner = [room.grown(-margin, -margin) for room in rooms]
    for corridor in corridors:
        by_x, by_y = (margin, -margin) if corridor.along_x else (-margin, margin)
        inner.append(corridor.rect.grown(by_x, by_y))
    return tuple(inner)


def room_around(rooms: Sequence[Rect], x: int, y: int) -> int | None:
    """Index of the room around (x, y), None outside all of them."""
    return next((index for index, room in enumerate(rooms) if room.holds(x, y)), None)


def digest_of(text: str, look: Look, textures: tuple[str, ...]) -> str:
    """Hex SHA-256 of a map's text and of what its textures are."""
    sha = hashlib.sha256(text.encode())
    for part in look.identity(textures):
        sha.update(part)
    return sha.hexdigest()
