"""Standard output and error that outlive their readers: work goes on and is saved, whoever has gone."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO


class SteadyStream:
    """A text stream that keeps the first error of writing and drops what comes after, instead of ending the work."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.error: OSError | ValueError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """As of any text stream."""
        if self.error is None:
            try:
                return self._stream.write(text)
            except (OSError, ValueError) as error:
                self.error = error
        return len(text)

    def flush(self) -> None:
        """As of any stream."""
        if self.error is None:
            try:
                self._stream.flush()
            except (OSError, ValueError) as error:
                self.error = error

    def let_go(self) -> None:
        """Python would complain once more when it flushes the stream at its end: from here on nobody reads it."""
        try:
            descriptor = self._stream.fileno()
        except (OSError, ValueError):
            return
        os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


@contextmanager
def steady_streams() -> Iterator[SteadyStream]:
    """Standard output and error are steady inside the block; gives standard output.

    Where one of the three streams is closed, nothing takes its number: a file that did would get what is printed.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this
    before = sys.stdout, sys.stderr
    out, err = (SteadyStream(each or open(os.devnull, "w")) for each in before)  # noqa: SIM115 - for all that follows
    sys.stdout, sys.stderr = out, err
    try:
        yield out
    finally:
        out.flush()
        err.flush()
        for each in (out, err):
            if each.error is not None:
                each.let_go()
        sys.stdout, sys.stderr = before


def is_first_process() -> bool:
    """False in all but the first of the processes that `accelerate launch` started, which alone tells and writes."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def quiet_output(to_error: bool) -> Iterator[None]:
    """What is printed goes to standard error where a result goes to standard output, and nowhere in later processes."""
    kept = sys.stdout
    if to_error:
        sys.stdout = sys.stderr
    elif not is_first_process():
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - closed below
    try:
        yield
    finally:
        if sys.stdout not in (kept, sys.stderr):
            sys.stdout.close()
        sys.stdout = kept
