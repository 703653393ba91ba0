"""`slowfast data info --card`."""

import argparse
from pathlib import Path

from slowfast_vgen.cli.common import path_name, write_figures

DEFAULT_OUT = Path("cards")


def add_card_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds `--card` and `--out` to `info`."""
    parser.add_argument("--card", action="store_true", help="write a card of each: Markdown, frames, plots")
    parser.add_argument("--out", type=path_name, metavar="DIR", help=f"folder of the cards; default: {DEFAULT_OUT}")


def write_cards(args: argparse.Namespace) -> int:
    """`slowfast data info --card`."""
    from slowfast_vgen.data.cards.card import write_data_cards
    from slowfast_vgen.errors import UserError

    if args.contact_sheet:
        raise UserError("a card has its own contact sheet; leave out --contact-sheet")
    out = args.out or DEFAULT_OUT
    pages, total = write_data_cards(args.folders, out)
    for page in pages:
        print(f"wrote {page}")
    protocol = {"command": "data info --card", "folders": [str(folder) for folder in args.folders]}
    figures = {"episodes": total.num_episodes, "clips": total.num_clips, "frames": total.num_frames}
    figures |= {f"clips of domain {name}": count for name, count in total.clips_by_domain.items()}
    write_figures(args.json, protocol, figures)
    return 0
