"""Adapters by name, each imported only when it is requested."""

from importlib import import_module
from pathlib import Path
from typing import cast

from slowfast_vgen.data.adapters.base import Adapter, ImportSettings
from slowfast_vgen.errors import UserError

ADAPTERS = {
    "epic-kitchens": ("slowfast_vgen.data.adapters.epic_kitchens", "EpicKitchens"),
    "folder": ("slowfast_vgen.data.adapters.folder", "Folder"),
    "hdd": ("slowfast_vgen.data.adapters.hdd", "Hdd"),
    "lerobot": ("slowfast_vgen.data.adapters.lerobot", "LeRobot"),
    "rlds": ("slowfast_vgen.data.adapters.rlds", "Rlds"),
    "vpt": ("slowfast_vgen.data.adapters.vpt", "Vpt"),
}
"""Name -> module and class. A new source is one more line; `check_adapter` checks its class against the contract."""


def open_adapter(name: str, source: Path, settings: ImportSettings) -> Adapter:
    """Makes the adapter called `name` for the folder `source`.

    Raises:
        UserError: no such adapter or folder, an option that it does not read, or a folder of another layout.
    """
    if name not in ADAPTERS:
        raise UserError(f'there is no adapter "{name}"; choose one of: {", ".join(sorted(ADAPTERS))}')
    if not source.is_dir():
        raise UserError(f"there is no folder {source} to import; give the folder that holds the source's files")
    module, class_name = ADAPTERS[name]
    adapter_class = getattr(import_module(module), class_name)
    given = {
        "table": settings.table,
        "poses": settings.poses,
        "camera": settings.camera,
        "source_fps": settings.source_fps,
    }
    for option, value in given.items():
        if value and option not in adapter_class.options:
            raise UserError(f'the adapter "{name}" reads no --{option.replace("_", "-")}; leave it out')
    return cast(Adapter, adapter_class(source, settings))
