"""On what a measurement was made: for the protocol beside the figures."""

import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path

from slowfast_vgen.evaluate.statistics import Estimate


def cpu_model() -> str:
    """The processor's name as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def git_commit() -> str | None:
    """The commit of the source tree that this package runs from, "+changes" behind it if files differ; else None."""
    git = ["git", "-C", str(Path(__file__).parent)]
    describe = [*git, "describe", "--always", "--abbrev=40", "--dirty=+changes", "--exclude=*"]
    try:
        tracked = subprocess.run([*git, "ls-files", "--error-unmatch", "__init__.py"], capture_output=True, timeout=20)
        answer = subprocess.run(describe, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() if tracked.returncode == answer.returncode == 0 else None


def provenance(figures: Mapping[str, Estimate]) -> dict[str, object]:
    """What stands beside the protocol of figures just made: each seed's own mean, the commit, the machine."""
    return {
        "per_seed": {name: list(one.per_seed) for name, one in figures.items() if len(one.per_seed) > 1},
        "git_commit": git_commit(),
        "machine": machine(),
    }


def machine() -> dict[str, object]:
    """Processor, threads and versions, as JSON values."""
    import torch

    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
