"""Where a source's files are: links, loops, names in other code points, and paths that lead elsewhere."""

import contextlib
import os
import shutil
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_sources import SOURCES, make_epic, make_folder, make_hdd, make_rlds, make_vpt, write_csv

from slowfast_vgen.cli.main import main
from slowfast_vgen.data import importing
from slowfast_vgen.data.adapters.base import Finding, ImportSettings, Recipe, UnusableError
from slowfast_vgen.data.adapters.places import files_below, folders_below, told_file
from slowfast_vgen.data.adapters.registry import open_adapter
from slowfast_vgen.data.format import EpisodeDataset
from slowfast_vgen.errors import UserError

SMALL = ImportSettings(size=16)


def imported(name: str, source: Path, **changes: Any) -> tuple[list[str], list[Finding]]:
    settings = replace(SMALL, **changes)
    samples = [each for one in open_adapter(name, source, settings).recordings() for each in one.samples()]
    findings = [each for each in samples if isinstance(each, Finding)]
    return sorted(each.name for each in samples if isinstance(each, Recipe)), findings


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_behind_links_gives_the_same(name: str, tmp_path: Path) -> None:
    """Every folder and every file is a link to where it lies, and one leads back to the top."""
    SOURCES[name](tmp_path / "real")
    linked = tmp_path / "linked"
    linked.mkdir()
    for number, path in enumerate(sorted((tmp_path / "real").iterdir())):
        (linked / path.name).symlink_to(path)
        if path.is_dir():
            (path / f"loop {number}").symlink_to(linked)
    plain = imported(name, tmp_path / "real")
    assert plain[0]
    assert imported(name, linked) == plain


@pytest.mark.parametrize(("name", "make"), [("vpt", make_vpt), ("rlds", make_rlds)])
def test_folders_below_may_be_links(name: str, make: Callable[[Path], Path], tmp_path: Path) -> None:
    real = make(tmp_path / "elsewhere")
    (tmp_path / "source" / "day").mkdir(parents=True)
    (tmp_path / "source" / "day" / "disk").symlink_to(real, target_is_directory=True)
    (tmp_path / "source" / "again").symlink_to(tmp_path / "source" / "day", target_is_directory=True)
    names, findings = imported(name, tmp_path / "source")
    assert (len(names), findings) == (3, [])  # each once, under the name without a link where there is one
    assert all(each.startswith("day/disk/") for each in names)


def test_each_folder_is_met_once(tmp_path: Path) -> None:
    (tmp_path / "z" / "deep").mkdir(parents=True)
    (tmp_path / "z" / "deep" / "x.txt").touch()
    (tmp_path / "z" / "._x.txt").touch()
    (tmp_path / "a").symlink_to(tmp_path / "z")
    (tmp_path / "z" / "up").symlink_to(tmp_path)
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    (tmp_path / "itself").symlink_to(tmp_path / "itself")
    assert files_below(tmp_path, "*.txt") == [tmp_path / "z" / "deep" / "x.txt"]
    assert [folder for folder, _ in folders_below(tmp_path)] == [tmp_path, tmp_path / "z", tmp_path / "z" / "deep"]


@pytest.mark.parametrize("name", SOURCES)
def test_what_a_mac_lays_beside_files_is_passed_over(name: str, tmp_path: Path) -> None:
    source = SOURCES[name](tmp_path / "source")
    plain = imported(name, source)
    for path in [path for path in source.rglob("*") if path.is_file()]:
        (path.parent / f"._{path.name}").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X")
    assert imported(name, source) == plain
    (source / "actions.csv").rename(source / "my table.csv") if name == "folder" else None
    assert len(imported(name, source)[0]) == len(plain[0])


@pytest.mark.parametrize(("table", "disk"), [("NFC", "NFD"), ("NFD", "NFC"), ("NFC", "NFC")])
def test_names_in_other_code_points(table: str, disk: str, tmp_path: Path) -> None:
    make_folder(tmp_path)
    folder = tmp_path / unicodedata.normalize(disk, "Küche é")
    folder.mkdir()
    (tmp_path / "a.mp4").rename(folder / unicodedata.normalize(disk, "grün ô.mp4"))
    told = unicodedata.normalize(table, "Küche é/grün ô.mp4")
    write_csv(tmp_path / "actions.csv", [("video", "start", "end", "action"), (told, 0, 1, "go")])
    names, findings = imported("folder", tmp_path)
    assert (len(names), findings) == (1, [])


OUTSIDE = ["../b.mp4", "/etc/passwd", "day 2/../../b.mp4", "./../b.mp4"]


