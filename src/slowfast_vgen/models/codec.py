"""Pixels to latents and back: the only home of pixel ranges, patch sizes and latent scale factors.

Stages, each named once: *frames* are uint8 RGB `[..., height, width, 3]`; *pixels* are float `[..., 3, height, width]`
in [-1, 1]; *latents* are float `[..., channels, height / 8, width / 8]`, normalised per channel to zero mean and unit
deviation over the training set.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderTiny
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from slowfast_vgen.errors import UserError
from slowfast_vgen.files import write_json
from slowfast_vgen.models.fingerprint import sha256_of_tensors
from slowfast_vgen.models.growth import grow
from slowfast_vgen.models.settings import CodecConfig
from slowfast_vgen.models.weights import STATISTICS_FILE, PartFiles, write_module
from slowfast_vgen.tensors import check_finite


def frames_to_pixels(frames: UInt8[Tensor, "*batch height width 3"]) -> Float[Tensor, "*batch 3 height width"]:
    """Uint8 RGB frames to float pixels in [-1, 1].

    >>> frames_to_pixels(torch.full((2, 4, 4, 3), 255, dtype=torch.uint8)).shape
    torch.Size([2, 3, 4, 4])
    """
    return frames.movedim(-1, -3).float().div(127.5).sub(1.0)


def pixels_to_frames(pixels: Float[Tensor, "*batch 3 height width"]) -> UInt8[Tensor, "*batch height width 3"]:
    """Float pixels to uint8 RGB frames; values beyond [-1, 1] are clamped.

    >>> pixels_to_frames(torch.zeros(3, 2, 2)).unique().tolist()
    [128]
    """
    return pixels.add(1.0).mul(127.5).round().clamp(0, 255).to(torch.uint8).movedim(-3, -1)


def check_sides(height: int, width: int, downsampling: int) -> None:
    """Checks that frames can be folded into whole latents.

    Raises:
        UserError: a side is no multiple of `downsampling`; the nearest sizes that can be used are named.
    """
    if height % downsampling or width % downsampling:
        near = "x".join(str(max(1, round(side / downsampling)) * downsampling) for side in (width, height))
        raise UserError(
            f"frames are {width}x{height}; this codec wants sides that are multiples of {downsampling}: import or "
            f"record them at another size, such as --size {near}"
        )


class Codec(nn.Module):
    """A diffusers `AutoencoderTiny` over folded pixels, with per-channel latent statistics."""

    latent_mean: Tensor
    latent_std: Tensor

    def __init__(self, autoencoder: AutoencoderTiny, fold: int) -> None:
        super().__init__()
        self.autoencoder = autoencoder
        self.fold = fold
        self.register_buffer("latent_mean", torch.zeros(self.latent_channels))
        self.register_buffer("latent_std", torch.ones(self.latent_channels))

    @classmethod
    def from_config(cls, config: CodecConfig) -> "Codec":
        """A codec with fresh weights."""
        stages = len(config.encoder_blocks)
        autoencoder = AutoencoderTiny(
            in_channels=3 * config.fold**2,
            out_channels=3 * config.fold**2,
            encoder_block_out_channels=(config.encoder_width,) * stages,
            decoder_block_out_channels=(config.decoder_width,) * stages,
            num_encoder_blocks=config.encoder_blocks,
            num_decoder_blocks=config.decoder_blocks,
            latent_channels=config.latent_channels,
        )
        return cls(autoencoder, config.fold)

    @property
    def latent_channels(self) -> int:
        """Channels of a latent."""
        return int(self.autoencoder.config.latent_channels)

    @property
    def downsampling(self) -> int:
        """Pixels along each side of one latent cell."""
        return self.fold * 2 ** (len(self.autoencoder.config.num_encoder_blocks) - 1)

    def encode_pixels(self, pixels: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch channels h w"]:
        """Pixels in [-1, 1] to raw latents, before normalisation (used while the codec itself is trained)."""
        # AutoencoderTiny takes [-1, 1] and shifts to [0, 1] inside.
        return self.autoencoder.encode(F.pixel_unshuffle(pixels, self.fold)).latents

    def decode_pixels(self, raw: Float[Tensor, "batch channels h w"]) -> Float[Tensor, "batch 3 height width"]:
        """Raw latents to pixels around [-1, 1], not clamped."""
        return F.pixel_shuffle(self.autoencoder.decode(raw).sample, self.fold)

    def _per_channel(self, values: Tensor) -> Tensor:
        return values[:, None, None]

    @torch.no_grad()
    def encode(
        self, frames: UInt8[Tensor, "*batch height width 3"], batch_size: int = 64
    ) -> Float[Tensor, "*batch channels h w"]:
        """Frames to normalised latents.

        Raises:
            UserError: the frame's sides are not multiples of `downsampling`.
        """
        *batch, height, width, _ = frames.shape
        check_sides(height, width, self.downsampling)
        pixels = frames_to_pixels(frames.reshape(-1, height, width, 3))
        parts = [
            self.encode_pixels(part.contiguous(memory_format=torch.channels_last)) for part in pixels.split(batch_size)
        ]
        latents = (torch.cat(parts) - self._per_channel(self.latent_mean)) / self._per_channel(self.latent_std)
        return latents.contiguous().reshape(*batch, *latents.shape[1:])

    @torch.no_grad()
    def decode(
        self, latents: Float[Tensor, "*batch channels h w"], batch_size: int = 64
    ) -> UInt8[Tensor, "*batch height width 3"]:
        """Normalised latents to frames."""
        *batch, channels, height, width = latents.shape
        flat = latents.reshape(-1, channels, height, width)
        raw = flat * self._per_channel(self.latent_std) + self._per_channel(self.latent_mean)
        frames = torch.cat([pixels_to_frames(self.decode_pixels(part)) for part in raw.split(batch_size)])
        return frames.contiguous().reshape(*batch, *frames.shape[1:])

    def with_channels(self, latent_channels: int) -> "Codec":
        """A codec with this many latent channels that shows the same pictures; the codec itself if it has them already.

        Raises:
            UserError: this codec has more channels than that.
        """
        if latent_channels == self.latent_channels:
            return self
        autoencoder = AutoencoderTiny.from_config({**self.autoencoder.config, "latent_channels": latent_channels})
        grow(autoencoder, self.autoencoder)
        other = Codec(autoencoder, self.fold)
        for name in ("latent_mean", "latent_std"):
            getattr(other, name)[: self.latent_channels] = getattr(self, name)
        return other.train(self.training)

    def fingerprint(self) -> str:
        """Hex SHA-256 over all weights and statistics: latents of two codecs with the same one are the same."""
        return sha256_of_tensors(self.state_dict())

    def save(self, folder: Path, half: bool = False) -> None:
        """Writes diffusers' own files (config and weights) and the latent statistics into a folder being written."""
        write_module(folder, self.autoencoder, half)
        statistics = {"fold": self.fold, "mean": self.latent_mean.tolist(), "std": self.latent_std.tolist()}
        write_json(folder / STATISTICS_FILE, statistics)

    @classmethod
    def load(cls, folder: Path) -> "Codec":
        """Reads what `save` wrote, in evaluation mode and float32.

        Raises:
            UserError: a file is missing or not readable.
        """
        return cls.of(PartFiles.read(folder))

    @classmethod
    def of(cls, part: PartFiles) -> "Codec":
        """Builds a codec, in evaluation mode and float32, from files that were read already."""
        path = part.folder / STATISTICS_FILE
        statistics = part.json(STATISTICS_FILE)
        autoencoder = part.module(AutoencoderTiny, "codec")
        try:
            codec = cls(autoencoder, int(statistics["fold"]))
            for name, values in (("mean", codec.latent_mean), ("std", codec.latent_std)):
                if not isinstance(statistics[name], list) or len(statistics[name]) != len(values):
                    raise ValueError(f"its {name} is no list of {len(values)} numbers")
                values.copy_(torch.tensor(statistics[name]))
            if not bool((codec.latent_std > 0).all()):
                raise ValueError("a deviation is not above 0")
            channels = autoencoder.config.in_channels
            if channels != 3 * codec.fold**2:
                raise ValueError(f"a fold of {codec.fold} for {channels} channels")
            if (scale := autoencoder.config.upsampling_scaling_factor) != 2 or isinstance(scale, bool):
                raise ValueError(f"an upsampling_scaling_factor of {scale!r:.40}, where every one is 2")
        except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
            raise UserError(f"{path} does not fit its codec ({error}); copy the codec again") from error
        check_finite(f"the codec in {part.folder}", codec.state_dict(), "train it again")
        return codec.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
