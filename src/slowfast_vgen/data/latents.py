"""Episodes as latents: encoded once, kept in one file under a key of content and codec, read back in a blink."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float16, Int64, UInt8
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from slowfast_vgen.data.format import EpisodeDataset
from slowfast_vgen.errors import UserError
from slowfast_vgen.files import atomic_path

Encode = Callable[[UInt8[Tensor, "frames height width 3"]], Float[Tensor, "frames channels h w"]]


@dataclass(frozen=True)
class LatentSet:
    """All episodes of a data set end to end, and the chunks that cut them."""

    latents: Float16[Tensor, "total_frames channels h w"]
    episode_start: Int64[np.ndarray, " chunks"]
    """Where, in `latents`, the episode of each chunk begins."""
    chunk_start: Int64[np.ndarray, " chunks"]
    """Where, in `latents`, each chunk begins."""
    chunk_frames: Int64[np.ndarray, " chunks"]
    actions: tuple[str, ...]
    """The action text of each chunk."""
    key: str = ""
    """Of content and codec; latents of the same key are the same."""


def cached_latents(dataset: EpisodeDataset, encode: Encode, codec_fingerprint: str, cache: Path) -> LatentSet:
    """The latents of `dataset`, from `cache` where the same content was encoded by the same codec before.

    Raises:
        UserError: the data set is empty, an episode is broken, or frames are of several sizes.
    """
    if len(dataset) == 0:
        raise UserError(f"{dataset.folder} holds no episodes; make some with `slowfast data make`")
    key = hashlib.sha256(f"{dataset.content_hash}/{codec_fingerprint}".encode()).hexdigest()[:16]
    path = cache / f"latents-{key}.safetensors"
    try:
        latents = load_file(path)["latents"]
    except (OSError, SafetensorError):  # none yet, or damaged
        latents = _encoded(dataset, encode)
        with atomic_path(path) as temporary:
            save_file({"latents": latents}, temporary)
    return _with_chunks(dataset, latents, key)


def _encoded(dataset: EpisodeDataset, encode: Encode) -> Float16[Tensor, "total_frames channels h w"]:
    parts: list[Tensor] = []
    for index in tqdm(range(len(dataset)), desc="encoding", unit="episode", dynamic_ncols=True):
        part = encode(torch.from_numpy(dataset[index].frames)).half()
        if parts and part.shape[1:] != parts[0].shape[1:]:
            raise UserError(
                f"the frames of episode {index} of {dataset.folder} are of another size than those of episode 0; "
                "make a data set of one size"
            )
        parts.append(part)
    return torch.cat(parts)


def _with_chunks(dataset: EpisodeDataset, latents: Float16[Tensor, "total_frames channels h w"], key: str) -> LatentSet:
    rows: list[tuple[int, int, int]] = []
    actions: list[str] = []
    start = 0
    for folder in dataset.episode_folders:
        header, chunks = dataset.read_tables(folder)
        rows += [(start, start + chunk.start_frame, chunk.num_frames) for chunk in chunks]
        actions += [chunk.action for chunk in chunks]
        start += header.num_frames
    assert start == len(latents), "the cache key covers the content, so lengths agree"
    table = np.asarray(rows, dtype=np.int64).reshape(-1, 3)
    return LatentSet(latents, table[:, 0], table[:, 1], table[:, 2], tuple(actions), key)
