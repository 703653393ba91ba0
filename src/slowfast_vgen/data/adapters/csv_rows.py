"""Tables of text, row by row: a row that cannot be read spoils no other one."""

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from slowfast_vgen.data.adapters.base import Finding, UnusableError
from slowfast_vgen.errors import UserError

LONGEST_LINE = 1_000_000
"""Bytes. A longer line is no table's."""


@dataclass(frozen=True)
class Row:
    """One row of a table."""

    name: str
    """The file and the line, for reports."""
    cells: dict[str, str]
    """By column, outer blanks taken off."""

    def number(self, column: str) -> float:
        """A finite number.

        Raises:
            UnusableError: another text.
        """
        try:
            value = float(self.cells[column])
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise UnusableError("bad-row", f"{column} is {self.cells[column][:40]!r}, want a number")
        return value


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[Row | Finding]:
    """The rows of a CSV file in UTF-8 with a header, one a line; empty lines are passed over.

    A quotation mark that is never closed would swallow all that follows it, so no cell goes over the end of its line.

    Raises:
        UserError: the file cannot be read, or a column is not there.
    """
    try:
        with path.open("rb") as file:
            header = [cell.strip().lstrip("#").strip() for cell in _cells(file.readline(LONGEST_LINE)) or []]
            if missing := [column for column in columns if column not in header]:
                raise UserError(f"{path} has no column {', '.join(missing)}; it must have {', '.join(columns)}")
            for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), b""), start=2):
                if not line.strip():
                    continue
                name = f"{path.name} line {number}"
                cells = _cells(line)
                if cells is None:
                    yield Finding(name, "bad-row", "the line is not CSV in UTF-8")
                elif len(cells) != len(header):
                    yield Finding(name, "bad-row", f"the line has {len(cells)} cells, the header {len(header)}")
                else:
                    yield Row(name, {key: cell.strip() for key, cell in zip(header, cells, strict=True)})
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}; check the path") from error


def grouped_rows(path: Path, columns: Sequence[str], by: str) -> tuple[dict[str, list[Row]], list[Finding]]:
    """The rows by what stands in the column `by`, in the order in which the table names it; and what cannot be read.

    Raises:
        UserError: as `read_rows`.
    """
    rows: dict[str, list[Row]] = {}
    bad: list[Finding] = []
    for row in read_rows(path, columns):
        if isinstance(row, Finding):
            bad.append(row)
        else:
            rows.setdefault(row.cells[by], []).append(row)
    return rows, bad


def _cells(line: bytes) -> list[str] | None:
    try:
        return next(csv.reader([line.decode("utf-8-sig").rstrip("\r\n")], strict=True), None)
    except (UnicodeDecodeError, csv.Error):
        return None
