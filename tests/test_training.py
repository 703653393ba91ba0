"""Training of the slow weights: exact resuming, refusals, tiny runs that learn, latents, windows, the command line."""

import json
import math
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_sets import make_tiny_set
from torch import Tensor, nn

from slowfast_vgen.cli.main import main
from slowfast_vgen.data.format import DatasetWriter, EpisodeDataset
from slowfast_vgen.data.headers import DatasetHeader
from slowfast_vgen.data.latents import LatentSet, cached_latents, joined_sets
from slowfast_vgen.data.settings import WindowLengths
from slowfast_vgen.data.windows import WindowSampler
from slowfast_vgen.errors import UserError
from slowfast_vgen.models.codec import Codec
from slowfast_vgen.models.diffusers_denoisers import UNet3DDenoiser
from slowfast_vgen.models.settings import CodecConfig
from slowfast_vgen.models.text import TextEncoder
from slowfast_vgen.models.video_transformer import VideoTransformer
from slowfast_vgen.models.world_model import load_denoiser
from slowfast_vgen.precision import PRECISIONS
from slowfast_vgen.train import slow as slow_module
from slowfast_vgen.train.checkpoint import HEADER_FILE, STATE_FILE
from slowfast_vgen.train.codec import psnr, train_codec
from slowfast_vgen.train.run import LOG_FILE, Step, TrainingRun
from slowfast_vgen.train.settings import CodecTrainingConfig, OptimisationConfig, SlowTrainingConfig
from slowfast_vgen.train.slow import SlowObjective, train_slow
from slowfast_vgen.types import Chunk, Episode

SETTINGS: dict[str, Any] = {"num_steps": 8, "validate_every": 3, "warmup_steps": 2}
TINY_CODEC = CodecConfig(latent_channels=4, encoder_width=8, decoder_width=8, decoder_blocks=(1, 1))


class Stop:
    """Raises KeyboardInterrupt, as Ctrl-C does, when called for the nth time; never for n = 0."""

    def __init__(self, nth: int) -> None:
        self.nth = nth

    def __call__(self) -> None:
        self.nth -= 1
        if self.nth == 0:
            raise KeyboardInterrupt


NEVER = Stop(0)


def run_of(
    folder: Path,
    in_loss: Callable[[], None] = NEVER,
    in_validation: Callable[[], None] = NEVER,
    description: str = "a line",
    **changed: Any,
) -> TrainingRun:
    """A regression with noise that comes from the step's number."""
    torch.manual_seed(0)
    module = nn.Linear(3, 2)

    def loss(step: Step) -> Iterator[Tensor]:
        in_loss()
        inputs = torch.randn(5, 3, generator=step.generator)
        for rows in (slice(0, 2), slice(2, 5)):
            yield (module(inputs[rows]) - inputs[rows, :2]).square().sum() / inputs[:, :2].numel()

    def validate() -> dict[str, float]:
        in_validation()
        return {"validation": float(module.weight.detach().square().sum())}

    optimisation = OptimisationConfig(**{**SETTINGS, **changed})
    return TrainingRun(module, optimisation, folder, loss, validate, {"what": description})


def state(run: TrainingRun) -> dict[str, Tensor]:
    moments = run.optimizer.state_dict()["state"]
    return {
        **{f"weights/{name}": value.clone() for name, value in run.module.state_dict().items()},
        **{f"ema/{index}": value.clone() for index, value in enumerate(run.ema.shadow_params)},
        **{f"moments/{index}/{key}": value for index, each in moments.items() for key, value in each.items()},
    }


def log(folder: Path) -> list[dict[str, float]]:
    """The log without the clock's part."""
    lines = [json.loads(line) for line in (folder / LOG_FILE).read_text().splitlines()]
    assert all(line.pop("seconds") >= 0 for line in lines)
    return lines


def assert_same_as_uninterrupted(run: TrainingRun, tmp_path: Path) -> None:
    whole = run_of(tmp_path / "whole")
    whole.run()
    assert [line["step"] for line in log(tmp_path / "whole")] == [3, 6, 8]
    expected, got = state(whole), state(run)
    assert got.keys() == expected.keys()
    assert len(expected) == 2 + 2 + 6
    for name, value in expected.items():
        assert torch.equal(got[name], value), name
    assert log(run.folder) == log(tmp_path / "whole")


