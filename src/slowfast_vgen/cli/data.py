"""`slowfast data`: make, import, check, describe and export data sets; shards and cards are in modules beside it."""

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slowfast_vgen.cli.card import add_card_arguments, write_cards
from slowfast_vgen.cli.common import add_json_argument, add_renamed, number, path_name, whole_number, write_figures
from slowfast_vgen.cli.shard import register_shard
from slowfast_vgen.cli.terminal import one_line
from slowfast_vgen.errors import UserError

DEFECTS_EXIT_CODE = 1
TRAINABLE = 8
"""Pixels along each side of one latent of our codecs: sides of frames must be multiples of it."""


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the group `data` and its commands."""
    group = subparsers.add_parser("data", help="make, import, check, describe and shard data sets")
    commands = group.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)

    make = commands.add_parser("make", help="record episodes of an environment; continues where it was stopped")
    told = "the environment to record, such as vizdoom-rooms, or MODULE:CLASS"
    add_renamed(make, "--env", "--world", required=True, metavar="NAME", help=told)
    make.add_argument("--episodes", required=True, type=whole_number(1, 999_999), metavar="N", help="how many")
    make.add_argument("--out", required=True, type=path_name, metavar="DIR", help="folder of the data set")
    make.add_argument("--split", choices=("train", "validation", "test"), default="train", help="default: train")
    make.add_argument("--seed", type=whole_number(0, 2**32 - 1), default=0, help="default: 0")
    make.add_argument("--script", default="mix", help="how actions are chosen; default: mix")
    make.add_argument("--num-chunks", type=whole_number(1, 10_000), default=32, help="actions an episode; default: 32")
    add_json_argument(make)
    make.set_defaults(handler=make_dataset)

    _register_import(commands)
    register_shard(commands)

    check = commands.add_parser("check", help="name every defect; with several: scenes shared between splits too")
    check.add_argument("folders", nargs="+", type=path_name, metavar="DIR", help="folder of a data set")
    add_json_argument(check)
    check.set_defaults(handler=check_data)

    info = commands.add_parser("info", help="count episodes, frames, scripts, verbs and scenes; write data cards")
    info.add_argument(
        "folders", nargs="+", type=path_name, metavar="DIR", help="folder of a data set; several with --card"
    )
    info.add_argument(
        "--contact-sheet", type=path_name, metavar="FILE.png", help="draw frames of several episodes here"
    )
    add_card_arguments(info)
    add_json_argument(info)
    info.set_defaults(handler=describe_data)

    export = commands.add_parser("export", help="write a data set in another format")
    export.add_argument("--to", required=True, choices=("lerobot",), help="lerobot: LeRobot, format 3")
    export.add_argument("source", type=path_name, metavar="SRC", help="folder of a data set")
    export.add_argument("out", type=path_name, metavar="OUT", help="new or empty folder")
    export.add_argument("--lossless", action="store_true", help="keep every pixel value; few players show such videos")
    add_json_argument(export)
    export.set_defaults(handler=export_dataset)


def _register_import(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds `import`."""
    parser = commands.add_parser("import", help="read other people's recordings; goes on where it was stopped")
    parser.add_argument(
        "--from", dest="adapter", required=True, metavar="NAME", help="epic-kitchens, folder, hdd, lerobot, rlds or vpt"
    )
    parser.add_argument("source", type=path_name, metavar="SRC", help="folder of the source")
    parser.add_argument("out", type=path_name, metavar="OUT", help="folder of the data set")
    told = "pixels of both sides, or width and height such as 128x72; multiples of 8 can be trained on; default: 64"
    parser.add_argument("--size", type=_frame_size, default=64, metavar="PIXELS", help=told)
    told = "the camera's field of view across a frame as it is imported, left to right, where it is known"
    parser.add_argument("--fov", type=number(1, 179), metavar="DEGREES", help=told)
    parser.add_argument("--fps", type=number(0.1, 1000), default=10.0, help="frames a second; default: 10")
    parser.add_argument(
        "--chunk-frames", type=whole_number(1, 10_000), default=4, metavar="N", help="at most; default: 4"
    )
    parser.add_argument(
        "--episode-frames", type=whole_number(2, 100_000), default=513, metavar="N", help="at most; default: 513"
    )
    parser.add_argument("--limit", type=whole_number(1, 999_999), metavar="N", help="episodes at most; default: all")
    parser.add_argument(
        "--max-bad-share", type=number(0, 1), default=0.5, metavar="SHARE",
        help="stop where more of the samples cannot be used; default: 0.5",
    )  # fmt: skip
    parser.add_argument("--split", choices=("train", "validation", "test"), default="train", help="default: train")
    parser.add_argument("--licence", default="", metavar="TEXT", help="the terms of the source, where it states none")
    parser.add_argument("--table", type=path_name, metavar="FILE", help="the table to read (folder, epic-kitchens)")
    told = "the table of poses to read (folder); default: poses.csv, where there is one"
    parser.add_argument("--poses", type=path_name, metavar="FILE", help=told)
    parser.add_argument("--camera", default="", metavar="NAME", help="the camera to take (lerobot, rlds)")
    parser.add_argument(
        "--source-fps", type=number(0.1, 1000), metavar="FPS", help="where the source tells none (rlds)"
    )
    parser.add_argument(
        "--allow-outside", action="store_true", help="follow paths in the source's files that lead out of SRC"
    )
    parser.add_argument("--lossy", action="store_true", help="a third of the size, and playable; default: lossless")
    add_json_argument(parser)
    parser.set_defaults(handler=import_data)


