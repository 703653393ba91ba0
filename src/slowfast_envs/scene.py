"""One map to walk on: its rooms, the space that is open to the camera, and what the engine ViZDoom draws.

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
    """Textures of a map: generated ones that are stored with it, or ones that the engine has built in."""

    @property
    def world(self) -> str:
        """Name of the world that has these textures."""
        ...

    def palette(self) -> list[Lump]:
        """Lumps that replace the game's own colours; empty to keep them."""
        ...

    def textures(self, names: Iterable[str]) -> list[Lump]:
        """Lumps that the archive must have for the engine to find these textures; empty if they are built in."""
        ...

    def identity(self, names: Iterable[str]) -> Iterator[bytes]:
        """Bytes that identify the named textures, for `digest_of`."""
        ...


CELL = 32
"""Spacing in map units of the grid that maps are drawn on."""
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
        """True if the point lies inside or on the border."""
        return self.left <= x <= self.right and self.bottom <= y <= self.top

    def grown(self, by_x: int, by_y: int) -> "Rect":
        """The rectangle with each side moved outward (inward where negative)."""
        return Rect(self.left - by_x, self.bottom - by_y, self.right + by_x, self.top + by_y)

    def swapped(self) -> "Rect":
        """The rectangle with x and y exchanged."""
        return Rect(self.bottom, self.left, self.top, self.right)

    def meets(self, other: "Rect") -> bool:
        """True if the two have a point in common."""
        meets_x = self.left <= other.right and other.left <= self.right
        return meets_x and self.bottom <= other.top and other.bottom <= self.top


@dataclass(frozen=True)
class Corridor:
    """A straight passage between the rooms `first` and `second`; `along_x` is its direction."""

    rect: Rect
    first: int
    second: int
    along_x: bool


@dataclass(frozen=True)
class Scene:
    """One map: its rooms and the UDMF text that draws them; its world can draw it again from `seed`."""

    seed: int
    rooms: tuple[Rect, ...]
    """The rooms, or the junctions of a maze: the places that scripts go to."""
    corridors: tuple[Corridor, ...]
    starts: tuple[Rect, ...]
    """Areas where paths may start: not too near to walls."""
    start_chunks: int
    """Number of chunks forward that are free at a start, so that its image shows more than the wall ahead."""
    loop_chunks: int
    """Paths that walk loops start where a loop of at most this many chunks is free."""
    text: str
    """The map in UDMF, the engine's text format."""
    textures: tuple[str, ...]
    """Names of the textures that the text mentions, sorted."""
    look: Look
    """Source of those textures."""

    @property
    def world(self) -> str:
        """Name of the map's world."""
        return self.look.world

    @cached_property
    def walkable(self) -> tuple[Rect, ...]:
        """Areas open to the camera: the rooms less the margin, joined through the corridors."""
        return inner_space(self.rooms, self.corridors, MARGIN)

    def is_free(self, x: int, y: int) -> bool:
        """True if the camera may be at (x, y): no solid point within `MARGIN` along either axis."""
        return any(rect.holds(x, y) for rect in self.walkable)

    def room_at(self, x: int, y: int) -> int | None:
        """Index of the room around (x, y), None in corridors and in the solid."""
        return room_around(self.rooms, x, y)

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256, equal exactly where the maps look the same."""
        return digest_of(self.text, self.look, self.textures)


def inner_space(rooms: Sequence[Rect], corridors: Sequence[Corridor], margin: int) -> tuple[Rect, ...]:
    """Areas that keep the margin from all walls: the rooms less the margin, joined through the corridors."""
    inner = [room.grown(-margin, -margin) for room in rooms]
    for corridor in corridors:
        by_x, by_y = (margin, -margin) if corridor.along_x else (-margin, margin)
        inner.append(corridor.rect.grown(by_x, by_y))
    return tuple(inner)


def room_around(rooms: Sequence[Rect], x: int, y: int) -> int | None:
    """Index of the room around (x, y), None outside all of them."""
    return next((index for index, room in enumerate(rooms) if room.holds(x, y)), None)


def digest_of(text: str, look: Look, textures: tuple[str, ...]) -> str:
    """Hex SHA-256 of a map's text and of its textures."""
    sha = hashlib.sha256(text.encode())
    for part in look.identity(textures):
        sha.update(part)
    return sha.hexdigest()
