"""What a page is made of, whatever it is written in. Text is plain here; `page` and `markdown` escape it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Tone = Literal["plain", "good", "bad", "even", "faint"]
"""How a cell is coloured; its words say the same."""


@dataclass(frozen=True)
class Cell:
    """One cell of a table."""

    text: str
    detail: str = ""
    """Stands smaller behind the text, such as an interval."""
    note: str = ""
    """Stands below, such as a verdict."""
    tone: Tone = "plain"
    strong: bool = False
    prose: bool = False
    """Words, set to the left; numbers are set to the right."""
    span: int = 1
    """How many columns it takes."""
    colour: str = ""
    """Of a small square before the text: the arm's colour in the plots."""


@dataclass(frozen=True)
class Table:
    """Rows under a head. The first cell of a row names it; a row of one cell is a heading inside the table."""

    head: Sequence[Cell]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    groups: Sequence[tuple[str, int]] = ()
    """Headings above the head, and how many columns each spans."""


@dataclass(frozen=True)
class Paragraph:
    """A paragraph; `lead` stands in bold before it."""

    text: str
    lead: str = ""


@dataclass(frozen=True)
class Bullets:
    """A list."""

    items: Sequence[str]


@dataclass(frozen=True)
class Verdict:
    """The answer, set large."""

    answer: str


@dataclass(frozen=True)
class Tiles:
    """A few figures set large, each with what it is."""

    items: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Cautions:
    """What to know before believing the figures."""

    items: Sequence[str]


@dataclass(frozen=True)
class Picture:
    """A PNG file."""

    name: str
    """Of its file, without the suffix; the report makes it unique."""
    png: bytes
    alt: str
    caption: str = ""
    pixels: bool = False
    """Frames of few pixels: they are not smoothed when enlarged."""


@dataclass(frozen=True)
class Code:
    """Text in columns, such as JSON."""

    text: str


@dataclass(frozen=True)
class Heading:
    """A heading inside a section; `level` is 3 or 4."""

    text: str
    level: int = 3


@dataclass(frozen=True)
class Fold:
    """Blocks that are shown when asked for."""

    title: str
    blocks: "Sequence[Block]"


Block = Table | Paragraph | Bullets | Verdict | Tiles | Cautions | Picture | Code | Heading | Fold


@dataclass(frozen=True)
class Section:
    """A part of the page with an entry in its table of contents."""

    anchor: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Document:
    """A whole page."""

    title: str
    subtitle: str
    sections: Sequence[Section]


def words(text: str) -> Cell:
    """A cell of words."""
    return Cell(text, prose=True)


def pictures(blocks: Sequence[Block]) -> list[Picture]:
    """The pictures in blocks, folded ones included."""
    found: list[Picture] = []
    for block in blocks:
        if isinstance(block, Picture):
            found.append(block)
        elif isinstance(block, Fold):
            found += pictures(block.blocks)
    return found
