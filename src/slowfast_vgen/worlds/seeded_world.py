"""What all worlds have in common: episodes of one split, each drawn from (split, seed, episode index)."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from typing import Any, ClassVar

import numpy as np

from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Episode
from slowfast_vgen.worlds.path_scripts import SCRIPTS, check_script
from slowfast_vgen.worlds.seeds import STREAMS_PER_WORLD, path_random, scene_seed


class SeededWorld(ABC):
    """Episodes of one split: a fresh scene, start and path each, all drawn from (split, seed, episode index).

    Raises:
        UserError: unknown split, or a seed out of range.
    """

    name: ClassVar[str]
    number: ClassVar[int]
    """Parts the world's random streams from those of the others."""
    licence: ClassVar[str]
    """Of the episodes, as their metadata tells it."""
    scripts: ClassVar[Collection[str]] = SCRIPTS
    """What `episodes` may be asked for, beside "mix"."""

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
        """A generator for the stream (0 to 15) and the numbers; no other world has it."""
        assert 0 <= stream < STREAMS_PER_WORLD
        return np.random.default_rng([STREAMS_PER_WORLD * self.number + stream, *numbers])

    def path_random(self, episode_index: int) -> np.random.Generator:
        """The generator of an episode's path and phrasings."""
        return path_random(self.number, self.split, self.seed, episode_index)

    def check(self, script: str, num_chunks: int) -> None:
        """Raises `UserError` unless there is such a script, and chunks enough for it."""
        check_script(script, num_chunks, self.scripts)

    def episodes(self, num_episodes: int, script: str, num_chunks: int, first_index: int = 0) -> Iterator[Episode]:
        """Episodes `first_index` to `first_index + num_episodes - 1`, each of `4 num_chunks + 1` frames.

        An episode depends on its index, the script and the number of chunks alone, not on how many are asked for.

        Raises:
            UserError: unknown script, no chunk or episode, an index out of range, or an engine that is not there.
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
        """Makes the episodes, one after the other; what was asked for has been checked."""

    def _told(self, episode_index: int, scene: str, script: str) -> dict[str, Any]:
        """What the metadata of every episode begin with."""
        return {
            "world": self.name,
            "split": self.split,
            "seed": self.seed,
            "episode_index": episode_index,
            "scene": scene,
            "script": script,
            "licence": self.licence,
        }
