"""What all worlds of the engine ViZDoom have in common: a fresh map for each episode, one verb a chunk, exact poses."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Chunk, Episode, Poses
from slowfast_vgen.worlds.vizdoom_engine import FPS, FRAME_SIZE, DrawnMap, VizdoomEngine

SPLITS = ("train", "validation", "test")
_MAX_SEED = 2**32
_STREAMS_PER_WORLD = 16


def scene_seed(split: str, seed: int, episode_index: int, world_number: int = 0) -> int:
    """The seed of an episode's map: world, split, seed and index side by side in one number.

    Different arguments give different numbers, so two splits, or two worlds, never draw from the same seed.

    Raises:
        UserError: unknown split, or a number outside 0 to 2^32 - 1.
    """
    if split not in SPLITS:
        raise UserError(f"unknown split {split!r}; choose one of {', '.join(SPLITS)}")
    for name, value in (("seed", seed), ("episode index", episode_index)):
        if not 0 <= value < _MAX_SEED:
            raise UserError(f"the {name} {value} is out of range; choose one from 0 to {_MAX_SEED - 1}")
    code = _STREAMS_PER_WORLD * world_number + SPLITS.index(split)
    return (code * _MAX_SEED + seed) * _MAX_SEED + episode_index


class EpisodeMap(DrawnMap, Protocol):
    """What an episode must know of its map."""

    @property
    def digest(self) -> str:
        """Hex SHA-256, equal exactly where the maps look the same."""
        ...


MapT = TypeVar("MapT", bound=EpisodeMap)


class Trip(NamedTuple):
    """A path through a map, told in words."""

    script: str
    """How the verbs were chosen; never "mix"."""
    poses: Poses
    refused: Sequence[bool]
    """For each frame whether its step was refused."""
    chunks: tuple[Chunk, ...]


class VizdoomSource(ABC, Generic[MapT]):
    """Episodes of one split: a fresh map, start and path each, all drawn from (split, seed, episode index).

    Raises:
        UserError: unknown split, or a seed out of range.
    """

    name: ClassVar[str]
    number: ClassVar[int]
    """Parts the world's random streams from those of the others."""
    licence: ClassVar[str]
    """Of the episodes, as their metadata tells it."""
    motion: ClassVar[Mapping[str, float]]
    """How far a step and a turn of one frame go, by the names that the metadata have."""

    def __init__(self, split: str, seed: int, maps_per_load: int = 32) -> None:
        scene_seed(split, seed, 0, self.number)
        self.split = split
        self.seed = seed
        self._maps_per_load = maps_per_load

    @abstractmethod
    def draw(self, seed: int) -> MapT:
        """The map of a seed as `scene_seed` gives it."""

    @abstractmethod
    def check(self, script: str, num_chunks: int) -> None:
        """Raises `UserError` unless there is such a script, and at least one chunk."""

    @abstractmethod
    def travel(self, rng: np.random.Generator, scene: MapT, script: str, num_chunks: int) -> Trip:
        """Draws a path of so many chunks."""

    def scene(self, episode_index: int) -> MapT:
        """The map of an episode.

        Raises:
            UserError: an index out of range.
        """
        return self.draw(scene_seed(self.split, self.seed, episode_index, self.number))

    def random(self, stream: int, *numbers: int) -> np.random.Generator:
        """A generator for the stream (0 to 15) and the numbers; no other world has it."""
        assert 0 <= stream < _STREAMS_PER_WORLD
        return np.random.default_rng([_STREAMS_PER_WORLD * self.number + stream, *numbers])

    def episodes(self, num_episodes: int, script: str, num_chunks: int, first_index: int = 0) -> Iterator[Episode]:
        """Episodes `first_index` to `first_index + num_episodes - 1`, each of `4 num_chunks + 1` frames.

        An episode depends on its index, the script and the number of chunks alone, not on how many are asked for.

        Raises:
            UserError: unknown script, no chunk or episode, an index out of range, or ViZDoom missing.
        """
        self.check(script, num_chunks)
        if num_episodes < 1:
            raise UserError(f"{num_episodes} episodes were asked for; ask for at least 1")
        scene_seed(self.split, self.seed, first_index)
        scene_seed(self.split, self.seed, first_index + num_episodes - 1)
        return self._episodes(range(first_index, first_index + num_episodes), script, num_chunks)

    def _episodes(self, indices: range, script: str, num_chunks: int) -> Iterator[Episode]:
        with VizdoomEngine() as engine:
            for begin in range(0, len(indices), self._maps_per_load):
                block = indices[begin : begin + self._maps_per_load]
                scenes = [self.scene(index) for index in block]
                engine.load(scenes)
                for index, scene in zip(block, scenes, strict=True):
                    yield self._episode(engine, scene, index, script, num_chunks)

    def _episode(self, engine: VizdoomEngine, scene: MapT, index: int, script: str, num_chunks: int) -> Episode:
        rng = self.random(SPLITS.index(self.split), self.seed, index, 2)  # apart from the map's
        trip = self.travel(rng, scene, script, num_chunks)
        metadata = {
            "world": self.name,
            "split": self.split,
            "seed": self.seed,
            "episode_index": index,
            "scene": scene.digest,
            "script": trip.script,
            "licence": self.licence,
            "collisions": [frame for frame, bumped in enumerate(trip.refused) if bumped],
            "frame_size": FRAME_SIZE,
            **self.motion,
        }
        return Episode(engine.show(scene, trip.poses), trip.chunks, trip.poses, FPS, metadata)
