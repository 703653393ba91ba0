"""results/data.json, which several benchmarks share: each replaces its own figures and leaves the others' alone."""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from slowfast_vgen.cli.common import Figure, write_figures

DATA_RESULTS = Path(__file__).parents[1] / "results" / "data.json"
READING = "median, least and greatest of the repetitions"


def over_repetitions(readings: Sequence[float]) -> Figure:
    """Median, least and greatest, as in `slowfast bench`."""
    return Figure(median(readings), min(readings), max(readings), len(readings))


def update_results(
    path: Path, part: str, protocol: Mapping[str, Any], figures: Mapping[str, Figure], asked: Collection[str] = ()
) -> None:
    """Writes the figures of a part, and its protocol under the part's name.

    Figures that the part wrote before and does not write now, such as those of an engine that is gone, are taken out;
    where only some were `asked` for, only of those.
    """
    results = json.loads(path.read_text()) if path.is_file() else {"protocol": {}, "figures": {}}
    parts = dict(results["protocol"].get("parts", {}))
    before = set(parts.get(part, {}).get("figures", []))
    others = before - set(asked) if asked else set()
    kept = {name: row for name, row in results["figures"].items() if name not in before - others}
    parts[part] = {**protocol, "reading": READING, "figures": sorted(others | set(figures))}
    write_figures(path, {"command": "benchmarks", "parts": dict(sorted(parts.items()))}, {**kept, **figures})
