"""Any videos with a table of timed actions: `video,start,end,action`."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from slowfast_vgen.data.adapters.base import (
    Finding,
    ImportSettings,
    Recipe,
    Recording,
    UnusableError,
    Words,
    frame_times,
    parts,
    words_of,
)
from slowfast_vgen.data.adapters.clips import VideoFacts, read_clip, video_facts
from slowfast_vgen.data.adapters.csv_rows import Row, grouped_rows
from slowfast_vgen.data.adapters.places import files_in, told_file
from slowfast_vgen.data.adapters.pose_rows import (
    END_COLUMNS,
    POSE_COLUMNS,
    POSES_TABLE,
    RowPoses,
    TimedPoses,
    has_poses,
    poses_of_rows,
    read_poses_file,
    row_poses,
    speed_findings,
)
from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Poses

TABLE = "actions.csv"
COLUMNS = ("video", "start", "end", "action")


@dataclass(frozen=True)
class _Stretch:
    """The action of one row."""

    row: str
    start: float
    end: float
    words: Words
    poses: RowPoses | None
    """Poses in the table itself; None without."""


class Folder:
    """Adapter for SRC/actions.csv, and the videos that it names by their paths from SRC.

    Rows of a video that follow one another without a gap make one episode; after a gap a new one begins. Poses may be
    in SRC/poses.csv, over time, or in the table's own columns, at the start of each action (`pose_rows`).
    """

    name: ClassVar[str] = "folder"
    options: ClassVar[frozenset[str]] = frozenset({"table", "poses"})

    def __init__(self, source: Path, settings: ImportSettings) -> None:
        self._source, self._settings = source, settings
        self._table = settings.table or _find_table(source)
        usual = source / POSES_TABLE
        self._poses_file = settings.poses or (usual if usual.exists() else None)
        self._poses: dict[str, TimedPoses | UnusableError] = {}
        self._rows_have_poses = False

    @property
    def licence(self) -> str:
        """Licence of the user's own videos, which the folder does not state."""
        return "not stated"

    def index_files(self) -> list[Path]:
        """Returns the table of actions, and the one of poses."""
        return [self._table, *([] if self._poses_file is None else [self._poses_file])]

    def recordings(self) -> Iterator[Recording]:
        """Yields one per video, in the order of the table, after one with the unreadable rows.

        Raises:
            UserError: the table cannot be read, or a column is missing.
        """
        rows, bad = grouped_rows(self._table, COLUMNS, "video", also=(*POSE_COLUMNS, *END_COLUMNS))
        first = next((row for its_rows in rows.values() for row in its_rows), None)
        self._rows_have_poses = first is not None and has_poses(self._table, first)
        if self._poses_file is not None:
            if self._rows_have_poses:
                raise UserError(f"{self._table} and {self._poses_file} both have poses; keep one of them")
            self._poses, unread = read_poses_file(self._poses_file)
            bad = [*bad, *unread, *speed_findings(self._poses)]
        if bad:
            yield Recording(self._table.name, partial(iter, bad))
        for video, its_rows in rows.items():
            yield Recording(video, partial(self._samples, video, its_rows))

    def _samples(self, video: str, rows: list[Row]) -> Iterator[Recipe | Finding]:
        try:
            path = told_file(self._source, video, self._settings.allow_outside)
            facts = video_facts(path)
        except UnusableError as error:
            yield from (Finding(f"{row.name} ({video})", error.reason, error.message) for row in rows)
            return
        if facts.is_cut:
            yield Finding(video, "short-video", "the file is cut off before the end that its index states", lost=False)
        stretches = []
        for row in rows:
            try:
                stretches.append(_stretch(row, facts, self._rows_have_poses))
            except UnusableError as error:
                yield Finding(f"{row.name} ({video})", error.reason, error.message)
        half_a_frame = 0.5 / self._settings.fps
        runs: list[list[_Stretch]] = []
        for stretch in sorted(stretches, key=lambda stretch: stretch.start):
            before = runs[-1][-1] if runs else None
            if before and stretch.start < before.end - min(half_a_frame, 0.5 * (before.end - before.start)):
                message = f"it begins at {stretch.start:g} s, before {before.row} ends"
                yield Finding(f"{stretch.row} ({video})", "overlap", message)
            elif before and stretch.start <= before.end + half_a_frame:
                runs[-1].append(stretch)
            else:
                runs.append([stretch])
        for run in runs:
            try:
                yield from self._recipes(path, video, run)
            except UnusableError as error:
                yield from (Finding(f"{stretch.row} ({video})", error.reason, error.message) for stretch in run)

    def _recipes(self, path: Path, video: str, run: list[_Stretch]) -> Iterator[Recipe | Finding]:
        rows = [stretch.poses for stretch in run if stretch.poses is not None]
        if rows and rows[-1].at_end is None:
            message = f"its pose at the end is unknown: neither {', '.join(END_COLUMNS)} nor a row that follows at once"
            yield Finding(f"{run.pop().row} ({video})", "bad-pose", message)
        if not run:
            return
        times = frame_times(run[0].start, run[-1].end, self._settings)
        poses = self._poses_at(video, rows, times)
        row_of = _index_at(times, np.array([stretch.end for stretch in run]))
        for index in sorted(set(range(len(run))) - set(row_of.tolist())):
            message = f"seconds {run[index].start:g} to {run[index].end:g} hold no frame of their own"
            if not {run[index].words} & {
                each.words for each in run[max(index - 1, 0) : index + 2] if each != run[index]
            }:
                yield Finding(f"{run[index].row} ({video})", "too-short", message)
        name = f"{video} {run[0].row.removeprefix(self._table.name).strip()}"
        for part, first, stop in parts(name, len(times), self._settings):
            its_rows = row_of[first : stop - 1]
            # Where the video breaks, the episode may end with a row: half an action is a different action.
            ends = [1 + int(index) for index in np.flatnonzero(np.diff(its_rows)) + 1]
            yield Recipe(
                name=part,
                scene=f"{self.name} {video}",
                words=tuple(run[index].words for index in its_rows),
                decode=partial(read_clip, path, times[first:stop], self._settings.frame_size),
                poses=None if poses is None else poses[first:stop],
                metadata={"video": video, "start_seconds": float(times[first])},
                ends=ends,
            )

    def _poses_at(self, video: str, rows: list[RowPoses], times: np.ndarray) -> Poses | None:
        """Returns the poses of the frames of a run, from its rows or the file of poses; None without."""
        if rows:
            timed: TimedPoses | UnusableError = poses_of_rows(self._table.name, rows)
        elif self._poses_file is None:
            return None
        else:
            absent = UnusableError("bad-pose", f"{self._poses_file.name} has no poses of {video}")
            timed = self._poses.get(video, absent)
        if isinstance(timed, UnusableError):
            raise timed
        return timed.at(times, tolerance=1 / self._settings.fps)


