"""The embedded denoiser: a compact video transformer with a block-causal window.

The past frames attend only to each other, so nothing in them depends on the noise of the new frames: their keys and
values are computed once a chunk (`encode_past`) and read at every sampling step (`predict`). New frames attend to the
past and to each other. Noise level and action act through adaptive layer norm, per frame (DiT, arXiv 2212.09748; the
modulation is shared by the blocks and shifted by a learned table in each, PixArt-alpha, arXiv 2310.00426).
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.embeddings import TimestepEmbedding, get_timestep_embedding
from jaxtyping import Complex, Float
from torch import Tensor, nn

from slowfast_vgen.errors import UserError
from slowfast_vgen.models.denoiser import Latents, MemoryShape, NoiseLevels, PatchFeatures, Recall, memory_grid
from slowfast_vgen.models.growth import grow
from slowfast_vgen.models.text import TextEmbedding

Tokens = Float[Tensor, "batch frames places width"]
"""A row of patches for each frame."""
Heads = Float[Tensor, "batch heads tokens head_width"]
Modulation = Float[Tensor, "batch frames parts width"]
Rotation = Complex[Tensor, "tokens pairs"]


@dataclass(frozen=True)
class PastKeysValues:
    """Keys and values of the past frames in every block, and how many frames they span."""

    blocks: tuple[tuple[Heads, Heads], ...]
    num_frames: int
    tokens: Tokens
    """The residual stream before the last block: what a memory of these frames is made from."""


def rotary_positions(num_frames: int, height: int, width: int, head_width: int, first_frame: int) -> Rotation:
    """Rotary positions (arXiv 2104.09864) over time, rows and columns, as unit complex numbers.

    Half of the channel pairs turn with time, a quarter each with rows and columns; only differences of positions
    matter, so a window looks the same wherever in the episode it lies.
    """
    pairs = head_width // 2
    spatial = pairs // 4
    time, row, column = torch.meshgrid(
        torch.arange(first_frame, first_frame + num_frames), torch.arange(height), torch.arange(width), indexing="ij"
    )
    parts = []
    for position, count in ((time, pairs - 2 * spatial), (row, spatial), (column, spatial)):
        frequency = 100.0 ** (-torch.arange(count) / count)
        parts.append(position.flatten()[:, None] * frequency)
    angles = torch.cat(parts, dim=1)
    return torch.polar(torch.ones_like(angles), angles)


def rotate(x: Heads, rotation: Rotation) -> Heads:
    """Turns each pair of neighbouring channels by its position's angle."""
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))  # half precision has no complex numbers
    return torch.view_as_real(pairs * rotation).flatten(-2).type_as(x)


def attend(q: Heads, k: Heads, v: Heads) -> Heads:
    """Scaled dot-product attention."""
    if q.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        # The fused kernel's backward pass in half precision takes four times as long as these three steps.
        return torch.softmax(q * q.shape[-1] ** -0.5 @ k.transpose(-1, -2), dim=-1) @ v
    return F.scaled_dot_product_attention(q, k, v)


