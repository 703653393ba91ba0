"""The one Protocol behind which every memory of an episode stands, and what a memory is given to work with.

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
    """What memories are given of the world whose episodes they belong to. They change nothing in it."""

    world: str
    """Its name, for messages."""
    denoiser: DenoiserModule
    noising: Noising
    latent_shape: tuple[int, int, int]
    """Channels, height and width of one frame's latents."""
    null_text: Callable[[int], TextEmbedding]
    """The embedding of "no text" for that many episodes."""
    device: torch.device
    address: PlanarAddress | None = None
    """None in a world that does not tell where its frames lie."""
    precision: str = "float32"


@dataclass(frozen=True)
class Chunk:
    """A finished chunk of every episode, as a memory takes it in."""

    before: Latents
    """The latest frames before it, at most `f_p`."""
    new: Latents
    """Its own frames, `[episodes, f_g, ...]`."""
    text: TextEmbedding
    """The actions that it came from; no text where nobody told them."""
    features: "Callable[[], PatchFeatures | None]"
    """Gives what the denoiser, with the memory as it is by then, says of the latest frames up to this chunk's."""


@dataclass(frozen=True)
class Start:
    """The frame that episodes begin with."""

    frames: Latents
    """`[episodes, 1, ...]`."""
    features: "Callable[[], PatchFeatures | None]"
    """See `Chunk.features`."""


@runtime_checkable
class FastWeights(Protocol):
    """The memory of one episode by one rule, or of several episodes side by side, which do not know of each other.

    Its size stays the same however long the episode. It never writes to the world's weights, and shares nothing that
    changes with any other memory: each may live in a thread of its own.
    """

    kind: ClassVar[str]
    """The name of the rule among a memory's settings."""
    config_class: ClassVar[type[Any]]
    """Its settings: a frozen dataclass."""

    @property
    def config(self) -> Any:
        """The settings that it was made with."""
        ...

    @property
    def needs_actions(self) -> bool:
        """Whether chunks can only be written together with the actions that they came from."""
        ...

    @property
    def num_episodes(self) -> int:
        """Number of episodes in the batch."""
        ...

    @property
    def num_chunks(self) -> int:
        """Chunks that it was made of."""
        ...

    @classmethod
    def fresh(cls, host: Host, config: Any, seeds: Sequence[int]) -> Self:
        """Empty memories, one a seed.

        Raises:
            UserError: a world in which this rule cannot act.
        """
        ...

    def empty(self) -> Self:
        """A memory of the same shapes and settings that holds nothing."""
        ...

    def begin_again(self) -> None:
        """Stands where an episode begins, with all that it remembers, before the start image of another session."""
        ...

    def begin(self, start: Start) -> None:
        """Takes in the start image."""
        ...

    def recall(self, text: TextEmbedding, num_frames: int) -> Recall | None:
        """What it knows of the chunk to come; None for a memory that is not read but applied."""
        ...

    def applied(self, denoiser: DenoiserModule) -> AbstractContextManager[DenoiserModule]:
        """The denoiser as it is with this memory, within the block; the one that is given is left as it is."""
        ...

    def write(self, chunk: Chunk) -> None:
        """Learns from a finished chunk."""
        ...

    def snapshot(self) -> Any:
        """What `restore` goes back to."""
        ...

    def restore(self, snapshot: Any) -> None:
        """Is once more what it was at a snapshot, whatever was left undone in the meantime."""
        ...

    def fork(self) -> Self:
        """An independent copy."""
        ...

    def check_rewind(self, chunks: int) -> None:
        """Raises `UserError` where the memory does not go back that far."""
        ...

    def rewind(self, chunks: int) -> None:
        """Back to what it was before the latest `chunks` chunks, after `check_rewind`."""
        ...

    def forget(self, first: int, stop: int) -> None:
        """Forgets what chunks `first` to `stop - 1` showed, as if they had never been written, and keeps all else.

        Raises:
            UserError: a rule that cannot, or chunks that it does not hold; nothing is changed then.
        """
        ...

    def check_merge(self, other: Self) -> None:
        """Raises `UserError` for a memory whose knowledge this one cannot take over."""
        ...

    def merge(self, other: Self) -> None:
        """Takes over what another memory knows, after `check_merge`."""
        ...

    def describe(self) -> dict[str, Any]:
        """What it is and holds, as JSON values, of the first episode."""
        ...

    def num_bytes(self) -> int:
        """What the fast weights take."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """All that has to be saved of the first episode, by names that no other kind uses."""
        ...

    def counts(self) -> dict[str, Any]:
        """The numbers that go with `tensors`, as JSON values, likewise."""
        ...

    def fill(self, tensors: Mapping[str, Tensor], counts: Mapping[str, Any]) -> None:
        """Makes an empty memory of one episode what `tensors` and `counts` told.

        Raises:
            KeyError, TypeError, ValueError, IndexError, OverflowError, RuntimeError: they do not fit the settings.
        """
        ...

    def to(self, device: torch.device | str) -> None:
        """Moves all that it holds."""
        ...
