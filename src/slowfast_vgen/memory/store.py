"""Sessions on disk: the memory in PEFT's folder layout, the rest of the session beside it.

DIR/
  adapter_config.json           PEFT's LoRA config: any PEFT program reads the episode's memory as an adapter
  adapter_model.safetensors     the fast weights under PEFT's names
  session.safetensors           the latest frames' latents and the optimiser's moments
  session.json                  seed, counts, settings, hash of the slow weights, a SHA-256 of each file and itself
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from slowfast_vgen.errors import UserError
from slowfast_vgen.files import atomic_folder, read_json, sha256_of_file, write_json
from slowfast_vgen.memory.fast_learning import EpisodeMemory, FastLearner, FastLearningConfig
from slowfast_vgen.memory.lora import LoraConfig
from slowfast_vgen.models.denoiser import Latents

HEADER_FILE = "session.json"
STATE_FILE = "session.safetensors"
ADAPTER_FILE = "adapter_model.safetensors"
ADAPTER_CONFIG_FILE = "adapter_config.json"
FILES = (HEADER_FILE, STATE_FILE, ADAPTER_FILE, ADAPTER_CONFIG_FILE)
FORMAT_VERSION = 1
PEFT_PREFIX = "base_model.model."
FORMAT = "slowfast-session"
_HEADER_KINDS: dict[str, Any] = {
    "world": str,
    "base_sha256": str,
    "seed": int,
    "num_chunks": int,
    "num_sampling_steps": int,
    "fast_learning": dict | None,
    "rollbacks": int,
    "memory_chunks": int,
    "sha256": dict,
}


@dataclass(frozen=True)
class SavedSession:
    """What a session is, apart from its memory."""

    world: str
    base_fingerprint: str
    """SHA-256 of the slow weights that the session ran on."""
    seed: int
    num_chunks: int
    num_sampling_steps: int
    fast_learning: FastLearningConfig | None
    history: Latents
    memory_tensors: dict[str, Tensor] | None = None
    """The memory's tensors as read from disk; None before saving."""
    rollbacks: int = 0
    memory_chunks: int = 0

    def restore_memory(self, learner: FastLearner | None) -> EpisodeMemory:
        """The memory, in the state that it was saved in, optimiser included.

        Raises:
            UserError: tensors that do not fit the settings saved beside them.
        """
        assert learner is not None and self.memory_tensors is not None
        memory = learner.fresh([self.seed])
        expected: dict[str, Tensor] = {}
        for name, (down, up) in memory.factors.items():
            expected |= {f"lora_A/{name}": down.data[0], f"lora_B/{name}": up.data[0]}
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in self.memory_tensors.items():
            if match := re.fullmatch(r"optimizer/(\d{1,9})/(\w+)", key):
                state.setdefault(int(match[1]), {})[match[2]] = value
        nothing = self.history.new_zeros(0)
        fits = all(self.memory_tensors.get(key, nothing).shape == target.shape for key, target in expected.items())
        for number, entries in state.items():
            shapes = {tuple(value.shape) for value in entries.values()}
            fits &= number < len(memory.parameters) and shapes <= {(), tuple(memory.parameters[number].shape)}
        if not fits:
            raise UserError("the saved memory does not fit the settings saved beside it; save the session anew")
        for key, target in expected.items():
            target.copy_(self.memory_tensors[key])
        groups = memory.optimizer.state_dict()["param_groups"]
        memory.optimizer.load_state_dict({"state": state, "param_groups": groups})
        memory.num_chunks, memory.rollbacks = self.memory_chunks, [self.rollbacks]
        return memory


def fast_learning_to_json(config: FastLearningConfig) -> dict[str, Any]:
    """The settings as JSON values."""
    return asdict(config)


def fast_learning_from_json(values: dict[str, Any]) -> FastLearningConfig:
    """The inverse of `fast_learning_to_json`; missing values take their defaults.

    Raises:
        UserError: a setting that is not known, or a value that cannot be.

    >>> config = FastLearningConfig(learning_rate=0.5)
    >>> fast_learning_from_json(fast_learning_to_json(config)) == config
    True
    """
    try:
        values = dict(values)
        lora = dict(values.pop("lora", {}))
        if "layers" in lora:
            lora["layers"] = tuple(lora["layers"])
        return FastLearningConfig(lora=LoraConfig(**lora), **values)
    except (TypeError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"the fast-learning settings {values} cannot be used ({error}); correct them") from error


def save_session(folder: Path, session: SavedSession, memory: EpisodeMemory | None) -> None:
    """Writes the folder atomically; an older session there is replaced only by a whole new one.

    Raises:
        UserError: the folder cannot be written, or holds something that is no session.
    """
    check_session_target(folder)
    with atomic_folder(folder.resolve()) as temporary:
        state = {"history": session.history.contiguous()}
        if memory is not None:
            assert len(memory.seeds) == 1, "sessions are saved one by one"
            _write_adapter(temporary, memory)
            for index, entries in memory.optimizer.state_dict()["state"].items():
                state |= {f"optimizer/{index}/{name}": value.contiguous() for name, value in entries.items()}
        save_file(state, temporary / STATE_FILE)
        header = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "world": session.world,
            "base_sha256": session.base_fingerprint,
            "seed": session.seed,
            "num_chunks": session.num_chunks,
            "num_sampling_steps": session.num_sampling_steps,
            "fast_learning": fast_learning_to_json(session.fast_learning) if session.fast_learning else None,
            "rollbacks": memory.rollbacks[0] if memory else 0,
            "memory_chunks": memory.num_chunks if memory else 0,
            "sha256": {path.name: sha256_of_file(path) for path in sorted(temporary.iterdir())},
        }
        write_json(temporary / HEADER_FILE, header | {"header_sha256": _header_sha256(header)})


