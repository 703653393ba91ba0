"""Trained parts on disk: diffusers' layout, sealed, and read without diffusers' own loader.

    denoiser/
      config.json                           the class and its settings
      diffusion_pytorch_model.safetensors   its weights
      seal.json                             a SHA-256 of each file (`sealed`)

Diffusers' loader would take other files where there are any, and may ask a network for what a config names. Here the
weights are those whose bytes were checked, or there are none.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from slowfast_vgen.errors import UserError
from slowfast_vgen.file_system import recover
from slowfast_vgen.files import atomic_folder, check_folder_target, parse_json, read_bytes
from slowfast_vgen.sealed import Seal, files_in
from slowfast_vgen.tensors import check_finite, parse_tensors, write_tensors

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "diffusion_pytorch_model.safetensors"
STATISTICS_FILE = "latent_statistics.json"
"""File of a codec's latent statistics, next to the two."""
RECORD_FILE = "training.json"
"""File of a denoiser's training record, next to the two."""
_FILES = (CONFIG_FILE, WEIGHTS_FILE, STATISTICS_FILE, RECORD_FILE)
_ERRORS = (
    OSError, ValueError, RuntimeError, TypeError, LookupError, AttributeError, AssertionError, ArithmeticError,
    MemoryError,
)  # fmt: skip
"""Errors that making a module with impossible settings may raise."""


@dataclass(frozen=True)
class WeightsHeader:
    """The content of seal.json apart from the hashes."""

    part: str
    """Name of the class of the weights."""


WEIGHTS = Seal("trained part", "seal.json", "slowfast-weights", 1, WeightsHeader, "`slowfast train`")

Part = TypeVar("Part", bound=nn.Module)


@dataclass(frozen=True)
class PartFiles:
    """The files of one part, every byte checked where there is a seal."""

    folder: Path
    files: Mapping[str, bytes]

    @classmethod
    def read(cls, folder: Path) -> "PartFiles":
        """Reads the folder of a part; one from before there were seals is taken as it is.

        Raises:
            UserError: no part there, or damaged files.
        """
        recover(folder)
        if (folder / WEIGHTS.file).exists():
            return cls(folder, WEIGHTS.read(folder).files)
        return cls(folder, {name: read_bytes(folder / name) for name in _FILES if (folder / name).is_file()})

    @classmethod
    def of(cls, folder: Path, files: Mapping[str, bytes], name: str) -> "PartFiles":
        """The files of the part `name` among those of a whole world."""
        inside = f"{name}/"
        return cls(folder / name, {key[len(inside) :]: value for key, value in files.items() if key.startswith(inside)})

    def json(self, name: str) -> dict[str, Any]:
        """Parses one of the files, which holds a JSON object.

        Raises:
            UserError: it is missing, or no object.
        """
        path = self.folder / name
        if name not in self.files:
            raise UserError(f"cannot read {path}: there is no such file; check the path")
        value = parse_json(path, self.files[name])
        if not isinstance(value, dict):
            raise UserError(f"{path} holds no JSON object; write or copy it again")
        return value

    def tensors(self) -> dict[str, Tensor]:
        """Parses the weights.

        Raises:
            UserError: the weights are missing or not readable.
        """
        path = self.folder / WEIGHTS_FILE
        if WEIGHTS_FILE not in self.files:
            raise UserError(f"{path} is missing; write or copy it again")
        return parse_tensors(path, self.files[WEIGHTS_FILE])

    def module(self, kind: type[Part], what: str) -> Part:
        """The part itself, in float32 and evaluation mode; draws nothing from torch's random numbers.

        Args:
            kind: class of the part, one of diffusers' configured models.
            what: name of the part for the message, such as "denoiser".

        Raises:
            UserError: settings that its class refuses, or weights that do not fit or are not finite.
        """
        try:
            config, tensors = self.json(CONFIG_FILE), self.tensors()
            with torch.random.fork_rng(devices=[]):
                with torch.device("meta"), _no_larger_than(tensors):  # takes no memory, whatever the settings say
                    _check_shapes(kind.from_config(config), tensors)  # type: ignore[attr-defined]
                module: Part = kind.from_config(config)  # type: ignore[attr-defined]
            module.load_state_dict({name: value.float() for name, value in tensors.items()})
        except _ERRORS as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise UserError(f"cannot load the {what} in {self.folder}: {reason}; copy it again") from error
        check_finite(f"the {what} in {self.folder}", tensors, "train it again")
        return module.eval()


@contextmanager
def _no_larger_than(tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """Stops the making of modules, inside the block and in this thread, that have far more weights than `tensors`.

    Raises:
        ValueError: at the first weight too many: settings of a forged file may ask for endless layers.
    """
    left, thread = 2 * sum(value.numel() for value in tensors.values()) + 10**6, threading.get_ident()

    def count(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal left
        if parameter is not None and threading.get_ident() == thread:
            left -= parameter.numel()
            if left < 0:
                raise ValueError("its settings ask for more weights than its file holds")

    handle = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        handle.remove()


def _check_shapes(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    wanted = module.state_dict()
    for name in sorted(wanted.keys() | tensors.keys()):
        shapes = [list(values[name].shape) if name in values else "missing" for values in (tensors, wanted)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"{name} is {shapes[0]} in its weights and {shapes[1]} by its settings")


def write_module(folder: Path, module: nn.Module, half: bool = False) -> None:
    """Writes config and weights into a folder that is being written; `half` keeps the weights in half precision."""
    folder.mkdir(exist_ok=True)
    module.save_config(folder)  # type: ignore[operator]
    tensors = {name: value.half() if half else value for name, value in module.state_dict().items()}
    write_tensors(folder / WEIGHTS_FILE, tensors, {"format": "pt"})


def save_part(folder: Path, module: nn.Module, write: Callable[[Path], None] | None = None) -> None:
    """Writes a trained part, sealed, whole or not at all; one that was there before is replaced only by a sound one.

    Args:
        folder: folder of the part, such as RUN/denoiser.
        module: the part.
        write: writes the files of a part that has more than config and weights.

    Raises:
        UserError: weights that are not finite, or a folder that cannot be written.
    """
    check_finite(f"the weights for {folder}", module.state_dict(), "start again with a smaller --learning-rate")
    with atomic_folder(folder) as temporary:
        (write or (lambda target: write_module(target, module)))(temporary)
        WEIGHTS.seal(temporary, WeightsHeader(type(module).__name__))


def add_to_part(folder: Path, write: Callable[[Path], None]) -> None:
    """Writes one more file into a trained part and seals it again: as it was, or with that file, whatever happens.

    Args:
        folder: folder of the part.
        write: writes the file into the folder that it is given.

    Raises:
        UserError: no part there, damaged files, or a folder that cannot be written.
    """
    sealed = WEIGHTS.read(folder)
    with atomic_folder(folder) as temporary:
        for name, content in sealed.files.items():
            (temporary / name).parent.mkdir(parents=True, exist_ok=True)
            (temporary / name).write_bytes(content)
        write(temporary)
        WEIGHTS.seal(temporary, sealed.header)


def check_part_target(folder: Path) -> None:
    """Refuses, before the work, a folder that would be replaced but holds something else than a trained part.

    Raises:
        UserError: the folder holds something else, or it cannot be replaced.
    """
    check_folder_target(folder)
    if (folder / WEIGHTS.file).exists() or not folder.is_dir():
        WEIGHTS.check_target(folder)
    elif strangers := sorted(files_in(folder) - set(_FILES)):
        raise UserError(
            f"{folder} holds other files ({', '.join(strangers[:3])}) and would be replaced; choose another place"
        )
