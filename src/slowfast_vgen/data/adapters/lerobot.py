"""LeRobot data sets, format 3, read directly: no lerobot package is needed.

meta/info.json, meta/tasks.parquet, meta/episodes/chunk-000/file-000.parquet
data/chunk-000/file-000.parquet                 one row per frame, with its task
videos/CAMERA/chunk-000/file-000.mp4            many episodes one after the other
"""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from slowfast_vgen.data.adapters.base import (
    LONGEST_RECORDING,
    SPLIT_NAMES,
    Finding,
    ImportSettings,
    Recipe,
    Recording,
    UnusableError,
    Words,
    frame_times,
    nearest_frames,
    parts,
    step_before,
    words_of,
)
from slowfast_vgen.data.adapters.clips import picture_times, read_clip, video_facts
from slowfast_vgen.data.adapters.encoded import decode_images
from slowfast_vgen.data.adapters.lerobot_films import Films, Span
from slowfast_vgen.data.adapters.places import files_below, files_in, is_regular, told_file
from slowfast_vgen.data.parquet import ERRORS, is_text, open_table, read_columns
from slowfast_vgen.data.rules import one_line
from slowfast_vgen.errors import UserError
from slowfast_vgen.extras import needs
from slowfast_vgen.files import read_json
from slowfast_vgen.types import Frames

with needs("data"):
    import pyarrow as pa
    import pyarrow.compute as pc

_TEMPLATE = re.compile(r"([^{}]|\{(chunk_index|file_index|video_key)(:0?[0-9]?d)?\})*")
MOST_EPISODES = 1_000_000
MOST_ROWS = 10_000_000
"""Largest number of rows of a file of frames; lerobot begins a new one at 100 MB."""


@dataclass(frozen=True)
class _Info:
    """The values of meta/info.json in use."""

    fps: float
    data_path: str
    video_path: str
    camera: str
    is_video: bool
    robot: str
    wanted: range | None
    """Episodes of the requested split; None for all."""
    num_episodes: int | None
    """Number of episodes of all splits."""


