"""Walks against walls, on maps that were never trained on: what a path must follow though some steps are refused.

They are drawn anew from fixed seeds each time; `digest` tells whether they are the same as those of another run.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from slowfast_bench.paths.episodes import SEED, SPLIT, WORLD, Tour
from slowfast_envs.actions import FRAMES_PER_CHUNK
from slowfast_envs.scene import Scene
from slowfast_envs.vizdoom.base import open_vizdoom_world
from slowfast_envs.walking import Place, walk
from slowfast_envs.walking_scripts import Script, draw_start, free_chunks, retraced, round_trip, wander

DREAM_CHUNKS = 128
BUMPING_CHUNKS = 32
LEAST_REFUSED = 0.1
"""Share of a bumping walk's steps that the walls refuse, at least."""
_STREAM = 8  # apart from the streams that the world and the other held-out paths draw from
_TRIES = 60
_STEPS = ("go_forward", "go_back")


def against_walls(rng: np.random.Generator, scene: Scene, start: Place, num_chunks: int) -> list[str]:
    """Up to a wall and once more, a lap there at times, as many chunks back, a quarter turn: again and again."""
    verbs: list[str] = []
    place = start
    while len(verbs) < num_chunks:
        ahead = free_chunks(scene, place, "go_forward", 5) + 1
        lap = [_turn(rng)] * 4 if rng.random() < 0.3 else []
        plan = ["go_forward"] * ahead + lap + ["go_back"] * ahead + [_turn(rng)] * int(rng.integers(1, 4))
        verbs += plan
        place = walk(scene, place, plan)[0][-1]
    return verbs[:num_chunks]


def there_and_back(rng: np.random.Generator, scene: Scene, start: Place, num_chunks: int) -> list[str]:
    """One way out, bumps included, and back by the opposite verbs in reverse order; again and again, less far or all.

    The way out comes to no place twice by different ways, so all that is seen again was come to from the same side.
    """
    way: list[str] = []
    for _ in range(_TRIES):
        drawn = uncrossed(scene, start, wander(rng, scene, start, 20))
        way = max(way, drawn, key=len)
        if len(way) >= 12:
            break
    verbs: list[str] = []
    while len(verbs) < num_chunks:
        out = way[: int(rng.integers((len(way) + 1) // 2, len(way) + 1))] if verbs else way
        verbs += [*out, *([_turn(rng)] * 4 if rng.random() < 0.5 else []), *retraced(out)]
    return verbs[:num_chunks]


def uncrossed(scene: Scene, start: Place, verbs: Sequence[str]) -> list[str]:
    """The beginning of a walk, up to where it comes back to a spot that it had left."""
    left: set[tuple[int, int]] = set()
    here = start
    for number, verb in enumerate(verbs):
        places = walk(scene, here, [verb])[0]
        for before, after in pairwise(places):
            if (before.x, before.y) != (after.x, after.y):
                left.add((before.x, before.y))
                if (after.x, after.y) in left:
                    return list(verbs[: max(number, 1)])
        here = places[-1]
    return list(verbs)


def bumping_rounds(rng: np.random.Generator, scene: Scene, start: Place, num_chunks: int) -> list[str]:
    """To another room and back to the very start pose, on into a wall, a look round, and so again from there."""
    verbs: list[str] = []
    place = start
    while len(verbs) < num_chunks:
        plan = list(round_trip(rng, scene, place, 1)) or [_turn(rng)] * 4
        plan += ["go_forward"] * (free_chunks(scene, place, "go_forward", 6) + 1)
        plan += [_turn(rng)] * int(rng.choice((1, 2, 2, 4)))
        verbs += plan
        place = walk(scene, place, plan)[0][-1]
    return verbs[:num_chunks]


def _turn(rng: np.random.Generator) -> str:
    return "turn_left" if rng.random() < 0.5 else "turn_right"


RETURNING: dict[str, Script] = {"there_and_back": there_and_back, "against_walls": against_walls}
"""Walks that come back the way they went, bumps into walls among them; taken in turn, map by map."""
CROSSING: dict[str, Script] = {"wander": wander, "rounds": bumping_rounds}
"""Walks that also come to a place by another way than before: a dreamt map need not close there."""


def dream_walks(num_maps: int, num_chunks: int = DREAM_CHUNKS, scripts: Mapping[str, Script] = RETURNING) -> list[Tour]:
    """One long walk a map, which dreams take their actions from: none of it is shown but the start image."""
    world = open_vizdoom_world(WORLD, SPLIT, SEED)
    tours = []
    for index in range(num_maps):
        scene, rng = world.scene(index), world.random(_STREAM, 0, index)
        start = draw_start(rng, scene, "wander")
        script = list(scripts.values())[index % len(scripts)]
        tours.append(Tour(scene, start, tuple(script(rng, scene, start, num_chunks)), 0))
    return tours


def bumping_walks(num_maps: int, num_chunks: int = BUMPING_CHUNKS) -> list[Tour]:
    """One walk a map of whose steps at least `LEAST_REFUSED` are refused; maps without such a walk are passed over."""
    world = open_vizdoom_world(WORLD, SPLIT, SEED)
    tours: list[Tour] = []
    index = 0
    while len(tours) < num_maps:
        scene = world.scene(index)
        for attempt in range(_TRIES):
            rng = world.random(_STREAM, 1, index, attempt)
            start = draw_start(rng, scene, "wander")
            script = (wander, against_walls)[index % 2]
            tour = Tour(scene, start, tuple(script(rng, scene, start, num_chunks)), 0)
            if refused_share(tour) >= LEAST_REFUSED:
                tours.append(tour)
                break
        index += 1
    return tours


def is_step(verbs: Sequence[str]) -> np.ndarray:
    """Whether each frame after the first was to be a step."""
    return np.repeat([verb in _STEPS for verb in verbs], FRAMES_PER_CHUNK)


def refused_share(tour: Tour) -> float:
    """Share of the commanded steps that a wall refuses."""
    steps = int(is_step(tour.verbs).sum())
    return sum(walk(tour.scene, tour.start, tour.verbs)[1]) / max(steps, 1)


def digest(tours: Sequence[Tour]) -> str:
    """Hex SHA-256 over maps, starts and verbs."""
    rows = [[tour.scene.digest, *tour.start, *tour.verbs] for tour in tours]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()