def test_paths_in_a_table_stay_in_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = make_folder(tmp_path / "source")
    (source / "a.mp4").rename(tmp_path / "b.mp4")
    rows = [(path, 0, 1, "go") for path in (*OUTSIDE, str(tmp_path / "b.mp4"), "day 2/../day 2/b.mp4", "day 2//b.mp4")]
    write_csv(source / "actions.csv", [("video", "start", "end", "action"), *rows])
    names, findings = imported("folder", source)
    assert len(names) == 2
    assert [finding.reason for finding in findings] == ["outside"] * 5
    assert "leads out of" in findings[0].message
    names, findings = imported("folder", source, allow_outside=True)
    assert len(names) == 6
    assert [finding.reason for finding in findings] == ["broken-video"]  # no film, but it was opened
    words = ["data", "import", "--from", "folder", str(source), "--size", "16", "--max-bad-share", "1"]
    assert main([*words, str(tmp_path / "out")]) == 0
    assert "left out: outside 5, first actions.csv line 2 (../b.mp4)" in capsys.readouterr().out
    assert main([*words, str(tmp_path / "all"), "--allow-outside"]) == 0
    assert len(EpisodeDataset(tmp_path / "all")) == 6
    (source / "day 3").symlink_to(tmp_path)  # the user's own link
    write_csv(source / "actions.csv", [("video", "start", "end", "action"), ("day 3/b.mp4", 0, 1, "go")])
    assert len(imported("folder", source)[0]) == 1


def test_ids_in_a_table_stay_in_the_folder(tmp_path: Path) -> None:
    source = make_epic(tmp_path / "source")
    (source / "P01" / "videos" / "P01_01.MP4").rename(tmp_path / "P01_01.MP4")
    table = source / "EPIC_100_train.csv"
    table.write_text(table.read_text().replace(",P01_01,", ",../P01_01,"))
    names, findings = imported("epic-kitchens", source)
    assert names == ["P02_101_0"]
    assert {finding.reason for finding in findings} <= {"outside", "missing-video"}


def test_a_path_names_no_file(tmp_path: Path) -> None:
    for told in ("", " ", "a\0b"):
        with pytest.raises(UnusableError, match="names no file"):
            told_file(tmp_path, told)
    assert told_file(tmp_path, "a" * 5000).name == "a" * 5000


def test_two_files_of_one_session_are_not_chosen_from(tmp_path: Path) -> None:
    make_hdd(tmp_path)
    center = tmp_path / "release_2019_07_08" / "2017_02_27_ITS1" / "201702271017" / "camera" / "center"
    (film,) = center.glob("*.mp4")
    other = next(path for path in tmp_path.rglob("*.mp4") if path != film)
    (center / "z.mp4").write_bytes(film.read_bytes())
    assert imported("hdd", tmp_path)[1] == []  # the same film twice
    (center / "z.mp4").write_bytes(other.read_bytes())
    names, findings = imported("hdd", tmp_path)
    assert names == ["201703011000"]
    assert [(finding.name, finding.reason) for finding in findings] == [("201702271017", "ambiguous")]
    (center / "z.mp4").unlink()
    (tmp_path / "copy" / "target").mkdir(parents=True)
    (tmp_path / "copy" / "target" / "201702271017.npy").write_bytes(
        (tmp_path / "target" / "201703011000.npy").read_bytes()
    )
    assert [finding.reason for finding in imported("hdd", tmp_path)[1]] == ["ambiguous"]


# ----------------------------------------------------------------------------------------------- what is no file at all


def made(place: Path, kind: str) -> None:
    place.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(place)
    else:
        place.symlink_to("/dev/zero")


@pytest.mark.parametrize("kind", ["pipe", "device"])
@pytest.mark.parametrize("name", SOURCES)
def test_pipes_and_devices_keep_nobody_waiting(name: str, kind: str, tmp_path: Path) -> None:
    """A file of each kind in turn; were one read, the test would never end."""
    whole = SOURCES[name](tmp_path / "whole")
    kinds = {(path.name[:4], path.suffix): path.relative_to(whole) for path in whole.rglob("*") if path.is_file()}
    for number, path in enumerate(sorted(kinds.values())):
        source = shutil.copytree(whole, tmp_path / f"source {number}")
        made(source / path, kind)
        with contextlib.suppress(UserError):
            importing._hash_of(open_adapter(name, source, SMALL).index_files())
            imported(name, source)


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_table_or_an_image_that_is_no_file(kind: str, tmp_path: Path) -> None:
    from slowfast_vgen.images import frame_from_image

    source = make_folder(tmp_path / "source")
    made(source / "other.csv", kind)
    with pytest.raises(UserError, match="is no regular file"):
        imported("folder", source, table=source / "other.csv")
    with pytest.raises(UserError, match="there is no image file"):
        frame_from_image(source / "other.csv", 64, 64)
