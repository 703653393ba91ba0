"""Weights for more latent channels, initialised from a codec or denoiser that had fewer."""

import torch
from torch import nn

from slowfast_vgen.errors import UserError


@torch.no_grad()
def grow(target: nn.Module, source: nn.Module) -> None:
    """Copies all weights of `source` into `target`, which has more channels in places, before those it adds.

    New inputs weigh nothing, so what `source` computed from its channels `target` computes too; new outputs stay as
    they were drawn. Buffers that `target` has of its own are left alone.

    Raises:
        UserError: `source` has weights of a shape that does not fit into `target`'s.

    >>> narrow, wide = nn.Linear(2, 3), nn.Linear(4, 5)
    >>> grow(wide, narrow)
    >>> x = torch.randn(2)
    >>> torch.allclose(wide(torch.cat([x, torch.ones(2)]))[:3], narrow(x), atol=1e-6)
    True
    """
    weights = dict(target.named_parameters())
    for name, old in source.named_parameters():
        new = weights.get(name)
        if new is None or new.dim() != old.dim() or any(a < b for a, b in zip(new.shape, old.shape, strict=True)):
            given = None if new is None else tuple(new.shape)
            raise UserError(
                f"the weights {name} of shape {tuple(old.shape)} do not fit into {given}; start from weights of the "
                "same sizes, with as many latent channels or fewer"
            )
        if new.shape[1:] != old.shape[1:]:
            new[: len(old)] = 0
        new[tuple(slice(size) for size in old.shape)] = old
