"""Inverse dynamics of whole moves: from the frames before and after to the thing moved and its new spot (paper 3.4).

Where an action is "carry this there" and not one of a few verbs, the reader has a map for every thing, over cells of
the table: the probability that this thing was moved there. The spot is the centre of the likeliest hill.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from slowfast_vgen.errors import UserError
from slowfast_vgen.models.codec import frames_to_pixels
from slowfast_vgen.models.fingerprint import sha256_of_tensors
from slowfast_vgen.models.inverse_dynamics import Pixels, check_frames, load_reading_model

HILL_METRES = 0.05
"""Cells within this distance of the likeliest cell belong to its hill."""
_GROUPS = 8

CellSpots = Float[Tensor, "cells cells 2"]
"""x and y on the table, metres, of the point that the centre of each cell of the picture shows."""


class MoveReadings(NamedTuple):
    """One move a chunk."""

    names: list[str]
    """Name of the thing that was moved."""
    spots: Float[np.ndarray, "chunks 2"]
    """Position of the thing after the move; metres."""
    confidence: Float[np.ndarray, " chunks"]
    """Probability of this thing within `HILL_METRES` of the likeliest cell; in (0, 1]."""


class MoveDynamics(ModelMixin, ConfigMixin):
    """A small convolutional network over two frames and their difference; a logit for each thing and cell.

    One softmax runs over all things and cells together. Cells are half the frame's resolution.
    """

    spots: CellSpots

    @register_to_config
    def __init__(
        self,
        names: tuple[str, ...] = ("block", "other"),
        low: tuple[float, float] = (-1.0, -1.0),
        high: tuple[float, float] = (1.0, 1.0),
        cells: int = 32,
        width: int = 32,
    ) -> None:
        """An untrained network; `place` sets the positions of its cells.

        Args:
            names: the things, in the order of the maps.
            low: least x and y that anything is moved to, metres.
            high: greatest x and y.
            cells: number of cells along a side of the map.
            width: channels of the first layer.

        Raises:
            UserError: no name, one of them twice, or settings out of range.
        """
        super().__init__()
        if not names or len(set(names)) < len(names):
            raise UserError(f"a reader of moves needs different things, got {list(names)}")
        if cells < 16 or cells % 4 or width < 1 or width % _GROUPS:
            raise UserError(
                f"the cells of a side must be a multiple of 4 from 16 on and the width one of {_GROUPS}, got {cells} "
                f"and {width}"
            )
        middle, deep = 3 * width // 2, 3 * width
        self.first = nn.Sequential(nn.Conv2d(9, width, 5, 2, 2), nn.SiLU())
        self.second = _layer(width, middle, 2)
        self.third = nn.Sequential(_layer(middle, deep, 2), _layer(deep, deep, 1))
        self.up_second = _layer(deep + middle, middle, 1)
        self.up_first = _layer(middle + width, width, 1)
        self.maps = nn.Conv2d(width, len(names), 1)
        self.register_buffer("spots", torch.zeros(cells, cells, 2))

    @property
    def names(self) -> tuple[str, ...]:
        """The things, in the order of the maps."""
        return tuple(self.config.names)

    @property
    def fingerprint(self) -> str:
        """Hex SHA-256 over all weights."""
        return sha256_of_tensors(self.state_dict())

    def place(self, spots: CellSpots) -> "MoveDynamics":
        """Sets the positions of the cells, which are saved with the weights.

        Raises:
            UserError: no cell lies where things are moved to.
        """
        self.spots.copy_(spots)
        if not bool(self._reached().any()):
            raise UserError(f"no cell shows a spot from {self.config.low} to {self.config.high}; check the camera")
        return self

    def forward(self, before: Pixels, after: Pixels) -> Float[Tensor, "pairs names cells cells"]:
        """Log-probabilities of every thing and cell; pixels in [-1, 1]."""
        fine = self.first(torch.cat([before, after, after - before], dim=1))
        half = self.second(fine)
        up = self.up_second(torch.cat([_doubled(self.third(half)), half], dim=1))
        logits = self.maps(self.up_first(torch.cat([_doubled(up), fine], dim=1)))
        logits = logits.masked_fill(~self._reached(), -1e4)
        return logits.flatten(1).log_softmax(-1).view_as(logits)

    def targets(
        self, label: Tensor, spots: Float[Tensor, "pairs 2"], metres: float
    ) -> Float[Tensor, "pairs names cells cells"]:
        """Target maps: a hill of width `metres` at the spot, on the map of the thing that was moved."""
        away = (self.spots - spots[:, None, None]).square().sum(-1)
        hill = (-away / (2 * metres**2)).exp() * self._reached()
        hill = hill / hill.sum((1, 2), keepdim=True).clamp(min=1e-9)
        return F.one_hot(label, len(self.names))[:, :, None, None] * hill[:, None]

    def hills(self, maps: Float[Tensor, "pairs names cells cells"]) -> tuple[Tensor, Tensor, Tensor]:
        """For each pair: the thing moved, the centre of its likeliest hill in metres, the probability of that hill."""
        shares = maps.exp()
        label = shares.sum((2, 3)).argmax(1)
        own = shares[torch.arange(len(label)), label].flatten(1)
        flat = self.spots.flatten(0, 1)
        peak = flat[own.argmax(1)]
        near = (flat - peak[:, None]).norm(dim=-1) < HILL_METRES
        mass = own * near
        spots = mass @ flat / mass.sum(1, keepdim=True).clamp(min=1e-12)
        return label, spots, mass.sum(1)

    @torch.no_grad()
    def read(self, frames: UInt8[Tensor, "chunks frames height width 3"], batch_size: int = 128) -> MoveReadings:
        """The move of each chunk, off the frame before it and its last one.

        Raises:
            UserError: frames that are not 8-bit RGB, or of another size than it learned on.
        """
        check_frames(frames)
        side = 2 * self.config.cells
        if frames.shape[2:4] != (side, side):
            raise UserError(
                f"these moves are read off frames of {side}x{side}, got {frames.shape[2]}x{frames.shape[3]}"
            )
        pixels = frames_to_pixels(frames[:, [0, -1]].to(self.device))
        parts = [self.hills(self(part[:, 0], part[:, 1])) for part in pixels.split(batch_size)]
        label, spots, shares = (torch.cat(each).cpu() for each in zip(*parts, strict=True))
        return MoveReadings([self.names[index] for index in label.tolist()], spots.numpy(), shares.double().numpy())

    def _reached(self) -> Tensor:
        low, high = self.spots.new_tensor(self.config.low), self.spots.new_tensor(self.config.high)
        return ((self.spots >= low) & (self.spots <= high)).all(-1)


def load_move_dynamics(folder: Path) -> MoveDynamics:
    """A trained model in float32, ready to read.

    Raises:
        UserError: no readable model there.
    """
    return load_reading_model(folder, MoveDynamics)


def _layer(before: int, after: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride, 1), nn.GroupNorm(_GROUPS, after), nn.SiLU())


def _doubled(features: Tensor) -> Tensor:
    return F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)
