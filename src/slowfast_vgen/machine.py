"""On what a measurement was made: for the protocol beside the figures."""

import os
import platform
import subprocess
import sys
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from slowfast_vgen.metrics.bootstrap import Estimate

if TYPE_CHECKING:
    import torch

CHANGES = "+changes"
"""Stands behind a commit whose files were not those that made the figures."""
_OUTPUTS = ("results", "docs/images", "README.md", "demo")
"""What measuring itself writes: `make figures` must not make its own next command's tree unclean."""
_CODE = ("src", "benchmarks")
"""Folders in which a new file may have a part in the figures, though git does not follow it yet."""


def cpu_model() -> str:
    """The processor's name as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


@cache
def git_commit() -> str | None:
    """The commit of the source tree that this process began from, `CHANGES` behind it if files differ; else None."""
    return commit_of(Path(__file__).parent)


def commit_of(package: Path) -> str | None:
    """The commit of a package's source tree, `CHANGES` behind it if it is not clean; None for one that is installed.

    A tree is clean where every followed file is as committed and no new one lies among the code. What measuring
    writes, results and pictures, does not count.
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
    figures: Mapping[str, Estimate],
    device: "torch.device | str | None" = None,
    kept_from: Collection[str] = (),
) -> dict[str, object]:
    """What stands beside the protocol of figures just made: each seed's own mean, the commit, the machine.

    Args:
        figures: just made.
        device: of the world that made them.
        kept_from: commits of parts that were kept from earlier runs (`blocks.Records.commits`). One of them that was
            not clean makes the whole not clean.
    """
    commit, others = git_commit(), sorted(set(kept_from) - {git_commit()})
    if commit is not None and any(each.endswith(CHANGES) for each in others):
        commit = commit.removesuffix(CHANGES) + CHANGES
    return {
        "per_seed": {name: list(one.per_seed) for name, one in figures.items() if len(one.per_seed) > 1},
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
    """The most memory that this process has held so far, in megabytes (2^20 bytes)."""
    import resource  # here: Windows has none

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
