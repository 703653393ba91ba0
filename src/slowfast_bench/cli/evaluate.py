"""`slowfast evaluate`: what a world can do, in figures with intervals."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeVar

from slowfast_bench.cli.domains import add_domains
from slowfast_bench.cli.results import check_outputs, finish
from slowfast_bench.cli.suite import add_parts, add_suite
from slowfast_bench.cli.words import add_words
from slowfast_vgen.cli.common import (
    add_json_argument,
    add_world_argument,
    load_world,
    named_folder,
    path_name,
    replaced,
    whole_number,
)
from slowfast_vgen.cli.unused import OptionsBehind
from slowfast_vgen.errors import UserError

if TYPE_CHECKING:
    from slowfast_vgen.models.denoiser import DenoiserModule
    from slowfast_vgen.pictures import Panel

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
    "src_mbv2_off": "revisit similarity (not SRC's network), no memory",
    "src_mbv2_gain_paper": "  what the paper's memory adds",
    "src_mbv2_gain_best": "  what the shipped memory adds",
}
"""Figures that are printed, and how; all go to the JSON file."""

RECALL_HEADLINES = {
    **{
        f"recall_{figure}_{gap}": f"{f'places seen {words} ago' if arm == 'off' else '':<33}{label} (dB)"
        for gap, words in (("gap16", "some 16 frames"), ("gap64", "some 64 frames"), ("gap200", "200 and more frames"))
        for arm, figure, label in (
            ("off", "psnr_db_off", "no memory"),
            ("frozen", "psnr_db_frozen", "last frame frozen"),
            ("raw", "psnr_db_raw", "raw context twice as long"),
            ("on", "psnr_db_on", "memory"),
            ("readout", "psnr_db_readout", "read-out, nothing denoised"),
            ("ceiling", "psnr_db_ceiling", "codec's ceiling"),
            ("gain", "gain_db", "memory over none"),
        )
    },
    "gain_over_raw_context_db": "memory over a raw context twice as long (dB)",
    "ceiling_gap_closed": "share of the way to the codec's ceiling",
    "gain_over_frozen_db": "memory over a frozen last frame (dB)",
    "readout_minus_memory_db": "read-out over memory (dB)",
    "novel_gain_db": "next chunk at places never seen: what the memory adds (dB)",
    "next_chunk_gain_db": "next chunk anywhere: what the memory adds (dB)",
    "history_psnr_db_off": "revisit against the own earlier frame: no memory (dB)",
    "history_gain_db": "  what the memory adds (dB)",
    "src_off": "revisit similarity (not SRC's network): no memory",
    "src_on": "revisit similarity (not SRC's network): memory",
    "scuts_off": "cuts a video: no memory",
    "scuts_on": "cuts a video: memory",
    "cost_ratio_shipped": "time with memory over without",
    "cost_ratio_50_steps": "the same at 50 sampling steps",
    "chunk1000_over_chunk10": "time of chunk 1000 over that of chunk 10",
    "memory_mb": "size of the memory (MB)",
}

DREAM_HEADLINES = {
    "own_visit_psnr_gap200": "places first seen over 200 frames ago against that first visit (dB)",
    "own_visit_psnr_gap200_worst5": "  the worst twentieth of them (dB)",
    "own_visit_psnr_gap200_change_alone": "  every unchanged view taken for a wall (dB)",
    "own_visit_psnr_gap200_all_made": "  every step taken for made (dB)",
    "own_visit_psnr_gap200_none": "  no memory (dB)",
    "own_visit_psnr_gap200_commanded": "the same, places by the commanded motions (dB)",
    "reader_path_disagree_share": "steps of which reader and path say different things (share)",
    "bump_path_end_error_steps": "end of true walks into walls, off by (steps)",
    "bump_path_end_error_steps_change_alone": "  every unchanged view taken for a wall (steps)",
    "scene_cuts_none": "cuts a dream, no memory",
    "scene_cuts_memory": "cuts a dream, memory",
    "src_mbv2_none": "similarity to the first visit (not SRC's network), no memory",
    "src_mbv2_memory": "similarity to the first visit (not SRC's network), memory",
}


class SizedConfig(Protocol):
    """A configuration that knows its smallest size."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @classmethod
    def quick(cls) -> Self:
        """Shows that everything runs; its figures mean nothing."""
        ...


