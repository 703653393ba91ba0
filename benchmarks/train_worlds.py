"""One denoiser over all domains and one without each in turn, by the same small budget; then worlds-64: `make worlds`.

Runs the commands of `slowfast` one after the other, from the repository's folder: data of every domain, one codec for
all, the short trainings, `evaluate domains` (results/domains.json); then a codec with more latent channels, the long
training that goes on from the short one over all domains, packing, and its evaluation (results/worlds-64.json). Each
goes on where it was stopped, and so does this. `--quick` shows that everything runs, in a folder of its own.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from slowfast_vgen.cli.common import whole_number

DOMAINS = {
    "games": (("vizdoom-rooms", "mix"), ("vizdoom-mazes", "mix")),
    "simulations": (("miniworld-rooms", "mix"), ("miniworld-rooms-third", "mix")),
    "driving": (("vizdoom-streets", "mix"), ("car-racing", "mix")),
    "robotics": (("metaworld", "sequence"),),
    "activities": (("franka-kitchen", "sequence"),),
}
"""The paper's five (3.1.2): domain -> worlds and their scripts. Windows are drawn from each domain equally often."""
NUM_CHUNKS = 32
BASE = Path("src/slowfast_vgen/weights/rooms-64")
"""All begin from its codec and denoiser, as the paper's model began from ModelScope's: the denoiser is after 100 steps
where a fresh one is not after 1,200."""
KNOWN_WORLD = "vizdoom-rooms"
"""What `BASE` was trained on: no denoiser here has never seen it."""
LEARNING_RATE = 6e-4
LATENT_CHANNELS = 16
"""Of worlds-64's codec; with the 8 of `BASE`, facades and textures are a blur."""
HELD_OUT = {"validation": 8, "test": 64}
"""Split -> episodes of each domain."""
EVALUATED = 12
"""Test episodes of each world."""

FOLDERS = {"data": Path("data/worlds"), "runs": Path("runs/worlds"), "results": Path("results")}
QUICK_FOLDER = Path("build/quick-worlds")

Command = list[str]


def world_folders() -> Iterator[tuple[str, str]]:
    """Domain and folder of each world."""
    for domain, worlds in DOMAINS.items():
        for world, _ in worlds:
            yield domain, world if len(worlds) > 1 else domain


