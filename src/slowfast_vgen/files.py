"""Files and folders that are written whole or not at all, and are on the disk when they are reported as saved.

What is written appears next to its target first, is synced, and takes the target's name in one step: whenever a program
is killed or the power fails, there is the old state or the new one. Links are followed; pipes and devices are written
into, never replaced; rights are those that the target had, or those that the user's umask gives.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from slowfast_vgen.errors import UserError
from slowfast_vgen.file_system import (
    FolderLock,
    contents,
    lock_folder,
    make_folder,
    put_in_place,
    recover,
    sync_file,
    sync_folder,
    sync_tree,
    tidy,
    workplace,
)

STANDARD_OUTPUT = Path("/dev/stdout")
"""Target for standard output on every system."""
_DESCRIPTOR = re.compile(r"/dev/fd/(\d+)|/proc/self/fd/(\d+)")
_NO_SPACE = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG)
_NAMED_DESCRIPTORS = {STANDARD_OUTPUT.as_posix(): 1, "/dev/stderr": 2}


def sha256_of_bytes(content: bytes) -> str:
    """Hex SHA-256 of some bytes."""
    return hashlib.sha256(content).hexdigest()


def sha256_of_file(path: Path) -> str:
    """Hex SHA-256 of the file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_unused(folder: Path) -> bool:
    """True if nothing is there, or an empty folder."""
    return not os.path.lexists(folder) or (folder.is_dir() and not contents(folder))


def check_file_target(path: Path) -> None:
    """Refuses a path that `atomic_path` can neither replace nor write into.

    Raises:
        UserError: a folder, a disk or a socket of that name, or links that go round in a circle.
    """
    if _descriptor_of(path) is not None:
        return
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):  # the latter is reported where the folder is made
        return
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; choose another name") from error
    if stat.S_ISDIR(mode):
        raise UserError(f"cannot write {path}: a folder of that name is there; choose another name")
    if stat.S_ISBLK(mode) or stat.S_ISSOCK(mode):
        raise UserError(f"cannot write {path}: it is a disk or a socket; choose another name")


def check_folder_target(path: Path) -> None:
    """Refuses a folder that `atomic_folder` cannot replace.

    Raises:
        UserError: a file of that name, or the place where a disk is mounted, which only unmounting could replace.
    """
    recover(path)
    if path.exists() and not path.is_dir():
        raise UserError(f"cannot write the folder {path}: a file of that name is there; choose another name")
    if path.is_dir() and os.path.ismount(path.resolve()):
        raise UserError(f"cannot write the folder {path}: a disk is mounted there; give a new folder inside it")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yields a temporary path to write; it takes the place of `path` when the block ends well, else it is deleted.

    Raises:
        UserError: the folder cannot be made or written, the disk is full, or `path` is nothing to write to.
    """
    check_file_target(path)
    with ExitStack() as stack:
        if is_stream(path):
            new = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slowfast-")), path.name)
            yield new
            _write_into(path, new)
            return
        target, place, mode = _begin(path, stack)
        new = place / target.name
        with _tells_of_space(path):
            yield new
        with _tells(path):
            new.chmod(place.stat().st_mode & 0o666 if mode is None else mode)  # some libraries make private files
            sync_file(new)
            os.replace(new, target)
            sync_folder(target.parent)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yields an empty temporary folder; it takes the place of `path` when the block ends well, else it is deleted.

    Raises:
        UserError: the parent cannot be written, the disk is full, or see `check_folder_target`.
    """
    check_folder_target(path)
    with ExitStack() as stack:
        target, place, mode = _begin(path, stack)
        new = place / target.name
        with _tells(path):
            new.mkdir()
        with _tells_of_space(path):
            yield new
        with _tells(path):
            if mode is not None:
                new.chmod(mode)
            for written in filter(Path.is_file, new.rglob("*")):
                written.chmod(new.stat().st_mode & 0o666)  # some libraries make private files
            sync_tree(new)
            put_in_place(new, target, place)


