"""Where and how commands compute: `--device`, `--precision`, `--threads`."""

import json
import subprocess
import sys
import time
import warnings
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

import slowfast_vgen
from slowfast_vgen import precision, threads
from slowfast_vgen.cli.computing import start_computing
from slowfast_vgen.cli.main import build_parser, main
from slowfast_vgen.devices import open_device
from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.sessions import read_session_header
from slowfast_vgen.rollout import WorldModel
from slowfast_vgen.sealed import write_record

COMPUTING = [
    "generate", "demo", "bench", "plan", "evaluate", "evaluate smoke", "evaluate recall", "evaluate capacity",
    "evaluate rules", "evaluate scaling", "evaluate quality", "evaluate consistency", "evaluate isolation",
    "evaluate crossdomain", "evaluate ablations", "evaluate domains", "memory show", "memory fork", "memory rewind",
    "memory forget", "memory merge", "memory export", "train codec", "train slow", "train path", "train loop",
    "train context", "train inverse-dynamics",
]  # fmt: skip


@pytest.fixture(autouse=True)
def own_threads() -> Iterator[None]:
    """The number of threads of this process, whatever a command of a test settles on."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def start_image(tmp_path: Path) -> Path:
    Image.new("RGB", (64, 64), (200, 40, 40)).save(tmp_path / "start.png")
    return tmp_path / "start.png"


@pytest.mark.parametrize("command", [*COMPUTING, "train still-path"])
def test_every_command_that_computes_has_the_options(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args([*command.split(), "--help"])
    told = capsys.readouterr().out
    wanted = ["--device"] if command == "train still-path" else ["--device", "--precision", "--threads"]
    assert [option for option in wanted if option not in told] == []
    if "--precision" in wanted:
        assert "{auto,float32,bfloat16}" in told


@pytest.mark.parametrize("device", ["cuda", "cuda:7", "meta", "xyz"])
def test_a_device_that_is_not_there_is_one_sentence(
    device: str, start_image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if device.startswith("cuda") and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    out = tmp_path / "out.mp4"
    words = ["generate", "--image", str(start_image), "--actions", "turn left", "--out", str(out), "--device", device]
    assert main(words) == 2
    told = capsys.readouterr().err.strip()
    assert told.count("\n") == 0 and repr(device) in told and "this machine has cpu" in told
    assert not out.exists()
    with pytest.raises(UserError, match="cannot compute on the device"):
        slowfast_vgen.load("rooms-64", device=device)


def test_a_training_refuses_it_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "still-path", "--out", str(tmp_path / "run"), "--device", "nothing"]) == 2
    assert "cannot compute on the device 'nothing'" in capsys.readouterr().err
    assert not (tmp_path / "run" / "address").exists()


def test_precision_follows_the_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        monkeypatch.delenv(name, raising=False)
    for told, wanted in (
        ({"avx512_bf16": True}, "bfloat16"),
        ({"amx_bf16": True}, "bfloat16"),
        ({"architecture": "aarch64", "bf16": True}, "bfloat16"),
        ({"avx512_f": True, "avx512_bf16": False}, "float32"),
        ({"avx2": True}, "float32"),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda told=told: told)
        assert precision.resolve_precision("auto", "cpu") == wanted, told
        # One episode on a CPU is as fast in float32, and its video the same everywhere.
        assert precision.resolve_precision("auto", "cpu", batched=False) == "float32"
        assert precision.resolve_precision("bfloat16", "cpu") == "bfloat16"
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert precision.resolve_precision("auto", "cpu") == "float32"
    with pytest.raises(UserError, match="choose one of auto, float32, bfloat16"):
        precision.resolve_precision("float16", "cpu")


def test_emulated_bfloat16_is_told_with_its_factor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_bfloat16", lambda _: False)
    monkeypatch.setattr(precision, "emulation_factor", lambda _: 23.96)
    told = precision.emulation_warning("bfloat16", "cpu")
    assert told is not None and "24.0 times" in told and "--precision auto" in told
    assert precision.emulation_warning("float32", "cpu") is None
    monkeypatch.setattr(precision, "has_bfloat16", lambda _: True)
    assert precision.emulation_warning("bfloat16", "cpu") is None


def test_the_factor_is_measured() -> None:
    assert 0.01 < precision.emulation_factor("cpu") < 10_000


def test_threads_are_those_that_are_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for free, wanted in ((0.0, 1), (0.4, 1), (1.1, 1), (1.9, 2), (3.2, 3), (64.0, threads.MOST_THREADS)):
        monkeypatch.setattr(threads, "free_cpus", lambda free=free: free)
        assert threads.choose_threads() == wanted
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads.choose_threads() == 3


def test_a_busy_cpu_is_not_free() -> None:
    spinning = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * threads.available_cpus())
    ]
    try:
        time.sleep(0.2)
        assert threads.free_cpus(0.3) < 0.5
    finally:
        for process in spinning:
            process.kill()
            process.wait()


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ({"cpu.max": "150000 100000"}, 1.5),
        ({"cpu.max": "max 100000"}, None),
        ({"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, 2.0),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ({}, None),
    ],
)
def test_a_quota_counts(files: dict[str, str], wanted: float | None, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert threads._quota(tmp_path) == wanted


def test_openmp_is_told_to_sleep_before_torch_comes() -> None:
    code = (
        "import os, sys\n"
        "from slowfast_vgen.cli.main import main\n"
        "main(['--version'])\n"
        "assert 'torch' not in sys.modules\n"
        "print(os.environ['OMP_WAIT_POLICY'])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split()[-1] == "passive"


def _generate(*words: str) -> int:
    return main(["generate", "--actions", "turn left", *words])


def test_a_session_goes_on_as_it_was_computed(
    tiny_world_folder: Path, start_image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world, saved = ["--model", str(tiny_world_folder)], tmp_path / "saved"
    begin = ["--image", str(start_image), "--out", str(tmp_path / "a.mp4"), "--save-memory", str(saved)]
    assert _generate(*world, *begin, "--precision", "bfloat16", "--threads", "2") == 0
    header = read_session_header(saved)
    assert (header.precision, header.threads) == ("bfloat16", 2)
    assert "bfloat16, 2 threads" in capsys.readouterr().out

    torch.set_num_threads(1)
    results = tmp_path / "b.json"
    resume = ["--load-memory", str(saved), "--out", str(tmp_path / "b.mp4"), "--json", str(results)]
    if threads.available_cpus() >= 2:
        assert _generate(*world, *resume) == 0
        protocol = json.loads(results.read_text())["protocol"]
        assert {name: protocol[name] for name in ("device", "precision", "threads")} == {
            "device": "cpu", "precision": "bfloat16", "threads": 2,
        }  # fmt: skip
        assert torch.get_num_threads() == 2

    capsys.readouterr()
    assert _generate(*world, *resume, "--precision", "float32", "--threads", "1") == 0
    told = capsys.readouterr().err
    assert "precision bfloat16 and is resumed with float32" in told and "threads 2 and is resumed with 1" in told
    assert "UserWarning" not in told and "warnings.warn" not in told

    assert main(["memory", "fork", str(saved), "--out", str(tmp_path / "fork"), *world]) == 0
    assert read_session_header(tmp_path / "fork").precision == "bfloat16"


def test_more_threads_than_there_are_cpus_are_not_taken_from_a_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threads, "available_cpus", lambda: 2)
    monkeypatch.setattr(threads, "choose_threads", lambda: 1)
    args = Namespace(device="cpu", precision="auto", threads=None)
    start_computing(args, stored={"threads": 8, "precision": "float32"})
    assert args.threads == 1


def test_a_session_of_an_older_version_loads(tiny_world: WorldModel, start_image: Path, tmp_path: Path) -> None:
    session = tiny_world.start(start_image, memory=True)
    session.step("turn left")
    session.save(tmp_path / "old")
    header = json.loads((tmp_path / "old" / "session.json").read_text())
    for name in ("precision", "threads", "header_sha256"):
        del header[name]
    write_record(tmp_path / "old" / "session.json", header)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frames = tiny_world.resume(tmp_path / "old").step("turn right")
    assert (frames == session.step("turn right")).all()


def test_a_resume_in_another_precision_is_told(tiny_world: WorldModel, start_image: Path, tmp_path: Path) -> None:
    session = tiny_world.start(start_image, memory=False)
    session.save(tmp_path / "saved")
    other = WorldModel(tiny_world.model, "bfloat16")
    with pytest.warns(UserWarning, match="precision float32 and is resumed with bfloat16"):
        other.resume(tmp_path / "saved")


@pytest.mark.parametrize(
    "words", [["--threads", "0"], ["--threads", "many"], ["--threads", "1.5"], ["--precision", "fp16"]]
)
def test_what_no_machine_has_is_refused(
    words: list[str], start_image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _generate("--image", str(start_image), "--out", "x.mp4", *words) == 2
    assert words[1] in capsys.readouterr().err


def test_open_device_gives_what_is_there() -> None:
    assert open_device("cpu") == torch.device("cpu")
