"""Standard streams that are closed, broken or full: the work is done and saved, with no traceback; --json anywhere."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from slowfast_vgen.cli.main import BROKEN_PIPE_EXIT_CODE

CLOSED = """
import os, sys
for number in map(int, sys.argv[1].split(",")):
    os.close(number)
os.execv(sys.executable, [sys.executable, "-m", "slowfast_vgen", *sys.argv[2:]])
"""


@pytest.fixture
def generating(tiny_world_folder: Path, tmp_path: Path) -> list[str]:
    """A command whose work takes a moment and shows a bar."""
    Image.new("RGB", (64, 64), (90, 120, 30)).save(tmp_path / "start.png")
    words = ["generate", "--world", str(tiny_world_folder), "--image", str(tmp_path / "start.png")]
    words += ["--actions", "turn left x2", "--memory", "off", "--steps", "1"]
    return [*words, "--out", str(tmp_path / "out.mp4"), "--json", str(tmp_path / "figures.json")]


def frames_told(folder: Path) -> float:
    return json.loads((folder / "figures.json").read_text())["figures"]["frames"]["mean"]


@pytest.mark.parametrize("closed", ["1", "0,1,2"])
def test_closed_streams_lose_no_work(generating: list[str], tmp_path: Path, closed: str) -> None:
    done = subprocess.run([sys.executable, "-c", CLOSED, closed, *generating], capture_output=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert frames_told(tmp_path) == 8
    # Nothing that was printed has got into the files that took the streams' numbers.
    assert (tmp_path / "out.mp4").read_bytes()[4:8] == b"ftyp"


@pytest.mark.parametrize("broken", ["stderr", "both"])
def test_streams_that_nobody_reads_lose_no_work(generating: list[str], tmp_path: Path, broken: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    streams |= dict.fromkeys(streams if broken == "both" else [broken], writer)
    done = subprocess.run([sys.executable, "-m", "slowfast_vgen", *generating], timeout=240, **streams)  # type: ignore[call-overload]
    os.close(writer)
    assert done.returncode == (0 if broken == "stderr" else BROKEN_PIPE_EXIT_CODE)
    assert b"Traceback" not in (done.stderr or b"") and b"Exception ignored" not in (done.stderr or b"")
    assert frames_told(tmp_path) == 8


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the device that is always full is Linux's")
def test_a_full_standard_output_is_told(generating: list[str], tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "slowfast_vgen", *generating], stdout=full, stderr=subprocess.PIPE, timeout=240
        )
    assert done.returncode == 2
    assert b"standard output cannot be written (No space left on device)" in done.stderr
    assert b"Traceback" not in done.stderr
    assert frames_told(tmp_path) == 8


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_results_on_standard_output_are_alone_there(name: str, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "slowfast_vgen", "models", "--json", name]
    before = os.stat("/dev/stdout", follow_symlinks=False)
    done = subprocess.run(words, capture_output=True, timeout=240, cwd=tmp_path)
    assert done.returncode == 0
    if name == "-":
        assert json.loads(done.stdout)["protocol"]["command"] == "models"
        assert b"rooms-64" in done.stderr
    else:
        assert json.loads(done.stdout[done.stdout.index(b'{\n  "protocol"') :])["figures"]
    assert os.path.samestat(before, os.stat("/dev/stdout", follow_symlinks=False))
    assert list(tmp_path.iterdir()) == []
