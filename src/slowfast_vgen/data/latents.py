"""Episodes as latents: encoded once and cached on disk (see latent_cache.py)."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float16, Int64, UInt8
from torch import Tensor
from tqdm import tqdm

from slowfast_vgen.data.latent_cache import Encoded, EncodeText, cache_key, cache_path, load_encoded, save_encoded
from slowfast_vgen.data.rules import Defect, DefectiveDataError
from slowfast_vgen.data.skipped import LeftOut
from slowfast_vgen.data.sources import EpisodeSource, Tables
from slowfast_vgen.data.tables import content_hash
from slowfast_vgen.errors import UserError
from slowfast_vgen.tensors import check_finite

CAMERA_KEYS = ("step_units", "fov_degrees")
"""Keys of an episode's metadata that describe its camera (docs/data-format.md)."""

Encode = Callable[[UInt8[Tensor, "frames height width 3"]], Float[Tensor, "frames channels h w"]]


class JoinedLatents:
    """Tensors concatenated without copying: each may be a file of which only the requested frames are read."""

    def __init__(self, parts: "Sequence[Float16[Tensor, 'frames channels h w'] | JoinedLatents]") -> None:
        """Keeps `parts`, at least one, of the same dtype and shape except for their lengths."""
        self._parts = tuple(parts)
        self._stops = torch.tensor([len(part) for part in parts]).cumsum(0)

    def __len__(self) -> int:
        """Number of frames in all parts."""
        return int(self._stops[-1])

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of the parts."""
        return self._parts[0].dtype

    @property
    def shape(self) -> torch.Size:
        """Shape of the concatenated parts."""
        return torch.Size((len(self), *self._parts[0].shape[1:]))

    def __getitem__(self, frames: Int64[Tensor, "*rows"]) -> Float16[Tensor, "*rows channels h w"]:
        """Returns the given frames, as indexing one tensor with them would."""
        flat = frames.flatten()
        part_of = torch.bucketize(flat, self._stops, right=True)
        joined = torch.empty((len(flat), *self.shape[1:]), dtype=self.dtype)
        for number in part_of.unique().tolist():
            rows = part_of == number
            before = int(self._stops[number - 1]) if number else 0
            joined[rows] = self._parts[number][flat[rows] - before]
        return joined.unflatten(0, frames.shape)


@dataclass(frozen=True)
class LatentSet:
    """All episodes of a data set, concatenated, and their chunks."""

    latents: Float16[Tensor, "total_frames channels h w"] | JoinedLatents
    episode_start: Int64[np.ndarray, " chunks"]
    """Index in `latents` at which the episode of each chunk begins."""
    chunk_start: Int64[np.ndarray, " chunks"]
    """Index in `latents` at which each chunk begins."""
    chunk_frames: Int64[np.ndarray, " chunks"]
    actions: tuple[str, ...]
    """The action text of each chunk."""
    key: str = ""
    """Key of content and codec; latents of the same key are the same, from a folder or from its shards."""
    texts: Mapping[str, Float[Tensor, "length width"]] = field(default_factory=dict)
    """Action text -> embedding, where they were requested."""
    episodes: tuple[int, ...] | None = None
    """Numbers of the episodes, where some of the data set were left out."""
    set_of_chunk: Int64[np.ndarray, " chunks"] | None = None
    """Number of the set that each chunk is from; None where there is one set."""
    fps: tuple[float, ...] = ()
    """Frames a second of the episodes: distinct rates, ascending."""
    camera: Mapping[str, frozenset[Any]] = field(default_factory=dict)
    """Values in the episodes' metadata of each of `CAMERA_KEYS`; None among them where an episode has none."""

    @property
    def usual_chunk_frames(self) -> int:
        """`f_g` of this data: the length of the chunks that most frames lie in, the larger one in a tie.

        For several sets it is the smallest one, so that each of them has windows of it.
        """
        usual = []
        for chunks in self.by_set(np.arange(len(self.chunk_frames))):
            lengths, counts = np.unique(self.chunk_frames[chunks], return_counts=True)
            usual.append(max(zip((lengths * counts).tolist(), lengths.tolist(), strict=True))[1])
        return int(min(usual))

    def by_set(self, chunks: Int64[np.ndarray, " some"]) -> list[Int64[np.ndarray, " few"]]:
        """Returns the given chunks grouped by set; sets without any are skipped."""
        if self.set_of_chunk is None:
            return [chunks]
        set_of = self.set_of_chunk[chunks]
        return [chunks[set_of == number] for number in np.unique(set_of)]


