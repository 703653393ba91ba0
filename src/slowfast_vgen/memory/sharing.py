"""A module of one's own over weights that are shared: what lets sessions in several threads use one world."""

import copy
from typing import TypeVar

from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def sharing_weights(module: Module) -> Module:
    """The same module once more over the same weights, which get no gradient there.

    Hooks and exchanged weights of the one are not seen by the other, so that a memory can act on it while other threads
    run the module itself. It costs no memory but that of the Python objects, and a few milliseconds.

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
