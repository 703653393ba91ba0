"""What episodes side by side can be asked for by whoever steps them; `Rollout` is one, and so are baselines."""

from collections.abc import Sequence
from typing import Protocol

from slowfast_vgen.models.denoiser import Latents


class Stepper(Protocol):
    """Episodes side by side, as `Rollout` steps them."""

    def predict(self, actions: Sequence[str]) -> Latents:
        """The next chunk, without going on to it."""
        ...

    def observe_latents(self, new: Latents, actions: Sequence[str] | None = None) -> None:
        """Goes on with a chunk, generated or true."""
        ...
