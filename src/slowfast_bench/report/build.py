"""From results files to the document: what is told, and in which order."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from slowfast_bench.report.cautions import cautions
from slowfast_bench.report.document import (
    Block,
    Bullets,
    Cautions,
    Cell,
    Document,
    Fold,
    Heading,
    Paragraph,
    Picture,
    Section,
    Table,
    Tiles,
    Verdict,
    words,
)
from slowfast_bench.report.protocols import files_table, protocol_blocks
from slowfast_bench.report.row_plots import plots
from slowfast_bench.report.sheets import sheets
from slowfast_bench.report.tables import group_folds
from slowfast_bench.report.verdict import Headline, headline
from slowfast_bench.report.view import View
from slowfast_bench.results import Results

_MAIN = tuple(f"evaluate {part}" for part in ("standard", "consistency", "recall", "isolation", "quality"))
"""Commands whose files a page is about: those of the first that is there."""
_NO_VERDICT = "These files do not tell: none of them compares the memory with anything on places seen again."
_HOW_TO_GET_ONE = "Give the results file of `slowfast evaluate --suite standard` or `slowfast evaluate recall` as well."
_READING = (
    "A place is seen again where its very pose was in view before and has left the denoiser's window since; the gap is "
    "how many frames ago it was last in view. ↑ more is better, ↓ less is better."
)
_STRIP = "revisit_median"
"""The picture that is shown first: of the median episode."""
_STRIP_CAPTION = "The second visit to places of the median episode, true and generated."


def build(files: Sequence[Results]) -> tuple[Document, list[Headline]]:
    """The document and the verdicts that stand at its top."""
    views = [View(results) for results in files]
    main = next((some for kind in _MAIN if (some := [one for one in views if one.results.command == kind])), [])
    rest = [view for view in views if view not in main]
    verdicts = {view.results.name: told for view in main if (told := headline(view)) is not None}
    warnings = cautions(files, verdicts)
    sections = [
        Section("verdict", "Does the memory help?", _first_screen(main, verdicts)),
        Section("cautions", "Before you believe it", [Cautions(warnings)] if warnings else []),
        Section("plots", "Plots", [picture for view in main for picture in plots(view)]),
        Section("tables", "Tables", _each(main, group_folds, _READING)),
        Section("failures", "Signatures of failure", _each(main, _signatures)),
        Section("episodes", "Episodes", _each(main, _other_sheets)),
        Section("others", "Other results", _others(rest)),
        Section("protocols", "Protocols", [files_table(files), *protocol_blocks(files)]),
    ]
    first = main[0].results if main else files[0]
    title = f"{first.text('world')}: evaluation" if first.text("world") else "Evaluation"
    document = Document(title, _subtitle(first), [section for section in sections if section.blocks])
    return document, list(verdicts.values())


def _subtitle(results: Results) -> str:
    told = [f"weights {results.text('weights_sha256')[:12]}"] if results.text("weights_sha256") else []
    for key, noun in (("num_maps", "maps"), ("num_seeds", "seeds"), ("sampling_steps", "sampling steps")):
        value = results.num_seeds if key == "num_seeds" else results.protocol.get(key)
        if isinstance(value, int):
            told.append(f"{value} {noun.removesuffix('s') if value == 1 else noun}")
    if commit := results.text("git_commit"):
        told.append(f"commit {commit[:12]}{'+changes' if commit.endswith('+changes') else ''}")
    return " · ".join(told)


def _first_screen(main: Sequence[View], verdicts: dict[str, Headline]) -> list[Block]:
    """Of each file the answer, three figures and one strip of frames; what bears it out is folded."""
    if not verdicts:
        return [Verdict(_NO_VERDICT), Paragraph(_HOW_TO_GET_ONE)]
    blocks: list[Block] = []
    for view in main:
        if one := verdicts.get(view.results.name):
            blocks += [Heading(view.results.name)] if len(verdicts) > 1 else []
            blocks += [Verdict(one.answer), Tiles(one.tiles), *_strip(view)]
            blocks.append(Fold("The verdict, sentence by sentence", [Bullets(one.sentences)]))
    return blocks


def _strip(view: View) -> list[Block]:
    found = [block for block in sheets(view) if isinstance(block, Picture) and block.name.endswith(_STRIP)]
    return [replace(block, caption=_STRIP_CAPTION) for block in found]


def _other_sheets(view: View) -> list[Block]:
    return [block for block in sheets(view) if not (isinstance(block, Picture) and block.name.endswith(_STRIP))]


def _each(main: Sequence[View], make: Callable[[View], Sequence[Block]], before: str = "") -> list[Block]:
    """What `make` makes of every file, under its name where there are several."""
    blocks: list[Block] = []
    for view in main:
        if made := make(view):
            blocks += [Heading(view.results.name)] if len(main) > 1 else []
            blocks += made
    return [Paragraph(before), *blocks] if before and blocks else blocks


def _signatures(view: View) -> list[Block]:
    rows = view.suite.signatures if view.suite else ()
    if not rows:
        return []
    head = [words(text) for text in ("signature", "variant", "", "evidence")]
    lines = []
    for row in rows:
        look = view.looks.get(row.arm)
        variant = Cell(look.label, prose=True, colour=look.colour) if look else words(row.arm)
        found = Cell(
            "found" if row.found else "not found", tone="bad" if row.found else "faint", strong=row.found, prose=True
        )
        lines.append((Cell(row.name), variant, found, words(row.evidence)))
    count = sum(row.found for row in rows)
    return [Fold(f"Ways to fail that were looked for: {len(rows)}, found: {count}", [Table(head, lines)])]


def _others(rest: Sequence[View]) -> list[Block]:
    blocks: list[Block] = []
    for view in rest:
        name = view.results.name
        kind = view.results.command.removeprefix("evaluate ") or "unknown command"
        blocks.append(Heading(name if name == kind else f"{name}: {kind}"))
        blocks += [*plots(view), *group_folds(view), *_signatures(view), *sheets(view)]
    return blocks
