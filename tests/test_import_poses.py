"""Poses beside a user's own videos: in a file or in the table, sound ones kept, others named and left out."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_sources import make_video, write_csv
from own_clips import make_clips, way

from slowfast_vgen.cli.main import main
from slowfast_vgen.data.adapters.base import ImportSettings
from slowfast_vgen.data.adapters.check import check_adapter
from slowfast_vgen.data.adapters.registry import open_adapter
from slowfast_vgen.data.format import EpisodeDataset
from slowfast_vgen.data.validate import check_dataset

Rows = list[tuple[object, ...]]


def imported(source: Path, out: Path, *more: str) -> dict[str, Any]:
    """The report of an import at 16x16."""
    words = ["data", "import", "--from", "folder", str(source), str(out), "--size", "16", "--max-bad-share", "1"]
    assert main([*words, *more]) == 0
    assert check_dataset(out) == []
    report: dict[str, Any] = json.loads((out / "import.json").read_text())
    return report


def messages(report: dict[str, Any], kind: str = "left_out", reason: str = "bad-pose") -> list[str]:
    return [one["message"] for one in report[kind].get(reason, {"first": []})["first"]]


def table(source: Path, rows: Rows, ends: bool) -> Path:
    """A video of 4 s with these rows: start, end, action, pose at the start, perhaps pose at the end."""
    make_video(source / "a.mp4", 40, 10)
    columns = ["video", "start", "end", "action", "x", "y", "heading"]
    columns += ["end_x", "end_y", "end_heading"] if ends else []
    write_csv(source / "actions.csv", [columns, *(("a.mp4", *row) for row in rows)])
    return source


def test_the_table_tells_poses_at_the_start_of_each_action(tmp_path: Path) -> None:
    rows: Rows = [(0, 1, "go", 0, 0, 350), (1, 2, "turn", 2, 0, 350), (2, 3, "go", 2, 0, 10)]
    report = imported(table(tmp_path / "a", rows, ends=False), tmp_path / "out")
    (message,) = messages(report)
    assert "its pose at the end is unknown" in message  # the third row's
    episode = EpisodeDataset(tmp_path / "out")[0]
    assert [chunk.action for chunk in episode.chunks] == ["go"] * 3 + ["turn"] * 3
    assert episode.poses is not None
    expected = [[0, 0, 350], [1, 0, 350], [2, 0, 350], [2, 0, 0], [2, 0, 10]]
    np.testing.assert_allclose(episode.poses[[0, 5, 10, 15, 20]], expected, atol=1e-9)


def test_the_table_tells_poses_at_the_ends_too(tmp_path: Path) -> None:
    rows: Rows = [
        (0, 1, "go", 0, 0, 0, "", "", ""),
        (1, 2, "go", 1, 0, 0, 3, 0, -90),
        (3, 3.9, "wait", 5, 5, 5, 5, 5, ""),
    ]
    report = imported(table(tmp_path / "a", rows, ends=True), tmp_path / "out")
    (message,) = messages(report)
    assert "it has only end_x, end_y; give all or none" in message
    episode = EpisodeDataset(tmp_path / "out")[0]
    assert episode.poses is not None
    np.testing.assert_allclose(episode.poses[[0, 10, 15, 20]], [[0, 0, 0], [1, 0, 0], [2, 0, 315], [3, 0, 270]])


def test_a_file_tells_poses_over_time_and_its_faults_are_named(tmp_path: Path) -> None:
    source = make_clips(tmp_path / "source", count=6, actions=[("walk on", "turn left", "walk on")])
    sound = way(("walk on", "turn left", "walk on"), 15)
    rows: Rows = []
    for number in range(5):  # the sixth has none
        for frame, (x, y, heading) in enumerate(sound):
            seconds = frame / 10
            if number == 1 and frame == 7:
                x = float("nan")
            if number == 2 and seconds > 3:
                continue
            if number == 3:
                heading = np.radians(heading)
            if number == 4 and 0.5 < seconds < 2:
                continue
            rows.append((f"clip {number:02}.mp4", seconds, x, y, heading))
    write_csv(source / "poses.csv", [("video", "time", "x", "y", "heading"), *rows])
    report = imported(source, tmp_path / "out")
    assert report["episodes"] == 2
    (unread,) = messages(report, "noticed", "bad-row")
    assert "x is 'nan', want a number" in unread
    found = "\n".join(messages(report))
    assert "poses.csv has poses of 0 to 3 s, the frames are of 0 to 4.5 s" in found
    assert "the headings of poses.csv look like radians; give degrees" in found
    assert "poses.csv has no pose for 1.5 s around 0.6 s" in found
    assert "poses.csv has no poses of clip 05.mp4" in found
    expected = sound % [1e9, 1e9, 360]
    expected[:, :2] = sound[:, :2]
    for number in (0, 1):  # what one row lacks lies between its neighbours
        poses = EpisodeDataset(tmp_path / "out")[number].poses
        assert poses is not None
        np.testing.assert_allclose(poses, expected, atol=1e-6)


def test_poses_in_another_unit_are_noticed(tmp_path: Path) -> None:
    source = make_clips(tmp_path / "source", count=1)
    lines = (source / "poses.csv").read_text().splitlines()
    (source / "poses.csv").unlink()
    scaled = [line.split(",") for line in lines[1:]]
    rows = [(video, time, 1000 * float(x), 1000 * float(y), heading) for video, time, x, y, heading in scaled]
    write_csv(source / "way.txt", [lines[0].split(","), *rows])
    report = imported(source, tmp_path / "out", "--poses", str(source / "way.txt"))
    (message,) = messages(report, "noticed")
    assert message == "the camera moves at 1400 metres a second; x and y are probably not in metres"
    assert report["episodes"] == 1


def test_poses_are_told_in_one_place_and_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows: Rows = [(0, 1, "go", 0, 0, 0)]
    source = table(tmp_path / "a", rows, ends=False)
    write_csv(source / "poses.csv", [("video", "time", "x", "y", "heading")])
    words = ["data", "import", "--from", "folder", str(source), str(tmp_path / "out")]
    assert main(words) == 2
    assert "both have poses; keep one of them" in capsys.readouterr().err
    (source / "poses.csv").unlink()
    write_csv(source / "actions.csv", [("video", "start", "end", "action", "x", "y"), ("a.mp4", 0, 1, "go", 0, 0)])
    assert main(words) == 2
    assert "poses need x, y, heading" in capsys.readouterr().err


def test_the_adapter_keeps_the_contract_with_poses_and_other_sizes(tmp_path: Path) -> None:
    settings = ImportSettings(size=(32, 16), episode_frames=20, fov=60.0)
    check_adapter(open_adapter("folder", make_clips(tmp_path / "source", count=2), settings), settings)


def test_frames_are_cut_to_the_shape_that_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = make_clips(tmp_path / "source", count=1, size=(72, 128))
    imported(source, tmp_path / "wide", "--size", "64x36")
    assert EpisodeDataset(tmp_path / "wide")[0].frames.shape == (46, 36, 64, 3)
    words = ["data", "import", "--from", "folder", str(source), str(tmp_path / "wide")]
    assert main([*words, "--size", "64x36"]) == 0  # goes on
    assert main([*words, "--size", "64"]) == 2
    for size in ("64x", "x36", "64x36x3", "7x64", "big"):
        capsys.readouterr()
        assert main([*words, "--size", size]) == 2
        assert f"{size!r} is no frame size: give a side of 8 to 4096 pixels" in " ".join(
            capsys.readouterr().err.split()
        )
