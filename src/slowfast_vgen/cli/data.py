"""`slowfast data`: make, check and describe data sets."""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slowfast_vgen.cli.common import Figure, add_json_argument, whole_number, write_figures

DEFECTS_EXIT_CODE = 1


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the group `data` and its commands."""
    group = subparsers.add_parser("data", help="make, check and describe data sets")
    commands = group.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)

    make = commands.add_parser("make", help="record episodes of a world; goes on where it was stopped")
    make.add_argument("--world", required=True, metavar="NAME", help="such as vizdoom-rooms")
    make.add_argument("--episodes", required=True, type=whole_number(1, 999_999), metavar="N", help="how many")
    make.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder of the data set")
    make.add_argument("--split", choices=("train", "validation", "test"), default="train", help="default: train")
    make.add_argument("--seed", type=whole_number(0, 2**32 - 1), default=0, help="default: 0")
    make.add_argument("--script", default="mix", help="how actions are chosen; default: mix")
    make.add_argument("--num-chunks", type=whole_number(1, 10_000), default=32, help="actions an episode; default: 32")
    add_json_argument(make)
    make.set_defaults(handler=make_dataset)

    check = commands.add_parser("check", help="name every defect; with several: scenes shared between splits too")
    check.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="folder of a data set")
    add_json_argument(check)
    check.set_defaults(handler=check_data)

    info = commands.add_parser("info", help="count episodes, frames, scripts, verbs and scenes")
    info.add_argument("folder", type=Path, metavar="DIR", help="folder of a data set")
    info.add_argument("--contact-sheet", type=Path, metavar="FILE.png", help="draw frames of several episodes here")
    add_json_argument(info)
    info.set_defaults(handler=describe_data)


def make_dataset(args: argparse.Namespace) -> int:
    """`slowfast data make`."""
    from tqdm import tqdm

    from slowfast_vgen.data.format import DatasetWriter
    from slowfast_vgen.data.headers import DatasetHeader
    from slowfast_vgen.worlds.registry import open_world

    creation = {"seed": args.seed, "script": args.script, "num_chunks": args.num_chunks}
    world = open_world(args.world, args.split, args.seed)
    writer = DatasetWriter(args.out, DatasetHeader(args.world, args.split, args.episodes, creation))
    num_kept = writer.num_present
    num_new = max(args.episodes - num_kept, 0)
    if num_kept:
        print(f"{args.out} holds {num_kept} episodes already; {num_new} more to make")
    num_frames = 0
    start = time.perf_counter()
    try:
        with tqdm(total=args.episodes, initial=min(num_kept, args.episodes), unit="episode", dynamic_ncols=True) as bar:
            for episode in world.episodes(num_new, args.script, args.num_chunks, first_index=num_kept):
                writer.append(episode)
                num_frames += episode.num_frames
                bar.update()
                bar.set_postfix_str(f"{num_frames / (time.perf_counter() - start):.0f} frames/s", refresh=False)
    except KeyboardInterrupt:
        done = f"{writer.num_present} of {args.episodes} episodes are written; the same command goes on from there"
        raise KeyboardInterrupt(done) from None
    seconds = time.perf_counter() - start
    rate = num_frames / seconds
    print(f"wrote {writer.num_present - num_kept} episodes ({num_frames} frames) to {args.out}, {rate:.0f} frames/s")
    protocol = {"command": "data make", "world": args.world, "split": args.split, **creation, "seconds": seconds}
    figures = {"episodes": writer.num_present, "new_frames": num_frames, "frames_per_second": rate}
    _write_counts(args.json, protocol, figures)
    return 0


def check_data(args: argparse.Namespace) -> int:
    """`slowfast data check`."""
    from slowfast_vgen.data.validate import check_datasets

    defects = check_datasets(args.folders)
    for defect in defects:
        print(defect)
    print(
        f"{len(defects)} {'defect' if len(defects) == 1 else 'defects'} in {', '.join(map(str, args.folders))}",
        file=sys.stderr,
    )
    codes = Counter(defect.code for defect in defects)
    protocol = {"command": "data check", "folders": [str(folder) for folder in args.folders]}
    figures = {"defects": len(defects)} | dict(sorted(codes.items()))
    _write_counts(args.json, protocol, figures)
    return DEFECTS_EXIT_CODE if defects else 0


def describe_data(args: argparse.Namespace) -> int:
    """`slowfast data info`."""
    from slowfast_vgen.data.format import EpisodeDataset
    from slowfast_vgen.data.summary import save_contact_sheet, summarise

    dataset = EpisodeDataset(args.folder, unfinished=True)
    summary = summarise(dataset)
    fewest, most = summary.frames_per_episode
    lines = {
        "world": dataset.header.world,
        "split": dataset.header.split,
        "made with": ", ".join(f"{name} {value}" for name, value in dataset.header.creation.items()),
        "episodes": f"{summary.num_episodes} of {dataset.header.num_episodes}",
        "scenes": f"{summary.num_scenes} distinct",
        "frames": f"{summary.num_frames} of {', '.join(summary.sizes)}, {fewest} to {most} an episode",
        "chunks": summary.num_chunks,
        "size": f"{summary.num_bytes / 1e6:.1f} MB",
        "content": dataset.content_hash,
    }
    for name, value in lines.items():
        print(f"{name:<10} {value}")
    for title, unit, counts in (
        ("script", "episodes", summary.episodes_by_script),
        ("verb", "chunks", summary.chunks_by_verb),
    ):
        print(f"\n{title:<20} {unit:>10}")
        for name, count in counts.items():
            print(f"{name:<20} {count:>10}")
    if args.contact_sheet:
        save_contact_sheet(dataset, args.contact_sheet)
        print(f"\ndrew {args.contact_sheet}")
    protocol = {"command": "data info", "folder": str(args.folder), "content_hash": dataset.content_hash}
    figures = {
        "episodes": summary.num_episodes,
        "frames": summary.num_frames,
        "chunks": summary.num_chunks,
        "scenes": summary.num_scenes,
        "bytes": summary.num_bytes,
        **{f"episodes of script {name}": count for name, count in summary.episodes_by_script.items()},
        **{f"chunks of verb {name}": count for name, count in summary.chunks_by_verb.items()},
    }
    _write_counts(args.json, protocol, figures)
    return 0


def _write_counts(path: Path | None, protocol: dict[str, Any], counts: Mapping[str, float]) -> None:
    write_figures(path, protocol, {name: Figure.exact(value) for name, value in counts.items()})
