"""Tables of rows: a line a metric, gap or dataset, a column a variant; below it what one variant adds to another."""

from collections.abc import Iterable, Mapping, Sequence

from slowfast_bench.report.document import Cell, Fold, Paragraph, Table, Tone, words
from slowfast_bench.report.judgements import Word, interval, listed, mean, verdict
from slowfast_bench.report.metrics import BOUNDS, GROUPS, METRICS, Metric, metric_of
from slowfast_bench.report.view import FROZEN, View
from slowfast_vgen.results import Row

NOTHING = Cell("–", tone="faint")
MOST_COLUMNS = 9
"""With more columns than this the table is turned: a variant a line."""
_NEEDS = "needs weights: "
_METRICS = {"fvd": "fvd_i3d"}
"""What protocols call a metric that needs weights, where the glossary has another name."""
_TONES: dict[Word, Tone] = {"better": "good", "worse": "bad"}

Column = tuple[str | None, str | None]
"""A variant, and what was taken off it."""
Line = tuple[str, str | None, str | None]
"""Metric, gap and dataset."""


def group_folds(view: View) -> list[Fold | Paragraph]:
    """The tables of a file, a fold for each part of the page; last, what was left out for want of weights."""
    groups: dict[str, list[Row]] = {group: [] for group in GROUPS}
    for row in view.results.rows:
        groups[metric_of(row.metric).group].append(row)
    needs = _needs(view)
    lacking = {name: how for name, how in needs.items() if name in METRICS}
    folds: list[Fold | Paragraph] = []
    for group, rows in groups.items():
        absent = {name: how for name, how in lacking.items() if METRICS[name].group == group}
        if rows or absent:
            folds.append(Fold(GROUPS[group], [*tables(view, rows), *_absent(absent)]))
    by_sentence: dict[str, list[str]] = {}
    for name, how in needs.items():
        if name not in lacking:
            by_sentence.setdefault(how, []).append(name.replace("_", " "))
    return folds + [Paragraph(f"{listed(names)}: {_NEEDS}{how}", "Left out:") for how, names in by_sentence.items()]


def tables(view: View, rows: Sequence[Row]) -> list[Table]:
    """Values by variant, then differences with their verdicts."""
    values = [row for row in rows if row.minus is None]
    differences = [row for row in rows if row.minus is not None]
    best = "Mean and interval; the best of a line is bold."
    adds = "What one adds to another: paired differences with their interval and what that says."
    return [_table(view, some, caption) for some, caption in ((values, best), (differences, adds)) if some]


def _table(view: View, rows: Sequence[Row], caption: str) -> Table:
    by_place: dict[tuple[Line, Column], Row] = {}
    for row in rows:
        by_place[(row.metric, row.gap, row.dataset), (row.variant, row.minus)] = row
    lines = list(dict.fromkeys(line for line, _ in by_place))
    order = [None, *view.looks]
    columns = sorted(
        dict.fromkeys(column for _, column in by_place), key=lambda pair: (order.index(pair[0]), order.index(pair[1]))
    )
    grouped = [(metric, [line for line in lines if line[0] == metric]) for metric in _ordered(lines)]
    cells: dict[tuple[Line, Column], Cell] = {}
    for line in lines:
        own = {column: by_place[line, column] for column in columns if (line, column) in by_place}
        strong = _best(own, line[0])
        for column, row in own.items():
            cells[line, column] = _cell(row, column in strong)
    counts = {line: _count(row for (place, _), row in by_place.items() if place == line) for line in lines}
    if len(columns) > MOST_COLUMNS:
        shown = [line for _, members in grouped for line in members]
        head = [words("variant"), *(Cell(_line_label(view, line, whole=True)) for line in shown)]
        body = [
            (_column_head(view, column), *(cells.get((line, column), NOTHING) for line in shown)) for column in columns
        ]
        return Table(head, [*body, (Cell("n"), *(counts[line] for line in shown))], caption)
    head = [words("metric"), *(_column_head(view, column) for column in columns), Cell("n")]
    body_rows: list[Sequence[Cell]] = []
    for metric, members in grouped:
        if len(members) > 1:
            body_rows.append((words(_head(metric_of(metric))),))
        for line in members:
            label = Cell(_line_label(view, line, whole=len(members) == 1))
            body_rows.append((label, *(cells.get((line, column), NOTHING) for column in columns), counts[line]))
    return Table(head, body_rows, caption)


def _ordered(lines: Sequence[Line]) -> list[str]:
    """The metrics of some lines, known ones first, as the table of words has them."""
    known, found = list(METRICS), dict.fromkeys(metric for metric, _, _ in lines)
    return sorted(found, key=lambda metric: known.index(metric) if metric in METRICS else len(known))


def _line_label(view: View, line: Line, whole: bool) -> str:
    metric, gap, dataset = line
    parts = [view.ago(gap)] if gap else []
    parts += [dataset.replace("_", " ")] if dataset else []
    if whole:
        return ", ".join([_head(metric_of(metric)), *parts])
    return ", ".join(parts) or "all"


def _column_head(view: View, column: Column) -> Cell:
    variant, minus = column
    if variant is None:
        return Cell("mean [interval]")
    look = view.looks[variant]
    if minus is None:
        return Cell(look.label, colour=look.colour)
    over = view.looks[minus]
    return Cell(f"{look.label} over {over.label}", colour=(over if variant == view.base else look).colour)


def _cell(row: Row, strong: bool) -> Cell:
    metric = metric_of(row.metric)
    if row.minus is None:
        return Cell(mean(row, metric), interval(row, metric), strong=strong)
    text = ("+" if row.mean > 0 else "") + mean(row, metric)
    if metric.agrees_with_itself and FROZEN in (row.variant, row.minus):
        return Cell(text, interval(row, metric), "no rival", "even")
    word = verdict(row, metric)
    return Cell(text, interval(row, metric), word, _TONES.get(word, "even"))


def _best(rows: Mapping[Column, Row], name: str) -> set[Column]:
    """The best of a line as it is shown; none where no end is better, or there is nothing to choose from."""
    metric = metric_of(name)
    rivals = {
        column: row
        for column, row in rows.items()
        if column[1] is None and column[0] not in BOUNDS and not (metric.agrees_with_itself and column[0] == FROZEN)
    }
    told = {column: mean(row, metric) for column, row in rivals.items()}
    if metric.better is None or len(set(told.values())) < 2:
        return set()
    choose = max if metric.better == "high" else min
    best = choose(rivals, key=lambda column: rivals[column].mean)
    return {column for column, text in told.items() if text == told[best]}


def _head(metric: Metric) -> str:
    """Label, unit and an arrow that tells the better end."""
    arrow = {"high": "\N{NO-BREAK SPACE}↑", "low": "\N{NO-BREAK SPACE}↓", None: ""}[metric.better]
    return f"{metric.label}{f', {metric.unit}' if metric.unit else ''}{arrow}"


def _count(rows: Iterable[Row]) -> Cell:
    counts = {row.n for row in rows}
    low, high = min(counts), max(counts)
    return Cell(str(low) if low == high else f"{low}–{high}", tone="faint")


def _needs(view: View) -> dict[str, str]:
    """How to get what was left out for want of weights."""
    left_out = view.suite.needs_weights if view.suite else {}
    return {_METRICS.get(name, name): how.removeprefix(_NEEDS) for name, how in left_out.items()}


def _absent(needs: Mapping[str, str]) -> list[Table]:
    rows = [(Cell(_head(METRICS[name])), Cell(_NEEDS + how, tone="faint", prose=True)) for name, how in needs.items()]
    return [Table((words("metric"), words("not measured")), rows)] if rows else []
