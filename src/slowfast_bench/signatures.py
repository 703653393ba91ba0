"""Signatures of failure: what goes wrong in long videos, found in the scores and told in a sentence.

The three that the method's description asks to look for (memory not updating, quality decaying, actions not followed),
and the one that hides the others: a video that stands still.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8

from slowfast_bench.scores.consistency import RolledOut
from slowfast_vgen.metrics.frames import drift, motion, psnr, sharpness
from slowfast_vgen.results import Estimate

FRAMES_APART = 24
"""Frames of one path so far apart show different places."""
LEAST_ABOVE_UNRELATED_DB = 2.0
MOST_LOST_SHARPNESS = 0.25
"""Share of the early sharpness that may be lost on the way, beyond what the true video loses."""
LEAST_FOLLOWED = 0.9
LEAST_MOTION = 0.3
"""Share of the true video's motion."""
WINDOW = 32


@dataclass(frozen=True)
class Signature:
    """One kind of failure in one arm."""

    name: str
    arm: str
    found: bool
    evidence: str

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def signatures(
    arm: str,
    rollout: RolledOut,
    true: UInt8[np.ndarray, "maps frames height width 3"],
    again: Estimate,
    followed: Estimate,
) -> list[Signature]:
    """Each signature, found or not, with what it was read from.

    Args:
        arm: whose roll-outs these are.
        rollout: their scores.
        true: the true frames of the same paths.
        again: how near places seen again are to their first visit.
        followed: the share of turns that move the picture the right way.
    """
    unrelated = float(np.mean([psnr(video[FRAMES_APART:], video[:-FRAMES_APART]).mean() for video in true]))
    inconsistent = again.low < unrelated + LEAST_ABOVE_UNRELATED_DB

    early = np.nanmean(rollout.sharpness[:, :WINDOW])
    lost = -float(np.nanmean(drift(rollout.sharpness, WINDOW)) / early)
    true_sharpness = np.stack([sharpness(video[1:]) for video in true])
    true_lost = -float(drift(true_sharpness, WINDOW).mean() / true_sharpness[:, :WINDOW].mean())
    decays = lost > true_lost + MOST_LOST_SHARPNESS

    moved = float(np.mean(rollout.motion) / np.mean([motion(video) for video in true]))
    return [
        Signature(
            "scene inconsistent across windows",
            arm,
            inconsistent,
            f"places seen again after 41 to 104 frames agree with their first visit to {again.mean:.1f} dB "
            f"[{again.low:.1f}, {again.high:.1f}]; frames of different places agree to {unrelated:.1f}",
        ),
        Signature(
            "quality decays with length",
            arm,
            decays,
            f"the last {WINDOW} frames are {100 * lost:.0f} % less sharp than the first, "
            f"those of the true video {100 * true_lost:.0f} %",
        ),
        Signature(
            "actions not followed",
            arm,
            followed.high < LEAST_FOLLOWED,
            f"{100 * followed.mean:.0f} % of the turns move the picture the right way",
        ),
        Signature("video stands still", arm, moved < LEAST_MOTION, f"motion is {moved:.2f} of the true video's"),
    ]
