"""Standard streams that are closed, broken or full: the work is done and saved, with no traceback; --json anywhere."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from made_results import by_name
from made_sets import make_tiny_set
from PIL import Image

from slowfast_vgen.cli.main import BROKEN_PIPE_EXIT_CODE
from slowfast_vgen.data.video import read_video

CLOSED = """
import os, sys
for number in map(int, sys.argv[1].split(",")):
    os.close(number)
os.execv(sys.executable, [sys.executable, "-m", "slowfast_vgen", *sys.argv[2:]])
"""


@pytest.fixture(params=["data make", pytest.param("generate", marks=pytest.mark.slow)])
def working(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """A command whose work takes a moment, shows a bar and makes a video of 9 frames. `data make` imports no torch."""
    out = ["--out", str(tmp_path / "out.mp4"), "--json", str(tmp_path / "figures.json")]
    if request.param == "data make":
        return ["data", "make", "--env", "vizdoom-rooms", "--episodes", "1", "--num-chunks", "2", *out]
    Image.new("RGB", (64, 64), (90, 120, 30)).save(tmp_path / "start.png")
    world = ["--model", str(request.getfixturevalue("tiny_world_folder")), "--memory", "off", "--steps", "1"]
    return ["generate", *world, "--image", str(tmp_path / "start.png"), "--actions", "turn left x2", *out]


def assert_nothing_is_lost(folder: Path) -> None:
    """Nothing that was printed has got into the files that took the streams' numbers, either."""
    told = json.loads((folder / "figures.json").read_text())
    made = told["protocol"]["command"] == "data make"
    assert by_name(told)["new_frames" if made else "frames"]["mean"] == (9 if made else 8)
    video = folder / "out.mp4" / "episodes" / "000000" / "video.mp4" if made else folder / "out.mp4"
    assert len(read_video(video)) == 9


@pytest.mark.parametrize("closed", ["1", "0,1,2"])
def test_closed_streams_lose_no_work(working: list[str], tmp_path: Path, closed: str) -> None:
    done = subprocess.run([sys.executable, "-c", CLOSED, closed, *working], capture_output=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert_nothing_is_lost(tmp_path)


@pytest.mark.parametrize("broken", ["stderr", "both"])
def test_streams_that_nobody_reads_lose_no_work(working: list[str], tmp_path: Path, broken: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    streams |= dict.fromkeys(streams if broken == "both" else [broken], writer)
    done = subprocess.run([sys.executable, "-m", "slowfast_vgen", *working], timeout=240, **streams)  # type: ignore[call-overload]
    os.close(writer)
    assert done.returncode == (0 if broken == "stderr" else BROKEN_PIPE_EXIT_CODE)
    assert b"Traceback" not in (done.stderr or b"") and b"Exception ignored" not in (done.stderr or b"")
    assert_nothing_is_lost(tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the device that is always full is Linux's")
def test_a_full_standard_output_is_told(working: list[str], tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "slowfast_vgen", *working], stdout=full, stderr=subprocess.PIPE, timeout=240
        )
    assert done.returncode == 2
    assert b"standard output cannot be written (No space left on device)" in done.stderr
    assert b"Traceback" not in done.stderr
    assert_nothing_is_lost(tmp_path)


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
@pytest.mark.parametrize("group", ["data check", pytest.param("models", marks=pytest.mark.slow)])
def test_results_on_standard_output_are_alone_there(name: str, group: str, tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    given = [str(make_tiny_set(tmp_path / "set", 1).folder)] if group == "data check" else []
    words = [sys.executable, "-m", "slowfast_vgen", *group.split(), *given, "--json", name]
    before = os.stat("/dev/stdout", follow_symlinks=False)
    done = subprocess.run(words, capture_output=True, timeout=240, cwd=folder)
    assert done.returncode == 0
    if name == "-":
        assert json.loads(done.stdout)["protocol"]["command"] == group
        assert (b"0 defects" if given else b"rooms-64") in done.stderr
    else:
        assert json.loads(done.stdout[done.stdout.index(b'{\n  "protocol"') :])["rows"]
    assert os.path.samestat(before, os.stat("/dev/stdout", follow_symlinks=False))
    assert list(folder.iterdir()) == []
