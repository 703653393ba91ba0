"""Operating system functions for saving: to sync, to swap two names, to lock; guarded where a system lacks them.

A writer works in a folder of its own next to its target, `.NAME.part-0`, which it keeps locked: a folder of such a name
that is not locked was left by a writer that was killed, and the next writer of the same target removes it.
"""

import ctypes
import errno
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary, finalize

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_NO_SUCH_CALL = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EPERM}
_IN_USE = {errno.EAGAIN, errno.EACCES}
_IN_THE_WAY = {errno.ENOTEMPTY, errno.EEXIST, errno.EACCES, errno.EPERM}
_MOST_WRITERS = 64
_SET_ASIDE = "old"
_PLACE = re.compile(r"\.(.+)\.part-[0-9-]+")


def _find_renameat2() -> Any:
    """The C library's function, or None where there is none: not on Linux, or a library that is too old."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        function = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    return function


_renameat2 = _find_renameat2()
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


def exchange(first: Path, second: Path) -> bool:
    """Swaps two names in one step; False, and nothing happens, where the system or this disk cannot."""
    if _renameat2 is None:
        return False
    names = (os.fsencode(first), os.fsencode(second))
    if _renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_SUCH_CALL:
        return False
    raise OSError(number, os.strerror(number), str(second))


def sync_file(path: Path) -> None:
    """Writes the file's bytes to the disk, so that a power cut leaves them there."""
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Writes the names in the folder to the disk; does nothing where folders cannot be synced."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        _sync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SUCH_CALL | {errno.EBADF}:
            raise
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Writes the folder and every file and folder in it to the disk."""
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            sync_file(Path(parent, name))
        sync_folder(Path(parent))


def _sync(descriptor: int) -> None:
    full = getattr(fcntl, "F_FULLFSYNC", None)  # macOS: its fsync leaves the bytes in the disk's own cache
    if full is not None:
        with suppress(OSError):
            fcntl.fcntl(descriptor, full)
            return
    os.fsync(descriptor)


def make_folder(path: Path) -> None:
    """Makes a folder and those above it, and syncs every one in which a new name appears."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        with suppress(FileExistsError):
            folder.mkdir()
        sync_folder(folder.parent)


class FolderLock:
    """A lock that keeps other programs from writing to a folder, from `take` until `release` or the end of its owner.

    The owner may be stopped at any line, Ctrl-C included: the lock ends with the last reference to it.
    """

    def __init__(self, folder: Path) -> None:
        """Opens the folder, which must exist; does not lock it yet.

        Raises:
            OSError: it cannot be opened.
        """
        self.descriptor = os.open(folder, os.O_RDONLY)
        self._close = finalize(self, os.close, self.descriptor)

    def take(self) -> bool:
        """Locks the folder; False where another process has the lock, True where nothing can be locked."""
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno not in _IN_USE
        return True

    @property
    def is_open(self) -> bool:
        """True until the lock is released."""
        return self._close.alive

    def release(self) -> None:
        """Lets others in; may be called twice."""
        self._close()

    def __enter__(self) -> "FolderLock":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


_held: WeakValueDictionary[tuple[int, int], FolderLock] = WeakValueDictionary()


def lock_folder(folder: Path) -> FolderLock | None:
    """Locks an existing folder for this process; None where another one holds the lock.

    A second call by the same process gives the same lock. Where nothing can be locked, every process gets one.
    """
    if fcntl is None:
        return FolderLock(Path(os.devnull))
    lock = FolderLock(folder)
    status = os.fstat(lock.descriptor)
    key = (status.st_dev, status.st_ino)
    if (held := _held.get(key)) is not None and held.is_open:
        lock.release()
        return held
    if not lock.take():
        lock.release()
        return None
    _held[key] = lock
    return lock