Config = TypeVar("Config", bound=SizedConfig)


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the group `evaluate` and its commands."""
    group = subparsers.add_parser("evaluate", help="measure what a world can do")
    add_suite(group)
    commands = group.add_subparsers(title="commands", dest="command", metavar="COMMAND", action=OptionsBehind)
    add_parts(commands)
    add_domains(commands)
    add_words(commands)
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

    recall = commands.add_parser("recall", help="does it remember? revisits at several gaps; goes on where stopped")
    add_world_argument(recall)
    recall.add_argument("--maps", type=whole_number(1, 10_000), metavar="N", help="of each kind of tour; default: 64")
    recall.add_argument("--seeds", type=whole_number(1, 1000), metavar="N", help="for each tour; default: 3")
    recall.add_argument("--contact-sheet", type=path_name, metavar="FILE.png", help="draw truth and both arms here")
    recall.add_argument("--quick", action="store_true", help="2 maps, 1 seed: does it run?")
    add_json_argument(recall)
    recall.set_defaults(handler=evaluate_recall)

    dreams = commands.add_parser("dreams", help="do long dreams into walls stay where they are? goes on where stopped")
    add_world_argument(dreams)
    dreams.add_argument("--maps", type=whole_number(1, 10_000), metavar="N", help="a dream each; default: 64")
    dreams.add_argument("--seeds", type=whole_number(1, 1000), metavar="N", help="for each dream; default: 3")
    dreams.add_argument("--contact-sheet", type=path_name, metavar="FILE.png", help="draw frames of every arm here")
    dreams.add_argument("--quick", action="store_true", help="2 maps, 1 seed, 48 frames: does it run?")
    add_json_argument(dreams)
    dreams.set_defaults(handler=evaluate_dreams)

    capacity = commands.add_parser("capacity", help="how many rooms one memory holds; goes on where it was stopped")
    add_world_argument(capacity)
    capacity.add_argument("--rows", type=whole_number(1, 1000), metavar="N", help="sessions side by side; default: 8")
    capacity.add_argument("--quick", action="store_true", help="2 rows of 2 rooms: does it run?")
    add_json_argument(capacity)
    capacity.set_defaults(handler=evaluate_capacity)

    rules = commands.add_parser("rules", help="all rules of fast learning, with and without the slow-fast loop")
    add_world_argument(rules)
    rules.add_argument("--before", type=path_name, metavar="DIR", help="denoiser before any loop; default: the world's")
    rules.add_argument(
        "--loop",
        action="append",
        default=[],
        type=named_folder("RULE", "denoising=runs/loop/denoiser"),
        metavar="RULE=DIR",
        help="the denoiser of the loop with a rule; may be given for several",
    )
    rules.add_argument("--maps", type=whole_number(1, 10_000), metavar="N", help="of each kind of tour; default: 64")
    rules.add_argument("--seeds", type=whole_number(1, 1000), metavar="N", help="for each tour; default: 3")
    rules.add_argument("--quick", action="store_true", help="2 maps, 1 seed: does it run?")
    add_json_argument(rules)
    rules.set_defaults(handler=evaluate_rules)

    scaling = commands.add_parser("scaling", help="recall against the compute and the model of the slow-fast loop")
    add_world_argument(scaling)
    scaling.add_argument(
        "--run", action="append", required=True, type=path_name, metavar="DIR", help="a finished `train loop`; several"
    )
    scaling.add_argument("--maps", type=whole_number(1, 10_000), metavar="N", help="of each kind of tour; default: 64")
    scaling.add_argument("--seeds", type=whole_number(1, 1000), metavar="N", help="for each tour; default: 3")
    scaling.add_argument("--quick", action="store_true", help="2 maps, 1 seed: does it run?")
    add_json_argument(scaling)
    scaling.set_defaults(handler=evaluate_scaling)

    report = commands.add_parser("report", help="one page with plots and a verdict, from results files alone")
    report.add_argument("files", nargs="+", type=path_name, metavar="FILE", help="that --json of any command wrote")
    report.add_argument("--out", required=True, type=path_name, metavar="DIR", help="for index.html and report.md")
    report.set_defaults(handler=evaluate_report)


def _sized(config: type[Config], args: argparse.Namespace, **given: int | None) -> Config:
    """The configuration, quick where that is asked for, with what the user gave instead of its own values."""
    return replaced(config.quick() if args.quick else config(), **given)


def _draw_sheet(args: argparse.Namespace, sheet: "Sequence[Panel]", num_columns: int) -> None:
    from slowfast_vgen.pictures import contact_sheet, save_picture

    if args.contact_sheet:
        save_picture(args.contact_sheet, contact_sheet(sheet, [str(1 + column) for column in range(num_columns)]))
        print(f"\ndrew {args.contact_sheet}")


def evaluate_rules(args: argparse.Namespace) -> int:
    """`slowfast evaluate rules`."""
    import torch

    from slowfast_bench.cache import cache_folder
    from slowfast_bench.rules import RulesConfig, RulesTest, make_arms
    from slowfast_vgen.models.video_transformer import VideoTransformer
    from slowfast_vgen.models.world_model import load_denoiser

    check_outputs(args)
    config = _sized(RulesConfig, args, num_maps=args.maps, num_seeds=args.seeds)
    world = load_world(args)
    own = world.model.denoiser

    def loaded(folder: Path) -> "DenoiserModule":
        denoiser = load_denoiser(folder)
        torch.manual_seed(0)  # room for a memory that was never trained: it says nothing, but has weights
        if isinstance(denoiser, VideoTransformer) and isinstance(own, VideoTransformer):
            return denoiser.with_memory(own.config.memory_width)
        return denoiser

    arms = make_arms(world, loaded(args.before) if args.before else own, {rule: loaded(at) for rule, at in args.loop})
    test = RulesTest(arms, config)
    return finish(args, *test.run(cache_folder(args.json, "rules", test.protocol) if args.json else None))


def evaluate_scaling(args: argparse.Namespace) -> int:
    """`slowfast evaluate scaling`."""
    from slowfast_bench.cache import cache_folder
    from slowfast_bench.scaling import ScalingConfig, ScalingPoint, ScalingTest
    from slowfast_vgen.models.world_model import load_denoiser
    from slowfast_vgen.train.checkpoint import read_header

    check_outputs(args)
    config = _sized(ScalingConfig, args, num_maps=args.maps, num_seeds=args.seeds)
    world = load_world(args)
    points = []
    for folder in args.run:
        header = read_header(folder / "checkpoint")
        if "loop" not in header.config or header.step < header.config["optimisation"]["num_steps"]:
            raise UserError(f"{folder} is no finished run of `slowfast train loop`; give one that is")
        loop = header.config["loop"]
        denoiser = load_denoiser(folder / "denoiser").to(world.device).eval().requires_grad_(False)
        windows = loop["num_chains"] * loop["num_chunks"]
        points.append(ScalingPoint(folder.resolve().name, world.with_parts(denoiser), header.step, windows))
    test = ScalingTest(points, world.shipped_memory, config)
    return finish(args, *test.run(cache_folder(args.json, "scaling", test.protocol) if args.json else None))


def evaluate_capacity(args: argparse.Namespace) -> int:
    """`slowfast evaluate capacity`."""
    from slowfast_bench.cache import cache_folder
    from slowfast_bench.scores.capacity import CapacityConfig, CapacityTest

    check_outputs(args)
    test = CapacityTest(load_world(args), _sized(CapacityConfig, args, num_rows=args.rows))
    return finish(args, *test.run(cache_folder(args.json, "capacity", test.protocol) if args.json else None))


def evaluate_recall(args: argparse.Namespace) -> int:
    """`slowfast evaluate recall`."""
    from slowfast_bench.cache import cache_folder
    from slowfast_bench.recall import RecallConfig, RecallTest
    from slowfast_bench.scores.tour_scores import SHEET_COLUMNS
    from slowfast_bench.speed import Bench, BenchConfig

    check_outputs(args)
    world = load_world(args)
    test = RecallTest(world, _sized(RecallConfig, args, num_maps=args.maps, num_seeds=args.seeds))
    report = test.run(cache_folder(args.json, "recall", test.protocol) if args.json else None)
    cost = BenchConfig(1, 1, 2, 1, 1000 - 4, 2, 1) if args.quick else BenchConfig(late_chunk=1000 - 4)
    figures = report.figures | Bench(world, cost).memory_cost()
    finish(args, report.protocol | {"cost": asdict(cost)}, figures, RECALL_HEADLINES)
    _draw_sheet(args, report.sheet, SHEET_COLUMNS)
    return 0


def evaluate_dreams(args: argparse.Namespace) -> int:
    """`slowfast evaluate dreams`."""
    from slowfast_bench.cache import cache_folder
    from slowfast_bench.dreams import SHEET_COLUMNS, DreamsConfig, DreamsTest
    from slowfast_vgen.models.inverse_dynamics import load_inverse_dynamics
    from slowfast_vgen.presets.readers import shipped_reader

    check_outputs(args)
    world = load_world(args)
    reader = load_inverse_dynamics(shipped_reader("rooms")).to(world.device)
    test = DreamsTest(world, reader, _sized(DreamsConfig, args, num_maps=args.maps, num_seeds=args.seeds))
    report = test.run(cache_folder(args.json, "dreams", test.protocol) if args.json else None)
    finish(args, report.protocol, report.figures, DREAM_HEADLINES)
    _draw_sheet(args, report.sheet, SHEET_COLUMNS)
    return 0


def evaluate_report(args: argparse.Namespace) -> int:
    """`slowfast evaluate report`."""
    from slowfast_bench.report.write import write_report

    report = write_report(args.files, args.out)
    for headline in report.headlines:
        print("\n  ".join((headline.answer, *headline.sentences)))
    print(f"wrote {report.index}")
    return 0


def evaluate_smoke(args: argparse.Namespace) -> int:
    """`slowfast evaluate smoke`."""
    from slowfast_bench.cache import cache_folder
    from slowfast_bench.scores.long_videos import SHEET_COLUMNS
    from slowfast_bench.smoke import SmokeConfig, SmokeTest

    check_outputs(args)
    config = _sized(SmokeConfig, args, num_episodes=args.episodes, num_seeds=args.seeds, num_frames=args.frames)
    test = SmokeTest(load_world(args), config)
    report = test.run(cache_folder(args.json, "smoke", test.protocol) if args.json else None)
    finish(args, report.protocol, report.figures, HEADLINES)
    _draw_sheet(args, report.sheet, SHEET_COLUMNS)
    return 0
