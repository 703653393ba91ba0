"""LeRobot's films held against its tables: pictures tell their own numbers, so that a neighbour's would show."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_films import make_film, read_codes
from made_sources import CAMERA, make_lerobot

from slowfast_vgen.data.adapters.base import Finding, ImportSettings, Recipe
from slowfast_vgen.data.adapters.registry import open_adapter
from slowfast_vgen.errors import UserError

FPS = 20
FILM = f"videos/{CAMERA}/chunk-000/file-000.mp4"
LENGTHS = (30, 25, 24)
"""Frames of the episodes; the first two share a film of the pictures 0 to 54, the third has those from 100 on."""


def source_of(folder: Path) -> Path:
    make_lerobot(folder)
    make_film(folder / FILM, range(55), FPS)
    make_film(folder / FILM.replace("000.mp4", "001.mp4"), range(100, 124), FPS)
    return folder


def change(
    source: Path, columns: dict[str, Sequence[Any]], file: str = "meta/episodes/chunk-000/file-000.parquet"
) -> None:
    table = pq.read_table(source / file)
    for name, values in columns.items():
        place = table.column_names.index(name)
        table = table.set_column(place, name, pa.array(values))
    pq.write_table(table, source / file)


def change_info(source: Path, **fields: Any) -> None:
    path = source / "meta" / "info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def imported(source: Path, **settings: Any) -> tuple[dict[str, list[int]], dict[str, str]]:
    """The pictures of each episode, and the reason for what was found by its name."""
    its_settings = replace(ImportSettings(size=32, fps=float(FPS)), **settings)
    pictures, reasons = {}, {}
    for recording in open_adapter("lerobot", source, its_settings).recordings():
        for sample in recording.samples():
            if isinstance(sample, Recipe):
                pictures[sample.name] = read_codes(sample.decode())
            else:
                assert isinstance(sample, Finding)
                reasons[sample.name] = sample.reason
    return pictures, reasons


WHOLE = {
    "episode 0": list(range(30)),
    "episode 1": list(range(30, 55)),
    "episode 2": list(range(100, 124)),
}


def but(*names: str) -> dict[str, list[int]]:
    return {name: pictures for name, pictures in WHOLE.items() if name not in names}


def test_every_picture_is_its_own(tmp_path: Path) -> None:
    assert imported(source_of(tmp_path)) == (WHOLE, {})


def test_a_film_at_another_rate_than_told_is_refused(tmp_path: Path) -> None:
    source = source_of(tmp_path)
    for fps, numbers in ((10, range(0, 55, 2)), (10, range(55)), (40, range(55)), (21, range(55))):
        make_film(source / FILM, numbers, fps)
        pictures, reasons = imported(source)
        assert pictures == but("episode 0", "episode 1")
        assert {reasons["episode 0"], reasons["episode 1"]} == {"wrong-time"}


@pytest.mark.parametrize("off", [-0.5, 0.5, 0.3, -0.25])
def test_a_span_that_is_off_by_a_part_of_a_picture_is_refused(off: float, tmp_path: Path) -> None:
    source = source_of(tmp_path)
    begins = [0.0, (30 + off) / FPS, 0.0]
    ends = [1.5, (55 + off) / FPS, 1.2]
    change(source, {f"videos/{CAMERA}/from_timestamp": begins, f"videos/{CAMERA}/to_timestamp": ends})
    pictures, reasons = imported(source)
    assert "episode 1" not in pictures
    assert reasons["episode 1"] in ("wrong-time", "overlap")


@pytest.mark.parametrize(("begins", "lost"), [([0.0, 29 / 20, 0.0], (0, 1)), ([1 / 20, 1.5, 0.0], (0, 1)),
                                              ([0.0, 31 / 20, 0.0], (1,)), ([0.0, 0.0, 0.0], (0, 1))])  # fmt: skip
def test_spans_that_share_pictures_or_go_over_the_end_are_refused(
    begins: list[float], lost: tuple[int, ...], tmp_path: Path
) -> None:
    source = source_of(tmp_path)
    ends = [begin + length / FPS for begin, length in zip(begins, LENGTHS, strict=True)]
    change(source, {f"videos/{CAMERA}/from_timestamp": begins, f"videos/{CAMERA}/to_timestamp": ends})
    pictures, reasons = imported(source)
    assert set(pictures) <= set(but(*(f"episode {number}" for number in lost)))
    assert {reasons[f"episode {number}"] for number in lost} <= {"overlap", "wrong-time"}


def test_a_rounded_span_loses_nothing(tmp_path: Path) -> None:
    source = source_of(tmp_path)
    change(source, {f"videos/{CAMERA}/from_timestamp": [-1e-9, 1.4996, 0.0]})
    assert imported(source) == (WHOLE, {})


@pytest.mark.parametrize("files", [[0, 1, 1], [1, 0, 1], [0, 0, 0], [1, 1, 1]])
def test_a_wrong_file_index_gives_no_wrong_picture(files: list[int], tmp_path: Path) -> None:
    source = source_of(tmp_path)
    change(source, {f"videos/{CAMERA}/file_index": files})
    pictures, reasons = imported(source)
    assert all(pictures[name] == WHOLE[name] for name in pictures)
    assert {f"episode {number}" for number in range(3) if files[number] != (0, 0, 1)[number]} <= set(reasons)


def test_exchanged_films_of_one_length_are_noticed(tmp_path: Path) -> None:
    source = source_of(tmp_path)
    make_film(source / FILM, range(30), FPS)
    make_film(source / FILM.replace("000.mp4", "001.mp4"), range(100, 130), FPS)
    rows = pq.read_table(source / "meta/episodes/chunk-000/file-000.parquet").slice(0, 2).to_pylist()
    for number, row in enumerate(rows):
        row |= {"length": 30, f"videos/{CAMERA}/from_timestamp": 0.0, f"videos/{CAMERA}/to_timestamp": 1.5}
        row |= {f"videos/{CAMERA}/file_index": 1 - number}
        row |= {"dataset_from_index": 30 * number, "dataset_to_index": 30 * number + 30}
    pq.write_table(pa.Table.from_pylist(rows), source / "meta/episodes/chunk-000/file-000.parquet")
    data = pq.read_table(source / "data/chunk-000/file-000.parquet").slice(0, 30)
    second = data.set_column(data.column_names.index("episode_index"), "episode_index", pa.array([1] * 30))
    pq.write_table(pa.concat_tables([data, second]), source / "data/chunk-000/file-000.parquet")
    pictures, reasons = imported(source)
    assert pictures == {}
    assert reasons["episode 0"] == reasons["episode 1"] == "wrong-time"


def test_dropped_pictures_cost_the_episodes_that_they_may_be_of(tmp_path: Path) -> None:
    source = source_of(tmp_path)
    kept = [number for number in range(55) if number != 12]
    make_film(source / FILM, kept, FPS, ticks=kept)  # a hole, where it was dropped
    pictures, reasons = imported(source)
    assert pictures == but("episode 0")
    assert reasons["episode 0"] == "wrong-time"
    make_film(source / FILM, kept, FPS)  # no hole: it may be of either
    pictures, reasons = imported(source)
    assert pictures == but("episode 0", "episode 1")
    assert reasons["episode 0"] == reasons["episode 1"] == "wrong-time"


def test_more_pictures_than_the_tables_tell_are_noticed(tmp_path: Path) -> None:
    source = source_of(tmp_path)
    make_film(source / FILM, range(60), FPS)
    assert imported(source) == (WHOLE, {FILM: "short-video"})


def test_rows_that_are_not_the_frames_in_order_are_refused(tmp_path: Path) -> None:
    source = source_of(tmp_path)
    data = "data/chunk-000/file-001.parquet"
    order = list(range(24))
    order[3], order[4] = 4, 3
    change(source, {"frame_index": order}, data)
    assert imported(source) == (but("episode 2"), {"episode 2": "bad-row"})
    change(source, {"frame_index": list(range(24)), "timestamp": [max(0, n - (n > 7)) / FPS for n in range(24)]}, data)
    assert imported(source) == (WHOLE, {"episode 2": "bad-row"})  # told, and nothing lost
    change(source, {"dataset_to_index": [30, 55, 80]})
    assert imported(source)[0] == but("episode 2")


def test_an_episode_that_is_told_of_twice_is_refused(tmp_path: Path) -> None:
    source = source_of(tmp_path)
    change(source, {"episode_index": [0, 1, 1]})
    pictures, reasons = imported(source)
    assert pictures == but("episode 1", "episode 2")
    assert reasons["episode 1"] == "ambiguous"


# ------------------------------------------------------------------------------------------ what is not a first match


def test_the_text_of_a_task_is_in_the_column_of_that_name(tmp_path: Path) -> None:
    source = source_of(tmp_path)
    path = source / "meta" / "tasks.parquet"
    tasks = ["Pick up the cube.", "Open the drawer."]
    kinds: dict[str, Any] = {
        "plain": pa.table({"comment": ["by Ann", "by Bo"], "task_index": [0, 1], "task": tasks}),
        "dictionary": pa.table({"task_index": [0, 1], "task": pa.array(tasks).dictionary_encode()}),
        "large": pa.table({"task": pa.array(tasks, pa.large_string()), "task_index": [0, 1]}),
        "only one": pa.table({"task_index": [0, 1], "words": tasks}),
    }
    for kind, table in kinds.items():
        pq.write_table(table, path)
        recipes = [
            sample
            for recording in open_adapter("lerobot", source, ImportSettings(size=16)).recordings()
            for sample in recording.samples()
        ]
        assert [sample.words[0].action for sample in recipes if isinstance(sample, Recipe)] == [
            tasks[0], tasks[1], tasks[0]], kind  # fmt: skip
    pq.write_table(pa.table({"comment": ["by Ann", "by Bo"], "words": tasks, "task_index": [0, 1]}), path)
    with pytest.raises(UserError, match="comment, words are all text, and none is called task"):
        list(open_adapter("lerobot", source, ImportSettings(size=16)).recordings())
    pq.write_table(pa.table({"task_index": [0, 1, 0], "task": [*tasks, "Another."]}), path)
    pictures, reasons = imported(source)
    assert pictures == but("episode 0", "episode 2")
    assert reasons["episode 0"] == "ambiguous"


@pytest.mark.parametrize("mark", ["name", "info", "feature"])
def test_a_depth_camera_is_not_taken_for_pictures(mark: str, tmp_path: Path) -> None:
    source = source_of(tmp_path)
    info = json.loads((source / "meta" / "info.json").read_text())
    depth = {"dtype": "video", "shape": [24, 36, 3], "info": {"video.is_depth_map": mark == "info"}}
    depth |= {"is_depth_map": True} if mark == "feature" else {}
    name = "observation.images.depth" if mark == "name" else "observation.images.a"
    change_info(source, features={name: depth, **info["features"]})
    assert imported(source) == (WHOLE, {})
    change_info(source, features={name: depth})
    with pytest.raises(UserError, match=f"cameras of depth alone .{name}.; take one with --camera"):
        imported(source)


def test_splits(tmp_path: Path) -> None:
    source = source_of(tmp_path)
    for name in ("val", "valid", "validation"):
        change_info(source, splits={"train": "0:2", name: "2:3"})
        assert list(imported(source, split="validation")[0]) == ["episode 2"]
        assert list(imported(source)[0]) == ["episode 0", "episode 1"]
    for splits, sentence in (
        ({"train": "0:50%"}, "has the split train as '0:50%'; it must be a range such as 0:10"),
        ({"train": "all"}, "has the split train as 'all'"),
        ({"train": [0, 2]}, r"has the split train as \[0, 2\]"),
        ({"train": "0:1,2:3"}, "has the split train as '0:1,2:3'"),
        (["train"], r"has the splits \['train'\]"),
        ({"val": "0:1"}, "has no split 'train'; it has val"),
        ({"a": "0:1", "b": "1:3"}, "has no split 'train'; it has a, b"),
    ):
        change_info(source, splits=splits)
        with pytest.raises(UserError, match=sentence):
            imported(source)
    change_info(source, splits={"validation": "0:1", "val": "1:3"})
    with pytest.raises(UserError, match="has the split 'validation' twice"):
        imported(source, split="validation")
    change_info(source, splits={"all": "1:3"})
    assert list(imported(source)[0]) == ["episode 1", "episode 2"]


def test_films_that_are_not_in_the_folder_are_not_opened(tmp_path: Path) -> None:
    source = source_of(tmp_path / "source")
    (source / "videos").rename(tmp_path / "elsewhere")
    change_info(source, video_path="../elsewhere/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4")
    pictures, reasons = imported(source)
    assert pictures == {}
    assert set(reasons.values()) == {"outside"}
    assert imported(source, allow_outside=True) == (WHOLE, {})
    change_info(source, video_path=f"{tmp_path}/elsewhere/{{video_key}}/chunk-000/file-{{file_index:03d}}.mp4")
    assert set(imported(source)[1].values()) == {"outside"}
    (source / "videos").symlink_to(tmp_path / "elsewhere")  # the user's own link
    change_info(source, video_path="videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4")
    assert imported(source) == (WHOLE, {})


def test_times_are_those_of_the_film_at_any_rate_of_the_import(tmp_path: Path) -> None:
    source = source_of(tmp_path)
    pictures, reasons = imported(source, fps=5.0)
    assert reasons == {}
    assert pictures["episode 1"] == list(range(30, 55, 4))
    np.testing.assert_array_equal(pictures["episode 2"], np.arange(100, 124, 4))
