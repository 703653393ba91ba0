"""`slowfast train inverse-dynamics`: what `slowfast plan` reads imagined videos with."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from slowfast_vgen.cli.common import Figure, write_figures
from slowfast_vgen.cli.computing import computed_with
from slowfast_vgen.cli.outputs import check_output_file
from slowfast_vgen.cli.plan_tables import print_reading
from slowfast_vgen.cli.train_data import open_sets, optimisation, some_episodes, start_training
from slowfast_vgen.errors import UserError

if TYPE_CHECKING:
    import torch

    from slowfast_vgen.data.sources import EpisodeSource
    from slowfast_vgen.models.codec import Codec
    from slowfast_vgen.models.inverse_dynamics import InverseDynamics
    from slowfast_vgen.models.move_dynamics import MoveDynamics
    from slowfast_vgen.plan.reading import ReadingReport
    from slowfast_vgen.train.inverse_dynamics import InverseDynamicsTrainingConfig
    from slowfast_vgen.types import Episode


class _Trained(NamedTuple):
    model: "InverseDynamics | MoveDynamics"
    num_pairs: int
    report: "ReadingReport"


READS = ("verbs", "moves")


def train_inverse_dynamics(args: argparse.Namespace) -> int:
    """`slowfast train inverse-dynamics`."""
    import torch

    from slowfast_vgen.models.codec import Codec
    from slowfast_vgen.train.inverse_dynamics import FOLDER, InverseDynamicsTrainingConfig

    if args.json:
        check_output_file(args.json)
    device = start_training(args)  # first: it settles the precision, too
    config = InverseDynamicsTrainingConfig(optimisation(args), batch_size=args.batch_size)
    codec = Codec.load(args.codec).to(device) if args.codec else None
    sets = open_sets(args)
    episodes, validation = _episodes(sets.training, args), _episodes(sets.validation, args)
    torch.manual_seed(args.seed)
    train = _moves if args.reads == "moves" else _verbs
    trained = train(args.out, config, codec, episodes, validation, device, sets.held_out)
    model, report = trained.model, trained.report
    print_reading(report)
    figures = {name: Figure(one.mean, one.low, one.high, one.n) for name, one in report.figures.items()}
    protocol = {
        "command": "train inverse-dynamics",
        "reads": args.reads,
        "steps": args.steps,
        "batch_size": args.batch_size,
        "seed": args.seed,
        "num_parameters": model.num_parameters(),
        "weights_sha256": model.fingerprint,
        "training_pairs": trained.num_pairs,
        args.reads if args.reads == "verbs" else "things": list(model.names),
        "confusion": report.confusion.tolist(),
        **computed_with(args),
    }
    write_figures(args.json, protocol, figures)
    print(f"wrote {args.out / FOLDER}")
    return 0


def _episodes(sources: "Sequence[EpisodeSource]", args: argparse.Namespace) -> "list[Episode]":
    """As many of each source."""
    most = max(1, args.episodes // len(sources))
    episodes = [episode for source in sources for episode in some_episodes(source, args, most)]
    if not episodes:
        told = ", ".join(str(source.folder) for source in sources)
        raise UserError(f"no episode of {told} can be read; mend the data or record some")
    return episodes


def _verbs(
    out: Path,
    config: "InverseDynamicsTrainingConfig",
    codec: "Codec | None",
    episodes: "list[Episode]",
    held_out: "list[Episode]",
    device: "torch.device",
    told: dict[str, object] | None,
) -> _Trained:
    import torch

    from slowfast_vgen.models.inverse_dynamics import InverseDynamics, check_frames
    from slowfast_vgen.plan.reading import read_held_out
    from slowfast_vgen.train.frame_pairs import frame_pairs
    from slowfast_vgen.train.inverse_dynamics import train_inverse_dynamics

    check_frames(torch.from_numpy(episodes[0].frames))  # before the training, not after it
    training = frame_pairs(episodes)
    validation = frame_pairs(held_out, training.names)
    model = InverseDynamics(training.names).to(device)
    model = train_inverse_dynamics(config, model, codec, training, validation, out, told)
    return _Trained(model, len(training.first), read_held_out(model, held_out))


def _moves(
    out: Path,
    config: "InverseDynamicsTrainingConfig",
    codec: "Codec | None",
    episodes: "list[Episode]",
    held_out: "list[Episode]",
    device: "torch.device",
    told: dict[str, object] | None,
) -> _Trained:
    from slowfast_vgen.plan.reading import read_held_out_moves
    from slowfast_vgen.train.move_dynamics import new_move_dynamics, train_move_dynamics
    from slowfast_vgen.train.move_pairs import move_pairs

    height, width = episodes[0].frames.shape[1:3]
    if height != width:
        raise UserError(f"moves are read off square frames, got {width}x{height}; give data of the world metaworld")
    training = move_pairs(episodes)
    validation = move_pairs(held_out, training.names)
    model = new_move_dynamics(training.names, height)
    model = train_move_dynamics(config, model.to(device), codec, training, validation, out, told)
    return _Trained(model, len(training.first), read_held_out_moves(model, held_out))
