"""The denoiser that a training starts from, and what goes with its weights at the end."""

from collections.abc import Iterable
from pathlib import Path
from typing import cast

from slowfast_vgen.data.latents import LatentSet
from slowfast_vgen.data.sources import open_episodes
from slowfast_vgen.data.told import read_told
from slowfast_vgen.errors import UserError
from slowfast_vgen.models.denoiser import DenoiserModule, check_latents
from slowfast_vgen.models.diffusers_denoisers import UNet3DDenoiser, WanDenoiser
from slowfast_vgen.models.settings import Target
from slowfast_vgen.models.video_transformer import VideoTransformer
from slowfast_vgen.models.vocabulary import FILE, Motion, vocabulary_of
from slowfast_vgen.models.weights import add_to_part
from slowfast_vgen.train.inputs import Tell
from slowfast_vgen.train.settings import SlowStart


def target_of(denoiser: DenoiserModule, init: Path, asked: Target | None = None) -> Target:
    """What a denoiser that was trained before is trained to predict: the same.

    Raises:
        UserError: something else is asked for than it was trained to predict.
    """
    trained = denoiser.target or "flow"  # trainings from before there were records knew no other
    if asked not in (None, trained):
        raise UserError(
            f"{init} was trained to predict {trained}; leave out --target {asked}, or train from fresh weights"
        )
    return cast(Target, trained)


def with_room(denoiser: DenoiserModule, memory_width: int) -> DenoiserModule:
    """The denoiser with room for a ridge memory; what it is trained to predict stays.

    Raises:
        UserError: a transformer whose memory is to keep no features, which it could not read.
    """
    if isinstance(denoiser, VideoTransformer) and not memory_width:
        raise UserError("the ridge memory of a transformer keeps learned features; give --memory-width 1 or more")
    return denoiser.with_memory(memory_width)


def for_latents(denoiser: DenoiserModule, folder: Path, latents: LatentSet, tell: Tell = print) -> DenoiserModule:
    """A denoiser to start from, with more latent channels where the codec has more."""
    channels = latents.latents.shape[1]
    if isinstance(denoiser, VideoTransformer) and (added := channels - denoiser.config.latent_channels) > 0:
        more = f"{added} are added, a ridge memory is left out"
        tell(f"{folder} was made for {channels - added} latent channels; {more}")
        denoiser = denoiser.with_channels(channels)
    check_init(denoiser, folder, latents)
    return denoiser


def check_init(denoiser: DenoiserModule, folder: Path, latents: LatentSet) -> None:
    """Raises `UserError` where the denoiser was made for other latents."""
    channels, height, width = latents.latents.shape[1:]
    mend = f"start from a denoiser of such latents, not from {folder}"
    check_latents(denoiser, (channels, height, width), "a frame of the data", mend)


def new_denoiser(start: SlowStart, channels: int, height: int, width: int) -> DenoiserModule:
    """A denoiser of fresh weights for latents of this size."""
    if start.denoiser == "unet3d":
        return UNet3DDenoiser(latent_channels=channels)
    if start.denoiser == "wan":
        return WanDenoiser(latent_channels=channels)
    return VideoTransformer(
        latent_channels=channels, latent_height=height, latent_width=width, width=start.width, depth=start.depth
    )


def write_vocabulary(folder: Path, data: Iterable[Path]) -> None:
    """Writes `actions.json`, what the world can be told, next to the denoiser's weights, where `models pack` finds it.

    It has the texts of the data, and each verb's motion where the data has poses.
    """
    told = read_told(open_episodes(path) for path in data)
    vocabulary = vocabulary_of(told.actions, {verb: Motion(*motion) for verb, motion in told.motions.items()})
    add_to_part(folder, lambda part: vocabulary.save(part / FILE))
