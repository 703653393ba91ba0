"""A quick first frame: what diffusers would import for nothing is kept from it."""

import importlib
import sys

UNUSED = ("accelerate", "peft", "scipy", "transformers")
"""Packages that diffusers imports wherever they are installed: half of the time to a first frame, and not needed."""


def import_diffusers_quickly() -> None:
    """Imports diffusers as where `UNUSED` are not installed, if nobody has imported it yet; they can be imported after.

    For commands alone: in somebody's own program diffusers must find what is there.
    """
    if "diffusers" in sys.modules:
        return
    hidden = [name for name in UNUSED if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment] # the import system takes it for "not there"
    try:
        importlib.import_module("slowfast_vgen.models.world_model")
    finally:
        for name in hidden:
            if sys.modules.get(name) is None:
                sys.modules.pop(name, None)
