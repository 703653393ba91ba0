"""The data format: exact round trips, whole-or-nothing writing, resuming, and a name for each defect."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_sets import content_of

from slowfast_vgen.action_texts import length_fault
from slowfast_vgen.data import format as data_format
from slowfast_vgen.data.format import (
    DatasetWriter,
    EpisodeDataset,
    read_chunks,
    read_episode,
    read_header,
    read_poses,
    write_episode,
)
from slowfast_vgen.data.headers import DatasetHeader
from slowfast_vgen.data.rules import DefectiveDataError
from slowfast_vgen.data.validate import check_dataset, check_datasets, check_episode
from slowfast_vgen.data.video import write_video
from slowfast_vgen.errors import UserError
from slowfast_vgen.sealed import OWN, own_hash
from slowfast_vgen.types import Chunk, Episode

DOCUMENT = Path(__file__).parents[1] / "docs" / "data-format.md"
HEADER = DatasetHeader("tiny", "train", 2, {"seed": 0})


def make_episode(seed: int = 0, lengths: tuple[int, ...] = (4, 3, 1), poses: bool = True, **metadata: Any) -> Episode:
    rng = np.random.default_rng(seed)
    num_frames = 1 + sum(lengths)
    starts = np.cumsum([1, *lengths])
    return Episode(
        frames=rng.integers(0, 256, (num_frames, 8, 12, 3), dtype=np.uint8),
        chunks=tuple(
            Chunk(f"turn {seed}", "turn_left", int(start), length)
            for start, length in zip(starts, lengths, strict=False)
        ),
        poses=rng.uniform(0, 359, (num_frames, 3)) if poses else None,
        fps=10.0,
        metadata={"scene": f"scene {seed}", "split": "train", "script": "spin", **metadata},
    )


def assert_same(read: Episode, written: Episode) -> None:
    np.testing.assert_array_equal(read.frames, written.frames)
    assert read.chunks == written.chunks
    assert (read.fps, read.metadata) == (written.fps, written.metadata)
    if written.poses is None:
        assert read.poses is None
    else:
        np.testing.assert_array_equal(read.poses, written.poses)
        assert read.poses is not None
        assert read.poses.dtype == np.float64


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    writer = DatasetWriter(tmp_path / "set", HEADER)
    for seed in range(2):
        writer.append(make_episode(seed))
    return tmp_path / "set"


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
# Texts that an action may be: the encoder reads so many tokens of it and no more.
ACTION = (
    st.text(st.characters(exclude_categories=["Cs"]), max_size=1000)
    .filter(str.strip)
    .filter(lambda text: length_fault(text) is None)
)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_sound_episode_comes_back_exactly(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    lengths = tuple(data.draw(st.lists(st.integers(1, 6), max_size=5)))
    episode = make_episode(data.draw(st.integers(0, 99)), lengths, poses=data.draw(st.booleans()))
    actions = data.draw(st.lists(ACTION, min_size=len(lengths), max_size=len(lengths)))
    chunks = tuple(replace(chunk, action=action) for chunk, action in zip(episode.chunks, actions, strict=True))
    metadata = data.draw(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), JSON_VALUES, max_size=4))
    episode = replace(episode, chunks=chunks, metadata=json.loads(json.dumps(metadata)))
    folder = tmp_path_factory.mktemp("episodes") / "000000"
    write_episode(folder, episode)
    assert_same(read_episode(folder), episode)
    assert check_episode(folder) == []


def test_header_and_tables_are_read_without_the_video(tmp_path: Path) -> None:
    episode = make_episode()
    write_episode(tmp_path / "e", episode)
    (tmp_path / "e" / "video.mp4").unlink()
    header = read_header(tmp_path / "e")
    assert (header.num_frames, header.height, header.width, header.fps, header.has_poses) == (9, 8, 12, 10.0, True)
    assert read_chunks(tmp_path / "e", header) == episode.chunks
    np.testing.assert_array_equal(read_poses(tmp_path / "e", header), episode.poses)


def test_lossy_episodes_are_sound_too(tmp_path: Path) -> None:
    write_episode(tmp_path / "e", make_episode(), lossless=False)
    assert check_episode(tmp_path / "e") == []
    assert read_episode(tmp_path / "e").num_frames == 9


def changed(**fields: Any) -> Episode:
    return replace(make_episode(), **fields)


@pytest.mark.parametrize(
    ("episode", "sentence"),
    [
        (changed(chunks=(Chunk("a", "", 2, 7),)), "chunk-gap: frames 1 to 1, before chunk 0"),
        (changed(chunks=(Chunk("a", "", 1, 5),)), "chunk-gap: frames 6 to 8, at the end"),
        (changed(chunks=()), "chunk-gap: frames 1 to 8"),
        (changed(chunks=(Chunk("a", "", 1, 5), Chunk("a", "", 3, 6))), "chunk-overlap: chunk 1 has frames 3 to 8"),
        (changed(chunks=(Chunk("a", "", 0, 9),)), "chunk-range: chunk 0 has frames 0 to 8"),
        (changed(chunks=(Chunk(" ", "", 1, 8),)), "empty-action"),
        (changed(chunks=(Chunk("a" * 1001, "", 1, 8),)), "1001 characters, over 1000"),
        (changed(chunks=(Chunk("go \udcff", "", 1, 8),)), "bad-text"),
        (changed(poses=np.zeros((8, 3))), "pose-count: 8 poses for 9 frames"),
        (changed(poses=np.full((9, 3), np.inf)), "pose-not-finite"),
        (changed(poses=np.full((9, 3), 360.0)), "heading-range"),
        (changed(poses=np.zeros((9, 2))), "float64 [N, 3]"),
        (changed(poses=np.zeros((9, 3), np.float32)), "float32"),
        (changed(frames=np.zeros((9, 8, 12), np.uint8)), "uint8 [N, H, W, 3]"),
        (changed(fps=0.0), "0.1 to 1000"),
        (changed(metadata={"value": float("nan")}), "JSON"),
        (changed(metadata={"value": np.zeros(3)}), "JSON"),
    ],
)
def test_an_unsound_episode_is_not_written(tmp_path: Path, episode: Episode, sentence: str) -> None:
    write_episode(tmp_path / "e", make_episode())
    with pytest.raises(UserError) as caught:
        write_episode(tmp_path / "e", episode)
    assert sentence in str(caught.value)
    assert_same(read_episode(tmp_path / "e"), make_episode())
    assert [path.name for path in tmp_path.iterdir()] == ["e"], "nothing half-written may stay"


# Each defect: how to bring it about in a sound data set of two episodes, and its name.


def reseal(path: Path, record: dict[str, Any]) -> None:
    """Writes a header whose own hash is right, whatever it says."""
    path.write_text(json.dumps(record | {OWN: own_hash(record)}))


def name_anew(folder: Path) -> None:
    """Brings the hashes in an episode's header up to date."""
    path = folder / "episode.json"
    record = json.loads(path.read_text())
    reseal(path, record | {"sha256": {name: data_format.sha256_of_file(folder / name) for name in record["sha256"]}})


