"""The smoke test and the bench: right answers for the truth, structure and resuming on a tiny untrained world."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from made_results import by_name
from PIL import Image

from slowfast_bench import cache as blocks
from slowfast_bench import smoke
from slowfast_bench.cache import cache_folder
from slowfast_bench.generate import generate_tours
from slowfast_bench.paths.episodes import HeldOut, Outcomes, play_tours
from slowfast_bench.scores.following import generate_chunks, row_seeds, score_chunks
from slowfast_bench.scores.long_videos import generate_long, score_video
from slowfast_bench.scores.revisits import reference_scores, score_tours, tour_pairs
from slowfast_bench.smoke import SmokeConfig, SmokeTest
from slowfast_bench.variants import memory_arm
from slowfast_envs.actions import VERBS
from slowfast_vgen.cli.main import main
from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.config import MemoryConfig
from slowfast_vgen.memory.settings import FastLearningConfig, LoraConfig
from slowfast_vgen.metrics.features import ImageFeatures
from slowfast_vgen.models.world_model import WorldModelConfig, WorldWeights
from slowfast_vgen.rollout import WorldModel

pytest.importorskip("vizdoom")
NUM_CHUNKS = 8


@pytest.fixture(scope="module")
def held_out() -> HeldOut:
    return HeldOut(3, NUM_CHUNKS)


@pytest.fixture(scope="module")
def outcomes(held_out: HeldOut) -> Outcomes:
    return held_out.outcomes(NUM_CHUNKS)


def true_chunks(held_out: HeldOut) -> np.ndarray:
    frames = np.stack([one.frames[1:] for one in held_out.wanders])
    return frames.reshape(len(frames), NUM_CHUNKS, 4, 64, 64, 3)


# --- action following


def test_the_given_outcome_is_what_the_episode_shows(held_out: HeldOut, outcomes: Outcomes) -> None:
    for episode, chunks, frames, given in zip(
        held_out.wanders, true_chunks(held_out), outcomes.frames, outcomes.given, strict=True
    ):
        assert [VERBS[index] for index in given] == [chunk.verb for chunk in episode.chunks]
        for number, index in enumerate(given):
            assert (frames[number, index] == chunks[number]).all()


def test_true_chunks_follow_their_actions(held_out: HeldOut, outcomes: Outcomes) -> None:
    scores = score_chunks(true_chunks(held_out), held_out.wanders, outcomes)
    assert np.nanmean(scores.direction) == 1
    assert np.nanmean(scores.five_way) == 1
    assert np.nanmean(scores.flow) > 0.9
    assert (scores.chunk_psnr == 100).all() and (scores.first_frame_psnr == 100).all()
    assert np.nanmin(scores.first_frame_gain) > 0
    is_turn = np.isin(outcomes.given, (VERBS.index("turn_left"), VERBS.index("turn_right")))
    assert is_turn.any() and (np.isnan(scores.direction) == ~is_turn).all()


def test_mirrored_turns_follow_the_wrong_way(held_out: HeldOut, outcomes: Outcomes) -> None:
    left, right = VERBS.index("turn_left"), VERBS.index("turn_right")
    swapped = true_chunks(held_out)
    for index, verb in np.ndenumerate(outcomes.given):
        if verb in (left, right):
            swapped[index] = outcomes.frames[index][left + right - verb]
    scores = score_chunks(swapped, held_out.wanders, outcomes)
    assert np.nanmean(scores.direction) == 0
    assert np.nanmean(scores.flow) < 0.1


def test_a_frozen_past_gains_nothing(held_out: HeldOut, outcomes: Outcomes) -> None:
    past = np.stack([one.frames[:-1:4] for one in held_out.wanders])
    frozen = np.repeat(past[:, :, None], 4, axis=2)
    scores = score_chunks(frozen, held_out.wanders, outcomes)
    assert np.nanmax(np.abs(scores.first_frame_gain)) == 0
    assert (np.isnan(scores.first_frame_gain) == ~outcomes.moves).all()
    assert np.nanmean(scores.five_way) < 0.5


def test_chunks_are_generated_from_the_true_past(tiny_world: WorldModel, held_out: HeldOut) -> None:
    chunks = generate_chunks(tiny_world, held_out.wanders, 3, 1, lambda done: None)
    rollout = tiny_world.start_batch(
        np.stack([one.frames[0] for one in held_out.wanders]), False, row_seeds(1, 0, len(held_out.wanders))
    )
    true = torch.from_numpy(np.stack([one.frames[1:9] for one in held_out.wanders]))
    rollout.observe(true[:, :4])
    rollout.observe(true[:, 4:])
    expected = tiny_world.model.codec.decode(rollout.step([one.chunks[2].action for one in held_out.wanders]))
    np.testing.assert_array_equal(chunks[:, 2], expected.numpy())


# --- tours


def test_tours_come_back_to_poses_that_have_left_the_window(held_out: HeldOut) -> None:
    for tours, counts in ((held_out.full_turns, {16}), (held_out.out_and_backs, {8, 12})):
        for tour, play in zip(tours, play_tours(tours), strict=True):
            pairs = tour_pairs(tour, play, 8)
            assert len(pairs) in counts and not play.collided.any()
            for later, earlier in pairs:
                assert later > 4 * tour.num_out >= earlier and later - earlier > 8
                assert (play.frames[later] == play.frames[earlier]).all()


def test_true_tours_score_best_and_wrong_frames_worse(held_out: HeldOut) -> None:
    tours, features = held_out.out_and_backs, ImageFeatures.load()
    plays = play_tours(tours)
    pairs = [tour_pairs(*one, 8) for one in zip(tours, plays, strict=True)]
    true = [play.frames for play in plays]
    scores = score_tours(true, true, plays, pairs, features)
    assert np.nanmin(scores.psnr) == 100 and np.nanmin(scores.history_psnr) == 100
    assert np.nanmax(scores.colour_distance) == 0 and np.nanmax(scores.history_colour_distance) == 0
    assert np.nanmin(scores.similarity) == pytest.approx(100)
    assert (~np.isnan(scores.psnr)).sum(1).tolist() == [len(one) for one in pairs]

    reference = reference_scores(tours, plays, pairs, features)
    frozen = []
    for tour, play in zip(tours, plays, strict=True):
        last = 4 * tour.num_out
        frozen.append(np.concatenate([play.frames[: last + 1], np.repeat(play.frames[[last]], last, 0)]))
    stuck = score_tours(frozen, frozen, plays, pairs, features)
    np.testing.assert_array_equal(stuck.psnr, reference.copy_psnr)
    assert np.nanmean(stuck.psnr) < 25 and np.nanmean(stuck.history_psnr) < 25
    assert np.nanmean(stuck.similarity) < 99


def test_the_way_out_is_true_where_it_is_seen_and_else_generated(hasty_world: WorldModel, held_out: HeldOut) -> None:
    tours = held_out.full_turns[:2]
    plays = play_tours(tours)
    learning = MemoryConfig(lora=FastLearningConfig(LoraConfig(rank=2), learning_rate=0.05))
    done: list[int] = []
    seen = generate_tours(memory_arm("", "", hasty_world, learning), tours, plays, range(len(tours)), True, done.append)
    own = generate_tours(memory_arm("", "", hasty_world, learning), tours, plays, range(len(tours)), False, done.append)
    without = generate_tours(memory_arm("", "", hasty_world, None), tours, plays, range(len(tours)), True, done.append)
    assert sum(done) == 3 * 2 * 8
    for number, play in enumerate(plays):
        assert (seen[number][:17] == play.frames[:17]).all()
        assert seen[number].shape == own[number].shape == (33, 64, 64, 3)
        assert (own[number][0] == play.frames[0]).all() and (own[number][1:17] != play.frames[1:17]).any()
        assert (seen[number][17:] != without[number][17:]).any()  # the memory took part


# --- long videos


def test_late_scores_are_the_same_whether_or_not_all_is_decoded(hasty_world: WorldModel, held_out: HeldOut) -> None:
    episodes = HeldOut(2, 16).wanders
    whole, late = (generate_long(hasty_world, episodes, None, 3, decode, lambda done: None) for decode in (True, False))
    np.testing.assert_array_equal(whole.sharpness[:, -1], late.sharpness[:, -1])
    np.testing.assert_array_equal(whole.collapsed, late.collapsed)
    assert whole.sharpness.shape == late.sharpness.shape == (2, 2)
    assert np.isnan(late.sharpness[:, 0]).all() and np.isnan(late.motion).all()
    assert np.isfinite(whole.scene_cuts).all() and np.isnan(whole.rollbacks).all()


def test_a_video_that_turns_grey_has_collapsed(held_out: HeldOut) -> None:
    frames = held_out.wanders[0].frames.copy()
    assert score_video(frames, 32, 10.0).collapsed == 0
    frames[8:] = 100
    assert score_video(frames, 32, 10.0).collapsed == 1


# --- the whole protocol


EXPECTED = {
    "action_following", "action_following_five_way", "action_following_flow", "first_frame_gain_db", "chunk_psnr_db",
    "first_frame_psnr_db", "copy_psnr_db", "codec_psnr_db", "late_sharpness_ratio", "late_sharpness_ratio_memory",
    "late_colour_spread_ratio", "late_colour_spread_ratio_memory", "collapsed_share", "collapsed_share_memory",
    "scuts", "scuts_memory", "scuts_true", "motion_score", "motion_score_memory", "motion_score_true",
    "revisit_psnr_db_copy", "revisit_psnr_db_off", "revisit_psnr_db_paper", "revisit_psnr_db_best",
    "revisit_gain_db_paper", "revisit_gain_db_best", "revisit_gain_db_best_full_turn",
    "revisit_gain_db_best_out_and_back", "history_psnr_db_off", "history_gain_db_best", "revisit_colour_distance_off",
    "src_mbv2_off", "src_mbv2_gain_best", "chunk_psnr_db_turn_left",
}  # fmt: skip


def run_smoke(world: Path, folder: Path, *more: str) -> int:
    sizes = ["--episodes", "2", "--seeds", "2", "--frames", "32"]
    return main(["evaluate", "smoke", "--model", str(world), "--json", str(folder / "smoke.json"), *sizes, *more])


@pytest.mark.slow
def test_a_run_gives_every_figure_and_a_second_one_computes_nothing(
    hasty_world_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_smoke(hasty_world_folder, tmp_path, "--contact-sheet", str(tmp_path / "sheet.png")) == 0
    out = capsys.readouterr().out
    assert "revisit_gain_db_best" in out and "sheet.png" in out
    assert Image.open(tmp_path / "sheet.png").width > 16 * 64
    results = json.loads((tmp_path / "smoke.json").read_text())
    figures, protocol = by_name(results), results["protocol"]
    assert set(figures) >= EXPECTED - set(protocol["not_measured"])
    assert all(one["low"] <= one["mean"] <= one["high"] and one["n"] >= 1 for one in figures.values())
    assert protocol["episodes"] == 2 and protocol["seeds"] == [0, 1] and len(protocol["weights_sha256"]) == 64
    assert protocol["memory"]["off"] is None and protocol["memory"]["paper"]["lora"]["lora"]["rank"] == 32
    assert len(protocol["per_seed"]["chunk_psnr_db"]["means"]) == 2
    assert len(protocol["horizon"]["sharpness_memory"]) == 1

    def never(*_: object) -> None:
        raise AssertionError("computed anew")

    before = (tmp_path / "smoke.json").read_bytes()
    monkeypatch.setattr(blocks, "compute", never)
    assert run_smoke(hasty_world_folder, tmp_path) == 0
    assert json.loads((tmp_path / "smoke.json").read_bytes())["rows"] == json.loads(before)["rows"]


@pytest.mark.slow
def test_a_stopped_run_goes_on(
    hasty_world_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(smoke, "generate_long", interrupt)
        assert run_smoke(hasty_world_folder, tmp_path, "--seeds", "1") == 130
    assert "stopped in long-off-0; the same command goes on after 12 of 14 blocks" in capsys.readouterr().err
    assert not (tmp_path / "smoke.json").exists()
    (cache,) = tmp_path.glob(".smoke-*")
    (cache / "full-turn-off-0.npz").write_bytes(b"cut off")  # a damaged block is computed again
    calls: list[str] = []
    compute = blocks.compute
    monkeypatch.setattr(blocks, "compute", lambda block, *rest: (calls.append(block.name), compute(block, *rest))[1])
    assert run_smoke(hasty_world_folder, tmp_path, "--seeds", "1") == 0
    assert calls == ["full-turn-off-0", "long-off-0", "long-best-0"]


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_other_settings_share_no_blocks(tiny_world: WorldModel) -> None:
    tests = [SmokeTest(tiny_world, SmokeConfig(2, 1, frames)) for frames in (32, 64)]
    folders = {cache_folder(Path("a.json"), "smoke", test.protocol) for test in tests}
    assert len(folders) == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--frames", "40"), "multiple of 32"),
        (("--episodes", "0"), "whole number from 1"),
        (("--seeds", "x"), "whole number from 1"),
        (("--contact-sheet", "sheet.jpg"), ".png"),
        (("--model", "nowhere"), "unknown world"),
    ],
)
def test_bad_input_is_told(
    tiny_world_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    assert run_smoke(tiny_world_folder, tmp_path, *words) == 2
    assert told in capsys.readouterr().err


def test_a_world_of_another_size_is_refused(tiny_world: WorldModel) -> None:
    model = tiny_world.model
    other = WorldWeights(WorldModelConfig("small", frame_height=32), model.codec, model.denoiser, model.text_encoder)
    with pytest.raises(UserError, match="64x64 pixels"):
        SmokeTest(WorldModel(other), SmokeConfig.quick())


# --- the bench


def test_the_bench_gives_every_figure(
    tiny_world_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bench.json"
    assert main(["bench", "--model", str(tiny_world_folder), "--quick", "--json", str(path)]) == 0
    assert "fps_memory_on" in capsys.readouterr().out
    results = json.loads(path.read_text())
    assert set(by_name(results)) == {
        "fps_memory_off", "fps_memory_on", "memory_cost_ratio", "memory_cost_ratio_paper",
        "memory_cost_ratio_50_steps", "memory_cost_ratio_paper_50_steps", "fps_batch8_memory_off",
        "fps_batch8_memory_on", "chunk200_over_chunk10", "encode_ms_per_frame", "decode_ms_per_frame", "peak_rss_mb",
    }  # fmt: skip
    assert all(one["mean"] > 0 for one in results["rows"])
    assert {"cpu", "threads", "torch"} <= set(results["protocol"]["machine"])
