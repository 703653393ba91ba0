"""Worlds by name: those shipped inside the package, and worlds in any folder."""

import re
from importlib.resources import files
from pathlib import Path

import torch

from slowfast_vgen.allocator import keep_freed_memory
from slowfast_vgen.devices import open_device
from slowfast_vgen.errors import UserError
from slowfast_vgen.models.vocabulary import Vocabulary
from slowfast_vgen.models.world_model import INDEX_FILE, WORLD, WorldWeights, read_vocabulary
from slowfast_vgen.precision import resolve_precision
from slowfast_vgen.rollout import WorldModel

RELEASES: dict[str, str] = {}
"""Worlds and versions that are not shipped any more, such as "rooms-64@1" -> the last release that has them."""

START_IMAGE = "start.png"
"""Name of the start image in the folder of a shipped world that has one."""
_VERSIONED = re.compile(r"(?P<name>[^@]+)@(?P<version>[0-9]{1,6})")


def shipped_versions() -> dict[str, dict[int, Path]]:
    """Name -> version -> folder of every world that is shipped.

    A folder has the name of its world; the folder of an older version, next to the newest, is "name@version".
    """
    root = Path(str(files("slowfast_vgen") / "weights"))
    folders: dict[str, dict[int, Path]] = {}
    for path in sorted(root.glob(f"*/{INDEX_FILE}")):
        name = path.parent.name.partition("@")[0]
        settings = WORLD.read_header(path.parent).world
        folders.setdefault(name, {})[settings.get("version", 1)] = path.parent
    return folders


def shipped_worlds() -> dict[str, Path]:
    """Folders of the shipped worlds by name, the newest version of each."""
    return {name: versions[max(versions)] for name, versions in shipped_versions().items()}


def world_folder(name: str | Path) -> Path:
    """The folder of a shipped world or of one that the user packed.

    "rooms-64" is the newest version of a shipped world, "rooms-64@1" is version 1.

    Raises:
        UserError: no such world, or no name at all; for a version that is not shipped any more, the error names the
            release that has it.
    """
    shipped = shipped_worlds()
    if not isinstance(name, (str, Path)):
        raise UserError(f"a world is a name or a folder, got {name!r}; shipped are: {', '.join(shipped)}")
    if str(name) in shipped:
        return shipped[str(name)]
    try:
        if str(name).strip() and Path(name).is_dir():
            return Path(name)
    except OSError as error:  # a name that is too long, or a folder that may not be read
        raise UserError(f"cannot look for the world {str(name)[:60]!r}: {error.strerror}; check the name") from error
    versioned = _VERSIONED.fullmatch(str(name))
    versions = shipped_versions().get(versioned["name"], {}) if versioned else {}
    if versioned and int(versioned["version"]) in versions:
        return versions[int(versioned["version"])]
    if str(name) in RELEASES:
        raise UserError(
            f"the world {str(name)!r} is not shipped any more; release {RELEASES[str(name)]} of slowfast-vgen is the "
            "last that has it: install that one, or load the newest version"
        )
    if versioned and versions:
        has = ", ".join(f"{versioned['name']}@{version}" for version in sorted(versions))
        raise UserError(f"the world {versioned['name']!r} has no version {versioned['version']}; shipped is {has}")
    raise UserError(
        f"unknown world {str(name)[:200]!r}; shipped are: {', '.join(shipped) or 'none'}; or give a world's folder"
    )


def vocabulary(name: str | Path) -> Vocabulary | None:
    """The vocabulary of a world, without loading its weights; None where it is not written down.

    Raises:
        UserError: no such world, or damaged files in it.

    >>> vocabulary("rooms-64").verbs
    ('turn_left', 'turn_right', 'go_forward', 'go_back', 'stay')
    """
    return read_vocabulary(world_folder(name))


def load(name: str | Path, device: torch.device | str = "cpu", precision: str = "float32") -> WorldModel:
    """Loads a world by name or folder (see `world_folder`), and lets the process keep what it frees (`allocator`).

    Args:
        name: name of a shipped world, or the folder of one.
        device: device that it computes on, such as "cpu" or "cuda".
        precision: "float32", "bfloat16", or "auto", which is what `slowfast generate` takes: see `resolve_precision`.

    Raises:
        UserError: no such world, damaged files in it, a device that is not there, or an unknown precision.

    >>> session = load("rooms-64").start("docs/images/start.png", memory=True, seed=0)
    >>> session.step("turn left").shape
    (4, 64, 64, 3)
    """
    keep_freed_memory()
    folder, device = world_folder(name), open_device(device)
    return WorldModel(WorldWeights.load(folder, device), resolve_precision(precision, device, batched=False))


def start_image(name: str = "rooms-64") -> Path:
    """A start image of a shipped world, from a map that no training has seen.

    Raises:
        UserError: none is shipped with it.
    """
    path = world_folder(name) / START_IMAGE
    if not path.is_file():
        raise UserError(f"no start image is shipped with the world {name!r}; give a picture of your own")
    return path
