"""From any image that a user gives to one frame, by one stated rule: cut out the middle, then resize."""

import warnings
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from slowfast_vgen.errors import UserError

SMALLEST_SIDE = 8
"""Images with a shorter side are refused: nothing could be recognised in them."""
LARGEST_SIDE = 16384
LARGEST_AREA = 80_000_000
"""Pixels; Pillow itself warns of larger images, which may be small files made to fill the memory."""


def frame_from_image(
    image: Image.Image | np.ndarray | str | Path, height: int, width: int
) -> UInt8[np.ndarray, "height width 3"]:
    """One RGB frame. An image of the right size and mode passes unchanged.

    The largest centred region of the frame's shape is cut out and resized (area-averaged when shrinking). Transparent
    images are laid on black, 16-bit greys scaled to 8 bits, other modes converted; of an animation the first picture is
    taken; a camera's rotation mark is obeyed.

    Raises:
        UserError: not an image, unreadable, truncated, of floating-point pixels, or with a side out of range.

    >>> frame_from_image(np.zeros((100, 200, 3), np.uint8), 64, 64).shape
    (64, 64, 3)
    """
    picture = _open(image)
    _check_size(picture, "the image" if isinstance(image, Image.Image | np.ndarray) else str(image))
    picture = _to_rgb(picture)
    if picture.size != (width, height):
        shrinks = picture.width > width and picture.height > height
        picture = ImageOps.fit(picture, (width, height), Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC)
    return np.array(picture)


def _check_size(picture: Image.Image, name: str) -> None:
    width, height = picture.size
    if not SMALLEST_SIDE <= min(width, height) <= max(width, height) <= LARGEST_SIDE or width * height > LARGEST_AREA:
        raise UserError(
            f"{name} is {width}x{height}; give an image with sides of {SMALLEST_SIDE} to {LARGEST_SIDE} pixels, "
            f"{LARGEST_AREA // 1_000_000} million pixels at most"
        )


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode == "F":
        raise UserError("the image has floating-point pixels, whose range is not known; save it with 8 bits a channel")
    if picture.mode.startswith("I"):  # 16-bit greys; Pillow's own conversion would cut off all above 255
        grey = np.asarray(picture).clip(0, 65535) / 257
        return Image.fromarray(grey.round().astype(np.uint8)).convert("RGB")
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "black"), picture)
    return picture.convert("RGB")


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
    try:
        if not path.is_file():
            raise UserError(f"there is no image file {path}; check the path")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # checked below
            picture: Image.Image = Image.open(path)
        _check_size(picture, str(path))
        picture.load()
        return ImageOps.exif_transpose(picture)
    except UserError:
        raise
    except UnidentifiedImageError as error:
        raise UserError(f"{path} is not an image that can be read; give a PNG or JPEG file") from error
    except Exception as error:  # on damaged files Pillow's readers raise whatever their parsing runs into
        reason = f"{type(error).__name__}: {error}"
        raise UserError(f"{path} is damaged or too large ({reason}); give another image file") from error
