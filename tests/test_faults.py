"""A few trials of every family of the fault suite, and that the suite finds faults which are planted."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import faults  # noqa: E402
from fault_families.core import NAMES, Found, NotTried, Plain, load, run_trial  # noqa: E402

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


def test_whatever_goes_wrong_in_a_trial_is_told(tmp_path: Path) -> None:
    found = [run_trial(Made(), number, tmp_path)[0] for number in range(7)]
    told = ["None", "took more than 0.5 s", "died (-11)", "KeyError: 'what'", "was printed", "no such thing", "silence"]
    for each, part in zip(found, told, strict=True):
        assert part in str(each)
    assert isinstance(found[5], NotTried)
    assert list(tmp_path.iterdir()) == []


def test_the_suite_goes_on_where_it_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from slowfast_vgen.evaluate import machine

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


@pytest.mark.parametrize("name", FAMILIES)
def test_a_few_trials_of_each_family(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert faults.main(["--family", name, "--sample", "12"]) == 0, capfd.readouterr().out
