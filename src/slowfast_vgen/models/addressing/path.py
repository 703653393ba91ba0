"""The pose of the camera: planar, integrated from the text of the actions, corrected by the frames.

Turns and steps do not commute, so the pose is a point of SE(2), `(x, y, heading)`, composed motion by motion from the
origin; no pose is ever given at inference. Two things are learned (with poses as teachers, in training only): the
motion that an action's text brings about in each frame, and whether a frame differs enough from the one before for a
step to have happened: the action says forward, a wall says no. A path may learn a third: which texts ask for no motion
of their own but for the way back along the trail ("retrace your steps").
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from slowfast_vgen.models.addressing.retrace import way_back
from slowfast_vgen.models.denoiser import Latents
from slowfast_vgen.models.step_judge import EvidenceJudge, StepJudge, Verdicts
from slowfast_vgen.models.text import EMBED_DIM, TextEmbedding


def compose(start: Float[Tensor, "*batch 3"], motions: Float[Tensor, "*batch f 3"]) -> Float[Tensor, "*batch f 3"]:
    """The poses after each of the motions: the product of SE(2) elements, a step before the turn of the same frame.

    Args:
        start: x, y in steps of the world, heading in radians counter-clockwise; an episode begins at (0, 0, 0).
        motions: motion of each frame in the camera's own frame: steps forward, steps to the left, turn to the left.

    >>> quarter = torch.tensor([[1.0, 0.0, torch.pi / 2]])
    >>> square = compose(torch.zeros(3), quarter.repeat(4, 1))
    >>> torch.allclose(square[-1], torch.tensor([0.0, 0.0, 2 * torch.pi]), atol=1e-6)
    True
    """
    forward, left, turn = motions.unbind(-1)
    heading = start[..., 2:] + turn.cumsum(-1)
    before = heading - turn
    x = start[..., :1] + (forward * before.cos() - left * before.sin()).cumsum(-1)
    y = start[..., 1:2] + (forward * before.sin() + left * before.cos()).cumsum(-1)
    return torch.stack([x, y, heading], dim=-1)


def motions_between(poses: Float[Tensor, "*batch f 3"]) -> Float[Tensor, "*batch f_minus_1 3"]:
    """The inverse of `compose`: the motion of each frame after the first. Turns lie in [-pi, pi).

    >>> motions = torch.randn(5, 3)
    >>> poses = torch.cat([torch.zeros(1, 3), compose(torch.zeros(3), motions)])
    >>> torch.allclose(motions_between(poses)[:, :2], motions[:, :2], atol=1e-5)
    True
    """
    dx, dy, turn = poses.diff(dim=-2).unbind(-1)
    heading = poses[..., :-1, 2]
    forward = dx * heading.cos() + dy * heading.sin()
    left = dy * heading.cos() - dx * heading.sin()
    return torch.stack([forward, left, (turn + torch.pi) % (2 * torch.pi) - torch.pi], dim=-1)


class PlanarPath(nn.Module):
    """Text of an action -> motion of one frame; two frames -> whether a step was made between them."""

    def __init__(self, text_dim: int = EMBED_DIM, width: int = 128, retrace: bool = False) -> None:
        super().__init__()
        self.text_dim = text_dim
        self.motion = nn.Sequential(nn.Linear(text_dim, width), nn.SiLU(), nn.Linear(width, 3))
        self.gate = nn.Linear(1, 1)
        # Initially a change of a tenth of the latents' variance separates a step from none.
        nn.init.constant_(self.gate.weight, 4.0)
        nn.init.constant_(self.gate.bias, -4.0 * math.log(0.1))
        self.retrace = nn.Linear(text_dim, 1) if retrace else None
        self.judge: StepJudge = EvidenceJudge()
        """The judge that decides whether a step was made; no part of the weights."""

    def motions(self, text: TextEmbedding) -> Float[Tensor, "batch 3"]:
        """The motion of each frame of a chunk, as the action gives it; zero for no text."""
        pooled = self._pooled(text)
        return self.motion(pooled) * (pooled != 0).any(-1, keepdim=True)

    def _pooled(self, text: TextEmbedding) -> Float[Tensor, "batch width"]:
        return text.pooled() * self.text_dim**0.5

    def retrace_logits(self, text: TextEmbedding) -> Float[Tensor, " batch"]:
        """Log-odds that the text asks for the way back; -inf for no text, and where the path has not learned it."""
        pooled = self._pooled(text)
        if self.retrace is None:
            return pooled.new_full((len(pooled),), -torch.inf)
        return self.retrace(pooled).squeeze(-1).masked_fill(~(pooled != 0).any(-1), -torch.inf)

    def step_logits(self, before: Latents, after: Latents) -> Float[Tensor, "batch frames"]:
        """Log-odds that a step was made between two frames, from how much the latents changed."""
        change = (after - before).square().flatten(2).mean(2)
        return self.gate((change + 1e-4).log().unsqueeze(-1)).squeeze(-1)

    def corrected(
        self, motions: Float[Tensor, "batch 3"], stepped: Bool[Tensor, "batch frames"]
    ) -> Float[Tensor, "batch frames 3"]:
        """The motions of a chunk whose frames are known: nothing stops a turn, a wall stops a step."""
        parts = torch.cat([stepped[..., None].expand(-1, -1, 2), torch.ones_like(stepped)[..., None]], dim=-1)
        return motions[:, None] * parts

    def predicted(self, path: Float[Tensor, "batch past 3"], text: TextEmbedding, num_frames: int) -> Tensor:
        """Poses `[batch, num_frames, 3]` of the chunk to come, as far as the action alone gives them.

        `path` ends at the current pose; the poses before matter to a text that asks for the way back.
        """
        ahead = compose(path[:, -1], self.motions(text)[:, None].expand(-1, num_frames, -1))
        return self._or_back(ahead, path, text)

    def followed(
        self, path: Float[Tensor, "batch past 3"], text: TextEmbedding, last: Latents, new: Latents
    ) -> Float[Tensor, "batch frames 3"]:
        """Poses of a finished chunk; `last` is the one frame before it. A trail was free when it was walked."""
        return self.followed_as(path, text, self.judged(last, new).made)

    def judged(self, last: Latents, new: Latents) -> Verdicts:
        """Judges whether a step was made to each frame of a finished chunk; `last` is the one frame before it."""
        before = torch.cat([last, new[:, :-1]], dim=1)
        return self.judge(self.step_logits(before, new), before, new)

    def followed_as(
        self, path: Float[Tensor, "batch past 3"], text: TextEmbedding, stepped: Bool[Tensor, "batch frames"]
    ) -> Float[Tensor, "batch frames 3"]:
        """Poses of a finished chunk whose made steps are known."""
        ahead = compose(path[:, -1], self.corrected(self.motions(text), stepped))
        return self._or_back(ahead, path, text)

    def _or_back(
        self, ahead: Float[Tensor, "batch frames 3"], path: Float[Tensor, "batch past 3"], text: TextEmbedding
    ) -> Float[Tensor, "batch frames 3"]:
        if self.retrace is None:
            return ahead
        back = self.retrace_logits(text) > 0
        if bool(back.any()):
            ahead = ahead.clone()
            ahead[back] = way_back(path[back], ahead.shape[1])
        return ahead
