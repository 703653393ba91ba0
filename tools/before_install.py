"""Asks pip what installing torch would fetch, and stops where that is the CUDA build and the machine has no GPU.

    python tools/before_install.py -c constraints.txt torch==2.13.0 [other arguments of `pip install`]

The CUDA build, which is what the public index has for Linux, brings some twenty packages of several GB that a machine
without a GPU never uses. Nothing is downloaded here but what packages say of themselves. Only the standard library is
needed, since nothing is installed yet. CUDA=1 in the environment lets the CUDA build be installed anywhere.

Exit codes: 0 go on, 1 stop.
"""

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

MEASURED_GB = 2.7
"""Of the CUDA build of torch 2.13.0 with all that it needs, for indices that do not tell sizes."""
SECONDS = 10
_OF_CUDA = ("nvidia-", "cuda-", "triton")

WAY_ROUND = """\
A machine without a GPU wants the CPU build, a tenth of that:
    make setup TORCH_INDEX=ADDRESS
where ADDRESS is what the install page of PyTorch shows behind --index-url for Linux, Pip and CPU (pytorch.org, "Get
started"). To install the CUDA build all the same: make setup CUDA=1"""


class Fetched(NamedTuple):
    """What pip would fetch."""

    torch: str
    """Version of torch; empty where it is installed already."""
    is_cuda: bool
    urls: tuple[str, ...]
    """Of every package, torch first."""


def read_report(report: Mapping[str, Any]) -> Fetched:
    """What pip's report of a dry run (version 1 of its format) says of torch."""
    rows = [(row["metadata"], row["download_info"]["url"]) for row in report["install"]]
    rows.sort(key=lambda row: row[0]["name"].lower() != "torch")
    if not rows or rows[0][0]["name"].lower() != "torch":
        return Fetched("", False, ())
    version = rows[0][0]["version"]
    others = [metadata["name"].lower().replace("_", "-") for metadata, _ in rows[1:]]
    is_cuda = "+cu" in version or any(name.startswith(_OF_CUDA) for name in others)
    return Fetched(version, is_cuda, tuple(url for _, url in rows))


def has_gpu() -> bool:
    """Whether an NVIDIA driver is at work on this machine."""
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def size_of(url: str) -> int | None:
    """Bytes of a file on this machine or on a server; None where nobody tells."""
    try:
        if urlsplit(url).scheme == "file":
            return Path(unquote(urlsplit(url).path)).stat().st_size
        request = urllib.request.Request(url, method="HEAD")
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return int(answer.headers["Content-Length"])
    except (OSError, TypeError, ValueError):
        return None


def told_size(urls: Sequence[str], size: Callable[[str], int | None] = size_of) -> str:
    """How much that is altogether, in words."""
    sizes = [size(url) for url in urls]
    if None in sizes:
        return f"about {MEASURED_GB} GB"
    return f"{sum(one or 0 for one in sizes) / 1e9:.1f} GB"


def verdict(
    fetched: Fetched, gpu: bool, asked_for: bool, size: Callable[[str], int | None] = size_of
) -> tuple[int, str]:
    """The exit code, and what to tell; empty where nothing needs to be told."""
    if not fetched.is_cuda:
        return 0, ""
    what = f"the CUDA build of torch {fetched.torch}: {len(fetched.urls)} packages, {told_size(fetched.urls, size)}"
    if gpu or asked_for:
        return 0, f"setup: pip fetches {what}"
    return 1, f"setup: pip would fetch {what}, and this machine has no NVIDIA GPU.\n{WAY_ROUND}"


def ask_pip(arguments: Sequence[str]) -> dict[str, Any] | None:
    """Pip's report of a dry run; None where it gives none, whose reasons the installation itself will show."""
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--dry-run", "--quiet"]
    try:
        ran = subprocess.run([*command, "--report", "-", *arguments], capture_output=True, text=True, check=True)
        report = json.loads(ran.stdout)
    except (OSError, subprocess.CalledProcessError, ValueError):
        return None
    return report if isinstance(report, dict) and report.get("version") == "1" else None


def main() -> int:
    """Looks before anything is installed."""
    report = ask_pip(sys.argv[1:])
    if report is None:
        print("setup: pip does not tell beforehand what it would fetch; going on", file=sys.stderr)
        return 0
    code, told = verdict(read_report(report), has_gpu(), os.environ.get("CUDA") == "1")
    if told:
        print(told, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
