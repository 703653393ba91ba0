"""Correction of the path by recall: what the memory recalls shows which undecided steps were made.

A step that the frames leave undecided (`models.step_judge`) splits the path: as it is believed, and as it would be had
the step been made, or refused. These *ways* are all kept, a bounded number of them for a bounded time, until
frames come that show something, at a place that one of the ways knows from before they parted. Each way then predicts
the view there. Where another than the believed one predicts it better, the path is corrected: the chunks since are
written again under the poses of that way. What was written since they parted does not count: it is of the believed way.
"""

import math
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from slowfast_vgen.memory.columns import to_columns
from slowfast_vgen.memory.journal import Block, rebuilt
from slowfast_vgen.models.addressing.path import compose
from slowfast_vgen.models.denoiser import Latents

if TYPE_CHECKING:
    from slowfast_vgen.memory.ridge_memory import RidgeMemory

MOST_WAYS = 12
MOST_CHUNKS = 12
"""Number of chunks after which the believed way counts as true."""
STEP = 0.5
"""Least share of a step that counts as an action that steps."""
NEAR_STEPS, NEAR_RADIANS = 1.5, math.radians(45)
"""Greatest distance of a frame from a pose before the ways parted for the memory to decide."""
MATCH = 0.12
"""Expected mean square of the difference between latents and their recall at a known place."""
MATCHED = 0.2
"""Greatest mean square error of the best way: frames that no way explains decide for none."""
UNKNOWN = 1.0
"""Addition to `MATCH` where nothing is known."""
MARGIN = 6.0
"""Log-likelihood, with one number for a column of patches, by which one way must explain the frames better."""

Ways = Float[Tensor, "ways frames 3"]
"""Poses since the ways parted, whole chunks of them; the first way is the believed one."""


def chunk_options(made: Bool[Tensor, " frames"], decided: Bool[Tensor, " frames"]) -> list[Bool[Tensor, " frames"]]:
    """Possible outcomes of a chunk's steps: as believed, then the first `m` of the undecided made, the others not.

    >>> made, decided = torch.tensor([True, True, True]), torch.tensor([True, False, False])
    >>> [option.tolist() for option in chunk_options(made, decided)]
    [[True, True, True], [True, True, False], [True, False, False]]
    """
    free = (~decided).nonzero().flatten()
    believed = int(made[free].sum())
    options = [made]
    for count in sorted(range(len(free) + 1), key=lambda count: (abs(count - believed), count)):
        option = made.clone()
        option[free] = torch.arange(len(free), device=made.device) < count
        if not any(bool((option == other).all()) for other in options):
            options.append(option)
    return options


def extended(
    ways: Ways | None,
    start: Float[Tensor, " 3"],
    motion: Float[Tensor, " 3"],
    options: list[Bool[Tensor, " frames"]],
) -> Ways | None:
    """The ways after one more chunk of the same motion in each frame; None where only one is left."""
    grown = []
    for number, way in enumerate([None] if ways is None else ways):
        end = start if way is None else way[-1]
        for index, option in enumerate(options):
            steps = torch.cat([option[:, None].expand(-1, 2), torch.ones_like(option)[:, None]], dim=1)
            poses = compose(end, motion * steps)
            grown.append((number + index, poses if way is None else torch.cat([way, poses])))
    kept: list[Tensor] = []
    for _, way in sorted(grown, key=lambda each: each[0]):
        if len(kept) < MOST_WAYS and all(bool((way[-1] - other[-1]).abs().max() > STEP / 2) for other in kept):
            kept.append(way)
    return torch.stack(kept) if len(kept) > 1 else None


def shortened(ways: Ways | None, frames: int) -> Ways | None:
    """The ways without their last frames; None where they no longer differ."""
    if ways is None or ways.shape[1] <= frames:
        return None
    ways = ways[:, : ways.shape[1] - frames]
    different = (ways - ways[:1]).abs().amax((1, 2)) > STEP / 2
    different[0] = True
    return ways[different] if int(different.sum()) > 1 else None


def best_way(
    memory: "RidgeMemory", episode: int, ways: Ways, new: Latents, shows: Bool[Tensor, " frames"]
) -> int | None:
    """Index of the way that the frames of the latest chunk support; None where they do not decide.

    Args:
        memory: the memory, with the latest chunk written.
        episode: the episode that the ways belong to.
        ways: the ways up to the end of that chunk.
        new: the latents of its frames, `[1, frames, ...]`.
        shows: True for frames that show something.
    """
    frames = new.shape[1]
    num_chunks = ways.shape[1] // frames
    block = memory.blocks[-1]
    before, since = block.entries[:-num_chunks], block.entries[-num_chunks:]
    if not before or not bool(shows.any()):
        return None
    known = torch.cat([entry.poses[episode] for entry in before])
    poses = ways[:, -frames:]
    away = (poses[:, :, None, :2] - known[:, :2]).norm(dim=-1)
    turned = ((poses[:, :, None, 2] - known[:, 2] + math.pi) % (2 * math.pi) - math.pi).abs()
    if not bool(((away < NEAR_STEPS) & (turned < NEAR_RADIANS))[:, shows].any()):
        return None
    row = slice(episode, episode + 1)
    state, blocks = memory.state.rows(row), tuple(block.rows(row) for block in memory.blocks)
    if memory.config.rule == "least-squares" and not memory.config.forgetting:
        state = state.less(Block(tuple(entry.rows(row) for entry in since)).written(state, memory.tick, memory.keys))
    else:
        kept = Block(blocks[-1].entries[:-num_chunks], block.reach, block.merged_in, blocks[-1].base, block.base_tick)
        state = rebuilt((*blocks[:-1], kept), since[0].tick - 1, state, memory.keys)
    values, novelty = state.read(state.factor(), memory.keys(poses.flatten(0, 1)[None]))
    seen = to_columns(new, None, memory.num_columns)
    predicted = values[..., : seen.shape[-1]].unflatten(1, (len(ways), frames, memory.num_columns))[0]
    error = (predicted - seen).square().mean(-1)
    expected = MATCH + UNKNOWN * novelty.unflatten(1, error.shape)[0].clamp(0, 1)
    likelihood = (-0.5 * (error / expected + expected.log()))[:, shows].sum((1, 2))
    best = int(likelihood.argmax())
    rivals = likelihood[1:].max() if best == 0 else likelihood[0]
    explained = float(error[best][shows].mean()) < MATCHED
    return best if explained and float(likelihood[best] - rivals) > MARGIN else None
