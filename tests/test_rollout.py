"""Stepping through a world: determinism, episodes side by side, the past that is kept, what the memory learns from."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import flat
from torch import Tensor

from slowfast_vgen.errors import UserError
from slowfast_vgen.files import read_json
from slowfast_vgen.memory.lora_memory import LoraMemory
from slowfast_vgen.memory.sessions import HEADER_FILE
from slowfast_vgen.memory.settings import FastLearningConfig, LoraConfig
from slowfast_vgen.models.fingerprint import sha256_of_tensors
from slowfast_vgen.models.text import TextEmbedding
from slowfast_vgen.models.world_model import WorldWeights
from slowfast_vgen.rollout import Rollout, WorldModel
from slowfast_vgen.sealed import write_record

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
ACTIONS = ("turn left", "go forward", "turn around slowly at the door")
STRONG = FastLearningConfig(LoraConfig(rank=4), learning_rate=1e-2, updates_per_chunk=2)


def video(world: WorldModel, seed: int, memory: bool | FastLearningConfig = STRONG, **settings: Any) -> np.ndarray:
    session = world.start(IMAGES[0], memory=memory, seed=seed, **settings)
    return np.concatenate([session.step(action) for action in ACTIONS])


def lora_of(rollout: Rollout) -> LoraMemory:
    assert rollout.memory is not None and rollout.memory.lora is not None
    return rollout.memory.lora


def weights_of(world: WorldModel) -> str:
    return sha256_of_tensors(world.model.denoiser.state_dict())


def test_the_seed_decides_the_video_bit_for_bit(tiny_world: WorldModel, tiny_world_folder: Path) -> None:
    first = video(tiny_world, seed=1)
    assert first.shape == (12, 64, 64, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, video(tiny_world, seed=1))
    assert np.array_equal(first, video(WorldModel(WorldWeights.load(tiny_world_folder)), seed=1))
    assert not np.array_equal(first[:4], video(tiny_world, seed=2)[:4])


def test_in_bfloat16_the_video_is_nearly_the_same_and_the_memory_keeps_its_precision(ridge_world: WorldModel) -> None:
    half = WorldModel(ridge_world.model, "bfloat16")
    rollouts = [world.start_batch(IMAGES, ridge_world.shipped_memory, [1, 2, 3]) for world in (ridge_world, half)]
    for action in ACTIONS:
        exact, rounded = (rollout.step([action] * 3) for rollout in rollouts)
    assert rounded.dtype == torch.float32 and rollouts[1].memory is not None and rollouts[1].memory.ridge is not None
    assert rollouts[1].memory.ridge.state.cross.dtype == torch.float32
    assert float((exact - rounded).abs().max()) > 0 and float((exact - rounded).std()) < 0.1 * float(exact.std())
    learned = half.start_batch(IMAGES, STRONG, [1, 2, 3])
    learned.step(ACTIONS)
    assert all(each.dtype == torch.float32 for each in flat(lora_of(learned).weights.states()))
    assert np.array_equal(video(half, seed=1), video(WorldModel(ridge_world.model, "bfloat16"), seed=1))
    with pytest.raises(UserError, match="unknown precision 'half'"):
        WorldModel(ridge_world.model, "half")


def test_global_random_state_plays_no_part(tiny_world: WorldModel) -> None:
    torch.manual_seed(1)
    first = video(tiny_world, seed=1)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert np.array_equal(first, video(tiny_world, seed=1))
    assert torch.equal(torch.get_rng_state(), state)


def test_action_image_memory_and_steps_all_matter(tiny_world: WorldModel) -> None:
    def latents(image: int, action: str, memory: bool | FastLearningConfig, steps: int | None) -> list[Tensor]:
        rollout = tiny_world.start_batch(IMAGES[image : image + 1], memory, [1], steps)
        return [rollout.step([action]), rollout.step([action])]

    base = latents(0, "turn left", STRONG, None)
    for other in (
        latents(1, "turn left", STRONG, None),
        latents(0, "turn right", STRONG, None),
        latents(0, "turn left", STRONG, 3),
    ):
        assert (other[0] - base[0]).abs().max() > 1e-3
    without = latents(0, "turn left", False, None)
    assert torch.equal(without[0], base[0])  # the first chunk knows nothing yet
    assert (without[1] - base[1]).abs().max() > 1e-3
    assert torch.equal(latents(0, "turn left", STRONG, tiny_world.model.config.num_sampling_steps)[1], base[1])


@pytest.mark.parametrize("memory", [False, STRONG], ids=["memory off", "memory on"])
def test_episodes_side_by_side_go_as_each_alone(tiny_world: WorldModel, memory: bool | FastLearningConfig) -> None:
    seeds, turns = [3, 4, 5], [ACTIONS, ACTIONS[::-1], ("stay", "stay", "open the door")]
    together = tiny_world.start_batch(IMAGES, memory, seeds)
    alone = [tiny_world.start_batch(IMAGES[row : row + 1], memory, [seeds[row]]) for row in range(3)]
    for turn in range(3):
        chunk = together.step([turns[row][turn] for row in range(3)])
        for row in range(3):
            single = alone[row].step([turns[row][turn]])
            torch.testing.assert_close(chunk[row : row + 1], single, rtol=1e-3, atol=1e-3)
    assert (chunk[0] - chunk[1]).abs().max() > 0.1


def test_two_sessions_of_one_world_do_not_disturb_each_other(tiny_world: WorldModel) -> None:
    expected = {seed: video(tiny_world, seed) for seed in (1, 2)}
    sessions = {seed: tiny_world.start(IMAGES[0], memory=STRONG, seed=seed) for seed in (1, 2)}
    chunks: dict[int, list[np.ndarray]] = {1: [], 2: []}
    for action in ACTIONS:
        for seed, session in sessions.items():
            chunks[seed].append(session.step(action))
    for seed in (1, 2):
        assert np.array_equal(np.concatenate(chunks[seed]), expected[seed])


@pytest.mark.parametrize("memory", [False, STRONG], ids=["memory off", "memory on"])
def test_the_slow_weights_are_never_written(tiny_world: WorldModel, memory: bool | FastLearningConfig) -> None:
    before = weights_of(tiny_world)
    places = [parameter.data_ptr() for parameter in tiny_world.model.denoiser.parameters()]
    session = tiny_world.start(IMAGES[0], memory=memory, seed=1)
    session.step("turn left")
    session.step("turn left")
    assert weights_of(tiny_world) == before
    assert [parameter.data_ptr() for parameter in tiny_world.model.denoiser.parameters()] == places
    assert all(parameter.grad is None for parameter in tiny_world.model.denoiser.parameters())
    assert (session.memory is None) == (memory is False)


def test_memory_true_means_the_worlds_own_settings(tiny_world: WorldModel) -> None:
    rollout = tiny_world.start_batch(IMAGES[:1], True, [1])
    assert lora_of(rollout).config == FastLearningConfig(
        LoraConfig(rank=4, layers=("qkv", "out", "mlp_in", "mlp_out")), learning_rate=1e-3
    )


def test_past_grows_from_the_start_image_and_windows_hold_past_and_new(
    tiny_world: WorldModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = tiny_world.start_batch(IMAGES[:1], STRONG, [1])
    learned: list[Tensor] = []
    passed: list[Tensor] = []
    learner = lora_of(rollout).learner
    learn, encode_past = learner.learn, tiny_world.model.denoiser.encode_past

    def spy_learn(memory: Any, window: Tensor, num_past: int, text: TextEmbedding) -> Any:
        learned.append(window)
        assert num_past == len(window[0]) - 4
        return learn(memory, window, num_past, text)

    def spy_past(latents: Tensor, noise_levels: Tensor) -> Any:
        passed.append(latents)
        assert not noise_levels.any()
        return encode_past(latents, noise_levels)

    monkeypatch.setattr(learner, "learn", spy_learn)
    monkeypatch.setattr(tiny_world.model.denoiser, "encode_past", spy_past)
    monkeypatch.setattr(learner.denoiser, "encode_past", spy_past)
    start = tiny_world.model.codec.encode(torch.from_numpy(IMAGES[:1]))
    assert torch.equal(rollout.history[:, 0], start)
    chunks = [rollout.step([action]) for action in ACTIONS]
    assert [len(past[0]) for past in passed] == [1, 4, 4]  # the past is run once a chunk
    assert [len(window[0]) for window in learned] == [1 + 4, 4 + 4, 4 + 4]
    assert torch.equal(learned[0], torch.cat([start[:, None], chunks[0]], 1))
    for turn in (1, 2):
        assert torch.equal(passed[turn], chunks[turn - 1])
        assert torch.equal(learned[turn], torch.cat([chunks[turn - 1], chunks[turn]], 1))
    assert torch.equal(rollout.history, chunks[2])


@pytest.mark.parametrize(("num_past", "lengths"), [(1, [1, 1, 1]), (2, [1, 2, 2]), (6, [1, 5, 6])])
def test_past_is_as_long_as_the_world_says(tiny_world_folder: Path, num_past: int, lengths: list[int]) -> None:
    from dataclasses import replace

    model = WorldWeights.load(tiny_world_folder)
    model.config = replace(model.config, num_past_frames=num_past)
    rollout = WorldModel(model).start_batch(IMAGES[:1], False, [1])
    seen, frames = [], [rollout.history]
    for action in ACTIONS:
        seen.append(rollout.history.shape[1])
        frames.append(rollout.step([action]))
    assert seen == lengths
    assert torch.equal(rollout.history, torch.cat(frames, 1)[:, -num_past:])


def test_observed_frames_take_the_place_of_generated_ones(tiny_world: WorldModel) -> None:
    def started() -> Rollout:
        return tiny_world.start_batch(IMAGES[:1], STRONG, [1])

    generated, observed = started(), started()
    observed.observe_latents(generated.step(["turn left"]))
    assert observed.num_chunks == 1
    assert torch.equal(observed.step(["go forward"]), generated.step(["go forward"]))
    pairs = zip(flat(lora_of(observed).weights.states()), flat(lora_of(generated).weights.states()), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)

    shown = started()
    frames = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (1, 4, 64, 64, 3), dtype=np.uint8))
    shown.observe(frames)
    assert torch.equal(shown.history, tiny_world.model.codec.encode(frames))
    assert lora_of(shown).num_chunks == 1
    assert any(up.any() for _, up in lora_of(shown).factors.values())


def test_a_refused_action_changes_nothing(tiny_world: WorldModel) -> None:
    session, other = (tiny_world.start(IMAGES[0], memory=STRONG, seed=1) for _ in range(2))
    for action in ("", "left " * 100, None):
        with pytest.raises(UserError):
            session.step(action)  # type: ignore[arg-type]
    assert session.num_chunks == 0
    assert np.array_equal(session.step("turn left"), other.step("turn left"))


def test_guidance_is_read_saved_and_taken_up_again(tiny_world: WorldModel, tmp_path: Path) -> None:
    plain, guided = (tiny_world.start(IMAGES[0], STRONG, 1, guidance_scale=scale) for scale in (1.0, 3.0))
    assert not np.array_equal(plain.step("turn left"), guided.step("turn left"))
    guided.save(tmp_path / "s")
    assert np.array_equal(tiny_world.resume(tmp_path / "s").step("stay"), guided.step("stay"))
    old = read_json(tmp_path / "s" / HEADER_FILE)
    del old["guidance_scale"], old["header_sha256"]  # as sessions were saved before
    write_record(tmp_path / "s" / HEADER_FILE, old)
    assert tiny_world.resume(tmp_path / "s")._rollout.sampler.guidance_scale == 1.0
    old["guidance_scale"] = "3"
    write_record(tmp_path / "s" / HEADER_FILE, old)
    with pytest.raises(UserError, match="gives guidance_scale as"):
        tiny_world.resume(tmp_path / "s")
    batch = tiny_world.start_batch(IMAGES[:2], False, [1, 2], 2, 3.0)
    assert batch.sampler.guidance_scale == 3.0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"guidance_scale": -1.0}, "a number from 0 on, where 1 is off, got -1.0"),
        ({"guidance_scale": float("nan")}, "a number from 0 on, where 1 is off, got nan"),
        ({"seed": -1}, "0 to 2147483647, got -1"),
        ({"seed": 2**31}, "got 2147483648"),
        ({"num_sampling_steps": 0}, "1 to 1000 steps, got 0"),
        ({"num_sampling_steps": 1001}, "1 to 1000 steps, got 1001"),
    ],
)
def test_settings_out_of_range_are_refused(tiny_world: WorldModel, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        tiny_world.start(IMAGES[0], **settings)


def test_the_largest_seed_works(tiny_world: WorldModel) -> None:
    assert tiny_world.start(IMAGES[0], seed=2**31 - 1).step("stay").shape == (4, 64, 64, 3)


@pytest.mark.parametrize("memory", [False, True])
def test_broken_weights_are_told_and_not_shown(tiny_world_folder: Path, memory: bool) -> None:
    world = WorldModel(WorldWeights.load(tiny_world_folder))
    world.model.denoiser.patch_out.bias.data.fill_(float("nan"))
    with pytest.raises(UserError, match="not finite"):
        world.start(IMAGES[0], memory=memory).step("turn left")


def test_worlds_sessions_and_rollouts_tell_what_they_are(tiny_world: WorldModel) -> None:
    session = tiny_world.start(IMAGES[0], STRONG, seed=7)
    session.step("turn left")
    told = repr(session)
    assert "tiny@1" in told and "1 chunks" in told and "seed 7" in told and "lora (denoising)" in told
    assert "64x64, float32 on cpu, MemoryConfig(lora=" in repr(tiny_world)
    assert "3 episodes" in repr(tiny_world.start_batch(IMAGES, False, [1, 2, 3]))
