"""A quick first frame: what diffusers would import for nothing is kept from it."""

import importlib
import sys
from types import ModuleType
from typing import Any

UNUSED = ("accelerate", "peft", "scipy", "transformers")
"""Packages that diffusers imports wherever they are installed: half of the time to a first frame, and not needed."""
COMPILER = "torch._dynamo"
"""What compiles networks, which no command does: diffusers marks a few classes and methods for it, and no more."""


def import_diffusers_quickly() -> None:
    """Imports diffusers as where `UNUSED` are not installed, if nobody has imported it yet; they can be imported after.

    For commands alone: in somebody's own program diffusers must find what is there.
    """
    if "diffusers" in sys.modules:
        return
    stand_ins = {name: None for name in UNUSED} | {COMPILER: _no_compiler()}  # None: the import system finds nothing
    hidden = {name: stand_in for name, stand_in in stand_ins.items() if name not in sys.modules}
    sys.modules.update(hidden)  # type: ignore[arg-type]
    try:
        importlib.import_module("slowfast_vgen.models.world_model")
    finally:
        for name, stand_in in hidden.items():
            if sys.modules.get(name) is stand_in:
                sys.modules.pop(name, None)


def _no_compiler() -> ModuleType:
    """A module whose marks leave what they are put on as it is."""

    def mark(marked: Any = None, *_: Any, **__: Any) -> Any:
        return (lambda other: other) if marked is None else marked

    module = ModuleType(COMPILER)
    module.allow_in_graph = module.disable = mark  # type: ignore[attr-defined]
    return module
