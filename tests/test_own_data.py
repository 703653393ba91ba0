"""From a user's own clips to a world with a memory, by the commands: poses, chunks, sizes, targets, held-out parts."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from own_clips import STEP, make_clips, way

import slowfast_vgen
from slowfast_vgen.cli.main import main
from slowfast_vgen.data.format import EpisodeDataset
from slowfast_vgen.errors import UserError
from slowfast_vgen.models.world_model import load_address, load_denoiser
from slowfast_vgen.train import loop as loop_module
from slowfast_vgen.train import slow as slow_module
from slowfast_vgen.train.checkpoint import read_header

ACTIONS = ("walk on", "turn left", "walk on")


@pytest.fixture(autouse=True)
def short_validations(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is validated on is no matter of this file, and slow for a UNet."""
    monkeypatch.setattr(slow_module, "VALIDATION_BATCH_SIZE", 1)
    monkeypatch.setattr(slow_module, "VALIDATION_BATCHES", 1)
    monkeypatch.setattr(loop_module, "VALIDATION_CHAINS", 1)


def lines(capsys: pytest.CaptureFixture[str]) -> str:
    """What was told, in one line."""
    captured = capsys.readouterr()
    return " ".join((captured.out + captured.err).split())


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 clips of three actions of 1.5 s, imported at 16x16 and 10 frames a second: `data`, and a codec."""
    folder = tmp_path_factory.mktemp("clips")
    make_clips(folder / "source")
    words = ["--from", "folder", str(folder / "source"), str(folder / "data")]
    assert main(["data", "import", *words, "--size", "16", "--fov", "70"]) == 0
    trained = ["--data", str(folder / "data"), "--steps", "2", "--latent-channels", "4", "--out", str(folder / "codec")]
    assert main(["train", "codec", *trained]) == 0
    return folder


def train(clips: Path, part: str, out: Path, *more: str) -> int:
    """One of the trainings as documented, but short."""
    coded = ["--data", str(clips / "data"), "--codec", str(clips / "codec" / "codec"), "--steps", "2"]
    return main(["train", part, *coded, "--batch-size", "2", "--out", str(out), *more])


def test_poses_come_with_the_clips(clips: Path) -> None:
    data = EpisodeDataset(clips / "data")
    assert len(data) == 20
    for number, told in ((0, ACTIONS), (1, ("turn right", "walk on", "wait"))):
        episode = data[number]
        assert episode.num_frames == 46
        assert episode.poses is not None
        expected = way(told, 15)
        expected[:, 2] %= 360
        np.testing.assert_allclose(episode.poses, expected, atol=1e-9)
        assert episode.metadata["fov_degrees"] == 70
    assert [chunk.num_frames for chunk in data[0].chunks] == [4, 4, 4, 3] * 3


def test_clips_train_a_path_and_a_loop_as_documented(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(clips, "slow", tmp_path / "slow", "--width", "32", "--depth", "1") == 0
    assert "held out to validate on: 2 of 20 episodes" in lines(capsys)
    assert train(clips, "path", tmp_path / "path") == 0
    assert "chains of 10 chunks instead of 16" in lines(capsys)
    address = load_address(tmp_path / "path" / "address")
    assert address.config.step_units == pytest.approx(STEP)
    assert address.config.fov_degrees == 70
    metres = torch.tensor([[0.0, 0.0, 0.0], [20.0, 0.0, 0.0], [0.14, 0.0, 0.0]])
    here, far, near = address(metres / torch.tensor([address.config.step_units] * 2 + [1.0]))[:, 0]
    assert float(here @ far) < 0.2 < 0.7 < float(here @ near)
    init, there = ("--init", str(tmp_path / "slow" / "denoiser")), ("--address", str(tmp_path / "path" / "address"))
    assert train(clips, "loop", tmp_path / "loop", *init, *there) == 0
    assert train(clips, "loop", tmp_path / "eq3", *init, "--rule", "denoising", "--rank", "2", "--chunks", "3") == 0
    headers = [read_header(tmp_path / run / "checkpoint").config for run in ("slow", "path", "loop", "eq3")]
    assert all(one["held out"] == headers[0]["held out"] for one in headers)
    assert headers[0]["held out"]["share"] == 0.1
    assert headers[2]["loop"]["num_chunks"] == 10
    capsys.readouterr()
    assert train(clips, "loop", tmp_path / "x", *init, *there, "--chunks", "25") == 2
    told = lines(capsys)
    assert "--chunks 25 cannot be had: the longest chain of" in told
    assert "has 10 chunks of 4 frames" in told
    assert "give --chunks 10 or less" in told


@pytest.mark.parametrize(
    ("size", "kind"),
    [
        ("48", "transformer"),
        ("128x72", "transformer"),
        pytest.param("72x128", "wan", marks=pytest.mark.slow),
        pytest.param("128", "transformer", marks=pytest.mark.slow),
        pytest.param("96", "unet3d", marks=pytest.mark.slow),
        pytest.param("128x72", "unet3d", marks=pytest.mark.slow),
    ],
)
def test_frames_of_any_size_get_a_memory_that_acts(size: str, kind: str, tmp_path: Path) -> None:
    make_clips(tmp_path / "source", count=2, seconds=0.9, size=(48, 80))
    data = tmp_path / "data"
    assert main(["data", "import", "--from", "folder", str(tmp_path / "source"), str(data), "--size", size]) == 0
    common = ["--data", str(data), "--validation", "50%", "--steps", "1", "--batch-size", "1"]
    assert main(["train", "codec", *common, "--latent-channels", "2", "--out", str(tmp_path / "codec")]) == 0
    coded = [*common, "--codec", str(tmp_path / "codec" / "codec")]
    small = ["--width", "32", "--depth", "1", "--noise-draws", "1"]
    assert main(["train", "slow", *coded, "--denoiser", kind, *small, "--out", str(tmp_path / "slow")]) == 0
    assert not load_denoiser(tmp_path / "slow" / "denoiser").can_recall
    assert main(["train", "path", *coded, "--key-width", "16", "--out", str(tmp_path / "path")]) == 0
    there = ["--address", str(tmp_path / "path" / "address")]
    loop = ["--init", str(tmp_path / "slow" / "denoiser"), *there, "--memory-width", "3", "--chunks", "2"]
    fast = ["--learning-rate", "0.1", "--out", str(tmp_path / "loop")]
    assert main(["train", "loop", *coded, *loop, *fast]) == 0
    assert load_denoiser(tmp_path / "loop" / "denoiser").can_recall
    world = pack(tmp_path, "loop", *there)
    width, height = (int(side) for side in (size.split("x") * 2)[:2])
    loaded = slowfast_vgen.load(world)
    assert loaded.frame_size == (height, width)
    columns = -(-width // 16)
    assert loaded.model.address is not None
    assert loaded.model.address.config.num_columns == columns
    image = EpisodeDataset(data)[0].frames[0]
    assert loaded.start(image, num_sampling_steps=1).step("turn left").shape == (4, height, width, 3)
    with pytest.raises(UserError, match=f"the frames are 40x40 and those of the world 'mine' are {width}x{height}"):
        loaded.start_batch(np.zeros((1, 40, 40, 3), np.uint8), True, [0])
    on, off = (loaded.start_batch(image[None], memory, [0], num_sampling_steps=1) for memory in (True, False))
    latents = [[rollout.step([action]) for action in ("turn left", "turn right")] for rollout in (on, off)]
    assert (latents[0][1] - latents[1][1]).abs().max() > 1e-5
    video = ["--actions", "turn left; turn right", "--memory", "on", "--steps", "1", "--out", str(tmp_path / "v.mp4")]
    still = tmp_path / "start.png"
    from PIL import Image

    Image.fromarray(image).save(still)
    assert main(["generate", "--model", str(world), "--image", str(still), *video]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["unet3d", "wan"])
def test_every_denoiser_learns_by_every_rule(
    kind: str, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ("--batch-size", "1", "--steps", "1", "--noise-draws", "1")
    assert train(clips, "slow", tmp_path / "slow", "--denoiser", kind, *few, "--memory", "--memory-width", "2") == 0
    roomy = load_denoiser(tmp_path / "slow" / "denoiser")
    assert roomy.can_recall
    assert roomy.config.memory_width == 2
    init = ("--init", str(tmp_path / "slow" / "denoiser"), "--chunks", "2", "--batch-size", "1", "--steps", "1")
    for rule in ("denoising", "denoising-original", "replay"):
        assert train(clips, "loop", tmp_path / rule, *init, "--rule", rule, "--rank", "2") == 0
    learning = {"lora": {"lora": {"rank": 2}, "learning_rate": 0.03}}
    (tmp_path / "codec").symlink_to(clips / "codec")
    world = slowfast_vgen.load(pack(tmp_path, "denoising", memory=learning))
    image = EpisodeDataset(clips / "data")[0].frames[0]
    on, off = (world.start_batch(image[None], memory, [0], num_sampling_steps=1) for memory in (True, False))
    latents = [[rollout.step([action]) for action in ("walk on", "turn left")] for rollout in (on, off)]
    assert torch.equal(latents[0][0], latents[1][0])  # nothing was learned before the first chunk
    assert (latents[0][1] - latents[1][1]).abs().max() > 1e-5


def test_a_memory_that_cannot_act_is_refused(clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(clips, "slow", tmp_path / "slow", "--width", "32", "--depth", "1") == 0
    assert main(["train", "still-path", "--key-width", "8", "--out", str(tmp_path / "still")]) == 0
    there = ("--address", str(tmp_path / "still" / "address"))
    init = ("--init", str(tmp_path / "slow" / "denoiser"))
    (tmp_path / "memory.json").write_text('{"ridge": {}}')
    words = ["--name", "mine", "--codec", str(clips / "codec" / "codec"), "--denoiser", init[1]]
    shipped = ["--memory", str(tmp_path / "memory.json"), "--out", str(tmp_path / "world")]
    capsys.readouterr()
    assert main(["models", "pack", *words, *shipped, *there]) == 2
    assert "has no room for what a ridge memory recalls" in lines(capsys)
    assert main(["models", "pack", *words, *shipped]) == 2
    assert "no addresses" in lines(capsys)
    assert not (tmp_path / "world").exists()
    assert train(clips, "loop", tmp_path / "loop", *init, *there, "--memory-width", "0") == 2
    assert "give --memory-width 1 or more" in lines(capsys)


def test_what_a_denoiser_predicts_goes_with_it(clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ("--width", "32", "--depth", "1")
    assert train(clips, "slow", tmp_path / "slow", *small, "--target", "epsilon") == 0
    assert train(clips, "slow", tmp_path / "flow", *small) == 0
    init = ("--init", str(tmp_path / "slow" / "denoiser"))
    assert train(clips, "slow", tmp_path / "on", *small, *init) == 0
    assert train(clips, "loop", tmp_path / "loop", *init, "--rule", "denoising", "--rank", "2", "--chunks", "2") == 0
    kinds = ("--kinds", "raw_4,anchor_1", "--chunks", "4")
    assert train(clips, "context", tmp_path / "context", *init, *kinds) == 0
    for run in ("slow", "on", "loop", "context"):
        assert load_denoiser(tmp_path / run / "denoiser").target == "epsilon"
    config = read_header(tmp_path / "loop" / "checkpoint").config
    assert config["loop"]["slow"]["target"] == "epsilon"
    (tmp_path / "codec").symlink_to(clips / "codec")
    world = slowfast_vgen.load(pack(tmp_path, "loop", memory={}))
    assert world.model.config.target == "epsilon"
    assert world.scheduler.config.prediction_type == "epsilon"
    assert (world.model.config.fps, world.frame_size) == (10, (16, 16))
    assert load_denoiser(tmp_path / "world" / "denoiser").target == "epsilon"
    with pytest.raises(UserError, match="trained to predict flow, and mine samples epsilon"):
        world.with_parts(load_denoiser(tmp_path / "flow" / "denoiser"))
    words = ["--name", "mine", "--codec", str(clips / "codec" / "codec"), "--denoiser", init[1]]
    capsys.readouterr()
    assert main(["models", "pack", *words, "--target", "flow", "--out", str(tmp_path / "x")]) == 2
    assert "was trained to predict epsilon; leave out --target flow" in lines(capsys)
    assert train(clips, "slow", tmp_path / "x", *small, *init, "--target", "v_prediction") == 2
    assert "was trained to predict epsilon; leave out --target v_prediction" in lines(capsys)


def test_chunks_are_as_long_as_those_of_the_data(tmp_path: Path) -> None:
    make_clips(tmp_path / "source", count=4, seconds=1.4, fps=5.0)
    words = ["--from", "folder", str(tmp_path / "source"), str(tmp_path / "data"), "--size", "16", "--fps", "5"]
    assert main(["data", "import", *words, "--chunk-frames", "3"]) == 0
    small = ["--data", str(tmp_path / "data"), "--steps", "1", "--batch-size", "1"]
    assert main(["train", "codec", *small, "--latent-channels", "2", "--out", str(tmp_path / "codec")]) == 0
    assert train(tmp_path, "slow", tmp_path / "slow", "--width", "32", "--depth", "1") == 0
    assert train(tmp_path, "path", tmp_path / "path", "--key-width", "16") == 0
    init = ("--init", str(tmp_path / "slow" / "denoiser"), "--address", str(tmp_path / "path" / "address"))
    assert train(tmp_path, "loop", tmp_path / "loop", *init, "--memory-width", "2") == 0
    world = slowfast_vgen.load(pack(tmp_path, "loop", "--address", init[3]))
    config = world.model.config
    assert (config.num_new_frames, config.num_past_frames, config.fps) == (3, 3, 5)
    session = world.start(EpisodeDataset(tmp_path / "data")[0].frames[0])
    assert [len(session.step(action)) for action in ("walk on", "turn left")] == [3, 3]


def test_frames_too_small_to_read_actions_off_are_told_before_the_training(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "inverse-dynamics", "--data", str(clips / "data"), "--out", str(tmp_path / "run")]
    assert main(words) == 2
    assert "frames from 32 pixels a side on, got 16x16" in lines(capsys)
    assert not (tmp_path / "run").exists()
    assert main([*words, "--reads", "moves"]) == 2


def test_sides_that_cannot_be_halved_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_clips(tmp_path / "source", count=2)
    words = ["--from", "folder", str(tmp_path / "source"), str(tmp_path / "data"), "--size", "100x62"]
    assert main(["data", "import", *words]) == 0
    assert "multiples of 8 only, such as --size 96x64" in lines(capsys)
    assert EpisodeDataset(tmp_path / "data")[0].frames.shape[1:] == (62, 100, 3)
    small = ["--data", str(tmp_path / "data"), "--steps", "1", "--batch-size", "1"]
    assert main(["train", "codec", *small, "--out", str(tmp_path / "codec")]) == 2
    assert "frames are 100x62; this codec wants sides that are multiples of 8" in lines(capsys)


def pack(folder: Path, run: str, *more: str, memory: dict[str, Any] | None = None) -> Path:
    """Packs a run as a world with a ridge memory."""
    settings = folder / "memory.json"
    settings.write_text(json.dumps({"ridge": {}} if memory is None else memory))
    words = ["--name", "mine", "--codec", str(folder / "codec" / "codec"), "--denoiser", str(folder / run / "denoiser")]
    assert main(["models", "pack", *words, *more, "--memory", str(settings), "--out", str(folder / "world")]) == 0
    return folder / "world"