def _frame_size(text: str) -> int | tuple[int, int]:
    """An argparse type: `64`, or width and height such as `128x72`."""
    sides = re.fullmatch(r"([0-9]{1,4})(?:x([0-9]{1,4}))?", text.strip())
    width, height = (int(sides[1]), int(sides[2] or sides[1])) if sides else (0, 0)
    if not 8 <= min(width, height) <= max(width, height) <= 4096:
        told = "give a side of 8 to 4096 pixels, or width and height such as 128x72"
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no frame size: {told}")
    return width if width == height else (width, height)


def make_dataset(args: argparse.Namespace) -> int:
    """`slowfast data make`."""
    from tqdm import tqdm

    from slowfast_vgen.data.format import DatasetWriter
    from slowfast_vgen.data.headers import DatasetHeader
    from slowfast_vgen.engines import open_env

    creation = {"seed": args.seed, "script": args.script, "num_chunks": args.num_chunks}
    world = open_env(args.env, args.split, args.seed)
    writer = DatasetWriter(args.out, DatasetHeader(world.name, args.split, args.episodes, creation))
    num_kept = writer.num_present
    num_new = max(args.episodes - num_kept, 0)
    if num_kept:
        print(f"{args.out} holds {num_kept} episodes already; {num_new} more to make")
    num_frames = 0
    start = time.perf_counter()
    # A world refuses to be asked for none.
    episodes = world.episodes(num_new, args.script, args.num_chunks, first_index=num_kept) if num_new else iter(())
    try:
        with tqdm(total=args.episodes, initial=min(num_kept, args.episodes), unit="episode", dynamic_ncols=True) as bar:
            for episode in episodes:
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
    protocol = {"command": "data make", "world": world.name, "split": args.split, **creation, "seconds": seconds}
    figures = {"episodes": writer.num_present, "new_frames": num_frames, "frames_per_second": rate}
    _write_counts(args.json, protocol, figures)
    return 0


def import_data(args: argparse.Namespace) -> int:
    """`slowfast data import`."""
    from tqdm import tqdm

    from slowfast_vgen.data.adapters.base import ImportSettings
    from slowfast_vgen.data.adapters.registry import open_adapter
    from slowfast_vgen.data.import_report import REPORT_FILE, ImportReport
    from slowfast_vgen.data.importing import import_dataset

    cut = ("size", "fov", "fps", "chunk_frames", "episode_frames")
    names = (*cut, "split", "licence", "table", "poses", "camera", "source_fps", "allow_outside")
    settings = ImportSettings(**{name: getattr(args, name) for name in names})
    adapter = open_adapter(args.adapter, args.source, settings)
    if any(side % TRAINABLE for side in settings.frame_size):
        near = "x".join(str(max(1, round(side / TRAINABLE)) * TRAINABLE) for side in reversed(settings.frame_size))
        print(f"note: `train codec` takes frames whose sides are multiples of {TRAINABLE} only, such as --size {near}")
    licence = args.licence or adapter.licence
    print(f"licence: {one_line(licence)}")
    done = 0
    try:
        with tqdm(total=args.limit, unit="episode", dynamic_ncols=True) as bar:

            def show(report: ImportReport) -> None:
                nonlocal done
                done = report.episodes
                bar.set_postfix_str(
                    f"{report.recordings_done} recordings, {report.num_left_out} left out", refresh=False
                )
                bar.update(done - bar.n)

            report = import_dataset(
                adapter, args.out, settings, args.limit, args.max_bad_share, lossless=not args.lossy, on_progress=show
            )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{done} episodes are written; the same command goes on from there") from None
    print(
        f"{args.out} holds {report.episodes} episodes ({report.frames} frames) of {report.recordings_done} recordings"
    )
    for what, tallies in (("left out", report.left_out), ("noticed", report.noticed)):
        for reason, tally in sorted(tallies.items()):
            first = tally.first[0]
            print(f"{what}: {reason} {tally.count}, first {first['name']}: {first['message']}")
    print(f"report: {args.out / REPORT_FILE}")
    protocol = {"command": "data import", "from": args.adapter, "source": str(args.source), "licence": licence}
    figures = {"episodes": report.episodes, "frames": report.frames, "left_out": report.num_left_out}
    figures |= {f"left out: {reason}": tally.count for reason, tally in sorted(report.left_out.items())}
    figures |= {f"noticed: {reason}": tally.count for reason, tally in sorted(report.noticed.items())}
    _write_counts(args.json, protocol, figures)
    return 0


