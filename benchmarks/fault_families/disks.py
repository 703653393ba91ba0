"""Small disks of a trial's own, mounted for its process alone: they are gone when that ends, however it does."""

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

from fault_families.steps import in_a_process

IMAGE_BYTES = 12 * 2**20
SMALL_BYTES = 2 * 2**20
_NEW_MOUNTS = 0x00020000


class NoDiskError(Exception):
    """No disk can be mounted here; says why."""


def _own_mounts() -> None:
    """What this process mounts from here on, others do not see."""
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "unshare") or library.unshare(_NEW_MOUNTS):
        raise NoDiskError("this user cannot mount disks")
    _run("mount", "--make-rprivate", "/")


def _run(*words: str) -> None:
    try:
        subprocess.run(words, check=True, capture_output=True)
    except OSError as error:
        raise NoDiskError(f"there is no {words[0]}") from error
    except subprocess.CalledProcessError as error:
        raise NoDiskError(f"{words[0]} is refused here") from error


def small_disk(place: Path) -> None:
    """Mounts a small disk in memory on a folder."""
    _own_mounts()
    _run("mount", "-t", "tmpfs", "-o", f"size={SMALL_BYTES}", "tmpfs", str(place))


class Disk:
    """An ext4 disk in an image."""

    def __init__(self, folder: Path) -> None:
        """Makes it in `folder`, and mounts it on `here`."""
        _own_mounts()
        self.image, self.here = folder / "image", folder / "disk"
        with self.image.open("wb") as file:
            file.truncate(IMAGE_BYTES)
        _run("mkfs.ext4", "-q", "-F", str(self.image))
        self.here.mkdir()
        _run("mount", "-o", "loop", str(self.image), str(self.here))
        shutil.rmtree(self.here / "lost+found", ignore_errors=True)

    def mounted(self, copy: Path) -> Path:
        """Mounts a copy of the image, as the system would after the power is back."""
        place = copy.with_name(f"{copy.name} mounted")
        place.mkdir()
        _run("mount", "-o", "loop", str(copy), str(place))
        return place


def can_power_cut(folder: Path) -> str | None:
    """None if what is not synced is lost by a power cut here; else why none can be tried."""
    place = folder / "can power cut"
    place.mkdir()

    def work() -> None:
        try:
            disk = Disk(place)
            os.sync()
            (disk.here / "unsynced").write_text("x" * 5000)
            shutil.copyfile(disk.image, place / "copy")
            found = disk.mounted(place / "copy") / "unsynced"
        except NoDiskError as error:
            (place / "why").write_text(str(error))
            return
        if found.exists() and found.read_text():
            (place / "why").write_text("this system writes everything at once")

    in_a_process(work)
    return (place / "why").read_text() if (place / "why").exists() else None
