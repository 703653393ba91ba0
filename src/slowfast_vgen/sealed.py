"""Sealed folders: a JSON header names every other file by its SHA-256, and gives a SHA-256 of itself.

    {"format": "slowfast-session", "version": 2, ...the fields of a dataclass...,
     "sha256": {"session.safetensors": "...", "memory/memory.json": "..."}, "header_sha256": "..."}

A header may name the header of a folder inside, which then names that folder's files. Each file is read once: its
bytes are hashed, and these very bytes are used; so a writer that replaces the folder meanwhile can mix nothing up. A
file that no header names is refused, since a library might prefer it to the one that was checked.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path, PurePosixPath
from types import UnionType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from slowfast_vgen.errors import UserError
from slowfast_vgen.file_system import contents, recover
from slowfast_vgen.files import check_folder_target, parse_json, read_bytes, sha256_of_bytes, sha256_of_file, write_json

FILES, OWN = "sha256", "header_sha256"
"""Fields of a header: the hashes of the other files, and its own hash."""
MOST_HEADER_BYTES = 64 * 2**20
"""Most bytes of a header, and of any other file that holds no tensors."""
_TENSORS, _MOST_TENSOR_HEADER = ".safetensors", 100_000_000
_TRIES = 20
_LEFT_BY_SYSTEMS = {".DS_Store", "Thumbs.db", "desktop.ini"}

if TYPE_CHECKING:
    from torch import Tensor

Header = TypeVar("Header")
Record = dict[str, Any]


def own_hash(record: Mapping[str, Any]) -> str:
    """Hex SHA-256 over a header's values without its own hash."""
    values = {name: value for name, value in record.items() if name != OWN}
    return sha256_of_bytes(json.dumps(values, sort_keys=True).encode())


def write_record(path: Path, record: Record) -> None:
    """Writes a header with a SHA-256 of itself.

    Raises:
        TypeError, ValueError: a value that JSON cannot keep.
    """
    kept = json.loads(json.dumps(record))  # as a reader gets it: names that are numbers, say, become text
    write_json(path, kept | {OWN: own_hash(kept)})


def files_in(folder: Path) -> set[str]:
    """Names of all files below a folder, with forward slashes, except those that operating systems leave."""
    paths = set()
    for parent, _, names in os.walk(folder):
        for name in names:
            if name not in _LEFT_BY_SYSTEMS and not name.startswith("._"):
                paths.add(Path(parent, name).relative_to(folder).as_posix())
    return paths


@dataclass(frozen=True)
class Sealed(Generic[Header]):
    """The checked bytes of a sealed folder's header and files."""

    folder: Path
    header: Header
    files: Mapping[str, bytes]
    """Bytes of the files by their names in the folder, such as `denoiser/config.json`."""

    def tensors(self, name: str) -> "dict[str, Tensor]":
        """Parses the tensors of a safetensors file.

        Raises:
            UserError: there is no such file, or it is not readable.
        """
        from slowfast_vgen.tensors import parse_tensors  # here, since headers are read without torch

        if name not in self.files:
            raise UserError(f"{self.folder} has no {name}, or no SHA-256 names it; write it again")
        return parse_tensors(self.folder / name, self.files[name])


