"""The slow-fast learning loop (Algorithm 1b) with the local rule: slow weights learn to write and to use the memory.

The inner loop writes each episode's chunks into its own memory; the outer loop predicts every next chunk with that
memory in place, and moves the slow weights by eq. 2's loss. Since addresses hold no content, an episode's whole unroll
is one matrix product (`memory.local.causal_reading`); since it is linear in what was written, gradients go back through
as many of the writes as one likes.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from slowfast_vgen.data.chains import ChainBatch, ChainSampler
from slowfast_vgen.data.windows import WindowSampler
from slowfast_vgen.diffusion.noising import draw_noise_levels
from slowfast_vgen.diffusion.objective import frame_levels
from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.columns import from_columns, to_columns
from slowfast_vgen.memory.local import causal_reading
from slowfast_vgen.models.denoiser import DenoiserModule, Recall
from slowfast_vgen.models.planar_address import PlanarAddress
from slowfast_vgen.models.text import TextEncoder
from slowfast_vgen.train.run import TrainingRun
from slowfast_vgen.train.slow import SlowObjective, SlowTrainingConfig

VALIDATION_CHAINS = 32


@dataclass(frozen=True)
class LoopConfig:
    """Settings of `slowfast train loop`; what concerns single windows stands in `slow`."""

    slow: SlowTrainingConfig
    num_chains: int = 4
    """Episodes side by side in a step."""
    num_chunks: int = 24
    """Chunks of each that are unrolled."""
    ridge: float = 0.05
    write_gradient_chunks: int | None = None
    """Gradients flow through the latest so many writes; 0 is the paper's first order (`Theta_i` fixed), None is all."""
    plain_share: float = 0.15
    """Share of the steps on single windows without memory, of all lengths, as in slow learning."""

    def __post_init__(self) -> None:
        if self.num_chains < 1 or self.num_chunks < 1:
            raise UserError(f"the loop needs at least 1 chain of 1 chunk, got {self.num_chains} of {self.num_chunks}")
        if not 0 <= self.plain_share <= 1:
            raise UserError(f"plain_share must lie between 0 and 1, got {self.plain_share}")