def set_field(**fields: Any) -> Callable[[Path], None]:
    def mutate(path: Path) -> None:
        reseal(path, {**json.loads(path.read_text()), **fields})

    return mutate


def drop_field(name: str) -> Callable[[Path], None]:
    def mutate(path: Path) -> None:
        reseal(path, {key: value for key, value in json.loads(path.read_text()).items() if key != name})

    return mutate


def set_content(content: bytes) -> Callable[[Path], None]:
    return lambda path: [path.write_bytes(content)][0] and None


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def set_frames(num_frames: int, height: int = 8, width: int = 12) -> Callable[[Path], None]:
    """A whole video of its own, to which the header's checksum is fitted."""

    def mutate(path: Path) -> None:
        write_video(path, np.zeros((num_frames, height, width, 3), np.uint8), fps=10, lossless=True)
        set_field(video_sha256=data_format.sha256_of_file(path))(path.with_name("episode.json"))

    return mutate


def set_cell(column: str, row: int, value: Any) -> Callable[[Path], None]:
    def mutate(path: Path) -> None:
        table = pq.read_table(path)
        values = table.column(column).to_pylist()
        values[row] = value
        index = table.schema.get_field_index(column)
        pq.write_table(
            table.set_column(index, table.schema.field(index), pa.array(values, table.schema.types[index])), path
        )

    return mutate


def on_table(change: Callable[[pa.Table], pa.Table]) -> Callable[[Path], None]:
    return lambda path: pq.write_table(change(pq.ParquetFile(path).read()), path)


