"""Meta-World's table controlled by texts, one whole move at a time: engine of the planning task `metaworld-return`."""

from collections.abc import Sequence

import numpy as np

from slowfast_envs.base import scene_seed
from slowfast_envs.metaworld.environment import MetaWorld
from slowfast_envs.metaworld.expert import Goal
from slowfast_envs.metaworld.instructions import (
    CARRY,
    PHRASINGS,
    carry_text,
    moved,
    put_back_texts,
    read_carry,
    spot_of,
    understand,
)
from slowfast_envs.metaworld.layout import COLOURS, REACH_HIGH, REACH_LOW, SHAPES, Spot, draw_layout
from slowfast_envs.metaworld.moves import Moves
from slowfast_envs.metaworld.table import Table
from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Frames

BLOCKS = tuple(f"{colour} {shape}" for colour in COLOURS for shape in sorted(set(SHAPES)))
"""The names of all blocks that a scene may have."""
ACTION_TEXTS = (CARRY, *(PHRASINGS["put_back"][0].format(block=block) for block in BLOCKS))
"""Template of a spot, and one text per block, if it is there; all texts of `instructions` are understood too."""

_ROOM = 0.085  # metres between the middles of two blocks: the fingers fit in between
_WIDEST = 0.12  # metres, at most, between the requested spot and where a block is put instead


class MetaWorldEnv:
    """The blocks of one scene, to act on: `act` takes a text and returns the four pictures of the move.

    No text ends an episode. A spot out of reach becomes the nearest within it, one that is taken the nearest free one;
    a block that is not there becomes the one of its colour, since colours are easier to distinguish than shapes. A
    text that cannot be carried out at all changes nothing. `said` reports all of this but the shapes.

    >>> with MetaWorldEnv() as env:  # doctest: +SKIP
    ...     env.reset(7)
    ...     pictures = env.act("carry the blue cube to (0.103, 0.624)")  # uint8 [4, 64, 64, 3]
    ...     env.said, env.distances_from_home()
    """

    action_texts = ACTION_TEXTS
    ended = False

    def __init__(self, split: str = "test", seed: int = 0, table: Table | None = None) -> None:
        """Starts nothing yet.

        Args:
            split: split of the scenes.
            seed: seed of the scenes.
            table: a shared one, which its owner closes; None for an own one.

        Raises:
            UserError: no such split or seed.
        """
        scene_seed(split, seed, 0, MetaWorld.number)
        self.split, self.seed = split, seed
        self._table, self._owned = table, table is None
        self._moves: Moves | None = None
        self.said = ""
        """How the latest move differs from its text, or why nothing was done; empty if it was done as asked."""

    def __enter__(self) -> "MetaWorldEnv":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def moves(self) -> Moves:
        """The moves so far, with the true states.

        Raises:
            UserError: no reset before.
        """
        if self._moves is None:
            raise UserError("the environment has not begun; call reset first")
        return self._moves

    def reset(self, seed: int) -> Frames:
        """Begins the scene of that number; returns the start image alone, uint8 `[1, 64, 64, 3]`.

        Raises:
            UserError: a number out of range, Meta-World is not installed, or MuJoCo cannot draw here.
        """
        layout = draw_layout(scene_seed(self.split, self.seed, seed, MetaWorld.number))
        if self._table is None:
            self._table = Table(layout)
        self._moves, self.said = Moves(self._table, layout), ""
        return self._moves.frames

    def act(self, action_text: str) -> Frames:
        """Carries out a text as well as possible; returns the pictures of the move, uint8 `[4, 64, 64, 3]`.

        Raises:
            UserError: no reset before.
        """
        moves, self.said = self.moves, ""
        carried = read_carry(action_text)
        meant = action_text if carried is None else carry_text(self.meant(carried[0]), carried[1])
        try:
            order = understand(meant, moves.states[-1], moves.homes)
        except UserError as error:
            self.said = str(error)
            return moves.stay("", action_text)
        if order.goal is None:
            return moves.stay(order.verb, action_text, order.block)
        spot = self._free_spot(order.block, order.goal.spot)
        if spot is None:
            self.said = f"there is no room for the {order.block} near {_said(order.goal.spot)}; it stays"
            return moves.stay(order.verb, action_text, order.block)
        if spot != order.goal.spot:
            self.said = f"{_said(order.goal.spot)} is out of reach or taken; the {order.block} goes to {_said(spot)}"
        return moves.do(order.verb, action_text, Goal(order.block, spot, order.goal.way))

    def meant(self, name: str) -> str:
        """Block on the table that a name means: that one, or else the one of its colour; the name itself if neither."""
        homes = self.moves.homes
        same = [block for block in homes if block.split()[0] == name.split()[0]]
        return name if name in homes or not same else same[0]

    def distances_from_home(self) -> dict[str, float]:
        """Name -> distance of the block from its first spot, metres."""
        return self.moves.distances_from_home()

    def put_back_texts(self, texts: Sequence[str]) -> list[str]:
        """Texts that put back what these texts moved; see `instructions.put_back_texts`."""
        return put_back_texts(texts)

    def close(self) -> None:
        """Ends the drawing, unless the table is shared."""
        if self._owned and self._table is not None:
            self._table.close()
            self._table = None

    def _free_spot(self, name: str, wanted: Spot) -> Spot | None:
        """The free spot within reach that is nearest to the one wanted; None if there is none near."""
        state = self.moves.states[-1]
        others = [spot_of(state, other) for other in state.blocks if other != name]
        x, y = np.clip(wanted, REACH_LOW, REACH_HIGH).tolist()
        turns = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        rings = np.arange(0.01, _WIDEST + 0.001, 0.01)
        around = [moved((x, y), metres * np.cos(turn), metres * np.sin(turn)) for metres in rings for turn in turns]
        for spot in ((x, y), *around):
            inside = all(low <= value <= high for low, value, high in zip(REACH_LOW, spot, REACH_HIGH, strict=True))
            if inside and all(np.hypot(spot[0] - other[0], spot[1] - other[1]) >= _ROOM for other in others):
                return spot
        return None


def _said(spot: Spot) -> str:
    return f"({spot[0]:.3f}, {spot[1]:.3f})"
