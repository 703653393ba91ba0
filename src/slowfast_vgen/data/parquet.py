"""Parquet tables from any source: the size of the decoded data is checked before it is read."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from slowfast_vgen.extras import needs

with needs("data"):
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

LARGEST_TABLE = 2**30
"""Bytes of the requested columns once they are decoded."""
LONGEST_TEXT = 100_000
"""Largest number of bytes of one cell."""
ERRORS = (pa.ArrowException, OSError, ValueError, KeyError, OverflowError, MemoryError)
"""Exceptions that reading a damaged file raises."""


def read_columns(path: Path, columns: Sequence[str], most_rows: int, also: Sequence[str] = ()) -> pa.Table:
    """Reads some columns of a table; dictionary-encoded columns are decoded.

    Args:
        path: the file.
        columns: required columns, each present once.
        most_rows: largest number of rows.
        also: optional columns.

    Raises:
        ERRORS: no regular file, damaged, a column missing or present twice, or too large for memory.
    """
    with open_table(path) as file:
        return _read(path, file, columns, most_rows, also)


def open_table(path: Path) -> pq.ParquetFile:
    """Opens a file whose pages are checked against their checksums; only its footer is read.

    Raises:
        ERRORS: no regular file, or damaged.
    """
    if path.exists() and not path.is_file():  # a pipe would block its reader forever
        raise ValueError("it is no regular file")
    # Texts are read as dictionaries: a tiny file can repeat the same long text a million times.
    with pq.ParquetFile(path) as file:
        texts = [field.name for field in file.schema_arrow if is_text(field.type) or pa.types.is_binary(field.type)]
    return pq.ParquetFile(path, page_checksum_verification=True, read_dictionary=texts)


def is_text(kind: pa.DataType) -> bool:
    """Returns whether a column holds text, in any of Arrow's types."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _read(path: Path, file: pq.ParquetFile, columns: Sequence[str], most_rows: int, also: Sequence[str]) -> pa.Table:
    names = file.schema_arrow.names
    wanted = [*columns, *(name for name in also if name in names)]
    for name in wanted:
        if names.count(name) != 1:
            raise KeyError(f"{names.count(name)} columns named {name}, want one")
    about = file.metadata
    if about.num_rows > most_rows:
        raise ValueError(f"{about.num_rows} rows, {most_rows} at most are read")
    num_bytes = 0
    for group in map(about.row_group, range(about.num_row_groups)):
        for chunk in map(group.column, range(group.num_columns)):
            num_bytes += chunk.total_uncompressed_size if chunk.path_in_schema.split(".")[0] in wanted else 0
    if num_bytes > LARGEST_TABLE:
        raise ValueError(f"{num_bytes} bytes, {LARGEST_TABLE} at most are read")
    table = file.read(columns=wanted).select(wanted)
    table.validate(full=True)  # only this finds text that is not UTF-8
    for index, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            _check_texts(table.column(index))
            plain = table.column(index).cast(field.type.value_type)
            table = table.set_column(index, pa.field(field.name, field.type.value_type), plain)
    return table


def _check_texts(column: pa.ChunkedArray) -> None:
    total = 0
    for chunk in column.chunks:
        lengths = pc.fill_null(pc.binary_length(chunk.dictionary), 0).to_numpy(zero_copy_only=False)
        if lengths.max(initial=0) > LONGEST_TEXT:
            raise ValueError(f"a text of {lengths.max()} bytes, {LONGEST_TEXT} at most are read")
        used = pc.drop_null(chunk.indices).to_numpy(zero_copy_only=False)
        total += int(lengths.astype(np.int64)[used].sum())
    if total > LARGEST_TABLE:
        raise ValueError(f"{total} bytes of text, {LARGEST_TABLE} at most are read")
