"""Memories of earlier work that keep frames instead of weights: baselines for the fast weights.

Together with the last frames the denoiser gets others of the episode as more of its past: those just before (`raw`),
the first one (`anchor`, StreamingT2V's idea, arXiv 2403.14773), or for each new frame the one of the nearest pose
(`retrieval`, WorldMem's idea, arXiv 2504.12369). They cost attention in every layer and every sampling step, and all
frames of the episode must be kept.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from slowfast_vgen.memory.settings import ContextConfig
from slowfast_vgen.models.denoiser import Latents

STEPS_PER_RADIAN = 4.0
"""Weight of a turn against a step when poses are compared: a turn of one radian moves two thirds of the picture out of
view, and so do some four steps where walls are near."""


def chosen_frames(
    config: ContextConfig,
    past_poses: Float[Tensor, "episodes past 3"],
    new_poses: Float[Tensor, "episodes new 3"],
    num_window: int,
) -> Int64[Tensor, "episodes chosen"]:
    """Numbers of the frames that precede the window of the last `num_window`; none as long as there are none.

    Poses are x, y in steps and the heading in radians; only `retrieval` uses them. Of frames that are equally near
    the first is taken: it was not generated from a later one.

    >>> poses = torch.zeros(1, 9, 3)
    >>> chosen_frames(ContextConfig("raw", 3), poses, poses[:, :4], 4).tolist()
    [[2, 3, 4]]
    >>> poses[0, 2, 0] = 7
    >>> chosen_frames(ContextConfig("retrieval", 2), poses, torch.tensor([[[7.0, 0, 0], [0.1, 0, 0]]]), 4).tolist()
    [[2, 0]]
    """
    episodes, past = past_poses.shape[:2]
    free = max(0, past - num_window)
    if not free:
        return torch.empty(episodes, 0, dtype=torch.int64)
    if config.kind == "anchor":
        return torch.zeros(episodes, 1, dtype=torch.int64)
    if config.kind == "raw":
        return torch.arange(max(0, free - config.num_frames), free).expand(episodes, -1)
    turned = new_poses[:, :, None, 2] - past_poses[:, None, :free, 2]
    turned = torch.remainder(turned + torch.pi, 2 * torch.pi) - torch.pi
    away = (new_poses[:, :, None, :2] - past_poses[:, None, :free, :2]).norm(dim=-1)
    distance = away + STEPS_PER_RADIAN * turned.abs()
    first: Bool[Tensor, "episodes new free"] = distance <= distance.amin(-1, keepdim=True) + 1e-4
    return first.int().argmax(-1)[:, : config.num_frames]


def past_with_context(frames: Latents, chosen: Int64[Tensor, "episodes chosen"], num_window: int) -> Latents:
    """The denoiser's past: the chosen frames, then the last `num_window` of all."""
    rows = torch.arange(len(frames))[:, None]
    return torch.cat([frames[rows, chosen], frames[:, -num_window:]], dim=1)
