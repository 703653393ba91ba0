"""Random access to the episodes in shards; each is checked against its SHA-256 in the index."""

import errno
import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import numpy as np
from tqdm import tqdm

from slowfast_vgen.data.format import (
    CHUNKS_FILE,
    EPISODE_FILE,
    POSES_FILE,
    VIDEO_FILE,
    read_chunks,
    read_episode,
    read_episode_frames,
    read_header,
    read_poses,
)
from slowfast_vgen.data.headers import DatasetHeader, EpisodeHeader
from slowfast_vgen.data.rules import Defect, DefectiveDataError
from slowfast_vgen.data.shards.index import Shard, ShardIndex, read_index
from slowfast_vgen.data.shards.write import MEMBERS, sample_key
from slowfast_vgen.errors import UserError
from slowfast_vgen.files import sha256_of_file
from slowfast_vgen.types import Chunk, Episode, Frames, Poses

MOST_OPEN_FILES = 16
_BLOCK = 512


@dataclass(frozen=True)
class _Place:
    """Location of a sample."""

    shard: Shard
    index: int
    """Index of the sample in the shard."""
    offset: int
    """Number of bytes before the sample."""


class ShardSet:
    """The episodes of a folder of shards: `shards[3]` reads and decodes episode 3."""

    def __init__(self, folder: Path) -> None:
        """Reads the index, but no shard.

        Raises:
            UserError: a missing or broken index.
        """
        self.folder = Path(folder)
        self.index: ShardIndex = read_index(self.folder)
        self._files: dict[str, BinaryIO] = {}

    def __len__(self) -> int:
        """Number of episodes in all shards."""
        return self.index.num_episodes

    @cached_property
    def groups(self) -> tuple[range, ...]:
        """Episode numbers of each shard."""
        stops = self._stops.tolist()
        return tuple(range(stop - len(shard), stop) for shard, stop in zip(self.index.shards, stops, strict=True))

    def __getitem__(self, number: int) -> Episode:
        """Reads one episode, and checks its SHA-256 and every rule of the format.

        Raises:
            DefectiveDataError: a missing or truncated shard, a damaged sample.
        """
        with self._unpacked(number) as folder:
            return read_episode(folder)

    def __iter__(self) -> Iterator[Episode]:
        """Reads one episode after the other."""
        return (self[number] for number in range(len(self)))

    def name(self, number: int) -> str:
        """Returns the shard's path and the sample's key."""
        return f"{self._path(self._place(number))}/{sample_key(number)}"

    @property
    def num_bytes(self) -> int:
        """Bytes of all shards."""
        return self.index.num_bytes

    @property
    def headers(self) -> tuple[DatasetHeader, ...]:
        """Headers of the data sets that the episodes come from, in the order of their episodes."""
        return self.index.sources

    def tables(self, number: int) -> tuple[EpisodeHeader, tuple[Chunk, ...]]:
        """Reads an episode's header and chunks, but not its video.

        Raises:
            DefectiveDataError: as `shards[number]`.
        """
        with self._unpacked(number, (EPISODE_FILE, CHUNKS_FILE)) as folder:
            header = read_header(folder)
            return header, read_chunks(folder, header)

    def frames(self, number: int) -> Frames:
        """Decodes an episode's frames.

        Raises:
            DefectiveDataError: as `shards[number]`.
        """
        with self._unpacked(number) as folder:
            return read_episode_frames(folder, read_header(folder))

    def poses(self, number: int) -> Poses | None:
        """Reads an episode's poses, but not its video; None where it has none.

        Raises:
            DefectiveDataError: as `shards[number]`.
        """
        with self._unpacked(number, (EPISODE_FILE, POSES_FILE)) as folder:
            return read_poses(folder, read_header(folder))

    def close(self) -> None:
        """Closes the files; later reads reopen them."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    @contextmanager
    def _unpacked(self, number: int, wanted: tuple[str, ...] = MEMBERS) -> Iterator[Path]:
        """Yields a temporary episode folder with the wanted files, which the readers of folders then read."""
        with tempfile.TemporaryDirectory(prefix="slowfast-sample-") as name:
            folder = Path(name)
            members = self._members(number, wanted)
            try:
                for member, content in members.items():
                    (folder / member).write_bytes(content)
            except OSError as error:
                raise UserError(f"cannot unpack into {folder}: {error.strerror}; check the space there") from error
            try:
                yield folder
            except DefectiveDataError as error:
                known = self.name(number)
                raise DefectiveDataError(
                    [
                        Defect(defect.path.replace(name, known), defect.code, defect.message.replace(name, known))
                        for defect in error.defects
                    ]
                ) from error

    def _members(self, number: int, wanted: tuple[str, ...]) -> dict[str, bytes]:
        """Reads the wanted members of a sample; where the video is among them, it checks the whole sample's SHA-256."""
        place = self._place(number)
        size = place.shard.sample_bytes[place.index]
        try:
            file = self._open(place.shard)
            if place.offset + size > os.fstat(file.fileno()).st_size:  # allocates no memory for missing bytes
                raise DefectiveDataError([self._damage(number)])
            file.seek(place.offset)
            if VIDEO_FILE not in wanted:
                return dict(_members_in(file, size, sample_key(number), wanted))
            sample = file.read(size)
            if hashlib.sha256(sample).hexdigest() == place.shard.sample_sha256[place.index]:
                return dict(_members_in(io.BytesIO(sample), size, sample_key(number), wanted))
        except OSError as error:
            code = "missing-file" if isinstance(error, FileNotFoundError) else "unreadable"
            raise DefectiveDataError([Defect(str(self._path(place)), code, error.strerror or str(error))]) from error
        except tarfile.TarError:
            pass
        raise DefectiveDataError([self._damage(number)])

    def _damage(self, number: int) -> Defect:
        place = self._place(number)
        path = self._path(place)
        num_bytes = path.stat().st_size
        if num_bytes != place.shard.num_bytes:
            return Defect(str(path), "checksum", f"the shard has {num_bytes} bytes, not {place.shard.num_bytes}")
        return Defect(self.name(number), "checksum", "the sample is not the one that was written")

    def _path(self, place: _Place) -> Path:
        return self.folder / place.shard.name

    def _place(self, number: int) -> _Place:
        if not 0 <= number < len(self):
            raise UserError(f"{self.folder} has the episodes 0 to {len(self) - 1}, not {number}")
        shard = int(np.searchsorted(self._stops, number, side="right"))
        index = number - self.groups[shard].start
        return _Place(self.index.shards[shard], index, int(self._offsets[shard][index]))

    @cached_property
    def _stops(self) -> np.ndarray:
        return np.cumsum([len(shard) for shard in self.index.shards])

    @cached_property
    def _offsets(self) -> list[np.ndarray]:
        return [np.cumsum([0, *shard.sample_bytes[:-1]]) for shard in self.index.shards]

    def _open(self, shard: Shard) -> BinaryIO:
        file = self._files.pop(shard.name, None)
        if file is None:
            path = self.folder / shard.name
            if path.exists() and not path.is_file():  # a pipe would block its reader forever
                raise OSError(errno.EINVAL, "it is no regular file", str(path))
            file = path.open("rb")
            if len(self._files) >= MOST_OPEN_FILES:
                self._files.pop(next(iter(self._files))).close()
        self._files[shard.name] = file  # the most recent one comes last
        return file


