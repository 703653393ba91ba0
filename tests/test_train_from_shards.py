"""`slowfast train ... --data SHARDS`: the very training of the folder, gone on with exactly; damage."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from made_sets import episode_of, make_set
from safetensors.torch import load_file
from torch import Tensor

from slowfast_vgen.cli.main import main
from slowfast_vgen.data.shards.index import read_index
from slowfast_vgen.data.shards.write import write_shards
from slowfast_vgen.data.sources import open_episodes
from slowfast_vgen.models.codec import Codec
from slowfast_vgen.models.settings import CodecConfig
from slowfast_vgen.models.text import TextEncoder
from slowfast_vgen.models.world_model import load_denoiser
from slowfast_vgen.train.checkpoint import STATE_FILE, read_header
from slowfast_vgen.train.inputs import some_episodes
from slowfast_vgen.train.run import LOG_FILE, TrainingRun


@pytest.fixture(scope="module", autouse=True)
def one_text_encoder(text_encoder: TextEncoder) -> Iterator[None]:
    """Each command loads the encoder; here all of them share its weights."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(TextEncoder, "load", staticmethod(lambda device="cpu": TextEncoder(text_encoder.model)))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data sets `train` and `validation`, their shards `train-shards` and `validation-shards`, and a codec."""
    folder = tmp_path_factory.mktemp("data")
    for split, count, first in (("train", 4, 0), ("validation", 1, 10)):
        episodes = [episode_of(first + n, (4, 4, 4), size=16) for n in range(count)]
        make_set(folder / split, *episodes, split=split)
        write_shards([folder / split], folder / f"{split}-shards", 40_000)
    assert len(read_index(folder / "train-shards").shards) > 1
    torch.manual_seed(0)
    Codec.from_config(CodecConfig(latent_channels=4, encoder_width=8, decoder_width=8)).save(folder / "codec")
    return folder


def words(folder: Path, out: Path, kind: str = "slow", shards: bool = True, *more: str) -> list[str]:
    ending = "-shards" if shards else ""
    data = ["--data", str(folder / f"train{ending}"), "--validation", str(folder / f"validation{ending}")]
    options = {"slow": ["--width", "32", "--depth", "1"], "path": ["--chunks", "2", "--key-width", "8"], "codec": []}
    codec = [] if kind == "codec" else ["--codec", str(folder / "codec")]
    common = ["--steps", "4", "--batch-size", "4", "--validate-every", "4", "--out", str(out)]
    return ["train", kind, *data, *codec, *options[kind], *common, *more]


def weights(out: Path) -> dict[str, Tensor]:
    return load_denoiser(out / "denoiser").state_dict()


def assert_same_weights(one: Path, other: Path) -> None:
    found = weights(other)
    for name, value in weights(one).items():
        assert torch.equal(found[name], value), name


