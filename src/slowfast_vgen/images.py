"""From any image that a user gives to one frame, by one stated rule: centre square (or the frame's shape), then resize."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from slowfast_vgen.errors import UserError

SMALLEST_SIDE = 8
"""Images with a shorter side are refused: nothing could be recognised in them."""
LARGEST_SIDE = 16384


def frame_from_image(
    image: Image.Image | np.ndarray | str | Path, height: int, width: int
) -> UInt8[np.ndarray, "height width 3"]:
    """One RGB frame. Transparent images are laid on black, other modes converted; the largest centred region of the frame's
    shape is cut out and resized (area-averaged when shrinking); an image of the right size passes unchanged.

    Raises:
        UserError: not an image, unreadable, truncated, or with a side out of range.

    >>> frame_from_image(np.zeros((100, 200, 3), np.uint8), 64, 64).shape
    (64, 64, 3)
    """
    picture = _open(image)
    if not SMALLEST_SIDE <= min(picture.size) <= max(picture.size) <= LARGEST_SIDE:
        raise UserError(
            f"the image is {picture.width}x{picture.height}; give one with sides of {SMALLEST_SIDE} to {LARGEST_SIDE} pixels"
        )
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "black"), picture)
    picture = picture.convert("RGB")
    if picture.size != (width, height):
        picture = ImageOps.fit(picture, (width, height), Image.Resampling.BOX if picture.width > width else Image.Resampling.BICUBIC)
    return np.array(picture)


def _open(image: Image.Image | np.ndarray | str | Path) -> Image.Image:
    if isinstance(image, Image.Image):
        return image
    if isinstance(image, np.ndarray):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise UserError(
                f"a start image is uint8 [height, width, 3], got {image.dtype} {list(image.shape)}; convert it first"
            )
        return Image.fromarray(image)
    path = Path(image)
    if not path.is_file():
        raise UserError(f"there is no image file {path}; check the path")
    try:
        picture: Image.Image = Image.open(path)
        picture.load()
        return ImageOps.exif_transpose(picture)
    except UnidentifiedImageError as error:
        raise UserError(f"{path} is not an image that can be read; give a PNG or JPEG file") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{path} is damaged or too large ({error}); give another image file") from error
