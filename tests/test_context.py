"""Memories that keep frames: which ones are chosen, the training with them, the arms that use them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from slowfast_bench.cost import measured_cost
from slowfast_bench.generate import generate_tours
from slowfast_bench.paths.episodes import play_tours
from slowfast_bench.paths.tours import held_out_tours
from slowfast_bench.variants import ContextRollout, context_arm, foreign_memory_arm, frozen_arm, memory_arm
from slowfast_vgen.cli.main import main
from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.context import chosen_frames, past_with_context
from slowfast_vgen.memory.settings import ContextConfig
from slowfast_vgen.models.video_transformer import VideoTransformer
from slowfast_vgen.models.world_model import load_denoiser
from slowfast_vgen.rollout import WorldModel
from slowfast_vgen.train.settings import ContextTrainingConfig, OptimisationConfig, SlowTrainingConfig


def path(num_frames: int) -> torch.Tensor:
    """Straight ahead, a step a frame."""
    poses = torch.zeros(1, num_frames, 3)
    poses[0, :, 0] = torch.arange(num_frames)
    return poses


def test_raw_contexts_are_the_frames_before_the_window() -> None:
    poses = path(21)
    new = torch.zeros(1, 4, 3)
    assert chosen_frames(ContextConfig("raw", 12), poses, new, 4).tolist() == [list(range(5, 17))]
    assert chosen_frames(ContextConfig("raw", 40), poses, new, 4).tolist() == [list(range(17))]
    assert chosen_frames(ContextConfig("raw", 12), poses[:, :4], new, 4).shape == (1, 0)


def test_retrieval_finds_the_pose_where_the_action_leads_but_not_in_the_window() -> None:
    poses = path(21)
    ahead = torch.tensor([[[3.0, 0, 0], [7.0, 0, 0.1], [2.0, 0, 2 * torch.pi], [19.0, 0, 0]]])
    found = chosen_frames(ContextConfig("retrieval", 4), poses, ahead, 4)
    assert found.tolist() == [[3, 7, 2, 16]]  # the last is in the window: the nearest frame before it
    turned = poses.clone()
    turned[0, 3, 2] = torch.pi
    assert chosen_frames(ContextConfig("retrieval", 1), turned, ahead, 4).tolist() != [[3]]


def test_an_anchor_is_the_first_frame() -> None:
    assert chosen_frames(ContextConfig("anchor", 1), path(9), torch.zeros(1, 4, 3), 4).tolist() == [[0]]


def test_the_past_is_the_chosen_frames_and_the_window() -> None:
    frames = torch.arange(10.0).reshape(1, 10, 1, 1, 1)
    past = past_with_context(frames, torch.tensor([[0, 3]]), 4)
    assert past.flatten().tolist() == [0, 3, 6, 7, 8, 9]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [({"kind": "dream"}, "unknown kind of context 'dream'"), ({"num_frames": 0}, "at least 1")],
)
def test_contexts_that_cannot_be_are_refused(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        ContextConfig(**settings)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="at least one kind"):
        ContextTrainingConfig(SlowTrainingConfig(OptimisationConfig(1)), kinds=())


def test_the_command_line_trains_a_denoiser_with_context(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train, codec = str(tmp_path / "train"), str(tmp_path / "codec")
    words = ["--env", "vizdoom-rooms", "--split", "train", "--episodes", "3", "--num-chunks", "12"]
    assert main(["data", "make", "--out", train, *words]) == 0
    common = ["--data", train, "--validation", train, "--steps", "3", "--batch-size", "2"]
    assert main(["train", "codec", *common, "--out", codec]) == 0
    coded = [*common, "--codec", f"{codec}/codec"]
    assert main(["train", "slow", *coded, "--width", "32", "--depth", "1", "--out", str(tmp_path / "slow")]) == 0
    context = [
        "train",
        "context",
        *coded,
        "--init",
        str(tmp_path / "slow" / "denoiser"),
        "--out",
        str(tmp_path / "out"),
    ]
    assert main([*context, "--chunks", "9"]) == 0
    before, after = (load_denoiser(tmp_path / name / "denoiser") for name in ("slow", "out"))
    changed = [not torch.equal(one, other) for one, other in zip(before.parameters(), after.parameters(), strict=True)]
    assert any(changed)
    again = [str(tmp_path / "out" / "settings.toml"), "--out", str(tmp_path / "again")]
    assert main(["train", "context", "--config", *again]) == 0
    repeated = load_denoiser(tmp_path / "again" / "denoiser")
    assert all(torch.equal(one, other) for one, other in zip(after.parameters(), repeated.parameters(), strict=True))
    log = (tmp_path / "out" / "log.jsonl").read_text()
    for name in ("raw_28_loss", "anchor_1_loss", "retrieval_4_loss"):
        assert name in log
    capsys.readouterr()
    assert main([*context[:-1], str(tmp_path / "short"), "--chunks", "5"]) == 2
    assert "cannot hold a context of 28 frames" in capsys.readouterr().err
    assert main([*context[:-1], str(tmp_path / "anchor"), "--chunks", "5", "--kinds", "anchor_1"]) == 0
    assert "raw" not in (tmp_path / "anchor" / "log.jsonl").read_text()
    assert main([*context, "--kinds", "anchor_1,raw_5"]) == 2
    assert "unknown kind of context 'raw_5'; choose some of raw_4, raw_12" in capsys.readouterr().err
    foreign = VideoTransformer(latent_channels=3, latent_height=8, latent_width=8, width=32, depth=1)
    foreign.save_pretrained(tmp_path / "foreign")
    start = [str(tmp_path / "foreign") if word == str(tmp_path / "slow" / "denoiser") else word for word in context]
    for words in (start, ["train", "loop", *start[2:], "--rule", "denoising"]):
        assert main([*words, "--chunks", "9"]) == 2
        told = capsys.readouterr().err
        assert f"made for latent_channels 3, but a frame of the data has {before.config.latent_channels};" in told


def test_arms_go_the_same_way_with_the_same_noise(hasty_local_world: WorldModel) -> None:
    tours = held_out_tours("full-turn-16", 3)
    plays = play_tours(tours)
    off = generate_tours(memory_arm("a", "", hasty_local_world, None), tours, plays, [0, 1, 2], True, lambda _: None)
    kinds = {
        "short": ContextConfig("raw", 4),
        "anchor": ContextConfig("anchor", 1),
        "retrieval": ContextConfig("retrieval", 4),
    }
    made = {
        name: generate_tours(
            context_arm(name, "", hasty_local_world, kind), tours, plays, [0, 1, 2], True, lambda _: None
        )
        for name, kind in kinds.items()
    }
    for name, frames in made.items():
        for row, play in enumerate(plays):
            np.testing.assert_array_equal(frames[row][:17], play.frames[:17])
            assert (frames[row][17:] != off[row][17:]).any(), name
    again = generate_tours(
        context_arm("r", "", hasty_local_world, kinds["retrieval"]), tours[1:2], plays[1:2], [1], True, lambda _: None
    )
    difference = np.abs(again[0].astype(int) - made["retrieval"][1].astype(int))
    assert difference.max() <= 1  # alone as in a batch, up to the order of sums


def test_a_frozen_arm_shows_its_last_frame(hasty_local_world: WorldModel) -> None:
    tours = held_out_tours("full-turn-16", 2)
    frames = generate_tours(frozen_arm(hasty_local_world), tours, play_tours(tours), [0, 1], True, lambda _: None)[0]
    assert (frames[18:] == frames[17]).all()


def test_a_foreign_memory_is_read_and_the_own_one_left_as_it_is(hasty_local_world: WorldModel) -> None:
    memory = hasty_local_world.shipped_memory
    tours = held_out_tours("full-turn-16", 2)
    plays = play_tours(tours)
    arms = memory_arm("m", "", hasty_local_world, memory), foreign_memory_arm(hasty_local_world, memory)
    own, foreign = (generate_tours(arm, tours, plays, [0, 1], True, lambda _: None) for arm in arms)
    assert (own[0][17:] != foreign[0][17:]).any()
    alone = generate_tours(arms[1], tours[:1], plays[:1], [0], True, lambda _: None)
    np.testing.assert_array_equal(alone[0], generate_tours(arms[0], tours[:1], plays[:1], [0], True, lambda _: None)[0])


def test_costs_tell_what_is_kept(hasty_local_world: WorldModel) -> None:
    (play,) = play_tours(held_out_tours("retrace", 1))
    without = memory_arm("no_memory", "", hasty_local_world, None)
    assert measured_cost(without, without, play).megabytes == 0
    raw = measured_cost(context_arm("raw", "", hasty_local_world, ContextConfig("raw", 4)), without, play)
    all_frames = measured_cost(
        context_arm("retrieval", "", hasty_local_world, ContextConfig("retrieval", 4)), without, play
    )
    assert 0 < raw.megabytes < all_frames.megabytes
    assert (raw.seconds_per_frame > 0).all()
    run = context_arm("raw", "", hasty_local_world, ContextConfig("raw", 4)).begin(
        play.frames[:1], [0], torch.zeros(1, 9, 3)
    )
    assert isinstance(run, ContextRollout)
