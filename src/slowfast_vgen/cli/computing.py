"""The options that every command that computes has: `--device`, `--precision` and `--threads`."""

import argparse
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slowfast_vgen.errors import SlowFastWarning
from slowfast_vgen.precision import AUTO, PRECISIONS

if TYPE_CHECKING:
    import torch

MOST_GIVEN_THREADS = 1024


def add_compute_arguments(parser: argparse.ArgumentParser, device_alone: bool = False) -> None:
    """Adds `--device` and, but for `device_alone`, `--precision` and `--threads`, to be handed to `start_computing`."""
    group = parser.add_argument_group("computing")
    told = "where to compute, such as cpu, cuda or cuda:1; default: cpu"
    group.add_argument("--device", default="cpu", metavar="NAME", help=told)
    if device_alone:
        return
    told = "what products are computed in; auto: bfloat16 where the machine has instructions for it and it pays"
    group.add_argument("--precision", choices=(AUTO, *PRECISIONS), default=AUTO, help=f"{told}; default: auto")
    told = "how many threads compute; auto: one for each CPU that nobody else uses just now; default: auto"
    group.add_argument("--threads", type=_threads, default=None, metavar="N|auto", help=told)


def _threads(text: str) -> int | None:
    if text == AUTO:
        return None
    if not text.isdecimal() or not 1 <= int(text) <= MOST_GIVEN_THREADS:
        raise argparse.ArgumentTypeError(
            f"{text[:40]!r} is neither auto nor a whole number from 1 to {MOST_GIVEN_THREADS}"
        )
    return int(text)


def start_computing(
    args: argparse.Namespace, batched: bool = True, stored: Mapping[str, Any] | None = None
) -> "torch.device":
    """Settles where and how a command computes; what was settled then stands in `args`.

    Args:
        args: with what `add_compute_arguments` adds.
        batched: whether many windows or episodes are computed side by side (see `resolve_precision`).
        stored: "precision" and "threads" of what is gone on with, which "auto" then stands for; one may be missing or
            None, as in files of older versions. More threads than there are CPUs are not taken; whoever loads what
            is gone on with tells where it now differs.

    Raises:
        UserError: a device that is not there.
    """
    from slowfast_vgen.devices import open_device
    from slowfast_vgen.precision import emulation_warning, resolve_precision
    from slowfast_vgen.threads import use_threads

    device = open_device(args.device)
    args.device = str(device)
    if not hasattr(args, "precision"):
        return device
    stored = {name: value for name, value in (stored or {}).items() if value is not None}
    args.threads = _settled_threads(args.threads, stored.get("threads"))
    use_threads(args.threads)
    given = stored.get("precision", AUTO) if args.precision == AUTO else args.precision
    args.precision = resolve_precision(given, device, batched)
    if warning := emulation_warning(args.precision, device):
        warnings.warn(warning, SlowFastWarning, stacklevel=2)
    return device


def _settled_threads(given: int | None, stored: int | None) -> int:
    from slowfast_vgen.threads import available_cpus, choose_threads

    if given is None and stored is not None and stored <= available_cpus():
        return stored
    return choose_threads() if given is None else given


def computed_with(args: argparse.Namespace) -> dict[str, Any]:
    """What `start_computing` settled, as JSON values for the protocol of a results file."""
    return {name: getattr(args, name) for name in ("device", "precision", "threads") if hasattr(args, name)}


def told_shortly(args: argparse.Namespace) -> str:
    """The same in a few words, such as "cpu, float32, 2 threads"."""
    return f"{args.device}, {args.precision}, {args.threads} thread{'' if args.threads == 1 else 's'}"


def stored_in_session(folder: Path) -> dict[str, Any]:
    """How a saved session was computed; empty for a memory alone, or a session of an older version.

    Raises:
        UserError: damaged files.
    """
    from slowfast_vgen.memory.sessions import HEADER_FILE, read_session_header

    return asdict(read_session_header(folder)) if (folder / HEADER_FILE).is_file() else {}
