"""The one Protocol behind which every denoiser stands."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from slowfast_vgen.errors import UserError
from slowfast_vgen.models.text import TextEmbedding

Latents = Float[Tensor, "batch frames channels height width"]
"""Normalised latents of several frames."""

NoiseLevels = Float[Tensor, "batch frames"]
"""A noise level per frame: 0 is clean, 1 is pure noise (docs/conventions.md)."""

Past = Any
"""What a denoiser keeps of the past frames; opaque to everyone else."""

Recalled = Any
"""What a denoiser makes of a `Recall`; opaque to everyone else."""

PatchFeatures = Float[Tensor, "batch frames rows columns memory_width"]
"""What a denoiser says of each patch of some frames, for a memory to keep."""


@dataclass(frozen=True)
class Recall:
    """What the episode's local memory knows of frames to come, at the poses where the action leads."""

    latents: Latents
    """The frames as remembered, at the addresses of their patches."""
    novelty: Float[Tensor, "batch frames columns"]
    """For each column of patches: 1 where nothing was seen, towards 0 where the very place was."""
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
        """Prepares what a local memory knows of the new frames, likewise for any number of calls."""
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

        `recalled` is what `encode_recall` gave; None for a denoiser or an episode without a local memory.
        """
        ...

    def memory_features(self, past: Past) -> PatchFeatures | None:
        """Features of the past's patches for a local memory to keep beside their latents; None for none."""
        ...

    def memory_shape(self, latent_height: int) -> tuple[int, int]:
        """Width of `memory_features` and their rows in a frame of that many rows of latents; a width of 0 for none."""
        ...

    def repeat_past(self, past: Past, times: int) -> Past:
        """Each episode's past `times` times in a row, for several noise draws of the same window."""
        ...


class DenoiserModule(nn.Module, Denoiser):
    """A denoiser that is a diffusers model as well: the annotation where its weights matter too.

    Nobody derives from it; having the methods is enough.
    """

    save_pretrained: Callable[..., None]
    to_json_string: Callable[[], str]


def check_latents(denoiser: DenoiserModule, shape: tuple[int, int, int], owner: str, mend: str) -> None:
    """Whether a denoiser takes latents of this shape.

    Args:
        denoiser: any; one whose configuration does not tell a size takes each.
        shape: channels, height and width of one frame's latents.
        owner: whose latents they are, for the message.
        mend: what to do if it does not, likewise.

    Raises:
        UserError: it was made for others.
    """
    config: Mapping[str, Any] = denoiser.config  # type: ignore[assignment]  # every diffusers model has one
    for name, wanted in zip(("latent_channels", "latent_height", "latent_width"), shape, strict=True):
        if (made_for := config.get(name, wanted)) != wanted:
            raise UserError(f"the denoiser was made for {name} {made_for}, but {owner} has {wanted}; {mend}")
