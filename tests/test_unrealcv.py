"""The world unrealcv over UnrealCV's own client, against a small server that speaks its wire protocol."""

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from unrealcv_server import FakeUnreal, blocked, running

from slowfast_envs.actions import verb_of
from slowfast_envs.unrealcv.client import UnrealSettings
from slowfast_envs.unrealcv.environment import UnrealEnvironment
from slowfast_envs.walking_scripts import SCRIPTS
from slowfast_vgen.cli.main import main
from slowfast_vgen.data.format import EpisodeDataset
from slowfast_vgen.data.validate import check_dataset, check_datasets
from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Episode

pytest.importorskip("unrealcv")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeUnreal]:
    with running() as server:
        monkeypatch.setenv("SLOWFAST_UNREALCV", server.address)
        yield server


def record(script: str = "wander", num_chunks: int = 6, count: int = 1, first_index: int = 0) -> list[Episode]:
    return list(UnrealEnvironment("train", 0).episodes(count, script, num_chunks, first_index))


# --- recording


def test_episodes_are_complete_and_a_pose_always_looks_the_same(server: FakeUnreal) -> None:
    revisits = 0
    seen: dict[tuple, np.ndarray] = {}
    for episode in record("wander", 8, count=2):
        assert episode.frames.shape == (33, 64, 64, 3)
        assert episode.poses is not None
        assert episode.fps == 10
        assert [(c.start_frame, c.num_frames) for c in episode.chunks] == [(1 + 4 * k, 4) for k in range(8)]
        assert all(verb_of(c.action) == c.verb for c in episode.chunks)
        assert episode.metadata["scene"] == "unrealcv MadeUp/Square"
        assert episode.metadata["collisions_known"]
        assert episode.frames.std() > 10, "the alpha of a render is no picture"
        for frame, pose in zip(episode.frames, map(tuple, episode.poses), strict=True):
            revisits += pose in seen
            assert (seen.setdefault(pose, frame) == frame).all()
            assert not blocked(pose[0], -pose[1])
    assert revisits > 10


def test_an_episode_depends_on_its_index_alone(server: FakeUnreal) -> None:
    two = record("wander", 4, count=2)
    (again,) = record("wander", 4, first_index=1)
    assert (two[1].frames == again.frames).all()
    assert two[1].metadata == again.metadata


def test_axes_and_signs_are_unreals(server: FakeUnreal) -> None:
    """Our north is Unreal's -y, and our counter-clockwise its negative yaw."""
    (episode,) = record("wander", 3)
    assert episode.poses is not None
    x, y, heading = episode.poses[-1]
    asked = [command for command in server.commands[:-2] if command.startswith("vset")]  # the last two put it back
    assert [c for c in asked if "location" in c][-1].split()[2:4] == [f"{x:.0f}", f"{-y:.0f}"]
    yaw = float(next(c for c in reversed(asked) if "rotation" in c).split()[3])
    assert (yaw + heading) % 360 == 0


def test_the_camera_goes_back_to_where_it_was(server: FakeUnreal) -> None:
    before, rotation = list(server.pawn), list(server.rotation)
    first = record("out-and-back", 4)[0]
    assert np.allclose(server.pawn, before, atol=0.01)
    assert np.allclose(server.late_rotation, rotation)
    # so that a later call, or one that goes on, records the same
    again = record("out-and-back", 4)[0]
    assert (again.frames == first.frames).all()
    assert (again.chunks, again.metadata) == (first.chunks, first.metadata)


def test_the_eyes_are_at_the_height_where_they_were_found(server: FakeUnreal) -> None:
    record("full-turn", 4)
    heights = {float(c.split()[4]) for c in server.commands[20:-2] if c.startswith("vset /camera/0/location")}
    assert heights == {100.0}


