"""Diffusers' own denoisers behind our Protocol: the paper's 3D UNet, and a video diffusion transformer.

Both run the past together with the new frames at every step, as in the paper (3.2): past and new are joined in time
and only the new part of the output is read.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin, UNet3DConditionModel, WanTransformer3DModel
from diffusers.configuration_utils import register_to_config
from jaxtyping import Float
from torch import Tensor, nn

from slowfast_vgen.models.denoiser import (
    MEMORY_PATCH,
    Latents,
    MemoryShape,
    NoiseLevels,
    PatchFeatures,
    Recall,
    memory_grid,
)
from slowfast_vgen.models.text import TextEmbedding, TextEncoder

TIMESTEPS = 1000
"""Diffusers' models read a noise level as a time step of a thousand."""


_SEEN_BY_LAST_LAYER: ContextVar[list[Tensor] | None] = ContextVar("seen by the last layer", default=None)
"""Inputs of the last layer that `memory_features` collects: a list for each thread, so that threads may share a
network."""


def _look(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    if (seen := _SEEN_BY_LAST_LAYER.get()) is not None:
        seen.append(inputs[0])


def padded_tokens(text: TextEmbedding, length: int = TextEncoder.max_length) -> Float[Tensor, "batch length 384"]:
    """Text tokens at one fixed length, zeros behind.

    These classes take no text mask, and an episode's result must not depend on the lengths of a batch's other actions.
    """
    tokens = text.tokens.masked_fill(~text.mask[..., None], 0.0)
    return F.pad(tokens, (0, 0, 0, length - tokens.shape[1]))


@dataclass(frozen=True)
class PastLatents:
    """The past as it is, for denoisers that process it again at each call."""

    latents: Latents
    noise_levels: NoiseLevels


class JoinedInTime(ModelMixin, ConfigMixin):
    """Joins past and new frames in time; a subclass says how its network takes them.

    With `recall` in its settings the network has more input channels, whose weights are zero at the start: what a ridge
    memory recalls of the new frames, and how familiar each place is. With a `memory_width` the memory keeps features as
    well: the input of the network's last layer in one clean pass over the finished frames.
    """

    lora_layers: ClassVar[tuple[str, ...]] = ("to_q", "to_k", "to_v", "to_out.0", "net.0.proj", "net.2")
    reads_words: ClassVar[bool] = True
    """True: its attention reads the embedding of each word of an action."""
    target: str | None = None
    """The target that it was trained to predict, where that is known (`training_record`)."""

    def joined(
        self, latents: Latents, noise_levels: NoiseLevels, text: TextEmbedding, recalled: Latents | None = None
    ) -> Latents:
        """Runs the network over the whole window."""
        raise NotImplementedError

    def first_layer(self) -> nn.Conv2d | nn.Conv3d:
        """The layer that reads the input channels, those for what is recalled being the last ones."""
        raise NotImplementedError

    def last_layer(self) -> nn.Module:
        """The layer that turns hidden features into the prediction."""
        raise NotImplementedError

    def hidden(self, inputs: Tensor, latents: Latents) -> Float[Tensor, "batch_frames width rows columns"]:
        """The input of the last layer for `latents`, frame by frame."""
        raise NotImplementedError

    @property
    def num_recall_channels(self) -> int:
        """Input channels for what is recalled: latents, familiarity, features."""
        return self.config.latent_channels + 1 + self.config.memory_width if self.config.recall else 0

    @property
    def can_recall(self) -> bool:
        """True if what a ridge memory recalls reaches the prediction."""
        return bool(self.config.recall)

    def with_memory(self, memory_width: int) -> Self:
        """The same denoiser with input channels for a ridge memory; the denoiser itself if it has them already.

        Args:
            memory_width: learned features that the memory keeps of each patch; 0 for its latents alone.
        """
        if self.can_recall and self.config.memory_width == memory_width:
            return self
        kept = {name: value for name, value in self.config.items() if not name.startswith("_")}
        other = type(self)(**(kept | {"recall": True, "memory_width": memory_width}))
        weights = {name: value for name, value in self.state_dict().items() if not name.startswith("memory_out.")}
        (name,) = (f"{name}.weight" for name, module in self.named_modules() if module is self.first_layer())
        channels = weights[name].shape[1] - self.num_recall_channels
        reading = other.state_dict()[name].clone()
        reading[:, :channels] = weights[name][:, :channels]
        other.load_state_dict(weights | {name: reading}, strict=False)
        return other

    def encode_past(self, latents: Latents, noise_levels: NoiseLevels) -> PastLatents:
        """Keeps the latents."""
        return PastLatents(latents, noise_levels)

    def repeat_past(self, past: PastLatents, times: int) -> PastLatents:
        """Each episode's past `times` times in a row."""
        return PastLatents(past.latents.repeat_interleave(times, 0), past.noise_levels.repeat_interleave(times, 0))

    def memory_shape(self, latent_height: int, latent_width: int) -> MemoryShape:
        """Width of `memory_features` and their grid in a frame."""
        return MemoryShape(self.config.memory_width, *memory_grid(latent_height, latent_width))

    def memory_features(self, past: PastLatents) -> PatchFeatures | None:
        """One clean pass over the past, and what the last layer sees of it, a mean for each patch of 2x2 latents."""
        if not self.config.memory_width:
            return None
        seen: list[Tensor] = []
        token = _SEEN_BY_LAST_LAYER.set(seen)
        try:
            self.joined(past.latents, past.noise_levels, TextEncoder.null(len(past.latents), past.latents.device))
        finally:
            _SEEN_BY_LAST_LAYER.reset(token)
        grid, hidden = memory_grid(*past.latents.shape[-2:]), self.hidden(seen[0], past.latents)
        if hidden.shape[-2:] == past.latents.shape[-2:]:  # the last patch of an odd side is the mean of what there is
            pooled = F.avg_pool2d(hidden, MEMORY_PATCH, ceil_mode=True)
        else:
            pooled = F.adaptive_avg_pool2d(hidden, grid)
        return self.memory_out(pooled.movedim(1, -1)).unflatten(0, past.latents.shape[:2])

    def predict(
        self,
        noised: Latents,
        noise_levels: NoiseLevels,
        text: TextEmbedding,
        past: PastLatents | None,
        recalled: Latents | None = None,
    ) -> Latents:
        """The prediction for the new frames."""
        if past is None:
            return self.joined(noised, noise_levels, text, recalled)
        latents = torch.cat([past.latents, noised], dim=1)
        levels = torch.cat([past.noise_levels, noise_levels], dim=1)
        if recalled is not None:
            before = recalled.new_zeros(*past.latents.shape[:2], *recalled.shape[2:])
            recalled = torch.cat([before, recalled], dim=1)
        return self.joined(latents, levels, text, recalled)[:, past.latents.shape[1] :]

    def encode_recall(self, recall: Recall) -> Latents:
        """Encodes what is recalled as input channels; zeros mean that nothing is known."""
        latents = recall.latents

        def spread(maps: Latents) -> Latents:
            return F.interpolate(maps.flatten(0, 1), latents.shape[-2:]).unflatten(0, latents.shape[:2])

        parts = [latents, spread(1 - recall.novelty[:, :, None, None, :]).to(latents)]
        if recall.features is not None:
            parts.append(spread(recall.features.movedim(-1, 2)).to(latents))
        return torch.cat(parts, dim=2)

    def _with_recalled(self, channels: Latents, recalled: Latents | None) -> Latents:
        """The network's input channels, those for what is recalled included."""
        if not self.num_recall_channels:
            return channels
        if recalled is None:
            shape = (*channels.shape[:2], self.num_recall_channels, *channels.shape[3:])
            recalled = channels.new_zeros(shape)
        return torch.cat([channels, recalled], dim=2)

    def _make_room_for_memory(self, hidden_width: int) -> None:
        """New input channels change nothing until training finds a use for them."""
        if self.num_recall_channels:
            self.first_layer().weight.data[:, -self.num_recall_channels :] = 0
        if self.config.memory_width:
            self.memory_out = nn.Linear(hidden_width, self.config.memory_width)
            self.last_layer().register_forward_pre_hook(_look)


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
        recall: bool = False,
        memory_width: int = 0,
    ) -> None:
        super().__init__()
        attention = len(block_widths) - 1
        self.network = UNet3DConditionModel(
            in_channels=latent_channels + 1 + self.num_recall_channels,
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
        self._make_room_for_memory(block_widths[0])

    def first_layer(self) -> nn.Conv2d:
        """The first convolution."""
        return self.network.conv_in

    def last_layer(self) -> nn.Module:
        """The last convolution."""
        return self.network.conv_out

    def hidden(self, inputs: Tensor, latents: Latents) -> Float[Tensor, "batch_frames width rows columns"]:
        """The input as it is: the class folds frames into the batch itself."""
        return inputs

    def joined(
        self, latents: Latents, noise_levels: NoiseLevels, text: TextEmbedding, recalled: Latents | None = None
    ) -> Latents:
        """Joins the noise levels as a channel; the time step is that of the noisiest frame."""
        levels = noise_levels[:, :, None, None, None].expand(*latents.shape[:2], 1, *latents.shape[3:])
        sample = self._with_recalled(torch.cat([latents, levels.to(latents)], dim=2), recalled).movedim(1, 2)
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
        recall: bool = False,
        memory_width: int = 0,
    ) -> None:
        super().__init__()
        self.network = WanTransformer3DModel(
            patch_size=(1, patch_size, patch_size),
            num_attention_heads=num_heads,
            attention_head_dim=head_width,
            in_channels=latent_channels + self.num_recall_channels,
            out_channels=latent_channels,
            text_dim=text_dim,
            freq_dim=128,
            ffn_dim=ffn_width,
            num_layers=depth,
            rope_max_seq_len=256,
        )
        self._make_room_for_memory(num_heads * head_width)

    def first_layer(self) -> nn.Conv3d:
        """The projection from patches to tokens."""
        return self.network.patch_embedding

    def last_layer(self) -> nn.Module:
        """The projection from tokens to patches."""
        return self.network.proj_out

    def hidden(self, inputs: Tensor, latents: Latents) -> Float[Tensor, "batch_frames width rows columns"]:
        """The tokens, put back into the places of their patches."""
        rows, columns = memory_grid(latents.shape[-2], latents.shape[-1], self.config.patch_size)
        return inputs.unflatten(1, (latents.shape[1], rows, columns)).flatten(0, 1).movedim(-1, 1)

    def joined(
        self, latents: Latents, noise_levels: NoiseLevels, text: TextEmbedding, recalled: Latents | None = None
    ) -> Latents:
        """A time step for every token of a frame; frames of odd sides get a border of zeros, the latents' mean."""
        patch, (height, width) = self.config.patch_size, latents.shape[-2:]
        rows, columns = memory_grid(height, width, patch)
        timestep: Tensor = (noise_levels * TIMESTEPS).repeat_interleave(rows * columns, dim=1)
        sample = self._with_recalled(latents, recalled).movedim(1, 2)
        sample = F.pad(sample, (0, columns * patch - width, 0, rows * patch - height))
        return self.network(sample, timestep, padded_tokens(text)).sample.movedim(2, 1)[..., :height, :width]