@pytest.fixture(scope="module")
def whole(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run from the folder, without an interruption."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert main(words(folder, out, shards=False)) == 0
    return out


def test_a_training_from_shards_is_that_from_the_folder(folder: Path, whole: Path, tmp_path: Path) -> None:
    assert main(words(folder, tmp_path / "run")) == 0
    assert_same_weights(whole, tmp_path / "run")
    headers = [read_header(out / "checkpoint").config for out in (whole, tmp_path / "run")]
    assert headers[0] == headers[1]
    for place in ("train", "validation", "train-shards", "validation-shards"):
        assert list((folder / place / ".cache").glob("latents-*.safetensors")), place


@pytest.mark.parametrize("then", ["shards", "folder"])
def test_a_run_from_shards_goes_on_exactly(
    folder: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    taken: list[int] = []
    step = TrainingRun._take_step

    def stopping(self: TrainingRun) -> None:
        if len(taken) == 2:
            raise KeyboardInterrupt
        taken.append(1)
        step(self)

    with monkeypatch.context() as patched:
        patched.setattr(TrainingRun, "_take_step", stopping)
        assert main(words(folder, tmp_path / "run")) == 130
    assert read_header(tmp_path / "run" / "checkpoint").step == 2
    assert main(words(folder, tmp_path / "run", shards=then == "shards")) == 0
    assert_same_weights(whole, tmp_path / "run")


def test_codec_and_path_train_from_shards(folder: Path, tmp_path: Path) -> None:
    for name, shards in (("folder", False), ("shards", True)):
        assert main(words(folder, tmp_path / name, "path", shards)) == 0
        assert main(words(folder, tmp_path / f"codec-{name}", "codec", shards, "--latent-channels", "2")) == 0
    files = [tmp_path / name / "address" / "diffusion_pytorch_model.safetensors" for name in ("folder", "shards")]
    assert files[0].read_bytes() == files[1].read_bytes()
    codecs = [Codec.load(tmp_path / f"codec-{name}" / "codec") for name in ("folder", "shards")]
    assert codecs[0].fingerprint() == codecs[1].fingerprint()
    assert codecs[0].latent_channels == 2


@pytest.mark.slow  # test_training_safety asks the same of a training without a command
@pytest.mark.parametrize("kind", ["slow", "codec", "path"])
def test_two_processes_take_the_steps_of_one_and_write_once(folder: Path, tmp_path: Path, kind: str) -> None:
    alone, both = tmp_path / "alone", tmp_path / "both"
    assert main(words(folder, alone, kind)) == 0
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    launch = ["accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", port]
    program = [sys.executable, "-m", *launch, "-m", "slowfast_vgen", *words(folder, both, kind)]
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(program, capture_output=True, text=True, timeout=900, env=environment)
    assert run.returncode == 0, run.stderr
    part = {"slow": "denoiser", "path": "address"}.get(kind, kind)
    assert run.stdout.splitlines().count(f"wrote {both / part}") == 1, run.stdout
    logs = [[json.loads(line) for line in (out / LOG_FILE).read_text().splitlines()] for out in (alone, both)]
    assert [line["step"] for line in logs[1]] == [line["step"] for line in logs[0]] == [4]
    assert logs[1][0]["loss"] == pytest.approx(logs[0][0]["loss"], rel=1e-4)
    assert {each.name for each in both.iterdir()} == {each.name for each in alone.iterdir()}
    one, other = (load_file(out / "checkpoint" / STATE_FILE) for out in (alone, both))
    for name in (each for each in one if each.endswith("exp_avg")):  # the gradients, which are rounded otherwise
        assert (other[name] - one[name]).abs().max() <= 1e-4 * one[name].abs().max(), name


def test_a_codec_does_not_go_on_with_other_data(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(folder, tmp_path / "run", "codec")) == 0
    before = Codec.load(tmp_path / "run" / "codec").fingerprint()
    other = [word.replace("train-shards", "validation-shards") for word in words(folder, tmp_path / "run", "codec")]
    assert main(other) == 2
    assert "holds a training with other settings (data, set sizes)" in capsys.readouterr().err
    assert Codec.load(tmp_path / "run" / "codec").fingerprint() == before


def test_so_many_episodes_are_drawn_of_a_set(folder: Path) -> None:
    drawn = {}
    for place in ("train", "train-shards"):
        numbers = [episode.metadata["number"] for episode in some_episodes(open_episodes(folder / place), 1, most=3)]
        assert numbers == sorted(numbers)
        drawn[place] = numbers
    assert len(drawn["train"]) == 3
    assert drawn["train"] == drawn["train-shards"]
    assert len(list(some_episodes(open_episodes(folder / "train"), 1))) == 4


def test_poses_that_cannot_be_read_are_borne(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for place in ("train", "validation"):
        shutil.copytree(folder / place, tmp_path / place)
    (tmp_path / "codec").symlink_to(folder / "codec")
    poses = tmp_path / "train" / "episodes" / "000002" / "poses.parquet"
    poses.write_bytes(poses.read_bytes()[:-20])
    assert main(words(tmp_path, tmp_path / "run", "path", False)) == 2
    assert f"slowfast: error: {poses}: bad-table" in capsys.readouterr().err
    assert main(words(tmp_path, tmp_path / "run", "path", False, "--max-bad-share", "0.3")) == 0
    assert f"left out: {poses}: bad-table" in capsys.readouterr().err


def test_a_data_set_of_which_nothing_can_be_read(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for place in ("train", "validation"):
        shutil.copytree(folder / place, tmp_path / place)
    for video in (tmp_path / "train").rglob("video.mp4"):
        video.write_bytes(b"")
    assert main(words(tmp_path, tmp_path / "run", "codec", False, "--max-bad-share", "1")) == 2
    assert "slowfast: error: no episode of the data can be read" in capsys.readouterr().err


@pytest.mark.slow
def test_a_full_disk_is_told_by_a_training(folder: Path, tmp_path: Path) -> None:
    code = (
        "import resource, sys; from slowfast_vgen.cli.main import main; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)); sys.exit(main(sys.argv[1:]))"
    )
    command = words(folder, tmp_path / "run", "codec", False)
    ended = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert "check the space there" in ended.stderr.splitlines()[-1]
    assert not list((tmp_path / "run").rglob("*.safetensors"))


def test_a_training_starts_from_weights_of_fewer_latent_channels(
    folder: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--init", str(folder / "codec"), "--latent-channels", "6"]
    assert main(words(folder, tmp_path / "codec-run", "codec", True, *more)) == 0
    (tmp_path / "codec").symlink_to(tmp_path / "codec-run" / "codec")
    for place in ("train-shards", "validation-shards"):
        (tmp_path / place).symlink_to(folder / place)
    start = ["--init", str(whole / "denoiser")]
    assert main(words(tmp_path, tmp_path / "run", "slow", True, "--cache", "none", *start)) == 0
    assert "made for 4 latent channels; 2 are added" in capsys.readouterr().out
    assert load_denoiser(tmp_path / "run" / "denoiser").config.latent_channels == 6
    assert main(words(folder, tmp_path / "back", "slow", True, "--init", str(tmp_path / "run" / "denoiser"))) == 2
    assert "made for latent_channels 6, but a frame of the data has 4" in capsys.readouterr().err
    less = ["--init", str(folder / "codec"), "--latent-channels", "2"]
    assert main(words(folder, tmp_path / "less", "codec", True, *less)) == 2
    assert "with as many latent channels or fewer" in capsys.readouterr().err


def test_the_cache_goes_where_it_is_told(folder: Path, whole: Path, tmp_path: Path) -> None:
    caches = [folder / place / ".cache" for place in ("train", "validation")]
    before = [sorted(cache.iterdir()) for cache in caches]
    for more, told in (("none", None), (str(tmp_path / "cache"), tmp_path / "cache")):
        assert main(words(folder, tmp_path / more[-4:], "slow", False, "--cache", more)) == 0
        assert_same_weights(whole, tmp_path / more[-4:])
        if told:
            assert len(list(told.iterdir())) == 2
    assert [sorted(cache.iterdir()) for cache in caches] == before
    assert not (Path.cwd() / "none").exists()


def test_damaged_shards_are_refused_or_borne(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for split in ("train", "validation"):
        write_shards([folder / split], tmp_path / f"{split}-shards", 40_000)
    (tmp_path / "codec").symlink_to(folder / "codec")
    shard = tmp_path / "train-shards" / "shard-000000.tar"
    data = bytearray(shard.read_bytes())
    data[9000] ^= 1
    shard.write_bytes(data)
    for kind in ("slow", "codec"):
        assert main(words(tmp_path, tmp_path / kind, kind)) == 2
        error = capsys.readouterr().err
        assert f"slowfast: error: {shard}/00000000: checksum: the sample is not the one that was written" in error
        assert "Traceback" not in error
        assert main(words(tmp_path, tmp_path / kind, kind, True, "--max-bad-share", "0.3")) == 0
        assert f"left out: {shard}/00000000: checksum" in capsys.readouterr().err
    shard.unlink()
    assert main(words(tmp_path, tmp_path / "run", "slow", True, "--max-bad-share", "0.2")) == 2
    assert "cannot be read, more than the share of 0.2" in capsys.readouterr().err
    assert main(words(tmp_path, tmp_path / "run", "slow", True, "--max-bad-share", "2")) == 2
    assert "not a number from 0 to 1" in capsys.readouterr().err
