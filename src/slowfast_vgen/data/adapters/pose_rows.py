"""Poses that a user gives for videos: x, y and heading over time, interpolated at the times of frames.

x points east and y north, in metres; headings are in degrees, counter-clockwise from the x axis (docs/data-format.md).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from slowfast_vgen.data.adapters.base import Finding, UnusableError
from slowfast_vgen.data.adapters.csv_rows import Row, grouped_rows
from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Poses

POSES_TABLE = "poses.csv"
POSE_COLUMNS = ("x", "y", "heading")
END_COLUMNS = tuple(f"end_{name}" for name in POSE_COLUMNS)
FILE_COLUMNS = ("video", "time", *POSE_COLUMNS)
LONGEST_GAP = 1.0
"""Largest number of seconds between two poses of a file that are interpolated."""
FASTEST = 100.0
"""Metres a second above which a finding is reported: the unit is probably another one."""
_FEWEST = 8
"""Least number of moves needed to determine the convention of headings."""


@dataclass(frozen=True)
class TimedPoses:
    """Poses of a camera at some times of a video."""

    name: str
    """Name of the file or table, for messages."""
    times: Float64[np.ndarray, " poses"]
    """Times in seconds, ascending."""
    poses: Float64[np.ndarray, "poses 3"]
    """Poses: x, y in metres; heading in degrees, not necessarily in [0, 360)."""
    longest_gap: float = np.inf
    """Largest number of seconds between two poses that are interpolated."""

    def __post_init__(self) -> None:
        """Raises UnusableError for fewer than two poses, non-ascending times, or headings of another convention."""
        if len(self.times) < 2:
            raise UnusableError("bad-pose", f"{self.name} has {len(self.times)} poses of it; give two at least")
        if (late := np.flatnonzero(np.diff(self.times) <= 0)).size:
            at = self.times[late[0] + 1]
            raise UnusableError("bad-pose", f"the times of {self.name} do not rise at {at:g} s; bring them in order")
        if fault := heading_fault(self.poses):
            raise UnusableError("bad-pose", f"the headings of {self.name} {fault}")

    def at(self, times: Float64[np.ndarray, " frames"], tolerance: float) -> Poses:
        """Returns the poses at the times of frames, by linear interpolation, of headings along the shorter way.

        Args:
            times: times of the frames in seconds.
            tolerance: seconds before the first and after the last pose at which that pose is used.

        Raises:
            UnusableError: a frame before the first or after the last pose, or in too long a gap.
        """
        first, last = float(self.times[0]), float(self.times[-1])
        if times[0] < first - tolerance or times[-1] > last + tolerance:
            raise UnusableError(
                "bad-pose",
                f"{self.name} has poses of {first:g} to {last:g} s, the frames are of {times[0]:g} to {times[-1]:g} s",
            )
        after = np.clip(np.searchsorted(self.times, times), 1, len(self.times) - 1)
        gaps = self.times[after] - self.times[after - 1]
        if gaps.max() > self.longest_gap:
            at = times[int(gaps.argmax())]
            raise UnusableError(
                "bad-pose",
                f"{self.name} has no pose for {gaps.max():g} s around {at:g} s; {self.longest_gap:g} at most",
            )
        heading = np.unwrap(self.poses[:, 2], period=360)
        columns = [np.interp(times, self.times, column) for column in (self.poses[:, 0], self.poses[:, 1], heading)]
        columns[2] %= 360
        columns[2][columns[2] >= 360] = 0.0  # from rounding a heading just below 0
        return np.stack(columns, axis=1)

    def top_speed(self) -> float:
        """Returns the highest speed between two poses in metres a second."""
        return float((np.linalg.norm(np.diff(self.poses[:, :2], axis=0), axis=1) / np.diff(self.times)).max())


def heading_fault(poses: Float64[np.ndarray, "poses 3"]) -> str:
    """Returns what the camera's path shows of headings that are not degrees counter-clockwise; empty if nothing.

    A camera mostly looks at a fixed angle to its direction of motion. If that angle is steady only when the headings
    are read as radians, or as degrees clockwise, then that is what they are.

    >>> turn = np.linspace(0, 6, 30)
    >>> circle = np.stack([np.sin(turn), -np.cos(turn)], axis=1)
    >>> heading_fault(np.column_stack([circle, np.degrees(turn)]))
    ''
    >>> heading_fault(np.column_stack([circle, turn]))
    'look like radians; give degrees'
    """
    way = np.diff(poses[:, :2], axis=0)
    length = np.linalg.norm(way, axis=1)
    moved = length > 0.1 * length.max(initial=0.0)
    if moved.sum() < _FEWEST:
        return ""
    direction = np.arctan2(way[moved, 1], way[moved, 0])
    heading = poses[:-1, 2][moved]

    def steadiness(turned: Float64[np.ndarray, " moves"]) -> float:
        return float(np.abs(np.exp(1j * (direction - turned)).mean()))

    if steadiness(np.zeros_like(direction)) > 0.9 or steadiness(np.radians(heading)) > 0.7:
        return ""  # a straight path, which shows nothing; or all is well
    if steadiness(heading) > 0.9:
        return "look like radians; give degrees"
    if steadiness(-np.radians(heading)) > 0.9:
        return "look clockwise, as on a compass; give 90 minus them: degrees counter-clockwise from the x axis"
    return ""


def read_poses_file(path: Path) -> tuple[dict[str, TimedPoses | UnusableError], list[Finding]]:
    """Reads the poses of each video in a file, or the error in them; and the rows that cannot be read.

    Raises:
        UserError: the file cannot be read, or a column is missing.
    """
    grouped, bad = grouped_rows(path, FILE_COLUMNS, "video")
    bad = [Finding(finding.name, finding.reason, finding.message, lost=False) for finding in bad]
    timed: dict[str, TimedPoses | UnusableError] = {}
    for video, rows in grouped.items():
        numbers = []
        for row in rows:
            try:
                numbers.append([row.number(column) for column in FILE_COLUMNS[1:]])
            except UnusableError as error:
                bad.append(Finding(f"{row.name} ({video})", error.reason, error.message, lost=False))
        table = np.array(numbers, dtype=np.float64).reshape(-1, 4)
        try:
            timed[video] = TimedPoses(path.name, table[:, 0], table[:, 1:], LONGEST_GAP)
        except UnusableError as error:
            timed[video] = error
    return timed, bad


def speed_findings(poses: dict[str, TimedPoses | UnusableError]) -> Iterator[Finding]:
    """Yields findings for videos whose camera would be implausibly fast."""
    for video, timed in poses.items():
        if isinstance(timed, TimedPoses) and (speed := timed.top_speed()) > FASTEST:
            message = f"the camera moves at {speed:.0f} metres a second; x and y are probably not in metres"
            yield Finding(f"{timed.name} ({video})", "bad-pose", message, lost=False)


def poses_of_rows(name: str, rows: Sequence["RowPoses"]) -> TimedPoses:
    """Returns the poses in rows of the table `name` that follow one another without a gap.

    The pose at the end of a row is that at the start of the next one; the last row holds its own, or has no frames.

    Raises:
        UnusableError: as `TimedPoses`.
    """
    times, poses = [row.start for row in rows], [row.at_start for row in rows]
    if rows[-1].at_end is not None:
        times, poses = [*times, rows[-1].end], [*poses, rows[-1].at_end]
    return TimedPoses(name, np.array(times, dtype=np.float64), np.array(poses, dtype=np.float64))


@dataclass(frozen=True)
class RowPoses:
    """Poses of the camera during one action."""

    start: float
    """Start of the action in seconds."""
    end: float
    at_start: tuple[float, ...]
    """Pose at the start: x, y, heading."""
    at_end: tuple[float, ...] | None
    """Pose at the end; None where the row has none."""


def row_poses(row: Row, start: float, end: float) -> RowPoses:
    """Parses a row with the columns `POSE_COLUMNS`, and perhaps `END_COLUMNS`.

    Raises:
        UnusableError: a cell that is no number, or an incomplete pose at the end.
    """
    ends = [name for name in END_COLUMNS if row.cells.get(name)]
    if ends and len(ends) < len(END_COLUMNS):
        raise UnusableError("bad-pose", f"of {', '.join(END_COLUMNS)} it has only {', '.join(ends)}; give all or none")
    at_start = tuple(row.number(name) for name in POSE_COLUMNS)
    return RowPoses(start, end, at_start, tuple(row.number(name) for name in ends) or None)


def has_poses(path: Path, row: Row) -> bool:
    """Returns whether the table of actions to which `row` belongs has poses.

    Raises:
        UserError: the table has only some of their columns.
    """
    present = [name for name in (*POSE_COLUMNS, *END_COLUMNS) if name in row.cells]
    for columns in (POSE_COLUMNS, END_COLUMNS):
        if 0 < len(set(present) & set(columns)) < len(columns) or (present and not set(POSE_COLUMNS) <= set(present)):
            raise UserError(
                f"{path} has the columns {', '.join(present)}; poses need {', '.join(POSE_COLUMNS)} at the start "
                f"of an action and, if you like, {', '.join(END_COLUMNS)} at its end"
            )
    return bool(present)
