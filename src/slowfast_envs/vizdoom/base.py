"""Base of all worlds of the engine ViZDoom: a fresh map for each episode, one verb per chunk, exact poses.

`VizdoomSource` is any of them; `VizdoomEnvironment` is one that is walked through, with the camera of `walking`.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from slowfast_envs.base import FPS, FRAME_SIZE, SeededEnvironment
from slowfast_envs.scene import Scene
from slowfast_envs.vizdoom.engine import HORIZONTAL_FOV_DEGREES, DrawnMap, VizdoomEngine
from slowfast_envs.walking import STEP_UNITS, TURN_DEGREES, poses_of, walk
from slowfast_envs.walking_scripts import draw_path, told_chunks
from slowfast_vgen.engines import open_env
from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Chunk, Episode, Poses


class EpisodeMap(DrawnMap, Protocol):
    """The parts of a map that an episode needs."""

    @property
    def digest(self) -> str:
        """Hex SHA-256, equal exactly if the maps look the same."""
        ...


MapT = TypeVar("MapT", bound=EpisodeMap)


class Trip(NamedTuple):
    """A path through a map, with its texts."""

    script: str
    """Name of the script that chose the verbs; never "mix"."""
    poses: Poses
    refused: Sequence[bool]
    """One flag per frame: whether its step was refused."""
    chunks: tuple[Chunk, ...]


class VizdoomSource(SeededEnvironment, Generic[MapT]):
    """Episodes on maps of one kind. See `SeededEnvironment`."""

    motion: ClassVar[Mapping[str, float]]
    """Sizes of a step and a turn of one frame, by their names in the metadata."""

    def __init__(self, split: str, seed: int, maps_per_load: int = 32) -> None:
        super().__init__(split, seed)
        self._maps_per_load = maps_per_load

    @abstractmethod
    def draw(self, seed: int) -> MapT:
        """The map of a seed from `scene_seed`."""

    @abstractmethod
    def travel(self, rng: np.random.Generator, scene: MapT, script: str, num_chunks: int) -> Trip:
        """Draws a path of `num_chunks` chunks."""

    def scene(self, episode_index: int) -> MapT:
        """The map of an episode.

        Raises:
            UserError: an index out of range.
        """
        return self.draw(self.seed_of(episode_index))

    def _episodes(self, indices: range, script: str, num_chunks: int) -> Iterator[Episode]:
        with VizdoomEngine() as engine:
            for begin in range(0, len(indices), self._maps_per_load):
                block = indices[begin : begin + self._maps_per_load]
                scenes = [self.scene(index) for index in block]
                engine.load(scenes)
                for index, scene in zip(block, scenes, strict=True):
                    yield self._episode(engine, scene, index, script, num_chunks)

    def _episode(self, engine: VizdoomEngine, scene: MapT, index: int, script: str, num_chunks: int) -> Episode:
        trip = self.travel(self.path_random(index), scene, script, num_chunks)
        metadata = self._told(index, scene.digest, trip.script) | {
            "collisions": [frame for frame, bumped in enumerate(trip.refused) if bumped],
            "frame_size": FRAME_SIZE,
            "fov_degrees": round(HORIZONTAL_FOV_DEGREES, 1),
            **self.motion,
        }
        return Episode(engine.show(scene, trip.poses), trip.chunks, trip.poses, FPS, metadata)


class VizdoomEnvironment(VizdoomSource[Scene]):
    """Episodes of a walk. See `VizdoomSource`."""

    motion: ClassVar[dict[str, float]] = {"turn_degrees": TURN_DEGREES, "step_units": STEP_UNITS}

    def travel(self, rng: np.random.Generator, scene: Scene, script: str, num_chunks: int) -> Trip:
        """Draws a walk."""
        drawn, start, verbs = draw_path(rng, scene, script, num_chunks)
        places, refused = walk(scene, start, verbs)
        return Trip(drawn, poses_of(places), refused, told_chunks(rng, drawn, verbs))


def open_vizdoom_world(name: str, split: str, seed: int) -> VizdoomEnvironment:
    """The world called `name`, one whose maps and poses are known.

    Raises:
        UserError: no such world, or one of another engine; split or seed that it does not take.
    """
    world = open_env(name, split, seed)
    if not isinstance(world, VizdoomEnvironment):
        raise UserError(f'the world "{name}" has no maps to walk on; choose a world of ViZDoom, such as vizdoom-rooms')
    return world
