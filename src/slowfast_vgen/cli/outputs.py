"""Checks that a result can be written where the user wants it, made before the work starts and not after it."""

import os
import tempfile
from pathlib import Path

from slowfast_vgen.errors import UserError
from slowfast_vgen.files import check_file_target, is_stream


def check_output_file(path: Path, *suffixes: str) -> None:
    """Refuses a place where no file can be written. Nothing is left behind; a file that is there is not touched.

    Args:
        path: the file to be; it may replace a regular file, and be written into a pipe or a device.
        suffixes: what its name may end in, such as ".mp4"; none given, anything.

    Raises:
        UserError: another suffix, a folder or a disk of that name, or a folder that cannot be made or written.
    """
    if suffixes and path.suffix not in suffixes:
        raise UserError(f"cannot write {path}: its name must end in {' or '.join(suffixes)}")
    check_file_target(path)
    if not is_stream(path):
        _check_writable(path, Path(os.path.realpath(path)).parent)


def check_output_folder(path: Path) -> None:
    """Refuses a folder that cannot be made or written; one that is there may hold anything.

    Raises:
        UserError: a file of that name, or a place that cannot be written.
    """
    _check_writable(path, path)


def _check_writable(path: Path, folder: Path) -> None:
    """Tries a temporary file in `folder` or, where that is still to be made, in the nearest one above it."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise UserError(f"cannot write {path}: {folder} is a file, not a folder; choose another place")
    try:
        tempfile.TemporaryFile(dir=folder, prefix=".slowfast-").close()
    except OSError as error:
        raise UserError(
            f"cannot write {path} ({folder}: {error.strerror}); choose a place that can be written"
        ) from error
