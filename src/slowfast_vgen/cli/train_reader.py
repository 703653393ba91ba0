"""`slowfast train inverse-dynamics`: what `slowfast plan` reads imagined videos with."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from slowfast_vgen.cli.common import add_json_argument, cell_of, write_figures
from slowfast_vgen.cli.computing import computed_with
from slowfast_vgen.cli.outputs import check_output_file
from slowfast_vgen.cli.settings import settings_of
from slowfast_vgen.cli.training import Commands, add_training, finish_training, start_training
from slowfast_vgen.errors import UserError
from slowfast_vgen.train.settings import InverseDynamicsTrainingConfig, ReaderConfig, TrainingFiles

if TYPE_CHECKING:
    from slowfast_vgen.data.sources import EpisodeSource
    from slowfast_vgen.models.codec import Codec
    from slowfast_vgen.models.inverse_dynamics import InverseDynamics
    from slowfast_vgen.models.move_dynamics import MoveDynamics
    from slowfast_vgen.plan.reader_accuracy import ReadingReport
    from slowfast_vgen.train.frame_pairs import FramePairs
    from slowfast_vgen.train.move_pairs import MovePairs
    from slowfast_vgen.types import Episode

_HeldOut = Mapping[str, object] | None
Model = TypeVar("Model")
Pairs = TypeVar("Pairs")


class _Reading(NamedTuple, Generic[Model, Pairs]):
    """A reader of verbs or of moves, what it learns from and is validated on, and how that is done."""

    model: Model
    training: Pairs
    validation: Pairs
    train: "Callable[[InverseDynamicsTrainingConfig, Model, Codec | None, Pairs, Pairs, Path, _HeldOut], Model]"
    read_held_out: "Callable[[Model, Sequence[Episode]], ReadingReport]"


def add_inverse_dynamics(commands: Commands) -> None:
    """Adds `train inverse-dynamics`."""
    told = "which action led from one frame to the next: what `plan` reads imagined videos with"
    settings = TrainingFiles, ReaderConfig, InverseDynamicsTrainingConfig
    reading = add_training(commands, "inverse-dynamics", told, train_inverse_dynamics, *settings)
    add_json_argument(reading)


def train_inverse_dynamics(args: argparse.Namespace) -> int:
    """`slowfast train inverse-dynamics`."""
    import torch

    from slowfast_vgen.models.codec import Codec
    from slowfast_vgen.train.inputs import open_sets
    from slowfast_vgen.train.inverse_dynamics import FOLDER

    if args.json:
        check_output_file(args.json)
    files, reader = settings_of(args, TrainingFiles), settings_of(args, ReaderConfig)
    device, config = start_training(args, InverseDynamicsTrainingConfig)
    seed = config.optimisation.seed
    codec = Codec.load(reader.codec).to(device) if reader.codec else None
    sets = open_sets(files)
    episodes, held_out = (
        _episodes(sources, reader.episodes, seed, files.max_bad_share) for sources in (sets.training, sets.validation)
    )
    torch.manual_seed(seed)
    read: _Reading[Any, Any] = (_moves if reader.reads == "moves" else _verbs)(episodes, held_out)
    model = read.model.to(device)
    model = read.train(config, model, codec, read.training, read.validation, files.out, sets.held_out)
    report = read.read_held_out(model, held_out)
    print_reading(report)
    protocol = {
        "command": "train inverse-dynamics",
        "reads": reader.reads,
        "steps": config.optimisation.num_steps,
        "batch_size": config.batch_size,
        "seed": seed,
        "num_parameters": model.num_parameters(),
        "weights_sha256": model.fingerprint,
        "training_pairs": len(read.training.first),
        reader.reads if reader.reads == "verbs" else "things": list(model.names),
        "confusion": report.confusion.tolist(),
        **computed_with(args),
    }
    write_figures(args.json, protocol, report.figures)
    return finish_training(args, files.out / FOLDER)


def _episodes(sources: "Sequence[EpisodeSource]", count: int, seed: int, max_bad_share: float = 0.0) -> "list[Episode]":
    """As many of each source, `count` in all."""
    from slowfast_vgen.train.inputs import some_episodes

    most = max(1, count // len(sources))
    episodes = [episode for source in sources for episode in some_episodes(source, seed, max_bad_share, most)]
    if not episodes:
        told = ", ".join(str(source.folder) for source in sources)
        raise UserError(f"no episode of {told} can be read; mend the data or record some")
    return episodes


def _verbs(episodes: "list[Episode]", held_out: "list[Episode]") -> "_Reading[InverseDynamics, FramePairs]":
    import torch

    from slowfast_vgen.models.inverse_dynamics import InverseDynamics, check_frames
    from slowfast_vgen.plan.reader_accuracy import read_held_out
    from slowfast_vgen.train.frame_pairs import frame_pairs
    from slowfast_vgen.train.inverse_dynamics import train_inverse_dynamics

    check_frames(torch.from_numpy(episodes[0].frames))  # before the training, not after it
    training = frame_pairs(episodes)
    validation = frame_pairs(held_out, training.names)
    return _Reading(InverseDynamics(training.names), training, validation, train_inverse_dynamics, read_held_out)


def _moves(episodes: "list[Episode]", held_out: "list[Episode]") -> "_Reading[MoveDynamics, MovePairs]":
    from slowfast_vgen.plan.reader_accuracy import read_held_out_moves
    from slowfast_vgen.presets.tables import METAWORLD
    from slowfast_vgen.train.move_dynamics import new_move_dynamics, train_move_dynamics
    from slowfast_vgen.train.move_pairs import move_pairs

    height, width = episodes[0].frames.shape[1:3]
    if height != width:
        raise UserError(f"moves are read off square frames, got {width}x{height}; give data of the world metaworld")
    training = move_pairs(episodes)
    validation = move_pairs(held_out, training.names)
    model = new_move_dynamics(training.names, height, METAWORLD)
    return _Reading(model, training, validation, train_move_dynamics, read_held_out_moves)


def print_reading(report: "ReadingReport") -> None:
    """Accuracy and confusion of an inverse dynamics model on held-out episodes."""
    for name, one in report.figures.items():
        print(f"{name.replace('_', ' '):<32} {cell_of(one)}")
    print("\nchunks by what they show (lines) and by what was read (columns)")
    print(" " * 14 + "".join(f"{name[:12]:>13}" for name in report.names))
    for name, row in zip(report.names, report.confusion.tolist(), strict=True):
        print(f"{name[:13]:<14}" + "".join(f"{count:>13}" for count in row))
