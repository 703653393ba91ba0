"""Measures fast-learning settings of a world on validation maps: what they recall, and what long videos become.

    python benchmarks/sweep_fast_learning.py --model runs/rooms-64 --json results/fast_learning_sweep.json

Recall: way out given, way back generated (as in `slowfast evaluate smoke`, which reports on test maps), PSNR of
revisits against that without memory. Long videos: sharpness of the last 32 of 192 frames generated from a start image,
over that without memory. Both count: a memory that blurs everything to grey gains PSNR. One seed.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
from tqdm import tqdm

from slowfast_bench.generate import generate_tours
from slowfast_bench.paths.episodes import HeldOut, play_tours
from slowfast_bench.scores.following import row_seeds
from slowfast_bench.scores.long_videos import generate_long
from slowfast_bench.scores.revisits import tour_pairs
from slowfast_bench.variants import memory_arm
from slowfast_vgen.memory.config import MemoryConfig
from slowfast_vgen.memory.settings import FastLearningConfig, LoraConfig
from slowfast_vgen.metrics.bootstrap import estimate
from slowfast_vgen.metrics.frames import psnr
from slowfast_vgen.presets.worlds import load
from slowfast_vgen.results import Row, write_results

SEED = 0
LONG_EPISODES, LONG_CHUNKS = 6, 48


def grid() -> dict[str, FastLearningConfig | None]:
    """No memory, the paper's setting, and combinations around the best of `docs/decisions/0004-fast-learning.md`."""
    settings: dict[str, FastLearningConfig | None] = {"no memory": None, "paper": FastLearningConfig()}
    for updates, rank, rate in itertools.product((1, 4), (8, 32), (3e-4, 1e-3, 3e-3, 1e-2)):
        config = FastLearningConfig(LoraConfig(rank), learning_rate=rate, updates_per_chunk=updates, noise_draws=2)
        settings[f"rank {rank}, lr {rate:g}, {updates} x 2"] = config
    return settings


def main() -> None:
    """Prints and writes the revisit gain of every setting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--episodes", type=int, default=16)
    parser.add_argument("--most", type=int, default=4, help="updates a chunk; default: 4")
    parser.add_argument("--json", type=Path, default=Path("results/fast_learning_sweep.json"))
    args = parser.parse_args()
    world = load(args.world)
    held_out = HeldOut(args.episodes, 1, split="validation")
    tours = held_out.full_turns + held_out.out_and_backs
    plays = play_tours(tours)
    window = world.model.config.num_past_frames + world.model.config.num_new_frames
    later = [[pair[0] for pair in tour_pairs(tour, play, window)] for tour, play in zip(tours, plays, strict=True)]
    protocol = {
        "command": "benchmarks/sweep_fast_learning.py",
        "weights_sha256": world.model.fingerprint,
        "split": "validation",
        "tours": len(tours),
        "seed": SEED,
        "long_videos": LONG_EPISODES,
        "long_video_chunks": LONG_CHUNKS,
    }
    settings = {
        name: config for name, config in grid().items() if config is None or config.updates_per_chunk <= args.most
    }
    wanders = HeldOut(LONG_EPISODES, LONG_CHUNKS, split="validation").wanders
    rows: list[Row] = []
    without, sharp_without = np.zeros(len(tours)), np.zeros(LONG_EPISODES)
    for name, config in tqdm(settings.items(), unit="setting"):
        memory = None if config is None else MemoryConfig(config)
        seeds = row_seeds(SEED, 0, len(tours))
        videos = generate_tours(memory_arm(name, name, world, memory), tours, plays, seeds, True, lambda _: None)
        scores = np.array(
            [psnr(video[row], play.frames[row]).mean() for video, play, row in zip(videos, plays, later, strict=True)]
        )
        sharp = generate_long(world, wanders, memory, SEED, False, lambda _: None).sharpness[:, -1]
        if config is None:
            without, sharp_without = scores, sharp
        gain, ratio = estimate((scores - without)[:, None]), estimate((sharp / sharp_without.mean())[:, None])
        rows += [
            Row.of(gain, "psnr_truth", name, minus="no memory", name=f"revisit_gain_db {name}"),
            Row.of(ratio, "late_sharpness_ratio", name, name=f"late_sharpness_ratio {name}"),
        ]
        tqdm.write(
            f"{name:<26} {scores.mean():6.2f} dB   gain {gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]   "
            f"late sharpness {ratio.mean:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"
        )
        write_results(args.json, protocol, rows)  # after each, so that a stop loses one


if __name__ == "__main__":
    main()
