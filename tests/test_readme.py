"""What the README tells a user to type runs as it stands there."""

import re
import shlex
import shutil
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from slowfast_vgen.cli.main import build_parser, main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


MEMORIES = (ROOT / "docs" / "howto" / "work-with-memories.md").read_text()


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def run_command_lines(text: str) -> None:
    lines = [line for block in blocks("bash", text) for line in block.replace("\\\n", " ").splitlines()]
    commands = [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("slowfast ")]
    assert commands
    for command in commands:
        assert main(command) == 0, command


@pytest.fixture(autouse=True)
def beside_the_docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs in an empty folder from which the repository's docs can be seen."""
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    monkeypatch.chdir(tmp_path)


def test_the_python_example_runs(tmp_path: Path) -> None:
    (code,) = blocks("python")
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)
    assert getattr(names["frames"], "shape", None) == (4, 64, 64, 3)
    assert (tmp_path / "my-memory").is_dir()


@pytest.mark.slow
def test_the_command_lines_run(tmp_path: Path) -> None:
    run_command_lines(README)
    assert (tmp_path / "out.mp4").stat().st_size > 1000


@pytest.mark.slow
def test_the_page_on_memories_runs(tmp_path: Path) -> None:
    (code,) = blocks("python", MEMORIES)
    exec(compile(code, "work-with-memories.md", "exec"), {})
    shutil.rmtree(tmp_path / "episode")
    run_command_lines(MEMORIES)
    assert (tmp_path / "second.mp4").stat().st_size > 1000


def test_every_command_in_the_table_exists(capsys: pytest.CaptureFixture[str]) -> None:
    rows = re.findall(r"^\| `slowfast ([^|]*) \|", README, re.MULTILINE)
    words = [re.findall(r"[a-z-]+", row) for row in rows]
    assert len(words) >= 6
    for group, *commands in words:
        for command in commands or [""]:
            with pytest.raises(SystemExit) as stop:
                build_parser().parse_args([group, *([command] if command else []), "--help"])
            assert stop.value.code == 0, (group, command)


def test_the_files_that_it_links_to_exist() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


@pytest.fixture
def update_readme(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return import_module("update_readme")


def test_its_figures_are_those_of_the_results(update_readme: ModuleType) -> None:
    told = "run `python benchmarks/update_readme.py`"
    assert update_readme.updated(README) == README, told


def test_results_that_are_missing_or_of_other_weights_are_said(
    update_readme: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = update_readme.results
    monkeypatch.setattr(update_readme, "results", lambda name: None if name in ("dreams", "bench") else held(name))
    assert "Not measured yet: `slowfast bench --json results/bench.json`" in update_readme.readme_cost()
    assert "not measured yet: `slowfast evaluate dreams`" in update_readme.readme_videos()
    monkeypatch.setattr(update_readme, "shipped_fingerprint", lambda: "f" * 64)
    assert "not of those that are shipped now" in update_readme.readme_recall()
    protocol = {"git_commit": "0123+changes"}
    assert "(from a tree that was not clean, until" in update_readme.cleanliness(protocol)
    rows = {"path": {"label": "path alone", "git_commit": "4567"}, "loop": {"label": "memory"}}
    assert "not clean, but for the row *path alone*, until" in update_readme.cleanliness(protocol, rows)
    assert update_readme.cleanliness({"git_commit": "0123"}, rows) == ""


def test_the_gain_never_stands_alone() -> None:
    lines = [line for line in README.splitlines() if "memory over none" in line]
    assert len(lines) == 1  # under the table of absolute values
    table = README.split("<!-- recall -->")[1].split("<!-- /recall -->")[0]
    assert lines[0] in table and "last frame, frozen" in table and "retrieved by true pose" in table
