"""Trains the codec on single frames."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from slowfast_vgen.errors import UserError
from slowfast_vgen.models.codec import Codec, check_sides, frames_to_pixels
from slowfast_vgen.train.run import Step, TrainingRun
from slowfast_vgen.train.settings import CodecTrainingConfig
from slowfast_vgen.types import Episode


def reconstruction_loss(
    output: Float[Tensor, "batch 3 height width"], target: Float[Tensor, "batch 3 height width"], edge_weight: float
) -> Float[Tensor, ""]:
    """L1 on pixels and on their differences in both directions."""
    error = output - target
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    return error.abs().mean() + edge_weight * edges


def psnr(a: UInt8[Tensor, "batch height width 3"], b: UInt8[Tensor, "batch height width 3"]) -> Float[Tensor, " batch"]:
    """Peak signal-to-noise ratio of each frame in dB, capped at 100 (docs/conventions.md)."""
    error = (a.float() - b.float()).div(255).square().flatten(1).mean(1)
    return (-10 * error.clamp(min=1e-10).log10()).clamp(max=100.0)


def train_codec(
    config: CodecTrainingConfig,
    frames: UInt8[np.ndarray, "num_frames height width 3"],
    validation_frames: UInt8[np.ndarray, "num_validation height width 3"],
    folder: Path,
    init: Codec | None = None,
    set_sizes: Sequence[int] = (),
    device: torch.device | str = "cpu",
    held_out: Mapping[str, object] | None = None,
) -> Codec:
    """Trains (or goes on training) in `folder` and writes the averaged codec to `folder/codec`.

    Args:
        config: settings; its codec's sizes are those of `init` where that is given.
        frames: to learn from.
        validation_frames: of other scenes.
        folder: of the run.
        init: the codec to start from, which is changed; None for fresh weights.
        set_sizes: how many of the frames, in order, each of several sets has; all are drawn from equally often. Empty
            for one set.
        device: where to compute; the frames stay where they are.
        held_out: as in `TrainingRun`.

    Raises:
        UserError: frames with a side that the codec cannot halve as often as it must; or as `TrainingRun.run`.
    """
    torch.manual_seed(config.optimisation.seed)
    codec = init or Codec.from_config(config.codec)
    check_sides(frames.shape[1], frames.shape[2], codec.downsampling)
    codec = codec.train().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    source, unseen = torch.from_numpy(frames), torch.from_numpy(validation_frames)
    still = psnr(still_picture(source).expand_as(unseen), unseen).mean()

    def loss(step: Step) -> Iterator[Tensor]:
        generator = torch.Generator().manual_seed(config.optimisation.seed * 1_000_003 + step.number)
        index = draw_frames(set_sizes or (len(source),), config.batch_size, generator)
        pixels = frames_to_pixels(source[index].to(device)).contiguous(memory_format=torch.channels_last)
        raw = codec.encode_pixels(pixels)
        noisy = raw + config.latent_noise * torch.randn(raw.shape, generator=generator).to(device)
        yield reconstruction_loss(codec.decode_pixels(noisy), pixels, config.edge_weight)

    def validate() -> dict[str, float]:
        restored = codec.decode(codec.encode(unseen.to(device))).cpu()
        reached = psnr(restored, unseen).mean()
        return {"validation_psnr_db": float(reached), "validation_over_still_db": float(reached - still)}

    description: dict[str, object] = {
        "codec": config.codec,
        "codec training": vars(config) | {"codec": None},
        "data": hashlib.sha256(np.ascontiguousarray(frames).data).hexdigest(),
        "set sizes": list(set_sizes),
    }
    if init is not None:
        description["init"] = init.fingerprint()
    some = source[:: max(1, len(source) // 4096)]
    run = TrainingRun(codec, config.optimisation, folder, loss, validate, description, held_out)
    run.train_part("codec", codec.save, lambda: set_latent_statistics(codec.eval(), some))
    return codec


def still_picture(frames: UInt8[Tensor, "num_frames height width 3"]) -> UInt8[Tensor, "height width 3"]:
    """The median of up to 1,024 of the frames: what a codec that carries nothing shows for all of them.

    Where a camera stands still that is nearly the whole picture, and the L1 distance falls for it: a codec no better
    than this has collapsed, however good its PSNR looks.
    """
    return frames[:: max(1, len(frames) // 1024)].median(0).values


@torch.no_grad()
def set_latent_statistics(codec: Codec, frames: UInt8[Tensor, "num_frames height width 3"]) -> None:
    """Measures each channel's mean and deviation over `frames`, so that latents come out normalised."""
    device = codec.latent_mean.device
    parts = [codec.encode_pixels(frames_to_pixels(part.to(device))) for part in frames.split(64)]
    raw = torch.cat(parts)
    codec.latent_mean.copy_(raw.mean((0, 2, 3)))
    codec.latent_std.copy_(raw.std((0, 2, 3)))


def draw_frames(set_sizes: Sequence[int], count: int, generator: torch.Generator) -> Int64[Tensor, " count"]:
    """Numbers of random frames; of each of several sets equally many on average, however large.

    >>> index = draw_frames((10, 90_000), 1000, torch.Generator().manual_seed(0))
    >>> bool(((index < 10).float().mean() - 0.5).abs() < 0.1), bool(index.max() < 90_010)
    (True, True)
    """
    if len(set_sizes) == 1:
        return torch.randint(set_sizes[0], (count,), generator=generator)
    sizes = torch.tensor(set_sizes)
    drawn = torch.randint(len(sizes), (count,), generator=generator)
    within = torch.randint(2**31, (count,), generator=generator) % sizes[drawn]
    return (sizes.cumsum(0) - sizes)[drawn] + within


def sample_frames(episodes: Iterable[Episode], every: int) -> UInt8[np.ndarray, "num_frames height width 3"]:
    """Every `every`-th frame of each episode, in one array.

    Raises:
        UserError: there are no episodes.
    """
    frames = [episode.frames[::every].copy() for episode in episodes]  # a view would keep the whole video
    if not frames:
        raise UserError("no episode of the data can be read; mend it, or make some with `slowfast data make`")
    return np.concatenate(frames)
