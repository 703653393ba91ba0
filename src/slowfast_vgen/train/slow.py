"""Slow learning (paper 3.2, eq. 1-2): trains a denoiser on windows cut from many episodes."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from slowfast_vgen.data.chains import ChainBatch, window_rows
from slowfast_vgen.data.latents import LatentSet
from slowfast_vgen.data.windows import WindowBatch, WindowSampler
from slowfast_vgen.diffusion.noising import Noise, Noising, draw_noise_levels, frame_levels
from slowfast_vgen.diffusion.objective import RecallOf, unmasked_loss, window_losses
from slowfast_vgen.models.denoiser import DenoiserModule
from slowfast_vgen.models.text import TextEncoder
from slowfast_vgen.models.training_record import TrainingRecord
from slowfast_vgen.models.world_model import denoiser_writer
from slowfast_vgen.train.run import ALL, Share, Step, TrainingRun
from slowfast_vgen.train.settings import SlowTrainingConfig

VALIDATION_BATCHES, VALIDATION_BATCH_SIZE = 3, 64


class SlowObjective:
    """The loss of slow learning on one denoiser; all that is random in it comes from the caller's generator."""

    def __init__(self, denoiser: DenoiserModule, text_encoder: TextEncoder, config: SlowTrainingConfig) -> None:
        self.denoiser, self.text_encoder, self.config = denoiser, text_encoder, config
        self.noising = Noising(config.target)
        self.device = next(denoiser.parameters()).device

    def step_loss(self, sampler: WindowSampler, num_windows: int, step: Step) -> Tensor:
        """The mean loss of a step on single windows: of eq. 2, or of eq. 3 as often as `unmasked_share` says."""
        batch = sampler.draw(step.rng, num_windows, self.config.lengths)
        losses = self.unmasked if step.rng.random() < self.config.unmasked_share else self.masked
        return losses(batch, step.generator, step.share).mean()

    def masked(
        self, batch: WindowBatch, generator: torch.Generator, share: Share = ALL, num_draws: int | None = None
    ) -> Tensor:
        """Eq. 2's loss of each window and draw, with condition dropout and a sometimes slightly noised past.

        `num_draws` of each window are drawn; None is as many as the configuration says.
        """
        noise = Noise.draw(self.config, batch.past, batch.new, num_draws or self.config.noise_draws, generator)
        rows = share.rows(len(batch.past))
        return self.masked_windows(batch.rows(rows), noise.rows(rows))

    def draw_chains(
        self, batch: ChainBatch, generator: torch.Generator, share: Share = ALL
    ) -> tuple[ChainBatch, Noise]:
        """The share's chains, and one draw of noise for each of their `windows`."""
        windows = batch.windows()
        noise = Noise.draw(self.config, windows.past, windows.new, 1, generator)
        rows = share.rows(len(batch.actions))
        return batch.rows(rows), noise.rows(window_rows(rows, batch.num_chunks))

    def masked_windows(self, batch: WindowBatch, noise: Noise, recall: RecallOf | None = None) -> Tensor:
        """Eq. 2's loss of each window and draw, with this noise and what a ridge memory knows of the new frames."""
        batch, noise = batch.to(self.device), noise.to(self.device)
        past = self.noising.add_noise(batch.past, noise.past_noise, noise.past_levels)
        text = self.text_encoder(batch.actions).repeat(noise.num_draws)
        text = text.dropped(noise.dropped.repeat_interleave(noise.num_draws))
        weight = self.config.last_frame_weight
        return window_losses(self.denoiser, self.noising, past, batch.new, noise, text, recall, weight)

    def unmasked(self, batch: WindowBatch, generator: torch.Generator, share: Share = ALL) -> Tensor:
        """Eq. 3's loss of each window, for the slow weights."""
        window = torch.cat([batch.past, batch.new], dim=1)
        levels = frame_levels(draw_noise_levels((len(window),), generator), window.shape[1])
        noise = torch.randn(window.shape, generator=generator)
        rows = share.rows(len(window))
        window, noise, levels = (each[rows].to(self.device) for each in (window, noise, levels))
        null = self.text_encoder.null(len(window), self.device)
        return unmasked_loss(self.denoiser, self.noising, window, noise, levels, null)


def train_slow(
    config: SlowTrainingConfig,
    denoiser: DenoiserModule,
    text_encoder: TextEncoder,
    training: LatentSet,
    validation: LatentSet,
    folder: Path,
    record: TrainingRecord | None = None,
    held_out: Mapping[str, object] | None = None,
) -> None:
    """Trains (or goes on training) in `folder` and writes the averaged denoiser to `folder/denoiser`.

    The `record` goes with it; `held_out` as in `TrainingRun`.

    Raises:
        UserError: episodes too short for the windows asked for, told before the first step; or as `TrainingRun.run`.
    """
    objective = SlowObjective(denoiser, text_encoder, config)
    sampler, windows = WindowSampler(training), WindowSampler(validation)
    validated = config.lengths.usual
    sampler.eligible(max(config.lengths.past), max(config.lengths.new))
    windows.eligible(*validated.past, *validated.new)

    def loss(step: Step) -> Iterator[Tensor]:
        yield objective.step_loss(sampler, config.batch_size, step)

    def validate() -> dict[str, float]:
        rng = np.random.default_rng(0)
        generator = torch.Generator().manual_seed(0)
        batches = [windows.draw(rng, VALIDATION_BATCH_SIZE, validated) for _ in range(VALIDATION_BATCHES)]
        masked = torch.cat([objective.masked(batch, generator) for batch in batches])
        unmasked = objective.unmasked(batches[0], generator)
        return {"validation_loss": float(masked.mean()), "validation_unmasked_loss": float(unmasked.mean())}

    description = {"slow": config, "data": training.key}
    train_denoiser(objective, folder, loss, validate, description, record, held_out)


def train_denoiser(
    objective: SlowObjective,
    folder: Path,
    loss: Callable[[Step], Iterator[Tensor]],
    validate: Callable[[], dict[str, float]],
    description: Mapping[str, object],
    record: TrainingRecord | None,
    held_out: Mapping[str, object] | None,
) -> None:
    """Trains the objective's denoiser by any loss, as `train_slow` describes; the arguments are `TrainingRun`'s."""
    denoiser = objective.denoiser
    described = {"class": type(denoiser).__name__, **json.loads(denoiser.to_json_string())}
    description = {"denoiser": described, **description}
    run = TrainingRun(denoiser, objective.config.optimisation, folder, loss, validate, description, held_out)
    run.train_part("denoiser", denoiser_writer(denoiser, record))
