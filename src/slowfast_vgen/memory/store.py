"""Memories on disk: safetensors and JSON with checksums, the LoRA in PEFT's folder layout.

DIR/
  memory.json                   rules, counts, hash of the slow weights, a SHA-256 of each file and of itself
  memory.safetensors            the local memory with its journal; the optimiser's moments and replayed windows
  adapter_config.json           where a LoRA is part of it, PEFT's config: any PEFT program reads it as an adapter
  adapter_model.safetensors     its fast weights under PEFT's names
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from slowfast_vgen.errors import UserError
from slowfast_vgen.files import atomic_folder, read_json, sha256_of_file, write_json
from slowfast_vgen.memory.config import MemoryConfig
from slowfast_vgen.memory.fast_learning import LoraMemory
from slowfast_vgen.memory.local_learner import LocalMemory, Written

HEADER_FILE = "memory.json"
STATE_FILE = "memory.safetensors"
ADAPTER_FILE = "adapter_model.safetensors"
ADAPTER_CONFIG_FILE = "adapter_config.json"
FILES = (HEADER_FILE, STATE_FILE, ADAPTER_FILE, ADAPTER_CONFIG_FILE)
FORMAT = "slowfast-memory"
FORMAT_VERSION = 1
PEFT_PREFIX = "base_model.model."
_HEADER_KINDS: dict[str, Any] = {"world": str, "base_sha256": str, "config": dict, "counts": dict, "sha256": dict}


@dataclass(frozen=True)
class SavedMemory:
    """What is written of a memory."""

    world: str
    base_fingerprint: str
    """SHA-256 of the slow weights that it was learned on."""
    config: MemoryConfig
    local: LocalMemory | None
    lora: LoraMemory | None


def write_memory(folder: Path, memory: SavedMemory) -> None:
    """Writes the folder atomically; an older memory there is replaced only by a whole new one.

    Raises:
        UserError: the folder cannot be written, or holds something that is no memory.
    """
    check_target(folder, FILES, "memory")
    with atomic_folder(folder.resolve()) as temporary:
        tensors: dict[str, Tensor] = {}
        counts: dict[str, Any] = {}
        if memory.local is not None:
            assert memory.local.num_episodes == 1, "memories are saved one by one"
            tensors |= _local_tensors(memory.local)
            counts["local_chunks"] = memory.local.num_chunks
            counts["journal"] = [entry.chunk for entry in memory.local.journal]
        if memory.lora is not None:
            assert len(memory.lora.seeds) == 1, "memories are saved one by one"
            _write_adapter(temporary, memory.lora)
            tensors |= {f"replay/{index}": window for index, window in enumerate(memory.lora.replay)}
            for index, entries in memory.lora.optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer/{index}/{name}": value for name, value in entries.items()}
            counts |= {"lora_chunks": memory.lora.num_chunks, "rollbacks": memory.lora.rollbacks[0]}
            counts["seed"] = memory.lora.seeds[0]
        save_file({name: value.contiguous().clone() for name, value in tensors.items()}, temporary / STATE_FILE)
        header = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "world": memory.world,
            "base_sha256": memory.base_fingerprint,
            "config": memory.config.to_json(),
            "counts": counts,
            "sha256": {path.name: sha256_of_file(path) for path in sorted(temporary.iterdir())},
        }
        write_sealed(temporary / HEADER_FILE, header)


def read_memory_header(folder: Path) -> dict[str, Any]:
    """The memory's settings and counts, after checking them and every file against its checksum.

    Raises:
        UserError: no memory there, another version, damaged files, or an impossible header.
    """
    return read_sealed(folder, HEADER_FILE, FORMAT, FORMAT_VERSION, _HEADER_KINDS, "memory")


def read_memory(folder: Path, base_fingerprint: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Header and tensors of a memory, checked.

    Raises:
        UserError: as `read_memory_header`, or a memory of other weights.
    """
    header = read_memory_header(folder)
    if header["base_sha256"] != base_fingerprint:
        raise UserError(
            f"the memory in {folder} was learned on other weights (world {header['world']!r}, "
            f"{header['base_sha256'][:12]}) than those loaded ({base_fingerprint[:12]}); load it into the world that "
            "it was saved from"
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
    return header, tensors


def restore_local(folder: Path, header: dict[str, Any], tensors: dict[str, Tensor], memory: LocalMemory) -> LocalMemory:
    """Fills a fresh local memory.

    Raises:
        UserError: tensors that do not fit the settings saved beside them.
    """
    try:
        targets = {"local/gram": memory.state.gram, "local/cross": memory.state.cross, "local/pose": memory.pose}
        for name, target in targets.items():
            if tensors[name].shape != target.shape:
                raise ValueError(f"{name} has the shape {list(tensors[name].shape)}, not {list(target.shape)}")
            target.copy_(tensors[name])
        for index, chunk in enumerate(header["counts"]["journal"]):
            poses, values, weights = (tensors[f"journal/{index}/{part}"] for part in ("poses", "values", "weights"))
            if poses.shape[2] != 3 or values.shape[:2] != poses.shape[:2] or weights.numel() != values[..., 0].numel():
                raise ValueError(f"entry {index} of the journal does not fit itself")
            memory.journal.append(Written(int(chunk), poses, values, weights))
        memory.num_chunks = int(header["counts"]["local_chunks"])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise UserError(f"the memory in {folder} does not fit its own settings ({error}); save it anew") from error
    return memory


def restore_lora(folder: Path, header: dict[str, Any], tensors: dict[str, Tensor], memory: LoraMemory) -> LoraMemory:
    """Fills a fresh LoRA, in the state that it was saved in, optimiser included.

    Raises:
        UserError: tensors that do not fit the settings saved beside them.
    """
    expected: dict[str, Tensor] = {}
    for name, (down, up) in memory.factors.items():
        expected |= {f"lora_A/{name}": down.data[0], f"lora_B/{name}": up.data[0]}
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if match := re.fullmatch(r"optimizer/(\d{1,9})/(\w+)", key):
            state.setdefault(int(match[1]), {})[match[2]] = value
    nothing = torch.zeros(0)
    fits = all(tensors.get(key, nothing).shape == target.shape for key, target in expected.items())
    for number, entries in state.items():
        shapes = {tuple(value.shape) for value in entries.values()}
        fits &= number < len(memory.parameters) and shapes <= {(), tuple(memory.parameters[number].shape)}
    if not fits:
        raise UserError(f"the memory in {folder} does not fit its own settings; save it anew")
    for key, target in expected.items():
        target.copy_(tensors[key])
    groups = memory.optimizer.state_dict()["param_groups"]
    memory.optimizer.load_state_dict({"state": state, "param_groups": groups})
    counts = header["counts"]
    memory.num_chunks, memory.rollbacks = counts["lora_chunks"], [counts["rollbacks"]]
    memory.seeds = (counts["seed"],)
    names = sorted((name for name in tensors if name.startswith("replay/")), key=lambda name: int(name[7:]))
    memory.replay = [tensors[name] for name in names]
    return memory


def _local_tensors(memory: LocalMemory) -> dict[str, Tensor]:
    tensors = {"local/gram": memory.state.gram, "local/cross": memory.state.cross, "local/pose": memory.pose}
    for index, entry in enumerate(memory.journal):
        parts = {"poses": entry.poses, "values": entry.values, "weights": entry.weights}
        tensors |= {f"journal/{index}/{name}": value for name, value in parts.items()}
    return tensors


def _write_adapter(folder: Path, memory: LoraMemory) -> None:
    tensors = {}
    for name, (down, up) in memory.factors.items():
        tensors[f"{PEFT_PREFIX}{name}.lora_A.weight"] = down.detach()[0].contiguous()
        tensors[f"{PEFT_PREFIX}{name}.lora_B.weight"] = up.detach()[0].contiguous()
    save_file(tensors, folder / ADAPTER_FILE, metadata={"format": "pt"})
    lora = memory.config.lora
    write_json(
        folder / ADAPTER_CONFIG_FILE,
        {
            "peft_type": "LORA",
            "r": lora.rank,
            "lora_alpha": lora.rank if lora.alpha is None else lora.alpha,
            "lora_dropout": 0.0,
            "bias": "none",
            "target_modules": sorted(memory.factors),
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
