"""Measures on arrays of frames, poses and features; no model here. Conventions: docs/conventions.md.

Frames are uint8 RGB `[..., height, width, 3]`; every score of a frame comes back with the leading axes of its frames.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, UInt8
from skimage.color import rgb2lab

from slowfast_vgen.types import Frames, Poses

AnyFrames = UInt8[np.ndarray, "*batch height width 3"]
PerFrame = Float[np.ndarray, "*batch"]

PSNR_CAP_DB = 100.0
_COLOUR_CELLS = 4
_LARGEST_SHIFT = 24  # pixels; a turn of 22.5 degrees shifts 64 pixels that span 90 degrees by 13 to 23
BLANK_SPREAD = 0.02
"""Frames whose colours deviate by less (of 1, so 5 grey levels) are nearly one colour."""
NOISE_ROUGHNESS = 1.0
"""Sharpness over colour spread: 2.26 for white noise, 0.05 to 0.4 for rooms; above this a frame is like noise."""


def psnr(a: AnyFrames, b: AnyFrames) -> PerFrame:
    """Peak signal-to-noise ratio of each frame in dB, capped at 100.

    >>> psnr(np.zeros((1, 8, 8, 3), np.uint8), np.full((1, 8, 8, 3), 255, np.uint8)).tolist()
    [0.0]
    """
    error = np.square((a.astype(np.float32) - b.astype(np.float32)) / 255).mean((-3, -2, -1), dtype=np.float64)
    return np.minimum(-10 * np.log10(np.maximum(error, 1e-12)) + 0.0, PSNR_CAP_DB)


def sharpness(frames: AnyFrames) -> PerFrame:
    """Mean absolute difference of horizontal neighbours plus that of vertical ones, in [0, 2]; blur lowers it."""
    pixels = frames.astype(np.float32) / 255
    across, down = np.abs(np.diff(pixels, axis=-2)), np.abs(np.diff(pixels, axis=-3))
    return across.mean((-3, -2, -1), dtype=np.float64) + down.mean((-3, -2, -1), dtype=np.float64)


def colour_spread(frames: AnyFrames) -> PerFrame:
    """Standard deviation over a frame's pixels, mean of the channels, in [0, 0.5]; 0 for a frame of one colour."""
    return (frames.astype(np.float64) / 255).std((-3, -2)).mean(-1)


def collapsed(frames: AnyFrames) -> Bool[np.ndarray, "*batch"]:
    """Whether a frame is nearly one colour or like noise."""
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

    The first frames tell one action from another; later ones are far from the past, and a model's errors grow there.
    """
    error = np.square((a.astype(np.float32) - b.astype(np.float32)) / 255).mean((-3, -2, -1), dtype=np.float64)
    weights = 0.5 ** np.arange(error.shape[-1])
    return error @ (weights / weights.sum())


def horizontal_shift(before: UInt8[np.ndarray, "height width 3"], after: UInt8[np.ndarray, "height width 3"]) -> int:
    """By how many pixels the picture moved to the right (negative: to the left), whole and at most 24.

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

    Two cuts less than 15 frames apart count as one, and a frozen video has none: print `motion` beside it.
    """
    from scenedetect import FrameTimecode
    from scenedetect.detectors import AdaptiveDetector

    detector = AdaptiveDetector()
    cuts = []
    for number, frame in enumerate(frames):
        cuts += detector.process_frame(FrameTimecode(number, float(fps)), np.ascontiguousarray(frame[..., ::-1]))  # BGR
    cuts += detector.post_process(FrameTimecode(len(frames) - 1, float(fps)))
    return len(cuts)


def revisits(poses: Poses, first_later: int, min_gap: int) -> list[tuple[int, int]]:
    """Pairs (later, earlier) of frames of the same pose: `later` from `first_later` on, `earlier` the visit before.

    Pairs at most `min_gap` frames apart are left out: there the earlier frame may still be in the context window.

    >>> revisits(np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0], [1, 0, 0], [0, 0, 0.0]]), 3, 2)
    [(4, 0)]
    """
    latest: dict[tuple[float, ...], int] = {}
    pairs = []
    for index, pose in enumerate(map(tuple, poses.tolist())):
        if index >= first_later and pose in latest and index - latest[pose] > min_gap:
            pairs.append((index, latest[pose]))
        latest[pose] = index
    return pairs


def feature_similarity(
    a: Float[np.ndarray, "*batch features"], b: Float[np.ndarray, "*batch features"]
) -> Float[np.ndarray, "*batch"]:
    """Cosine similarity times 100, as SRC has it (paper, table 1)."""
    dot = (a.astype(np.float64) * b).sum(-1)
    return 100 * dot / np.maximum(np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1), 1e-12)


def pad_with_nan(rows: Sequence[Float[np.ndarray, " length"]], length: int) -> Float[np.ndarray, "rows length"]:
    """Rows of different lengths in one array; NaN stands for "not measured"."""
    padded = np.full((len(rows), length), np.nan)
    for number, row in enumerate(rows):
        padded[number, : len(row)] = row
    return padded
