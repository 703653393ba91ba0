"""Trains the denoiser that reads frames as its memory: the baselines of `evaluate`, trained for what they do.

Eq. 2 as in slow learning, with other frames of the episode before the window (`memory.context`). One set of weights
serves raw contexts of several lengths, an anchor frame and retrieved frames: what it is given differs, and so each kind
is drawn for whole batches.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from slowfast_vgen.data.chains import ChainBatch, ChainSampler
from slowfast_vgen.data.windows import WindowBatch
from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.context import chosen_frames, past_with_context
from slowfast_vgen.memory.settings import ContextConfig
from slowfast_vgen.models.denoiser import DenoiserModule
from slowfast_vgen.models.text import TextEncoder
from slowfast_vgen.models.training_record import TrainingRecord
from slowfast_vgen.train.run import ALL, Share, Step
from slowfast_vgen.train.settings import ContextTrainingConfig, kind_name
from slowfast_vgen.train.slow import SlowObjective, train_denoiser

VALIDATION_WINDOWS = 96


class ContextObjective:
    """Eq. 2's loss of windows that have other frames of their episode before them."""

    def __init__(self, slow: SlowObjective, config: ContextTrainingConfig) -> None:
        self.slow, self.config = slow, config

    def draw_kind(self, rng: np.random.Generator) -> ContextConfig:
        """The kind of a batch."""
        shares = np.array([share for share, _ in self.config.kinds])
        return self.config.kinds[int(rng.choice(len(shares), p=shares / shares.sum()))][1]

    def losses(
        self,
        chains: ChainBatch,
        kind: ContextConfig,
        chunk: int,
        generator: torch.Generator,
        num_draws: int,
        share: Share = ALL,
    ) -> Tensor:
        """Of chunk `chunk` of each chain and each noise draw, all frames before it being the episode so far."""
        num_frames = chains.new.shape[2]
        stop = num_frames * (chunk + 1)
        chosen = chosen_frames(kind, chains.poses[:, :stop], chains.poses[:, stop : stop + num_frames], num_frames)
        past = past_with_context(chains.frames[:, :stop], chosen, num_frames)
        windows = WindowBatch(past, chains.new[:, chunk], tuple(chain[chunk] for chain in chains.actions))
        return self.slow.masked(windows, generator, share, num_draws)


def train_context(
    config: ContextTrainingConfig,
    denoiser: DenoiserModule,
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
        UserError: chains too short for the longest context, told before the first step; or as `TrainingRun.run`.
    """
    objective = ContextObjective(SlowObjective(denoiser, text_encoder, config.slow), config)
    window = training.num_frames
    if window * training.num_chunks < config.longest + window:
        raise UserError(
            f"chains of {training.num_chunks} chunks cannot hold a context of {config.longest} frames; "
            "give longer ones (--chunks), or leave the long contexts out (--kinds)"
        )

    def loss(step: Step) -> Iterator[Tensor]:
        kind = objective.draw_kind(step.rng)
        chains = training.draw(step.rng, config.slow.batch_size)
        fewest = -(-kind.num_frames // window) if kind.kind == "raw" else 1
        chunk = int(step.rng.integers(fewest, training.num_chunks))
        yield objective.losses(chains, kind, chunk, step.generator, config.slow.noise_draws, step.share).mean()

    def validate() -> dict[str, float]:
        chains = validation.draw(np.random.default_rng(0), VALIDATION_WINDOWS)
        last = validation.num_chunks - 1
        figures = {}
        for _, kind in config.kinds:
            generator = torch.Generator().manual_seed(0)
            losses = [objective.losses(part, kind, last, generator, 1) for part in chains.split(16)]
            figures[f"{kind_name(kind)}_loss"] = float(torch.cat(losses).mean())
        return figures

    description = {"context": config, "data": training.source.key}
    train_denoiser(objective.slow, folder, loss, validate, description, record, held_out)
