"""The report: what is said follows from the figures, the page needs nothing beside it, and no file breaks it."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from made_results import (
    LABELS,
    ablation_results,
    by_name,
    capacity_results,
    draw_pictures,
    made_row,
    rules_results,
    scaling_results,
    standard_results,
)
from PIL import Image

from slowfast_bench.report import row_plots
from slowfast_bench.report.cautions import cautions
from slowfast_bench.report.judgements import interval, mean, verdict
from slowfast_bench.report.metrics import GAPS, METRICS, Metric, metric_of
from slowfast_bench.report.verdict import Headline, headline
from slowfast_bench.report.view import View
from slowfast_bench.report.write import write_report
from slowfast_bench.results import SUITE_VERSION, read_all, read_results
from slowfast_vgen.cli.main import main
from slowfast_vgen.errors import UserError
from slowfast_vgen.results import Estimate

# By name: whatever else is measured later would change what these tests count.
RESULTS = [
    Path(__file__).parent.parent / "results" / f"{name}.json"
    for name in ("bench", "capacity", "fast_learning_sweep", "recall", "rules", "smoke")
]
VOID = {"meta", "link", "img", "br"}


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def verdict_of(folder: Path, content: dict[str, Any]) -> Headline:
    found = headline(View(read_results(write(folder / "one.json", content))))
    assert found is not None
    return found


class Page(HTMLParser):
    """Checks that tags are balanced, and keeps what a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)
            if {"td", "th"} & set(self.open):
                self.rows[-1][-1] += data

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.attributes if name == tag]


@pytest.fixture
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plots take most of a report's time; where a test does not look at them, a pixel stands for each."""
    file = io.BytesIO()
    Image.new("RGB", (1, 1)).save(file, "PNG")
    for name in ("lines_png", "points_png"):
        monkeypatch.setattr(row_plots, name, lambda *_, **__: file.getvalue())


@pytest.fixture
def report(tmp_path: Path) -> Callable[..., Page]:
    """Writes a report on files to `report/` and reads its page."""

    def make(*files: Path) -> Page:
        write_report(files, tmp_path / "report")
        return Page((tmp_path / "report" / "index.html").read_text())

    return make


@pytest.fixture
def standard(tmp_path: Path) -> Path:
    """A whole standard file with its pictures."""
    draw_pictures(tmp_path)
    return write(tmp_path / "standard.json", standard_results())


# ------------------------------------------------------------------------------------------------------- what is said


def test_a_difference_is_one_where_its_interval_leaves_out_zero_and_knows_its_better_end() -> None:
    up, down, flat = Estimate(0.2, 0.1, 0.3, 64), Estimate(-0.2, -0.3, -0.1, 64), Estimate(0.2, -0.1, 0.5, 64)
    words = {"psnr": ("better", "worse"), "mirror_mse": ("worse", "better"), "motion": ("higher", "lower")}
    for metric, (risen, fallen) in words.items():
        assert verdict(up, metric_of(metric)) == risen
        assert verdict(down, metric_of(metric)) == fallen
        assert verdict(flat, metric_of(metric)) == "no difference"
    assert verdict(Estimate(0.1, 0.0, 0.2, 64), Metric("")) == "no difference"
    for name, known in METRICS.items():
        if known.group in ("truth", "own", "quality"):
            assert known.better == ("low" if "distance" in name or "fvd" in name or "lpips" in name else "high"), name


def test_the_verdict_names_gaps_gains_and_rivals(tmp_path: Path) -> None:
    found = verdict_of(tmp_path, standard_results())
    assert found.answer == (
        "Yes: the memory helps on places seen again, at every gap measured "
        "(9 to 32, 41 to 104 and 200 or more frames ago)."
    )
    assert found.sentences[2].startswith(
        "On places last seen 200 or more frames ago the memory adds 11.02 dB [10.82, 11.22] over no memory, "
    )
    assert "10.90 dB [10.70, 11.10] over a raw context of 8 chunks (the strongest of 3)" in found.sentences[2]
    assert "it loses 1.70 dB [1.50, 1.90] against frames retrieved by true pose" in found.sentences[2]
    same = "it makes no difference to a raw context of 8 chunks (the strongest of 3), 0.05 dB [-0.15, 0.25]."
    assert found.sentences[0].endswith(same)
    assert any(
        "better in scene cuts" in one and "no difference in drift of sharpness" in one for one in found.sentences
    )
    assert "psnr_truth_gap16_memory_minus_raw_context_8" in found.used
    assert "psnr_truth_gap16_memory_minus_raw_context_2" not in found.used


