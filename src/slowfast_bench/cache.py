"""Finished parts of a long measurement, kept in files so that a stopped run goes on where it was."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
from tqdm import tqdm

from slowfast_vgen.files import atomic_path, is_stream
from slowfast_vgen.machine import CHANGES, git_commit

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


class Records(dict[str, Any]):
    """The results of blocks by name, and the commits of the code that made those that were kept."""

    commits: frozenset[str] = frozenset()


_COMMIT = "_git_commit"
"""Beside a kept record's arrays: the commit of the code that made it; empty for none."""


def finished(block: Block[Record], folder: Path | None) -> Record | None:
    """The block's result if it is kept in `folder`; None if not, or if the file is damaged."""
    if folder is None or not block.file(folder).is_file():
        return None
    try:
        with np.load(block.file(folder), allow_pickle=False) as arrays:
            if arrays.zip.testzip() is not None:  # else a shorter shape would leave the checksum unread
                return None
            found = {field.name: arrays[field.name] for field in fields(block.record)}
    except Exception:  # on damaged files the readers of zip, deflate and numpy raise whatever they run into
        return None
    # What is no array in the archive comes out as its bytes.
    return block.record(**found) if all(isinstance(each, np.ndarray) for each in found.values()) else None


def compute(block: Block[Record], folder: Path | None, progress: Progress) -> Record:
    """Computes the block's result and keeps it in `folder` (None keeps nothing)."""
    record = block.compute(progress)
    if folder is not None:
        with atomic_path(block.file(folder)) as temporary:
            arrays = {field.name: getattr(record, field.name) for field in fields(record)}
            arrays[_COMMIT] = np.array(git_commit() or "")
            np.savez_compressed(temporary, **arrays)
    return record


def _commits(blocks: Sequence[Block[Any]], folder: Path | None) -> frozenset[str]:
    """What made the kept results of some blocks; those of versions that did not tell count as not clean."""
    found: set[str] = set()
    if folder is None:
        return frozenset()
    for block in blocks:
        try:
            with np.load(block.file(folder), allow_pickle=False) as arrays:
                found.add(str(arrays[_COMMIT]))
        except Exception:  # see `finished`
            found.add(f"unknown{CHANGES}")
    return frozenset(found - {""})


def cache_folder(results: Path, what: str, protocol: dict[str, Any]) -> Path | None:
    """Where finished parts are kept: beside the results, in a folder named after the protocol's hash.

    None where the results are no file, but go into a pipe or a device.

    Parts are computed seed by seed, so the number of seeds (`num_seeds`) plays no part in it: more may be added.
    """
    if is_stream(results):
        return None
    fixed = {name: value for name, value in protocol.items() if name != "num_seeds"}
    digest = hashlib.sha256(json.dumps(fixed, sort_keys=True).encode()).hexdigest()
    return results.parent / f".{what}-{digest[:16]}"


def run_blocks(blocks: Sequence[Block[Any]], folder: Path | None) -> Records:
    """The results of all blocks by name, those that `folder` holds from there; a bar shows how far it has come.

    Raises:
        KeyboardInterrupt: says how much is done.
    """
    git_commit()  # before anything is computed: the files may change while it goes on
    records = Records({block.name: record for block in blocks if (record := finished(block, folder)) is not None})
    records.commits = _commits([block for block in blocks if block.name in records], folder)
    missing = [block for block in blocks if block.name not in records]
    total = sum(block.work for block in blocks)
    done = total - sum(block.work for block in missing)
    with tqdm(total=total, initial=done, unit="chunk", dynamic_ncols=True, disable=not missing) as bar:
        for block in missing:
            bar.set_description(block.name)
            try:
                records[block.name] = compute(block, folder, bar.update)
            except KeyboardInterrupt:
                kept = f"; the same command goes on after {len(records)} of {len(blocks)} blocks" if folder else ""
                raise KeyboardInterrupt(f"stopped in {block.name}{kept}") from None
    return records


def joined(parts: Sequence[Record]) -> Record:
    """One record of all parts: the arrays one below the other; shorter rows are filled up with NaN."""
    names = parts[0].__dataclass_fields__
    return type(parts[0])(**{name: _stacked([getattr(one, name) for one in parts]) for name in names})


def _stacked(parts: Sequence[np.ndarray]) -> np.ndarray:
    if parts[0].ndim == 2 and len({part.shape[1] for part in parts}) > 1:
        longest = max(part.shape[1] for part in parts)
        parts = [np.pad(part, ((0, 0), (0, longest - part.shape[1])), constant_values=np.nan) for part in parts]
    return np.concatenate(parts)
