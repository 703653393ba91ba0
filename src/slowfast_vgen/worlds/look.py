"""The source of a world's textures and palette, as the engine's archive and a map's digest need to know it."""

from collections.abc import Iterable, Iterator
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
