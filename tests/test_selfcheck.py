"""`slowfast selfcheck`: passes where all is well, and tells what is broken and how to mend it where it is not."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_results import by_name
from PIL import Image

from slowfast_vgen.cli.main import main
from slowfast_vgen.errors import UserError
from slowfast_vgen.extras import EXTRAS
from slowfast_vgen.files import read_json
from slowfast_vgen.metrics.frames import psnr
from slowfast_vgen.presets import selfcheck as selfcheck_module
from slowfast_vgen.presets.selfcheck import Check, SelfCheck, psnr_db
from slowfast_vgen.presets.worlds import shipped_worlds, start_image
from slowfast_vgen.rollout import Session, WorldModel

ROOT = Path(__file__).parents[1]
NAMES = ["devices", "precision", "weights", "text", "threads", "resume", "rewind", "revisit", "peak memory"]


def only(monkeypatch: pytest.MonkeyPatch, **checks: Callable[[SelfCheck], Check]) -> None:
    found = property(lambda self: {name: check.__get__(self) for name, check in checks.items()})  # type: ignore[attr-defined]
    monkeypatch.setattr(SelfCheck, "checks", found)


@pytest.mark.slow  # each check has a quick test below
def test_all_is_well_here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = torch.get_num_threads()
    assert main(["selfcheck", "--threads", "1", "--json", str(tmp_path / "check.json")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "computing on cpu, float32, 1 thread" and lines[-1] == "all is well"
    assert [line[7:18].strip() for line in lines[1:-1]] == NAMES and all(line.startswith("ok ") for line in lines[1:-1])
    content = read_json(tmp_path / "check.json")
    figures, protocol = by_name(content), content["protocol"]
    assert figures["revisit_psnr_db"]["mean"] > 20 > 14 > figures["revisit_psnr_db_no_memory"]["mean"]
    assert figures["peak_rss_mb"]["mean"] > 100
    assert [figures["failed"][key] for key in ("mean", "low", "high", "n")] == [0, 0, 0, len(NAMES)]
    assert figures["seconds_a_chunk_threads_1"]["mean"] > 0
    assert list(protocol["checks"]) == NAMES and all(one["passed"] for one in protocol["checks"].values())
    assert (protocol["device"], protocol["precision"], protocol["threads"]) == ("cpu", "float32", 1)
    torch.set_num_threads(before)


def test_what_fails_is_named_with_its_mend_and_ends_in_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: SelfCheck) -> Check:
        raise UserError("the package x is not installed; run: pip install x")

    def broken(self: SelfCheck) -> Check:
        raise ValueError("no\nsuch thing")

    only(monkeypatch, peak=SelfCheck._peak, refused=refused, broken=broken)
    assert main(["selfcheck", "--json", str(tmp_path / "check.json")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("ok ") and lines[-1] == "2 of 3 checks failed: refused, broken"
    assert lines[2] == "FAILED refused  the package x is not installed; run: pip install x"
    assert lines[3] == "FAILED broken   broke off (ValueError: no such thing); report this, with the whole output"
    assert [by_name(read_json(tmp_path / "check.json"))["failed"][key] for key in ("mean", "n")] == [2, 3]


def test_damaged_and_missing_weights_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied = shutil.copytree(shipped_worlds()["rooms-64"], tmp_path / "rooms-64")
    monkeypatch.setattr(selfcheck_module, "shipped_worlds", lambda: {"rooms-64": copied})
    assert SelfCheck()._weights().passed
    file = copied / "denoiser" / "diffusion_pytorch_model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    (copied / "scheduler" / "scheduler_config.json").unlink()
    found = SelfCheck()._weights()
    assert not found.passed and "install the package again" in found.advice
    assert (
        found.finding.startswith("damaged or missing: rooms-64/denoiser/") and "scheduler_config.json" in found.finding
    )


def test_emulated_bfloat16_fails_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selfcheck_module, "has_bfloat16", lambda device: False)
    monkeypatch.setattr(selfcheck_module, "emulation_factor", lambda device: 24.0)
    asked, other = SelfCheck(precision="bfloat16")._precision(), SelfCheck(precision="float32")._precision()
    assert (
        not asked.passed and "is emulated here, 24.0 times" in asked.finding and "--precision at auto" in asked.advice
    )
    assert other.passed and not other.advice


@pytest.mark.slow
def test_a_slow_number_of_threads_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(selfcheck_module.time, "perf_counter", lambda: clock[0])

    def step(self: Session, action: str, **_: Any) -> np.ndarray:
        clock[0] += 1.0 if torch.get_num_threads() == 1 else 6.0
        return np.zeros((4, 64, 64, 3), np.uint8)

    monkeypatch.setattr(Session, "step", step)
    monkeypatch.setattr(selfcheck_module, "available_cpus", lambda: 2)
    before = torch.get_num_threads()
    slow, fine = SelfCheck(num_threads=2)._threads(), SelfCheck(num_threads=1)._threads()
    assert slow.passed and slow.advice == "--threads 1 is faster just now" and "1: 1.0, 2: 0.2" in slow.finding
    assert fine.passed and not fine.advice and torch.get_num_threads() == 1
    torch.set_num_threads(before)


@pytest.fixture
def seeds_do_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = iter(range(10**6))
    start = WorldModel.start
    monkeypatch.setattr(WorldModel, "start", lambda self, image, memory, seed: start(self, image, memory, next(calls)))


def test_a_video_that_differs_from_run_to_run_fails(seeds_do_not_hold: None) -> None:
    found = SelfCheck()._resume()
    assert not found.passed and found.finding == "the same seed gave two videos"


def test_a_session_that_resumes_elsewhere_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    resume = WorldModel.resume

    def elsewhere(self: WorldModel, folder: Path) -> Session:
        session = resume(self, folder)
        session.step("turn right")
        return session

    monkeypatch.setattr(WorldModel, "resume", elsewhere)
    assert SelfCheck()._resume().finding == "a resumed session gave other frames"


def test_a_rewind_that_does_not_go_back_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Session, "rewind", lambda self, chunks: None)
    assert SelfCheck()._rewind().finding == "a chunk made again after a rewind has other frames"


def test_a_memory_that_recalls_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    start = WorldModel.start
    monkeypatch.setattr(WorldModel, "start", lambda self, image, memory, seed: start(self, image, False, seed))
    found = SelfCheck()._revisit()
    assert not found.passed and found.figures["revisit_psnr_db"] < 20 and "at least 20 dB" in found.advice


def test_the_shipped_start_image_is_that_of_the_docs() -> None:
    with Image.open(start_image()) as shipped, Image.open(ROOT / "docs" / "images" / "start.png") as shown:
        assert np.array_equal(np.asarray(shipped.convert("RGB")), np.asarray(shown.convert("RGB")))
    with pytest.raises(UserError, match="no start image is shipped with the world 'metaworld-moves'"):
        start_image("metaworld-moves")


@pytest.mark.slow
def test_it_needs_nothing_that_a_plain_installation_leaves_out() -> None:
    left_out = [name for extra in ("rooms", "data", "evaluate") for name in EXTRAS[extra]]
    code = "import sys; sys.modules.update(dict.fromkeys(sys.argv[1].split())); import slowfast_vgen.presets.selfcheck"
    subprocess.run([sys.executable, "-c", code, " ".join(left_out)], check=True, timeout=300)


def test_it_agrees_with_the_measures() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 256, (2, 5, 8, 8, 3), dtype=np.uint8)
    np.testing.assert_allclose(psnr_db(one, other), psnr(one, other), rtol=1e-6)
    assert (psnr_db(one, one) == 100).all()
