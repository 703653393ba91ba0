"""HRI Driving Dataset (HDD): front-camera videos of drives, goal labels over time, and signals of the car's CAN bus.

DAY/SESSION/camera/center/*.mp4, DAY/SESSION/general/csv/{vel,brake_pedal}.csv   as release_2019_07_08 has them
target/SESSION.npy                                                        the labels, spread evenly over the session
DAY/SESSION/camera/center/png_timestamp.csv                               the clock of the frames, of another release

The columns of the CSV files are known from third parties, not from a published specification.
"""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from slowfast_vgen.data.adapters.base import (
    LONGEST_RECORDING,
    Finding,
    ImportSettings,
    Recipe,
    Recording,
    UnusableError,
    Words,
    frame_times,
    parts,
    step_before,
)
from slowfast_vgen.data.adapters.clips import read_clip, video_facts
from slowfast_vgen.data.adapters.csv_rows import Row, read_rows
from slowfast_vgen.data.adapters.places import files_below, files_in, folders_below, is_regular, only_one
from slowfast_vgen.data.rules import one_line
from slowfast_vgen.errors import UserError

GOALS = {
    1: Words("drive straight through the intersection", "intersection_passing"),
    2: Words("turn left at the intersection", "left_turn"),
    3: Words("turn right at the intersection", "right_turn"),
    4: Words("change lane to the left", "left_lane_change"),
    5: Words("change lane to the right", "right_lane_change"),
    6: Words("take the left branch of the road", "left_lane_branch"),
    7: Words("take the right branch of the road", "right_lane_branch"),
    8: Words("drive over the crosswalk", "crosswalk_passing"),
    9: Words("drive over the railroad crossing", "railroad_passing"),
    10: Words("merge into the traffic", "merge"),
    11: Words("make a U-turn", "u_turn"),
}
"""Goal label -> words. For label 0, background, the CAN bus determines the action."""
WAIT, BRAKE, DRIVE = Words("stop and wait", "wait"), Words("brake", "brake"), Words("drive on", "drive_on")
STANDING_SPEED = 1.0
"""Speed in vel.csv, whose unit is km/h or m/s, below which the car has stopped."""
BRAKE_KPA = 100.0
LABEL_RATES = (1.0, 60.0)
"""Lowest and highest number of labels a second; others do not belong to the video."""
_VIDEO = "camera/center/*.mp4"
_CLOCK = "camera/center/png_timestamp.csv"
_CLOCKS = ("unix_timestamp", "timestamp")
_SIGNALS = {"vel": "speed", "brake_pedal": "pedalpressure(kPa)"}


