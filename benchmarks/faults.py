"""Tries by the thousand whether anything saved is lost, or goes wrong in silence: `python benchmarks/faults.py`.

Nine families of faults (`fault_families/`): each trial is drawn from the seed and its number, and runs in a process of
its own. One fails by a traceback, by taking more than 10 seconds, by silence about damage, or by leaving a state that
is neither the old nor the new one, bit for bit. results/reliability.json has a row for each family and is written every
few seconds: the same command goes on where it was stopped, if seed and commit are the same.

    python benchmarks/faults.py --family kills --only 123   # one trial again, alone
    python benchmarks/faults.py --sample 20                 # of each family
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from fault_families.core import NAMES, Family, NotTried, Row, load, run_trial

ROOT = Path(__file__).parents[1]
RELIABILITY = ROOT / "results" / "reliability.json"
PAGE = ROOT / "docs" / "reliability.md"
MARKS = ("<!-- reliability -->\n", "<!-- /reliability -->")
"""The table of the page stands between them."""
WRITE_SECONDS = 5.0
"""So often the results are written."""
MEMORY_DISK = Path("/dev/shm")
"""Where trials run if it has room, since each waits for the disk some dozens of times; else where TMPDIR says."""
MEMORY_DISK_BYTES = 2 * 2**30


def protocol_of(seed: int, sample: int | None) -> dict[str, Any]:
    from slowfast_vgen.machine import git_commit, machine

    return {
        "command": "benchmarks",
        "program": "benchmarks/faults.py",
        "seed": seed,
        "sample": sample,
        "git_commit": git_commit(),
        "machine": machine(),
    }


def rows_before(path: Path | None, protocol: dict[str, Any]) -> dict[str, Row]:
    """Where the families stood when a run of the same seed and commit ended; none if files differ from the commit's."""
    from slowfast_vgen.files import read_json
    from slowfast_vgen.machine import CHANGES

    if path is None or not path.is_file():
        return {}
    results = read_json(path)
    same = all(results["protocol"].get(key) == protocol[key] for key in ("seed", "sample", "git_commit"))
    if not same or (protocol["git_commit"] or CHANGES).endswith(CHANGES):
        return {}
    return {name: Row(name=name, **row) for name, row in results["families"].items()}


def write_rows(path: Path | None, protocol: dict[str, Any], rows: dict[str, Row]) -> None:
    from slowfast_vgen.files import write_json

    if path is None:
        return
    families = {name: asdict(rows[name]) for name in NAMES if name in rows}
    for row in families.values():
        del row["name"]
    total = {key: sum(row[key] for row in families.values()) for key in ("tried", "failed")}
    total["not_tried"] = sum(sum(row["not_tried"].values()) for row in families.values())
    write_json(path, {"protocol": protocol, "total": total, "families": families})


def table_of(results: dict[str, Any]) -> str:
    """The page's table: a line for each family, and all of them."""
    lines = ["| family | what is tried | tried | failed | not tried |", "|---|---|---:|---:|---|"]
    for name, row in results["families"].items():
        family = load(name)
        reasons = "; ".join(f"{number:,}: {reason}" for reason, number in row["not_tried"].items())
        what = family.what if family is not None else ""
        lines.append(f"| `{name}` | {what} | {row['tried']:,} | {row['failed']:,} | {reasons or 0} |")
    total = results["total"]
    lines.append(f"| all | | {total['tried']:,} | {total['failed']:,} | {total['not_tried']:,} |")
    commit, seed = results["protocol"]["git_commit"], results["protocol"]["seed"]
    return "\n".join([*lines, "", f"Seed {seed}, commit `{commit}`.", ""])


def write_page(path: Path = PAGE) -> None:
    """Puts the table of results/reliability.json into the page."""
    from slowfast_vgen.files import atomic_path, read_json

    before, _, rest = path.read_text().partition(MARKS[0])
    with atomic_path(path) as new:
        new.write_text(before + MARKS[0] + table_of(read_json(RELIABILITY)) + MARKS[1] + rest.partition(MARKS[1])[2])


def place_for_trials() -> Path | None:
    """The disk in memory, if there is one; None: the system's own choice."""
    has_room = MEMORY_DISK.is_dir() and shutil.disk_usage(MEMORY_DISK).free > MEMORY_DISK_BYTES
    return MEMORY_DISK if has_room and "TMPDIR" not in os.environ else None


