"""Reads the textures of Freedoom, the game that ViZDoom brings along, and which of them move: for tests."""

import struct
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import vizdoom

FOLDER = Path(*vizdoom.__path__)


@cache
def lumps() -> dict[str, bytes]:
    """Name -> bytes of each part of the game's archive; of several the last, as in the engine."""
    data = (FOLDER / "freedoom2.wad").read_bytes()
    count, directory = struct.unpack_from("<4xii", data)
    found = {}
    for index in range(count):
        position, size, name = struct.unpack_from("<ii8s", data, directory + 16 * index)
        found[_text(name)] = data[position : position + size]
    return found


@cache
def walls() -> dict[str, np.ndarray]:
    """Wall texture -> its pixels as indices into the palette, -1 where nothing is drawn, in the game's order."""
    count = struct.unpack_from("<i", lumps()["PNAMES"])[0]
    patches = [_text(lumps()["PNAMES"][4 + 8 * index : 12 + 8 * index]) for index in range(count)]
    found = {}
    for lump in (lumps()[name] for name in ("TEXTURE1", "TEXTURE2") if name in lumps()):
        count = struct.unpack_from("<i", lump)[0]
        for start in struct.unpack_from(f"<{count}i", lump, 4):
            name, width, height, num_patches = struct.unpack_from("<8s4xhh4xh", lump, start)
            pixels = np.full((height, width), -1)
            for number in range(num_patches):
                x, y, patch = struct.unpack_from("<hhh", lump, start + 22 + 10 * number)
                _paste(pixels, _patch(patches[patch]), x, y)
            found[_text(name)] = pixels
    return found


@cache
def flats() -> dict[str, np.ndarray]:
    """Floor or ceiling -> its 64x64 pixels as indices into the palette, in the game's order."""
    names = list(lumps())
    inside = names[names.index("F_START") + 1 : names.index("F_END")]
    return {
        name: np.frombuffer(lumps()[name], np.uint8).reshape(64, 64) for name in inside if len(lumps()[name]) == 64 * 64
    }


def colours(pixels: np.ndarray) -> np.ndarray:
    """Indices as RGB."""
    return np.frombuffer(lumps()["PLAYPAL"][:768], np.uint8).reshape(256, 3)[pixels]


def moving() -> set[str]:
    """All textures that the engine animates: it knows the first and the last of each series."""
    with zipfile.ZipFile(FOLDER / "vizdoom.pk3") as engine:
        table = engine.read("animated.lmp")
    found: set[str] = set()
    for start in range(0, len(table) - 1, 23):
        last, first = _text(table[start + 1 : start + 10]), _text(table[start + 10 : start + 19])
        for names in (list(walls()), list(flats())):
            if first in names and last in names:
                found |= set(names[names.index(first) : names.index(last) + 1])
    return found


@cache
def _patch(name: str) -> np.ndarray:
    data = lumps()[name]
    width, height = struct.unpack_from("<hh", data)
    pixels = np.full((height, width), -1)
    for x in range(width):
        (position,) = struct.unpack_from("<i", data, 8 + 4 * x)
        while data[position] != 255:
            top, length = data[position], data[position + 1]
            pixels[top : top + length, x] = np.frombuffer(data, np.uint8, length, position + 3)
            position += length + 4
    return pixels


def _paste(pixels: np.ndarray, patch: np.ndarray, x: int, y: int) -> None:
    rows = slice(max(0, y), min(pixels.shape[0], y + patch.shape[0]))
    columns = slice(max(0, x), min(pixels.shape[1], x + patch.shape[1]))
    part = patch[rows.start - y : rows.stop - y, columns.start - x : columns.stop - x]
    pixels[rows, columns] = np.where(part >= 0, part, pixels[rows, columns])


def _text(name: bytes) -> str:
    return name.split(b"\0")[0].decode("latin-1").upper()
