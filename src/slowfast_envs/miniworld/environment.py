"""The worlds `miniworld-rooms` and `miniworld-rooms-third`: freshly drawn houses, in the first or the third person.

The same seed gives the same houses and paths in both. The engine is Miniworld; layouts are drawn here.
"""

from collections.abc import Iterator
from typing import ClassVar

from slowfast_envs.base import SeededEnvironment, recorded
from slowfast_envs.miniworld import engine as miniworld_engine
from slowfast_envs.miniworld.camera import FOV_DEGREES, Camera
from slowfast_envs.miniworld.engine import ground
from slowfast_envs.miniworld.map import UNITS_PER_METRE, House, draw_house
from slowfast_envs.walking import walk
from slowfast_envs.walking_scripts import draw_path
from slowfast_vgen.types import Episode


class MiniworldRooms(SeededEnvironment):
    """Episodes in houses. See `SeededEnvironment`."""

    name = "miniworld-rooms"
    number = 2
    licence = "Apache-2.0 (textures and meshes of Miniworld; layout by slowfast_vgen)"
    camera: ClassVar[Camera] = "first"

    def house(self, episode_index: int) -> House:
        """The house of an episode.

        Raises:
            UserError: an index out of range.
        """
        return draw_house(self.seed_of(episode_index))

    def _episodes(self, indices: range, script: str, num_chunks: int) -> Iterator[Episode]:
        return (self._episode(index, script, num_chunks) for index in indices)

    def _episode(self, index: int, script: str, num_chunks: int) -> Episode:
        house = self.house(index)
        rng = self.path_random(index)
        drawn, start, verbs = draw_path(rng, ground(house), script, num_chunks)
        places, refused = walk(ground(house), start, verbs)
        frames = miniworld_engine.show(house, places, self.camera)
        metadata = self._told(index, house.digest, drawn) | {
            "camera": self.camera,
            "fov_degrees": FOV_DEGREES[self.camera],
            "units_per_metre": UNITS_PER_METRE,
        }
        return recorded(rng, frames, places, refused, verbs, metadata)


class MiniworldRoomsThird(MiniworldRooms):
    """The same houses and paths, seen from behind and above the walker; poses are the walker's."""

    name = "miniworld-rooms-third"
    camera = "third"
