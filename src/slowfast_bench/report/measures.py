"""The measures: what each is called, its unit, and which way is better."""

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """How to read one measure."""

    label: str
    unit: str = ""
    higher_is_better: bool | None = None
    """None where neither end is good, such as motion, which should be that of true videos."""
    decimals: int | None = None
    """None shows four digits."""


QUALITY = {
    "psnr": Scale("PSNR", "dB", True, 2),
    "ssim": Scale("SSIM", "", True, 3),
    "distance_mbv2": Scale("feature distance (MobileNetV2)", "", False, 3),
    "lpips": Scale("LPIPS", "", False, 3),
    "fvd_mbv2": Scale("Fréchet distance of videos (MobileNetV2)", "", False, 1),
    "fvd": Scale("FVD", "", False, 1),
    "novel_psnr": Scale("PSNR at places never seen", "dB", True, 2),
}
"""Next chunks after the true past."""

CONSISTENCY = {
    "scuts": Scale("scene cuts a video (SCuts)", "", False, 3),
    "motion": Scale("motion", "", None, 4),
    "src_mbv2": Scale("revisit similarity (MobileNetV2, not SRC's network)", "", True, 2),
    "similarity": Scale("revisit similarity (not SRC's network)", "", True, 2),
    "src": Scale("scene revisit consistency (SRC)", "", True, 2),
    "mirror_mse": Scale("squared error of mirrored paths", "", False, 4),
    "drift_psnr_db": Scale("drift of PSNR (late minus early)", "dB", True, 2),
    "drift_sharpness": Scale("drift of sharpness (late minus early)", "", True, 4),
    "following": Scale("actions followed (share)", "", True, 3),
}
"""Long videos, all generated."""

COST = {
    "seconds_per_frame": Scale("time a frame", "s", False, 4),
    "time_over_no_memory": Scale("time over that of no memory", "", False, 2),
    "memory_mb": Scale("size of the memory", "MB", False, 2),
}
"""Deep in an episode; of times the interval is the quartiles of the chunks."""

REVISITS = {
    "truth_psnr": Scale("PSNR against the true frame", "dB", True, 2),
    "worst5_truth_psnr": Scale("the same, worst 5 % of the frames", "dB", True, 2),
    "truth_ssim": Scale("SSIM against the true frame", "", True, 3),
    "truth_distance_mbv2": Scale("feature distance to the true frame (MobileNetV2)", "", False, 3),
    "history_psnr": Scale("PSNR against the video's own first visit", "dB", True, 2),
    "history_ssim": Scale("SSIM against the video's own first visit", "", True, 3),
    "history_distance_mbv2": Scale("feature distance to the video's own first visit (MobileNetV2)", "", False, 3),
}
"""Places seen again after they left the window; a figure's name has the gap behind it, such as `truth_psnr_gap64`."""

SELF_CONSISTENCY = {"scuts", "src", "src_mbv2", "similarity", "mirror_mse", "drift_sharpness"}
"""Beside all `history_` measures: those that a video which stands still has for nothing."""

GAPS = {"gap16": (9, 32), "gap64": (41, 104), "gap200": (200, 100_000)}
"""Fewest and most frames since a place was last in view, where a protocol does not say (`recall_tours.BUCKETS`)."""

ALL_GAPS = "all"
"""In the place of a gap: the figure is over all revisits."""

_REVISIT = re.compile(rf"({'|'.join(REVISITS)})_(gap\d+|{ALL_GAPS})")
_ENDLESS_FRAMES = 10_000


def split_revisit(measure: str) -> tuple[str, str] | None:
    """The measure and the gap in the name of a revisit's measure; None for any other.

    >>> split_revisit("worst5_truth_psnr_gap64")
    ('worst5_truth_psnr', 'gap64')
    """
    match = _REVISIT.fullmatch(measure)
    return (match[1], match[2]) if match else None


def is_self_consistency(measure: str) -> bool:
    """Whether a frozen frame is no rival, because it agrees with itself."""
    return measure in SELF_CONSISTENCY or measure.startswith("history_")


def scale_of(measure: str) -> Scale:
    """How to read a measure by its name in the figures; one that is not known has its name for a label."""
    revisit = split_revisit(measure)
    if revisit:
        return REVISITS[revisit[0]]
    for table in (QUALITY, CONSISTENCY, COST, REVISITS):
        if measure in table:
            return table[measure]
    return Scale(measure.replace("_", " "))


def gaps_listed(words: Sequence[str]) -> str:
    """Several gaps in a sentence.

    >>> gaps_listed(["9 to 32 frames ago", "41 to 104 frames ago"])
    '9 to 32 and 41 to 104 frames ago'
    """
    ago = " frames ago"
    *first, last = words
    if first and all(each.endswith(ago) for each in words):
        return f"{', '.join(each.removesuffix(ago) for each in first)} and {last}"
    return ", ".join(words)


def gap_words(gap: str, bounds: tuple[int, int] | None) -> str:
    """How long ago, in words.

    >>> gap_words("gap64", (41, 104)), gap_words("gap200", (200, 100_000)), gap_words("gap9", None)
    ('41 to 104 frames ago', '200 or more frames ago', 'about 9 frames ago')
    """
    if gap == ALL_GAPS:
        return "at any gap"
    if bounds is None:
        return f"about {gap.removeprefix('gap')} frames ago"
    fewest, most = bounds
    return f"{fewest} or more frames ago" if most >= _ENDLESS_FRAMES else f"{fewest} to {most} frames ago"