class LeRobot:
    """Adapter: an episode has the frames of one camera; the action of a frame is the text of its task."""

    name: ClassVar[str] = "lerobot"
    options: ClassVar[frozenset[str]] = frozenset({"camera"})

    def __init__(self, source: Path, settings: ImportSettings) -> None:
        self._source, self._settings = source, settings
        self._info = _read_info(source / "meta" / "info.json", settings)
        self._data: tuple[Path, pa.Table] | None = None  # the file read last: episodes of one file follow each other

    @property
    def licence(self) -> str:
        """Licence in the front matter of the data set's card, README.md."""
        path = self._source / "README.md"
        try:
            card = path.read_text(encoding="utf-8", errors="replace") if is_regular(path) else ""
        except OSError:
            return "not stated"
        terms = {
            key: value.strip().strip("\"'")
            for key, value in re.findall(r"^(license(?:_name)?):(.+)$", card, re.MULTILINE)
        }
        licence = terms.get("license", "")
        return (terms.get("license_name", licence) if licence == "other" else licence) or "not stated"

    def index_files(self) -> list[Path]:
        """Returns all files in meta/."""
        return [path for path in files_below(self._source / "meta", "*") if path.is_file()]

    def recordings(self) -> Iterator[Recording]:
        """Yields one per episode of the split, in the order of the tables.

        Raises:
            UserError: the tables of tasks or of episodes are missing or broken.
        """
        tasks = self._read_tasks()
        paths = files_in(self._source / "meta" / "episodes", "*/*.parquet")
        if not paths:
            raise UserError(f"{self._source} has no meta/episodes/chunk-000/file-000.parquet; fetch it again")
        tables: list[tuple[str, list[dict[str, Any]]]] = []
        broken: list[Finding] = []
        for path in paths:
            name = path.relative_to(self._source).as_posix()
            try:
                tables.append((name, self._read_episodes(path)))
            except ERRORS as error:
                broken.append(Finding(name, "broken-file", f"not a readable Parquet file: {one_line(error)}"))
        yield from (Recording(finding.name, partial(iter, [finding])) for finding in broken)
        rows = [row for _, its_rows in tables for row in its_rows]
        counts = Counter(row.get("episode_index") for row in rows)
        films = Films(self._locate, self._info.fps, filter(None, map(self._span, rows)))
        shown = None
        for name, its_rows in tables:
            for number, row in enumerate(its_rows):
                index = row.get("episode_index")
                if isinstance(index, int) and self._is_of_another_split(index):
                    continue
                label = f"episode {index}" if isinstance(index, int) else f"{name} row {number}"
                if isinstance(index, int) and counts[index] > 1:
                    finding = Finding(label, "ambiguous", f"{counts[index]} rows of meta/episodes describe it")
                    yield Recording(f"{label}, {name} row {number}", partial(iter, [finding]))
                    continue
                if (span := self._span(row)) and span.film != shown:
                    shown = span.film
                    yield Recording(str(shown), partial(self._film_findings, shown, films))
                yield Recording(label, partial(self._samples, label, row, tasks, films))
        if self._info.num_episodes not in (None, len(rows)):
            message = f"it states {self._info.num_episodes} episodes, the tables have {len(rows)}"
            yield Recording("meta/info.json", partial(iter, [Finding("meta/info.json", "broken-file", message, False)]))

    def _read_episodes(self, path: Path) -> list[dict[str, Any]]:
        prefixes = ["data", *([f"videos/{self._info.camera}"] if self._info.is_video else [])]
        also = [f"{prefix}/{name}_index" for prefix in prefixes for name in ("chunk", "file")]
        also += [f"{prefix}/{name}_timestamp" for prefix in prefixes[1:] for name in ("from", "to")]
        also += ["length", "dataset_from_index", "dataset_to_index"]
        rows: list[dict[str, Any]] = read_columns(path, ["episode_index"], MOST_EPISODES, also).to_pylist()
        return rows

    def _is_of_another_split(self, index: int) -> bool:
        total = self._info.num_episodes
        exists = index >= 0 and (total is None or index < total)
        return self._info.wanted is not None and exists and index not in self._info.wanted

    def _samples(
        self, name: str, row: dict[str, Any], tasks: dict[int, str | None], films: Films
    ) -> Iterator[Recipe | Finding]:
        try:
            length = _length(row)
            words, doubts = self._words(row, length, tasks)
            times = frame_times(0.0, (length - 1) / self._info.fps, self._settings)
            picks = nearest_frames(times, self._info.fps)
            if self._info.is_video:
                path = self._file(self._info.video_path, row, f"videos/{self._info.camera}")
                begin = self._begin(row, length)
                if (span := self._span(row)) is not None:
                    films.check(span)
        except UnusableError as error:
            yield Finding(name, error.reason, error.message)
            return
        yield from (Finding(name, "bad-row", doubt, lost=False) for doubt in doubts)
        # The task of a frame applies from that frame to the next one.
        before = step_before(times, self._info.fps, length)
        for part, first, stop in parts(name, len(times), self._settings):
            decode = (
                partial(read_clip, path, begin + times[first:stop], self._settings.frame_size)
                if self._info.is_video
                else partial(self._decode_images, row, picks[first:stop])
            )
            yield Recipe(
                name=part,
                scene=f"{self.name} {self._source.resolve().name} {name}",
                words=tuple(words[index] for index in before[first : stop - 1]),
                decode=decode,
                metadata={"camera": self._info.camera, "robot": self._info.robot},
                ends=range(2, stop - first + 1),
            )

    def _span(self, row: dict[str, Any]) -> Span | None:
        """Returns the location of a row's episode; None where it is invalid, which the episode's finding reports."""
        if not self._info.is_video:
            return None
        prefix = f"videos/{self._info.camera}"
        try:
            episode, length = _whole(row, "episode_index", 0), _length(row)
            place = _whole(row, f"{prefix}/chunk_index", 0), _whole(row, f"{prefix}/file_index", 0)
            film = self._place(self._info.video_path, row, prefix)
            return Span(episode, film, place, self._begin(row, length), length)
        except UnusableError:
            return None

    def _film_findings(self, film: Path, films: Films) -> Iterator[Finding]:
        """Yields defects of a film that need not affect its episodes; once per film, before its episodes."""
        try:
            path = self._locate(film)
            facts, times = video_facts(path), picture_times(path)
        except UnusableError:
            return  # its episodes report it
        name = film.as_posix()
        if facts.is_cut:
            yield Finding(name, "short-video", "the file is cut off before the end that its index states", False)
            return
        spans = sorted((span.begin, span.begin + span.num_frames / self._info.fps) for span in films.names[film])
        borders = [0.0, *(time for span in spans for time in span), float(times[-1]) + 1 / self._info.fps]
        gaps = [(end, begin) for end, begin in zip(borders[::2], borders[1::2], strict=True)]
        gaps = [(end, begin) for end, begin in gaps if begin - end > 0.5 / self._info.fps]
        if gaps:
            message = f"no episode has its seconds {gaps[0][0]:.3f} to {gaps[0][1]:.3f}"
            yield Finding(name, "short-video", message, lost=False)

    def _begin(self, row: dict[str, Any], length: int) -> float:
        """Returns the start of the episode in its video file, in seconds."""
        begin, end = (row.get(f"videos/{self._info.camera}/{name}_timestamp") for name in ("from", "to"))
        if isinstance(begin, float | int) and -0.1 / self._info.fps < begin < 0:
            begin = 0.0  # rounded
        if not isinstance(begin, float | int) or not 0 <= begin <= LONGEST_RECORDING:
            raise UnusableError("bad-row", f"from_timestamp is {begin!r}, want seconds")
        if isinstance(end, float | int) and not abs(end - begin - length / self._info.fps) < 1.5 / self._info.fps:
            frames = f"{length} frames at {self._info.fps:g} a second"
            raise UnusableError("bad-row", f"{frames} do not last from {begin:g} to {end:g} s")
        return float(begin)

    def _words(self, row: dict[str, Any], length: int, tasks: dict[int, str | None]) -> tuple[list[Words], list[str]]:
        """Returns the words of each of the episode's frames; and contradictions in its rows that do no harm."""
        episode = _whole(row, "episode_index", 0)
        path = self._file(self._info.data_path, row, "data")
        table = self._rows(path)
        try:
            mine = table.filter(pc.field("episode_index") == episode)
            numbers = mine.column("task_index").to_pylist()
            order = mine.column("frame_index").to_pylist() if "frame_index" in mine.column_names else range(length)
            times = mine.column("timestamp").to_pylist() if "timestamp" in mine.column_names else []
        except ERRORS as error:
            raise UnusableError("broken-file", f"{path} numbers no episodes ({one_line(error)})") from error
        if not all(isinstance(number, int) for number in numbers):
            raise UnusableError("broken-file", f"task_index of {path} holds more than whole numbers")
        if len(numbers) != length:
            raise UnusableError("bad-row", f"its data file has {len(numbers)} frames of it, the table says {length}")
        if list(order) != list(range(length)):
            raise UnusableError("bad-row", f"its rows in its data file are not its frames 0 to {length - 1} in order")
        if unknown := {number for number in numbers if number not in tasks}:
            raise UnusableError("unknown-label", f"task {min(map(str, unknown))} is not in meta/tasks.parquet")
        if doubled := [number for number in numbers if tasks[number] is None]:
            raise UnusableError("ambiguous", f"task {doubled[0]} has two texts in meta/tasks.parquet")
        texts = {number: words_of(tasks[number]) for number in set(numbers)}
        late = [
            index
            for index, time in enumerate(times)
            if not isinstance(time, float | int) or not abs(time - index / self._info.fps) <= 0.5 / self._info.fps
        ]
        doubts = [f"timestamp is {times[late[0]]} at its frame {late[0]}, {len(late)} such frames"] if late else []
        return [texts[number] for number in numbers], doubts

    def _rows(self, path: Path) -> pa.Table:
        if self._data is None or self._data[0] != path:
            self._data = None
            try:
                also = ("frame_index", "timestamp")
                self._data = path, read_columns(path, ["episode_index", "task_index"], MOST_ROWS, also)
            except ERRORS as error:
                raise UnusableError("broken-file", f"{path} cannot be read ({one_line(error)})") from error
        return self._data[1]

    def _decode_images(self, row: dict[str, Any], picks: np.ndarray) -> Frames:
        path = self._file(self._info.data_path, row, "data")
        wanted = set(picks.tolist())
        kept: dict[int, Any] = {}
        number = 0
        try:
            with open_table(path) as file:
                for batch in file.iter_batches(64, columns=[self._info.camera, "episode_index"]):
                    mine = batch.filter(pc.equal(batch["episode_index"], row["episode_index"]))
                    for index in range(mine.num_rows):
                        if number in wanted:
                            kept[number] = mine[self._info.camera][index].as_py()
                        number += 1
                    if number > max(wanted):
                        break
            images = [kept[pick] for pick in picks.tolist()]
            data = [image["bytes"] if isinstance(image, dict) else image for image in images]
        except (*ERRORS, IndexError, TypeError) as error:
            raise UnusableError("broken-file", f"{path} cannot be read ({one_line(error)})") from error
        return decode_images(data, self._settings.frame_size)

    def _file(self, template: str, row: dict[str, Any], prefix: str) -> Path:
        path = self._locate(self._place(template, row, prefix))
        if not os.path.isfile(path):
            raise UnusableError("missing-video" if prefix != "data" else "broken-file", f"there is no {path}")
        return path

    def _locate(self, film: Path) -> Path:
        return told_file(self._source, str(film), self._settings.allow_outside)

    def _place(self, template: str, row: dict[str, Any], prefix: str) -> Path:
        chunk, file = _whole(row, f"{prefix}/chunk_index", 0), _whole(row, f"{prefix}/file_index", 0)
        try:
            return Path(template.format(chunk_index=chunk, file_index=file, video_key=self._info.camera))
        except ValueError as error:
            raise UnusableError(
                "broken-file", f"the path {template!r} of meta/info.json cannot be filled in"
            ) from error

    def _read_tasks(self) -> dict[int, str | None]:
        """Reads the text of each task, None where it has two."""
        path = self._source / "meta" / "tasks.parquet"
        try:
            with open_table(path) as file:
                texts = [field.name for field in file.schema_arrow if is_text(field.type)]
                about = json.loads((file.schema_arrow.metadata or {}).get(b"pandas", b"{}"))
            # pandas stores the text as the index, whose column may have any name.
            indices = [name for name in about.get("index_columns", []) if name in texts]
            named = [name for name in ("task", *indices) if name in texts] or texts
            if len(named) > 1 and "task" not in named:
                raise ValueError(f"its columns {', '.join(named)} are all text, and none is called task")
            table = read_columns(path, ["task_index", *named[:1]], MOST_EPISODES)
            tasks: dict[int, str | None] = {}
            for index, text in zip(table["task_index"].to_pylist(), table[named[0]].to_pylist(), strict=True):
                tasks[index] = text if tasks.get(index, text) == text else None
            return tasks
        except (*ERRORS, IndexError, AttributeError) as error:
            raise UserError(f"cannot read {path}: {one_line(error)}; fetch it again") from error


