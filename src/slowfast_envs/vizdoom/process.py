"""ViZDoom's engine as a process of its own: it ends when we end, and what a kill leaves behind goes at the next start.

An engine shares memory with us, three segments of 11 MB together named after the instance: `ViZDoomSM...`,
`ViZDoomMQCtr...` and `ViZDoomMQDoom...` in /dev/shm. Both sides take them away when they end in peace; after kill -9 of
ours they stay, as does the folder of its files. So each engine tells its instance in that folder before it starts, and
the folder is locked as long as we live. Only what is left by folders of ours is taken away; segments of other programs
look the same. (Kept for ever: two segments of 10 kB each, where the kill comes in the instant between making them and
starting the engine.)
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
"""What the names of an instance's shared memory begin with; its number follows."""
_SHARED_MEMORY = Path("/dev/shm")
_PREFIX = "slowfast-vizdoom-"
_ARGUMENTS_FILE = "arguments"
_INSTANCE_ARGUMENT = "+viz_instance_id"
_PR_SET_PDEATHSIG = 1


class EngineFolder:
    """A temporary folder for one engine's files; `close` removes it. What killed programs left is cleared first."""

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

        The wish is one that only the engine's own process can utter, before the engine takes it over. None where a
        system has no such thing, or starts no programs from temporary folders; an engine that is then left over can be
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
    """Takes away the folders of this user's engines whose programs were killed, and the shared memory of each.

    A folder in which no engine was started yet is left alone: its program may be about to lock it.
    """
    if not hasattr(os, "getuid"):
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another program clears it away too
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            if (folder / _ARGUMENTS_FILE).is_file() and is_abandoned(folder):
                for segment in segments_of(folder):
                    segment.unlink()
                shutil.rmtree(folder)


def segments_of(folder: Path) -> list[Path]:
    """The shared memory of the engine that was started with the files of this folder, as far as it is there."""
    with suppress(OSError, ValueError):
        arguments = (folder / _ARGUMENTS_FILE).read_text().splitlines()
        instance = arguments[arguments.index(_INSTANCE_ARGUMENT) + 1 :][:1]
        if instance and re.fullmatch(r"\w+", instance[0]):
            return [path for name in SEGMENTS if (path := _SHARED_MEMORY / f"{name}{instance[0]}").is_file()]
    return []
