"""The part of a world that gives frames their addresses in a memory: the integrated path and the addresses along it."""

import math

from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from jaxtyping import Float
from torch import Tensor, nn

from slowfast_vgen.errors import UserError
from slowfast_vgen.models.addressing.path import PlanarPath
from slowfast_vgen.models.addressing.rays import RayAddress

MOST_COLUMNS, WIDEST_KEY = 4096, 2**16
"""Beyond these a memory would not fit into any machine: its size grows with the square of the key width."""
FOV_DEGREES = 89.7
"""The field of view of the ViZDoom worlds, from a frame's left edge to its right one."""


class PlanarAddress(ModelMixin, ConfigMixin):
    """`path` follows the actions through the plane, `rays` turns a pose into one address per column of patches.

    Poses and the widths of places are in steps of the world, each `step_units` of its data long; widths of directions
    and the field of view, from the frame's left edge to its right one, are in degrees. The columns follow each other
    from the left edge, and the frame fills `frame_share` of them: the last one of a frame of odd width reaches
    beyond it. A memory's size grows with the square of `key_width`, which may be changed without training again. With
    `retrace` the path learns which texts ask for the way back.
    """

    @register_to_config
    def __init__(
        self,
        num_columns: int = 4,
        fov_degrees: float = FOV_DEGREES,
        step_units: float = 24.0,
        key_width: int = 768,
        place_widths: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0),
        ray_width_degrees: float = 14.0,
        heading_width_degrees: float = 45.0,
        seed: int = 0,
        retrace: bool = False,
        frame_share: float = 1.0,
    ) -> None:
        super().__init__()
        if not 1 <= num_columns <= MOST_COLUMNS or not 0 < frame_share <= 1:
            raise UserError(
                f"a frame fills 1 to {MOST_COLUMNS} columns, got {num_columns} of which it fills {frame_share:g}"
            )
        if not 0 < fov_degrees < 180:
            raise UserError(f"a camera's field of view lies between 0 and 180 degrees, got {fov_degrees:g}")
        if not 0 < step_units < math.inf:
            raise UserError(f"the length of a step must be above 0 and finite, got {step_units:g}")
        if not 2 <= key_width <= WIDEST_KEY or key_width % 2:
            raise UserError(f"the width of a memory's keys is an even number from 2 to {WIDEST_KEY}, got {key_width}")
        if not all(0 < width < math.inf for width in (ray_width_degrees, heading_width_degrees, *place_widths)):
            raise UserError("the widths of places, rays and headings must all be above 0 and finite")
        self.path = PlanarPath(retrace=retrace)
        self.rays = RayAddress(
            num_columns,
            fov_degrees,
            key_width,
            tuple(place_widths),
            ray_width_degrees,
            heading_width_degrees,
            seed,
            frame_share,
        )

    @classmethod
    def still(cls, key_width: int = 64) -> "PlanarAddress":
        """Addresses for a camera that never moves, whatever the action: a memory holds one place, column by column."""
        address = cls(key_width=key_width)
        last = address.path.motion[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        return address

    def fitted(self, latent_width: int, num_columns: int) -> "PlanarAddress":
        """The same path with addresses for frames of other columns; this address itself if it has those already.

        Args:
            latent_width: width of a frame's latents.
            num_columns: columns into which a denoiser cuts it, as `MemoryShape` gives them.
        """
        share = latent_width / (num_columns * -(-latent_width // num_columns))
        if (self.config.num_columns, self.config.frame_share) == (num_columns, share):
            return self
        kept = {name: value for name, value in self.config.items() if not name.startswith("_")}
        other = PlanarAddress(**(kept | {"num_columns": num_columns, "frame_share": share}))
        other.path.load_state_dict(self.path.state_dict())
        return other.to(self.device).train(self.training).requires_grad_(next(self.path.parameters()).requires_grad)

    @property
    def is_still(self) -> bool:
        """True if no action moves the camera."""
        last = self.path.motion[-1]
        return isinstance(last, nn.Linear) and not bool(last.weight.any() or last.bias.any())

    def forward(self, poses: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch columns key_width"]:
        """The address of each column of patches."""
        return self.rays(poses)
