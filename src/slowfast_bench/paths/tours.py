"""Paths that come back to places after a given number of frames, on maps that were never trained on.

Every tour has a part that is shown (true frames) and a part that is generated, all of whose poses were shown before.
The *gap* of a generated frame is how many frames ago its pose was last in view.

Tours were drawn once and stand as files in `paths/`, a set each, the same for every model and every version of this
code: `{"format": 1, "world", "split", "seed", "tours": [{"map", "scene_sha256", "start", "shown_chunks", "verbs"}]}`.
Those of `vizdoom-rooms` stand in the folder itself, those of another world in the folder of its name.
`python benchmarks/draw_paths.py` draws them anew.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from slowfast_bench.paths.episodes import SEED, SPLIT, WORLD, Tour
from slowfast_envs.actions import FRAMES_PER_CHUNK, VERBS
from slowfast_envs.scene import Scene
from slowfast_envs.vizdoom.base import open_vizdoom_world
from slowfast_envs.walking import Place, walk
from slowfast_envs.walking_scripts import draw_start, free_chunks, free_wander, retraced, round_trip, wander
from slowfast_vgen.errors import UserError
from slowfast_vgen.files import read_json, write_json

LAP = 4
"""Chunks of a full turn on the spot."""
BUCKETS = {"gap16": (9, 32), "gap64": (41, 104), "gap200": (200, 100_000)}
"""Fewest and most frames of a gap that counts for each figure."""
LEAST_ROOMS = {"vizdoom-rooms": 3, "vizdoom-mazes": 5}
"""Rooms that a retraced walk leads through; a maze's junctions are nearer to each other than rooms are."""
LEAST_HITS = {"vizdoom-rooms": 0.0, "vizdoom-mazes": 0.5}
"""Share of a second lap's frames that must have the gap aimed at; a maze's corridors often lead back past the start."""
LONGEST_LOOP = 24
"""Chunks of one round of a loop."""
PATHS = Path(__file__).parent / "scripts"
FORMAT = 1
_LETTERS = dict(zip("FBLRS", ("go_forward", "go_back", "turn_left", "turn_right", "stay"), strict=True))
assert set(_LETTERS.values()) == set(VERBS)
_STREAM = 5  # apart from the streams that the world and the other held-out tours draw from

Draw = Callable[[np.random.Generator, Scene], Tour | None]


