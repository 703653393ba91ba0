"""What was stopped goes on: to the same frames, weights and figures, bit for bit, as if it had never stopped."""

import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from fault_families.core import Found, Plain
from fault_families.made import (
    ACTIONS,
    MEMORIES,
    digest_of,
    fingerprint_of,
    line_run,
    start_image,
    tiny_world,
    write_line,
)
from fault_families.steps import die, in_a_process, strike_at_steps, told_by_a_process
from slowfast_bench.cache import Block, run_blocks
from slowfast_vgen.memory.config import MemoryConfig
from slowfast_vgen.models.fingerprint import sha256_of_tensors
from slowfast_vgen.rollout import Session

SESSIONS, TRAININGS, MEASUREMENTS = 400, 300, 100
CHUNKS, STEPS = 5, 5


@dataclass(frozen=True)
class Measured:
    """What a block of a measurement makes."""

    values: np.ndarray


class Resume(Plain):
    """Sessions, trainings and measurements, each stopped once or several times in a process that ends there."""

    name: ClassVar[str] = "resume"
    what: ClassVar[str] = "resumes"
    floor: ClassVar[int] = 250

    def prepare(self, folder: Path, seed: int) -> int:
        """Makes the world and trains without a stop."""
        self.seed, self.world = seed, tiny_world(seed)
        self.trained = told_by_a_process(lambda: self._train(folder / "run", "", 0, 0))
        return SESSIONS + TRAININGS + MEASUREMENTS

    def run(self, number: int, folder: Path) -> Found:
        """See the class."""
        if number < SESSIONS:
            return self._session(number, folder)
        return (self._training if number < SESSIONS + TRAININGS else self._measurement)(number, folder)

    # ------------------------------------------------------------------------------------------------------- sessions

    def _session(self, number: int, folder: Path) -> Found:
        rng = self.rng(number)
        memory = list(MEMORIES)[number % len(MEMORIES)]
        actions = [str(each) for each in rng.choice(ACTIONS, CHUNKS)]
        stops = sorted({int(each) for each in rng.integers(0, CHUNKS, int(rng.integers(1, CHUNKS)))})
        guidance, seed = float(rng.choice([1.0, 1.5])), int(rng.integers(2**31))

        def start() -> Session:
            config = MemoryConfig.from_json(MEMORIES[memory]) or False
            return self.world.start(start_image(seed), config, seed, int(1 + number % 2), guidance_scale=guidance)

        whole = start()
        wanted = [digest_of(whole.step(action)) for action in actions]
        frames: list[str] = []
        for first, last in zip([None, *stops], [*stops, CHUNKS], strict=True):

            def play(first: int | None = first, last: int = last) -> tuple[list[str], str]:
                session = start() if first is None else self.world.resume(folder / "session")
                shown = [digest_of(session.step(action)) for action in actions[first or 0 : last]]
                session.save(folder / "session")
                return shown, fingerprint_of(session)

            shown, fingerprint = told_by_a_process(play)
            frames += shown
        if frames != wanted:
            place = next(place for place, pair in enumerate(zip(frames, wanted, strict=True)) if pair[0] != pair[1])
            return f"memory {memory}, stopped after {stops} chunks: chunk {place} differs"
        if fingerprint != fingerprint_of(whole):
            return f"memory {memory}, stopped after {stops} chunks: the frames are the same, what it keeps differs"
        return None

    # ------------------------------------------------------------------------------------------------------ trainings

    def _training(self, number: int, folder: Path) -> Found:
        rng = self.rng(number)
        ways = ("interrupt", "terminate", "raise", "kill", "kill while saving")
        told = []
        for _ in range(int(rng.integers(1, 4))):
            way, step, disk_step = str(rng.choice(ways)), int(rng.integers(0, STEPS)), int(rng.integers(0, 120))
            told.append(f"{way} at {disk_step if 'saving' in way else step}")
            in_a_process(lambda way=way, step=step, at=disk_step: self._train(folder / "run", way, step, at))  # type: ignore[misc]
        found = self._train(folder / "run", "", 0, 0)
        if found == self.trained:
            return None
        pairs = zip(("weights", "log", "part"), found, self.trained, strict=True)
        return f"stopped by {told}: other {[name for name, one, other in pairs if one != other]}"

    def _train(self, folder: Path, way: str, at: int, disk_step: int) -> tuple[str, list[Any], str]:
        def stopping(value: torch.Tensor, module: torch.nn.Module, step: int) -> torch.Tensor:
            if step == at and way in ("interrupt", "terminate"):
                signal.raise_signal(signal.SIGINT if way == "interrupt" else signal.SIGTERM)
            elif step == at and way == "raise":
                raise MemoryError
            elif step == at and way == "kill":
                die()
            return value

        run = line_run(folder, self.seed, STEPS, stopping)
        if way == "kill while saving":
            strike_at_steps(lambda number, name: die() if number == disk_step else None)
        run.train_part("part", write_line(run))
        lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        log = [{name: value for name, value in line.items() if name != "seconds"} for line in lines]
        part = digest_of((folder / "part" / "weights.safetensors").read_bytes())
        return sha256_of_tensors(run.module.state_dict()), log, part

    # --------------------------------------------------------------------------------------------------- measurements

    def _measurement(self, number: int, folder: Path) -> Found:
        rng = self.rng(number)

        def blocks(stop: int = -1) -> list[Block[Measured]]:
            def compute(place: int) -> Measured:
                if place == stop:
                    raise KeyboardInterrupt
                return Measured(np.random.default_rng(place).normal(size=(3, 4)))

            return [Block(f"part {place}", Measured, 1, lambda _, place=place: compute(place)) for place in range(3)]

        for _ in range(2):
            stop, disk_step = int(rng.integers(0, 3)), int(rng.integers(0, 40))

            def work(stop: int = stop, disk_step: int = disk_step) -> None:
                if number % 2:
                    strike_at_steps(lambda number, name: die() if number == disk_step else None)
                run_blocks(blocks(-1 if number % 2 else stop), folder / "parts")

            in_a_process(work)
        kept = sorted((folder / "parts").glob("*.npz")) if (folder / "parts").exists() else []
        if kept and number % 3 == 0:  # a part that is damaged is computed anew
            os.truncate(kept[0], int(rng.integers(0, kept[0].stat().st_size)))
        found = run_blocks(blocks(), folder / "parts")
        same = all(
            np.array_equal(found[block.name].values, block.compute(lambda done: None).values) for block in blocks()
        )
        left = [each.name for each in (folder / "parts").iterdir() if each.name.startswith(".")]
        return None if same and not left else f"other figures, or {left} is left"


FAMILY = Resume()
