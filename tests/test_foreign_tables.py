"""Tables as spreadsheets and other programs write them, with the pictures that their rows mean."""

import codecs
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_films import make_film, read_codes
from made_sources import EPIC_COLUMNS, epic_row, make_epic, make_hdd, write_csv

from slowfast_vgen.data.adapters.base import Finding, ImportSettings, Recipe
from slowfast_vgen.data.adapters.csv_rows import Row, read_rows
from slowfast_vgen.data.adapters.registry import open_adapter
from slowfast_vgen.data.importing import chunks_of
from slowfast_vgen.errors import UserError

ROWS = [
    ["video", "start", "end", "action"],
    ["a.mp4", "0", "1", "turn left"],
    ["a.mp4", "1", "2", "go, then stop"],
    ["Küche.mp4", "0.5", "1.5", "öffne die Tür"],
]
MEANT = [[("turn left", 10), ("go, then stop", 10)], [("öffne die Tür", 10)]]
PICTURES = [list(range(21)), list(range(105, 116))]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    make_film(folder / "a.mp4", range(40), 10)
    make_film(folder / "Küche.mp4", range(100, 140), 10)
    return folder


@pytest.fixture
def source(films: Path, tmp_path: Path) -> Path:
    for path in films.iterdir():
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


def imported(source: Path, name: str = "folder", **changes: Any) -> tuple[list[Recipe], list[Finding]]:
    settings = replace(ImportSettings(size=32), **changes)
    samples = [each for one in open_adapter(name, source, settings).recordings() for each in one.samples()]
    return [each for each in samples if isinstance(each, Recipe)], [
        each for each in samples if isinstance(each, Finding)
    ]


def told(recipe: Recipe) -> list[tuple[str, int]]:
    return [(chunk.action, chunk.num_frames) for chunk in chunks_of(recipe.words, 10**6)]


def text(delimiter: str = ",", end: str = "\n", rows: list[list[str]] = ROWS) -> str:
    quoted = [[f'"{cell}"' if delimiter in cell else cell for cell in row] for row in rows]
    return "".join(delimiter.join(row) + end for row in quoted)


TABLES = {
    "plain": text().encode(),
    "mark": codecs.BOM_UTF8 + text().encode(),
    "semicolons": text(";").encode(),
    "semicolons and decimal commas": text(";").replace("0.5", "0,5").replace("1.5", "1,5").encode(),
    "tabs": text("\t").encode(),
    "bars": text("|").encode(),
    "sep=": ("sep=;\r\n" + text(";", "\r\n")).encode(),
    "sep= in quotes": ('"sep=;"\n' + text(";")).encode(),
    "sep= of its own": ("sep=#\n" + text("#")).encode(),
    "carriage returns": text(end="\r").encode(),
    "windows": text(end="\r\n").encode(),
    "utf-16": text(end="\r\n").encode("utf-16"),
    "utf-16 of the other order": codecs.BOM_UTF16_BE + text("\t").encode("utf-16-be"),
    "utf-16 without a mark": text("\t").encode("utf-16-le"),
    "utf-16 of the other order without a mark": text().encode("utf-16-be"),
    "utf-32": text().encode("utf-32"),
    "capitals": text().replace("video,start,end,action", "Video,START,End,Action").encode(),
    "blanks": text().replace("video,start,end,action", ' "video", start,end ,action\t').encode(),
    "empty rows": (text() + ",,,\n" * 4 + "\n , , , \n").encode(),
    "padded": text(rows=[[*row, "", ""] for row in ROWS]).encode(),
    "padded rows": text(rows=[ROWS[0], *([*row, "", ""] for row in ROWS[1:])]).encode(),
    "padded heading": text(rows=[[*ROWS[0], "", ""], *ROWS[1:]]).encode(),
    "empty first lines": ("\n\n" + text()).encode(),
    "more columns": text(rows=[["n", *row, "m"] for row in ROWS]).encode(),
    "doubled others": text(rows=[["note", *row, "note"] for row in ROWS]).encode(),
    "another order": text(rows=[row[::-1] for row in ROWS]).encode(),
}


@pytest.mark.parametrize("kind", TABLES)
def test_any_table_means_the_same(kind: str, source: Path) -> None:
    (source / "actions.csv").write_bytes(TABLES[kind])
    recipes, findings = imported(source)
    assert findings == []
    assert [told(recipe) for recipe in recipes] == MEANT
    assert [read_codes(recipe.decode()) for recipe in recipes] == PICTURES


def test_a_table_of_tabs_may_be_called_so(source: Path) -> None:
    (source / "rows.tsv").write_bytes(TABLES["tabs"])
    (source / "._rows.tsv").write_bytes(b"\0\5\x16\7")
    assert [told(recipe) for recipe in imported(source)[0]] == MEANT


@pytest.mark.parametrize("more", [",action", ",Start", ",ACTION,end"])
def test_a_doubled_heading_is_refused(more: str, source: Path) -> None:
    (source / "actions.csv").write_text(f"video,start,end,action{more}\na.mp4,0,1,go,2\n")
    with pytest.raises(UserError, match=r"has the column [a-z, ]+ twice; leave the one that is meant"):
        imported(source)