def is_abandoned(folder: Path) -> bool:
    """True if no process, this one included, holds the folder's lock; False where that cannot be determined."""
    if fcntl is None:
        return False
    try:
        with FolderLock(folder) as lock:
            fcntl.flock(lock.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def workplace(path: Path) -> Iterator[Path]:
    """Yields an empty folder next to `path` for its writer alone; removes it at the end, and what killed ones left."""
    place, lock = _own_place(path)
    with lock:
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)


def contents(folder: Path) -> list[Path]:
    """Contents of a folder without the workplaces of writers, since killed ones leave theirs behind."""
    return sorted(path for path in folder.iterdir() if not _PLACE.fullmatch(path.name))


def tidy(folder: Path) -> None:
    """Removes the workplaces in a folder that killed writers have left."""
    for place in folder.iterdir():
        if (match := _PLACE.fullmatch(place.name)) is None or fcntl is None:
            continue
        recover(place.with_name(match[1]))
        with suppress(OSError), FolderLock(place) as lock:  # its writer may have ended just now
            if lock.take():
                shutil.rmtree(place, ignore_errors=True)


def _own_place(path: Path) -> tuple[Path, FolderLock]:
    if fcntl is None:  # it is unknown whether a writer lives: each has a name of its own
        place = path.with_name(f".{path.name}.part-{os.getpid()}-{time.monotonic_ns()}")
        place.mkdir()
        return place, FolderLock(Path(os.devnull))
    for number in range(_MOST_WRITERS):
        place = path.with_name(f".{path.name}.part-{number}")
        with suppress(FileExistsError):
            place.mkdir()
        try:
            lock = FolderLock(place)
        except FileNotFoundError:  # its writer ended just now
            continue
        if lock.take() and _is_still(place, lock.descriptor):
            for leftover in place.iterdir():
                shutil.rmtree(leftover, ignore_errors=True) if leftover.is_dir() else leftover.unlink()
            return place, lock
        lock.release()
    raise OSError(errno.EBUSY, f"{_MOST_WRITERS} programs write it at once", str(path))


def _is_still(place: Path, descriptor: int) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.stat(place), os.fstat(descriptor))
    return False


def put_in_place(new: Path, path: Path, place: Path) -> None:
    """Moves the folder `new` from the workplace `place` to `path`; what was at `path` is moved into `place`.

    In one step where the system can swap names. Elsewhere the old one is set aside first, and `recover` brings it back
    if the program ends before the new one is there.
    """
    if path.exists():
        with suppress(FileNotFoundError):
            if exchange(new, path):
                sync_folder(path.parent)
                return
    aside: Path | None = None
    try:
        for attempt in range(_MOST_WRITERS):
            try:
                os.rename(new, path)
                break
            except OSError as error:
                if error.errno not in _IN_THE_WAY or not path.exists() or attempt == _MOST_WRITERS - 1:
                    raise
            aside = place / f"{_SET_ASIDE}-{attempt}"
            with suppress(FileNotFoundError):  # another writer was quicker
                os.rename(path, aside)
        sync_folder(path.parent)
    except BaseException:
        if aside is not None and aside.exists() and not path.exists():
            os.rename(aside, path)
        raise


def recover(path: Path) -> None:
    """Brings back the folder that a writer had set aside when it was killed, where there is none at `path`."""
    for _ in range(100):
        if path.exists() or not path.parent.is_dir():
            return
        living = False
        for place in path.parent.iterdir():
            if not place.name.startswith(f".{path.name}.part-"):
                continue
            try:
                set_aside = sorted(place.glob(f"{_SET_ASIDE}-*"), key=lambda each: int(each.name.rpartition("-")[2]))
                if not set_aside:
                    continue
                with FolderLock(Path(os.devnull) if fcntl is None else place) as lock:
                    if fcntl is None or lock.take():
                        os.rename(set_aside[-1], path)
                        return
                living = True
            except OSError:  # the writer has continued, or another reader was quicker
                living = True
        if not living:
            return
        time.sleep(0.01)
