"""A training's whole state on disk, so that it goes on exactly where it stopped: weights, EMA, optimiser moments, step."""

from pathlib import Path

import torch
from diffusers.training_utils import EMAModel
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from slowfast_vgen.errors import UserError
from slowfast_vgen.files import atomic_folder, read_json, sha256_of_file, write_json

STATE_FILE = "state.safetensors"
HEADER_FILE = "checkpoint.json"


def save_checkpoint(
    folder: Path, module: nn.Module, ema: EMAModel, optimizer: torch.optim.Optimizer, step: int, config: dict[str, object]
) -> None:
    """Writes the state after `step` finished steps; an older checkpoint in `folder` is replaced only when the new one is whole."""
    names = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
    tensors = {f"weights/{name}": value.detach() for name, value in module.state_dict().items()}
    tensors |= {f"ema/{name}": value for name, value in zip(names, ema.shadow_params, strict=True)}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{key}": value for key, value in state.items()}
    with atomic_folder(folder) as temporary:
        save_file({key: value.contiguous().clone() for key, value in tensors.items()}, temporary / STATE_FILE)
        header = {"step": step, "ema_steps": ema.optimization_step, "config": config}
        write_json(temporary / HEADER_FILE, header | {"sha256": sha256_of_file(temporary / STATE_FILE)})


def load_checkpoint(
    folder: Path, module: nn.Module, ema: EMAModel, optimizer: torch.optim.Optimizer, config: dict[str, object]
) -> int:
    """Restores what `save_checkpoint` wrote and gives the number of finished steps.

    Raises:
        UserError: broken files, another configuration, or weights of other shapes.
    """
    header = read_json(folder / HEADER_FILE)
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
    return int(header["step"])
