"""The masked objective of slow learning (eq. 1-2) and the unmasked one of fast learning (eq. 3)."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from slowfast_vgen.diffusion.noising import Noise, Noising, frame_levels
from slowfast_vgen.models.denoiser import Denoiser, Latents, NoiseLevels, Past, Recall
from slowfast_vgen.models.text import TextEmbedding

__all__ = ["frame_levels", "masked_loss", "unmasked_loss", "window_losses"]

RecallOf = Callable[[Past, Latents], Recall]
"""Gives what a ridge memory knows of the new frames, from the encoded past and the past's latents."""


def window_losses(
    denoiser: Denoiser,
    noising: Noising,
    past: Latents,
    new: Latents,
    noise: Noise,
    text: TextEmbedding,
    recall: RecallOf | None = None,
    last_frame_weight: float = 1.0,
) -> Float[Tensor, " windows_draws"]:
    """Eq. 1-2: the past is a condition, the new frames are noised, and the loss counts the new frames only.

    Args:
        denoiser: predicts what `noising` asks for.
        noising: the forward process.
        past: the frames before each window's new ones, at the levels `noise.past_levels` already.
        new: the clean new frames.
        noise: may hold several draws of each window: the past, which does not depend on them, is run once for all.
        text: a row for each draw.
        recall: gives what a ridge memory knows of each window; None without one.
        last_frame_weight: weight of the last new frame; each other one has the weight 1.

    Returns:
        The mean squared error of each draw.
    """
    draws = noise.num_draws
    kept = denoiser.encode_past(past, noise.past_levels)
    known = None if recall is None else recall(kept, past)
    if draws > 1:
        kept, new = denoiser.repeat_past(kept, draws), new.repeat_interleave(draws, 0)
        known = None if known is None else known.repeat(draws)
    noised = noising.add_noise(new, noise.noise, noise.levels)
    recalled = None if known is None else denoiser.encode_recall(known)
    prediction = denoiser.predict(noised, noise.levels, text, kept, recalled)
    errors = (prediction - noising.prediction_target(new, noise.noise, noise.levels)).square().flatten(2).mean(2)
    weights = errors.new_ones(errors.shape[1])
    weights[-1] = last_frame_weight
    return errors @ (weights / weights.sum())


def masked_loss(
    denoiser: Denoiser,
    noising: Noising,
    past: Latents,
    past_levels: NoiseLevels,
    new: Latents,
    noise: Latents,
    levels: NoiseLevels,
    text: TextEmbedding,
) -> Float[Tensor, " windows_draws"]:
    """`window_losses` with noise that the caller has drawn, without a memory: for fast learning."""
    none_dropped = torch.zeros(len(new), dtype=torch.bool)
    return window_losses(
        denoiser, noising, past, new, Noise(levels, noise, past_levels, torch.zeros_like(past), none_dropped), text
    )


def unmasked_loss(
    denoiser: Denoiser, noising: Noising, window: Latents, noise: Latents, levels: NoiseLevels, null_text: TextEmbedding
) -> Float[Tensor, " batch"]:
    """Eq. 3: all frames of `z_{i-1} (+) z_i` noised, no clean frame, no action, loss over all frames."""
    prediction = denoiser.predict(noising.add_noise(window, noise, levels), levels, null_text, None)
    target = noising.prediction_target(window, noise, levels)
    return (prediction - target).square().flatten(1).mean(1)
