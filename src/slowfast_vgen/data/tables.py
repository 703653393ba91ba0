"""The Parquet tables of an episode: its chunks and its poses."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from slowfast_vgen.data.headers import EpisodeHeader
from slowfast_vgen.data.parquet import ERRORS, open_table, read_columns
from slowfast_vgen.data.rules import Defect, chunk_defects, one_line, pose_defects, refuse, require
from slowfast_vgen.errors import UserError
from slowfast_vgen.extras import needs
from slowfast_vgen.types import Chunk, Poses

with needs("data"):
    import pyarrow as pa
    import pyarrow.parquet as pq

MOST_ROWS = 1_000_000
"""Largest number of rows of an episode's table; a longer one is not read into memory."""
CHUNK_COLUMNS = pa.schema(
    [("action", pa.string()), ("verb", pa.string()), ("start_frame", pa.int32()), ("num_frames", pa.int32())]
)
POSE_COLUMNS = pa.schema([("x", pa.float64()), ("y", pa.float64()), ("heading", pa.float64())])


def write_chunks(path: Path, chunks: Sequence[Chunk]) -> None:
    """Writes one row per chunk."""
    _write(path, [[getattr(chunk, name) for chunk in chunks] for name in CHUNK_COLUMNS.names], CHUNK_COLUMNS)


def read_chunks(path: Path, num_frames: int) -> tuple[Chunk, ...]:
    """Reads the chunks of an episode of `num_frames` frames.

    Raises:
        DefectiveDataError: a missing or broken table, or chunks that break a rule.
    """
    columns = [column.to_pylist() for column in _read(path, CHUNK_COLUMNS)]
    chunks = tuple(Chunk(*row) for row in zip(*columns, strict=True))
    refuse(chunk_defects(path, chunks, num_frames))
    return chunks


def write_poses(path: Path, poses: Poses) -> None:
    """Writes one row per frame."""
    _write(path, list(poses.T), POSE_COLUMNS)


def read_poses(path: Path, num_frames: int) -> Poses:
    """Reads the poses of an episode of `num_frames` frames.

    Raises:
        DefectiveDataError: a missing or broken table, or poses that break a rule.
    """
    poses = np.stack([column.to_numpy() for column in _read(path, POSE_COLUMNS)], axis=1)
    refuse(pose_defects(path, poses, num_frames))
    return poses


def content_hash(episodes: Iterable[tuple[EpisodeHeader, Sequence[Chunk]]]) -> str:
    """Returns a hex SHA-256 over all video hashes and chunks in order: the same for a folder and for its shards."""
    digest = hashlib.sha256()
    for header, chunks in episodes:
        digest.update(json.dumps([header.video_sha256, [asdict(chunk) for chunk in chunks]]).encode())
    return digest.hexdigest()


def _write(path: Path, columns: list[Any], schema: pa.Schema) -> None:
    pq.write_table(pa.table(columns, schema=schema), path, write_page_checksum=True)


def _read(path: Path, schema: pa.Schema) -> list[pa.ChunkedArray]:
    """Reads the columns of `schema`, in its order; the table's other columns are ignored."""
    require(path)
    try:
        with open_table(path) as file:
            schema_there = file.schema_arrow
        defects = []
        for wanted in schema:
            kinds = [field.type for field in schema_there if field.name == wanted.name]
            if len(kinds) != 1:
                defects.append(_defect(path, "missing-column", f"{len(kinds)} columns named {wanted.name}, want one"))
            elif (kind := kinds[0].value_type if pa.types.is_dictionary(kinds[0]) else kinds[0]) != wanted.type:
                defects.append(_defect(path, "wrong-dtype", f"column {wanted.name} is {kind}, want {wanted.type}"))
        refuse(defects)
        table = read_columns(path, schema.names, MOST_ROWS)
    except UserError:
        raise
    except ERRORS as error:
        refuse([_defect(path, "bad-table", f"not a readable Parquet file: {one_line(error)}")])
    empty = {name: table[name].null_count for name in schema.names if table[name].null_count}
    refuse([_defect(path, "empty-cell", f"column {name} has {count} empty cells") for name, count in empty.items()])
    return [table[name] for name in schema.names]


def _defect(path: Path, code: str, message: str) -> Defect:
    return Defect(str(path), code, message)