def full_turn_after(gap: int) -> Draw:
    """A lap on the spot, a walk elsewhere and back that fills the gap, the lap once more."""

    def draw(rng: np.random.Generator, scene: Scene) -> Tour | None:
        start = draw_start(rng, scene, "full-turn")
        lap = (str(rng.choice(["turn_left", "turn_right"])),) * LAP
        out = free_wander(rng, scene, start, (gap // FRAMES_PER_CHUNK - LAP) // 2)
        walk_away = (*out, *retraced(tuple(out)))
        tour = Tour(scene, start, (*lap, *walk_away, *lap), LAP + len(walk_away))
        return tour if _hits(tour, gap) >= LEAST_HITS[scene.world] else None

    return draw


def _hits(tour: Tour, gap: int) -> float:
    """Share of the generated frames whose gap lies in the same bucket as `gap`."""
    places, _ = walk(tour.scene, tour.start, tour.verbs)
    fewest, most = next(bucket for bucket in BUCKETS.values() if bucket[0] <= gap <= bucket[1])
    last: dict[Place, int] = {}
    gaps = []
    for frame, place in enumerate(places):
        gaps.append(frame - last.get(place, frame))
        last[place] = frame
    return float(np.mean([fewest <= one <= most for one in gaps[1 + FRAMES_PER_CHUNK * tour.num_out :]]))


def out_and_back_after(gap: int) -> Draw:
    """Forward on a free line, full turns at its end that fill the gap, and backward."""

    def draw(rng: np.random.Generator, scene: Scene) -> Tour | None:
        start = draw_start(rng, scene, "out-and-back")
        length = 4
        if True in walk(scene, start, ["go_forward"] * length)[1]:
            return None
        laps = -(-(gap - 16) // (FRAMES_PER_CHUNK * LAP))  # the gap of the frame back is 2 at first
        turns = (str(rng.choice(["turn_left", "turn_right"])),) * (LAP * laps)
        return Tour(scene, start, ("go_forward",) * length + turns + ("go_back",) * length, length + len(turns))

    return draw


def loop_after(gap: int) -> Draw:
    """A way through two other rooms back to the start pose, full turns that fill the gap, the same way once more."""

    def draw(rng: np.random.Generator, scene: Scene) -> Tour | None:
        start = draw_start(rng, scene, "loop")
        way = tuple(round_trip(rng, scene, start, 2))
        if not 10 <= len(way) <= LONGEST_LOOP:
            return None
        missing = max(0, gap - FRAMES_PER_CHUNK * len(way))
        turns = ("turn_left",) * (LAP * -(-missing // (FRAMES_PER_CHUNK * LAP)))
        return Tour(scene, start, way + turns + way, len(way) + len(turns))

    return draw


def retrace(num_chunks: int) -> Draw:
    """A walk through rooms, and all the way back along the same poses."""

    def draw(rng: np.random.Generator, scene: Scene) -> Tour | None:
        start = draw_start(rng, scene, "wander")
        out = tuple(free_wander(rng, scene, start, num_chunks))
        rooms = {scene.room_at(place.x, place.y) for place in walk(scene, start, out)[0]} - {None}
        if len(rooms) < LEAST_ROOMS[scene.world]:
            return None
        return Tour(scene, start, out + retraced(out), num_chunks)

    return draw


def into_a_wall_after(gap: int) -> Draw:
    """A line behind the start, forward on into a wall which refuses the last steps, full turns, and all the way back.

    The way back is as many chunks as the way to the wall, so it leads past the start by as many steps as were refused.
    """

    def draw(rng: np.random.Generator, scene: Scene) -> Tour | None:
        start = draw_start(rng, scene, "wander")
        free = free_chunks(scene, start, "go_forward", 4)
        behind = 2
        if not 1 <= free < 4 or free_chunks(scene, start, "go_back", behind) < behind:
            return None
        ahead = ("go_forward",) * (free + 1 + int(rng.integers(2)))
        laps = -(-(gap - 16) // (FRAMES_PER_CHUNK * LAP))
        turns = (str(rng.choice(["turn_left", "turn_right"])),) * (LAP * laps)
        line = ("go_back",) * behind + ("go_forward",) * behind
        out = line + ahead + turns
        return Tour(scene, start, out + ("go_back",) * len(ahead), len(out))

    return draw


_FREE_SETS: dict[str, Draw] = {
    "full-turn-16": full_turn_after(16),
    "full-turn-64": full_turn_after(64),
    "full-turn-200": full_turn_after(208),
    "out-and-back-16": out_and_back_after(16),
    "out-and-back-64": out_and_back_after(64),
    "out-and-back-200": out_and_back_after(224),
    "loop-64": loop_after(64),
    "loop-200": loop_after(200),
    "retrace": retrace(32),
}


def wandering(num_chunks: int, num_shown: int) -> Draw:
    """A walk as in training, bumps included, of which the last chunks are generated."""

    def draw(rng: np.random.Generator, scene: Scene) -> Tour | None:
        start = draw_start(rng, scene, "wander")
        return Tour(scene, start, tuple(wander(rng, scene, start, num_chunks)), num_shown)

    return draw


_BUMP_SETS: dict[str, Draw] = {"bump-64": into_a_wall_after(64)}
TOUR_SETS = _FREE_SETS | _BUMP_SETS
"""Sets of tours by name; the number is the gap that they aim at."""
PATH_SETS: dict[str, Draw] = _FREE_SETS | {"wander": wandering(24, 20)} | _BUMP_SETS
"""All sets that stand as files: those that come back, and one that need not. A set's place decides what is drawn."""


def held_out_tours(name: str, num_maps: int, paths: Path = PATHS, world: str = WORLD) -> list[Tour]:
    """The first `num_maps` tours of a set, as they stand in its file.

    Raises:
        UserError: no such file, fewer stand there, a file of another format or world, or the maps of this version are
            not those of the file.
    """
    file = _file(name, paths, world)
    content = read_json(file)
    if content.get("format") != FORMAT:
        raise UserError(
            f"{file} has the format {content.get('format')!r}, this version reads {FORMAT}; install it anew"
        )
    if content["world"] != world:
        raise UserError(f"{file} holds paths of {content['world']}, not of {world}; install it anew")
    if num_maps > len(content["tours"]):
        raise UserError(f"{len(content['tours'])} tours {name} are on file; ask for at most as many, not {num_maps}")
    source = open_vizdoom_world(world, content["split"], content["seed"])
    tours = []
    for row in content["tours"][:num_maps]:
        scene = source.scene(row["map"])
        if scene.digest != row["scene_sha256"]:
            raise UserError(
                f"map {row['map']} of {world} is not the one that {file.name} was drawn on, so figures "
                "could not be compared; use the version of this package that goes with the file"
            )
        verbs = tuple(_LETTERS[letter] for letter in row["verbs"])
        tours.append(Tour(scene, Place(*row["start"]), verbs, row["shown_chunks"]))
    return tours


def write_tours(name: str, num_maps: int, paths: Path = PATHS, world: str = WORLD) -> Path:
    """Draws a set and writes its file."""
    letters = {verb: letter for letter, verb in _LETTERS.items()}
    source = open_vizdoom_world(world, SPLIT, SEED)
    maps = {source.scene(index).digest: index for index in range(4 * num_maps)}
    rows = [
        {
            "map": maps[tour.scene.digest],
            "scene_sha256": tour.scene.digest,
            "start": list(tour.start),
            "shown_chunks": tour.num_out,
            "verbs": "".join(letters[verb] for verb in tour.verbs),
        }
        for tour in draw_tours(name, num_maps, world=world)
    ]
    file = _file(name, paths, world)
    write_json(file, {"format": FORMAT, "world": world, "split": SPLIT, "seed": SEED, "tours": rows})
    return file


def _file(name: str, paths: Path, world: str) -> Path:
    return (paths if world == WORLD else paths / world) / f"{name}.json"


def draw_tours(name: str, num_maps: int, split: str = SPLIT, world: str = WORLD) -> list[Tour]:
    """`num_maps` tours of a set, each on a map of its own; maps on which none is found are passed over.

    Raises:
        UserError: not enough maps allow one.
    """
    source = open_vizdoom_world(world, split, SEED)
    tours: list[Tour] = []
    kind = list(PATH_SETS).index(name)
    for index in range(4 * num_maps):
        scene = source.scene(index)
        for attempt in range(40):
            tour = PATH_SETS[name](source.random(_STREAM, kind, index, attempt), scene)
            if tour is not None:
                tours.append(tour)
                break
        if len(tours) == num_maps:
            return tours
    raise UserError(f"only {len(tours)} of {4 * num_maps} maps allow a tour {name}; ask for fewer")
