"""The masked objective of slow learning (eq. 1-2) and the unmasked one of fast learning (eq. 3)."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from slowfast_vgen.diffusion.noising import Noising
from slowfast_vgen.models.denoiser import Denoiser, Latents, NoiseLevels, Past, Recall
from slowfast_vgen.models.text import TextEmbedding


def masked_loss(
    denoiser: Denoiser,
    noising: Noising,
    past: Latents,
    past_levels: NoiseLevels,
    new: Latents,
    noise: Float[Tensor, "draws_batch f_g channels height width"],
    levels: NoiseLevels,
    text: TextEmbedding,
    recall: Callable[[Past], Recall] | None = None,
    last_frame_weight: float = 1.0,
) -> Float[Tensor, " draws_batch"]:
    """Eq. 1-2: the past stays clean, the new frames are noised, and the loss counts the new frames only.

    `noise` and `levels` may hold several draws of each window (`draws_batch = draws * batch`, the draws of a window
    side by side): the past, which does not depend on them, is then run once for all. `text` has a row for each draw.
    `recall` tells, from the encoded past, what a local memory knows of the new frames of each window. The last new
    frame counts `last_frame_weight` times as much as each other one.

    Returns the mean squared error of each draw.
    """
    draws = len(noise) // len(new)
    kept = denoiser.encode_past(past, past_levels)
    known = None if recall is None else recall(kept)
    if draws > 1:
        kept, new = denoiser.repeat_past(kept, draws), new.repeat_interleave(draws, 0)
        known = None if known is None else known.repeat(draws)
    noised = noising.add_noise(new, noise, levels)
    recalled = None if known is None else denoiser.encode_recall(known)
    prediction = denoiser.predict(noised, levels, text, kept, recalled)
    errors = (prediction - noising.prediction_target(new, noise, levels)).square().flatten(2).mean(2)
    weights = errors.new_ones(errors.shape[1])
    weights[-1] = last_frame_weight
    return errors @ (weights / weights.sum())


def unmasked_loss(
    denoiser: Denoiser, noising: Noising, window: Latents, noise: Latents, levels: NoiseLevels, null_text: TextEmbedding
) -> Float[Tensor, " batch"]:
    """Eq. 3: all frames of `z_{i-1} (+) z_i` noised, no clean frame, no action, loss over all frames."""
    prediction = denoiser.predict(noising.add_noise(window, noise, levels), levels, null_text, None)
    target = noising.prediction_target(window, noise, levels)
    return (prediction - target).square().flatten(1).mean(1)


def frame_levels(levels: Float[Tensor, " batch"], num_frames: int) -> NoiseLevels:
    """One level a window, for each of its frames (the paper draws one step `t` for all).

    >>> import torch
    >>> frame_levels(torch.tensor([0.1, 0.9]), 3).shape
    torch.Size([2, 3])
    """
    return levels[:, None].expand(-1, num_frames)
