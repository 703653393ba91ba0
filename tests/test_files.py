"""Files are whole, synced and where the user wants them: real processes, killed at every step; syncs in their order."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from slowfast_vgen import file_system, files
from slowfast_vgen.errors import UserError
from slowfast_vgen.file_system import is_abandoned, workplace
from slowfast_vgen.files import atomic_folder, atomic_path, check_folder_target, hold_folder, write_json

# Each of these calls is a step at which a program can be killed.
STEPS = ("mkdir", "fsync", "rename", "replace", "rmdir", "unlink", "chmod", "open")


def write(path: Path, kind: str, stop: int, swaps: str = "swaps", number: int = signal.SIGKILL) -> int:
    """Writes in a process of its own that gets the signal just before its step `stop`; returns as `subprocess` does."""
    child = os.fork()
    if child == 0:
        try:
            _write_until(path, kind, stop, swaps == "swaps", number)
            os._exit(0)
        finally:
            os._exit(99)
    status = os.waitpid(child, 0)[1]
    return os.waitstatus_to_exitcode(status)


def _write_until(path: Path, kind: str, stop: int, swaps: bool, number: int) -> None:
    count = 0

    def stopping(kept: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            if count == stop:
                os.kill(os.getpid(), number)
            return kept(*args, **kwargs)

        return call

    for name in STEPS:
        setattr(os, name, stopping(getattr(os, name)))
    file_system.exchange = stopping(file_system.exchange if swaps else lambda first, second: False)
    if kind == "file":
        write_json(path, ["new"] * 1000)
        return
    with atomic_folder(path) as folder:
        for name in ("a", "b"):
            (folder / name).write_text("new" * 1000)


def state_of(path: Path) -> str:
    """`old`, `new`, or what else is there, as a reader finds it."""
    file_system.recover(path)
    if not path.exists():
        return "nothing"
    texts = [path.read_text()] if path.is_file() else [(path / name).read_text() for name in ("a", "b")]
    known = {"old": ["old"], "new": ["new"]}
    return next((name for name in known if all(name in text and len(text) > 2000 for text in texts)), "broken")


def make_old(path: Path, kind: str) -> None:
    if kind == "file":
        path.write_text(json.dumps(["old"] * 1000))
    else:
        path.mkdir()
        for name in ("a", "b"):
            (path / name).write_text("old" * 1000)


@pytest.mark.parametrize(
    ("kind", "swaps", "number"),
    [
        ("file", "swaps", signal.SIGKILL),
        ("folder", "swaps", signal.SIGKILL),
        ("folder", "renames", signal.SIGKILL),
        ("file", "swaps", signal.SIGTERM),
        pytest.param("folder", "swaps", signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param("folder", "renames", signal.SIGTERM, marks=pytest.mark.slow),
    ],
)
def test_a_program_killed_at_any_step_leaves_the_old_or_the_new(
    tmp_path: Path, kind: str, swaps: str, number: int
) -> None:
    found = []
    for stop in range(1, 100):
        path = tmp_path / str(stop) / "target"
        path.parent.mkdir()
        make_old(path, kind)
        code = write(path, kind, stop, swaps, number)
        found.append(state_of(path))
        if code == 0:
            break
        assert code == -number
        # The next writer is not hindered by what is left, and takes it away.
        assert write(path, kind, 0, swaps) == 0
        assert state_of(path) == "new"
        assert [each.name for each in path.parent.iterdir()] == ["target"]
    assert code == 0
    assert len(found) > 10
    assert found[0] == "old"
    assert found == sorted(found, reverse=True)  # old, then new, and nothing else
    assert set(found) == {"old", "new"}


def test_a_first_save_that_is_killed_leaves_nothing_or_the_new(tmp_path: Path) -> None:
    for kind in ("file", "folder"):
        for stop in range(1, 60, 2):
            path = tmp_path / f"{kind}{stop}" / "target"
            if write(path, kind, stop) == 0:
                break
            assert state_of(path) in {"nothing", "new"}
            assert write(path, kind, 0) == 0
            assert [each.name for each in path.parent.iterdir()] == ["target"]


class Recorded:
    """The calls that matter for a power cut, in their order, with what they are about."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, str]] = []
        fsync, replace, rename = os.fsync, os.replace, os.rename

        def synced(descriptor: int) -> None:
            self.calls.append(("fsync", os.readlink(f"/proc/self/fd/{descriptor}")))
            fsync(descriptor)

        def moved(kept: Any) -> Any:
            def call(source: Any, target: Any) -> None:
                self.calls.append(("name", str(target)))
                kept(source, target)

            return call

        def swapped(first: Path, second: Path) -> bool:
            self.calls.append(("name", str(second)))
            return bool(exchange(first, second))

        exchange = file_system.exchange
        monkeypatch.setattr(os, "fsync", synced)
        monkeypatch.setattr(os, "replace", moved(replace))
        monkeypatch.setattr(os, "rename", moved(rename))
        monkeypatch.setattr(file_system, "exchange", swapped)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the names behind descriptors are read from /proc")
