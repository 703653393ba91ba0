"""Sessions on disk: where an episode stands, with its memory in a folder of its own.

DIR/
  session.json                  seed, counts, settings, hash of the slow weights, a SHA-256 of each file and of itself
  session.safetensors           the latest frames' latents, and those of the chunks before, to go back to
  memory/                       see `memory.store`; missing in a session without memory
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from slowfast_vgen.errors import UserError
from slowfast_vgen.files import atomic_folder, sha256_of_file
from slowfast_vgen.memory.config import MemoryConfig
from slowfast_vgen.memory.episode import EpisodeMemory
from slowfast_vgen.memory.store import FILES as MEMORY_FILES
from slowfast_vgen.memory.store import HEADER_FILE as MEMORY_HEADER_FILE
from slowfast_vgen.memory.store import (
    check_finite,
    check_target,
    read_memory_header,
    read_sealed,
    write_sealed,
)
from slowfast_vgen.models.denoiser import Latents

HEADER_FILE = "session.json"
STATE_FILE = "session.safetensors"
MEMORY_FOLDER = "memory"
FILES = (HEADER_FILE, STATE_FILE, MEMORY_FOLDER)
FORMAT = "slowfast-session"
FORMAT_VERSION = 2
_HEADER_KINDS: dict[str, Any] = {
    "world": str,
    "base_sha256": str,
    "seed": int,
    "num_chunks": int,
    "num_sampling_steps": int,
    "memory": dict | None,
    "precision": str | None,
    "threads": int | None,
    "text_encoder": str | None,
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
    memory_config: MemoryConfig | None
    history: Latents
    earlier: Sequence[Latents] = ()
    """The history before each of the latest chunks, oldest first."""
    precision: str | None = None
    """What it was computed in; None in sessions of older versions."""
    threads: int | None = None
    """How many threads computed it; likewise."""
    guidance_scale: float = 1.0
    text_encoder: str | None = None
    """Which encoder read its actions (`TextEncoder.used`); likewise."""


def save_session(folder: Path, session: SavedSession, memory: EpisodeMemory | None) -> None:
    """Writes the folder atomically; an older session there is replaced only by a whole new one.

    Raises:
        UserError: the folder cannot be written, or holds something that is no session.
    """
    check_session_target(folder)
    with atomic_folder(folder.resolve()) as temporary:
        if memory is not None:
            memory.save(temporary / MEMORY_FOLDER, session.world)
        tensors = {"history": session.history.contiguous()}
        tensors |= {f"earlier/{index}": each.contiguous() for index, each in enumerate(session.earlier)}
        save_file(tensors, temporary / STATE_FILE)
        files = [STATE_FILE] + ([f"{MEMORY_FOLDER}/{MEMORY_HEADER_FILE}"] if memory is not None else [])
        header = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "world": session.world,
            "base_sha256": session.base_fingerprint,
            "seed": session.seed,
            "num_chunks": session.num_chunks,
            "num_sampling_steps": session.num_sampling_steps,
            "guidance_scale": session.guidance_scale,
            "memory": session.memory_config.to_json() if session.memory_config else None,
            "precision": session.precision,
            "threads": session.threads,
            "text_encoder": session.text_encoder,
            "sha256": {name: sha256_of_file(temporary / name) for name in files},
        }
        write_sealed(temporary / HEADER_FILE, header)


def check_session_target(folder: Path) -> None:
    """Refuses a folder that no session may replace: a check before a session starts, so that it can be saved after it.

    Raises:
        UserError: a file of that name, or a folder that holds something else than a session.
    """
    check_target(folder, FILES, "session")
    check_target(folder / MEMORY_FOLDER, MEMORY_FILES, "memory")


def read_session_header(folder: Path) -> dict[str, Any]:
    """The session's settings and counts, after checking them and every file against its checksum.

    Raises:
        UserError: no session there, another version, damaged files, or an impossible header.
    """
    header = read_sealed(folder, HEADER_FILE, FORMAT, FORMAT_VERSION, _HEADER_KINDS, "session")
    if STATE_FILE not in header["sha256"]:
        raise UserError(f"{folder / HEADER_FILE} does not name {STATE_FILE}; save the session anew")
    if header["memory"] is not None:
        read_memory_header(folder / MEMORY_FOLDER)
    return header


def load_session(folder: Path, base_fingerprint: str, world: str, latent_shape: tuple[int, int, int]) -> SavedSession:
    """Reads a session, every file checked (see `read_session_header`); its memory is loaded apart.

    Raises:
        UserError: no session there, another version, damaged files, or a session of other weights.
    """
    header = read_session_header(folder)
    if header["base_sha256"] != base_fingerprint:
        raise UserError(
            f"the session in {folder} was learned on other weights (world {header['world']!r}, "
            f"{header['base_sha256'][:12]}) than those of {world!r} ({base_fingerprint[:12]}); load it into the world "
            f"that it was saved from, or write what it remembers anew by `slowfast memory rewrite {folder} "
            "--model NAME --out NEW`"
        )
    try:
        tensors = load_file(folder / STATE_FILE)
        history = tensors["history"]
        earlier = [tensors[f"earlier/{index}"] for index in range(len(tensors) - 1)]
    except (SafetensorError, OSError, KeyError) as error:
        raise UserError(f"the session in {folder} cannot be read ({error}); save it anew") from error
    for each in (history, *earlier):
        if each.dim() != 5 or len(each) != 1 or each.shape[2:] != latent_shape or not each.is_floating_point():
            raise UserError(
                f"the latest frames saved in {folder} do not fit the world {world!r} ({each.dtype} "
                f"{list(each.shape)}); save the session anew"
            )
    check_finite(folder, tensors)
    return SavedSession(
        world=header["world"],
        base_fingerprint=header["base_sha256"],
        seed=header["seed"],
        num_chunks=header["num_chunks"],
        num_sampling_steps=header["num_sampling_steps"],
        guidance_scale=header.get("guidance_scale", 1.0),
        memory_config=None if header["memory"] is None else MemoryConfig.from_json(header["memory"]),
        history=history,
        earlier=earlier,
        precision=header.get("precision"),
        threads=header.get("threads"),
        text_encoder=header.get("text_encoder"),
    )
