"""The task `vizdoom-retrace`: led through rooms that it never saw, the agent goes back the way it came.

After the paper's Minecraft task (4.2): an agent walks a path and must retrace it to the start, scored by its distance
to way-points along it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from slowfast_bench.planning.map_view import MapView
from slowfast_bench.planning.task import MAP_SIDE, Maps, TaskEpisode
from slowfast_envs.actions import FRAMES_PER_CHUNK, PHRASINGS, VERBS
from slowfast_envs.base import FPS, FRAME_SIZE, SPLITS
from slowfast_envs.scene import Scene
from slowfast_envs.vizdoom.base import open_vizdoom_world
from slowfast_envs.vizdoom.engine import VizdoomEngine
from slowfast_envs.vizdoom.gym_env import RoomsEnv
from slowfast_envs.walking import STEP_UNITS, Place, poses_of, walk
from slowfast_envs.walking_scripts import draw_start, led_walk, retraced
from slowfast_vgen.errors import UserError
from slowfast_vgen.models.vocabulary import Action, Vocabulary
from slowfast_vgen.plan.environment import PlanEnvironment
from slowfast_vgen.types import Frames

LED_CHUNKS, LEAST_ROOMS = 16, 3
NEAR_STEPS = 2.0
"""A way-point, and the start, count as reached within so many steps."""
_SEED, _STREAM = 0, 9  # a stream apart from those of the world itself and of other held-out paths
_TRIES = 40
_MAPS_PER_EPISODE = 8


class Walk(NamedTuple):
    """The way that an episode is led."""

    scene: Scene
    start: Place
    verbs: tuple[str, ...]


class RetraceEpisode:
    """A `TaskEpisode`, and the `PlanEnvironment` of it: the engine's camera, a verb a chunk."""

    action_texts = RoomsEnv.action_texts
    ended = False

    def __init__(self, led: Walk, engine: VizdoomEngine, world: str, split: str) -> None:
        """Leads the camera along the way; `engine` has loaded the scene, best together with others."""
        self.led, self.env = led, RoomsEnv(world, split, engine)
        self.environment: PlanEnvironment = self
        self.actions = tuple(PHRASINGS[verb][0] for verb in led.verbs)
        self.true_actions = tuple(PHRASINGS[verb][0] for verb in retraced(led.verbs))
        self.led_places = walk(led.scene, led.start, led.verbs)[0]
        try:
            self.frames = engine.show(led.scene, poses_of(self.led_places))
        except Exception:
            engine.close()  # a game that broke off is started anew for the next episode
            raise
        # Back along the same poses, which have the same pixels.
        self.true_way = self.frames[-2::-1]
        self.way_points = self.led_places[::-FRAMES_PER_CHUNK]
        """Where the way back should stand before each decision, and at its end."""
        self.trail: list[Place] = []
        self._view: MapView | None = None
        self._stand()

    def reset(self, seed: int) -> Frames:
        """Back to where the way back begins."""
        self._stand()
        return self.frames[-1:]

    def act(self, action_text: str) -> Frames:
        """See `PlanEnvironment`.

        Raises:
            UserError: another action.
        """
        if action_text not in self.action_texts:
            raise UserError(f"unknown action {action_text!r}; choose one of {', '.join(self.action_texts)}")
        verb = VERBS[self.action_texts.index(action_text)]
        frames = self.env.steps(VERBS.index(verb), FRAMES_PER_CHUNK)[0]
        self.trail += walk(self.led.scene, self.trail[-1], [verb])[0][1:]
        return frames

    def distances(self, number: int) -> list[float]:
        """In steps; see `TaskEpisode`."""
        passed = zip(self.trail[FRAMES_PER_CHUNK::FRAMES_PER_CHUNK], self.way_points[1 : number + 2], strict=True)
        return [_steps(here, there) for here, there in passed]

    def on_way(self, number: int) -> bool:
        """See `TaskEpisode`."""
        return self.trail[-1] == self.way_points[number]

    def is_right(self, number: int, action: str) -> bool:
        """See `TaskEpisode`."""
        return action == self.true_actions[number]

    def succeeded(self) -> bool:
        """Whether the camera stands at the start, give or take `NEAR_STEPS`."""
        return _steps(self.trail[-1], self.way_points[-1]) <= NEAR_STEPS

    def maps(self, num_frames: int) -> Maps:
        """See `TaskEpisode`."""
        view = self._view = self._view or MapView(self.led.scene, MAP_SIDE)
        if len(self.trail) == 1:
            ends = range(len(self.led_places) - num_frames + 1, len(self.led_places) + 1)
            return np.stack([view.draw(self.led_places[:end]) for end in ends])
        ends = range(len(self.trail) - num_frames + 1, len(self.trail) + 1)
        return np.stack([view.draw(self.led_places, self.way_points, self.trail[:end]) for end in ends])

    def _stand(self) -> None:
        self.env.reset(options={"scene": self.led.scene, "start": self.led_places[-1]})
        self.trail = [self.led_places[-1]]