@pytest.mark.parametrize("stop_at", [1, 3, 4, 6, 8])
def test_resumed_equals_uninterrupted(tmp_path: Path, stop_at: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_of(tmp_path / "run", in_loss=Stop(stop_at)).run()
    resumed = run_of(tmp_path / "run")
    resumed.run()
    assert resumed.progress.step == 8
    assert_same_as_uninterrupted(resumed, tmp_path)


def test_a_line_of_the_log_that_broke_off_is_passed_over(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_of(tmp_path / "run", in_loss=Stop(4)).run()
    with (tmp_path / "run" / LOG_FILE).open("a") as file:
        file.write('{"step": 3, "lo')
    resumed = run_of(tmp_path / "run")
    resumed.run()
    assert_same_as_uninterrupted(resumed, tmp_path)


@pytest.mark.parametrize("stop_at", [1, 2, 3])
def test_resumed_equals_uninterrupted_when_stopped_while_validating(tmp_path: Path, stop_at: int) -> None:
    stopped = run_of(tmp_path / "run", in_validation=Stop(stop_at))
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    assert stopped.progress.step == (3, 6, 8)[stop_at - 1]
    resumed = run_of(tmp_path / "run")
    resumed.run()
    assert_same_as_uninterrupted(resumed, tmp_path)


@pytest.fixture
def python_hears_ctrl_c() -> Iterator[None]:
    """Python's own handler, also where the tests run in a shell's background, which ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("part", ["optimizer", "ema"])
def test_ctrl_c_in_the_middle_of_an_update_waits_for_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python_hears_ctrl_c: None, part: str
) -> None:
    stopped, calls = run_of(tmp_path / "run"), []
    step = getattr(stopped, part).step

    def step_with_ctrl_c(*arguments: Any) -> None:
        calls.append(1)
        if len(calls) == 5:
            signal.raise_signal(signal.SIGINT)
        step(*arguments)

    monkeypatch.setattr(getattr(stopped, part), "step", step_with_ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    assert stopped.progress.step == 5
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    resumed = run_of(tmp_path / "run")
    resumed.run()
    assert_same_as_uninterrupted(resumed, tmp_path)


def test_resumed_from_an_older_checkpoint_equals_uninterrupted(tmp_path: Path) -> None:
    # As after a power cut: the log has lines of steps that are not in the checkpoint.
    with pytest.raises(KeyboardInterrupt):
        run_of(tmp_path / "run", in_loss=Stop(5)).run()
    shutil.copytree(tmp_path / "run" / "checkpoint", tmp_path / "older")
    run_of(tmp_path / "run").run()
    assert len(log(tmp_path / "run")) == 3
    shutil.rmtree(tmp_path / "run" / "checkpoint")
    (tmp_path / "older").rename(tmp_path / "run" / "checkpoint")
    resumed = run_of(tmp_path / "run")
    resumed.run()
    assert_same_as_uninterrupted(resumed, tmp_path)


def test_a_finished_run_is_not_run_again(tmp_path: Path) -> None:
    first = run_of(tmp_path / "run")
    first.run()
    again = run_of(tmp_path / "run", in_loss=Stop(1))
    again.run()
    for name, value in state(first).items():
        assert torch.equal(state(again)[name], value), name
    assert len(log(tmp_path / "run")) == 3


def test_checkpoints_come_as_often_as_asked(tmp_path: Path) -> None:
    def crash() -> None:
        calls.append(1)
        if len(calls) == 6:
            raise RuntimeError("power cut")

    for minutes, expected in ((0.0, 5), (60.0, None)):
        calls: list[int] = []
        folder = tmp_path / f"every {minutes}"
        with pytest.raises(RuntimeError, match="power cut"):
            run_of(folder, in_loss=crash, checkpoint_minutes=minutes).run()
        header = folder / "checkpoint" / HEADER_FILE
        assert (json.loads(header.read_text())["step"] if header.exists() else None) == expected
    resumed = run_of(tmp_path / "every 0.0")  # how often is no part of what is trained
    resumed.run()
    assert_same_as_uninterrupted(resumed, tmp_path)


def test_validation_sees_the_averaged_weights_and_training_its_own(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", ema_decay=0.9)
    seen: list[Tensor] = []
    run.validate = lambda: seen.append(run.module.weight.detach().clone()) or {}  # type: ignore[func-returns-value]
    run.run()
    assert torch.equal(seen[-1], run.ema.shadow_params[0])
    assert not torch.equal(seen[-1], run.module.weight)


def test_other_settings_are_refused(tmp_path: Path) -> None:
    run_of(tmp_path / "run").run()
    for changed, named in (
        ({"learning_rate": 2e-3}, "optimisation"),
        ({"num_steps": 9}, "optimisation"),
        ({"seed": 1}, "optimisation"),
        ({"precision": "bfloat16"}, "optimisation"),
        ({"description": "a curve"}, "what"),
    ):
        with pytest.raises(UserError, match=rf"other settings \({named}\)"):
            run_of(tmp_path / "run", **changed).run()


def damaged_state(checkpoint: Path) -> None:
    data = bytearray((checkpoint / STATE_FILE).read_bytes())
    data[-1] ^= 1
    (checkpoint / STATE_FILE).write_bytes(data)


@pytest.mark.parametrize(
    "damage",
    [
        damaged_state,
        lambda checkpoint: (checkpoint / STATE_FILE).unlink(),
        lambda checkpoint: (checkpoint / HEADER_FILE).write_text("{"),
        lambda checkpoint: (checkpoint / HEADER_FILE).write_text("{}"),
        lambda checkpoint: (checkpoint / HEADER_FILE).write_text("[]"),
    ],
    ids=["state flipped", "state missing", "header cut", "header empty", "header of another kind"],
)
def test_damaged_checkpoints_are_refused(tmp_path: Path, damage: Callable[[Path], Any]) -> None:
    run_of(tmp_path / "run").run()
    damage(tmp_path / "run" / "checkpoint")
    with pytest.raises(UserError, match=f"{STATE_FILE}|{HEADER_FILE}"):
        run_of(tmp_path / "run").run()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_told_in_one_sentence(tmp_path: Path, value: float) -> None:
    run = run_of(tmp_path / "run", checkpoint_minutes=0.0)
    loss = run.loss
    run.loss = lambda step: (part * (value if step.number == 4 else 1.0) for part in loss(step))
    with pytest.raises(UserError) as error:
        run.run()
    assert f": the loss is {value} at step 4; " in str(error.value)
    assert "--learning-rate" in str(error.value)
    assert "\n" not in str(error.value)
    assert json.loads((tmp_path / "run" / "checkpoint" / HEADER_FILE).read_text())["step"] == 4
    assert all(parameter.isfinite().all() for parameter in run.parameters)


@pytest.mark.parametrize(
    "changed", [{"num_steps": 0}, {"learning_rate": 0.0}, {"learning_rate": 1.0}, {"precision": "float8"}]
)
def test_impossible_settings_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=str(next(iter(changed.values())))):
        OptimisationConfig(**{**SETTINGS, **changed})


def test_half_precision_is_for_training_steps_alone(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", precision="bfloat16")
    seen: set[tuple[bool, torch.dtype]] = set()
    run.module.register_forward_hook(lambda module, inputs, output: seen.add((module.training, output.dtype)))
    run.validate = lambda: {"sum": float(run.module(torch.ones(1, 3)).sum())}
    run.run()
    assert seen == {(True, torch.bfloat16), (False, torch.float32)}
    assert {value.dtype for value in state(run).values()} == {torch.float32}


def gradient_frames(count: int, seed: int = 0) -> np.ndarray:
    """Frames of 16x16 with a smooth gradient between two random colours."""
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 256, (count, 2, 1, 1, 3))
    share = np.linspace(0, 1, 16)[None, :, None, None] * np.ones((1, 1, 16, 1))
    return (corners[:, 0] * (1 - share) + corners[:, 1] * share).astype(np.uint8)


def test_a_tiny_codec_learns_and_measures_its_latents(tmp_path: Path) -> None:
    optimisation = OptimisationConfig(
        num_steps=60, learning_rate=5e-3, warmup_steps=5, validate_every=20, ema_decay=0.9
    )
    config = CodecTrainingConfig(optimisation, TINY_CODEC, batch_size=8)
    frames = gradient_frames(64)
    codec = train_codec(config, frames, gradient_frames(8, seed=1), tmp_path)
    lines = log(tmp_path)
    assert [line["step"] for line in lines] == [20, 40, 60]
    assert lines[-1]["loss"] < 0.7 * lines[0]["loss"]
    assert lines[-1]["validation_psnr_db"] > lines[0]["validation_psnr_db"] + 1
    latents = codec.encode(torch.from_numpy(frames))
    assert latents.shape == (64, 4, 2, 2)
    torch.testing.assert_close(latents.mean((0, 2, 3)), torch.zeros(4), rtol=0, atol=1e-4)
    torch.testing.assert_close(latents.std((0, 2, 3)), torch.ones(4), rtol=0, atol=1e-3)
    loaded = Codec.load(tmp_path / "codec")
    assert loaded.fingerprint() == codec.fingerprint()
    assert torch.equal(loaded.encode(torch.from_numpy(frames)), latents)
    again = train_codec(config, frames, gradient_frames(8, seed=1), tmp_path)  # finished: nothing is trained
    assert again.fingerprint() == codec.fingerprint()
    assert log(tmp_path) == lines
    for changed in ({"batch_size": 4}, {"latent_noise": 0.2}, {"edge_weight": 0.0}):
        with pytest.raises(UserError, match=r"other settings \(codec training\)"):
            train_codec(replace(config, **changed), frames, gradient_frames(8, seed=1), tmp_path)


def test_a_codec_starts_from_another_one_and_is_told_from_a_still_picture(tmp_path: Path) -> None:
    optimisation = OptimisationConfig(
        num_steps=40, learning_rate=5e-3, warmup_steps=5, validate_every=20, ema_decay=0.9
    )
    config = CodecTrainingConfig(optimisation, TINY_CODEC, batch_size=8)
    frames, held_out = gradient_frames(64), gradient_frames(8, seed=1)
    train_codec(config, frames, held_out, tmp_path / "first")
    once = log(tmp_path / "first")
    train_codec(config, frames, held_out, tmp_path / "second", Codec.load(tmp_path / "first" / "codec"))
    twice = log(tmp_path / "second")
    assert twice[0]["loss"] < once[-1]["loss"] and twice[-1]["validation_psnr_db"] > once[-1]["validation_psnr_db"]
    still = torch.from_numpy(np.median(frames, 0).astype(np.uint8)).expand(8, 16, 16, 3)
    shown = psnr(still, torch.from_numpy(held_out)).mean()
    line = once[-1]
    assert line["validation_psnr_db"] - line["validation_over_still_db"] == pytest.approx(float(shown), abs=0.2)
    with pytest.raises(UserError, match="other settings"):  # begun from other weights than those
        train_codec(config, frames, held_out, tmp_path / "second", Codec.from_config(TINY_CODEC))


def test_psnr_of_known_errors() -> None:
    grey = torch.full((3, 4, 4, 3), 100, dtype=torch.uint8)
    other = grey.clone()
    other[1] += 51  # a fifth of the range: 10 log10(25) dB
    other[2] += 155 - 51
    expected = torch.tensor([100.0, 13.9794, 20 * math.log10(255 / 104)])
    torch.testing.assert_close(psnr(grey, other), expected, rtol=0, atol=1e-3)


def still_life(episodes: int = 6, chunks: int = 3) -> LatentSet:
    """Episodes in which nothing ever moves: new frames are the past's. One latent of 4x4 with 4 channels each."""
    rng = np.random.default_rng(0)
    length = 1 + 4 * chunks
    stills = torch.from_numpy(rng.standard_normal((episodes, 1, 4, 4, 4))).half()
    starts = np.repeat(np.arange(episodes) * length, chunks)
    chunk_starts = starts + np.tile(1 + 4 * np.arange(chunks), episodes)
    frames = np.full(episodes * chunks, 4)
    return LatentSet(
        stills.expand(-1, length, -1, -1, -1).flatten(0, 1), starts, chunk_starts, frames, ("stay",) * len(frames)
    )


def tiny_denoiser() -> VideoTransformer:
    torch.manual_seed(0)
    return VideoTransformer(latent_channels=4, latent_height=4, latent_width=4, width=32, depth=1, num_heads=4)


def slow_config(**changed: Any) -> SlowTrainingConfig:
    optimisation = {"num_steps": 120, "learning_rate": 3e-3, "warmup_steps": 5, "validate_every": 30, "ema_decay": 0.9}
    optimisation["precision"] = "float32"
    optimisation |= {name: changed.pop(name) for name in list(changed) if name in optimisation}
    return SlowTrainingConfig(OptimisationConfig(**optimisation), batch_size=8, **changed)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_tiny_denoiser_learns(tmp_path: Path, text_encoder: TextEncoder, precision: str) -> None:
    denoiser, data = tiny_denoiser(), still_life()
    train_slow(slow_config(precision=precision), denoiser, text_encoder, data, data, tmp_path)
    lines = log(tmp_path)
    assert lines[-1]["loss"] < 0.8 * lines[0]["loss"]
    assert lines[-1]["validation_loss"] < 0.8 * lines[0]["validation_loss"]
    assert lines[-1]["validation_unmasked_loss"] < lines[0]["validation_unmasked_loss"]
    # Seeing the past helps: with it, the loss is lower than in windows without any clean frame.
    assert lines[-1]["validation_loss"] < 0.9 * lines[-1]["validation_unmasked_loss"]
    loaded = load_denoiser(tmp_path / "denoiser")
    for name, value in denoiser.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


@pytest.mark.parametrize("stopped_in", ["training", "validation"])
@pytest.mark.parametrize(
    ("family", "precision"),
    [
        ("transformer", "float32"),
        ("transformer", "bfloat16"),
        pytest.param("unet", "float32", marks=pytest.mark.slow),
    ],
)
def test_a_resumed_slow_training_equals_an_uninterrupted_one(
    tmp_path: Path,
    text_encoder: TextEncoder,
    monkeypatch: pytest.MonkeyPatch,
    family: str,
    precision: str,
    stopped_in: str,
) -> None:
    monkeypatch.setattr(slow_module, "VALIDATION_BATCH_SIZE", 4)
    data, config = still_life(), slow_config(num_steps=6, validate_every=4, unmasked_share=0.4, precision=precision)

    def train(folder: Path, global_seed: int) -> nn.Module:
        torch.manual_seed(0)
        denoiser = tiny_denoiser() if family == "transformer" else UNet3DDenoiser(4, (8, 16), head_width=8)
        torch.manual_seed(global_seed)  # chance comes from the step alone
        # As in a new process, no text has been encoded yet.
        train_slow(config, denoiser, TextEncoder(text_encoder.model), data, data, folder)
        return denoiser

    whole = train(tmp_path / "whole", 1)
    stop, masked = Stop(3 if stopped_in == "training" else 1), SlowObjective.masked

    def stopping(self: SlowObjective, *arguments: Any) -> Tensor:
        if self.denoiser.training == (stopped_in == "training"):
            stop()
        return masked(self, *arguments)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(SlowObjective, "masked", stopping)
        train(tmp_path / "parted", 1)
    step = json.loads((tmp_path / "parted" / "checkpoint" / HEADER_FILE).read_text())["step"]
    assert step == 4 if stopped_in == "validation" else 2 <= step < 6
    resumed = train(tmp_path / "parted", 2)
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name
    assert log(tmp_path / "parted") == log(tmp_path / "whole")


def test_other_slow_settings_are_refused_on_resuming(tmp_path: Path, text_encoder: TextEncoder) -> None:
    data = still_life()
    train_slow(slow_config(num_steps=1), tiny_denoiser(), text_encoder, data, data, tmp_path)
    with pytest.raises(UserError, match="slow"):
        train_slow(slow_config(num_steps=1, noise_draws=3), tiny_denoiser(), text_encoder, data, data, tmp_path)
    wider = VideoTransformer(latent_channels=4, latent_height=4, latent_width=4, width=64, depth=1)
    with pytest.raises(UserError, match="denoiser"):
        train_slow(slow_config(num_steps=1), wider, text_encoder, data, data, tmp_path)


def test_episodes_too_short_are_told_before_the_first_step(tmp_path: Path, text_encoder: TextEncoder) -> None:
    short, long = still_life(chunks=2), still_life()
    with pytest.raises(UserError, match="8 frames before it and 4 frames in it"):
        train_slow(slow_config(), tiny_denoiser(), text_encoder, short, long, tmp_path)
    with pytest.raises(UserError, match="4 frames before it and 4 frames in it"):
        train_slow(slow_config(), tiny_denoiser(), text_encoder, long, still_life(chunks=1), tmp_path)
    assert not (tmp_path / LOG_FILE).exists()


@pytest.mark.parametrize(
    "changed",
    [{"condition_dropout": 1.5}, {"unmasked_share": -0.1}, {"past_noise_share": 2.0}, {"past_noise_max": math.nan}],
)
def test_impossible_slow_settings_are_refused(changed: dict[str, float]) -> None:
    with pytest.raises(UserError, match=next(iter(changed))):
        slow_config(**changed)
    with pytest.raises(UserError, match="batch_size"):
        SlowTrainingConfig(OptimisationConfig(1), batch_size=0)


def test_conditions_are_dropped_and_pasts_noised_as_often_as_asked(text_encoder: TextEncoder) -> None:
    seen: dict[str, Any] = {}

    class Spy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = nn.Parameter(torch.ones(1))

        def encode_past(self, latents: Tensor, noise_levels: Tensor) -> None:
            seen.update(past=latents, past_levels=noise_levels)

        def repeat_past(self, past: None, times: int) -> None:
            seen.update(times=times)

        def predict(self, noised: Tensor, noise_levels: Tensor, text: Any, past: None, recall: None) -> Tensor:
            seen.update(text=text, levels=noise_levels)
            return noised

    batch = WindowSampler(still_life()).draw(np.random.default_rng(0), 400, WindowLengths((4,), (4,)))
    for dropout, noised, at_most in ((0.0, 0.0, 0.3), (0.25, 0.5, 0.3), (1.0, 1.0, 0.1)):
        config = slow_config(condition_dropout=dropout, past_noise_share=noised, past_noise_max=at_most, noise_draws=2)
        SlowObjective(Spy(), text_encoder, config).masked(batch, torch.Generator().manual_seed(0))
        without_text = ~seen["text"].tokens.flatten(1).any(1)
        assert seen["times"] == 2
        assert torch.equal(without_text[::2], without_text[1::2])  # both draws of a window, or none
        assert float(without_text.float().mean()) == pytest.approx(dropout, abs=0.06)
        levels = seen["past_levels"]
        assert torch.equal(levels, levels[:, :1].expand(-1, 4))
        assert float((levels[:, 0] > 0).float().mean()) == pytest.approx(noised, abs=0.06)
        assert levels.max() <= at_most
        clean = levels[:, 0] == 0
        assert torch.equal(seen["past"][clean], batch.past[clean])
        assert (seen["past"] - batch.past)[~clean].flatten(1).any(1).all()
        assert seen["levels"].unique().numel() == 800


def episode_of(seed: int, lengths: tuple[int, ...], size: int = 16) -> Episode:
    starts = np.cumsum([1, *lengths])[:-1]
    chunks = tuple(Chunk(f"action {seed} {at}", "", int(at), each) for at, each in zip(starts, lengths, strict=True))
    frames = np.random.default_rng(seed).integers(0, 256, (1 + sum(lengths), size, size, 3), dtype=np.uint8)
    return Episode(frames, chunks, None, 10.0, {"split": "train", "scene": str(seed)})


def dataset_of(folder: Path, *episodes: Episode) -> EpisodeDataset:
    writer = DatasetWriter(folder, DatasetHeader("tiny", "train", len(episodes), {}))
    for episode in episodes[writer.num_present :]:
        writer.append(episode)
    return EpisodeDataset(folder)


def mean_of_frames(frames: Tensor) -> Tensor:
    return frames.float().mean((1, 2))[:, :, None, None] / 255


def never(frames: Tensor) -> Tensor:
    raise AssertionError("the cache was not used")


def test_a_codec_with_more_channels_shows_the_same_pictures() -> None:
    torch.manual_seed(0)
    narrow = Codec.from_config(TINY_CODEC).eval()
    narrow.latent_mean.fill_(0.1)
    wide = narrow.with_channels(6)
    assert wide.latent_channels == 6 and narrow.with_channels(4) is narrow and not wide.training
    frames = torch.randint(256, (3, 16, 16, 3), dtype=torch.uint8)
    latents = wide.encode(frames)
    torch.testing.assert_close(latents[:, :4], narrow.encode(frames), rtol=1e-5, atol=1e-5)
    assert latents[:, 4:].std() > 1e-3  # what is added is drawn: a gradient reaches it
    shown = (wide.decode(latents).int() - narrow.decode(latents[:, :4]).int()).abs()
    assert int(shown.max()) <= 1
    with pytest.raises(UserError, match="with as many latent channels or fewer"):
        narrow.with_channels(2)


def test_latents_are_encoded_once_for_each_content_and_codec(tmp_path: Path) -> None:
    episodes = [episode_of(0, (4, 3)), episode_of(1, (2, 4, 4))]
    dataset, cache = dataset_of(tmp_path / "set", *episodes), tmp_path / "cache"
    first = cached_latents(dataset, mean_of_frames, "codec a", cache)
    expected = torch.cat([mean_of_frames(torch.from_numpy(episode.frames)) for episode in episodes]).half()
    assert torch.equal(first.latents, expected)
    assert first.episode_start.tolist() == [0, 0, 8, 8, 8]
    assert first.chunk_start.tolist() == [1, 5, 9, 11, 15]
    assert first.chunk_frames.tolist() == [4, 3, 2, 4, 4]
    assert first.actions == ("action 0 1", "action 0 5", "action 1 1", "action 1 3", "action 1 7")
    again = cached_latents(EpisodeDataset(tmp_path / "set"), never, "codec a", cache)
    assert torch.equal(again.latents, expected)
    assert again.actions == first.actions

    with pytest.raises(AssertionError, match="cache"):
        cached_latents(dataset, never, "codec b", cache)  # another codec
    longer = dataset_of(tmp_path / "set", *episodes, episode_of(2, (4,)))
    with pytest.raises(AssertionError, match="cache"):
        cached_latents(longer, never, "codec a", cache)  # other content
    assert len(cached_latents(longer, mean_of_frames, "codec a", cache).latents) == len(expected) + 5
    assert len(list(cache.iterdir())) == 2


def test_a_damaged_cache_is_made_anew(tmp_path: Path) -> None:
    dataset, cache = dataset_of(tmp_path / "set", episode_of(0, (4,))), tmp_path / "cache"
    expected = cached_latents(dataset, mean_of_frames, "codec", cache).latents
    (file,) = cache.iterdir()
    file.write_bytes(file.read_bytes()[:-3])
    assert torch.equal(cached_latents(dataset, mean_of_frames, "codec", cache).latents, expected)
    assert torch.equal(cached_latents(dataset, never, "codec", cache).latents, expected)


def test_data_that_gives_no_latents_is_refused(tmp_path: Path) -> None:
    mixed = dataset_of(tmp_path / "mixed", episode_of(0, (4,)), episode_of(1, (4,), size=24))
    with pytest.raises(UserError, match=r"episode 1 .* another size"):
        cached_latents(mixed, lambda frames: frames.float().movedim(-1, 1), "codec", tmp_path / "cache")
    stills = cached_latents(
        dataset_of(tmp_path / "stills", episode_of(0, ())), mean_of_frames, "codec", tmp_path / "cache"
    )
    with pytest.raises(UserError, match="no chunk of the data"):
        WindowSampler(stills).eligible(1, 1)
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "dataset.json").write_text((tmp_path / "mixed" / "dataset.json").read_text())
    with pytest.raises(UserError, match="no episodes"):
        cached_latents(EpisodeDataset(tmp_path / "none", unfinished=True), never, "codec", tmp_path / "cache")


def numbered() -> LatentSet:
    """Episodes of 8, 11 and 5 frames whose latents are the frames' numbers."""
    return LatentSet(
        latents=torch.arange(24).half()[:, None, None, None],
        episode_start=np.array([0, 0, 8, 8, 8, 19]),
        chunk_start=np.array([1, 5, 9, 11, 15, 20]),
        chunk_frames=np.array([4, 3, 2, 4, 4, 4]),
        actions=tuple("abcdef"),
    )


def test_windows_are_cut_around_the_start_of_their_chunk() -> None:
    batch = WindowSampler(numbered()).cut([1, 4], num_past=3, num_new=2)
    assert batch.past.shape == (2, 3, 1, 1, 1)
    assert batch.past.dtype == torch.float32
    assert batch.past.flatten(1).tolist() == [[2, 3, 4], [12, 13, 14]]
    assert batch.new.flatten(1).tolist() == [[5, 6], [15, 16]]
    assert batch.actions == ("b", "e")


@pytest.mark.parametrize("num_past", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("num_new", [1, 2, 3, 4])
def test_windows_never_leave_their_episode_nor_their_chunk(num_past: int, num_new: int) -> None:
    source = numbered()
    sampler = WindowSampler(source)
    batch = sampler.draw(np.random.default_rng(0), 200, WindowLengths((num_past,), (num_new,)))
    frames = torch.cat([batch.past, batch.new], 1).flatten(1).long()
    assert (frames.diff(dim=1) == 1).all()
    episode = np.searchsorted([8, 19], frames.numpy(), side="right")
    assert (episode == episode[:, :1]).all()
    chunk = [source.actions.index(action) for action in batch.actions]
    assert torch.equal(frames[:, num_past], torch.from_numpy(source.chunk_start[chunk]))
    assert (num_new <= source.chunk_frames[chunk]).all()
    fitting = [
        index
        for index in range(6)
        if source.chunk_start[index] - source.episode_start[index] >= num_past and source.chunk_frames[index] >= num_new
    ]
    assert sorted(set(chunk)) == fitting  # and none that fits is left out


def test_no_window_that_fits_is_told_with_its_lengths() -> None:
    sampler = WindowSampler(numbered())
    for num_past, num_new in ((8, 1), (1, 5)):
        with pytest.raises(UserError, match=f"{num_past} frames before it and {num_new} frames in it"):
            sampler.draw(np.random.default_rng(0), 1, WindowLengths((num_past,), (num_new,)))
    for past, new in (((), (1,)), ((0,), (1,)), ((1,), (0,))):
        with pytest.raises(UserError, match="at least one past and one new frame"):
            WindowLengths(past, new)


def test_draws_follow_the_generator_and_the_lengths() -> None:
    sampler, lengths = WindowSampler(numbered()), WindowLengths((1, 4), (1, 2, 3))
    draws = [sampler.draw(np.random.default_rng(seed), 6, lengths) for seed in (*range(40), 0)]
    assert torch.equal(draws[0].past, draws[-1].past)
    assert draws[0].actions == draws[-1].actions
    assert {(len(each.past[0]), len(each.new[0])) for each in draws} == {(p, n) for p in (1, 4) for n in (1, 2, 3)}


def test_several_sets_are_drawn_from_evenly() -> None:
    small, large = numbered(), joined_sets([numbered()])
    large = replace(large, latents=100 + torch.arange(24).half()[:, None, None, None], actions=tuple("uvwxyz"), key="b")
    large = replace(large, chunk_frames=np.array([4, 3, 2, 4, 4, 1]))
    joined = joined_sets([small, large, small])
    assert len(joined.latents) == 72 and joined.actions == (*"abcdef", *"uvwxyz", *"abcdef")
    assert joined.key not in {small.key, large.key} and joined.key != joined_sets([large, small]).key
    sampler = WindowSampler(joined)
    batch = sampler.draw(np.random.default_rng(0), 3000, WindowLengths((1,), (4,)))
    values = batch.new[:, 0].flatten()
    assert torch.equal(values - batch.past[:, 0].flatten(), torch.ones(3000))  # each within its own set
    share = float(((values >= 100) & (values < 124)).float().mean())
    assert share == pytest.approx(1 / 3, abs=0.04)  # though it has fewer such windows than the other two
    assert set(batch.actions) == {*"adef", *"uxy"}
    again = sampler.draw(np.random.default_rng(0), 3000, WindowLengths((1,), (4,)))
    assert torch.equal(again.new, batch.new)
    wide = replace(small, latents=torch.zeros(24, 1, 2, 2).half())
    with pytest.raises(UserError, match="latents of 2 sizes"):
        joined_sets([small, wide])


def test_the_command_line_trains_codec_and_denoiser(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train, validation, codec = str(tmp_path / "train"), str(tmp_path / "validation"), str(tmp_path / "codec")
    for folder, split, episodes in ((train, "train", "3"), (validation, "validation", "1")):
        words = ["--env", "vizdoom-rooms", "--split", split, "--episodes", episodes, "--num-chunks", "3"]
        assert main(["data", "make", "--out", folder, *words]) == 0
    common = ["--data", train, "--validation", validation, "--steps", "2", "--batch-size", "2"]
    assert main(["train", "codec", *common, "--out", codec]) == 0
    slow = ["train", "slow", *common, "--codec", f"{codec}/codec", "--width", "32", "--depth", "1"]
    assert main([*slow, "--out", str(tmp_path / "slow")]) == 0
    assert f"wrote {tmp_path / 'slow' / 'denoiser'}" in capsys.readouterr().out
    denoiser = load_denoiser(tmp_path / "slow" / "denoiser")
    assert (denoiser.config.width, len(denoiser.blocks)) == (32, 1)
    assert log(tmp_path / "slow")[-1]["step"] == 2

    assert main([*slow, "--out", str(tmp_path / "slow")]) == 0  # finished: nothing to do, and the same weights
    for name, value in load_denoiser(tmp_path / "slow" / "denoiser").state_dict().items():
        assert torch.equal(value, denoiser.state_dict()[name]), name
    words = [*slow, "--init", str(tmp_path / "slow" / "denoiser"), "--out", str(tmp_path / "more")]
    assert main([*words, "--precision", "bfloat16"]) == 0
    header = json.loads((tmp_path / "more" / "checkpoint" / HEADER_FILE).read_text())
    assert header["config"]["optimisation"]["precision"] == "bfloat16"
    both = ["--data", train, validation, "--validation", validation, train]
    assert main([*slow, *both, "--out", str(tmp_path / "both")]) == 0
    assert main(["train", "codec", *common, *both, "--out", f"{codec}-both"]) == 0
    small = make_tiny_set(tmp_path / "small", 1).folder
    assert (
        main(["train", "path", *common, *both, "--chunks", "1", "--codec", f"{codec}/codec", "--out", f"{codec}-path"])
        == 0
    )
    capsys.readouterr()
    for words, told in (
        ([*slow, "--out", str(tmp_path / "slow"), "--seed", "1"], "other settings"),
        ([*slow, "--out", str(tmp_path / "slow"), "--data", validation], "other settings (data)"),
        ([*slow, "--out", str(tmp_path / "x"), "--width", "33"], "multiple of 8 * 4 heads, got 33"),
        ([*slow, "--out", str(tmp_path / "x"), "--device", "abacus"], "'abacus'"),
        (["train", "slow", *common, "--codec", train, "--out", str(tmp_path / "x")], "cannot read"),
        (["train", "codec", *common, "--out", str(tmp_path / "x"), "--learning-rate", "0"], "learning rate"),
        (["train", "codec", *common, "--out", str(tmp_path / "x"), "--data", str(tmp_path / "y")], "y"),
        (["train", "codec", *common, "--out", str(tmp_path / "x"), "--data", train, str(small)], "frames of 2 sizes"),
    ):
        assert main(words) == 2
        message = capsys.readouterr().err.strip().splitlines()[-1]
        assert message.startswith("slowfast: error: ")
        assert told in message
    assert main([*slow, "--out", str(tmp_path / "x"), "--precision", "float8"]) == 2
    usage, message = capsys.readouterr().err.strip().rsplit("\n", 1)
    assert usage.startswith("usage: ")
    assert message.startswith("slowfast train slow: error: argument --precision: invalid choice: 'float8'")
    assert not (tmp_path / "x").exists()
