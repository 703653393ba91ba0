"""The report of an import: what has been made and what has been left out so far.

OUT/import.json is written after each episode and sealed like the headers of a data set: it holds a SHA-256 of itself
and one of OUT/import_findings.jsonl, which lists every finding, one per line.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from slowfast_vgen.data.adapters.base import Finding
from slowfast_vgen.data.headers import refuse_changed
from slowfast_vgen.data.rules import Defect, refuse
from slowfast_vgen.errors import UserError
from slowfast_vgen.files import append_text, atomic_path, read_bytes, read_json
from slowfast_vgen.sealed import FILES, OWN, write_record

REPORT_FILE = "import.json"
FINDINGS_FILE = "import_findings.jsonl"
NUM_NAMED = 100
"""Number of names that the report keeps for each reason; the counts and `FINDINGS_FILE` cover all of them."""
_FORMAT = "slowfast-import"


@dataclass
class Tally:
    """Number of findings of one reason, and the first of them by name."""

    count: int = 0
    first: list[dict[str, str]] = field(default_factory=list)


@dataclass
class ImportReport:
    """Progress of an import: all that is needed to resume it."""

    recordings_done: int = 0
    last_recording: str = ""
    """Name of the last finished recording: an import does not resume if the source has another one in its place."""
    samples_done: int = 0
    """Number of finished samples of the next recording."""
    episodes: int = 0
    frames: int = 0
    is_finished: bool = False
    """Whether the source has no more recordings."""
    left_out: dict[str, Tally] = field(default_factory=dict)
    """Lost samples by reason."""
    noticed: dict[str, Tally] = field(default_factory=dict)
    """Irregularities by reason that cost no sample, or only its broken frames."""

    @property
    def num_findings(self) -> int:
        """Number of all findings."""
        return sum(tally.count for tally in (*self.left_out.values(), *self.noticed.values()))

    @property
    def num_left_out(self) -> int:
        """Number of lost samples."""
        return sum(tally.count for tally in self.left_out.values())

    def add(self, finding: Finding) -> dict[str, str]:
        """Counts a finding, keeps its name if it is among the first, and returns its name and message."""
        tally = (self.left_out if finding.lost else self.noticed).setdefault(finding.reason, Tally())
        tally.count += 1
        entry = {"name": printable(finding.name), "message": printable(finding.message)}
        if len(tally.first) < NUM_NAMED:
            tally.first.append(entry)
        return entry


class SavedReport(NamedTuple):
    """A report as read from a folder."""

    report: ImportReport
    findings: bytes
    """Lines of `FINDINGS_FILE` that the report counts."""
    is_sealed: bool
    """False for a report from before there were seals, in which damage may go unnoticed."""


class ReportLog:
    """The report of an import on disk, with the file of its findings."""

    def __init__(self, out: Path, adapter: str, licence: str) -> None:
        """Reads an existing report; findings that it does not count yet are dropped, to be written again.

        Raises:
            UserError: as `read_report`.
        """
        self._out = out
        self._head = {"format": _FORMAT, "version": 1, "from": adapter, "licence": licence}
        saved = read_report(out)
        self.report = ImportReport() if saved is None else saved.report
        kept = b"" if saved is None else saved.findings
        self._digest = hashlib.sha256(kept)
        self._unsaved: list[str] = []
        findings = out / FINDINGS_FILE
        if findings.is_file() and findings.stat().st_size != len(kept):
            with atomic_path(findings) as temporary:
                temporary.write_bytes(kept)

    def add(self, finding: Finding) -> None:
        """Counts a finding and queues its line."""
        entry = {"reason": finding.reason, "lost": finding.lost, **self.report.add(finding)}
        self._unsaved.append(json.dumps(entry) + "\n")

    def save(self) -> None:
        """Writes the findings, then the report that counts them."""
        if self._unsaved:
            text = "".join(self._unsaved)
            append_text(self._out / FINDINGS_FILE, text)
            self._digest.update(text.encode())
            self._unsaved = []
        files = {FILES: _hashes(self.report, self._digest.hexdigest())}
        write_record(self._out / REPORT_FILE, self._head | asdict(self.report) | files)


def read_report(folder: Path) -> SavedReport | None:
    """Reads the report in a data set's folder and checks its SHA-256; None where there is none.

    Raises:
        DefectiveDataError: it or its findings are not what was written.
        UserError: no report of an import, or findings that are gone.
    """
    path, findings = folder / REPORT_FILE, folder / FINDINGS_FILE
    if not path.is_file():
        return None
    record = read_json(path)
    is_sealed = isinstance(record, dict) and (OWN in record or FILES in record)
    report = _report_of(path, record)
    refuse_changed(path, record, "; import into a new folder")
    lines = read_bytes(findings).splitlines(keepends=True) if findings.is_file() else []
    if len(lines) < report.num_findings:
        raise UserError(f"{findings} lacks lines that {path} counts; import into a new folder")
    counted = b"".join(lines[: report.num_findings])  # a killed import may have left more
    if is_sealed and record.get(FILES) != _hashes(report, hashlib.sha256(counted).hexdigest()):
        message = f"its lines do not fit the SHA-256 in {REPORT_FILE}; import into a new folder"
        refuse([Defect(str(findings), "checksum", message)])
    return SavedReport(report, counted, is_sealed)


def is_report(path: Path) -> bool:
    """Returns whether a file claims to be the report of an import."""
    try:
        record = read_json(path)
    except UserError:
        return False
    return isinstance(record, dict) and record.get("format") == _FORMAT


def seal_note(folder: Path) -> str:
    """Returns a warning for a report that can be read but was never sealed; empty for all others."""
    try:
        saved = read_report(folder)
    except UserError:
        return ""
    if saved is None or saved.is_sealed:
        return ""
    return f"{folder / REPORT_FILE} is of before reports had a SHA-256: a damage to it may go unnoticed"


def printable(text: str) -> str:
    """Returns a text as one short line of valid Unicode, the same in every run: file names may be anything."""
    line = " ".join(text.encode("utf-8", "replace").decode().split())
    line = re.sub(r" (object )?at 0x[0-9a-fA-F]+", "", line)  # where in memory something was
    return line if len(line) <= 300 else f"{line[:300]}..."


def _hashes(report: ImportReport, of_findings: str) -> dict[str, str]:
    """Returns file name -> SHA-256 of the findings of a report; empty without findings."""
    return {FINDINGS_FILE: of_findings} if report.num_findings else {}


def _report_of(path: Path, record: Any) -> ImportReport:
    try:
        if record["format"] != _FORMAT:
            raise KeyError(record["format"])
        counts = {name: record[name] for name in ("recordings_done", "samples_done", "episodes", "frames")}
        if not all(_is_count(count) for count in counts.values()) or not isinstance(record["is_finished"], bool):
            raise TypeError("a count is no whole number")
        report = ImportReport(
            **counts, is_finished=record["is_finished"], last_recording=printable(record["last_recording"])
        )
        report.left_out = {printable(reason): _tally(tally) for reason, tally in record["left_out"].items()}
        report.noticed = {printable(reason): _tally(tally) for reason, tally in record["noticed"].items()}
        return report
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is no report of an import ({error!r:.80}); give a new or empty folder") from error


def _tally(record: Any) -> Tally:
    count, first = record["count"], record["first"]
    named = [{name: printable(entry[name]) for name in ("name", "message")} for entry in first]
    if not _is_count(count) or len(named) != min(count, NUM_NAMED) or not named:
        raise TypeError("a tally does not count what it names")
    return Tally(count, named)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
