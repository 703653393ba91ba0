"""The one Protocol behind which every denoiser stands."""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from slowfast_vgen.models.text import TextEmbedding

Latents = Float[Tensor, "batch frames channels height width"]
"""Normalised latents of several frames."""

NoiseLevels = Float[Tensor, "batch frames"]
"""A noise level per frame: 0 is clean, 1 is pure noise (docs/conventions.md)."""

Past = Any
"""What a denoiser keeps of the past frames; opaque to everyone else."""


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

    def predict(self, noised: Latents, noise_levels: NoiseLevels, text: TextEmbedding, past: Past | None) -> Latents:
        """The prediction for `[batch, f_g, ...]` noised frames; without `past`, for a window of them alone (eq. 3)."""
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
