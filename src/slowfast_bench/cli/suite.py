"""`slowfast evaluate --suite NAME`, and the commands that run a part of it or compare other arms by it."""

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from slowfast_bench.cli.results import check_outputs, finish_with_sheets
from slowfast_vgen.cli.common import (
    add_json_argument,
    add_model_argument,
    load_model,
    path_name,
    replaced,
    whole_number,
)
from slowfast_vgen.cli.unused import settle
from slowfast_vgen.errors import UserError

if TYPE_CHECKING:
    from slowfast_bench.experiment import Suite
    from slowfast_vgen.metrics.networks import GivenWeights

PATH_WORLDS = ("vizdoom-mazes", "vizdoom-rooms")
"""Worlds that have held-out paths on file."""


def add_suite(group: argparse.ArgumentParser) -> None:
    """Makes `slowfast evaluate` without a command run the suite."""
    _add_suite_arguments(group)
    group.add_argument("--suite", choices=("standard", "quick"), help="every measure, of the world and of baselines")
    group.set_defaults(handler=evaluate_suite)


def add_parts(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the commands that each run a part of the suite."""
    for name, told in (
        ("quality", "short clips after the true past: PSNR, SSIM, perceptual distance, FVD"),
        ("consistency", "places seen again, and long roll-outs: SCuts, SRC, revisits by gap, mirror, drift, following"),
        (
            "isolation",
            "is the gain due to the memory? the same weights with none, with a foreign one, and before the loop",
        ),
        ("crossdomain", "the same measures in a world that was not trained on, with and without fast learning"),
        ("ablations", "eq. 3 with one setting changed at a time, the paper's four ablations among them"),
    ):
        one = commands.add_parser(name, help=told)
        _add_suite_arguments(one, of_baselines=name in ("quality", "consistency"))
        one.add_argument("--quick", action="store_true", help="4 maps, 1 seed: does it run?")
        if name == "isolation":
            one.add_argument("--before", type=path_name, metavar="DIR", help="the denoiser folder before the loop")
        if name == "crossdomain":
            one.add_argument("--on", choices=PATH_WORLDS, default=PATH_WORLDS[0], help="whose paths; %(default)s")
        one.set_defaults(handler=evaluate_part, part=name)


def _add_suite_arguments(parser: argparse.ArgumentParser, of_baselines: bool = True) -> None:
    add_model_argument(parser)
    parser.add_argument("--maps", type=whole_number(2, 10_000), metavar="N", help="of each kind of path; default: 64")
    parser.add_argument("--seeds", type=whole_number(1, 1000), metavar="N", help="for each path; default: 3")
    if of_baselines:
        told = "a denoiser of `train context`, for baselines"
        parser.add_argument("--context", type=path_name, metavar="DIR", help=told)
    parser.add_argument("--resnet18", type=path_name, metavar="PATH", help="torchvision's weights, for SRC")
    parser.add_argument("--alexnet", type=path_name, metavar="PATH", help="torchvision's weights, for LPIPS")
    parser.add_argument("--lpips-heads", type=path_name, metavar="PATH", help="default: those of the package lpips")
    parser.add_argument("--i3d", type=path_name, metavar="PATH", help="StyleGAN-V's i3d_torchscript.pt, for FVD")
    parser.add_argument("--i3d-sha256", metavar="HASH", help="of that file")
    add_json_argument(parser)


def _given_weights(args: argparse.Namespace) -> "GivenWeights":
    from slowfast_vgen.metrics.networks import GivenWeights

    settle(args, args.alexnet is not None, "goes with --alexnet", lpips_heads=None)
    settle(args, args.i3d is not None, "is of the file of --i3d", i3d_sha256=None)
    return GivenWeights(args.resnet18, args.alexnet, args.lpips_heads, args.i3d, args.i3d_sha256)


def _run_suite(args: argparse.Namespace, suite: "Suite") -> int:
    from slowfast_bench.cache import cache_folder
    from slowfast_bench.scores.consistency import SHEET_COLUMNS

    name = suite.command.removeprefix("evaluate ")
    results = suite.run(cache_folder(args.json, name, suite.protocol) if args.json else None)
    return finish_with_sheets(args, results, range(1, 1 + SHEET_COLUMNS))


def evaluate_suite(args: argparse.Namespace) -> int:
    """`slowfast evaluate --suite NAME`."""
    from slowfast_bench.experiment import CONTEXTS, NEEDS_CONTEXT, Suite, SuiteConfig, suite_arms
    from slowfast_vgen.metrics.networks import Networks
    from slowfast_vgen.models.world_model import load_denoiser

    if args.suite is None:
        raise UserError("nothing to evaluate was named; give --suite standard, --suite quick or a command (see --help)")
    check_outputs(args)
    config = replaced(SuiteConfig.named(args.suite), num_maps=args.maps, num_seeds=args.seeds)
    given, world = _given_weights(args), load_model(args)
    arms = suite_arms(world, load_denoiser(args.context) if args.context else None)
    missing = given.missing | ({} if args.context else dict.fromkeys(CONTEXTS, NEEDS_CONTEXT))
    return _run_suite(args, Suite(arms, config, Networks.load(given), missing))


def evaluate_part(args: argparse.Namespace) -> int:
    """`slowfast evaluate quality`, `consistency`, `isolation`, `crossdomain` and `ablations`."""
    from slowfast_bench.comparisons import ablation_arms, crossdomain_arms, isolation_arms
    from slowfast_bench.experiment import CONTEXTS, NEEDS_CONTEXT, PARTS, Suite, SuiteConfig, suite_arms
    from slowfast_vgen.metrics.networks import Networks
    from slowfast_vgen.models.world_model import load_denoiser

    check_outputs(args)
    parts = {"quality": ("clips",), "consistency": ("revisits", "rollouts"), "isolation": ("clips", "revisits")}
    config = SuiteConfig.named("quick" if args.quick else "standard")
    config = replaced(config, parts=parts.get(args.part, PARTS), num_maps=args.maps, num_seeds=args.seeds)
    given, world = _given_weights(args), load_model(args)
    missing = given.missing
    if args.part == "isolation":
        arms = isolation_arms(world, load_denoiser(args.before) if args.before else None)
        missing |= {} if args.before else {"slow_alone": "needs weights: --before DIR (the denoiser before the loop)"}
    elif args.part == "ablations":
        arms = ablation_arms(world)
    elif args.part == "crossdomain":
        arms, config = crossdomain_arms(world), replace(config, paths_of=args.on)
    else:
        arms = suite_arms(world, load_denoiser(args.context) if args.context else None)
        missing |= {} if args.context else dict.fromkeys(CONTEXTS, NEEDS_CONTEXT)
    return _run_suite(args, Suite(arms, config, Networks.load(given), missing, f"evaluate {args.part}"))
