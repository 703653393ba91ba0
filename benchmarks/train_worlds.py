"""Trains one denoiser over all domains, and one without each in turn, by the same budget: `make worlds`.

Runs the commands of `slowfast` one after the other, from the repository's folder: data of every domain, one codec for
all, the trainings, packing, and `evaluate domains`. Each goes on where it was stopped, and so does this. `--quick`
shows that everything runs.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator
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
LEARNING_RATE, VALIDATE_EVERY = 6e-4, 200
HELD_OUT = {"validation": 8, "test": 64}
"""Split -> episodes of each domain."""
EVALUATED = 32
"""Test episodes of each world."""

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
    json: Path
    episodes: int
    codec_steps: int
    steps: int
    quick: bool

    def held_out(self, split: str) -> int:
        """Episodes of each domain."""
        return 4 if self.quick else HELD_OUT[split]

    def commands(self) -> Iterator[Command]:
        """All of `slowfast`, in order."""
        for domain, worlds in DOMAINS.items():
            for split in ("train", *HELD_OUT):
                yield from self._data(domain, worlds, split)
        codec = str(self.runs / "codec" / "codec")
        out = ["--steps", str(self.codec_steps), "--out", str(self.runs / "codec")]
        yield ["train", "codec", *self._sets(), "--init", str(BASE / "codec"), *out]
        for left_out in ("", *DOMAINS):
            run = self.runs / (f"without-{left_out}" if left_out else "all")
            start = ["--codec", codec, "--init", str(BASE / "denoiser"), "--learning-rate", str(LEARNING_RATE)]
            out = ["--steps", str(self.steps), "--validate-every", str(VALIDATE_EVERY), "--out", str(run)]
            yield ["train", "slow", *self._sets(left_out), *start, *out]
        world = self.runs / "worlds-64"
        if not world.is_dir():
            parts = ["--codec", codec, "--denoiser", str(self.runs / "all" / "denoiser")]
            yield ["models", "pack", "--name", "worlds-64", *parts, "--out", str(world)]
        evaluate = ["evaluate", "domains", "--world", str(world), "--json", str(self.json)]
        for domain, folder in world_folders():
            evaluate += ["--on", f"{folder}={self.data / folder / 'test'}"]
            if folder != KNOWN_WORLD:
                evaluate += ["--without", f"{folder}={self.runs / f'without-{domain}' / 'denoiser'}"]
        yield [*evaluate, *(["--quick"] if self.quick else ["--episodes", str(EVALUATED)])]

    def _data(self, domain: str, worlds: tuple[tuple[str, str], ...], split: str) -> Iterator[Command]:
        count = self.episodes if split == "train" else self.held_out(split)
        out = self.data / domain / split
        parts = [self.data / world / split if len(worlds) > 1 else out for world, _ in worlds]
        for (world, script), part in zip(worlds, parts, strict=True):
            words = ["--world", world, "--script", script, "--split", split, "--num-chunks", str(NUM_CHUNKS)]
            yield ["data", "make", *words, "--episodes", str(count // len(worlds)), "--out", str(part)]
        if len(worlds) > 1:
            yield ["data", "shard", *map(str, parts), str(out)]

    def _sets(self, left_out: str = "") -> Command:
        kept = [domain for domain in DOMAINS if domain != left_out]
        train, validation = ([str(self.data / domain / split) for domain in kept] for split in ("train", "validation"))
        return ["--data", *train, "--validation", *validation]


def main() -> None:
    """Runs all, or prints it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data/worlds"), metavar="DIR")
    parser.add_argument("--runs", type=Path, default=Path("runs/worlds"), metavar="DIR")
    parser.add_argument("--json", type=Path, default=Path("results/domains.json"), metavar="FILE")
    parser.add_argument(
        "--episodes", type=whole_number(2), default=160, help="of each domain to learn from; default: 160"
    )
    parser.add_argument("--codec-steps", type=whole_number(1), default=2500, help="default: 2500")
    parser.add_argument("--steps", type=whole_number(1), default=600, help="of each denoiser; default: 600")
    parser.add_argument("--quick", action="store_true", help="a few episodes and steps")
    parser.add_argument("--print", action="store_true", help="the commands, without running them")
    args = parser.parse_args()
    episodes, codec_steps, steps = (4, 2, 2) if args.quick else (args.episodes, args.codec_steps, args.steps)
    plan = Plan(args.data, args.runs, args.json, episodes, codec_steps, steps, args.quick)
    for command in plan.commands():
        print("slowfast", *command, flush=True)
        if not args.print and (code := subprocess.run([sys.executable, "-m", "slowfast_vgen", *command]).returncode):
            sys.exit(code)


if __name__ == "__main__":
    main()