class VizdoomRetrace:
    """Episodes of one split: a fresh map, a way of `num_led` chunks through at least `least_rooms` rooms each.

    Raises:
        UserError: no such split, or a way too short.
    """

    name = "vizdoom-retrace"
    goal = "Go back the way you came to where you started."
    unit = "steps"
    near = NEAR_STEPS
    fps = FPS
    world_model, reader = "rooms-64-retrace", "rooms"
    action_texts = RoomsEnv.action_texts
    vocabulary = Vocabulary(tuple(Action(verb, texts) for verb, texts in PHRASINGS.items()))
    frame_size = (FRAME_SIZE, FRAME_SIZE)
    frames_per_chunk = FRAMES_PER_CHUNK

    def __init__(
        self,
        split: str = "test",
        num_led: int = LED_CHUNKS,
        least_rooms: int = LEAST_ROOMS,
        world: str = "vizdoom-rooms",
    ) -> None:
        if num_led < 1 or least_rooms < 1:
            raise UserError(f"an episode is led by at least 1 chunk and through 1 room, got {num_led}, {least_rooms}")
        self.num_led = self.num_decisions = num_led
        self.least_rooms, self.split = least_rooms, split
        self.world = open_vizdoom_world(world, split, _SEED)
        self._walks: list[Walk] = []
        self._next_map = 0

    @classmethod
    def quick(cls, split: str = "test") -> "VizdoomRetrace":
        """Short ways, to see that everything runs."""
        return cls(split, num_led=4, least_rooms=1)

    def describe(self) -> dict[str, Any]:
        """See `Task`."""
        return {
            "name": self.name,
            "goal": self.goal,
            "world": self.world.name,
            "split": self.split,
            "map_seed": _SEED,
            "led_chunks": self.num_led,
            "least_rooms": self.least_rooms,
            "decisions": self.num_decisions,
            "distance": f"in steps of {STEP_UNITS} map units, to the way-point of each decision",
            "success": f"at most {NEAR_STEPS:g} steps from the start at the end",
        }

    def draw_action(self, rng: np.random.Generator, sub_goal: str) -> str:
        """See `Task`: any of the actions, each as likely."""
        return self.action_texts[rng.integers(len(self.action_texts))]

    def walks(self, count: int) -> Sequence[Walk]:
        """The first `count` ways, each on a map of its own; maps on which none is found are passed over.

        Raises:
            UserError: too few maps have one.
        """
        while len(self._walks) < count:
            if self._next_map >= _MAPS_PER_EPISODE * count:
                raise UserError(
                    f"only {len(self._walks)} of {self._next_map} maps have a way of {self.num_led} chunks through "
                    f"{self.least_rooms} rooms; ask for fewer episodes"
                )
            found = self._walk(self._next_map)
            self._next_map += 1
            if found is not None:
                self._walks.append(found)
        return self._walks[:count]

    @contextmanager
    def open(self, rows: range) -> Iterator[list[TaskEpisode | str]]:
        """See `Task`."""
        chosen = self.walks(rows.stop)[rows.start :]
        with VizdoomEngine() as engine:
            engine.load([one.scene for one in chosen])
            yield [self._begun(one, engine) for one in chosen]

    def _begun(self, led: Walk, engine: VizdoomEngine) -> TaskEpisode | str:
        try:
            return RetraceEpisode(led, engine, self.world.name, self.split)
        except Exception as error:  # the game may break off in any way; the other episodes go on
            return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]

    def _walk(self, index: int) -> Walk | None:
        scene = self.world.scene(index)
        for attempt in range(_TRIES):
            rng = self.world.random(_STREAM, SPLITS.index(self.split), index, attempt)
            start = draw_start(rng, scene, "retrace")
            verbs = tuple(led_walk(rng, scene, start, self.num_led))
            if len(verbs) < self.num_led:
                continue
            rooms = {scene.room_at(place.x, place.y) for place in walk(scene, start, verbs)[0]} - {None}
            if len(rooms) >= self.least_rooms:
                return Walk(scene, start, verbs)
        return None


def _steps(here: Place, there: Place) -> float:
    return float(np.hypot(here.x - there.x, here.y - there.y) / STEP_UNITS)
