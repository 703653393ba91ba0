"""`slowfast memory`: what a saved session remembers; copy it, take it back, put two together, give it to others."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slowfast_vgen.cli.common import (
    DEFAULT_WORLD,
    add_json_argument,
    add_model_argument,
    add_renamed,
    load_model,
    path_name,
    whole_number,
    write_figures,
)
from slowfast_vgen.cli.computing import add_compute_arguments, computed_with, start_computing, stored_in_session
from slowfast_vgen.cli.outputs import check_output_folder
from slowfast_vgen.errors import UserError

if TYPE_CHECKING:
    from slowfast_vgen.memory.episode import EpisodeMemory
    from slowfast_vgen.rollout import Session, WorldModel

_DESCRIPTION = """\
Works on folders: sessions that `slowfast generate --save-memory` wrote, and memories that `export` or `merge` wrote.
What a command writes is whole or not there at all, and an input is never changed unless it is also the output."""

_EXAMPLES = """\
examples:
  slowfast generate --image start.png --actions "turn left x8" --save-memory episode --out first.mp4
  slowfast memory show episode
  slowfast memory rewind episode --chunks 4 --out earlier
  slowfast memory fork earlier --out other-way
  slowfast memory merge episode other-way --out both
  slowfast memory export episode --out adapter
  slowfast memory rewrite episode --model worlds/next --out rewritten
"""


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the group `memory` and its commands."""
    group = subparsers.add_parser(
        "memory",
        help="look at saved memories; fork, rewind, merge and export them",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = group.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)

    show = _command(commands, "show", "what it is, how large it is and how much it holds", show_memory)
    add_json_argument(show)

    fork = _command(commands, "fork", "an independent copy", fork_memory)
    _add_out(fork, required=True)

    rewind = _command(commands, "rewind", "forget the latest chunks and go back to where they began", rewind_memory)
    rewind.add_argument("--chunks", required=True, type=whole_number(1), metavar="N", help="how many")
    _add_out(rewind)

    forget = _command(commands, "forget", "forget what some chunks showed and keep all else", forget_chunks)
    forget.add_argument("--first", required=True, type=whole_number(0), metavar="N", help="first chunk, from 0")
    forget.add_argument("--last", required=True, type=whole_number(0), metavar="N", help="last chunk")
    _add_out(forget)

    merge = _command(commands, "merge", "one memory of two episodes that began at the same place", merge_memories)
    merge.add_argument("other", type=path_name, metavar="OTHER", help="the folder of the other memory")
    _add_out(merge, required=True)

    told = "write its frames into a memory of other weights, of a world's next version, say"
    rewrite = commands.add_parser("rewrite", help=told)
    rewrite.add_argument("folder", type=path_name, metavar="DIR", help="a saved session or memory")
    rewrite.add_argument(
        "--model", required=True, metavar="NAME", help="the world model to write it for, or its folder"
    )
    told = "the world model that it is of, where its name does not find it"
    add_renamed(rewrite, "--from-model", "--world", metavar="NAME", help=told)
    add_compute_arguments(rewrite)
    rewrite.set_defaults(handler=rewrite_memory)
    _add_out(rewrite, required=True)

    export = _command(commands, "export", "the memory alone, for other programs", export_memory)
    _add_out(export, required=True)


