"""Tasks of Meta-World whose scripted experts succeed and whose things can be seen at 64x64, with their phrasings."""

import json
from dataclasses import dataclass
from importlib.resources import files

from slowfast_vgen.errors import UserError


@dataclass(frozen=True)
class Task:
    """A task that the robot can do."""

    env: str
    """Its name in Meta-World, without the version."""
    thing: str
    """Name of the moved thing; the metadata have its position for every frame."""
    phrasings: tuple[str, ...]
    """Phrasings, the canonical one first."""
    shows_goal: bool = False
    """True if the text refers to the coloured mark, which must then be seen."""


def _tasks() -> dict[str, Task]:
    entries = json.loads(files("slowfast_envs").joinpath("metaworld/tasks.json").read_text("utf-8"))
    return {verb: Task(**entry | {"phrasings": tuple(entry["phrasings"])}) for verb, entry in entries.items()}


TASKS = _tasks()
"""Verb -> task. No phrasing belongs to two verbs."""


def task_named(verb: str) -> Task:
    """The task of a verb.

    Raises:
        UserError: no such verb.
    """
    if verb not in TASKS:
        raise UserError(f'there is no task "{verb}"; choose one of: {", ".join(TASKS)}')
    return TASKS[verb]
