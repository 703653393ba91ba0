"""LeRobot data sets, format 3, read directly: no lerobot package is needed.

meta/info.json, meta/tasks.parquet, meta/episodes/chunk-000/file-000.parquet
data/chunk-000/file-000.parquet                 one row a frame, with its task
videos/CAMERA/chunk-000/file-000.mp4            many episodes one after the other
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from slowfast_vgen.data.adapters.base import (
    LONGEST_RECORDING,
    Finding,
    ImportSettings,
    Recipe,
    Recording,
    UnusableError,
    Words,
    frame_times,
    nearest_frames,
    part_name,
    parts,
    words_of,
)
from slowfast_vgen.data.adapters.clips import read_clip, video_facts
from slowfast_vgen.data.adapters.encoded import decode_images
from slowfast_vgen.data.rules import SPLITS
from slowfast_vgen.errors import UserError
from slowfast_vgen.files import read_json
from slowfast_vgen.types import Frames

_TEMPLATE = re.compile(r"([^{}]|\{(chunk_index|file_index|video_key)(:0?[0-9]?d)?\})*")
_PARQUET_ERRORS = (pa.ArrowException, OSError, ValueError, KeyError, OverflowError, MemoryError)


@dataclass(frozen=True)
class _Info:
    """What is used of meta/info.json."""

    fps: float
    data_path: str
    video_path: str
    camera: str
    is_video: bool
    robot: str
    wanted: range | None
    """The episodes of the split asked for; None: all."""
    num_episodes: int | None
    """Of all splits."""


class LeRobot:
    """An episode's frames are one camera's; the action of a frame is the text of its task."""

    name: ClassVar[str] = "lerobot"
    options: ClassVar[frozenset[str]] = frozenset({"camera"})

    def __init__(self, source: Path, settings: ImportSettings) -> None:
        self._source, self._settings = source, settings
        self._info = _read_info(source / "meta" / "info.json", settings)
        self._data: tuple[Path, pa.Table] | None = None  # of the file read last: episodes of one file follow each other

    @property
    def licence(self) -> str:
        """As the front matter of the data set's card, README.md, states it."""
        try:
            card = (self._source / "README.md").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return "not stated"
        found = {
            key: value.strip().strip("\"'")
            for key, value in re.findall(r"^(license(?:_name)?):(.+)$", card, re.MULTILINE)
        }
        licence = found.get("license", "")
        return (found.get("license_name", licence) if licence == "other" else licence) or "not stated"

    def index_files(self) -> list[Path]:
        """Everything in meta/."""
        return sorted(path for path in (self._source / "meta").rglob("*") if path.is_file())

    def recordings(self) -> Iterator[Recording]:
        """One an episode of the split, in the order of the tables.

        Raises:
            UserError: the tables of tasks or of episodes are missing or broken.
        """
        tasks = self._read_tasks()
        paths = sorted((self._source / "meta" / "episodes").glob("*/*.parquet"))
        if not paths:
            raise UserError(f"{self._source} has no meta/episodes/chunk-000/file-000.parquet; fetch it anew")
        num_found = 0
        for path in paths:
            name = path.relative_to(self._source).as_posix()
            try:
                with pq.ParquetFile(path) as file:
                    columns = [each for each in file.schema_arrow.names if not each.startswith("stats/")]
                    rows = file.read(columns=columns).to_pylist()
            except _PARQUET_ERRORS as error:
                finding = Finding(name, "broken-file", f"not a readable Parquet file: {' '.join(str(error).split())}")
                yield Recording(name, partial(iter, [finding]))
                continue
            num_found += len(rows)
            shown = None
            for number, row in enumerate(rows):
                index = row.get("episode_index")
                if isinstance(index, int) and self._is_of_another_split(index):
                    continue
                label = f"episode {index}" if isinstance(index, int) else f"{name} row {number}"
                if self._info.is_video and (video := self._video(row)) not in (None, shown):
                    shown = video
                    yield Recording(str(video), partial(self._cut_off, self._source / str(video)))
                yield Recording(label, partial(self._samples, label, row, tasks))
        if self._info.num_episodes not in (None, num_found):
            message = f"it tells of {self._info.num_episodes} episodes, the tables of {num_found}"
            yield Recording("meta/info.json", partial(iter, [Finding("meta/info.json", "broken-file", message, False)]))

    def _is_of_another_split(self, index: int) -> bool:
        total = self._info.num_episodes
        exists = index >= 0 and (total is None or index < total)
        return self._info.wanted is not None and exists and index not in self._info.wanted

    def _samples(self, name: str, row: dict[str, Any], tasks: dict[int, str]) -> Iterator[Recipe | Finding]:
        try:
            length = _whole(row, "length", 1)
            words = self._words(row, length, tasks)
            times = frame_times(0.0, (length - 1) / self._info.fps, self._settings)
            picks = nearest_frames(times, self._info.fps)
            if self._info.is_video:
                path = self._file(self._info.video_path, row, f"videos/{self._info.camera}")
                begin = self._begin(row, length)
        except UnusableError as error:
            yield Finding(name, error.reason, error.message)
            return
        # The task of a frame is carried out from it to the next one.
        before = np.minimum((times[1:] + times[:-1]) / 2 * self._info.fps, length - 1).astype(int)
        cuts = parts(len(times), self._settings)
        for number, (first, stop) in enumerate(cuts):
            decode = (
                partial(read_clip, path, begin + times[first:stop], self._settings.size)
                if self._info.is_video
                else partial(self._decode_images, row, picks[first:stop])
            )
            yield Recipe(
                name=part_name(name, number, len(cuts)),
                scene=f"{self.name} {self._source.resolve().name} {name}",
                words=tuple(words[index] for index in before[first : stop - 1]),
                decode=decode,
                metadata={"camera": self._info.camera, "robot": self._info.robot},
                ends=range(2, stop - first + 1),
            )

    def _video(self, row: dict[str, Any]) -> Path | None:
        """The video file that a row names, there or not, below the source."""
        try:
            return self._place(self._info.video_path, row, f"videos/{self._info.camera}")
        except UnusableError:
            return None  # the episode says so

    def _cut_off(self, video: Path) -> Iterator[Finding]:
        """Once a file, before its episodes."""
        try:
            is_cut = video_facts(video).is_cut
        except UnusableError:
            return  # so do its episodes
        if is_cut:
            told = video.relative_to(self._source).as_posix()
            yield Finding(told, "short-video", "the file is cut off before the end that its index tells", False)

    def _begin(self, row: dict[str, Any], length: int) -> float:
        """Where in its video file the episode begins, in seconds."""
        begin, end = (row.get(f"videos/{self._info.camera}/{name}_timestamp") for name in ("from", "to"))
        if not isinstance(begin, float | int) or not 0 <= begin <= LONGEST_RECORDING:
            raise UnusableError("bad-row", f"from_timestamp is {begin!r}, want seconds")
        if isinstance(end, float | int) and not abs(end - begin - length / self._info.fps) < 1.5 / self._info.fps:
            told = f"{length} frames at {self._info.fps:g} a second"
            raise UnusableError("bad-row", f"{told} do not last from {begin:g} to {end:g} s")
        return float(begin)

    def _words(self, row: dict[str, Any], length: int, tasks: dict[int, str]) -> list[Words]:
        """What is done at each of the episode's frames."""
        episode = _whole(row, "episode_index", 0)
        path = self._file(self._info.data_path, row, "data")
        table = self._rows(path)
        try:
            numbers = table.filter(pc.field("episode_index") == episode).column("task_index").to_pylist()
        except _PARQUET_ERRORS as error:
            raise UnusableError(
                "broken-file", f"{path} numbers no episodes ({' '.join(str(error).split())})"
            ) from error
        if not all(isinstance(number, int) for number in numbers):
            raise UnusableError("broken-file", f"task_index of {path} holds more than whole numbers")
        if len(numbers) != length:
            raise UnusableError("bad-row", f"its data file has {len(numbers)} frames of it, the table says {length}")
        if unknown := {number for number in numbers if number not in tasks}:
            raise UnusableError("unknown-label", f"task {min(map(str, unknown))} is not in meta/tasks.parquet")
        told = {number: words_of(tasks[number]) for number in set(numbers)}
        return [told[number] for number in numbers]

    def _rows(self, path: Path) -> pa.Table:
        if self._data is None or self._data[0] != path:
            self._data = None
            try:
                self._data = path, pq.read_table(path, columns=["episode_index", "task_index"])
            except _PARQUET_ERRORS as error:
                raise UnusableError("broken-file", f"{path} cannot be read ({' '.join(str(error).split())})") from error
        return self._data[1]

    def _decode_images(self, row: dict[str, Any], picks: np.ndarray) -> Frames:
        path = self._file(self._info.data_path, row, "data")
        try:
            mine = [("episode_index", "=", row["episode_index"])]
            column = pq.read_table(path, columns=[self._info.camera], filters=mine).column(0)
            images = [column[int(pick)].as_py() for pick in picks]
            data = [image["bytes"] if isinstance(image, dict) else image for image in images]
        except (*_PARQUET_ERRORS, IndexError, TypeError) as error:
            raise UnusableError("broken-file", f"{path} cannot be read ({' '.join(str(error).split())})") from error
        return decode_images(data, self._settings.size)

    def _file(self, template: str, row: dict[str, Any], prefix: str) -> Path:
        path = self._source / self._place(template, row, prefix)
        if not os.path.isfile(path):
            raise UnusableError("missing-video" if prefix != "data" else "broken-file", f"there is no {path}")
        return path

    def _place(self, template: str, row: dict[str, Any], prefix: str) -> Path:
        chunk, file = _whole(row, f"{prefix}/chunk_index", 0), _whole(row, f"{prefix}/file_index", 0)
        try:
            return Path(template.format(chunk_index=chunk, file_index=file, video_key=self._info.camera))
        except ValueError as error:
            raise UnusableError(
                "broken-file", f"the path {template!r} of meta/info.json cannot be filled in"
            ) from error

    def _read_tasks(self) -> dict[int, str]:
        path = self._source / "meta" / "tasks.parquet"
        try:
            table = pq.read_table(path)
            # pandas keeps the text as the index, whose column may be called anything.
            texts = [name for name in table.column_names if pa.types.is_string(_plain(table.schema.field(name).type))]
            return dict(zip(table["task_index"].to_pylist(), table[texts[0]].to_pylist(), strict=True))
        except (*_PARQUET_ERRORS, IndexError) as error:
            raise UserError(f"cannot read {path}: {' '.join(str(error).split())}; fetch it anew") from error


