"""Tensors in safetensors files: written by bytes, read by bytes that were checked, never with a value like NaN in them.

The library's own way of writing a file maps it into memory, and a full disk then ends the program by a signal.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from slowfast_vgen.errors import UserError


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Writes a safetensors file; call it inside `atomic_path` or `atomic_folder`."""
    path.write_bytes(save({name: value.contiguous().clone() for name, value in tensors.items()}, metadata))


def parse_tensors(path: Path, content: bytes) -> dict[str, Tensor]:
    """The tensors in the bytes of a safetensors file, on the CPU.

    Raises:
        UserError: they are none.
    """
    try:
        return load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise UserError(f"{path} is no readable safetensors file ({error}); copy it again") from error


def parse_metadata(content: bytes) -> dict[str, str]:
    """The texts that `write_tensors` put beside the tensors.

    Raises:
        KeyError, ValueError: there are none, or it is no such file.
    """
    size = int.from_bytes(content[:8], "little")
    metadata: dict[str, str] = json.loads(content[8 : 8 + size])["__metadata__"]
    return metadata


def check_finite(what: str, tensors: Mapping[str, Tensor], mend: str) -> None:
    """Refuses values that are not finite.

    Raises:
        UserError: the first tensor that holds one.

    >>> import torch
    >>> check_finite("the memory", {"pose": torch.zeros(3)}, "start anew")
    """
    for name, value in tensors.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise UserError(f"{what} holds values that are not finite ({name}); {mend}")