def test_walls_and_the_edge_of_the_area_refuse_steps(server: FakeUnreal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLOWFAST_UNREALCV_AREA", "150")
    monkeypatch.setenv("SLOWFAST_UNREALCV_HOME", "-300,350,170")
    collisions = 0
    for episode in record("wander", 12, count=4):
        assert episode.poses is not None
        assert (np.abs(episode.poses[:, 0] + 300) <= 150).all()
        assert (-episode.poses[:, 1] >= 200).all()
        assert (-episode.poses[:, 1] <= 450).all(), "the wall is nearer than the edge of the area"
        assert episode.metadata["home"] == [-300, -350, 170.0]
        for frame in episode.metadata["collisions"]:
            collisions += 1
            assert (episode.poses[frame] == episode.poses[frame - 1]).all()
    assert collisions > 0


@pytest.mark.parametrize("script", sorted(SCRIPTS))
def test_every_script_can_be_recorded(server: FakeUnreal, script: str) -> None:
    (episode,) = record(script, 4)
    assert episode.metadata["script"] == script
    assert len(episode.chunks) == 4


def test_an_old_server_without_collisions_sizes_and_level_names_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with running("old") as server:
        monkeypatch.setenv("SLOWFAST_UNREALCV", server.address)
        (episode,) = record("wander", 3)
    assert not episode.metadata["collisions_known"]
    assert episode.metadata["fov_degrees"] is None
    assert episode.metadata["scene"] == "unrealcv MadeUp"


def test_the_command_line_records_and_tells_of_a_level_in_two_splits(server: FakeUnreal, tmp_path: Path) -> None:
    for split in ("train", "test"):
        words = ["--env", "unrealcv", "--episodes", "2", "--num-chunks", "2", "--split", split]
        assert main(["data", "make", *words, "--out", str(tmp_path / split)]) == 0
    assert check_dataset(tmp_path / "train") == []
    assert len(EpisodeDataset(tmp_path / "train")) == 2
    codes = {defect.code for defect in check_datasets([tmp_path / "train", tmp_path / "test"])}
    assert codes == {"leaked-scene"}


# --- what goes wrong


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("silent", "sent no UnrealCV greeting within 0.3 s"),
        ("web", "sent no UnrealCV greeting"),
        ("hang", "gave no answer to .* within 0.3 s"),
        ("crash", "gave no answer to .* or closed the connection"),
        ("short", "gave no answer to"),
        ("unnumbered", 'sent a message without a number to "vget /scene/name"'),
        ("misnumbered", 'sent a message of another number to "vget /scene/name"|sent no UnrealCV greeting'),
        ("wordy", "sent 'nowhere' to \"vget /camera/0/location\""),
        ("blind", "answers \"vget /camera/0/lit png\" with 'error no viewport'"),
        ("noise", "sent 10 bytes that are no PNG picture"),
        ("stuck", "choose a level whose pawn flies freely"),
    ],
)
def test_a_broken_server_is_told_in_one_sentence_and_in_time(
    fault: str, told: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLOWFAST_UNREALCV_TIMEOUT", "0.3")
    with running(fault) as server:
        monkeypatch.setenv("SLOWFAST_UNREALCV", server.address)
        start = time.monotonic()
        with pytest.raises(UserError, match=told) as error:
            record()
        assert time.monotonic() - start < 5
    assert server.address in str(error.value)
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", ""), "the package prints nothing past us"
    with contextlib.suppress(StopIteration):  # no thread of the package is left, for which Python would wait
        left = next(t for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon)
        left.join(timeout=2)
        assert not left.is_alive()


def test_no_server_is_told_with_the_way_to_name_one(
    free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLOWFAST_UNREALCV", f"127.0.0.1:{free_port()}")
    words = ["--env", "unrealcv", "--episodes", "1", "--num-chunks", "2", "--out", str(tmp_path / "set")]
    assert main(["data", "make", *words]) == 2
    error = capsys.readouterr().err
    assert "slowfast: error: no UnrealCV server answers at 127.0.0.1:" in error
    assert "SLOWFAST_UNREALCV=HOST:PORT" in error
    assert list(tmp_path.iterdir()) == []


def test_the_program_ends_when_the_server_hangs(tmp_path: Path) -> None:
    """The package's receiving thread is no daemon: it must not keep the program alive."""
    with running("hang") as server:
        code = (
            f"import os; os.environ |= dict(SLOWFAST_UNREALCV='{server.address}', SLOWFAST_UNREALCV_TIMEOUT='0.3');"
            "from slowfast_vgen.cli.main import main;"
            "raise SystemExit(main('data make --env unrealcv --episodes 1 --out set'.split()))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False
        )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "gave no answer" in done.stderr


def test_a_missing_package_tells_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "unrealcv", None)
    with pytest.raises(
        UserError, match=r"needs the package unrealcv; install it with: pip install 'slowfast-vgen\[unr"
    ):
        record()


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("", "9000", "HOST:PORT"),
        ("", "localhost:port", "HOST:PORT"),
        ("", "localhost:70000", "HOST:PORT"),
        ("_TIMEOUT", "soon", "seconds from"),
        ("_TIMEOUT", "nan", "seconds from"),
        ("_HOME", "1,2", "x,y,z"),
        ("_HOME", "1,2,inf", "x,y,z"),
        ("_AREA", "-5", "centimetres from"),
    ],
)
def test_wrong_settings_are_told(name: str, value: str, wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"SLOWFAST_UNREALCV{name}", value)
    with pytest.raises(UserError, match=f"SLOWFAST_UNREALCV{name} is '{value}'; give .*{wanted}"):
        UnrealEnvironment("train", 0)


def test_settings_are_read_and_have_defaults() -> None:
    assert UnrealSettings.from_environment({}) == UnrealSettings("localhost", 9000, 10.0, None, 1000)
    variables = {"": "host.example:9001", "_TIMEOUT": "2.5", "_HOME": "1,-2,3.5", "_AREA": "400"}
    settings = UnrealSettings.from_environment({f"SLOWFAST_UNREALCV{name}": value for name, value in variables.items()})
    assert settings == UnrealSettings("host.example", 9001, 2.5, (1.0, -2.0, 3.5), 400)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: UnrealEnvironment("training", 0), "training"),
        (lambda: UnrealEnvironment("train", 0).episodes(1, "waltz", 2), "waltz"),
        (lambda: UnrealEnvironment("train", 0).episodes(0, "mix", 2), "0 episodes"),
        (lambda: UnrealEnvironment("train", 0).episodes(1, "mix", 0), "0 chunks"),
    ],
)
def test_bad_input_is_told_before_a_server_is_looked_for(call: Callable[[], object], told: str) -> None:
    with pytest.raises(UserError, match=told):
        call()
