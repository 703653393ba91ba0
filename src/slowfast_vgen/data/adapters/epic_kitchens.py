"""EPIC-KITCHENS-100: each narrated action of a kitchen video becomes an episode.

The tables are those of epic-kitchens-100-annotations: EPIC_100_train.csv and EPIC_100_validation.csv with 15 columns,
and EPIC_100_video_info.csv (`video_id,duration,fps,resolution`). Videos are in the folders of the download scripts,
such as P01/videos/P01_01.MP4, or all in one folder.
"""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import ClassVar

from slowfast_vgen.data.adapters.base import (
    Finding,
    ImportSettings,
    Recipe,
    Recording,
    UnusableError,
    frame_times,
    parts,
    words_of,
)
from slowfast_vgen.data.adapters.clips import VideoFacts, read_clip, video_facts
from slowfast_vgen.data.adapters.csv_rows import Row, grouped_rows, read_rows
from slowfast_vgen.data.adapters.places import only_one, told_file
from slowfast_vgen.errors import UserError

TABLES = {"train": "EPIC_100_train.csv", "validation": "EPIC_100_validation.csv"}
"""Split -> table; the test set has no narrations."""
VIDEO_INFO = "EPIC_100_video_info.csv"
COLUMNS = (
    "narration_id", "participant_id", "video_id", "narration_timestamp", "start_timestamp", "stop_timestamp",
    "start_frame", "stop_frame", "narration", "verb", "verb_class", "noun", "noun_class", "all_nouns",
    "all_noun_classes",
)  # fmt: skip
_TABLE_FOLDERS = ("", "annotations", "epic-kitchens-100-annotations")
_SUFFIXES = (".MP4", ".mp4")


class EpicKitchens:
    """Adapter: the narration is the action, `verb` its verb; times, not frame numbers, locate it in the video."""

    name: ClassVar[str] = "epic-kitchens"
    options: ClassVar[frozenset[str]] = frozenset({"table"})

    def __init__(self, source: Path, settings: ImportSettings) -> None:
        self._source, self._settings = source, settings
        if not settings.table and settings.split not in TABLES:
            raise UserError(
                f"EPIC-KITCHENS-100 has no narrations for the split {settings.split!r}; choose {' or '.join(TABLES)}"
            )
        self._table = settings.table or self._find(TABLES[settings.split])
        self._info = self._find(VIDEO_INFO)

    @property
    def licence(self) -> str:
        """Licence in the README of EPIC-KITCHENS-100."""
        return "CC BY-NC 4.0 (EPIC-KITCHENS-100: non-commercial use, with credit)"

    def index_files(self) -> list[Path]:
        """Returns both tables."""
        return [self._table, self._info]

    def recordings(self) -> Iterator[Recording]:
        """Yields one per video, in the order of the table, after one with the unreadable rows.

        Raises:
            UserError: a table cannot be read, or a column is missing.
        """
        rows, bad = grouped_rows(self._table, COLUMNS, "video_id")
        seconds, bad_info = self._lengths()
        if bad or bad_info:
            yield Recording(self._table.name, partial(iter, [*bad, *bad_info]))
        for video_id, its_rows in rows.items():
            yield Recording(video_id, partial(self._samples, video_id, its_rows, seconds.get(video_id)))

    def _samples(self, video_id: str, rows: list[Row], stated_seconds: float | None) -> Iterator[Recipe | Finding]:
        try:
            path = self._video(video_id)
            facts = video_facts(path)
        except UnusableError as error:
            yield from (Finding(_name(row), error.reason, error.message) for row in rows)
            return
        if facts.is_cut or (stated_seconds or 0) > facts.seconds + 1:
            message = f"{path} has {facts.seconds:.1f} s"
            message += f" of the {stated_seconds:g} s in {VIDEO_INFO}" if stated_seconds else ""
            yield Finding(video_id, "short-video", f"{message}{', and is cut off' * facts.is_cut}", lost=False)
        if stated_seconds and facts.seconds > 1.01 * stated_seconds + 1:
            message = f"{path} lasts {facts.seconds:.1f} s, {VIDEO_INFO} states {stated_seconds:g} s"
            yield from (Finding(_name(row), "wrong-time", message) for row in rows)
            return
        for row in rows:
            try:
                yield from self._recipes(row, path, facts)
            except UnusableError as error:
                yield Finding(_name(row), error.reason, error.message)

    def _recipes(self, row: Row, path: Path, facts: VideoFacts) -> Iterator[Recipe]:
        words = words_of(row.cells["narration"], row.cells["verb"])
        end = _seconds(row, "stop_timestamp")
        times = frame_times(_seconds(row, "start_timestamp"), end, self._settings)
        if end > facts.seconds + 1 / facts.fps:
            raise UnusableError("range-outside", f"it ends at {end:g} s, the video at {facts.seconds:.3f} s")
        for part, first, stop in parts(_name(row), len(times), self._settings):
            yield Recipe(
                name=part,
                # A kitchen is a scene; participants have one each, but for a few who moved house.
                scene=f"{self.name} {row.cells['participant_id']}",
                words=(words,) * (stop - first - 1),
                decode=partial(read_clip, path, times[first:stop], self._settings.frame_size),
                metadata={name: row.cells[name] for name in ("participant_id", "video_id", "narration_id", "noun")},
            )

    def _video(self, video_id: str) -> Path:
        participant = video_id.split("_")[0]
        for folder in (f"{participant}/videos", "videos", participant, f"videos/{participant}", "."):
            for suffix in _SUFFIXES:
                if not video_id:
                    continue
                path = told_file(self._source, f"{folder}/{video_id}{suffix}", self._settings.allow_outside)
                if os.path.isfile(path):
                    return path
        raise UnusableError(
            "missing-video", f"there is no {video_id}.MP4 in {self._source}/{participant}/videos or {self._source}"
        )

    def _lengths(self) -> tuple[dict[str, float], list[Finding]]:
        seconds, bad = {}, []
        for row in read_rows(self._info, ("video_id", "duration")):
            if isinstance(row, Finding):
                bad.append(Finding(row.name, row.reason, row.message, lost=False))
                continue
            try:
                seconds[row.cells["video_id"]] = row.number("duration")
            except UnusableError as error:
                bad.append(Finding(row.name, error.reason, error.message, lost=False))
        return seconds, bad

    def _find(self, name: str) -> Path:
        paths = [table for folder in _TABLE_FOLDERS if (table := self._source / folder / name).is_file()]
        if path := only_one(paths):
            return path
        raise UserError(
            f"{self._source} holds no {name}; put the tables of epic-kitchens-100-annotations there or into "
            f"{self._source / _TABLE_FOLDERS[1]}"
        )


def _name(row: Row) -> str:
    return row.cells["narration_id"] or row.name


def _seconds(row: Row, column: str) -> float:
    """Returns a time such as 00:01:02.34 in seconds."""
    text = row.cells[column]
    numbers = text.split(":")
    try:
        hours, minutes = int(numbers[-3]), int(numbers[-2])
        seconds = float(numbers[-1])
        if len(numbers) == 3 and hours >= 0 and 0 <= minutes < 60 and 0 <= seconds < 60:
            return 3600.0 * hours + 60 * minutes + seconds
    except (ValueError, IndexError):
        pass
    raise UnusableError("bad-row", f"{column} is {text[:40]!r}, want hours:minutes:seconds")
