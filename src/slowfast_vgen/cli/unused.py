"""Options that would change nothing, or be written over, as a command is called: told or refused, not ignored."""

import argparse
import warnings
from pathlib import Path
from typing import Any

from slowfast_vgen.errors import SlowFastWarning, UserError
from slowfast_vgen.files import is_stream


def settle(args: argparse.Namespace, used: bool, why: str, **defaults: Any) -> None:
    """Gives options that were not given, None till here, their defaults; warns of those that change nothing.

    Args:
        args: of the command.
        used: whether the options mean anything as the command is called.
        why: what they belong to, behind the option's name: "is of --rule ridge".
        defaults: option -> default.

    Warns:
        SlowFastWarning: an option that was given and is not used.
    """
    for name, default in defaults.items():
        if getattr(args, name) is None:
            setattr(args, name, default)
        elif not used:
            option = f"--{name.replace('_', '-')}"
            warnings.warn(f"{option} {why}, so it changes nothing here", SlowFastWarning, stacklevel=3)


def check_apart(**files: Path | None) -> None:
    """Refuses one file for two options, one of which would be written over by the other; pipes and devices may be.

    Raises:
        UserError: two of the files are the same.
    """
    named: dict[Path, str] = {}
    for name, path in files.items():
        if path is not None and not is_stream(path):
            other = named.setdefault(path.resolve(), name)
            if other != name:
                told = (f"--{each.replace('_', '-')}" for each in (other, name))
                raise UserError(f"{' and '.join(told)} name the same file, {path}; give each its own")


class OptionsBehind(argparse._SubParsersAction):
    """Commands of a group that can be called without one: options before the command are refused.

    They are the group's own; argparse would go on with the command's defaults instead, and say nothing.
    """

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option_string: Any = None
    ) -> None:
        """See `argparse.Action`."""
        for action in parser._actions:
            if action.option_strings and getattr(namespace, action.dest, action.default) != action.default:
                option, command = action.option_strings[-1], values[0]
                parser.error(f"{option} stands before {command}, which would not see it; write it behind the command")
        super().__call__(parser, namespace, values, option_string)