@pytest.mark.parametrize(
    ("gains", "answer"),
    [
        ((5, 0.1, 0.1), "In part: the memory helps on places seen 9 to 32 frames ago, but not at every gap."),
        ((5, 0.1, -5), "but not at every gap, and harms on those seen 200 or more frames ago."),
        ((0.1, -0.1, 0), "No: the memory makes no difference on places seen again, at any gap measured."),
        ((0.1, -5, -5), "No: the memory makes places seen again worse (41 to 104 and 200 or more frames ago)."),
    ],
)
def test_the_answer_follows_the_gaps(tmp_path: Path, gains: tuple[float, ...], answer: str) -> None:
    content = standard_results()
    for gap, gain in zip(GAPS, gains, strict=True):
        changed = {"mean": gain, "low": gain - 0.2, "high": gain + 0.2}
        by_name(content)[f"psnr_truth_{gap}_memory_minus_no_memory"].update(changed)
    assert verdict_of(tmp_path, content).answer.endswith(answer)


def test_without_a_comparison_with_no_memory_the_answer_is_not_known(tmp_path: Path) -> None:
    content = standard_results()
    content["rows"] = [each for each in content["rows"] if "no_memory" not in (each["variant"], each["minus"])]
    assert verdict_of(tmp_path, content).answer.startswith("Not known")


@pytest.mark.usefixtures("no_plots")
def test_a_recall_file_gives_a_verdict_of_its_own(report: Callable[..., Page]) -> None:
    page = report(*RESULTS)
    assert "Yes: the memory helps on places seen again" in page.text
    assert re.search(r"at any gap the memory adds [\d.]+ dB \[[\d., ]+\] over no memory, [\d.]+ dB", page.text)


def test_gaps_are_those_that_are_measured() -> None:
    from slowfast_bench.experiment import VERSION
    from slowfast_bench.paths.tours import BUCKETS

    assert GAPS == BUCKETS
    assert VERSION == SUITE_VERSION


@pytest.mark.usefixtures("no_plots")
def test_a_page_without_revisits_says_so(tmp_path: Path, report: Callable[..., Page]) -> None:
    odd = {"protocol": {"command": "count <sheep> & $goats$"}, "rows": [made_row(40, "sheep | a_night")]}
    page = report(write(tmp_path / "sheep.json", odd))
    assert "These files do not tell" in page.text
    assert "count <sheep> & $goats$" in page.text
    assert ["sheep | a night", "40.00 [39.60, 40.40]", "64"] in page.rows


# --------------------------------------------------------------------------------------------------------- the page


@pytest.mark.usefixtures("no_plots")
def test_the_page_needs_nothing_beside_it(report: Callable[..., Page], standard: Path, tmp_path: Path) -> None:
    page = report(standard, *RESULTS)
    tags = {tag for tag, _ in page.attributes}
    assert not tags & {"script", "iframe", "object", "embed", "base", "form", "video", "audio", "source"}
    for tag, attributes in page.attributes:
        for name, value in attributes.items():
            assert name in ("src", "href") or "//" not in (value or "") or tag in ("img", "meta"), (tag, name)
            if name in ("src", "href"):
                assert value and value.startswith(("data:", "#")), (tag, name)
            assert not name.startswith("on")
    style = (tmp_path / "report" / "index.html").read_text().partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    anchors = {attributes["href"] for attributes in page.all("a")}
    assert anchors == {f"#{attributes['id']}" for attributes in page.all("section")}
    assert len(page.all("img")) == 2 + 2 + 1 + 3 + 1 + 1  # by gap, curves, cost, episodes; recall by gap, capacity
    assert all(image["alt"] for image in page.all("img"))


@pytest.mark.usefixtures("no_plots")
def test_every_arm_and_every_figure_appears(report: Callable[..., Page], standard: Path) -> None:
    files = [standard, *RESULTS]
    page = report(*files)
    assert all(label in page.text for label in LABELS.values())
    shown = {cell for line in page.rows for cell in line}
    for results in read_all(files):
        for each in results.rows:
            metric = metric_of(each.metric)
            text = shown_as(each, metric)
            if each.minus is not None:
                text = ("+" if each.mean > 0 else "") + text
                assert {f"{text} {word}" for word in (verdict(each, metric), "no rival")} & shown, each
            else:
                assert text in shown, (results.name, each)


def shown_as(figure: Estimate, metric: Metric) -> str:
    return " ".join(filter(None, (mean(figure, metric), interval(figure, metric))))