def cast(column: str, kind: pa.DataType) -> Callable[[Path], None]:
    def change(table: pa.Table) -> pa.Table:
        index = table.schema.get_field_index(column)
        return table.set_column(index, column, table.column(index).cast(kind))

    return on_table(change)


EPISODE = "episodes/000001/"
DEFECTS: list[tuple[str, str, Callable[[Path], Any]]] = [
    ("missing-file", "dataset.json", Path.unlink),
    ("missing-file", EPISODE + "episode.json", Path.unlink),
    ("missing-file", EPISODE + "video.mp4", Path.unlink),
    ("missing-file", EPISODE + "chunks.parquet", Path.unlink),
    ("missing-file", EPISODE + "poses.parquet", Path.unlink),
    ("extra-file", EPISODE + "notes.txt", Path.touch),
    ("extra-file", EPISODE + "poses.parquet", lambda path: set_field(has_poses=False)(path.with_name("episode.json"))),
    ("extra-file", "episodes/7", Path.mkdir),
    ("extra-file", "episodes/000002", Path.touch),
    ("bad-json", "dataset.json", set_content(b"{")),
    ("bad-json", EPISODE + "episode.json", set_content(b"\xff\xfe\x00")),
    ("bad-json", EPISODE + "episode.json", set_content(b"[" * 100_000)),
    ("wrong-format", "dataset.json", set_field(format="slowfast-episode")),
    ("wrong-version", "dataset.json", set_field(version=2)),
    ("wrong-version", EPISODE + "episode.json", set_field(version=True)),
    ("bad-header", "dataset.json", set_field(split="exam")),
    ("bad-header", "dataset.json", set_field(world=" ")),
    ("bad-header", EPISODE + "episode.json", set_content(b"[]")),
    ("bad-header", EPISODE + "episode.json", drop_field("height")),
    ("bad-header", EPISODE + "episode.json", set_field(num_frames="9")),
    ("bad-header", EPISODE + "episode.json", set_field(num_frames=0)),
    ("bad-header", EPISODE + "episode.json", set_field(fps=float("nan"))),
    ("bad-header", EPISODE + "episode.json", set_field(video_sha256="0" * 63)),
    ("bad-header", EPISODE + "episode.json", set_field(metadata=[])),
    ("episode-count", "dataset.json", set_field(num_episodes=3)),
    ("episode-count", "episodes/000001", shutil.rmtree),
    ("episode-numbers", "episodes/000000", shutil.rmtree),
    ("bad-video", EPISODE + "video.mp4", set_content(b"no video")),
    ("bad-video", EPISODE + "video.mp4", cut),
    ("frame-count", EPISODE + "video.mp4", set_frames(8)),
    ("frame-count", EPISODE + "video.mp4", set_frames(10)),
    ("frame-size", EPISODE + "video.mp4", set_frames(9, height=10)),
    ("checksum", EPISODE + "video.mp4", lambda path: path.write_bytes(path.read_bytes() + b"\0")),
    ("bad-table", EPISODE + "chunks.parquet", set_content(b"PAR1")),
    ("bad-table", EPISODE + "poses.parquet", cut),
    ("missing-column", EPISODE + "chunks.parquet", on_table(lambda table: table.drop_columns(["verb"]))),
    ("missing-column", EPISODE + "poses.parquet", on_table(lambda table: table.append_column("x", table.column("x")))),
    ("wrong-dtype", EPISODE + "chunks.parquet", cast("start_frame", pa.int64())),
    ("wrong-dtype", EPISODE + "poses.parquet", cast("heading", pa.float32())),
    ("empty-cell", EPISODE + "chunks.parquet", set_cell("action", 1, None)),
    ("empty-cell", EPISODE + "poses.parquet", set_cell("x", 1, None)),
    ("empty-action", EPISODE + "chunks.parquet", set_cell("action", 1, "\n ")),
    ("long-action", EPISODE + "chunks.parquet", set_cell("action", 1, "a" * 1001)),
    ("chunk-gap", EPISODE + "chunks.parquet", set_cell("start_frame", 1, 6)),
    ("chunk-gap", EPISODE + "chunks.parquet", on_table(lambda table: table.slice(0, 0))),
    ("chunk-overlap", EPISODE + "chunks.parquet", set_cell("start_frame", 1, 4)),
    ("chunk-range", EPISODE + "chunks.parquet", set_cell("start_frame", 0, 0)),
    ("chunk-range", EPISODE + "chunks.parquet", set_cell("num_frames", 2, 2**31 - 1)),
    ("chunk-range", EPISODE + "chunks.parquet", set_cell("num_frames", 1, -3)),
    ("pose-count", EPISODE + "poses.parquet", on_table(lambda table: table.slice(1))),
    ("pose-count", EPISODE + "poses.parquet", on_table(lambda table: table.slice(0, 0))),
    ("pose-not-finite", EPISODE + "poses.parquet", set_cell("y", 4, float("nan"))),
    ("heading-range", EPISODE + "poses.parquet", set_cell("heading", 4, 360.0)),
    ("heading-range", EPISODE + "poses.parquet", set_cell("heading", 4, -0.5)),
    ("split-mismatch", EPISODE + "episode.json", set_field(metadata={"split": "test"})),
]


