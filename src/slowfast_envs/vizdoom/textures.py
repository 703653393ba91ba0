"""Looks whose textures and palette are all made here: pictures of a few colours, which are shown exactly."""

import io
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from functools import cache

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from slowfast_envs.scene import Lump

Pixels = UInt8[np.ndarray, "height width"]
"""A texture as indices into the palette of `playpal`."""


@cache
def playpal(colours: tuple[tuple[int, int, int], ...]) -> bytes:
    """256 RGB triples, ours instead of the game's. Colour c, of at most 255, is entry c + 1."""
    palette = np.zeros((256, 3), np.uint8)
    palette[1 : len(colours) + 1] = colours
    return palette.tobytes()


class PaintedLook(ABC):
    """Textures that are painted when their names are asked for. A `Look`; equal to any other of its class."""

    world: str
    """Name of the world that has these textures."""
    colours: tuple[tuple[int, int, int], ...]
    """All colours, RGB, at most 255."""

    @abstractmethod
    def pixels(self, name: str) -> Pixels:
        """The texture of a name."""

    def palette(self) -> list[Lump]:
        """The look's colours, the same at every light level: nothing fades with distance."""
        return [("PLAYPAL", playpal(self.colours) * 14), ("COLORMAP", bytes(range(256)) * 34)]

    def textures(self, names: Iterable[str]) -> list[Lump]:
        """PNG lumps of the named textures."""
        pictures = [(name, _png(self, name)) for name in sorted(set(names))]
        return [("TX_START", b""), *pictures, ("TX_END", b"")]

    def identity(self, names: Iterable[str]) -> Iterator[bytes]:
        """The palette, then each name with its pixels."""
        yield playpal(self.colours)
        for name in names:
            yield name.encode() + self.pixels(name).tobytes()

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))


@cache
def _png(look: PaintedLook, name: str) -> bytes:
    image = Image.fromarray(look.pixels(name), mode="P")
    image.putpalette(playpal(look.colours))
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()
