"""Measures have known answers, and each moves when what it measures does; intervals are over episodes."""

import math

import numpy as np
import pytest
from PIL import Image, ImageFilter

from slowfast_vgen.evaluate.features import ImageFeatures
from slowfast_vgen.evaluate.measures import (
    chunk_distance,
    collapsed,
    colour_distance,
    colour_spread,
    feature_similarity,
    horizontal_shift,
    motion,
    pad_with_nan,
    psnr,
    revisits,
    scene_cuts,
    sharpness,
)
from slowfast_vgen.evaluate.statistics import estimate, estimate_ratio


def picture(seed: int, size: int = 64) -> np.ndarray:
    """Some rectangles of plain colours, as rooms have them."""
    rng = np.random.default_rng(seed)
    frame = np.empty((size, size, 3), np.uint8)
    frame[:] = rng.integers(0, 256, 3)
    for _ in range(8):
        left, top = rng.integers(0, size - 8, 2)
        frame[top : top + rng.integers(8, 32), left : left + rng.integers(8, 32)] = rng.integers(0, 256, 3)
    return frame


def blurred(frame: np.ndarray, radius: float) -> np.ndarray:
    return np.asarray(Image.fromarray(frame).filter(ImageFilter.GaussianBlur(radius)))


# --- single frames


@pytest.mark.parametrize("error", [1, 5, 51])
def test_psnr_of_a_known_error(error: int) -> None:
    a = np.full((2, 8, 8, 3), 100, np.uint8)
    assert psnr(a, a + np.uint8(error)) == pytest.approx([-20 * math.log10(error / 255)] * 2)


def test_psnr_of_equal_frames_is_the_cap() -> None:
    assert psnr(picture(0)[None], picture(0)[None]).tolist() == [100.0]


def test_psnr_is_a_value_a_frame_and_falls_where_frames_are_swapped() -> None:
    frames = np.stack([picture(seed) for seed in range(3)])
    swapped = frames[[1, 0, 2]]
    assert psnr(frames[None], swapped[None]).shape == (1, 3)
    assert psnr(frames, swapped)[2] == 100
    assert (psnr(frames, swapped)[:2] < 20).all()


def test_sharpness_of_stripes_is_known() -> None:
    stripes = np.zeros((1, 8, 8, 3), np.uint8)
    stripes[:, :, ::2] = 255
    assert sharpness(stripes) == pytest.approx([1.0])  # every horizontal step, no vertical one


