"""How the commands of `slowfast evaluate` end: where they may write, what they print, and the results file."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slowfast_vgen.cli.common import Figure, print_figures, write_figures
from slowfast_vgen.cli.computing import computed_with
from slowfast_vgen.cli.outputs import check_output_file
from slowfast_vgen.cli.unused import check_apart
from slowfast_vgen.files import is_stream

if TYPE_CHECKING:
    from slowfast_vgen.metrics.bootstrap import Estimate
    from slowfast_vgen.pictures import Panel


def check_outputs(args: argparse.Namespace) -> None:
    """Hours of measuring must not end at a file that cannot be written."""
    if args.json:
        check_output_file(args.json)
    check_apart(json=args.json, contact_sheet=getattr(args, "contact_sheet", None))
    if getattr(args, "contact_sheet", None):
        check_output_file(args.contact_sheet, ".png")


def finish(
    args: argparse.Namespace,
    protocol: Mapping[str, Any],
    estimates: "Mapping[str, Estimate]",
    headlines: Mapping[str, str] | None = None,
) -> int:
    """Prints the headlines (None: every figure by its name), and writes the results file."""
    figures = {name: Figure(one.mean, one.low, one.high, one.n) for name, one in estimates.items()}
    print_figures(headlines or {name: name.replace("_", " ") for name in figures}, figures)
    if told := protocol.get("interval") or protocol.get("reading"):
        print(f"mean and interval: {told}")
    write_figures(args.json, dict(protocol) | computed_with(args), figures)
    return 0


def save_sheets(
    results: Path | None, sheets: "Mapping[str, Sequence[Panel]]", columns: Sequence[int]
) -> dict[str, str]:
    """Draws contact sheets in a folder named after the results file; their paths beside it, by name."""
    from slowfast_vgen.pictures import contact_sheet, save_picture

    if results is None or is_stream(results) or not sheets:
        return {}
    folder = results.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    for name, panels in sheets.items():
        save_picture(folder / f"{name}.png", contact_sheet(panels, [str(column) for column in columns]))
    return {name: f"{folder.name}/{name}.png" for name in sheets}
