"""The steps of whoever saves: each call by which a program changes the disk, counted, so that a fault can strike there.

Counted are the calls of `os` and `io` in Python code, ours and the standard library's. What other libraries write of
their own accord (a video, a table) lies between two of them, and is struck by a limit on the size of files instead.
"""

import io
import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any

STEPS = ("mkdir", "fsync", "rename", "replace", "rmdir", "unlink", "chmod", "open")
"""Functions of `os`; `io.open`, and a swap of two names, are steps as well."""
Strike = Callable[[int, str], None]
"""Is told the number of a step, from 0, and its name, before the step (`before_step`) or after it."""


def strike_at_steps(before_step: Strike, after_step: Strike = lambda number, name: None, swaps: bool = True) -> None:
    """From here on, for the rest of this process, every step is announced; without `swaps` names cannot be swapped."""
    from slowfast_vgen import file_system

    count = 0

    def counted(name: str, kept: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            number, count = count, count + 1
            before_step(number, name)
            result = kept(*args, **kwargs)
            after_step(number, name)
            return result

        return call

    for name in STEPS:
        setattr(os, name, counted(name, getattr(os, name)))
    io.open = counted("write", io.open)
    file_system.exchange = counted("swap", file_system.exchange if swaps else lambda first, second: False)


def in_a_process(work: Callable[[], None]) -> int:
    """Runs `work` in a forked process; its end as `subprocess` tells it: 0, 99 for an exception, or -signal."""
    child = os.fork()
    if child == 0:
        try:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            work()
            os._exit(0)
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def told_by_a_process(work: Callable[[], Any]) -> Any:
    """What `work` returns in a forked process.

    Raises:
        RuntimeError: it failed there.
    """
    reader, writer = multiprocessing.Pipe(duplex=False)
    code = in_a_process(lambda: writer.send(work()))
    if code or not reader.poll():
        raise RuntimeError(f"a rehearsal ended with {code}")
    return reader.recv()


def steps_of(work: Callable[[], None], swaps: bool = True) -> list[str]:
    """The names of the steps of `work`, in their order: a rehearsal."""

    def rehearse() -> list[str]:
        names: list[str] = []
        sys.stderr = io.StringIO()  # trainings draw bars
        strike_at_steps(lambda number, name: names.append(name), swaps=swaps)
        work()
        return names

    return list(told_by_a_process(rehearse))


def die() -> None:
    """Ends this process as a power cut or `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)


def limit_files(size: int, dies: bool) -> None:
    """From here on no file of this process grows beyond `size` bytes: the write that would is cut off there.

    Args:
        size: bytes.
        dies: the process is killed then; else the write fails as on a full disk.
    """
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL if dies else signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