def _begin(path: Path, stack: ExitStack) -> tuple[Path, Path, int | None]:
    """Target of links from `path`, a workplace next to it, and the permissions of what is there."""
    with _tells(path):
        target = Path(os.path.realpath(path))
        make_folder(target.parent)
        mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
        return target, stack.enter_context(workplace(target)), mode


@contextmanager
def _tells(path: Path) -> Iterator[None]:
    """Turns an error of the system inside the block into a sentence about `path`."""
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; choose a place that can be written") from error


@contextmanager
def _tells_of_space(path: Path) -> Iterator[None]:
    """Turns the error of a full disk inside the block into a sentence about `path`; other errors pass."""
    try:
        yield
    except SafetensorError as error:  # its own form of the error
        raise UserError(f"cannot write {path}: {error}; check the space there") from error
    except OSError as error:
        if error.errno not in _NO_SPACE:
            raise
        raise UserError(f"cannot write {path}: {error.strerror}; check the space there") from error


def _descriptor_of(path: Path) -> int | None:
    """Descriptor of names such as /dev/stdout: opening them again would cut off what was written already."""
    name = path.as_posix()
    if match := _DESCRIPTOR.fullmatch(name):
        return int(match[1] or match[2])
    return _NAMED_DESCRIPTORS.get(name)


def is_stream(path: Path) -> bool:
    """True if a pipe or a device is there, which is written into directly."""
    return _descriptor_of(path) is not None or (path.exists() and not path.is_file())


def _write_into(path: Path, source: Path) -> None:
    number = _descriptor_of(path)
    if number == 1 and sys.stdout is not None:
        sys.stdout.flush()  # what was printed earlier comes first
    try:
        with source.open("rb") as content, open(path if number is None else os.dup(number), "wb") as stream:
            shutil.copyfileobj(content, stream)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; choose a place that can be written") from error


def append_text(path: Path, text: str) -> None:
    """Adds lines to a file, synced; readers must skip an incomplete last line.

    Raises:
        OSError: the place cannot be written, or the disk is full.
    """
    make_folder(path.parent)
    is_new = not path.exists()
    with path.open("a", encoding="utf-8") as file:
        file.write(text)
    sync_file(path)
    if is_new:
        sync_folder(path.parent)


def hold_folder(folder: Path) -> FolderLock:
    """Makes a folder, where it is missing, and keeps other programs from writing to it while the lock is referred to.

    What killed writers have left in it is removed.

    Raises:
        UserError: another program is writing there, or the folder cannot be made.
    """
    with _tells(folder):
        make_folder(folder)
        lock = lock_folder(folder)
        if lock is None:
            raise UserError(f"another program is writing to {folder}; wait for its end, or choose another folder")
        tidy(folder)
        return lock


def write_json(path: Path, value: Any) -> None:
    """Writes `value` as indented JSON, atomically. Non-finite numbers are refused by the encoder."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
        UserError: missing, unreadable or not JSON.
    """
    return parse_json(path, read_bytes(path))


def read_bytes(path: Path, most: int | None = None) -> bytes:
    """Reads all bytes of a regular file.

    Args:
        path: path of the file.
        most: most bytes that it may have; None for as many as this machine has memory.

    Raises:
        UserError: missing, unreadable, too large, or something that is no file.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe or a device would keep its reader for ever
            raise UserError(f"cannot read {path}: it is no regular file; check the path")
        most = _memory_bytes() if most is None else most
        if status.st_size > most:  # a file with holes takes no space on the disk, but all of it in memory
            raise UserError(f"{path} has {status.st_size} bytes, and at most {most} are read; write or copy it again")
        with path.open("rb") as file:
            return file.read()
    except UserError:
        raise
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}; check the path") from error
    except MemoryError as error:
        raise UserError(f"{path} does not fit into memory; end other programs, or take a larger machine") from error


def _memory_bytes() -> int:
    """Bytes of memory of this machine; where the system does not report it, more than any machine has."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not POSIX
        return 2**43


def parse_json(path: Path, content: bytes) -> Any:
    """Parses the value in the bytes of a JSON file.

    Raises:
        UserError: the bytes are no JSON.
    """
    try:
        return json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON ({error}); write it again") from error