def _command(
    subparsers: Any, name: str, told: str, handler: Any, world: str | None = DEFAULT_WORLD
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = subparsers.add_parser(name, help=told)
    parser.add_argument("folder", type=path_name, metavar="DIR", help="a saved session or memory")
    add_model_argument(parser, world)
    parser.set_defaults(handler=handler)
    return parser


def _add_out(parser: argparse.ArgumentParser, required: bool = False) -> None:
    told = "the folder to write" + ("" if required else "; default: the one given")
    parser.add_argument("--out", required=required, type=path_name, metavar="DIR", help=told)


def show_memory(args: argparse.Namespace) -> int:
    """`slowfast memory show`."""
    world, memory = _load(args, args.folder)
    told = memory.describe()
    print(f"{args.folder}: {told['chunks']} chunks of the world {world.model.config.full_name}")
    parts = {part: values for part, values in told.items() if isinstance(values, dict)}
    for part, values in parts.items():
        for name, value in values.items():
            shown = f"{value:.3g}" if isinstance(value, float) else value
            shown = ", ".join(f"{each:.3g}" for each in shown) if isinstance(shown, list) else shown
            print(f"  {part:<6} {name:<26} {shown}")
    figures = {
        f"{part} {name}": value
        for part, values in parts.items()
        for name, value in values.items()
        if isinstance(value, int | float)
    }
    write_figures(
        args.json, {"command": "memory show", "folder": str(args.folder), **told, **computed_with(args)}, figures
    )
    return 0


def fork_memory(args: argparse.Namespace) -> int:
    """`slowfast memory fork`."""
    out = _change(args, lambda _: None, lambda _: None)
    print(f"forked {args.folder}: {out}")
    return 0


def rewind_memory(args: argparse.Namespace) -> int:
    """`slowfast memory rewind`."""
    left: list[int] = []

    def rewind(target: "Session | EpisodeMemory") -> None:
        target.rewind(args.chunks)
        left.append(target.num_chunks)

    out = _change(args, rewind, rewind)
    print(f"rewound {args.folder} by {args.chunks} chunks, {left[0]} are left: {out}")
    return 0


def forget_chunks(args: argparse.Namespace) -> int:
    """`slowfast memory forget`."""

    def forget(memory: "EpisodeMemory") -> None:
        memory.forget(args.first, args.last + 1)

    def forget_in(session: "Session") -> None:
        if session.memory is None:
            raise UserError(f"the session in {args.folder} has no memory")
        forget(session.memory)

    out = _change(args, forget_in, forget)
    print(f"forgot chunks {args.first} to {args.last} of {args.folder}: {out}")
    return 0


def _change(
    args: argparse.Namespace, session: "Callable[[Session], None]", memory: "Callable[[EpisodeMemory], None]"
) -> Path:
    """Loads the session or the memory, changes it, and saves it where `--out` says; returns where."""
    out = _check_out(args)
    if _is_session(args.folder):
        loaded = load_model(args, batched=False, stored=stored_in_session(args.folder)).resume(args.folder)
        session(loaded)
        loaded.save(out)
    else:
        world, alone = _load(args, args.folder)
        memory(alone)
        alone.save(out, world.model.config.full_name)
    return out


def merge_memories(args: argparse.Namespace) -> int:
    """`slowfast memory merge`."""
    _check_out(args)
    world, memory = _load(args, args.folder)
    other = world.load_memory(args.other)
    memory.merge(other)
    memory.save(args.out, world.model.config.full_name)
    print(f"merged {args.folder} and {args.other}: {args.out}")
    return 0


def rewrite_memory(args: argparse.Namespace) -> int:
    """`slowfast memory rewrite`."""
    _check_out(args)
    from slowfast_vgen.memory.sessions import read_memory_of
    from slowfast_vgen.memory.store import MEMORY
    from slowfast_vgen.presets.worlds import load
    from slowfast_vgen.rollout.rewrite import rewritten

    MEMORY.check_target(args.out)
    device = start_computing(args)
    old = load(args.from_model or read_memory_of(args.folder).world or DEFAULT_WORLD, device, args.precision)
    memory = old.load_memory(args.folder)
    new = load(args.model, old.device, old.precision)
    made = rewritten(memory, old, new)
    made.memory.save(args.out, new.model.config.full_name)
    print(f"wrote {made.num_frames} frames of {args.folder} for {new.model.config.full_name}: {args.out}")
    for sentence in made.left_out:
        print(f"left out: {sentence}")
    return 0


def export_memory(args: argparse.Namespace) -> int:
    """`slowfast memory export`."""
    _check_out(args)
    world, memory = _load(args, args.folder)
    memory.save(args.out, world.model.config.full_name)
    files = sorted(path.name for path in args.out.iterdir())
    print(f"exported the memory of {args.folder} ({', '.join(files)}): {args.out}")
    return 0


def _check_out(args: argparse.Namespace) -> Path:
    out: Path = args.out or args.folder
    check_output_folder(out.parent)
    return out


def _is_session(folder: Path) -> bool:
    from slowfast_vgen.memory.sessions import HEADER_FILE

    return (folder / HEADER_FILE).is_file()


def _load(args: argparse.Namespace, folder: Path) -> "tuple[WorldModel, EpisodeMemory]":
    from slowfast_vgen.memory.sessions import read_memory_of

    read_memory_of(folder)  # here too: what cannot be used is told before the weights are loaded
    world = load_model(args, batched=False, stored=stored_in_session(folder))
    return world, world.load_memory(folder)