@pytest.mark.parametrize(("code", "name", "mutate"), DEFECTS)
def test_each_defect_is_named(dataset: Path, code: str, name: str, mutate: Callable[[Path], Any]) -> None:
    assert check_dataset(dataset) == []
    mutate(dataset / name)
    defects = check_dataset(dataset)
    assert code in {defect.code for defect in defects}
    assert all(str(dataset) in defect.path for defect in defects)
    assert all("\n" not in str(defect) for defect in defects), "one line each"


def test_several_defects_are_all_named(dataset: Path) -> None:
    (dataset / "episodes/000000/extra").touch()
    set_field(num_frames=10, width=13)(dataset / EPISODE / "episode.json")
    found = [(Path(defect.path).name, defect.code) for defect in check_dataset(dataset)]
    wanted = [("extra", "extra-file"), ("video.mp4", "frame-count"), ("video.mp4", "frame-size")]
    assert found == [*wanted, ("chunks.parquet", "chunk-gap"), ("poses.parquet", "pose-count")]


def test_every_documented_defect_is_tested() -> None:
    table = DOCUMENT.read_text().split("## Checking")[1]
    documented = set(re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE))
    # The three that no file of one data set shows have tests of their own.
    assert documented == {code for code, _, _ in DEFECTS} | {"bad-text", "leaked-scene", "unreadable"}


def test_an_unreadable_file_is_named(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(data_format, "sha256_of_file", refuse)
    assert {defect.code for defect in check_dataset(dataset)} == {"unreadable"}


def test_a_short_video_names_both_counts_and_is_never_shortened(dataset: Path) -> None:
    video = dataset / EPISODE / "video.mp4"
    set_frames(7)(video)
    with pytest.raises(DefectiveDataError, match="the video has 7 frames, the header says 9"):
        read_episode(dataset / EPISODE)
    cut(video)
    with pytest.raises(DefectiveDataError, match=r"only \d of its 7 frames.*the header says 9 frames"):
        EpisodeDataset(dataset)[1]


def test_an_exchanged_video_is_refused(dataset: Path) -> None:
    shutil.copy(dataset / "episodes/000000/video.mp4", dataset / EPISODE / "video.mp4")
    with pytest.raises(DefectiveDataError, match="checksum"):
        read_episode(dataset / EPISODE)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_garbage_never_crashes_the_check(dataset: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["dataset.json", *(EPISODE + f for f in data_format_files())]))
    path = dataset / name
    sound = path.read_bytes()
    content = bytearray(sound)
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=6)):
        content[place] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content
    path.write_bytes(content)
    try:
        for defect in check_datasets([dataset]):
            str(defect).encode("utf-8", "surrogateescape")
    finally:
        path.write_bytes(sound)


def data_format_files() -> list[str]:
    return ["episode.json", "video.mp4", "chunks.parquet", "poses.parquet"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    field=st.sampled_from(["metadata", "num_frames", "fps", "has_poses", "format", "version", "width"]),
    value=JSON_VALUES,
)
def test_odd_header_values_never_crash_the_check(dataset: Path, field: str, value: Any) -> None:
    path = dataset / EPISODE / "episode.json"
    sound = path.read_bytes()
    set_field(**{field: value})(path)
    try:
        check_datasets([dataset])
    finally:
        path.write_bytes(sound)


