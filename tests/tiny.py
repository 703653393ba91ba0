"""Small denoisers with random weights, and a slow, plain way to run the video transformer, for several test files."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slowfast_vgen.models.diffusers_denoisers import UNet3DDenoiser, WanDenoiser
from slowfast_vgen.models.text import TextEmbedding
from slowfast_vgen.models.video_transformer import VideoTransformer, rotary_positions, rotate

Module = TypeVar("Module", bound=nn.Module)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def levels(batch: int, frames: int, seed: int = 0) -> Tensor:
    """A noise level of its own for every frame, away from 0 and 1."""
    return 0.1 + 0.8 * torch.rand(batch, frames, generator=torch.Generator().manual_seed(seed))


def shaken(make: Callable[[], Module], seed: int = 0, size: float = 0.05) -> Module:
    """A fresh module whose parameters have all been moved a little: no layer is zero."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = make()
        for parameter in module.parameters():
            parameter.data += size * torch.randn_like(parameter)
    return module


def transformer(depth: int = 2) -> VideoTransformer:
    return shaken(lambda: VideoTransformer(width=64, depth=depth, num_heads=4))


def unet() -> UNet3DDenoiser:
    return shaken(lambda: UNet3DDenoiser(block_widths=(16, 32), head_width=8))


def wan() -> WanDenoiser:
    return shaken(lambda: WanDenoiser(num_heads=2, head_width=32, ffn_width=64, depth=2))


def remembering(family: str, memory_width: int = 3, size: tuple[int, int] = (8, 8)) -> nn.Module:
    """The same with room for a ridge memory, for latents of the given height and width."""
    if family == "VideoTransformer":
        return shaken(
            lambda: VideoTransformer(
                latent_height=size[0], latent_width=size[1], width=64, depth=2, num_heads=4, memory_width=memory_width
            )
        )
    if family == "UNet3DDenoiser":
        return shaken(
            lambda: UNet3DDenoiser(block_widths=(16, 32), head_width=8, recall=True, memory_width=memory_width)
        )
    return shaken(
        lambda: WanDenoiser(num_heads=2, head_width=32, ffn_width=64, depth=2, recall=True, memory_width=memory_width)
    )


FAMILIES = {"VideoTransformer": transformer, "UNet3DDenoiser": unet, "WanDenoiser": wan}


def joined_transformer(
    net: VideoTransformer,
    past: Tensor | None,
    past_levels: Tensor | None,
    noised: Tensor,
    noise_levels: Tensor,
    text: TextEmbedding,
    block_causal: bool = True,
) -> Tensor:
    """The video transformer without a cache: one sequence of past and new tokens and an attention mask written out.

    Gives the output for all frames, the past included.
    """
    window = noised if past is None else torch.cat([past, noised], 1)
    all_levels = noise_levels if past_levels is None else torch.cat([past_levels, noise_levels], 1)
    num_past = 0 if past is None else past.shape[1]
    is_new = torch.arange(window.shape[1]) >= num_past
    tokens_per_frame = net.grid[0] * net.grid[1]
    token_is_new = is_new.repeat_interleave(tokens_per_frame)
    sees = token_is_new[:, None] | ~token_is_new[None, :]
    if not block_causal:
        sees = torch.ones_like(sees)

    x = net._tokens(window).flatten(1, 2)
    action = net.text_embedding(text.pooled() * net.config.text_dim**0.5)
    condition = F.silu(net._noise(all_levels) + is_new[None, :, None] * action[:, None])
    shared = net.modulation(condition).unflatten(-1, (6, -1))
    rotation = rotary_positions(window.shape[1], *net.grid, net.config.width // net.config.num_heads, -num_past)
    for block in net.blocks:
        parts = (shared + block.modulation_shift).repeat_interleave(tokens_per_frame, 1)
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = parts.unbind(2)
        qkv = block.qkv(shift_a + block.norm(x) * (1 + scale_a)).unflatten(-1, (3, net.config.num_heads, -1))
        q, k, v = (part.transpose(1, 2) for part in qkv.unbind(2))
        q, k = rotate(block.query_norm(q), rotation), rotate(block.key_norm(k), rotation)
        scores = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~sees, -torch.inf)
        x = x + gate_a * block.out((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))
        x = x + gate_m * block.mlp_out(F.relu(block.mlp_in(shift_m + block.norm(x) * (1 + scale_m))).square())
    shift, scale = net.modulation_out(condition).repeat_interleave(tokens_per_frame, 1).chunk(2, -1)
    output = net.patch_out(shift + net.norm_out(x) * (1 + scale))
    return net._latents(output.unflatten(1, (-1, tokens_per_frame)))


def flat(states: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """The tensors of all episodes in one list."""
    return [each for state in states for each in state]
