"""Pictures of worlds-64, after `make worlds`: `python benchmarks/plot_worlds.py`.

A start image of each world goes to docs/images/worlds, and docs/images/worlds-64.png shows what is generated from it
alone, with the shipped memory, below the true frames: one column a chunk, by the episode's own action texts.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from train_worlds import world_folders

from slowfast_vgen.data.sources import open_episodes
from slowfast_vgen.evaluate.ways import recorded_ways
from slowfast_vgen.pictures import Panel, contact_sheet, save_picture
from slowfast_vgen.presets.worlds import load

NUM_CHUNKS = 10
IMAGES = Path(__file__).parents[1] / "docs" / "images"


def main() -> None:
    """Writes the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", default="worlds-64", metavar="NAME|DIR")
    parser.add_argument("--data", type=Path, default=Path("data/worlds"), metavar="DIR")
    parser.add_argument("--episode", type=int, default=0, help="of the test episodes; default: the first")
    parser.add_argument("--out", type=Path, default=IMAGES, metavar="DIR")
    args = parser.parse_args()
    world, panels = load(args.world), []
    (args.out / "worlds").mkdir(parents=True, exist_ok=True)
    for _, name in world_folders():
        ways = recorded_ways(open_episodes(args.data / name / "test"), args.episode + 1, 1, NUM_CHUNKS - 1)
        way = ways[args.episode]
        Image.fromarray(way.frames[0]).save(args.out / "worlds" / f"{name}.png")
        session = world.start(way.frames[0], memory=True, seed=0)
        made = [way.frames[0], *(session.step(action)[-1] for action in way.actions)]
        panels += [Panel(f"{name}: true", way.frames[::4]), Panel("generated", np.stack(made))]
    sheet = contact_sheet(panels, ["start", *(f"{number + 1}" for number in range(NUM_CHUNKS))])
    save_picture(args.out / "worlds-64.png", sheet)


if __name__ == "__main__":
    main()
