"""Settings of the noise in training; without torch, for commands show them."""

from dataclasses import dataclass
from typing import Annotated

from slowfast_vgen.errors import UserError
from slowfast_vgen.flags import Flag


@dataclass(frozen=True, kw_only=True)
class NoiseConfig:
    """Frequency and strength of the noise on training windows."""

    condition_dropout: Annotated[float, Flag(low=0, high=1, metavar="SHARE")] = 0.1
    """Share of windows whose action is withheld."""
    past_noise_share: Annotated[float, Flag(low=0, high=1, metavar="SHARE")] = 0.5
    """Share of windows whose past is slightly noised, with its level given (GameNGen, arXiv 2408.14837): a roll-out
    feeds the model its own imperfect frames, and this keeps errors from growing. The rest keep the clean past of eq.
    1."""
    past_noise_max: Annotated[float, Flag(low=0, high=1, metavar="LEVEL")] = 0.3
    """The highest level of a noised past, in [0, 1]."""
    noise_logit_mean: Annotated[float, Flag(low=-5, high=5, metavar="MEAN")] = 0.0
    """Above 0: more training at high noise, where the layout is decided, as in `noising.draw_noise_levels`,
    of eq. 2's levels."""

    def __post_init__(self) -> None:
        for name in ("condition_dropout", "past_noise_share", "past_noise_max"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"{name} must lie between 0 and 1, got {getattr(self, name)}")
