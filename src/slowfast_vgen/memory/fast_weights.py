"""The Protocol that every memory of an episode implements, and the objects that a memory works with.

A new kind of memory is one file: a class with these methods, under `memory.registry.register`
(docs/howto/add-a-memory-rule.md).
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import torch
from torch import Tensor

from slowfast_vgen.diffusion.noising import Noising
from slowfast_vgen.models.addressing.address import PlanarAddress
from slowfast_vgen.models.denoiser import DenoiserModule, Latents, PatchFeatures, Recall
from slowfast_vgen.models.text import TextEmbedding


@dataclass(frozen=True)
class Host:
    """The parts of a world that its episodes' memories use. They change nothing in it."""

    world: str
    """Name of the world, for messages."""
    denoiser: DenoiserModule
    noising: Noising
    latent_shape: tuple[int, int, int]
    """Channels, height and width of one frame's latents."""
    null_text: Callable[[int], TextEmbedding]
    """The embedding of "no text" for that many episodes."""
    device: torch.device
    address: PlanarAddress | None = None
    """The world's addresses; None in a world without them."""
    precision: str = "float32"


@dataclass(frozen=True)
class Chunk:
    """A finished chunk of every episode, as a memory takes it in."""

    before: Latents
    """The latest frames before it, at most `f_p`."""
    new: Latents
    """Frames of the chunk, `[episodes, f_g, ...]`."""
    text: TextEmbedding
    """The actions that it came from; no text where they are not known."""
    features: "Callable[[], PatchFeatures | None]"
    """Callback: gives the denoiser's features of the latest frames up to this chunk's, with the memory of then."""


@dataclass(frozen=True)
class Start:
    """The frame that episodes begin with."""

    frames: Latents
    """Latents of the start frames, `[episodes, 1, ...]`."""
    features: "Callable[[], PatchFeatures | None]"
    """Callback: gives the denoiser's features of the start frames, as `Chunk.features` does."""


@runtime_checkable
class FastWeights(Protocol):
    """The memory of one episode by one rule, or of several batched episodes, which do not affect each other.

    Its size stays the same however long the episode. It never writes to the world's weights, and shares nothing that
    changes with any other memory: each may live in a thread of its own.
    """

    kind: ClassVar[str]
    """The name of the rule among a memory's settings."""
    config_class: ClassVar[type[Any]]
    """Class of its settings: a frozen dataclass."""

    @property
    def config(self) -> Any:
        """The settings that the memory was made with."""
        ...

    @property
    def needs_actions(self) -> bool:
        """True if chunks can only be written together with the actions that they came from."""
        ...

    @property
    def num_episodes(self) -> int:
        """Number of episodes in the batch."""
        ...

    @property
    def num_chunks(self) -> int:
        """Number of chunks that it was made of."""
        ...

    @classmethod
    def fresh(cls, host: Host, config: Any, seeds: Sequence[int]) -> Self:
        """Makes empty memories, one a seed.

        Raises:
            UserError: this rule cannot act in this world.
        """
        ...

    def empty(self) -> Self:
        """A memory of the same shapes and settings that holds nothing."""
        ...

    def begin_again(self) -> None:
        """Returns to an episode's start pose with all that it remembers, before another session's start image."""
        ...

    def begin(self, start: Start) -> None:
        """Takes in the start image."""
        ...

    def recall(self, text: TextEmbedding, num_frames: int) -> Recall | None:
        """Recalls what is known of the chunk to come; None for a memory that is not read but applied."""
        ...

    def applied(self, denoiser: DenoiserModule) -> AbstractContextManager[DenoiserModule]:
        """Gives the denoiser with this memory applied, within the block; the given denoiser is not changed."""
        ...

    def write(self, chunk: Chunk) -> None:
        """Learns from a finished chunk."""
        ...

    def snapshot(self) -> Any:
        """A state for `restore` to return to."""
        ...

    def restore(self, snapshot: Any) -> None:
        """Returns to the state of a snapshot, whatever was left unfinished since."""
        ...

    def fork(self) -> Self:
        """An independent copy."""
        ...

    def check_rewind(self, chunks: int) -> None:
        """Raises `UserError` where the memory does not go back that far."""
        ...

    def rewind(self, chunks: int) -> None:
        """Returns to the state before the latest `chunks` chunks, after `check_rewind`."""
        ...

    def forget(self, first: int, stop: int) -> None:
        """Forgets the content of chunks `first` to `stop - 1`, as if they had never been written, and keeps all else.

        Raises:
            UserError: the rule cannot forget, or does not hold these chunks; nothing is changed then.
        """
        ...

    def check_merge(self, other: Self) -> None:
        """Raises `UserError` for a memory whose knowledge this one cannot take over."""
        ...

    def merge(self, other: Self) -> None:
        """Takes over what another memory knows, after `check_merge`."""
        ...

    def describe(self) -> dict[str, Any]:
        """Description of the first episode's memory and its content, as JSON values."""
        ...

    def num_bytes(self) -> int:
        """Size of the fast weights in bytes."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """Tensors to save for the first episode, by names that no other kind uses."""
        ...

    def counts(self) -> dict[str, Any]:
        """The numbers to save with `tensors`, as JSON values."""
        ...

    def fill(self, tensors: Mapping[str, Tensor], counts: Mapping[str, Any]) -> None:
        """Fills an empty memory of one episode with what `tensors` and `counts` gave.

        Raises:
            KeyError, TypeError, ValueError, IndexError, OverflowError, RuntimeError: they do not fit the settings.
        """
        ...

    def to(self, device: torch.device | str) -> None:
        """Moves all that the memory holds to a device."""
        ...
