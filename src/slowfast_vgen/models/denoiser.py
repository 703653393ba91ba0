"""The one Protocol that every denoiser implements."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from slowfast_vgen.errors import UserError
from slowfast_vgen.models.text import TextEmbedding

Latents = Float[Tensor, "batch frames channels height width"]
"""Normalised latents of several frames."""

NoiseLevels = Float[Tensor, "batch frames"]
"""A noise level per frame: 0 is clean, 1 is pure noise (docs/conventions.md)."""

Past = Any
"""A denoiser's own form of the past frames; opaque to everyone else."""

Recalled = Any
"""A denoiser's own form of a `Recall`; opaque to everyone else."""

PatchFeatures = Float[Tensor, "batch frames rows columns memory_width"]
"""A denoiser's features of each patch of some frames, for a memory to keep."""


MEMORY_PATCH = 2
"""Rows and columns of latents in a patch of a memory, of the denoisers that the commands make."""


class MemoryShape(NamedTuple):
    """The grid of patches in which a denoiser describes a frame to a memory.

    A side of an odd number of latents has a last patch that reaches beyond the frame.
    """

    width: int
    """Numbers a patch; 0 for a denoiser that describes none."""
    rows: int
    columns: int


def memory_grid(latent_height: int, latent_width: int, patch: int = MEMORY_PATCH) -> tuple[int, int]:
    """Rows and columns of patches that cover a frame of latents.

    >>> memory_grid(8, 8), memory_grid(9, 16)
    ((4, 4), (5, 8))
    """
    return -(-latent_height // patch), -(-latent_width // patch)


@dataclass(frozen=True)
class Recall:
    """An episode's ridge memory of frames to come, at the poses that the action leads to."""

    latents: Latents
    """The frames as remembered, at the addresses of their patches."""
    novelty: Float[Tensor, "batch frames columns"]
    """For each column of patches: 1 where nothing was seen, towards 0 where this very place was seen."""
    features: PatchFeatures | None = None
    """The denoiser's own features of the remembered patches; None where it gives none."""

    def repeat(self, times: int) -> "Recall":
        """Each episode's recall `times` times in a row."""
        features = None if self.features is None else self.features.repeat_interleave(times, 0)
        return Recall(self.latents.repeat_interleave(times, 0), self.novelty.repeat_interleave(times, 0), features)


@runtime_checkable
class Denoiser(Protocol):
    """Predicts the training target (noise, v or flow velocity) of the new frames.

    The past enters once a chunk through `encode_past` and is then read at every sampling step. A denoiser whose past
    features do not depend on the new frames keeps its keys and values there; any other keeps the past's latents and
    runs them each time.
    """

    def encode_past(self, latents: Latents, noise_levels: NoiseLevels) -> Past:
        """Prepares `[batch, f_p, ...]` past frames for any number of calls."""
        ...

    def encode_recall(self, recall: Recall) -> Recalled:
        """Prepares what a ridge memory knows of the new frames, likewise for any number of calls."""
        ...

    def predict(
        self,
        noised: Latents,
        noise_levels: NoiseLevels,
        text: TextEmbedding,
        past: Past | None,
        recalled: Recalled | None = None,
    ) -> Latents:
        """The prediction for `[batch, f_g, ...]` noised frames; without `past`, for a window of them alone (eq. 3).

        `recalled` is what `encode_recall` gave; None for a denoiser or an episode without a ridge memory.
        """
        ...

    def memory_features(self, past: Past) -> PatchFeatures | None:
        """Features of the past's patches for a ridge memory to keep with their latents; None for none."""
        ...

    def memory_shape(self, latent_height: int, latent_width: int) -> MemoryShape:
        """The grid and width of `memory_features` for a frame of latents of that size."""
        ...

    def repeat_past(self, past: Past, times: int) -> Past:
        """Each episode's past `times` times in a row, for several noise draws of the same window."""
        ...


class DenoiserModule(nn.Module, Denoiser):
    """A denoiser that is a diffusers model as well: the annotation where its weights matter too.

    Nobody derives from it; having the methods is enough.
    """

    lora_layers: ClassVar[tuple[str, ...]]
    """Linear layers that a LoRA sits on where the user names none, by the ends of their dotted names."""
    can_recall: bool
    """True if what a ridge memory recalls reaches the prediction, that is, if the denoiser has input for it."""
    target: str | None
    """The target that it was trained to predict, as its folder states; None where that is not known."""
    with_memory: "Callable[[int], DenoiserModule]"
    """Gives the same denoiser with input for a ridge memory that keeps this many features of each patch."""

    save_pretrained: Callable[..., None]
    to_json_string: Callable[[], str]


def check_latents(denoiser: DenoiserModule, shape: tuple[int, int, int], owner: str, fix: str) -> None:
    """Checks that a denoiser takes latents of this shape.

    Args:
        denoiser: any denoiser; one whose configuration does not state a size takes every size.
        shape: channels, height and width of one frame's latents.
        owner: owner of the latents, for the message.
        fix: how to fix a mismatch, for the message.

    Raises:
        UserError: the denoiser was made for another shape.
    """
    config: Mapping[str, Any] = denoiser.config  # type: ignore[assignment]  # every diffusers model has one
    for name, wanted in zip(("latent_channels", "latent_height", "latent_width"), shape, strict=True):
        if (made_for := config.get(name, wanted)) != wanted:
            raise UserError(f"the denoiser was made for {name} {made_for}, but {owner} has {wanted}; {fix}")