class LoopObjective:
    """Eq. 2 on every chunk of a batch of chains, each with the memory that its episode has by then."""

    def __init__(
        self, denoiser: DenoiserModule, address: PlanarAddress, text_encoder: TextEncoder, config: LoopConfig
    ) -> None:
        self.denoiser, self.address, self.text_encoder, self.config = denoiser, address, text_encoder, config
        self.slow = SlowObjective(denoiser, text_encoder, config.slow)
        self.device = self.slow.device

    @torch.no_grad()
    def reading(self, batch: ChainBatch) -> tuple[Float[Tensor, "chains queries entries"], Float[Tensor, "..."]]:
        """How much each query reads of each entry, and its novelty `[chains, chunks, f_g, columns]`.

        Entries lie at the true poses, queries where the action leads from the last one: walls are met unawares, in
        training as in generation.
        """
        with torch.autocast(self.device.type, enabled=False):
            chains, chunks, num_frames = batch.new.shape[:3]
            poses = batch.poses.to(self.device).unflatten(1, (chunks + 1, num_frames))
            text = self.text_encoder([action for chain in batch.actions for action in chain])
            ahead = self.address.path.predicted(poses[:, :-1, -1].flatten(0, 1), text, num_frames)
            keys = self.address(poses[:, :-1]).flatten(1, 3)
            queries = self.address(ahead.unflatten(0, (chains, chunks))).flatten(1, 3)
            chunk = torch.arange(chunks, device=self.device).repeat_interleave(keys.shape[1] // chunks)
            weights, novelty = causal_reading(keys, queries, chunk, chunk, self.config.ridge)
            return weights, novelty.unflatten(1, (chunks, num_frames, -1))

    def _read(self, weights: Tensor, values: Float[Tensor, "chains entries width"], chunks: int) -> Tensor:
        horizon = self.config.write_gradient_chunks
        if horizon is None:
            return weights @ values
        chunk = torch.arange(chunks, device=self.device).repeat_interleave(weights.shape[1] // chunks)
        recent: Bool[Tensor, "queries entries"] = chunk[:, None] - chunk[None, :] < horizon
        return (weights * recent) @ values + (weights * ~recent) @ values.detach()

    def losses(
        self, batch: ChainBatch, generator: torch.Generator, memory: bool = True
    ) -> Float[Tensor, "chains chunks"]:
        """The mean squared error of every chunk."""
        slow, config = self.slow, self.config.slow
        chains, chunks = batch.new.shape[:2]
        past, new = batch.past.flatten(0, 1), batch.new.flatten(0, 1)
        size, num_past, num_new = len(past), past.shape[1], new.shape[1]
        dropped = torch.rand(size, generator=generator) < config.condition_dropout
        noisy_past = torch.rand(size, generator=generator) < config.past_noise_share
        past_level = noisy_past * config.past_noise_max * torch.rand(size, generator=generator)
        past_noise = torch.randn(past.shape, generator=generator)
        levels = frame_levels(draw_noise_levels((size,), generator), num_new)
        noise = torch.randn(new.shape, generator=generator)
        past_levels = frame_levels(past_level, num_past)
        past = slow.noising.add_noise(past, past_noise, past_levels)
        text = self.text_encoder([action for chain in batch.actions for action in chain])
        text = text.dropped(dropped.to(self.device))
        tensors = (past, past_levels, new, noise, levels)
        past, past_levels, new, noise, levels = (each.to(self.device) for each in tensors)

        kept = self.denoiser.encode_past(past, past_levels)
        recall = self._recall(batch, kept, past) if memory else None
        noised = slow.noising.add_noise(new, noise, levels)
        prediction = self.denoiser.predict(noised, levels, text, kept, recall)
        target = slow.noising.prediction_target(new, noise, levels)
        return (prediction - target).square().flatten(1).mean(1).unflatten(0, (chains, chunks))

    def _recall(self, batch: ChainBatch, kept: object, past: Tensor) -> Recall:
        chains, chunks = batch.new.shape[:2]
        weights, novelty = self.reading(batch)
        features = self.denoiser.memory_features(kept)
        values = to_columns(past, features, novelty.shape[-1]).unflatten(0, (chains, chunks)).flatten(1, 3)
        read = self._read(weights, values, chunks).unflatten(1, novelty.shape[1:]).flatten(0, 1)
        width = 0 if features is None else features.shape[-1]
        channels, height, latent_width = past.shape[2:]
        return from_columns(read, novelty.flatten(0, 1), (channels, height, latent_width), width)


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
    address: PlanarAddress,
    text_encoder: TextEncoder,
    training: ChainSampler,
    validation: ChainSampler,
    folder: Path,
) -> None:
    """Trains (or goes on training) in `folder` and writes the averaged denoiser to `folder/denoiser`.

    Raises:
        UserError: as `TrainingRun.run`.
    """
    address.eval().requires_grad_(False)
    objective = LoopObjective(denoiser, address, text_encoder, config)
    windows = WindowSampler(training.source)
    optimisation = config.slow.optimisation
    num_windows = config.num_chains * config.num_chunks // config.slow.noise_draws

    def loss(step: int) -> Tensor:
        rng = np.random.default_rng((optimisation.seed, step))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        if rng.random() >= config.plain_share:
            return objective.losses(training.draw(rng, config.num_chains), generator).mean()
        batch = windows.draw(rng, num_windows, config.slow.lengths)
        if rng.random() < config.slow.unmasked_share:
            return objective.slow.unmasked(batch, generator).mean()
        return objective.slow.masked(batch, generator).mean()

    def validate() -> dict[str, float]:
        batch = validation.draw(np.random.default_rng(0), VALIDATION_CHAINS)
        seen, novel = seen_before(batch)
        figures = {}
        for name, memory in (("on", True), ("off", False)):
            parts = [
                objective.losses(validation_part, torch.Generator().manual_seed(index), memory)
                for index, validation_part in enumerate(batch.split(4))
            ]
            losses = torch.cat(parts)
            figures[f"revisit_loss_{name}"] = float(losses[seen].mean())
            figures[f"novel_loss_{name}"] = float(losses[novel].mean())
        return figures

    description: dict[str, object] = {
        "denoiser": {"class": type(denoiser).__name__, **json.loads(denoiser.to_json_string())},
        "address": json.loads(address.to_json_string()),
        "loop": asdict(config) | {"slow": asdict(config.slow) | {"optimisation": None}},
        "data": training.source.key,
    }
    run = TrainingRun(denoiser, optimisation, folder, loss, validate, description)
    run.run()
    run.ema.copy_to(run.parameters)
    denoiser.save_pretrained(folder / "denoiser", safe_serialization=True)
