"""`slowfast data import` and `export`: whole imports, stopped ones, damaged sources, and the way out to LeRobot."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from made_results import by_name
from made_sources import SOURCES, make_folder, make_rlds, make_vpt, numbers_of, write_csv

from slowfast_vgen.cli.main import main
from slowfast_vgen.data import import_report, importing, lerobot_export
from slowfast_vgen.data.adapters.base import REASONS, ImportSettings, Words
from slowfast_vgen.data.adapters.hdd import BRAKE, DRIVE, GOALS, WAIT
from slowfast_vgen.data.adapters.registry import ADAPTERS
from slowfast_vgen.data.format import DatasetWriter, EpisodeDataset, write_episode
from slowfast_vgen.data.headers import DatasetHeader
from slowfast_vgen.data.validate import check_dataset
from slowfast_vgen.data.video import write_video
from slowfast_vgen.errors import UserError
from slowfast_vgen.files import read_json
from slowfast_vgen.sealed import write_record
from slowfast_vgen.types import Chunk, Episode

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "howto" / "bring-your-data.md"
LICENCES = {
    "epic-kitchens": "CC BY-NC 4.0 (EPIC-KITCHENS-100: non-commercial use, with credit)",
    "folder": "not stated",
    "hdd": "by agreement with Honda Research Institute USA, for non-commercial research",
    "lerobot": "apache-2.0",
    "rlds": "CC BY 4.0",
    "vpt": "not stated with the recordings; see the page of Video PreTraining (VPT)",
}


def run(name: str, source: Path, out: Path, *more: str) -> int:
    return main(["data", "import", "--from", name, str(source), str(out), "--size", "16", *more])


def report_of(out: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((out / "import.json").read_text())
    return report


def content(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_becomes_a_sound_data_set(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = SOURCES[name](tmp_path / "source"), tmp_path / "out"
    assert run(name, source, out, "--json", str(tmp_path / "made.json")) == 0
    printed = capsys.readouterr().out
    assert f"licence: {LICENCES[name]}\n" in printed
    assert check_dataset(out) == []
    dataset = EpisodeDataset(out)
    assert (dataset.header.world, dataset.header.split) == (name, "train")
    assert f"{out} holds {len(dataset)} episodes" in printed
    for episode in dataset:
        assert episode.fps == 10
        assert episode.frames.shape[1:] == (16, 16, 3)
        assert max(chunk.num_frames for chunk in episode.chunks) == 4
        assert episode.metadata["licence"] == LICENCES[name]
        assert {"world", "split", "scene", "script", "source"} <= set(episode.metadata)
        assert (episode.poses is not None) == (name == "vpt")
    report = report_of(out)
    assert (report["is_finished"], report["episodes"], report["left_out"]) == (True, len(dataset), {})
    figures = by_name(json.loads((tmp_path / "made.json").read_text()))
    assert figures["episodes"]["mean"] == len(dataset)


def make_faulty_folder(source: Path) -> Path:
    """The folder of `made_sources` with rows that cannot be used between those that can."""
    make_folder(source)
    lines = (source / "actions.csv").read_text().splitlines()
    lines[2:2] = ["a.mp4,soon,later,go", "none.mp4,0,1,go"]
    lines.append("a.mp4,0.2,0.8,overlaps")
    (source / "actions.csv").write_text("\n".join(lines) + "\n")
    return source


def test_what_cannot_be_used_is_counted_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = make_faulty_folder(tmp_path / "source"), tmp_path / "out"
    assert run("folder", source, out) == 0
    report = report_of(out)
    assert (report["episodes"], report["recordings_done"], report["samples_done"]) == (3, 3, 0)
    left_out = {reason: [each["name"] for each in tally["first"]] for reason, tally in report["left_out"].items()}
    assert left_out == {
        "bad-row": ["actions.csv line 3 (a.mp4)"],
        "overlap": ["actions.csv line 8 (a.mp4)"],
        "missing-video": ["actions.csv line 4 (none.mp4)"],
    }
    assert {tally["count"] for tally in report["left_out"].values()} == {1}
    printed = capsys.readouterr().out
    assert "left out: bad-row 1, first actions.csv line 3 (a.mp4): start is 'soon', want a number" in printed
    assert f"report: {out / 'import.json'}" in printed


def stop_at(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, call: int) -> None:
    """Makes Ctrl-C come when a function is called for the `call`-th time, from 0."""
    kept: Callable[..., Any] = getattr(owner, name)
    count = 0

    def stopping(*args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        if count > call:
            raise KeyboardInterrupt
        return kept(*args, **kwargs)

    monkeypatch.setattr(owner, name, stopping)


@pytest.mark.parametrize(("owner", "name"), [(DatasetWriter, "append"), (import_report, "write_record")])
@pytest.mark.parametrize("call", [0, 1, 2])
def test_a_stopped_import_goes_on_to_the_same_result(
    owner: Any,
    name: str,
    call: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = make_faulty_folder(tmp_path / "source")
    words = ["--episode-frames", "12"]
    assert run("folder", source, tmp_path / "whole", *words) == 0
    with monkeypatch.context() as context:
        stop_at(context, owner, name, call)
        assert run("folder", source, tmp_path / "stopped", *words) == 130
    assert "the same command goes on from there" in capsys.readouterr().err
    written = []
    monkeypatch.setattr(
        "slowfast_vgen.data.format.write_episode",
        lambda folder, *rest: (written.append(folder.name), write_episode(folder, *rest)),
    )
    assert run("folder", source, tmp_path / "stopped", *words) == 0
    assert content(tmp_path / "stopped") == content(tmp_path / "whole")
    num_made_before = call if owner is DatasetWriter else call + 1  # the report comes after the episode
    assert written == [f"{number:06d}" for number in range(num_made_before, 5)]
    assert run("folder", source, tmp_path / "stopped", *words) == 0
    assert content(tmp_path / "stopped") == content(tmp_path / "whole")
    assert len(written) == 5 - num_made_before


def test_a_limit_can_be_raised(tmp_path: Path) -> None:
    source = make_faulty_folder(tmp_path / "source")
    assert run("folder", source, tmp_path / "whole") == 0
    for limit in (1, 2):
        assert run("folder", source, tmp_path / "out", "--limit", str(limit)) == 0
        assert len(EpisodeDataset(tmp_path / "out")) == limit
        assert not report_of(tmp_path / "out")["is_finished"]
    assert run("folder", source, tmp_path / "out", "--limit", "9") == 0
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_recordings_are_opened_when_their_turn_comes(tmp_path: Path) -> None:
    source = make_vpt(tmp_path / "source")
    for path in sorted(source.glob("*.mp4"))[1:]:
        path.write_bytes(b"never looked at")
    assert run("vpt", source, tmp_path / "out", "--limit", "1") == 0
    assert report_of(tmp_path / "out")["left_out"] == {}


def test_too_many_bad_samples_end_the_import(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = make_folder(tmp_path / "source"), tmp_path / "out"
    with (source / "actions.csv").open("a") as table:
        table.write("".join(f"none.mp4,{second},{second + 1},go\n" for second in range(200)))
    assert run("folder", source, out) == 2
    error = capsys.readouterr().err
    assert "51 of 54 samples so far cannot be used, more than the share of 0.5; fix the source and import it" in error
    assert "most often: missing-video, first actions.csv line 6 (none.mp4): there is no video" in error
    assert report_of(out)["left_out"]["missing-video"]["count"] == 51
    assert run("folder", source, out, "--max-bad-share", "1") == 0
    report = report_of(out)
    assert (report["episodes"], report["left_out"]["missing-video"]["count"]) == (3, 200)
    assert len(report["left_out"]["missing-video"]["first"]) == 100
    findings = [json.loads(line) for line in (out / "import_findings.jsonl").read_text().splitlines()]
    assert [each["name"] for each in findings] == [f"actions.csv line {line} (none.mp4)" for line in range(6, 206)]
    assert {(each["reason"], each["lost"]) for each in findings} == {("missing-video", True)}
    assert len(EpisodeDataset(out)) == 3


def test_a_source_of_which_nothing_can_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = make_folder(tmp_path / "source"), tmp_path / "out"
    (source / "a.mp4").rename(source / "away.mp4")
    (source / "day 2" / "b.mp4").unlink()
    for _ in range(2):
        assert run("folder", source, out, "--max-bad-share", "1") == 2
        assert "4 of 4 samples cannot be used, so there is nothing to use; most often: missing-video" in (
            capsys.readouterr().err
        )
    (source / "away.mp4").rename(source / "a.mp4")
    assert run("folder", source, out) == 0
    assert len(EpisodeDataset(out)) == 2
    write_csv(source / "actions.csv", [("video", "start", "end", "action")])
    assert run("folder", source, tmp_path / "other") == 2
    assert "the source holds nothing to import" in capsys.readouterr().err


def test_a_bad_start_does_not_say_that_there_is_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = make_folder(tmp_path / "source"), tmp_path / "out"
    head, *lines = (source / "actions.csv").read_text().splitlines()
    lost = [f"none.mp4,{second},{second + 1},go" for second in range(60)]
    (source / "actions.csv").write_text("\n".join([head, *lost, *lines]) + "\n")
    assert run("folder", source, out) == 2
    assert "51 of 51 samples so far cannot be used, more than the share of 0.5" in capsys.readouterr().err
    assert run("folder", source, out, "--max-bad-share", "1") == 0
    assert (len(EpisodeDataset(out)), report_of(out)["left_out"]["missing-video"]["count"]) == (3, 60)


def test_a_file_of_the_users_own_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = make_folder(tmp_path / "source"), tmp_path / "out"
    out.mkdir()
    (out / "import.json").write_text('{"my": "settings"}')
    assert run("folder", source, out) == 2
    assert "give a new or empty folder" in capsys.readouterr().err
    assert content(out) == {"import.json": b'{"my": "settings"}'}


def test_a_source_with_other_recordings_is_not_gone_on_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = SOURCES["hdd"](tmp_path / "hdd"), tmp_path / "out"
    assert run("hdd", source, out, "--limit", "1") == 0
    earlier = source / "2016_01_01_ITS1" / "201601011000" / "camera" / "center"
    earlier.mkdir(parents=True)
    shutil.copy(next(source.rglob("*.mp4")), earlier / "drive.mp4")
    assert run("hdd", source, out) == 2
    assert "was made with tables" in capsys.readouterr().err
    assert len(EpisodeDataset(out)) == 1
    source, out = make_folder(tmp_path / "folder"), tmp_path / "other"
    assert run("folder", source, out, "--limit", "1") == 0
    report = report_of(out)
    report["last_recording"], report["recordings_done"] = "z.mp4", 1
    write_record(out / "import.json", report)
    assert run("folder", source, out) == 2
    assert "recording 1 was z.mp4 and is a.mp4 now; import into another folder" in capsys.readouterr().err


def test_a_video_that_comes_late_makes_no_episode_twice(tmp_path: Path) -> None:
    source, out = SOURCES["lerobot"](tmp_path / "source"), tmp_path / "out"
    video = sorted(source.rglob("*.mp4"))[0]
    video.rename(tmp_path / "later.mp4")
    words = ["--episode-frames", "6", "--max-bad-share", "1"]
    assert run("lerobot", source, out, "--limit", "1", *words) == 0
    (tmp_path / "later.mp4").rename(video)
    assert run("lerobot", source, out, *words) == 0
    names = [episode.metadata["source"] for episode in EpisodeDataset(out)]
    assert len(set(names)) == len(names) > 1


def test_a_data_set_within_the_source_is_none_of_it(tmp_path: Path) -> None:
    source = make_vpt(tmp_path / "source")
    assert run("vpt", source, source / "made", "--limit", "1") == 0
    assert run("vpt", source, source / "made") == 0
    assert report_of(source / "made")["left_out"] == {}
    assert len(EpisodeDataset(source / "made")) == 3


def test_the_licence_that_is_given_is_told_everywhere(tmp_path: Path) -> None:
    source, out = make_folder(tmp_path / "source"), tmp_path / "out"
    assert run("folder", source, out, "--licence", "CC0", "--json", str(tmp_path / "made.json")) == 0
    assert json.loads((tmp_path / "made.json").read_text())["protocol"]["licence"] == "CC0"
    assert {episode.metadata["licence"] for episode in EpisodeDataset(out)} == {"CC0"}


def test_other_settings_or_tables_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = make_folder(tmp_path / "source"), tmp_path / "out"
    assert run("folder", source, out) == 0
    before = content(out)
    for words, told in (
        (["--fps", "5"], "fps 10.0, not with fps 5.0"),
        (["--split", "test"], "split train, not with split test"),
        (["--lossy"], "lossless True, not with lossless False"),
    ):
        assert run("folder", source, out, *words) == 2
        assert f"was made with {told}" in capsys.readouterr().err
    table_text = (source / "actions.csv").read_text()
    (source / "actions.csv").write_text(table_text.replace("3.9", "3.8"))  # as long as before
    assert run("folder", source, out) == 2
    assert "was made with tables " in capsys.readouterr().err
    (source / "actions.csv").write_text(table_text)
    with (source / "actions.csv").open("a") as table:
        table.write("a.mp4,2.2,2.8,go\n")
    assert run("folder", source, out) == 2
    assert "was made with tables " in capsys.readouterr().err
    assert content(out) == before
    shutil.rmtree(out / "episodes" / "000001")
    assert run("folder", make_folder(tmp_path / "again"), out) == 2
    assert run("rlds", make_rlds(tmp_path / "rlds"), tmp_path / "source") == 2
    assert "holds no data set; give a new or empty folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--from", "disco"], 'there is no adapter "disco"'),
        (["--from", "folder", "--camera", "top"], 'the adapter "folder" reads no --camera'),
        (["--from", "folder", "--max-bad-share", "2"], "'2' is not a number from 0 to 1"),
        (["--from", "folder", "--fps", "nan"], "'nan' is not a number from 0.1"),
        (["--from", "folder", "--limit", "0"], "'0' is not a whole number"),
        (["--from", "folder", "--table", "none.csv"], "cannot read none.csv"),
    ],
)
def test_a_wrong_setting_is_told_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    source = make_folder(tmp_path / "source")
    assert main(["data", "import", *words, str(source), str(tmp_path / "out")]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_options_reach_the_episodes(tmp_path: Path) -> None:
    source, out = make_folder(tmp_path / "source"), tmp_path / "out"
    write_csv(source / "one.csv", [("video", "start", "end", "action"), ("a.mp4", 0, 2, "go")])
    words = ["--size", "32", "--fps", "5", "--chunk-frames", "3", "--split", "validation", "--licence", "mine"]
    assert run("folder", source, out, *words, "--table", str(source / "one.csv"), "--lossy") == 0
    (episode,) = EpisodeDataset(out)
    assert (episode.frames.shape, episode.fps) == ((11, 32, 32, 3), 5)
    assert [chunk.num_frames for chunk in episode.chunks] == [3, 3, 3, 1]
    assert (episode.metadata["licence"], episode.metadata["split"]) == ("mine", "validation")
    assert EpisodeDataset(out).header.creation["licence"] == "mine"


def make_broken_folder(source: Path) -> np.ndarray:
    """Two videos of five actions each, the first of them cut off; returns the frames of the whole ones."""
    noise = np.random.default_rng(0).integers(0, 256, (60, 16, 16, 3), dtype=np.uint8)
    rows = [(name, second, second + 1, f"action {second}") for name in ("a.mp4", "b.mp4") for second in range(5)]
    write_csv(source / "actions.csv", [("video", "start", "end", "action"), *rows])
    write_video(source / "a.mp4", noise, 10, lossless=True)
    whole = (source / "a.mp4").read_bytes()
    (source / "b.mp4").write_bytes(whole)
    (source / "a.mp4").write_bytes(whole[: len(whole) * 6 // 10])
    return noise


def test_a_break_in_the_middle_costs_what_comes_after_it(tmp_path: Path) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    noise = make_broken_folder(source)
    assert run("folder", source, out) == 0
    first, second = EpisodeDataset(out)
    kept = first.num_frames
    assert kept in (21, 31)  # whole actions only
    assert first.metadata["frames_of_source"] == 51
    np.testing.assert_array_equal(first.frames, noise[:kept])
    np.testing.assert_array_equal(second.frames, noise[:51])
    report = report_of(out)
    assert report["left_out"] == {}
    names = {each["name"] for tally in report["noticed"].values() for each in tally["first"]}
    assert names == {"a.mp4", "a.mp4 line 2"}
    assert f"its first {kept} of 51 frames are used" in report["noticed"]["broken-video"]["first"][0]["message"]


def test_a_break_is_told_though_the_import_died_just_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "source"
    make_broken_folder(source)
    assert run("folder", source, tmp_path / "whole") == 0
    with monkeypatch.context() as context:
        stop_at(context, import_report, "write_record", 0)
        assert run("folder", source, tmp_path / "stopped") == 130
    (tmp_path / "stopped" / ".import.json.part-0").mkdir()
    assert run("folder", source, tmp_path / "stopped") == 0
    assert content(tmp_path / "stopped") == content(tmp_path / "whole")


def test_chunks_end_where_the_words_change() -> None:
    go, stay = Words("go"), Words("stay", "stay")
    assert importing.chunks_of((go, go, go, stay), 2) == (
        Chunk("go", "", 1, 2),
        Chunk("go", "", 3, 1),
        Chunk("stay", "stay", 4, 1),
    )
    assert importing.chunks_of((), 2) == ()


def test_a_foreign_report_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = make_folder(tmp_path / "source"), tmp_path / "out"
    assert run("folder", source, out) == 0
    for text, sentence in (("[]", "is no report of an import"), ("{", "is not valid JSON")):
        (out / "import.json").write_text(text)
        assert run("folder", source, out) == 2
        assert sentence in capsys.readouterr().err
    (out / "import.json").unlink()
    assert run("folder", source, out) == 2
    assert "holds 3 episodes, its import.json counts 0; use a new folder" in capsys.readouterr().err


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set whose import left something out, beside its source."""
    folder = tmp_path_factory.mktemp("imported")
    make_broken_folder(folder / "source")
    assert run("folder", folder / "source", folder / "out") == 0
    assert report_of(folder / "out")["noticed"]
    return folder


