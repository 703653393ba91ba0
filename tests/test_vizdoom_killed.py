"""A program that is killed takes ViZDoom's engine with it, and what it had made is gone on with."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from slowfast_vgen.data.validate import check_dataset

pytest.importorskip("vizdoom")
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends children with a parent")


def children(number: int) -> list[int]:
    found = Path(f"/proc/{number}/task/{number}/children").parent.parent.glob("*/children")
    return [int(each) for task in found for each in task.read_text().split()]


def is_running(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_killed_data_make_leaves_no_engine_and_goes_on(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "slowfast_vgen", "data", "make", "--world", "vizdoom-rooms", "--out"]
    words += [str(tmp_path / "set"), "--num-chunks", "2", "--episodes"]
    making = subprocess.Popen([*words, "2000"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 120
        while not (tmp_path / "set" / "episodes" / "000001").exists():
            assert time.monotonic() < end
            assert making.poll() is None
            time.sleep(0.05)
        engines = children(making.pid)
        assert engines
        assert all(map(is_running, engines))
    finally:
        os.kill(making.pid, signal.SIGKILL)
        making.wait()
    end = time.monotonic() + 20
    while any(map(is_running, engines)):
        assert time.monotonic() < end, "the engine goes on"
        time.sleep(0.05)
    made = len([path for path in (tmp_path / "set" / "episodes").iterdir() if path.name.isdigit()])
    subprocess.run([*words, str(made + 1)], check=True, capture_output=True, timeout=240)
    assert check_dataset(tmp_path / "set") == []
    assert not [path for path in (tmp_path / "set").rglob("*") if ".part-" in path.name]
