"""The self-check: does all that generation needs work on this machine? It takes about a minute."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from slowfast_vgen.devices import known_devices
from slowfast_vgen.errors import UserError
from slowfast_vgen.files import sha256_of_file
from slowfast_vgen.machine import peak_rss_mb
from slowfast_vgen.models.world_model import WORLD as WORLD_SEAL
from slowfast_vgen.precision import emulation_factor, has_bfloat16
from slowfast_vgen.presets.worlds import load, shipped_worlds, start_image
from slowfast_vgen.rollout import Session, WorldModel
from slowfast_vgen.threads import available_cpus, free_cpus
from slowfast_vgen.types import Frames

WORLD = "rooms-64"
LEAST_REVISIT_DB = 20.0
"""Least PSNR in dB of a revisited place against its first visit; without a memory it is about 10."""
SLOW = 1.5
"""Slowdown against the best number of threads that is worth a hint."""
LAP, NUM_LAPS = 4, 3
TIMED_CHUNKS = 3
REINSTALL = "install the package again; its files are not as they were shipped"


@dataclass(frozen=True)
class Check:
    """Result of one check."""

    name: str
    passed: bool
    finding: str
    """Finding in a few words."""
    advice: str = ""
    """Advice where the check failed, or where something would be better."""
    figures: dict[str, float] = field(default_factory=dict)


class SelfCheck:
    """The checks one after the other, on one device: `for check in SelfCheck(device, precision, threads).run()`."""

    def __init__(self, device: torch.device | str = "cpu", precision: str = "float32", num_threads: int = 1) -> None:
        self.device, self.precision, self.num_threads = torch.device(device), precision, num_threads

    @property
    def checks(self) -> dict[str, Callable[[], Check]]:
        """The checks by name, in the order in which they are made."""
        return {
            "devices": self._devices,
            "precision": self._precision,
            "weights": self._weights,
            "text": self._text,
            "threads": self._threads,
            "resume": self._resume,
            "rewind": self._rewind,
            "revisit": self._revisit,
            "peak memory": self._peak,
        }

    def run(self) -> Iterator[Check]:
        """Makes each check; an error in one is reported as its failure, and the others are made all the same."""
        for name, check in self.checks.items():
            try:
                yield replace(check(), name=name)
            except UserError as error:
                yield Check(name, False, str(error))
            except Exception as error:
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                yield Check(name, False, f"broke off ({reason[:300]})", "report this, with the whole output")

    @cached_property
    def world(self) -> WorldModel:
        """The shipped world that the checks use."""
        return load(WORLD, self.device, self.precision)

    def _start(self) -> Session:
        return self.world.start(start_image(WORLD), memory=True, seed=0)

    def _devices(self) -> Check:
        """Checks that each device multiplies as the CPU does."""
        first, second = (torch.randn(64, 64, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
        wrong = []
        for name in known_devices():
            product = (first.to(name) @ second.to(name)).cpu()
            if not torch.allclose(product, first @ second, atol=0.05):  # a GPU may multiply in fewer digits
                wrong.append(name)
        names = ", ".join(known_devices())
        if wrong:
            return Check("", False, f"{', '.join(wrong)} multiply wrongly", "repair the driver, or compute on another")
        return Check("", True, f"{names}; {self.device} is used")

    def _precision(self) -> Check:
        factor = emulation_factor(self.device)
        native = has_bfloat16(self.device)
        kind = "has instructions" if native else "is emulated"
        finding = f"{self.precision} is used; bfloat16 {kind} here, {factor:.1f} times the time of float32"
        figures = {"bfloat16_over_float32": factor}
        if self.precision == "bfloat16" and not native:
            return Check("", False, finding, "leave --precision at auto, or give float32", figures)
        return Check("", True, finding, figures=figures)

    def _weights(self) -> Check:
        """Checks that all files of shipped worlds have the checksums of their index, and that every reader loads."""
        damaged, count, size = [], 0, 0
        for name, folder in shipped_worlds().items():
            for file, expected in WORLD_SEAL.named(folder).items():
                path = folder / file
                if not path.is_file() or sha256_of_file(path) != expected:
                    damaged.append(f"{name}/{file}")
                    continue
                count, size = count + 1, size + path.stat().st_size
        if damaged:
            return Check("", False, f"damaged or missing: {', '.join(damaged)}", REINSTALL)
        if not count:
            return Check("", False, "no world is shipped with this installation", REINSTALL)
        return Check(
            "", True, f"{', '.join(shipped_worlds())}: {count} files, {size / 1e6:.0f} MB, as they were shipped"
        )

    def _text(self) -> Check:
        """Checks the world's own actions, whose embeddings it brings, and a text that must be encoded here."""
        encoder = self.world.model.text_encoder
        for text in ("turn left", "wander about the hall"):
            embedding = encoder([text]).pooled()
            if not bool(embedding.isfinite().all()) or float(embedding.norm()) == 0:
                return Check("", False, f"the text encoder says nothing of {text!r}", REINSTALL)
        return Check("", True, f"the world's own actions are known; other texts are read by {encoder.used}")

    def _threads(self) -> Check:
        """Measures the seconds of a chunk with 1, 2, 4 ... threads."""
        counts = sorted({1, *(2**power for power in range(1, 4) if 2**power <= available_cpus()), self.num_threads})
        session, seconds = self._start(), {}
        session.step("turn left")
        try:
            for count in counts:
                torch.set_num_threads(count)
                times = []
                for _ in range(TIMED_CHUNKS):
                    begun = time.perf_counter()
                    session.step("turn left")
                    times.append(time.perf_counter() - begun)
                seconds[count] = float(np.median(times))
        finally:
            torch.set_num_threads(self.num_threads)
        best = min(counts, key=lambda count: seconds[count])
        pace = ", ".join(f"{count}: {1 / seconds[count]:.1f}" for count in counts)
        free = f"{free_cpus():.1f} of {available_cpus()} CPUs free"
        finding = f"chunks a second by threads: {pace}; {self.num_threads} used, {free}"
        advice = f"--threads {best} is faster just now" if seconds[self.num_threads] > SLOW * seconds[best] else ""
        return Check("", True, finding, advice, {f"seconds_a_chunk_threads_{n}": took for n, took in seconds.items()})

    def _resume(self) -> Check:
        """Checks that a saved session resumes bit for bit, and that the same seed gives the same video."""
        first, second = self._start(), self._start()
        if not np.array_equal(first.step("turn left"), second.step("turn left")):
            return Check("", False, "the same seed gave two videos", "report this, with the whole output")
        with tempfile.TemporaryDirectory(prefix="slowfast-") as folder:
            path = Path(folder) / "session"
            first.save(path)
            again = self.world.resume(path)
            size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 2**20
        for action in ("go forward", "turn right"):
            if not np.array_equal(first.step(action), again.step(action)):
                return Check("", False, "a resumed session gave other frames", "report this, with the whole output")
        return Check("", True, f"bit for bit after a save and a resume ({size:.1f} MB)", figures={"session_mb": size})

    def _rewind(self) -> Check:
        """Checks that a fork continues bit for bit like its original, and so does a session after a rewind."""
        session = self._start()
        session.step("turn left")
        fork = session.fork()
        made = session.step("go forward")
        if not np.array_equal(made, fork.step("go forward")):
            return Check("", False, "a fork gave other frames", "report this, with the whole output")
        session.rewind(1)
        if not np.array_equal(made, session.step("go forward")):
            finding = "a chunk made again after a rewind has other frames"
            return Check("", False, finding, "report this, with the whole output")
        return Check("", True, "bit for bit after a fork and after a rewind")

    def _revisit(self) -> Check:
        """Turns round three times from the shipped start image and compares the third lap with the first."""
        agree = {memory: self._laps(memory) for memory in (True, False)}
        finding = f"third lap against the first: {agree[True]:.1f} dB, {agree[False]:.1f} without memory"
        figures = {"revisit_psnr_db": agree[True], "revisit_psnr_db_no_memory": agree[False]}
        if agree[True] < LEAST_REVISIT_DB:
            advice = f"at least {LEAST_REVISIT_DB:g} dB are wanted; try --precision float32 --device cpu, report this"
            return Check("", False, finding, advice, figures)
        return Check("", True, finding, figures=figures)

    def _laps(self, memory: bool) -> float:
        session = self.world.start(start_image(WORLD), memory=memory, seed=0)
        chunks: Sequence[Frames] = [session.step("turn left") for _ in range(NUM_LAPS * LAP)]
        frames = np.concatenate(chunks).reshape(NUM_LAPS, -1, *self.world.frame_size, 3)
        return float(psnr_db(frames[-1], frames[0]).mean())

    def _peak(self) -> Check:
        peak = peak_rss_mb()
        figures = {"peak_rss_mb": peak}
        finding = f"{peak:,.0f} MB of the machine's"
        if self.device.type == "cuda":
            figures["peak_device_mb"] = torch.cuda.max_memory_allocated(self.device) / 2**20
            finding += f", {figures['peak_device_mb']:,.0f} MB of the device's"
        return Check("", True, finding, figures=figures)


def psnr_db(a: Frames, b: Frames) -> Float[np.ndarray, " frames"]:
    """PSNR of each frame, as `metrics.frames.psnr`, whose module needs packages that a plain installation lacks."""
    error = np.square((a.astype(np.float32) - b.astype(np.float32)) / 255).mean((-3, -2, -1))
    return np.minimum(-10 * np.log10(np.maximum(error, 1e-12)), 100.0)
