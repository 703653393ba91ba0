"""The way one came, without its detours: what "retrace your steps" leads back along.

A path that comes back to a place it has stood on has made a loop; of the trail nothing but the place is left then. So
the trail is the way back itself, read from its end, and walking it back shortens it.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

SAME_PLACE = 0.5
"""Steps that two poses of one place may lie apart."""
SAME_HEADING = math.radians(8)
"""Radians that their headings may differ by."""

Pose = tuple[float, float, float]


class Trail:
    """A loop-erased path of poses (x, y in steps, heading in radians), from where it began to where one stands.

    >>> trail = Trail()
    >>> for pose in [(0, 0, 0), (1, 0, 0), (2, 0, 0), (1, 0, 0)]:
    ...     trail.push(pose)
    >>> trail.back(3)
    [(0, 0, 0), (0, 0, 0), (0, 0, 0)]
    """

    def __init__(self) -> None:
        self.poses: list[Pose] = []

    def push(self, pose: Pose) -> None:
        """Goes on to a pose; what was walked since the first time there is cut off."""
        for index, (x, y, heading) in enumerate(self.poses):
            if abs(pose[0] - x) < SAME_PLACE and abs(pose[1] - y) < SAME_PLACE:
                turned = (pose[2] - heading + math.pi) % (2 * math.pi) - math.pi
                if abs(turned) < SAME_HEADING:
                    del self.poses[index + 1 :]
                    return
        self.poses.append(pose)

    def back(self, num_frames: int) -> list[Pose]:
        """The next poses on the way back, one a frame; where the trail ends, one stands still."""
        earlier = self.poses[-2::-1][:num_frames]
        return earlier + [self.poses[0]] * (num_frames - len(earlier))


def way_back(path: Float[Tensor, "batch past 3"], num_frames: int) -> Float[Tensor, "batch frames 3"]:
    """The next `num_frames` poses on the way back of each path, which ends where one stands."""
    return ways_back(path[:, None], num_frames)[:, 0]


def ways_back(path: Float[Tensor, "batch chunks past 3"], num_frames: int) -> Float[Tensor, "batch chunks frames 3"]:
    """The same after every chunk of a path, each chunk going on where the one before it ended."""
    rows = []
    for chunks in path.double().tolist():
        trail, row = Trail(), []
        for poses in chunks:
            for pose in poses:
                trail.push(tuple(pose))
            row.append(trail.back(num_frames))
        rows.append(row)
    return torch.tensor(rows, dtype=path.dtype, device=path.device)
