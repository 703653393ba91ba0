"""Metrics on arrays of frames, poses and features; no model here. Conventions: docs/conventions.md.

Frames are uint8 RGB `[..., height, width, 3]`; every score per frame has the leading axes of its frames.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, UInt8

from slowfast_vgen.errors import UserError
from slowfast_vgen.extras import needs
from slowfast_vgen.metrics.pairs import check_pair
from slowfast_vgen.types import Frames, Poses

with needs("evaluate"):
    from skimage.color import rgb2lab
    from skimage.metrics import structural_similarity

AnyFrames = UInt8[np.ndarray, "*batch height width 3"]
PerFrame = Float[np.ndarray, "*batch"]

PSNR_CAP_DB = 100.0
_COLOUR_CELLS = 4
_LARGEST_SHIFT = 24  # pixels; a turn of 22.5 degrees shifts 64 pixels that span 90 degrees by 13 to 23
BLANK_SPREAD = 0.02
"""Colour spread (of 1, so 5 grey levels) below which a frame is nearly one colour."""
SSIM_WINDOW = 11
"""Pixels across the Gaussian window of SSIM: deviation 1.5, cut at 3.5 deviations."""
NOISE_ROUGHNESS = 1.0
"""Sharpness over colour spread above which a frame is like noise: 2.26 for white noise, 0.05 to 0.4 for rooms."""


def psnr(a: AnyFrames, b: AnyFrames) -> PerFrame:
    """Peak signal-to-noise ratio of each frame in dB, capped at 100.

    >>> psnr(np.zeros((1, 8, 8, 3), np.uint8), np.full((1, 8, 8, 3), 255, np.uint8)).tolist()
    [0.0]
    """
    error = np.square((a.astype(np.float32) - b.astype(np.float32)) / 255).mean((-3, -2, -1), dtype=np.float64)
    return np.minimum(-10 * np.log10(np.maximum(error, 1e-12)) + 0.0, PSNR_CAP_DB)


def ssim(a: AnyFrames, b: AnyFrames) -> PerFrame:
    """Structural similarity of each frame, at most 1, which only equal frames have (Wang et al. 2004).

    The authors' setting as scikit-image has it: RGB in [0, 1], a Gaussian window of deviation 1.5, population
    covariances, the mean of the channels and of the pixels at least 5 from the border.

    Raises:
        UserError: not 8-bit RGB, not of one shape, or under 11 pixels a side.
    """
    check_pair("SSIM", a, b, SSIM_WINDOW)
    *batch, height, width, _ = a.shape
    pairs = zip(*(frames.reshape(math.prod(batch), height, width, 3) for frames in (a, b)), strict=True)
    values = [
        structural_similarity(
            *(frame.astype(np.float64) / 255 for frame in pair),
            channel_axis=2,
            data_range=1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for pair in pairs
    ]
    return np.array(values, dtype=np.float64).reshape(batch)


def sharpness(frames: AnyFrames) -> PerFrame:
    """Mean absolute difference of horizontal neighbours plus that of vertical ones, in [0, 2]; blur lowers it."""
    pixels = frames.astype(np.float32) / 255
    across, down = np.abs(np.diff(pixels, axis=-2)), np.abs(np.diff(pixels, axis=-3))
    return across.mean((-3, -2, -1), dtype=np.float64) + down.mean((-3, -2, -1), dtype=np.float64)


def colour_spread(frames: AnyFrames) -> PerFrame:
    """Standard deviation over a frame's pixels, mean of the channels, in [0, 0.5]; 0 for a frame of one colour."""
    return (frames.astype(np.float64) / 255).std((-3, -2)).mean(-1)


def collapsed(frames: AnyFrames) -> Bool[np.ndarray, "*batch"]:
    """True for each frame that is nearly one colour or like noise."""
    spread = colour_spread(frames)
    return (spread < BLANK_SPREAD) | (sharpness(frames) > NOISE_ROUGHNESS * spread)


def motion(frames: Frames) -> float:
    """Mean absolute difference between frames that follow each other, in [0, 1]; 0 for a frozen video."""
    return float(np.abs(np.diff(frames.astype(np.float32), axis=0)).mean(dtype=np.float64) / 255)


