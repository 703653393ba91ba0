"""`slowfast evaluate`: what a world can do, in figures with intervals."""

import argparse
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeVar

from slowfast_bench.cli.domains import add_domains
from slowfast_bench.cli.results import check_outputs, finish
from slowfast_bench.cli.suite import add_parts, add_suite
from slowfast_bench.cli.words import add_words
from slowfast_vgen.cli.common import (
    add_json_argument,
    add_model_argument,
    load_model,
    named_folder,
    path_name,
    replaced,
    whole_number,
)
from slowfast_vgen.cli.unused import OptionsBehind
from slowfast_vgen.errors import UserError

if TYPE_CHECKING:
    from slowfast_bench.results import Results
    from slowfast_vgen.models.denoiser import DenoiserModule


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
    smoke = _command(commands, "smoke", evaluate_smoke, "actions, long videos and revisits on held-out maps")
    smoke.add_argument("--episodes", type=whole_number(1, 10_000), metavar="N", help="of each kind; default: 32")
    smoke.add_argument("--seeds", type=whole_number(1, 1000), metavar="N", help="for each episode; default: 3")
    smoke.add_argument("--frames", type=whole_number(1, 100_000), metavar="N", help="of a long video; default: 256")
    smoke.add_argument("--quick", action="store_true", help="4 episodes, 1 seed, 32 frames: does it run?")

    recall = _command(commands, "recall", evaluate_recall, "does it remember? revisits at several gaps")
    _add_maps(recall, "of each kind of tour", "tour", "2 maps, 1 seed")

    dreams = _command(commands, "dreams", evaluate_dreams, "do long dreams into walls stay where they are?")
    _add_maps(dreams, "a dream each", "dream", "2 maps, 1 seed, 48 frames")
    for parser in (smoke, recall, dreams):
        parser.add_argument("--contact-sheet", type=path_name, metavar="FILE.png", help="draw frames of every arm here")

    capacity = _command(commands, "capacity", evaluate_capacity, "how many rooms one memory holds")
    capacity.add_argument("--rows", type=whole_number(1, 1000), metavar="N", help="sessions side by side; default: 8")
    capacity.add_argument("--quick", action="store_true", help="2 rows of 2 rooms: does it run?")

    told = "all rules of fast learning, with and without the slow-fast loop"
    rules = _command(commands, "rules", evaluate_rules, told)
    rules.add_argument("--before", type=path_name, metavar="DIR", help="denoiser before any loop; default: the world's")
    rules.add_argument(
        "--loop",
        action="append",
        default=[],
        type=named_folder("RULE", "denoising=runs/loop/denoiser"),
        metavar="RULE=DIR",
        help="the denoiser of the loop with a rule; may be given for several",
    )
    told = "recall against the compute and the model of the slow-fast loop"
    scaling = _command(commands, "scaling", evaluate_scaling, told)
    scaling.add_argument(
        "--run", action="append", required=True, type=path_name, metavar="DIR", help="a finished `train loop`; several"
    )
    for parser in (rules, scaling):
        _add_maps(parser, "of each kind of tour", "tour", "2 maps, 1 seed")

    report = commands.add_parser("report", help="one page with plots and a verdict, from results files alone")
    report.add_argument("files", nargs="+", type=path_name, metavar="FILE", help="that --json of any command wrote")
    report.add_argument("--out", required=True, type=path_name, metavar="DIR", help="for index.html and report.md")
    report.set_defaults(handler=evaluate_report)


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    handler: Callable[[argparse.Namespace], int],
    told: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=f"{told}; goes on where it was stopped")
    add_model_argument(parser)
    add_json_argument(parser)
    parser.set_defaults(handler=handler)
    return parser


def _add_maps(parser: argparse.ArgumentParser, of: str, each: str, quick: str) -> None:
    parser.add_argument("--maps", type=whole_number(1, 10_000), metavar="N", help=f"{of}; default: 64")
    parser.add_argument("--seeds", type=whole_number(1, 1000), metavar="N", help=f"for each {each}; default: 3")
    parser.add_argument("--quick", action="store_true", help=f"{quick}: does it run?")


def _sized(config: type[Config], args: argparse.Namespace, **given: int | None) -> Config:
    """The configuration, quick where that is asked for, with what the user gave instead of its own values."""
    return replaced(config.quick() if args.quick else config(), **given)


class Experiment(Protocol):
    """A measurement whose finished parts are kept."""

    @property
    def protocol(self) -> dict[str, Any]:
        """Everything that decides the figures."""

    def run(self, folder: Path | None = None) -> "Results":
        """Computes what `folder` does not hold yet."""


