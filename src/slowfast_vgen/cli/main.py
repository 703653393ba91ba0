"""Entry point of `slowfast`: reads the arguments, calls the handler, turns a user's mistake into one sentence."""

import argparse
import importlib
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, entry_points, version
from typing import Any

from slowfast_vgen.cli.streams import quiet_output, steady_streams
from slowfast_vgen.cli.terminal import one_line, plain_streams
from slowfast_vgen.errors import EXIT_CODE, SlowFastWarning, UserError
from slowfast_vgen.extras import EXTRAS, missing
from slowfast_vgen.files import STANDARD_OUTPUT
from slowfast_vgen.threads import let_threads_sleep

GROUPS = ("generate", "memory", "models", "data", "train", "selfcheck")
"""Modules of this package, one a group of commands; `COMMANDS` names more.

Each has `register(subparsers)`, which sets `handler` for its commands: a function from the parsed arguments to the exit
code. They import torch, engines and the like inside handlers only, so that `--help` is instant.
"""
COMMANDS = "slowfast_vgen.commands"
"""The group of entry points by which other packages add modules of the same kind."""

INTERRUPTED_EXIT_CODE = 130  # 128 + SIGINT, as shells have it
TERMINATED_EXIT_CODE = 143  # 128 + SIGTERM
BROKEN_PIPE_EXIT_CODE = 141  # 128 + SIGPIPE


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="slowfast", description="Action-driven long video generation with slow and fast learning."
    )
    parser.add_argument("--version", action="version", version=f"slowfast {_version()}")
    subparsers = parser.add_subparsers(title="commands", dest="group", metavar="COMMAND", required=True)
    for group in GROUPS:
        importlib.import_module(f"slowfast_vgen.cli.{group}").register(subparsers)
    for point in sorted(entry_points(group=COMMANDS), key=lambda point: point.name):
        point.load().register(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; see `_main`. Whatever it prints, the terminal only shows it."""
    with plain_streams():
        return _main(argv)


def _main(argv: Sequence[str] | None) -> int:
    """Runs one command.

    Args:
        argv: the words after `slowfast`; None takes them from the command line.

    Returns:
        The exit code: the handler's own, 2 for a mistake in the arguments or the data, 130 after Ctrl-C, 143 after a
        termination, which likewise ends engines and keeps what is done.
    """
    let_threads_sleep()  # here, before any command imports torch
    with steady_streams() as output:
        code = _run(argv)
        output.flush()
        if isinstance(output.error, BrokenPipeError):  # the reader, such as `head`, has gone; the work is done
            return BROKEN_PIPE_EXIT_CODE
        if isinstance(output.error, OSError):
            told = f"standard output cannot be written ({output.error.strerror})"
            print(f"slowfast: error: {told}; what was to be saved is saved", file=sys.stderr)
            return code or EXIT_CODE
        return code


def _run(argv: Sequence[str] | None) -> int:
    terminated: list[int] = []
    try:
        with _warnings_as_sentences():
            args = build_parser().parse_args(argv)
        with (
            _terminations_as_interrupts(terminated),
            _warnings_as_sentences(),
            quiet_output(getattr(args, "json", None) == STANDARD_OUTPUT),
        ):
            code: int = args.handler(args)
    except SystemExit as stop:  # argparse has said what is wrong, or printed the help
        return stop.code if isinstance(stop.code, int) else EXIT_CODE
    except UserError as error:
        print(f"slowfast: error: {one_line(error)}", file=sys.stderr)
        return EXIT_CODE
    except ModuleNotFoundError as error:
        extra = next((extra for extra, names in EXTRAS.items() if str(error.name).partition(".")[0] in names), None)
        if extra is None:
            raise
        print(f"slowfast: error: {missing(error, extra)}", file=sys.stderr)
        return EXIT_CODE
    except BrokenPipeError:  # of a result that goes into a pipe
        return BROKEN_PIPE_EXIT_CODE
    except OSError as error:  # a full disk, a place that may not be written, a name that is too long
        told = (
            f"{one_line(error.filename)} cannot be read or written"
            if error.filename
            else "a file cannot be read or written"
        )
        print(f"slowfast: error: {told} ({error.strerror or error}); mend that and run it again", file=sys.stderr)
        return EXIT_CODE
    except KeyboardInterrupt as interrupt:
        how = "terminated" if terminated else "interrupted"
        print(f"\nslowfast: {how}{': ' if str(interrupt) else ''}{interrupt}", file=sys.stderr)
        return TERMINATED_EXIT_CODE if terminated else INTERRUPTED_EXIT_CODE
    return code


@contextmanager
def _warnings_as_sentences() -> Iterator[None]:
    """Our own warnings are printed as one sentence, without the line of code that gave them."""
    with warnings.catch_warnings():
        show = warnings.showwarning
        warnings.simplefilter("always", SlowFastWarning)

        def tell(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, SlowFastWarning):
                print(f"slowfast: warning: {one_line(message)}", file=sys.stderr)
            else:
                show(message, category, *where, **more)

        warnings.showwarning = tell
        yield


@contextmanager
def _terminations_as_interrupts(terminated: list[int]) -> Iterator[None]:
    """SIGTERM, as batch systems and containers send it, ends a command as Ctrl-C does; `terminated` tells of it."""
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def interrupt(number: int, _: object) -> None:
        terminated.append(number)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _version() -> str:
    try:
        return version("slowfast-vgen")
    except PackageNotFoundError:
        return "(not installed)"
