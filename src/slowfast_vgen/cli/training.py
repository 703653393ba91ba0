"""What the commands of `slowfast train` share: how they are added, started and finished."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from slowfast_vgen.cli.computing import add_compute_arguments, start_computing
from slowfast_vgen.cli.settings import add_settings, save_settings, settings_of
from slowfast_vgen.cli.streams import is_first_process

if TYPE_CHECKING:
    import torch

    from slowfast_vgen.cli.settings import Settings
    from slowfast_vgen.models.text import TextEncoder

Commands: TypeAlias = "argparse._SubParsersAction[Any]"
SETTINGS_FILE = "settings.toml"
"""In the folder of a run: all that it was trained with, for `--config`."""


def add_training(
    commands: Commands, name: str, help: str, handler: Callable[[argparse.Namespace], int], *classes: type[Any]
) -> argparse.ArgumentParser:
    """Adds a command with these settings and how to compute."""
    parser = commands.add_parser(name, help=help)
    add_settings(parser, *classes)
    add_compute_arguments(parser)
    parser.set_defaults(handler=handler)
    return parser


def start_training(args: argparse.Namespace, owner: "type[Settings]") -> "tuple[torch.device, Settings]":
    """Settles where and how a training computes; a resumed one as before (see `start_computing`).

    Raises:
        UserError: a device or a tracker that is not there, or a damaged checkpoint.
    """
    from slowfast_vgen.train.checkpoint import is_checkpoint, read_header
    from slowfast_vgen.train.tracking import check_tracker

    check_tracker(args.tracker)
    checkpoint, stored = args.out / "checkpoint", {}
    if is_checkpoint(checkpoint):
        header = read_header(checkpoint)
        stored = {"precision": header.config["optimisation"].get("precision"), "threads": header.threads}
    device = start_computing(args, stored=stored)
    return device, settings_of(args, owner)


def start_on_texts(args: argparse.Namespace, owner: "type[Settings]") -> "tuple[torch.device, TextEncoder, Settings]":
    """The same for a training on action texts; chance is seeded for the weights that are drawn next."""
    import torch

    from slowfast_vgen.models.text import TextEncoder

    device, config = start_training(args, owner)
    text_encoder = TextEncoder.load(device)
    windows: Any = getattr(config, "slow", config)
    torch.manual_seed(windows.optimisation.seed)
    return device, text_encoder, config


def finish_training(args: argparse.Namespace, part: Path) -> int:
    """Saves the settings with the run, and reports what was written."""
    if is_first_process():
        save_settings(args.out / SETTINGS_FILE, args)
    print(f"wrote {part}")
    return 0
