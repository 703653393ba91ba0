"""Memories on disk: safetensors and JSON with checksums, the LoRA in PEFT's folder layout.

DIR/
  memory.json                   rules, counts, hash of the slow weights, a SHA-256 of each file and of itself
  memory.safetensors            the local memory with its journal; the optimiser's moments and replayed windows
  adapter_config.json           where a LoRA is part of it, PEFT's config: any PEFT program reads it as an adapter
  adapter_model.safetensors     its fast weights under PEFT's names
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from slowfast_vgen.errors import UserError
from slowfast_vgen.files import atomic_folder, read_json, sha256_of_file, write_json
from slowfast_vgen.memory.config import MemoryConfig
from slowfast_vgen.memory.lora import LoraConfig

HEADER_FILE = "memory.json"
STATE_FILE = "memory.safetensors"
ADAPTER_FILE = "adapter_model.safetensors"
ADAPTER_CONFIG_FILE = "adapter_config.json"
FILES = (HEADER_FILE, STATE_FILE, ADAPTER_FILE, ADAPTER_CONFIG_FILE)
FORMAT = "slowfast-memory"
FORMAT_VERSION = 1
PEFT_PREFIX = "base_model.model."
ADAPTER_KINDS = ("lora_A/", "lora_B/")
"""How names of tensors that go into the adapter begin."""
_HEADER_KINDS: dict[str, Any] = {"world": str, "base_sha256": str, "config": dict, "counts": dict, "sha256": dict}


@dataclass(frozen=True)
class SavedMemory:
    """What is written of a memory."""

    world: str
    base_fingerprint: str
    """SHA-256 of the slow weights that it was learned on."""
    config: MemoryConfig
    counts: dict[str, Any]
    """See `FastWeights.counts`, of all its parts."""
    tensors: dict[str, Tensor]
    """See `FastWeights.tensors`, likewise."""


def write_memory(folder: Path, memory: SavedMemory) -> None:
    """Writes the folder atomically; an older memory there is replaced only by a whole new one.

    Raises:
        UserError: the folder cannot be written, or holds something that is no memory.
    """
    check_target(folder, FILES, "memory")
    with atomic_folder(folder.resolve()) as temporary:
        tensors = {name: value.detach().to("cpu", copy=True).contiguous() for name, value in memory.tensors.items()}
        adapter = {name: tensors.pop(name) for name in list(tensors) if name.startswith(ADAPTER_KINDS)}
        if memory.config.lora is not None:
            _write_adapter(temporary, memory.config.lora.lora, adapter)
        save_file(tensors, temporary / STATE_FILE)
        header = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "world": memory.world,
            "base_sha256": memory.base_fingerprint,
            "config": memory.config.to_json(),
            "counts": memory.counts,
            "sha256": {path.name: sha256_of_file(path) for path in sorted(temporary.iterdir())},
        }
        write_sealed(temporary / HEADER_FILE, header)


def read_memory_header(folder: Path) -> dict[str, Any]:
    """The memory's settings and counts, after checking them and every file against its checksum.

    Raises:
        UserError: no memory there, another version, damaged files, or an impossible header.
    """
    return read_sealed(folder, HEADER_FILE, FORMAT, FORMAT_VERSION, _HEADER_KINDS, "memory")


def read_memory(folder: Path, base_fingerprint: str | None) -> SavedMemory:
    """A memory's settings, counts and tensors, checked.

    Raises:
        UserError: as `read_memory_header`, or a memory of other weights than `base_fingerprint`, where that is given.
    """
    header = read_memory_header(folder)
    if base_fingerprint is not None and header["base_sha256"] != base_fingerprint:
        raise UserError(
            f"the memory in {folder} was learned on other weights (world {header['world']!r}, "
            f"{header['base_sha256'][:12]}) than those loaded ({base_fingerprint[:12]}); load it into the world that "
            f"it was saved from, or write its frames anew for other weights by `slowfast memory rewrite {folder} "
            "--model NAME --out NEW`"
        )
    try:
        tensors = load_file(folder / STATE_FILE)
        if header["config"].get("lora") is not None:
            for name, value in load_file(folder / ADAPTER_FILE).items():
                layer, kind, _ = name.removeprefix(PEFT_PREFIX).rsplit(".", 2)
                tensors[f"{kind}/{layer}"] = value
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"the memory in {folder} cannot be read ({error}); save it anew") from error
    check_finite(folder, tensors)
    config = MemoryConfig.from_json(header["config"])
    return SavedMemory(header["world"], header["base_sha256"], config, header["counts"], tensors)


def _write_adapter(folder: Path, lora: LoraConfig, factors: dict[str, Tensor]) -> None:
    tensors, layers = {}, set()
    for name, value in factors.items():
        kind, _, layer = name.partition("/")
        layers.add(layer)
        tensors[f"{PEFT_PREFIX}{layer}.{kind}.weight"] = value
    save_file(tensors, folder / ADAPTER_FILE, metadata={"format": "pt"})
    write_json(
        folder / ADAPTER_CONFIG_FILE,
        {
            "peft_type": "LORA",
            "r": lora.rank,
            "lora_alpha": lora.rank if lora.alpha is None else lora.alpha,
            "lora_dropout": 0.0,
            "bias": "none",
            "target_modules": sorted(layers),
            "task_type": None,
            "inference_mode": True,
        },
    )


def check_finite(folder: Path, tensors: dict[str, Tensor]) -> None:
    """Raises `UserError` for a tensor with values that are not finite."""
    for name, value in tensors.items():
        if not bool(value.isfinite().all()):
            raise UserError(f"the files in {folder} hold values that are not finite ({name}); save them anew")


def check_target(folder: Path, names: tuple[str, ...], what: str) -> None:
    """Refuses a folder that may not be replaced: a check before a long run, so that it can be saved after it.

    Raises:
        UserError: a file of that name, or a folder that holds something else.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"cannot save the {what} in {folder}: a file of that name is there; choose another name")
    others = sorted(path.name for path in folder.iterdir() if path.name not in names) if folder.exists() else []
    if others:
        raise UserError(
            f"{folder} holds other files ({', '.join(others[:3])}) and would be replaced; give a new folder or one of "
            f"an older {what}"
        )


