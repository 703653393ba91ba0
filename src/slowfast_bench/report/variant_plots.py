"""The plots of a comparison: recall by gap, the curves of its protocol, cost against recall."""

import math

from slowfast_bench.report.comparison import Comparison
from slowfast_bench.report.document import Picture
from slowfast_bench.report.judgements import listed, shown
from slowfast_bench.report.looks import FROZEN, TRUE, looks_of
from slowfast_bench.report.measures import ALL_GAPS, COST, REVISITS, gap_words
from slowfast_bench.report.plots import PlotLine, PlotPoint, alt_text, lines_png, points_png
from slowfast_bench.report.tables import MOST_ARMS
from slowfast_bench.results import Curve, Figure

_SPREAD = "Bars and bands are 95 % intervals."


def comparison_plots(comparison: Comparison) -> list[Picture]:
    """All plots of one file, in the order of the page; none of more arms than colours can tell apart."""
    if len(comparison.looks) > MOST_ARMS:
        return []
    by_gap = [picture for measure in ("truth_psnr", "history_psnr") for picture in _by_gap(comparison, measure)]
    curves = comparison.suite.curves if comparison.suite else {}
    return [
        *by_gap,
        *(_curve(comparison, name, curve) for name, curve in curves.items() if curve.x),
        *_cost(comparison),
    ]


def _by_gap(comparison: Comparison, measure: str) -> list[Picture]:
    """One measure of revisits against the gap, a line an arm."""
    gaps = [gap for gap in comparison.gaps if gap != ALL_GAPS and f"{measure}_{gap}" in comparison.values]
    lines = []
    for arm, look in comparison.looks.items():
        if measure.startswith("history") and arm == FROZEN:
            continue  # it agrees with itself to the cap, and would press all others to the bottom
        figures = [comparison.values[f"{measure}_{gap}"].get(arm) for gap in gaps]
        if any(figures):
            mean, low, high = ([_part(one, key) for one in figures] for key in ("mean", "low", "high"))
            lines.append(PlotLine(look.label, look, [float(place) for place in range(len(gaps))], mean, low, high))
    if not lines:
        return []
    scale = REVISITS[measure]
    title = f"{scale.label}, by how long ago the place was last in view"
    ticks = [gap_words(gap, comparison.bounds_of(gap)) for gap in gaps]
    png = lines_png(title, "last in view", f"PSNR ({scale.unit})", lines, ticks)
    name = f"{comparison.results.name}-{measure}-by-gap"
    return [Picture(name, png, alt_text(title, lines, scale.unit), _SPREAD)]


def _part(figure: Figure | None, key: str) -> float:
    return math.nan if figure is None else float(getattr(figure, key))


def _curve(comparison: Comparison, name: str, curve: Curve) -> Picture:
    labels = {arm: look.label for arm, look in comparison.looks.items()}
    labels |= {arm: "true frames" if arm == TRUE else arm.replace("_", " ") for arm in curve.lines if arm not in labels}
    looks = looks_of(labels)
    lines = [
        PlotLine(looks[arm].label, looks[arm], curve.x, line.mean, line.low, line.high)
        for arm in looks
        if (line := curve.lines.get(arm)) is not None
    ]
    png = lines_png(curve.title, curve.x_label, curve.y_label, lines)
    return Picture(f"{comparison.results.name}-{name}", png, alt_text(curve.title, lines), _SPREAD)


def _cost(comparison: Comparison) -> list[Picture]:
    """Seconds a frame against recall at the longest gap: up and to the left is better."""
    gaps = [gap for gap in comparison.gaps if gap != ALL_GAPS and f"truth_psnr_{gap}" in comparison.values]
    times = comparison.values.get("seconds_per_frame", {})
    if not gaps or not times:
        return []
    recall = comparison.values[f"truth_psnr_{gaps[-1]}"]
    points = [
        PlotPoint(look.label, look, _triple(times[arm]), _triple(recall[arm]))
        for arm, look in comparison.looks.items()
        if arm in times and arm in recall
    ]
    if not points:
        return []
    where = gap_words(gaps[-1], comparison.bounds_of(gaps[-1]))
    title = f"What recall costs: places last in view {where}"
    png = points_png(title, "seconds a frame", "PSNR against the true frame (dB)", points)
    told = [
        f"{look.label} {shown(recall[arm], REVISITS['truth_psnr'])} at {shown(times[arm], COST['seconds_per_frame'])}"
        for arm, look in comparison.looks.items()
        if arm in times and arm in recall
    ]
    alt = f"Plot: {title}. {listed(told)}."
    caption = "Up and to the left is better. Bars are 95 % intervals of PSNR and the quartiles of time."
    return [Picture(f"{comparison.results.name}-cost-against-recall", png, alt, caption)]


def _triple(figure: Figure) -> tuple[float, float, float]:
    return figure.mean, figure.low, figure.high
