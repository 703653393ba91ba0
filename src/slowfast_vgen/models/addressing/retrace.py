"""The path walked so far without its detours, along which "retrace your steps" leads back.

A path that comes back to an earlier place has made a loop; only the place itself is left of it in the trail. So the
trail is the way back itself, read from its end, and walking it back shortens it.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

SAME_PLACE = 0.5
"""Largest difference, in steps along x and y, between two poses of one place."""
SAME_HEADING = math.radians(8)
"""Largest difference, in radians, between the headings of two poses of one place."""

Pose = tuple[float, float, float]


class Trail:
    """A loop-erased path of poses (x, y in steps, heading in radians), from the start to the current pose.

    >>> trail = Trail()
    >>> for pose in [(0, 0, 0), (1, 0, 0), (2, 0, 0), (1, 0, 0)]:
    ...     trail.push(pose)
    >>> trail.back(3)
    [(0, 0, 0), (0, 0, 0), (0, 0, 0)]
    """

    def __init__(self) -> None:
        self.poses: list[Pose] = []

    def push(self, pose: Pose) -> None:
        """Appends a pose; if the path was there before, what was walked since then is cut off instead."""
        for index, (x, y, heading) in enumerate(self.poses):
            if abs(pose[0] - x) < SAME_PLACE and abs(pose[1] - y) < SAME_PLACE:
                turned = (pose[2] - heading + math.pi) % (2 * math.pi) - math.pi
                if abs(turned) < SAME_HEADING:
                    del self.poses[index + 1 :]
                    return
        self.poses.append(pose)

    def back(self, num_frames: int) -> list[Pose]:
        """The next poses on the way back, one a frame; past the trail's end its first pose is repeated."""
        earlier = self.poses[-2::-1][:num_frames]
        return earlier + [self.poses[0]] * (num_frames - len(earlier))


def way_back(path: Float[Tensor, "batch past 3"], num_frames: int) -> Float[Tensor, "batch frames 3"]:
    """The next `num_frames` poses on the way back of each path, which ends at the current pose."""
    return ways_back(path[:, None], num_frames)[:, 0]


def ways_back(path: Float[Tensor, "batch chunks past 3"], num_frames: int) -> Float[Tensor, "batch chunks frames 3"]:
    """The next `num_frames` poses on the way back after each chunk of each path; chunks continue the one before."""
    rows = []
    for chunks in path.double().tolist():
        trail, row = Trail(), []
        for poses in chunks:
            for pose in poses:
                trail.push(tuple(pose))
            row.append(trail.back(num_frames))
        rows.append(row)
    return torch.tensor(rows, dtype=path.dtype, device=path.device)
