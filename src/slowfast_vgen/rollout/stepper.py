"""The Protocol of batched episodes that are rolled out: `Rollout` implements it, and so do baselines."""

from collections.abc import Sequence
from typing import Protocol

from slowfast_vgen.models.denoiser import Latents


class Stepper(Protocol):
    """Batched episodes, rolled out as `Rollout` does."""

    def predict(self, actions: Sequence[str]) -> Latents:
        """Predicts the next chunk without advancing."""
        ...

    def observe_latents(self, new: Latents, actions: Sequence[str] | None = None) -> None:
        """Advances by a chunk, generated or true."""
        ...
