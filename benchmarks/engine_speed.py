"""How many frames a second each engine records: `python benchmarks/engine_speed.py` (part of results/data.json).

Of one core: frames over seconds of processor time, that of an engine in a process of its own included, with a fresh
scene for each episode and without writing the video. Each engine runs in a new process that is bound to one core, and
records one episode to warm up. An engine that cannot run here is named in the protocol.
"""

import argparse
import multiprocessing
import os
import resource
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from data_results import DATA_RESULTS, over_repetitions, update_results
from tqdm import tqdm

from slowfast_vgen.errors import UserError
from slowfast_vgen.evaluate.machine import cpu_model, git_commit
from slowfast_vgen.worlds.registry import WORLDS, open_world

SCRIPT, NUM_CHUNKS, SEED = "mix", 32, 0


def cpu_seconds() -> float:
    """Of this process and of the processes that it has started and that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def record(name: str, num_episodes: int, num_repetitions: int) -> list[float]:
    """Frames a second of each repetition. Runs in a process of its own.

    Raises:
        UserError: the engine cannot run here.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    world = open_world(name, "train", SEED)
    list(world.episodes(1, SCRIPT, NUM_CHUNKS))
    readings = []
    for repetition in range(num_repetitions):
        start = cpu_seconds()
        first = 1 + repetition * num_episodes
        frames = sum(each.num_frames for each in world.episodes(num_episodes, SCRIPT, NUM_CHUNKS, first))
        readings.append(frames / (cpu_seconds() - start))
    return readings


def figure_name(world: str) -> str:
    """As results/data.json has it."""
    return f"fps_{world.replace('-', '_')}"


def main() -> None:
    """Prints and writes the figures of all engines, or of some."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", nargs="*", default=sorted(WORLDS), metavar="NAME", help="default: all")
    parser.add_argument("--episodes", type=int, default=32, help="of a repetition; default: 32")
    parser.add_argument("--repetitions", type=int, default=5, help="default: 5")
    parser.add_argument("--json", type=Path, default=DATA_RESULTS)
    args = parser.parse_args()
    figures, absent = {}, {}
    for name in tqdm(args.world, unit="engine"):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            try:
                readings = pool.submit(record, name, args.episodes, args.repetitions).result()
            except (UserError, ImportError, BrokenProcessPool) as error:
                absent[name] = " ".join(str(error).split())
                tqdm.write(f"{name}: cannot run here: {absent[name]}")
                continue
        figure = figures[figure_name(name)] = over_repetitions(readings)
        tqdm.write(f"{name:<24} {figure.mean:8.0f} frames/s   {figure.low:.0f} to {figure.high:.0f}")
    protocol = {
        "command": "benchmarks/engine_speed.py",
        "unit": "frames a second of processor time, one core",
        "script": SCRIPT,
        "num_chunks": NUM_CHUNKS,
        "episodes": args.episodes,
        "repetitions": args.repetitions,
        "absent": absent,
        "cpu": cpu_model(),
        "git_commit": git_commit(),
    }
    asked = [] if set(args.world) >= set(WORLDS) else [figure_name(name) for name in args.world]
    update_results(args.json, "engine_speed", protocol, figures, asked)


if __name__ == "__main__":
    main()
