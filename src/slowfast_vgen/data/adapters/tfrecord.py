"""TFRecord files and the `Example` records in them, without TensorFlow.

A record is: length (uint64), masked CRC-32C of it (uint32), the data, masked CRC-32C of them; all little-endian
(tensorflow/core/lib/io/record_writer.h). An `Example` (tensorflow/core/example/example.proto) is a map from a name to a
list of bytes, floats or whole numbers, in protobuf's wire format.
"""

import gzip
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from slowfast_vgen.data.adapters.base import UnusableError
from slowfast_vgen.data.adapters.crc32c import masked_crc32c
from slowfast_vgen.data.adapters.places import is_regular
from slowfast_vgen.data.rules import one_line

Feature = list[memoryview] | np.ndarray
"""Values of a feature: byte strings, float32 numbers or int64 numbers."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


LARGEST_RECORD = 2**31
"""Largest number of bytes of a record."""
_GZIP_MAGIC = b"\x1f\x8b"
_MOST_SHRUNK = 100
"""Largest compression ratio of a record in a compressed file: its pictures are compressed already."""
_ERRORS = (OSError, EOFError, MemoryError, zlib.error)


@dataclass(frozen=True)
class Place:
    """Location of a record in its file."""

    path: Path
    start: int
    """Offset of its data in the decompressed file."""
    size: int


def record_places(path: Path) -> Iterator[Place]:
    """Yields the locations of a file's records, compressed by gzip or not, and reads only their lengths.

    Raises:
        UnusableError: a length that fails its checksum, or a file that ends within a record: no record can be found
            after that.
    """
    try:
        with _opened(path) as file:
            most = _most_bytes(path)
            position = 0
            while head := file.read(12):
                size, checksum = struct.unpack("<QI", head) if len(head) == 12 else (0, -1)
                if masked_crc32c(head[:8]) != checksum:
                    raise UnusableError(
                        "broken-file", f"the length at byte {position} fails its checksum; the file ends there for us"
                    )
                if size > LARGEST_RECORD:
                    raise UnusableError("broken-file", f"the record at byte {position} says that it has {size} bytes")
                # A compressed file is read to the end of the record; in an uncompressed one records are skipped.
                if position + 16 + size > most or not _is_there(file, position + 16 + size):
                    raise UnusableError("broken-file", f"the file ends within the record at byte {position}")
                yield Place(path, position + 12, size)
                position += 16 + size
                file.seek(position)
    except _ERRORS as error:
        raise UnusableError("broken-file", f"{path} cannot be read ({one_line(error)})") from error


def read_record(place: Place) -> memoryview:
    """Reads the data of one record.

    Raises:
        UnusableError: the data fail their checksum, or cannot be read.
    """
    try:
        with _opened(place.path) as file:
            file.seek(place.start)
            data = memoryview(file.read(place.size))
            tail = file.read(4)
    except _ERRORS as error:
        raise UnusableError("broken-file", f"{place.path} cannot be read ({one_line(error)})") from error
    if len(tail) != 4 or masked_crc32c(data) != struct.unpack("<I", tail)[0]:
        raise UnusableError("broken-file", f"the record of {place.size} bytes fails its checksum")
    return data


def _opened(path: Path) -> BinaryIO:
    if path.exists() and not is_regular(path):
        raise UnusableError("broken-file", f"{path} is no regular file")
    return cast(BinaryIO, gzip.open(path, "rb")) if _is_compressed(path) else path.open("rb")


def _is_compressed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == _GZIP_MAGIC


def _most_bytes(path: Path) -> int:
    size = path.stat().st_size
    return _MOST_SHRUNK * size if _is_compressed(path) else size


def _is_there(file: BinaryIO, end: int) -> bool:
    """Returns whether the file has at least `end` bytes."""
    if not isinstance(file, gzip.GzipFile):
        return True
    file.seek(end - 1)
    return len(file.read(1)) == 1


def read_example(data: memoryview) -> dict[str, Feature]:
    """Parses the features of an `Example`.

    Raises:
        UnusableError: `data` is not in protobuf's wire format.
    """
    features: dict[str, Feature] = {}
    try:
        for number, value in _fields(data):
            if number == 1 and isinstance(value, memoryview):  # Example.features
                for inner, entry in _fields(value):
                    if inner == 1 and isinstance(entry, memoryview):  # Features.feature, a map
                        pair = dict(_fields(entry))
                        features[str(pair[1], "utf-8")] = _feature(pair.get(2, memoryview(b"")))
    except (ValueError, IndexError, KeyError, TypeError, struct.error) as error:
        raise UnusableError("broken-file", f"the record is no Example ({error})") from error
    return features


def _feature(data: memoryview) -> Feature:
    for field, value in _fields(data):
        items = list(_fields(value))
        if field == 1:
            return [item for _, item in items]
        if field == 2:  # floats, packed or not: four bytes each
            return np.frombuffer(b"".join(item for _, item in items), "<f4")
        if field == 3:
            numbers: list[int] = []
            for _, item in items:
                numbers += [item] if isinstance(item, int) else _varints(item)
            return np.array([number - 2**64 if number >= 2**63 else number for number in numbers], np.int64)
    return []


def _fields(data: memoryview) -> Iterator[tuple[int, Any]]:
    """Yields the fields of a message: the number and, by kind, a memoryview or a whole number."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        kind = key & 7
        if kind == _VARINT:
            value, position = _varint(data, position)
            yield key >> 3, value
            continue
        if kind == _BYTES:
            size, position = _varint(data, position)
        else:
            size = {_FIXED64: 8, _FIXED32: 4}[kind]
        if position + size > len(data):
            raise ValueError(f"a field of {size} bytes goes over the end")
        yield key >> 3, data[position : position + size]
        position += size


def _varints(data: memoryview) -> list[int]:
    numbers, position = [], 0
    while position < len(data):
        number, position = _varint(data, position)
        numbers.append(number)
    return numbers


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    """Returns a whole number stored in groups of seven bits, the lowest first, and the position of the next field."""
    number = 0
    for shift in range(0, 70, 7):
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & 0xFFFFFFFFFFFFFFFF, position
    raise ValueError("a number of more than ten bytes")
