"""Chains of consecutive chunks with their poses: what the slow-fast loop unrolls (Algorithm 1b's episodes)."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from slowfast_vgen.data.latents import LatentSet, draw_evenly
from slowfast_vgen.data.sources import EpisodeSource
from slowfast_vgen.data.windows import WindowBatch
from slowfast_vgen.errors import UserError


@dataclass(frozen=True)
class ChainBatch:
    """A batch of chains. Chunk `j` is preceded by the frames of chunk `j - 1`, and the first by those before it."""

    frames: Float[Tensor, "batch frames channels h w"]
    """`num_frames * (num_chunks + 1)` frames, end to end."""
    poses: Float[Tensor, "batch frames 3"]
    """Poses of the frames: x, y in steps relative to the first frame, heading in radians."""
    actions: tuple[tuple[str, ...], ...]
    """Action texts of the chunks, one tuple per chain."""
    is_told: Bool[Tensor, "batch chunks f_g"]
    """Mask of the frames that were recorded under their chunk's action; a chunk may hold the end of one action and the
    start of the next."""

    @property
    def num_chunks(self) -> int:
        """Number of chunks to predict in each chain."""
        return len(self.actions[0])

    @property
    def past(self) -> Float[Tensor, "batch chunks f_p channels h w"]:
        """The frames before each chunk."""
        return self.frames.unflatten(1, (self.num_chunks + 1, -1))[:, :-1]

    @property
    def new(self) -> Float[Tensor, "batch chunks f_g channels h w"]:
        """The frames of each chunk."""
        return self.frames.unflatten(1, (self.num_chunks + 1, -1))[:, 1:]

    def windows(self, first: int = 0, stop: int | None = None) -> WindowBatch:
        """Returns chunks `first` to `stop - 1` with the frames before each as windows, chain by chain."""
        actions = tuple(action for chain in self.actions for action in chain[first:stop])
        return WindowBatch(self.past[:, first:stop].flatten(0, 1), self.new[:, first:stop].flatten(0, 1), actions)

    def to(self, device: torch.device | str) -> "ChainBatch":
        """Returns this batch on another device."""
        return ChainBatch(self.frames.to(device), self.poses.to(device), self.actions, self.is_told.to(device))

    def rows(self, rows: Int64[Tensor, " rows"]) -> "ChainBatch":
        """Returns the chains with the given row numbers."""
        actions = tuple(self.actions[row] for row in rows.tolist())
        return ChainBatch(self.frames[rows], self.poses[rows], actions, self.is_told[rows])

    def split(self, size: int) -> "list[ChainBatch]":
        """Returns the chains in batches of at most `size`."""
        return [self.rows(torch.arange(i, min(i + size, len(self.actions)))) for i in range(0, len(self.actions), size)]


def window_rows(
    chains: Int64[Tensor, " chains"], num_chunks: int, first: int = 0, stop: int | None = None
) -> Int64[Tensor, " rows"]:
    """Returns the rows that chunks `first` to `stop - 1` of chains of `num_chunks` have among all their `windows`.

    >>> window_rows(torch.tensor([0, 2]), 10, 3, 5).tolist()
    [3, 4, 23, 24]
    """
    return (chains[:, None] * num_chunks + torch.arange(num_chunks)[first:stop]).flatten()


def episode_poses(
    source: EpisodeSource, episodes: Iterable[int] | None = None, needed: bool = True
) -> Float64[np.ndarray, "total_frames 3"]:
    """Returns the poses of all or of the given episodes, concatenated in the order of their latents in `LatentSet`.

    Where they are not `needed`, an episode without any counts as one whose camera does not move.

    Raises:
        UserError: an episode without poses, where they are needed.
    """
    rows = []
    for number in range(len(source)) if episodes is None else episodes:
        poses = source.poses(number)
        if poses is None and needed:
            raise UserError(
                f"the episode {source.name(number)} has no poses, which show where its actions lead; use a data set of "
                "a world that gives them, or what needs none (docs/howto/bring-your-data.md)"
            )
        if poses is None:
            poses = np.zeros((source.tables(number)[0].num_frames, 3))
        rows.append(poses)
    return np.concatenate(rows)


class ChainSampler:
    """Draws chains of `num_chunks` chunks of `num_frames` frames each.

    A chain begins where an action's chunk begins and continues frame by frame, whatever the lengths of its actions:
    every `num_frames` frames are a chunk, labelled with the action that most of them were recorded under, the earlier
    one in a tie (docs/howto/bring-your-data.md). An action whose length is no multiple of `num_frames` ends no chain.
    """

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
        (self.starts,) = np.nonzero(chunks_ahead(source, num_frames) >= num_chunks)
        if not len(self.starts):
            raise UserError(
                f"no episode of the data has a chain of {num_chunks} chunks of {num_frames} frames; the longest has "
                f"{longest_chain(source, num_frames)}: give at most that number with --chunks, or longer episodes"
            )
        self._starts_by_set = source.by_set(self.starts)
        self._texts = tuple(dict.fromkeys(source.actions))
        number = {text: index for index, text in enumerate(self._texts)}
        self._text_of_frame = np.full(len(source.latents), -1)  # a start image was seen under no action
        for start, length, text in zip(source.chunk_start, source.chunk_frames, source.actions, strict=True):
            self._text_of_frame[start : start + length] = number[text]

    def draw(self, rng: np.random.Generator, batch_size: int) -> ChainBatch:
        """Returns a batch of random chains; the same state of `rng` gives the same batch."""
        return self.cut(draw_evenly(rng, self._starts_by_set, batch_size))

    def cut(self, chunks: np.ndarray) -> ChainBatch:
        """Returns the chains that begin at the given chunks."""
        first = self.source.chunk_start[chunks] - self.num_frames
        frames = first[:, None] + np.arange(self.num_frames * (self.num_chunks + 1))
        poses = self.poses[frames]
        poses[..., :2] -= poses[:, :1, :2]
        seen_under = self._text_of_frame[frames[:, self.num_frames :]].reshape(len(chunks), self.num_chunks, -1)
        most = (seen_under[..., None] == seen_under[..., None, :]).sum(-1).argmax(-1)
        label = np.take_along_axis(seen_under, most[..., None], -1)
        return ChainBatch(
            self.source.latents[torch.from_numpy(frames)].float(),
            torch.tensor(poses).float(),
            tuple(tuple(self._texts[text] for text in chain) for chain in label[..., 0].tolist()),
            torch.from_numpy(seen_under == label),
        )


def chunks_ahead(source: LatentSet, num_frames: int) -> Int64[np.ndarray, " chunks"]:
    """Returns how many chunks of `num_frames` frames fit between the start of each chunk and the end of its episode.

    The number is 0 where fewer than `num_frames` frames precede it, since a chain's first chunk needs a past, too.
    """
    ends = source.chunk_start + source.chunk_frames
    is_last = np.append(source.episode_start[1:] != source.episode_start[:-1], True)
    episode_end = ends[is_last][np.cumsum(is_last) - is_last]
    has_past = source.chunk_start - source.episode_start >= num_frames
    return np.where(has_past, (episode_end - source.chunk_start) // num_frames, 0)


def longest_chain(source: LatentSet, num_frames: int) -> int:
    """Returns the largest number of chunks that a chain can have in each of the sets that `source` consists of."""
    ahead = chunks_ahead(source, num_frames)
    return min(int(ahead[chunks].max()) for chunks in source.by_set(np.arange(len(ahead))))
