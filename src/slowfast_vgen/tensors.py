"""Tensors in safetensors files: written by bytes, read by bytes that were checked, never with a value like NaN in them.

The library's own way of writing a file maps it into memory, and a full disk then kills the program by a signal.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from slowfast_vgen.errors import UserError


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Writes a safetensors file, the same bytes each time; call it inside `atomic_path` or `atomic_folder`."""
    content = save({name: value.contiguous().clone() for name, value in tensors.items()}, metadata)
    path.write_bytes(content if metadata is None else _with_sorted_texts(content))


def _with_sorted_texts(content: bytes) -> bytes:
    """Sorts a file's texts by their names: the library writes them in a random order."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    encoded = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    encoded += b" " * (-len(encoded) % 8)  # tensors begin at a multiple of 8 bytes
    return len(encoded).to_bytes(8, "little") + encoded + content[8 + size :]


def parse_tensors(path: Path, content: bytes) -> dict[str, Tensor]:
    """Parses the tensors in the bytes of a safetensors file, on the CPU.

    Raises:
        UserError: the bytes are no safetensors file.
    """
    try:
        return load(content)
    # The library itself fails on types that it has no name for, and on shapes beyond any memory.
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError, OverflowError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path} is no readable safetensors file ({reason:.300}); copy it again") from error


def parse_metadata(content: bytes) -> dict[str, str]:
    """Parses the texts that `write_tensors` stored with the tensors.

    Raises:
        ValueError: there are none, or it is no such file.
    """
    size = int.from_bytes(content[:8], "little")
    try:
        metadata = json.loads(content[8 : 8 + size])["__metadata__"]
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"no texts next to the tensors: {error!r:.100}") from error
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise ValueError("no texts next to the tensors")
    return metadata


def check_finite(what: str, tensors: Mapping[str, Tensor], fix: str) -> None:
    """Refuses values that are not finite.

    Raises:
        UserError: the first tensor that holds one.

    >>> import torch
    >>> check_finite("the memory", {"pose": torch.zeros(3)}, "start again")
    """
    for name, value in tensors.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise UserError(f"{what} holds values that are not finite ({name}); {fix}")


def check_moments(state: Mapping[int, Mapping[str, Tensor]], parameters: Sequence[Tensor]) -> None:
    """Checks that a saved state of Adam, by the numbers of the parameters, fits `parameters`.

    Raises:
        ValueError: a number, name, shape or type that it cannot have.
    """
    for number, entries in state.items():
        if number >= len(parameters) or entries.keys() != {"step", "exp_avg", "exp_avg_sq"}:
            raise ValueError(f"the optimiser's state {number} ({', '.join(sorted(entries))[:100]}) is of no parameter")
        for name, value in entries.items():
            shape = () if name == "step" else tuple(parameters[number].shape)
            if tuple(value.shape) != shape or not value.is_floating_point():
                raise ValueError(
                    f"{name} of the optimiser's state {number} is {value.dtype} {list(value.shape)}, not {list(shape)}"
                )
        if entries["step"] < 0:
            raise ValueError(f"the optimiser's state {number} counts {float(entries['step']):g} steps")
