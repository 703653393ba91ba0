"""Scripts that decide where the walker goes, one verb per chunk. See `walking` for how it moves."""

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from slowfast_envs.actions import FRAMES_PER_CHUNK, RETRACE, chunks_of, draw_phrasing
from slowfast_envs.scene import Scene
from slowfast_envs.walking import HEADINGS, Place, advance, walk
from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Chunk


def _end(scene: Scene, place: Place, verbs: Sequence[str]) -> Place | None:
    """Place that the verbs lead to; None if a step on the way is refused."""
    for verb in verbs:
        for _ in range(FRAMES_PER_CHUNK):
            place, bumped = advance(scene, place, verb)
            if bumped:
                return None
    return place


def free_chunks(scene: Scene, place: Place, verb: str, most: int) -> int:
    """Number of chunks of `verb` that are free of a refused step, at most `most`."""
    count = 0
    after = _end(scene, place, [verb])
    while count < most and after is not None:
        count += 1
        after = _end(scene, after, [verb])
    return count


def _turn(rng: np.random.Generator) -> str:
    return "turn_left" if rng.random() < 0.5 else "turn_right"


def _other(turn: str) -> str:
    return "turn_right" if turn == "turn_left" else "turn_left"


def full_turn(rng: np.random.Generator, scene: Scene, start: Place, num_chunks: int) -> list[str]:
    """Turns in one direction throughout; four chunks are a full turn."""
    return [_turn(rng)] * num_chunks


