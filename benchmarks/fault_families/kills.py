"""Kills at every write: whoever saves is killed at each of its steps, and what is there is the old or the new."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from PIL import Image

from fault_families.core import Found, Plain
from fault_families.made import made_episode, start_image
from fault_families.prepared import Prepared, files_below, prepared
from fault_families.steps import die, in_a_process, limit_files, steps_of, strike_at_steps
from fault_families.things import NOTHING
from slowfast_vgen.data.format import DatasetWriter
from slowfast_vgen.data.headers import DatasetHeader

CUT_WRITES = 16
"""Of each thing: kills in the middle of a write, wherever a file is."""
NAMING = ("rename", "replace", "swap")
"""Steps by which what is new gets its name."""
TIMED = 10
"""Kills of commands of their own, by time."""


@dataclass(frozen=True)
class Trial:
    """Where a writer is killed."""

    thing: Prepared
    how: str
    """`before` or `after` a step, or at a `size` that a file may not exceed."""
    at: int
    swaps: bool
    with_old: bool


class Kills(Plain):
    """Each thing, over an old state and as new, with and without the system's way to swap names."""

    name: ClassVar[str] = "kills"
    what: ClassVar[str] = "kills at every write"
    floor: ClassVar[int] = 1300
    names: tuple[str, ...] = ()
    """Of the things, for a test; all where there are none."""

    def prepare(self, folder: Path, seed: int) -> int:
        """Saves each thing once, counting its steps."""
        self.seed, self.folder, self.plan = seed, folder, []
        for thing in prepared(folder, seed, self.names):
            self._plan(thing, folder / "rehearsal" / thing.thing.name)
        return len(self.plan) + TIMED

    def _plan(self, thing: Prepared, folder: Path) -> None:
        largest = max(each.stat().st_size for each in (thing.folder / "new").rglob("*") if each.is_file())
        seen: list[str] = []
        ways = [(with_old, swaps) for with_old in (True, False) for swaps in (True, False)]
        for with_old, swaps in ways:
            if (with_old and not thing.thing.has_old) or not (with_old or swaps):
                continue
            place = folder / f"{with_old}-{swaps}"
            place.mkdir(parents=True)
            path = thing.place(place, with_old)
            steps = steps_of(lambda path=path: thing.thing.save(path, "new"), swaps)
            if not swaps and steps == seen:
                continue  # nothing is swapped
            seen = steps
            for at, name in enumerate(steps):
                # After any other step is before the next one.
                hows = ("before", "after") if name in NAMING else ("before",)
                self.plan += [Trial(thing, how, at, swaps, with_old) for how in hows]
        sizes = self.rng(len(self.plan)).integers(0, largest, CUT_WRITES)
        self.plan += [Trial(thing, "size", int(size), True, thing.thing.has_old) for size in sizes]

    def run(self, number: int, folder: Path) -> Found:
        """Saves, is killed, reads, saves again."""
        if number >= len(self.plan):
            return self._killed_by_time(number, folder)
        trial = self.plan[number]
        thing, place = trial.thing, folder / "place"
        place.mkdir()
        path = thing.place(place, trial.with_old)
        code = in_a_process(lambda: self._save_until_killed(trial, path))
        told = f"{trial.how} {trial.at} of {'swaps' if trial.swaps else 'renames'}"
        if code == 99:
            return f"{thing.thing.name}: an exception instead of a kill, {told}"
        old = thing.old if trial.with_old else NOTHING
        fault = thing.fault(path, {thing.new} if code == 0 else {old, thing.new}) or thing.fault_after_saving(path)
        return f"{fault} ({told})" if fault else None

    @staticmethod
    def _save_until_killed(trial: Trial, path: Path) -> None:
        def strike(number: int, name: str) -> None:
            if number == trial.at:
                die()

        def pass_by(number: int, name: str) -> None:
            return

        if trial.how == "size":
            limit_files(trial.at, dies=True)
        else:
            hows = (strike, pass_by) if trial.how == "before" else (pass_by, strike)
            strike_at_steps(*hows, swaps=trial.swaps)
        trial.thing.thing.save(path, "new")

    def limit_of(self, number: int) -> float:
        """A command needs seconds to start."""
        return self.limit_seconds if number < len(self.plan) else 300.0

    def _killed_by_time(self, number: int, folder: Path) -> Found:
        """A command in a process of its own is killed while it writes; the same command goes on, undisturbed."""
        command, outputs = (sharding if number % 2 else generating)(folder)
        reference = folder / "reference"
        if code := run_here(command(reference)):
            return f"the command itself fails ({code})"
        out = folder / "out"
        out.mkdir()
        started = subprocess.Popen([sys.executable, "-m", "slowfast_vgen", *command(out)], stderr=subprocess.PIPE)
        while started.poll() is None and not any(out.iterdir()):
            time.sleep(0.002)
        time.sleep(float(self.rng(number).uniform(0, 0.15)))
        started.send_signal(signal.SIGKILL)
        started.communicate()
        if code := run_here(command(out)):
            return f"the same command fails after a kill ({code})"
        left = [each for each in files_below(out) if each not in files_below(reference)]
        differing = [each for each in outputs if (out / each).read_bytes() != (reference / each).read_bytes()]
        return f"after a kill by time {left} is left and {differing} differ" if left or differing else None


Command = Callable[[Path], list[str]]


def sharding(folder: Path) -> tuple[Command, list[str]]:
    """The command that makes shards of a data set in a given folder, and what it writes there."""
    writer = DatasetWriter(folder / "set", DatasetHeader("tiny", "train", 30, {"seed": 0}))
    for number in range(30):
        writer.append(made_episode(number))
    writer.finish()
    words = ["data", "shard", str(folder / "set")]
    return (lambda out: [*words, str(out / "shards"), "--max-bytes-per-shard", "50000"]), ["shards/shards.json"]


def generating(folder: Path) -> tuple[Command, list[str]]:
    """The same for one that generates a video and saves the session."""
    Image.fromarray(start_image(0)).save(folder / "start.png")
    words = ["generate", "--image", str(folder / "start.png"), "--actions", "turn left x3", "--steps", "1"]

    def command(out: Path) -> list[str]:
        return [*words, "--out", str(out / "video.mp4"), "--save-memory", str(out / "session")]

    return command, ["video.mp4", "session/session.safetensors"]


def run_here(words: list[str]) -> int:
    """The exit code of a command in a forked process."""
    from slowfast_vgen.cli.main import main

    def work() -> None:
        os._exit(main(words))

    return in_a_process(work)


FAMILY = Kills()
