"""What several commands share: argument kinds and the results file."""

import argparse
import math
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from slowfast_vgen.cli.computing import add_compute_arguments, start_computing
from slowfast_vgen.cli.streams import is_first_process
from slowfast_vgen.errors import SlowFastWarning
from slowfast_vgen.files import STANDARD_OUTPUT
from slowfast_vgen.results import Estimate, Row, counts, write_results

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from slowfast_vgen.rollout import WorldModel

DEFAULT_WORLD = "rooms-64"


@dataclass(frozen=True)
class NumberIn:
    """An argparse type: a number of a range."""

    kind: Callable[[str], float]
    """`int` or `float`."""
    low: float
    high: float

    def __call__(self, text: str) -> Any:
        """The number that a word is."""
        try:
            value = self.kind(text)
        except ValueError:
            value = math.nan
        if not self.low <= value <= self.high:
            told = f"a {'whole ' if self.kind is int else ''}number"
            bounds = f" from {self.low:{self._form}} to {self.high:{self._form}}" if self.low > -math.inf else ""
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is not {told}{bounds}")
        return value

    @property
    def _form(self) -> str:
        return "d" if self.kind is int else "g"


def whole_number(low: int, high: int = 2**31 - 1) -> NumberIn:
    """An argparse type: a whole number from `low` to `high`."""
    return NumberIn(int, low, high)


def number(low: float, high: float) -> NumberIn:
    """An argparse type: a number from `low` to `high`."""
    return NumberIn(float, low, high)


def path_name(text: str) -> Path:
    """An argparse type: a name that a file or folder can have, whether or not one is there."""
    if not text or "\0" in text or len(text) > 4000 or any(len(os.fsencode(part)) > 240 for part in Path(text).parts):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} cannot be the name of a file: it is empty or too long")
    return Path(text)


def named_folder(kind: str, example: str) -> Callable[[str], tuple[str, Path]]:
    """An argparse type: a name of letters, digits, hyphens and underscores, an equals sign, a folder.

    >>> named_folder("NAME", "rooms=data/rooms/test")("rooms=data")
    ('rooms', PosixPath('data'))
    """

    def parse(text: str) -> tuple[str, Path]:
        name, equals, folder = text.partition("=")
        if not equals or not name.replace("-", "").replace("_", "").isalnum():
            raise argparse.ArgumentTypeError(f"{text[:60]!r} is no {kind}=DIR, such as {example}")
        return name, path_name(folder)

    return parse


Config = TypeVar("Config", bound="DataclassInstance")


def replaced(config: Config, **given: Any) -> Config:
    """The configuration with what the user gave, that is all that is not None, instead of its own values."""
    return replace(config, **{name: value for name, value in given.items() if value is not None})


def add_model_argument(parser: argparse.ArgumentParser, default: str | None = DEFAULT_WORLD) -> None:
    """Adds `--model` and how to compute, to be handed to `load_model`; None where the command chooses its own world."""
    told = f"a shipped world or a folder; default: {default or 'the one shipped for it'}"
    add_renamed(parser, "--model", "--world", default=default, metavar="NAME", help=told)
    add_compute_arguments(parser)


def add_renamed(parser: argparse.ArgumentParser, option: str, before: str, **settings: Any) -> None:
    """Adds an option that had another name until the last release: that works still, with a warning."""

    class Renamed(argparse.Action):
        def __call__(
            self, parser: argparse.ArgumentParser, namespace: Any, values: Any, given: str | None = None
        ) -> None:
            if given == before:
                told = f"{before} is {option} now; the old name works until the next release"
                warnings.warn(told, SlowFastWarning, stacklevel=2)
            setattr(namespace, self.dest, values)

    dest = option.removeprefix("--").replace("-", "_")
    parser.add_argument(option, before, action=Renamed, dest=dest, **settings)


def load_model(
    args: argparse.Namespace, name: str | None = None, batched: bool = True, stored: Mapping[str, Any] | None = None
) -> "WorldModel":
    """The world that the arguments name, and else `name`; see `start_computing` for the rest.

    Raises:
        UserError: no such world, damaged files in it, or a device that is not there.
    """
    device = start_computing(args, batched, stored)
    from slowfast_vgen.presets.worlds import load

    return load(args.model or name or DEFAULT_WORLD, device, args.precision)


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """Adds `--json FILE`, to be handed to `write_figures`."""
    told = "also write the figures and how they came about here"
    parser.add_argument("--json", type=_results_name, metavar="FILE", help=f"{told}; - prints them")


def _results_name(text: str) -> Path:
    return STANDARD_OUTPUT if text == "-" else path_name(text)


def write_rows(path: Path | None, protocol: Mapping[str, Any], rows: Iterable[Row]) -> None:
    """Writes a results file (see `write_results`), by the first process alone; None writes nothing.

    Raises:
        UserError: the file cannot be written, or a value is not finite or not a JSON value.
    """
    if path is not None and is_first_process():
        write_results(path, protocol, rows)


def write_figures(path: Path | None, protocol: Mapping[str, Any], figures: Mapping[str, float | Estimate]) -> None:
    """Writes a results file of counts, single readings and estimates by their names; see `write_rows`."""
    write_rows(path, protocol, counts(figures))


def cell_of(one: Estimate | None) -> str:
    """Mean and interval; a dash where nothing was measured."""
    return "-" if one is None else f"{one.mean:.3g} [{one.low:.3g}, {one.high:.3g}]"


def add_scale_argument(parser: argparse.ArgumentParser) -> None:
    """Adds `--scale`."""
    parser.add_argument(
        "--scale", type=whole_number(1, 32), default=4, metavar="N", help="video pixels a frame pixel; default: 4"
    )
