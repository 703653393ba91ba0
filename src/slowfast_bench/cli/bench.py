"""`slowfast bench`: how fast a world is on this machine, and what its memory costs."""

import argparse
from dataclasses import asdict

from slowfast_bench.cli.results import print_rows
from slowfast_vgen.cli.common import add_json_argument, add_model_argument, load_model, write_rows
from slowfast_vgen.cli.computing import computed_with
from slowfast_vgen.cli.outputs import check_output_file

READING = "median of a repetition's chunks; mean, low, high: median, least, greatest of the repetitions"


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command `bench`."""
    bench = subparsers.add_parser("bench", help="how fast a world is on this machine, and what its memory costs")
    add_model_argument(bench)
    bench.add_argument("--quick", action="store_true", help="a few chunks only: does it run?")
    add_json_argument(bench)
    bench.set_defaults(handler=run_bench)


def run_bench(args: argparse.Namespace) -> int:
    """`slowfast bench`."""
    from slowfast_bench.speed import BATCH, EARLY_CHUNK, Bench, BenchConfig
    from slowfast_vgen.machine import git_commit, machine

    if args.json:
        check_output_file(args.json)
    config = BenchConfig.quick() if args.quick else BenchConfig()
    commit = git_commit()
    world = load_model(args, batched=False)
    bench = Bench(world, config)
    rows = bench.run()
    print_rows(rows)
    print(READING)
    model = world.model
    protocol = {
        "command": "bench",
        "world": model.config.name,
        "weights_sha256": model.fingerprint,
        "resolution": list(world.frame_size),
        "past_frames": model.config.num_past_frames,
        "new_frames": model.config.num_new_frames,
        "sampling_steps": model.config.num_sampling_steps,
        **computed_with(args),
        "memory": {name: arm.to_json() if arm else None for name, arm in bench.arms.items()},
        "batch": BATCH,
        "early_chunk": EARLY_CHUNK,
        **asdict(config),
        "reading": READING,
        "machine": machine(world.device),
        "git_commit": commit,
    }
    write_rows(args.json, protocol, rows)
    return 0
