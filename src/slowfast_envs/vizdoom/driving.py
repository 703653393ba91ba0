"""Scripts that decide where the car of `vizdoom-streets` goes, one verb per chunk.

They work with spots, the places before a crossing from which it can be passed in any direction, and legs from one spot
to the next. Spots and legs are whole chunks, so that every path that leads back to a spot leads to the same pose.
"""

import heapq
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from slowfast_envs.vizdoom.car import HEADINGS, CarPlace
from slowfast_envs.vizdoom.streets_map import LANE, StreetMap
from slowfast_envs.walking_scripts import check_script, draw_script

CHUNK_UNITS = 96
"""Length of one chunk straight on."""
SPOT_UNITS = 144
"""Distance from a spot to the middle of its crossing."""
_START_TRIES = 20
_AROUND = ((1, 0), (0, 1), (-1, 0), (0, -1))

# Verbs from the spot to the mirrored place beyond the crossing.
STRAIGHT = ("drive_on",) * 3
LEFT = ("drive_on", "turn_left", "turn_left", "drive_on")
RIGHT = ("turn_right", "turn_right")
# Three-point turns that back out of a side street: on the right, or if there is none, on the left and then past it.
U_TURN_RIGHT = (*RIGHT, "reverse", "back_left", "back_left", "drive_on", "drive_on")
U_TURN_LEFT = (*LEFT, "back_right", "back_right", "drive_on", "drive_on", "drive_on")


class Spot(NamedTuple):
    """A spot in the right lane of a street, before a crossing."""

    crossing: int
    heading: int
    """Heading in quarters of a circle, counter-clockwise from east."""


class Leg(NamedTuple):
    """A path from one spot to the next."""

    turn: int
    """Turn in quarters to the left: 0 straight on, 1 left, 2 round, 3 right."""
    verbs: tuple[str, ...]
    spot: Spot
    """Spot where it ends."""


