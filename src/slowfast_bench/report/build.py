"""From results files to the document: what is told, and in which order."""

from collections.abc import Callable, Mapping, Sequence

from slowfast_bench.report.cautions import cautions
from slowfast_bench.report.comparison import RECALL, Comparison, compare
from slowfast_bench.report.document import (
    Block,
    Cautions,
    Cell,
    Document,
    Heading,
    Paragraph,
    Section,
    Table,
    Verdict,
    words,
)
from slowfast_bench.report.labels import RECALL_LABELS
from slowfast_bench.report.others import other_blocks, other_plots
from slowfast_bench.report.protocols import files_table, protocol_blocks
from slowfast_bench.report.sheets import sheets
from slowfast_bench.report.tables import (
    consistency_tables,
    cost_tables,
    other_tables,
    quality_tables,
    revisit_tables,
)
from slowfast_bench.report.variant_plots import comparison_plots
from slowfast_bench.report.verdict import Headline, headline
from slowfast_bench.results import STANDARD, Results

_MAIN = (STANDARD, "evaluate consistency", RECALL, "evaluate isolation", "evaluate quality")
"""Commands whose files a page is about: those of the first that is there."""
_NO_VERDICT = "These files do not tell: none of them compares the memory with anything on places seen again."
_HOW_TO_GET_ONE = "Give the results file of `slowfast evaluate --suite standard` or `slowfast evaluate recall` as well."
_REVISITS = (
    "A place is seen again where its very pose was in view before and has left the denoiser's window since; the gap is "
    "how many frames ago it was last in view. ↑ more is better, ↓ less is better."
)
_LONG_VIDEOS = (
    "All generated from a start image. A frozen video has no cuts and agrees with itself: read these figures beside "
    "motion; a frozen frame is no rival in them."
)
_COST = "Deep in an episode, alone on the machine. The size is that of all that is kept of the episode for later."


def build(files: Sequence[Results]) -> tuple[Document, list[Headline]]:
    """The document and the verdicts that stand at its top."""
    found = {results.name: compared for results in files if (compared := compare(results)) is not None}
    main = next(
        (some for kind in _MAIN if (some := [one for one in found.values() if one.results.command == kind])), []
    )
    verdicts = {one.results.name: verdict for one in main if (verdict := headline(one)) is not None}
    shown = {one.results.name for one in main}
    rest = [results for results in files if results.name not in shown]
    plots = [*_each(main, comparison_plots), *(picture for results in rest for picture in other_plots(results))]
    sections = [
        Section("verdict", "Does the memory help?", _verdicts(verdicts)),
        Section("cautions", "Before you believe it", _cautions(cautions(files, verdicts))),
        Section("revisits", "Places seen again", _each(main, revisit_tables, _REVISITS)),
        Section("plots", "Plots", plots),
        Section("quality", "Quality of the next chunk", _each(main, quality_tables, "After the true past.")),
        Section("consistency", "Long videos", _each(main, consistency_tables, _LONG_VIDEOS)),
        Section("cost", "Cost", _each(main, cost_tables, _COST)),
        Section("more", "More figures", _each(main, _more)),
        Section("failures", "Signatures of failure", _each(main, _signatures)),
        Section("episodes", "Episodes", _each(main, sheets)),
        Section("others", "Other results", _others(rest, found)),
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


def _verdicts(verdicts: Mapping[str, Headline]) -> list[Block]:
    if not verdicts:
        return [Verdict(_NO_VERDICT, [_HOW_TO_GET_ONE])]
    blocks: list[Block] = []
    for name, one in verdicts.items():
        blocks += [Heading(name)] if len(verdicts) > 1 else []
        blocks.append(Verdict(one.answer, one.sentences))
    return blocks


def _cautions(items: Sequence[str]) -> list[Block]:
    return [Cautions(items)] if items else []


def _each(main: Sequence[Comparison], make: Callable[[Comparison], Sequence[Block]], before: str = "") -> list[Block]:
    """What `make` makes of every comparison, under its name where there are several."""
    blocks: list[Block] = []
    for one in main:
        if made := make(one):
            blocks += [Heading(one.results.name)] if len(main) > 1 else []
            blocks += made
    return [Paragraph(before), *blocks] if before and blocks else blocks


def _more(comparison: Comparison) -> Sequence[Block]:
    return other_tables(comparison, RECALL_LABELS)


def _signatures(comparison: Comparison) -> list[Block]:
    rows = comparison.suite.signatures if comparison.suite else ()
    if not rows:
        return []
    head = [words(text) for text in ("signature", "arm", "", "evidence")]
    lines = []
    for row in rows:
        look = comparison.looks.get(row.arm)
        arm = Cell(look.label, prose=True, colour=look.colour) if look else words(row.arm)
        found = Cell(
            "found" if row.found else "not found", tone="bad" if row.found else "faint", strong=row.found, prose=True
        )
        lines.append((Cell(row.name), arm, found, words(row.evidence)))
    return [Table(head, lines, "Ways to fail that were looked for.")]


_WHOLE: tuple[Callable[[Comparison], Sequence[Block]], ...] = (
    revisit_tables,
    comparison_plots,
    quality_tables,
    consistency_tables,
    cost_tables,
    _more,
    _signatures,
    sheets,
)
"""All that a comparison has beside the verdict, in the order of the page."""


def _others(rest: Sequence[Results], found: Mapping[str, Comparison]) -> list[Block]:
    blocks: list[Block] = []
    for results in rest:
        kind = results.command.removeprefix("evaluate ") or "unknown command"
        blocks.append(Heading(results.name if results.name == kind else f"{results.name}: {kind}"))
        if results.name in found:
            one = found[results.name]
            for make in _WHOLE:
                blocks += make(one)
        else:
            blocks += other_blocks(results)
    return blocks
