"""Which seed a scene or a path is drawn from: no two worlds, splits or episodes share one."""

import numpy as np

from slowfast_vgen.errors import UserError

SPLITS = ("train", "validation", "test")
STREAMS_PER_WORLD = 16
_MAX_SEED = 2**32


def scene_seed(split: str, seed: int, episode_index: int, world_number: int = 0) -> int:
    """The seed of an episode's scene: world, split, seed and index side by side in one number.

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
    return np.random.default_rng([scene >> 64, seed, episode_index, 2])  # the last tells it from the scene's


def scene_random(seed: int, kind: int) -> np.random.Generator:
    """The generator that a scene is drawn with.

    Args:
        seed: any int >= 0, such as `scene_seed` gives.
        kind: parts the scenes of one seed; 1, 4 and 5 are rooms, mazes and streets.
    """
    return np.random.default_rng([seed % _MAX_SEED, (seed >> 32) % _MAX_SEED, seed >> 64, kind])
