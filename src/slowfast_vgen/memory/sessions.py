"""Sessions on disk: the state of an episode, with its memory in a folder of its own.

DIR/
  session.json                  seed, counts, settings, hash of the slow weights, a SHA-256 of each file and of itself
  session.safetensors           the latest frames' latents, and those of the chunks before, for rewinding
  memory/                       see `memory.store`; missing in a session without memory
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from slowfast_vgen.errors import UserError
from slowfast_vgen.files import atomic_folder
from slowfast_vgen.memory.config import MemoryConfig
from slowfast_vgen.memory.episode import EpisodeMemory
from slowfast_vgen.memory.store import MEMORY, MemoryHeader, SavedMemory, config_of, parse_memory, read_memory
from slowfast_vgen.models.denoiser import Latents
from slowfast_vgen.sealed import Seal, Sealed
from slowfast_vgen.tensors import check_finite, write_tensors

HEADER_FILE = "session.json"
STATE_FILE = "session.safetensors"
MEMORY_FOLDER = "memory"


@dataclass(frozen=True)
class SessionHeader:
    """The content of session.json apart from the hashes."""

    world: str
    base_sha256: str
    """SHA-256 of the slow weights that the session ran on."""
    seed: int
    num_chunks: int
    num_sampling_steps: int
    memory: dict[str, Any] | None
    """A `MemoryConfig` as JSON values; None without a memory."""
    guidance_scale: float = 1.0
    precision: str | None = None
    """Precision that it was computed in; None in sessions of older versions."""
    threads: int | None = None
    """Number of threads that computed it; None in sessions of older versions."""
    text_encoder: str | None = None
    """Name of the encoder that read its actions; None in sessions of older versions."""


SESSION = Seal("saved session", HEADER_FILE, "slowfast-session", 2, SessionHeader, "--save-memory")


@dataclass(frozen=True)
class SavedSession:
    """The state of a session."""

    world: str
    base_fingerprint: str
    """SHA-256 of the slow weights that the session ran on."""
    seed: int
    num_chunks: int
    num_sampling_steps: int
    memory_config: MemoryConfig | None
    history: Latents
    earlier: Sequence[Latents] = ()
    """The history before each of the latest chunks, oldest first."""
    precision: str | None = None
    """Precision that it was computed in; None in sessions of older versions."""
    threads: int | None = None
    """Number of threads that computed it; None in sessions of older versions."""
    guidance_scale: float = 1.0
    text_encoder: str | None = None
    """Name of the encoder that read its actions (`TextEncoder.used`); None in sessions of older versions."""
    memory: SavedMemory | None = None
    """The memory as it was read; an `EpisodeMemory` is what is saved."""


def save_session(folder: Path, session: SavedSession, memory: EpisodeMemory | None) -> None:
    """Writes the folder atomically; an older session there is replaced only by a whole new one.

    Raises:
        UserError: the folder cannot be written, or holds something that is no session; values that are not finite.
    """
    SESSION.check_target(folder)
    tensors = {"history": session.history} | {f"earlier/{place}": past for place, past in enumerate(session.earlier)}
    check_finite("the session", tensors, "it is not saved; go back to an earlier state or begin again")
    with atomic_folder(folder) as temporary:
        if memory is not None:
            memory.save(temporary / MEMORY_FOLDER, session.world)
        write_tensors(temporary / STATE_FILE, {name: value.cpu() for name, value in tensors.items()})
        header = SessionHeader(
            world=session.world,
            base_sha256=session.base_fingerprint,
            seed=session.seed,
            num_chunks=session.num_chunks,
            num_sampling_steps=session.num_sampling_steps,
            guidance_scale=session.guidance_scale,
            memory=session.memory_config.to_json() if session.memory_config else None,
            precision=session.precision,
            threads=session.threads,
            text_encoder=session.text_encoder,
        )
        SESSION.seal(temporary, header)


def check_session_target(folder: Path) -> None:
    """Refuses a folder that no session may replace: a check before a session starts, so that it can be saved.

    Raises:
        UserError: a file of that name, or a folder that holds something else than a session.
    """
    SESSION.check_target(folder)


def read_session_header(folder: Path) -> SessionHeader:
    """Reads a session's settings and counts, after checking every file against its checksum.

    Raises:
        UserError: no session there, another version, damaged files, or an impossible header.
    """
    return _read(folder)[0].header


def _read(folder: Path) -> tuple[Sealed[SessionHeader], Sealed[MemoryHeader] | None]:
    """Reads the files of a session, and those of its memory among them."""
    sealed = SESSION.read(folder)
    if sealed.header.memory is None and any(name.startswith(f"{MEMORY_FOLDER}/") for name in sealed.files):
        raise UserError(f"{folder / HEADER_FILE} names no memory, though one is there; save the session again")
    return sealed, None if sealed.header.memory is None else MEMORY.within(sealed, MEMORY_FOLDER)


def read_memory_of(folder: Path, base_fingerprint: str | None = None) -> SavedMemory:
    """Reads the memory in a folder: that of a session, or one that was saved alone.

    Raises:
        UserError: the folder has neither, its session has no memory, or as `read_memory`.
    """
    if not (folder / HEADER_FILE).is_file():
        return read_memory(folder, base_fingerprint)
    memory = _read(folder)[1]
    if memory is None:
        raise UserError(f"the session in {folder} has no memory; save one that was made with --memory on")
    return parse_memory(memory, base_fingerprint)


def load_session(folder: Path, base_fingerprint: str, world: str, latent_shape: tuple[int, int, int]) -> SavedSession:
    """Reads a session, every file checked, with its memory.

    Raises:
        UserError: no session there, another version, damaged files, or a session of other weights.
    """
    sealed, memory = _read(folder)
    header = sealed.header
    if header.base_sha256 != base_fingerprint:
        raise UserError(
            f"the session in {folder} was learned on other weights (world {header.world!r}, "
            f"{header.base_sha256[:12]}) than those of {world!r} ({base_fingerprint[:12]}); load it into the world "
            f"that it was saved from, or rewrite what it remembers with `slowfast memory rewrite {folder} "
            "--model NAME --out NEW`"
        )
    tensors = sealed.tensors(STATE_FILE)
    try:
        history = tensors["history"]
        earlier = [tensors[f"earlier/{index}"] for index in range(len(tensors) - 1)]
    except KeyError as error:
        raise UserError(f"the session in {folder} cannot be read ({error}); save it again") from error
    if len(earlier) > header.num_chunks:
        raise UserError(f"the session in {folder} goes back by more chunks than it has; save it again")
    for each in (history, *earlier):
        is_whole = each.dim() == 5 and len(each) == 1 and each.shape[1] > 0 and each.shape[2:] == latent_shape
        if not is_whole or each.dtype != torch.float32:
            raise UserError(
                f"the latest frames saved in {folder} do not fit the world {world!r} ({each.dtype} "
                f"{list(each.shape)}); save the session again"
            )
    check_finite(f"the session in {folder}", tensors, "save it again")
    return SavedSession(
        world=header.world,
        base_fingerprint=header.base_sha256,
        seed=header.seed,
        num_chunks=header.num_chunks,
        num_sampling_steps=header.num_sampling_steps,
        guidance_scale=header.guidance_scale,
        memory_config=None if header.memory is None else config_of(folder / HEADER_FILE, header.memory),
        history=history,
        earlier=earlier,
        precision=header.precision,
        threads=header.threads,
        text_encoder=header.text_encoder,
        memory=None if memory is None else parse_memory(memory, base_fingerprint),
    )