def test_scenes_shared_between_splits_are_named(tmp_path: Path) -> None:
    def write(name: str, split: str, *episodes: Episode) -> Path:
        writer = DatasetWriter(tmp_path / name, DatasetHeader("tiny", split, len(episodes)))
        for episode in episodes:
            writer.append(replace(episode, metadata={**episode.metadata, "split": split}))
        return tmp_path / name

    train = write("train", "train", make_episode(1), make_episode(2))
    other = write("other", "train", make_episode(1))
    same_scene = write("same_scene", "test", make_episode(3), make_episode(4, scene="scene 2"))
    same_video = write("same_video", "validation", make_episode(1, scene="renamed"))
    assert check_datasets([train, other]) == []
    assert check_datasets([same_scene]) == []
    (defect,) = check_datasets([train, same_scene])
    assert (defect.code, defect.path) == ("leaked-scene", str(same_scene / "episodes/000001"))
    assert str(train / "episodes/000001") in defect.message
    assert "video" in check_datasets([same_video, train])[0].message


def test_making_goes_on_after_a_stop(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    first = DatasetWriter(folder, replace(HEADER, num_episodes=3))
    assert (first.num_present, folder.exists()) == (0, False)
    first.append(make_episode(0))
    with pytest.raises(UserError, match="holds 1 of its 3 episodes"):
        EpisodeDataset(folder)
    assert len(EpisodeDataset(folder, unfinished=True)) == 1
    (folder / "episodes" / ".000001.part-0").mkdir()

    second = DatasetWriter(folder, replace(HEADER, num_episodes=3))
    assert second.num_present == 1
    second.append(make_episode(1))
    second.append(make_episode(2))
    assert check_dataset(folder) == []
    for index, episode in enumerate(EpisodeDataset(folder)):
        assert_same(episode, make_episode(index))


def test_a_smaller_wish_keeps_all_and_a_larger_one_adds(dataset: Path) -> None:
    DatasetWriter(dataset, replace(HEADER, num_episodes=1))
    assert EpisodeDataset(dataset).header.num_episodes == 2
    writer = DatasetWriter(dataset, replace(HEADER, num_episodes=3))
    writer.append(make_episode(2))
    assert len(EpisodeDataset(dataset)) == 3


def test_a_folder_with_something_else_is_refused_and_kept(dataset: Path, tmp_path: Path) -> None:
    before = sorted((path, path.read_bytes()) for path in dataset.rglob("*") if path.is_file())
    with pytest.raises(UserError, match="was made with seed 0, not with seed 1"):
        DatasetWriter(dataset, replace(HEADER, creation={"seed": 1}))
    with pytest.raises(UserError, match="split train, not with split test"):
        DatasetWriter(dataset, replace(HEADER, split="test"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("")
    with pytest.raises(UserError, match="holds no data set"):
        DatasetWriter(tmp_path / "mine", HEADER)
    with pytest.raises(UserError, match="holds no data set"):
        DatasetWriter(tmp_path / "mine" / "thesis.txt", HEADER)
    assert sorted((path, path.read_bytes()) for path in dataset.rglob("*") if path.is_file()) == before


def test_a_data_set_that_cannot_be_opened(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"dataset\.json: missing-file"):
        EpisodeDataset(tmp_path / "none")
    shutil.rmtree(dataset / "episodes/000000")
    with pytest.raises(UserError, match="not numbered 0 to 0"):
        EpisodeDataset(dataset)


def test_the_content_hash_follows_pixels_and_actions_alone(dataset: Path) -> None:
    before = content_of(EpisodeDataset(dataset))
    set_field(metadata={"note": "new"})(dataset / EPISODE / "episode.json")
    on_table(lambda table: table)(dataset / EPISODE / "chunks.parquet")
    name_anew(dataset / EPISODE)
    assert content_of(EpisodeDataset(dataset)) == before
    set_cell("action", 0, "turn right")(dataset / EPISODE / "chunks.parquet")
    name_anew(dataset / EPISODE)
    changed_action = content_of(EpisodeDataset(dataset))
    write_episode(dataset / EPISODE, make_episode(5))
    assert len({before, changed_action, content_of(EpisodeDataset(dataset))}) == 3


def test_the_example_in_the_document_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    exec(example, {})