def _stretch(row: Row, facts: VideoFacts, has_poses: bool) -> _Stretch:
    """Parses a row; a start before the video's, as some tools write it, becomes the video's."""
    words = words_of(row.cells["action"])
    start, end = row.number("start"), row.number("end")
    if not start <= end or end <= 0:
        raise UnusableError("range-outside", f"seconds {start:g} to {end:g} are no range of a video")
    if end > facts.seconds + 1 / facts.fps:
        raise UnusableError("range-outside", f"it ends at {end:g} s, the video at {facts.seconds:.3f} s")
    start = max(start, 0.0)
    return _Stretch(row.name, start, end, words, row_poses(row, start, end) if has_poses else None)


def _index_at(times: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Returns, for each frame but the first, the index of the row at the time halfway to the frame before."""
    return np.minimum(np.searchsorted(ends, (times[1:] + times[:-1]) / 2, side="right"), len(ends) - 1)


def _find_table(source: Path) -> Path:
    if (source / TABLE).exists():
        return source / TABLE
    paths = [path for pattern in ("*.csv", "*.tsv") for path in files_in(source, pattern)]
    tables = [path for path in paths if path.name != POSES_TABLE]
    if len(tables) != 1:
        count = "no table" if not tables else f"{len(tables)} tables"
        raise UserError(f"{source} holds {count}; name the table {TABLE} or point to it with --table")
    return tables[0]
