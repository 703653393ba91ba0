"""Commit and machine of a measurement, for the protocol of its figures."""

import math
import os
import platform
import subprocess
import sys
from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from slowfast_vgen.results import Row

if TYPE_CHECKING:
    import torch

CHANGES = "+changes"
"""Suffix of a commit if the files that made the figures differ from it."""
_OUTPUTS = ("results", "docs/images", "docs/reliability.md", "README.md", "demo")
"""Files that measuring itself writes: `make figures` must not make its own next command's tree unclean."""
_CODE = ("src", "benchmarks")
"""Folders in which a new file may affect the figures although git does not track it yet."""


def cpu_model() -> str:
    """Name of the processor as the system reports it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


@cache
def git_commit() -> str | None:
    """The commit of this process's source tree, with `CHANGES` appended if files differ; else None."""
    return commit_of(Path(__file__).parent)


def commit_of(package: Path) -> str | None:
    """The commit of a package's source tree, with `CHANGES` appended if it is not clean; None for an installed one.

    A tree is clean if every tracked file is as committed and no new one is among the code. Results and pictures,
    which measuring writes, do not count.
    """
    git = ["git", "-C", str(package)]
    try:
        if subprocess.run(
            [*git, "ls-files", "--error-unmatch", "__init__.py"], capture_output=True, timeout=20
        ).returncode:
            return None
        top, commit = (_told([*git, "rev-parse", what]) for what in ("--show-toplevel", "HEAD"))
        git = ["git", "-C", top]
        followed = ["status", "--porcelain", "--untracked-files=no", "--", ".", *(f":!{each}" for each in _OUTPUTS)]
        changed = _told([*git, *followed])
        new = _told([*git, "ls-files", "--others", "--exclude-standard", "--", *_CODE])
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + (CHANGES if changed or new else "")


def _told(words: list[str]) -> str:
    return subprocess.run(words, capture_output=True, text=True, timeout=20, check=True).stdout.strip()


def provenance(
    rows: Iterable[Row],
    device: "torch.device | str | None" = None,
    kept_from: Collection[str] = (),
) -> dict[str, object]:
    """Provenance of rows just made, for their protocol: each seed's own mean, the commit, the machine.

    Args:
        rows: the rows just made.
        device: device of the world that made them.
        kept_from: commits of parts that were kept from earlier runs (`blocks.Records.commits`). One of them that was
            not clean makes the whole not clean.
    """
    commit, others = git_commit(), sorted(set(kept_from) - {git_commit()})
    if commit is not None and any(other.endswith(CHANGES) for other in others):
        commit = commit.removesuffix(CHANGES) + CHANGES
    return {
        "per_seed": {
            row.name: [value if math.isfinite(value) else None for value in row.per_seed]
            for row in rows
            if len(row.per_seed) > 1
        },
        "git_commit": commit,
        **({"kept_from": others} if others else {}),
        "machine": machine(device),
    }


def machine(device: "torch.device | str | None" = None) -> dict[str, object]:
    """Processor, device, threads and versions, as JSON values."""
    import torch

    of = torch.device(device or "cpu")
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "device": f"{of.type}: {torch.cuda.get_device_name(of)}" if of.type == "cuda" else of.type,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def peak_rss_mb() -> float:
    """Most memory that this process has held so far, in megabytes (2^20 bytes)."""
    import resource  # here: Windows has none

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
