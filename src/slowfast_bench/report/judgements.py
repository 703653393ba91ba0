"""From figures to words: is a difference one, which way does it go, and how is it written?"""

from collections.abc import Sequence
from typing import Literal

from slowfast_bench.report.metrics import Metric
from slowfast_vgen.results import Estimate

Word = Literal["better", "worse", "higher", "lower", "no difference"]


def verdict(difference: Estimate, metric: Metric) -> Word:
    """What a paired difference says. No difference where its interval holds zero; a measure has a better end or none.

    >>> verdict(Estimate(-0.2, -0.3, -0.1, 64), Metric("error", better="low"))
    'better'
    """
    if difference.low <= 0 <= difference.high:
        return "no difference"
    rises = difference.low > 0
    if metric.better is None:
        return "higher" if rises else "lower"
    return "better" if rises == (metric.better == "high") else "worse"


def number(value: float, decimals: int | None = None) -> str:
    """A number with its decimals; None shows about four digits.

    >>> number(11.95412, 2), number(-0.001, 2), number(0.00583), number(687.55), number(3.2e18)
    ('11.95', '0.00', '0.0058', '687.5', '3.2e+18')
    """
    size = abs(value)
    if decimals is None and size and not 1e-3 <= size < 1e7:
        return f"{value:.3g}"
    text = f"{value:.{_decimals(size) if decimals is None else decimals}f}"
    return text if float(text) else text.removeprefix("-")


def mean(figure: Estimate, metric: Metric) -> str:
    """The mean with the decimals of its measure."""
    return number(figure.mean, _shared_decimals(figure, metric))


def interval(figure: Estimate, metric: Metric) -> str:
    """The interval in brackets; empty for an exact figure."""
    if figure.low == figure.high:
        return ""
    decimals = _shared_decimals(figure, metric)
    return f"[{number(figure.low, decimals)}, {number(figure.high, decimals)}]"


def shown(figure: Estimate, metric: Metric) -> str:
    """Mean, unit and interval, as they stand in a sentence."""
    return " ".join(part for part in (mean(figure, metric), metric.unit, interval(figure, metric)) if part)


def _decimals(size: float) -> int:
    return next((places for places, limit in ((4, 1), (3, 10), (2, 100), (1, 1000)) if size < limit), 0)


def _shared_decimals(figure: Estimate, metric: Metric) -> int | None:
    """Those of the measure, two more where the mean would be shown as zero and is not; or enough for the largest.

    None leaves very small and very large numbers alone.
    """
    if metric.decimals is not None:
        return metric.decimals + 2 * (0 < abs(figure.mean) < 0.5 * 10**-metric.decimals)
    largest = max(abs(figure.mean), abs(figure.low), abs(figure.high))
    return _decimals(largest) if 1e-3 <= largest < 1e7 else None


def negated(figure: Estimate) -> Estimate:
    """The difference the other way round."""
    return Estimate(-figure.mean, -figure.high, -figure.low, figure.n)


def listed(parts: Sequence[str]) -> str:
    """A list in a sentence.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
