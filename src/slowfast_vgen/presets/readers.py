"""Inverse dynamics models by name: those shipped inside the package."""

from importlib.resources import files
from pathlib import Path

from slowfast_vgen.errors import UserError

FOLDER = "readers"


def shipped_reader(name: str) -> Path:
    """The folder of the shipped inverse dynamics model of that name.

    Raises:
        UserError: none of that name is shipped.

    >>> shipped_reader("rooms").name
    'rooms'
    """
    folder = Path(str(files("slowfast_vgen") / "weights" / FOLDER / name))
    if not (folder / "config.json").is_file():
        raise UserError(
            f"planning reads actions off frames, and no inverse dynamics model {name!r} is shipped; give "
            "--inverse-dynamics DIR, a folder that `slowfast train inverse-dynamics` wrote"
        )
    return folder
