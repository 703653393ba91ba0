"""Memories on disk: safetensors and JSON with checksums, the LoRA in PEFT's folder layout.

DIR/
  memory.json                   rules, counts, hash of the slow weights, a SHA-256 of each file and of itself
  memory.safetensors            the ridge memory with its journal; a LoRA's moments, windows and earlier states
  adapter_config.json           where a LoRA is part of it, PEFT's config: any PEFT program reads it as an adapter
  adapter_model.safetensors     its fast weights under PEFT's names
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from slowfast_vgen.errors import UserError
from slowfast_vgen.files import atomic_folder, write_json
from slowfast_vgen.memory.config import MemoryConfig
from slowfast_vgen.memory.names import renamed
from slowfast_vgen.memory.settings import LoraConfig
from slowfast_vgen.sealed import Seal, Sealed
from slowfast_vgen.tensors import check_finite, write_tensors

HEADER_FILE = "memory.json"
STATE_FILE = "memory.safetensors"
ADAPTER_FILE = "adapter_model.safetensors"
ADAPTER_CONFIG_FILE = "adapter_config.json"
FILES = (HEADER_FILE, STATE_FILE, ADAPTER_FILE, ADAPTER_CONFIG_FILE)
PEFT_PREFIX = "base_model.model."
ADAPTER_KINDS = ("lora_A/", "lora_B/")
"""Prefixes of the names of tensors that go into the adapter."""


@dataclass(frozen=True)
class MemoryHeader:
    """The content of memory.json apart from the hashes."""

    world: str
    base_sha256: str
    """SHA-256 of the slow weights that it was learned on."""
    config: dict[str, Any]
    counts: dict[str, Any]


MEMORY = Seal("saved memory", HEADER_FILE, "slowfast-memory", 1, MemoryHeader, "`slowfast memory export`")


@dataclass(frozen=True)
class SavedMemory:
    """The saved content of a memory."""

    world: str
    base_fingerprint: str
    """SHA-256 of the slow weights that it was learned on."""
    config: MemoryConfig
    counts: dict[str, Any]
    """Numbers of all its parts, as `FastWeights.counts` gives them."""
    tensors: dict[str, Tensor]
    """Tensors of all its parts, as `FastWeights.tensors` gives them."""


def write_memory(folder: Path, memory: SavedMemory) -> None:
    """Writes the folder atomically; an older memory there is replaced only by a whole new one.

    Raises:
        UserError: the folder cannot be written, or holds something that is no memory; values that are not finite.
    """
    MEMORY.check_target(folder)
    check_finite("the memory", memory.tensors, "it is not saved; go back to an earlier state or begin again")
    with atomic_folder(folder) as temporary:
        tensors = {name: value.detach().to("cpu", copy=True).contiguous() for name, value in memory.tensors.items()}
        adapter = {name: tensors.pop(name) for name in list(tensors) if name.startswith(ADAPTER_KINDS)}
        if memory.config.lora is not None:
            _write_adapter(temporary, memory.config.lora.lora, adapter)
        write_tensors(temporary / STATE_FILE, tensors)
        header = MemoryHeader(memory.world, memory.base_fingerprint, memory.config.to_json(), memory.counts)
        MEMORY.seal(temporary, header)


def read_memory(folder: Path, base_fingerprint: str | None) -> SavedMemory:
    """Reads and checks a memory's settings, counts and tensors.

    Raises:
        UserError: no memory there, another version, damaged files or an impossible header; or a memory of other weights
            than `base_fingerprint`, where that is given.
    """
    return parse_memory(MEMORY.read(folder), base_fingerprint)


def parse_memory(sealed: Sealed[MemoryHeader], base_fingerprint: str | None) -> SavedMemory:
    """Parses a memory's settings, counts and tensors from files that were read already.

    Raises:
        UserError: as `read_memory`.
    """
    folder, header = sealed.folder, sealed.header
    if base_fingerprint is not None and header.base_sha256 != base_fingerprint:
        raise UserError(
            f"the memory in {folder} was learned on other weights (world {header.world!r}, "
            f"{header.base_sha256[:12]}) than those loaded ({base_fingerprint[:12]}); load it into the world that "
            f"it was saved from, or rewrite its frames for other weights with `slowfast memory rewrite {folder} "
            "--model NAME --out NEW`"
        )
    config = config_of(folder / HEADER_FILE, header.config)
    tensors = sealed.tensors(STATE_FILE)
    if config.lora is not None:
        for name, value in sealed.tensors(ADAPTER_FILE).items():
            layer, _, kind = name.removeprefix(PEFT_PREFIX).removesuffix(".weight").rpartition(".")
            if not layer:
                raise UserError(f"the memory in {folder} cannot be read ({name!r:.80} is no LoRA's); save it again")
            tensors[f"{kind}/{layer}"] = value
    check_finite(f"the memory in {folder}", tensors, "save it again")
    tensors = {renamed(name): value for name, value in tensors.items()}
    counts = {renamed(name): value for name, value in header.counts.items()}
    return SavedMemory(header.world, header.base_sha256, config, counts, tensors)


def config_of(path: Path, values: dict[str, Any]) -> MemoryConfig:
    """The settings of a memory, as the header in `path` gives them.

    Raises:
        UserError: settings that no memory has; the file is named.
    """
    try:
        return MemoryConfig.from_json(values)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _write_adapter(folder: Path, lora: LoraConfig, factors: dict[str, Tensor]) -> None:
    tensors, layers = {}, set()
    for name, value in factors.items():
        kind, _, layer = name.partition("/")
        layers.add(layer)
        tensors[f"{PEFT_PREFIX}{layer}.{kind}.weight"] = value
    write_tensors(folder / ADAPTER_FILE, tensors, {"format": "pt"})
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
