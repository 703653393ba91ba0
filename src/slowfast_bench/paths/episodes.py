"""Held-out episodes and tours of a ViZDoom world, with their true frames. No test map was ever trained on."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from slowfast_envs.actions import FRAMES_PER_CHUNK, PHRASINGS, VERBS
from slowfast_envs.scene import Scene
from slowfast_envs.vizdoom.base import open_vizdoom_world
from slowfast_envs.vizdoom.engine import Play, VizdoomEngine
from slowfast_envs.walking import Place, poses_of, walk
from slowfast_envs.walking_scripts import draw_start, full_turn
from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Episode

SPLIT, SEED = "test", 0
WORLD = "vizdoom-rooms"
"""Where nothing else is said."""
LAP_CHUNKS = 4
LINE_CHUNKS = (3, 4)
"""Fewest and most chunks of an out-and-back's way out."""
_TRIES = 200
_TOUR_STREAM = 3  # apart from the streams that the world itself draws from
_MAPS_PER_LOAD = 32


@dataclass(frozen=True)
class Outcomes:
    """What each verb would bring about at the start of each chunk of the wandering episodes."""

    frames: UInt8[np.ndarray, "episodes chunks verbs f_g height width 3"]
    """Verbs in the order of `VERBS`."""
    given: Int64[np.ndarray, "episodes chunks"]
    """Index of the verb that the episode took."""
    moves: Bool[np.ndarray, "episodes chunks"]
    """Whether the chunk's first frame is from another pose than the frame before."""

    def rows(self, rows: slice) -> "Outcomes":
        """Those of some of the episodes."""
        return Outcomes(self.frames[rows], self.given[rows], self.moves[rows])


@dataclass(frozen=True)
class Tour:
    """A path that comes back to its poses: its first `num_out` chunks are the first visit."""

    scene: Scene
    start: Place
    verbs: tuple[str, ...]
    num_out: int

    @property
    def actions(self) -> list[str]:
        """The canonical phrasing of each verb."""
        return [PHRASINGS[verb][0] for verb in self.verbs]


class HeldOut:
    """The test episodes of one run of the protocol. Frames are rendered when first asked for.

    Settings are chosen with `split="validation"`, so that the test maps stay unseen until they are reported on.

    Raises:
        UserError: no such world, or one of another engine.
    """

    def __init__(self, num_episodes: int, num_chunks: int, split: str = SPLIT, world: str = WORLD) -> None:
        self.num_episodes, self.num_chunks = num_episodes, num_chunks
        self.world = open_vizdoom_world(world, split, SEED)

    @cached_property
    def scenes(self) -> list[Scene]:
        """The map of each episode."""
        return [self.world.scene(index) for index in range(self.num_episodes)]

    @cached_property
    def wanders(self) -> list[Episode]:
        """The wandering episodes."""
        return list(self.world.episodes(self.num_episodes, "wander", self.num_chunks))

    def outcomes(self, num_chunks: int) -> Outcomes:
        """The true outcomes of every verb for the first chunks of the wandering episodes."""
        rows = []
        with VizdoomEngine() as engine:
            for index, (scene, episode) in enumerate(zip(self.scenes, self.wanders, strict=True)):
                if index % _MAPS_PER_LOAD == 0:
                    engine.load(self.scenes[index : index + _MAPS_PER_LOAD])
                assert episode.poses is not None
                places = [Place.of_pose(episode.poses[FRAMES_PER_CHUNK * chunk]) for chunk in range(num_chunks)]
                after = [step for place in places for verb in VERBS for step in walk(scene, place, [verb])[0][1:]]
                rows.append(engine.render(scene, poses_of(after)))
        frames = np.stack(rows)
        shape = (num_chunks, len(VERBS), FRAMES_PER_CHUNK, *frames.shape[2:])
        given = [[VERBS.index(chunk.verb) for chunk in episode.chunks[:num_chunks]] for episode in self.wanders]
        poses = np.stack([episode.poses for episode in self.wanders if episode.poses is not None])
        before = poses[:, : FRAMES_PER_CHUNK * num_chunks : FRAMES_PER_CHUNK]
        first = poses[:, 1 : FRAMES_PER_CHUNK * num_chunks + 1 : FRAMES_PER_CHUNK]
        return Outcomes(frames.reshape(len(rows), *shape), np.array(given), (before != first).any(-1))

    @cached_property
    def full_turns(self) -> list[Tour]:
        """Two laps on the spot: one out, one again."""
        tours = []
        for index, scene in enumerate(self.scenes):
            rng = self.world.random(_TOUR_STREAM, 0, index)
            start = draw_start(rng, scene, "full-turn")
            tours.append(Tour(scene, start, tuple(full_turn(rng, scene, start, 2 * LAP_CHUNKS)), LAP_CHUNKS))
        return tours

    @cached_property
    def out_and_backs(self) -> list[Tour]:
        """3 or 4 chunks forward on a free line and as many back. Maps without such a line are passed over.

        Raises:
            UserError: not enough maps have one.
        """
        tours: list[Tour] = []
        for index in range(4 * self.num_episodes):
            scene = self.world.scene(index)
            length, start = _free_line(self.world.random(_TOUR_STREAM, 1, index), scene)
            if length:
                tours.append(Tour(scene, start, ("go_forward",) * length + ("go_back",) * length, length))
            if len(tours) == self.num_episodes:
                return tours
        tried = 4 * self.num_episodes
        raise UserError(f"only {len(tours)} of {tried} test maps have a free line; ask for fewer episodes")


def play_tours(tours: Sequence[Tour]) -> list[Play]:
    """The true frames and poses of each tour, in the world of its scene."""
    plays = []
    with VizdoomEngine() as engine:
        for index, tour in enumerate(tours):
            if index % _MAPS_PER_LOAD == 0:
                scenes = [one.scene for one in tours[index : index + _MAPS_PER_LOAD]]
                engine.load([scene for scene in scenes if scene.world == tour.scene.world])
            plays.append(engine.play(tour.scene, poses_of([tour.start])[0], tour.verbs))
    return plays


def _free_line(rng: np.random.Generator, scene: Scene) -> tuple[int, Place]:
    """Chunks forward without a refused step, and from where; 0 where the map has no line that is long enough."""
    best, best_start = 0, Place(0, 0, 0)
    for _ in range(_TRIES):
        start = draw_start(rng, scene, "out-and-back")
        refused = walk(scene, start, ["go_forward"] * LINE_CHUNKS[1])[1]
        free = (refused.index(True) - 1) // FRAMES_PER_CHUNK if True in refused else LINE_CHUNKS[1]
        if free > best:
            best, best_start = free, start
        if best == LINE_CHUNKS[1] or (best >= LINE_CHUNKS[0] and rng.random() < 0.5):
            break
    return (best, best_start) if best >= LINE_CHUNKS[0] else (0, best_start)
