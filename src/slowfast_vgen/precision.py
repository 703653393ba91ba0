"""What matrix products are computed in. The weights, the memory and all that is kept stay in float32."""

from typing import TYPE_CHECKING

from slowfast_vgen.errors import UserError

if TYPE_CHECKING:  # the names stand in the help of commands, which must not wait for torch
    import torch

PRECISIONS = ("float32", "bfloat16")
"""In bfloat16 a CPU that has instructions for it, or a GPU, is about twice as fast; any other CPU is slower."""


def check_precision(precision: str) -> None:
    """Raises `UserError` for a name that is not among `PRECISIONS`."""
    if precision not in PRECISIONS:
        raise UserError(f"unknown precision {precision!r}; choose one of {', '.join(PRECISIONS)}")


def computing(device: "torch.device", precision: str) -> "torch.autocast":
    """A context in which the denoiser is called. Weights must not be changed inside: copies in bfloat16 are kept."""
    import torch

    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")