def _kept(args: argparse.Namespace, experiment: Experiment) -> "Results":
    """The experiment's results; finished parts are kept beside the results file, where there is one."""
    from slowfast_bench.cache import cache_folder

    return experiment.run(cache_folder(args.json, args.command, experiment.protocol) if args.json else None)


def evaluate_rules(args: argparse.Namespace) -> int:
    """`slowfast evaluate rules`."""
    import torch

    from slowfast_bench.rules import RulesTest, ToursConfig, make_arms
    from slowfast_vgen.models.video_transformer import VideoTransformer
    from slowfast_vgen.models.world_model import load_denoiser

    check_outputs(args)
    config = _sized(ToursConfig, args, num_maps=args.maps, num_seeds=args.seeds)
    world = load_model(args)
    own = world.model.denoiser

    def loaded(folder: Path) -> "DenoiserModule":
        denoiser = load_denoiser(folder)
        torch.manual_seed(0)  # room for a memory that was never trained: it says nothing, but has weights
        if isinstance(denoiser, VideoTransformer) and isinstance(own, VideoTransformer):
            return denoiser.with_memory(own.config.memory_width)
        return denoiser

    arms = make_arms(world, loaded(args.before) if args.before else own, {rule: loaded(at) for rule, at in args.loop})
    return finish(args, _kept(args, RulesTest(arms, config)))


def evaluate_scaling(args: argparse.Namespace) -> int:
    """`slowfast evaluate scaling`."""
    from slowfast_bench.rules import ScalingPoint, ScalingTest, ToursConfig
    from slowfast_vgen.models.world_model import load_denoiser
    from slowfast_vgen.train.checkpoint import read_header

    check_outputs(args)
    config = _sized(ToursConfig, args, num_maps=args.maps, num_seeds=args.seeds)
    world = load_model(args)
    points = []
    for folder in args.run:
        header = read_header(folder / "checkpoint")
        if "loop" not in header.config or header.step < header.config["optimisation"]["num_steps"]:
            raise UserError(f"{folder} is no finished run of `slowfast train loop`; give one that is")
        loop = header.config["loop"]
        denoiser = load_denoiser(folder / "denoiser").to(world.device).eval().requires_grad_(False)
        windows = loop["num_chains"] * loop["num_chunks"]
        points.append(ScalingPoint(folder.resolve().name, world.with_parts(denoiser), header.step, windows))
    return finish(args, _kept(args, ScalingTest(points, world.shipped_memory, config)))


def evaluate_capacity(args: argparse.Namespace) -> int:
    """`slowfast evaluate capacity`."""
    from slowfast_bench.scores.capacity import CapacityConfig, CapacityTest

    check_outputs(args)
    return finish(args, _kept(args, CapacityTest(load_model(args), _sized(CapacityConfig, args, num_rows=args.rows))))


def evaluate_recall(args: argparse.Namespace) -> int:
    """`slowfast evaluate recall`."""
    from slowfast_bench.recall import RecallConfig, RecallTest
    from slowfast_bench.speed import Bench, BenchConfig

    check_outputs(args)
    world = load_model(args)
    results = _kept(args, RecallTest(world, _sized(RecallConfig, args, num_maps=args.maps, num_seeds=args.seeds)))
    cost = BenchConfig(1, 1, 2, 1, 1000 - 4, 2, 1) if args.quick else BenchConfig(late_chunk=1000 - 4)
    rows = (*results.rows, *Bench(world, cost).memory_cost())
    return finish(args, replace(results, protocol=results.protocol | {"cost": asdict(cost)}, rows=rows))


def evaluate_dreams(args: argparse.Namespace) -> int:
    """`slowfast evaluate dreams`."""
    from slowfast_bench.dreams import DreamsConfig, DreamsTest
    from slowfast_vgen.models.inverse_dynamics import load_inverse_dynamics
    from slowfast_vgen.presets.readers import shipped_reader

    check_outputs(args)
    world = load_model(args)
    reader = load_inverse_dynamics(shipped_reader("rooms")).to(world.device)
    config = _sized(DreamsConfig, args, num_maps=args.maps, num_seeds=args.seeds)
    return finish(args, _kept(args, DreamsTest(world, reader, config)))


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
    from slowfast_bench.smoke import SmokeConfig, SmokeTest

    check_outputs(args)
    config = _sized(SmokeConfig, args, num_episodes=args.episodes, num_seeds=args.seeds, num_frames=args.frames)
    return finish(args, _kept(args, SmokeTest(load_model(args), config)))