def test_every_committed_results_file_is_rows() -> None:
    for path in (Path(__file__).parent.parent / "results").glob("*.json"):
        if path.stem != "reliability":
            assert read_results(path).rows, path


@pytest.mark.usefixtures("no_plots")
def test_what_needs_weights_is_told_row_by_row(tmp_path: Path, report: Callable[..., Page]) -> None:
    content = standard_results()
    for arm in ("raw_context_4", "anchor"):
        del content["protocol"]["arms"][arm]
        content["rows"] = [each for each in content["rows"] if arm not in (each["variant"], each["minus"])]
        content["protocol"]["needs_weights"][arm] = "needs weights: --context DIR"
    page = report(write(tmp_path / "standard.json", content))
    rows = {row[0].rstrip(" \N{NO-BREAK SPACE}↑↓"): row[1:] for row in page.rows if row}
    assert rows["LPIPS"] == ["needs weights: --alexnet PATH (torchvision's alexnet-owt-7be5be79.pth)"]
    assert rows["scene revisit consistency (SRC)"][0].startswith("needs weights: --resnet18 PATH")
    assert rows["FVD"][0].startswith("needs weights: --i3d PATH")
    assert "Left out: raw context 4 and anchor: needs weights: --context DIR" in page.text


@pytest.mark.usefixtures("no_plots")
def test_the_best_arm_is_bold_and_a_frozen_frame_never_for_agreeing_with_itself(
    tmp_path: Path, report: Callable[..., Page]
) -> None:
    content = standard_results()
    by_name(content)["scene_cuts_frozen"].update(made_row(0.0, "scene_cuts", "frozen"))
    by_name(content)["distance_mbv2_frozen"].update(made_row(0.1, "distance_mbv2", "frozen"))
    report(write(tmp_path / "standard.json", content))
    text = (tmp_path / "report" / "report.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith("| scene cuts"))
    assert re.findall(r"\*\*([\d.]+)\*\*", row) == ["0.043"]
    row = next(line for line in text.splitlines() if line.startswith("| feature distance (MobileNetV2)"))
    assert re.findall(r"\*\*([\d.]+)\*\*", row) == ["0.100"]


@pytest.mark.usefixtures("no_plots")
def test_verdict_words_stand_in_the_table_of_differences(report: Callable[..., Page], standard: Path) -> None:
    page = report(standard)
    rows = [row for row in page.rows if row and row[0].startswith("scene cuts") and "better" in row[1]]
    assert rows
    assert "-0.049" in rows[0][1]
    assert "worse" in rows[0][-2]


@pytest.mark.usefixtures("no_plots")
def test_failures_and_pictures_are_shown_and_a_missing_picture_is_told(
    tmp_path: Path, report: Callable[..., Page], standard: Path
) -> None:
    (tmp_path / "standard" / "revisit_worst.png").unlink()
    (tmp_path / "standard" / "revisit_median.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    page = report(standard)
    assert ["scene inconsistent across windows", "no memory", "found"] in [row[:3] for row in page.rows]
    assert ["actions not followed", "memory", "not found"] in [row[:3] for row in page.rows]
    assert "Picture missing: revisit_worst.png (“revisit worst”) is not beside the results file." in page.text
    assert "Picture damaged: revisit_median.png (“revisit median”) cannot be shown:" in page.text
    assert len([image for image in page.all("img") if image.get("class") == "pixels"]) == 1


@pytest.mark.usefixtures("no_plots")
def test_markdown_shows_its_own_pictures(tmp_path: Path, report: Callable[..., Page], standard: Path) -> None:
    report(standard, *RESULTS)
    text = (tmp_path / "report" / "report.md").read_text()
    linked = re.findall(r"^!\[.+\]\((.+)\)$", text, re.MULTILINE)
    assert len(linked) == len(set(linked)) == 10
    written = {path.name for path in (tmp_path / "report").iterdir()}
    assert written == {"index.html", "report.md", *linked}
    for name in linked:
        assert (tmp_path / "report" / name).read_bytes().startswith(b"\x89PNG")
    assert "\\0" not in text
    for table in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


def test_text_of_files_is_escaped(tmp_path: Path, report: Callable[..., Page]) -> None:
    evil = "<script>alert(1)</script>\" onload='x' `a` **b** [c](http://d) | _e_ $x_{"
    content = standard_results(world=evil, warnings=[evil])
    content["protocol"]["arms"]["memory"]["label"] = evil
    content["protocol"]["arms"][evil] = {"label": evil}
    content["protocol"]["curves"][evil] = content["protocol"]["curves"]["clip_psnr"] | {"title": evil, "x_label": evil}
    content["protocol"]["signatures"][0] |= {"name": evil, "evidence": evil, "arm": evil}
    content["protocol"]["pictures"] = {evil: evil}
    content["protocol"][evil] = {evil: [evil]}
    content["rows"].append(made_row(1, evil, evil, gap=evil, dataset=evil))
    page = report(write(tmp_path / "standard.json", content))
    assert not page.all("script")
    assert evil in page.text
    text = (tmp_path / "report" / "report.md").read_text()
    outside = re.sub(r"^(`{3,})json\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert "<script" not in outside.replace("\\<script", "")
    assert "[c]" not in outside
    assert not re.search(r"(?<!\\)\*\*b", outside)


@pytest.mark.usefixtures("no_plots")
def test_the_whole_protocol_is_there(report: Callable[..., Page], standard: Path) -> None:
    page = report(standard, *RESULTS)
    for results in read_all([standard, *RESULTS]):
        for key, value in results.protocol.items():
            assert key in page.text
            if isinstance(value, str):
                assert " ".join(value.split()) in page.text
    assert "19f3b04ddb142bdead30c5935fa1a7b7ab84e157" in page.text


def test_the_same_files_give_the_same_report(tmp_path: Path, standard: Path) -> None:
    contents = []
    for name in ("a", "b"):
        write_report([standard], tmp_path / name)
        contents.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert contents[0] == contents[1]


# ------------------------------------------------------------------------------------------------------ other results


@pytest.mark.usefixtures("no_plots")
def test_rules_stand_side_by_side(tmp_path: Path, report: Callable[..., Page]) -> None:
    page = report(write(tmp_path / "rules.json", rules_results()))
    rows = [line for line in page.rows if line and line[0].startswith("PSNR against the true frame")]
    assert [cell.split()[0] for cell in rows[0][1:9]] == [f"{11.5 + place:.2f}" for place in range(8)]
    for label in ("Temp-LoRA's own update", "ridge (shipped), after the loop of ridge (shipped)"):
        assert any(label in line for line in page.rows), label


def test_scaling_and_capacity_have_tables_and_plots(tmp_path: Path, report: Callable[..., Page]) -> None:
    capacity = write(tmp_path / "capacity.json", capacity_results())
    page = report(write(tmp_path / "scaling.json", scaling_results()), capacity)
    assert len(page.all("img")) == 2
    assert any("ridge memory, key width 256 over no memory" in line for line in page.rows)
    assert any(line[:2] == ["32 rooms", "+5.00 [3.80, 6.20] better"] for line in page.rows)
    assert any(line[:2] == ["large-4k", "+6.00 [5.70, 6.30] better"] for line in page.rows)


@pytest.mark.usefixtures("no_plots")
def test_many_variants_stand_in_rows(tmp_path: Path, report: Callable[..., Page]) -> None:
    page = report(write(tmp_path / "ablations.json", ablation_results()))
    rows = [line for line in page.rows if line and line[0] == "rank 3"]
    assert rows[0][1] == "13.00 [12.87, 13.13]"
    rows = [line for line in page.rows if line and line[0] == "eq. 3 over rank 3"]
    assert rows[0][1] == "-3.00 [-3.50, -2.50] worse"
    assert not page.all("img")
    assert "These files do not tell" in page.text


@pytest.mark.usefixtures("no_plots")
def test_a_later_command_is_read_by_its_rows(tmp_path: Path, report: Callable[..., Page]) -> None:
    page = report(write(tmp_path / "tomorrow.json", standard_results(command="evaluate tomorrow", curves=3)))
    assert "against the true frame" in page.text
    assert any(line[:2] == ["metric", "memory over no memory"] for line in page.rows)


@pytest.mark.usefixtures("no_plots")
def test_files_of_one_kind_are_all_shown(tmp_path: Path, report: Callable[..., Page]) -> None:
    files = [write(tmp_path / name / "standard.json", standard_results(pictures={})) for name in ("a", "b")]
    page = report(*files, files[0])
    assert page.text.count("Yes: the memory helps") == 2
    assert "a/standard" in page.text
    assert "b/standard" in page.text
    assert str(tmp_path) not in page.text


# ---------------------------------------------------------------------------------------------------------- cautions


def told(folder: Path, *contents: dict[str, Any]) -> str:
    files = read_all([write(folder / f"file{place}.json", one) for place, one in enumerate(contents)])
    found = {one.name: verdict for one in files if (verdict := headline(View(one))) is not None}
    return "\n".join(cautions(files, found))


def test_cautions_come_from_the_files_and_from_what_is_in_them(tmp_path: Path) -> None:
    warning = "Fréchet distances of 192 videos are far too large (recommended: 2048)."
    assert told(tmp_path, standard_results()) == f"file0: {warning}"
    content = standard_results(suite="quick", num_seeds=1, git_commit="12ab+changes", warnings=[])
    by_name(content)["psnr_truth_gap16_memory_minus_anchor"]["n"] = 8
    text = told(tmp_path, content)
    for part in ("suite is “quick”", "1 seed for each episode", "uncommitted changes", "1 of the", "(8 episodes)"):
        assert part in text
    assert "Fréchet distances are over 64 videos" in text
    text = told(tmp_path, standard_results(), standard_results(weights_sha256="a" * 64))
    assert (
        "different weights, so their figures do not go together: file0 on 334b2896e8cd; file1 on aaaaaaaaaaaa." in text
    )
    assert f"file0 and file1: {warning}" in text


@pytest.mark.usefixtures("no_plots")
def test_cautions_stand_above_the_tables(report: Callable[..., Page], standard: Path) -> None:
    page = report(standard)
    sections = [attributes["id"] for attributes in page.all("section")]
    assert sections[:4] == ["verdict", "cautions", "plots", "tables"]


@pytest.mark.usefixtures("no_plots")
def test_the_first_screen_is_a_verdict_three_figures_and_one_strip_and_tables_are_folded(
    tmp_path: Path, report: Callable[..., Page], standard: Path
) -> None:
    page = report(standard)
    tags = [(tag, attributes.get("class") or attributes.get("id")) for tag, attributes in page.attributes]
    answer, tiles, strip = (tags.index(each) for each in (("p", "answer"), ("div", "tiles"), ("img", "pixels")))
    nav = next(place for place, (tag, _) in enumerate(tags) if tag == "nav")
    assert answer < tiles < strip < nav
    assert [tag for tag, _ in tags[tiles + 1 : strip]].count("div") == 3
    for figure in ("+11.0 dB", "1.00 ×", "3.4 MB"):
        assert figure in page.text
    text = (tmp_path / "report" / "index.html").read_text().partition('<section id="protocols">')[0]
    assert "<table>" in text and "<table>" not in re.sub(r"<details>.*?</details>", "", text, flags=re.DOTALL)


# --------------------------------------------------------------------------------------------------------- bad input


def without(key: str) -> dict[str, Any]:
    content = standard_results()
    del content["protocol"][key]
    return content


def with_figure(**changed: Any) -> dict[str, Any]:
    content = standard_results()
    by_name(content)["psnr_memory"].update(changed)
    return content


ROW = '{"name": "a", "metric": "a", "gap": %s, "mean": 1, "low": 1, "high": 1, "n": 1}'
CURVE = {
    "title": "a",
    "x_label": "b",
    "y_label": "c",
    "x": [1, 2],
    "lines": {"memory": {"mean": [1], "low": [1], "high": [1]}},
}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("not JSON", "is not valid JSON"),
        ("[1, 2]", "is no results file, which has an object 'protocol' and a list 'rows'"),
        ('{"protocol": {"command": "bench"}}', "is no results file"),
        ('{"protocol": {"command": "bench"}, "rows": []}', "holds no rows"),
        ('{"protocol": {}, "figures": {"a": 3}}', "is of the form before rows; make rows of it with tools/results"),
        ('{"protocol": {}, "rows": [3]}', "rows[0] must have the strings name and metric, not 3"),
        ('{"protocol": {}, "rows": [{"name": "a"}]}', "rows[0] must have the strings name and metric"),
        (f'{{"protocol": {{}}, "rows": [{ROW % "3"}]}}', "has a key that is neither a string nor null"),
        (f'{{"protocol": {{}}, "rows": [{ROW % "null"}, {ROW % "null"}]}}', "two rows are called 'a'"),
        ('{"protocol": {}, "rows": [{"name": "a", "metric": "a", "mean": 1}]}', "must have the numbers mean"),
        ('{"protocol": {"a": Infinity}, "rows": []}', "protocol.a is inf, but results are finite numbers"),
        ('{"protocol": {"a": 1' + "0" * 400 + '}, "rows": []}', "but results are finite numbers"),
        ('{"protocol": {"a": "\\ud800"}, "rows": []}', "holds half a Unicode character"),
        ('{"a": ' + "[" * 60 + "]" * 60 + "}", "more than 40 levels"),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "is not valid JSON"),
        (with_figure(mean=float("nan")), ".mean is nan, but results are finite numbers"),
        (with_figure(mean="20"), "the row 'psnr_memory' must have the numbers"),
        (with_figure(low=30.0), "upside down"),
        (with_figure(n=2.5), "an n that is no count"),
        (standard_results(version=2), "is of version 2 of `evaluate standard`, but this slowfast reads version 1"),
        (without("version"), "is of version None"),
        (without("world"), "protocol.world must be a string, not nothing"),
        (without("arms"), "protocol.arms must be an object with at least one arm, not nothing"),
        (standard_results(arms={"memory": {}}), "protocol.arms.memory.label must be a string, not nothing"),
        (standard_results(num_seeds="3"), "protocol.num_seeds must be a number, not '3'"),
        (standard_results(warnings="none"), "protocol.warnings must be a list of strings, not 'none'"),
        (
            standard_results(signatures=[{"name": "a", "arm": "b"}]),
            "protocol.signatures[0].found must be true or false",
        ),
        (standard_results(curves={"a": CURVE}), "lines.memory.mean must be a list of 2 numbers, as many as x has"),
        (standard_results(pictures={"a": 3}), "protocol.pictures.a must be a string, not 3"),
    ],
)
def test_files_that_are_no_results_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: Any, sentence: str
) -> None:
    path = tmp_path / "bad.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    assert main(["evaluate", "report", str(path), "--out", str(tmp_path / "report")]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert sentence in captured.err
    assert str(path) in captured.err
    assert len(captured.err) < 500 + len(str(path))
    assert captured.out == ""
    assert not (tmp_path / "report").exists()


