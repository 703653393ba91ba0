"""The worlds `miniworld-rooms` and `miniworld-rooms-third`: freshly drawn houses, by the first or the third person.

The same seed gives the same houses and paths in both. The engine is Miniworld; layouts are drawn here.
"""

from collections.abc import Iterator
from typing import ClassVar

from slowfast_vgen.types import Episode
from slowfast_vgen.worlds import miniworld_engine
from slowfast_vgen.worlds.miniworld_camera import FOV_DEGREES, Camera
from slowfast_vgen.worlds.miniworld_engine import ground
from slowfast_vgen.worlds.miniworld_map import UNITS_PER_METRE, House, draw_house
from slowfast_vgen.worlds.path_scripts import draw_path, walk
from slowfast_vgen.worlds.recording import check_request, path_random, recorded, scene_seed

WORLD_NUMBER = 2


class MiniworldRooms:
    """Episodes of one split: a fresh house, start and path each, all drawn from (split, seed, episode index).

    Raises:
        UserError: unknown split, or a seed out of range.
    """

    name: ClassVar[str] = "miniworld-rooms"
    camera: ClassVar[Camera] = "first"

    def __init__(self, split: str, seed: int) -> None:
        scene_seed(split, seed, 0, WORLD_NUMBER)
        self.split = split
        self.seed = seed

    def house(self, episode_index: int) -> House:
        """The house of an episode.

        Raises:
            UserError: an index out of range.
        """
        return draw_house(scene_seed(self.split, self.seed, episode_index, WORLD_NUMBER))

    def episodes(self, num_episodes: int, script: str, num_chunks: int, first_index: int = 0) -> Iterator[Episode]:
        """Episodes `first_index` to `first_index + num_episodes - 1`, each of `4 num_chunks + 1` frames.

        An episode depends on its index, the script and the number of chunks alone, not on how many are asked for.

        Raises:
            UserError: unknown script, no chunk or episode, an index out of range, or no Miniworld or EGL.
        """
        indices = range(first_index, first_index + num_episodes)
        check_request(WORLD_NUMBER, self.split, self.seed, indices, script, num_chunks)
        return (self._episode(index, script, num_chunks) for index in indices)

    def _episode(self, index: int, script: str, num_chunks: int) -> Episode:
        house = self.house(index)
        rng = path_random(WORLD_NUMBER, self.split, self.seed, index)
        drawn, start, verbs = draw_path(rng, ground(house), script, num_chunks)
        places, refused = walk(ground(house), start, verbs)
        frames = miniworld_engine.show(house, places, self.camera)
        metadata = {
            "world": self.name,
            "split": self.split,
            "seed": self.seed,
            "episode_index": index,
            "scene": house.digest,
            "script": drawn,
            "licence": "Apache-2.0 (textures and meshes of Miniworld; layout by slowfast_vgen)",
            "camera": self.camera,
            "fov_degrees": FOV_DEGREES[self.camera],
            "units_per_metre": UNITS_PER_METRE,
        }
        return recorded(rng, frames, places, refused, verbs, metadata)


class MiniworldRoomsThird(MiniworldRooms):
    """The same houses and paths, seen from behind and above the walker; poses are the walker's."""

    name = "miniworld-rooms-third"
    camera = "third"
