"""Frames as columns of patches and back: the content that a ridge memory keeps under one address."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from slowfast_vgen.models.denoiser import Latents, PatchFeatures, Recall

ColumnValues = Float[Tensor, "batch frames columns value_width"]


def value_width(latent_shape: tuple[int, int, int], num_columns: int, memory_width: int, rows: int) -> int:
    """Number of values kept of one column: its latents, and the features of its patches."""
    channels, height, width = latent_shape
    return channels * height * _column_width(width, num_columns) + rows * memory_width


def to_columns(latents: Latents, features: PatchFeatures | None, num_columns: int) -> ColumnValues:
    """Each column's latents, then its features. If the columns do not divide evenly, the last one ends in zeros."""
    width = _column_width(latents.shape[-1], num_columns)
    whole = F.pad(latents, (0, width * num_columns - latents.shape[-1]))
    raw = whole.unflatten(-1, (num_columns, width)).permute(0, 1, 4, 2, 3, 5).flatten(3)
    if features is None:
        return raw
    return torch.cat([raw, features.permute(0, 1, 3, 2, 4).flatten(3).to(raw)], dim=-1)


def from_columns(
    values: ColumnValues,
    novelty: Float[Tensor, "batch frames columns"],
    latent_shape: tuple[int, int, int],
    memory_width: int,
) -> Recall:
    """The inverse of `to_columns`, as a `Recall` for a denoiser.

    >>> latents, features = torch.randn(2, 3, 8, 8, 8), torch.randn(2, 3, 4, 4, 5)
    >>> recall = from_columns(to_columns(latents, features, 4), torch.ones(2, 3, 4), (8, 8, 8), 5)
    >>> bool((recall.latents == latents).all()), bool((recall.features == features).all())
    (True, True)
    """
    channels, height, width = latent_shape
    column_width = _column_width(width, values.shape[2])
    raw_width = channels * height * column_width
    raw = values[..., :raw_width].unflatten(-1, (channels, height, column_width))
    latents = raw.permute(0, 1, 3, 4, 2, 5).flatten(4)[..., :width]
    if not memory_width:
        return Recall(latents, novelty)
    features = values[..., raw_width:].unflatten(-1, (-1, memory_width)).transpose(2, 3)
    return Recall(latents, novelty, features)


def _column_width(width: int, num_columns: int) -> int:
    return -(-width // num_columns)
