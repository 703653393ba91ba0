"""The JSON headers of a data set and of an episode."""

import json
import reprlib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from slowfast_vgen.data.rules import SPLITS, Defect, refuse, require
from slowfast_vgen.data.video import FPS_RANGE, LARGEST_FRAMES
from slowfast_vgen.errors import UserError
from slowfast_vgen.files import read_json
from slowfast_vgen.sealed import FILES, OWN, from_json, own_hash, write_record

VERSION = 1
"""Version of the whole format; a reader refuses any other."""


@dataclass(frozen=True)
class DatasetHeader:
    """Content of dataset.json."""

    world: str
    """Environment or source of the episodes, such as "vizdoom-rooms"."""
    split: str
    """Split of the episodes: train, validation or test."""
    num_episodes: int
    """Number of episodes of the finished data set; there are fewer while it is being made."""
    creation: dict[str, Any] = field(default_factory=dict)
    """JSON values: the settings that it was made with, needed to continue making it."""

    def fault(self) -> str:
        """Returns what no such header can have; empty if there is nothing."""
        if not self.world.strip():
            return "world is empty, want a name"
        if self.split not in SPLITS:
            return f"split is {self.split!r:.60}, want one of {', '.join(SPLITS)}"
        return "" if self.num_episodes > 0 else "num_episodes is 0, want a whole number above 0"


@dataclass(frozen=True)
class EpisodeHeader:
    """Content of episode.json."""

    num_frames: int
    height: int
    """Frame height in pixels."""
    width: int
    """Frame width in pixels."""
    fps: float
    has_poses: bool
    video_sha256: str
    metadata: dict[str, Any]
    """JSON values as in `Episode.metadata`."""
    sha256: dict[str, str] = field(default_factory=dict)
    """SHA-256 of each other file of the episode; empty in data sets from before there were seals."""

    def fault(self) -> str:
        """Returns what no such header can have; empty if there is nothing."""
        if not all((self.num_frames, self.height, self.width)):
            return "num_frames, height or width is 0, want whole numbers above 0"
        if not FPS_RANGE[0] <= self.fps <= FPS_RANGE[1]:
            return f"fps is {self.fps}, want {FPS_RANGE[0]} to {FPS_RANGE[1]} frames a second"
        if not all(map(_is_sha256, (self.video_sha256, *self.sha256.values()))):
            return f"video_sha256 or {FILES} holds another text than the 64 hexadecimal digits of a SHA-256"
        num_bytes = 3 * self.num_frames * self.height * self.width
        too_large = f"its frames would take {num_bytes} bytes, {LARGEST_FRAMES} at most are read"
        return too_large if num_bytes > LARGEST_FRAMES else ""


_FORMATS = {DatasetHeader: "slowfast-dataset", EpisodeHeader: "slowfast-episode"}
_Header = TypeVar("_Header", bound=DatasetHeader | EpisodeHeader)


def read_dataset_header(path: Path) -> DatasetHeader:
    """Reads dataset.json.

    Raises:
        DefectiveDataError: missing, not JSON, another format or version, or fields that are missing or unfit.
    """
    return _read(path, DatasetHeader)


def read_episode_header(path: Path) -> EpisodeHeader:
    """Reads episode.json.

    Raises:
        DefectiveDataError: as `read_dataset_header`.
    """
    return _read(path, EpisodeHeader)


def write_header(path: Path, header: DatasetHeader | EpisodeHeader) -> None:
    """Writes either header.

    Raises:
        UserError: a value that JSON cannot keep, such as NaN or an array, or one that a reader would refuse.
    """
    try:
        record = json.loads(json.dumps({"format": _FORMATS[type(header)], "version": VERSION, **asdict(header)}))
        _parse(path, record, type(header))
        write_record(path, {FILES: {}} | record)
    except UserError:  # is a ValueError with a complete message
        raise
    except (TypeError, ValueError) as error:
        raise UserError(f"cannot write {path}: {error}; give JSON values only") from error


def refuse_changed(path: Path, record: dict[str, Any], fix: str = "") -> None:
    """Refuses a sealed JSON file that does not fit its own SHA-256; one from before there were seals has none.

    Raises:
        DefectiveDataError: its values were changed.
    """
    if (OWN in record or FILES in record) and record.get(OWN) != own_hash(record):
        refuse([Defect(str(path), "checksum", f"its values do not fit its own SHA-256 ({OWN}){fix}")])


def _read(path: Path, kind: type[_Header]) -> _Header:
    require(path)
    try:
        record = read_json(path)
    except (UserError, RecursionError) as error:
        refuse([Defect(str(path), "bad-json", str(error))])
    header = _parse(path, record, kind)
    refuse_changed(path, record)
    return header


def _parse(path: Path, record: Any, kind: type[_Header]) -> _Header:
    """Returns the header in a JSON value.

    Raises:
        DefectiveDataError: another format or version, or fields that are missing or unfit.
    """
    if not isinstance(record, dict):
        refuse([Defect(str(path), "bad-header", "the file holds no JSON object")])
    if (form := record.get("format")) != _FORMATS[kind]:
        refuse([Defect(str(path), "wrong-format", f'format is {reprlib.repr(form)}, want "{_FORMATS[kind]}"')])
    if (version := record.get("version")) != VERSION or isinstance(version, bool):
        refuse([Defect(str(path), "wrong-version", f"version is {reprlib.repr(version)}, want {VERSION}")])
    names = {field.name for field in fields(kind)}
    try:
        header = from_json(kind, {name: value for name, value in record.items() if name in names})
        fault = header.fault()
    except ValueError as error:
        fault = str(error)
    refuse([Defect(str(path), "bad-header", fault)] if fault else [])
    return header


def _is_sha256(value: str) -> bool:
    return len(value) == 64 and set(value) <= set("0123456789abcdef")
