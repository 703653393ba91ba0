"""Hooks of MkDocs: pages outside `docs` join the site, and links to other files of the repository are checked."""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
PAGES = {
    "README.md": "readme.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""File of the repository -> page of the site."""
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages from outside `docs`."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turns links into the repository into links of the site; a file that is no page is named without a link.

    Raises:
        FileNotFoundError: a link leads to nothing.
    """
    uri = page.file.src_uri
    source = next((name for name, known in PAGES.items() if known == uri), f"docs/{uri}")

    def of_site(match: re.Match[str]) -> str:
        picture, text, target, anchor = match.groups()
        if "://" in target or target.startswith("mailto:"):
            return match.group(0)
        place = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if not (ROOT / place).exists():
            raise FileNotFoundError(f"{source} links to {target}, which is not in the repository")
        known = PAGES.get(place) or (place.removeprefix("docs/") if place.startswith("docs/") else None)
        if known is None or (ROOT / place).is_dir():
            return f"{text} (`{place}`)"
        link = posixpath.relpath(known, posixpath.dirname(uri) or ".")
        return f"{picture}[{text}]({link}{anchor or ''})"

    parts = re.split(r"(```.*?```)", markdown, flags=re.S)
    return "".join(part if part.startswith("```") else LINK.sub(of_site, part) for part in parts)
