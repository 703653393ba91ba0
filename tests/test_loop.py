"""The slow-fast loop: chains, both rules' gradients, segments, shares, shards, exact resuming, and that it learns."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_sets import make_set
from torch import Tensor, nn

from slowfast_vgen.cli.main import main
from slowfast_vgen.data.chains import ChainSampler
from slowfast_vgen.data.format import EpisodeDataset
from slowfast_vgen.data.latents import LatentSet
from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.settings import FastLearningConfig, LoraConfig
from slowfast_vgen.models.addressing.address import PlanarAddress
from slowfast_vgen.models.text import TextEncoder
from slowfast_vgen.models.video_transformer import VideoTransformer
from slowfast_vgen.models.world_model import load_address, load_denoiser
from slowfast_vgen.train import loop as loop_module
from slowfast_vgen.train.loop import seen_before, train_loop
from slowfast_vgen.train.lora_loop import LoraLoop
from slowfast_vgen.train.ridge_loop import RidgeLoop
from slowfast_vgen.train.run import LOG_FILE, Share
from slowfast_vgen.train.settings import (
    LoopConfig,
    LoraLoopConfig,
    OptimisationConfig,
    RidgeLoopConfig,
    SlowTrainingConfig,
)
from slowfast_vgen.train.slow import SlowObjective

CHUNKS = 6
TURN = 22.5


def carousel(episodes: int = 6, chunks: int = 9) -> tuple[LatentSet, np.ndarray]:
    """A camera that turns on the spot in rooms of 8 random views, a view a frame: after two chunks all are known."""
    rng = np.random.default_rng(0)
    length = 1 + 4 * chunks
    views = rng.standard_normal((episodes, 8, 4, 4, 4)).astype(np.float16)
    latents = views[:, np.arange(length) % 8].reshape(-1, 4, 4, 4)
    starts = np.repeat(np.arange(episodes) * length, chunks)
    chunk_starts = starts + np.tile(1 + 4 * np.arange(chunks), episodes)
    frames = np.full(episodes * chunks, 4)
    heading = np.tile(np.arange(length) * 2 * TURN, episodes) % 360
    poses = np.stack([np.zeros_like(heading), np.zeros_like(heading), heading], 1)
    return LatentSet(torch.from_numpy(latents), starts, chunk_starts, frames, ("turn left",) * len(frames)), poses


def sampler(num_chunks: int = CHUNKS) -> ChainSampler:
    return ChainSampler(*carousel(), num_chunks, 4, 24.0)


def denoiser(memory_width: int = 4) -> VideoTransformer:
    torch.manual_seed(0)
    net = VideoTransformer(4, 4, 4, width=32, depth=1, num_heads=4, memory_width=memory_width)
    for parameter in net.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    return net


def address() -> PlanarAddress:
    torch.manual_seed(0)
    part = PlanarAddress(num_columns=2, key_width=64, heading_width_degrees=20.0)
    nn.init.zeros_(part.path.motion[-1].weight)
    part.path.motion[-1].bias.data = torch.tensor([0.0, 0.0, np.deg2rad(2 * TURN)], dtype=torch.float32)
    return part


def slow_config(**changed: Any) -> SlowTrainingConfig:
    settings = {"num_steps": 5, "learning_rate": 3e-3, "warmup_steps": 2, "validate_every": 2, "ema_decay": 0.9}
    return SlowTrainingConfig(OptimisationConfig(**settings | changed), batch_size=8)  # type: ignore[arg-type]


def slow_objective(net: nn.Module, text_encoder: TextEncoder) -> SlowObjective:
    return SlowObjective(net, text_encoder, slow_config())  # type: ignore[arg-type]


LEARNING = FastLearningConfig(LoraConfig(rank=2), learning_rate=1e-2, rewind_chunks=0)


def ridge_loop(slow: SlowObjective, **settings: Any) -> RidgeLoop:
    return RidgeLoop(slow, address(), RidgeLoopConfig(**settings))


def gradients(parts: Any, net: nn.Module) -> list[Tensor]:
    net.zero_grad()
    for part in parts:
        part.backward()
    return [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in net.parameters()]


def batch_and_generator() -> tuple[Any, torch.Generator]:
    return sampler().draw(np.random.default_rng(3), 4), torch.Generator().manual_seed(5)


def test_chains_are_consecutive_chunks_with_their_poses_and_actions() -> None:
    data, poses = carousel()
    batch = ChainSampler(data, poses, 3, 4, 24.0).cut(np.array([2, 10]))
    assert batch.frames.shape == (2, 16, 4, 4, 4)
    assert torch.equal(batch.frames[0], data.latents[5:21].float())
    assert torch.equal(batch.new[:, :-1], batch.past[:, 1:])
    assert batch.num_chunks == 3
    np.testing.assert_allclose(batch.poses[0, :, 2], np.deg2rad(poses[5:21, 2]), atol=1e-6)


@pytest.mark.parametrize("num_chunks", [1, 5, 8])
def test_chains_never_leave_their_episode(num_chunks: int) -> None:
    data, poses = carousel()
    chains = ChainSampler(data, poses, num_chunks, 4, 24.0)
    assert len(chains.starts) == 6 * (9 - num_chunks)  # the first chunk has one frame before it, not four
    last = chains.starts + num_chunks - 1
    assert (data.episode_start[chains.starts] == data.episode_start[last]).all()


def test_chains_too_long_are_refused() -> None:
    data, poses = carousel()
    with pytest.raises(
        UserError, match=r"no episode of the data has a chain of 9 chunks of 4 frames; the longest has 8: .* --chunks"
    ):
        ChainSampler(data, poses, 9, 4, 24.0)


def test_what_was_seen_before_is_told_from_what_is_new() -> None:
    seen, novel = seen_before(sampler().draw(np.random.default_rng(0), 3))
    assert (
        seen.tolist() == [[False, True, True, True, True, True]] * 3
    )  # the first chunk's views come from its past + 4
    assert not novel[:, 1:].any()


def test_a_turning_camera_is_recalled_exactly(text_encoder: TextEncoder) -> None:
    slow = slow_objective(denoiser(0), text_encoder)
    loop = ridge_loop(slow, ridge=0.001)
    batch, _ = batch_and_generator()
    reading, novelty = loop.reading(batch)
    from slowfast_vgen.memory.columns import from_columns, to_columns

    values = to_columns(batch.past.flatten(0, 1), None, 2).unflatten(0, (4, CHUNKS)).flatten(1, 3)
    read = (reading @ values).unflatten(1, (CHUNKS, 4, 2)).flatten(0, 1)
    recalled = from_columns(read, novelty.flatten(0, 1), (4, 4, 4), 0).latents.unflatten(0, (4, CHUNKS))
    assert (recalled[:, 1:] - batch.new[:, 1:]).square().mean() < 0.02
    assert novelty[:, 1:].max() < 0.1 < novelty[:, 0].min()


@pytest.mark.parametrize("horizon", [None, 0, 1])
def test_gradients_flow_through_the_latest_writes_only(text_encoder: TextEncoder, horizon: int | None) -> None:
    net = denoiser()
    loop = ridge_loop(slow_objective(net, text_encoder), write_gradient_chunks=horizon)
    batch, generator = batch_and_generator()
    gradients(loop.parts(batch, generator), net)
    assert net.recall_in.weight.grad is not None
    reached = net.memory_out.weight.grad is not None and bool(net.memory_out.weight.grad.any())
    assert reached == (horizon != 0)


def test_all_writes_and_a_long_horizon_are_the_same(text_encoder: TextEncoder) -> None:
    net = denoiser()
    slow = slow_objective(net, text_encoder)
    found = []
    for horizon in (None, CHUNKS, 1):
        batch, generator = batch_and_generator()
        found.append(gradients(ridge_loop(slow, write_gradient_chunks=horizon).parts(batch, generator), net))
    whole, long, short = found
    for one, other in zip(whole, long, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    assert any((one - other).abs().max() > 1e-5 for one, other in zip(whole, short, strict=True))


def test_segments_give_the_loss_of_the_whole_unroll(text_encoder: TextEncoder) -> None:
    net = denoiser()
    slow = slow_objective(net, text_encoder)
    totals, grads = [], []
    for segment in (None, 2, 4):
        batch, generator = batch_and_generator()
        parts = list(ridge_loop(slow, segment_chunks=segment, write_gradient_chunks=0).parts(batch, generator))
        assert len(parts) == {None: 1, 2: 3, 4: 2}[segment]
        totals.append(float(sum(part.detach() for part in parts)))
        grads.append(gradients(parts, net))
    assert totals == pytest.approx([totals[0]] * 3, rel=1e-5)
    for other in grads[1:]:  # first order: no gradient crosses from one segment to another
        for one, each in zip(grads[0], other, strict=True):
            torch.testing.assert_close(one, each, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("rule", ["ridge", "denoising", "denoising-original", "replay"])
def test_shares_add_up_to_the_whole_batch(text_encoder: TextEncoder, tmp_path: Path, rule: str) -> None:
    net = denoiser(4 if rule == "ridge" else 0)
    slow = slow_objective(net, text_encoder)
    loop: Any = ridge_loop(slow)
    if rule != "ridge":
        loop = LoraLoop(slow, LoraLoopConfig(replace(LEARNING, rule=rule)), tmp_path)  # type: ignore[arg-type]

    def gradient(share: Share) -> list[Tensor]:
        batch, generator = batch_and_generator()
        return gradients(loop.parts(batch, generator, share), net)

    whole, halves = gradient(Share()), [gradient(Share(index, 2)) for index in range(2)]
    assert any(each.any() for each in whole)
    for one, first, second in zip(whole, *halves, strict=True):
        torch.testing.assert_close((first + second) / 2, one, rtol=1e-3, atol=1e-5)
    with pytest.raises(UserError, match="a batch of 4 cannot be dealt out evenly to 3 processes"):
        gradient(Share(0, 3))


def test_shards_give_the_same_gradient_as_the_inner_loop_itself(text_encoder: TextEncoder, tmp_path: Path) -> None:
    net = denoiser(0)
    slow = slow_objective(net, text_encoder)
    found = []
    for triples in ("on-the-fly", "shards"):
        batch, generator = batch_and_generator()
        loop = LoraLoop(slow, LoraLoopConfig(LEARNING, triples), tmp_path / "shards")  # type: ignore[arg-type]
        parts = loop.parts(batch, generator)
        net.zero_grad()
        next(parts).backward()
        files = sorted(path.name for path in tmp_path.rglob("*.safetensors"))
        assert files == ([f"theta-{number:05d}.safetensors" for number in range(CHUNKS)] if triples == "shards" else [])
        for part in parts:
            part.backward()
        found.append([parameter.grad.clone() for parameter in net.parameters() if parameter.grad is not None])
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))
    assert not list(tmp_path.rglob("*.safetensors"))


def test_the_outer_loop_sees_what_the_inner_loop_learned(text_encoder: TextEncoder, tmp_path: Path) -> None:
    net = denoiser(0)
    loop = LoraLoop(slow_objective(net, text_encoder), LoraLoopConfig(LEARNING), tmp_path)
    batch, _ = batch_and_generator()
    on, off = (loop.losses(batch, torch.Generator().manual_seed(1), memory).detach() for memory in (True, False))
    assert torch.equal(on[:, 0], off[:, 0])  # nothing is learned before the first chunk
    assert ((on[:, 1:] - off[:, 1:]).abs() > 1e-6).all()


def run(folder: Path, text_encoder: TextEncoder, rule: str, **changed: Any) -> VideoTransformer:
    net = denoiser(4 if rule == "ridge" else 0)

    def make(slow: SlowObjective) -> Any:
        if rule == "ridge":
            return ridge_loop(slow)
        return LoraLoop(slow, LoraLoopConfig(replace(LEARNING, rule=rule)), folder / "shards")  # type: ignore[arg-type]

    config = LoopConfig(slow_config(**changed), num_chains=4, num_chunks=CHUNKS, plain_share=0.3)
    train_loop(config, net, make, TextEncoder(text_encoder.model), sampler(), sampler(), folder)
    return net


@pytest.mark.parametrize("rule", ["ridge", "denoising"])
def test_a_resumed_loop_equals_an_uninterrupted_one(
    tmp_path: Path, text_encoder: TextEncoder, monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    monkeypatch.setattr(loop_module, "VALIDATION_CHAINS", 4)
    whole = run(tmp_path / "whole", text_encoder, rule)
    masked, calls = SlowObjective.masked_windows, []

    def stopping(self: SlowObjective, *arguments: Any, **named: Any) -> Tensor:
        calls.append(0)
        if len(calls) == (4 if rule == "ridge" else 15):
            raise KeyboardInterrupt
        return masked(self, *arguments, **named)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(SlowObjective, "masked_windows", stopping)
        run(tmp_path / "parted", text_encoder, rule)
    resumed = run(tmp_path / "parted", text_encoder, rule)
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name
    lines = [
        [json.loads(line) | {"seconds": 0} for line in (tmp_path / part / LOG_FILE).open()]
        for part in ("whole", "parted")
    ]
    assert lines[0] == lines[1]
    with pytest.raises(UserError, match="other settings"):
        run(tmp_path / "parted", text_encoder, rule, learning_rate=1e-3)


def test_the_loop_learns_to_use_the_memory(
    tmp_path: Path, text_encoder: TextEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_module, "VALIDATION_CHAINS", 6)
    run(tmp_path, text_encoder, "ridge", num_steps=120, validate_every=120)
    figures = json.loads((tmp_path / LOG_FILE).read_text())
    assert figures["revisit_loss_on"] < 0.8 * figures["revisit_loss_off"]


PROCESS = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_loop
from slowfast_vgen.models.text import TextEncoder
from slowfast_vgen.train import loop
loop.VALIDATION_CHAINS = 4
test_loop.run(Path(sys.argv[2]), TextEncoder.load(), sys.argv[3], num_steps=3)
"""