def numbers_of(count: int, sample: int | None, seed: int) -> Sequence[int]:
    """The trials to run, in their order: all, or so many that are drawn."""
    if sample is None or sample >= count:
        return range(count)
    drawn = np.random.default_rng(seed).choice(count, sample, replace=False)
    return sorted(int(each) for each in drawn)


def run_family(family: Family, row: Row, folder: Path, args: argparse.Namespace, deadline: float, write: Any) -> None:
    """Runs the trials of a family that are left until the deadline."""
    from tqdm import tqdm

    tqdm.monitor_interval = 0  # its thread would be missing in the processes that are forked
    before = time.process_time()
    numbers = numbers_of(family.prepare(folder, args.seed), args.sample, args.seed)
    try:
        row.trials = len(numbers)
        row.cpu_seconds += time.process_time() - before
        written = time.monotonic()
        left = tqdm(numbers[row.done :], family.name, len(numbers), initial=row.done, mininterval=1, dynamic_ncols=True)
        for number in left:
            if time.monotonic() > deadline:
                break
            row.add(number, *run_trial(family, number, folder))
            left.set_postfix(failed=row.failed, refresh=False)
            if time.monotonic() - written > WRITE_SECONDS:
                write()
                written = time.monotonic()
    finally:
        family.close()


def run_again(family: Family, numbers: Sequence[int], seed: int, folder: Path) -> bool:
    """Runs single trials and prints what each finds; whether all is well."""
    family.prepare(folder, seed)
    is_well = True
    try:
        for number in numbers:
            found, seconds = run_trial(family, number, folder)
            told = f"not tried: {found.reason}" if isinstance(found, NotTried) else found or "well"
            print(f"{family.name} {number} ({seconds:.2f} s): {told}")
            is_well = is_well and not isinstance(found, str)
    finally:
        family.close()
    return is_well


def show(row: Row) -> None:
    told = f"{row.name:<24} tried {row.tried:>6}   failed {row.failed:>3}   {row.cpu_seconds:>7.1f} s"
    reasons = "; ".join(f"{number} not tried: {reason}" for reason, number in row.not_tried.items())
    print(told + (f"   {reasons}" if reasons else ""), flush=True)
    for failure in row.failures:
        print(f"  {row.name} --only {failure['trial']}: {failure['told']}", flush=True)


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--family", action="append", choices=NAMES, help="only this one; may be given several times")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="share out so much time; go on later")
    parser.add_argument("--sample", type=int, help="so many trials of each family, drawn by the seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, action="append", help="run a trial of the one --family and write nothing")
    parser.add_argument("--json", type=Path, help=f"default: {RELIABILITY.relative_to(ROOT)}, none for a sample")
    args = parser.parse_args(words)
    if args.only and len(args.family or ()) != 1:
        parser.error("--only needs one --family")
    args.json = args.json or (None if args.sample else RELIABILITY)
    return args


def main(words: Sequence[str] | None = None) -> int:
    """Runs families until all trials are done or the time is up; 1 if any failed."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import torch

    args = parse(words)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # other threads would be missing in the processes that are forked
    try:
        return run_families(args)
    finally:
        torch.set_num_threads(threads)


def run_families(args: argparse.Namespace) -> int:
    """What `main` does."""
    names = args.family or NAMES
    with tempfile.TemporaryDirectory(prefix="slowfast-faults-", dir=place_for_trials()) as temporary:
        families = {name: family for name in names if (family := load(name)) is not None}
        if args.only:
            return 0 if run_again(families[args.family[0]], args.only, args.seed, Path(temporary)) else 1
        protocol = protocol_of(args.seed, args.sample)
        rows, ends = rows_before(args.json, protocol), time.monotonic() + args.seconds
        for place, (name, family) in enumerate(families.items()):
            row = rows.setdefault(name, Row(name, family.floor))
            left = max(0.0, ends - time.monotonic()) / (len(families) - place)
            folder = Path(temporary, name)
            folder.mkdir()
            run_family(
                family, row, folder, args, time.monotonic() + left, lambda: write_rows(args.json, protocol, rows)
            )
            write_rows(args.json, protocol, rows)
            show(row)
    if args.json == RELIABILITY:
        write_page()
    return 1 if any(rows[name].failed for name in families) else 0


if __name__ == "__main__":
    sys.exit(main())
