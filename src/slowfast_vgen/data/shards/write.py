"""Writes data sets as WebDataset shards: tar files of whole episodes, byte for byte, and an index.

The same sources and size give the same bytes, in any folder. Each shard is written atomically; a journal records the
finished ones, so that a stopped run resumes after the last of them.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from slowfast_vgen.data.format import (
    CHUNKS_FILE,
    EPISODE_FILE,
    POSES_FILE,
    VIDEO_FILE,
    EpisodeDataset,
    read_chunks,
    read_header,
    read_poses,
)
from slowfast_vgen.data.parquet import LARGEST_TABLE
from slowfast_vgen.data.rules import Defect, refuse
from slowfast_vgen.data.shards.index import (
    END_BYTES,
    SHARDS_FILE,
    Shard,
    ShardIndex,
    is_sharded,
    read_index,
    shard_name,
    shard_of,
    sources_digest,
    write_index,
)
from slowfast_vgen.errors import UserError
from slowfast_vgen.files import append_text, atomic_path, hold_folder, is_unused, read_bytes, sha256_of_file

DEFAULT_MAX_BYTES = 2**28
"""Default size of a shard: large enough for sequential reads from a disk or an object store, and quickly recopied."""
JOURNAL_FILE = ".shards.jsonl"
MEMBERS = (EPISODE_FILE, CHUNKS_FILE, POSES_FILE, VIDEO_FILE)
"""Members of a sample, in this order: the small ones first, so that tables can be read without the video."""
MOST_SHARDS = 1_000_000
_BLOCK = 512
_LARGEST_MEMBER = 8**11 - 1
"""Largest size of a member that a tar header can express."""


@dataclass(frozen=True)
class _Entry:
    """An episode to write."""

    folder: Path
    files: tuple[Path, ...]
    num_bytes: int
    """Length in the tar file."""
    identity: str
    """Hashes and sizes of the files, which change when the episode does."""


def write_shards(
    sources: Sequence[Path],
    out: Path,
    max_bytes: int = DEFAULT_MAX_BYTES,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> ShardIndex:
    """Shards data sets of one split, or resumes sharding them.

    Args:
        sources: folders of finished data sets; their episodes follow each other in this order.
        out: new or empty, or the folder of the same shards.
        max_bytes: largest size of a shard; a larger episode becomes a shard of its own.
        on_progress: called after each episode with the number done so far and the total.

    Raises:
        DefectiveDataError: a source that breaks a rule of the format.
        UserError: sources of several splits, named twice or without episodes; a folder with other content; a file that
            cannot be written.
    """
    datasets = [EpisodeDataset(source) for source in sources]
    split = _common_split(sources, datasets)
    entries = [_entry(folder) for dataset in datasets for folder in dataset.episode_folders]
    headers = tuple(dataset.header for dataset in datasets)
    digest = sources_digest(headers, [entry.identity for entry in entries], max_bytes)
    plan = list(_dealt_out(entries, max_bytes))
    if not plan or len(plan) > MOST_SHARDS:
        raise UserError(f"{len(entries)} episodes make {len(plan)} shards; want 1 to {MOST_SHARDS}")
    finished = _finished(out, digest)
    with hold_folder(out):
        _note(out, {"sources_sha256": digest})
        done = 0
        shards = []
        for number, part in enumerate(plan):
            shard = finished.get(shard_name(number))
            if shard is None:
                first = done
                shard = _write_shard(out, number, first, part, lambda done: on_progress(done, len(entries)))
                _note(out, {"shard": asdict(shard)})
            done += len(part)
            on_progress(done, len(entries))
            shards.append(shard)
        index = ShardIndex(split, max_bytes, digest, headers, tuple(shards))
        write_index(out, index)
        (out / JOURNAL_FILE).unlink(missing_ok=True)
    return index


def sample_key(number: int) -> str:
    """Returns the part of the member names of an episode's sample before the first dot; readers group by it.

    >>> sample_key(12) + ".video.mp4"
    '00000012.video.mp4'
    """
    return f"{number:08d}"


def _common_split(sources: Sequence[Path], datasets: Sequence[EpisodeDataset]) -> str:
    splits = {dataset.header.split for dataset in datasets}
    if len(splits) != 1:
        raise UserError(f"the sources are of the splits {', '.join(sorted(splits))}; shard each split by itself")
    if len({source.resolve() for source in sources}) != len(sources):
        raise UserError("a source is named twice, and its episodes would count twice; name each once")
    return splits.pop()


def _entry(folder: Path) -> _Entry:
    header = read_header(folder)
    files = tuple(folder / name for name in MEMBERS if name != POSES_FILE or header.has_poses)
    try:
        sizes = [path.stat().st_size for path in files]
        # The header holds the video's hash, which is checked when the video is read.
        hashes = [
            hashlib.sha256(read_bytes(path, LARGEST_TABLE)).hexdigest() for path in files if path.name != VIDEO_FILE
        ]
    except OSError as error:
        refuse([Defect(str(error.filename), "missing-file", error.strerror or str(error))])
    if max(sizes) > _LARGEST_MEMBER:
        raise UserError(f"a file of {folder} has more than {_LARGEST_MEMBER} bytes, more than a tar header can express")
    return _Entry(folder, files, sum(_BLOCK + _padded(size) for size in sizes), f"{hashes} {sizes}")


def _dealt_out(entries: Sequence[_Entry], max_bytes: int) -> Iterator[list[_Entry]]:
    part: list[_Entry] = []
    room = max_bytes - END_BYTES
    for entry in entries:
        if part and entry.num_bytes > room:
            yield part
            part, room = [], max_bytes - END_BYTES
        part.append(entry)
        room -= entry.num_bytes
    if part:
        yield part


def _finished(out: Path, digest: str) -> dict[str, Shard]:
    """Returns the finished, intact shards of the same sources; none where the index is broken."""
    if is_sharded(out):
        try:
            index = read_index(out)
        except UserError:
            return {}
        sources_sha256, shards = index.sources_sha256, list(index.shards)
    elif (out / JOURNAL_FILE).is_file():
        sources_sha256, shards = _read_journal(out / JOURNAL_FILE)
        if not sources_sha256:  # the disk was full before the first line
            return {}
    elif not is_unused(out):
        raise UserError(f"{out} is there and holds no shards; give a new or empty folder")
    else:
        return {}
    if sources_sha256 != digest:
        raise UserError(f"{out} holds shards of other data, or of another size; give a new or empty folder")
    return {shard.name: shard for shard in shards if _is_whole(out / shard.name, shard)}


def _is_whole(path: Path, shard: Shard) -> bool:
    return path.is_file() and path.stat().st_size == shard.num_bytes and sha256_of_file(path) == shard.sha256


def _read_journal(path: Path) -> tuple[str, list[Shard]]:
    """Reads the digest of the sources and the finished shards; an incomplete last line is skipped."""
    digest, shards = "", []
    for line in path.read_text(errors="replace").splitlines():
        try:
            record = json.loads(line)
            digest = record.get("sources_sha256", digest)
            shards += [shard_of(record["shard"])] if "shard" in record else []
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
    return digest, [shard for shard in shards if _is_sound(shard)]


def _is_sound(shard: Shard) -> bool:
    try:
        return shard.fault() is None
    except (TypeError, ValueError):
        return False


def _note(out: Path, record: dict[str, Any]) -> None:
    """Adds a line to the journal, in one write."""
    try:
        append_text(out / JOURNAL_FILE, "\n" + json.dumps(record) + "\n")  # the leading newline ends an incomplete line
    except OSError as error:
        raise UserError(f"cannot write {out / JOURNAL_FILE}: {error.strerror}; check the space there") from error


def _write_shard(
    out: Path, number: int, first: int, part: Sequence[_Entry], on_progress: Callable[[int], None]
) -> Shard:
    path = out / shard_name(number)
    digest, sizes, frames, hashes = hashlib.sha256(), [], [], []
    try:
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            for place, entry in enumerate(part):
                sample, num_frames = _sample(entry, first + place)
                file.write(sample)
                digest.update(sample)
                sizes.append(len(sample))
                frames.append(num_frames)
                hashes.append(hashlib.sha256(sample).hexdigest())
                on_progress(first + place + 1)
            file.write(bytes(END_BYTES))
            digest.update(bytes(END_BYTES))
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; check the space there") from error
    return Shard(path.name, sum(sizes) + END_BYTES, digest.hexdigest(), tuple(sizes), tuple(frames), tuple(hashes))


def _sample(entry: _Entry, number: int) -> tuple[bytes, int]:
    """Returns the bytes of a sample and the number of frames of its episode.

    Raises:
        DefectiveDataError: the episode breaks a rule; its video is checked by its SHA-256, not decoded.
    """
    header = read_header(entry.folder)
    read_chunks(entry.folder, header)
    read_poses(entry.folder, header)
    sample = io.BytesIO()
    for path in entry.files:
        try:
            content = path.read_bytes()
        except OSError as error:
            refuse([Defect(str(path), "missing-file", error.strerror or str(error))])
        if path.name == VIDEO_FILE and hashlib.sha256(content).hexdigest() != header.video_sha256:
            refuse([Defect(str(path), "checksum", "the file is not the one that was written")])
        # No owner and no time, so that every machine writes the same bytes.
        info = tarfile.TarInfo(f"{sample_key(number)}.{path.name}")
        info.size = len(content)
        sample.write(info.tobuf(tarfile.USTAR_FORMAT))
        sample.write(content)
        sample.write(bytes(_padded(len(content)) - len(content)))
    whole = sample.getvalue()
    if len(whole) != entry.num_bytes:
        raise UserError(f"{entry.folder} has changed while it was sharded; run the command again")
    return whole, header.num_frames


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


__all__ = ["DEFAULT_MAX_BYTES", "MEMBERS", "SHARDS_FILE", "sample_key", "write_shards"]
