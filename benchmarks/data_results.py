"""results/data.json, which several benchmarks share: each replaces its own rows and leaves the others' alone."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from slowfast_bench.results import read_results
from slowfast_vgen.results import Row, write_results

DATA_RESULTS = Path(__file__).parents[1] / "results" / "data.json"
READING = "median, least and greatest of the repetitions"


def update_results(
    path: Path, part: str, protocol: Mapping[str, Any], rows: Sequence[Row], asked: Collection[str] = ()
) -> None:
    """Writes the rows of a part, and its protocol with their names under the part's name.

    Rows that the part wrote before and does not write now, such as those of an engine that is gone, are taken out;
    where only some were `asked` for, only of those.
    """
    kept = read_results(path) if path.is_file() else None
    parts = dict(kept.protocol.get("parts", {})) if kept else {}
    before = set(parts.get(part, {}).get("figures", []))
    others = before - set(asked) if asked else set()
    gone = (before - others) | {row.name for row in rows}
    parts[part] = {**protocol, "reading": READING, "figures": sorted(others | {row.name for row in rows})}
    stay = [row for row in kept.rows if row.name not in gone] if kept else []
    write_results(path, {"command": "benchmarks", "parts": dict(sorted(parts.items()))}, [*stay, *rows])
