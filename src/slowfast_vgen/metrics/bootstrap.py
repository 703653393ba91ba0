"""Means with 95 % intervals. Episodes are the independent units: they are resampled whole."""

import math

import numpy as np
from jaxtyping import Float

from slowfast_vgen.results import Estimate

NUM_RESAMPLES = 4000
_SEED = 20241030

Samples = Float[np.ndarray, "episodes seeds *more"]
"""One value for each sample; NaN where nothing was measured, such as the blocked chunks of an episode."""

PerEpisode = Float[np.ndarray, " episodes"]


def estimate(samples: Samples) -> Estimate:
    """The mean over all samples, each counting the same.

    >>> round(estimate(np.array([[1.0, 1.0], [3.0, np.nan]])).mean, 3)
    1.667
    """
    counts = (~np.isnan(samples)).astype(np.float64)
    return _estimate(np.nan_to_num(samples), counts)


def estimate_ratio(samples: Samples, reference: Float[np.ndarray, "episodes *other"]) -> Estimate:
    """The mean over the episodes' means, divided by that of the reference, which is the same for all seeds.

    >>> estimate_ratio(np.full((4, 1, 9), 2.0), np.full((4, 30), 8.0)).mean
    0.25
    """
    below = np.broadcast_to(_mean(reference)[:, None], samples.shape[:2])
    above = np.stack([_mean(samples[:, seed]) for seed in range(samples.shape[1])], 1)
    missing = np.isnan(above) | np.isnan(below)
    return _estimate(np.where(missing, 0, above), np.where(missing, 0, below))


def estimate_share(samples: Samples, lower: Samples, upper: Samples) -> Estimate:
    """Share of the distance from `lower` to `upper` that is reached: `mean(samples - lower) / mean(upper - lower)`.

    >>> round(estimate_share(np.full((4, 1, 2), 5.0), np.full((4, 1, 2), 2.0), np.full((4, 1, 2), 8.0)).mean, 3)
    0.5
    """
    missing = np.isnan(samples) | np.isnan(lower) | np.isnan(upper)
    return _estimate(np.where(missing, 0, samples - lower), np.where(missing, 0, upper - lower))


def _total(values: np.ndarray) -> PerEpisode:
    return values.reshape(len(values), -1).sum(1)


def _mean(values: np.ndarray) -> PerEpisode:
    flat = values.reshape(len(values), -1)
    counts = (~np.isnan(flat)).sum(1)
    return np.where(counts > 0, np.nansum(flat, 1) / np.maximum(counts, 1), np.nan)


def _estimate(above: np.ndarray, below: np.ndarray) -> Estimate:
    """The sum of `above` over the sum of `below`, both `[episodes, seeds, ...]` with 0 where nothing was measured."""
    per_seed = tuple(_ratio(above[:, seed].sum(), below[:, seed].sum()) for seed in range(above.shape[1]))
    top, bottom = _total(above), _total(below)
    top, bottom = top[bottom > 0], bottom[bottom > 0]
    if not len(top):
        return Estimate(math.nan, math.nan, math.nan, 0, per_seed)
    draws = np.random.default_rng(_SEED).integers(0, len(top), (NUM_RESAMPLES, len(top)))
    low, high = np.quantile(top[draws].sum(1) / bottom[draws].sum(1), (0.025, 0.975))
    return Estimate(_ratio(top.sum(), bottom.sum()), float(low), float(high), len(top), per_seed)


def _ratio(above: float, below: float) -> float:
    return float(above / below) if below > 0 else math.nan
