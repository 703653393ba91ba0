"""Cuts training windows out of episodes: past frames, an action, the frames that follow from it (paper 3.1)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from slowfast_vgen.data.latents import LatentSet, draw_evenly
from slowfast_vgen.data.settings import WindowLengths
from slowfast_vgen.errors import UserError


@dataclass(frozen=True)
class WindowBatch:
    """A batch of windows of one shape."""

    past: Float[Tensor, "batch f_p channels h w"]
    new: Float[Tensor, "batch f_g channels h w"]
    actions: tuple[str, ...]

    def to(self, device: torch.device | str) -> "WindowBatch":
        """Returns this batch on another device."""
        return WindowBatch(self.past.to(device), self.new.to(device), self.actions)

    def rows(self, rows: Int64[Tensor, " rows"]) -> "WindowBatch":
        """Returns the windows with the given row numbers."""
        return WindowBatch(self.past[rows], self.new[rows], tuple(self.actions[row] for row in rows.tolist()))


class WindowSampler:
    """Draws windows from a `LatentSet`.

    The new frames begin where a chunk begins, so one action belongs to all of them.
    """

    def __init__(self, source: LatentSet) -> None:
        self.source = source
        self._eligible: dict[tuple[int, int], list[Int64[np.ndarray, " some"]]] = {}
        """Numbers of past and new frames -> eligible chunks of each set, computed once."""

    def eligible(self, num_past: int, num_new: int) -> Int64[np.ndarray, " some"]:
        """Returns the chunks with enough frames before them in their episode, and enough in them.

        Raises:
            UserError: there is none.
        """
        before = self.source.chunk_start - self.source.episode_start
        (chunks,) = np.nonzero((before >= num_past) & (self.source.chunk_frames >= num_new))
        if not len(chunks):
            raise UserError(
                f"no chunk of the data has {num_past} frames before it and {num_new} frames in it; "
                "make longer episodes or ask for shorter windows"
            )
        return chunks

    def possible(self, lengths: WindowLengths) -> WindowLengths:
        """Returns the lengths for which the data has windows in every combination.

        Raises:
            UserError: the data has no window with one past frame and the fewest new ones.
        """
        before = self.source.chunk_start - self.source.episode_start
        new = tuple(length for length in lengths.new if (self.source.chunk_frames[before >= 1] >= length).any())
        longest = max(new, default=min(lengths.new))
        past = tuple(length for length in lengths.past if (self.source.chunk_frames[before >= length] >= longest).any())
        if not new or not past:
            self.eligible(min(lengths.past), longest)
        return WindowLengths(past, new)

    def draw(self, rng: np.random.Generator, batch_size: int, lengths: WindowLengths) -> WindowBatch:
        """Returns a batch of random windows; the same state of `rng` gives the same batch."""
        num_past, num_new = int(rng.choice(lengths.past)), int(rng.choice(lengths.new))
        lengths_drawn = num_past, num_new
        if lengths_drawn not in self._eligible:
            self._eligible[lengths_drawn] = self.source.by_set(self.eligible(num_past, num_new))
        return self.cut(draw_evenly(rng, self._eligible[lengths_drawn], batch_size), num_past, num_new)

    def cut(self, chunks: Sequence[int] | np.ndarray, num_past: int, num_new: int) -> WindowBatch:
        """Returns the windows around the given chunks."""
        starts = torch.from_numpy(self.source.chunk_start[np.asarray(chunks)])
        frames = starts[:, None] + torch.arange(-num_past, num_new)
        window = self.source.latents[frames].float()
        return WindowBatch(
            window[:, :num_past], window[:, num_past:], tuple(self.source.actions[chunk] for chunk in chunks)
        )