def _length(row: dict[str, Any]) -> int:
    """Returns the number of frames of an episode, which two places state."""
    length = _whole(row, "length", 1)
    first, stop = row.get("dataset_from_index"), row.get("dataset_to_index")
    if isinstance(first, int) and isinstance(stop, int) and stop - first != length:
        raise UnusableError("bad-row", f"length is {length}, its rows in the data set are {first} to {stop}")
    return length


def _whole(row: dict[str, Any], column: str, low: int) -> int:
    value = row.get(column)
    if not isinstance(value, int) or not low <= value < 2**31:
        raise UnusableError("bad-row", f"{column} is {value!r}, want a whole number")
    return value


def _read_info(path: Path, settings: ImportSettings) -> _Info:
    """Reads meta/info.json.

    Raises:
        UserError: missing, broken, another version, no camera, or not the requested one.
    """
    info = read_json(path)
    version = info.get("codebase_version") if isinstance(info, dict) else None
    if not isinstance(version, str) or not version.startswith("v3"):
        raise UserError(
            f"{path} has the version {version!r}; only version 3 is read, and lerobot converts older sets to it"
        )
    features = info.get("features")
    features = features if isinstance(features, dict) else {}
    kinds = {name: feature.get("dtype") for name, feature in features.items() if isinstance(feature, dict)}
    cameras = [name for name, kind in kinds.items() if kind in ("video", "image")]
    coloured = [name for name in cameras if not _is_depth(name, features[name])]
    if cameras and not coloured and not settings.camera:
        raise UserError(f"{path} has cameras of depth alone ({', '.join(cameras)}); take one with --camera")
    if not cameras or (settings.camera and settings.camera not in cameras):
        wanted = f"no camera {settings.camera!r}" if settings.camera else "no camera"
        raise UserError(f"{path} has {wanted}; it has {', '.join(cameras) or 'none'}")
    fps, data_path, video_path = (info.get(name) for name in ("fps", "data_path", "video_path"))
    camera = settings.camera or coloured[0]
    is_video = kinds[camera] == "video"
    templates = [data_path, video_path] if is_video else [data_path]
    has_paths = all(isinstance(template, str) and _TEMPLATE.fullmatch(template) for template in templates)
    if not has_paths or not isinstance(fps, int | float) or not 0.1 <= fps <= 1000:
        raise UserError(f"{path} lacks a valid fps, data_path or video_path; fetch it again")
    total = info.get("total_episodes")
    total = total if isinstance(total, int) else None
    episodes = _split_of(path, info.get("splits"), settings.split)
    return _Info(
        float(fps), data_path, video_path or "", camera, is_video, str(info.get("robot_type") or ""), episodes, total
    )


