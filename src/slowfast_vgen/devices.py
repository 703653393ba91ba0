"""The devices of torch to compute on."""

from typing import TYPE_CHECKING

from slowfast_vgen.errors import UserError

if TYPE_CHECKING:
    import torch


def open_device(name: "torch.device | str") -> "torch.device":
    """Opens the device of that name, after a check that it can hold numbers.

    >>> open_device("cpu")
    device(type='cpu')

    Raises:
        UserError: this machine has no such device, or torch was built without it.
    """
    import torch

    if not isinstance(name, (str, torch.device)):
        raise UserError(f"a device is named, such as 'cpu' or 'cuda', got {name!r}")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()  # "meta" holds nothing that could be read
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UserError(
            f"cannot compute on the device {str(name)!r}: {str(error).splitlines()[0]}; "
            f"this machine has {', '.join(known_devices())}"
        ) from error
    return device


def known_devices() -> list[str]:
    """Names of the devices that torch finds here."""
    import torch

    names = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    return names + (["mps"] if torch.backends.mps.is_available() else [])
