"""What every family of faults is made of: numbered trials, each run alone in a process of its own under a time limit.

A family is a module of this package with a `FAMILY`. Its trials are numbered from 0, and number and seed decide
everything about one, so that each can be run again alone. A trial returns None where all is well, a sentence where
something failed, or `NotTried` with the reason. What a family need not look for itself: a traceback, a trial that dies
or takes too long.
"""

import faulthandler
import importlib
import json
import os
import select
import shutil
import signal
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from slowfast_vgen.threads import available_cpus

NAMES = (
    "kills",
    "resume",
    "save_load_fork_merge",
    "nan_and_exceptions",
    "disk_full_signals_power",
    "videos_and_tables",
    "mutants",
    "hostile",
    "soak",
)
LIMIT_SECONDS = 10.0
"""A trial that takes longer hangs."""
POLL_SECONDS = 0.1
BEHIND = 3.0
"""Under a load, programs of the usual priority come so many times before one that was started with `nice -n 5`."""
TRACES = ("Traceback (most recent call last)", "Exception ignored in", "Fatal Python error", "Segmentation fault")
MOST_KEPT = 20
"""Failures of a family that are kept with their sentences; all are counted."""


@dataclass(frozen=True)
class NotTried:
    """A trial that this machine cannot run."""

    reason: str
    """Few and general ones: trials are counted by it."""


Found = str | NotTried | None
"""What a trial returns: what failed, why it was not tried, or that all is well."""


class Family(Protocol):
    """One sort of faults."""

    name: ClassVar[str]
    what: ClassVar[str]
    """In a few words, for people."""
    floor: ClassVar[int]
    """So many trials there are at least."""

    def prepare(self, folder: Path, seed: int) -> int:
        """Makes in `folder`, which lasts as long as the family runs, what its trials share.

        It runs in the process from which those of the trials are forked: what it imports and loads, they have.

        Returns:
            How many trials there are.
        """
        ...

    def run(self, number: int, folder: Path) -> Found:
        """Runs a trial, 0 to `prepare`'s result - 1, in an empty folder, which is taken away after it."""
        ...

    def limit_of(self, number: int) -> float:
        """How many seconds a trial may take."""
        ...

    def close(self) -> None:
        """Ends what `prepare` has started, such as a server or a mount."""
        ...


class Plain:
    """What most families need of `Family`."""

    limit_seconds: float = LIMIT_SECONDS
    """Of most trials."""
    seed: int = 0
    """Of the suite; set it in `prepare`."""

    def rng(self, number: int) -> np.random.Generator:
        """The trial's own."""
        return np.random.default_rng([self.seed, number])

    def limit_of(self, number: int) -> float:
        """The same for all."""
        return self.limit_seconds

    def close(self) -> None:
        """Nothing is left."""


def load(name: str) -> Family | None:
    """The family of that name; None while it is not written yet."""
    try:
        return importlib.import_module(f"fault_families.{name}").FAMILY
    except ModuleNotFoundError as error:
        if error.name != f"fault_families.{name}":
            raise
        return None


@dataclass
class Row:
    """Where a family stands: a row of results/reliability.json."""

    name: str
    floor: int
    trials: int = 0
    """All there are, or so many as were drawn for a sample."""
    done: int = 0
    """The first of them, whatever became of them."""
    tried: int = 0
    failed: int = 0
    not_tried: dict[str, int] = field(default_factory=dict)
    """Reason -> how many."""
    failures: list[dict[str, Any]] = field(default_factory=list)
    """`{"trial": NUMBER, "told": SENTENCE}` of the first that failed."""
    cpu_seconds: float = 0.0

    def add(self, number: int, found: Found, cpu_seconds: float) -> None:
        """Counts a trial."""
        self.done += 1
        self.cpu_seconds = round(self.cpu_seconds + cpu_seconds, 3)
        if isinstance(found, NotTried):
            self.not_tried[found.reason] = self.not_tried.get(found.reason, 0) + 1
            return
        self.tried += 1
        if found is not None:
            self.failed += 1
            if len(self.failures) < MOST_KEPT:
                self.failures.append({"trial": number, "told": found[:2000]})


def run_trial(family: Family, number: int, folder: Path) -> tuple[Found, float]:
    """Runs a trial in a forked process with a new folder below `folder`.

    Returns:
        What it found, and the processor seconds that it took, those of its own processes included.
    """
    place = folder / f"trial-{number}"
    shutil.rmtree(place, ignore_errors=True)
    (place / "work").mkdir(parents=True)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _be_the_trial(family, number, place, writer)
    os.close(writer)
    limit_seconds = family.limit_of(number)
    try:
        told = _hear(reader, limit_seconds)
    finally:
        os.close(reader)
        _end_group(child)
    _, status, usage = os.wait4(child, 0)
    printed = (place / "printed").read_text(errors="replace") if (place / "printed").exists() else ""
    shutil.rmtree(place, ignore_errors=True)
    return _judge(told, status, printed, limit_seconds), usage.ru_utime + usage.ru_stime


def _be_the_trial(family: Family, number: int, place: Path, writer: int) -> None:
    """The rest of the forked process's life."""
    try:
        os.setsid()  # what it starts and leaves behind is ended with it
        printed = os.open(place / "printed", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for stream in (1, 2):
            os.dup2(printed, stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        faulthandler.enable(2)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        try:
            found = family.run(number, place / "work")
            told = {"not_tried": found.reason} if isinstance(found, NotTried) else {"failed": found}
        except BaseException:  # anything at all is a traceback to be counted
            told = {"failed": f"a traceback: {traceback.format_exc()[-1500:]}"}
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(writer, json.dumps(told).encode()[:60_000] + b"\n")
    finally:
        os._exit(0)


def _hear(reader: int, limit_seconds: float) -> dict[str, Any] | str:
    """The line that a trial writes; else `hangs` or `dies`."""
    line, started = b"", time.monotonic()
    while not line.endswith(b"\n"):
        if not select.select([reader], [], [], POLL_SECONDS)[0]:
            if time.monotonic() - started > limit_seconds and time.monotonic() - started > limit_seconds * patience():
                return "hangs"
            continue
        if not (more := os.read(reader, 2**16)):
            return "dies"
        line += more
    if time.monotonic() - started > limit_seconds * patience():
        return "hangs"
    told: dict[str, Any] = json.loads(line)
    return told


def patience() -> float:
    """How many times longer everything takes here than on a machine that does nothing else."""
    cpus, load = available_cpus(), os.getloadavg()[0]
    return 1.0 if load <= cpus else BEHIND * load / cpus


def _end_group(child: int) -> None:
    for end in (lambda: os.killpg(child, signal.SIGKILL), lambda: os.kill(child, signal.SIGKILL)):
        try:
            end()
        except (ProcessLookupError, PermissionError):  # it ended, or has no group yet
            continue


def _judge(told: dict[str, Any] | str, status: int, printed: str, limit_seconds: float) -> Found:
    end = printed.strip()[-600:]
    if told == "hangs":
        return f"it took more than {limit_seconds:g} s; it had printed: {end}"
    if isinstance(told, str):
        return f"its process died ({os.waitstatus_to_exitcode(status)}); it had printed: {end}"
    if "not_tried" in told:
        return NotTried(told["not_tried"])
    if told["failed"] is None and any(trace in printed for trace in TRACES):
        return f"a traceback was printed: {end}"
    return told["failed"]