class Hdd:
    """Adapter: a goal label gives the words where there is one, else the car's signals: waiting, braking or driving."""

    name: ClassVar[str] = "hdd"
    options: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, source: Path, settings: ImportSettings) -> None:
        self._source, self._settings = source, settings
        self._labels = [path for path in files_below(source, "*.npy") if path.parent.name == "target"]
        if not self._labels:
            raise UserError(f"{source} holds no target/SESSION.npy; the goal labels must lie there, a file a session")
        self._folders: dict[str, list[Path]] = {}
        for folder, _ in folders_below(source):
            # No folder below a session's folder belongs to another session.
            below = folder.relative_to(source).parts
            sessions = [index for index, name in enumerate(below) if re.fullmatch("[0-9]{12}(_ITS)?", name)]
            if sessions and sessions[0] == len(below) - 1:
                self._folders.setdefault(folder.name[:12], []).append(folder)
        labelled = {path.stem for path in self._labels}
        videos = {session: paths for session in self._folders if (paths := self._files(session, _VIDEO))}
        self._unlabelled = [path for session in sorted(videos.keys() - labelled) for path in videos[session]]
        self._sessions = sorted(labelled | videos.keys())

    @property
    def licence(self) -> str:
        """Licence by request."""
        return "by agreement with Honda Research Institute USA, for non-commercial research"

    def index_files(self) -> list[Path]:
        """Returns the labels, and the videos without any."""
        return [*self._labels, *self._unlabelled]

    def recordings(self) -> Iterator[Recording]:
        """Yields one per session that has labels or a video."""
        paths: dict[str, list[Path]] = {}
        for path in self._labels:
            paths.setdefault(path.stem, []).append(path)
        for session in self._sessions:
            yield Recording(session, partial(self._samples, session, paths.get(session, [])))

    def _samples(self, session: str, paths: list[Path]) -> Iterator[Recipe | Finding]:
        try:
            clock, findings = self._clock(session)
            path = only_one(paths)
            if path is None:
                raise UnusableError("missing-file", f"there is no target/{session}.npy")
            labels = _read_labels(path)
            video = self._find(session, _VIDEO)
            if video is None:
                raise UnusableError("missing-video", f"there is no DAY/{session}/{_VIDEO}")
            facts = video_facts(video)
            seconds = clock[1] - clock[0] + 1 / facts.fps if clock else facts.length
            rate = len(labels) / seconds
            if max(seconds, facts.length) > LONGEST_RECORDING or not LABEL_RATES[0] <= rate <= LABEL_RATES[1]:
                raise UnusableError("broken-file", f"{len(labels)} labels do not belong to {seconds:g} s")
            if facts.length > 1.01 * seconds + 1:
                raise UnusableError("wrong-time", f"{video} lasts {facts.length:.1f} s, its clock {seconds:g} s")
            times = frame_times(0.0, facts.length - 1 / facts.fps, self._settings)
            between = (times[1:] + times[:-1]) / 2
            signals, more_findings = self._signals(session, clock[0] if clock else None, facts.length)
        except UnusableError as error:
            yield Finding(session, error.reason, error.message)
            return
        if facts.is_cut or abs(facts.length - seconds) > 1:
            message = f"{video} has {facts.length:.1f} s of {seconds:g} s{', and is cut off' * facts.is_cut}"
            yield Finding(session, "short-video", message, lost=False)
        yield from [*findings, *more_findings]
        words = _words(labels[step_before(times, rate, len(labels))], between, signals)
        yield from self._recipes(session, video, facts.start, times, words)

    def _recipes(
        self, session: str, video: Path, origin: float, times: np.ndarray, words: list[Words | int]
    ) -> Iterator[Recipe | Finding]:
        for part, first, stop in parts(session, len(times), self._settings):
            known = [word for word in words[first : stop - 1] if isinstance(word, Words)]
            if len(known) < stop - first - 1:
                label = next(word for word in words[first : stop - 1] if not isinstance(word, Words))
                yield Finding(part, "unknown-label", f"the goal label {label} is none of 0 to {max(GOALS)}")
                continue
            yield Recipe(
                name=part,
                scene=f"{self.name} {session}",
                words=tuple(known),
                decode=partial(read_clip, video, origin + times[first:stop], self._settings.frame_size),
                metadata={"session": session, "start_seconds": float(times[first])},
                ends=range(2, stop - first + 1),
            )

    def _clock(self, session: str) -> tuple[tuple[float, float] | None, list[Finding]]:
        """Returns when the first and the last frame were recorded, if known."""
        path = self._find(session, _CLOCK)
        if path is None:
            return None, [Finding(session, "missing-file", f"there is no DAY/{session}/{_CLOCK}", lost=False)]
        rows, findings = _read_signal(session, path, None)
        return ((float(rows[0, 0]), float(rows[-1, 0])) if len(rows) else None), findings

    def _signals(
        self, session: str, start: float | None, seconds: float
    ) -> tuple[dict[str, np.ndarray], list[Finding]]:
        """Returns speed and brake pressure, as rows of (seconds into the video, value), where available."""
        signals: dict[str, np.ndarray] = {}
        findings: list[Finding] = []
        for name, column in _SIGNALS.items():
            path = self._find(session, f"general/csv/{name}.csv") or self._find(session, f"general/csv/{name}_info.csv")
            if path is None:
                message = f"there is no DAY/{session}/general/csv/{name}.csv"
                findings.append(Finding(session, "missing-file", message, lost=False))
                continue
            rows, bad = _read_signal(session, path, column)
            findings += bad
            if len(rows):
                # Without the frames' clock, the signals are assumed to start with the video.
                signals[name] = rows - [rows[0, 0] if start is None else start, 0.0]
                if (end := float(signals[name][-1, 0])) < seconds - 1:
                    message = f"{path.name} ends at {end:g} s of {seconds:g} s"
                    findings.append(Finding(session, "broken-file", message, lost=False))
        return signals, findings

    def _find(self, session: str, pattern: str) -> Path | None:
        """Returns the file of a session, from any of its folders.

        Raises:
            UnusableError: two different files fit.
        """
        return only_one(self._files(session, pattern))

    def _files(self, session: str, pattern: str) -> list[Path]:
        return [path for folder in sorted(self._folders.get(session, [])) for path in files_in(folder, pattern)]


