"""The fault suite's families of inputs find faults that are planted, and in a larger sample none that are not."""

import mmap
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alone import ALONE

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

from fault_families.core import Family, run_trial  # noqa: E402
from fault_families.hostile import Hostile  # noqa: E402
from fault_families.mutants import Mutants  # noqa: E402
from fault_families.soak import Soak, steady  # noqa: E402
from fault_families.videos_and_tables import VideosAndTables  # noqa: E402


def found_by(family: Family, numbers: list[int], folder: Path) -> list[str]:
    return [str(run_trial(family, number, folder)[0]) for number in numbers]


# ------------------------------------------------------------------------------------------------------------- mutants


@pytest.fixture
def tensors(tmp_path: Path) -> Mutants:
    """The family for parts of a world alone, prepared in the process that forks its trials."""
    family = Mutants(("denoiser",))
    if ALONE in os.environ:
        family.prepare(tmp_path / "mutants", 0)
    return family


def of_ways(family: Mutants, *ways: str, is_mended: bool = False) -> list[int]:
    """The first trial of each of these damages."""
    trials = [(way, mended) for _, way, mended in family.ways]
    return [trials.index((way, is_mended)) for way in ways]


@pytest.mark.slow
@pytest.mark.alone
def test_what_is_read_in_silence_is_found(tensors: Mutants, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from slowfast_vgen import sealed

    numbers = of_ways(tensors, "swapped", "json")
    assert found_by(tensors, numbers, tmp_path) == ["None"] * 2
    monkeypatch.setattr(sealed, "sha256_of_bytes", lambda content: "0" * 64)
    monkeypatch.setattr(sealed.Seal, "_read", lambda seal, folder, content, only: sealed.Sealed(
        folder, None, {name: (folder / name).read_bytes() for name in sealed.files_in(folder)}))  # fmt: skip
    assert "it was read as something else, without a word" in found_by(tensors, numbers, tmp_path)[0]


@pytest.mark.slow
@pytest.mark.alone
def test_payloads_that_run_and_tracebacks_are_found(
    tensors: Mutants, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pickle

    from slowfast_vgen.models import weights

    def unpickles(path: Path, content: bytes) -> object:
        return pickle.loads(content)

    monkeypatch.setattr(weights, "parse_tensors", unpickles)
    numbers = [number for number, (_, way, mended) in enumerate(tensors.ways) if way == "payload" and mended][:6]
    told = " ".join(found_by(tensors, numbers, tmp_path))
    assert "its payload was run" in told or "a traceback" in told


@pytest.mark.slow
@pytest.mark.alone
def test_memory_without_limits_is_found(tensors: Mutants, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from slowfast_vgen.models import weights

    parse = weights.parse_tensors
    monkeypatch.setattr(weights, "parse_tensors", lambda *given: (bytearray(b"a" * 500_000_000), parse(*given))[1])
    (told,) = found_by(tensors, of_ways(tensors, "swapped", is_mended=True), tmp_path)
    assert "reading it took" in told


# -------------------------------------------------------------------------------------------------- videos and tables


@pytest.mark.slow
@pytest.mark.alone
def test_losses_that_nothing_names_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from slowfast_vgen.data import importing

    family = VideosAndTables(40)
    family.prepare(tmp_path / "family", 0)
    monkeypatch.setattr(importing.ImportReport, "add", lambda report, finding: {"name": "", "message": ""})
    assert "unnamed" in " ".join(found_by(family, list(range(40)), tmp_path))


# ------------------------------------------------------------------------------------------------------------- hostile


@pytest.mark.slow
@pytest.mark.alone
def test_peers_that_keep_one_waiting_and_text_that_steers_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from slowfast_vgen.cli import terminal
    from slowfast_vgen.plan import endpoint

    family = Hostile()
    family.prepare(tmp_path / "family", 0)
    names = [(run.__name__, *arguments) for run, arguments in family.trials]
    numbers = [0, names.index(("said", "info", "clears", "utf-8")), names.index(("streamed", "info", "1 closed"))]
    assert found_by(family, numbers, tmp_path) == ["None"] * 3
    monkeypatch.setattr(terminal, "plain", lambda text: text)
    monkeypatch.setattr(endpoint.EndpointSplitter, "split", lambda self, goal, texts: threading.Event().wait(600))
    family.limit_seconds = 3
    waited, steered, _ = found_by(family, numbers, tmp_path)
    assert "it took more than 3 s" in waited
    assert "it printed {'\\x1b'}" in steered


# ---------------------------------------------------------------------------------------------------------------- soak


@pytest.mark.slow
@pytest.mark.alone
def test_what_grows_and_what_mixes_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Any] = []

    def pages() -> mmap.mmap:  # new ones, where the process has freed memory to spare as well
        new = mmap.mmap(-1, 2_000_000)
        new.write(b"a" * 2_000_000)
        return new

    def leaking(what: str) -> Iterator[None]:
        for _ in range(30):
            kept.append(pages() if what == "memory" else tempfile.TemporaryFile())  # noqa: SIM115
            yield

    assert str(steady(leaking("memory"))).startswith("memory grew")
    assert str(steady(leaking("files"))).startswith("open files grew")
    kept.clear()
    assert steady(iter([None] * 30)) is None
    family, main = Soak(), threading.current_thread()
    monkeypatch.setattr(family, "frames", lambda rule, seed: threading.current_thread() is main)
    assert str(family.threads(1)).startswith("beside others")
