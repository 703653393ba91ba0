"""Maps under an open sky, laid out as slabs: rectangles of ground, each at a height, the later upon the earlier."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from slowfast_envs.scene import Rect
from slowfast_envs.vizdoom.udmf import MapText, Panel, Point

CEILING = 1024
"""Height of the sky; every slab is lower."""
_TAG = 1
_SKY_FLAT = "F_SKY1"  # the engine draws the sky wherever it finds this name
# The palette has the light. The line with the sky refers to the tag.
_SETTINGS = f"lightlevel=255;id={_TAG};"
# Static_Init, of all sectors with the tag, 255: the sky is the upper texture of this line.
_TRANSFER_SKY = f"special=190;arg0={_TAG};arg1=255;"
_HORIZON = "special=9;"  # the outer sectors extend for ever: nothing is drawn between the last roofs and the sky


class Slab(NamedTuple):
    """A piece of ground, such as a street, a pavement or, with its roof on top, a building."""

    rect: Rect
    height: int
    """Height of its top above the streets' level."""
    top: Panel
    sides: tuple[Panel, Panel]
    """Covers of the parts that rise above lower neighbours: facing north or south, and east or west. Their upper edges
    lie at the top."""


def write_slabs(slabs: Sequence[Slab], sky: str, start: Point) -> tuple[str, tuple[str, ...]]:
    """The text in UDMF and the names of its textures, sorted.

    Args:
        slabs: together they fill a rectangle. Somewhere two neighbours have the same height.
        sky: a texture.
        start: somewhere on a slab.
    """
    xs = sorted({x for slab in slabs for x in (slab.rect.left, slab.rect.right)})
    ys = sorted({y for slab in slabs for y in (slab.rect.bottom, slab.rect.top)})
    column, row = ({value: index for index, value in enumerate(values)} for values in (xs, ys))
    owners = np.full((len(xs) + 1, len(ys) + 1), -1)  # of each cell between the coordinates, with a rim of -1
    for index, (rect, *_) in enumerate(slabs):
        columns, rows = slice(column[rect.left], column[rect.right]), slice(row[rect.bottom], row[rect.top])
        owners[1:, 1:][columns, rows] = index
    assert (owners[1:-1, 1:-1] >= 0).all(), "the slabs leave a hole"
    text = MapText()
    sectors: dict[int, int] = {}
    for index in np.unique(owners[1:-1, 1:-1]).tolist():
        name, scale_x, scale_y = slabs[index].top
        scale = f"xscalefloor={scale_x:.8f};yscalefloor={scale_y:.8f};"
        sectors[index] = text.sector((slabs[index].height, CEILING), (name, _SKY_FLAT), _SETTINGS + scale)
    sky_hung = False
    for v1, v2, right, left in _borders(owners, xs, ys):
        if right < 0 or (left >= 0 and slabs[left].height < slabs[right].height):
            v1, v2, right, left = v2, v1, left, right  # the lower one is in front: its side is seen
        if left < 0:
            text.line(v1, v2, text.side(sectors[right]), None, _HORIZON)
        elif slabs[left].height > slabs[right].height:
            panel = slabs[left].sides[v1[0] == v2[0]]
            front = text.side(sectors[right], "bottom", panel.texture, (panel.scale_x, panel.scale_y))
            text.line(v1, v2, front, text.side(sectors[left]))
        elif sky_hung:
            text.line(v1, v2, text.side(sectors[right]), text.side(sectors[left]))
        else:
            text.line(v1, v2, text.side(sectors[right], "top", sky), text.side(sectors[left]), _TRANSFER_SKY)
            sky_hung = True
    assert sky_hung, "no two neighbours are equally high"
    return text.finish(start), tuple(name for name in text.textures if name != _SKY_FLAT)


def _borders(owners: np.ndarray, xs: Sequence[int], ys: Sequence[int]) -> Iterator[tuple[Point, Point, int, int]]:
    """Each straight border between two slabs: its ends, the slab on its right and the slab on its left."""
    for i, x in enumerate(xs):
        for low, high, first, second in _runs(owners[i, 1:-1], owners[i + 1, 1:-1]):
            yield (x, ys[low]), (x, ys[high]), second, first
    for j, y in enumerate(ys):
        for low, high, first, second in _runs(owners[1:-1, j], owners[1:-1, j + 1]):
            yield (xs[low], y), (xs[high], y), first, second


def _runs(first: np.ndarray, second: np.ndarray) -> Iterator[tuple[int, int, int, int]]:
    """Runs of cells in which two rows differ and both are constant: first cell, end, and the value of each row."""
    changes = np.flatnonzero((np.diff(first) != 0) | (np.diff(second) != 0)) + 1
    cuts = [0, *changes.tolist(), len(first)]
    for low, high in pairwise(cuts):
        if first[low] != second[low]:
            yield low, high, int(first[low]), int(second[low])
