"""The plots of a results file: recall by gap, the curves of its protocol, cost against recall, recall by compute."""

from collections.abc import Iterator, Sequence

from slowfast_bench.report.document import Picture
from slowfast_bench.report.judgements import listed, shown
from slowfast_bench.report.metrics import BOUNDS, LABELS, SPARE_PENS, Look, looks_of, metric_of
from slowfast_bench.report.plots import PlotLine, PlotPoint, alt_text, lines_png, points_png
from slowfast_bench.report.view import FROZEN, MEMORY, NO_MEMORY, View
from slowfast_bench.results import Curve
from slowfast_vgen.results import Row

MOST_LINES = 10
"""More than colours can tell apart are not drawn."""
_SPREAD = "Bars and bands are 95 % intervals."


def plots(view: View) -> list[Picture]:
    """All plots of one file, in the order of the page."""
    drawn = [picture for metric in ("psnr_truth", "psnr_own_visit") for picture in _by_gap(view, metric)]
    curves = view.suite.curves if view.suite and len(view.suite.arms) <= MOST_LINES else {}
    drawn += [_curve(view, name, curve) for name, curve in curves.items() if curve.x]
    return [*drawn, *_cost(view), *_by_compute(view)]


def _by_gap(view: View, metric: str) -> Iterator[Picture]:
    """Values against the gap, a line a variant; differences where there are no values."""
    rows = [row for row in view.results.select(metric=metric, dataset=None) if row.gap is not None]
    values = [row for row in rows if row.minus is None]
    rows = values or [row for row in rows if row.minus == NO_MEMORY]
    gaps = list(dict.fromkeys(row.gap for row in rows))
    lines = []
    for variant, look in view.looks.items():
        own = {row.gap: row for row in rows if row.variant == variant}
        if own and not (metric_of(metric).agrees_with_itself and variant == FROZEN):
            lines.append(_line(look.label, look, [float(gaps.index(gap)) for gap in own], list(own.values())))
    if not lines or len(gaps) < 2 or len(lines) > MOST_LINES:
        return
    scale = metric_of(metric)
    what = scale.label if values else f"what is added in {scale.label}"
    title = f"{what}, by how long ago the place was last in view"
    png = lines_png(title, "last in view", f"PSNR ({scale.unit})", lines, [view.ago(gap) for gap in gaps])
    yield Picture(f"{view.results.name}-{metric}-by-gap", png, alt_text(title, lines, scale.unit), _SPREAD)


def _line(label: str, look: Look, x: Sequence[float], rows: Sequence[Row]) -> PlotLine:
    return PlotLine(label, look, x, *([getattr(row, key) for row in rows] for key in ("mean", "low", "high")))


def _curve(view: View, name: str, curve: Curve) -> Picture:
    labels = {variant: look.label for variant, look in view.looks.items()}
    looks = looks_of([*(each for each in labels if each in curve.lines), *(set(curve.lines) - set(labels))], labels)
    lines = [
        PlotLine(look.label, look, curve.x, curve.lines[each].mean, curve.lines[each].low, curve.lines[each].high)
        for each, look in looks.items()
    ]
    png = lines_png(curve.title, curve.x_label, curve.y_label, lines)
    return Picture(f"{view.results.name}-{name}", png, alt_text(curve.title, lines), _SPREAD)


def _cost(view: View) -> Iterator[Picture]:
    """Seconds a frame against recall at the longest gap: up and to the left is better."""
    gaps = [gap for gap in view.gaps if gap is not None]
    time, recall = metric_of("seconds_per_frame"), metric_of("psnr_truth")
    points, told = [], []
    for variant, look in view.looks.items():
        x, y = (view.row("seconds_per_frame", variant), view.row("psnr_truth", variant, gap=gaps[-1] if gaps else None))
        if x and y and variant not in BOUNDS:
            points.append(PlotPoint(look.label, look, (x.mean, x.low, x.high), (y.mean, y.low, y.high)))
            told.append(f"{look.label} {shown(y, recall)} at {shown(x, time)}")
    if points and len(points) <= MOST_LINES:
        title = f"What recall costs: places last in view {view.ago(gaps[-1] if gaps else None)}"
        png = points_png(title, "seconds a frame", "PSNR against the true frame (dB)", points)
        caption = "Up and to the left is better. Bars are 95 % intervals of PSNR and the quartiles of time."
        alt = f"Plot: {title}. {listed(told)}."
        yield Picture(f"{view.results.name}-cost-against-recall", png, alt, caption)


def _by_compute(view: View) -> Iterator[Picture]:
    """What the memory adds against the compute of the slow-fast loop, a line a size of the denoiser."""
    runs = view.results.protocol.get("points")
    by_size: dict[float, list[tuple[float, Row]]] = {}
    for row in view.results.select(metric="psnr_truth", variant=MEMORY, minus=NO_MEMORY):
        run = runs.get(row.dataset) if isinstance(runs, dict) else None
        if isinstance(run, dict) and isinstance(flop := run.get("loop_flop"), int | float) and flop > 0:
            by_size.setdefault(float(run.get("parameters", 0)), []).append((float(flop), row))
    lines = []
    for place, (size, unsorted) in enumerate(sorted(by_size.items())):
        points = sorted(unsorted, key=lambda point: point[0])
        look = Look("", "", *SPARE_PENS[place % len(SPARE_PENS)])
        label = f"{size / 1e6:.3g} million parameters"
        lines.append(_line(label, look, [flop for flop, _ in points], [row for _, row in points]))
    if lines:
        title = "Recall against the compute of the slow-fast loop"
        label = f"{LABELS[MEMORY]} over {LABELS[NO_MEMORY]} (dB)"
        png = lines_png(title, "floating-point operations of the loop", label, lines, log_x=True)
        yield Picture(f"{view.results.name}-scaling", png, alt_text(title, lines, "dB"), _SPREAD)