def test_a_file_is_synced_before_it_gets_its_name_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Recorded(monkeypatch).calls
    path = tmp_path / "new" / "deep" / "a.json"
    write_json(path, 1)
    named = calls.index(("name", str(path)))
    assert calls[named - 1] == ("fsync", str(path.parent / ".a.json.part-0" / "a.json"))
    assert calls[named + 1] == ("fsync", str(path.parent))
    # The folders that were made have names on the disk as well.
    assert {("fsync", str(tmp_path)), ("fsync", str(tmp_path / "new"))} <= set(calls[:named])


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the names behind descriptors are read from /proc")
@pytest.mark.parametrize("is_there", [False, True])
def test_a_folder_is_synced_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool) -> None:
    path = tmp_path / "folder"
    if is_there:
        make_old(path, "folder")
    calls = Recorded(monkeypatch).calls
    with atomic_folder(path) as temporary:
        (temporary / "deep").mkdir()
        (temporary / "deep" / "a").write_text("a")
        (temporary / "b").write_text("b")
    named = calls.index(("name", str(path)))
    new = path.parent / ".folder.part-0" / "folder"
    wanted = {("fsync", str(each)) for each in (new, new / "deep", new / "deep" / "a", new / "b")}
    assert wanted <= set(calls[:named])
    assert calls[named + 1] == ("fsync", str(tmp_path))


def test_lines_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Recorded(monkeypatch).calls
    files.append_text(tmp_path / "log", "one\n")
    files.append_text(tmp_path / "log", "two\n")
    assert (tmp_path / "log").read_text() == "one\ntwo\n"
    assert [name for _, name in calls] == [str(tmp_path / "log"), str(tmp_path), str(tmp_path / "log")]


IMAGE_BYTES = 48 * 2**20