def place_at(streets: StreetMap, spot: Spot, lead: int = 0) -> CarPlace:
    """The car's place at a spot, or `lead` chunks before it."""
    (x, y), (dx, dy) = streets.crossings[spot.crossing], _AROUND[spot.heading]
    back = SPOT_UNITS + CHUNK_UNITS * lead
    return CarPlace(x - back * dx + LANE * dy, y - back * dy - LANE * dx, spot.heading * HEADINGS // 4)


def behind(streets: StreetMap, spot: Spot) -> tuple[int, int]:
    """The crossing at the other end of the spot's street, and the chunks from beyond it to the spot."""
    other = dict(streets.exits[spot.crossing])[(spot.heading + 2) % 4]
    (x1, y1), (x2, y2) = streets.crossings[spot.crossing], streets.crossings[other]
    return other, (abs(x1 - x2) + abs(y1 - y2) - 2 * SPOT_UNITS) // CHUNK_UNITS


def legs_from(streets: StreetMap, spot: Spot) -> list[Leg]:
    """Every leg across the crossing to the next spot; turning round comes last, if it is possible."""
    ways = {(heading - spot.heading) % 4: crossing for heading, crossing in streets.exits[spot.crossing]}
    crossing = {0: STRAIGHT, 1: LEFT, 3: RIGHT, 2: U_TURN_RIGHT if 3 in ways else U_TURN_LEFT}
    legs = []
    for turn in (0, 1, 3, 2):
        if turn in ways and (turn != 2 or 3 in ways or {0, 1} <= ways.keys()):
            end = Spot(ways[turn], (spot.heading + turn) % 4)
            legs.append(Leg(turn, (*crossing[turn], *["drive_on"] * behind(streets, end)[1]), end))
    return legs


def route(streets: StreetMap, start: Spot, goal: Spot, u_turns: bool) -> list[str]:
    """A quickest path, of at least one leg, from spot to spot; empty if there is none without turning round."""
    queue: list[tuple[int, Spot, list[str]]] = [(0, start, [])]
    passed: set[Spot] = set()
    while queue:
        _, spot, verbs = heapq.heappop(queue)
        if spot == goal and verbs:
            return verbs
        if spot in passed:
            continue
        if verbs:
            passed.add(spot)
        for leg in legs_from(streets, spot):
            if u_turns or leg.turn != 2:
                longer = [*verbs, *leg.verbs]
                heapq.heappush(queue, (len(longer), leg.spot, longer))
    return []


def wander(rng: np.random.Generator, streets: StreetMap, spot: Spot, lead: int, num_chunks: int) -> list[str]:
    """Drives about: any leg at each crossing, at times waits, backs up, takes a turn back or bumps into a kerb."""
    verbs = ["drive_on"] * lead
    while len(verbs) < num_chunks:
        verbs += _pause(rng, streets, spot)
        leg = _any_leg(rng, streets, spot)
        at = int(rng.integers(len(leg.verbs) + 1))
        wait = ["stop"] * int(rng.choice((0, 1, 2), p=(0.85, 0.1, 0.05)))
        verbs += [*leg.verbs[:at], *wait, *leg.verbs[at:]]
        spot = leg.spot
    return verbs[:num_chunks]


def _any_leg(rng: np.random.Generator, streets: StreetMap, spot: Spot) -> Leg:
    legs = legs_from(streets, spot)
    shares = np.array([{0: 0.3, 1: 0.3, 2: 0.1, 3: 0.3}[leg.turn] for leg in legs])
    return legs[rng.choice(len(legs), p=shares / shares.sum())]


def _pause(rng: np.random.Generator, streets: StreetMap, spot: Spot) -> list[str]:
    """Verbs at a spot before the next leg; ends at the spot."""
    draw = rng.random()
    if draw < 0.1:
        return ["stop"] * int(rng.integers(1, 3))
    if draw < 0.2:
        back = int(rng.integers(1, behind(streets, spot)[1] + 1))
        return ["reverse"] * back + ["drive_on"] * back
    legs = {leg.turn: list(leg.verbs) for leg in legs_from(streets, spot)}
    if 0 not in legs and draw < 0.4:  # so that the model learns what a kerb looks like
        bumps = int(rng.integers(1, 3))
        return ["drive_on"] * (2 + bumps) + ["reverse"] * 2
    if draw < 0.5:  # begins to turn and takes it back
        tries = [turn for turn in (1, 3) if turn in legs]
        if tries:
            begun = legs[tries[rng.integers(len(tries))]][: int(rng.integers(1, 4))]
            return begun + undone(begun)
    return []


_UNDONE = {
    "drive_on": "reverse", "turn_left": "back_left", "turn_right": "back_right", "stop": "stop",
    "reverse": "drive_on", "back_left": "turn_left", "back_right": "turn_right",
}  # fmt: skip


def undone(verbs: list[str]) -> list[str]:
    """The way back along the same poses.

    >>> undone(["drive_on", "turn_left"])
    ['back_left', 'reverse']
    """
    return [_UNDONE[verb] for verb in reversed(verbs)]


def loop(rng: np.random.Generator, streets: StreetMap, spot: Spot, lead: int, num_chunks: int) -> list[str]:
    """Drives round blocks, all in one direction, and so repeatedly past the start."""
    verbs = ["drive_on"] * lead
    rounds = loops_from(streets, spot)
    while len(verbs) < num_chunks:
        left = num_chunks - len(verbs) + lead  # the last lead brings it to the start
        fitting = [verbs_round for verbs_round in rounds if len(verbs_round) <= left] or rounds[:1]
        verbs += fitting[rng.integers(len(fitting))]
    return verbs[:num_chunks]


def loops_from(streets: StreetMap, spot: Spot) -> list[list[str]]:
    """The paths round one or two blocks that lead back to the spot, the shortest first."""
    loops = []
    for turn in (1, 3):
        for first, second in ((0, 0), (0, 1), (1, 0)):
            turns = 2 * [*[0] * first, turn, *[0] * second, turn]
            verbs, at = _follow(streets, spot, turns)
            if at == spot:
                loops.append(verbs)
    return sorted(loops, key=len)


def _follow(streets: StreetMap, spot: Spot, turns: list[int]) -> tuple[list[str], Spot | None]:
    """The verbs for the turns, and the spot where they end; None if there is no such street."""
    verbs: list[str] = []
    for turn in turns:
        leg = next((leg for leg in legs_from(streets, spot) if leg.turn == turn), None)
        if leg is None:
            return [], None
        verbs += leg.verbs
        spot = leg.spot
    return verbs, spot


def out_and_back(rng: np.random.Generator, streets: StreetMap, spot: Spot, lead: int, num_chunks: int) -> list[str]:
    """Drives some distance and all of it back in reverse, repeatedly. Ends at the start pose."""
    verbs: list[str] = []
    while (left := num_chunks - len(verbs)) >= 2:
        out, at = ["drive_on"] * lead, spot
        most = int(rng.integers(min(4, left // 2), min(12, left // 2) + 1))
        while len(out) < most:
            leg = _any_leg(rng, streets, at)
            out += leg.verbs
            at = leg.spot
        verbs += out[:most] + undone(out[:most])
    return verbs + ["stop"] * left


def there_and_back(rng: np.random.Generator, streets: StreetMap, spot: Spot, lead: int, num_chunks: int) -> list[str]:
    """Drives out, turns round, comes back along the same streets on their other side, and turns round once more.

    It makes a three-point turn, or drives round a block. Chunks that are left after a last round are a wander.
    """
    verbs = ["drive_on"] * lead
    while len(verbs) < num_chunks:
        left = num_chunks - len(verbs) + lead
        rounds = [_there_and_back(rng, streets, spot, legs, u) for legs in (0, 0, 1, 2) for u in (True, False)]
        fitting = [verbs_round for verbs_round in rounds if 0 < len(verbs_round) <= left]
        if not fitting:
            return [*verbs, *wander(rng, streets, spot, 0, num_chunks - len(verbs))]
        verbs += fitting[rng.integers(len(fitting))]
    return verbs[:num_chunks]


def _there_and_back(
    rng: np.random.Generator, streets: StreetMap, spot: Spot, num_legs: int, u_turns: bool
) -> list[str]:
    """Verbs from the spot and back to it; empty if it is impossible to turn round."""
    verbs: list[str] = []
    out = [spot]
    for _ in range(num_legs):
        legs = [leg for leg in legs_from(streets, out[-1]) if leg.turn != 2]
        leg = legs[rng.integers(len(legs))]
        verbs += leg.verbs
        out.append(leg.spot)
    turned = [Spot(behind(streets, passed)[0], (passed.heading + 2) % 4) for passed in reversed(out)]
    stations = [out[-1], *turned, spot]
    for number, (here, there) in enumerate(pairwise(stations)):
        part = route(streets, here, there, u_turns and number in (0, len(stations) - 2))
        if not part:
            return []
        verbs += part
    return verbs


Script = Callable[[np.random.Generator, StreetMap, Spot, int, int], list[str]]
SCRIPTS: dict[str, Script] = {
    "wander": wander,
    "loop": loop,
    "out-and-back": out_and_back,
    "there-and-back": there_and_back,
}
"""Scripts by name; each takes a spot, how many chunks before it the path starts, and the number of chunks."""
MIX = {"wander": 0.5, "loop": 0.2, "out-and-back": 0.1, "there-and-back": 0.2}
"""Shares of the scripts in "mix"."""


def draw_drive(
    rng: np.random.Generator, streets: StreetMap, script: str, num_chunks: int
) -> tuple[str, CarPlace, list[str]]:
    """Draws the script (if it is "mix"), a start that suits it, and the verbs.

    Raises:
        UserError: unknown script, or no chunk.
    """
    check_script(script, num_chunks, SCRIPTS)
    script = draw_script(rng, script, MIX)
    spots = [Spot(end, heading) for exits in streets.exits for heading, end in exits]
    if script == "loop":
        spots = [spot for spot in spots if loops_from(streets, spot)]
    for _ in range(_START_TRIES):
        spot = spots[rng.integers(len(spots))]
        if script != "there-and-back" or 0 < len(_there_and_back(rng, streets, spot, 0, True)) <= num_chunks:
            break
    lead = int(rng.integers(behind(streets, spot)[1] + 1))
    return script, place_at(streets, spot, lead), SCRIPTS[script](rng, streets, spot, lead, num_chunks)