def colour_distance(a: AnyFrames, b: AnyFrames) -> PerFrame:
    """Distance of the mean CIELAB colours in a cell of a 4x4 grid, mean of the cells (CIE 1976; 2.3 is just seen)."""
    return np.linalg.norm(_cell_colours(a) - _cell_colours(b), axis=-1).mean((-2, -1))


def _cell_colours(frames: AnyFrames) -> Float[np.ndarray, "*batch 4 4 3"]:
    *batch, height, width, _ = frames.shape
    assert height % _COLOUR_CELLS == 0 and width % _COLOUR_CELLS == 0
    lab = rgb2lab(frames.astype(np.float64) / 255)
    cells = (_COLOUR_CELLS, height // _COLOUR_CELLS, _COLOUR_CELLS, width // _COLOUR_CELLS, 3)
    return lab.reshape(*batch, *cells).mean((-4, -2))


def chunk_distance(a: AnyFrames, b: AnyFrames) -> Float[np.ndarray, "*batch"]:
    """Weighted mean squared error of chunks `[..., frames, height, width, 3]`: a frame weighs half of the one before.

    The first frames distinguish the actions; later ones are far from the past, and a model's errors grow there.
    """
    error = np.square((a.astype(np.float32) - b.astype(np.float32)) / 255).mean((-3, -2, -1), dtype=np.float64)
    weights = 0.5 ** np.arange(error.shape[-1])
    return error @ (weights / weights.sum())


def horizontal_shift(before: UInt8[np.ndarray, "height width 3"], after: UInt8[np.ndarray, "height width 3"]) -> int:
    """Pixels by which the picture moved to the right (negative: to the left), whole and at most 24.

    The shift under which the overlapping parts differ least (mean absolute error). Optical flow of small windows
    fails on rooms with broad plain walls; one shift for the whole picture does not.
    """
    first, second = before.astype(np.float32), after.astype(np.float32)
    width = first.shape[1]

    def error(shift: int) -> float:
        difference = second[:, max(0, shift) : width + min(0, shift)] - first[:, max(0, -shift) : width - max(0, shift)]
        return float(np.abs(difference).mean())

    return min(range(-_LARGEST_SHIFT, _LARGEST_SHIFT + 1), key=lambda shift: (error(shift), abs(shift)))


def scene_cuts(frames: Frames, fps: float) -> int:
    """Cuts that PySceneDetect's AdaptiveDetector finds by its defaults (SCuts of StreamingT2V; paper, table 1).

    Two cuts less than 15 frames apart count as one, and a frozen video has none: print `motion` with it.
    """
    with needs("evaluate"):
        from scenedetect import FrameTimecode
        from scenedetect.detectors import AdaptiveDetector

    detector = AdaptiveDetector()
    cuts = []
    for number, frame in enumerate(frames):
        cuts += detector.process_frame(FrameTimecode(number, float(fps)), np.ascontiguousarray(frame[..., ::-1]))  # BGR
    cuts += detector.post_process(FrameTimecode(len(frames) - 1, float(fps)))
    return len(cuts)


def revisits(poses: Poses, first_later: int, min_gap: int) -> list[tuple[int, int]]:
    """Pairs (later, first) of frames of the same pose: `later` from `first_later` on, `first` its very first visit.

    Frames whose pose was last in view at most `min_gap` frames ago are left out: that view may still be in the context
    window. So a place that drifts from visit to visit is detected, whatever lies between.

    >>> revisits(np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0], [1, 0, 0], [0, 0, 0.0]]), 3, 2)
    [(4, 0)]
    >>> revisits(np.array([[0, 0, 0], [1, 0, 0], [0, 0, 0], [1, 0, 0], [0, 0, 0.0]]), 4, 1)
    [(4, 0)]
    """
    first: dict[tuple[float, ...], int] = {}
    pairs = []
    for index, (pose, gap) in enumerate(zip(map(tuple, poses.tolist()), gaps(poses), strict=True)):
        if index >= first_later and gap > min_gap:
            pairs.append((index, first[pose]))
        first.setdefault(pose, index)
    return pairs


def gaps(poses: Poses) -> list[int]:
    """Number of frames since each frame's pose was last in view; 0 where it never was.

    >>> gaps(np.array([[0, 0, 0], [1, 0, 0], [0, 0, 0], [1, 0, 0.0]]))
    [0, 0, 2, 2]
    """
    latest: dict[tuple[float, ...], int] = {}
    gaps = []
    for index, pose in enumerate(map(tuple, poses.tolist())):
        gaps.append(index - latest.get(pose, index))
        latest[pose] = index
    return gaps


def mirror_mse(
    frames: UInt8[np.ndarray, "*batch num_frames height width 3"], num_out: int
) -> Float[np.ndarray, "*batch num_out"]:
    """Distance of a video from its mirror on a path that leads `num_out` frames forward and the same way back.

    Frame 0 is the start and frame `num_out` the turning point. Value `k - 1`, for k = 1 to `num_out`, is the mean
    squared error between frames `num_out + k` and `num_out - k`, RGB in [0, 1]: 0 where the way back shows what the way
    out did. Its gap is 2k frames. Frames after the way back are not used.

    Raises:
        UserError: fewer than `2 num_out + 1` frames, or no way out.

    >>> there_and_back = np.repeat(np.array([0, 51, 102, 51, 255], np.uint8), 3).reshape(5, 1, 1, 3)
    >>> mirror_mse(there_and_back, 2).tolist()
    [0.0, 1.0]
    """
    if num_out < 1 or frames.shape[-4] < 2 * num_out + 1:
        raise UserError(
            f"{num_out} frames out and back need at least 1 frame out and {2 * max(num_out, 1) + 1} frames in all, but"
            f" {frames.shape[-4]} were given; generate the whole way back"
        )
    pixels = frames[..., : 2 * num_out + 1, :, :, :].astype(np.float32) / 255
    out, back = pixels[..., num_out - 1 :: -1, :, :, :], pixels[..., num_out + 1 :, :, :, :]
    return np.square(back - out).mean((-3, -2, -1), dtype=np.float64)


def horizon(values: Float[np.ndarray, "*batch frames"], window: int) -> Float[np.ndarray, "*batch windows"]:
    """Mean over each `window` frames in turn; NaN counts as not measured, and a window of nothing else is NaN.

    The last window is shorter where `window` does not divide the number of frames.

    >>> horizon(np.array([1.0, 3.0, 5.0, np.nan, 9.0]), 2).tolist()
    [2.0, 5.0, 9.0]
    """
    if window < 1:
        raise UserError(f"a window has at least 1 frame, but {window} was given; choose a larger one")
    starts = np.arange(0, values.shape[-1], window)
    counts = np.add.reduceat(~np.isnan(values), starts, axis=-1, dtype=np.int64)
    sums = np.add.reduceat(np.nan_to_num(values, posinf=np.inf, neginf=-np.inf), starts, axis=-1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def drift(values: Float[np.ndarray, "*batch frames"], window: int) -> Float[np.ndarray, "*batch"]:
    """Mean of the last `window` frames minus that of the first ones: gain (+) or loss (-) of a score over the video.

    NaN counts as not measured; the result is NaN where one of the two windows holds nothing else.

    Raises:
        UserError: the two windows would overlap.

    >>> drift(np.array([[30.0, 28.0, np.nan, 20.0], [30.0, 28.0, np.nan, np.nan]]), 2).tolist()
    [-9.0, nan]
    """
    length = values.shape[-1]
    if not 1 <= window <= length // 2:
        raise UserError(
            f"drift needs two windows of at least 1 frame that do not overlap, but {window} frames of {length} were"
            " asked for; shorten the window"
        )
    early, late = (horizon(part, window)[..., 0] for part in (values[..., :window], values[..., -window:]))
    return late - early


def feature_similarity(
    a: Float[np.ndarray, "*batch features"], b: Float[np.ndarray, "*batch features"]
) -> Float[np.ndarray, "*batch"]:
    """Cosine similarity times 100, as in SRC (paper, table 1)."""
    dot = (a.astype(np.float64) * b).sum(-1)
    return 100 * dot / np.maximum(np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1), 1e-12)


def pad_with_nan(rows: Sequence[Float[np.ndarray, " length"]], length: int) -> Float[np.ndarray, "rows length"]:
    """Puts rows of different lengths into one array; NaN means "not measured"."""
    padded = np.full((len(rows), length), np.nan)
    for number, row in enumerate(rows):
        padded[number, : len(row)] = row
    return padded
