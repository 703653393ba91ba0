"""Disks that are full or fail, signals, closed streams, missing rights, and power cuts on a disk of its own.

A power cut is what the disk holds at that moment: the image behind a loop-mounted ext4 is copied as it is, and the copy
is mounted, which replays its journal. What was not synced is not in it.
"""

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from PIL import Image

from fault_families.core import Found, NotTried, Plain
from fault_families.disks import Disk, NoDiskError, can_power_cut, small_disk
from fault_families.made import start_image
from fault_families.prepared import Prepared, files_below, prepared
from fault_families.steps import in_a_process, limit_files, steps_of, strike_at_steps
from slowfast_vgen.errors import UserError

SIZES, ERRORS, SIGNALS, CUTS, FILLS, RIGHTS = 14, 24, 9, 8, 3, 2
"""Trials of each sort for each thing."""
NUMBERS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES)
SIGNAL_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
NOBODY = 65534
STREAMS = ("closed", "all closed", "full", "broken", "ascii")


@dataclass(frozen=True)
class Trial:
    """What strikes the saving of which thing."""

    thing: Prepared
    sort: str
    at: int
    """The step, the size in bytes, or the place in the order."""


class DiskFullSignalsPower(Plain):
    """Each thing under each sort of fault, and some commands with broken streams."""

    name: ClassVar[str] = "disk_full_signals_power"
    what: ClassVar[str] = "disk full, signals, streams, rights, power cuts"
    floor: ClassVar[int] = 36

    def prepare(self, folder: Path, seed: int) -> int:
        """Saves each thing once, counting its steps."""
        self.seed, self.plan = seed, []
        self.can_mount = can_power_cut(folder)
        for thing in prepared(folder, seed):
            place = folder / "rehearsal" / thing.thing.name
            place.mkdir(parents=True)
            path = thing.place(place)
            count = len(steps_of(lambda thing=thing, path=path: thing.thing.save(path, "new")))  # type: ignore[misc]
            largest = max(each.stat().st_size for each in (thing.folder / "new").rglob("*") if each.is_file())
            rng = self.rng(len(self.plan))
            self.plan += [Trial(thing, "size", int(size)) for size in rng.integers(0, largest, SIZES)]
            for sort, number in (("error", ERRORS), ("signal", SIGNALS), ("cut", CUTS - 2)):
                self.plan += [Trial(thing, sort, int(at)) for at in rng.integers(0, count, number)]
            self.plan += [Trial(thing, "cut", count + more) for more in range(2)]  # at the moment of "saved"
            self.plan += [Trial(thing, "fill", more) for more in range(FILLS)]
            self.plan += [Trial(thing, "rights", more) for more in range(RIGHTS)]
        return len(self.plan) + 2 * len(STREAMS)

    def limit_of(self, number: int) -> float:
        """Commands need seconds to start."""
        return self.limit_seconds if number < len(self.plan) else 300.0

    def run(self, number: int, folder: Path) -> Found:
        """See the class."""
        if number >= len(self.plan):
            return streams(STREAMS[(number - len(self.plan)) % len(STREAMS)], number % 2 == 0, folder)
        trial = self.plan[number]
        place = folder / "place"
        place.mkdir()
        work: dict[str, Callable[[Trial, Path, int], Found]] = {
            "size": self._full, "error": self._error, "signal": self._signal, "cut": self._cut, "fill": self._fill,
            "rights": self._rights,
        }  # fmt: skip
        found = work[trial.sort](trial, place, number)
        return f"{trial.sort} {trial.at}: {found}" if isinstance(found, str) else found

    # ------------------------------------------------------------------------------------------- disks that are full

    def _full(self, trial: Trial, place: Path, number: int) -> Found:
        """No file may grow beyond some bytes; writing one that would tells of it."""
        path = trial.thing.place(place)

        def save() -> None:
            limit_files(trial.at, dies=False)
            os._exit(end_of(lambda: trial.thing.thing.save(path, "new")))

        return after(trial.thing, path, in_a_process(save), trial.thing.old)

    def _fill(self, trial: Trial, place: Path, number: int) -> Found:
        """A disk in memory on which little is left."""
        try:
            small_disk(place)
        except NoDiskError as error:
            return NotTried(str(error))
        path = trial.thing.place(place)
        left = int(self.rng(number).integers(0, 3)) * 4096
        filler = place.parent / "place" / "filler"
        free = shutil.disk_usage(place).free
        filler.write_bytes(bytes(max(0, free - left)))
        code = in_a_process(lambda: os._exit(end_of(lambda: trial.thing.thing.save(path, "new"))))
        filler.unlink()
        return after(trial.thing, path, code, trial.thing.old)

    def _error(self, trial: Trial, place: Path, number: int) -> Found:
        """One step fails by an error of the disk."""
        path = trial.thing.place(place)
        code = NUMBERS[number % len(NUMBERS)]

        def strike(step: int, name: str) -> None:
            if step == trial.at:
                raise OSError(code, os.strerror(code))

        def save() -> None:
            strike_at_steps(strike)
            os._exit(end_of(lambda: trial.thing.thing.save(path, "new")))

        return after(trial.thing, path, in_a_process(save), trial.thing.old)

    # -------------------------------------------------------------------------------------------- signals and rights

    def _signal(self, trial: Trial, place: Path, number: int) -> Found:
        """A signal at a step, as a terminal, a batch system or a lost connection sends it."""
        path, sent = trial.thing.place(place), SIGNAL_NUMBERS[number % len(SIGNAL_NUMBERS)]

        def strike(step: int, name: str) -> None:
            if step == trial.at:
                os.kill(os.getpid(), sent)

        def save() -> None:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            strike_at_steps(strike)
            os._exit(end_of(lambda: trial.thing.thing.save(path, "new")))

        in_a_process(save)
        fault = trial.thing.fault(path, {trial.thing.old, trial.thing.new})
        return fault or trial.thing.fault_after_saving(path)

    def _rights(self, trial: Trial, place: Path, number: int) -> Found:
        """A place that may not be written, or files that may not be read, by a user who is not the owner."""
        if os.getuid() != 0:
            return NotTried("only root can become another user")
        path = trial.thing.place(place)
        reads = trial.at == 1
        if reads and not trial.thing.thing.has_old:
            trial.thing.thing.save(path, "new")
        if reads:
            for each in (path, *path.rglob("*")):
                each.chmod(0o700 if each.is_dir() else 0o600)
        chain = [each for each in place.parents if each != Path("/tmp")]
        for each in chain[:4]:
            each.chmod(each.stat().st_mode | 0o011)

        def work() -> None:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            thing = trial.thing.thing
            os._exit(end_of(lambda: thing.read(path) if reads else thing.save(path, "new")))

        code = in_a_process(work)
        if code == 0 and not (reads and trial.thing.thing.name == "latents"):
            return f"{trial.thing.thing.name}: done in silence without the right to"
        if code not in (0, 2):
            return f"{trial.thing.thing.name}: ended with {code}, not with a sentence"
        return trial.thing.fault(path, {trial.thing.old, trial.thing.new} if reads else {trial.thing.old})

    # ------------------------------------------------------------------------------------------------------ power cuts

    def _cut(self, trial: Trial, place: Path, number: int) -> Found:
        """The power goes at a step, or just when it was said that all is saved: then it must be the new state."""
        if self.can_mount is not None:
            return NotTried(self.can_mount)
        disk = Disk(place.parent)
        path = trial.thing.place(disk.here)
        os.sync()
        copied = place.parent / "cut"

        def strike(step: int, name: str) -> None:
            if step == trial.at:
                os.kill(os.getpid(), signal.SIGSTOP)

        child = os.fork()
        if child == 0:
            strike_at_steps(strike)
            os._exit(end_of(lambda: trial.thing.thing.save(path, "new")))
        _, status = os.waitpid(child, os.WUNTRACED)
        is_saved = not os.WIFSTOPPED(status)
        shutil.copyfile(disk.image, copied)
        if not is_saved:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        elif os.waitstatus_to_exitcode(status):
            return f"{trial.thing.thing.name}: saving ends with {os.waitstatus_to_exitcode(status)}"
        after_cut = disk.mounted(copied) / trial.thing.thing.target
        allowed = {trial.thing.new} if is_saved else {trial.thing.old, trial.thing.new}
        fault = trial.thing.fault(after_cut, allowed)
        return fault or trial.thing.fault_after_saving(after_cut)


