"""The report as a folder: `index.html`, which needs nothing beside it, and `report.md` with its pictures."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from slowfast_bench.report.build import build
from slowfast_bench.report.document import Document, Picture, pictures
from slowfast_bench.report.html import GENERATOR, html_page
from slowfast_bench.report.markdown import linked_pictures, markdown_page
from slowfast_bench.report.verdict import Headline
from slowfast_bench.results import read_all
from slowfast_vgen.errors import UserError
from slowfast_vgen.file_system import contents
from slowfast_vgen.files import atomic_folder

INDEX, MARKDOWN = "index.html", "report.md"


@dataclass(frozen=True)
class Report:
    """What was written."""

    index: Path
    headlines: tuple[Headline, ...]
    """The verdict of each file that has one."""


def write_report(results: Sequence[Path], out: Path) -> Report:
    """Writes the report on some results files to the folder `out`, whole or not at all.

    A folder that is there is replaced where it is empty or holds an earlier report and nothing else.

    Raises:
        UserError: a file that is no results file, or a folder that cannot be replaced or written.
    """
    files = read_all(results)
    folder = out.resolve()
    _check_replaceable(out, folder)
    document, headlines = build(files)
    names = _file_names(document)
    page, text = html_page(document), markdown_page(document, names)
    try:
        with atomic_folder(folder) as temporary:
            (temporary / INDEX).write_text(page, encoding="utf-8")
            (temporary / MARKDOWN).write_text(text, encoding="utf-8")
            for picture, name in names.items():
                (temporary / name).write_bytes(picture.png)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}; choose a place that can be written") from error
    return Report(out / INDEX, tuple(headlines))


def _check_replaceable(out: Path, folder: Path) -> None:
    if not folder.is_dir():
        return  # a file of that name is refused by `atomic_folder`
    if Path.cwd().is_relative_to(folder):
        raise UserError(f"cannot replace {out}, which holds the folder you stand in; name another or go elsewhere")
    try:
        inside = {path.name for path in contents(folder)}
        ours = _own_files(folder) if inside else set()
    except OSError as error:
        raise UserError(f"cannot read the folder {out}: {error.strerror}; choose another") from error
    if strangers := sorted(inside - ours):
        raise UserError(
            f"{out} holds {strangers[0]!r:.80}, which is no part of a report and would be lost; choose another folder, "
            "an empty one or that of an earlier report"
        )


def _own_files(folder: Path) -> set[str]:
    """The files of the report in a folder; none where there is no report."""
    index, text = folder / INDEX, folder / MARKDOWN
    if not (index.is_file() and text.is_file()):
        return set()
    with index.open(encoding="utf-8", errors="replace") as file:
        if f'<meta name="generator" content="{GENERATOR}">' not in file.read(1000):
            return set()
    return {INDEX, MARKDOWN, *linked_pictures(text.read_text(encoding="utf-8", errors="replace"))}


def _file_names(document: Document) -> dict[Picture, str]:
    """A name for the file of each picture, none twice."""
    names: dict[Picture, str] = {}
    for picture in pictures([block for section in document.sections for block in section.blocks]):
        if picture not in names:
            slug = re.sub(r"[^a-z0-9]+", "-", picture.name.lower()).strip("-")[:80] or "picture"
            taken, name, number = set(names.values()), f"{slug}.png", 2
            while name in taken:
                name, number = f"{slug}-{number}.png", number + 1
            names[picture] = name
    return names
