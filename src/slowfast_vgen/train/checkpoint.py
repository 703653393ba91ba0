"""A training's whole state on disk, so that it goes on exactly where it stopped: weights, EMA, moments, progress."""

import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers.training_utils import EMAModel
from torch import nn

from slowfast_vgen.errors import SlowFastWarning, UserError
from slowfast_vgen.file_system import recover
from slowfast_vgen.files import atomic_folder
from slowfast_vgen.sealed import Seal
from slowfast_vgen.tensors import check_finite, check_moments, parse_tensors, write_tensors

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


@dataclass(frozen=True)
class CheckpointHeader:
    """What checkpoint.json says beside the hashes."""

    step: int
    ema_steps: int
    config: dict[str, Any]
    """What must be the same when the training goes on."""
    seconds: float = 0.0
    recent_losses: list[float] = field(default_factory=list)
    threads: int | None = None


def _unsealed(record: dict[str, Any]) -> dict[str, Any] | None:
    """A header from before there were seals: its one hash is the state's."""
    if not isinstance(record.get("sha256"), str):
        return None
    return record | {"format": "slowfast-checkpoint", "version": 1, "sha256": {STATE_FILE: record["sha256"]}}


CHECKPOINT = Seal("checkpoint", HEADER_FILE, "slowfast-checkpoint", 1, CheckpointHeader, "a training", _unsealed)


def save_checkpoint(
    folder: Path,
    module: nn.Module,
    ema: EMAModel,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    config: dict[str, object],
) -> None:
    """Writes the whole state; an older checkpoint in `folder` is replaced only when the new one is whole.

    Raises:
        UserError: values that are not finite, or a folder that cannot be written; the older one is kept.
    """
    names = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
    tensors = {f"weights/{name}": value.detach() for name, value in module.state_dict().items()}
    tensors |= {f"ema/{name}": value for name, value in zip(names, ema.shadow_params, strict=True)}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{key}": value for key, value in state.items()}
    check_finite("the training", tensors, "the older checkpoint is kept; use a smaller --learning-rate in a new --out")
    header = CheckpointHeader(
        **asdict(progress),
        ema_steps=ema.optimization_step,
        config=config,
        threads=torch.get_num_threads(),  # the last bits depend on it
    )
    with atomic_folder(folder) as temporary:
        write_tensors(temporary / STATE_FILE, tensors)
        CHECKPOINT.seal(temporary, header)


def is_checkpoint(folder: Path) -> bool:
    """Whether a checkpoint is there, damaged or not: no training may begin afresh in its place without a word."""
    recover(folder)
    return folder.exists()


def read_header(folder: Path) -> CheckpointHeader:
    """What a checkpoint says of itself: its step and the settings of its training.

    Raises:
        UserError: there is none, or it is damaged.
    """
    return CHECKPOINT.read_header(folder)


def load_checkpoint(
    folder: Path, module: nn.Module, ema: EMAModel, optimizer: torch.optim.Optimizer, config: dict[str, object]
) -> Progress:
    """Restores what `save_checkpoint` wrote and tells how far it had come.

    Raises:
        UserError: broken files, another configuration, or weights of other shapes.
    """
    sealed = CHECKPOINT.read(folder)
    header = sealed.header
    stored, here = header.threads, torch.get_num_threads()
    if stored not in (None, here):
        warnings.warn(
            f"the training in {folder} was computed with {stored} threads, and goes on with {here}: its weights may "
            "differ in their last bits from those of an uninterrupted one",
            SlowFastWarning,
            stacklevel=2,
        )
    differing = sorted(key for key in config if config[key] != header.config.get(key))
    if differing:
        raise UserError(
            f"{folder} holds a training with other settings ({', '.join(differing)}); "
            "give the same ones to go on, or choose another --out"
        )
    path = folder / STATE_FILE
    if STATE_FILE not in sealed.files:
        raise UserError(f"{path} is missing; delete {folder} to start afresh")
    tensors = parse_tensors(path, sealed.files[STATE_FILE])
    check_finite(f"the checkpoint in {folder}", tensors, "delete it to start afresh")

    def group(prefix: str) -> dict[str, torch.Tensor]:
        return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}

    trained = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
    averaged = group("ema/")
    state: dict[int, dict[str, torch.Tensor]] = {}
    try:
        for key, value in group("optimizer/").items():
            index, name = key.split("/", 1)
            state.setdefault(int(index), {})[name] = value
        check_moments(state, list(trained.values()))
        if wrong := [name for name in trained if averaged[name].shape != trained[name].shape]:
            raise ValueError(f"the average of {wrong[0]} has the shape {list(averaged[wrong[0]].shape)}")
        module.load_state_dict(group("weights/"))
        ema.shadow_params = [averaged[name].to(trained[name].dtype, copy=True) for name in trained]
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    except (KeyError, ValueError, RuntimeError, TypeError, OverflowError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(f"{path} does not fit this training ({reason}); delete {folder} to start afresh") from error
    ema.optimization_step = header.ema_steps
    return Progress(header.step, header.seconds, list(header.recent_losses))
