"""What engines have in common beside the frames: size and speed of a recording, checks, and the telling of actions."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Episode, Frames
from slowfast_vgen.worlds.path_scripts import (
    SCRIPTS,
    STEP_UNITS,
    TURN_DEGREES,
    Place,
    check_script,
    poses_of,
    told_chunks,
)
from slowfast_vgen.worlds.vizdoom_world import SPLITS, scene_seed

FRAME_SIZE = 64
FPS = 10.0


def check_request(
    world_number: int,
    split: str,
    seed: int,
    indices: range,
    script: str,
    num_chunks: int,
    scripts: Collection[str] = SCRIPTS,
) -> None:
    """Checks what `World.episodes` was asked for, before anything is made.

    Raises:
        UserError: unknown script, no chunk or episode, or a number out of range.
    """
    check_script(script, num_chunks, scripts)
    if not indices:
        raise UserError(f"{len(indices)} episodes were asked for; ask for at least 1")
    for index in (indices[0], indices[-1]):
        scene_seed(split, seed, index, world_number)


def path_random(world_number: int, split: str, seed: int, episode_index: int) -> np.random.Generator:
    """The generator of an episode's path and phrasings; no other episode of any split or world has it."""
    scene = scene_seed(split, seed, episode_index, world_number)
    return np.random.default_rng([scene >> 64, seed, episode_index, 2])  # the last tells it from the map's


def recorded(
    rng: np.random.Generator,
    frames: Frames,
    places: Sequence[Place],
    refused: Sequence[bool],
    verbs: Sequence[str],
    metadata: dict[str, Any],
) -> Episode:
    """The episode of a walk: told in words (see `told_chunks`), and what every world tells is added.

    Args:
        rng: draws the phrasings.
        frames: the start image and `FRAMES_PER_CHUNK` frames a verb.
        places: one a frame.
        refused: for each frame whether its step was refused.
        verbs: one a chunk.
        metadata: what else there is to tell; "script" must be there.
    """
    chunks = told_chunks(rng, metadata["script"], verbs)
    common = {
        "collisions": [frame for frame, bumped in enumerate(refused) if bumped],
        "frame_size": FRAME_SIZE,
        "turn_degrees": TURN_DEGREES,
        "step_units": STEP_UNITS,
    }
    return Episode(frames, chunks, poses_of(places), FPS, metadata | common)


__all__ = ["FPS", "FRAME_SIZE", "SPLITS", "check_request", "path_random", "recorded", "scene_seed"]
