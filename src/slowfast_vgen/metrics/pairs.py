"""Check of the frames that a metric compares with each other."""

import numpy as np
from jaxtyping import UInt8

from slowfast_vgen.errors import UserError

_Frames = UInt8[np.ndarray, "*batch height width 3"]


def check_pair(measure: str, a: _Frames, b: _Frames, smallest_side: int = 1) -> None:
    """Checks that `a` and `b` are frames that `measure` can compare one by one.

    Raises:
        UserError: not 8-bit RGB, not of one shape, or of a side under `smallest_side` pixels.
    """
    for frames in (a, b):
        if frames.dtype != np.uint8 or frames.ndim < 3 or frames.shape[-1] != 3:
            raise UserError(
                f"{measure} needs 8-bit RGB frames of shape [..., height, width, 3],"
                f" but {frames.dtype} of shape {list(frames.shape)} was given"
            )
    if a.shape != b.shape:
        raise UserError(
            f"{measure} compares frames of one shape, but {list(a.shape)} and {list(b.shape)} were given; cut or"
            " resize one of them"
        )
    height, width = a.shape[-3:-1]
    if min(height, width) < smallest_side:
        raise UserError(
            f"{measure} needs frames of at least {smallest_side} pixels a side, but {width}x{height} was given;"
            " use larger frames"
        )
