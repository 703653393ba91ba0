"""How fast a world is on this machine, and what its memory costs. See benchmarks/README.md.

What is compared runs side by side: the sessions take turns chunk by chunk, so that whatever else the machine does meets
them alike. A reading is the median time of a repetition's chunks.
"""

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

import numpy as np
import torch
from tqdm import tqdm

from slowfast_vgen.errors import UserError
from slowfast_vgen.machine import peak_rss_mb
from slowfast_vgen.results import Estimate, Row
from slowfast_vgen.rollout import Rollout, WorldModel
from slowfast_vgen.types import Frames

ACTIONS = ("turn left", "go forward", "turn right", "go back", "stay")
BATCH = 8
MANY_STEPS = 50
"""Of the second memory-cost ratio: the paper samples so, and learning counts for less there."""
EARLY_CHUNK, LATE_CHUNK = 6, 196
"""First of the ten chunks around chunk 10 and around chunk 200."""


@dataclass(frozen=True)
class BenchConfig:
    """How long the bench measures."""

    num_repetitions: int = 3
    num_warm_up_chunks: int = 3
    num_chunks: int = 20
    """Timed chunks of each arm in each repetition."""
    num_many_steps_chunks: int = 5
    """The same where a chunk takes `MANY_STEPS` sampling steps."""
    late_chunk: int = LATE_CHUNK
    num_late_chunks: int = 10
    num_late_repetitions: int = 2

    def __post_init__(self) -> None:
        if min(self.num_repetitions, self.num_chunks, self.num_many_steps_chunks, self.num_late_repetitions) < 1:
            raise UserError(f"every count of the bench must be at least 1, got {self}")

    @classmethod
    def quick(cls) -> "BenchConfig":
        """Shows that everything runs; its figures mean nothing."""
        return cls(1, 0, 2, 1, EARLY_CHUNK + 2, 2, 1)


Step = Callable[[str], object]


