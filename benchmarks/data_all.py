"""A small set of every engine and of a sample of every adapter, each checked: `make data-all`.

Two episodes of each script of each world go to OUT/WORLD/SCRIPT, by `slowfast data make`; samples in the layout of each
source, as the tests make them, to OUT/sources and by `slowfast data import` to OUT/ADAPTER; then `slowfast data check`.
What is there is kept, and what was stopped goes on. Each set has a process of its own; the recorder `unrealcv` talks to
the small server of its tests. Leaves with 1 if anything fails, or an engine is absent (`--skip-absent` forgives that).
"""

import argparse
import contextlib
import io
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from slowfast_vgen.cli.common import whole_number
from slowfast_vgen.cli.main import main as slowfast
from slowfast_vgen.data.adapters.registry import ADAPTERS
from slowfast_vgen.data.cards.statistics import Statistics, count_episodes
from slowfast_vgen.data.format import EpisodeDataset
from slowfast_vgen.engines import env_names, open_env
from slowfast_vgen.errors import UserError

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

OUT = ROOT / "build" / "data-all"
SPLIT = "train"
NUM_CHUNKS = 16
SOUND, FAILED, ABSENT = "sound", "FAILED", "absent"
ABSENT_SIGN = "; install "
"""What every engine says where a package or a library of it is not there."""


@dataclass(frozen=True)
class Row:
    """What became of one set."""

    name: str
    verdict: str
    told: str = ""
    """Defects, or why it is absent."""
    counted: Statistics | None = None
    seconds: float = 0.0
    """To make and check it, now."""

    def __str__(self) -> str:
        if self.counted is None:
            return f"{self.name:<24} {'':<17} {'':>8} {'':>7} {self.seconds:>8.1f} {'':>6}  {self.verdict}"
        one = self.counted
        domains = ", ".join(one.clips_by_domain)
        numbers = f"{one.num_episodes:>8} {one.num_frames:>7} {self.seconds:>8.1f} {one.num_bytes / 1e6:>6.2f}"
        return f"{self.name:<24} {domains:<17} {numbers}  {self.verdict}"


HEAD = f"{'set':<24} {'domain':<17} {'episodes':>8} {'frames':>7} {'seconds':>8} {'MB':>6}  check"


def make_world(name: str, out: Path, num_episodes: int, seed: int) -> Row:
    """Records each script of a world, each with a seed of its own so that no two show one scene, and checks them."""
    try:
        scripts = tuple(open_env(name, SPLIT, seed).scripts)
    except UserError as error:
        return Row(name, ABSENT if ABSENT_SIGN in str(error) else FAILED, str(error))
    commands, folders = [], [out / name / script for script in scripts]
    for number, (script, folder) in enumerate(zip(scripts, folders, strict=True)):
        words = f"--env {name} --split {SPLIT} --episodes {num_episodes} --num-chunks {NUM_CHUNKS} --script {script}"
        commands.append(["data", "make", *words.split(), "--seed", str(seed + number), "--out", str(folder)])
    with unreal_server() if name == "unrealcv" else contextlib.nullcontext():
        return made_and_checked(name, folders, commands)


def import_sample(name: str, out: Path) -> Row:
    """Writes the sample of an adapter, unless it is there, imports and checks it."""
    from made_sources import SOURCES

    source = out / "sources" / name
    if not source.is_dir():
        source.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=source.parent) as folder:
            SOURCES[name](Path(folder) / name).rename(source)
    words = ["--from", name, "--split", SPLIT, "--max-bad-share", "0", str(source), str(out / name)]
    return made_and_checked(name, [out / name], [["data", "import", *words]])


def made_and_checked(name: str, folders: list[Path], commands: list[list[str]]) -> Row:
    """Runs the commands up to the first that fails, then `slowfast data check`, and counts what is there."""
    start = time.perf_counter()
    for words in [*commands, ["data", "check", *map(str, folders)]]:
        text = io.StringIO()
        with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
            code = slowfast(words)
        if code:
            lines = text.getvalue().strip().splitlines()
            told = next((line for line in reversed(lines) if line.startswith("slowfast: error: ")), "\n".join(lines))
            verdict = ABSENT if words[1] == "make" and ABSENT_SIGN in told else FAILED
            return Row(name, verdict, told, seconds=time.perf_counter() - start)
    counted = Statistics()
    for folder in folders:
        counted.add(count_episodes(EpisodeDataset(folder)))
    return Row(name, SOUND, "", counted, time.perf_counter() - start)


@contextlib.contextmanager
def unreal_server() -> Iterator[None]:
    """The world `unrealcv` finds the tests' server, whatever the environment says."""
    from unrealcv_server import running

    variable = "SLOWFAST_UNREALCV"
    before = os.environ.get(variable)
    with running() as server:
        os.environ[variable] = server.address
        try:
            yield
        finally:
            os.environ.pop(variable)
            if before is not None:
                os.environ[variable] = before


def in_own_process(make: Callable[..., Row], name: str, *arguments: object) -> Row:
    """A row, whatever happens: an engine may take its process with it."""
    try:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            return pool.submit(make, name, *arguments).result()
    except BrokenProcessPool:
        return Row(name, FAILED, "its process died")
    except Exception as error:  # the other sets are made all the same
        return Row(name, FAILED, f"{type(error).__name__}: {error}")


def main() -> None:
    """Makes all, or some; prints the table, and what was told of those that are not sound."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [*env_names(), *sorted(ADAPTERS)]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help="worlds and adapters")
    parser.add_argument("--episodes", type=whole_number(1, 999), default=2, help="of each script; default: 2")
    parser.add_argument("--seed", type=whole_number(0, 10**6), default=0, help="default: 0")
    parser.add_argument("--out", type=Path, default=OUT, metavar="DIR", help="default: build/data-all")
    parser.add_argument("--jobs", type=whole_number(1, 64), default=2, help="sets at a time; default: 2")
    parser.add_argument("--skip-absent", action="store_true", help="go without the engines that are not installed")
    args = parser.parse_args()

    def row_of(name: str) -> Row:
        if name in env_names():
            return in_own_process(make_world, name, args.out, args.episodes, args.seed)
        return in_own_process(import_sample, name, args.out)

    start = time.perf_counter()
    with ThreadPoolExecutor(args.jobs) as pool:
        rows = list(tqdm(pool.map(row_of, args.only), total=len(args.only), unit="set", dynamic_ncols=True))
    print("\n".join([HEAD, *map(str, rows)]))
    print(f"{len(rows)} sets in {time.perf_counter() - start:.0f} seconds")
    for row in rows:
        if row.told:
            print(f"{row.name}: {row.told}", file=sys.stderr)
    forgiven = (SOUND, ABSENT) if args.skip_absent else (SOUND,)
    sys.exit(any(row.verdict not in forgiven for row in rows))


if __name__ == "__main__":
    main()
