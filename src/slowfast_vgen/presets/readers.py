"""The inverse dynamics model that is shipped inside the package, where there is one."""

from importlib.resources import files
from pathlib import Path

FOLDER = "inverse_dynamics"


def shipped_reader() -> Path | None:
    """Its folder, or None."""
    folder = Path(str(files("slowfast_vgen") / "weights" / FOLDER))
    return folder if (folder / "config.json").is_file() else None
