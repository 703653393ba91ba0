"""What the ViZDoom worlds that one walks through have in common: the camera of `walking`, and its verbs."""

from typing import ClassVar

import numpy as np

from slowfast_vgen.errors import UserError
from slowfast_vgen.worlds.path_scripts import draw_path, told_chunks
from slowfast_vgen.worlds.registry import open_world
from slowfast_vgen.worlds.scene import Scene
from slowfast_vgen.worlds.vizdoom_source import Trip, VizdoomSource
from slowfast_vgen.worlds.walking import STEP_UNITS, TURN_DEGREES, poses_of, walk


class VizdoomWorld(VizdoomSource[Scene]):
    """Episodes of a walk. See `VizdoomSource`."""

    motion: ClassVar[dict[str, float]] = {"turn_degrees": TURN_DEGREES, "step_units": STEP_UNITS}

    def travel(self, rng: np.random.Generator, scene: Scene, script: str, num_chunks: int) -> Trip:
        """Draws a walk."""
        drawn, start, verbs = draw_path(rng, scene, script, num_chunks)
        places, refused = walk(scene, start, verbs)
        return Trip(drawn, poses_of(places), refused, told_chunks(rng, drawn, verbs))


def open_vizdoom_world(name: str, split: str, seed: int) -> VizdoomWorld:
    """The world called `name`, one whose maps and poses are known.

    Raises:
        UserError: no such world, or one of another engine; split or seed that it does not take.
    """
    world = open_world(name, split, seed)
    if not isinstance(world, VizdoomWorld):
        raise UserError(f'the world "{name}" has no maps to walk on; choose a world of ViZDoom, such as vizdoom-rooms')
    return world