@pytest.mark.parametrize("name", ["import.json", "import_findings.jsonl"])
def test_every_byte_of_a_report_counts(imported: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = imported / "out" / name
    kept, rng = path.read_bytes(), np.random.default_rng(0)
    told = report_of(imported / "out")
    try:
        for place in rng.choice(len(kept), 150, replace=False):
            flipped = bytearray(kept)
            flipped[place] ^= 1 << int(rng.integers(8))
            path.write_bytes(flipped)
            try:
                import_report.read_report(imported / "out")
            except UserError as error:
                assert name in str(error)
                continue
            assert name == "import.json" and json.loads(flipped) == told  # the same in another way
        path.write_bytes(kept.replace(b"a.mp4", b"b.mp4", 1))
        assert main(["data", "check", str(imported / "out")]) == 1
        assert f"{path}: checksum: its " in capsys.readouterr().out
        for words in (["data", "info"], ["data", "info", "--card", "--out", str(imported / "cards")]):
            assert main([*words, str(imported / "out")]) == 2
            assert f"{path}: checksum: its " in capsys.readouterr().err
        assert run("folder", imported / "source", imported / "out") == 2
        assert f"{path}: checksum: its " in capsys.readouterr().err
    finally:
        path.write_bytes(kept)
    assert main(["data", "check", str(imported / "out")]) == 0


def test_a_report_of_before_there_were_seals_is_read_and_told(
    imported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    shutil.copytree(imported / "out", out)
    old = {name: value for name, value in report_of(out).items() if name not in ("sha256", "header_sha256")}
    (out / "import.json").write_text(json.dumps(old, indent=2))
    for command in ("check", "info"):
        assert main(["data", command, str(out)]) == 0
        assert f"{out / 'import.json'} is of before reports had a SHA-256" in capsys.readouterr().out
    assert run("folder", imported / "source", out) == 0
    assert content(out) == content(imported / "out"), "going on seals it"


@pytest.mark.parametrize(
    "changes",
    [
        {"episodes": -1},
        {"episodes": True},
        {"is_finished": 1},
        {"last_recording": 3},
        {"left_out": []},
        {"left_out": {"broken": {"count": 1, "first": []}}},
        {"left_out": {"broken": {"count": 1, "first": [{"name": "a"}]}}},
        {"left_out": {"broken": {"count": 1, "first": [3]}}},
    ],
)
def test_impossible_reports_are_refused_though_their_hash_is_right(
    imported: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    write_record(tmp_path / "import.json", report_of(imported / "out") | changes)
    with pytest.raises(UserError, match="is no report of an import"):
        import_report.read_report(tmp_path)


# -------------------------------------------------------------------------------------------------------------- export


@pytest.mark.parametrize("files", [1, 3])
def test_export_to_lerobot_and_back(files: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lerobot_export, "FRAMES_PER_FILE", 20 if files == 3 else 10**6)
    assert run("vpt", make_vpt(tmp_path / "source"), tmp_path / "set") == 0
    words = ["data", "export", "--to", "lerobot", str(tmp_path / "set"), str(tmp_path / "lerobot")]
    assert main([*words, "--lossless", "--json", str(tmp_path / "made.json")]) == 0
    assert len(list((tmp_path / "lerobot").rglob("*.mp4"))) == files
    assert by_name(json.loads((tmp_path / "made.json").read_text()))["episodes"]["mean"] == 3
    assert run("lerobot", tmp_path / "lerobot", tmp_path / "back") == 0
    assert check_dataset(tmp_path / "back") == []
    first, back = EpisodeDataset(tmp_path / "set"), EpisodeDataset(tmp_path / "back")
    assert len(first) == len(back) == 3
    for one, other in zip(first, back, strict=True):
        np.testing.assert_array_equal(one.frames, other.frames)
        assert [chunk.action for chunk in one.chunks] == [chunk.action for chunk in other.chunks]
        assert other.metadata["licence"] == LICENCES["vpt"]
    table = pq.read_table(tmp_path / "lerobot" / "data")
    assert table.num_rows == sum(one.num_frames for one in first)
    assert table["index"].to_pylist() == list(range(table.num_rows))
    assert table["observation.state"][0].as_py() == [841.5, -25.0, 0.0]
    stats = json.loads((tmp_path / "lerobot" / "meta" / "stats.json").read_text())
    pixels = np.concatenate([one.frames for one in first]) / 255
    for name, wanted in (("mean", pixels.mean((0, 1, 2))), ("std", pixels.std((0, 1, 2)))):
        np.testing.assert_allclose(np.ravel(stats["observation.images.main"][name]), wanted, rtol=1e-9)
    assert stats["index"]["max"] == [table.num_rows - 1]


def test_the_exported_video_plays_in_browsers(tmp_path: Path) -> None:
    assert run("folder", make_folder(tmp_path / "source"), tmp_path / "set") == 0
    assert main(["data", "export", "--to", "lerobot", str(tmp_path / "set"), str(tmp_path / "lerobot")]) == 0
    assert run("lerobot", tmp_path / "lerobot", tmp_path / "back") == 0
    for one, other in zip(EpisodeDataset(tmp_path / "set"), EpisodeDataset(tmp_path / "back"), strict=True):
        assert np.abs(np.array(numbers_of(one.frames)) - numbers_of(other.frames)).max() <= 4


def test_what_cannot_be_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = np.zeros((5, 16, 16, 3), np.uint8)
    chunks = (Chunk("go", "", 1, 4),)
    kinds = {
        "sizes": (Episode(frames, chunks, None, 10.0), Episode(frames[:, :8], chunks, None, 10.0)),
        "still": (Episode(frames[:1], (), None, 10.0),),
    }
    for (name, episodes), sentence in zip(
        kinds.items(), ("episodes of 8x16 at 10, 16x16 at 10 frames a second", "episode 0 of"), strict=True
    ):
        writer = DatasetWriter(tmp_path / name, DatasetHeader("w", "train", len(episodes)))
        for episode in episodes:
            writer.append(episode)
        assert main(["data", "export", "--to", "lerobot", str(tmp_path / name), str(tmp_path / "out")]) == 2
        assert sentence in capsys.readouterr().err
        assert not (tmp_path / "out").exists()
    assert main(["data", "export", "--to", "lerobot", str(tmp_path / "sizes"), str(tmp_path / "still")]) == 2
    assert "is there and not empty" in capsys.readouterr().err


@pytest.mark.compared
def test_lerobot_itself_reads_an_export(tmp_path: Path) -> None:
    python = ROOT / ".venv-lerobot" / "bin" / "python"
    if not python.is_file():
        pytest.skip("make test-all installs lerobot into .venv-lerobot")
    assert run("vpt", make_vpt(tmp_path / "source"), tmp_path / "set") == 0
    assert main(["data", "export", "--to", "lerobot", str(tmp_path / "set"), str(tmp_path / "lerobot")]) == 0
    command = [python, ROOT / "tests" / "read_with_lerobot.py", tmp_path / "lerobot", tmp_path / "read.npz"]
    subprocess.run(command, check=True, env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")})
    read = np.load(tmp_path / "read.npz")
    episodes = list(EpisodeDataset(tmp_path / "set"))
    assert read["episodes"].tolist() == [i for i, one in enumerate(episodes) for _ in range(one.num_frames)]
    frames = np.concatenate([episode.frames for episode in episodes])
    assert np.abs(read["pictures"] * 255 - frames).mean(axis=(1, 2, 3)).max() < 4  # its film is lossy
    # Each frame carries the action that leads on from it, and an episode's last one the action that led to it.
    tasks = [episode.chunks for episode in episodes]
    for index, chunks in enumerate(tasks):
        told = read["tasks"][read["episodes"] == index].tolist()
        assert told == [chunk.action for chunk in chunks for _ in range(chunk.num_frames)] + [chunks[-1].action]


# ---------------------------------------------------------------------------------------------------------------- docs


def test_the_page_on_other_data_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    monkeypatch.chdir(tmp_path)
    for language, block in re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text(), re.DOTALL):
        if language == "csv":
            Path("recordings/actions.csv").write_text(block)
        elif language == "python":
            exec(compile(block, PAGE.name, "exec"), {})
        else:
            for line in block.replace("\\\n", " ").splitlines():
                assert main(shlex.split(line)[1:]) == 0, line
    report = report_of(tmp_path / "data" / "mine")
    (found,) = report["left_out"]["range-outside"]["first"]
    assert f"left out: range-outside 1, first {found['name']}: {found['message']}" in PAGE.read_text()
    (episode,) = EpisodeDataset(tmp_path / "data" / "mine")
    assert [chunk.action for chunk in episode.chunks] == ["turn left"] * 2 + ["go forward, then stop"] * 2
    assert (tmp_path / "data" / "mine-lerobot" / "meta" / "info.json").is_file()


def test_the_page_tells_every_reason_source_and_word() -> None:
    page = PAGE.read_text()
    for reason, meaning in REASONS.items():
        assert f"| `{reason}` | {meaning} |" in page
    assert all(f"| `{name}` |" in page for name in ADAPTERS)
    assert all(f"`{words.action}`" in page for words in (*GOALS.values(), WAIT, BRAKE, DRIVE))
    defaults = ImportSettings()
    for option, default in (("size PIXELS", defaults.size), ("chunk-frames N", defaults.chunk_frames),
                            ("episode-frames N", defaults.episode_frames), ("fps FPS", int(defaults.fps))):  # fmt: skip
        assert f"| `--{option}` | {default} |" in page


# ------------------------------------------------------------------------------------------------------------- mutants


def test_damaged_sources_are_named_and_the_rest_is_used(tmp_path: Path) -> None:
    """Some mutants; IMPORT_MUTANTS=600 tries so many, as benchmarks/mutants.py does."""
    count = int(os.environ.get("IMPORT_MUTANTS", "40"))
    program = [sys.executable, str(ROOT / "benchmarks" / "mutants.py")]
    run = subprocess.run(
        [*program, "--count", str(count), "--json", str(tmp_path / "data.json")], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr[-2000:]
    figures = {row["name"]: row["mean"] for row in read_json(tmp_path / "data.json")["rows"]}
    verdicts = ("named", "refused", "whole", "changed", "unnamed", "rest_lost", "crashed", "hung")
    assert figures["mutants"] == sum(figures[f"mutants_{verdict}"] for verdict in verdicts) == count
    assert figures["mutants_named"] + figures["mutants_refused"] >= count / 2
