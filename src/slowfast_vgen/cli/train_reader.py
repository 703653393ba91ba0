"""`slowfast train inverse-dynamics`: what `slowfast plan` reads imagined videos with."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from slowfast_vgen.cli.common import Figure, write_figures
from slowfast_vgen.cli.computing import computed_with
from slowfast_vgen.cli.outputs import check_output_file
from slowfast_vgen.cli.plan_tables import print_reading
from slowfast_vgen.cli.train_data import optimisation, some_episodes, start_training
from slowfast_vgen.errors import UserError

if TYPE_CHECKING:
    import torch

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
    config = InverseDynamicsTrainingConfig(optimisation(args), batch_size=args.batch_size)
    device = start_training(args)
    codec = Codec.load(args.codec).to(device) if args.codec else None
    episodes, held_out = _episodes(args.data, args), _episodes(args.validation, args)
    torch.manual_seed(args.seed)
    trained = (_moves if args.reads == "moves" else _verbs)(args.out, config, codec, episodes, held_out, device)
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


def _episodes(folders: Sequence[Path], args: argparse.Namespace) -> "list[Episode]":
    """As many of each folder."""
    most = max(1, args.episodes // len(folders))
    episodes = [episode for folder in folders for episode in some_episodes(folder, args, most)]
    if not episodes:
        raise UserError(f"no episode of {', '.join(map(str, folders))} can be read; mend the data or record some")
    return episodes


def _verbs(
    out: Path,
    config: "InverseDynamicsTrainingConfig",
    codec: "Codec | None",
    episodes: "list[Episode]",
    held_out: "list[Episode]",
    device: "torch.device",
) -> _Trained:
    from slowfast_vgen.models.inverse_dynamics import InverseDynamics
    from slowfast_vgen.plan.reading import read_held_out
    from slowfast_vgen.train.frame_pairs import frame_pairs
    from slowfast_vgen.train.inverse_dynamics import train_inverse_dynamics

    training = frame_pairs(episodes)
    validation = frame_pairs(held_out, training.names)
    model = train_inverse_dynamics(config, InverseDynamics(training.names).to(device), codec, training, validation, out)
    return _Trained(model, len(training.first), read_held_out(model, held_out))


def _moves(
    out: Path,
    config: "InverseDynamicsTrainingConfig",
    codec: "Codec | None",
    episodes: "list[Episode]",
    held_out: "list[Episode]",
    device: "torch.device",
) -> _Trained:
    from slowfast_vgen.plan.reading import read_held_out_moves
    from slowfast_vgen.train.move_dynamics import new_move_dynamics, train_move_dynamics
    from slowfast_vgen.train.move_pairs import move_pairs

    training = move_pairs(episodes)
    validation = move_pairs(held_out, training.names)
    model = new_move_dynamics(training.names, episodes[0].frames.shape[1])
    model = train_move_dynamics(config, model.to(device), codec, training, validation, out)
    return _Trained(model, len(training.first), read_held_out_moves(model, held_out))
