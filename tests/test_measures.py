"""Measures have known answers, and each moves when what it measures does; intervals are over episodes."""

import math

import numpy as np
import pytest
from PIL import Image, ImageFilter
from skimage.metrics import structural_similarity

from slowfast_vgen.errors import UserError
from slowfast_vgen.metrics.bootstrap import estimate, estimate_ratio
from slowfast_vgen.metrics.features import ImageFeatures
from slowfast_vgen.metrics.frames import (
    chunk_distance,
    collapsed,
    colour_distance,
    colour_spread,
    drift,
    feature_similarity,
    gaps,
    horizon,
    horizontal_shift,
    mirror_mse,
    motion,
    pad_with_nan,
    psnr,
    revisits,
    scene_cuts,
    sharpness,
    ssim,
)


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


def test_ssim_is_scikit_images_with_the_authors_setting() -> None:
    a, b = picture(0), blurred(picture(0), 1.5)
    setting = dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1)
    expected = structural_similarity(a / 255, b / 255, channel_axis=2, **setting)
    assert 0.3 < expected < 0.95
    assert float(ssim(a, b)) == pytest.approx(expected, abs=1e-4)
    by_channel = [
        structural_similarity(a[..., channel] / 255, b[..., channel] / 255, **setting) for channel in range(3)
    ]
    assert float(ssim(a, b)) == pytest.approx(np.mean(by_channel), abs=1e-4)


@pytest.mark.parametrize(("low", "high"), [(0, 255), (100, 110)])
def test_ssim_of_plain_frames_is_known(low: int, high: int) -> None:
    a, b = (np.full((3, 11, 16, 3), level, np.uint8) for level in (low, high))
    x, y = low / 255, high / 255
    assert ssim(a, b) == pytest.approx([(2 * x * y + 1e-4) / (x * x + y * y + 1e-4)] * 3)


def test_ssim_is_a_value_a_frame_and_falls_with_blur_colour_and_a_swapped_frame() -> None:
    frames = np.stack([picture(seed) for seed in range(3)])
    assert ssim(frames, frames).tolist() == [1.0] * 3
    assert ssim(frames[None, :0], frames[None, :0]).shape == (1, 0)
    swapped = ssim(frames[None], frames[[1, 0, 2]][None])
    assert swapped.shape == (1, 3) and swapped[0, 2] == 1 and (swapped[0, :2] < 0.8).all()
    blurry = [float(ssim(frames[0], blurred(frames[0], radius))) for radius in (0, 1, 2, 4)]
    assert blurry == sorted(blurry, reverse=True) and blurry[-1] < 0.8
    darker = [float(ssim(frames[0], (frames[0] * share).astype(np.uint8))) for share in (1.0, 0.8, 0.5)]
    assert darker == sorted(darker, reverse=True) and darker[-1] < 0.95


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((2, 64, 64, 3), (2, 64, 32, 3)), r"\[2, 64, 64, 3\] and \[2, 64, 32, 3\]"),
        (((10, 64, 3), (10, 64, 3)), "at least 11 pixels a side, but 64x10"),
        (((64, 64), (64, 64)), "8-bit RGB frames"),
    ],
)
def test_ssim_of_frames_that_cannot_be_compared(shapes: tuple[tuple[int, ...], ...], message: str) -> None:
    with pytest.raises(UserError, match=f"SSIM .*{message}"):
        ssim(*(np.zeros(shape, np.uint8) for shape in shapes))


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


def test_revisits_pair_with_the_first_visit_outside_of_the_window() -> None:
    there = [[float(x), 0.0, 0.0] for x in range(8)]
    poses = np.array(there + there[-2::-1])  # 0 ... 7 6 ... 0
    assert revisits(poses, 8, 8) == [(12, 2), (13, 1), (14, 0)]
    assert revisits(poses, 14, 0) == [(14, 0)]
    lap = np.array([[0.0, 0.0, 90.0 * (turn % 4)] for turn in range(12)])
    assert revisits(lap, 8, 3) == [(8, 0), (9, 1), (10, 2), (11, 3)]  # not the lap before
    assert revisits(lap, 8, 4) == []  # seen first 8 frames ago, but last only 4: it may be in the window
    assert gaps(lap) == [0] * 4 + [4] * 8


def test_a_mirrored_video_has_no_error_and_a_swapped_frame_shows_where_it_is() -> None:
    out = [picture(seed) for seed in range(5)]
    there_and_back = np.stack(out + out[-2::-1])
    assert mirror_mse(there_and_back, 4).tolist() == [0.0] * 4
    wrong = there_and_back.copy()
    wrong[4 + 3] = 255 - wrong[4 - 3]
    errors = mirror_mse(np.stack([there_and_back, wrong]), 4)
    assert errors.shape == (2, 4) and np.flatnonzero(errors).tolist() == [4 + 3 - 1]
    expected = np.square(1 - there_and_back[1] * 2.0 / 255).mean()
    assert errors[1, 2] == pytest.approx(expected, abs=1e-6)
    assert mirror_mse(np.concatenate([there_and_back, wrong]), 4).tolist() == [0.0] * 4  # later frames do not count


@pytest.mark.parametrize(("frames", "num_out"), [(8, 4), (9, 0)])
def test_a_way_back_that_is_not_there(frames: int, num_out: int) -> None:
    with pytest.raises(UserError, match=f"{frames} were given"):
        mirror_mse(np.zeros((frames, 8, 8, 3), np.uint8), num_out)


def test_the_horizon_is_the_mean_of_each_window() -> None:
    values = np.arange(12.0).reshape(2, 6)
    np.testing.assert_array_equal(horizon(values, 3), [[1, 4], [7, 10]])
    np.testing.assert_array_equal(horizon(values, 4), [[1.5, 4.5], [7.5, 10.5]])
    values[0, :3] = np.nan
    values[1, 3] = np.nan
    np.testing.assert_array_equal(horizon(values, 3), [[np.nan, 4], [7, 10.5]])
    with pytest.raises(UserError, match="at least 1 frame"):
        horizon(values, 0)


def test_drift_is_what_a_video_loses() -> None:
    sharp = np.stack([blurred(picture(0), radius) for radius in (0, 0, 1, 2, 4, 4)])
    assert drift(sharpness(sharp), 2) < 0 == drift(sharpness(sharp[:1].repeat(6, 0)), 2)
    assert drift(np.array([1.0, np.nan, 9, 9, 3, np.nan]), 2) == 2.0
    assert math.isnan(drift(np.array([np.nan, np.nan, 9, 9, 3, 3]), 2))
    with pytest.raises(UserError, match="do not overlap, but 4 frames of 6"):
        drift(np.arange(6.0), 4)


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