@pytest.mark.slow  # that shares add up is tested above
@pytest.mark.parametrize("rule", ["ridge", "denoising"])
def test_two_processes_take_the_steps_of_one(
    tmp_path: Path, text_encoder: TextEncoder, monkeypatch: pytest.MonkeyPatch, free_port: Callable[[], int], rule: str
) -> None:
    monkeypatch.setattr(loop_module, "VALIDATION_CHAINS", 4)
    one = run(tmp_path / "one", text_encoder, rule, num_steps=3)
    script = tmp_path / "process.py"
    script.write_text(PROCESS)
    common = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    common |= {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    words = [sys.executable, str(script), str(Path(__file__).parent), str(tmp_path / "two"), rule]
    processes = [
        subprocess.Popen(words, env=common | {"RANK": str(rank), "LOCAL_RANK": str(rank)}, stderr=subprocess.PIPE)
        for rank in range(2)
    ]
    told = [process.communicate(timeout=240)[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], told
    two = load_denoiser(tmp_path / "two" / "denoiser")
    for name, value in one.state_dict().items():
        torch.testing.assert_close(two.state_dict()[name], value, rtol=0, atol=2e-4, msg=name)
    assert len((tmp_path / "two" / LOG_FILE).read_text().splitlines()) == 2


def test_the_command_line_trains_path_and_loop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train, codec = str(tmp_path / "train"), str(tmp_path / "codec")
    words = ["--env", "vizdoom-rooms", "--split", "train", "--episodes", "3", "--num-chunks", "18"]
    assert main(["data", "make", "--out", train, *words]) == 0
    common = ["--data", train, "--validation", train, "--steps", "2", "--batch-size", "2"]
    assert main(["train", "codec", *common, "--out", codec]) == 0
    coded = [*common, "--codec", f"{codec}/codec"]
    slow = ["train", "slow", *coded, "--width", "32", "--depth", "1", "--out", str(tmp_path / "slow")]
    assert main(slow) == 0
    assert main(["train", "path", *coded, "--key-width", "32", "--out", str(tmp_path / "path")]) == 0
    part = load_address(tmp_path / "path" / "address")
    assert part.config.key_width == 32
    base = ["train", "loop", *coded, "--chunks", "3", "--init", str(tmp_path / "slow" / "denoiser")]
    ridge = [*base, "--address", str(tmp_path / "path" / "address"), "--memory-width", "4"]
    settings = ["--segment", "2", "--write-gradients", "1", "--familiar", "0.15"]
    assert main([*ridge, "--out", str(tmp_path / "ridge"), *settings]) == 0
    assert load_denoiser(tmp_path / "ridge" / "denoiser").config.memory_width == 4
    lora = [*base, "--rule", "denoising", "--rank", "2"]
    assert main([*lora, "--out", str(tmp_path / "lora"), "--triples", "shards"]) == 0
    assert load_denoiser(tmp_path / "lora" / "denoiser").config.memory_width == 0
    posed = EpisodeDataset(tmp_path / "train")
    make_set(tmp_path / "poseless", *(replace(each, poses=None) for each in posed), world="own", split="train")
    bare = [str(tmp_path / "poseless") if word == train else word for word in base]
    assert main(["train", "still-path", "--key-width", "8", "--out", str(tmp_path / "still")]) == 0
    still = ["--address", str(tmp_path / "still" / "address"), "--memory-width", "4", "--familiar", "1"]
    for name, rule in (("bare-local", still), ("bare-lora", ["--rule", "denoising", "--rank", "2"])):
        assert main([*bare, *rule, "--out", str(tmp_path / name)]) == 0
        assert (tmp_path / name / "denoiser").is_dir()
    capsys.readouterr()
    for words, told in (
        ([*bare, "--address", str(tmp_path / "path" / "address"), "--out", str(tmp_path / "x")], "has no poses"),
        ([*base, "--out", str(tmp_path / "x")], "needs --address"),
        ([*base, "--address", codec, "--out", str(tmp_path / "x")], "config.json"),
        ([*ridge, "--chunks", "40", "--out", str(tmp_path / "x")], "--chunks 40 cannot be had: the longest chain of"),
        ([*ridge, "--seed", "1", "--out", str(tmp_path / "ridge")], "other settings"),
        ([*lora, "--fast-learning-rate", "0", "--out", str(tmp_path / "x")], "learning rate above 0"),
    ):
        assert main(words) == 2
        message = capsys.readouterr().err.strip().splitlines()[-1]
        assert message.startswith("slowfast: error: ")
        assert told in message, message
