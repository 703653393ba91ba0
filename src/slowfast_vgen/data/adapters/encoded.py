"""Single images kept as PNG or JPEG bytes inside a record or a table."""

import io
import warnings
from collections.abc import Iterable

import numpy as np
from PIL import Image

from slowfast_vgen.data.adapters.base import UnusableError
from slowfast_vgen.images import frame_from_image
from slowfast_vgen.types import Frames


def decode_images(encoded: Iterable[bytes | memoryview | None], size: int) -> Frames:
    """The images by the rule of `images.py`, `size` x `size`.

    Raises:
        UnusableError: one that is no image, with the frames before it.
    """
    frames: list[np.ndarray] = []
    for number, data in enumerate(encoded):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # frame_from_image checks the size
                frames.append(frame_from_image(Image.open(io.BytesIO(data or b"")), size, size))
        except Exception as error:  # on damaged files Pillow's readers raise whatever their parsing runs into
            message = f"image {number} cannot be decoded ({type(error).__name__}: {' '.join(str(error).split())})"
            raise UnusableError("broken-video", message, frames) from error
    return np.stack(frames)
