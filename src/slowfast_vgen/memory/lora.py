"""TEMP-LoRA's parameters (paper 3.3; LoRA: arXiv 2106.09685): low-rank additions to linear layers, one set an episode.

The slow weights are never written: additions act through forward hooks, or, for a single episode, through a merged copy
that replaces the layer's weight inside a `with` block. Removing them restores the base output bit for bit.
Both affect everyone who runs the module, so a memory acts on a module of its own (`memory.sharing`).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.settings import LoraConfig

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
