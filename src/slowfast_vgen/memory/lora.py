"""TEMP-LoRA's parameters (paper 3.3; LoRA: arXiv 2106.09685): low-rank additions to linear layers, one set an episode.

The slow weights are never written: additions act through forward hooks, or, for a single episode, through a merged copy
that replaces the layer's weight inside a `with` block. Removing them restores the base output bit for bit.
Both affect everyone who runs the module, so a memory acts on a module of its own (`memory.sharing`).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from slowfast_vgen.errors import UserError
from slowfast_vgen.given import whole

HIGHEST_ALPHA = 1e6
"""Far more than any training survives; float32 holds every scale up to it."""
HIGHEST_RANK = 4096
"""Highest rank of an addition: wider than most layers, whose own rank no addition can exceed."""


@dataclass(frozen=True)
class LoraConfig:
    """Layers and rank of the fast weights."""

    rank: int = 32
    alpha: float | None = None
    """Scale of the addition, which is `alpha / rank`; None means alpha = rank, a scale of 1."""
    layers: tuple[str, ...] = ()
    """Endings of the dotted names of the linear layers; none means the denoiser's own list (`lora_layers`)."""

    def __post_init__(self) -> None:
        if whole(self.rank, "a LoRA's rank is a whole number") < 1:
            raise UserError(f"a LoRA's rank must be at least 1, got {self.rank}")
        if self.rank > HIGHEST_RANK:
            raise UserError(f"a LoRA's rank must be at most {HIGHEST_RANK}, got {self.rank}")
        if not all(self.layers):
            raise UserError("a LoRA cannot sit on a layer without a name; leave it out")
        if self.alpha is not None and not 0 < self.alpha < math.inf:
            raise UserError(f"a LoRA's alpha must be above 0, got {self.alpha}; leave it out for a scale of 1")
        if self.alpha is not None and self.alpha > HIGHEST_ALPHA:
            raise UserError(f"a LoRA's alpha must be at most {HIGHEST_ALPHA:g}, got {self.alpha}; leave it out")

    @property
    def scale(self) -> float:
        """Scale of the product of the two factors."""
        return 1.0 if self.alpha is None else self.alpha / self.rank


Factors = tuple[Float[Tensor, "episodes rank inputs"], Float[Tensor, "episodes outputs rank"]]
"""Down-projection and up-projection of one layer, for every episode."""


class LoraSlots:
    """The linear layers of a module that can carry fast weights."""

    def __init__(self, module: nn.Module, config: LoraConfig) -> None:
        suffixes = config.layers or getattr(module, "lora_layers", ())
        self.config = replace(config, layers=tuple(suffixes))
        self.layers: dict[str, nn.Linear] = {
            name: layer
            for name, layer in module.named_modules()
            if isinstance(layer, nn.Linear) and any(f".{name}".endswith(f".{suffix}") for suffix in suffixes)
        }
        if not self.layers:
            named = f"has no linear layer named {', '.join(suffixes)}" if suffixes else "names no layers for a LoRA"
            raise UserError(f"{type(module).__name__} {named}; name layers that it has")

    def fresh(self, seeds: Sequence[int]) -> dict[str, Factors]:
        """New fast weights, one set a seed: a random down-projection, an up-projection of zeros; nothing changes yet.

        The down-projection is drawn as in peft (Kaiming uniform with a = sqrt 5).
        """
        drawn: dict[str, list[Tensor]] = {name: [] for name in self.layers}
        for seed in seeds:
            generator = torch.Generator().manual_seed(seed)
            for name, layer in self.layers.items():
                bound = layer.in_features**-0.5
                down = torch.empty(self.config.rank, layer.in_features).uniform_(-bound, bound, generator=generator)
                drawn[name].append(down)
        factors = {}
        for name, layer in self.layers.items():
            down = torch.stack(drawn[name]).to(layer.weight)
            factors[name] = (down, down.new_zeros(len(seeds), layer.out_features, self.config.rank))
        return factors

    @contextmanager
    def applied(self, factors: dict[str, Factors]) -> Iterator[None]:
        """Adds to each layer its episode's low-rank product inside the block; gradients reach the factors.

        The leading dimension of a layer's input must hold the episodes in order, as many rows for each (a network that
        folds frames or pixels into the batch keeps that order).
        """
        handles = [
            self.layers[name].register_forward_hook(_adder(down, up, self.config.scale))
            for name, (down, up) in factors.items()
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    @contextmanager
    def merged(self, factors: dict[str, Factors]) -> Iterator[None]:
        """Puts the sum of slow and fast weights into each layer inside the block: no slower. One episode only."""
        slow = {name: self.layers[name].weight.data for name in factors}
        try:
            for name, (down, up) in factors.items():
                assert len(down) == 1, "only one episode's weights can be merged at a time"
                self.layers[name].weight.data = torch.addmm(slow[name], up[0], down[0], alpha=self.config.scale)
            yield
        finally:
            for name, weight in slow.items():
                self.layers[name].weight.data = weight


def _adder(down: Tensor, up: Tensor, scale: float) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
    def add(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        episodes = len(down)
        rows = inputs[0].reshape(episodes, -1, inputs[0].shape[-1])
        return output + scale * (rows @ down.mT @ up.mT).reshape(output.shape)

    return add
