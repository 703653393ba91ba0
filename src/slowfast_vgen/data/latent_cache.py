"""Cache files of encoded episodes: latents and text embeddings, under a key of everything that they depend on.

A cache file is used only if it holds what would be computed again: the key covers the videos, the action texts, both
encoders and this module's preprocessing; the file's own checksum covers its values.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Float16
from safetensors import SafetensorError, safe_open
from torch import Tensor

from slowfast_vgen.data.rules import one_line
from slowfast_vgen.data.skipped import tell
from slowfast_vgen.data.sources import Tables
from slowfast_vgen.errors import UserError
from slowfast_vgen.files import atomic_path
from slowfast_vgen.tensors import write_tensors

CACHE_FOLDER = ".cache"
"""Default cache folder, inside the data set's folder."""
PREPROCESSING_VERSION = 1
"""Version of the way from frames to stored values: whole frames as decoded, each episode by itself, float16 latents,
float32 embeddings. Raise it with any change of that."""

EncodeText = Callable[[str], Float[Tensor, "length width"]]


@dataclass(frozen=True)
class Encoded:
    """Several episodes as the networks read them."""

    latents: Float16[Tensor, "frames channels h w"]
    """Latents of all episodes, concatenated."""
    texts: Mapping[str, Float[Tensor, "length width"]]
    """Action text -> embedding; empty where none were requested."""


def cache_key(episodes: Iterable[Tables], codec_fingerprint: str, text_fingerprint: str) -> str:
    """Returns a hex SHA-256 over everything that `Encoded` depends on; any change of it gives another key."""
    parts = {
        "preprocessing": PREPROCESSING_VERSION,
        "codec": codec_fingerprint,
        "text": text_fingerprint,
        "episodes": [[header.video_sha256, [chunk.action for chunk in chunks]] for header, chunks in episodes],
    }
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def cache_path(folder: Path, key: str) -> Path:
    """Returns the cache file of a key."""
    return folder / f"latents-{key[:16]}.safetensors"


def save_encoded(path: Path, key: str, encoded: Encoded) -> None:
    """Writes a cache file atomically.

    Raises:
        UserError: a place that cannot be written.
    """
    tensors = {"latents": encoded.latents}
    if encoded.texts:
        tensors["tokens"] = torch.cat(list(encoded.texts.values()))
        tensors["token_counts"] = torch.tensor([len(embedding) for embedding in encoded.texts.values()])
    texts = json.dumps(list(encoded.texts))
    metadata = {"format": "slowfast-latents", "key": key, "texts": texts, "sha256": _checksum(tensors, texts)}
    try:
        with atomic_path(path) as temporary:
            write_tensors(temporary, tensors, metadata)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error}; choose another place with --cache") from error


def load_encoded(path: Path, key: str, num_frames: int) -> Encoded | None:
    """Reads what `save_encoded` wrote, from the disk as it is used; None where there is no such file.

    A damaged file, or one of another key or number of frames, is reported and gives None.
    """
    if not os.path.lexists(path):
        return None
    try:
        if not os.path.isfile(path):  # a pipe would keep its reader for ever
            raise ValueError("it is no regular file")
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
        texts = metadata.get("texts", "")
        if metadata.get("key") != key:
            raise ValueError("it holds something else")
        if metadata.get("sha256") != _checksum(tensors, texts):
            raise ValueError("its checksum differs")
        names, latents = json.loads(texts), tensors["latents"]
        if latents.dim() != 4 or len(latents) != num_frames or latents.dtype != torch.float16:
            raise ValueError(f"{latents.dtype} {list(latents.shape)} are no latents of {num_frames} frames")
        tokens = tensors["tokens"].split(tensors["token_counts"].tolist()) if names else ()
        if not all(isinstance(name, str) and part.dim() == 2 for name, part in zip(names, tokens, strict=True)):
            raise ValueError("its texts and their embeddings do not fit")
        if not all(bool(tensor.isfinite().all()) for tensor in (latents, *tokens)):
            raise ValueError("it holds values that are not finite")
        return Encoded(latents, dict(zip(names, tokens, strict=True)))
    # A forged file can hold anything: a number for the texts, invalid counts.
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError, OverflowError) as error:
        tell(f"{path} is damaged ({one_line(error):.300}); its episodes are encoded again")
        return None


def _checksum(tensors: Mapping[str, Tensor], texts: str) -> str:
    """Returns a hex SHA-256 over names, types, shapes, values and texts."""
    digest = hashlib.sha256(texts.encode())
    for name in sorted(tensors):
        value = tensors[name].contiguous()
        digest.update(f"{name}/{value.dtype}/{tuple(value.shape)}".encode())
        digest.update(value.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
