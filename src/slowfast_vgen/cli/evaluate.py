"""`slowfast evaluate`: what a world can do, in figures with intervals."""

import argparse
from dataclasses import asdict

from slowfast_vgen.cli.common import (
    Figure,
    add_json_argument,
    add_world_argument,
    path_name,
    print_figures,
    whole_number,
    write_figures,
)
from slowfast_vgen.cli.outputs import check_output_file

HEADLINES = {
    "action_following": "turns go the right way (share)",
    "action_following_five_way": "nearest of five true outcomes is the given one (share)",
    "action_following_flow": "picture moves the right way in turns (share)",
    "first_frame_gain_db": "first new frame over a copy of the past's last (dB)",
    "first_frame_psnr_db": "first new frame (dB)",
    "chunk_psnr_db": "new chunk after the true past (dB)",
    "codec_psnr_db": "codec alone, the ceiling of the above (dB)",
    "late_sharpness_ratio": "late sharpness over true, no memory",
    "late_sharpness_ratio_memory": "late sharpness over true, memory",
    "late_colour_spread_ratio": "late colour spread over true, no memory",
    "late_colour_spread_ratio_memory": "late colour spread over true, memory",
    "collapsed_share": "collapsed long videos, no memory (share)",
    "collapsed_share_memory": "collapsed long videos, memory (share)",
    "scuts": "cuts a long video, no memory",
    "scuts_memory": "cuts a long video, memory",
    "scuts_true": "cuts a true video",
    "motion_score": "motion, no memory",
    "motion_score_memory": "motion, memory",
    "motion_score_true": "motion, true",
    "revisit_psnr_db_copy": "revisit against the true frame: frozen last frame (dB)",
    "revisit_psnr_db_off": "revisit against the true frame: no memory (dB)",
    "revisit_gain_db_paper": "  what the paper's memory adds (dB)",
    "revisit_gain_db_best": "  what the shipped memory adds (dB)",
    "history_psnr_db_off": "revisit against the own earlier frame: no memory (dB)",
    "history_gain_db_paper": "  what the paper's memory adds (dB)",
    "history_gain_db_best": "  what the shipped memory adds (dB)",
    "src_effnet_lite0_off": "revisit similarity (not SRC's network), no memory",
    "src_effnet_lite0_gain_paper": "  what the paper's memory adds",
    "src_effnet_lite0_gain_best": "  what the shipped memory adds",
}
"""Figures that are printed, and how; all go to the JSON file."""


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the group `evaluate` and its commands."""
    group = subparsers.add_parser("evaluate", help="measure what a world can do")
    commands = group.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    smoke = commands.add_parser(
        "smoke", help="actions, long videos and revisits on held-out maps; goes on where it was stopped"
    )
    add_world_argument(smoke)
    smoke.add_argument("--episodes", type=whole_number(1, 10_000), metavar="N", help="of each kind; default: 32")
    smoke.add_argument("--seeds", type=whole_number(1, 1000), metavar="N", help="for each episode; default: 3")
    smoke.add_argument("--frames", type=whole_number(1, 100_000), metavar="N", help="of a long video; default: 256")
    smoke.add_argument("--contact-sheet", type=path_name, metavar="FILE.png", help="draw frames of every arm here")
    smoke.add_argument("--quick", action="store_true", help="4 episodes, 1 seed, 32 frames: does it run?")
    add_json_argument(smoke)
    smoke.set_defaults(handler=evaluate_smoke)


def evaluate_smoke(args: argparse.Namespace) -> int:
    """`slowfast evaluate smoke`."""
    from slowfast_vgen.evaluate.long_rollouts import SHEET_COLUMNS
    from slowfast_vgen.evaluate.smoke import SmokeConfig, SmokeTest
    from slowfast_vgen.pictures import contact_sheet, save_picture
    from slowfast_vgen.presets.worlds import load

    if args.json:
        check_output_file(args.json)
    if args.contact_sheet:
        check_output_file(args.contact_sheet, ".png")

    given = {"num_episodes": args.episodes, "num_seeds": args.seeds, "num_frames": args.frames}
    sizes = asdict(SmokeConfig.quick() if args.quick else SmokeConfig())
    config = SmokeConfig(**sizes | {name: value for name, value in given.items() if value is not None})
    test = SmokeTest(load(args.world), config)
    report = test.run(test.cache_folder(args.json) if args.json else None)
    figures = {name: Figure(one.mean, one.low, one.high, one.n) for name, one in report.figures.items()}
    print_figures(HEADLINES, figures)
    write_figures(args.json, report.protocol, figures)
    if args.contact_sheet:
        columns = [str(1 + column) for column in range(SHEET_COLUMNS)]
        save_picture(args.contact_sheet, contact_sheet(report.sheet, columns))
        print(f"\ndrew {args.contact_sheet}")
    return 0
