"""Modules that share their weights, so that sessions in several threads can use one world."""

import copy
from typing import TypeVar

from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def sharing_weights(module: Module) -> Module:
    """Makes a second module over the same weights, which get no gradient there.

    Hooks and replaced weights of one do not affect the other, so that a memory can act on it while other threads
    run the module itself. It costs only the memory of the Python objects, and a few milliseconds.

    >>> import torch
    >>> layer = nn.Linear(2, 2)
    >>> other = sharing_weights(layer)
    >>> other.weight.data_ptr() == layer.weight.data_ptr(), other.weight.requires_grad
    (True, False)
    >>> other.weight = nn.Parameter(torch.zeros(2, 2))
    >>> bool(layer.weight.any())
    True
    """
    shared: dict[int, object] = {id(each): each for each in module.buffers()}
    shared |= {id(each): nn.Parameter(each.detach(), requires_grad=False) for each in module.parameters()}
    return copy.deepcopy(module, shared)