def check_session_target(folder: Path) -> None:
    """Refuses a folder that no session may replace: a check before a session starts, so that it can be saved after it.

    Raises:
        UserError: a file of that name, or a folder that holds something else than a session.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"cannot save the session in {folder}: a file of that name is there; choose another name")
    others = sorted(path.name for path in folder.iterdir() if path.name not in FILES) if folder.exists() else []
    if others:
        raise UserError(
            f"{folder} holds other files ({', '.join(others[:3])}) and would be replaced; give a new folder or one of "
            "an older session"
        )


def _header_sha256(header: dict[str, Any]) -> str:
    """Hex SHA-256 over the header's values, its own hash apart."""
    values = {name: value for name, value in header.items() if name != "header_sha256"}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _write_adapter(folder: Path, memory: EpisodeMemory) -> None:
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


def read_session_header(folder: Path) -> dict[str, Any]:
    """The session's settings and counts, after checking them and every file against its checksum.

    Raises:
        UserError: no session there, another version, damaged files, or an impossible header.
    """
    path = folder / HEADER_FILE
    if not path.is_file():
        raise UserError(f"{folder} holds no saved session (no {HEADER_FILE}); give a folder that --save-memory wrote")
    header = read_json(path)
    if not isinstance(header, dict) or header.get("format") != FORMAT or header.get("version") != FORMAT_VERSION:
        raise UserError(f"{path} is not a session of format version {FORMAT_VERSION}; save it anew")
    if header.get("header_sha256") != _header_sha256(header):
        raise UserError(f"{path} is damaged: its values do not fit its own SHA-256; save the session anew")
    for name, kind in _HEADER_KINDS.items():
        value = header.get(name)
        wrong_number = isinstance(value, bool) or (isinstance(value, int) and not 0 <= value < 2**31)
        if not isinstance(value, kind) or wrong_number:
            raise UserError(f"{path} gives {name} as {value!r}, which no session has; save it anew")
    wanted = {STATE_FILE} | ({ADAPTER_FILE, ADAPTER_CONFIG_FILE} if header["fast_learning"] is not None else set())
    for name in sorted(wanted | set(header["sha256"])):
        path = folder / name
        if not path.is_file():
            raise UserError(f"{path} is missing from the saved session; save it anew")
        if sha256_of_file(path) != header["sha256"].get(name):
            raise UserError(f"{path} is damaged: its SHA-256 is not the one in {HEADER_FILE}; save the session anew")
    return header


def load_session(folder: Path, base_fingerprint: str, world: str, latent_shape: tuple[int, int, int]) -> SavedSession:
    """Reads a session, every file checked (see `read_session_header`).

    Raises:
        UserError: no session there, another version, damaged files, or a session of other weights.
    """
    header = read_session_header(folder)
    if header["base_sha256"] != base_fingerprint:
        raise UserError(
            f"the memory in {folder} was learned on other weights (world {header['world']!r}, "
            f"{header['base_sha256'][:12]}) than those of {world!r} ({base_fingerprint[:12]}); load it into the world "
            "that it was saved from"
        )
    fast_learning = header["fast_learning"]
    try:
        state = load_file(folder / STATE_FILE)
        tensors = {name: value for name, value in state.items() if name != "history"}
        if fast_learning is not None:
            for name, value in load_file(folder / ADAPTER_FILE).items():
                layer, kind, _ = name.removeprefix(PEFT_PREFIX).rsplit(".", 2)
                tensors[f"{kind}/{layer}"] = value
        history = state["history"]
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise UserError(f"the session in {folder} cannot be read ({error}); save it anew") from error
    if history.dim() != 5 or len(history) != 1 or history.shape[2:] != latent_shape or not history.is_floating_point():
        raise UserError(
            f"the latest frames saved in {folder} do not fit the world {world!r} ({history.dtype} "
            f"{list(history.shape)}); save the session anew"
        )
    for name, value in {"history": history, **tensors}.items():
        if not bool(value.isfinite().all()):
            raise UserError(f"the session in {folder} holds values that are not finite ({name}); save it anew")
    return SavedSession(
        world=header["world"],
        base_fingerprint=header["base_sha256"],
        seed=header["seed"],
        num_chunks=header["num_chunks"],
        num_sampling_steps=header["num_sampling_steps"],
        fast_learning=fast_learning_from_json(fast_learning) if fast_learning is not None else None,
        history=history,
        memory_tensors=tensors if fast_learning is not None else None,
        rollbacks=header["rollbacks"],
        memory_chunks=header["memory_chunks"],
    )
