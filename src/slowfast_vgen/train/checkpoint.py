"""A training's whole state on disk, so that it goes on exactly where it stopped: weights, EMA, moments, progress."""

import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers.training_utils import EMAModel
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from slowfast_vgen.errors import SlowFastWarning, UserError
from slowfast_vgen.files import atomic_folder, read_json, sha256_of_file, write_json

STATE_FILE = "state.safetensors"
HEADER_FILE = "checkpoint.json"


@dataclass
class Progress:
    """How far a training has come."""

    step: int = 0
    """Finished steps."""
    seconds: float = 0.0
    """Time spent in them, over all resumptions."""
    recent_losses: list[float] = field(default_factory=list)
    """The losses since the last line of the log."""


def save_checkpoint(
    folder: Path,
    module: nn.Module,
    ema: EMAModel,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    config: dict[str, object],
) -> None:
    """Writes the whole state; an older checkpoint in `folder` is replaced only when the new one is whole."""
    names = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
    tensors = {f"weights/{name}": value.detach() for name, value in module.state_dict().items()}
    tensors |= {f"ema/{name}": value for name, value in zip(names, ema.shadow_params, strict=True)}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{key}": value for key, value in state.items()}
    with atomic_folder(folder) as temporary:
        save_file({key: value.contiguous().clone() for key, value in tensors.items()}, temporary / STATE_FILE)
        header = asdict(progress) | {"ema_steps": ema.optimization_step, "config": config}
        header["threads"] = torch.get_num_threads()  # the last bits depend on it
        write_json(temporary / HEADER_FILE, header | {"sha256": sha256_of_file(temporary / STATE_FILE)})


def read_header(folder: Path) -> dict[str, Any]:
    """What a checkpoint says of itself: its step and the settings of its training.

    Raises:
        UserError: there is none, or it is damaged.
    """
    header = read_json(folder / HEADER_FILE)
    if not isinstance(header, dict) or not header.keys() >= {"step", "ema_steps", "config", "sha256"}:
        raise UserError(f"{folder / HEADER_FILE} is damaged; delete {folder} to start afresh")
    return header


def load_checkpoint(
    folder: Path, module: nn.Module, ema: EMAModel, optimizer: torch.optim.Optimizer, config: dict[str, object]
) -> Progress:
    """Restores what `save_checkpoint` wrote and tells how far it had come.

    Raises:
        UserError: broken files, another configuration, or weights of other shapes.
    """
    header = read_header(folder)
    stored, here = header.get("threads"), torch.get_num_threads()
    if stored not in (None, here):
        warnings.warn(
            f"the training in {folder} was computed with {stored} threads, and goes on with {here}: its weights may "
            "differ in their last bits from those of an uninterrupted one",
            SlowFastWarning,
            stacklevel=2,
        )
    differing = sorted(key for key in config if config[key] != header["config"].get(key))
    if differing:
        raise UserError(
            f"{folder} holds a training with other settings ({', '.join(differing)}); "
            "give the same ones to go on, or choose another --out"
        )
    path = folder / STATE_FILE
    if not path.is_file() or sha256_of_file(path) != header["sha256"]:
        raise UserError(f"{path} is missing or damaged (its checksum differs); delete {folder} to start afresh")
    try:
        tensors = load_file(path)
    except SafetensorError as error:  # pragma: no cover - the checksum holds, so only a foreign writer gets here
        raise UserError(f"{path} is not a safetensors file: {error}") from error

    def group(prefix: str) -> dict[str, torch.Tensor]:
        return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}

    module.load_state_dict(group("weights/"))
    names = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
    stored = group("ema/")
    ema.shadow_params = [stored[name].clone() for name in names]
    ema.optimization_step = int(header["ema_steps"])
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in group("optimizer/").items():
        index, name = key.split("/", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return Progress(header["step"], header.get("seconds", 0.0), header.get("recent_losses", []))
