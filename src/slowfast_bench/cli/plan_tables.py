"""What `slowfast plan` prints."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from slowfast_vgen.cli.common import cell_of

if TYPE_CHECKING:
    from slowfast_vgen.metrics.bootstrap import Estimate

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
"""Of the table: the figure, less the arm's name, and what stands above it."""


def print_plan(labels: Mapping[str, str], figures: "Mapping[str, Estimate]", unit: str) -> None:
    """The paper's Table 2: a line an arm, mean and interval; a dash where nothing was measured."""
    width = max(len(label) for label in labels.values())
    print(f"distances in {unit}; 95 % intervals over episodes; of seconds, median and quartiles")
    print(" " * width + "".join(f"  {title:>19}" for title in COLUMNS.values()))
    for name, label in labels.items():
        cells = [cell_of(figures.get(f"{figure}_{name}")) for figure in COLUMNS]
        print(f"{label:<{width}}" + "".join(f"  {cell:>19}" for cell in cells))
    if "idm_accuracy" in figures:
        print(f"actions read off true frames: {cell_of(figures['idm_accuracy'])} right")
