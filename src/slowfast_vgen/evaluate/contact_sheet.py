"""A sheet of frames: what each arm shows of the same places, row under row."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from slowfast_vgen.errors import UserError
from slowfast_vgen.files import atomic_path

_GAP, _LABEL_WIDTH, _TITLE_HEIGHT = 2, 76, 16


@dataclass(frozen=True)
class Panel:
    """One kind of video, seen in every arm."""

    title: str
    rows: dict[str, UInt8[np.ndarray, "shown columns height width 3"]]
    """Label such as "true" or "no memory" -> frames of the same episodes."""


def check_sheet_path(path: Path) -> None:
    """Raises `UserError` unless the name ends in .png."""
    if path.suffix != ".png":
        raise UserError(f"cannot draw the contact sheet {path}: its name must end in .png")


def save_contact_sheet(panels: Sequence[Panel], path: Path) -> None:
    """Draws the panels below each other: for each episode a row a label.

    Raises:
        UserError: a name that does not end in .png, or a place that cannot be written.
    """
    check_sheet_path(path)
    drawn = [_draw(panel) for panel in panels]
    sheet = Image.new("RGB", (max(one.width for one in drawn), sum(one.height for one in drawn)), "white")
    top = 0
    for one in drawn:
        sheet.paste(one, (0, top))
        top += one.height
    with atomic_path(path) as temporary:
        sheet.save(temporary)


def _draw(panel: Panel) -> Image.Image:
    shown, columns, height, width = next(iter(panel.rows.values())).shape[:4]
    block = len(panel.rows) * (height + _GAP) + 2 * _GAP
    sheet = Image.new("RGB", (_LABEL_WIDTH + columns * (width + _GAP), _TITLE_HEIGHT + shown * block), "white")
    pen = ImageDraw.Draw(sheet)
    pen.text((_GAP, _GAP), panel.title, fill="black")
    for episode in range(shown):
        for row, (label, frames) in enumerate(panel.rows.items()):
            top = _TITLE_HEIGHT + episode * block + row * (height + _GAP)
            pen.text((_GAP, top + height // 2 - 6), label, fill="black")
            for column, frame in enumerate(frames[episode]):
                sheet.paste(Image.fromarray(frame), (_LABEL_WIDTH + column * (width + _GAP), top))
    return sheet
