"""Trains the model that reads actions off frames (paper 3.4), so that it reads imagined frames as well as true ones."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from slowfast_vgen.models.codec import Codec, frames_to_pixels
from slowfast_vgen.models.inverse_dynamics import InverseDynamics
from slowfast_vgen.models.move_dynamics import MoveDynamics
from slowfast_vgen.train.frame_pairs import MIRRORED, REVERSED, FramePairs, swapped_labels
from slowfast_vgen.train.move_pairs import MovePairs
from slowfast_vgen.train.run import Step, TrainingRun
from slowfast_vgen.train.settings import InverseDynamicsTrainingConfig

FOLDER = "inverse_dynamics"
"""Of the run's folder, where the averaged model is written to."""
VALIDATION_PAIRS = 1024

Pairs = Float[Tensor, "pairs 2 3 height width"]
"""Pixels in [-1, 1] of both frames."""


def train_inverse_dynamics(
    config: InverseDynamicsTrainingConfig,
    model: InverseDynamics,
    codec: Codec | None,
    training: FramePairs,
    validation: FramePairs,
    folder: Path,
    held_out: Mapping[str, object] | None = None,
) -> InverseDynamics:
    """Trains (or goes on training) in `folder` and writes the averaged model to `folder/inverse_dynamics`.

    `held_out` as in `TrainingRun`.
    """
    device, chosen = model.device, validated_pairs(len(validation.first))

    def loss(step: Step) -> Iterator[Tensor]:
        pairs, labels = cut(training, training.balanced(step.rng, config.batch_size), device)
        pairs, labels = turned(pairs, labels, training.names, step.rng)
        pairs = worn(pairs, config, codec, step.generator)
        yield F.cross_entropy(model(pairs[:, 0], pairs[:, 1]), labels, label_smoothing=config.label_smoothing)

    def validate() -> dict[str, float]:
        pairs, labels = cut(validation, chosen, device)
        worn_pairs = worn(pairs, config, codec, torch.Generator().manual_seed(0))
        return {
            "validation_accuracy": _accuracy(model, pairs, labels),
            "validation_accuracy_worn": _accuracy(model, worn_pairs, labels),
        }

    description = reader_description(config, model, codec, training)
    run = TrainingRun(model, config.optimisation, folder, loss, validate, description, held_out)
    run.train_part(FOLDER)
    return model.eval()


def validated_pairs(count: int) -> Int64[np.ndarray, " pairs"]:
    """Rows of at most `VALIDATION_PAIRS` pairs of so many, evenly spread."""
    return np.unique(np.linspace(0, count - 1, VALIDATION_PAIRS).round().astype(np.int64))


def reader_description(
    config: InverseDynamicsTrainingConfig,
    model: InverseDynamics | MoveDynamics,
    codec: Codec | None,
    training: FramePairs | MovePairs,
) -> dict[str, object]:
    """What must be the same when the training of a reader of verbs or of moves is resumed."""
    assert training.names == model.names
    return {
        "model": model,
        "inverse dynamics": config,
        "codec": None if codec is None else codec.fingerprint(),
        "data": training.key,
    }


def cut(
    source: FramePairs, chosen: Int64[np.ndarray, " pairs"], device: torch.device | str = "cpu"
) -> tuple[Pairs, Int64[Tensor, " pairs"]]:
    """The pixels and labels of some of the pairs, on `device`."""
    first = source.first[chosen]
    frames = torch.from_numpy(np.stack([source.frames[first], source.frames[first + 1]], 1))
    return frames_to_pixels(frames.to(device)), torch.from_numpy(source.label[chosen]).to(device)


def turned(
    pairs: Pairs, labels: Int64[Tensor, " pairs"], names: tuple[str, ...], rng: np.random.Generator
) -> tuple[Pairs, Int64[Tensor, " pairs"]]:
    """Half of the pairs mirrored and half backwards, labels with them, where it is known what verbs become then."""
    for others, axis in ((MIRRORED, -1), (REVERSED, 1)):
        swap = swapped_labels(names, others)
        if swap is not None:
            chosen = torch.from_numpy(rng.random(len(pairs)) < 0.5).to(pairs.device)
            pairs = torch.where(chosen[:, None, None, None, None], pairs.flip(axis), pairs)
            labels = torch.where(chosen, torch.from_numpy(swap).to(pairs.device)[labels], labels)
    return pairs, labels


@torch.no_grad()
def worn(pairs: Pairs, config: InverseDynamicsTrainingConfig, codec: Codec | None, generator: torch.Generator) -> Pairs:
    """The pairs as a world model might have imagined them; the same state of `generator` gives the same."""
    clean, count = pairs, len(pairs)
    if codec is not None:
        pairs = _coded(pairs, config, codec, generator)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator).to(pairs.device)

    frames = pairs.flatten(0, 1)
    soft = F.interpolate(F.avg_pool2d(frames, 4), frames.shape[-2:], mode="bilinear", align_corners=False)
    soft = soft + uniform(2 * count, 1, 1, 1) * (F.avg_pool2d(frames, 3, 1, 1, count_include_pad=False) - soft)
    strength = uniform(2 * count, 1, 1, 1) * (uniform(2 * count, 1, 1, 1) < config.blurred_share)
    frames = frames + strength * (soft - frames)
    shared, own = (2 * uniform(count, 1, 4, 1, 1) - 1), (2 * uniform(count, 2, 4, 1, 1) - 1) / 3
    change = config.colour_shift * (shared + own)
    pairs = frames.unflatten(0, (count, 2)) * (1 + change[:, :, :1]) + change[:, :, 1:]
    noise = torch.randn(pairs.shape, generator=generator).to(pairs.device)
    pairs = (pairs + config.pixel_noise * uniform(count, 2, 1, 1, 1) * noise).clamp(-1, 1)
    return torch.where(uniform(count, 1, 1, 1, 1) < config.clean_share, clean, pairs)


def _coded(pairs: Pairs, config: InverseDynamicsTrainingConfig, codec: Codec, generator: torch.Generator) -> Pairs:
    """Some frames after the codec's round trip, with noise on the latents."""
    draw = torch.rand(len(pairs), generator=generator).to(pairs.device)
    chosen = torch.stack([draw < config.coded_share / 2, draw < config.coded_share], 1)
    if not bool(chosen.any()):
        return pairs
    raw = codec.encode_pixels(pairs[chosen])
    strength = config.latent_noise * torch.rand((len(raw), 1, 1, 1), generator=generator).to(raw.device)
    noise = torch.randn(raw.shape, generator=generator).to(raw.device)
    raw = raw + strength * codec.latent_std[:, None, None] * noise
    pairs = pairs.clone()
    pairs[chosen] = codec.decode_pixels(raw).float().clamp(-1, 1)  # a lower precision may be in force
    return pairs


def _accuracy(model: InverseDynamics, pairs: Pairs, labels: Tensor) -> float:
    right = [
        model(part[:, 0], part[:, 1]).argmax(-1) == told
        for part, told in zip(pairs.split(128), labels.split(128), strict=True)
    ]
    return float(torch.cat(right).float().mean())
