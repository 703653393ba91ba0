"""Tables of a comparison: measures by arm, the best of each row in bold, and what the memory adds with its verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from slowfast_bench.report.comparison import ByArm, Comparison
from slowfast_bench.report.document import Cell, Heading, Paragraph, Table, Tone, words
from slowfast_bench.report.judgements import Word, interval, listed, mean, verdict
from slowfast_bench.report.looks import FROZEN, Look
from slowfast_bench.report.measures import (
    CONSISTENCY,
    COST,
    QUALITY,
    REVISITS,
    Scale,
    gap_words,
    is_self_consistency,
    scale_of,
    split_revisit,
)
from slowfast_bench.results import Figure

NOTHING = Cell("–", tone="faint")
MOST_ARMS = 9
"""With more arms than this the table is turned: an arm a row."""
AGAINST_TRUTH = "Against the true frame: the first visit shown, the second generated"
AGAINST_ITSELF = "Against the video's own first visit: all generated (a frozen frame agrees with itself)"
BY_ARM = "Mean and 95 % interval; the best arm of a row is bold."
_NEEDS = "needs weights: "
_TONES: dict[Word, Tone] = {"better": "good", "worse": "bad"}

Tables = list[Table | Paragraph | Heading]
Members = Sequence[tuple[str, str]]
"""Names of measures, and the labels of their rows."""
Grouped = Sequence[tuple[str, Members]]
"""Headings inside a table, empty for none, each with its rows."""


def figure_cell(figure: Figure, scale: Scale, strong: bool = False) -> Cell:
    """Mean and interval."""
    return Cell(mean(figure, scale), interval(figure, scale), strong=strong)


def figures_table(figures: Mapping[str, Figure], labels: Mapping[str, str], caption: str = "") -> Table:
    """Any figures, a row each, under their labels or else their names."""
    rows = []
    for name, figure in figures.items():
        label = labels.get(name, name.replace("_", " "))
        rows.append((Cell(label), figure_cell(figure, Scale(label)), Cell(str(figure.n), tone="faint")))
    return Table((words("figure"), Cell("mean [interval]"), Cell("n")), rows, caption)


def revisit_tables(comparison: Comparison) -> Tables:
    """Places seen again, at every gap: against the true frames, then against the video's own first visit.

    Each has its figures by arm and the differences; last are the arms that were left out.
    """
    tables: Tables = []
    for title, is_own in ((AGAINST_TRUTH, False), (AGAINST_ITSELF, True)):
        grouped = [
            (_head(scale), [(f"{base}_{gap}", gap_words(gap, comparison.bounds_of(gap))) for gap in comparison.gaps])
            for base, scale in REVISITS.items()
            if base.startswith("history_") is is_own
        ]
        if part := _tables(comparison, grouped, "last in view"):
            tables += [Heading(title, 4), *part]
    return [*tables, *_left_out(comparison)]


def quality_tables(comparison: Comparison) -> Tables:
    """The next chunk after the true past."""
    return _tables(comparison, _rows_of(comparison, QUALITY), "measure")


def consistency_tables(comparison: Comparison) -> Tables:
    """Long videos."""
    return _tables(comparison, _rows_of(comparison, CONSISTENCY), "measure")


def cost_tables(comparison: Comparison) -> Tables:
    """Time and room."""
    caption = "Time: median and quartiles of the chunks; the best arm of a row is bold."
    return _tables(comparison, _rows_of(comparison, COST), "measure", caption)


def other_tables(comparison: Comparison, labels: Mapping[str, str]) -> Tables:
    """Measures that this version does not know, and figures that belong to no arm."""
    known = {*QUALITY, *CONSISTENCY, *COST}
    unknown = {
        name: scale_of(name)
        for name in (*comparison.values, *comparison.differences)
        if name not in known and split_revisit(name) is None
    }
    tables = _tables(comparison, _rows_of(comparison, unknown), "measure")
    return [*tables, figures_table(comparison.others, labels)] if comparison.others else tables


def _rows_of(comparison: Comparison, scales: Mapping[str, Scale]) -> Grouped:
    """The measures that there is something to say about: figures, or which weights they need."""
    told = {*comparison.values, *comparison.differences, *_needs(comparison)}
    return [("", [(name, _head(scale)) for name, scale in scales.items() if name in told])]


def _tables(comparison: Comparison, grouped: Grouped, corner: str, caption: str = BY_ARM) -> Tables:
    if len(comparison.looks) > MOST_ARMS:
        return [table for heading, members in grouped for table in _turned(comparison, heading, members)]
    return [*_by_arm(comparison, grouped, corner, caption), *_differences(comparison, grouped, corner)]


def _by_arm(comparison: Comparison, grouped: Grouped, corner: str, caption: str) -> Tables:
    arms, needs = _present(comparison, comparison.values, grouped), _needs(comparison)
    rows: list[Sequence[Cell]] = []
    for heading, members in grouped:
        part: list[Sequence[Cell]] = []
        for measure, label in members:
            if figures := comparison.values.get(measure):
                best = _best(figures, comparison.looks, measure)
                cells = [
                    figure_cell(figures[arm], scale_of(measure), arm in best) if arm in figures else NOTHING
                    for arm in arms
                ]
                part.append((Cell(label), *cells, _count(figures)))
            elif measure in needs:
                part.append((Cell(label), Cell(needs[measure], tone="faint", prose=True, span=len(arms) + 1)))
        rows += [(words(heading),), *part] if heading and part else part
    if not rows:
        return []
    head = [words(corner), *(_arm_head(comparison.looks[arm]) for arm in arms), Cell("n")]
    return [Table(head, rows, caption)]


def _differences(comparison: Comparison, grouped: Grouped, corner: str) -> Tables:
    arms = _present(comparison, comparison.differences, grouped)
    rows: list[Sequence[Cell]] = []
    for heading, members in grouped:
        part: list[Sequence[Cell]] = []
        for measure, label in members:
            if figures := comparison.differences.get(measure):
                cells = [_difference_cell(figures[arm], measure, arm) if arm in figures else NOTHING for arm in arms]
                part.append((Cell(label), *cells, _count(figures)))
        rows += [(words(heading),), *part] if heading and part else part
    if not rows:
        return []
    head = [words(corner), *(_arm_head(comparison.looks[arm], "over ") for arm in arms), Cell("n")]
    base = comparison.looks[comparison.base].label
    caption = f"What it adds: {base} minus the arm, paired, with its 95 % interval and what that says."
    return [Table(head, rows, caption)]


def _turned(comparison: Comparison, heading: str, members: Members) -> Tables:
    """An arm a row: its figures, and the verdict on each against the first arm."""
    shown = [(measure, label) for measure, label in members if measure in comparison.values]
    arms = _present(comparison, comparison.values, [("", shown)])
    needs = _needs(comparison)
    tables: Tables = [Paragraph(needs[name], f"{label}:") for name, label in members if name in needs]
    if not shown:
        return tables
    best = {name: _best(comparison.values[name], comparison.looks, name) for name, _ in shown}
    rows = []
    for arm in arms:
        cells = []
        for measure, _ in shown:
            figure, paired = comparison.values[measure].get(arm), comparison.differences.get(measure, {}).get(arm)
            cell = NOTHING if figure is None else figure_cell(figure, scale_of(measure), arm in best[measure])
            if paired is not None:  # the file has the first arm minus this one
                mine = _difference_cell(Figure(-paired.mean, -paired.high, -paired.low, paired.n), measure, arm)
                cell = replace(cell, note=f"{mine.text} {mine.detail} {mine.note}", tone=mine.tone)
            cells.append(cell)
        rows.append((Cell(comparison.looks[arm].label), *cells))
    base = comparison.looks[comparison.base].label
    caption = f"Mean and 95 % interval; below it the arm minus {base}, paired, and what that says of the arm."
    caption = f"{heading}. {caption}" if heading else caption
    return [Table([words("arm"), *(Cell(label) for _, label in shown)], rows, caption), *tables]


def _present(comparison: Comparison, table: ByArm, grouped: Grouped) -> list[str]:
    found = {arm for _, members in grouped for measure, _ in members for arm in table.get(measure, {})}
    return [arm for arm in comparison.looks if arm in found]


def _difference_cell(figure: Figure, measure: str, arm: str) -> Cell:
    scale = scale_of(measure)
    text = ("+" if figure.mean > 0 else "") + mean(figure, scale)
    if _stands_still(measure, arm):
        return Cell(text, interval(figure, scale), "no rival", "even")
    word = verdict(figure, scale)
    return Cell(text, interval(figure, scale), word, _TONES.get(word, "even"))


def _stands_still(measure: str, arm: str) -> bool:
    return arm == FROZEN and is_self_consistency(measure)


def _best(figures: Mapping[str, Figure], looks: Mapping[str, Look], measure: str) -> set[str]:
    """The best arms of a row as it is shown; none where no end is better, or there is nothing to choose from."""
    scale = scale_of(measure)
    rivals = {
        arm: figure for arm, figure in figures.items() if not looks[arm].is_bound and not _stands_still(measure, arm)
    }
    told = {arm: mean(figure, scale) for arm, figure in rivals.items()}
    if scale.higher_is_better is None or len(set(told.values())) < 2:
        return set()
    choose = max if scale.higher_is_better else min
    best = choose(rivals, key=lambda arm: rivals[arm].mean)
    return {arm for arm, text in told.items() if text == told[best]}


def _arm_head(look: Look, before: str = "") -> Cell:
    return Cell(before + look.label, colour=look.colour)


def _head(scale: Scale) -> str:
    """Label, unit and an arrow that tells the better end."""
    arrow = {True: "\N{NO-BREAK SPACE}↑", False: "\N{NO-BREAK SPACE}↓", None: ""}[scale.higher_is_better]
    return f"{scale.label}{f', {scale.unit}' if scale.unit else ''}{arrow}"


def _count(figures: Mapping[str, Figure]) -> Cell:
    counts = {figure.n for figure in figures.values()}
    low, high = min(counts), max(counts)
    return Cell(str(low) if low == high else f"{low}–{high}", tone="faint")


def _needs(comparison: Comparison) -> dict[str, str]:
    """How to get what was left out for want of weights."""
    left_out = comparison.suite.needs_weights if comparison.suite else {}
    return {name: how if how.startswith(_NEEDS) else _NEEDS + how for name, how in left_out.items()}


def _left_out(comparison: Comparison) -> Tables:
    """What was left out and has no row of its own, arms above all."""
    rows = {*QUALITY, *CONSISTENCY, *COST, *(f"{base}_{gap}" for base in REVISITS for gap in comparison.gaps)}
    by_sentence: dict[str, list[str]] = {}
    for name, how in _needs(comparison).items():
        if name not in rows:
            by_sentence.setdefault(how, []).append(name.replace("_", " "))
    return [Paragraph(f"{listed(names)}: {how}", "Left out:") for how, names in by_sentence.items()]
