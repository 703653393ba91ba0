"""The slow-fast loop with a rule that learns by gradients (eq. 3 and its variants): the paper's Algorithm 1b.

Step by step: the fast weights `Theta_i` with which chunk `i` is predicted are fixed in the outer loop (first order).
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor

from slowfast_vgen.data.chains import ChainBatch
from slowfast_vgen.errors import UserError
from slowfast_vgen.files import atomic_path
from slowfast_vgen.memory.fast_learning import FastLearner, FastLearningConfig
from slowfast_vgen.memory.lora import Factors
from slowfast_vgen.tensors import write_tensors
from slowfast_vgen.train.draws import Share, WindowDraws, draw_windows
from slowfast_vgen.train.slow import ALL, SlowObjective

Theta = dict[str, Factors]


@dataclass(frozen=True)
class LoraLoopConfig:
    """How the triples `{X_i, X_(i+1), Theta_i}` get from the inner loop to the outer one."""

    learning: FastLearningConfig
    triples: Literal["on-the-fly", "shards"] = "on-the-fly"
    """`on-the-fly` predicts each chunk while the inner loop is there; `shards` writes all of a step's triples to disk
    first. Both give the same gradient."""

    def __post_init__(self) -> None:
        if self.triples not in ("on-the-fly", "shards"):
            raise UserError(f"unknown way of keeping triples {self.triples!r}; choose on-the-fly or shards")


class LoraLoop:
    """Eq. 2 on every chunk of a batch of episodes, each with the LoRA that it has learned by then."""

    def __init__(self, slow: SlowObjective, config: LoraLoopConfig, shards: Path) -> None:
        self.slow, self.config, self.shards = slow, config, shards
        null = slow.text_encoder.null
        self.learner = FastLearner(slow.denoiser, slow.noising, lambda batch: null(batch, slow.device), config.learning)

    def describe(self) -> dict[str, object]:
        """The settings of the rule; how triples are kept changes nothing."""
        return {"rule": "lora", **json.loads(json.dumps(asdict(self.config.learning)))}

    def parts(self, batch: ChainBatch, generator: torch.Generator, share: Share = ALL) -> Iterator[Tensor]:
        """See `LoopObjective.parts`; one part a chunk."""
        chains, chunks = batch.new.shape[:2]
        past, new = batch.past.flatten(0, 1), batch.new.flatten(0, 1)
        draws = draw_windows(self.slow.config, past.shape, new.shape, 1, generator)
        seeds = torch.randint(2**31, (chains,), generator=generator)
        rows = share.rows(chains)
        batch, draws = batch.rows(rows), draws.rows((rows[:, None] * chunks + torch.arange(chunks)).flatten())
        triples = self._inner(batch, seeds[rows].tolist())
        if self.config.triples == "shards":
            triples = self._by_shards(triples, share)
        for number, theta in triples:
            yield self._outer(batch, draws, number, theta).sum() / (len(rows) * chunks)

    def losses(
        self, batch: ChainBatch, generator: torch.Generator, memory: bool = True
    ) -> Float[Tensor, "chains chunks"]:
        """See `LoopObjective.losses`."""
        chains, chunks = batch.new.shape[:2]
        past, new = batch.past.flatten(0, 1), batch.new.flatten(0, 1)
        draws = draw_windows(self.slow.config, past.shape, new.shape, 1, generator)
        without: Iterator[tuple[int, Theta]] = ((number, {}) for number in range(chunks))
        triples = self._inner(batch, list(range(chains))) if memory else without
        return torch.stack([self._outer(batch, draws, number, theta) for number, theta in triples], dim=1)

    def _inner(self, batch: ChainBatch, seeds: list[int]) -> Iterator[tuple[int, Theta]]:
        """The inner loop: the number of each chunk, and the fast weights learned from all chunks before it."""
        memory = self.learner.fresh(seeds)
        for number in range(batch.num_chunks):
            yield number, {name: (down.detach(), up.detach()) for name, (down, up) in memory.factors.items()}
            past, new = (each[:, number].to(self.slow.device) for each in (batch.past, batch.new))
            text = self.slow.text_encoder([chain[number] for chain in batch.actions])
            self.learner.learn(memory, torch.cat([past, new], dim=1), past.shape[1], text)

    def _outer(self, batch: ChainBatch, draws: WindowDraws, number: int, theta: Theta) -> Float[Tensor, " chains"]:
        """The outer loop's losses of one chunk of every episode, its fast weights fixed."""
        chains, chunks = batch.new.shape[:2]
        actions = [chain[number] for chain in batch.actions]
        mine = draws.rows(torch.arange(chains) * chunks + number)
        with self.learner.slots.applied(theta):
            return self.slow.masked_windows(batch.past[:, number], batch.new[:, number], actions, mine)

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