def turn_and_return(rng: np.random.Generator, scene: Scene, start: Place, num_chunks: int) -> list[str]:
    """Turns some chunks one way and as many back, repeatedly. Ends at the start pose."""
    verbs: list[str] = []
    while (left := num_chunks - len(verbs)) >= 2:
        count = int(rng.integers(1, min(6, left // 2) + 1))
        turn = _turn(rng)
        verbs += [turn] * count + [_other(turn)] * count
    return verbs + ["stay"] * left


def out_and_back(rng: np.random.Generator, scene: Scene, start: Place, num_chunks: int) -> list[str]:
    """Walks some chunks forward on a free line and as many back, repeatedly. Ends at the start pose.

    If not even one chunk forward is free, it turns and returns instead.
    """
    line = free_chunks(scene, start, "go_forward", num_chunks // 2)
    verbs: list[str] = []
    while line and (left := num_chunks - len(verbs)) >= 2:
        most = min(line, left // 2)
        count = int(rng.integers((most + 1) // 2, most + 1))
        verbs += ["go_forward"] * count + ["go_back"] * count
    return verbs + turn_and_return(rng, scene, start, num_chunks - len(verbs))


def loop(rng: np.random.Generator, scene: Scene, start: Place, num_chunks: int) -> list[str]:
    """Walks rectangles, each closed by its fourth turn. Ends at the start pose.

    If no further rectangle fits (each takes at least 8 chunks), the remaining chunks turn fully, and turn and return.
    """
    verbs: list[str] = []
    loops = loops_from(scene, start, num_chunks)
    while fitting := [path for path in loops if len(path) <= num_chunks - len(verbs)]:
        verbs += fitting[rng.integers(len(fitting))]
    if num_chunks - len(verbs) >= 4:
        verbs += [_turn(rng)] * 4
    return verbs + turn_and_return(rng, scene, start, num_chunks - len(verbs))


def loops_from(scene: Scene, start: Place, num_chunks: int) -> list[list[str]]:
    """All rectangular paths of at most `num_chunks` chunks from the start pose back to itself in free space."""
    paths = []
    longest = (num_chunks - 6) // 2  # the longer side of a rectangle whose other side is one chunk
    for turn in ("turn_left", "turn_right"):
        for first in range(1, free_chunks(scene, start, "go_forward", longest) + 1):
            leg = ["go_forward"] * first + [turn]
            corner = _end(scene, start, leg)
            for second in range(1, free_chunks(scene, corner, "go_forward", longest - first + 1) + 1 if corner else 1):
                path = 2 * (leg + ["go_forward"] * second + [turn])
                if _end(scene, start, path) == start:
                    paths.append(path)
    return paths


def wander(rng: np.random.Generator, scene: Scene, start: Place, num_chunks: int) -> list[str]:
    """Explores: goes to other rooms by the doors, looks round, runs, at times goes back, waits or bumps into a wall."""
    verbs: list[str] = []
    place = start
    while len(verbs) < num_chunks:
        draw = rng.random()
        if draw < 0.36:
            plan = _route(rng, scene, place) or [_turn(rng)]
            if rng.random() < 0.25:
                plan = plan[: int(rng.integers(1, len(plan) + 1))]  # changes its mind on the way
        elif draw < 0.61:
            plan = [_turn(rng)] * int(rng.choice((1, 1, 2, 2, 3, 4, 5)))
        elif draw < 0.69:
            plan = ["go_forward"] * int(rng.integers(0, free_chunks(scene, place, "go_forward", 4) + 1))
        elif draw < 0.81:
            # up to the wall and once more, so that the model learns what a bump looks like
            plan = ["go_forward"] * (free_chunks(scene, place, "go_forward", 6) + 1)
        elif draw < 0.92:
            plan = ["go_back"] * int(rng.integers(0, free_chunks(scene, place, "go_back", 3) + 1))
        else:
            plan = ["stay"] * int(rng.integers(1, 3))
        verbs += plan
        place = walk(scene, place, plan)[0][-1]
    return verbs[:num_chunks]


def _route(rng: np.random.Generator, scene: Scene, start: Place) -> list[str]:
    """A shortest path, in chunks without a refused step, into a random other room; empty if there is none."""
    here = scene.room_at(start.x, start.y)
    others = [index for index in range(len(scene.rooms)) if index != here]
    goal = others[rng.integers(len(others))]
    return _shortest(rng, scene, start, lambda place: scene.room_at(place.x, place.y) == goal)


def _shortest(rng: np.random.Generator, scene: Scene, start: Place, arrived: Callable[[Place], bool]) -> list[str]:
    """A shortest path, in chunks without a refused step, to where `arrived` holds; empty if there is none.

    Chunks move on a lattice of 96 units that the start pose fixes, so the places that can be reached are few.
    """
    came: dict[Place, tuple[Place, str] | None] = {start: None}
    queue = deque([start])
    choices = ["go_forward", *(("turn_left", "turn_right") if rng.random() < 0.5 else ("turn_right", "turn_left"))]
    while queue:
        place = queue.popleft()
        if arrived(place):
            path = []
            while (before := came[place]) is not None:
                place, verb = before
                path.append(verb)
            return path[::-1]
        for verb in choices:
            after = _end(scene, place, [verb])
            if after is not None and after not in came:
                came[after] = (place, verb)
                queue.append(after)
    return []


def round_trip(rng: np.random.Generator, scene: Scene, start: Place, num_rooms: int) -> list[str]:
    """A path through `num_rooms` random other rooms, one after the other, and back to exactly the start pose.

    Empty if the rooms cannot be reached from the start pose's lattice.
    """
    verbs: list[str] = []
    place = start
    for _ in range(num_rooms):
        way = _route(rng, scene, place)
        if not way:
            return []
        verbs += way
        place = walk(scene, place, way)[0][-1]
    back = _shortest(rng, scene, place, lambda reached: reached == start)
    return verbs + back if back else []


def free_wander(rng: np.random.Generator, scene: Scene, start: Place, num_chunks: int) -> list[str]:
    """Goes from room to room and looks round without ever bumping into a wall, so that it can be walked back."""
    verbs: list[str] = []
    place = start
    while len(verbs) < num_chunks:
        way = _route(rng, scene, place) if rng.random() < 0.6 else []
        verbs += way or [_turn(rng)] * int(rng.integers(1, 4))
        place = walk(scene, start, verbs)[0][-1]
    return verbs[:num_chunks]


_OPPOSITE = {
    "go_forward": "go_back",
    "go_back": "go_forward",
    "turn_left": "turn_right",
    "turn_right": "turn_left",
    "stay": "stay",
}


def retraced(verbs: Sequence[str]) -> tuple[str, ...]:
    """The way back along the same poses: the opposite verbs in reverse order.

    >>> retraced(("go_forward", "turn_left"))
    ('turn_right', 'go_back')
    """
    return tuple(_OPPOSITE[verb] for verb in reversed(verbs))


_LED_TRIES = 200


def led_walk(rng: np.random.Generator, scene: Scene, start: Place, num_chunks: int) -> list[str]:
    """Goes from room to room without a bump, never twice at the same pose at a chunk's end, to be retraced.

    Loops are cut off as they close. Empty if no path of this length is found.
    """
    verbs: list[str] = []
    trail = [start]
    for _ in range(_LED_TRIES):
        way = _route(rng, scene, trail[-1]) if rng.random() < 0.6 else []
        for verb in way or [_turn(rng)] * int(rng.integers(1, 4)):
            place = walk(scene, trail[-1], [verb])[0][-1]
            if place in trail:
                kept = trail.index(place)
                trail, verbs = trail[: kept + 1], verbs[:kept]
            else:
                trail.append(place)
                verbs.append(verb)
            if len(verbs) == num_chunks:
                return verbs
    return []


def retrace(rng: np.random.Generator, scene: Scene, start: Place, num_chunks: int) -> list[str]:
    """A led walk and all the way back along it; waits first if the number is odd, or throughout if there is no walk."""
    out = led_walk(rng, scene, start, num_chunks // 2)
    return ["stay"] * (num_chunks - 2 * len(out)) + out + list(retraced(out))


def told_chunks(rng: np.random.Generator, script: str, verbs: Sequence[str]) -> tuple[Chunk, ...]:
    """Chunks of the verbs with drawn phrasings; the way back of `retrace` has phrasings of `RETRACE`."""
    back = sum(verb != "stay" for verb in verbs) // 2 if script == "retrace" else 0
    labels = [*verbs[: len(verbs) - back], *[RETRACE] * back]
    return chunks_of(labels, (draw_phrasing(rng, label) for label in labels))


Script = Callable[[np.random.Generator, Scene, Place, int], list[str]]
SCRIPTS: dict[str, Script] = {
    "wander": wander,
    "full-turn": full_turn,
    "turn-and-return": turn_and_return,
    "out-and-back": out_and_back,
    "loop": loop,
    "retrace": retrace,
}
MIX = {"wander": 0.5, "full-turn": 0.15, "turn-and-return": 0.1, "out-and-back": 0.15, "loop": 0.1}
"""Shares of the scripts in "mix"."""


def check_script(name: str, num_chunks: int, scripts: Collection[str] = SCRIPTS) -> None:
    """Raises `UserError` unless `name` is one of the scripts (or "mix") and there is at least one chunk."""
    if name not in scripts and name != "mix":
        raise UserError(f"unknown script {name!r}; choose one of {', '.join([*scripts, 'mix'])}")
    if num_chunks < 1:
        raise UserError(f"an episode of {num_chunks} chunks was asked for; ask for at least 1")


def draw_script(rng: np.random.Generator, script: str, shares: Mapping[str, float] = MIX) -> str:
    """The script itself; if it is "mix", one that is drawn by the shares."""
    return str(rng.choice(list(shares), p=list(shares.values()))) if script == "mix" else script


def draw_path(rng: np.random.Generator, scene: Scene, script: str, num_chunks: int) -> tuple[str, Place, list[str]]:
    """Draws the script (if it is "mix"), a start that suits it, and the verbs.

    Raises:
        UserError: unknown script, or no chunk.
    """
    check_script(script, num_chunks)
    script = draw_script(rng, script)
    start = draw_start(rng, scene, script)
    return script, start, SCRIPTS[script](rng, scene, start, num_chunks)


def draw_start(rng: np.random.Generator, scene: Scene, script: str) -> Place:
    """A random place in a room. Scripts that walk mostly start along an axis: lines are long there, doors passable."""
    straight = {"wander": 0.75, "out-and-back": 1.0, "loop": 1.0, "retrace": 1.0}.get(script, 0.0)
    least = max(scene.start_chunks, 2 if script == "out-and-back" else 0)
    areas = np.array([(rect.right - rect.left) * (rect.top - rect.bottom) for rect in scene.starts], np.float64)
    for _ in range(200):
        rect = scene.starts[rng.choice(len(scene.starts), p=areas / areas.sum())]
        x, y = int(rng.integers(rect.left, rect.right + 1)), int(rng.integers(rect.bottom, rect.top + 1))
        heading = int(rng.integers(4)) * 4 if rng.random() < straight else int(rng.integers(HEADINGS))
        place = Place(x, y, heading)
        if least and free_chunks(scene, place, "go_forward", least) < least:
            continue
        if script == "loop" and not loops_from(scene, place, scene.loop_chunks):
            continue
        break
    return place
