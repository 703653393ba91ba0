"""A sheet of a data set's frames, to look at."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from slowfast_vgen.data.sources import EpisodeSource
from slowfast_vgen.errors import UserError
from slowfast_vgen.files import atomic_path

_GAP_PIXELS, _LABEL_PIXELS = 2, 96


def save_contact_sheet(dataset: EpisodeSource, path: Path, num_rows: int = 8, num_columns: int = 12) -> None:
    """Draws frames of several episodes, spread over the data set: one row each, labelled with its number and script.

    Raises:
        UserError: no episodes, a name that does not end in .png, or a place that cannot be written.
        DefectiveDataError: an episode that is missing or broken.
    """
    if path.suffix != ".png":
        raise UserError(f"cannot draw the contact sheet {path}: its name must end in .png")
    if not len(dataset):
        raise UserError(f"cannot draw a contact sheet of {dataset.folder}: it holds no episodes yet")
    rows = []
    for index in _spread(len(dataset), num_rows):
        header, _ = dataset.tables(index)
        frames = dataset.frames(index)
        rows.append((f"{index:06d}\n{header.metadata.get('script', '')}", frames[_spread(len(frames), num_columns)]))
    height = max(frames.shape[1] for _, frames in rows) + _GAP_PIXELS
    width = max(frames.shape[2] for _, frames in rows) + _GAP_PIXELS
    sheet = Image.new("RGB", (_LABEL_PIXELS + num_columns * width, len(rows) * height), "white")
    pen = ImageDraw.Draw(sheet)
    for row, (label, frames) in enumerate(rows):
        pen.text((_GAP_PIXELS, row * height), label, fill="black")
        for column, frame in enumerate(frames):
            sheet.paste(Image.fromarray(frame), (_LABEL_PIXELS + column * width, row * height))
    with atomic_path(path) as temporary:
        sheet.save(temporary)


def _spread(total: int, wanted: int) -> list[int]:
    """Returns up to `wanted` indices out of `total`, evenly spaced from the first to the last."""
    return [int(index) for index in np.linspace(0, total - 1, min(total, wanted)).round()]
