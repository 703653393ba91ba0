"""Long episodes at the table: blocks are moved one after the other, each with its own text, and in the end put back."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from slowfast_envs.actions import one_of
from slowfast_envs.metaworld.expert import ARRIVED, Goal
from slowfast_envs.metaworld.instructions import (
    BESIDE_METRES,
    DIRECTIONS,
    PHRASINGS,
    PLACE_METRES,
    PLACES,
    PUSH_METRES,
    around,
    can_slide,
    moved,
    spot_of,
    taken_spots,
)
from slowfast_envs.metaworld.layout import Layout, Spot, is_clear
from slowfast_envs.metaworld.recorder import LONGEST, Play
from slowfast_envs.metaworld.table import Table, TableState
from slowfast_vgen.errors import UserError

MIN_CHUNKS = 2 * LONGEST
"""Fewest chunks: enough to move one block away and back."""

_LEAST_METRES = 0.06  # how far a block is moved: seen well
_RETURN_SHARE = 0.25  # how often a block is put back before the others have been moved
_HOVER_SHARE = 0.7


class Wish(NamedTuple):
    """One thing to do, as `Play.follow` takes it."""

    verb: str
    text: str
    goal: Goal


def play_sequence(table: Table, layout: Layout, rng: np.random.Generator, num_chunks: int) -> Play:
    """Moves blocks about as long as there is time to put each one back, and puts them back.

    In chunks that are left the hand hovers above blocks, or waits. The table must have just been reset to the layout.

    Raises:
        UserError: fewer than `MIN_CHUNKS` chunks.
    """
    if num_chunks < MIN_CHUNKS:
        raise UserError(
            f"a sequence of {num_chunks} chunks was asked for; ask for at least {MIN_CHUNKS}: it moves a block away "
            "and back"
        )
    play = Play(table)
    while (left := num_chunks - len(play.chunks)) > 0:
        wish = _draw_wish(rng, layout, play.states[-1], left)
        if wish is not None:
            play.follow(*wish)
        elif rng.random() < _HOVER_SHARE:
            name = layout.blocks[rng.integers(len(layout.blocks))].name
            play.hover(one_of(rng, PHRASINGS["hover"]).format(block=name), name)
        else:
            play.wait(one_of(rng, PHRASINGS["wait"]))
    return play


def _draw_wish(rng: np.random.Generator, layout: Layout, state: TableState, chunks_left: int) -> Wish | None:
    """The next sub-goal that leaves time to put every block back, None if there is time for none."""
    homes = {block.name: block.spot for block in layout.blocks}
    away = blocks_away(homes, state)
    time_to_move = [name for name in homes if chunks_left >= LONGEST * (1 + len({*away, name}))]
    if away and (not time_to_move or rng.random() < _RETURN_SHARE):
        return draw_return(rng, away[rng.integers(len(away))], homes, state) if chunks_left >= LONGEST else None
    return draw_move(rng, time_to_move, homes, state)


def blocks_away(homes: Mapping[str, Spot], state: TableState) -> list[str]:
    """The blocks that are not at their first spots."""
    return [name for name, home in homes.items() if np.hypot(*(state.blocks[name][:2] - home)) > 2 * ARRIVED]


def draw_move(
    rng: np.random.Generator, names: Sequence[str], homes: Mapping[str, Spot], state: TableState
) -> Wish | None:
    """A push, put or put_beside of one of these blocks, far enough to be seen well; None if no draw finds one."""
    for _ in range(100 if names else 0):
        name = names[int(rng.integers(len(names)))]
        draw = (_push, _push, _put, _put_beside)[rng.integers(4)]
        wish = draw(rng, name, taken_spots(name, state, homes), state)
        far = wish and np.hypot(*(state.blocks[name][:2] - wish.goal.spot)) > _LEAST_METRES
        if wish and far and np.hypot(*np.subtract(homes[name], wish.goal.spot)) > 2 * ARRIVED:
            return wish
    return None


def draw_return(rng: np.random.Generator, name: str, homes: Mapping[str, Spot], state: TableState) -> Wish:
    """A wish to put a block back at its first spot."""
    slides = rng.random() < 0.5 and can_slide(name, state, homes[name])
    text = one_of(rng, PHRASINGS["put_back"]).format(block=name)
    return Wish("put_back", text, Goal(name, homes[name], "slide" if slides else "carry"))


def _push(rng: np.random.Generator, name: str, taken: Sequence[Spot], state: TableState) -> Wish | None:
    (dx, dy), phrasings = DIRECTIONS[list(DIRECTIONS)[rng.integers(len(DIRECTIONS))]]
    metres = rng.uniform(*PUSH_METRES)
    spot = moved(spot_of(state, name), dx * metres, dy * metres)
    if not is_clear(spot, taken) or not can_slide(name, state, spot):
        return None
    where = phrasings[rng.integers(len(phrasings))]
    return Wish("push", one_of(rng, PHRASINGS["push"]).format(block=name, where=where), Goal(name, spot, "slide"))


def _put(rng: np.random.Generator, name: str, taken: Sequence[Spot], state: TableState) -> Wish | None:
    place, phrasings = PLACES[list(PLACES)[rng.integers(len(PLACES))]]
    spot = moved(place, *rng.uniform(-PLACE_METRES, PLACE_METRES, 2))
    if not is_clear(spot, taken):
        return None
    where = phrasings[rng.integers(len(phrasings))]
    return Wish("put", one_of(rng, PHRASINGS["put"]).format(block=name, where=where), Goal(name, spot))


def _put_beside(rng: np.random.Generator, name: str, taken: Sequence[Spot], state: TableState) -> Wish | None:
    others = [other for other in state.blocks if other != name]
    other = others[rng.integers(len(others))]
    spot = around(spot_of(state, other), rng.uniform(*BESIDE_METRES), rng.uniform(0, 2 * np.pi))
    if not is_clear(spot, taken):
        return None
    text = one_of(rng, PHRASINGS["put_beside"]).format(block=name, other=other)
    return Wish("put_beside", text, Goal(name, spot))
