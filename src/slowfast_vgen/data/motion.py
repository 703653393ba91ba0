"""Step length and field of view of a data set's camera: the units in which poses are measured.

Data comes in metres, map units or anything else. A memory counts in steps: the usual distance of a frame in which the
camera moved, so that places a few steps apart are distinguished whatever the unit.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from slowfast_vgen.data.latents import CAMERA_KEYS, LatentSet
from slowfast_vgen.errors import UserError

LEAST_SHARE = 0.1
"""Share of the longest usual distance of a frame; a shorter one counts as no motion."""
SHAKING = 0.4
"""Net displacement over four frames as a share of their path length: a quarter for a camera that shakes, up to 1 for
one that moves."""
MOST_FACTOR = 2.0
"""Largest ratio of the steps of two data sets; beyond it their poses are taken to be in different units."""
MOST_FOV_DEGREES = 1.0
"""Largest difference between the fields of view of two data sets."""


@dataclass(frozen=True)
class Motion:
    """Camera properties of a data set."""

    step_units: float | None
    """Length of a step in the unit of the poses; None where the camera never leaves its place."""
    fov_degrees: float | None
    """Horizontal field of view, from a frame's left edge to its right one; None where unknown."""


def motion_of(data: LatentSet, poses: Float64[np.ndarray, "total_frames 3"]) -> Motion:
    """Returns the motion of one data set: as its episodes state it (`step_units`, `fov_degrees`), else as measured.

    Raises:
        UserError: episodes that state different fields of view, or impossible values.
    """
    steps, fov = (_stated(data, name, most) for name, most in zip(CAMERA_KEYS, (math.inf, 180.0), strict=True))
    if len(fov) > 1:
        raise UserError(
            f"the episodes state fields of view of {', '.join(f'{angle:g}' for angle in sorted(fov))} degrees; "
            "give data of one camera"
        )
    step = steps.pop() if len(steps) == 1 else measured_step(poses, np.unique(data.episode_start))
    return Motion(step, fov.pop() if fov else None)


def measured_step(
    poses: Float64[np.ndarray, "total_frames 3"], episode_starts: Int64[np.ndarray, " episodes"]
) -> float | None:
    """Returns the median distance of the frames in which the camera moved; None where it only shook or never moved.

    Frames in which it turned, rested, or shook by less than `LEAST_SHARE` of its usual fast frame are ignored, so that
    data with many turns has the same step as data with few.

    >>> x = np.array([0.0, 0.0, 0.0, 0.2, 0.4, 0.4, 0.6])
    >>> round(measured_step(np.stack([x, 0 * x, 30 * x], axis=1), np.array([0])), 6)
    0.2
    """
    distance = np.linalg.norm(np.diff(poses[:, :2], axis=0), axis=1)
    rounding = 1e-9 * max(1.0, float(np.abs(poses[:, :2]).max(initial=0.0)))
    distance[distance <= rounding] = 0.0
    distance[episode_starts[episode_starts > 0] - 1] = 0.0  # the jump from one episode to the next is no motion
    if not distance.any() or _shakes(poses, distance, episode_starts):
        return None
    moved = distance[distance > 0]
    return float(np.median(moved[moved >= LEAST_SHARE * np.quantile(moved, 0.95)]))


def _shakes(
    poses: Float64[np.ndarray, "total_frames 3"],
    distance: Float64[np.ndarray, " total_frames_minus_1"],
    episode_starts: Int64[np.ndarray, " episodes"],
) -> bool:
    """Returns whether the camera only shakes on the spot: in four frames it gets hardly farther than in one."""
    span = 4
    first = np.arange(max(0, len(poses) - span))
    episode = np.searchsorted(episode_starts, np.arange(len(poses)), side="right")
    first = first[episode[first] == episode[first + span]]
    walked = np.convolve(distance, np.ones(span), "valid")[first]
    came = np.linalg.norm(poses[first + span, :2] - poses[first, :2], axis=1)
    straight = came[walked > 0] / walked[walked > 0]
    return len(straight) > 0 and float(np.median(straight)) < SHAKING


def common_motion(motions: Mapping[str, Motion]) -> Motion:
    """Returns the common motion of several data sets with similar cameras.

    Args:
        motions: name of each set in messages -> its motion.

    Raises:
        UserError: two sets whose steps or fields of view differ too much for one memory.
    """
    steps = {name: motion.step_units for name, motion in motions.items() if motion.step_units is not None}
    fovs = {name: motion.fov_degrees for name, motion in motions.items() if motion.fov_degrees is not None}
    _refuse_apart(steps, "a frame's usual step is", "units", lambda low, high: high > MOST_FACTOR * low)
    _refuse_apart(fovs, "the field of view is", "degrees", lambda low, high: high > low + MOST_FOV_DEGREES)
    return Motion(
        float(np.median(list(steps.values()))) if steps else None,
        float(np.median(list(fovs.values()))) if fovs else None,
    )


def _refuse_apart(values: Mapping[str, float], what: str, unit: str, is_apart: Callable[[float, float], bool]) -> None:
    if not values:
        return
    (low_name, low), (high_name, high) = (choose(values.items(), key=lambda item: item[1]) for choose in (min, max))
    if is_apart(low, high):
        raise UserError(
            f"{what} {low:g} {unit} in {low_name} and {high:g} in {high_name}: bring the poses of both to the same "
            "unit and the frames to the same camera, or train on one of them"
        )


def _stated(data: LatentSet, name: str, most: float) -> set[float]:
    """Returns the values that the episodes state; empty unless all of them state one."""
    stated = data.camera.get(name, frozenset())
    if not stated or None in stated:
        return set()
    values = set()
    for value in stated:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < most:
            raise UserError(f"an episode states {name} {value!r:.40}; it must be a number above 0 and below {most:g}")
        values.add(float(value))
    return values
