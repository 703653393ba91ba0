"""Layout of the table of the world `metaworld`: blocks and their spots, drawn from a seed. Needs no engine."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

BLOCK_HALF = 0.025
"""Half the height of a block, and half its width; metres."""
SHAPES = ("cube", "puck", "cube")
"""Shapes of the blocks that the table has; a scene uses two or all of them."""
COLOURS = {
    "yellow": (1.0, 0.85, 0.05),
    "blue": (0.1, 0.25, 0.95),
    "green": (0.05, 0.65, 0.15),
    "purple": (0.55, 0.1, 0.75),
    "pink": (1.0, 0.5, 0.75),
}
"""Name -> red, green and blue in [0, 1]. None is the red, white, cyan or black of the robot."""
CLEARANCE = 0.11
"""Least distance between the middles of two blocks: room for the fingers, which close along y."""
LOW, HIGH = (-0.2, 0.5), (0.2, 0.74)
"""Lowest and highest x and y of a block's middle: within the arm's reach and the picture."""
REACH_LOW, REACH_HIGH = (-0.28, 0.46), (0.28, 0.78)
"""Lowest and highest x and y that a block can be brought to; the outermost are at the picture's edge."""

Spot = tuple[float, float]
"""x and y on the table, metres; see `mujoco.camera.View` for the axes."""


@dataclass(frozen=True)
class Block:
    """A thing to move."""

    colour: str
    """One of `COLOURS`."""
    slot: int
    """Its place in `SHAPES`."""
    spot: Spot
    """Its spot at the start."""

    @property
    def name(self) -> str:
        """Name in texts, such as "yellow cube"; no two blocks of a layout share it."""
        return f"{self.colour} {SHAPES[self.slot]}"


@dataclass(frozen=True)
class Layout:
    """The start of a scene."""

    blocks: tuple[Block, ...]
    hand: tuple[float, float, float]
    """Position of the hand, metres."""

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256 of all fields: equal exactly if two scenes start alike."""
        return hashlib.sha256(repr((self.blocks, self.hand)).encode()).hexdigest()


def draw_layout(seed: int) -> Layout:
    """The layout of a seed, any whole number from 0."""
    rng = np.random.default_rng([4, seed])
    slots = sorted(rng.permutation(len(SHAPES))[: rng.integers(2, len(SHAPES) + 1)].tolist())
    colours = rng.permutation(list(COLOURS)).tolist()
    blocks: list[Block] = []
    for slot in slots:
        spot = draw_spot(rng, [block.spot for block in blocks])
        while spot is None:  # the first two always leave a place, but not every draw finds it
            spot = draw_spot(rng, [block.spot for block in blocks])
        blocks.append(Block(colours.pop(), slot, spot))
    x, y, z = rng.uniform((-0.1, 0.52, 0.16), (0.1, 0.62, 0.22)).round(4).tolist()
    return Layout(tuple(blocks), (x, y, z))


def draw_spot(rng: np.random.Generator, taken: Iterable[Spot]) -> Spot | None:
    """A random spot with `CLEARANCE` to those taken, None if fifty draws find none."""
    taken = list(taken)
    for _ in range(50):
        x, y = rng.uniform(LOW, HIGH).round(4).tolist()
        if is_clear((x, y), taken):
            return x, y
    return None


def is_clear(spot: Spot, taken: Iterable[Spot]) -> bool:
    """True if a block fits there: within reach, and with `CLEARANCE` to every spot taken."""
    inside = all(low <= value <= high for low, value, high in zip(LOW, spot, HIGH, strict=True))
    return inside and all(np.hypot(spot[0] - x, spot[1] - y) >= CLEARANCE for x, y in taken)
