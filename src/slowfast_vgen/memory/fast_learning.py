"""Fast learning by gradients: a LoRA is trained on the chunk just generated (paper 3.3, eq. 3, Algorithm 1a).

Three rules define what is learned from a finished chunk. `denoising` is eq. 3: past and new frames are noised alike, no
action, loss on all. `denoising-original` is the update of Temp-LoRA (arXiv 2403.13501), the paper's ablation: clean
past, action, loss on the new frames. `replay` is eq. 3 on windows drawn from the whole episode ("without the local
rule" in the paper's table).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from slowfast_vgen.diffusion.noising import Noising, draw_noise_levels
from slowfast_vgen.diffusion.objective import frame_levels, masked_loss, unmasked_loss
from slowfast_vgen.memory.lora import LoraSlots
from slowfast_vgen.memory.lora_weights import LoraWeights
from slowfast_vgen.memory.settings import FastLearningConfig
from slowfast_vgen.models.denoiser import DenoiserModule, Latents
from slowfast_vgen.models.text import TextEmbedding
from slowfast_vgen.precision import computing
from slowfast_vgen.seeds import mixed_seed

LEARNING_NOISE = 1
"""Stream of an episode's seed that the noise of fast learning comes from (the sampler's is 0)."""


@dataclass(frozen=True)
class LearningReport:
    """Result of a chunk's learning for each episode."""

    loss_without_memory: Float[Tensor, " episodes"]
    loss_with_memory: Float[Tensor, " episodes"]
    rolled_back: Bool[Tensor, " episodes"]


class FastLearner:
    """Writes and applies fast weights on one denoiser, whose slow weights it leaves untouched.

    While it does, the denoiser has hooks or exchanged weights: in threads, give each learner a denoiser of its own
    (`sharing_weights`).
    """

    def __init__(
        self,
        denoiser: DenoiserModule,
        noising: Noising,
        null_text: Callable[[int], TextEmbedding],
        config: FastLearningConfig,
        precision: str = "float32",
    ) -> None:
        self.denoiser, self.noising, self.null_text = denoiser, noising, null_text
        self.precision = precision
        self.slots = LoraSlots(denoiser, config.lora)
        self.config = replace(config, lora=self.slots.config)

    def fresh(self, seeds: Sequence[int]) -> LoraWeights:
        """Initial weights, which change nothing yet, for each seed."""
        return LoraWeights(self.slots.fresh(seeds), self.config, seeds)

    def applied(self, memory: LoraWeights) -> AbstractContextManager[None]:
        """Applies the memory to the denoiser inside the block: merged for one episode, batched for several."""
        if memory.num_chunks == 0:
            return nullcontext()  # the up-projections are still zero
        factors = {name: (down.detach(), up.detach()) for name, (down, up) in memory.factors.items()}
        return self.slots.merged(factors) if len(memory.seeds) == 1 else self.slots.applied(factors)

    def learn(
        self, memory: LoraWeights, window: Latents, num_past: int = 0, text: TextEmbedding | None = None
    ) -> LearningReport:
        """Learns from `window` (past and new frames of the chunk just finished, a row an episode); the guard checks it.

        Noise comes from each episode's own seed and the chunk's number: a batch learns what its episodes would learn
        alone. Only the rule `denoising-original` uses the number of past frames and the action.
        """
        generators = [
            torch.Generator().manual_seed(mixed_seed(seed, LEARNING_NOISE, memory.num_chunks)) for seed in memory.seeds
        ]
        before = [[value.clone() for value in state] for state in memory.states()]
        if self.config.rule == "replay":
            self._keep(memory, window)
        with _frozen(self.denoiser):
            for _ in range(self.config.updates_per_chunk):
                windows = self._drawn(memory, generators) if self.config.rule == "replay" else window
                draw = self._draw(generators, window[:, num_past:] if self._original else windows)
                with self.slots.applied(memory.factors):
                    losses = self._loss(windows, num_past, text, *draw)
                losses.sum().backward()
                memory.update()
            with torch.no_grad():
                without = self._loss(windows, num_past, text, *draw)
                with self.slots.applied(memory.factors):
                    after = self._loss(windows, num_past, text, *draw)
        diverged = ~(after < self.config.guard_ratio * without)  # true for NaN as well
        memory.roll_back(before, diverged)
        memory.num_chunks += 1
        return LearningReport(without, after, diverged)

    @property
    def _original(self) -> bool:
        return self.config.rule == "denoising-original"

    def _keep(self, memory: LoraWeights, window: Latents) -> None:
        """Reservoir sampling: after `n` chunks each window of the episode is kept with the same probability.

        The window that is replaced depends on the chunk's number alone, so batched episodes keep the same numbers.
        """
        if memory.replay and window.shape != memory.replay[0].shape:
            memory.replay.clear()  # the first window is shorter: a lone start image as its past
        if len(memory.replay) < self.config.replay_windows:
            memory.replay.append(window)
            return
        place = mixed_seed(LEARNING_NOISE, memory.num_chunks) % (memory.num_chunks + 1)
        if place < len(memory.replay):
            memory.replay[place] = window

    @staticmethod
    def _drawn(memory: LoraWeights, generators: Sequence[torch.Generator]) -> Latents:
        picks = [int(torch.randint(len(memory.replay), (), generator=generator)) for generator in generators]
        return torch.stack([memory.replay[pick][row] for row, pick in enumerate(picks)])

    def _draw(self, generators: Sequence[torch.Generator], frames: Latents) -> tuple[Tensor, Tensor]:
        draws, num_frames = self.config.noise_draws, frames.shape[1]
        noise = [torch.randn((draws, *frames.shape[1:]), generator=generator) for generator in generators]
        if self.config.independent_noise:
            levels = [draw_noise_levels((draws, num_frames), generator) for generator in generators]
        else:
            levels = [frame_levels(draw_noise_levels((draws,), generator), num_frames) for generator in generators]
        return torch.cat(noise).to(frames), torch.cat(levels).to(frames)

    def _loss(
        self, window: Latents, num_past: int, text: TextEmbedding | None, noise: Tensor, levels: Tensor
    ) -> Float[Tensor, " episodes"]:
        draws = self.config.noise_draws
        with computing(window.device, self.precision):
            if self._original:
                assert text is not None, "the original rule learns with the action"
                past, new = window[:, :num_past], window[:, num_past:]
                clean = past.new_zeros(past.shape[:2])
                losses = masked_loss(self.denoiser, self.noising, past, clean, new, noise, levels, text.repeat(draws))
            else:
                repeated = window.repeat_interleave(draws, 0)
                null = self.null_text(len(repeated))
                losses = unmasked_loss(self.denoiser, self.noising, repeated, noise, levels, null)
        return losses.unflatten(0, (len(window), -1)).mean(1)


@contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    """Turns off gradients for the slow weights inside the block."""
    flags = [(parameter, parameter.requires_grad) for parameter in module.parameters()]
    for parameter, _ in flags:
        parameter.requires_grad_(False)
    try:
        with torch.enable_grad():
            yield
    finally:
        for parameter, flag in flags:
            parameter.requires_grad_(flag)
