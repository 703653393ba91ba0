"""Files written whole or not at all, and their checksums."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from slowfast_vgen.errors import UserError


def sha256_of_file(path: Path) -> str:
    """Hex SHA-256 of the file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`; moves it there when the block ends well, deletes it otherwise.

    Raises:
        UserError: the folder cannot be made or written, or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
        os.close(descriptor)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; choose a place that can be written") from error
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o644)  # mkstemp makes it private to the user
        os.replace(temporary, path)
    except SafetensorError as error:  # a full disk, which safetensors tells in its own way
        raise UserError(f"cannot write {path}: {error}; check the space there") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yields an empty temporary folder beside `path`; it takes the place of `path` when the block ends well.

    An older folder at `path` is set aside first and deleted last, so that there is a whole one at every moment but one
    rename.

    Raises:
        UserError: the parent cannot be written, `path` is a file, or the disk is full.
    """
    if path.exists() and not path.is_dir():
        raise UserError(f"cannot write the folder {path}: a file of that name is there; choose another name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; choose a place that can be written") from error
    try:
        yield temporary
        os.chmod(temporary, 0o755)
        for written in filter(Path.is_file, temporary.rglob("*")):
            os.chmod(written, 0o644)  # safetensors makes its files private to the user
        old = temporary.with_name(temporary.name + "-old")
        if path.exists():
            os.replace(path, old)
        os.replace(temporary, path)
        shutil.rmtree(old, ignore_errors=True)
    except SafetensorError as error:  # a full disk, which safetensors tells in its own way
        raise UserError(f"cannot write {path}: {error}; check the space there") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_json(path: Path, value: Any) -> None:
    """Writes `value` as indented JSON, atomically. Non-finite numbers are refused by the encoder."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
        UserError: missing, unreadable or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; check the path") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON ({error}); write it anew") from error
