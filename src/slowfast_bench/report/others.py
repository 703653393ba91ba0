"""Tables and plots of the other results: rules, capacity, scaling; smoke, bench and any figures at all."""

import re
from collections.abc import Mapping, Sequence

from slowfast_bench.report.document import Block, Cell, Fold, Paragraph, Picture, Table, words
from slowfast_bench.report.labels import CAPACITY_LABELS, RULE_LABELS, SIGNIFICANT
from slowfast_bench.report.looks import Look
from slowfast_bench.report.measures import Scale
from slowfast_bench.report.plots import PlotLine, alt_text, lines_png
from slowfast_bench.report.tables import NOTHING, figure_cell, figures_table
from slowfast_bench.results import Figure, Results

RULES, CAPACITY, SCALING = "evaluate rules", "evaluate capacity", "evaluate scaling"
_DB, _PLAIN = Scale("", "dB", True, 2), Scale("")
_RULE_COLUMNS = {
    "src": ("SRC", Scale("", "", True, 2)),
    "scuts": ("SCuts", Scale("", "", False, 3)),
    "revisit_psnr_db": ("revisit PSNR, dB", _DB),
    "history_psnr_db": ("own visit PSNR, dB", _DB),
    "motion": ("motion", Scale("", "", None, 4)),
}
_BLUES = ("#9ECAE1", "#6BAED6", "#3182BD", "#08519C", "#042F5E")
_ORANGES = ("#FDAE6B", "#F16913", "#C44A02", "#8A2F04", "#4F1A02")
_GREENS = ("#7FD1B9", "#3DB393", "#009E73", "#00664A", "#003D2C")
"""Of one quantity that grows, such as a width: lighter to darker."""
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def other_blocks(results: Results) -> list[Block]:
    """The tables of a file that compares no arms on revisits."""
    if results.command == RULES and (blocks := _rules(results)):
        return blocks
    if results.command == CAPACITY and (blocks := _capacity(results)):
        return blocks
    if results.command == SCALING and (blocks := _scaling(results)):
        return blocks
    labels = SIGNIFICANT.get(results.command, {})
    first = {name: results.figures[name] for name in labels if name in results.figures}
    rest = {name: figure for name, figure in results.figures.items() if name not in first}
    if not first:
        return [figures_table(rest, {})]
    folded = [Fold(f"{len(rest)} more figures", [figures_table(rest, {})])] if rest else []
    return [figures_table(first, labels), *folded]


def other_plots(results: Results) -> list[Picture]:
    """The plots of capacity and of scaling; none for other files."""
    if results.command == CAPACITY:
        return _capacity_plot(results)
    return _scaling_plot(results) if results.command == SCALING else []


def _left(results: Results, used: set[str], labels: Mapping[str, str] | None = None) -> list[Block]:
    """Figures that a table has no place for."""
    rest = {name: figure for name, figure in results.figures.items() if name not in used}
    return [figures_table(rest, labels or {})] if rest else []


# --------------------------------------------------------------------------------------------------------------- rules


