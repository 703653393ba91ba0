"""Parts that all worlds share: disjoint seeds, the size of a recording, and the class `SeededEnvironment`."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from slowfast_envs.walking import STEP_UNITS, TURN_DEGREES, Place, poses_of
from slowfast_envs.walking_scripts import SCRIPTS, check_script, told_chunks
from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Episode, Frames

FRAME_SIZE = 64
"""Side of a frame in pixels."""
FPS = 10.0
"""Frames per second."""
SPLITS = ("train", "validation", "test")
STREAMS_PER_WORLD = 16
_MAX_SEED = 2**32


def scene_seed(split: str, seed: int, episode_index: int, world_number: int = 0) -> int:
    """The seed of an episode's scene: world, split, seed and index packed into one number.

    Different arguments give different numbers, so two splits, or two worlds, never draw from the same seed.

    Raises:
        UserError: unknown split, or a number outside 0 to 2^32 - 1.
    """
    if split not in SPLITS:
        raise UserError(f"unknown split {split!r}; choose one of {', '.join(SPLITS)}")
    for name, value in (("seed", seed), ("episode index", episode_index)):
        if not 0 <= value < _MAX_SEED:
            raise UserError(f"the {name} {value} is out of range; choose one from 0 to {_MAX_SEED - 1}")
    code = STREAMS_PER_WORLD * world_number + SPLITS.index(split)
    return (code * _MAX_SEED + seed) * _MAX_SEED + episode_index


def path_random(world_number: int, split: str, seed: int, episode_index: int) -> np.random.Generator:
    """The generator of an episode's path and phrasings; no other episode of any split or world has it."""
    scene = scene_seed(split, seed, episode_index, world_number)
    return np.random.default_rng([scene >> 64, seed, episode_index, 2])  # the last number separates it from the scene's


def scene_random(seed: int, kind: int) -> np.random.Generator:
    """The generator that a scene is drawn with.

    Args:
        seed: any int >= 0, such as `scene_seed` gives.
        kind: separates scenes of the same seed; 1, 4 and 5 are rooms, mazes and streets.
    """
    return np.random.default_rng([seed % _MAX_SEED, (seed >> 32) % _MAX_SEED, seed >> 64, kind])


class SeededEnvironment(ABC):
    """Episodes of one split: a fresh scene, start and path each, all drawn from (split, seed, episode index).

    A subclass defines what an episode shows: `name`, `number`, `licence`, and `_episodes`.

    Raises:
        UserError: unknown split, or a seed out of range.
    """

    name: ClassVar[str]
    number: ClassVar[int]
    """Number that separates the world's random streams from those of the others."""
    licence: ClassVar[str]
    """Licence of the episodes, as in their metadata."""
    scripts: ClassVar[Collection[str]] = SCRIPTS
    """Names of the scripts that `episodes` takes in addition to "mix"."""

    def __init__(self, split: str, seed: int) -> None:
        scene_seed(split, seed, 0, self.number)
        self.split = split
        self.seed = seed

    def seed_of(self, episode_index: int) -> int:
        """The seed of an episode's scene.

        Raises:
            UserError: an index out of range.
        """
        return scene_seed(self.split, self.seed, episode_index, self.number)

    def random(self, stream: int, *numbers: int) -> np.random.Generator:
        """Random generator of the stream (0 to 15) and the numbers; no other world has it."""
        assert 0 <= stream < STREAMS_PER_WORLD
        return np.random.default_rng([STREAMS_PER_WORLD * self.number + stream, *numbers])

    def path_random(self, episode_index: int) -> np.random.Generator:
        """The generator of an episode's path and phrasings."""
        return path_random(self.number, self.split, self.seed, episode_index)

    def check(self, script: str, num_chunks: int) -> None:
        """Raises `UserError` unless there is such a script, and enough chunks for it."""
        check_script(script, num_chunks, self.scripts)

    def episodes(self, num_episodes: int, script: str, num_chunks: int, first_index: int = 0) -> Iterator[Episode]:
        """Episodes `first_index` to `first_index + num_episodes - 1`, each of `4 num_chunks + 1` frames.

        An episode depends on its index, the script and the number of chunks alone, not on how many are asked for.

        Raises:
            UserError: unknown script, no chunk or episode, an index out of range, or an engine that is not available.
        """
        self.check(script, num_chunks)
        if num_episodes < 1:
            raise UserError(f"{num_episodes} episodes were asked for; ask for at least 1")
        indices = range(first_index, first_index + num_episodes)
        for index in (indices[0], indices[-1]):
            self.seed_of(index)
        return self._episodes(indices, script, num_chunks)

    @abstractmethod
    def _episodes(self, indices: range, script: str, num_chunks: int) -> Iterator[Episode]:
        """Yields the episodes one after the other; the arguments have been checked."""

    def _told(self, episode_index: int, scene: str, script: str) -> dict[str, Any]:
        """First entries of the metadata of every episode."""
        return {
            "world": self.name,
            "split": self.split,
            "seed": self.seed,
            "episode_index": episode_index,
            "scene": scene,
            "script": script,
            "licence": self.licence,
        }


def recorded(
    rng: np.random.Generator,
    frames: Frames,
    places: Sequence[Place],
    refused: Sequence[bool],
    verbs: Sequence[str],
    metadata: dict[str, Any],
) -> Episode:
    """Makes the episode of a walk: draws its texts (see `told_chunks`) and adds the metadata that all walks share.

    Args:
        rng: draws the phrasings.
        frames: the start image and `FRAMES_PER_CHUNK` frames a verb.
        places: one per frame.
        refused: for each frame whether its step was refused.
        verbs: one per chunk.
        metadata: further entries; "script" is required.
    """
    chunks = told_chunks(rng, metadata["script"], verbs)
    common = {
        "collisions": [frame for frame, bumped in enumerate(refused) if bumped],
        "frame_size": FRAME_SIZE,
        "turn_degrees": TURN_DEGREES,
        "step_units": STEP_UNITS,
    }
    return Episode(frames, chunks, poses_of(places), FPS, metadata | common)
