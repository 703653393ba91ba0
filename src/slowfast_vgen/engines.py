"""Engines by name, which record episodes. They are found by entry points; the library itself has none.

A distribution adds an engine by one line in the group `slowfast_vgen.envs` of its entry points: a name, and the class
as `module:Class`. An engine that is not installed is opened by `module:Class` in place of a name. Each is imported
only when it is asked for: engines are large, and some are optional.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import entry_points
from typing import Protocol, cast

from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Episode

GROUP = "slowfast_vgen.envs"


class Environment(Protocol):
    """A source of episodes. The same split, seed, script and index always give the same episode.

    `slowfast_envs.check.check_env_world` reports where a class breaks this contract.
    """

    @property
    def name(self) -> str:
        """The name in the metadata of its episodes and in the header of their data set."""
        ...

    @property
    def scripts(self) -> Collection[str]:
        """Names of the scripts that choose actions, apart from "mix", which every world has."""
        ...

    def episodes(self, num_episodes: int, script: str, num_chunks: int, first_index: int = 0) -> Iterator[Episode]:
        """Records episodes `first_index` to `first_index + num_episodes - 1`.

        Args:
            num_episodes: number of episodes, at least 1.
            script: name of the script that chooses actions.
            num_chunks: actions an episode, at least 1.
            first_index: number of the first episode, at least 0.

        Raises:
            UserError: an unknown script, a number out of range, or an engine that does not run here.
        """
        ...


MakeEnvironment = Callable[[str, int], Environment]
"""A world's class: makes it from a split ("train", "validation" or "test") and a seed from 0 to 2^32 - 1."""


def env_names() -> tuple[str, ...]:
    """The names of all worlds that are installed, sorted."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def env_class(name: str) -> MakeEnvironment:
    """The class of the world called `name`, or the one that `name` gives as `module:Class`.

    Raises:
        UserError: no such world, or a package that it needs is not installed.
    """
    module, _, class_name = (name if ":" in name else _registered(name)).partition(":")
    with _packages_of(name):
        kind = getattr(import_module(module), class_name, None)
    if not callable(kind):
        raise UserError(f'the world "{name}" is to be {class_name} of {module}, where there is no such class')
    return cast(MakeEnvironment, kind)


def open_env(name: str, split: str, seed: int) -> Environment:
    """Makes the world called `name`, or the one that `name` gives as `module:Class`.

    Raises:
        UserError: no such environment; one that is no `Environment`; a split or seed that it does not take; or
            a package that it needs is not installed.
    """
    make = env_class(name)
    with _packages_of(name):
        world = make(split, seed)
    for part in ("name", "scripts", "episodes"):
        if not hasattr(world, part):
            raise UserError(f'the world "{name}" has no `{part}`; see docs/howto/add-an-engine.md')
    return world


def _registered(name: str) -> str:
    """The `module:Class` that is registered under a name."""
    values = sorted({point.value for point in entry_points(group=GROUP, name=name)})
    if not values:
        known = ", ".join(env_names())
        choose = f"choose one of: {known}" if known else "no engine is installed; install slowfast-vgen again, with pip"
        raise UserError(f'there is no world "{name}"; {choose}')
    if len(values) > 1:
        raise UserError(f'several packages have a world "{name}"; name one of them as {" or ".join(values)}')
    return values[0]


@contextmanager
def _packages_of(name: str) -> Iterator[None]:
    """Reports in one sentence a package that is missing inside the block."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise UserError(f'the world "{name}" needs the package {error.name}; install it with pip') from error
