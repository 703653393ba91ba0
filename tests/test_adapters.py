"""The adapters: each against the contract on a sample in its source's layout, its words, and its defects by name."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_sources import (
    CAMERA,
    SOURCES,
    epic_row,
    example,
    framed,
    make_epic,
    make_folder,
    make_hdd,
    make_lerobot,
    make_rlds,
    make_video,
    make_vpt,
    numbered,
    numbers_of,
    png,
    slow_crc32c,
    vpt_line,
    write_csv,
)

from slowfast_vgen.data.adapters import film_clock
from slowfast_vgen.data.adapters.base import (
    REASONS,
    Finding,
    ImportSettings,
    Recipe,
    Recording,
    UnusableError,
    Words,
    words_of,
)
from slowfast_vgen.data.adapters.check import check_adapter
from slowfast_vgen.data.adapters.clips import read_clip, video_facts
from slowfast_vgen.data.adapters.crc32c import crc32c
from slowfast_vgen.data.adapters.csv_rows import Row, read_rows
from slowfast_vgen.data.adapters.registry import ADAPTERS, open_adapter
from slowfast_vgen.data.adapters.tfrecord import read_example, read_record, record_places
from slowfast_vgen.data.adapters.vpt import Step, Vpt, words_for
from slowfast_vgen.data.importing import chunks_of
from slowfast_vgen.data.video import write_video
from slowfast_vgen.errors import UserError

SMALL = ImportSettings(size=16)


def samples(name: str, source: Path, its_settings: ImportSettings = SMALL) -> tuple[list[Recipe], list[Finding]]:
    recipes, findings = [], []
    for recording in open_adapter(name, source, its_settings).recordings():
        for sample in recording.samples():
            (recipes if isinstance(sample, Recipe) else findings).append(sample)
    return recipes, findings  # type: ignore[return-value]


def told(recipe: Recipe) -> list[tuple[str, int]]:
    """The actions of an episode, each with its number of frames."""
    chunks = chunks_of(recipe.words, 10**6)
    return [(chunk.action, chunk.num_frames) for chunk in chunks]


def reasons(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.name, finding.reason) for finding in findings]


# ----------------------------------------------------------------------------------------------------------- contract


@pytest.mark.parametrize("name", ADAPTERS)
@pytest.mark.parametrize("episode_frames", [513, 6])
def test_every_adapter_keeps_the_contract(name: str, episode_frames: int, tmp_path: Path) -> None:
    its_settings = replace(SMALL, episode_frames=episode_frames)
    adapter = open_adapter(name, SOURCES[name](tmp_path / "source"), its_settings)
    check_adapter(adapter, its_settings)
    recipes, findings = samples(name, tmp_path / "source", its_settings)
    assert findings == []
    assert len(recipes) >= (2 if episode_frames == 513 else 5)


def test_every_adapter_has_a_sample() -> None:
    assert set(SOURCES) == set(ADAPTERS)


def test_long_recordings_become_episodes_that_share_a_frame(tmp_path: Path) -> None:
    make_folder(tmp_path)
    (whole, *_), _ = samples("folder", tmp_path)
    parts = [each for each in samples("folder", tmp_path, replace(SMALL, episode_frames=9))[0] if "line 2" in each.name]
    assert [each.name for each in parts] == [f"a.mp4 line 2 part {number} of 3" for number in (1, 2, 3)]
    assert sum((each.words for each in parts), ()) == whole.words
    shown = [numbers_of(each.decode()) for each in parts]
    assert shown == [list(range(9)), list(range(8, 17)), list(range(16, 21))]


class Lamp:
    """An adapter whose parts the test puts in wrong."""

    name: ClassVar[str] = "lamp"
    options: ClassVar[frozenset[str]] = frozenset()
    licence = "CC0"

    def __init__(self, recipe: Recipe, table: Path) -> None:
        self.recipe, self.table = recipe, table

    def index_files(self) -> list[Path]:
        return [self.table]

    def recordings(self) -> Iterator[Recording]:
        yield Recording("lamp", lambda: iter([self.recipe]))


def test_the_checker_finds_breaches(tmp_path: Path) -> None:
    (tmp_path / "table").touch()
    frames = np.zeros((3, 16, 16, 3), np.uint8)
    good = Recipe("lamp 1", "room", (Words("switch on"),) * 2, lambda: frames)
    check_adapter(Lamp(good, tmp_path / "table"), SMALL)
    noise = np.random.default_rng(0)
    for change, sentence in (
        ({"words": (Words(" "),) * 2}, "has no action"),
        ({"words": ()}, "has 1 frames"),
        ({"scene": ""}, "no name or no scene"),
        ({"ends": (3, 2)}, "do not rise"),
        ({"ends": (2, 9)}, "not in 2 to 3"),
        ({"metadata": {"x": frames}}, "no JSON"),
        ({"poses": np.zeros((2, 3))}, "2 poses for 3 frames"),
        ({"decode": lambda: frames[:2]}, "want (3, 16, 16, 3)"),
        ({"decode": lambda: noise.integers(0, 9, frames.shape, np.uint8)}, "when it is decoded again"),
    ):
        with pytest.raises(AssertionError, match="breaks its contract") as caught:
            check_adapter(Lamp(replace(good, **change), tmp_path / "table"), SMALL)  # type: ignore[arg-type]
        assert sentence in str(caught.value)
    with pytest.raises(AssertionError, match="an index file is not there"):
        check_adapter(Lamp(good, tmp_path / "none"), SMALL)


def test_options_are_checked(tmp_path: Path) -> None:
    with pytest.raises(UserError, match='there is no adapter "disco"; choose one of: epic-kitchens, folder, hdd'):
        open_adapter("disco", tmp_path, SMALL)
    with pytest.raises(UserError, match="there is no folder"):
        open_adapter("vpt", tmp_path / "none", SMALL)
    with pytest.raises(UserError, match='the adapter "vpt" reads no --camera'):
        open_adapter("vpt", tmp_path, replace(SMALL, camera="top"))
    for change in ({"size": 4}, {"fps": 0}, {"fps": float("nan")}, {"source_fps": 1e9}, {"chunk_frames": 0},
                   {"episode_frames": 1}, {"split": "exam"}):  # fmt: skip
        with pytest.raises(UserError):
            replace(SMALL, **change)


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_empty_folder_is_told_what_belongs_there(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no|cannot read"):
        list(open_adapter(name, tmp_path, SMALL).recordings())


def test_words() -> None:
    assert words_of("  go  ") == Words("go")
    for text in (None, 7, "", " \n", "a" * 1001, "\ud800"):
        with pytest.raises(UnusableError) as caught:
            words_of(text)
        assert caught.value.reason == "no-action"


# -------------------------------------------------------------------------------------------------------------- videos


def test_clips_take_the_nearest_frames_wherever_they_begin(tmp_path: Path) -> None:
    make_video(tmp_path / "a.mp4", 320, 25)  # a keyframe each 250 frames
    for first in (0, 7, 120, 260, 300):
        times = (first + np.arange(0, 20, 2.5)) / 25
        frames = read_clip(tmp_path / "a.mp4", times, (16, 16))
        assert frames.shape == (8, 16, 16, 3)
        assert numbers_of(frames) == [(first + step) % 256 for step in (0, 2, 5, 7, 10, 12, 15, 17)]
    facts = video_facts(tmp_path / "a.mp4")
    assert (facts.seconds, facts.fps, facts.is_cut) == (pytest.approx(12.8), 25, False)


def test_a_range_beyond_the_end_gives_the_frames_up_to_it(tmp_path: Path) -> None:
    make_video(tmp_path / "a.mp4", 10, 10)
    assert numbers_of(read_clip(tmp_path / "a.mp4", [0.8, 0.9, 1.0], (16, 16))) == [8, 9, 9]  # it is shown until then
    for times in ([0.8, 0.9, 1.5, 2.0], [5.0, 6.0]):
        with pytest.raises(UnusableError, match=r"ends at 1\.000 s, before") as caught:
            read_clip(tmp_path / "a.mp4", times, (16, 16))
        assert caught.value.reason == "range-outside"
        assert len(caught.value.frames) == (2 if times[0] < 1 else 0)


def test_pictures_are_cut_out_of_the_middle(tmp_path: Path) -> None:
    frames = np.zeros((3, 16, 48, 3), np.uint8)
    frames[:, :, 16:32] = 200
    write_video(tmp_path / "a.mp4", frames, 10, lossless=True)
    np.testing.assert_array_equal(read_clip(tmp_path / "a.mp4", [0.0, 0.1], (8, 8)), np.full((2, 8, 8, 3), 200))


def test_a_rotation_mark_is_obeyed(tmp_path: Path) -> None:
    frames = np.zeros((3, 16, 16, 3), np.uint8)
    frames[:, :8] = 200  # the upper half is bright
    write_video(tmp_path / "a.mp4", frames, 10, lossless=True)
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40  # version, times, track, length, layer and volume come first
    one, zero, unity = (value.to_bytes(4, "big") for value in (0x10000, 0, 0x40000000))
    minus = (2**32 - 0x10000).to_bytes(4, "big")
    data[matrix : matrix + 36] = zero + one + zero + minus + zero + zero + zero + zero + unity  # clockwise
    (tmp_path / "b.mp4").write_bytes(data)
    turned = read_clip(tmp_path / "b.mp4", [0.0], (16, 16))[0]
    np.testing.assert_array_equal(turned, np.rot90(frames[0], -1))


def test_a_container_without_a_length(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream: Any = container.add_stream("libx264rgb", rate=10, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 36, 24, "rgb24"
        for image in numbered(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    assert video_facts(tmp_path / "a.mkv").seconds == pytest.approx(2.0)
    assert numbers_of(read_clip(tmp_path / "a.mkv", [0.5, 1.9], (16, 16))) == [5, 19]


def test_files_that_are_no_video_are_named(tmp_path: Path) -> None:
    for name, content in (("empty.mp4", b""), ("text.mp4", b"hello\n" * 200)):
        (tmp_path / name).write_bytes(content)
        for read in (lambda path: read_clip(path, [0.0], (16, 16)), video_facts):
            with pytest.raises(UnusableError, match=name) as caught:
                read(tmp_path / name)
            assert caught.value.reason == "broken-video"
    for path in (tmp_path / "none.mp4", tmp_path, tmp_path / ("n" * 400), tmp_path / "nul\0.mp4"):
        with pytest.raises(UnusableError) as caught:
            video_facts(path)
        assert caught.value.reason == "missing-video"


def test_a_cut_off_file_gives_what_it_has(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (30, 24, 24, 3), dtype=np.uint8)
    write_video(tmp_path / "a.mp4", noise, 10, lossless=True)
    data = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "a.mp4").write_bytes(data[: len(data) * 6 // 10])
    assert video_facts(tmp_path / "a.mp4").is_cut
    with pytest.raises(UnusableError) as caught:
        read_clip(tmp_path / "a.mp4", np.arange(30) / 10, (24, 24))
    assert 10 <= len(caught.value.frames) < 20
    np.testing.assert_array_equal(np.stack(caught.value.frames), noise[: len(caught.value.frames)])


def test_a_video_that_gives_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / "a.mp4", numbered(60), 10)
    now = iter(range(0, 10**6, 60))
    monkeypatch.setattr(film_clock, "time", SimpleNamespace(monotonic=lambda: next(now)))
    with pytest.raises(UnusableError, match="gave no frame for 8 seconds"):
        read_clip(tmp_path / "a.mp4", [5.0], (16, 16))


# -------------------------------------------------------------------------------------------------------------- tables


def test_a_bad_line_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    lines = [
        b"\xef\xbb\xbf# b, a ",
        b'1,"x, y"',
        b"",
        b'2,"never closed',
        b"3",
        b"4,5,6",
        b"\xff\xfe,x",
        b"7,8\0",
        b"9,z",
    ]
    path.write_bytes(b"\r\n".join(lines))
    rows = list(read_rows(path, ("a", "b")))
    assert [row.name for row in rows] == [f"t.csv line {number}" for number in (2, 4, 5, 6, 7, 8, 9)]
    cells = [row.cells for row in rows if isinstance(row, Row)]
    assert cells == [{"b": "1", "a": "x, y"}, {"b": "7", "a": "8\0"}, {"b": "9", "a": "z"}]
    with pytest.raises(UserError, match=r"t\.csv has no column c; it must have a, c"):
        list(read_rows(path, ("a", "c")))
    with pytest.raises(UserError, match="cannot read"):
        list(read_rows(tmp_path / "none.csv", ("a",)))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300) | st.text('a1,"\n', max_size=60).map(str.encode))
def test_every_line_of_a_table_is_a_row_or_a_finding(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(b"a,b\n" + content)
    rows = list(read_rows(tmp_path / "t.csv", ("a", "b")))
    lines = [line for line in re.split(rb"[\r\n]", content) if line.strip()]
    told = [line for line in lines if line.translate(None, b' \t\x0b\x0c,"')]
    assert len(told) <= len(rows) <= len(lines)


def test_folder(tmp_path: Path) -> None:
    recipes, findings = samples("folder", make_folder(tmp_path))
    assert findings == []
    assert [told(recipe) for recipe in recipes] == [
        [("turn left", 10), ("go, then stop", 10)],
        [('open the "red" door', 9)],
        [("wait", 20)],
    ]
    assert [numbers_of(recipe.decode())[0] for recipe in recipes] == [0, 30, 105]
    assert [recipe.scene for recipe in recipes] == ["folder a.mp4", "folder a.mp4", "folder day 2/b.mp4"]


def test_folder_names_each_row_that_it_cannot_use(tmp_path: Path) -> None:
    make_folder(tmp_path)
    rows = [
        ("video", "start", "end", "action"),
        ("a.mp4", 0, 1, "go"),
        ("a.mp4", 0.5, 1.5, "overlaps"),
        ("a.mp4", 3, 9, "beyond the end"),
        ("a.mp4", 2, 1, "backwards"),
        ("a.mp4", 2, 2.05, "short"),
        ("a.mp4", "soon", 3, "go"),
        ("a.mp4", "nan", 3, "go"),
        ("a.mp4", 2, 3, " "),
        ("none.mp4", 0, 1, "go"),
        ("a.mp4", 0, 1),
    ]
    write_csv(tmp_path / "actions.csv", rows)
    recipes, findings = samples("folder", tmp_path)
    assert [told(recipe) for recipe in recipes] == [[("go", 10)]]
    assert dict(reasons(findings)) == {
        "actions.csv line 3 (a.mp4)": "overlap",
        "actions.csv line 4 (a.mp4)": "range-outside",
        "actions.csv line 5 (a.mp4)": "range-outside",
        "actions.csv line 6 (a.mp4)": "too-short",
        "actions.csv line 7 (a.mp4)": "bad-row",
        "actions.csv line 8 (a.mp4)": "bad-row",
        "actions.csv line 9 (a.mp4)": "no-action",
        "actions.csv line 10 (none.mp4)": "missing-video",
        "actions.csv line 11": "bad-row",
    }
    write_csv(tmp_path / "more.csv", rows[:2])
    assert len(samples("folder", tmp_path, replace(SMALL, table=tmp_path / "more.csv"))[0]) == 1
    (tmp_path / "actions.csv").unlink()
    write_csv(tmp_path / "third.csv", rows[:2])
    with pytest.raises(UserError, match=r"holds 2 tables; name the table actions\.csv or point to it with --table"):
        open_adapter("folder", tmp_path, SMALL)


# ------------------------------------------------------------------------------------------------------- EPIC-KITCHENS


def test_epic_kitchens(tmp_path: Path) -> None:
    recipes, findings = samples("epic-kitchens", make_epic(tmp_path))
    assert findings == []
    assert [recipe.name for recipe in recipes] == ["P01_01_0", "P01_01_1", "P02_101_0"]
    assert {recipe.words for recipe in recipes} == {
        (Words("open door", "open"),) * 12,
        (Words("take plate", "take"),) * 18,
        (Words("put-down knife, fork", "put-down"),) * 15,
    }
    # 59.94 frames a second: 0.14 s is frame 8, and 0.1 s later comes frame 14.
    assert numbers_of(recipes[0].decode())[:3] == [8, 14, 20]
    assert [recipe.scene for recipe in recipes] == ["epic-kitchens P01", "epic-kitchens P01", "epic-kitchens P02"]
    with pytest.raises(UserError, match="no narrations for the split 'test'"):
        open_adapter("epic-kitchens", tmp_path, replace(SMALL, split="test"))
    with pytest.raises(UserError, match="EPIC_100_validation"):
        open_adapter("epic-kitchens", tmp_path, replace(SMALL, split="validation"))


def test_epic_kitchens_names_what_it_cannot_use(tmp_path: Path) -> None:
    make_epic(tmp_path)
    table = tmp_path / "EPIC_100_train.csv"
    rows = [
        table.read_text().splitlines()[0].split(","),
        epic_row(0, "P01_01", "00:00:00.14", "00:00:01.37"),
        epic_row(1, "P01_01", "00:00:03.00", "00:00:09.00"),
        epic_row(2, "P01_01", "00:00:01.50", "00:00:01.20"),
        epic_row(3, "P01_01", "00:00:01.50", "00:00:01.55"),
        epic_row(4, "P01_01", "half past one", "00:00:01.55"),
        epic_row(5, "P01_01", "00:61:01.50", "00:00:01.55"),
        epic_row(6, "P01_01", "00:00:01.50", "00:00:02.50", " "),
        epic_row(7, "P01_77", "00:00:00.00", "00:00:01.00"),
    ]
    write_csv(table, rows)
    info = tmp_path / "EPIC_100_video_info.csv"
    info.write_text(info.read_text().replace("P01_01,4.004", "P01_01,400.4"))
    recipes, findings = samples("epic-kitchens", tmp_path)
    assert [recipe.name for recipe in recipes] == ["P01_01_0"]
    assert reasons(findings) == [
        ("P01_01", "short-video"),
        ("P01_01_1", "range-outside"),
        ("P01_01_2", "range-outside"),
        ("P01_01_3", "too-short"),
        ("P01_01_4", "bad-row"),
        ("P01_01_5", "bad-row"),
        ("P01_01_6", "no-action"),
        ("P01_77_7", "missing-video"),
    ]
    assert [finding.lost for finding in findings] == [False] + [True] * 7


def test_epic_kitchens_videos_may_lie_in_one_folder(tmp_path: Path) -> None:
    make_epic(tmp_path)
    (tmp_path / "videos").mkdir()
    for path in list(tmp_path.glob("P*/videos/*.MP4")):
        path.rename(tmp_path / "videos" / path.with_suffix(".mp4").name)
    assert samples("epic-kitchens", tmp_path)[1] == []


# ------------------------------------------------------------------------------------------------------------- LeRobot


def test_lerobot(tmp_path: Path) -> None:
    recipes, findings = samples("lerobot", make_lerobot(tmp_path))
    assert findings == []
    assert [told(recipe) for recipe in recipes] == [
        [("Pick up the cube.", 14)],
        [("Open the drawer.", 12)],
        [("Pick up the cube.", 6), ("Open the drawer.", 5)],
    ]
    assert numbers_of(recipes[0].decode()) == list(range(0, 30, 2))
    assert numbers_of(recipes[1].decode()) == list(range(30, 55, 2))
    assert numbers_of(recipes[2].decode()) == list(range(100, 124, 2))
    assert open_adapter("lerobot", tmp_path, SMALL).licence == "apache-2.0"
    with pytest.raises(UserError, match=f"no camera 'wrist'; it has {CAMERA}"):
        open_adapter("lerobot", tmp_path, replace(SMALL, camera="wrist"))


def change_info(source: Path, **fields: Any) -> None:
    path = source / "meta" / "info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def change_episodes(source: Path, column: str, values: list[Any]) -> None:
    path = source / "meta" / "episodes" / "chunk-000" / "file-000.parquet"
    table = pq.read_table(path)
    pq.write_table(table.set_column(table.column_names.index(column), column, pa.array(values)), path)


def test_lerobot_splits(tmp_path: Path) -> None:
    make_lerobot(tmp_path)
    with pytest.raises(UserError, match="has no split 'test'; it has train"):
        open_adapter("lerobot", tmp_path, replace(SMALL, split="test"))
    change_info(tmp_path, splits={"train": "0:2", "validation": "2:3"})
    assert [recipe.name for recipe in samples("lerobot", tmp_path)[0]] == ["episode 0", "episode 1"]
    assert [recipe.name for recipe in samples("lerobot", tmp_path, replace(SMALL, split="validation"))[0]] == [
        "episode 2"
    ]


def test_lerobot_names_a_cut_file_once_however_often_it_is_asked(tmp_path: Path) -> None:
    video = make_lerobot(tmp_path) / "videos" / CAMERA / "chunk-000" / "file-000.mp4"
    with av.open(str(video)) as container:  # the index to the front, so that the rest can be cut off
        packets = [packet for packet in container.demux(video=0) if packet.dts is not None]
        with av.open(str(tmp_path / "front.mp4"), "w", options={"movflags": "faststart"}) as out:
            stream = out.add_stream_from_template(container.streams.video[0])
            for packet in packets:
                packet.stream = stream
                out.mux(packet)
    data = (tmp_path / "front.mp4").read_bytes()
    video.write_bytes(data[: len(data) - 200])
    (tmp_path / "front.mp4").unlink()
    recordings = list(open_adapter("lerobot", tmp_path, SMALL).recordings())
    for _ in range(2):
        found = [sample for each in recordings for sample in each.samples() if isinstance(sample, Finding)]
        assert reasons(found) == [(f"videos/{CAMERA}/chunk-000/file-000.mp4", "short-video")]


def test_lerobot_data_without_numbers_is_named(tmp_path: Path) -> None:
    data = make_lerobot(tmp_path) / "data" / "chunk-000" / "file-001.parquet"
    table = pq.read_table(data)
    for column, values in (("episode_index", ["two"] * 24), ("task_index", [[0]] * 24), ("task_index", ["a"] * 24)):
        place = table.column_names.index(column)
        pq.write_table(table.set_column(place, column, pa.array(values)), data)
        recipes, findings = samples("lerobot", tmp_path)
        assert [recipe.name for recipe in recipes] == ["episode 0", "episode 1"]
        assert reasons(findings) == [("episode 2", "broken-file")]


@pytest.mark.parametrize(
    ("column", "values", "found"),
    [
        ("length", [30, 26, 24], {("episode 1", "bad-row")}),
        ("length", [30, None, 24], {("episode 1", "bad-row")}),
        (f"videos/{CAMERA}/from_timestamp", [0.0, 1e12, 0.0], {("episode 1", "bad-row")}),
        (f"videos/{CAMERA}/to_timestamp", [1.5, 3.5, 1.2], {("episode 1", "bad-row")}),
        (f"videos/{CAMERA}/file_index", [0, 7, 1], {("episode 1", "missing-video")}),
        ("data/file_index", [0, 7, 1], {("episode 1", "broken-file")}),
        ("episode_index", [0, 9, 2], {("episode 9", "bad-row")}),
    ],
)
def test_lerobot_names_what_it_cannot_use(
    tmp_path: Path, column: str, values: list[Any], found: set[tuple[str, str]]
) -> None:
    make_lerobot(tmp_path)
    change_episodes(tmp_path, column, values)
    recipes, findings = samples("lerobot", tmp_path)
    assert [recipe.name for recipe in recipes] == ["episode 0", "episode 2"]
    assert set(reasons([each for each in findings if each.lost])) == found
    assert {each.reason for each in findings if not each.lost} <= {"short-video"}  # what nobody tells of now


def test_lerobot_tables_that_say_too_little(tmp_path: Path) -> None:
    make_lerobot(tmp_path)
    pq.write_table(pa.table({"task_index": [0], "task": ["Pick up the cube."]}), tmp_path / "meta" / "tasks.parquet")
    change_info(tmp_path, total_episodes=5)
    recipes, findings = samples("lerobot", tmp_path)
    assert [recipe.name for recipe in recipes] == ["episode 0"]
    assert reasons(findings) == [
        ("episode 1", "unknown-label"),
        ("episode 2", "unknown-label"),
        ("meta/info.json", "broken-file"),
    ]
    sound = (tmp_path / "meta" / "info.json").read_text()
    changes: tuple[tuple[dict[str, Any], str], ...] = (
        ({"codebase_version": "v2.1"}, "only version 3 is read"),
        ({"features": {}}, "has no camera; it has none"),
        ({"fps": 0}, "lacks a valid fps"),
        ({"video_path": "{video_key.__class__}"}, "lacks a valid fps, data_path or video_path"),
        ({"data_path": "{chunk_index:099999999d}"}, "lacks a valid fps, data_path or video_path"),
    )
    for fields, sentence in changes:
        (tmp_path / "meta" / "info.json").write_text(sound)
        change_info(tmp_path, **fields)
        with pytest.raises(UserError, match=sentence):
            open_adapter("lerobot", tmp_path, SMALL)


def test_lerobot_images_inside_the_table(tmp_path: Path) -> None:
    make_lerobot(tmp_path)
    side = "observation.images.side"
    info = json.loads((tmp_path / "meta" / "info.json").read_text())
    info["features"][side] = {"dtype": "image", "shape": [24, 36, 3], "names": ["height", "width", "channels"]}
    change_info(tmp_path, features=info["features"])
    for file, first in ((0, 0), (1, 100)):
        path = tmp_path / "data" / "chunk-000" / f"file-{file:03d}.parquet"
        table = pq.read_table(path)
        images = [{"bytes": png(image), "path": None} for image in numbered(table.num_rows, first)]
        pq.write_table(table.append_column(side, pa.array(images)), path)
    its_settings = replace(SMALL, camera=side)
    check_adapter(open_adapter("lerobot", tmp_path, its_settings), its_settings)
    recipes, findings = samples("lerobot", tmp_path, its_settings)
    assert findings == []
    assert numbers_of(recipes[1].decode()) == list(range(30, 55, 2))
    assert numbers_of(recipes[2].decode()) == list(range(100, 124, 2))


# ---------------------------------------------------------------------------------------------------------------- RLDS


def test_crc32c() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    # RFC 3720, B.4
    assert [crc32c(data) for data in (bytes(32), b"\xff" * 32, bytes(range(32)))] == [
        0x8A9136AA,
        0x62A8AB43,
        0x46DD794E,
    ]
    rng = np.random.default_rng(0)
    for size in (0, 1, 255, 256, 257, 258, 1023, 1024, 4099, 20_001):
        data = rng.bytes(size)
        assert crc32c(data) == crc32c(memoryview(data)) == slow_crc32c(data), size


def test_examples_of_any_kind(tmp_path: Path) -> None:
    floats = bytes([0x0D]) + np.float32(1.5).tobytes() + bytes([0x0D]) + np.float32(-2).tobytes()  # not packed
    data = example({"ints": [1, -1, 2**40], "floats": [0.5, -0.25], "bytes": [b"", b"x" * 300]})
    features = read_example(memoryview(data))
    assert features["ints"].tolist() == [1, -1, 2**40]  # type: ignore[union-attr]
    assert features["floats"].tolist() == [0.5, -0.25]  # type: ignore[union-attr]
    assert [bytes(each) for each in features["bytes"]] == [b"", b"x" * 300]
    inner = bytes([0x0A, 1]) + b"f" + bytes([0x12, len(floats) + 2, 0x12, len(floats)]) + floats
    loose = bytes([0x0A, len(inner) + 2, 0x0A, len(inner)]) + inner
    assert read_example(memoryview(loose))["f"].tolist() == [1.5, -2.0]  # type: ignore[union-attr]
    for broken in (data[:-1], b"\xff" * 40, b"\x0b\x00", bytes([0x0A, 200])):
        with pytest.raises(UnusableError, match="is no Example"):
            read_example(memoryview(broken))


def test_rlds(tmp_path: Path) -> None:
    recipes, findings = samples("rlds", make_rlds(tmp_path / "toy"))
    assert findings == []
    assert [told(recipe) for recipe in recipes] == [
        [("pick up the can", 11)],
        [("close the drawer", 8)],
        [("push the block", 9)],
    ]
    assert numbers_of(recipes[1].decode()) == list(range(100, 109))
    assert open_adapter("rlds", tmp_path / "toy", SMALL).licence == "CC BY 4.0"
    (test,), _ = samples("rlds", tmp_path / "toy", replace(SMALL, split="test"))
    assert told(test) == [("wave", 4)]
    with pytest.raises(UserError, match="has no split 'validation'; it has test, train"):
        open_adapter("rlds", tmp_path / "toy", replace(SMALL, split="validation"))
    wrist, _ = samples("rlds", tmp_path / "toy", replace(SMALL, camera="wrist_image"))
    assert numbers_of(wrist[0].decode())[:2] == [50, 51]
    slow, _ = samples("rlds", tmp_path / "toy", replace(SMALL, source_fps=5.0))
    assert numbers_of(slow[2].decode())[:5] == [150, 150, 151, 151, 152]  # each step lasts two frames
    nothing, findings = samples("rlds", tmp_path / "toy", replace(SMALL, camera="front"))
    assert (nothing, {finding.reason for finding in findings}) == ([], {"missing-video"})


def test_rlds_names_files_that_are_not_there_or_empty(tmp_path: Path) -> None:
    make_rlds(tmp_path / "toy")
    (tmp_path / "toy" / "toy-train.tfrecord-00000-of-00002").unlink()
    (tmp_path / "toy" / "toy-train.tfrecord-00001-of-00002").write_bytes(b"")
    recipes, findings = samples("rlds", tmp_path / "toy")
    assert recipes == []
    assert reasons(findings) == [
        ("toy-train.tfrecord-00001-of-00002 after record 0", "broken-file"),
        ("toy-train.tfrecord-00000-of-00002", "missing-file"),
    ]


def test_rlds_knows_the_splits_of_names(tmp_path: Path) -> None:
    toy = make_rlds(tmp_path / "toy")
    test = toy / "toy-test.tfrecord-00000-of-00001"
    for name in ("toy-val.tfrecord-00000-of-00001", "toy-unseen.tfrecord-00000-of-00001", "rest.tfrecord"):
        shutil.copy(test, toy / name)
    train, findings = samples("rlds", toy)
    assert len(train) == 3
    assert reasons(findings) == [("rest.tfrecord", "unknown-label"), (
        "toy-unseen.tfrecord-00000-of-00001", "unknown-label")]  # fmt: skip
    assert not any(finding.lost for finding in findings)
    validation, _ = samples("rlds", toy, replace(SMALL, split="validation"))
    assert [told(recipe) for recipe in validation] == [[("wave", 4)]]
    for path in toy.glob("toy-*"):
        path.unlink()
    whole, findings = samples("rlds", toy, replace(SMALL, split="test"))
    assert (len(whole), findings) == (1, [])


def test_rlds_names_damage_and_goes_on(tmp_path: Path) -> None:
    path = make_rlds(tmp_path / "toy") / "toy-train.tfrecord-00000-of-00002"
    first, second = record_places(path)
    sound = path.read_bytes()
    data = bytearray(sound)
    data[first.start + 40] ^= 1
    path.write_bytes(data)
    recipes, findings = samples("rlds", tmp_path / "toy")
    assert reasons(findings) == [(f"{path.name} record 1", "broken-file")]
    assert len(recipes) == 2
    for broken in (sound[:-5], sound[: second.start - 3], sound[:5], sound[: second.start - 12] + bytes([9] * 20)):
        path.write_bytes(broken)
        recipes, findings = samples("rlds", tmp_path / "toy")
        assert reasons(findings) == [(f"{path.name} after record {len(recipes) - 1}", "broken-file")]
        assert told(recipes[-1]) == [("push the block", 9)]
    images = [png(image) for image in numbered(4)]
    texts: list[list[bytes]] = [[b"go"] * 3, [b"\xff"] * 4, [b""] * 4]
    records = [example({"steps/observation/image": images, "steps/language_instruction": each}) for each in texts]
    records += [example({"steps/observation/image": images}), example({"steps/language_instruction": [b"go"]}), b"\xff"]
    records += [example({"steps/observation/image": images[:1], "steps/language_instruction": [b"go"]})]
    path.write_bytes(b"".join(map(framed, records)))
    found = [reason for _, reason in reasons(samples("rlds", tmp_path / "toy")[1])]
    assert found == ["no-action"] * 4 + ["missing-video", "broken-file", "too-short"]
    one_text = {"steps/observation/image": images, "language_instruction": [b"go"]}
    path.write_bytes(
        framed(example(one_text))
        + framed(example({**one_text, "steps/observation/image": [images[0], images[1], b"\x89PNG"]}))
    )
    recipes, _ = samples("rlds", tmp_path / "toy")
    assert told(recipes[0]) == [("go", 3)]
    with pytest.raises(UnusableError, match="image 2 cannot be decoded") as caught:
        recipes[1].decode()
    assert numbers_of(np.stack(caught.value.frames)) == [0, 1]


def test_a_record_changes_between_walk_and_reading(tmp_path: Path) -> None:
    path = make_rlds(tmp_path / "toy") / "toy-train.tfrecord-00001-of-00002"
    (place,) = record_places(path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UnusableError, match="fails its checksum"):
        read_record(place)


# ----------------------------------------------------------------------------------------------------------------- VPT


def step(keys: str = "", buttons: tuple[int, ...] = (), right: float = 0, down: float = 0, menu: bool = False) -> Step:
    return Step(frozenset(keys.split()), frozenset(buttons), right, down, menu, None)


@pytest.mark.parametrize(
    ("steps", "action", "verb"),
    [
        ([step()], "stay", "stay"),
        ([step("w")], "go forward", "go_forward"),
        ([step("s")], "go back", "go_back"),
        ([step("w s")], "stay", "stay"),
        ([step("a")], "step left", "step_left"),
        ([step("d"), step()], "step right", "step_right"),
        ([step("a d")], "stay", "stay"),
        ([step("w space")], "jump and go forward", "jump+go_forward"),
        ([step("w left.control")], "run forward", "run_forward"),
        ([step("w left.shift")], "sneak forward", "sneak_forward"),
        ([step(right=1.5)], "turn right", "turn_right"),
        ([step(right=-1.5)], "turn left", "turn_left"),
        ([step(right=0.9)], "stay", "stay"),  # 18 degrees a second
        ([step(right=3), step(right=-3)], "stay", "stay"),
        ([step(down=2)], "look down", "look_down"),
        ([step(down=-2)], "look up", "look_up"),
        ([step(buttons=(0,))], "attack", "attack"),
        ([step(buttons=(1,))], "use the item", "use_the_item"),
        ([step("q")], "drop the item", "drop_the_item"),
        ([step("w", (0,), right=-4)], "go forward, turn left and attack", "go_forward+turn_left+attack"),
        ([step("w"), step(menu=True)], "use the inventory", "use_inventory"),
        ([step("f3 e escape")], "stay", "stay"),
        ([step("1 4"), step("2")], "select item 4", "select_item_4"),
        ([step("f", (2,))], "pick the block and swap hands", "pick_the_block+swap_hands"),
        ([replace(step(), wheel=-120.0)], "select the next item", "select_the_next_item"),
    ],
)
def test_words_of_keys_and_mouse(steps: list[Step], action: str, verb: str) -> None:
    assert words_for(steps) == Words(action, verb)


def test_vpt(tmp_path: Path) -> None:
    recipes, findings = samples("vpt", make_vpt(tmp_path))
    assert findings == []
    assert told(recipes[0]) == [("go forward", 10), ("turn left", 5), ("jump and go forward", 5), ("attack", 4)]
    assert numbers_of(recipes[0].decode()) == list(range(0, 50, 2))
    assert recipes[0].scene == recipes[1].scene != recipes[2].scene
    # Minecraft's yaw -90 looks east; its z is south.
    np.testing.assert_array_equal(recipes[0].poses, [[841.5, -25.0, 0.0]] * 25)  # type: ignore[arg-type]
    for fps, numbers in ((20.0, [0, 1, 2]), (40.0, [0, 0, 1]), (7.0, [0, 3, 6])):
        at_rate, _ = samples("vpt", tmp_path, replace(SMALL, fps=fps))
        assert numbers_of(at_rate[0].decode())[:3] == numbers


def write_log(path: Path, lines: list[Any]) -> None:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))


def test_vpt_is_parted_by_lines_that_cannot_be_read(tmp_path: Path) -> None:
    make_video(tmp_path / "x.mp4", 60, 20)
    lines: list[Any] = [vpt_line("w")] * 60
    lines[20] = '{"mouse": null, "keyboard": null}'
    lines[23] = vpt_line(dx=float("inf"))
    write_log(tmp_path / "x.jsonl", lines)
    recipes, findings = samples("vpt", tmp_path)
    assert reasons(findings) == [("x.jsonl line 21", "bad-row"), ("x.jsonl line 24", "bad-row")]
    assert [recipe.name for recipe in recipes] == ["x", "x from 1.05 s", "x from 1.2 s"]
    assert [numbers_of(recipe.decode()) for recipe in recipes] == [
        list(range(0, 21, 2)),
        [21, 23],
        list(range(24, 60, 2)),
    ]


def test_a_blank_line_of_a_log_is_no_frame(tmp_path: Path) -> None:
    make_video(tmp_path / "x.mp4", 30, 20)
    write_log(tmp_path / "x.jsonl", ["", *[vpt_line("w")] * 30, "  ", ""])
    (recipe,), findings = samples("vpt", tmp_path)
    assert findings == []
    assert numbers_of(recipe.decode()) == list(range(0, 30, 2))


def test_vpt_counts_and_names_keys_without_words(tmp_path: Path) -> None:
    make_video(tmp_path / "x.mp4", 30, 20)
    write_log(tmp_path / "x.jsonl", [vpt_line("w f3 e")] * 7 + [vpt_line("1 tab", buttons=[3])] * 23)
    recipes, (finding,) = samples("vpt", tmp_path)
    assert told(recipes[0])[-1] == ("select item 1", 10)
    assert (finding.name, finding.reason, finding.lost) == ("x.jsonl", "unknown-label", False)
    assert finding.message == "no words for button 3 (lines: 23), f3 (lines: 7), tab (lines: 23); the rest is used"


def test_vpt_names_logs_and_videos_that_do_not_fit(tmp_path: Path) -> None:
    make_video(tmp_path / "short.mp4", 30, 20)
    write_log(tmp_path / "short.jsonl", [vpt_line("w")] * 60)
    write_log(tmp_path / "none.jsonl", [vpt_line("w")] * 60)
    make_video(tmp_path / "empty.mp4", 30, 20)
    write_log(tmp_path / "empty.jsonl", [])
    make_video(tmp_path / "alone.mp4", 30, 20)
    recipes, findings = samples("vpt", tmp_path)
    assert [numbers_of(recipe.decode())[-1] for recipe in recipes] == [28]
    assert reasons(findings) == [
        ("alone.mp4", "missing-file"),
        ("empty", "too-short"),
        ("none", "missing-video"),
        ("short.mp4", "short-video"),
    ]


def test_a_stuck_attack_button_is_no_attack(tmp_path: Path) -> None:
    make_video(tmp_path / "x.mp4", 12, 20)
    held = vpt_line(buttons=[0])
    pressed = json.loads(json.dumps(held))
    pressed["mouse"]["newButtons"] = [0]
    write_log(tmp_path / "x.jsonl", [pressed, *[held] * 5, pressed, *[held] * 5])
    (recipe,), _ = samples("vpt", tmp_path)
    assert told(recipe) == [("stay", 3), ("attack", 2)]
    assert Vpt.options == frozenset()


# ----------------------------------------------------------------------------------------------------------------- HDD


def test_hdd(tmp_path: Path) -> None:
    recipes, findings = samples("hdd", make_hdd(tmp_path))
    assert findings == []
    assert [told(recipe) for recipe in recipes] == [
        [("drive on", 20), ("turn left at the intersection", 20), ("brake", 10), ("stop and wait", 9)],
        [("change lane to the right", 20), ("drive on", 20), ("brake", 10), ("stop and wait", 9)],
    ]
    assert numbers_of(recipes[1].decode())[:3] == [20, 23, 26]
    assert {word.verb for word in recipes[0].words} == {"drive_on", "left_turn", "brake", "wait"}


def test_hdd_without_the_bus_or_the_clock(tmp_path: Path) -> None:
    make_hdd(tmp_path)
    for path in tmp_path.rglob("png_timestamp.csv"):
        path.unlink()
    recipes, findings = samples("hdd", tmp_path)  # the bus, which began 0.5 s earlier, is taken to begin with the video
    assert {(finding.reason, finding.lost) for finding in findings} == {("missing-file", False)}
    assert told(recipes[0])[2:] == [("drive on", 5), ("brake", 10), ("stop and wait", 4)]
    for path in tmp_path.rglob("general/csv/*.csv"):
        path.write_text("# unix_timestamp,iso,other\nnonsense,,\n")
    recipes, findings = samples("hdd", tmp_path)
    assert told(recipes[0])[2] == ("drive on", 19)
    assert {(each.name, each.reason, each.lost) for each in findings if each.reason != "missing-file"} == {
        (session, "broken-file", False) for session in ("201702271017", "201703011000")
    }


def test_hdd_names_what_it_cannot_use(tmp_path: Path) -> None:
    make_hdd(tmp_path)
    target = tmp_path / "target"
    np.save(target / "201701010000.npy", np.zeros(18, np.int64))
    np.save(target / "201702271017.npy", np.array([0] * 9 + [42] * 9))
    np.save(target / "201703011000.npy", np.zeros(4000, np.int64))
    (target / "damaged.npy").write_bytes(b"\x93NUMPY oh dear")
    day = tmp_path / "release_2019_07_08" / "2017_03_01_ITS1"
    shutil.copytree(day / "201703011000", day / "201703021000")
    video = "2017-02-27-10-17-27_new_0.75.mp4"
    make_video(tmp_path / "release_2019_07_08/2017_02_27_ITS1/201702271017/camera/center" / video, 120, 30)
    csv = tmp_path / "release_2019_07_08/2017_02_27_ITS1/201702271017/general/csv"
    (csv / "vel.csv").unlink()
    lines = (csv / "brake_pedal.csv").read_text().splitlines()
    (csv / "brake_pedal.csv").write_text("\n".join([*lines[:9], "soon,,never", *lines[10:20]]))
    recipes, findings = samples("hdd", tmp_path, replace(SMALL, episode_frames=21))
    assert [recipe.name for recipe in recipes] == ["201702271017 part 1 of 2"]
    assert reasons(findings) == [
        ("201701010000", "missing-video"),
        ("201702271017", "short-video"),
        ("201702271017", "missing-file"),
        ("201702271017", "bad-row"),
        ("201702271017", "broken-file"),
        ("201702271017 part 2 of 2", "unknown-label"),
        ("201703011000", "broken-file"),
        ("201703021000", "missing-file"),
        ("damaged", "broken-file"),
    ]
    assert {reason for _, reason in reasons(findings)} <= set(REASONS)
