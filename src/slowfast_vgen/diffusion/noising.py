"""The forward process and the three things a denoiser may be asked to predict.

A noise level `t` in [0, 1] is the one coordinate everywhere: 0 is clean, 1 is pure noise. A process turns it into
`alpha` and `sigma`, and `z_t = alpha z_0 + sigma eps` (paper 3.2, with `alpha = sqrt(abar)`, `sigma = sqrt(1 - abar)`
for the variance preserving process).
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from slowfast_vgen.errors import UserError

Target = Literal["epsilon", "v_prediction", "flow"]


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
        """`z_t`."""
        alpha, sigma = self.alpha_sigma(levels[..., None, None, None])
        return alpha * clean + sigma * noise

    def prediction_target(
        self,
        clean: Float[Tensor, "batch frames channels height width"],
        noise: Float[Tensor, "batch frames channels height width"],
        levels: Float[Tensor, "batch frames"],
    ) -> Float[Tensor, "batch frames channels height width"]:
        """What the denoiser should say."""
        if self.target == "epsilon":
            return noise
        if self.target == "flow":
            return noise - clean
        alpha, sigma = self.alpha_sigma(levels[..., None, None, None])
        return alpha * noise - sigma * clean

    def clean_and_noise(
        self,
        noised: Float[Tensor, "batch frames channels height width"],
        prediction: Float[Tensor, "batch frames channels height width"],
        levels: Float[Tensor, "batch frames"],
    ) -> tuple[Tensor, Tensor]:
        """Estimates of `z_0` and `eps` from a prediction: the inverse of `prediction_target`.

        >>> noising = Noising("v_prediction")
        >>> clean, noise = torch.randn(2, 1, 2, 3, 4, 4).unbind()
        >>> levels = torch.full((1, 2), 0.3)
        >>> z_t, v = noising.add_noise(clean, noise, levels), noising.prediction_target(clean, noise, levels)
        >>> torch.allclose(noising.clean_and_noise(z_t, v, levels)[0], clean, atol=1e-5)
        True
        """
        alpha, sigma = self.alpha_sigma(levels[..., None, None, None])
        if self.target == "epsilon":
            return (noised - sigma * prediction) / alpha.clamp(min=1e-4), prediction
        if self.target == "flow":
            return noised - sigma * prediction, noised + alpha * prediction
        return alpha * noised - sigma * prediction, sigma * noised + alpha * prediction


def draw_noise_levels(
    shape: tuple[int, ...],
    generator: torch.Generator,
    device: torch.device | str = "cpu",
    logit_mean: float = 0.0,
) -> Float[Tensor, "..."]:
    """Logit-normal levels (arXiv 2403.03206): most training where denoising is neither trivial nor hopeless.

    A `logit_mean` above 0 moves it to higher noise, where it is decided what stands where.
    """
    return (torch.randn(shape, generator=generator) + logit_mean).sigmoid().to(device)