@dataclass(frozen=True)
class Plan:
    """How much of everything."""

    data: Path
    runs: Path
    results: Path
    episodes: int
    codec_steps: int
    steps: int
    world_codec_steps: int
    world_steps: int
    quick: bool

    def held_out(self, split: str) -> int:
        """Episodes of each domain."""
        return 4 if self.quick else HELD_OUT[split]

    def commands(self) -> Iterator[Command]:
        """All of `slowfast`, in order."""
        for domain, worlds in DOMAINS.items():
            for split in ("train", *HELD_OUT):
                yield from self._data(domain, worlds, split)
        yield from self._compared()
        yield from self._shipped()

    def _compared(self) -> Iterator[Command]:
        yield self._codec("codec", BASE / "codec", self.codec_steps)
        for left_out in ("", *DOMAINS):
            run = f"without-{left_out}" if left_out else "all"
            yield self._slow(run, "codec", BASE / "denoiser", self.steps, left_out)
        yield from self._pack("domains-64", "codec", "all")
        yield self._evaluate("domains-64", "domains", compared=True)

    def _shipped(self) -> Iterator[Command]:
        more = ["--latent-channels", str(LATENT_CHANNELS)]
        yield [*self._codec("worlds-codec", self.runs / "codec" / "codec", self.world_codec_steps), *more]
        yield self._slow("worlds-slow", "worlds-codec", self.runs / "all" / "denoiser", self.world_steps)
        yield from self._pack("worlds-64", "worlds-codec", "worlds-slow")
        yield self._evaluate("worlds-64", "worlds-64", compared=False)

    def _codec(self, run: str, init: Path, steps: int) -> Command:
        out = ["--steps", str(steps), "--out", str(self.runs / run)]
        return ["train", "codec", *self._sets(), "--init", str(init), *out]

    def _slow(self, run: str, codec: str, init: Path, steps: int, left_out: str = "") -> Command:
        start = [
            "--codec",
            str(self.runs / codec / "codec"),
            "--init",
            str(init),
            "--learning-rate",
            str(LEARNING_RATE),
        ]
        often = ["--validate-every", str(max(1, min(steps // 3, 500)))]
        out = ["--steps", str(steps), *often, "--out", str(self.runs / run)]
        return ["train", "slow", *self._sets(left_out), *start, *out]

    def _pack(self, name: str, codec: str, denoiser: str) -> Iterator[Command]:
        if not (out := self.runs / name).is_dir():
            parts = ["--codec", str(self.runs / codec / "codec"), "--denoiser", str(self.runs / denoiser / "denoiser")]
            yield ["models", "pack", "--name", name, *parts, "--out", str(out)]

    def _evaluate(self, world: str, result: str, compared: bool) -> Command:
        words = ["evaluate", "domains", "--model", str(self.runs / world)]
        for domain, folder in world_folders():
            words += ["--on", f"{folder}={self.data / folder / 'test'}"]
            if compared and folder != KNOWN_WORLD:
                words += ["--without", f"{folder}={self.runs / f'without-{domain}' / 'denoiser'}"]
        size = ["--quick"] if self.quick else ["--episodes", str(EVALUATED)]
        return [*words, *size, "--json", str(self.results / f"{result}.json")]

    def _data(self, domain: str, worlds: tuple[tuple[str, str], ...], split: str) -> Iterator[Command]:
        count = self.episodes if split == "train" else self.held_out(split)
        out = self.data / domain / split
        parts = [self.data / world / split if len(worlds) > 1 else out for world, _ in worlds]
        for (world, script), part in zip(worlds, parts, strict=True):
            words = ["--env", world, "--script", script, "--split", split, "--num-chunks", str(NUM_CHUNKS)]
            yield ["data", "make", *words, "--episodes", str(count // len(worlds)), "--out", str(part)]
        if len(worlds) > 1:
            yield ["data", "shard", *map(str, parts), str(out)]

    def _sets(self, left_out: str = "") -> Command:
        kept = [domain for domain in DOMAINS if domain != left_out]
        train, validation = ([str(self.data / domain / split) for domain in kept] for split in ("train", "validation"))
        return ["--data", *train, "--validation", *validation]


def plan_of(words: Sequence[str] | None = None) -> tuple[Plan, bool]:
    """What the command line asks for, and whether it is to be printed alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, folder in FOLDERS.items():
        told = f"default: {folder}, with --quick {QUICK_FOLDER / name}"
        parser.add_argument(f"--{name}", type=Path, metavar="DIR", help=told)
    parser.add_argument(
        "--episodes", type=whole_number(2), default=160, help="of each domain to learn from; default: 160"
    )
    parser.add_argument("--codec-steps", type=whole_number(1), default=2500, help="default: 2500")
    parser.add_argument("--steps", type=whole_number(1), default=600, help="of each short training; default: 600")
    parser.add_argument("--world-codec-steps", type=whole_number(1), default=5000, help="default: 5000")
    parser.add_argument("--world-steps", type=whole_number(1), default=6500, help="of the long one; default: 6500")
    parser.add_argument("--quick", action="store_true", help="a few episodes and steps")
    parser.add_argument("--print", action="store_true", help="the commands, without running them")
    args = parser.parse_args(words)
    sizes = (args.episodes, args.codec_steps, args.steps, args.world_codec_steps, args.world_steps)
    usual = {name: QUICK_FOLDER / name if args.quick else folder for name, folder in FOLDERS.items()}
    folders = [getattr(args, name) or folder for name, folder in usual.items()]
    return Plan(*folders, *((4, 2, 2, 2, 2) if args.quick else sizes), args.quick), args.print


def main() -> None:
    """Runs all, or prints it."""
    plan, is_printed = plan_of()
    for command in plan.commands():
        print("slowfast", *command, flush=True)
        if not is_printed and (code := subprocess.run([sys.executable, "-m", "slowfast_vgen", *command]).returncode):
            sys.exit(code)


if __name__ == "__main__":
    main()
