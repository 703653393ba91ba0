"""Pictures that a results file names, read and checked."""

from io import BytesIO
from pathlib import Path

from slowfast_bench.report.document import Block, Paragraph, Picture
from slowfast_bench.report.view import View

_LARGEST_BYTES = 40_000_000


def sheets(view: View) -> list[Block]:
    """The pictures of one file; one that is missing or damaged is told in a line instead."""
    named = view.suite.pictures if view.suite else {}
    blocks: list[Block] = []
    for name, path in named.items():
        caption = name.replace("_", " ").replace("-", " ")
        told = f"{path.name} (“{caption}”)"
        try:
            data = _read(path)
        except FileNotFoundError:
            blocks.append(Paragraph(f"{told} is not beside the results file.", "Picture missing:"))
        except (OSError, ValueError, SyntaxError) as error:
            reason = " ".join(str(error).split())[:200]
            blocks.append(Paragraph(f"{told} cannot be shown: {reason}.", "Picture damaged:"))
        else:
            alt = f"Frames of an episode: {caption}."
            blocks.append(Picture(f"{view.results.name}-{name}", data, alt, caption, pixels=True))
    return blocks


def _read(path: Path) -> bytes:
    """The bytes of a PNG file.

    Raises:
        FileNotFoundError: no file of that name.
        OSError, ValueError, SyntaxError: unreadable, too large, damaged or no PNG.
    """
    from PIL import Image, UnidentifiedImageError

    if not path.is_file():  # a folder, or a pipe that would never end, neither
        raise FileNotFoundError(path)
    if path.stat().st_size > _LARGEST_BYTES:
        raise ValueError(f"it is larger than {_LARGEST_BYTES} bytes")
    data = path.read_bytes()
    try:
        with Image.open(BytesIO(data), formats=["PNG"]) as picture:
            picture.verify()
    except Image.DecompressionBombError as error:
        raise ValueError("it has too many pixels") from error
    except UnidentifiedImageError as error:
        raise ValueError("it is no PNG picture") from error
    return data
