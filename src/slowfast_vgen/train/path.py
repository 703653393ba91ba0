"""Trains the part that follows the actions through the plane; poses teach it, and are not needed afterwards."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from slowfast_vgen.data.chains import ChainSampler
from slowfast_vgen.models.addressing.address import PlanarAddress
from slowfast_vgen.models.addressing.path import motions_between
from slowfast_vgen.models.addressing.retrace import ways_back
from slowfast_vgen.models.text import TextEncoder
from slowfast_vgen.train.run import Step, TrainingRun
from slowfast_vgen.train.settings import PathTrainingConfig

STEPPED = 0.5
"""A step was made where the true camera moved at least this share of one."""
VALIDATION_CHAINS = 32


def train_path(
    config: PathTrainingConfig,
    address: PlanarAddress,
    text_encoder: TextEncoder,
    training: ChainSampler,
    validation: ChainSampler,
    folder: Path,
    held_out: Mapping[str, object] | None = None,
) -> None:
    """Trains (or goes on training) in `folder` and writes the averaged part to `folder/address`.

    `held_out` as in `TrainingRun`.
    """
    seed, device = config.optimisation.seed, address.device

    def errors(sampler: ChainSampler, rng: np.random.Generator, size: int) -> dict[str, Tensor]:
        batch = sampler.draw(rng, size).to(device)
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        noise = config.latent_noise * torch.randn(batch.frames.shape, generator=generator).to(device)
        num_frames = batch.new.shape[2]
        motions = motions_between(batch.poses)[:, num_frames - 1 :].unflatten(1, (-1, num_frames)).flatten(0, 1)
        logits = address.path.step_logits((batch.frames + noise)[:, :-1], (batch.frames + noise)[:, 1:])
        logits = logits[:, num_frames - 1 :].reshape(motions.shape[:2])
        text = text_encoder([action for chain in batch.actions for action in chain])
        told = address.path.motions(text)
        # The distance in L1 is least at the median: what an action brings about, refused steps being few.
        # Of a chunk in which one action ends and the next begins, the frames of the one that it is called by count.
        mine = batch.is_told.flatten(0, 1).float()
        mine = mine / mine.sum(1, keepdim=True)
        distance = ((told[:, None] - motions).abs().mean(2) * mine).sum(1)
        back = address.path.retrace_logits(text).sigmoid()
        if address.path.retrace is not None:
            # Which of the two the text asks for, its own motion or the way back, is what tells less wrong on average.
            poses = batch.poses.unflatten(1, (-1, num_frames))
            ahead = torch.cat([poses[:, :-1, -1:], ways_back(poses[:, :-1], num_frames)], dim=2)
            distance_back = ((motions_between(ahead).flatten(0, 1) - motions).abs().mean(2) * mine).sum(1)
            distance = (1 - back) * distance + back * distance_back
        own = back < 0.5
        asked = ((told[:, :2].detach().norm(dim=-1) > STEPPED) & own)[:, None] & (mine > 0)
        stepped = motions[..., :2].norm(dim=-1) > STEPPED
        wrong = (logits > 0) != stepped
        return {
            "motion": distance.mean(),
            "gate": F.binary_cross_entropy_with_logits(logits, stepped.float(), weight=asked.float()),
            "wrong_gates": wrong[asked].float().mean(),
            "turn_error_degrees": ((told[:, None, 2] - motions[..., 2]).abs() * mine).sum(1)[own].mean().rad2deg(),
            "retraced": 1 - own.float().mean(),
        }

    def loss(step: Step) -> Iterator[Tensor]:
        parts = errors(training, np.random.default_rng((seed, step.number)), config.batch_size)
        yield parts["motion"] + parts["gate"]

    def validate() -> dict[str, float]:
        parts = errors(validation, np.random.default_rng(0), VALIDATION_CHAINS)
        return {f"validation_{name}": float(value) for name, value in parts.items()}

    description = {"address": address, "path": config, "data": training.source.key}
    run = TrainingRun(address, config.optimisation, folder, loss, validate, description, held_out)
    run.train_part("address")
