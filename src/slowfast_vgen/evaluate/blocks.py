"""Finished parts of a long measurement, kept in files so that a stopped run goes on where it was."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar
from zipfile import BadZipFile

import numpy as np

from slowfast_vgen.files import atomic_path

Progress = Callable[[int], Any]
"""Is told how many more units of work are done."""


class ArrayRecord(Protocol):
    """A dataclass whose fields are all numpy arrays."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


Record = TypeVar("Record", bound=ArrayRecord)


@dataclass(frozen=True)
class Block(Generic[Record]):
    """One part of a measurement that is computed whole: a record of arrays."""

    name: str
    """Also the name of its file."""
    record: type[Record]
    work: int
    """How many units `compute` reports as it goes on."""
    compute: Callable[[Progress], Record]

    def file(self, folder: Path) -> Path:
        """Where the result is kept."""
        return folder / f"{self.name}.npz"


def finished(block: Block[Record], folder: Path | None) -> Record | None:
    """The block's result if it is kept in `folder`; None if not, or if the file is damaged."""
    if folder is None or not block.file(folder).is_file():
        return None
    try:
        with np.load(block.file(folder), allow_pickle=False) as arrays:
            return block.record(**{field.name: arrays[field.name] for field in fields(block.record)})
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None


def compute(block: Block[Record], folder: Path | None, progress: Progress) -> Record:
    """Computes the block's result and keeps it in `folder` (None keeps nothing)."""
    record = block.compute(progress)
    if folder is not None:
        with atomic_path(block.file(folder)) as temporary:
            np.savez_compressed(temporary, **{field.name: getattr(record, field.name) for field in fields(record)})
    return record
