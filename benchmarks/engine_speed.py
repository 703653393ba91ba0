"""How many frames a second each engine records: `python benchmarks/engine_speed.py` (part of results/data.json).

Of one core: frames over seconds of processor time, that of an engine in a process of its own included, with a fresh
scene for each episode and without writing the video. Beside each goes the environment that its engine comes with,
stepped at random (benchmarks/stock_engines.py), and the ratio to it. Both run in new processes that are bound to one
core, warm up for one episode and take turns. An engine that cannot run here is named in the protocol.
"""

import argparse
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from pathlib import Path

import psutil
from data_results import DATA_RESULTS, update_results
from stock_engines import STOCK
from tqdm import tqdm

from slowfast_vgen.engines import env_names, open_env
from slowfast_vgen.errors import UserError
from slowfast_vgen.machine import cpu_model, git_commit
from slowfast_vgen.results import Estimate, Row

SCRIPT, NUM_CHUNKS, SEED = "mix", 32, 0

Recorder = Callable[[int, int], int]
"""First episode and how many -> how many frames they had."""


def cpu_seconds() -> float:
    """Of this process and of all that it has started."""
    this = psutil.Process()
    used = [this.cpu_times(), *(child.cpu_times() for child in this.children(recursive=True))]
    own = used[0]
    return sum(times.user + times.system for times in used) + own.children_user + own.children_system


class Reader:
    """One core's process that records, and tells how fast it was."""

    def __init__(self, kind: str, name: str) -> None:
        self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
        self._episodes = 0
        self.kind, self.name = kind, name

    def read(self, num_episodes: int) -> float:
        """Frames a second of the next episodes.

        Raises:
            UserError: the engine cannot run here.
        """
        first = self._episodes
        self._episodes += num_episodes
        return self._pool.submit(_read, self.kind, self.name, first, num_episodes).result()

    def close(self) -> None:
        """Ends the process."""
        self._pool.shutdown()


_recorders: dict[str, Recorder] = {}
"""Of a reader's process: the one that it has opened."""


def _read(kind: str, name: str, first: int, num_episodes: int) -> float:
    if not _recorders and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if name not in _recorders:
        _recorders[name] = STOCK[name].open() if kind == "stock" else _world_recorder(name)
    start = cpu_seconds()
    frames = _recorders[name](first, num_episodes)
    return frames / (cpu_seconds() - start)


def _world_recorder(name: str) -> Recorder:
    world = open_env(name, "train", SEED)
    return lambda first, count: sum(each.num_frames for each in world.episodes(count, SCRIPT, NUM_CHUNKS, first))


METRICS = {"fps": "frames_per_second", "fps_stock": "frames_per_second_stock", "fps_over_stock": "over_stock"}
"""Ours, the engine's own environment, and the ratio: the first word of the rows' names, and the metric."""


def dataset_of(world: str) -> str:
    """What the rows call a world."""
    return world.replace("-", "_")


def measure(name: str, num_episodes: int, num_repetitions: int) -> list[Row]:
    """The rows of one engine.

    Raises:
        UserError: it cannot run here.
    """
    kinds = ("world", "stock") if name in STOCK else ("world",)
    readers = [Reader(kind, name) for kind in kinds]
    try:
        for reader in readers:
            reader.read(1)
        counts = (num_episodes, 1)  # the stock environments are slow, and their episodes all alike
        readings = [
            [reader.read(count) for reader, count in zip(readers, counts, strict=False)] for _ in range(num_repetitions)
        ]
    finally:
        for reader in readers:
            reader.close()
    columns = list(map(list, zip(*readings, strict=True)))
    if len(readers) > 1:
        columns.append([ours / stock for ours, stock in readings])
    return [
        Row.of(Estimate.over_repetitions(column), metric, dataset=dataset_of(name), called=word)
        for (word, metric), column in zip(METRICS.items(), columns, strict=False)
    ]


def main() -> None:
    """Prints and writes the figures of all engines, or of some."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", nargs="*", default=env_names(), metavar="NAME", help="default: all")
    parser.add_argument("--episodes", type=int, default=32, help="of a repetition; default: 32")
    parser.add_argument("--repetitions", type=int, default=5, help="default: 5")
    parser.add_argument("--json", type=Path, default=DATA_RESULTS)
    args = parser.parse_args()
    rows: list[Row] = []
    absent: dict[str, str] = {}
    for name in tqdm(args.env, unit="engine"):
        try:
            measured = measure(name, args.episodes, args.repetitions)
        except (UserError, ImportError, BrokenProcessPool) as error:
            absent[name] = " ".join(str(error).split())
            tqdm.write(f"{name}: cannot run here: {absent[name]}")
            continue
        rows += measured
        for row in measured:
            tqdm.write(f"{row.name:<36} {row.mean:9.2f}   {row.low:.2f} to {row.high:.2f}")
    protocol = {
        "command": "benchmarks/engine_speed.py",
        "unit": "frames a second of processor time, one core; `over_stock` is a ratio",
        "stock": {name: asdict(stock) for name, stock in STOCK.items()},
        "script": SCRIPT,
        "num_chunks": NUM_CHUNKS,
        "episodes": args.episodes,
        "repetitions": args.repetitions,
        "absent": absent,
        "cpu": cpu_model(),
        "git_commit": git_commit(),
    }
    every = set(args.env) >= set(env_names())
    asked = [] if every else [f"{word}_{dataset_of(name)}" for name in args.env for word in METRICS]
    update_results(args.json, "engine_speed", protocol, rows, asked)


if __name__ == "__main__":
    main()
