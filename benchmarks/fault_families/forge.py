"""Forged tables, films and headers, and hashes that are mended, so that all of them fit and nothing else shows."""

import hashlib
import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fault_families.damage import Payload, Rng, draw_file, of_json
from slowfast_vgen.data.latent_cache import _checksum
from slowfast_vgen.data.video import write_video
from slowfast_vgen.errors import UserError
from slowfast_vgen.files import sha256_of_file
from slowfast_vgen.sealed import FILES, OWN, own_hash
from slowfast_vgen.tensors import parse_metadata, parse_tensors, write_tensors


def of_table(folder: Path, other: Path, rng: Rng) -> str:
    """A Parquet table has other columns, types, values or rows."""
    path = draw_file(folder, rng, (".parquet",))
    if path.suffix != ".parquet":
        return of_json(folder, other, rng)
    table = pq.read_table(path)
    index = int(rng.integers(table.num_columns))
    name, column = table.column_names[index], table.column(index)
    kind = int(rng.integers(10))
    if kind == 0:
        table = table.drop_columns([name])
    elif kind == 1:
        table = table.append_column(name, column)
    elif kind == 2:
        table = table.slice(0, int(rng.integers(table.num_rows)))
    elif kind == 3:
        table = pa.concat_tables([table] * int(rng.integers(2, 5)))
    elif kind == 4:
        table = table.rename_columns([f"{each}x" if each == name else each for each in table.column_names])
    elif kind == 5:
        table = table.take(rng.permutation(table.num_rows))
    else:
        table = table.set_column(index, name, _other_column(len(column), rng))
    pq.write_table(table, path, compression="zstd")
    return path.name


def _other_column(size: int, rng: Rng) -> pa.Array:
    numbers = np.full(size, (np.nan, -1, 2**31 - 1, 1e308, np.inf, 0)[int(rng.integers(6))], dtype=np.float64)
    with np.errstate(invalid="ignore"):
        columns = (
            pa.array(numbers), pa.array(numbers.astype(np.int32)), pa.array(numbers.astype(np.int64)),
            pa.nulls(size, pa.string()), pa.nulls(size, pa.int32()), pa.nulls(size, pa.float64()),
            pa.array([b"\xff\xfe"] * size, pa.binary()).view(pa.string()), pa.array(["a" * 5000] * size),
            pa.array([""] * size), pa.array(["a\x00\x1b[2J"] * size), pa.array([[1]] * size),
            pa.array([{"a": 1}] * size), pa.array([pickle.dumps(Payload())] * size, pa.binary()),
            pa.array([True] * size),
            pa.DictionaryArray.from_arrays(pa.array([0] * size, pa.int32()), pa.array(["a" * 200_000])),
        )  # fmt: skip
    return columns[int(rng.integers(len(columns)))]


def of_film(folder: Path, other: Path, rng: Rng) -> str:
    """A film of another length, size or rate."""
    path = draw_file(folder, rng, (".mp4",))
    if path.suffix != ".mp4":
        return of_json(folder, other, rng)
    shape = ((1, 16, 16), (40, 16, 16), (6, 32, 16), (6, 2, 2), (6, 512, 512), (300, 64, 64))[int(rng.integers(6))]
    write_video(path, np.zeros((*shape, 3), np.uint8), (1, 10, 60)[int(rng.integers(3))])
    return path.name


def of_names(folder: Path, other: Path, rng: Rng) -> str:
    """A header names a file that lies elsewhere, or is none, or is of another folder's header."""
    headers = [path for path in sorted(folder.rglob("*.json")) if isinstance(_value(path).get(FILES), dict)]
    if not headers:
        return of_json(folder, other, rng)
    path = headers[int(rng.integers(len(headers)))]
    header = _value(path)
    outside = folder.with_name("outside")
    outside.write_text("secret")
    names = ("../outside", str(outside), "", ".", "..", "a/../../outside", "a\\..\\b", "a\x00b", "/dev/zero",
             "x" * 5000, "seal.json/x", path.name)  # fmt: skip
    name = str(names[int(rng.integers(len(names)))])
    hashes: tuple[Any, ...] = (sha256_of_file(outside), "0" * 64, None, [], 5)
    header[FILES] = {**header[FILES], name: hashes[int(rng.integers(5))]}
    path.write_text(json.dumps(header))
    return path.name


def _value(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes()) if path.is_file() and path.stat().st_size < 10**7 else {}
    except (ValueError, RecursionError, OSError):
        return {}
    return value if isinstance(value, dict) else {}


def mend(folder: Path, names_all: bool = False) -> None:
    """Makes all hashes in a folder fit what its files hold now; with `names_all`, headers name files that are new."""
    for path in sorted(folder.rglob("*.safetensors")):
        _mend_cache(path)
    for path in sorted(folder.rglob("shards.json")):
        _mend_shards(path)
    headers = sorted(folder.rglob("*.json"), key=lambda path: -len(path.parts))
    for path in headers:
        header = _value(path)
        if OWN not in header:
            continue
        if isinstance(header.get(FILES), dict):
            if names_all:
                present = {each.relative_to(path.parent).as_posix() for each in path.parent.rglob("*") if each != path}
                header[FILES] |= {name: "" for name in present if (path.parent / name).is_file()}
            header[FILES] = {name: _hash(path.parent / name, each) for name, each in header[FILES].items()}
            if "video_sha256" in header:
                header["video_sha256"] = header[FILES].get("video.mp4", header["video_sha256"])
        header[OWN] = own_hash(header)
        path.write_text(json.dumps(header))


def _hash(path: Path, before: Any) -> Any:
    try:
        return sha256_of_file(path) if path.is_file() and path.stat().st_size < 10**8 else before
    except (OSError, ValueError):
        return before


def _mend_cache(path: Path) -> None:
    try:
        content = path.read_bytes() if path.is_file() and path.stat().st_size < 10**8 else b""
        metadata, tensors = parse_metadata(content), parse_tensors(path, content)
    except (UserError, ValueError, KeyError, TypeError, OSError, RecursionError):
        return
    if metadata.get("format") == "slowfast-latents":
        write_tensors(path, tensors, metadata | {"sha256": _checksum(tensors, metadata.get("texts", ""))})


def _mend_shards(path: Path) -> None:
    index = _value(path)
    try:
        for shard in index["shards"]:
            content = (path.parent / shard["name"]).read_bytes()
            offset = 0
            for number, size in enumerate(shard["sample_bytes"]):
                shard["sample_sha256"][number] = hashlib.sha256(content[offset : offset + size]).hexdigest()
                offset += size
            shard["sha256"] = hashlib.sha256(content).hexdigest()
    except (OSError, KeyError, TypeError, IndexError, ValueError, OverflowError):  # what is forged is past mending
        pass
    if index:
        path.write_text(json.dumps(index))


def canary_is_alive() -> bool:
    """Whether no payload was run."""
    from fault_families.damage import CANARY

    return not os.path.lexists(os.environ[CANARY])
