"""Judges whether a step was made. The frames decide, but only where they show something.

A wall that refuses a step leaves the picture as it was. So does a step along a view of one colour, and there the change
of the picture says nothing. A judge decides which of the three it is: made, refused, or undecided; an undecided step
counts as made or refused by what is usual, until the memory of the episode knows better (`memory.relocalise`).
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from slowfast_vgen.models.denoiser import Latents

TEXTURED = 0.5
"""Least variance of the latents over a frame, mean of the channels, for the frame to show something: 0.02 is usual
where a wall fills the view, 0.3 where two broad patches do, and six of ten frames have more than 0.5."""

Logits = Float[Tensor, "batch frames"]


class Verdicts(NamedTuple):
    """The verdict on each frame's step."""

    made: Bool[Tensor, "batch frames"]
    decided: Bool[Tensor, "batch frames"]
    """False where the frames do not decide: there `made` is only what is usual."""


class StepJudge(Protocol):
    """Decides whether a step was made between each two frames that follow each other."""

    def __call__(self, change_logits: Logits, before: Latents, after: Latents) -> Verdicts:
        """Judges each frame; `change_logits` are the path's own log-odds of a step, from the change of the latents."""
        ...


@dataclass(frozen=True)
class EvidenceJudge:
    """Made where the picture changes, refused where a picture with something on it does not, else undecided.

    An undecided step whose frames do not differ by a single bit counts as refused: only true frames are like that, and
    in true trajectories nine of ten such steps are into the wall that fills the view. A generated view always varies a
    little; there a step that was asked for counts as made.
    """

    textured: float = TEXTURED
    identical: float = 1e-6
    """Largest mean square of the change that counts as no change at all."""

    def __call__(self, change_logits: Logits, before: Latents, after: Latents) -> Verdicts:
        """Judges each frame, as `StepJudge` says."""
        shows = torch.minimum(texture(before), texture(after)) >= self.textured
        changed = change_logits > 0
        identical = (after - before).square().flatten(2).mean(2) < self.identical
        return Verdicts(made=torch.where(shows, changed, ~identical), decided=shows | changed)


@dataclass(frozen=True)
class ChangeJudge:
    """Refused wherever the picture hardly changes: takes every view of one colour for a wall."""

    def __call__(self, change_logits: Logits, before: Latents, after: Latents) -> Verdicts:
        """Judges each frame, as `StepJudge` says."""
        made = change_logits > 0
        return Verdicts(made, torch.ones_like(made))


@dataclass(frozen=True)
class TrustingJudge:
    """Takes every step for made, whatever the frames show."""

    def __call__(self, change_logits: Logits, before: Latents, after: Latents) -> Verdicts:
        """Judges each frame, as `StepJudge` says."""
        made = torch.ones_like(change_logits, dtype=torch.bool)
        return Verdicts(made, made)


def texture(latents: Latents) -> Float[Tensor, "batch frames"]:
    """Amount of detail in each frame: the variance of its latents, mean of the channels; near 0 for one colour.

    >>> texture(torch.ones(1, 2, 8, 4, 4)).tolist()
    [[0.0, 0.0]]
    >>> texture(torch.ones(1, 2, 8, 1, 1)).tolist()
    [[0.0, 0.0]]
    """
    views = latents.flatten(3)
    if views.shape[-1] == 1:  # a frame of 8x8 pixels is one latent, which has no variance
        return torch.zeros_like(views[:, :, 0, 0])
    return views.var(-1).mean(-1)
