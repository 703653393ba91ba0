"""Diffusers' own denoisers behind our Protocol: the paper's 3D UNet, and a video diffusion transformer.

Both run the past beside the new frames at every step, as in the paper (3.2): past and new are joined in time and only
the new part of the output is read.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin, UNet3DConditionModel, WanTransformer3DModel
from diffusers.configuration_utils import register_to_config
from jaxtyping import Float
from torch import Tensor, nn

from slowfast_vgen.models.denoiser import Latents, NoiseLevels
from slowfast_vgen.models.text import TextEmbedding, TextEncoder

TIMESTEPS = 1000
"""Diffusers' models read a noise level as a time step of a thousand."""


def padded_tokens(text: TextEmbedding, length: int = TextEncoder.max_length) -> Float[Tensor, "batch length 384"]:
    """Text tokens at one fixed length, zeros behind.

    These classes take no text mask, and what an episode gives must not depend on how long the actions beside it are.
    """
    tokens = text.tokens.masked_fill(~text.mask[..., None], 0.0)
    return F.pad(tokens, (0, 0, 0, length - tokens.shape[1]))


@dataclass(frozen=True)
class PastLatents:
    """The past as it is, for denoisers that look at it anew each time."""

    latents: Latents
    noise_levels: NoiseLevels


class JoinedInTime(ModelMixin, ConfigMixin):
    """Joins past and new frames in time; a subclass says how its network takes them."""

    def joined(self, latents: Latents, noise_levels: NoiseLevels, text: TextEmbedding) -> Latents:
        """Runs the network over the whole window."""
        raise NotImplementedError

    def encode_past(self, latents: Latents, noise_levels: NoiseLevels) -> PastLatents:
        """Keeps the latents."""
        return PastLatents(latents, noise_levels)

    def repeat_past(self, past: PastLatents, times: int) -> PastLatents:
        """Each episode's past `times` times in a row."""
        return PastLatents(past.latents.repeat_interleave(times, 0), past.noise_levels.repeat_interleave(times, 0))

    def predict(
        self, noised: Latents, noise_levels: NoiseLevels, text: TextEmbedding, past: PastLatents | None
    ) -> Latents:
        """The prediction for the new frames."""
        if past is None:
            return self.joined(noised, noise_levels, text)
        latents = torch.cat([past.latents, noised], dim=1)
        levels = torch.cat([past.noise_levels, noise_levels], dim=1)
        return self.joined(latents, levels, text)[:, past.latents.shape[1] :]


class UNet3DDenoiser(JoinedInTime):
    """`UNet3DConditionModel`, the paper's backbone (ModelScopeT2V's class), at any size.

    The network takes one time step for all frames, so the noise level of each frame rides along as one more input
    channel.
    """

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 8,
        block_widths: tuple[int, ...] = (64, 128),
        layers_per_block: int = 1,
        head_width: int = 32,
        text_dim: int = 384,
    ) -> None:
        super().__init__()
        attention = len(block_widths) - 1
        self.network = UNet3DConditionModel(
            in_channels=latent_channels + 1,
            out_channels=latent_channels,
            block_out_channels=block_widths,
            down_block_types=("CrossAttnDownBlock3D",) * attention + ("DownBlock3D",),
            up_block_types=("UpBlock3D",) + ("CrossAttnUpBlock3D",) * attention,
            layers_per_block=layers_per_block,
            norm_num_groups=min(32, block_widths[0] // 2),
            cross_attention_dim=text_dim,
            attention_head_dim=head_width,
        )
        # The class hard-codes a dropout of 0.1 in its temporal layers. It would draw from torch's global generator, and
        # neither a resumed training nor fast learning could be repeated.
        for module in self.network.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0

    def joined(self, latents: Latents, noise_levels: NoiseLevels, text: TextEmbedding) -> Latents:
        """Joins the noise levels as a channel; the time step is that of the noisiest frame."""
        levels = noise_levels[:, :, None, None, None].expand(*latents.shape[:2], 1, *latents.shape[3:])
        sample = torch.cat([latents, levels.to(latents)], dim=2).movedim(1, 2)
        output = self.network(
            sample,
            noise_levels.amax(1) * TIMESTEPS,
            encoder_hidden_states=padded_tokens(text),
        ).sample
        return output.movedim(2, 1)


class WanDenoiser(JoinedInTime):
    """`WanTransformer3DModel` at any size.

    It takes a time step per token (Wan 2.2's way), so that each frame has its own noise level.
    """

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 8,
        patch_size: int = 2,
        num_heads: int = 4,
        head_width: int = 32,
        ffn_width: int = 512,
        depth: int = 4,
        text_dim: int = 384,
    ) -> None:
        super().__init__()
        self.network = WanTransformer3DModel(
            patch_size=(1, patch_size, patch_size),
            num_attention_heads=num_heads,
            attention_head_dim=head_width,
            in_channels=latent_channels,
            out_channels=latent_channels,
            text_dim=text_dim,
            freq_dim=128,
            ffn_dim=ffn_width,
            num_layers=depth,
            rope_max_seq_len=256,
        )

    def joined(self, latents: Latents, noise_levels: NoiseLevels, text: TextEmbedding) -> Latents:
        """A time step for every token of a frame."""
        patch = self.config.patch_size
        tokens_per_frame = (latents.shape[-2] // patch) * (latents.shape[-1] // patch)
        timestep: Tensor = (noise_levels * TIMESTEPS).repeat_interleave(tokens_per_frame, dim=1)
        return self.network(latents.movedim(1, 2), timestep, padded_tokens(text)).sample.movedim(2, 1)
