"""Trainings lose nothing: no NaN is saved, no checkpoint is taken for another, one process of several writes."""

import argparse
import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from made_sets import make_tiny_set
from tiny import transformer
from torch import Tensor, nn

from slowfast_vgen.cli.common import write_figures
from slowfast_vgen.cli.main import main
from slowfast_vgen.cli.train_denoiser import finish_denoiser
from slowfast_vgen.errors import SlowFastWarning, UserError
from slowfast_vgen.files import hold_folder, read_json, sha256_of_file
from slowfast_vgen.models.vocabulary import FILE as VOCABULARY_FILE
from slowfast_vgen.models.weights import save_part
from slowfast_vgen.sealed import OWN
from slowfast_vgen.tensors import write_tensors
from slowfast_vgen.train.checkpoint import CHECKPOINT, HEADER_FILE, STATE_FILE
from slowfast_vgen.train.run import LOG_FILE, Step, TrainingRun
from slowfast_vgen.train.settings import OptimisationConfig
from slowfast_vgen.train.tracking import check_tracker


def run_of(
    folder: Path, part: Callable[[nn.Linear, int], Tensor], steps: int = 6, tracker: str | None = None
) -> TrainingRun:
    """A training that saves after every step."""
    torch.manual_seed(0)
    module = nn.Linear(3, 2)

    def loss(step: Step) -> Iterator[Tensor]:
        yield part(module, step.number)

    config = OptimisationConfig(steps, warmup_steps=1, validate_every=100, checkpoint_minutes=0, tracker=tracker)
    return TrainingRun(module, config, folder, loss, lambda: {}, {"what": "a line"})


def plain(module: nn.Linear, step: int) -> Tensor:
    inputs = torch.randn(5, 3, generator=torch.Generator().manual_seed(step))
    return (module(inputs) - inputs[:, :2]).square().mean()


def nan_gradient(module: nn.Linear, step: int) -> Tensor:
    """A loss that is finite, and whose gradient is not."""
    away = module.weight - module.weight.detach()
    return plain(module, step) + (away.square().sum().sqrt() if step == 3 else 0)


def infinite_weight(module: nn.Linear, step: int) -> Tensor:
    if step == 3:
        module.bias.data[0] = torch.inf
        return module.weight.square().mean()
    return plain(module, step)


def save(run: TrainingRun) -> Callable[[Path], None]:
    return lambda folder: write_tensors(folder / "weights.safetensors", dict(run.module.state_dict()))


@pytest.mark.parametrize(
    ("part", "told"), [(nan_gradient, "the gradient is nan at step 3"), (infinite_weight, "not finite")]
)
def test_what_is_not_finite_ends_the_training_and_keeps_the_last_sound_checkpoint(
    tmp_path: Path, part: Callable[[nn.Linear, int], Tensor], told: str
) -> None:
    run = run_of(tmp_path, part)
    with pytest.raises(UserError, match=told):
        run.train_part("part", save(run))
    assert not (tmp_path / "part").exists()
    sealed = CHECKPOINT.read(tmp_path / "checkpoint")
    assert sealed.header.step == 3
    assert all(each.isfinite().all() for each in sealed.tensors(STATE_FILE).values())
    again = run_of(tmp_path, plain)
    again.train_part("part", save(again))
    assert (tmp_path / "part" / "weights.safetensors").is_file()


def test_a_validation_that_is_not_finite_is_warned_of_and_leaves_the_log_readable(tmp_path: Path) -> None:
    run = run_of(tmp_path, plain)
    run.validate = lambda: {"psnr": float("inf"), "loss_of_it": 1.0}
    with pytest.warns(SlowFastWarning, match="psnr is inf at step 6; the log tells null"):
        run.run()
    line = json.loads((tmp_path / "log.jsonl").read_text(), parse_constant=pytest.fail)
    assert (line["psnr"], line["loss_of_it"]) == (None, 1.0)


def test_a_protocol_that_is_not_finite_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot write .*Out of range float values"):
        write_figures(tmp_path / "figures.json", {"told": [float("nan")]}, {"one": 1})
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_that_says_another_step_is_refused(tmp_path: Path) -> None:
    run_of(tmp_path, plain).run()
    path = tmp_path / "checkpoint" / HEADER_FILE
    path.write_text(path.read_text().replace('"step": 6', '"step": 5'))
    with pytest.raises(UserError, match="its values do not fit its own SHA-256"):
        run_of(tmp_path, plain).run()


def test_no_training_begins_afresh_over_what_is_left_of_a_checkpoint(tmp_path: Path) -> None:
    run_of(tmp_path, plain).run()
    (tmp_path / "checkpoint" / HEADER_FILE).unlink()
    kept = sha256_of_file(tmp_path / "checkpoint" / STATE_FILE)
    with pytest.raises(UserError, match=HEADER_FILE):
        run_of(tmp_path, plain).run()
    assert sha256_of_file(tmp_path / "checkpoint" / STATE_FILE) == kept