@dataclass(frozen=True)
class Seal(Generic[Header]):
    """One kind of sealed folder."""

    what: str
    """Name of this kind in messages, such as "session"."""
    file: str
    """File name of the header."""
    format: str
    version: int
    header: type[Header]
    """A dataclass: the fields of the header, whose types are checked. Whole numbers are from 0 to 2**31 - 1."""
    writer: str = "this program"
    """Name of the program that writes such folders, for messages."""
    old: Callable[[Record], Record | None] = lambda record: None
    """Callback: converts a header from before there were seals to today's form; None where it is no such header."""

    def seal(self, folder: Path, header: Header) -> None:
        """Writes the header into a folder that is otherwise complete."""
        files = {name: sha256_of_file(folder / name) for name in sorted(files_in(folder) - {self.file})}
        record = {"format": self.format, "version": self.version, **asdict(header), FILES: files}  # type: ignore[call-overload]
        write_record(folder / self.file, record)

    def read(self, folder: Path, only: Sequence[str] | None = None) -> Sealed[Header]:
        """Reads and checks a whole folder, or `only` the files of these names that the header has.

        Raises:
            UserError: none there, another version, a file that is missing, damaged or not named, an impossible header.
        """
        recover(folder)
        for _ in range(_TRIES):
            moment, before = self._moment(folder), self._header_bytes(folder)
            try:
                return self._read(folder, before, only)
            except UserError:
                if (self._moment(folder), self._header_bytes(folder)) == (moment, before):
                    raise
            time.sleep(0.01)  # it was replaced meanwhile
        raise UserError(f"the {self.what} in {folder} is replaced all the time; read it when its writer is done")

    def read_header(self, folder: Path) -> Header:
        """Reads the header alone, checked against its own hash; the other files are not read.

        Raises:
            UserError: no header there, another version, or damaged.
        """
        recover(folder)
        return self._parse(folder, self._record(folder, self._header_bytes(folder)))

    def named(self, folder: Path) -> dict[str, str]:
        """Name -> SHA-256 of every file that the header itself names; the files are not read.

        Raises:
            UserError: as `read_header`.
        """
        record = self._record(folder, self._header_bytes(folder))
        return {name: sha for name, sha in record.get(FILES, {}).items() if isinstance(sha, str)}

    def within(self, sealed: Sealed[Any], name: str) -> Sealed[Header]:
        """The sealed folder `name` inside another one, from the files that were read with the outer one.

        Raises:
            UserError: as `read`.
        """
        folder, inside = sealed.folder / name, f"{name}/"
        files = {key[len(inside) :]: value for key, value in sealed.files.items() if key.startswith(inside)}
        if self.file not in files:
            raise UserError(f"{folder} holds no {self.what} (no {self.file}), though a header names it; write it again")
        return Sealed(folder, self._parse(folder, self._record(folder, files[self.file])), files)

    def check_target(self, folder: Path) -> None:
        """Refuses a folder that may not be replaced: a check before a long run, so that the result can be saved.

        Raises:
            UserError: a file or a mounted disk, or a folder that holds something else than such a sealed folder.
        """
        check_folder_target(folder)
        if not folder.is_dir() or not contents(folder):
            return
        try:
            record = self._record(folder, self._header_bytes(folder))
            named = set(_named(folder, self.file, record, lambda name: read_bytes(folder / name)))
        except UserError:
            named = set()
        if strangers := sorted(files_in(folder) - named) or ([] if named else ["folders"]):
            raise UserError(
                f"{folder} holds other files ({', '.join(strangers[:3])}) and would be replaced; give a new folder or "
                f"one of an older {self.what}"
            )

    def _moment(self, folder: Path) -> tuple[int, int] | None:
        """Distinguishes two headers, even ones of the same content."""
        try:
            status = (folder / self.file).stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns

    def _header_bytes(self, folder: Path) -> bytes:
        path = folder / self.file
        if not os.path.isfile(path):
            raise UserError(f"{folder} holds no {self.what} (no {self.file}); give a folder that {self.writer} wrote")
        return read_bytes(path, MOST_HEADER_BYTES)

    def _record(self, folder: Path, content: bytes) -> Record:
        path = folder / self.file
        record = parse_json(path, content)
        if isinstance(record, dict) and OWN not in record and (brought := self.old(record)) is not None:
            return brought
        if not isinstance(record, dict) or (record.get("format"), record.get("version")) != (self.format, self.version):
            raise UserError(f"{path} is no {self.what} of format version {self.version}; write it again")
        if record.get(OWN) != own_hash(record):
            raise UserError(f"{path} is damaged: its values do not fit its own SHA-256; write the {self.what} again")
        return record

    def _parse(self, folder: Path, record: Record) -> Header:
        values = {name: value for name, value in record.items() if name not in ("format", "version", FILES, OWN)}
        try:
            return from_json(self.header, values)
        except ValueError as error:
            raise UserError(f"{folder / self.file}: {error}, which no {self.what} has; write it again") from error

    def _read(self, folder: Path, content: bytes, only: Sequence[str] | None) -> Sealed[Header]:
        record = self._record(folder, content)
        header = self._parse(folder, record)
        if only is not None and isinstance(files := record.get(FILES), dict):
            record = {FILES: {name: files[name] for name in only if name in files}}
        contents: dict[str, bytes] = {self.file: content}

        def take(name: str) -> bytes:
            path = folder / name
            if not os.path.isfile(path):
                raise UserError(f"{folder / name[:200]} is missing from the {self.what}; write or copy it again")
            contents[name] = read_bytes(path, _told_size(path))
            return contents[name]

        for name, expected in _named(folder, self.file, record, take).items():
            if name != self.file and sha256_of_bytes(contents[name]) != expected:
                raise UserError(
                    f"{folder / name} is damaged: its SHA-256 is not the one in {self.file}; write or copy the "
                    f"{self.what} again"
                )
        if only is None and (strangers := sorted(files_in(folder) - contents.keys())):
            raise UserError(
                f"{folder / strangers[0]} is no part of the {self.what}: no SHA-256 names it; move it elsewhere"
            )
        return Sealed(folder, header, contents)


