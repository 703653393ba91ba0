"""Trains the model that reads whole moves off frames (paper 3.4), so that it reads imagined ones as well."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from slowfast_vgen.models.codec import Codec, frames_to_pixels
from slowfast_vgen.models.move_dynamics import MoveDynamics
from slowfast_vgen.models.table_geometry import TableGeometry
from slowfast_vgen.train.inverse_dynamics import FOLDER, Pairs, reader_description, validated_pairs, worn
from slowfast_vgen.train.move_pairs import MovePairs
from slowfast_vgen.train.run import Step, TrainingRun
from slowfast_vgen.train.settings import InverseDynamicsTrainingConfig

NEAR_METRES = 0.03
"""A spot is read right within this distance."""
_HILL_METRES = 0.015
_MARGIN = 0.03  # metres beyond the arm's reach


def new_move_dynamics(names: tuple[str, ...], frame_size: int, table: TableGeometry) -> MoveDynamics:
    """An untrained reader of moves.

    Args:
        names: the things that are moved.
        frame_size: pixels of each side of a frame, a multiple of 8 from 32 on.
        table: where the camera stands and what is in reach.
    """
    low = table.low[0] - _MARGIN, table.low[1] - _MARGIN
    high = table.high[0] + _MARGIN, table.high[1] + _MARGIN
    model = MoveDynamics(names, low, high, frame_size // 2)
    return model.place(torch.from_numpy(table.spots(frame_size // 2)).float())


def train_move_dynamics(
    config: InverseDynamicsTrainingConfig,
    model: MoveDynamics,
    codec: Codec | None,
    training: MovePairs,
    validation: MovePairs,
    folder: Path,
    held_out: Mapping[str, object] | None = None,
) -> MoveDynamics:
    """Trains (or goes on training) in `folder` and writes the averaged model to `folder/inverse_dynamics`.

    `held_out` as in `TrainingRun`.
    """
    device, chosen = model.device, validated_pairs(len(validation.first))

    def loss(step: Step) -> Iterator[Tensor]:
        rows = step.rng.integers(len(training.first), size=config.batch_size)
        pairs, label, spot = _cut(training, rows, device)
        pairs = worn(pairs, config, codec, step.generator)
        yield -(model.targets(label, spot, _HILL_METRES) * model(pairs[:, 0], pairs[:, 1])).sum((1, 2, 3)).mean()

    def validate() -> dict[str, float]:
        pairs, label, spot = _cut(validation, chosen, device)
        figures = {}
        for kind, seen in (("", pairs), ("_worn", worn(pairs, config, codec, torch.Generator().manual_seed(0)))):
            parts = [model.hills(model(part[:, 0], part[:, 1])) for part in seen.split(128)]
            read, there, _ = (torch.cat(each) for each in zip(*parts, strict=True))
            error = (there - spot).norm(dim=-1)
            figures[f"validation_accuracy{kind}"] = float(((read == label) & (error < NEAR_METRES)).float().mean())
            figures[f"validation_error_metres{kind}"] = float(error.mean())
        return figures

    description = reader_description(config, model, codec, training)
    run = TrainingRun(model, config.optimisation, folder, loss, validate, description, held_out)
    run.train_part(FOLDER)
    return model.eval()


def _cut(
    source: MovePairs, chosen: Int64[np.ndarray, " pairs"], device: torch.device
) -> tuple[Pairs, Int64[Tensor, " pairs"], Float[Tensor, "pairs 2"]]:
    """The pixels, labels and spots of some of the pairs, on `device`."""
    frames = np.stack([source.frames[source.first[chosen]], source.frames[source.last[chosen]]], 1)
    return (
        frames_to_pixels(torch.from_numpy(frames).to(device)),
        torch.from_numpy(source.label[chosen]).to(device),
        torch.from_numpy(source.spot[chosen]).to(device),
    )