def _plain(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_large_string(kind) else kind


def _whole(row: dict[str, Any], column: str, low: int) -> int:
    value = row.get(column)
    if not isinstance(value, int) or not low <= value < 2**31:
        raise UnusableError("bad-row", f"{column} is {value!r}, want a whole number")
    return value


def _read_info(path: Path, settings: ImportSettings) -> _Info:
    """Reads meta/info.json.

    Raises:
        UserError: missing, broken, another version, no camera, or not the one that is asked for.
    """
    info = read_json(path)
    version = info.get("codebase_version") if isinstance(info, dict) else None
    if not isinstance(version, str) or not version.startswith("v3"):
        raise UserError(
            f"{path} tells the version {version!r}; version 3 is read here, and lerobot converts older sets to it"
        )
    features = info.get("features")
    features = features if isinstance(features, dict) else {}
    kinds = {name: each.get("dtype") for name, each in features.items() if isinstance(each, dict)}
    cameras = [name for name, kind in kinds.items() if kind in ("video", "image")]
    if not cameras or (settings.camera and settings.camera not in cameras):
        wanted = f"no camera {settings.camera!r}" if settings.camera else "no camera"
        raise UserError(f"{path} has {wanted}; it has {', '.join(cameras) or 'none'}")
    fps, data_path, video_path = (info.get(name) for name in ("fps", "data_path", "video_path"))
    camera = settings.camera or cameras[0]
    is_video = kinds[camera] == "video"
    templates = [data_path, video_path] if is_video else [data_path]
    has_paths = all(isinstance(each, str) and _TEMPLATE.fullmatch(each) for each in templates)
    if not has_paths or not isinstance(fps, int | float) or not 0.1 <= fps <= 1000:
        raise UserError(f"{path} lacks a sound fps, data_path or video_path; fetch it anew")
    splits = info.get("splits")
    splits = splits if isinstance(splits, dict) else {}
    told = splits.get(settings.split)
    if told is None and (others := [name for name in SPLITS if name in splits]):
        raise UserError(f"{path} has no split {settings.split!r}; it has {', '.join(others)}")
    found = re.fullmatch(r"(\d{1,9}):(\d{1,9})", told) if isinstance(told, str) else None
    total = info.get("total_episodes")
    total = total if isinstance(total, int) else None
    episodes = range(int(found[1]), int(found[2])) if found else None
    return _Info(
        float(fps), data_path, video_path or "", camera, is_video, str(info.get("robot_type") or ""), episodes, total
    )
