"""The precision of matrix products. The weights, the memory and all that is kept stay in float32."""

import os
import time
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from slowfast_vgen.errors import UserError

if TYPE_CHECKING:  # the names are in the help of commands, which must not wait for torch
    import torch

PRECISIONS = ("float32", "bfloat16")
"""Precisions by name. bfloat16 is about twice as fast on a GPU or a CPU with instructions for it, else far slower."""
AUTO = "auto"
"""The faster of `PRECISIONS` on the machine and for the work at hand: `resolve_precision`."""

_CPU_HAS = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")
"""Names of CPU instructions that multiply in bfloat16, as torch reports them: two of x86, two of ARM."""
_CAPS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
"""Environment variables that keep torch's kernels from using the newest instructions."""
_SIDE, _DEPTH = 256, 1024


def check_precision(precision: str) -> None:
    """Raises `UserError` for a name that is not among `PRECISIONS`."""
    if precision not in PRECISIONS:
        raise UserError(f"unknown precision {precision!r}; choose one of {', '.join((AUTO, *PRECISIONS))}")


def has_bfloat16(device: "torch.device | str" = "cpu") -> bool:
    """True if the device has instructions for products in bfloat16, so that they need not be emulated."""
    import torch

    device = torch.device(device)
    if device.type == "cuda":
        return bool(torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    cap = next((os.environ[name].upper() for name in _CAPS if os.environ.get(name)), "DEFAULT")
    if cap not in ("DEFAULT", "ALL") and "BF16" not in cap and "AMX" not in cap:
        return False
    if not hasattr(torch.cpu, "get_capabilities"):  # torch 2.10
        return bool(torch.cpu._is_avx512_bf16_supported())
    capabilities = torch.cpu.get_capabilities()
    return any(bool(capabilities.get(name)) for name in _CPU_HAS)


def resolve_precision(precision: str, device: "torch.device | str" = "cpu", batched: bool = True) -> str:
    """Replaces "auto" by a precision; any other name is kept.

    It is bfloat16 where the device has instructions for it and there is enough to multiply: batched windows or
    episodes, or a GPU. A single episode on a CPU is rolled out in float32, which is as fast there, and gives the same
    video as a machine without such instructions.

    Args:
        precision: one of `PRECISIONS`, or "auto".
        device: device to compute on.
        batched: True if many windows or episodes are batched.

    Raises:
        UserError: another name.

    >>> resolve_precision("auto", "cpu", batched=False)
    'float32'
    """
    import torch

    if precision != AUTO:
        check_precision(precision)
        return precision
    pays = batched or torch.device(device).type != "cpu"
    return "bfloat16" if pays and has_bfloat16(device) else "float32"


def emulation_factor(device: "torch.device | str" = "cpu") -> float:
    """Time of a product in bfloat16 over the time in float32, as measured on this machine now."""
    import torch

    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        first = torch.ones(_SIDE, _DEPTH, dtype=dtype, device=device)
        second = torch.ones(_DEPTH, _SIDE, dtype=dtype, device=device)
        best = float("inf")
        for _ in range(3):
            start = time.perf_counter()
            float((first @ second)[0, 0])  # reading a number waits for a GPU
            best = min(best, time.perf_counter() - start)
        seconds[dtype] = best
    return seconds[torch.bfloat16] / seconds[torch.float32]


def emulation_warning(precision: str, device: "torch.device | str" = "cpu") -> str | None:
    """Warning for a user who asked for bfloat16 where it is emulated; None where it is not."""
    if precision != "bfloat16" or has_bfloat16(device):
        return None
    return (
        f"this machine has no instructions for bfloat16 on {device}: a product takes {emulation_factor(device):.1f} "
        "times as long as in float32; --precision auto takes the faster"
    )


def computing(device: "torch.device", precision: str) -> "AbstractContextManager[object]":
    """A context to call the denoiser in. Weights must not be changed inside: copies in bfloat16 are kept."""
    import torch

    if precision == "float32" and not torch.amp.is_autocast_available(device.type):
        return nullcontext()  # a device without any other precision
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")
