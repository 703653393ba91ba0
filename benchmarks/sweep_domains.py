"""How strongly eq. 3 should learn in a domain that its slow weights never saw: `python benchmarks/sweep_domains.py`.

After `make worlds`' trainings. Each denoiser that was trained without a domain is shown the beginnings of that domain's
validation episodes and generates four chunks, as in `slowfast evaluate domains`, which reports on test episodes. What a
setting adds is told twice: in PSNR, which rewards blur, and in perceptual distance (less is better), which does not.
"""

import argparse
from pathlib import Path

from tqdm import tqdm
from train_worlds import KNOWN_WORLD, world_folders

from slowfast_bench.domains import DomainsConfig, shown_then_generated
from slowfast_bench.paths.ways import recorded_ways
from slowfast_bench.scores.following import row_seeds
from slowfast_bench.scores.next_chunk import CLIP_CHUNKS, NextChunks
from slowfast_bench.variants import memory_arm
from slowfast_vgen.data.sources import open_episodes
from slowfast_vgen.memory.config import MemoryConfig
from slowfast_vgen.memory.settings import FastLearningConfig
from slowfast_vgen.metrics.bootstrap import estimate
from slowfast_vgen.metrics.networks import GivenWeights, Networks
from slowfast_vgen.models.world_model import load_denoiser
from slowfast_vgen.presets.worlds import load
from slowfast_vgen.results import Row, write_results

SEED = 0
NONE = "none"


def grid() -> dict[str, FastLearningConfig | None]:
    """None, and updates of rank 32 around those of `evaluate domains`."""
    settings: dict[str, FastLearningConfig | None] = {NONE: None}
    for rule, updates, rate in (
        ("denoising", 1, 3e-4),
        ("denoising", 1, 1e-3),
        ("denoising", 4, 1e-3),
        ("denoising", 4, 3e-3),
        ("denoising-original", 4, 3e-4),
        ("denoising-original", 4, 1e-3),
    ):
        name = f"{rule}, {updates} x {rate:g}"
        settings[name] = FastLearningConfig(rule=rule, learning_rate=rate, updates_per_chunk=updates, rewind_chunks=0)  # type: ignore[arg-type]
    return settings


def main() -> None:
    """Prints and writes what each setting adds in each domain."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("runs/worlds/domains-64"), metavar="DIR")
    parser.add_argument("--data", type=Path, default=Path("data/worlds"), metavar="DIR")
    parser.add_argument("--runs", type=Path, default=Path("runs/worlds"), metavar="DIR")
    parser.add_argument("--json", type=Path, default=Path("results/domains_sweep.json"), metavar="FILE")
    parser.add_argument("--episodes", type=int, default=4, help="of each world; default: 4")
    args = parser.parse_args()
    world, networks, config = load(args.world), Networks.load(GivenWeights()), DomainsConfig()
    rows: list[Row] = []
    protocol = {
        "command": "benchmarks/sweep_domains.py",
        "split": "validation",
        "episodes": args.episodes,
        "num_shown": config.num_shown,
        "made_chunks": CLIP_CHUNKS,
        "seed": SEED,
        "settings": "rule, updates a chunk x Adam's learning rate; rank 32, one noise draw",
    }
    for domain, folder in tqdm(list(world_folders()), unit="world"):
        if folder == KNOWN_WORLD:
            continue
        source = open_episodes(args.data / folder / "validation")
        ways = recorded_ways(source, args.episodes, config.num_shown, CLIP_CHUNKS)
        other = world.with_parts(load_denoiser(args.runs / f"without-{domain}" / "denoiser").eval())
        none: NextChunks | None = None
        for name, learning in grid().items():
            arm = memory_arm(name, name, other, None if learning is None else MemoryConfig(lora=learning))
            scores = shown_then_generated(arm, ways, row_seeds(SEED, 0, len(ways)), networks)
            none = none or scores
            told = []
            for measure, metric in (("psnr", "psnr"), ("distance", "distance_mbv2")):
                change = (getattr(scores, measure) - getattr(none, measure)).mean(1, keepdims=True)
                one = estimate(change)
                full = f"{measure} {folder} {name}"
                rows.append(Row.of(one, metric, name, minus=NONE, dataset=folder, name=full))
                told.append(f"{measure} {one.mean:+.3f} [{one.low:+.3f}, {one.high:+.3f}]")
            tqdm.write(f"{folder:<22} {name:<32} {'   '.join(told)}")
            write_results(args.json, protocol, rows)


if __name__ == "__main__":
    main()