def _seal(header: dict[str, Any]) -> str:
    """Hex SHA-256 over the header's values, its own hash apart."""
    values = {name: value for name, value in header.items() if name != "header_sha256"}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def write_sealed(path: Path, header: dict[str, Any]) -> None:
    """Writes a header with a SHA-256 of itself."""
    write_json(path, header | {"header_sha256": _seal(header)})


def read_sealed(
    folder: Path, name: str, format_name: str, version: int, kinds: dict[str, Any], what: str
) -> dict[str, Any]:
    """Reads a header that `write_sealed` wrote, and checks it and every file that it names.

    Raises:
        UserError: none there, another version, damaged files, or an impossible header.
    """
    path = folder / name
    if not path.is_file():
        raise UserError(f"{folder} holds no saved {what} (no {name}); give a folder that a {what} was saved in")
    header = read_json(path)
    if not isinstance(header, dict) or header.get("format") != format_name or header.get("version") != version:
        raise UserError(f"{path} is not a {what} of format version {version}; save it anew")
    if header.get("header_sha256") != _seal(header):
        raise UserError(f"{path} is damaged: its values do not fit its own SHA-256; save the {what} anew")
    for key, kind in kinds.items():
        value = header.get(key)
        wrong_number = isinstance(value, bool) or (isinstance(value, int) and not 0 <= value < 2**31)
        if not isinstance(value, kind) or wrong_number:
            raise UserError(f"{path} gives {key} as {value!r}, which no {what} has; save it anew")
    for file, expected in sorted(header["sha256"].items()):
        path = folder / file
        if not path.is_file():
            raise UserError(f"{path} is missing from the saved {what}; save it anew")
        if sha256_of_file(path) != expected:
            raise UserError(f"{path} is damaged: its SHA-256 is not the one in {name}; save the {what} anew")
    return header
