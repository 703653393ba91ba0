"""Addresses of a memory, made of a planar pose and a patch's line of sight, and of nothing else.

Since an address holds no content, the addresses of frames to come are known before they are denoised: a chunk is read
once, not once a sampling step. Two addresses are alike where the camera was near the same place and the patch's ray
points the same way, so a wall patch seen again after a small turn, in another column of the frame, is found.
"""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn


class RayAddress(nn.Module):
    """Random Fourier features (Rahimi and Recht, 2007) of (x, y, ray direction, heading).

    The inner product of two addresses is close to a product of kernels: over places (a mixture of widths), over ray
    directions and over headings. Angular frequencies are whole numbers, so a full turn closes exactly. Address vectors
    have length 1.
    """

    frequencies: Float[Tensor, "key_width_half 4"]
    columns: Float[Tensor, " columns"]

    def __init__(
        self,
        num_columns: int,
        fov_degrees: float,
        key_width: int,
        place_widths: tuple[float, ...],
        ray_width_degrees: float,
        heading_width_degrees: float,
        seed: int = 0,
        frame_share: float = 1.0,
    ) -> None:
        super().__init__()
        half = key_width // 2
        rng = np.random.default_rng(seed)
        width = np.resize(np.array(place_widths), half)
        place = rng.standard_normal((half, 2)) / width[:, None]
        ray = np.rint(rng.standard_normal(half) / math.radians(ray_width_degrees))
        heading = np.rint(rng.standard_normal(half) / math.radians(heading_width_degrees))
        frequencies = np.concatenate([place, ray[:, None], heading[:, None]], axis=1)
        centres = (np.arange(num_columns) + 0.5) / (num_columns * frame_share) * 2 - 1
        columns = -np.arctan(centres * math.tan(math.radians(fov_degrees) / 2))
        self.register_buffer("frequencies", torch.tensor(frequencies, dtype=torch.float32))
        self.register_buffer("columns", torch.tensor(columns, dtype=torch.float32))

    def forward(self, poses: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch columns key_width"]:
        """The address of each column of patches in frames seen from `poses`."""
        x, y, heading = (part[..., None].expand(*part.shape, len(self.columns)) for part in poses.unbind(-1))
        ray = heading + self.columns
        phase = torch.stack([x, y, ray, heading], dim=-1) @ self.frequencies.T
        return torch.cat([phase.cos(), phase.sin()], dim=-1) * len(self.frequencies) ** -0.5