def check_shards(folder: Path) -> list[Defect]:
    """Returns every defect of a folder of shards and of their episodes; none if it is sound."""
    try:
        shards = ShardSet(folder)
    except UserError as error:
        return [Defect(str(folder), "bad-header", str(error))]
    defects = []
    for shard, numbers in zip(shards.index.shards, shards.groups, strict=True):
        path = shards.folder / shard.name
        shard_defects: list[Defect] = []
        if path.is_file():
            for number in tqdm(numbers, desc=f"checking {path}", unit="episode", disable=None, leave=False):
                try:
                    shards[number]
                except DefectiveDataError as error:
                    shard_defects += [defect for defect in error.defects if defect not in shard_defects]
            if not shard_defects and sha256_of_file(path) != shard.sha256:
                shard_defects.append(Defect(str(path), "checksum", "the file is not the one that was written"))
        else:
            shard_defects.append(Defect(str(path), "missing-file", "the file is not there"))
        defects += shard_defects
    known = {shard.name for shard in shards.index.shards}
    for path in sorted(shards.folder.glob("shard-*.tar")):
        if path.name not in known:
            defects.append(Defect(str(path), "extra-file", "no shard of the index; move it elsewhere"))
    shards.close()
    return defects


def _members_in(file: BinaryIO, size: int, key: str, wanted: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """Yields the wanted members of the sample of `size` bytes that begins here; the video at its end may be skipped.

    Raises:
        tarfile.TarError: `file` holds no such sample here.
    """
    while size:
        info = tarfile.TarInfo.frombuf(file.read(_BLOCK), "utf-8", "strict")
        name = info.name.removeprefix(f"{key}.")
        if name == VIDEO_FILE and name not in wanted:
            return
        padded = -(-info.size // _BLOCK) * _BLOCK
        size -= _BLOCK + padded
        # A link or a device is no member either; a header can claim a negative size.
        if name not in MEMBERS or not info.isreg() or info.size < 0 or size < 0:
            raise tarfile.TarError(f"{info.name} is no part of {key}")
        content = file.read(padded)[: info.size]
        if name in wanted:
            yield name, content
