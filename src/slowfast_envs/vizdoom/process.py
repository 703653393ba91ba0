"""ViZDoom's engine as a process of its own: it ends with this process, and the next start clears up after a kill.

An engine shares memory with us, three segments of 11 MB together named after the instance: `ViZDoomSM...`,
`ViZDoomMQCtr...` and `ViZDoomMQDoom...` in /dev/shm. Both sides remove them when they end normally; after kill -9 of
our process they stay, as does the folder of the engine's files. So each engine writes its instance into that folder
before it starts, and the folder is locked while our process lives. Only segments recorded in folders of ours are
removed; those of other programs look the same. (Two segments of 10 kB each stay for ever if the kill comes between
making them and starting the engine.)
"""

import os
import re
import shlex
import shutil
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from slowfast_vgen.file_system import is_abandoned, lock_folder

SEGMENTS = ("ViZDoomSM", "ViZDoomMQCtr", "ViZDoomMQDoom")
"""Prefixes of the names of an instance's shared memory; its number follows."""
_SHARED_MEMORY = Path("/dev/shm")
_PREFIX = "slowfast-vizdoom-"
_ARGUMENTS_FILE = "arguments"
_INSTANCE_ARGUMENT = "+viz_instance_id"
_PR_SET_PDEATHSIG = 1


class EngineFolder:
    """A temporary folder for one engine's files; `close` removes it. Leftovers of killed programs are cleared first."""

    def __init__(self) -> None:
        clear_leftovers()
        self._folder = tempfile.TemporaryDirectory(prefix=_PREFIX)
        self.path = Path(self._folder.name)
        self._lock = lock_folder(self.path)

    def close(self) -> None:
        """Removes the folder; may be called twice."""
        self._folder.cleanup()
        if self._lock is not None:
            self._lock.release()

    def starter(self, engine: Path) -> Path | None:
        """Writes a script that starts the engine so that the kernel ends it when this process ends, even by kill -9.

        Only the engine's own process can ask for this, so the script does it and then becomes the engine. None if the
        system cannot do this, or starts no programs from temporary folders; an engine that is then left over can be
        ended by hand.
        """
        if not sys.platform.startswith("linux") or not engine.is_file():
            return None
        program = (
            "import ctypes, os, sys\n"
            f"ctypes.CDLL(None).prctl({_PR_SET_PDEATHSIG}, {int(signal.SIGKILL)})\n"
            f"if os.getppid() != {os.getpid()}: sys.exit(1)\n"  # we had ended already
            f"with open({str(self.path / _ARGUMENTS_FILE)!r}, 'w') as file: file.write('\\n'.join(sys.argv[1:]))\n"
            f"os.execv({str(engine)!r}, [{str(engine)!r}, *sys.argv[1:]])\n"
        )
        script = self.path / "engine"
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -I -S -c {shlex.quote(program)} "$@"\n')
        script.chmod(0o700)
        return script if os.access(script, os.X_OK) else None


def clear_leftovers() -> None:
    """Removes the folders of this user's engines whose programs were killed, and the shared memory of each.

    A folder in which no engine was started yet is left alone: its program may be about to lock it.
    """
    if not hasattr(os, "getuid"):
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another program clears it too
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            if (folder / _ARGUMENTS_FILE).is_file() and is_abandoned(folder):
                for segment in segments_of(folder):
                    segment.unlink()
                shutil.rmtree(folder)


def segments_of(folder: Path) -> list[Path]:
    """Files of the shared memory of the engine that was started with this folder, as far as they exist."""
    with suppress(OSError, ValueError):
        arguments = (folder / _ARGUMENTS_FILE).read_text().splitlines()
        instance = arguments[arguments.index(_INSTANCE_ARGUMENT) + 1 :][:1]
        if instance and re.fullmatch(r"\w+", instance[0]):
            return [path for name in SEGMENTS if (path := _SHARED_MEMORY / f"{name}{instance[0]}").is_file()]
    return []
