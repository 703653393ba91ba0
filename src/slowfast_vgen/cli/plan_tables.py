"""What `slowfast plan` and `slowfast train inverse-dynamics` print."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slowfast_vgen.evaluate.statistics import Estimate
    from slowfast_vgen.plan.reading import ReadingReport

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
        cells = [_cell(figures.get(f"{figure}_{name}")) for figure in COLUMNS]
        print(f"{label:<{width}}" + "".join(f"  {cell:>19}" for cell in cells))
    if "idm_accuracy" in figures:
        print(f"actions read off true frames: {_cell(figures['idm_accuracy'])} right")


def print_reading(report: "ReadingReport") -> None:
    """Accuracy and confusion of an inverse dynamics model on held-out episodes."""
    for name, one in report.figures.items():
        print(f"{name.replace('_', ' '):<32} {_cell(one)}")
    print("\nchunks by what they show (lines) and by what was read (columns)")
    print(" " * 14 + "".join(f"{name[:12]:>13}" for name in report.names))
    for name, row in zip(report.names, report.confusion.tolist(), strict=True):
        print(f"{name[:13]:<14}" + "".join(f"{count:>13}" for count in row))


def _cell(one: "Estimate | None") -> str:
    return "-" if one is None else f"{one.mean:.3g} [{one.low:.3g}, {one.high:.3g}]"
