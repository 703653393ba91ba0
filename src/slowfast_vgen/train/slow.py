"""Slow learning (paper 3.2, eq. 1-2): trains a denoiser on windows cut from many episodes."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from slowfast_vgen.data.latents import LatentSet
from slowfast_vgen.data.windows import WindowBatch, WindowLengths, WindowSampler
from slowfast_vgen.diffusion.noising import Noising, draw_noise_levels
from slowfast_vgen.diffusion.objective import frame_levels, masked_loss, unmasked_loss
from slowfast_vgen.errors import UserError
from slowfast_vgen.models.denoiser import DenoiserModule, Latents, Past, Recall
from slowfast_vgen.models.text import TextEncoder
from slowfast_vgen.models.training_record import TrainingRecord, check_target
from slowfast_vgen.models.world_model import denoiser_writer
from slowfast_vgen.train.draws import Share, WindowDraws, draw_windows
from slowfast_vgen.train.run import OptimisationConfig, TrainingRun

ALL = Share()
"""The whole batch, in a training by one process."""
VALIDATION_BATCHES, VALIDATION_BATCH_SIZE = 3, 64


@dataclass(frozen=True)
class SlowTrainingConfig:
    """Settings of `slowfast train slow`."""

    optimisation: OptimisationConfig
    batch_size: int = 32
    """Windows a step."""
    noise_draws: int = 2
    """Noise draws of each window; a denoiser that caches its past runs the past once for all of them."""
    lengths: WindowLengths = field(default_factory=WindowLengths)
    """How many past and new frames windows have; validated is on those that are drawn most often."""
    condition_dropout: float = 0.1
    """Share of windows whose action is withheld."""
    unmasked_share: float = 0.12
    """Share of the steps on eq. 3's own inputs (all frames noised, no action): fast learning then meets nothing new."""
    past_noise_share: float = 0.5
    """Share of windows whose past is slightly noised, with its level told (GameNGen, arXiv 2408.14837): a roll-out
    feeds the model its own imperfect frames, and this keeps errors from growing. The rest keep the clean past of eq.
    1."""
    past_noise_max: float = 0.3
    noise_logit_mean: float = 0.0
    """As in `diffusion.noising.draw_noise_levels`, of eq. 2's levels."""
    last_frame_weight: float = 1.0
    """As in `diffusion.objective.masked_loss`: where a chunk is a whole move, its last frame tells what came of it, and
    those before mostly where the arm was on its way."""
    target: str = "flow"
    """What the denoiser learns to predict: `epsilon`, `v_prediction` or `flow` (docs/conventions.md)."""

    def __post_init__(self) -> None:
        check_target(self.target)
        for name in ("condition_dropout", "unmasked_share", "past_noise_share", "past_noise_max"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"{name} must lie between 0 and 1, got {getattr(self, name)}")
        if self.batch_size < 1 or self.noise_draws < 1:
            raise UserError(f"batch_size and noise_draws must be at least 1, got {self.batch_size}, {self.noise_draws}")


class SlowObjective:
    """The loss of slow learning on one denoiser; all that is random in it comes from the caller's generator."""

    def __init__(self, denoiser: DenoiserModule, text_encoder: TextEncoder, config: SlowTrainingConfig) -> None:
        self.denoiser, self.text_encoder, self.config = denoiser, text_encoder, config
        self.noising = Noising(config.target)  # type: ignore[arg-type]
        self.device = next(denoiser.parameters()).device

    def masked(self, batch: WindowBatch, generator: torch.Generator, share: Share = ALL) -> Tensor:
        """Eq. 2 on a batch, with condition dropout and a sometimes slightly noised past."""
        draws = draw_windows(self.config, batch.past.shape, batch.new.shape, self.config.noise_draws, generator)
        rows = share.rows(len(batch.past))
        actions = [batch.actions[row] for row in rows.tolist()]
        return self.masked_windows(batch.past[rows], batch.new[rows], actions, draws.rows(rows))

    def masked_windows(
        self,
        past: Latents,
        new: Latents,
        actions: Sequence[str],
        draws: WindowDraws,
        recall: Callable[[Past, Latents], Recall] | None = None,
    ) -> Tensor:
        """Eq. 2's loss of each window and draw.

        `recall` tells what a local memory knows of the new frames, from the encoded past and its latents.
        """
        draws, past, new = draws.to(self.device), past.to(self.device), new.to(self.device)
        past = self.noising.add_noise(past, draws.past_noise, draws.past_levels)
        text = self.text_encoder(actions).repeat(draws.num_draws)
        text = text.dropped(draws.dropped.repeat_interleave(draws.num_draws))
        return masked_loss(
            self.denoiser,
            self.noising,
            past,
            draws.past_levels,
            new,
            draws.noise,
            draws.levels,
            text,
            None if recall is None else lambda kept: recall(kept, past),
            self.config.last_frame_weight,
        )

    def unmasked(self, batch: WindowBatch, generator: torch.Generator, share: Share = ALL) -> Tensor:
        """Eq. 3's loss on a batch, for the slow weights."""
        window = torch.cat([batch.past, batch.new], dim=1)
        levels = frame_levels(draw_noise_levels((len(window),), generator), window.shape[1])
        noise = torch.randn(window.shape, generator=generator)
        rows = share.rows(len(window))
        window, noise, levels = window[rows], noise[rows], levels[rows]
        null = self.text_encoder.null(len(window), self.device)
        window, noise, levels = (each.to(self.device) for each in (window, noise, levels))
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

    The `record` goes with it. `held_out`, where the data to validate on was taken out of the data to learn from, tells
    how, and goes into the description of the run.

    Raises:
        UserError: episodes too short for the windows asked for, told before the first step; or as `TrainingRun.run`.
    """
    objective = SlowObjective(denoiser, text_encoder, config)
    sampler, windows = WindowSampler(training), WindowSampler(validation)
    validated = config.lengths.usual
    sampler.eligible(max(config.lengths.past), max(config.lengths.new))
    windows.eligible(*validated.past, *validated.new)
    seed = config.optimisation.seed

    def loss(step: int) -> Iterator[Tensor]:
        rng = np.random.default_rng((seed, step))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        batch = sampler.draw(rng, config.batch_size, config.lengths)
        if rng.random() < config.unmasked_share:
            yield objective.unmasked(batch, generator, run.share).mean()
        else:
            yield objective.masked(batch, generator, run.share).mean()

    def validate() -> dict[str, float]:
        rng = np.random.default_rng(0)
        generator = torch.Generator().manual_seed(0)
        batches = [windows.draw(rng, VALIDATION_BATCH_SIZE, validated) for _ in range(VALIDATION_BATCHES)]
        masked = torch.cat([objective.masked(batch, generator) for batch in batches])
        unmasked = objective.unmasked(batches[0], generator)
        return {"validation_loss": float(masked.mean()), "validation_unmasked_loss": float(unmasked.mean())}

    description: dict[str, object] = {
        "denoiser": {"class": type(denoiser).__name__, **json.loads(denoiser.to_json_string())},
        "slow": asdict(config) | {"optimisation": None},
        "data": training.key,
    }
    if held_out is not None:
        description["held out"] = dict(held_out)
    run = TrainingRun(denoiser, config.optimisation, folder, loss, validate, description)
    run.train_part("denoiser", denoiser_writer(denoiser, record))