class Bench:
    """The measurements of one world."""

    def __init__(self, world: WorldModel, config: BenchConfig) -> None:
        self.world, self.config = world, config
        height, width = world.frame_size
        ramp = np.linspace(0, 255, height * width * 3).reshape(height, width, 3)
        self.image: Frames = ramp.astype(np.uint8)  # time does not depend on what is shown
        self.arms = {"off": None, "on": world.shipped_memory, "paper": world.paper_memory}

    def run(self) -> list[Row]:
        """All rows; the interval of each is the smallest and the largest repetition."""
        rows: list[Row] = []
        parts = (self._sessions, self._many_steps, self._batches, self._late, self._codec)
        for part in tqdm(parts, unit="part", dynamic_ncols=True):
            gc.collect()
            rows += part()
        return [*rows, _row([peak_rss_mb()], "peak_rss_mb")]

    def _sessions(self) -> list[Row]:
        steps = self.world.model.config.num_sampling_steps
        times = self._repeat(lambda: {arm: self._session(arm, steps) for arm in self.arms}, self.config.num_chunks)
        return [
            *self._frame_rates(times, 1, "frames_per_second", "fps_memory"),
            _row(_ratios(times), "cost_ratio", "memory", "memory_cost_ratio"),
            _row(_ratios(times, "paper"), "cost_ratio", "paper", "memory_cost_ratio_paper"),
        ]

    def _many_steps(self) -> list[Row]:
        chunks = self.config.num_many_steps_chunks
        times = self._repeat(lambda: {arm: self._session(arm, MANY_STEPS) for arm in self.arms}, chunks)
        metric, ending = f"cost_ratio_{MANY_STEPS}_steps", f"_{MANY_STEPS}_steps"
        return [
            _row(_ratios(times), metric, "memory", f"memory_cost_ratio{ending}"),
            _row(_ratios(times, "paper"), metric, "paper", f"memory_cost_ratio_paper{ending}"),
        ]

    def memory_cost(self) -> list[Row]:
        """What the shipped memory costs in time and space, by the names of the recall report."""
        steps, rows = self.world.model.config.num_sampling_steps, []
        for metric, name, num_steps, count in (
            ("cost_ratio", "cost_ratio_shipped", steps, self.config.num_chunks),
            (
                f"cost_ratio_{MANY_STEPS}_steps",
                f"cost_ratio_{MANY_STEPS}_steps",
                MANY_STEPS,
                self.config.num_many_steps_chunks,
            ),
        ):
            times = self._repeat(partial(self._pair, num_steps), count)
            rows.append(_row(_ratios(times), metric, "memory", name))
        memory = self.world.start(self.image).memory
        size = memory.num_bytes() / 2**20 if memory is not None else 0.0
        late = self._late(f"chunk{self.config.late_chunk + 4}_over_chunk10")
        return [*rows, *late, _row([size], "memory_mb", "memory", "memory_mb")]

    def _pair(self, num_steps: int) -> dict[str, Step]:
        return {arm: self._session(arm, num_steps) for arm in ("off", "on")}

    def _batches(self) -> list[Row]:
        num_chunks = max(2, self.config.num_chunks // 4)
        times = self._repeat(lambda: {arm: self._batch(arm) for arm in ("off", "on")}, num_chunks)
        return self._frame_rates(times, BATCH, f"frames_per_second_batch{BATCH}", f"fps_batch{BATCH}_memory")

    def _frame_rates(self, times: Sequence[Mapping[str, float]], batch: int, metric: str, name: str) -> list[Row]:
        frames = batch * self.world.model.config.num_new_frames
        return [
            _row([frames / each[arm] for each in times], metric, variant, f"{name}_{arm}")
            for arm, variant in (("off", "no_memory"), ("on", "memory"))
        ]

    def _late(self, name: str = "chunk200_over_chunk10") -> list[Row]:
        """Chunks 196 to 205 of one session in turns with chunks 6 to 15 of another."""
        steps, ratios = self.world.model.config.num_sampling_steps, []
        for _ in range(self.config.num_late_repetitions):
            late, early = self._session("on", steps), self._session("on", steps)
            for step, first in ((late, self.config.late_chunk), (early, EARLY_CHUNK)):
                for number in range(1, first):
                    step(ACTIONS[number % len(ACTIONS)])
            times = time_in_turns({"late": late, "early": early}, 0, self.config.num_late_chunks)
            ratios.append(times["late"] / times["early"])
        return [_row(ratios, "late_over_early_time", "memory", name)]

    def _codec(self) -> list[Row]:
        codec = self.world.model.codec
        frames = torch.from_numpy(np.stack([self.image] * self.world.model.config.num_new_frames)).to(self.world.device)
        latents = codec.encode(frames)
        calls: dict[str, Step] = {"encode": lambda _: codec.encode(frames), "decode": lambda _: codec.decode(latents)}
        times = [
            time_in_turns(calls, self.config.num_warm_up_chunks, self.config.num_chunks)
            for _ in range(self.config.num_repetitions)
        ]
        return [_row([1000 * each[name] / len(frames) for each in times], f"{name}_ms_per_frame") for name in calls]

    def _session(self, arm: str, num_steps: int) -> Step:
        return self.world.start(self.image, self.arms[arm] or False, 0, num_steps).step

    def _batch(self, arm: str) -> Step:
        rollout: Rollout = self.world.start_batch(np.stack([self.image] * BATCH), self.arms[arm] or False, range(BATCH))

        def step(action: str) -> Frames:
            return self.world.model.codec.decode(rollout.step([action] * BATCH)).cpu().numpy()

        return step

    def _repeat(self, make: Callable[[], Mapping[str, Step]], num_chunks: int) -> list[dict[str, float]]:
        """Times fresh sessions anew in each repetition."""
        warm_up = self.config.num_warm_up_chunks
        return [time_in_turns(make(), warm_up, num_chunks) for _ in range(self.config.num_repetitions)]


def time_in_turns(steps: Mapping[str, Step], num_warm_up: int, num_chunks: int) -> dict[str, float]:
    """Median seconds of each step function; they take turns, and each goes first as often as the others."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    names = list(steps)
    for number in range(num_warm_up + num_chunks):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            start = time.perf_counter()
            steps[name](ACTIONS[number % len(ACTIONS)])
            times[name].append(time.perf_counter() - start)
    return {name: median(each[num_warm_up:]) for name, each in times.items()}


def _ratios(times: Sequence[Mapping[str, float]], arm: str = "on") -> list[float]:
    return [each[arm] / each["off"] for each in times]


def _row(readings: Sequence[float], metric: str, variant: str | None = None, name: str | None = None) -> Row:
    return Row.of(Estimate.over_repetitions(readings), metric, variant, name=name)
