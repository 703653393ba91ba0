"""Fast learning: the episode's memory is trained on what was just generated (paper 3.3, eq. 3, Algorithm 1a)."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from slowfast_vgen.diffusion.noising import Noising, draw_noise_levels
from slowfast_vgen.diffusion.objective import frame_levels, unmasked_loss
from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.lora import Factors, LoraConfig, LoraSlots
from slowfast_vgen.memory.seeds import mixed_seed
from slowfast_vgen.models.denoiser import DenoiserModule, Latents
from slowfast_vgen.models.text import TextEmbedding

LEARNING_NOISE = 1
"""Which stream of an episode's seed the noise of fast learning comes from (the sampler's is 0)."""

OPTIMIZERS = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}


@dataclass(frozen=True)
class FastLearningConfig:
    """How an episode's LoRA learns. The defaults are the paper's (rank 32, Adam at 1e-4, one update a chunk)."""

    lora: LoraConfig = field(default_factory=LoraConfig)
    learning_rate: float = 1e-4
    updates_per_chunk: int = 1
    noise_draws: int = 1
    """Noise draws averaged in each update."""
    optimizer: Literal["adam", "sgd"] = "adam"
    guard_ratio: float = 1.5
    """The memory counts as diverging where, with it, the window that it has just learned is this many times harder to
    denoise than without any memory. It is then rolled back to what it was before the chunk."""

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            raise UserError(f"unknown optimiser {self.optimizer!r} for fast learning; choose adam or sgd")
        if self.updates_per_chunk < 1 or self.noise_draws < 1:
            raise UserError(
                "fast learning needs at least one update and one noise draw a chunk, got "
                f"{self.updates_per_chunk} and {self.noise_draws}"
            )
        if not self.learning_rate > 0:
            raise UserError(f"fast learning needs a learning rate above 0, got {self.learning_rate}")
        if not self.guard_ratio > 1:
            raise UserError(f"the guard's ratio must be above 1, got {self.guard_ratio}")


class EpisodeMemory:
    """The fast weights of a batch of episodes, with the optimiser that writes them."""

    def __init__(self, factors: dict[str, Factors], config: FastLearningConfig, seeds: Sequence[int]) -> None:
        self.factors, self.config, self.seeds = factors, config, tuple(seeds)
        self.parameters = [part.requires_grad_() for pair in factors.values() for part in pair]
        self.optimizer = OPTIMIZERS[config.optimizer](self.parameters, lr=config.learning_rate)
        self.num_chunks = 0
        """Chunks learned from."""
        self.rollbacks = [0] * len(self.seeds)
        """How often each episode's memory was found diverging and taken back."""

    def tensors(self) -> list[Tensor]:
        """All that an update changes and that has a row an episode: the fast weights and the optimiser's moments."""
        moments = [
            value
            for parameter in self.parameters
            for value in self.optimizer.state[parameter].values()
            if torch.is_tensor(value) and value.dim()
        ]
        return [parameter.data for parameter in self.parameters] + moments


@dataclass(frozen=True)
class LearningReport:
    """What a chunk's learning did, for each episode."""

    loss_without_memory: Float[Tensor, " episodes"]
    loss_with_memory: Float[Tensor, " episodes"]
    rolled_back: Bool[Tensor, " episodes"]


class FastLearner:
    """Writes and applies episode memories on one denoiser, whose slow weights it leaves untouched."""

    def __init__(
        self,
        denoiser: DenoiserModule,
        noising: Noising,
        null_text: Callable[[int], TextEmbedding],
        config: FastLearningConfig,
    ) -> None:
        self.denoiser, self.noising, self.null_text, self.config = denoiser, noising, null_text, config
        self.slots = LoraSlots(denoiser, config.lora)

    def fresh(self, seeds: Sequence[int]) -> EpisodeMemory:
        """An empty memory for each seed."""
        return EpisodeMemory(self.slots.fresh(seeds), self.config, seeds)

    def applied(self, memory: EpisodeMemory) -> AbstractContextManager[None]:
        """The denoiser generates with the memory inside the block: merged for one episode, side by side for several."""
        if memory.num_chunks == 0:
            return nullcontext()  # the up-projections are still zero
        factors = {name: (down.detach(), up.detach()) for name, (down, up) in memory.factors.items()}
        return self.slots.merged(factors) if len(memory.seeds) == 1 else self.slots.applied(factors)

    def learn(self, memory: EpisodeMemory, window: Latents) -> LearningReport:
        """Eq. 3 on `window` (past and new frames of the chunk just finished, a row an episode), then the guard's check.

        Noise comes from each episode's own seed and the chunk's number: a batch learns what its episodes would learn
        alone.
        """
        generators = [
            torch.Generator().manual_seed(mixed_seed(seed, LEARNING_NOISE, memory.num_chunks)) for seed in memory.seeds
        ]
        before = [each.clone() for each in memory.tensors()]
        with _frozen(self.denoiser):
            for _ in range(self.config.updates_per_chunk):
                noise, levels = self._draw(generators, window)
                with self.slots.applied(memory.factors):
                    losses = self._loss(window, noise, levels)
                losses.sum().backward()
                memory.optimizer.step()
                memory.optimizer.zero_grad(set_to_none=True)
            with torch.no_grad():
                without = self._loss(window, noise, levels)
                with self.slots.applied(memory.factors):
                    after = self._loss(window, noise, levels)
        diverged = ~(after < self.config.guard_ratio * without)  # true for NaN as well
        if bool(diverged.any()):
            self._roll_back(memory, before, diverged)
        memory.num_chunks += 1
        return LearningReport(without, after, diverged)

    def _draw(self, generators: Sequence[torch.Generator], window: Latents) -> tuple[Tensor, Tensor]:
        draws = self.config.noise_draws
        noise = [torch.randn((draws, *window.shape[1:]), generator=each) for each in generators]
        levels = [draw_noise_levels((draws,), each) for each in generators]
        return torch.cat(noise).to(window), torch.cat(levels).to(window)

    def _loss(self, window: Latents, noise: Tensor, levels: Tensor) -> Float[Tensor, " episodes"]:
        repeated = window.repeat_interleave(self.config.noise_draws, 0)
        null = self.null_text(len(repeated))
        losses = unmasked_loss(
            self.denoiser, self.noising, repeated, noise, frame_levels(levels, window.shape[1]), null
        )
        return losses.unflatten(0, (len(window), -1)).mean(1)

    @staticmethod
    def _roll_back(memory: EpisodeMemory, before: list[Tensor], diverged: Tensor) -> None:
        now = memory.tensors()
        if len(before) < len(now):  # the optimiser had no moments yet
            before = before + [torch.zeros_like(each) for each in now[len(before) :]]
        for current, old in zip(now, before, strict=True):
            current[diverged] = old[diverged]
        for episode in diverged.nonzero().flatten().tolist():
            memory.rollbacks[episode] += 1


@contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    """No gradients for the slow weights inside the block."""
    flags = [(parameter, parameter.requires_grad) for parameter in module.parameters()]
    for parameter, _ in flags:
        parameter.requires_grad_(False)
    try:
        with torch.enable_grad():
            yield
    finally:
        for parameter, flag in flags:
            parameter.requires_grad_(flag)
