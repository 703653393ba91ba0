"""Sound things of every kind that is read, each so small that it can be damaged by the thousand, and their readers.

Of each kind there are two that differ, so that files can be swapped between them. Whoever reads one goes through the
door that users have, and tells all that came out of it, by a hash: a session by the frames of its next steps, a data
set by every pixel. `sound_models` and `sound_data` list them.
"""

import hashlib
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Kind:
    """One kind of thing that is read."""

    name: str
    make: Callable[[Path, int], None]
    """Writes a sound one into an empty folder; 0 or 1 gives one or the other."""
    read: Callable[[Path], str]
    """A hash of all that comes out of it."""
    is_sealed: bool = True
    """Whether each byte of it is held against a checksum: else damage can look like another sound one."""


def told(*values: Any) -> str:
    """Hex SHA-256 over values: arrays, tensors, texts, numbers, lists and dictionaries of these."""
    digest = hashlib.sha256()
    for value in _flat(values):
        digest.update(value)
    return digest.hexdigest()


def _flat(value: Any) -> Iterator[bytes]:
    if isinstance(value, dict):
        value = list(value.items())
    if hasattr(value, "detach"):
        value = value.detach().cpu().contiguous().numpy()
    if isinstance(value, np.ndarray):
        yield f"{value.dtype} {value.shape}".encode()
        yield np.ascontiguousarray(value).tobytes()
    elif isinstance(value, list | tuple):
        yield b"["
        for each in value:
            yield from _flat(each)
        yield b"]"
    else:
        yield repr(value).encode("utf-8", "surrogatepass")


@contextmanager
def without_warnings() -> Iterator[None]:
    """What warns of other threads or another precision is not what is tried here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
