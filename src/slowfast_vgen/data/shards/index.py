"""shards.json: the tar files that a sharded data set consists of, and their contents. See docs/data-format.md."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from slowfast_vgen.data.headers import DatasetHeader, refuse_changed
from slowfast_vgen.data.rules import SPLITS
from slowfast_vgen.errors import UserError
from slowfast_vgen.files import read_json
from slowfast_vgen.sealed import OWN, fits, from_json, write_record

SHARDS_FILE = "shards.json"
FORMAT, VERSION = "slowfast-shards", 1
END_BYTES = 1024
"""Length of the two empty blocks that end a tar file."""
LARGEST_SAMPLE = 2**33
"""Largest number of bytes of a sample: four times the most pixels that an episode has."""
_HASH = re.compile(r"[0-9a-f]{64}")
_KEYS = {"format", "version", "num_shards", "num_episodes", "num_frames", "num_bytes", "content_sha256", OWN} | {
    "split", "max_bytes_per_shard", "sources_sha256", "sources", "shards",
}  # fmt: skip
_NAME = re.compile(r"shard-[0-9]{6}\.tar")


@dataclass(frozen=True)
class Shard:
    """One tar file. Its samples, one per episode, follow each other without a gap from its first byte on."""

    name: str
    num_bytes: int
    sha256: str
    """SHA-256 of the whole tar file."""
    sample_bytes: tuple[int, ...]
    """Length of each sample: its members with their tar headers and padding."""
    sample_frames: tuple[int, ...]
    """Number of frames of each episode."""
    sample_sha256: tuple[str, ...]
    """SHA-256 of the bytes of each sample."""

    def __len__(self) -> int:
        """Number of episodes in the shard."""
        return len(self.sample_bytes)

    def fault(self) -> str | None:
        """Returns the first inconsistency of this record, or None."""
        counts = {len(self.sample_bytes), len(self.sample_frames), len(self.sample_sha256)}
        if not isinstance(self.name, str) or not _NAME.fullmatch(
            self.name
        ):  # a name with folders in it could lead anywhere
            return f"a shard is called {self.name!r:.40}"
        if len(counts) != 1 or counts == {0}:
            return f"{self.name} has lists of {sorted(counts)} samples"
        whole = all(type(value) is int and value > 0 for value in (*self.sample_bytes, *self.sample_frames))
        if not whole or self.num_bytes != sum(self.sample_bytes) + END_BYTES:
            return f"the sizes of {self.name} do not add up"
        if max(*self.sample_bytes, *self.sample_frames) > LARGEST_SAMPLE:
            return f"{self.name} has a sample of more than {LARGEST_SAMPLE} bytes"
        if not all(isinstance(value, str) and _HASH.fullmatch(value) for value in (self.sha256, *self.sample_sha256)):
            return f"{self.name} has a checksum that is none"
        return None


@dataclass(frozen=True)
class ShardIndex:
    """The index of a sharded data set."""

    split: str
    max_bytes_per_shard: int
    sources_sha256: str
    """SHA-256 over the sources: other sources, or the same in another order, give another one."""
    sources: tuple[DatasetHeader, ...]
    """Headers of the data sets that the episodes come from, in the order of their episodes."""
    shards: tuple[Shard, ...]

    @property
    def num_episodes(self) -> int:
        """Number of episodes in all shards."""
        return sum(len(shard) for shard in self.shards)

    @property
    def num_frames(self) -> int:
        """Number of frames in all shards."""
        return sum(sum(shard.sample_frames) for shard in self.shards)

    @property
    def num_bytes(self) -> int:
        """Bytes of all shards."""
        return sum(shard.num_bytes for shard in self.shards)

    @cached_property
    def content_sha256(self) -> str:
        """SHA-256 over all samples in order, however they are distributed over shards."""
        digest = hashlib.sha256()
        for shard in self.shards:
            digest.update("".join(shard.sample_sha256).encode())
        return digest.hexdigest()


def is_sharded(folder: Path) -> bool:
    """Returns whether a folder holds an index of shards."""
    return (Path(folder) / SHARDS_FILE).is_file()


def shard_name(number: int) -> str:
    """Returns the file name of a shard.

    >>> shard_name(7)
    'shard-000007.tar'
    """
    return f"shard-{number:06d}.tar"


def read_index(folder: Path) -> ShardIndex:
    """Reads the index of a folder of shards, but no shard.

    Raises:
        UserError: missing, broken, or of another format or version.
    """
    path = Path(folder) / SHARDS_FILE
    record = read_json(path)
    if not isinstance(record, dict) or (record.get("format"), record.get("version")) != (FORMAT, VERSION):
        raise UserError(f"{path} is no index of shards of version {VERSION}; write it again with `slowfast data shard`")
    refuse_changed(path, record, "; write it again with `slowfast data shard`")
    try:
        if unknown := record.keys() - _KEYS:
            raise KeyError(f"it gives {min(unknown)!r:.60}")
        kinds = {"split": str, "sources_sha256": str, "sources": list[dict[str, Any]], "shards": list[dict[str, Any]]}
        for name, kind in kinds.items():
            if not fits(record[name], kind):
                raise TypeError(f"it gives {name} as {record[name]!r:.60}")
        index = ShardIndex(
            record["split"],
            record["max_bytes_per_shard"],
            record["sources_sha256"],
            tuple(from_json(DatasetHeader, source) for source in record["sources"]),
            tuple(shard_of(shard) for shard in record["shards"]),
        )
        faults = [fault for shard in index.shards if (fault := shard.fault())]
        faults += [fault for source in index.sources if (fault := source.fault())]
        expected = _counts(index) | {"num_shards": len(index.shards), "content_sha256": index.content_sha256}
        if not faults and (wrong := [name for name, value in expected.items() if record.get(name, value) != value]):
            faults.append(f"it gives {wrong[0]} as {record[wrong[0]]!r:.80}, not {expected[wrong[0]]}")
        if index.split not in SPLITS or not index.shards:
            faults.append(f"split {index.split!r:.40}, {len(index.shards)} shards")
        if index.num_episodes != (wanted := sum(source.num_episodes for source in index.sources)):
            faults.append(f"it lists {index.num_episodes} of {wanted} episodes")
        if len({shard.name for shard in index.shards}) != len(index.shards):
            faults.append("two shards have one name")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        faults = [f"{type(error).__name__}: {error!s:.200}"]
    if faults:
        raise UserError(f"{path} is damaged ({faults[0]}); write it again with `slowfast data shard`")
    return index


def write_index(folder: Path, index: ShardIndex) -> None:
    """Writes the index atomically.

    Raises:
        UserError: a file that cannot be written.
    """
    head = {"format": FORMAT, "version": VERSION, "num_shards": len(index.shards), **_counts(index)}
    try:
        write_record(folder / SHARDS_FILE, head | {"content_sha256": index.content_sha256} | asdict(index))
    except OSError as error:
        raise UserError(f"cannot write {folder / SHARDS_FILE}: {error.strerror}; check the space there") from error


def _counts(index: ShardIndex) -> dict[str, int]:
    return {"num_episodes": index.num_episodes, "num_frames": index.num_frames, "num_bytes": index.num_bytes}


def shard_of(record: dict[str, Any]) -> Shard:
    """Returns a shard from its JSON record.

    Raises:
        KeyError, TypeError: `record` is no shard's record.
    """
    names = ("sample_bytes", "sample_frames", "sample_sha256")
    if not all(isinstance(record[name], list) for name in names):
        raise TypeError("what it gives of its samples is no list")
    columns = {name: tuple(record[name]) for name in names}
    return Shard(record["name"], record["num_bytes"], record["sha256"], **columns)


def sources_digest(headers: Sequence[DatasetHeader], episodes: Sequence[str], max_bytes: int) -> str:
    """Returns a hex SHA-256 over the sources to shard: headers, a line per episode, and the size of the shards."""
    content = {"headers": [asdict(header) for header in headers], "episodes": list(episodes), "max_bytes": max_bytes}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
