"""The world `unrealcv`: a camera walks through the level that a running UnrealCV server shows.

One chunk is one verb held for four frames, at exact places; the look of a place is up to the engine. The free space is
not known beforehand: the camera tries each step once.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import cast

import numpy as np

from slowfast_envs.base import SeededEnvironment, recorded
from slowfast_envs.scene import Rect, Scene, room_around
from slowfast_envs.unrealcv.camera import FOV_DEGREES, UnrealCamera
from slowfast_envs.unrealcv.client import UnrealSettings
from slowfast_envs.walking import HEADINGS, STEPS, Place, walk
from slowfast_envs.walking_scripts import SCRIPTS, draw_script
from slowfast_vgen.types import Episode

_QUARTERS = 4
"""Number of parts along each side of the area, which scripts use as rooms."""
_LONGEST_WAY = 10
"""Largest number of chunks from home to a start."""


class Level:
    """A scene for path scripts that is explored step by step from home."""

    def __init__(self, camera: UnrealCamera, area_cm: int) -> None:
        self._camera = camera
        home = camera.home
        self._area = Rect(home.x - area_cm, home.y - area_cm, home.x + area_cm, home.y + area_cm)
        self._known: dict[tuple[int, int], bool] = {home[:2]: True}

    def is_free(self, x: int, y: int) -> bool:
        """True if the camera can come to (x, y) by one step from a place where it is known to fit."""
        if (x, y) not in self._known:
            reached = next((Place(x - dx, y - dy, 0) for dx, dy in STEPS if self._known.get((x - dx, y - dy))), None)
            if reached is None:
                return False
            self._known[x, y] = self._area.holds(x, y) and self._camera.reaches(reached, Place(x, y, 0))
        return self._known[x, y]

    @cached_property
    def rooms(self) -> tuple[Rect, ...]:
        """The parts of the area, so that scripts have somewhere to go."""
        left, bottom = self._area.left, self._area.bottom
        side = (self._area.right - left) // _QUARTERS
        return tuple(
            Rect(left + i * side, bottom + j * side, left + (i + 1) * side - 1, bottom + (j + 1) * side - 1)
            for i in range(_QUARTERS)
            for j in range(_QUARTERS)
        )

    def room_at(self, x: int, y: int) -> int | None:
        """Index of the part around (x, y), None outside."""
        return room_around(self.rooms, x, y)


class UnrealEnvironment(SeededEnvironment):
    """Episodes of the level that the server shows. Paths are drawn from (split, seed, episode index).

    It connects to the server when the first episode is requested. See `UnrealSettings` for the address.

    Raises:
        UserError: unknown split, a seed out of range, or an invalid setting.
    """

    name = "unrealcv"
    number = 3
    licence = "that of the Unreal level"

    def __init__(self, split: str, seed: int) -> None:
        super().__init__(split, seed)
        self._settings = UnrealSettings.from_environment()

    def _episodes(self, indices: range, script: str, num_chunks: int) -> Iterator[Episode]:
        with UnrealCamera(self._settings) as camera:
            for index in indices:
                yield self._episode(camera, index, script, num_chunks)

    def _episode(self, camera: UnrealCamera, index: int, script: str, num_chunks: int) -> Episode:
        rng = self.path_random(index)
        # Explored again: knowledge of a level depends on earlier paths, but an episode must depend on its index alone.
        level = Level(camera, self._settings.area_cm)
        scene = cast(Scene, level)  # path scripts ask no more of it than `Level` has
        drawn = draw_script(rng, script)
        start = _draw_start(rng, scene, camera.home, drawn)
        verbs = SCRIPTS[drawn](rng, scene, start, num_chunks)
        places, refused = walk(scene, start, verbs)
        frames = np.stack([camera.frame(place) for place in places])
        metadata = self._told(index, f"unrealcv {camera.scene}", drawn) | {
            "camera": "first",
            "units_per_metre": 100,
            "fov_degrees": FOV_DEGREES if camera.fov_known else None,
            "home": [camera.home.x, camera.home.y, camera.height_cm],
            "area_cm": self._settings.area_cm,
            "collisions_known": camera.collides,
        }
        return recorded(rng, frames, places, refused, verbs, metadata)


def _draw_start(rng: np.random.Generator, scene: Scene, home: Place, script: str) -> Place:
    """A place some free chunks away from home, by a random way along the axes."""
    place = home
    for _ in range(int(rng.integers(_LONGEST_WAY + 1))):
        ahead = place._replace(heading=4 * int(rng.integers(4)))
        places, refused = walk(scene, ahead, ["go_forward"])
        if not any(refused):
            place = places[-1]
    straight = script in ("wander", "out-and-back", "loop", "retrace")
    return place._replace(heading=4 * int(rng.integers(4)) if straight else int(rng.integers(HEADINGS)))
