"""The JSON headers of a data set and of an episode."""

import reprlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from slowfast_vgen.data.rules import SPLITS, Defect, refuse, require
from slowfast_vgen.data.video import FPS_RANGE, LARGEST_FRAMES
from slowfast_vgen.errors import UserError
from slowfast_vgen.files import read_json
from slowfast_vgen.sealed import FILES, OWN, own_hash, write_record

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


def read_dataset_header(path: Path) -> DatasetHeader:
    """Reads dataset.json.

    Raises:
        DefectiveDataError: missing, not JSON, another format or version, or fields that are missing or unfit.
    """
    return DatasetHeader(**_read(path, "slowfast-dataset", _DATASET_FIELDS))


def read_episode_header(path: Path) -> EpisodeHeader:
    """Reads episode.json.

    Raises:
        DefectiveDataError: as `read_dataset_header`.
    """
    return EpisodeHeader(**_read(path, "slowfast-episode", _EPISODE_FIELDS))


def write_header(path: Path, header: DatasetHeader | EpisodeHeader) -> None:
    """Writes either header.

    Raises:
        UserError: a value that JSON cannot keep, such as NaN or an array, or one that a reader would refuse.
    """
    name, fields = (
        ("slowfast-dataset", _DATASET_FIELDS)
        if isinstance(header, DatasetHeader)
        else ("slowfast-episode", _EPISODE_FIELDS)
    )
    record = {"format": name, "version": VERSION, **asdict(header)}
    refuse(_field_defects(path, record, name, fields))
    try:
        write_record(path, {FILES: {}} | record)
    except UserError:  # is a ValueError, and says all there is to say
        raise
    except (TypeError, ValueError) as error:
        raise UserError(f"cannot write {path}: {error}; give JSON values only") from error


def _read(path: Path, name: str, fields: "_Fields") -> dict[str, Any]:
    require(path)
    try:
        record = read_json(path)
    except (UserError, RecursionError) as error:
        refuse([Defect(str(path), "bad-json", str(error))])
    refuse(_field_defects(path, record, name, fields))
    # A header from before there were seals has neither of the two.
    if (OWN in record or FILES in record) and record.get(OWN) != own_hash(record):
        refuse([Defect(str(path), "checksum", "its values do not fit its own SHA-256 (header_sha256)")])
    sealed = {FILES: record[FILES]} if name == "slowfast-episode" and FILES in record else {}
    return {field: record[field] for field in fields} | sealed


def _field_defects(path: Path, record: Any, name: str, fields: "_Fields") -> list[Defect]:
    if not isinstance(record, dict):
        return [Defect(str(path), "bad-header", "the file holds no JSON object")]
    if (found := record.get("format")) != name:
        return [Defect(str(path), "wrong-format", f'format is {reprlib.repr(found)}, want "{name}"')]
    if (found := record.get("version")) != VERSION or isinstance(found, bool):
        return [Defect(str(path), "wrong-version", f"version is {reprlib.repr(found)}, want {VERSION}")]
    defects = []
    named = record.get(FILES, {})
    if not isinstance(named, dict) or not all(_is_sha256(digest) for digest in named.values()):
        defects.append(
            Defect(str(path), "bad-header", f"{FILES} is {reprlib.repr(named)}, want a SHA-256 of each file")
        )
    for field_name, (is_fit, wanted) in fields.items():
        if field_name not in record:
            defects.append(Defect(str(path), "bad-header", f"the field {field_name} is missing"))
        elif not is_fit(record[field_name]):
            message = f"{field_name} is {reprlib.repr(record[field_name])}, want {wanted}"
            defects.append(Defect(str(path), "bad-header", message))
    if fields is _EPISODE_FIELDS and not defects:
        num_bytes = 3 * record["num_frames"] * record["height"] * record["width"]
        if num_bytes > LARGEST_FRAMES:
            message = f"its frames would take {num_bytes} bytes, {LARGEST_FRAMES} at most are read"
            defects.append(Defect(str(path), "bad-header", message))
    return defects


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_sha256(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")


_Fields = dict[str, tuple[Callable[[Any], bool], str]]
_COUNT = (lambda value: _is_number(value) and isinstance(value, int) and 1 <= value < 2**31, "a whole number above 0")
_OBJECT = (lambda value: isinstance(value, dict), "a JSON object")
_DATASET_FIELDS: _Fields = {
    "world": (lambda value: isinstance(value, str) and bool(value.strip()), "a name"),
    "split": (lambda value: value in SPLITS, f"one of {', '.join(SPLITS)}"),
    "num_episodes": _COUNT,
    "creation": _OBJECT,
}
_EPISODE_FIELDS: _Fields = {
    "num_frames": _COUNT,
    "height": _COUNT,
    "width": _COUNT,
    "fps": (
        lambda value: _is_number(value) and FPS_RANGE[0] <= value <= FPS_RANGE[1],
        f"{FPS_RANGE[0]} to {FPS_RANGE[1]} frames a second",
    ),
    "has_poses": (lambda value: isinstance(value, bool), "true or false"),
    "video_sha256": (_is_sha256, "64 hexadecimal digits"),
    "metadata": _OBJECT,
}
