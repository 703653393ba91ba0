"""The verdict on a comparison in plain sentences, made of its figures alone."""

from collections.abc import Iterable
from dataclasses import dataclass

from slowfast_bench.report.judgements import Word, listed, negated, shown, verdict
from slowfast_bench.report.metrics import METRICS, RAW_CONTEXTS, gaps_listed, metric_of
from slowfast_bench.report.view import MEMORY, NO_MEMORY, View
from slowfast_vgen.results import Row


@dataclass(frozen=True)
class Headline:
    """What a comparison comes to."""

    answer: str
    """Yes, in part or no, and at which gaps."""
    sentences: tuple[str, ...]
    used: dict[str, Row]
    """The paired differences that the sentences rest on."""
    tiles: tuple[tuple[str, str], ...]
    """The three figures to see first, each with what it is."""


def headline(view: View) -> Headline | None:
    """The verdict on one file; None where it compares the memory with nothing on places seen again."""
    return _Writer(view).headline() if view.base == MEMORY else None


class _Writer:
    """Writes the sentences, and keeps the rows that they name."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.used: dict[str, Row] = {}

    def headline(self) -> Headline | None:
        revisits = [self._at_gap(gap) for gap in self.view.gaps]
        if not any(revisits):
            return None
        sentences = [*revisits, self._own_visits(), self._next_chunk(), self._long_videos(), self._cost()]
        sentences = list(filter(None, [*sentences, self._signatures()]))
        return Headline(self._answer(), tuple(sentences), self.used, self._tiles())

    def _difference(self, metric: str, gap: str | None = None, rival: str = NO_MEMORY) -> Row | None:
        row = self.view.row(metric, MEMORY, rival, gap)
        if row is not None:
            self.used[row.name] = row
        return row

    def _answer(self) -> str:
        """Against no memory, gap by gap; the figure over all gaps counts where there is no other."""
        judged: dict[str | None, Word] = {}
        for gap in self.view.gaps:
            if row := self._difference("psnr_truth", gap):
                judged[gap] = verdict(row, metric_of("psnr_truth"))
        judged = {gap: word for gap, word in judged.items() if gap is not None} or judged
        better, worse = (
            [self.view.ago(gap) for gap, one in judged.items() if one == word] for word in ("better", "worse")
        )
        if not judged:
            return "Not known: the memory was not compared with no memory on places seen again."
        if len(better) == len(judged):
            return f"Yes: the memory helps on places seen again, at every gap measured ({gaps_listed(better)})."
        if better:
            harm = f", and harms on those seen {gaps_listed(worse)}" if worse else ""
            return f"In part: the memory helps on places seen {gaps_listed(better)}, but not at every gap{harm}."
        if worse:
            return f"No: the memory makes places seen again worse ({gaps_listed(worse)})."
        return "No: the memory makes no difference on places seen again, at any gap measured."

    def _tiles(self) -> tuple[tuple[str, str], ...]:
        """What the memory adds at the longest gap, what it costs in time, and its size."""
        gaps = [gap for gap in self.view.gaps if self.view.row("psnr_truth", MEMORY, NO_MEMORY, gap)]
        gap = next((each for each in reversed(gaps) if each is not None), gaps[-1] if gaps else None)
        gain = self.view.row("psnr_truth", MEMORY, NO_MEMORY, gap)
        time, size = (self.view.row(metric, MEMORY) for metric in ("cost_ratio", "memory_mb"))
        tiles = [(f"{gain.mean:+.1f} dB", f"over no memory on places seen {self.view.ago(gap)}")] if gain else []
        tiles += [(f"{time.mean:.2f} ×", "the time of no memory")] if time else []
        tiles += [(f"{size.mean:.1f} MB", "is the memory's size")] if size else []
        return tuple(tiles)

    def _at_gap(self, gap: str | None) -> str:
        """Against every variant, but only the strongest of the raw contexts: the table has them all."""
        rows = {each: row for each in self.view.rivals if (row := self.view.row("psnr_truth", MEMORY, each, gap))}
        raw = [each for each in rows if each in RAW_CONTEXTS]
        strongest = min(raw, key=lambda each: rows[each].mean, default="")
        adds, loses, same = [], [], []
        metric = metric_of("psnr_truth")
        for each, row in rows.items():
            if each in raw and each != strongest:
                continue
            self.used[row.name] = row
            name = self.view.looks[each].phrase
            if each in raw and len(raw) > 1:
                name += f" (the strongest of {len(raw)})"
            word = verdict(row, metric)
            if word == "better":
                adds.append(f"{shown(row, metric)} over {name}")
            elif word == "worse":
                loses.append(f"{shown(negated(row), metric)} against {name}")
            else:
                same.append(f"{name}, {shown(row, metric)}")
        told = [f"adds {listed(adds)}"] if adds else []
        told += [f"loses {listed(loses)}"] if loses else []
        told += [f"makes no difference to {listed(same)}"] if same else []
        where = "seen again at any gap" if gap is None else f"last seen {self.view.ago(gap)}"
        return f"On places {where} the memory {_chain(told)}." if told else ""

    def _own_visits(self) -> str:
        parts = []
        for gap in self.view.gaps:
            if row := self._difference("psnr_own_visit", gap):
                parts.append(_change(row) + ("" if gap is None else f" on places seen {self.view.ago(gap)}"))
        told = "Against the video's own first visit, which it made up itself, the memory"
        return f"{told} {_chain(parts)}." if parts else ""

    def _next_chunk(self) -> str:
        parts = []
        for metric, where in (("psnr", ""), ("novel_psnr", " at places never seen")):
            if row := self._difference(metric):
                parts.append(_change(row) + where)
        return f"For the next chunk after the true past the memory {_chain(parts)}." if parts else ""

    def _long_videos(self) -> str:
        by_word: dict[Word, list[str]] = {}
        for name, metric in METRICS.items():
            if metric.group == "long" and (row := self._difference(name)):
                by_word.setdefault(verdict(row, metric), []).append(metric.label)
        order: tuple[Word, ...] = ("better", "worse", "higher", "lower", "no difference")
        told = [f"{word} in {listed(by_word[word])}" for word in order if word in by_word]
        return f"Long videos, against no memory: {'; '.join(told)}." if told else ""

    def _cost(self) -> str:
        told = []
        for name, behind in (
            ("cost_ratio", " times the time of no memory"),
            ("seconds_per_frame", " a frame"),
            ("memory_mb", " of memory"),
        ):
            if row := self.view.row(name, MEMORY):
                told.append(f"{shown(row, METRICS[name])}{behind}")
        return f"It costs {listed(told)}." if told else ""

    def _signatures(self) -> str:
        rows = self.view.suite.signatures if self.view.suite else ()
        found = [row for row in rows if row.found]
        if not found:
            return f"Of {len(rows)} signatures of failure that were looked for, none was found." if rows else ""
        looks = self.view.looks
        by_arm: dict[str, list[str]] = {}
        for row in found:
            by_arm.setdefault(looks[row.arm].label if row.arm in looks else row.arm, []).append(row.name)
        told = [f"{arm}: {listed(names)}" for arm, names in by_arm.items()]
        were = "was" if len(found) == 1 else "were"
        return (
            f"Of {len(rows)} signatures of failure that were looked for, {len(found)} {were} found; {'; '.join(told)}."
        )


def _change(row: Row) -> str:
    """A difference to no memory, of a metric of which more is better, behind "the memory"."""
    metric = metric_of(row.metric)
    word = verdict(row, metric)
    if word == "no difference":
        return f"makes no difference to no memory ({shown(row, metric)})"
    return f"adds {shown(row, metric)}" if word == "better" else f"loses {shown(negated(row), metric)}"


def _chain(clauses: Iterable[str]) -> str:
    """Clauses behind "the memory"."""
    return "; it ".join(clauses)
