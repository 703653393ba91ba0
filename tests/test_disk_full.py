"""A full disk: one sentence, nothing half-written, no crash; and the same command goes on once there is room."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from test_data_format import HEADER, make_episode

from slowfast_vgen.data.format import DatasetWriter
from slowfast_vgen.data.shards.write import write_shards
from slowfast_vgen.errors import UserError
from slowfast_vgen.files import atomic_folder, write_json


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk in memory with room for 64 kB."""
    here = tmp_path / "disk"
    here.mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(here)]
    try:
        subprocess.run(mounted, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("for want of a mount: this user cannot mount disks")
    yield here
    subprocess.run(["umount", "-l", str(here)], check=True)


def fill(disk: Path, but: int) -> Path:
    """Leaves `but` bytes; they are given in pages of 4096."""
    filler = disk / "filler"
    filler.write_bytes(bytes(64 * 1024 - but))
    return filler


@pytest.mark.parametrize("but", [0, 4096, 8192, 32768])
@pytest.mark.parametrize("lossless", [False, True])
def test_a_video_that_finds_no_room(disk: Path, but: int, lossless: bool) -> None:
    fill(disk, but)
    # In a process of its own: the header that could not be written used to end it by a segmentation fault.
    program = """
import sys
from pathlib import Path
import numpy as np
from slowfast_vgen.data.video import VideoWriter
from slowfast_vgen.errors import UserError
frames = np.random.default_rng(0).integers(0, 256, (40, 64, 64, 3), dtype=np.uint8)
try:
    with VideoWriter(Path(sys.argv[1]), 10, lossless=bool(int(sys.argv[2]))) as writer:
        for _ in range(4):
            writer.write(frames)
except UserError as error:
    print(error)
"""
    words = [sys.executable, "-c", program, str(disk / "a.mp4"), str(int(lossless))]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "cannot write the video" in done.stdout
    assert "No space left" in done.stdout
    assert [each.name for each in disk.iterdir()] == ["filler"]


@pytest.mark.parametrize("but", [0, 4096, 40960])
def test_shards_go_on_once_there_is_room(disk: Path, tmp_path: Path, but: int) -> None:
    writer = DatasetWriter(tmp_path / "set", HEADER)
    for number in range(2):
        writer.append(make_episode(number))
    whole = write_shards([tmp_path / "set"], tmp_path / "shards", 4096)
    filler = fill(disk, but)
    with pytest.raises(UserError, match="No space left"):
        write_shards([tmp_path / "set"], disk / "shards", 4096)
    filler.unlink()
    assert write_shards([tmp_path / "set"], disk / "shards", 4096) == whole


def test_files_and_folders_that_find_no_room(disk: Path) -> None:
    write_json(disk / "a.json", "old")
    fill(disk, 8192)
    with pytest.raises(UserError, match=r"cannot write .*No space left"):
        write_json(disk / "a.json", ["new"] * 10_000)
    with pytest.raises(UserError, match=r"cannot write .*No space left"), atomic_folder(disk / "folder") as folder:
        (folder / "a").write_bytes(np.zeros(20_000, np.uint8).tobytes())
    assert (disk / "a.json").read_text() == '"old"\n'
    assert sorted(each.name for each in disk.iterdir()) == ["a.json", "filler"]


def test_weights_that_find_no_room(disk: Path) -> None:
    fill(disk, 8192)
    # In a process of its own: a file that is mapped into memory would end it by a signal.
    program = """
import sys
from pathlib import Path
import torch
from slowfast_vgen.errors import UserError
from slowfast_vgen.models.weights import save_part
from slowfast_vgen.tensors import write_tensors
module = torch.nn.Linear(100, 100)
try:
    save_part(Path(sys.argv[1]), module, lambda folder: write_tensors(folder / "a.safetensors", module.state_dict()))
except UserError as error:
    print(error)
"""
    words = [sys.executable, "-c", program, str(disk / "part")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert "No space left" in done.stdout
    assert [each.name for each in disk.iterdir()] == ["filler"]
