"""Results in the repository say from what they were made; a tree that is not clean cannot pass for a clean one."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slowfast_bench import cache as blocks_module
from slowfast_bench.cache import Block, run_blocks
from slowfast_bench.scores.tour_scores import Own
from slowfast_vgen import machine as machine_module
from slowfast_vgen.files import read_json
from slowfast_vgen.machine import CHANGES, commit_of, git_commit, provenance
from slowfast_vgen.metrics.bootstrap import estimate
from slowfast_vgen.results import Row

RESULTS = Path(__file__).parents[1] / "results"
NOT_CLEAN = {
    "domains.json",
    "plan-metaworld-return.json",
    "plan-vizdoom-retrace.json",
    "scaling.json",
    "worlds-64.json",
}
"""Made before a clean tree was asked for. Names are taken out as files are made anew, and none is ever put in."""
NO_COMMIT = {"domains_sweep.json", "fast_learning_sweep.json", "inverse-dynamics-moves.json"}
"""Sweeps and a training's own report, which tell none. None is ever put in."""


def told(content: Any, key: str) -> Iterator[Any]:
    """All that a file says under a key, at any depth."""
    if isinstance(content, dict):
        for name, each in content.items():
            if name == key:
                yield from each if isinstance(each, list) else [each]
            else:
                yield from told(each, key)


def files() -> dict[str, Any]:
    return {path.name: read_json(path) for path in sorted(RESULTS.glob("*.json"))}


def test_results_come_from_clean_trees_but_for_a_list_that_only_gets_shorter() -> None:
    commits = {name: list(told(content["protocol"], "git_commit")) for name, content in files().items()}
    unclean = {name for name, found in commits.items() if any("+" in (each or "+") for each in found)}
    assert unclean == NOT_CLEAN & set(commits), "made anew from a clean tree? take it off the list; never put one on"
    assert {name for name, found in commits.items() if not found} == NO_COMMIT & set(commits)


def test_results_name_weights_machine_and_precision() -> None:
    for name, content in files().items():
        protocol = content["protocol"]
        if name in NO_COMMIT or protocol["command"] == "benchmarks":
            continue
        assert [each for each in told(protocol, "weights_sha256") if len(each) == 64], name
        machine = protocol["machine"]
        assert machine["threads"] >= 1 and machine["torch"] and machine["cpu"], name
        if name not in NOT_CLEAN:
            assert protocol["precision"] in ("float32", "bfloat16"), name


def test_figures_just_made_say_where_and_from_what(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_module, "git_commit", lambda: "a" * 40)
    made = provenance([Row.of(estimate(np.ones((3, 2))), "x")], "cpu")
    assert made["git_commit"] == "a" * 40 and made["per_seed"] == {"x": [1, 1]} and "kept_from" not in made
    assert {"cpu", "cores", "device", "threads", "torch", "python"} == set(made["machine"])  # type: ignore[call-overload]
    kept = provenance([], "cpu", {"a" * 40, "b" * 40})
    assert kept["git_commit"] == "a" * 40 and kept["kept_from"] == ["b" * 40]
    assert provenance([], "cpu", {f"b{CHANGES}"})["git_commit"] == "a" * 40 + CHANGES


def run_git(at: Path, *words: str) -> str:
    who = ["-c", "user.name=Test", "-c", "user.email=test@localhost"]
    return subprocess.run(["git", "-C", str(at), *who, *words], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository with a package, a result and a page in one commit."""
    for name in ("src/package/__init__.py", "results/x.json", "docs/page.md", "README.md", ".gitignore"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("data/\n" if name == ".gitignore" else "one\n")
    run_git(tmp_path, "init", "-q")
    run_git(tmp_path, "add", "-A")
    run_git(tmp_path, "commit", "-qm", "one")
    return tmp_path


def test_a_tree_is_clean_where_nothing_differs_that_may_have_made_the_figures(tree: Path) -> None:
    package, commit = tree / "src" / "package", run_git(tree, "rev-parse", "HEAD").strip()
    assert commit_of(package) == commit
    for written in ("results/x.json", "results/new.json", "docs/images/new.png", "README.md", "data/new", "notes.txt"):
        (tree / written).parent.mkdir(parents=True, exist_ok=True)
        (tree / written).write_text("two\n")
    assert commit_of(package) == commit
    for changed in ("src/package/__init__.py", "docs/page.md", ".gitignore"):
        before = (tree / changed).read_text()
        (tree / changed).write_text("changed\n")
        assert commit_of(package) == commit + CHANGES, changed
        run_git(tree, "add", changed)
        assert commit_of(package) == commit + CHANGES, f"{changed}, staged"
        run_git(tree, "reset", "-q")
        (tree / changed).write_text(before)
    for new in ("src/package/new.py", "benchmarks/new.py"):
        (tree / new).parent.mkdir(exist_ok=True)
        (tree / new).write_text("new\n")
        assert commit_of(package) == commit + CHANGES, new
        (tree / new).unlink()
    (package / "__init__.py").unlink()
    assert commit_of(package) == commit + CHANGES


def test_a_package_outside_of_any_repository_has_no_commit(tmp_path: Path, tree: Path) -> None:
    assert commit_of(tmp_path / "nowhere") is None
    shutil.copytree(
        tree / "src", tree / "data" / "src"
    )  # installed into an ignored folder, as a virtual environment is
    assert commit_of(tree / "data" / "src" / "package") is None


def test_parts_kept_from_a_tree_that_was_not_clean_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Own(*(np.zeros((1, 2)), np.zeros((1, 2)), np.zeros(1), np.zeros(1)))
    blocks = [Block(name, Own, 1, lambda _: one) for name in ("a", "b")]
    monkeypatch.setattr(blocks_module, "git_commit", lambda: f"older{CHANGES}")
    assert run_blocks(blocks[:1], tmp_path).commits == frozenset()
    monkeypatch.setattr(blocks_module, "git_commit", lambda: "newer")
    records = run_blocks(blocks, tmp_path)
    assert set(records) == {"a", "b"} and records.commits == {f"older{CHANGES}"}
    assert run_blocks(blocks, tmp_path).commits == {f"older{CHANGES}", "newer"}
    np.savez(tmp_path / "a.npz", **vars(one))  # as versions before wrote it
    assert f"unknown{CHANGES}" in run_blocks(blocks, tmp_path).commits


def test_this_process_tells_one_commit_from_its_beginning_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    first = git_commit()
    monkeypatch.setattr(machine_module, "commit_of", lambda package: "another")
    assert git_commit() == first


def test_files_of_before_rows_become_rows_with_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(RESULTS.parent / "tools")
    convert = import_module("results_to_rows")
    for name, content in files().items():
        if "rows" in content:
            numbers = {row["name"]: {key: row[key] for key in ("mean", "low", "high", "n")} for row in content["rows"]}
            (tmp_path / name).write_text(json.dumps({"protocol": content["protocol"], "figures": numbers}))
            convert.main([str(tmp_path / name)])
            assert read_json(tmp_path / name) == content, name