def _rules(results: Results) -> list[Block]:
    """The paper's table 4: a row a rule, each column without and with the slow-fast loop of that rule."""
    arms: dict[str, dict[str, Figure]] = {}
    used: set[str] = set()
    for name, figure in results.figures.items():
        column = next((each for each in _RULE_COLUMNS if name.startswith(f"{each}_")), None)
        if column is not None:
            arms.setdefault(name.removeprefix(f"{column}_"), {})[column] = figure
            used.add(name)
    rows: dict[tuple[str, str], tuple[str, str]] = {}
    for arm in arms:
        match = re.fullmatch(r"(.+)_after_(.+)_loop", arm)
        rule, loop = (match[1], match[2]) if match else (arm, "")
        if loop:
            rows.pop((rule, ""), None)
        if loop or not any(each == rule for each, _ in rows):
            rows[rule, loop] = (rule, arm if loop else "")
    order = list(dict.fromkeys(arm.partition("_after_")[0] for arm in arms))
    columns = [each for each in _RULE_COLUMNS if any(each in one for one in arms.values())]
    if not columns:
        return []
    lines: list[Sequence[Cell]] = []
    for (rule, loop), (without, with_loop) in sorted(rows.items(), key=lambda row: order.index(row[0][0])):
        label = _rule(rule) + (f", after the loop of {_rule(loop)}" if loop and loop != rule else "")
        pair = (arms.get(without, {}), arms.get(with_loop, {}))
        cells = [
            figure_cell(one[column], _RULE_COLUMNS[column][1]) if column in one else NOTHING
            for column in columns
            for one in pair
        ]
        lines.append((Cell(label), *cells))
    head = [words("rule of fast learning"), *(Cell(text) for _ in columns for text in ("without", "with the loop"))]
    groups = [("", 1), *((_RULE_COLUMNS[column][0], 2) for column in columns)]
    counts = sorted({figure.n for one in arms.values() for figure in one.values()})
    caption = f"Without and with the slow-fast loop, after the paper's table 4; n = {', '.join(map(str, counts))}."
    network = results.text("src_network")
    told: list[Block] = [Paragraph(f"{network}.", "SRC here is by")] if network else []
    return [Table(head, lines, caption, groups), *told, *_left(results, used)]


def _rule(name: str) -> str:
    return RULE_LABELS.get(name, name.replace("_", " "))


# ------------------------------------------------------------------------------------------------------------ capacity


def _capacity_points(results: Results) -> dict[str, dict[int, tuple[str, Figure]]]:
    """Gain by arm and number of rooms, with the figure's name: key widths first, then ranks, then other rules."""
    points: dict[str, dict[int, tuple[str, Figure]]] = {}
    for name, figure in results.figures.items():
        if match := re.fullmatch(r"recall_gain_db_(.+)_rooms(\d+)", name):
            points.setdefault(match[1], {})[int(match[2])] = (name, figure)
    return dict(sorted(points.items(), key=lambda item: _family(item[0])))


def _family(arm: str) -> tuple[int, int]:
    """Which kind of memory an arm is of, and its size among these."""
    match = re.fullmatch(r"(width|rank)(\d+)", arm)
    return (("width", "rank").index(match[1]), int(match[2])) if match else (2, 0)


def _capacity_label(arm: str) -> str:
    family, size = _family(arm)
    return (f"local memory, key width {size}", f"LoRA of rank {size} (eq. 3)", _rule(arm))[family]


def _capacity(results: Results) -> list[Block]:
    points = _capacity_points(results)
    rooms = sorted({count for row in points.values() for count in row})
    if not points:
        return []
    used = {name for row in points.values() for name, _ in row.values()}
    rows: list[Sequence[Cell]] = []
    for arm, row in points.items():
        size = results.figures.get(f"memory_mb_{arm}")
        used.add(f"memory_mb_{arm}")
        gains = [figure_cell(row[count][1], _DB) if count in row else NOTHING for count in rooms]
        rows.append((Cell(_capacity_label(arm)), figure_cell(size, _PLAIN) if size else NOTHING, *gains))
    counts = sorted({figure.n for row in points.values() for _, figure in row.values()})
    caption = f"Gain over no memory in the first room, seen again, dB; n = {', '.join(map(str, counts))} sessions."
    head = [words("memory"), Cell("MB"), *(Cell(str(count)) for count in rooms)]
    groups = [("", 2), ("rooms walked through since", len(rooms))]
    return [Table(head, rows, caption, groups), *_left(results, used, CAPACITY_LABELS)]


