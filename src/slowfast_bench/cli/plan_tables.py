"""What `slowfast plan` prints."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from slowfast_vgen.cli.common import cell_of

if TYPE_CHECKING:
    from slowfast_bench.results import Results

COLUMNS = {
    "distance": "distance",
    "final_distance": "at the end",
    "success": "success",
    "way_points": "way-points",
    "fvd_mbv2": "fvd_mbv2",
    "imagination_psnr": "imagined, dB",
    "idm_accuracy": "read right",
    "seconds_per_decision": "s a decision",
}
"""Of the table: the metric, and what stands above it."""


def print_plan(labels: Mapping[str, str], results: "Results", unit: str) -> None:
    """The paper's Table 2: a line an arm, mean and interval; a dash where nothing was measured."""
    width = max(len(label) for label in labels.values())
    print(f"distances in {unit}; 95 % intervals over episodes; of seconds, median and quartiles")
    print(" " * width + "".join(f"  {title:>19}" for title in COLUMNS.values()))
    for name, label in labels.items():
        rows = {row.metric: row for row in results.select(variant=name, minus=None)}
        cells = [cell_of(rows.get(metric)) for metric in COLUMNS]
        print(f"{label:<{width}}" + "".join(f"  {cell:>19}" for cell in cells))
    for row in results.select(metric="idm_accuracy", variant=None):
        print(f"actions read off true frames: {cell_of(row)} right")
