"""The fast weights of TEMP-LoRA and the optimiser that writes them, for a batch of episodes."""

import copy
from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from slowfast_vgen.memory.lora import Factors
from slowfast_vgen.models.denoiser import Latents

if TYPE_CHECKING:
    from slowfast_vgen.memory.settings import FastLearningConfig

OPTIMIZERS = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}


class LoraWeights:
    """The fast weights that a batch of episodes has learned."""

    def __init__(self, factors: dict[str, Factors], config: "FastLearningConfig", seeds: Sequence[int]) -> None:
        self.factors, self.config, self.seeds = factors, config, tuple(seeds)
        self.parameters = [part.requires_grad_() for pair in factors.values() for part in pair]
        several = len(self.seeds) > 1
        self._own = [
            [whole.data[row : row + 1].requires_grad_() if several else whole for whole in self.parameters]
            for row in range(len(self.seeds))
        ]
        """The same memory, split by episodes, so that the optimiser counts the steps of each separately."""
        parted = [own for parameters in self._own for own in parameters]
        self.optimizer = OPTIMIZERS[config.optimizer](parted, lr=config.learning_rate)
        self.num_chunks = 0
        """Number of chunks learned from."""
        device = self.parameters[0].device
        self.times_rolled_back: Int64[Tensor, " episodes"] = torch.zeros(len(seeds), dtype=torch.int64, device=device)
        self.replay: list[Latents] = []
        """Windows `[episodes, frames, ...]` for the rule `replay`, a uniform sample of the episode so far."""

    @property
    def rollbacks(self) -> list[int]:
        """Number of times that each episode's weights were found diverging and rolled back."""
        return [int(times) for times in self.times_rolled_back.tolist()]

    def update(self) -> None:
        """Makes one step of the optimiser along the gradients, and clears them."""
        for row, parameters in enumerate(self._own):
            for own, whole in zip(parameters, self.parameters, strict=True):
                if own is not whole and whole.grad is not None:
                    own.grad = whole.grad[row : row + 1]
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        for whole in self.parameters:
            whole.grad = None

    def states(self) -> list[list[Tensor]]:
        """All that an update changes, for each episode: its weights, and the optimiser's moments and count of steps."""
        return [
            [own.data for own in parameters]
            + [
                value
                for own in parameters
                for _, value in sorted(self.optimizer.state[own].items())
                if torch.is_tensor(value)
            ]
            for parameters in self._own
        ]

    @torch.no_grad()
    def roll_back(self, before: list[list[Tensor]], diverged: Bool[Tensor, " episodes"]) -> None:
        """Returns the episodes that diverge to the state `before`, as `states` gave it.

        Weights are selected on their device; the optimiser's counts of steps, which it keeps on the CPU, are read.
        """
        counted = [] if diverged.is_meta else diverged.tolist()
        for row, (now, then) in enumerate(zip(self.states(), before, strict=True)):
            # The optimiser may have had no moments yet.
            for current, old in zip_longest(now, then):
                old = torch.zeros_like(current) if old is None else old
                if current.device == diverged.device:
                    current.copy_(torch.where(diverged[row], old, current))
                elif counted and counted[row]:
                    current.copy_(old)
        self.times_rolled_back += diverged

    def num_bytes(self) -> int:
        """Size of the fast weights in bytes, without the optimiser's moments."""
        return sum(parameter.numel() * parameter.element_size() for parameter in self.parameters)

    def norm(self) -> float:
        """Frobenius norm of all that is added to the first episode's slow weights."""
        changes = [(up[0] @ down[0]).detach() for down, up in self.factors.values()]
        return self.config.lora.scale * float(torch.stack([change.square().sum() for change in changes]).sum().sqrt())

    def empty(self) -> "LoraWeights":
        """Weights of zeros, of the same shapes and settings."""
        factors = {
            name: (torch.zeros_like(down.detach()), torch.zeros_like(up.detach()))
            for name, (down, up) in self.factors.items()
        }
        return LoraWeights(factors, self.config, self.seeds)

    def copy(self) -> "LoraWeights":
        """An independent copy, the optimiser's moments included."""
        return self._moved(lambda each: each.detach().clone())

    def to(self, device: torch.device | str) -> "LoraWeights":
        """A copy on another device."""
        return self._moved(lambda each: each.detach().to(device, copy=True))

    def _moved(self, moved: Any) -> "LoraWeights":
        other = LoraWeights(
            {name: (moved(down), moved(up)) for name, (down, up) in self.factors.items()}, self.config, self.seeds
        )
        other.optimizer.load_state_dict(copy.deepcopy(self.optimizer.state_dict()))
        other.num_chunks, other.times_rolled_back = self.num_chunks, moved(self.times_rolled_back)
        other.replay = [moved(window) for window in self.replay]
        return other

    @torch.no_grad()
    def add(self, other: "LoraWeights") -> None:
        """Replaces the weights by the best approximation of both products' sum at this rank; restarts the optimiser."""
        for name, (down, up) in self.factors.items():
            product = up @ down + (other.factors[name][1] @ other.factors[name][0]).to(up)
            u, sizes, v = torch.linalg.svd(product, full_matrices=False)
            kept = min(down.shape[1], sizes.shape[1])  # a layer may be smaller than the rank
            root = sizes[:, :kept].sqrt()
            up.zero_()[..., :kept] = u[..., :kept] * root[:, None]
            down.zero_()[:, :kept] = v[:, :kept] * root[..., None]
        self.optimizer.state.clear()
        self.num_chunks += other.num_chunks
