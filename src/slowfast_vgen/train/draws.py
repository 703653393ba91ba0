"""All that is random in a batch of windows, drawn before anything is computed, so that it can be dealt out."""

from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from slowfast_vgen.diffusion.noising import draw_noise_levels
from slowfast_vgen.diffusion.objective import frame_levels
from slowfast_vgen.errors import UserError
from slowfast_vgen.models.denoiser import Latents, NoiseLevels

Rows = Int64[Tensor, " rows"]


class DrawSettings(Protocol):
    """How windows are disturbed; `SlowTrainingConfig` tells what each means."""

    @property
    def condition_dropout(self) -> float:
        """Share of windows whose action is withheld."""
        ...

    @property
    def past_noise_share(self) -> float:
        """Share of windows whose past is noised."""
        ...

    @property
    def past_noise_max(self) -> float:
        """The most that it is noised."""
        ...

    @property
    def noise_logit_mean(self) -> float:
        """Where noise levels lie: the mean of their logits."""
        ...


@dataclass(frozen=True)
class WindowDraws:
    """What is drawn for each of some windows, and for each of the noise draws of each window (side by side)."""

    dropped: Bool[Tensor, " windows"]
    """Whose action is withheld."""
    past_levels: NoiseLevels
    past_noise: Latents
    levels: Float[Tensor, "windows_draws f_g"]
    noise: Float[Tensor, "windows_draws f_g channels h w"]

    @property
    def num_draws(self) -> int:
        """Noise draws of each window."""
        return len(self.noise) // len(self.dropped)

    def rows(self, rows: Rows) -> "WindowDraws":
        """Those of some of the windows."""
        draws = self.num_draws
        each = (rows[:, None] * draws + torch.arange(draws)).flatten()
        return WindowDraws(
            self.dropped[rows], self.past_levels[rows], self.past_noise[rows], self.levels[each], self.noise[each]
        )

    def to(self, device: torch.device) -> "WindowDraws":
        """The same on another device."""
        return WindowDraws(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))


def draw_windows(
    settings: DrawSettings,
    past_shape: tuple[int, ...],
    new_shape: tuple[int, ...],
    num_draws: int,
    generator: torch.Generator,
) -> WindowDraws:
    """Draws for windows of the given shapes `[windows, frames, channels, h, w]`."""
    size = past_shape[0]
    dropped = torch.rand(size, generator=generator) < settings.condition_dropout
    noisy_past = torch.rand(size, generator=generator) < settings.past_noise_share
    past_level = noisy_past * settings.past_noise_max * torch.rand(size, generator=generator)
    past_noise = torch.randn(past_shape, generator=generator)
    levels = draw_noise_levels((size * num_draws,), generator, logit_mean=settings.noise_logit_mean)
    noise = torch.randn((size * num_draws, *new_shape[1:]), generator=generator)
    return WindowDraws(
        dropped, frame_levels(past_level, past_shape[1]), past_noise, frame_levels(levels, new_shape[1]), noise
    )


@dataclass(frozen=True)
class Share:
    """Which part of a batch one of several processes computes."""

    index: int = 0
    count: int = 1

    def rows(self, size: int) -> Rows:
        """Its rows of a batch of `size`.

        Raises:
            UserError: the batch cannot be dealt out evenly.
        """
        if size % self.count:
            raise UserError(f"a batch of {size} cannot be dealt out evenly to {self.count} processes; change one")
        each = size // self.count
        return torch.arange(each * self.index, each * (self.index + 1))
