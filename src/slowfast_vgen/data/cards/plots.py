"""The plots of a data card: domains, verbs, nouns and lengths."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from slowfast_vgen.data.cards.statistics import Statistics
from slowfast_vgen.errors import UserError
from slowfast_vgen.extras import needs
from slowfast_vgen.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOUR, _GRID = "#3B6FA0", "#DDDDDD"
_MOST_WORDS, _MOST_BINS = 15, 24
_LONGEST_LABEL = 18


def save_statistics(path: Path, title: str, counted: Statistics) -> None:
    """Draws clips by domain, their verbs and nouns, and how long clips and episodes are, into one PNG file.

    Raises:
        UserError: a file that cannot be written.
    """
    with needs("data"):
        from matplotlib.figure import Figure  # takes half a second; without pyplot no display is needed

    figure = Figure(figsize=(12.5, 7.2), layout="constrained")
    (domains, verbs, nouns), (episodes, clips, rest) = figure.subplots(2, 3)
    figure.suptitle(title, fontsize=13)
    _bars(domains, "clips by domain", counted.clips_by_domain, counted.num_clips)
    _bars(verbs, f"verbs of the action texts ({len(counted.verbs)})", counted.verbs, counted.num_clips)
    _bars(nouns, f"nouns of the action texts ({len(counted.nouns)})", counted.nouns, counted.num_clips)
    seconds = Counter(round(length, 3) for length in counted.episode_seconds)
    _lengths(episodes, "length of the episodes", "episodes", seconds)
    _lengths(clips, "length of the clips", "clips", counted.clip_seconds)
    _bars(rest, "episodes by script", counted.episodes_by_script, counted.num_episodes)
    try:
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format="png", dpi=100)
    except OSError as error:
        raise UserError(f"cannot draw {path}: {error.strerror}; check the space there") from error


def _bars(axes: "Axes", title: str, counts: Counter[str], total: int) -> None:
    """Draws the most frequent names from the top down, each with its count and its share of `total`."""
    shown = counts.most_common(_MOST_WORDS)
    axes.set_title(title, fontsize=10)
    if not shown:
        axes.text(0.5, 0.5, "none", ha="center", va="center", transform=axes.transAxes)
        axes.set_axis_off()
        return
    labels = [_label(name) for name, _ in shown]
    values = [count for _, count in shown]
    bars = axes.barh(range(len(shown)), values, color=_COLOUR, height=min(0.75, 0.12 * len(shown)))
    axes.bar_label(bars, [f"{value:,} ({_share(value / total)})" for value in values], padding=3, fontsize=7)
    axes.set_yticks(range(len(shown)), labels, fontsize=8)
    axes.set_ylim(max(len(shown), 4) - 0.5, -0.6)
    axes.set_xlim(0, 1.35 * max(values))
    axes.tick_params(axis="x", labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)


def _lengths(axes: "Axes", title: str, unit: str, seconds: Counter[float]) -> None:
    """Draws a histogram, or one bar per length where few lengths occur."""
    axes.set_title(title, fontsize=10)
    axes.set(xlabel="seconds", ylabel=unit)
    axes.set_axisbelow(True)
    axes.grid(axis="y", color=_GRID)
    values = sorted(seconds)
    if len(values) <= _MOST_BINS // 2:
        counts = [seconds[length] for length in values]
        bars = axes.bar(range(len(values)), counts, color=_COLOUR, width=min(0.75, 0.15 * len(values)))
        axes.bar_label(bars, [f"{count:,}" for count in counts], fontsize=7)
        axes.set_xticks(range(len(values)), [f"{length:g}" for length in values], fontsize=8)
        axes.set_xlim(-1, max(len(values), 1))
    else:
        axes.hist(values, bins=_MOST_BINS, weights=[seconds[length] for length in values], color=_COLOUR)
    axes.tick_params(axis="y", labelsize=7)
    axes.margins(y=0.15)
    axes.spines[["top", "right"]].set_visible(False)


def _share(value: float) -> str:
    return f"{value:.0%}" if value >= 0.01 else "<1%"


def _label(name: str) -> str:
    """Shortens a name, and escapes the sign that would begin a formula."""
    short = name if len(name) <= _LONGEST_LABEL else f"{name[: _LONGEST_LABEL - 1]}…"
    return short.replace("$", r"\$")