def _words(labels: np.ndarray, times: np.ndarray, signals: dict[str, np.ndarray]) -> list[Words | int]:
    """Returns words for each time, or the unknown label."""
    speed, brake = (_at(signals.get(name), times) for name in _SIGNALS)
    words: list[Words | int] = []
    for label, its_speed, its_brake in zip(labels.tolist(), speed, brake, strict=True):
        if label:
            words.append(GOALS.get(label, label))
        else:
            words.append(WAIT if its_speed < STANDING_SPEED else BRAKE if its_brake >= BRAKE_KPA else DRIVE)
    return words


def _at(signal: np.ndarray | None, times: np.ndarray) -> np.ndarray:
    """Returns the signal's latest value at each time, NaN (which compares false) before the first."""
    if signal is None:
        return np.full(len(times), np.nan)
    latest = np.searchsorted(signal[:, 0], times, side="right") - 1
    return np.where(latest >= 0, signal[latest, 1], np.nan)


def _read_labels(path: Path) -> np.ndarray:
    if not is_regular(path):
        raise UnusableError("broken-file", f"{path} is no regular file")
    try:
        # A header may claim any number of labels; a memory map holds only those in the file.
        labels = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except Exception as error:  # numpy parses the header as Python, which may raise anything
        raise UnusableError("broken-file", f"{path} is no array of labels ({one_line(error)})") from error
    is_whole = labels.dtype.kind in "iu" or (labels.dtype.kind == "f" and np.array_equal(labels, np.round(labels)))
    if labels.ndim != 1 or not len(labels) or not is_whole:
        raise UnusableError("broken-file", f"{path} holds {labels.dtype} {list(labels.shape)}, want whole numbers [N]")
    return labels.astype(np.int64)


def _read_signal(session: str, path: Path, column: str | None) -> tuple[np.ndarray, list[Finding]]:
    """Returns rows of (seconds on the recorder's clock, value), ascending in time; and findings for unreadable rows."""
    rows: list[tuple[float, float]] = []
    bad: list[str] = []
    try:
        for row in read_rows(path, [column] if column else [], also=_CLOCKS):
            try:
                rows.append(_reading(row, column))
            except UnusableError:
                bad.append(row.name)
    except UserError as error:
        return np.zeros((0, 2)), [Finding(session, "broken-file", str(error), lost=False)]
    findings = []
    if bad:
        message = f"{len(bad)} rows cannot be read, the first is {bad[0]}"
        findings.append(Finding(session, "bad-row", message, lost=False))
    elif not rows:
        findings.append(Finding(session, "broken-file", f"{path} has no rows", lost=False))
    return np.array(sorted(rows), dtype=np.float64).reshape(-1, 2), findings


def _reading(row: Row | Finding, column: str | None) -> tuple[float, float]:
    if isinstance(row, Finding):
        raise UnusableError("bad-row", row.message)
    clock = next((name for name in _CLOCKS if name in row.cells), None)
    if clock is None:
        raise UnusableError("bad-row", "there is no unix_timestamp")
    return row.number(clock), row.number(column) if column else 0.0
