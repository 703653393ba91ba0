"""What poses are measured in: steps and fields of view that come from the data, whatever its unit."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from own_clips import way

from slowfast_vgen.data.adapters.base import UnusableError
from slowfast_vgen.data.adapters.pose_rows import TimedPoses, heading_fault
from slowfast_vgen.data.chains import ChainSampler, longest_chain
from slowfast_vgen.data.latents import LatentSet, joined_sets
from slowfast_vgen.data.motion import Motion, common_motion, measured_step, motion_of
from slowfast_vgen.data.settings import WindowLengths
from slowfast_vgen.data.windows import WindowSampler
from slowfast_vgen.errors import UserError
from slowfast_vgen.models.addressing.address import PlanarAddress

WALK = ("walk on", "turn left", "walk on", "wait", "turn right", "turn right", "walk on")


def clip(lengths: tuple[int, ...] = (4, 4, 4, 3) * 3, actions: str = "aaaabbbbaaaa", key: str = "") -> LatentSet:
    """One episode whose latents tell the number of their frame."""
    total = 1 + sum(lengths)
    latents = torch.arange(total).half().view(-1, 1, 1, 1)
    starts = np.cumsum([1, *lengths[:-1]])
    chunks = len(lengths)
    return LatentSet(latents, np.zeros(chunks, int), starts, np.array(lengths), tuple(actions[:chunks]), key)


@pytest.mark.parametrize("unit", [1.0, 100.0, 0.001])
def test_the_usual_step_is_measured_in_any_unit(unit: float) -> None:
    poses = way(WALK, 15) * [unit, unit, 1]
    assert measured_step(poses, np.array([0])) == pytest.approx(0.14 * unit)


def test_the_way_between_two_episodes_is_none() -> None:
    one = way(("walk on",), 3)
    poses = np.concatenate([one + np.array([1000 * number, 0, 0]) for number in range(6)])
    assert measured_step(poses, np.arange(6) * 4) == pytest.approx(0.14)


def test_a_camera_that_stays_where_it_is_makes_no_steps() -> None:
    assert measured_step(way(("turn left",) * 4, 15), np.array([0])) is None
    shaking = np.random.default_rng(0).normal(0, 0.001, (400, 3))
    assert measured_step(shaking, np.array([0])) is None
    assert measured_step(np.zeros((1, 3)), np.array([0])) is None


def test_walking_is_measured_through_the_noise_of_a_tracker() -> None:
    poses = way(WALK * 3, 15)
    poses[:, :2] += np.random.default_rng(0).normal(0, 0.003, (len(poses), 2))
    assert measured_step(poses, np.array([0])) == pytest.approx(0.14, rel=0.05)


def test_places_are_told_apart_in_metres() -> None:
    step = measured_step(way(WALK, 15), np.array([0]))
    assert step is not None
    address = PlanarAddress(key_width=2048, step_units=step)
    metres = torch.tensor([[0.0, 0.0, 0.0], [20.0, 0.0, 0.0], [0.0, 3.0, 0.0], [step, 0.0, 0.0]])
    keys = address(metres / torch.tensor([step, step, 1.0]))[:, 0]
    likeness = (keys[0] @ keys.T).tolist()
    assert likeness[1] < 0.1
    assert likeness[2] < 0.3
    assert likeness[3] > 0.75
    in_map_units = PlanarAddress(key_width=2048)(metres / torch.tensor([24.0, 24.0, 1.0]))[:, 0]
    assert float(in_map_units[0] @ in_map_units[1]) > 0.9  # what metres looked like in steps of 24 units


def test_what_the_episodes_tell_is_believed() -> None:
    data, poses = clip(), way(("walk on",) * 3, 15)
    assert motion_of(data, poses) == Motion(pytest.approx(0.14), None)
    told = {"step_units": frozenset([24]), "fov_degrees": frozenset([89.7])}
    assert motion_of(replace(data, camera=told), poses) == Motion(24.0, 89.7)
    half_told = {"step_units": frozenset([24, None]), "fov_degrees": frozenset([89.7, None])}
    assert motion_of(replace(data, camera=half_told), poses) == Motion(pytest.approx(0.14), None)
    for told, sentence in (
        ({"fov_degrees": frozenset([60, 90])}, "fields of view of 60, 90 degrees"),
        ({"fov_degrees": frozenset(["wide"])}, "fov_degrees 'wide'"),
        ({"step_units": frozenset([-1])}, "step_units -1"),
    ):
        with pytest.raises(UserError, match=sentence):
            motion_of(replace(data, camera=told), poses)


def test_sets_in_other_units_are_refused_together() -> None:
    assert common_motion({"a": Motion(24.0, None), "b": Motion(None, 90.0), "c": Motion(30.0, 90.5)}) == Motion(
        27, 90.25
    )
    assert common_motion({}) == Motion(None, None)
    with pytest.raises(UserError, match=r"a frame's usual step is 0.14 units in mine and 24 in rooms"):
        common_motion({"rooms": Motion(24.0, None), "mine": Motion(0.14, None)})
    with pytest.raises(UserError, match=r"field of view is 60 degrees in mine and 89.7 in rooms"):
        common_motion({"rooms": Motion(24.0, 89.7), "mine": Motion(30.0, 60.0)})


# ------------------------------------------------------------------------------------------------------------- headings


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda heading: heading, ""),
        (lambda heading: heading + 180, ""),  # a camera that looks back
        (np.radians, "look like radians"),
        (lambda heading: 90 - heading, "look clockwise"),
    ],
)
def test_headings_of_another_convention_are_found_out(change: Any, told: str) -> None:
    poses = way(("walk on", "turn left") * 8, 6)
    poses[:, 2] = change(poses[:, 2])
    assert heading_fault(poses).startswith(told)
    assert bool(heading_fault(poses)) == bool(told)


def test_poses_lie_between_those_that_are_given() -> None:
    poses = np.array([[0.0, 0.0, 350.0], [1.0, 2.0, 10.0], [1.0, 2.0, 370.0]])
    timed = TimedPoses("poses.csv", np.array([0.0, 1.0, 2.0]), poses, 1.0)
    found = timed.at(np.array([0.0, 0.25, 0.75, 1.5]), 0.1)
    np.testing.assert_allclose(found, [[0, 0, 350], [0.25, 0.5, 355], [0.75, 1.5, 5], [1, 2, 10]], atol=1e-9)
    with pytest.raises(UnusableError, match=r"poses of 0 to 2 s, the frames are of 0 to 2.5 s"):
        timed.at(np.array([0.0, 2.5]), 0.1)
    with pytest.raises(UnusableError, match="no pose for 3 s around 2 s"):
        TimedPoses("poses.csv", np.array([0.0, 1.0, 4.0]), poses, 1.0).at(np.array([0.0, 2.0]), 0.1)
    for times, sentence in ((np.array([0.0, 1.0, 1.0]), "do not rise at 1 s"), (np.array([0.0]), "has 1 poses")):
        with pytest.raises(UnusableError, match=sentence):
            TimedPoses("poses.csv", times, poses[: len(times)])


# --------------------------------------------------------------------------------------------------- chunks and windows


def test_chains_go_on_over_actions_of_any_length() -> None:
    data = clip()
    assert longest_chain(data, 4) == 10
    chains = ChainSampler(data, np.zeros((46, 3)), 10, 4, 1.0)
    assert chains.starts.tolist() == [1]
    batch = chains.cut(chains.starts)
    assert batch.frames.flatten().tolist() == list(range(1, 45))
    # Frames 1 to 15 are of the first action, 16 to 30 of the second, 31 to 45 of the third.
    assert "".join(batch.actions[0]) == "aaabbbbaaa"
    straddling = (~batch.is_told[0].all(1)).nonzero().flatten().tolist()
    assert straddling == [2, 6]  # frames 13 to 16 are "aaab", and 29 to 32 "bbaa": the earlier of two alike
    assert batch.is_told[0, 2].tolist() == [True, True, True, False]
    assert batch.rows(torch.tensor([0])).is_told.shape == (1, 10, 4)


def test_lengths_come_from_the_data() -> None:
    assert clip().usual_chunk_frames == 4
    assert clip((2,) * 10, "a" * 10).usual_chunk_frames == 2
    assert joined_sets([clip(key="a"), clip((3,) * 9, "a" * 9, "b")]).usual_chunk_frames == 3
    assert WindowLengths.around(8).usual == WindowLengths((8,), (8,))
    assert WindowLengths().usual == WindowLengths((4,), (4,))


def test_windows_are_of_lengths_that_the_data_has() -> None:
    whole = WindowSampler(clip())
    assert whole.possible(WindowLengths()) == WindowLengths()
    short = WindowSampler(clip((4, 3), "ab"))
    found = short.possible(WindowLengths())
    assert set(found.past) == {1}  # the whole chunk has no more before it
    assert set(found.new) == {1, 2, 3, 4}
    with pytest.raises(UserError, match="no chunk of the data has 2 frames before it and 8 frames in it"):
        WindowSampler(clip((4,), "a")).possible(WindowLengths((2,), (8,)))
