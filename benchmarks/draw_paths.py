"""Draws slowfast_bench/paths/scripts/, the path scripts of the evaluation, anew: `python benchmarks/draw_paths.py`.

The files do not change unless the drawing does, and then every figure made on them is another.
"""

import argparse

from slowfast_bench.paths.episodes import WORLD
from slowfast_bench.paths.tours import LEAST_ROOMS, PATH_SETS, write_tours


def main() -> None:
    """Writes every set, or those that are named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", choices=[[], *PATH_SETS], help="default: all")
    parser.add_argument("--env", choices=LEAST_ROOMS, default=WORLD)
    parser.add_argument("--maps", type=int, default=64)
    args = parser.parse_args()
    for name in args.names or PATH_SETS:
        print(f"wrote {write_tours(name, args.maps, world=args.env)}")


if __name__ == "__main__":
    main()
