"""What worlds-64 makes of a start image, after `make worlds`: `python benchmarks/plot_worlds.py`.

docs/images/worlds-64.png: a test episode of each world above, below it what is generated from its first frame alone by
its own action texts, without fast learning; one column a chunk.
"""

import argparse
from pathlib import Path

import numpy as np
from train_worlds import world_folders

from slowfast_bench.paths.ways import recorded_ways
from slowfast_vgen.data.sources import open_episodes
from slowfast_vgen.pictures import Panel, contact_sheet, save_picture
from slowfast_vgen.presets.worlds import load

NUM_CHUNKS = 10


def main() -> None:
    """Draws it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="runs/worlds/worlds-64", metavar="NAME|DIR")
    parser.add_argument("--data", type=Path, default=Path("data/worlds"), metavar="DIR")
    parser.add_argument("--out", type=Path, default=Path("docs/images/worlds-64.png"), metavar="FILE.png")
    args = parser.parse_args()
    world, panels = load(args.world), []
    for _, name in world_folders():
        (way,) = recorded_ways(open_episodes(args.data / name / "test"), 1, 1, NUM_CHUNKS - 1)
        session = world.start(way.frames[0], memory=False, seed=0)
        made = [way.frames[0], *(session.step(action)[-1] for action in way.actions)]
        panels += [Panel(f"{name}: true", way.frames[::4]), Panel("generated", np.stack(made))]
    save_picture(args.out, contact_sheet(panels, ["start", *map(str, range(1, NUM_CHUNKS + 1))]))


if __name__ == "__main__":
    main()
