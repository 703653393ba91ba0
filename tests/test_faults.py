"""A few trials of every family of the fault suite, and that the suite finds faults which are planted."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from slowfast_vgen import file_system, files
from slowfast_vgen.memory import sessions
from slowfast_vgen.memory.episode import EpisodeMemory

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import faults
from fault_families.core import NAMES, Found, NotTried, Plain, load, run_trial
from fault_families.disk_full_signals_power import DiskFullSignalsPower
from fault_families.kills import Kills
from fault_families.nan_and_exceptions import NanAndExceptions
from fault_families.nan_places import PLACES
from fault_families.resume import SESSIONS, TRAININGS, Resume
from fault_families.save_load_fork_merge import SaveLoadForkMerge

FAMILIES = [name for name in NAMES if load(name) is not None]


class Made(Plain):
    """Trials that go wrong in every way that no family needs to look for."""

    name = what = "made"
    floor = 0
    limit_seconds = 0.5

    def prepare(self, folder: Path, seed: int) -> int:
        return 7

    def run(self, number: int, folder: Path) -> Found:
        if number == 1:
            time.sleep(60)
        elif number == 2:
            os.kill(os.getpid(), signal.SIGSEGV)
        elif number == 3:
            raise KeyError("what")
        elif number == 4:
            print("Traceback (most recent call last): of a thread")
        elif number == 5:
            return NotTried("no such thing here")
        elif number == 6:
            return "silence"
        return None


@pytest.mark.alone
def test_whatever_goes_wrong_in_a_trial_is_told(tmp_path: Path) -> None:
    found = [run_trial(Made(), number, tmp_path)[0] for number in range(7)]
    told = ["None", "took more than 0.5 s", "died (-11)", "KeyError: 'what'", "was printed", "no such thing", "silence"]
    for each, part in zip(found, told, strict=True):
        assert part in str(each)
    assert isinstance(found[5], NotTried)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.alone
def test_the_suite_goes_on_where_it_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from slowfast_vgen import machine

    monkeypatch.setattr(machine, "git_commit", lambda: "a" * 40)
    monkeypatch.setattr(faults, "load", lambda name: Made())
    words = ["--family", "kills", "--json", str(tmp_path / "reliability.json")]
    assert faults.main([*words, "--seconds", "0.01"]) == 0
    first = json.loads((tmp_path / "reliability.json").read_text())["families"]["kills"]
    assert faults.main(words) == 1
    results = json.loads((tmp_path / "reliability.json").read_text())
    row = results["families"]["kills"]
    assert first["done"] < row["done"] == row["trials"] == 7
    assert (row["tried"], row["failed"], row["not_tried"]) == (6, 5, {"no such thing here": 1})
    assert [each["trial"] for each in row["failures"]] == [1, 2, 3, 4, 6]
    assert results["total"] == {"tried": 6, "failed": 5, "not_tried": 1}
    assert faults.main([*words, "--only", "0"]) == 0 and faults.main([*words, "--only", "6"]) == 1


FEW = 3


def run_suite(folder: Path, *words: str) -> dict[str, Any]:
    """The rows of the suite's own program, in a process that has no threads and locks yet for trials to inherit."""
    results = folder / "rows.json"
    program = [sys.executable, str(Path(faults.__file__)), "--json", str(results), *words]
    run = subprocess.run(program, capture_output=True, text=True)
    assert results.is_file(), run.stdout + run.stderr[-2000:]
    rows: dict[str, Any] = json.loads(results.read_text())["families"]
    assert all(row["tried"] for row in rows.values()), run.stdout
    assert run.returncode == 0 and not any(row["failed"] for row in rows.values()), run.stdout
    return rows


def test_a_few_trials_of_each_family(tmp_path: Path) -> None:
    assert set(run_suite(tmp_path, "--sample", str(FEW))) == set(FAMILIES)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_a_larger_sample(name: str, tmp_path: Path) -> None:
    assert set(run_suite(tmp_path, "--family", name, "--sample", "200", "--seconds", "60", "--seed", "1")) == {name}


def found_by(
    family: Any, folder: Path, wanted: Callable[[int], bool] = lambda number: True, most: int = 60
) -> list[str]:
    """What the trials of a family find, of `most` that are wanted, spread evenly over all."""
    (folder / "family").mkdir()
    numbers = [number for number in range(family.prepare(folder / "family", 0)) if wanted(number)]
    chosen = numbers[:: max(1, len(numbers) // most)]
    found = [run_trial(family, number, folder)[0] for number in chosen]
    family.close()
    if found and all(isinstance(each, NotTried) for each in found):
        pytest.skip("for want of a mount: this user cannot mount disks")
    return [each for each in found if isinstance(each, str)]


@pytest.mark.slow
@pytest.mark.alone
def test_kills_find_a_folder_that_is_replaced_in_two_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def put_in_place(new: Path, path: Path, place: Path) -> None:
        if path.exists():
            shutil.rmtree(path)
        os.rename(new, path)

    family = Kills()
    family.names = ("part",)
    assert found_by(family, tmp_path, lambda number: number < len(family.plan), 30) == []
    shutil.rmtree(tmp_path / "family")
    monkeypatch.setattr(files, "put_in_place", put_in_place)
    found = found_by(family, tmp_path, lambda number: number < len(family.plan), 30)
    assert any("nothing is there, not the new or old" in each or "refused" in each for each in found), found


@pytest.mark.slow
@pytest.mark.alone
def test_resumes_find_a_training_that_forgets_its_moments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.optim.AdamW, "load_state_dict", lambda self, state: None)
    found = found_by(Resume(), tmp_path, lambda number: SESSIONS <= number < SESSIONS + TRAININGS, 8)
    assert any("other ['weights'" in each for each in found), found


@pytest.mark.slow
@pytest.mark.alone
def test_twins_find_a_fork_that_shares_its_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    family = SaveLoadForkMerge()
    prepare = family.prepare

    def prepare_then_plant(folder: Path, seed: int) -> int:
        count = prepare(folder, seed)  # it forks, too, and must do so rightly
        monkeypatch.setattr(EpisodeMemory, "fork", lambda self: self)
        return count

    monkeypatch.setattr(family, "prepare", prepare_then_plant)
    assert found_by(family, tmp_path, lambda number: number > 14, 8)


@pytest.mark.slow
@pytest.mark.alone
def test_a_check_for_nan_that_is_gone_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "check_finite", lambda what, tensors, mend: None)
    place = list(PLACES).index("latents of a session")
    found = found_by(NanAndExceptions(), tmp_path, lambda number: number in (place, place + len(PLACES)))
    assert len(found) == 2 and all("it is saved in silence" in each for each in found), found


@pytest.mark.slow
@pytest.mark.alone
def test_power_cuts_find_what_is_not_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_system, "_sync", lambda descriptor: None)
    family = DiskFullSignalsPower()

    def is_cut(number: int) -> bool:
        return number < len(family.plan) and family.plan[number].sort == "cut"

    found = found_by(family, tmp_path, is_cut, 12)
    assert any("old is there, not the new" in each for each in found), found
