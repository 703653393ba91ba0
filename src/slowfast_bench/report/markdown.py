"""A document in Markdown as GitHub reads it, its pictures as files beside it."""

import re
from collections.abc import Mapping, Sequence

from slowfast_bench.report.document import (
    Block,
    Bullets,
    Cautions,
    Cell,
    Code,
    Document,
    Fold,
    Heading,
    Paragraph,
    Picture,
    Table,
    Tiles,
    Verdict,
)

_SIGNS = re.compile(r"[\\`*\[\]<>|~]|(?<![^\W_])_|_(?![^\W_])")
"""What Markdown would take for its own; an underscore inside a word it leaves alone."""
_OPENING = re.compile(r"^(\d*)([#+=.)-])(?=\s|[#=-]|$)")
"""What begins a heading, a list or a rule at the start of a line."""
_LINK = re.compile(r"!\[[^\n]*\]\(([a-z0-9-]+\.png)\)")


def markdown_page(document: Document, files: Mapping[Picture, str]) -> str:
    """The whole page.

    Args:
        document: its text is escaped.
        files: the file name of every picture.
    """
    parts = [f"# {_text(document.title)}", _line(document.subtitle)]
    for section in document.sections:
        parts += [f"## {_text(section.title)}", *_blocks(section.blocks, files)]
    return "\n\n".join(part for part in parts if part) + "\n"


def linked_pictures(text: str) -> set[str]:
    """The picture files that a page of `markdown_page` shows."""
    return set(_LINK.findall(text))


def _blocks(blocks: Sequence[Block], files: Mapping[Picture, str]) -> list[str]:
    return [part for block in blocks for part in _block(block, files)]


def _block(block: Block, files: Mapping[Picture, str]) -> list[str]:
    match block:
        case Table():
            return [*([f"*{_text(block.caption)}*"] if block.caption else []), _table(block)]
        case Paragraph(text, lead):
            return [f"**{_text(lead)}** {_text(text)}" if lead else _line(text)]
        case Bullets(items) | Cautions(items):
            return [_list(items)]
        case Verdict(answer):
            return [f"**{_text(answer)}**"]
        case Tiles(items):
            return [_list([f"{figure} {told}" for figure, told in items])]
        case Picture():
            caption = [f"*{_text(block.caption)}*"] if block.caption else []
            return [f"![{_text(block.alt)}]({files[block]})", *caption]
        case Code(text):
            fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
            return [f"{fence}json\n{text}\n{fence}"]
        case Heading(text, level):
            return [f"{'#' * level} {_text(text)}"]
        case Fold(title, inner):
            return [f"<details><summary>{_text(title)}</summary>", *_blocks(inner, files), "</details>"]


def _list(items: Sequence[str]) -> str:
    return "\n".join(f"- {_line(item)}" for item in items)


def _table(table: Table) -> str:
    over = [text for text, span in table.groups for _ in range(span)] or [""] * len(table.head)
    head = [f"{group}: {cell.text}" if group else cell.text for group, cell in zip(over, table.head, strict=True)]
    lines = [[_text(text) for text in head]]
    lines.append([":---" if cell.prose or not number else "---:" for number, cell in enumerate(table.head)])
    for row in table.rows:
        cells = [part for cell in row for part in [_cell(cell), *[""] * (cell.span - 1)]]
        if len(row) == 1:
            cells = [f"**{_cell(row[0])}**"]
        lines.append(cells + [""] * (len(table.head) - len(cells)))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(cell: Cell) -> str:
    text = f"**{_text(cell.text)}**" if cell.strong else _text(cell.text)
    return " ".join(part for part in (text, _text(cell.detail), f"*{_text(cell.note)}*" if cell.note else "") if part)


def _text(text: str) -> str:
    """Words in which nothing is Markdown or HTML, for the inside of a line."""
    return _SIGNS.sub(lambda sign: "\\" + sign[0], " ".join(text.split()).replace("&", "&amp;"))


def _line(text: str) -> str:
    """The same for a line of its own."""
    return _OPENING.sub(r"\1\\\2", _text(text))