def test_blur_lowers_sharpness_more_and_more() -> None:
    values = [float(sharpness(blurred(picture(3), radius))) for radius in (0, 1, 2, 4)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.8 * values[0]


def test_colour_spread_of_one_colour_and_of_black_and_white() -> None:
    frame = np.zeros((1, 8, 8, 3), np.uint8)
    assert colour_spread(frame) == pytest.approx([0.0])
    frame[:, :4] = 255
    assert colour_spread(frame) == pytest.approx([0.5])


def test_one_colour_and_noise_are_collapsed_and_a_picture_is_not() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    grey = np.full((64, 64, 3), 90, np.uint8)
    assert collapsed(np.stack([noise, grey, picture(0), blurred(picture(0), 2)])).tolist() == [True, True, False, False]


def test_colour_distance_sees_colours_and_not_their_small_shifts() -> None:
    black, white = np.zeros((1, 64, 64, 3), np.uint8), np.full((1, 64, 64, 3), 255, np.uint8)
    assert colour_distance(black, white) == pytest.approx([100.0], abs=1e-3)  # lightness goes from 0 to 100
    assert colour_distance(white, white).tolist() == [0.0]
    frame = picture(1)
    moved, other = np.roll(frame, 1, axis=1), picture(2)
    assert colour_distance(frame, moved) < 0.2 * colour_distance(frame, other)


# --- two frames and chunks


@pytest.mark.parametrize("shift", [-20, -13, -1, 0, 1, 13, 20])
def test_the_shift_of_a_picture_is_found(shift: int) -> None:
    wide = np.concatenate([picture(seed) for seed in (4, 5, 6)], axis=1)
    before, after = wide[:, 64:128], wide[:, 64 - shift : 128 - shift]
    assert horizontal_shift(before, after) == shift


def test_the_first_frame_of_a_chunk_weighs_most() -> None:
    chunk = np.stack([picture(0)] * 4)
    first, last = chunk.copy(), chunk.copy()
    first[0], last[3] = picture(1), picture(1)
    assert chunk_distance(chunk, chunk) == 0
    assert chunk_distance(chunk, first) == pytest.approx(8 * chunk_distance(chunk, last))


# --- videos


def test_one_cut_in_a_video_of_two_scenes() -> None:
    scenes = [np.stack([np.roll(picture(seed), step, axis=1) for step in range(30)]) for seed in (7, 8)]
    assert scene_cuts(np.concatenate(scenes), 10.0) == 1
    assert scene_cuts(scenes[0], 10.0) == 0


def test_a_frozen_video_has_no_cut_and_no_motion() -> None:
    frozen = np.stack([picture(0)] * 40)
    assert (scene_cuts(frozen, 10.0), motion(frozen)) == (0, 0.0)
    flicker = frozen.copy()
    flicker[::2] = 255 - flicker[::2]
    assert motion(flicker) > 0.2


def test_revisits_are_the_latest_earlier_visit_outside_of_the_window() -> None:
    there = [[float(x), 0.0, 0.0] for x in range(8)]
    poses = np.array(there + there[-2::-1])  # 0 ... 7 6 ... 0
    assert revisits(poses, 8, 8) == [(12, 2), (13, 1), (14, 0)]
    assert revisits(poses, 14, 0) == [(14, 0)]
    lap = np.array([[0.0, 0.0, 90.0 * (turn % 4)] for turn in range(12)])
    assert revisits(lap, 8, 3) == [(8, 4), (9, 5), (10, 6), (11, 7)]


def test_a_palindrome_scores_100_and_other_frames_less() -> None:
    features = ImageFeatures.load()
    frames = np.stack([picture(seed) for seed in (0, 1, 2, 1, 0)])
    poses = np.array([[x, 0.0, 0.0] for x in (0.0, 1.0, 2.0, 1.0, 0.0)])
    later, earlier = (list(side) for side in zip(*revisits(poses, 3, 0), strict=True))
    found = features(frames)
    assert feature_similarity(found[later], found[earlier]) == pytest.approx([100.0, 100.0])
    assert (feature_similarity(found[later], found[earlier[::-1]]) < 90).all()


def test_padding_is_not_measured() -> None:
    padded = pad_with_nan([np.array([1.0, 2.0]), np.array([3.0])], 3)
    np.testing.assert_array_equal(padded, [[1, 2, np.nan], [3, np.nan, np.nan]])


# --- intervals


def test_an_interval_holds_the_mean_and_narrows_with_more_episodes() -> None:
    samples = np.random.default_rng(0).normal(5, 1, (400, 3, 2))
    few, many = estimate(samples[:10]), estimate(samples)
    assert few.low < few.mean < few.high and many.low < many.mean < many.high
    assert many.high - many.low < 0.5 * (few.high - few.low)
    assert (few.n, many.n) == (10, 400)
    assert many.mean == pytest.approx(samples.mean())
    assert many.per_seed == pytest.approx(samples.mean((0, 2)))


def test_samples_of_an_episode_do_not_count_as_independent() -> None:
    episodes = np.random.default_rng(0).normal(0, 1, (16, 1, 1))
    once, often = estimate(episodes), estimate(np.repeat(episodes, 50, axis=2))
    assert (once.low, once.high) == pytest.approx((often.low, often.high))


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    covered = [one.low <= 0 <= one.high for one in (estimate(rng.normal(0, 1, (32, 1))) for _ in range(200))]
    assert 0.88 <= np.mean(covered) <= 0.99


def test_samples_that_are_not_there_do_not_count() -> None:
    samples = np.array([[[1.0, np.nan]], [[3.0, 5.0]], [[np.nan, np.nan]]])
    assert (estimate(samples).mean, estimate(samples).n) == (3.0, 2)
    nothing = estimate(np.full((3, 2, 4), np.nan))
    assert nothing.n == 0 and math.isnan(nothing.mean)


def test_a_ratio_is_that_of_the_means() -> None:
    samples = np.array([[[1.0, 3.0], [2.0, 2.0]], [[4.0, 4.0], [4.0, np.nan]]])
    reference = np.array([[4.0, 4.0, 4.0], [8.0, 8.0, 8.0]])
    one = estimate_ratio(samples, reference)
    assert (one.mean, one.low, one.high, one.per_seed) == (0.5, 0.5, 0.5, (0.5, 0.5))


def test_a_ratio_leaves_out_episodes_without_samples() -> None:
    samples = np.array([[[1.0]], [[np.nan]]])
    assert estimate_ratio(samples, np.array([[2.0], [7.0]])).mean == 0.5