@pytest.fixture
def disk(tmp_path: Path) -> Any:
    """A small ext4 disk of its own, and a function that shows it as a power cut would leave it now."""
    image, here, after = tmp_path / "image", tmp_path / "disk", tmp_path / "after"
    here.mkdir()
    after.mkdir()
    with image.open("wb") as file:
        file.truncate(IMAGE_BYTES)
    try:
        subprocess.run(["mkfs.ext4", "-q", str(image)], check=True, capture_output=True)
        subprocess.run(["mount", "-o", "loop", str(image), str(here)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("for want of a mount: this user cannot mount disks")

    def cut(read: Any) -> Any:
        shutil.copyfile(image, tmp_path / "copy")
        subprocess.run(["mount", "-o", "loop", str(tmp_path / "copy"), str(after)], check=True, capture_output=True)
        try:
            return read(after)
        finally:
            subprocess.run(["umount", str(after)], check=True)

    yield here, cut
    subprocess.run(["umount", "-l", str(here)], check=True)


def test_what_is_saved_outlasts_a_power_cut(disk: Any) -> None:
    here, cut = disk
    (here / "unsynced").write_text("x" * 5000)
    assert cut(lambda after: not (after / "unsynced").exists() or not (after / "unsynced").read_text()), "no power cut"
    write_json(here / "deep" / "a.json", list(range(5000)))
    assert cut(lambda after: json.loads((after / "deep" / "a.json").read_text())) == list(range(5000))
    for number in range(3):
        with atomic_folder(here / "folder") as folder:
            (folder / "deep").mkdir()
            (folder / "deep" / "a").write_bytes(bytes([number]) * 100_000)
        assert cut(lambda after: (after / "folder" / "deep" / "a").read_bytes()) == bytes([number]) * 100_000
    files.append_text(here / "log", "line\n")
    assert cut(lambda after: (after / "log").read_text()) == "line\n"


def test_a_mounted_disk_is_refused_as_a_target_before_the_work(disk: Any) -> None:
    here, _ = disk
    with pytest.raises(UserError, match="a disk is mounted there"):
        check_folder_target(here)
    with pytest.raises(UserError, match="a disk is mounted there"), atomic_folder(here):
        pytest.fail("the work began")
    with atomic_folder(here / "inside") as folder:
        (folder / "a").write_text("a")
    assert (here / "inside" / "a").read_text() == "a"


def test_several_writers_of_one_target_take_turns(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from slowfast_vgen.files import atomic_folder
for _ in range(40):
    with atomic_folder(Path(sys.argv[1])) as folder:
        for name in ("a", "b", "c"):
            (folder / name).write_text(sys.argv[2] * 3000)
"""
    running = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "f"), text], stderr=subprocess.PIPE)
        for text in "xyz"
    ]
    told = [each.communicate(timeout=120)[1].decode() for each in running]
    assert told == ["", "", ""]
    texts = {(tmp_path / "f" / name).read_text() for name in ("a", "b", "c")}
    assert len(texts) == 1
    assert [each.name for each in tmp_path.iterdir()] == ["f"]


def test_one_program_at_a_time_adds_to_a_folder(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from slowfast_vgen.errors import UserError
from slowfast_vgen.file_system import is_abandoned, workplace
from slowfast_vgen.files import hold_folder
try:
    hold_folder(Path(sys.argv[1]))
    print("held")
except UserError as error:
    print(error)
"""

    def other() -> str:
        words = [sys.executable, "-c", program, str(tmp_path / "set")]
        return subprocess.run(words, capture_output=True, text=True, timeout=60).stdout

    lock = hold_folder(tmp_path / "set")
    assert "another program is writing" in other()
    again = hold_folder(tmp_path / "set")  # the same program may ask twice
    assert again is lock
    lock.release()
    assert other() == "held\n"


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept.json").write_text("1")
    (tmp_path / "link.json").symlink_to("elsewhere/kept.json")
    (tmp_path / "dangling.json").symlink_to("elsewhere/new.json")
    for name in ("link.json", "dangling.json"):
        write_json(tmp_path / name, 2)
        assert (tmp_path / name).is_symlink()
    assert (tmp_path / "elsewhere" / "kept.json").read_text() == "2\n"
    assert (tmp_path / "elsewhere" / "new.json").read_text() == "2\n"
    (tmp_path / "folder").symlink_to("elsewhere", target_is_directory=True)
    with atomic_folder(tmp_path / "folder") as folder:
        (folder / "a").write_text("a")
    assert (tmp_path / "folder").is_symlink()
    assert [each.name for each in (tmp_path / "elsewhere").iterdir()] == ["a"]
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(UserError, match="circle"):
        write_json(tmp_path / "circle", 1)


def test_pipes_and_devices_are_written_into(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_text()))
    reader.start()
    write_json(pipe, {"a": 1})
    reader.join()
    assert json.loads(found[0]) == {"a": 1}
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    write_json(Path("/dev/null"), 1)
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    with pytest.raises(UserError, match="/dev/full"):
        write_json(Path("/dev/full"), 1)
    print("before")
    write_json(Path("/dev/stdout"), {"b": 2})
    assert capfd.readouterr().out == 'before\n{\n  "b": 2\n}\n'
    assert Path("/dev/stdout").is_symlink()


def test_what_standard_output_is_sent_to_is_not_cut_off(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path; from slowfast_vgen.files import write_json; "
        "print('before'); write_json(Path('/dev/stdout'), 1); print('after')"
    )
    with (tmp_path / "out").open("wb") as out:
        subprocess.run([sys.executable, "-c", program], stdout=out, check=True, timeout=60)
    assert (tmp_path / "out").read_text() == "before\n1\nafter\n"


def test_rights_are_the_users(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_json(tmp_path / "a.json", 1)
        with atomic_folder(tmp_path / "folder") as folder:
            (folder / "b").touch(mode=0o600)
        (tmp_path / "private.json").touch(mode=0o600)
        write_json(tmp_path / "private.json", 1)
    finally:
        os.umask(before)
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.rglob("*")}
    assert modes == {"a.json": 0o640, "folder": 0o750, "b": 0o640, "private.json": 0o600}


def test_a_failed_block_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), atomic_path(tmp_path / "a") as path:
        path.write_text("half")
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt), atomic_folder(tmp_path / "b") as folder:
        (folder / "c").write_text("half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_without_posix_calls_all_is_written_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_system, "fcntl", None)
    monkeypatch.setattr(file_system, "_renameat2", None)
    for text in ("one", "two"):
        write_json(tmp_path / "a.json", text)
        with atomic_folder(tmp_path / "folder") as folder:
            (folder / "b").write_text(text)
    hold_folder(tmp_path / "set")
    assert (tmp_path / "a.json").read_text() == '"two"\n'
    assert (tmp_path / "folder" / "b").read_text() == "two"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.json", "folder", "set"]


def test_ctrl_c_while_a_folder_is_taken_leaves_it_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flock = file_system.fcntl.flock

    def struck(descriptor: int, operation: int) -> None:
        flock(descriptor, operation)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(file_system.fcntl, "flock", struck)
        for take in (lambda: hold_folder(tmp_path), lambda: workplace(tmp_path / "part").__enter__()):
            with suppress(KeyboardInterrupt):
                take()
    assert is_abandoned(tmp_path) and is_abandoned(tmp_path / ".part.part-0")
    hold_folder(tmp_path).release()
    assert list(tmp_path.iterdir()) == []
