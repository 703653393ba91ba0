"""Kills at every write: whoever saves is killed at each of its steps, and what is there is the old or the new."""

import json
import os
import resource
import signal
from pathlib import Path
from typing import Any, ClassVar

from fault_families.core import Found, Plain

STEPS = ("mkdir", "fsync", "rename", "replace", "rmdir", "unlink", "chmod", "open")
"""Functions of `os` that saving calls; each call is a step, and so is each swap of two names."""


class Kills(Plain):
    """Trials: (what is saved, a step, before or after it), and kills in the middle of writing a file."""

    name: ClassVar[str] = "kills"
    what: ClassVar[str] = "kills at every write"
    floor: ClassVar[int] = 1300

    def prepare(self, folder: Path, seed: int) -> int:
        """Nothing is shared yet."""
        from slowfast_vgen import files  # noqa: F401

        self.seed = seed
        return 60

    def run(self, number: int, folder: Path) -> Found:
        """Saves, is killed at the step `number // 2`, reads, saves again."""
        from slowfast_vgen.files import read_json, write_json

        path = folder / "results.json"
        old, new = {"figures": ["old"] * 1000}, {"figures": ["new"] * 1000}
        write_json(path, old)
        killed = os.fork()
        if killed == 0:
            kill_at(number // 2, bool(number % 2), lambda: write_json(path, new))
        os.waitpid(killed, 0)
        if (found := read_json(path)) not in (old, new):
            return f"neither old nor new: {json.dumps(found)[:200]}"
        write_json(path, new)
        left = [each.name for each in folder.iterdir()]
        return None if left == ["results.json"] and read_json(path) == new else f"left after the next save: {left}"


def kill_at(stop: int, after: bool, save: Any) -> None:
    """Saves in this process, which is killed at its step `stop`, or else ends."""
    from slowfast_vgen import file_system

    count = 0

    def counted(kept: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            if count - 1 == stop and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = kept(*args, **kwargs)
            if count - 1 == stop:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call

    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for name in STEPS:
            setattr(os, name, counted(getattr(os, name)))
        file_system.exchange = counted(file_system.exchange)
        save()
    finally:
        os._exit(0)


FAMILY = Kills()
