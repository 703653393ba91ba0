"""A document as one HTML page that asks for nothing: styles and pictures inside, no scripts."""

import base64
import re
import struct
from collections.abc import Sequence
from html import escape
from itertools import groupby

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
    Section,
    Table,
    Tiles,
    Verdict,
)
from slowfast_bench.report.style import STYLE

GENERATOR = "slowfast evaluate report"
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")


def html_page(document: Document) -> str:
    """The whole page. All text of the document is escaped."""
    contents = "".join(f'<li><a href="#{one.anchor}">{escape(one.title)}</a></li>' for one in document.sections)
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta name="generator" content="{GENERATOR}">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<link rel="icon" href="data:,">',
            f"<title>{escape(document.title)}</title>",
            f"<style>{STYLE}</style>\n</head>\n<body>",
            f"<header><h1>{escape(document.title)}</h1><p>{escape(document.subtitle)}</p></header>",
            "<main>",
            *map(_section, document.sections[:1]),
            f'<nav aria-label="Contents"><ul>{contents}</ul></nav>',
            *map(_section, document.sections[1:]),
            "</main>\n</body>\n</html>\n",
        ]
    )


def _section(section: Section) -> str:
    return f'<section id="{section.anchor}">\n<h2>{escape(section.title)}</h2>\n{_blocks(section.blocks)}\n</section>'


def _blocks(blocks: Sequence[Block]) -> str:
    """Plots that follow each other stand side by side where there is room."""
    parts = []
    for plots, group in groupby(blocks, key=lambda block: isinstance(block, Picture) and not block.pixels):
        made = "\n".join(_block(block) for block in group)
        parts.append(f'<div class="plots">\n{made}\n</div>' if plots else made)
    return "\n".join(parts)


def _block(block: Block) -> str:
    match block:
        case Table():
            return _table(block)
        case Paragraph(text, lead):
            return f"<p>{f'<b>{escape(lead)}</b> ' if lead else ''}{escape(text)}</p>"
        case Bullets(items):
            return _list(items)
        case Verdict(answer):
            return f'<p class="answer">{escape(answer)}</p>'
        case Tiles(items):
            tiles = (f"<div><b>{escape(figure)}</b> {escape(told)}</div>" for figure, told in items)
            return f'<div class="tiles">{"".join(tiles)}</div>'
        case Cautions(items):
            return f'<div class="cautions" role="note">{_list(items)}</div>'
        case Picture():
            return _picture(block)
        case Code(text):
            return f"<pre>{escape(text)}</pre>"
        case Heading(text, level):
            return f"<h{level}>{escape(text)}</h{level}>"
        case Fold(title, inner):
            return f"<details><summary>{escape(title)}</summary>\n{_blocks(inner)}\n</details>"


def _list(items: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>" if items else ""


def _picture(picture: Picture) -> str:
    width, height = struct.unpack(">II", picture.png[16:24])  # the header of every PNG file
    source = f"data:image/png;base64,{base64.b64encode(picture.png).decode()}"
    kind = ' class="pixels"' if picture.pixels else ""
    image = f'<img{kind} src="{source}" width="{width}" height="{height}" alt="{escape(picture.alt)}">'
    caption = f"<figcaption>{escape(picture.caption)}</figcaption>" if picture.caption else ""
    return f"<figure>{caption if picture.pixels else ''}{image}{'' if picture.pixels else caption}</figure>"


def _table(table: Table) -> str:
    columns = sum(cell.span for cell in table.head)
    groups = "".join(
        f'<th colspan="{span}" scope="colgroup" class="over">{escape(text)}</th>'
        if text
        else f'<td colspan="{span}"></td>'
        for text, span in table.groups
    )
    head = "".join(
        f'<th scope="col"{_class(cell, number == 0)}>{_content(cell)}</th>' for number, cell in enumerate(table.head)
    )
    caption = f"<figcaption>{escape(table.caption)}</figcaption>" if table.caption else ""
    body = "\n".join(_row(row, columns) for row in table.rows)
    return (
        f'<figure class="table">{caption}<div class="scroll" tabindex="0"><table>\n'
        f"<thead>{f'<tr>{groups}</tr>' if groups else ''}<tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n"
        "</table></div></figure>"
    )


def _row(row: Sequence[Cell], columns: int) -> str:
    first, *others = row
    if not others:
        heading = f'<th colspan="{columns}" scope="colgroup"><span>{_content(first)}</span></th>'
        return f'<tr class="group">{heading}</tr>'
    return f'<tr><th scope="row">{_content(first)}</th>{"".join(map(_data, others))}</tr>'


def _data(cell: Cell) -> str:
    if cell.span == 1:
        return f"<td{_class(cell)}>{_content(cell)}</td>"
    return f'<td{_class(cell)} colspan="{cell.span}"><span>{_content(cell)}</span></td>'


def _class(cell: Cell, is_first: bool = False) -> str:
    names: list[str] = [cell.tone] if cell.tone != "plain" else []
    names += ["words"] if cell.prose or is_first else []
    return f' class="{" ".join(names)}"' if names else ""


def _content(cell: Cell) -> str:
    text = escape(cell.text)
    if _COLOUR.fullmatch(cell.colour):
        text = f'<span class="swatch" style="background:{cell.colour}"></span>{text}'
    parts = [f"<b>{text}</b>" if cell.strong else text]
    parts += [f"<small>{escape(cell.detail)}</small>"] if cell.detail else []
    parts += [f"<em>{escape(cell.note)}</em>"] if cell.note else []
    return " ".join(parts)