def export_dataset(args: argparse.Namespace) -> int:
    """`slowfast data export`."""
    from tqdm import tqdm

    from slowfast_vgen.data.format import EpisodeDataset
    from slowfast_vgen.data.lerobot_export import export_lerobot

    dataset = EpisodeDataset(args.source)
    with tqdm(total=len(dataset), unit="episode", dynamic_ncols=True) as bar:
        num_frames = export_lerobot(dataset, args.out, args.lossless, on_progress=bar.update)
    print(f"wrote {len(dataset)} episodes ({num_frames} frames) to {args.out}")
    protocol = {"command": "data export", "to": args.to, "folder": str(args.source), "lossless": args.lossless}
    _write_counts(args.json, protocol, {"episodes": len(dataset), "frames": num_frames})
    return 0


def check_data(args: argparse.Namespace) -> int:
    """`slowfast data check`."""
    from slowfast_vgen.data.import_report import seal_note
    from slowfast_vgen.data.validate import check_datasets

    defects = check_datasets(args.folders)
    for defect in defects:
        print(one_line(defect))
    for note in filter(None, map(seal_note, args.folders)):
        print(f"note: {one_line(note)}")
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
    from slowfast_vgen.data.cards.statistics import count_episodes
    from slowfast_vgen.data.contact_sheet import save_contact_sheet
    from slowfast_vgen.data.import_report import read_report, seal_note
    from slowfast_vgen.data.sources import open_episodes
    from slowfast_vgen.data.tables import content_hash

    if args.card:
        return write_cards(args)
    if len(args.folders) > 1 or args.out:
        raise UserError("without --card, `data info` takes one folder and no --out")
    (folder,) = args.folders
    source = open_episodes(folder, unfinished=True)
    saved = read_report(folder)
    counted, content = count_episodes(source), content_hash(map(source.tables, range(len(source))))
    made = [", ".join(f"{name} {value}" for name, value in header.creation.items()) for header in source.headers]
    lengths = counted.episode_frames or [0]
    lines = {
        "world": ", ".join(dict.fromkeys(header.world for header in source.headers)),
        "split": ", ".join(dict.fromkeys(header.split for header in source.headers)),
        "made with": "; ".join(made),
        "episodes": f"{counted.num_episodes} of {sum(header.num_episodes for header in source.headers)}",
        "scenes": f"{len(counted.scenes)} distinct",
        "frames": f"{counted.num_frames} of {', '.join(sorted(counted.episodes_by_size))}, "
        f"{min(lengths)} to {max(lengths)} an episode",
        "chunks": counted.num_clips,
        "size": f"{counted.num_bytes / 1e6:.1f} MB",
        "content": content,
    }
    if saved is not None:
        told = f"{saved.report.recordings_done} recordings, {saved.report.num_left_out} samples left out"
        lines["imported"] = "; ".join(filter(None, (told, seal_note(folder))))
    for name, value in lines.items():
        print(f"{name:<10} {one_line(value)}")
    unnamed = counted.num_clips - counted.clips_by_verb.total()
    verbs = counted.clips_by_verb + Counter(unnamed=unnamed)
    for title, unit, counts in (("script", "episodes", counted.episodes_by_script), ("verb", "chunks", verbs)):
        print(f"\n{title:<20} {unit:>10}")
        for name, count in counts.most_common():
            print(f"{one_line(name):<20} {count:>10}")
    if args.contact_sheet:
        save_contact_sheet(source, args.contact_sheet)
        print(f"\ndrew {args.contact_sheet}")
    protocol = {"command": "data info", "folder": str(folder), "content_hash": content}
    figures = {
        "episodes": counted.num_episodes,
        "frames": counted.num_frames,
        "chunks": counted.num_clips,
        "scenes": len(counted.scenes),
        "bytes": counted.num_bytes,
        **{f"episodes of script {name}": count for name, count in counted.episodes_by_script.most_common()},
        **{f"chunks of verb {name}": count for name, count in verbs.most_common()},
    }
    _write_counts(args.json, protocol, figures)
    return 0


def _write_counts(path: Path | None, protocol: dict[str, Any], counts: Mapping[str, float]) -> None:
    write_figures(path, protocol, counts)
