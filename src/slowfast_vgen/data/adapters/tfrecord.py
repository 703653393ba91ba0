"""TFRecord files and the `Example` records in them, without TensorFlow.

A record is: length (uint64), masked CRC-32C of it (uint32), the data, masked CRC-32C of them; all little-endian
(tensorflow/core/lib/io/record_writer.h). An `Example` (tensorflow/core/example/example.proto) is a map from a name to a
list of bytes, floats or whole numbers, in protobuf's wire format.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from slowfast_vgen.data.adapters.base import UnusableError
from slowfast_vgen.data.adapters.crc32c import masked_crc32c

Feature = list[memoryview] | np.ndarray
"""Byte strings, float32 numbers or int64 numbers."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True)
class Place:
    """Where a record is in its file."""

    path: Path
    start: int
    """Of its data."""
    size: int


def record_places(path: Path) -> Iterator[Place]:
    """Walks over a file's records and reads their lengths alone.

    Raises:
        UnusableError: a length that fails its checksum, or a file that ends within a record: nothing can be found after
            that.
    """
    try:
        whole = path.stat().st_size
        with path.open("rb") as file:
            position = 0
            while position < whole:
                file.seek(position)
                head = file.read(12)
                size, checksum = struct.unpack("<QI", head) if len(head) == 12 else (0, -1)
                if masked_crc32c(head[:8]) != checksum:
                    raise UnusableError(
                        "broken-file", f"the length at byte {position} fails its checksum; the file ends there for us"
                    )
                if position + 16 + size > whole:
                    raise UnusableError("broken-file", f"the file ends within the record at byte {position}")
                yield Place(path, position + 12, size)
                position += 16 + size
    except OSError as error:
        raise UnusableError("broken-file", f"{path} cannot be read ({error.strerror or error})") from error


def read_record(place: Place) -> memoryview:
    """The data of one record.

    Raises:
        UnusableError: they fail their checksum, or cannot be read.
    """
    try:
        with place.path.open("rb") as file:
            file.seek(place.start)
            data = memoryview(file.read(place.size))
            tail = file.read(4)
    except (OSError, MemoryError) as error:
        raise UnusableError("broken-file", f"{place.path} cannot be read ({error})") from error
    if len(tail) != 4 or masked_crc32c(data) != struct.unpack("<I", tail)[0]:
        raise UnusableError("broken-file", f"the record of {place.size} bytes fails its checksum")
    return data


def read_example(data: memoryview) -> dict[str, Feature]:
    """The features of an `Example`.

    Raises:
        UnusableError: not protobuf's wire format.
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
    for number, value in _fields(data):
        items = list(_fields(value))
        if number == 1:
            return [item for _, item in items]
        if number == 2:  # floats, packed or one by one: both are four bytes each
            return np.frombuffer(b"".join(item for _, item in items), "<f4")
        if number == 3:
            numbers: list[int] = []
            for _, item in items:
                numbers += [item] if isinstance(item, int) else _varints(item)
            return np.array([each - 2**64 if each >= 2**63 else each for each in numbers], np.int64)
    return []


def _fields(data: memoryview) -> Iterator[tuple[int, Any]]:
    """The fields of a message: their numbers and, by kind, a memoryview or a whole number."""
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
    """A whole number in groups of seven bits, the lowest first, and where the next field begins."""
    number = 0
    for shift in range(0, 70, 7):
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & 0xFFFFFFFFFFFFFFFF, position
    raise ValueError("a number of more than ten bytes")
