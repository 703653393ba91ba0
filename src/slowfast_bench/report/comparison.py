"""Arms side by side: the figures of the suite or of a recall file by measure and arm, and what the memory adds."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from slowfast_bench.report.looks import MEMORY, NO_MEMORY, Look, looks_of
from slowfast_bench.report.measures import ALL_GAPS, GAPS, split_revisit
from slowfast_bench.results import SUITE_COMMANDS, Figure, Results, SuiteProtocol, read_suite
from slowfast_vgen.errors import UserError

RECALL = "evaluate recall"
_RECALL_ARMS = {
    "on": MEMORY,
    "off": NO_MEMORY,
    "frozen": "frozen",
    "readout": "readout",
    "ceiling": "ceiling",
    "retrieval": "ceiling",
}
"""Files of before the second version call the codec's ceiling retrieval."""
_RECALL_MEASURES = {
    "history_psnr_db": f"history_psnr_{ALL_GAPS}",
    "src": "similarity",
    "scuts": "scuts",
    "motion": "motion",
    "novel_psnr_db": "novel_psnr",
    "next_chunk_psnr_db": "psnr",
}
_RECALL_GAINS = {
    "recall_gain_db": f"truth_psnr_{ALL_GAPS}",
    "history_gain_db": f"history_psnr_{ALL_GAPS}",
    "src_gain": "similarity",
    "novel_gain_db": "novel_psnr",
    "next_chunk_gain_db": "psnr",
}

ByArm = dict[str, dict[str, Figure]]
"""Estimates by measure, then by arm."""


@dataclass(frozen=True)
class Comparison:
    """The figures of one file, in the names of the suite."""

    results: Results
    suite: SuiteProtocol | None
    """None for a recall file."""
    base: str
    """The arm that the others are taken from in differences: the memory, but for ablations."""
    looks: dict[str, Look]
    """Of each arm, in the order of the page."""
    values: ByArm
    differences: ByArm
    """The base minus the arm, paired."""
    bounds: dict[str, tuple[int, int]]
    """Fewest and most frames of each gap."""
    others: dict[str, Figure]
    """Figures that are neither."""

    @property
    def gaps(self) -> list[str]:
        """The gaps that there are figures of, short ones first; the one over all of them is the last."""
        found = {pair[1] for name in (*self.values, *self.differences) if (pair := split_revisit(name))}
        return sorted(found, key=lambda gap: (gap == ALL_GAPS, int(gap.removeprefix("gap")) if gap != ALL_GAPS else 0))

    @property
    def rivals(self) -> list[str]:
        """The arms that the base is measured against."""
        return [arm for arm in self.looks if arm != self.base]

    def bounds_of(self, gap: str) -> tuple[int, int] | None:
        """Fewest and most frames of a gap, as the protocol or else this version has them."""
        return self.bounds.get(gap, GAPS.get(gap))


def compare(results: Results) -> Comparison | None:
    """The comparison that a file holds; None for other kinds of files."""
    if results.command in SUITE_COMMANDS:
        return _of_suite(results, read_suite(results))
    if results.command == RECALL:
        return _of_recall(results)
    try:  # what later commands write in the suite's form
        return _of_suite(results, read_suite(results))
    except UserError:
        return None


def _of_suite(results: Results, suite: SuiteProtocol) -> Comparison:
    base = next(iter(suite.arms))
    endings = sorted(suite.arms, key=len, reverse=True)  # no_memory ends in memory
    values: ByArm = {}
    differences: ByArm = {}
    others: dict[str, Figure] = {}
    for name, figure in results.figures.items():
        measure, minus, rival = name.rpartition(f"_{base}_minus_")
        if minus and rival in suite.arms:
            differences.setdefault(measure, {})[rival] = figure
        elif arm := next((each for each in endings if name.endswith(f"_{each}")), None):
            values.setdefault(name.removesuffix(f"_{arm}"), {})[arm] = figure
        else:
            others[name] = figure
    return Comparison(results, suite, base, looks_of(suite.arms), values, differences, _bounds(results), others)


def _of_recall(results: Results) -> Comparison:
    """A recall file has its arms under other names."""
    frames, chunk = results.protocol.get("raw_context_frames"), results.protocol.get("new_frames")
    raw = "raw_context"
    if isinstance(frames, int) and isinstance(chunk, int) and chunk > 0 and frames % chunk == 0:
        raw = f"raw_context_{frames // chunk}"
    arms = _RECALL_ARMS | {"raw": raw}
    values: ByArm = {}
    differences: ByArm = {}
    others: dict[str, Figure] = {}
    for name, figure in results.figures.items():
        if match := re.fullmatch(r"recall_psnr_db_([a-z]+)_(gap\d+)", name):
            measure, arm = f"truth_psnr_{match[2]}", match[1]
        else:
            ours, _, arm = name.rpartition("_")
            measure = _RECALL_MEASURES.get(ours, "")
        if measure and arm in arms:
            values.setdefault(measure, {})[arms[arm]] = figure
        elif match := re.fullmatch(r"recall_gain_db_(gap\d+)", name):
            differences.setdefault(f"truth_psnr_{match[1]}", {})[NO_MEMORY] = figure
        elif name in _RECALL_GAINS:
            differences.setdefault(_RECALL_GAINS[name], {})[NO_MEMORY] = figure
        elif name == "gain_over_raw_context_db":
            differences.setdefault(f"truth_psnr_{ALL_GAPS}", {})[raw] = figure
        else:
            others[name] = figure
    labels = {
        MEMORY: "memory",
        NO_MEMORY: "no memory",
        "frozen": "last frame frozen",
        raw: f"raw context of {frames} frames" if isinstance(frames, int) else "longer raw context",
        "readout": "read-out, nothing denoised",
        "ceiling": "codec's ceiling",
    }
    present = {arm for table in (values, differences) for row in table.values() for arm in row}
    looks = looks_of({arm: label for arm, label in labels.items() if arm in present}, bounds=("ceiling",))
    return Comparison(results, None, MEMORY, looks, values, differences, _bounds(results), others)


def _bounds(results: Results) -> dict[str, tuple[int, int]]:
    given = results.protocol.get("gaps_in_frames")
    rows: Mapping[str, object] = given if isinstance(given, dict) else {}
    return {
        gap: (row[0], row[1])
        for gap, row in rows.items()
        if isinstance(row, list) and len(row) == 2 and all(isinstance(each, int) for each in row)
    }