def test_a_missing_column_is_told_with_what_was_read(source: Path) -> None:
    (source / "actions.csv").write_text("video;begin;end;action\n")
    with pytest.raises(UserError, match=r"has no column start; .* read as parted by semicolons, has video, begin, end"):
        imported(source)


def test_a_line_in_another_encoding_is_named(source: Path) -> None:
    (source / "actions.csv").write_bytes(text().encode() + "a.mp4,2,3,ôte\n".encode("latin-1"))
    recipes, (finding,) = imported(source)
    assert [told(recipe) for recipe in recipes] == MEANT
    assert (finding.name, finding.reason) == ("actions.csv line 5", "bad-row")
    assert finding.message == "the line is not CSV in UTF-8 with commas"


def test_rows_of_one_picture_that_tile_a_film_are_used(source: Path) -> None:
    rows = [["a.mp4", f"{number / 30:.4f}", f"{(number + 1) / 30:.4f}", "abc"[number // 30]] for number in range(90)]
    write_csv(source / "actions.csv", [ROWS[0], *rows])
    (recipe,), findings = imported(source)
    assert findings == []
    assert told(recipe) == [("a", 10), ("b", 10), ("c", 10)]
    assert read_codes(recipe.decode()) == list(range(31))
    write_csv(source / "actions.csv", [ROWS[0], *([*row[:3], f"word {index}"] for index, row in enumerate(rows))])
    (recipe,), findings = imported(source)
    assert len({words.action for words in recipe.words}) == 30  # what is shown
    assert [finding.reason for finding in findings] == ["too-short"] * 60  # and what is too short to be
    write_csv(source / "actions.csv", [ROWS[0], rows[0], rows[1]])
    recipes, findings = imported(source)
    assert (recipes, [finding.reason for finding in findings]) == ([], ["too-short"] * 2)
    write_csv(source / "actions.csv", [ROWS[0], rows[0], *rows])
    recipes, findings = imported(source)
    assert [finding.reason for finding in findings] == ["overlap"]


def test_a_start_before_the_film_is_its_start(source: Path) -> None:
    write_csv(source / "actions.csv", [ROWS[0], ["a.mp4", "-0.02", "1", "go"], ["Küche.mp4", "-1", "0.5", "go"]])
    recipes, findings = imported(source)
    assert findings == []
    assert [read_codes(recipe.decode()) for recipe in recipes] == [list(range(11)), list(range(100, 106))]
    write_csv(source / "actions.csv", [ROWS[0], ["a.mp4", "-2", "-1", "go"], ["a.mp4", "-1", "0", "go"]])
    assert [finding.reason for finding in imported(source)[1]] == ["range-outside"] * 2


def test_the_row_names_of_other_tables_are_read_likewise(tmp_path: Path) -> None:
    make_epic(tmp_path)
    table = tmp_path / "EPIC_100_train.csv"
    plain, _ = imported(tmp_path, "epic-kitchens")
    rows = [[column.upper() for column in EPIC_COLUMNS], epic_row(0, "P01_01", "00:00:00.14", "00:00:01.37")]
    rows += [epic_row(1, "P01_01", "00:00:01.20", "00:00:03.00", "take plate")]
    rows += [epic_row(0, "P02_101", "00:00:00.00", "00:00:01.50", "put-down knife; fork")]
    table.write_bytes("\r".join("\t".join(map(str, row)) for row in rows).encode("utf-16"))
    recipes, findings = imported(tmp_path, "epic-kitchens")
    assert findings == []
    assert [recipe.name for recipe in recipes] == [recipe.name for recipe in plain]
    info = tmp_path / "EPIC_100_video_info.csv"
    info.write_text(info.read_text().replace("P01_01,4.004", "P01_01,2.002"))  # the film is at half its rate
    recipes, findings = imported(tmp_path, "epic-kitchens")
    assert [recipe.name for recipe in recipes] == ["P02_101_0"]
    assert {finding.reason for finding in findings} == {"wrong-time"}


def test_the_signals_of_a_car_are_read_likewise(tmp_path: Path) -> None:
    plain = [told(recipe) for recipe in imported(make_hdd(tmp_path), "hdd")[0]]
    for path in tmp_path.rglob("*.csv"):
        content = path.read_text().replace("# unix_timestamp", "Unix_Timestamp").replace("speed", "Speed")
        path.write_bytes(content.replace(",", ";").replace("\n", "\r\n").encode("utf-16"))
    recipes, findings = imported(tmp_path, "hdd")
    assert findings == []
    assert [told(recipe) for recipe in recipes] == plain


def test_numbers() -> None:
    assert Row("", {"x": "1,5"}, has_decimal_comma=True).number("x") == 1.5
    assert Row("", {"x": "-2.5e1"}, has_decimal_comma=True).number("x") == -25
    for cell in ("1,5", "1.000,5", "", "inf", "1 2"):
        with pytest.raises(UserError, match="want a number"):
            Row("", {"x": cell}).number("x")


def test_an_empty_file_is_told(tmp_path: Path) -> None:
    for content in (b"", b"\n\n", b"\xff\xfe", b"sep=;"):
        (tmp_path / "t.csv").write_bytes(content)
        with pytest.raises(UserError, match="has no column a"):
            list(read_rows(tmp_path / "t.csv", ["a"]))
        assert list(read_rows(tmp_path / "t.csv", [])) == []