def _capacity_plot(results: Results) -> list[Picture]:
    points = _capacity_points(results)
    lines = []
    for arm, row in points.items():
        family = _family(arm)[0]
        same = [other for other in points if _family(other)[0] == family]
        shades, dash = ((_BLUES, "-"), (_ORANGES, "--"), (_GREENS, ":"))[family]
        look = _shaded(shades, same.index(arm), len(same), dash)
        rooms = sorted(row)
        figures = [row[count][1] for count in rooms]
        lines.append(_line(_capacity_label(arm), look, [float(count) for count in rooms], figures))
    if not lines:
        return []
    title = "The first room, seen again after others"
    png = lines_png(title, "rooms walked through", "gain over no memory (dB)", lines, log_x=True, mark_zero=True)
    return [Picture(f"{results.name}-capacity", png, alt_text(title, lines, "dB"), "Bars are 95 % intervals.")]


# ------------------------------------------------------------------------------------------------------------- scaling


def _scaling_names(results: Results) -> list[str]:
    prefix = "recall_gain_db_"
    return [name.removeprefix(prefix) for name in results.figures if name.startswith(prefix)]


def _told(results: Results, run: str, key: str) -> float | None:
    points = results.protocol.get("points")
    point = points.get(run) if isinstance(points, dict) else None
    value = point.get(key) if isinstance(point, dict) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _scaling(results: Results) -> list[Block]:
    used: set[str] = set()
    rows: list[Sequence[Cell]] = []
    for run in _scaling_names(results):
        cells = [Cell(run)]
        for key in ("parameters", "loop_steps", "loop_flop"):
            value = _told(results, run, key)
            cells.append(NOTHING if value is None else Cell(f"{value:.3g}" if key == "loop_flop" else f"{value:,.0f}"))
        for kind in ("psnr_db_off", "psnr_db_on", "gain_db"):
            name = f"recall_{kind}_{run}"
            used |= {name} & results.figures.keys()
            cells.append(figure_cell(results.figures[name], _DB) if name in results.figures else NOTHING)
        cells.append(Cell(str(results.figures[f"recall_gain_db_{run}"].n), tone="faint"))
        rows.append(cells)
    if not rows:
        return []
    texts = ("parameters", "steps of the loop", "FLOP of the loop", "no memory, dB", "memory, dB", "gain, dB", "n")
    caption = "Recall against the compute of the slow-fast loop and the model's size."
    return [Table([words("run"), *(Cell(text) for text in texts)], rows, caption), *_left(results, used)]


def _scaling_plot(results: Results) -> list[Picture]:
    by_size: dict[float, list[tuple[float, Figure]]] = {}
    for run in _scaling_names(results):
        flop = _told(results, run, "loop_flop")
        if flop is not None and flop > 0:
            size = _told(results, run, "parameters") or 0.0
            by_size.setdefault(size, []).append((flop, results.figures[f"recall_gain_db_{run}"]))
    lines = []
    for place, (size, points) in enumerate(sorted(by_size.items())):
        look = _shaded(_BLUES, place, len(by_size), "-")
        points.sort(key=lambda point: point[0])
        label = f"{size / 1e6:.3g} million parameters" if size else "runs"
        lines.append(_line(label, look, [flop for flop, _ in points], [figure for _, figure in points]))
    if not lines:
        return []
    title = "Recall against the compute of the slow-fast loop"
    png = lines_png(title, "floating-point operations of the loop", "gain over no memory (dB)", lines, log_x=True)
    return [Picture(f"{results.name}-scaling", png, alt_text(title, lines, "dB"), "Bars are 95 % intervals.")]


def _shaded(shades: Sequence[str], place: int, count: int, dash: str) -> Look:
    """The look of one of some lines of a kind: as far apart as the shades allow."""
    shade = shades[-1] if count < 2 else shades[round(place * (len(shades) - 1) / (count - 1))]
    return Look("", "", shade, _MARKERS[place % len(_MARKERS)], dash)


def _line(label: str, look: Look, x: Sequence[float], figures: Sequence[Figure]) -> PlotLine:
    return PlotLine(
        label, look, x, [one.mean for one in figures], [one.low for one in figures], [one.high for one in figures]
    )
