"""Imports damaged sources by the hundred: `python benchmarks/mutants.py` (part of results/data.json).

The mutants are those of the fault suite's family `videos_and_tables` (`fault_families/imports.py`), each in a process
of its own. Beside the verdicts told there, a mutant is `hung` if it took longer than ten seconds, and `crashed` if
anything but a sentence for the user came out.
"""

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

from data_results import DATA_RESULTS, update_results
from fault_families.core import run_trial
from fault_families.videos_and_tables import VideosAndTables

VERDICTS = ("named", "refused", "whole", "changed", "unnamed", "rest_lost", "crashed", "hung")


def run_mutants(count: int, seed: int = 0) -> tuple[dict[str, float], list[str]]:
    """Judges so many mutants, videos and tables in turn.

    Returns:
        Counts by verdict and the slowest, and what was told of those that went wrong.
    """
    from tqdm import tqdm

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        family = VideosAndTables(count, folder / "verdicts.jsonl")
        numbers = tqdm(range(family.prepare(folder, seed)), unit="mutant", dynamic_ncols=True)
        found = [run_trial(family, number, folder)[0] for number in numbers]
        rows = [json.loads(line) for line in (folder / "verdicts.jsonl").read_text().splitlines()]
    judged = {row["number"]: row["verdict"] for row in rows}
    counts = Counter(
        judged.get(number, "hung" if "it took more than" in str(each) else "crashed")
        for number, each in enumerate(found)
    )
    bad = [f"{number} ({family.mutant(number)}): {each}" for number, each in enumerate(found) if each is not None]
    slowest = max((row["seconds"] for row in rows), default=0.0)
    figures: dict[str, float] = {f"mutants_{verdict}": counts[verdict] for verdict in VERDICTS}
    return {"mutants": count} | figures | {"mutants_slowest_seconds": round(slowest, 3)}, bad


def main() -> None:
    """Prints the figures, and whatever went wrong; leaves with 1 then."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from slowfast_vgen.machine import git_commit
    from slowfast_vgen.results import counts

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=600, help="default: 600, half of them videos")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, default=DATA_RESULTS)
    args = parser.parse_args()
    figures, bad = run_mutants(args.count, args.seed)
    for name, value in figures.items():
        print(f"{name:<24} {value}")
    print("\n".join(bad))
    protocol = {
        "command": "benchmarks/mutants.py",
        "count": args.count,
        "seed": args.seed,
        "git_commit": git_commit(),
    }
    update_results(args.json, "mutants", protocol, counts(figures))
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
