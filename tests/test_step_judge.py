"""Whether a step was made: what frames show, what stays undecided, and how the memory settles it afterwards."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import slowfast_vgen
from slowfast_bench.dreams import DreamsConfig, DreamsTest, end_error, judged_by, places_of, steps_shown
from slowfast_bench.paths.bumps import LEAST_REFUSED, bumping_walks, dream_walks, is_step, refused_share
from slowfast_bench.paths.episodes import play_tours
from slowfast_bench.paths.tours import held_out_tours
from slowfast_envs.actions import FRAMES_PER_CHUNK
from slowfast_envs.walking import Place, walk
from slowfast_vgen.memory.relocalise import MOST_WAYS, chunk_options, extended, shortened
from slowfast_vgen.models.inverse_dynamics import load_inverse_dynamics
from slowfast_vgen.models.step_judge import ChangeJudge, EvidenceJudge, TrustingJudge
from slowfast_vgen.presets.readers import shipped_reader
from slowfast_vgen.rollout import Rollout, Session, WorldModel

FLAT = np.full((FRAMES_PER_CHUNK, 64, 64, 3), (150, 60, 60), np.uint8)


@pytest.fixture(scope="module")
def world() -> WorldModel:
    return slowfast_vgen.load("rooms-64")


def latents(*deviations: float) -> Tensor:
    """One frame of noise for each deviation, the same noise in all of them."""
    noise = torch.randn(8, 8, 8, generator=torch.Generator().manual_seed(0))
    return torch.stack([deviation * noise for deviation in deviations])[None]


# --- what the frames show


def test_a_flat_view_that_does_not_change_is_no_wall() -> None:
    logits = torch.tensor([[-2.0]])
    before = latents(0.1)
    verdicts = EvidenceJudge()(logits, before, before + 0.01)
    assert verdicts.made.tolist() == [[True]] and verdicts.decided.tolist() == [[False]]
    assert ChangeJudge()(logits, before, before + 0.01).made.tolist() == [[False]]  # what dreams were lost by


def test_a_view_with_something_on_it_that_does_not_change_is_a_wall() -> None:
    before = latents(1.0)
    verdicts = EvidenceJudge()(torch.tensor([[-2.0]]), before, before + 0.01)
    assert verdicts.made.tolist() == [[False]] and verdicts.decided.tolist() == [[True]]
    changed = EvidenceJudge()(torch.tensor([[2.0]]), before, latents(-1.0))
    assert changed.made.tolist() == [[True]] and changed.decided.tolist() == [[True]]


def test_a_flat_view_that_is_the_same_to_the_bit_is_held_for_a_wall_but_left_open() -> None:
    before = latents(0.1)
    verdicts = EvidenceJudge()(torch.tensor([[-2.0]]), before, before.clone())
    assert verdicts.made.tolist() == [[False]] and verdicts.decided.tolist() == [[False]]


def test_the_change_of_a_flat_view_still_tells_of_a_step() -> None:
    verdicts = EvidenceJudge()(torch.tensor([[2.0]]), latents(0.1), latents(1.0))
    assert verdicts.made.tolist() == [[True]] and verdicts.decided.tolist() == [[True]]


# --- ways side by side


def test_ways_stay_few_and_end_in_different_places() -> None:
    motion, made = torch.tensor([1.0, 0.0, 0.0]), torch.ones(4, dtype=torch.bool)
    options = chunk_options(made, ~made)
    assert [int(option.sum()) for option in options] == [4, 3, 2, 1, 0]
    ways = extended(None, torch.zeros(3), motion, options)
    assert ways is not None and ways[:, -1, 0].tolist() == [4, 3, 2, 1, 0]
    for _ in range(6):
        ways = extended(ways, torch.zeros(3), motion, options)
        assert ways is not None
    assert ways.shape == (MOST_WAYS, 28, 3)
    assert ways[0, -1, 0] == 28  # the believed one is never dropped
    assert len(set(ways[:, -1, 0].tolist())) == MOST_WAYS


def test_ways_without_their_last_frames() -> None:
    motion, made = torch.tensor([1.0, 0.0, 0.0]), torch.ones(4, dtype=torch.bool)
    first = extended(None, torch.zeros(3), motion, chunk_options(made, ~made))
    ways = extended(first, torch.zeros(3), motion, [made])
    assert ways is not None and first is not None
    back = shortened(ways, 4)
    assert back is not None and torch.equal(back, first)
    assert shortened(ways, 8) is None and shortened(None, 4) is None
    assert extended(None, torch.zeros(3), motion, [made]) is None  # nothing is open


# --- the memory settles what was open


@pytest.fixture(scope="module")
def line() -> np.ndarray:
    """Frames of 16 steps forward on a free line: 17 places, each seen from the same direction."""
    tour = held_out_tours("out-and-back-16", 1)[0]
    frames = play_tours([tour])[0].frames[:17]
    assert tour.verbs[:4] == ("go_forward",) * 4
    return frames


def shown_line(world: WorldModel, line: np.ndarray, rows: int = 1) -> Rollout:
    """Episodes that stand at the end of the line, having been shown it."""
    rollout = world.start_batch(np.repeat(line[:1], rows, 0), True, [0] * rows)
    for first in range(1, 17, FRAMES_PER_CHUNK):
        show(rollout, line[first : first + FRAMES_PER_CHUNK], "go forward")
    return rollout


def show(rollout: Rollout, frames: np.ndarray, action: str) -> None:
    rows = len(rollout.seeds)
    rollout.observe(torch.from_numpy(np.repeat(frames[None], rows, 0)), [action] * rows)


def forward(rollout: Rollout, episode: int = 0) -> float:
    """Steps forward from the start, as the path believes."""
    assert rollout.memory is not None and rollout.memory.ridge is not None
    return float(rollout.memory.ridge.pose[episode, 0])


def test_texture_returns_and_the_path_is_corrected(world: WorldModel, line: np.ndarray) -> None:
    """Four steps back along a blank wall look like one; the fifth to eighth show where they led."""
    rollout = shown_line(world, line)
    assert forward(rollout) == pytest.approx(16, abs=0.3)
    show(rollout, FLAT, "go back")
    memory = rollout.memory.ridge
    assert forward(rollout) == pytest.approx(15, abs=0.3) and memory.doubts[0] is not None
    show(rollout, line[11:7:-1], "go back")
    assert forward(rollout) == pytest.approx(8, abs=0.3)
    assert memory.doubts[0] is None
    entries = memory.blocks[-1].entries
    flat, latest = entries[-2].poses[0, :, 0], entries[-1].poses[0, :, 0]
    torch.testing.assert_close(flat, torch.tensor([15.0, 14, 13, 12]), atol=0.3, rtol=0)
    torch.testing.assert_close(latest, torch.tensor([11.0, 10, 9, 8]), atol=0.3, rtol=0)
    rewritten = memory.state.gram
    memory.move([entry.poses for entry in entries[-2:]])
    torch.testing.assert_close(memory.state.gram, rewritten, atol=1e-3, rtol=0)


def test_texture_returns_and_the_path_was_right(world: WorldModel, line: np.ndarray) -> None:
    rollout = shown_line(world, line)
    show(rollout, FLAT, "go back")
    show(rollout, line[14:10:-1], "go back")
    assert forward(rollout) == pytest.approx(11, abs=0.3)
    assert rollout.memory.ridge.doubts[0] is None


def test_what_is_open_is_saved_resumed_forked_and_taken_back(
    world: WorldModel, line: np.ndarray, tmp_path: Path
) -> None:
    rollout = shown_line(world, line)
    show(rollout, FLAT, "go back")
    Session(rollout, line[0]).save(tmp_path / "open")
    resumed = world.resume(tmp_path / "open")._rollout
    forked = rollout.fork()
    assert torch.equal(resumed.memory.ridge.doubts[0], rollout.memory.ridge.doubts[0])
    for each in (rollout, resumed, forked):
        show(each, line[11:7:-1], "go back")
        assert forward(each) == pytest.approx(8, abs=0.3)
        assert torch.equal(each.memory.ridge.state.cross, rollout.memory.ridge.state.cross)
    again = shown_line(world, line)
    show(again, FLAT, "go back")
    show(again, FLAT, "turn left")
    again.rewind(1)
    assert again.memory.ridge.doubts[0] is not None
    show(again, line[11:7:-1], "go back")
    assert forward(again) == pytest.approx(8, abs=0.3)
    again.rewind(6)
    assert again.memory.ridge.doubts == (None,) and forward(again) == 0


def test_one_episode_is_corrected_and_the_others_stay(world: WorldModel, line: np.ndarray) -> None:
    both = shown_line(world, line, rows=2)
    alone = shown_line(world, line)
    for first, second in ((FLAT, line[15:11:-1]), (line[11:7:-1], line[11:7:-1])):
        frames = torch.from_numpy(np.stack([first, second]))
        both.observe(frames, ["go back"] * 2)
        show(alone, first, "go back")
    assert forward(both, 0) == pytest.approx(forward(alone), abs=1e-4) == pytest.approx(8, abs=0.3)
    assert forward(both, 1) == pytest.approx(8, abs=0.3)
    torch.testing.assert_close(both.memory.ridge.state.gram[:1], alone.memory.ridge.state.gram, atol=1e-3, rtol=0)


# --- whole walks


def test_a_dream_of_a_blank_wall_goes_where_it_is_told(world: WorldModel) -> None:
    session = world.start(np.full((64, 64, 3), (150, 60, 60), np.uint8), memory=True, seed=0)
    for _ in range(2):
        session.step("go forward")
    assert session.memory.ridge.pose[0, 0] == pytest.approx(8, abs=0.3)


def test_true_walks_into_walls_end_where_the_camera_stands(world: WorldModel) -> None:
    walks = bumping_walks(2)
    for tour in walks:
        assert refused_share(tour) >= LEAST_REFUSED
    plays = play_tours(walks)
    frames = np.stack([play.frames for play in plays])
    rollout = world.start_batch(frames[:, 0], True, [0, 0])
    for number in range(len(walks[0].verbs)):
        now = slice(1 + FRAMES_PER_CHUNK * number, 1 + FRAMES_PER_CHUNK * (number + 1))
        rollout.observe(torch.from_numpy(frames[:, now]), [walk.actions[number] for walk in walks])
    poses = rollout.memory.ridge.pose.numpy()
    assert [end_error(pose, play.poses) for pose, play in zip(poses, plays, strict=True)] == pytest.approx(
        [0, 0], abs=0.6
    )
    trusting = judged_by(world, TrustingJudge())
    assert trusting.model.fingerprint == world.model.fingerprint  # a judge is no part of the weights


# --- measuring dreams


def test_places_follow_the_steps_that_were_made() -> None:
    walks = dream_walks(4, 24)
    for tour in walks:
        places, refused = walk(tour.scene, tour.start, tour.verbs)
        made = ~np.array(refused[1:])
        assert places_of(tour.start, tour.verbs, made) == places
        assert not (~made & ~is_step(tour.verbs)).any()
        assert len(tour.verbs) == 24
    assert any(any(walk(tour.scene, tour.start, tour.verbs)[1]) for tour in walks)
    assert [tour.verbs for tour in dream_walks(4, 24)] == [tour.verbs for tour in walks]


def test_what_frames_show_is_read_off_them_alone() -> None:
    reader = load_inverse_dynamics(shipped_reader("rooms"))
    tour = bumping_walks(1)[0]
    frames = play_tours([tour])[0].frames
    refused = np.array(walk(tour.scene, tour.start, tour.verbs)[1][1:])
    made, _, readable = steps_shown(reader, frames, tour.verbs)
    step = is_step(tour.verbs)
    assert (made == ~refused)[readable & step].mean() > 0.95
    assert made[~readable].all() and (refused & readable).sum() > 3
    blank = np.repeat(FLAT[:1], 9, 0)
    assert steps_shown(reader, blank, ["go_forward"] * 2).made.all()  # nothing to read: as commanded
    assert places_of(Place(0, 0, 0), ["go_forward"], np.array([True, False, True, True]))[-1] == Place(72, 0, 0)


@pytest.mark.slow
def test_dreams_are_measured(world: WorldModel, quick_features: None, tmp_path: Path) -> None:
    reader = load_inverse_dynamics(shipped_reader("rooms"))
    test = DreamsTest(world, reader, DreamsConfig(1, 1, 1, 1, 8))
    report = test.run(tmp_path)
    assert report["bump_path_end_error_steps"].n == 1
    assert {"scene_cuts_memory", "scene_cuts_none", "reader_path_disagree_share_memory"} <= report.by_name.keys()
    assert "reader_path_disagree_share_none" not in report.by_name
    assert DreamsTest(world, reader, DreamsConfig(1, 1, 1, 1, 8)).run(tmp_path).rows == report.rows
