"""Texts for actions at the table and their meaning: written for the script `sequence`, and read back.

Left, right, front and back are those of the picture (see `table.VIEW`).
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from slowfast_envs.actions import read_phrasings
from slowfast_envs.metaworld.expert import Goal, check_block
from slowfast_envs.metaworld.layout import CLEARANCE, COLOURS, SHAPES, Spot, is_clear
from slowfast_envs.metaworld.table import TableState
from slowfast_vgen.errors import UserError

DIRECTIONS: dict[str, tuple[Spot, tuple[str, ...]]] = {
    "left": ((1.0, 0.0), ("to the left", "left", "towards the left side", "leftwards")),
    "right": ((-1.0, 0.0), ("to the right", "right", "towards the right side", "rightwards")),
    "front": ((0.0, 1.0), ("to the front", "towards the camera", "forwards", "away from the robot")),
    "back": ((0.0, -1.0), ("to the back", "away from the camera", "backwards", "towards the robot")),
}
"""Name -> unit step on the table, and its phrasings."""
PLACES: dict[str, tuple[Spot, tuple[str, ...]]] = {
    "middle": ((0.0, 0.62), ("in the middle", "in the centre of the table")),
    "front left": ((0.16, 0.7), ("in the front left corner", "at the front on the left")),
    "front right": ((-0.16, 0.7), ("in the front right corner", "at the front on the right")),
    "back left": ((0.16, 0.54), ("in the back left corner", "at the back on the left")),
    "back right": ((-0.16, 0.54), ("in the back right corner", "at the back on the right")),
}
"""Name -> middle of the place, and its phrasings."""
PHRASINGS = read_phrasings("metaworld/phrasings.json")
"""Verb -> its templates, the canonical one first."""
CARRY = "carry the {block} to ({x}, {y})"
"""Template for an exact spot: metres along x and y."""
PUSH_METRES = (0.07, 0.18)
"""Shortest and longest push, metres."""
PLACE_METRES = 0.025
"""Largest distance from a place along x, and along y, that is still "in" it, metres."""
BESIDE_METRES = (CLEARANCE + 0.003, CLEARANCE + 0.03)
"""Least and largest distance from a block, middle to middle, that is "next to" it, metres."""

_SLIDE_CLEARANCE = 0.1
_BLOCK = rf"(?P<block>(?:{'|'.join(COLOURS)}) (?:{'|'.join(sorted(set(SHAPES)))}))"
_NUMBER = r"-?\d{1,3}(?:\.\d{1,6})?"
_CARRY = re.compile(rf"carry the {_BLOCK} to \((?P<x>{_NUMBER}), ?(?P<y>{_NUMBER})\)")
_NAMED = re.compile(rf"\b{_BLOCK}\b")


class Order(NamedTuple):
    """Meaning of a text in a scene."""

    verb: str
    """One of `PHRASINGS`, or "carry"."""
    block: str
    """Name of the block; empty when waiting."""
    goal: Goal | None
    """Goal of the block; None if no block is moved."""


class _Meaning(NamedTuple):
    verb: str
    block: str = ""
    where: str = ""
    """A name of `DIRECTIONS` or `PLACES`, or another block's."""


def known_texts(blocks: Sequence[str]) -> dict[str, str]:
    """All texts that `understand` takes with these blocks on the table: text -> verb."""
    return {text: meaning.verb for text, meaning in _meanings(tuple(blocks)).items()}


def understand(text: str, state: TableState, homes: Mapping[str, Spot]) -> Order:
    """The order that a text gives now. Nothing is drawn at random: the likeliest of the free spots is meant.

    A push goes some 12 cm, more or less if there is no room. Spots where other blocks lie, or came from, stay free.

    Args:
        text: one of `known_texts`, or one of `carry_text`; case and outer blanks do not matter.
        state: current state of the table.
        homes: first spot of each block.

    Raises:
        UserError: the text is not known, or there is no room for what it asks.
    """
    carried = read_carry(text)
    if carried is not None:
        check_block(state, carried[0])
        return Order("carry", carried[0], Goal(*carried))
    meaning = _meanings(tuple(state.blocks)).get(text.strip().lower())
    if meaning is None:
        examples = ", ".join(f'"{example}"' for example in _examples(tuple(state.blocks)))
        raise UserError(f'what "{text}" means at this table is not known; say something like {examples}')
    verb, name, _ = meaning
    if verb in ("hover", "wait"):
        return Order(verb, name, None)
    if verb == "put_back":
        return Order(verb, name, Goal(name, homes[name]))
    taken = taken_spots(name, state, homes)
    free = [spot for spot in _candidates(meaning, state) if is_clear(spot, taken)]
    if verb == "push":
        free = [spot for spot in free if can_slide(name, state, spot)]
    if not free:
        raise UserError(f'there is no room on the table to do what "{text}" asks; move another block first')
    return Order(verb, name, Goal(name, free[0], "slide" if verb == "push" else "carry"))


def carry_text(block: str, spot: Spot) -> str:
    """Text that asks for a block to be at a spot, to the millimetre.

    >>> carry_text("blue cube", (0.1034, 0.62)), read_carry("carry the blue cube to (0.103, 0.620)")
    ('carry the blue cube to (0.103, 0.620)', ('blue cube', (0.103, 0.62)))
    """
    return CARRY.format(block=block, x=f"{spot[0]:.3f}", y=f"{spot[1]:.3f}")