class Block(nn.Module):
    """Attention and MLP, each modulated by noise level and action.

    A memory that adds to the residual stream belongs next to the two: `x + gate * branch(modulated x)` once more.
    """

    def __init__(self, width: int, num_heads: int, mlp_ratio: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.qkv = nn.Linear(width, 3 * width)
        # Normalised queries and keys (arXiv 2302.05442) keep attention stable at a high learning rate.
        self.query_norm = nn.LayerNorm(width // num_heads)
        self.key_norm = nn.LayerNorm(width // num_heads)
        self.out = nn.Linear(width, width)
        self.mlp_in = nn.Linear(width, mlp_ratio * width)
        self.mlp_out = nn.Linear(mlp_ratio * width, width)
        self.modulation_shift = nn.Parameter(torch.randn(6, width) / width**0.5)

    def modulations(self, shared: Modulation) -> tuple[Float[Tensor, "batch frames 1 width"], ...]:
        """Shift, scale and gate of attention, then of the MLP, for each frame."""
        return (shared + self.modulation_shift).unsqueeze(2).unbind(dim=3)

    def queries_keys_values(self, x: Tokens, rotation: Rotation) -> tuple[Heads, Heads, Heads]:
        """Normalised, rotated queries and keys; values."""
        q, k, v = self.qkv(x).flatten(1, 2).unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        return rotate(self.query_norm(q), rotation), rotate(self.key_norm(k), rotation), v

    def forward(
        self, x: Tokens, shared: Modulation, rotation: Rotation, past: tuple[Heads, Heads] | None
    ) -> tuple[Tokens, tuple[Heads, Heads]]:
        """The new residual stream, and this call's own keys and values."""
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = self.modulations(shared)
        q, k, v = self.queries_keys_values(torch.addcmul(shift_a, self.norm(x), 1 + scale_a), rotation)
        keys, values = (k, v) if past is None else (torch.cat([past[0], k], 2), torch.cat([past[1], v], 2))
        attended = attend(q, keys, values).transpose(1, 2).reshape(x.shape)
        x = torch.addcmul(x, gate_a, self.out(attended))
        hidden = self.mlp_in(torch.addcmul(shift_m, self.norm(x), 1 + scale_m))
        # Squared ReLU (Primer, arXiv 2109.08668): on a CPU a GELU costs as much as the matrix product before it.
        x = torch.addcmul(x, gate_m, self.mlp_out(F.relu(hidden).square()))
        return x, (k, v)


class VideoTransformer(ModelMixin, ConfigMixin):
    """The compact video transformer of this module. `width` must be a multiple of `8 * num_heads`."""

    lora_layers: ClassVar[tuple[str, ...]] = ("qkv", "out", "mlp_in", "mlp_out")
    target: str | None = None
    """The target that it was trained to predict, where that is known (`training_record`)."""

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 8,
        latent_height: int = 8,
        latent_width: int = 8,
        patch_size: int = 2,
        width: int = 256,
        depth: int = 6,
        num_heads: int = 4,
        mlp_ratio: int = 4,
        text_dim: int = 384,
        memory_width: int = 0,
    ) -> None:
        super().__init__()
        if width % (8 * num_heads):
            raise UserError(f"the transformer's width must be a multiple of 8 * {num_heads} heads, got {width}")
        patch_values = latent_channels * patch_size**2
        self.grid = memory_grid(latent_height, latent_width, patch_size)
        self.patch_in = nn.Linear(patch_values, width)
        self.place = nn.Parameter(torch.randn(self.grid[0] * self.grid[1], width) * 0.02)
        self.noise_embedding = TimestepEmbedding(128, width)
        self.text_embedding = nn.Sequential(nn.Linear(text_dim, width), nn.SiLU(), nn.Linear(width, width))
        self.modulation = nn.Linear(width, 6 * width)
        self.blocks = nn.ModuleList(Block(width, num_heads, mlp_ratio) for _ in range(depth))
        self.norm_out = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation_out = nn.Linear(width, 2 * width)
        self.patch_out = nn.Linear(width, patch_values)
        for layer in (self.modulation, self.modulation_out, self.patch_out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        if memory_width:
            self.memory_out = nn.Linear(width, memory_width)
            # Zero at the start: a memory changes nothing until training finds a use for it.
            self.recall_in = nn.Linear(patch_values + memory_width + 1, width)
            nn.init.zeros_(self.recall_in.weight)
            nn.init.zeros_(self.recall_in.bias)

    def _tokens(self, latents: Latents) -> Tokens:
        """The patches of every frame, row by row."""
        return self.patch_in(self._folded(latents).flatten(2, 3)) + self.place

    def _folded(self, latents: Latents) -> Float[Tensor, "batch frames rows columns values"]:
        """The numbers of every patch; what lies beyond a frame of odd sides is zero, the latents' mean."""
        patch, (rows, columns) = self.config.patch_size, self.grid
        bottom, right = rows * patch - latents.shape[-2], columns * patch - latents.shape[-1]
        return F.pixel_unshuffle(F.pad(latents, (0, right, 0, bottom)), patch).movedim(2, -1)

    def _latents(self, tokens: Float[Tensor, "batch frames places values"]) -> Latents:
        folded = tokens.unflatten(2, self.grid).movedim(-1, 2)
        whole = F.pixel_shuffle(folded, self.config.patch_size)
        return whole[..., : self.config.latent_height, : self.config.latent_width]

    def _noise(self, noise_levels: NoiseLevels) -> Float[Tensor, "batch frames width"]:
        sinusoids = get_timestep_embedding(noise_levels.flatten() * 1000, 128).unflatten(0, noise_levels.shape)
        return self.noise_embedding(sinusoids.to(self.place.dtype))

    def _rotation(self, num_frames: int, first_frame: int) -> Rotation:
        head_width = self.config.width // self.config.num_heads
        return rotary_positions(num_frames, *self.grid, head_width, first_frame).to(self.place.device)

    def encode_past(self, latents: Latents, noise_levels: NoiseLevels) -> PastKeysValues:
        """Keys and values of the past, which see only the past."""
        num_frames = latents.shape[1]
        x = self._tokens(latents)
        shared = self.modulation(F.silu(self._noise(noise_levels))).unflatten(-1, (6, -1))
        rotation = self._rotation(num_frames, -num_frames)
        kept = []
        for block in self.blocks[:-1]:
            x, keys_values = block(x, shared, rotation, None)
            kept.append(keys_values)
        last = self.blocks[-1]
        assert isinstance(last, Block)
        shift, scale, *_ = last.modulations(shared)
        _, k, v = last.queries_keys_values(torch.addcmul(shift, last.norm(x), 1 + scale), rotation)
        return PastKeysValues((*kept, (k, v)), num_frames, x)

    @property
    def can_recall(self) -> bool:
        """True if what a ridge memory recalls reaches the prediction."""
        return bool(self.config.memory_width)

    def with_memory(self, memory_width: int) -> "VideoTransformer":
        """The same denoiser with input for a ridge memory of `memory_width` features a patch; itself if it has that.

        With 0 it has no such input. Weights for another width are initialised again.
        """
        if self.config.memory_width == memory_width:
            return self
        other = self._like(memory_width=memory_width)
        kept = {k: v for k, v in self.state_dict().items() if not k.startswith(("memory_out.", "recall_in."))}
        other.load_state_dict(kept, strict=False)
        return other

    def with_channels(self, latent_channels: int) -> "VideoTransformer":
        """The same denoiser for latents with more channels, with the same prediction for the first ones.

        It has no input for a ridge memory. If nothing is to be added, the denoiser itself is returned.

        Raises:
            UserError: the denoiser was made for more channels than that.
        """
        if self.config.latent_channels == latent_channels:
            return self
        other = self._like(latent_channels=latent_channels, memory_width=0)
        grow(other, self.with_memory(0))
        return other

    def _like(self, **changed: int) -> "VideoTransformer":
        kept = {name: value for name, value in self.config.items() if not name.startswith("_")}
        return VideoTransformer(**(kept | changed))

    def memory_shape(self, latent_height: int, latent_width: int) -> MemoryShape:
        """Width of `memory_features` and their grid in a frame."""
        return MemoryShape(self.config.memory_width, *memory_grid(latent_height, latent_width, self.config.patch_size))

    def memory_features(self, past: PastKeysValues) -> PatchFeatures | None:
        """Learned features that a memory keeps of each past patch; almost free, since the past is encoded."""
        if not self.config.memory_width:
            return None
        return self.memory_out(self.norm_out(past.tokens)).unflatten(2, self.grid)

    def encode_recall(self, recall: Recall) -> Tokens:
        """Encodes a recall as an addition to the new frames' tokens at every sampling step."""
        assert recall.features is not None, "the memory of a transformer holds features"
        raw = self._folded(recall.latents)
        novelty = recall.novelty[:, :, None, :, None].expand(*raw.shape[:-1], 1)
        return self.recall_in(torch.cat([raw, recall.features.to(raw), novelty], dim=-1)).flatten(2, 3)

    def repeat_past(self, past: PastKeysValues, times: int) -> PastKeysValues:
        """Each episode's keys and values `times` times in a row."""
        blocks = tuple((k.repeat_interleave(times, 0), v.repeat_interleave(times, 0)) for k, v in past.blocks)
        return PastKeysValues(blocks, past.num_frames, past.tokens.repeat_interleave(times, 0))

    def predict(
        self,
        noised: Latents,
        noise_levels: NoiseLevels,
        text: TextEmbedding,
        past: PastKeysValues | None,
        recalled: Tokens | None = None,
    ) -> Latents:
        """The prediction for the new frames."""
        num_frames = noised.shape[1]
        x = self._tokens(noised)
        if recalled is not None:
            x = x + recalled
        # Pooled embeddings have length 1; scaled so that each channel, and with it each weight's gradient, is of order
        # 1.
        action = self.text_embedding(text.pooled() * self.config.text_dim**0.5)
        condition = F.silu(self._noise(noise_levels) + action[:, None])
        shared = self.modulation(condition).unflatten(-1, (6, -1))
        rotation = self._rotation(num_frames, 0)
        for index, block in enumerate(self.blocks):
            x, _ = block(x, shared, rotation, None if past is None else past.blocks[index])
        shift, scale = self.modulation_out(condition).unsqueeze(2).chunk(2, dim=-1)
        return self._latents(self.patch_out(torch.addcmul(shift, self.norm_out(x), 1 + scale)))