def end_of(work: Callable[[], object]) -> int:
    """0, or 2 where a sentence told what is wrong: `UserError`, or what commands make a sentence of."""
    try:
        work()
    except (UserError, OSError, KeyboardInterrupt) as error:
        if isinstance(error, OSError) and not error.strerror:
            raise
        return 2
    return 0


def after(thing: Prepared, path: Path, code: int, old: str) -> Found:
    """What is wrong after a saving that failed by a sentence (2), or did not fail (0)."""
    if code not in (0, 2):
        return f"{thing.thing.name}: ended with {code}, not with a sentence"
    fault = thing.fault(path, {thing.new} if code == 0 else {old, thing.new})
    return fault or thing.fault_after_saving(path)


def streams(how: str, is_short: bool, folder: Path) -> Found:
    """A command whose standard streams are closed, full, broken or know few letters: its work is done all the same."""
    Image.fromarray(start_image(0)).save(folder / "start.png")
    words = ["generate", "--image", str(folder / "start.png"), "--actions", "turn left", "--memory", "off"]
    words += ["--steps", "1", "--out", str(folder / "out.mp4"), "--json", str(folder / "figures.json")]
    if is_short:
        words = ["models", "--json", str(folder / "figures.json")]
    closes = {"closed": "1", "all closed": "0,1,2"}.get(how, "")
    program = "import os, sys; [os.close(int(each)) for each in sys.argv[1].split(',') if each]; "
    program += "os.execv(sys.executable, [sys.executable, '-m', 'slowfast_vgen', *sys.argv[2:]])"
    env = os.environ | ({"PYTHONIOENCODING": "ascii", "LC_ALL": "C"} if how == "ascii" else {})
    reader, writer = os.pipe()
    os.close(reader)
    out = open("/dev/full", "wb") if how == "full" else writer if how == "broken" else subprocess.PIPE  # noqa: SIM115
    done = subprocess.run(
        [sys.executable, "-c", program, closes, *words], stdout=out, stderr=subprocess.PIPE, env=env, timeout=280
    )
    os.close(writer)
    if b"Traceback" in done.stderr or b"Exception ignored" in done.stderr:
        return f"{how}: {done.stderr.decode(errors='replace')[-300:]}"
    if done.returncode < 0 or not (folder / "figures.json").is_file():
        return (
            f"{how}: ended with {done.returncode}, without its figures; {done.stderr.decode(errors='replace')[-200:]}"
        )
    left = [name for name in files_below(folder) if ".part-" in name]
    return f"{how}: {left} is left" if left else None


FAMILY = DiskFullSignalsPower()
