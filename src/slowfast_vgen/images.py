"""Conversion of any image that a user gives to one frame by one rule: cut out the middle, then resize."""

import io
import warnings
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from slowfast_vgen.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

SMALLEST_SIDE = 8
"""Smallest side of an image in pixels; smaller ones are refused: nothing could be recognised in them."""
LARGEST_SIDE = 16384
LARGEST_AREA = 80_000_000
"""Most pixels of an image; Pillow itself warns of larger ones, which may be small files made to fill the memory."""


FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "TIFF", "BMP", "GIF", "PPM", "JPEG2000")
"""Formats that are opened, of pixels alone: Pillow would run PostScript, for example, in an interpreter."""
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1")


def frame_from_image(
    image: "Image.Image | np.ndarray | Tensor | str | Path", height: int, width: int, pixel_aspect: float = 1.0
) -> UInt8[np.ndarray, "height width 3"]:
    """Converts an image to one RGB frame. An image of the right size and mode passes unchanged.

    The largest centred region of the frame's shape is cut out and resized (area-averaged when shrinking). Transparent
    images are laid on black, 16-bit greys scaled to 8 bits, other modes converted; of an animation the first picture is
    taken; a camera's rotation mark is obeyed.

    Args:
        image: a picture, uint8 pixels [height, width, 3], a file in one of `FORMATS`, or a tensor, [3, height, width]
            or [height, width, 3], of uint8 or of floating-point values from 0 to 1.
        height: height of the frame in pixels.
        width: width of the frame in pixels.
        pixel_aspect: width over height of the image's own pixels; 1 is square.

    Raises:
        UserError: not an image, unreadable, truncated, of pixels whose range is not known, or with a side out of range.

    >>> frame_from_image(np.zeros((100, 200, 3), np.uint8), 64, 64).shape
    (64, 64, 3)
    """
    picture = _open(image)
    _check_size(picture, str(image) if isinstance(image, str | Path) else "the image")
    picture = _to_rgb(picture)
    if picture.size != (width, height) or pixel_aspect != 1:
        shrinks = picture.width > width and picture.height > height
        resample = Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC
        cut_width = min(picture.width, width / height * picture.height / pixel_aspect)
        cut_height = min(picture.height, height / width * picture.width * pixel_aspect)
        left, top = (picture.width - cut_width) / 2, (picture.height - cut_height) / 2
        picture = picture.resize((width, height), resample, box=(left, top, left + cut_width, top + cut_height))
    return np.array(picture)


def picture_from_bytes(data: bytes | memoryview, name: str) -> Image.Image:
    """Decodes the picture in an encoded image of one of `FORMATS`, turned as its rotation mark says.

    Raises:
        UserError: another format, damaged, or with a side out of range; raised before memory is taken for its pixels.
    """
    return _decoded(io.BytesIO(data), name)


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


def _open(image: "Image.Image | np.ndarray | Tensor | str | Path") -> Image.Image:
    if isinstance(image, Image.Image):
        return image
    if hasattr(image, "detach"):  # a tensor; torch itself is not imported for a picture
        image = _pixels_of(cast("Tensor", image))
    if isinstance(image, np.ndarray):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise UserError(
                f"a start image is uint8 [height, width, 3], got {image.dtype} {list(image.shape)}; convert it first"
            )
        return Image.fromarray(image)
    if not isinstance(image, str | Path):
        raise UserError(f"a {type(image).__name__} is no image; give a path, a picture or uint8 [height, width, 3]")
    path = Path(image)
    if not path.is_file():
        raise UserError(f"there is no image file {path}; check the path")
    return _decoded(path, str(path))


def _pixels_of(tensor: "Tensor") -> np.ndarray:
    """Converts a tensor to uint8 [height, width, 3] by the rule of `frame_from_image`."""
    shape, kind = list(tensor.shape), str(tensor.dtype).removeprefix("torch.")
    if len(shape) != 3 or 3 not in (shape[0], shape[2]):
        raise UserError(f"a start image is a tensor [3, height, width] or [height, width, 3], got {shape}; give one")
    values = (tensor if shape[2] == 3 else tensor.permute(1, 2, 0)).detach().cpu()
    if kind == "uint8":
        return np.ascontiguousarray(values.numpy())
    if not tensor.is_floating_point():
        raise UserError(f"a start image's tensor is uint8 or holds floating-point values from 0 to 1, got {kind}")
    plain = values.double().numpy()
    if not (plain.min(initial=0) >= 0 and plain.max(initial=0) <= 1):
        raise UserError(
            f"a start image's floating-point values go from 0 to 1, got {plain.min():.3g} to {plain.max():.3g}; "
            "bring pixels from -1 to 1 there by (x + 1) / 2, those up to 255 by x / 255"
        )
    return np.asarray((plain * 255).round().astype(np.uint8))


def _decoded(file: Path | io.BytesIO, name: str) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # checked below
            picture: Image.Image = Image.open(file, formats=_formats())
        _check_size(picture, name)
        picture.load()
        return ImageOps.exif_transpose(picture)
    except UserError:
        raise
    except UnidentifiedImageError as error:
        if _is_heif(file):
            advice = "reads with the package pillow-heif alone; run: pip install pillow-heif, or save it as JPEG"
            raise UserError(f"{name} is a HEIF photo, as telephones take them, which this {advice}") from error
        raise UserError(f"{name} is not an image that can be read; give a PNG or JPEG file") from error
    except Exception as error:  # on damaged files Pillow's readers may raise anything
        reason = f"{type(error).__name__}: {error}"
        raise UserError(f"{name} is damaged or too large ({reason}); give another image file") from error


@cache
def _formats() -> tuple[str, ...]:
    """Formats of `FORMATS` that this machine's Pillow has, and HEIF where the package for it is installed."""
    Image.init()
    if find_spec("pillow_heif") is not None:
        from pillow_heif import register_heif_opener

        register_heif_opener()
    return tuple(name for name in (*FORMATS, "HEIF") if name in Image.OPEN)


def _is_heif(file: Path | io.BytesIO) -> bool:
    """True if a file begins as ISO/IEC 23008-12 requires, with one of its brands."""
    if isinstance(file, io.BytesIO):
        head = file.getvalue()[:12]
    else:
        with file.open("rb") as opened:
            head = opened.read(12)
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS
