"""The slow-fast loop with the ridge rule: the whole unroll of an episode is one matrix product.

Addresses hold no content, so what each query reads of each entry is known before anything is computed
(`memory.ridge.causal_reading`); since reading is linear in what was written, gradients go back through as many of the
writes as one likes.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from slowfast_vgen.data.chains import ChainBatch, window_rows
from slowfast_vgen.diffusion.noising import Noise
from slowfast_vgen.memory.columns import from_columns, to_columns
from slowfast_vgen.memory.ridge import causal_reading, familiar_weights
from slowfast_vgen.models.addressing.address import PlanarAddress
from slowfast_vgen.models.addressing.retrace import ways_back
from slowfast_vgen.models.denoiser import Latents, Past, Recall
from slowfast_vgen.train.run import ALL, Share
from slowfast_vgen.train.settings import RidgeLoopConfig
from slowfast_vgen.train.slow import SlowObjective

Reading = Float[Tensor, "chains queries entries"]


class RidgeLoop:
    """Eq. 2 on every chunk of a batch of episodes, each with what its memory holds by then."""

    def __init__(self, slow: SlowObjective, address: PlanarAddress, config: RidgeLoopConfig) -> None:
        self.slow, self.address, self.config = slow, address.eval().requires_grad_(False), config

    def describe(self) -> dict[str, object]:
        """The settings of the rule and the addresses."""
        settings = dict(vars(self.config))
        if not self.config.familiar:  # runs from before there was this setting go on
            del settings["familiar"]
        return {"rule": "ridge", **settings, "address": self.address}

    def parts(self, batch: ChainBatch, generator: torch.Generator, share: Share = ALL) -> Iterator[Tensor]:
        """See `LoopObjective.parts`; one part a segment."""
        batch, noise = self.slow.draw_chains(batch, generator, share)
        chains, chunks = batch.new.shape[:2]
        length = self.config.segment_chunks or chunks
        reading, novelty = self.reading(batch)
        for first in range(0, chunks, length):
            losses = self._segment(batch, noise, reading, novelty, first, min(chunks, first + length))
            yield losses.sum() / (chains * chunks)

    def losses(
        self, batch: ChainBatch, generator: torch.Generator, memory: bool = True
    ) -> Float[Tensor, "chains chunks"]:
        """See `LoopObjective.losses`."""
        batch, noise = self.slow.draw_chains(batch, generator)
        if memory:
            return self._segment(batch, noise, *self.reading(batch), 0, batch.num_chunks)
        return self.slow.masked_windows(batch.windows(), noise).unflatten(0, batch.new.shape[:2])

    @torch.no_grad()
    def reading(self, batch: ChainBatch) -> tuple[Reading, Float[Tensor, "chains chunks f_g columns"]]:
        """How much each query reads of each entry, and its novelty.

        Entries lie at the true poses, queries where the action leads from the last one: walls are met unawares, in
        training as in generation.
        """
        device = self.slow.device
        with torch.autocast(device.type, enabled=False):
            chains, chunks, num_frames = batch.new.shape[:3]
            poses = batch.poses.to(device).unflatten(1, (chunks + 1, num_frames))
            text = self.slow.text_encoder([action for chain in batch.actions for action in chain])
            ahead = self.address.path.predicted(poses[:, :-1, -1:].flatten(0, 1), text, num_frames)
            ahead = ahead.unflatten(0, (chains, chunks))
            back = (self.address.path.retrace_logits(text) > 0).view(chains, chunks, 1, 1)
            if bool(back.any()):
                ahead = torch.where(back, ways_back(poses[:, :-1], num_frames), ahead)
            keys = self.address(poses[:, :-1]).flatten(1, 3)
            queries = self.address(ahead).flatten(1, 3)
            chunk = torch.arange(chunks, device=device).repeat_interleave(keys.shape[1] // chunks)
            counts = torch.ones_like(keys[..., 0])
            if self.config.familiar:
                counts = familiar_weights(keys, chunk, self.config.ridge, self.config.familiar).sqrt()
            reading, novelty = causal_reading(keys * counts[..., None], queries, chunk, chunk, self.config.ridge)
            reading = reading * counts[:, None]
            return reading, novelty.unflatten(1, (chunks, num_frames, -1))

    def _segment(
        self, batch: ChainBatch, noise: Noise, reading: Reading, novelty: Tensor, first: int, stop: int
    ) -> Float[Tensor, "chains segment"]:
        """The losses of chunks `first` to `stop - 1`, with gradients through their own writes only."""
        chains, chunks = batch.new.shape[:2]
        entries = reading.shape[2] // chunks
        earlier = [self._written(batch, noise, number) for number in range(first)]

        def recall(kept: Past, past: Latents) -> Recall:
            own = to_columns(past, self.slow.denoiser.memory_features(kept), novelty.shape[-1])
            own = own.unflatten(0, (chains, stop - first)).flatten(1, 3)
            values = torch.cat([*earlier, own], dim=1)
            here = reading[:, first * entries : stop * entries, : stop * entries]
            read = self._read(here, values, first, entries).flatten(0, 1)
            known = novelty[:, first:stop].flatten(0, 1)
            channels, height, width = past.shape[2:]
            memory_width = self.slow.denoiser.memory_shape(height, width).width
            return from_columns(read.unflatten(0, known.shape), known, (channels, height, width), memory_width)

        rows = window_rows(torch.arange(chains), chunks, first, stop)
        losses = self.slow.masked_windows(batch.windows(first, stop), noise.rows(rows), recall)
        return losses.unflatten(0, (chains, stop - first))

    @torch.no_grad()
    def _written(self, batch: ChainBatch, noise: Noise, number: int) -> Float[Tensor, "chains entries values"]:
        """What one chunk before the segment wrote, computed anew: nothing of it need be kept."""
        rows = window_rows(torch.arange(len(batch.actions)), batch.num_chunks, number, number + 1)
        mine, past = noise.rows(rows).to(self.slow.device), batch.past[:, number].to(self.slow.device)
        past = self.slow.noising.add_noise(past, mine.past_noise, mine.past_levels)
        kept = self.slow.denoiser.encode_past(past, mine.past_levels)
        features = self.slow.denoiser.memory_features(kept)
        return to_columns(past, features, self.address.config.num_columns).flatten(1, 2)

    def _read(
        self, reading: Reading, values: Float[Tensor, "chains entries values"], first: int, entries: int
    ) -> Tensor:
        horizon = self.config.write_gradient_chunks
        if horizon is None:
            return reading @ values
        query = first + torch.arange(reading.shape[1], device=reading.device) // entries
        entry = torch.arange(reading.shape[2], device=reading.device) // entries
        recent: Bool[Tensor, "queries entries"] = query[:, None] - entry[None, :] < horizon
        return (reading * recent) @ values + (reading * ~recent) @ values.detach()