def draw_evenly(
    rng: np.random.Generator, sets: Sequence[Int64[np.ndarray, " few"]], count: int
) -> Int64[np.ndarray, " count"]:
    """Draws chunks of several sets with replacement: equally many of each set on average, whatever its size."""
    if len(sets) == 1:
        return rng.choice(sets[0], count)
    drawn_sets = rng.choice(len(sets), count)
    drawn = np.empty(count, dtype=np.int64)
    for number, chunks in enumerate(sets):
        rows = drawn_sets == number
        drawn[rows] = rng.choice(chunks, int(rows.sum()))
    return drawn


def joined_sets(sets: Sequence[LatentSet]) -> LatentSet:
    """Joins several sets, encoded by one codec, into one of which chunks are drawn evenly.

    Raises:
        UserError: frames of several sizes.
    """
    if len(sets) == 1:
        return sets[0]
    if len(sizes := {tuple(part.latents.shape[1:]) for part in sets}) > 1:
        raise UserError(f"the sets have latents of {len(sizes)} sizes, {sorted(sizes)}; make them of one frame size")
    starts = np.cumsum([0, *(len(part.latents) for part in sets[:-1])])
    return LatentSet(
        JoinedLatents([part.latents for part in sets]),
        np.concatenate([part.episode_start + start for part, start in zip(sets, starts, strict=True)]),
        np.concatenate([part.chunk_start + start for part, start in zip(sets, starts, strict=True)]),
        np.concatenate([part.chunk_frames for part in sets]),
        tuple(action for part in sets for action in part.actions),
        hashlib.sha256("/".join(part.key for part in sets).encode()).hexdigest()[:16],
        {text: embedding for part in reversed(sets) for text, embedding in part.texts.items()},
        set_of_chunk=np.repeat(np.arange(len(sets)), [len(part.actions) for part in sets]),
        fps=tuple(sorted({rate for part in sets for rate in part.fps})),
    )


def cached_latents(
    source: EpisodeSource,
    encode: Encode,
    codec_fingerprint: str,
    cache: Path | None,
    encode_text: EncodeText | None = None,
    text_fingerprint: str = "",
    max_bad_share: float = 0.0,
    with_poses: bool = False,
) -> LatentSet:
    """Returns the latents of `source`, from `cache` where the same content was encoded by the same networks before.

    Args:
        source: a data set folder or shards.
        encode: frames to latents.
        codec_fingerprint: identifies `encode`.
        cache: a folder; None encodes everything, and keeps it in memory.
        encode_text: an action's text to its embedding, to include embeddings.
        text_fingerprint: identifies `encode_text`.
        max_bad_share: share of the episodes that may be left out because they cannot be read; each is reported. A
            group with such an episode is never cached, so that a repaired file is used at once.
        with_poses: whether an episode with unreadable poses counts as unreadable.

    Raises:
        UserError: the data set is empty, too many episodes are broken, frames are of several sizes, or latents not
            finite.
    """
    left_out = LeftOut(len(source), max_bad_share)
    parts: list[Encoded] = []
    used: dict[int, Tables] = {}
    for group in source.groups:
        tables = _readable_tables(source, group, left_out, with_poses)
        key = cache_key(tables.values(), codec_fingerprint, text_fingerprint)
        path = cache_path(cache, key) if cache and len(tables) == len(group) else None
        num_frames = sum(header.num_frames for header, _ in tables.values())
        encoded = load_encoded(path, key, num_frames) if path else None
        if encoded and encode_text and not encoded.texts.keys() >= _texts_of(tables):
            encoded = None
        if encoded is None:
            encoded, sound = _encoded(source, tables, encode, encode_text, left_out)
            if path and len(sound) == len(group):
                save_encoded(path, key, encoded)
                if len(source.groups) > 1:  # from the file, so that only one group at a time takes memory
                    encoded = load_encoded(path, key, num_frames) or encoded
            tables = sound
        if tables:
            parts.append(encoded)
            used |= tables
            _refuse_other_size(source, parts[0].latents, encoded.latents, next(iter(tables)))
    if not parts:
        raise UserError(f"{source.folder} holds no episodes; make some with `slowfast data make`")
    digest = hashlib.sha256(f"{content_hash(used.values())}/{codec_fingerprint}".encode()).hexdigest()[:16]
    return _with_chunks(parts, used, digest, None if len(used) == len(source) else tuple(used))


