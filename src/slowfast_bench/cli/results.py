"""How the commands of `slowfast evaluate` end: where they may write, what they print, and the results file."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from slowfast_vgen.cli.common import write_rows
from slowfast_vgen.cli.computing import computed_with
from slowfast_vgen.cli.outputs import check_output_file
from slowfast_vgen.cli.unused import check_apart
from slowfast_vgen.files import is_stream
from slowfast_vgen.results import Row

if TYPE_CHECKING:
    from slowfast_bench.results import Results
    from slowfast_vgen.pictures import Panel


def check_outputs(args: argparse.Namespace) -> None:
    """Hours of measuring must not end at a file that cannot be written."""
    if args.json:
        check_output_file(args.json)
    check_apart(json=args.json, contact_sheet=getattr(args, "contact_sheet", None))
    if getattr(args, "contact_sheet", None):
        check_output_file(args.contact_sheet, ".png")


def finish(args: argparse.Namespace, results: "Results") -> int:
    """Prints every row by its name, draws the contact sheet that was asked for, and writes the results file."""
    from slowfast_vgen.pictures import contact_sheet, save_picture

    print_rows(results.rows)
    if told := results.protocol.get("interval") or results.protocol.get("reading"):
        print(f"mean and interval: {told}")
    write_rows(args.json, results.protocol | computed_with(args), results.rows)
    if getattr(args, "contact_sheet", None):
        for panels in results.sheets.values():
            columns = [str(1 + number) for number in range(len(panels[0].frames))]
            save_picture(args.contact_sheet, contact_sheet(panels, columns))
            print(f"\ndrew {args.contact_sheet}")
    return 0


def finish_with_sheets(args: argparse.Namespace, results: "Results", columns: Sequence[int]) -> int:
    """The same, with contact sheets in a folder named after the results file, their frames numbered by `columns`."""
    pictures = save_sheets(args.json, results.sheets, columns)
    return finish(args, replace(results, protocol=results.protocol | {"pictures": pictures}))


def print_rows(rows: Sequence[Row]) -> None:
    """A line a row: its name, its mean and its interval."""
    width = max((len(row.name) for row in rows), default=0)
    for row in rows:
        print(f"{row.name:<{width}} {row.mean:>9.3f}   {row.low:.3f} to {row.high:.3f}")


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
