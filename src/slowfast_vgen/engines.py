"""Worlds by name. A world is imported only when it is asked for: engines are large, and some are optional."""

from collections.abc import Iterator
from importlib import import_module
from typing import Protocol, cast

from slowfast_envs import walking_scripts as path_scripts
from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Episode

WORLDS = {
    "car-racing": ("slowfast_envs.car_racing.world", "CarRacing"),
    "franka-kitchen": ("slowfast_envs.kitchen.world", "FrankaKitchen"),
    "metaworld": ("slowfast_envs.metaworld.world", "MetaWorld"),
    "miniworld-rooms": ("slowfast_envs.miniworld.world", "MiniworldRooms"),
    "miniworld-rooms-third": ("slowfast_envs.miniworld.world", "MiniworldRoomsThird"),
    "unrealcv": ("slowfast_envs.unrealcv.world", "UnrealWorld"),
    "vizdoom-mazes": ("slowfast_envs.vizdoom.mazes", "VizdoomMazes"),
    "vizdoom-rooms": ("slowfast_envs.vizdoom.rooms", "VizdoomRooms"),
    "vizdoom-streets": ("slowfast_envs.vizdoom.streets", "VizdoomStreets"),
}
"""Name -> module and class. A new world is one more line; its class is made as `WorldClass(split, seed)`."""


class World(Protocol):
    """A source of episodes. The same split, seed, script and index always give the same episode."""

    def episodes(self, num_episodes: int, script: str, num_chunks: int, first_index: int = 0) -> Iterator[Episode]:
        """Episodes `first_index` to `first_index + num_episodes - 1`.

        Args:
            num_episodes: how many.
            script: the name of the way that actions are chosen.
            num_chunks: actions an episode.
            first_index: number of the first episode.
        """
        ...


def open_world(name: str, split: str, seed: int) -> World:
    """Makes the world called `name`.

    Raises:
        UserError: no such world; split or seed that it does not take; or a package that it needs is not installed.
    """
    if name not in WORLDS:
        raise UserError(f'there is no world "{name}"; choose one of: {", ".join(sorted(WORLDS))}')
    module, class_name = WORLDS[name]
    try:
        world = getattr(import_module(module), class_name)(split, seed)
    except ModuleNotFoundError as error:
        raise UserError(f'the world "{name}" needs the package {error.name}; install it with pip') from error
    return cast(World, world)


def scripts_of(name: str) -> tuple[str, ...]:
    """The scripts of the world called `name`, without "mix": `SCRIPTS` of its module, else those for walking.

    Raises:
        UserError: as in `open_world`.
    """
    open_world(name, "train", 0)
    return tuple(getattr(import_module(WORLDS[name][0]), "SCRIPTS", path_scripts.SCRIPTS))
