"""One hash for a set of weights, whatever file they came from."""

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor


def sha256_of_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Hex SHA-256 over names, types, shapes and values, in the order of the names.

    >>> a, b = torch.zeros(2), torch.ones(2)
    >>> sha256_of_tensors({"a": a, "b": b}) == sha256_of_tensors({"b": b, "a": a})
    True
    >>> sha256_of_tensors({"a": a}) == sha256_of_tensors({"a": b})
    False
    """
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name}/{value.dtype}/{tuple(value.shape)}".encode())
        digest.update(value.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
