"""The commands of `make worlds`: each is one of `slowfast`, and a trial run touches nothing of a real one."""

import importlib
from pathlib import Path
from typing import Any

import pytest

from slowfast_vgen.cli.main import build_parser


@pytest.fixture
def train_worlds(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    return importlib.import_module("train_worlds")


def test_every_command_is_understood(train_worlds: Any) -> None:
    plan, _ = train_worlds.plan_of([])
    parser = build_parser()
    commands = [parser.parse_args(command) for command in plan.commands()]
    slow = [command for command in commands if command.group == "train" and "width" in command]
    assert len({command.out for command in slow}) == 7  # one over all domains, one without each of five, worlds-64
    assert {len(command.data) for command in slow} == {4, 5}
    assert [command.json for command in commands if "without" in command] == [
        Path("results/domains.json"),
        Path("results/worlds-64.json"),
    ]


def test_no_denoiser_is_scored_as_left_out_that_saw_the_domain(train_worlds: Any) -> None:
    plan, _ = train_worlds.plan_of([])
    commands = [build_parser().parse_args(command) for command in plan.commands()]
    seen = {
        command.out / "denoiser": command.data
        for command in commands
        if command.group == "train" and "codec" in command
    }
    (compared,) = (command for command in commands if getattr(command, "without", None))
    domain_of = {folder: domain for domain, folder in train_worlds.world_folders()}
    assert len(compared.without) == len(domain_of) - 1
    for world, denoiser in compared.without:
        assert plan.data / domain_of[world] / "train" not in seen[denoiser]
        assert len(seen[denoiser]) == len(train_worlds.DOMAINS) - 1


def test_a_trial_run_has_folders_of_its_own(train_worlds: Any, tmp_path: Path) -> None:
    plan, _ = train_worlds.plan_of(["--quick"])
    named = {Path(word) for command in plan.commands() for word in command if "/" in word and "=" not in word}
    ours = {path for path in named if not path.is_relative_to(train_worlds.BASE)}
    assert ours
    assert all(path.is_relative_to(train_worlds.QUICK_FOLDER) for path in ours)
    elsewhere, _ = train_worlds.plan_of(["--quick", "--results", str(tmp_path)])
    assert elsewhere.results == tmp_path