def _named(folder: Path, file: str, record: Record, read: Callable[[str], bytes]) -> dict[str, str]:
    """Name -> SHA-256 of every file that a header names, and of those that the headers among these name."""
    named: dict[str, str] = {file: ""}
    waiting = [("", record)]
    while waiting:
        prefix, one = waiting.pop()
        files = one.get(FILES)
        if not isinstance(files, dict):
            raise UserError(f"{folder / file} names no files; write it again")
        for name, expected in files.items():
            if not isinstance(expected, str) or not _is_inside(name):
                raise UserError(f"{folder / file} names {name!r:.80}, which is no file of its folder; write it again")
            if prefix + name in named:
                continue
            named[prefix + name] = expected
            content = read(prefix + name)
            if name.endswith(".json") and f'"{OWN}"'.encode() in content:
                inner = parse_json(folder / (prefix + name), content)
                if isinstance(inner, dict) and FILES in inner:
                    waiting.append((prefix + name[: name.rfind("/") + 1], inner))
    return named


def _told_size(path: Path) -> int:
    """Most bytes that a file may have: read from a large file's own header before memory is taken for it."""
    try:
        if path.suffix != _TENSORS or path.stat().st_size <= MOST_HEADER_BYTES:
            return MOST_HEADER_BYTES
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if length <= _MOST_TENSOR_HEADER else {}
        ends = [row["data_offsets"][1] for name, row in header.items() if name != "__metadata__"]
        return 8 + length + int(max(ends, default=0))
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError, OverflowError):
        return MOST_HEADER_BYTES


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts and "\\" not in name and "\0" not in name


def from_json(kind: type[Header], values: Mapping[str, Any]) -> Header:
    """Makes a dataclass from JSON values, whose names and types are those of its fields.

    Raises:
        ValueError: a value is missing, unknown or of another type; the message says which.

    >>> from_json(Seal, {"what": 3})
    Traceback (most recent call last):
    ValueError: it gives what as 3
    """
    hints = get_type_hints(kind)
    for name, value in values.items():
        if name not in hints:
            raise ValueError(f"it gives {name!r:.60}")
        if not fits(value, hints[name]):
            raise ValueError(f"it gives {name} as {value!r:.80}")
    for field in fields(kind):  # type: ignore[arg-type]
        if field.name not in values and field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"it does not give {field.name}")
    return kind(**values)


def fits(value: Any, hint: Any) -> bool:
    """True if a JSON value is of a field's type. Whole numbers are from 0 to 2**31 - 1, and the others finite."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if hint is None or hint is type(None):
        return value is None
    if origin in (Union, UnionType):
        return any(fits(value, each) for each in inner)
    if origin is Literal:
        return value in inner
    if hint is bool or isinstance(value, bool):
        return isinstance(value, bool) and hint is bool
    if hint is int:
        return isinstance(value, int) and 0 <= value < 2**31
    if hint is float:
        return isinstance(value, int | float) and abs(value) <= sys.float_info.max
    if origin in (list, tuple):
        return isinstance(value, list) and all(fits(each, inner[0]) for each in value)
    if origin is dict:
        return isinstance(value, dict) and all(fits(k, inner[0]) and fits(v, inner[1]) for k, v in value.items())
    return isinstance(value, hint)
