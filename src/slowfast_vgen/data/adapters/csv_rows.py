"""Text tables, row by row: an unreadable row does not affect any other one.

Supported are UTF-8, and UTF-16 and UTF-32 detected by their first bytes; cells separated by comma, semicolon, tab or
bar, whichever gives the wanted columns, or as a first line `sep=;` says; any line ends; headings in any case.
"""

import codecs
import csv
import io
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from slowfast_vgen.data.adapters.base import Finding, UnusableError
from slowfast_vgen.data.adapters.places import is_regular
from slowfast_vgen.errors import UserError

LONGEST_LINE = 1_000_000
"""Largest number of characters of a line in a table."""
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""First bytes of a file -> its encoding, longer ones first."""


@dataclass(frozen=True)
class Row:
    """One row of a table."""

    name: str
    """File and line, for reports."""
    cells: dict[str, str]
    """Column -> cell, stripped of surrounding whitespace."""
    has_decimal_comma: bool = False
    """Whether a comma in a number is a decimal comma, as where semicolons or tabs separate the cells."""

    def number(self, column: str) -> float:
        """Returns a cell as a finite number.

        Raises:
            UnusableError: the cell is no finite number.
        """
        text = self.cells[column]
        try:
            value = float(text.replace(",", ".") if self.has_decimal_comma else text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise UnusableError("bad-row", f"{column} is {text[:40]!r}, want a number")
        return value


def read_rows(path: Path, columns: Sequence[str], also: Sequence[str] = ()) -> Iterator[Row | Finding]:
    """Yields the rows of a table with a heading, one per line; empty rows, as spreadsheets leave them, are skipped.

    No cell continues after the end of its line, since an unclosed quotation mark would swallow all that follows it.

    Args:
        path: the table.
        columns: required columns, each present once, in any case.
        also: optional columns.

    Raises:
        UserError: the file cannot be read, or a column is missing or present twice.
    """
    if path.exists() and not is_regular(path):
        raise UserError(f"cannot read {path}: it is no regular file; give a table")
    try:
        with path.open("rb") as binary:
            encoding = _encoding(binary.read(4))
            binary.seek(0)
            # Bytes that are invalid in the encoding affect only their line.
            errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"
            with io.TextIOWrapper(binary, encoding, errors, newline=None) as file:
                lines = enumerate(iter(lambda: file.readline(LONGEST_LINE), ""), start=1)
                delimiter, header = _heading(path, lines, columns, also)
                yield from _rows(path, lines, delimiter, header, encoding)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}; check the path") from error


def grouped_rows(
    path: Path, columns: Sequence[str], by: str, also: Sequence[str] = ()
) -> tuple[dict[str, list[Row]], list[Finding]]:
    """Returns the rows grouped by the column `by`, in the order of its first occurrences; and the unreadable rows.

    Raises:
        UserError: as `read_rows`.
    """
    rows: dict[str, list[Row]] = {}
    bad: list[Finding] = []
    for row in read_rows(path, columns, also):
        if isinstance(row, Finding):
            bad.append(row)
        else:
            rows.setdefault(row.cells[by], []).append(row)
    return rows, bad


def _heading(
    path: Path, lines: Iterator[tuple[int, str]], columns: Sequence[str], also: Sequence[str]
) -> tuple[str, list[str | None]]:
    """Returns the delimiter, and the name of each column, None where it has none or one that occurs twice."""
    text = next((line for _, line in lines if line.strip()), "")
    candidates = list(DELIMITERS)
    if text.strip().strip('"').lower().startswith("sep=") and len(text.strip().strip('"')) <= 5:
        candidates = [text.strip().strip('"')[4:] or "\t"]
        text = next((line for _, line in lines if line.strip()), "")
    known = {column.casefold(): column for column in (*columns, *also)}
    headings: dict[str, list[str]] = {}
    for delimiter in candidates:
        plain = [cell.strip().lstrip("#").strip() for cell in _cells(text, delimiter) or []]
        headings[delimiter] = [known.get(cell.casefold(), cell) for cell in plain]
    # Where no delimiter gives every column, the one that gives most of them shows which are missing.
    delimiter = max(headings, key=lambda sign: (len(set(known.values()) & set(headings[sign])), len(headings[sign])))
    counts = Counter(headings[delimiter])
    if missing := [column for column in columns if not counts[column]]:
        raise UserError(
            f"{path} has no column {', '.join(missing)}; it must have {', '.join(columns)}; read as parted by "
            f"{DELIMITERS.get(delimiter, repr(delimiter))}, has {', '.join(headings[delimiter])[:200] or 'none'}"
        )
    if doubled := [column for column in columns if counts[column] > 1]:
        raise UserError(f"{path} has the column {', '.join(doubled)} twice; leave the one that is meant")
    return delimiter, [name if name and counts[name] == 1 else None for name in headings[delimiter]]


def _rows(
    path: Path, lines: Iterator[tuple[int, str]], delimiter: str, header: list[str | None], encoding: str
) -> Iterator[Row | Finding]:
    least = max((index for index, name in enumerate(header) if name is not None), default=-1) + 1
    for number, line in lines:
        name = f"{path.name} line {number}"
        cells = _cells(line, delimiter)
        if cells is None:
            kind = encoding.removesuffix("-sig").upper()
            yield Finding(name, "bad-row", f"the line is not CSV in {kind} with {DELIMITERS.get(delimiter, delimiter)}")
            continue
        texts = [cell.strip() for cell in cells]
        if not any(texts):
            continue
        if len(texts) < least or any(texts[len(header) :]):
            yield Finding(name, "bad-row", f"the line has {len(cells)} cells, the header {len(header)}")
            continue
        by_column = {key: cell for key, cell in zip(header, texts, strict=False) if key is not None}
        yield Row(name, by_column, has_decimal_comma=delimiter != ",")


def _encoding(start: bytes) -> str:
    for mark, encoding in _MARKS.items():
        if start.startswith(mark):
            return encoding
    if len(start) >= 2 and start[0] and not start[1]:
        return "utf-16-le"
    if len(start) >= 2 and start[1] and not start[0]:
        return "utf-16-be"
    return "utf-8"


def _cells(line: str, delimiter: str) -> list[str] | None:
    """Returns the cells of a line; None where it is broken."""
    if any("\ud800" <= letter <= "\udfff" or letter == "\ufffd" for letter in line):
        return None
    try:
        return next(csv.reader([line.rstrip("\n")], delimiter=delimiter, skipinitialspace=True, strict=True), [])
    except (csv.Error, TypeError):  # an invalid delimiter
        return None
