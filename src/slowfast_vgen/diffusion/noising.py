"""The forward process and the three things a denoiser may be asked to predict.

A noise level `t` in [0, 1] is the one coordinate everywhere: 0 is clean, 1 is pure noise. A process turns it into
`alpha` and `sigma`, and `z_t = alpha z_0 + sigma eps` (paper 3.2, with `alpha = sqrt(abar)`, `sigma = sqrt(1 - abar)`
for the variance preserving process).
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from slowfast_vgen.diffusion.settings import NoiseConfig
from slowfast_vgen.errors import UserError
from slowfast_vgen.models.denoiser import Latents, NoiseLevels
from slowfast_vgen.models.settings import Target

Rows = Int64[Tensor, " rows"]


@dataclass(frozen=True)
class Noising:
    """A forward process with its prediction target.

    `epsilon` (the paper's; DDPM, arXiv 2006.11239) and `v_prediction` (arXiv 2202.00512) use the variance preserving
    process with `alpha = cos(pi t / 2)`; any discrete schedule is a walk along the same `t`. `flow` is rectified flow
    (arXiv 2209.03003): `alpha = 1 - t`, `sigma = t`, target `eps - z_0`.
    """

    target: Target = "flow"

    def __post_init__(self) -> None:
        if self.target not in ("epsilon", "v_prediction", "flow"):
            raise UserError(f"unknown prediction target {self.target!r}; choose epsilon, v_prediction or flow")

    def alpha_sigma(self, levels: Float[Tensor, "*shape"]) -> tuple[Float[Tensor, "*shape"], Float[Tensor, "*shape"]]:
        """Share of the signal and of the noise at each level."""
        if self.target == "flow":
            return 1 - levels, levels
        angle = levels * (math.pi / 2)
        return angle.cos(), angle.sin()

    def add_noise(
        self,
        clean: Float[Tensor, "batch frames channels height width"],
        noise: Float[Tensor, "batch frames channels height width"],
        levels: Float[Tensor, "batch frames"],
    ) -> Float[Tensor, "batch frames channels height width"]:
        """The noised latents `z_t`."""
        alpha, sigma = self.alpha_sigma(levels[..., None, None, None])
        return alpha * clean + sigma * noise

    def prediction_target(
        self,
        clean: Float[Tensor, "batch frames channels height width"],
        noise: Float[Tensor, "batch frames channels height width"],
        levels: Float[Tensor, "batch frames"],
    ) -> Float[Tensor, "batch frames channels height width"]:
        """The values that the denoiser should predict."""
        if self.target == "epsilon":
            return noise
        if self.target == "flow":
            return noise - clean
        alpha, sigma = self.alpha_sigma(levels[..., None, None, None])
        return alpha * noise - sigma * clean


def draw_noise_levels(
    shape: tuple[int, ...],
    generator: torch.Generator,
    device: torch.device | str = "cpu",
    logit_mean: float = 0.0,
) -> Float[Tensor, "..."]:
    """Logit-normal levels (arXiv 2403.03206): most training where denoising is neither trivial nor hopeless.

    A `logit_mean` above 0 moves it to higher noise, where the layout of the scene is decided.
    """
    return (torch.randn(shape, generator=generator) + logit_mean).sigmoid().to(device)


def frame_levels(levels: Float[Tensor, " batch"], num_frames: int) -> NoiseLevels:
    """Repeats the level of each window for all of its frames (the paper draws one step `t` for all).

    >>> frame_levels(torch.tensor([0.1, 0.9]), 3).shape
    torch.Size([2, 3])
    """
    return levels[:, None].expand(-1, num_frames)


@dataclass(frozen=True)
class Noise:
    """All that is random in eq. 2's loss of some windows: drawn before anything is computed, so that it can be divided.

    The draws of one window are consecutive rows of `levels` and `noise`.
    """

    levels: Float[Tensor, "windows_draws f_g"]
    noise: Float[Tensor, "windows_draws f_g channels h w"]
    past_levels: NoiseLevels
    past_noise: Latents
    dropped: Bool[Tensor, " windows"]
    """The windows whose action is withheld."""

    @classmethod
    def draw(
        cls, config: NoiseConfig, past: Latents, new: Latents, num_draws: int, generator: torch.Generator
    ) -> "Noise":
        """Draws `num_draws` times for each window of past and new frames; the generator's state decides everything."""
        size = len(past)
        dropped = torch.rand(size, generator=generator) < config.condition_dropout
        noisy_past = torch.rand(size, generator=generator) < config.past_noise_share
        past_levels = noisy_past * config.past_noise_max * torch.rand(size, generator=generator)
        past_noise = torch.randn(past.shape, generator=generator)
        levels = draw_noise_levels((size * num_draws,), generator, logit_mean=config.noise_logit_mean)
        noise = torch.randn((size * num_draws, *new.shape[1:]), generator=generator)
        past_levels, levels = frame_levels(past_levels, past.shape[1]), frame_levels(levels, new.shape[1])
        return cls(levels, noise, past_levels, past_noise, dropped)

    @property
    def num_draws(self) -> int:
        """Draws of each window."""
        return len(self.noise) // len(self.dropped)

    def rows(self, rows: Rows) -> "Noise":
        """The noise of some of the windows."""
        draws = (rows[:, None] * self.num_draws + torch.arange(self.num_draws)).flatten()
        return Noise(
            self.levels[draws], self.noise[draws], self.past_levels[rows], self.past_noise[rows], self.dropped[rows]
        )

    def to(self, device: torch.device | str) -> "Noise":
        """A copy on another device."""
        return Noise(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))
