"""Plots with their spread, as PNG files in memory. They know neither measures nor files, only lines and points."""

import io
import math
import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from slowfast_bench.report.judgements import number
from slowfast_bench.report.metrics import Look
from slowfast_vgen.extras import needs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIZE, _DPI = (6.4, 4.4), 160
_GRID = "#DDDDDD"
_MANY_POINTS = 12
"""From here on a line has a band, below it error bars and markers."""

_SHORT_LABEL = 20
"""Letters; of longer labels only two stand side by side in a legend."""

Values = Sequence[float]


@dataclass(frozen=True)
class PlotLine:
    """One line with its 95 % interval; NaN is a hole."""

    label: str
    look: Look
    x: Values
    mean: Values
    low: Values
    high: Values


@dataclass(frozen=True)
class PlotPoint:
    """One point with an interval along both axes: mean, low, high."""

    label: str
    look: Look
    x: tuple[float, float, float]
    y: tuple[float, float, float]


def lines_png(
    title: str,
    x_label: str,
    y_label: str,
    lines: Sequence[PlotLine],
    ticks: Sequence[str] = (),
    log_x: bool = False,
    mark_zero: bool = False,
) -> bytes:
    """Lines over one axis.

    Args:
        title: above the plot.
        x_label: below it.
        y_label: to the left of it.
        lines: each in its own look.
        ticks: words for x = 0, 1, 2, ..., where x counts categories.
        log_x: the axis is logarithmic; its ticks are the points.
        mark_zero: draws the line y = 0, for differences.
    """
    figure, axes = _canvas(title, x_label, y_label)
    for place, line in enumerate(lines):
        beside = place - (len(lines) - 1) / 2  # so that bars do not hide each other
        x = [
            value * (1 + 0.12 / len(lines)) ** beside if log_x else value + 0.035 * beside * bool(ticks)
            for value in line.x
        ]
        pen: dict[str, Any] = {
            "color": line.look.colour,
            "linestyle": line.look.dash,
            "label": _plain(line.label),
            "linewidth": 1.8,
        }
        if len(line.x) < _MANY_POINTS:
            spread = [_below(line.mean, line.low), _below(line.high, line.mean)]
            axes.errorbar(x, line.mean, yerr=spread, marker=line.look.marker, markersize=6, capsize=3, **pen)
        else:
            axes.plot(x, line.mean, **pen)
            axes.fill_between(x, line.low, line.high, color=line.look.colour, alpha=0.18, linewidth=0)
    if ticks:
        axes.set_xticks(range(len(ticks)), [_plain(tick) for tick in ticks])
    if log_x:
        axes.set_xscale("log")
        _tick_points(axes, sorted({value for line in lines for value in line.x}))
    if mark_zero:
        axes.axhline(0, color="#000000", linewidth=0.8)
    _legend(figure, len(lines))
    return _png(figure)


def points_png(title: str, x_label: str, y_label: str, points: Sequence[PlotPoint], log_x: bool = False) -> bytes:
    """Points in a plane, each with its name beside it."""
    figure, axes = _canvas(title, x_label, y_label)
    if log_x:
        axes.set_xscale("log")
    for point in points:
        x, y = point.x, point.y
        axes.errorbar(
            [x[0]],
            [y[0]],
            xerr=[_below([x[0]], [x[1]]), _below([x[2]], [x[0]])],
            yerr=[_below([y[0]], [y[1]]), _below([y[2]], [y[0]])],
            color=point.look.colour,
            marker=point.look.marker,
            markersize=8,
            capsize=3,
            linestyle="none",
            label=_plain(point.label),
        )
    axes.margins(0.12)
    _legend(figure, len(points))
    return _png(figure)


def alt_text(title: str, lines: Sequence[PlotLine], unit: str = "") -> str:
    """What a plot shows, for those who cannot see it: the ends of each line."""
    parts = []
    for line in lines:
        known = [(x, y) for x, y in zip(line.x, line.mean, strict=True) if not math.isnan(y)]
        if known:
            ends = number(known[0][1]) if len(known) == 1 else f"{number(known[0][1])} to {number(known[-1][1])}"
            parts.append(f"{line.label} {ends}{f' {unit}' if unit else ''}")
    return f"Plot: {title}. First to last point: {'; '.join(parts)}."


def _canvas(title: str, x_label: str, y_label: str) -> "tuple[Figure, Axes]":
    with needs("evaluate"):
        from matplotlib.figure import Figure  # takes half a second, and only a report draws

    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.subplots()
    axes.set_title(_plain(title), loc="left", fontsize=11, fontweight="bold")
    axes.set_xlabel(_plain(x_label))
    axes.set_ylabel(_plain(y_label))
    axes.grid(color=_GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _legend(figure: "Figure", count: int) -> None:
    """Below the plot, where it hides nothing."""
    (axes,) = figure.axes
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        columns = min(count, 3 if max(map(len, labels)) <= _SHORT_LABEL else 2)
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=9)


def _tick_points(axes: "Axes", values: Sequence[float]) -> None:
    """Ticks at the points themselves where these are few and apart."""
    from matplotlib.ticker import NullLocator

    if len(values) <= _MANY_POINTS and all(b / a > 1.15 for a, b in pairwise(values)):
        axes.set_xticks(values, [number(value, 0) if value < 1e5 else f"{value:.2g}" for value in values])
        axes.xaxis.set_minor_locator(NullLocator())


def _png(figure: "Figure") -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a letter that the font lacks is drawn as a box
        figure.savefig(file, format="png", dpi=_DPI, metadata={"Software": None})  # the same bytes in every run
    return file.getvalue()


def _below(upper: Values, lower: Values) -> list[float]:
    """The length of an error bar; none where a bootstrap leaves the mean outside its interval."""
    return [max(0.0, a - b) for a, b in zip(upper, lower, strict=True)]


def _plain(text: str) -> str:
    """Text as it stands: no formulas, no hidden labels, lines of a readable length."""
    return "\n".join(textwrap.wrap(text.lstrip("_").replace("$", r"\$"), 64)[:3]) or " "