def _texts_of(tables: Mapping[int, Tables]) -> set[str]:
    return {chunk.action for _, chunks in tables.values() for chunk in chunks}


def _readable_tables(source: EpisodeSource, group: range, left_out: LeftOut, with_poses: bool) -> dict[int, Tables]:
    tables = {}
    for number in group:
        try:
            if with_poses:
                source.poses(number)
            tables[number] = source.tables(number)
        except (DefectiveDataError, OSError) as error:
            left_out.add(source.name(number), error)
    return tables


def _encoded(
    source: EpisodeSource,
    tables: Mapping[int, Tables],
    encode: Encode,
    encode_text: EncodeText | None,
    left_out: LeftOut,
) -> tuple[Encoded, dict[int, Tables]]:
    """Encodes the episodes that can be decoded, and returns the tables of those."""
    parts: list[Tensor] = []
    texts: dict[str, Tensor] = {}
    sound: dict[int, Tables] = {}
    bar = tqdm(tables, desc="encoding", unit="episode", initial=min(tables, default=0), total=len(source))
    for number in bar:
        actions = [chunk.action for chunk in tables[number][1]]
        try:
            frames = torch.from_numpy(source.frames(number))
            if encode_text:
                texts |= _embedded(source.name(number), actions, encode_text, texts)
        except (DefectiveDataError, OSError) as error:
            left_out.add(source.name(number), error)
            continue
        part = encode(frames).half()
        check_finite(f"the encoding of {source.name(number)}", {"latents": part}, "train the codec again")
        _refuse_other_size(source, parts[0] if parts else part, part, number)
        parts.append(part)
        sound[number] = tables[number]
    return Encoded(torch.cat(parts) if parts else torch.empty(0), texts), sound


def _embedded(
    name: str, actions: Sequence[str], encode_text: EncodeText, known: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    try:
        return {action: encode_text(action) for action in actions if action not in known}
    except UserError as error:  # such as too many words for the encoder
        raise DefectiveDataError([Defect(name, "unfit-action", str(error))]) from error


def _refuse_other_size(source: EpisodeSource, first: Tensor, part: Tensor, number: int) -> None:
    if part.shape[1:] != first.shape[1:]:
        raise UserError(
            f"the frames of episode {number} of {source.folder} are of another size than those before it; "
            "make a data set of one size"
        )


def _with_chunks(
    parts: Sequence[Encoded], used: Mapping[int, Tables], key: str, episodes: tuple[int, ...] | None
) -> LatentSet:
    rows: list[tuple[int, int, int]] = []
    actions: list[str] = []
    start = 0
    for header, chunks in used.values():
        rows += [(start, start + chunk.start_frame, chunk.num_frames) for chunk in chunks]
        actions += [chunk.action for chunk in chunks]
        start += header.num_frames
    latents = parts[0].latents if len(parts) == 1 else JoinedLatents([part.latents for part in parts])
    assert start == len(latents), "the cache key covers the content, so lengths agree"
    table = np.asarray(rows, dtype=np.int64).reshape(-1, 3)
    texts = {text: embedding for part in reversed(parts) for text, embedding in part.texts.items()}
    headers = [header for header, _ in used.values()]
    return LatentSet(
        latents,
        table[:, 0],
        table[:, 1],
        table[:, 2],
        tuple(actions),
        key,
        texts,
        episodes,
        fps=tuple(sorted({header.fps for header in headers})),
        camera={key: frozenset(_plain(header.metadata.get(key)) for header in headers) for key in CAMERA_KEYS},
    )


def _plain(value: object) -> object:
    """Returns a hashable value; lists and the like, which no camera key has, become their repr."""
    return value if value is None or isinstance(value, str | int | float) else repr(value)
