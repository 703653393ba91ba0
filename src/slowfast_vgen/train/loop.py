"""The slow-fast learning loop (Algorithm 1b): slow weights learn to write and to use a memory.

The inner loop lets every episode of a batch write its own fast weights, chunk by chunk; the outer loop predicts every
next chunk with the fast weights that its episode has by then, and moves the slow weights by eq. 2's loss.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from slowfast_vgen.data.chains import ChainBatch, ChainSampler
from slowfast_vgen.data.windows import WindowSampler
from slowfast_vgen.models.denoiser import DenoiserModule
from slowfast_vgen.models.text import TextEncoder
from slowfast_vgen.models.training_record import TrainingRecord
from slowfast_vgen.train.run import ALL, Share, Step
from slowfast_vgen.train.settings import LoopConfig
from slowfast_vgen.train.slow import SlowObjective, train_denoiser

VALIDATION_CHAINS = 32


class LoopObjective(Protocol):
    """One way of writing memories, unrolled over a batch of episodes."""

    slow: SlowObjective

    def parts(self, batch: ChainBatch, generator: torch.Generator, share: Share = ALL) -> Iterator[Tensor]:
        """The outer loop's loss in parts, whose sum is the mean over all chunks of the share."""
        ...

    def losses(
        self, batch: ChainBatch, generator: torch.Generator, memory: bool = True
    ) -> Float[Tensor, "chains chunks"]:
        """The mean squared error of every chunk, with or without memory: for validation."""
        ...

    def describe(self) -> dict[str, object]:
        """What must be the same when a training is resumed."""
        ...


def seen_before(batch: ChainBatch) -> tuple[Bool[Tensor, "chains chunks"], Bool[Tensor, "chains chunks"]]:
    """Chunks all of whose poses were seen before and have left the window; and chunks none of whose poses were near."""
    chunks, num_frames = batch.new.shape[1:3]
    new, past = batch.poses[:, num_frames:], batch.poses[:, :-num_frames]
    away = (new[:, :, None, :2] - past[:, None, :, :2]).norm(dim=-1)
    turned = ((new[:, :, None, 2] - past[:, None, :, 2] + torch.pi) % (2 * torch.pi) - torch.pi).abs()
    chunk = torch.arange(chunks).repeat_interleave(num_frames)
    earlier = chunk[None, :] < chunk[:, None]
    same = (away < 0.1) & (turned < 0.1)
    in_window = (same & (chunk[None, :] == chunk[:, None])).any(-1)
    known = (same & earlier).any(-1) & ~in_window
    near = ((away < 4) & (turned < 1.0) & earlier).any(-1)
    return known.unflatten(1, (chunks, num_frames)).all(-1), ~near.unflatten(1, (chunks, num_frames)).any(-1)


def train_loop(
    config: LoopConfig,
    denoiser: DenoiserModule,
    make_objective: Callable[[SlowObjective], LoopObjective],
    text_encoder: TextEncoder,
    training: ChainSampler,
    validation: ChainSampler,
    folder: Path,
    record: TrainingRecord | None = None,
    held_out: Mapping[str, object] | None = None,
) -> None:
    """Trains (or goes on training) in `folder` and writes the averaged denoiser to `folder/denoiser`.

    The `record` goes with it; `held_out` as in `TrainingRun`.

    Raises:
        UserError: as `TrainingRun.run`.
    """
    objective = make_objective(SlowObjective(denoiser, text_encoder, config.slow))
    windows = WindowSampler(training.source)
    num_windows = config.num_chains * config.num_chunks // config.slow.noise_draws

    def loss(step: Step) -> Iterator[Tensor]:
        if step.rng.random() >= config.plain_share:
            yield from objective.parts(training.draw(step.rng, config.num_chains), step.generator, step.share)
        else:
            yield objective.slow.step_loss(windows, num_windows, step)

    def validate() -> dict[str, float]:
        batch = validation.draw(np.random.default_rng(0), VALIDATION_CHAINS)
        seen, novel = seen_before(batch)
        figures: dict[str, float] = {}
        for name, memory in (("on", True), ("off", False)):
            parts = [
                objective.losses(part, torch.Generator().manual_seed(index), memory)
                for index, part in enumerate(batch.split(4))
            ]
            losses = torch.cat(parts).cpu()
            figures |= {f"loss_{name}": float(losses.mean())} | {
                f"{kind}_loss_{name}": float(losses[chosen].mean())
                for kind, chosen in (("revisit", seen), ("novel", novel))
                if bool(chosen.any())
            }
        return figures

    description = {"loop": config, "memory": objective.describe(), "data": training.source.key}
    train_denoiser(objective.slow, folder, loss, validate, description, record, held_out)