@pytest.mark.usefixtures("no_plots")
def test_paths_that_cannot_be_read_or_written_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], standard: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    for files, out, sentence in (
        ([tmp_path / "missing.json"], "report", "cannot read"),
        ([tmp_path], "report", "cannot read"),
        ([standard], "file", "a file of that name is there"),
        ([standard], "file/below", "cannot write"),
        ([standard], "full", "holds 'notes.txt', which is no part of a report and would be lost"),
        ([standard], ".", "which is no part of a report and would be lost"),
    ):
        words = [*map(str, files), "--out", str(tmp_path / out)]
        assert main(["evaluate", "report", *words]) == 2, sentence
        assert sentence in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"
    assert main(["evaluate", "report", "--out", str(tmp_path / "report")]) == 2  # no file at all


@pytest.mark.usefixtures("no_plots")
def test_only_a_report_or_an_empty_folder_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, standard: Path
) -> None:
    out = tmp_path / "report"
    out.mkdir()
    write_report([standard], out)
    write_report(RESULTS, out)  # fewer pictures: the old ones are gone
    assert not (out / "standard-cost-against-recall.png").exists()
    (out / "mine.png").write_bytes(b"mine")
    with pytest.raises(UserError, match=r"holds 'mine\.png', which is no part of a report"):
        write_report(RESULTS, out)
    (out / "mine.png").unlink()
    (out / "index.html").write_text("<title>my own page</title>")
    with pytest.raises(UserError, match="no part of a report"):
        write_report(RESULTS, out)
    shutil.rmtree(out)
    (tmp_path / "real").mkdir()
    out.symlink_to(tmp_path / "real")
    write_report(RESULTS, out)
    assert out.is_symlink()
    assert (tmp_path / "real" / "index.html").is_file()
    monkeypatch.chdir(out)
    with pytest.raises(UserError, match="holds the folder you stand in"):
        write_report(RESULTS, Path("."))


@pytest.mark.usefixtures("no_plots")
def test_the_command_prints_the_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str], standard: Path) -> None:
    assert main(["evaluate", "report", str(standard), "--out", str(tmp_path / "report")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Yes: the memory helps")
    assert lines[-1] == f"wrote {tmp_path / 'report' / 'index.html'}"


def test_nothing_heavy_is_imported(tmp_path: Path, standard: Path) -> None:
    """A report is a matter of seconds: no torch."""
    code = (
        "import sys; from slowfast_vgen.cli.main import main; "
        "code = main(sys.argv[1:]); sys.exit(code or 3 * ('torch' in sys.modules))"
    )
    words = ["evaluate", "report", str(standard), "--out", str(tmp_path / "report")]
    done = subprocess.run([sys.executable, "-c", code, *words], env=os.environ, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
