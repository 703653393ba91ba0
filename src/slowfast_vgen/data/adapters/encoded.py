"""Single images stored as PNG or JPEG bytes in a record or a table."""

from collections.abc import Iterable

import numpy as np

from slowfast_vgen.data.adapters.base import UnusableError
from slowfast_vgen.errors import UserError
from slowfast_vgen.images import frame_from_image, picture_from_bytes
from slowfast_vgen.types import Frames


def decode_images(encoded: Iterable[bytes | memoryview | None], size: tuple[int, int]) -> Frames:
    """Decodes images by the rule of `images.py` to `size`, height and width in pixels.

    Raises:
        UnusableError: invalid image data, with the frames before it.
    """
    frames: list[np.ndarray] = []
    for number, data in enumerate(encoded):
        try:
            frames.append(frame_from_image(picture_from_bytes(data or b"", f"image {number}"), *size))
        except UserError as error:
            raise UnusableError("broken-video", f"image {number} cannot be decoded ({error})", frames) from error
    return np.stack(frames)
