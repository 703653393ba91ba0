"""The slow-fast loop with a rule that learns by gradients (eq. 3 and its variants): the paper's Algorithm 1b.

Step by step: the fast weights `Theta_i` with which chunk `i` is predicted are fixed in the outer loop (first order).
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor

from slowfast_vgen.data.chains import ChainBatch, window_rows
from slowfast_vgen.diffusion.noising import Noise
from slowfast_vgen.files import atomic_path
from slowfast_vgen.memory.fast_learning import FastLearner
from slowfast_vgen.memory.lora import Factors
from slowfast_vgen.tensors import write_tensors
from slowfast_vgen.train.run import ALL, Share
from slowfast_vgen.train.settings import LoraLoopConfig
from slowfast_vgen.train.slow import SlowObjective

Theta = dict[str, Factors]


class LoraLoop:
    """Eq. 2 on every chunk of a batch of episodes, each with the LoRA that it has learned by then."""

    def __init__(self, slow: SlowObjective, config: LoraLoopConfig, shards: Path) -> None:
        self.slow, self.config, self.shards = slow, config, shards
        null = slow.text_encoder.null
        self.learner = FastLearner(slow.denoiser, slow.noising, lambda batch: null(batch, slow.device), config.learning)

    def describe(self) -> dict[str, object]:
        """The settings of the rule; how triples are kept changes nothing."""
        return {"rule": "lora", **vars(self.config.learning)}

    def parts(self, batch: ChainBatch, generator: torch.Generator, share: Share = ALL) -> Iterator[Tensor]:
        """See `LoopObjective.parts`; one part a chunk."""
        mine, noise = self.slow.draw_chains(batch, generator, share)
        seeds = torch.randint(2**31, (len(batch.actions),), generator=generator)
        triples = self._inner(mine, seeds[share.rows(len(seeds))].tolist())
        if self.config.triples == "shards":
            triples = self._by_shards(triples, share)
        for number, theta in triples:
            yield self._outer(mine, noise, number, theta).sum() / (len(mine.actions) * mine.num_chunks)

    def losses(
        self, batch: ChainBatch, generator: torch.Generator, memory: bool = True
    ) -> Float[Tensor, "chains chunks"]:
        """See `LoopObjective.losses`."""
        batch, noise = self.slow.draw_chains(batch, generator)
        without: Iterator[tuple[int, Theta]] = ((number, {}) for number in range(batch.num_chunks))
        triples = self._inner(batch, list(range(len(batch.actions)))) if memory else without
        return torch.stack([self._outer(batch, noise, number, theta) for number, theta in triples], dim=1)

    def _inner(self, batch: ChainBatch, seeds: list[int]) -> Iterator[tuple[int, Theta]]:
        """The inner loop: the number of each chunk, and the fast weights learned from all chunks before it."""
        memory = self.learner.fresh(seeds)
        for number in range(batch.num_chunks):
            yield number, {name: (down.detach(), up.detach()) for name, (down, up) in memory.factors.items()}
            windows = batch.windows(number, number + 1).to(self.slow.device)
            text = self.slow.text_encoder(windows.actions)
            self.learner.learn(memory, torch.cat([windows.past, windows.new], dim=1), windows.past.shape[1], text)

    def _outer(self, batch: ChainBatch, noise: Noise, number: int, theta: Theta) -> Float[Tensor, " chains"]:
        """The outer loop's losses of one chunk of every episode, its fast weights fixed."""
        rows = window_rows(torch.arange(len(batch.actions)), batch.num_chunks, number, number + 1)
        with self.learner.slots.applied(theta):
            return self.slow.masked_windows(batch.windows(number, number + 1), noise.rows(rows))

    def _by_shards(self, triples: Iterator[tuple[int, Theta]], share: Share) -> Iterator[tuple[int, Theta]]:
        """Lets the inner loop run to its end first, its fast weights kept on disk, a file a chunk."""
        folder = self.shards / f"process-{share.index}"
        files = []
        for number, theta in triples:
            files.append(folder / f"theta-{number:05d}.safetensors")
            tensors = {
                f"{side}/{name}": each for name, pair in theta.items() for side, each in zip("AB", pair, strict=True)
            }
            with atomic_path(files[-1]) as temporary:
                write_tensors(temporary, tensors)
        for number, file in enumerate(files):
            tensors = {name: each.to(self.slow.device) for name, each in load_file(file).items()}
            names = [name.removeprefix("A/") for name in tensors if name.startswith("A/")]
            yield number, {name: (tensors[f"A/{name}"], tensors[f"B/{name}"]) for name in names}
        shutil.rmtree(folder)
