"""Worlds by name: those shipped inside the package, and any folder."""

from importlib.resources import files
from pathlib import Path

import torch

from slowfast_vgen.allocator import keep_freed_memory
from slowfast_vgen.errors import UserError
from slowfast_vgen.models.world_model import INDEX_FILE, WorldModel
from slowfast_vgen.rollout import World


def shipped_worlds() -> dict[str, Path]:
    """Folders of the shipped worlds by name."""
    root = Path(str(files("slowfast_vgen") / "weights"))
    return {path.parent.name: path.parent for path in sorted(root.glob(f"*/{INDEX_FILE}"))}


def world_folder(name: str | Path) -> Path:
    """The folder of a shipped world, or of one that the user packed.

    Raises:
        UserError: neither.
    """
    shipped = shipped_worlds()
    if str(name) in shipped:
        return shipped[str(name)]
    try:
        if str(name).strip() and Path(name).is_dir():
            return Path(name)
    except OSError as error:  # a name that is too long, or a folder that may not be looked into
        raise UserError(f"cannot look for the world {str(name)[:60]!r}: {error.strerror}; check the name") from error
    raise UserError(
        f"unknown world {str(name)!r}; shipped are: {', '.join(shipped) or 'none'}; or give a world's folder"
    )


def load(name: str | Path, device: torch.device | str = "cpu", precision: str = "float32") -> World:
    """Loads a world by name or folder, and lets the process keep what it frees (`allocator`).

    Raises:
        UserError: no such world, damaged files in it, or an unknown precision.

    >>> session = load("rooms-64").start("docs/images/start.png", memory=True, seed=0)
    >>> session.step("turn left").shape
    (4, 64, 64, 3)
    """
    keep_freed_memory()
    return World(WorldModel.load(world_folder(name), device), precision)
