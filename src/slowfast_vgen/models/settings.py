"""Sizes of models; without torch, for commands show them."""

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from slowfast_vgen.errors import UserError
from slowfast_vgen.flags import Flag

Target = Literal["epsilon", "v_prediction", "flow"]
"""What a denoiser learns to predict."""


def check_target(target: object) -> None:
    """Raises `UserError` for anything but a `Target`."""
    if target not in get_args(Target):
        raise UserError(f"the target {target!r:.80} is unknown; choose {', '.join(get_args(Target))}")


@dataclass(frozen=True)
class CodecConfig:
    """Sizes of the autoencoder.

    Pixels are folded `fold` x `fold` into channels first, which keeps the costly full-size layers out.
    """

    latent_channels: Annotated[int, Flag(low=1, high=64, default="{}, or those of --init")] = 8
    """Channels of a latent; more can be added to those of --init."""
    fold: Annotated[int, Flag(low=1, high=16)] = 4
    """Pixels along each side that are folded into channels."""
    encoder_width: Annotated[int, Flag(low=1, high=4096)] = 64
    """Channels of the encoder's layers."""
    decoder_width: Annotated[int, Flag(low=1, high=4096)] = 80
    """Channels of the decoder's layers."""
    encoder_blocks: tuple[Annotated[int, Flag(low=1, high=64)], ...] = (1, 1)
    """Blocks of each of the encoder's stages, between which the sides are halved."""
    decoder_blocks: tuple[Annotated[int, Flag(low=1, high=64)], ...] = (3, 2)
    """Blocks of each of the decoder's stages."""

    def __post_init__(self) -> None:
        if len(self.encoder_blocks) != len(self.decoder_blocks):
            raise UserError(
                "the codec needs as many encoder stages as decoder stages, got "
                f"{self.encoder_blocks} and {self.decoder_blocks}"
            )
