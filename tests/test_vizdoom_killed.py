"""A program that is killed takes ViZDoom's engine with it, and what it had made is gone on with."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from slowfast_envs.vizdoom.process import SEGMENTS, EngineFolder, clear_leftovers, segments_of
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


def shared_memory() -> set[str]:
    return {path.name for path in Path("/dev/shm").glob("ViZDoom*")}


def test_a_killed_data_make_leaves_no_engine_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    where = os.environ | {"TMPDIR": str(tmp_path / "tmp")}
    words = [sys.executable, "-m", "slowfast_vgen", "data", "make", "--env", "vizdoom-rooms", "--out"]
    words += [str(tmp_path / "set"), "--num-chunks", "2", "--episodes"]
    making = subprocess.Popen([*words, "2000"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=where)
    try:
        end = time.monotonic() + 120
        while not (tmp_path / "set" / "episodes" / "000001").exists():
            assert time.monotonic() < end
            assert making.poll() is None
            time.sleep(0.05)
        engines = children(making.pid)
        assert engines
        assert all(map(is_running, engines))
        (folder,) = (tmp_path / "tmp").glob("slowfast-vizdoom-*")
        left = {path.name for path in segments_of(folder)}
        assert len(left) == len(SEGMENTS)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
        clear_leftovers()  # a program that lives keeps what is its own
        assert folder.is_dir()
        assert left <= shared_memory()
    finally:
        os.kill(making.pid, signal.SIGKILL)
        making.wait()
    end = time.monotonic() + 20
    while any(map(is_running, engines)):
        assert time.monotonic() < end, "the engine goes on"
        time.sleep(0.05)
    assert left <= shared_memory(), "else there is nothing to clear away"
    made = len([path for path in (tmp_path / "set" / "episodes").iterdir() if path.name.isdigit()])
    subprocess.run([*words, str(made + 1)], check=True, capture_output=True, timeout=240, env=where)
    assert not left & shared_memory()
    assert list((tmp_path / "tmp").glob("slowfast-vizdoom-*")) == []
    assert check_dataset(tmp_path / "set") == []
    assert not [path for path in (tmp_path / "set").rglob("*") if ".part-" in path.name]


def test_only_what_killed_programs_of_ours_left_is_cleared_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    name = f"{SEGMENTS[0]}OfATest{os.getpid()}"
    segment, other = Path("/dev/shm", name), Path("/dev/shm", f"{name}Other")
    folder = EngineFolder()
    try:
        for path in (segment, other):
            path.touch()
        (folder.path / "arguments").write_text(f"-iwad\nx\n+viz_instance_id\n{name.removeprefix(SEGMENTS[0])}\n")
        assert segments_of(folder.path) == [segment]
        new = tmp_path / "slowfast-vizdoom-new"
        new.mkdir()  # its engine is not started yet
        forged = tmp_path / "slowfast-vizdoom-forged"
        forged.mkdir()
        (forged / "arguments").write_text(f"+viz_instance_id\n/../..{tmp_path}/precious")
        (tmp_path / "precious").touch()
        (tmp_path / "slowfast-vizdoom-link").symlink_to(folder.path)
        clear_leftovers()
        assert segment.exists() and folder.path.exists() and new.exists() and not forged.exists()
        folder._lock.release()  # type: ignore[union-attr]  # as at the end of its program
        clear_leftovers()
        assert not segment.exists() and not folder.path.exists()
        assert other.exists() and new.exists() and (tmp_path / "precious").exists()
    finally:
        for path in (segment, other):
            path.unlink(missing_ok=True)
        folder.close()