def read_carry(text: str) -> tuple[str, Spot] | None:
    """Block and spot of such a text; None for any other."""
    match = _CARRY.fullmatch(text.strip().lower())
    return None if match is None else (match["block"], (float(match["x"]), float(match["y"])))


def named_block(text: str) -> str:
    """The first block that a text names: the one that is moved. Empty if it names none.

    >>> named_block("put the yellow cube next to the blue puck")
    'yellow cube'
    """
    match = _NAMED.search(text.lower())
    return "" if match is None else match["block"]


def moved_blocks(texts: Sequence[str]) -> list[str]:
    """The blocks that some texts move, each once, the one that was moved last first.

    >>> moved_blocks(["wait", "push the pink cube left", "put the blue puck next to the pink cube"])
    ['blue puck', 'pink cube']
    """
    named = [named_block(text) for text in reversed(texts)]
    return list(dict.fromkeys(block for block in named if block))


def put_back_texts(texts: Sequence[str]) -> list[str]:
    """Texts that put back what some texts moved: one for each block, the one that was moved last first.

    >>> put_back_texts(["push the pink cube left", "push the red cube left"])  # nothing here is red
    ['put the pink cube back where it was']
    """
    return [PHRASINGS["put_back"][0].format(block=block) for block in moved_blocks(texts)]


def taken_spots(name: str, state: TableState, homes: Mapping[str, Spot]) -> list[Spot]:
    """Spots where the other blocks lie and came from: kept free, so that each of them can go back at any time."""
    others = [other for other in homes if other != name]
    return [spot_of(state, other) for other in others] + [homes[other] for other in others]


def can_slide(name: str, state: TableState, spot: Spot) -> bool:
    """True if the straight path of a block to a spot is wide enough for the fingers."""
    start, end = np.array(spot_of(state, name)), np.array(spot)
    way = start + np.linspace(0, 1, 20)[:, None] * (end - start)
    others = [spot_of(state, other) for other in state.blocks if other != name]
    return all(np.hypot(*(way - other).T).min() >= _SLIDE_CLEARANCE for other in others)


def spot_of(state: TableState, name: str) -> Spot:
    """Spot of a block on the table, to the micrometre."""
    x, y = state.blocks[name][:2].tolist()
    return round(x, 6), round(y, 6)


def moved(spot: Spot, dx: float, dy: float) -> Spot:
    """Another spot, to a tenth of a millimetre."""
    return round(float(spot[0] + dx), 4), round(float(spot[1] + dy), 4)


def around(spot: Spot, metres: float, angle: float) -> Spot:
    """The spot at a distance, in a direction in radians counter-clockwise from x."""
    return moved(spot, metres * np.cos(angle), metres * np.sin(angle))


def _candidates(meaning: _Meaning, state: TableState) -> list[Spot]:
    """Spots that a push, put or put_beside may mean, the likeliest first."""
    start = spot_of(state, meaning.block)
    if meaning.verb == "push":
        (dx, dy), _ = DIRECTIONS[meaning.where]
        middle = sum(PUSH_METRES) / 2
        lengths = sorted(np.linspace(*PUSH_METRES, 12), key=lambda metres: abs(metres - middle))
        return [moved(start, dx * metres, dy * metres) for metres in lengths]
    if meaning.verb == "put":
        place, _ = PLACES[meaning.where]
        steps = np.linspace(-PLACE_METRES, PLACE_METRES, 5)
        return sorted((moved(place, dx, dy) for dx in steps for dy in steps), key=lambda spot: _apart(spot, place))
    other = spot_of(state, meaning.where)
    ring = [around(other, sum(BESIDE_METRES) / 2, angle) for angle in np.linspace(0, 2 * np.pi, 32, endpoint=False)]
    return sorted(ring, key=lambda spot: _apart(spot, start))


def _apart(first: Spot, second: Spot) -> float:
    return float(np.hypot(first[0] - second[0], first[1] - second[1]))


@cache
def _meanings(blocks: tuple[str, ...]) -> dict[str, _Meaning]:
    """Text -> its meaning for these blocks."""
    meanings = {text: _Meaning("wait") for text in PHRASINGS["wait"]}
    for verb, templates in PHRASINGS.items():
        for block in blocks if verb != "wait" else ():
            for template in templates:
                if verb in ("push", "put"):
                    for where, (_, phrasings) in (DIRECTIONS if verb == "push" else PLACES).items():
                        for phrasing in phrasings:
                            meanings[template.format(block=block, where=phrasing)] = _Meaning(verb, block, where)
                elif verb == "put_beside":
                    for other in blocks:
                        if other != block:
                            meanings[template.format(block=block, other=other)] = _Meaning(verb, block, other)
                else:
                    meanings[template.format(block=block)] = _Meaning(verb, block)
    return meanings


def _examples(blocks: tuple[str, ...]) -> list[str]:
    """The canonical text of each verb, one each."""
    first: dict[str, str] = {}
    for text, meaning in _meanings(blocks).items():
        first.setdefault(meaning.verb, text)
    return list(first.values())
