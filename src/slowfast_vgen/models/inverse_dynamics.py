"""Inverse dynamics: from two consecutive frames to the action that led from one to the other (paper 3.4).

A planner imagines a video and acts in a real engine; with this model it reads the actions off the video.
"""

import math
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeVar

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
from slowfast_vgen.models.weights import CONFIG_FILE, PartFiles

SMALLEST_SIDE = 32
"""Pixels; the network halves each side four times."""
_CELLS = 4
_GROUPS = 8
_LEAST_CHANGE = 0.003
"""Least mean change of pixels in [-1, 1], half a grey level; smaller changes count as this much."""

Pixels = Float[Tensor, "pairs 3 height width"]


class Readings(NamedTuple):
    """One verb a chunk."""

    verbs: list[str]
    confidence: Float[np.ndarray, " chunks"]
    """Share of the verb among all, were the pairs of a chunk independent; in (0, 1]."""


class InverseDynamics(ModelMixin, ConfigMixin):
    """A small convolutional network over a pair of frames and their difference, with a logit for each verb.

    The amount of change in each part of the picture is given to the last layers as well: it shows that nothing moved.

    `read` combines the pairs of a chunk. An action that moves may be refused by a wall, and then a pair shows
    nothing; so any pair that moves counts as evidence of it: P(pair | verb) = (1 - r) p(verb) + r p(still), with
    r = `refused_share`. Without this rule a step cut short by a wall would be read as `still`.
    """

    @register_to_config
    def __init__(
        self,
        names: tuple[str, ...] = ("turn_left", "turn_right", "go_forward", "go_back", "stay"),
        still: str = "stay",
        refused_share: float = 0.2,
        width: int = 32,
    ) -> None:
        """An untrained network.

        Args:
            names: the verbs, in the order of the logits.
            still: the verb that moves nothing; where it is not among the names, no rule of refused actions is applied.
            refused_share: expected share of pairs that show nothing although the action moves.
            width: channels of the first layer.

        Raises:
            UserError: fewer than two verbs, one of them twice, or settings out of range.
        """
        super().__init__()
        if not all(isinstance(name, str) for name in names):
            raise UserError(f"an inverse dynamics model names its verbs by texts, got {list(names)!r:.80}")
        if len(names) < 2 or len(set(names)) < len(names):
            raise UserError(f"an inverse dynamics model needs at least two different verbs, got {list(names)}")
        if not 0 < refused_share < 0.5 or width < 1 or width % (2 * _GROUPS):
            raise UserError(
                f"the share of refused steps must lie between 0 and 0.5 and the width be a multiple of {2 * _GROUPS}, "
                f"got {refused_share} and {width}"
            )
        widths = (width, 3 * width // 2, 3 * width, 4 * width)
        layers: list[nn.Module] = []
        for before, after in pairwise((9, *widths)):
            if not layers:  # a turn moves the picture by a third: far sight; and no norm, which hides how much changed
                layers += [nn.Conv2d(before, after, 5, 2, 2), nn.SiLU()]
            else:
                layers += [nn.Conv2d(before, after, 3, 2, 1), nn.GroupNorm(_GROUPS, after), nn.SiLU()]
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(_CELLS))
        self.head = nn.Sequential(
            nn.Linear(_CELLS**2 * (widths[-1] + 1), 2 * width), nn.SiLU(), nn.Linear(2 * width, len(names))
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The verbs, in the order of the logits."""
        return tuple(self.config.names)

    @property
    def fingerprint(self) -> str:
        """Hex SHA-256 over all weights."""
        return sha256_of_tensors(self.state_dict())

    def forward(self, before: Pixels, after: Pixels) -> Float[Tensor, "pairs verbs"]:
        """Logits of the verbs; pixels in [-1, 1]."""
        change = after - before
        features = self.features(torch.cat([before, after, change], dim=1))
        size = F.adaptive_avg_pool2d(change.abs().mean(1, keepdim=True), _CELLS).add(_LEAST_CHANGE).log()
        return self.head(torch.cat([features.flatten(1), size.flatten(1)], dim=1))

    @torch.no_grad()
    def log_probabilities(
        self, frames: UInt8[Tensor, "*batch f height width 3"], batch_size: int = 256
    ) -> Float[Tensor, "*batch f-1 verbs"]:
        """Log-probability of each verb for each pair of frames that follow each other.

        Raises:
            UserError: frames that are too small, or not 8-bit RGB.
        """
        check_frames(frames)
        *batch, num_frames, height, width, _ = frames.shape
        pixels = frames_to_pixels(frames.to(self.device)).reshape(-1, num_frames, 3, height, width)
        before, after = pixels[:, :-1].flatten(0, 1), pixels[:, 1:].flatten(0, 1)
        parts = [
            self(*pair).log_softmax(-1) for pair in zip(before.split(batch_size), after.split(batch_size), strict=True)
        ]
        return torch.cat(parts).reshape(*batch, num_frames - 1, len(self.names))

    def scores(self, log_probabilities: Float[Tensor, "*batch pairs verbs"]) -> Float[Tensor, "*batch verbs"]:
        """Score of each verb for each chunk: the mean of its pairs' log-probabilities, refused steps allowed for."""
        names, still = self.names, str(self.config.still)
        if still not in names:
            return log_probabilities.mean(-2)
        index, share = names.index(still), float(self.config.refused_share)
        refused = log_probabilities[..., index, None] + math.log(share)
        moved = torch.logaddexp(log_probabilities + math.log1p(-share), refused)
        is_still = torch.arange(len(names), device=moved.device) == index
        return torch.where(is_still, log_probabilities, moved).mean(-2)

    def read(self, frames: UInt8[Tensor, "chunks f_g+1 height width 3"]) -> Readings:
        """The verb of each chunk, off its frames and the one before them.

        Raises:
            UserError: as `log_probabilities`.
        """
        logs = self.log_probabilities(frames)
        scores = self.scores(logs)
        shares = (scores * logs.shape[-2]).softmax(-1).amax(-1)
        return Readings([self.names[index] for index in scores.argmax(-1).tolist()], shares.cpu().double().numpy())


def check_frames(frames: Tensor) -> None:
    """Raises `UserError` for frames that are too small, or not 8-bit RGB."""
    if frames.dtype != torch.uint8 or frames.ndim < 4 or frames.shape[-1] != 3:
        raise UserError(
            f"actions are read off 8-bit RGB frames [frames, height, width, 3], got {frames.dtype} of shape "
            f"{list(frames.shape)}"
        )
    height, width = frames.shape[-3:-1]
    if min(height, width) < SMALLEST_SIDE:
        raise UserError(f"actions are read off frames from {SMALLEST_SIDE} pixels a side on, got {height}x{width}")


def load_inverse_dynamics(folder: Path) -> InverseDynamics:
    """A trained model in float32, ready to read.

    Raises:
        UserError: no readable model there.
    """
    return load_reading_model(folder, InverseDynamics)


Model = TypeVar("Model", bound=ModelMixin)


def load_reading_model(folder: Path, kind: type[Model]) -> Model:
    """A trained model of any class that reads actions, in float32.

    Raises:
        UserError: no readable model of this class there.
    """
    part = PartFiles.read(folder)
    if part.json(CONFIG_FILE).get("_class_name") != kind.__name__:
        raise UserError(
            f"{folder} holds no inverse dynamics model; give a folder that `slowfast train inverse-dynamics` wrote"
        )
    return part.module(kind, "inverse dynamics model").requires_grad_(False)