def _is_depth(name: str, feature: dict[str, Any]) -> bool:
    about = feature.get("info")
    marks = {**feature, **(about if isinstance(about, dict) else {})}
    return "depth" in name.lower() or any(marks.get(mark) is True for mark in ("video.is_depth_map", "is_depth_map"))


def _split_of(path: Path, splits: object, wanted: str) -> range | None:
    """Returns the episodes of a split; None where meta/info.json names no splits, so that all belong to any.

    Raises:
        UserError: the split is missing, present twice, or cannot be read.
    """
    if splits in (None, {}):
        return None
    if not isinstance(splits, dict):
        raise UserError(f"{path} has the splits {splits!r:.80}; they must be names with ranges such as 0:10")
    known = [name for name in splits if SPLIT_NAMES.get(name) == wanted]
    if not known and len(splits) == 1 and not set(splits) & set(SPLIT_NAMES):
        known = list(splits)  # a single split of unknown name has all episodes
    if len(known) != 1:
        fault = f"no split {wanted!r}" if not known else f"the split {wanted!r} twice"
        raise UserError(f"{path} has {fault}; it has {', '.join(map(str, splits))}")
    match = re.fullmatch(r"\s*(\d{1,9})\s*:\s*(\d{1,9})\s*", str(splits[known[0]]))
    if not match:
        raise UserError(f"{path} has the split {known[0]} as {splits[known[0]]!r:.80}; it must be a range such as 0:10")
    return range(int(match[1]), int(match[2]))
