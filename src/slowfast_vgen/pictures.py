"""Pictures and videos to look at: frames enlarged, arranged and labelled. Arrays in, arrays or files out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from slowfast_vgen.errors import UserError
from slowfast_vgen.files import atomic_path
from slowfast_vgen.types import Frames

Picture = UInt8[np.ndarray, "height width 3"]
"""One RGB picture, 0 to 255."""

_PAPER, _INK, _FAINT = (255, 255, 255), (20, 20, 20), (110, 110, 110)
_GAP = 6
"""Pixels between panels and around them."""
_ANIMATION_SUFFIXES = (".gif", ".png", ".webp")


@dataclass(frozen=True)
class Panel:
    """Frames with the label above them. Labels take no line break."""

    label: str
    frames: Frames


def upscaled(frames: Frames, factor: int) -> Frames:
    """Makes each pixel a square of `factor` x `factor` pixels: nearest neighbour, so that nothing is made up.

    >>> upscaled(np.zeros((2, 64, 64, 3), np.uint8), 4).shape
    (2, 256, 256, 3)
    """
    return frames.repeat(factor, axis=1).repeat(factor, axis=2)


def contact_sheet(rows: Sequence[Panel], column_labels: Sequence[str], factor: int = 1) -> Picture:
    """Draws a row for each panel with its label on the left, a column for each frame with its label above.

    All panels hold one frame a column, all of one size. Labels of columns may have several lines.
    """
    num_columns = len(column_labels)
    assert rows and all(len(row.frames) == num_columns for row in rows), "a panel holds one frame a column"
    font = _font(12)
    height, width = (side * factor for side in rows[0].frames.shape[1:3])
    left = _GAP + max(_text_size(row.label, font)[0] for row in rows) + _GAP
    top = _GAP + max(_text_size(label, font)[1] for label in column_labels) + _GAP
    width = max(width, *(_text_size(label, font)[0] for label in column_labels))
    sheet = Image.new("RGB", (left + num_columns * (width + _GAP), top + len(rows) * (height + _GAP)), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for column, label in enumerate(column_labels):
        pen.multiline_text((left + column * (width + _GAP), _GAP), label, fill=_INK, font=font)
    for number, row in enumerate(rows):
        y = top + number * (height + _GAP)
        pen.text((_GAP, y + height // 2), row.label, fill=_INK, font=font, anchor="lm")
        for column, frame in enumerate(upscaled(row.frames, factor)):
            sheet.paste(Image.fromarray(frame), (left + column * (width + _GAP), y))
    return np.asarray(sheet)


def side_by_side(grid: Sequence[Sequence[Panel]], captions: Sequence[str], factor: int = 1) -> Frames:
    """Draws panels in rows, each row centred, with one caption a frame below them all.

    All panels hold as many frames of one size as there are captions. The sides are even, as videos want them.
    """
    num_frames = len(captions)
    panels = [panel for row in grid for panel in row]
    assert panels and all(len(panel.frames) == num_frames for panel in panels), "a panel holds one frame a caption"
    height, width = (side * factor for side in panels[0].frames.shape[1:3])
    font = _font(max(11, width // 14))
    line = _text_size("Ag", font)[1] + _GAP
    total_width = max(len(row) for row in grid) * (width + _GAP) + _GAP
    total_height = len(grid) * (line + height + _GAP) + line + _GAP
    background = Image.new("RGB", (total_width + total_width % 2, total_height + total_height % 2), _PAPER)
    pen = ImageDraw.Draw(background)
    corners: list[tuple[Panel, int, int]] = []
    for number, row in enumerate(grid):
        x = (total_width - len(row) * (width + _GAP) + _GAP) // 2
        y = _GAP + number * (line + height + _GAP)
        for panel in row:
            pen.text((x, y), panel.label, fill=_INK, font=font)
            corners.append((panel, x, y + line))
            x += width + _GAP
    video = np.repeat(np.asarray(background)[None], num_frames, axis=0)
    for panel, x, y in corners:
        video[:, y : y + height, x : x + width] = upscaled(panel.frames, factor)
    foot = total_height - line - _GAP // 2
    drawn: dict[str, Picture] = {}
    for index, caption in enumerate(captions):
        if caption not in drawn:
            strip = Image.new("RGB", (background.width, line), _PAPER)
            text = _shortened(caption, font, total_width - 2 * _GAP)
            ImageDraw.Draw(strip).text((_GAP, 0), text, fill=_FAINT, font=font)
            drawn[caption] = np.asarray(strip)
        video[index, foot : foot + line] = drawn[caption]
    return video


def save_picture(path: Path, picture: Picture) -> None:
    """Writes a PNG file.

    Raises:
        UserError: another suffix, or a place that cannot be written.
    """
    if path.suffix != ".png":
        raise UserError(f"cannot draw {path}: its name must end in .png")
    with atomic_path(path) as temporary:
        Image.fromarray(picture).save(temporary)


def save_animation(path: Path, frames: Frames, fps: float, max_bytes: int) -> None:
    """Writes an endless animated GIF, PNG or WebP of at most `max_bytes`: with fewer colours first, then fewer frames.

    Raises:
        UserError: another suffix, a place that cannot be written, or frames that cannot be made small enough.
    """
    if path.suffix not in _ANIMATION_SUFFIXES:
        raise UserError(f"cannot draw {path}: its name must end in {', '.join(_ANIMATION_SUFFIXES)}")
    with atomic_path(path) as temporary:
        for every in (1, 2, 4):
            for num_colours in (256, 128, 64, 32):
                _write_animation(temporary, frames[::every], 1000 * every / fps, num_colours)
                if temporary.stat().st_size <= max_bytes:
                    return
        raise UserError(f"{path} would be larger than {max_bytes} bytes; give fewer or smaller frames")


def _write_animation(path: Path, frames: Frames, milliseconds: float, num_colours: int) -> None:
    """Writes with one palette and no dithering: flat surfaces stay flat, and unchanged parts cost nothing."""
    shown = np.concatenate(list(frames[:: max(1, len(frames) // 16)]))
    palette = Image.fromarray(shown).quantize(num_colours, Image.Quantize.MEDIANCUT)
    first, *others = [Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    pace = round(milliseconds)
    first.save(path, save_all=True, append_images=others, duration=pace, loop=0, optimize=False, lossless=True)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _text_size(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> tuple[int, int]:
    """Width and height in pixels, from the anchor to the last line's descenders."""
    _, _, right, bottom = ImageDraw.Draw(Image.new("RGB", (1, 1))).multiline_textbbox((0, 0), text, font=font)
    return int(np.ceil(right)), int(np.ceil(bottom))


def _shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """The text, its end replaced by an ellipsis where it is too wide."""
    if _text_size(text, font)[0] <= width:
        return text
    while text and _text_size(text + "…", font)[0] > width:
        text = text[:-1]
    return text + "…"