def test_a_checkpoint_of_before_there_were_seals_is_gone_on_with(tmp_path: Path) -> None:
    whole = run_of(tmp_path / "whole", plain)
    whole.run()

    def stopping(module: nn.Linear, step: int) -> Tensor:
        if step == 3:
            raise KeyboardInterrupt
        return plain(module, step)

    with pytest.raises(KeyboardInterrupt):
        run_of(tmp_path / "run", stopping).run()
    path = tmp_path / "run" / "checkpoint" / HEADER_FILE
    old = {name: value for name, value in read_json(path).items() if name not in ("format", "version", OWN)}
    path.write_text(json.dumps(old | {"sha256": old["sha256"][STATE_FILE]}))
    resumed = run_of(tmp_path / "run", plain)
    resumed.run()
    assert torch.equal(resumed.module.state_dict()["weight"], whole.module.state_dict()["weight"])


def test_averaged_weights_are_never_saved_as_those_of_the_training(tmp_path: Path) -> None:
    whole, run = run_of(tmp_path / "whole", plain), run_of(tmp_path / "run", plain)
    whole.run()
    restore = run.ema.restore

    def struck(parameters: Any) -> None:
        run.ema.restore = restore
        raise KeyboardInterrupt

    run.ema.restore = struck
    with pytest.raises(KeyboardInterrupt):
        run.run()
    kept, wanted = (CHECKPOINT.read(each.folder / "checkpoint").tensors(STATE_FILE) for each in (run, whole))
    assert kept.keys() == wanted.keys() and all(torch.equal(kept[name], wanted[name]) for name in wanted)


def test_a_second_program_may_not_train_in_the_same_folder(tmp_path: Path) -> None:
    program = "import sys, time; from pathlib import Path; from slowfast_vgen.files import hold_folder\n"
    program += "lock = hold_folder(Path(sys.argv[1])); print('held', flush=True); time.sleep(120)"
    other = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(UserError, match="another program is writing to"):
            run_of(tmp_path, plain).run()
    finally:
        other.kill()
        other.wait()
    hold_folder(tmp_path).release()  # a lock ends with its program
    run_of(tmp_path, plain).run()


def test_other_peoples_files_are_not_replaced_by_a_part(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "thesis.txt").write_text("precious")
    run = run_of(tmp_path, plain)
    with pytest.raises(UserError, match=r"holds other files \(thesis\.txt\)"):
        run.train_part("part", save(run))
    assert run.progress.step == 0
    assert (tmp_path / "part" / "thesis.txt").read_text() == "precious"


PROCESS = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_training_safety import plain, run_of
from slowfast_vgen.cli.main import quiet_output
from slowfast_vgen.tensors import write_tensors
folder = Path(sys.argv[1])
run = run_of(folder, plain)
def write(target):
    with (folder / "writers").open("a") as file:
        file.write(os.environ["RANK"])
    write_tensors(target / "weights.safetensors", dict(run.module.state_dict()))
run.train_part("part", write)
with quiet_output(False):
    print("trained")
"""


@pytest.mark.slow  # the one below asks the same of figures, within this process
def test_one_process_of_several_writes_the_result(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    common = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    common |= {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-c", PROCESS, str(tmp_path), str(Path(__file__).parent)]
    running = [
        subprocess.Popen(
            words,
            env=common | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for rank in range(2)
    ]
    told = [each.communicate(timeout=240) for each in running]
    assert [each.returncode for each in running] == [0, 0], told
    assert [out for out, _ in told] == [b"trained\n", b""]
    assert (tmp_path / "writers").read_text() == "0"


def test_figures_are_written_by_the_first_process_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for rank in ("1", "0"):
        monkeypatch.setenv("RANK", rank)
        write_figures(tmp_path / "figures.json", {}, {"one": 1})
        assert (tmp_path / "figures.json").exists() == (rank == "0")


def test_what_a_world_can_be_told_is_written_by_the_first_process_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tiny_set(tmp_path / "set", 1)
    save_part(tmp_path / "denoiser", transformer(depth=1))
    for rank in ("1", "0"):
        monkeypatch.setenv("RANK", rank)
        assert finish_denoiser(argparse.Namespace(out=tmp_path, data=[tmp_path / "set"], settings=())) == 0
        assert (tmp_path / "denoiser" / VOCABULARY_FILE).exists() == (rank == "0")


def test_a_tracker_is_told_what_the_log_tells(tmp_path: Path) -> None:
    run = run_of(tmp_path, lambda module, _: module(torch.ones(1, 3)).square().mean(), tracker="tensorboard")
    run.run()
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("events.out.tfevents.*"))
    logged = read_json(tmp_path / LOG_FILE)  # one line
    assert b"seconds" in written and struct.pack("<f", logged["loss"]) in written
    assert b"optimisation/num_steps" in written
    again = run_of(tmp_path, lambda module, _: module(torch.ones(1, 3)).square().mean())
    again.run()  # a tracker changes nothing that must be the same


@pytest.mark.parametrize(
    ("name", "told"),
    [("chalk", "no tracker 'chalk'; choose one of .*tensorboard"), ("wandb", "wandb is not installed")],
)
def test_a_tracker_that_is_not_there_is_refused(name: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told):
        check_tracker(name)
    words = ["--data", str(tmp_path), "--out", str(tmp_path / "out"), "--tracker", name]
    assert main(["train", "codec", *words]) == 2
    assert not (tmp_path / "out").exists()
