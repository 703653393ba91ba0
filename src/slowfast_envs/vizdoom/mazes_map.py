"""Maps of the world `vizdoom-mazes`: corridors on a grid, drawn from a seed.

The junctions of the grid are what other maps call rooms: squares as wide as the corridors that join them. A random tree
joins them all, some more passages close loops. Walls next to each other differ, so that it matters to remember which is
which.
"""

from functools import lru_cache

import numpy as np

from slowfast_envs.base import scene_random
from slowfast_envs.scene import CELL, Corridor, Rect, Scene
from slowfast_envs.vizdoom.grid import draw_pairs, has_block
from slowfast_envs.vizdoom.mazes_textures import CEILINGS, FLOORS, WALL_HEIGHT, WALL_WIDTHS, MazesLook
from slowfast_envs.vizdoom.udmf import Panel, write_udmf

GRIDS = ((4, 4), (5, 4), (6, 4), (5, 5), (6, 5))
"""Numbers of junctions along the two sides of a maze."""
WIDTH = 6 * CELL
"""Width of a corridor: less 2 MARGIN it exceeds the 96 units of a chunk, so that a walker on that lattice can pass."""
SPACINGS = (288, 384, 480)
"""Distances from a junction to the next: whole chunks, so that a path round a block closes to the unit."""
OPENED = (0.2, 0.4)
"""Least and largest share of the walls between junctions that are opened in addition to the tree."""
HEIGHTS = (128, 128, 128, 176)
"""Heights of a junction's ceiling; corridors have the lowest."""
START_MARGIN = 64
"""Least distance of starts from the border of a junction."""
LOOP_CHUNKS = 24
"""Number of chunks of the longest path round one block."""
TILE_STRETCH = 1.5
"""Ratio of width to height of drawn textures: the engine's pictures would be too fine for 64x64 pixels."""


@lru_cache(maxsize=256)
def draw_maze(seed: int) -> Scene:
    """The map of a seed (any int >= 0): 16 to 30 junctions, all reachable from each other."""
    rng = scene_random(seed, 4)  # no other map ends in 4
    shape = [int(side) for side in rng.permutation(GRIDS[rng.integers(len(GRIDS))])]
    lefts, bottoms = (np.cumsum([CELL, *rng.choice(SPACINGS, side - 1)]).tolist() for side in shape)
    junctions = [Rect(left, bottom, left + WIDTH, bottom + WIDTH) for bottom in bottoms for left in lefts]
    while not has_block(pairs := draw_pairs(rng, shape[0], shape[1], OPENED), shape[0]):
        pass  # every map must have a loop that can be walked
    corridors = [_corridor(junctions, *pair) for pair in pairs]
    decor = _MazesDecor(rng, len(junctions), corridors)
    heights = [int(rng.choice(HEIGHTS)) for _ in junctions] + [min(HEIGHTS)] * len(corridors)
    text, textures = write_udmf(junctions, corridors, heights, decor)
    starts = tuple(junction.grown(-START_MARGIN, -START_MARGIN) for junction in junctions)
    return Scene(seed, tuple(junctions), tuple(corridors), starts, 1, LOOP_CHUNKS, text, textures, MazesLook())


def _corridor(junctions: list[Rect], i: int, j: int) -> Corridor:
    """The passage from a junction to the next one to its east or north."""
    a, b = junctions[i], junctions[j]
    if a.bottom == b.bottom:
        return Corridor(Rect(a.right, a.bottom, b.left, a.top), i, j, along_x=True)
    return Corridor(Rect(a.left, a.top, a.right, b.bottom), i, j, along_x=False)


class _MazesDecor:
    """Textures of Freedoom, each region's apart from those of the regions that it touches. A `Decor`."""

    # bright, but less than the brightest, which would not fade with distance; a tile of a floor is 128 units wide
    sector_settings = "lightlevel=208;xscalefloor=0.5;yscalefloor=0.5;xscaleceiling=0.5;yscaleceiling=0.5;"

    def __init__(self, rng: np.random.Generator, num_junctions: int, corridors: list[Corridor]) -> None:
        self._rng = rng
        ends = [{corridor.first, corridor.second} for corridor in corridors]
        self._touching: list[set[int]] = [set() for _ in range(num_junctions + len(corridors))]
        for number, pair in enumerate(ends):
            others = {num_junctions + other for other, far in enumerate(ends) if pair & far and other != number}
            self._touching[num_junctions + number] = pair | others
            for junction in pair:
                self._touching[junction].add(num_junctions + number)
        self._used: dict[str, dict[int, list[str]]] = {"floor": {}, "ceiling": {}, "wall": {}}

    def flats(self, region: int) -> tuple[str, str]:
        """Textures that differ from those of the regions that it touches."""
        return self._draw("floor", FLOORS, region), self._draw("ceiling", CEILINGS, region)

    def panel(self, region: int, length: int, height: int) -> Panel:
        """One texture from floor to ceiling, repeated along a long wall."""
        name = self.lintel(region)
        width = TILE_STRETCH * WALL_WIDTHS[name] * height / WALL_HEIGHT
        tiles = max(1, round(length / width))
        return Panel(name, WALL_WIDTHS[name] / max(width, length / tiles), WALL_HEIGHT / height)

    def lintel(self, region: int) -> str:
        """A wall's texture."""
        return self._draw("wall", tuple(WALL_WIDTHS), region)

    def _draw(self, kind: str, names: tuple[str, ...], region: int) -> str:
        used = self._used[kind]
        mine = used.setdefault(region, [])
        taken = {name for other in self._touching[region] for name in used.get(other, ())}.union(mine)
        free = [name for name in names if name not in taken]
        mine.append(free[self._rng.integers(len(free))])
        return mine[-1]
