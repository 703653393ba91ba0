"""Tasks that need a memory, by name. A task is imported only when it is asked for: engines are large."""

from importlib import import_module
from typing import cast

from slowfast_bench.planning.task import Task
from slowfast_vgen.errors import UserError

TASKS = {
    "metaworld-return": ("slowfast_bench.planning.metaworld_return", "MetaworldReturn"),
    "vizdoom-retrace": ("slowfast_bench.planning.vizdoom_retrace", "VizdoomRetrace"),
}
"""Name -> module and class, which is made as `Class(split)` or `Class.quick(split)`. A new task is one more line."""


def open_task(name: str, split: str = "test", quick: bool = False) -> Task:
    """Makes the task called `name`.

    Raises:
        UserError: no such task, or a package that it needs is not installed.
    """
    if name not in TASKS:
        raise UserError(f"there is no task {name!r:.80}; choose one of: {', '.join(sorted(TASKS))}")
    module, class_name = TASKS[name]
    try:
        made = getattr(import_module(module), class_name)
    except ModuleNotFoundError as error:
        raise UserError(f"the task {name} needs the package {error.name}; install it with pip") from error
    return cast(Task, made.quick(split) if quick else made(split))
