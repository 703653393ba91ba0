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
from slowfast_vgen.models.world_model import load_address, load_denoiser
from slowfast_vgen.train.checkpoint import read_header

ACTIONS = ("walk on", "turn left", "walk on")


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
    headers = [read_header(tmp_path / run / "checkpoint")["config"] for run in ("slow", "path", "loop", "eq3")]
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
    [("48", "transformer"), ("96", "unet3d"), ("128x72", "transformer"), ("128x72", "unet3d"), ("72x128", "wan")],
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
    on, off = (loaded.start_batch(image[None], memory, [0], num_sampling_steps=1) for memory in (True, False))
    latents = [[rollout.step([action]) for action in ("turn left", "turn right")] for rollout in (on, off)]
    assert (latents[0][1] - latents[1][1]).abs().max() > 1e-5
    video = ["--actions", "turn left; turn right", "--memory", "on", "--steps", "1", "--out", str(tmp_path / "v.mp4")]
    still = tmp_path / "start.png"
    from PIL import Image

    Image.fromarray(image).save(still)
    assert main(["generate", "--world", str(world), "--image", str(still), *video]) == 0


def pack(folder: Path, run: str, *more: str, memory: dict[str, Any] | None = None) -> Path:
    """Packs a run as a world with a local memory."""
    settings = folder / "memory.json"
    settings.write_text(json.dumps({"local": {}} if memory is None else memory))
    words = ["--name", "mine", "--codec", str(folder / "codec" / "codec"), "--denoiser", str(folder / run / "denoiser")]
    assert main(["models", "pack", *words, *more, "--memory", str(settings), "--out", str(folder / "world")]) == 0
    return folder / "world"
