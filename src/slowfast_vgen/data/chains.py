"""Chains of consecutive chunks with their poses: what the slow-fast loop unrolls (Algorithm 1b's episodes)."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from slowfast_vgen.data.latents import LatentSet, draw_evenly
from slowfast_vgen.data.sources import EpisodeSource
from slowfast_vgen.errors import UserError


@dataclass(frozen=True)
class ChainBatch:
    """Some chains side by side. Chunk `j` is preceded by the frames of chunk `j - 1`, and the first by those before."""

    frames: Float[Tensor, "batch frames channels h w"]
    """`num_frames * (num_chunks + 1)` frames, end to end."""
    poses: Float[Tensor, "batch frames 3"]
    """x, y in steps from the first frame on, heading in radians."""
    actions: tuple[tuple[str, ...], ...]
    """The action of each chunk, chain by chain."""

    @property
    def num_chunks(self) -> int:
        """Chunks to predict in each chain."""
        return len(self.actions[0])

    @property
    def past(self) -> Float[Tensor, "batch chunks f_p channels h w"]:
        """The frames before each chunk."""
        return self.frames.unflatten(1, (self.num_chunks + 1, -1))[:, :-1]

    @property
    def new(self) -> Float[Tensor, "batch chunks f_g channels h w"]:
        """The frames of each chunk."""
        return self.frames.unflatten(1, (self.num_chunks + 1, -1))[:, 1:]

    def to(self, device: torch.device | str) -> "ChainBatch":
        """The same on another device."""
        return ChainBatch(self.frames.to(device), self.poses.to(device), self.actions)

    def rows(self, rows: Int64[Tensor, " rows"]) -> "ChainBatch":
        """Some of the chains."""
        return ChainBatch(self.frames[rows], self.poses[rows], tuple(self.actions[row] for row in rows.tolist()))

    def split(self, size: int) -> "list[ChainBatch]":
        """The same chains in batches of at most `size`."""
        return [
            ChainBatch(self.frames[i : i + size], self.poses[i : i + size], self.actions[i : i + size])
            for i in range(0, len(self.actions), size)
        ]


def episode_poses(
    source: EpisodeSource, episodes: Iterable[int] | None = None, needed: bool = True
) -> Float64[np.ndarray, "total_frames 3"]:
    """The poses of all episodes, or of the given ones, end to end, as `LatentSet` lays out their latents.

    Where they are not `needed`, an episode without any is one whose camera stands still.

    Raises:
        UserError: an episode without poses, where they are needed.
    """
    rows = []
    for number in range(len(source)) if episodes is None else episodes:
        poses = source.poses(number)
        if poses is None and needed:
            raise UserError(
                f"the episode {source.name(number)} has no poses, which tell where its actions lead; use a data set of "
                "a world that gives them, or what needs none (docs/howto/bring-your-data.md)"
            )
        if poses is None:
            poses = np.zeros((source.tables(number)[0].num_frames, 3))
        rows.append(poses)
    return np.concatenate(rows)


class ChainSampler:
    """Draws chains of `num_chunks` chunks of `num_frames` frames each."""

    def __init__(
        self,
        source: LatentSet,
        poses: Float64[np.ndarray, "total_frames 3"],
        num_chunks: int,
        num_frames: int,
        step_units: float,
    ) -> None:
        self.source, self.num_chunks, self.num_frames = source, num_chunks, num_frames
        self.poses = poses / [step_units, step_units, 180 / np.pi]
        regular = (source.chunk_frames == num_frames) & (source.chunk_start - source.episode_start >= num_frames)
        last = np.arange(len(regular)) + num_chunks - 1
        same = last < len(regular)
        last = np.minimum(last, len(regular) - 1)
        same &= source.episode_start[last] == source.episode_start
        irregular = np.concatenate([[0], np.cumsum(~regular)])
        (self.starts,) = np.nonzero(same & regular & (irregular[last + 1] == irregular[:-1]))
        if not len(self.starts):
            raise UserError(
                f"no episode of the data has {num_chunks + 1} chunks of {num_frames} frames in a row; "
                "make longer episodes or ask for shorter chains"
            )
        self._starts_by_set = source.by_set(self.starts)

    def draw(self, rng: np.random.Generator, batch_size: int) -> ChainBatch:
        """A batch of random chains; the same state of `rng` gives the same batch."""
        return self.cut(draw_evenly(rng, self._starts_by_set, batch_size))

    def cut(self, chunks: np.ndarray) -> ChainBatch:
        """The chains that begin at given chunks."""
        first = self.source.chunk_start[chunks] - self.num_frames
        frames = first[:, None] + np.arange(self.num_frames * (self.num_chunks + 1))
        poses = self.poses[frames]
        poses[..., :2] -= poses[:, :1, :2]
        actions = tuple(tuple(self.source.actions[chunk + j] for j in range(self.num_chunks)) for chunk in chunks)
        return ChainBatch(self.source.latents[torch.from_numpy(frames)].float(), torch.tensor(poses).float(), actions)
