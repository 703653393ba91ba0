"""The verdict on a comparison in plain sentences, made of its figures alone."""

from collections.abc import Iterable
from dataclasses import dataclass

from slowfast_bench.report.comparison import Comparison
from slowfast_bench.report.judgements import Word, listed, negated, shown, verdict
from slowfast_bench.report.looks import MEMORY, NO_MEMORY, is_raw_context
from slowfast_bench.report.measures import ALL_GAPS, CONSISTENCY, COST, Scale, gap_words, gaps_listed, scale_of
from slowfast_bench.results import Figure


@dataclass(frozen=True)
class Headline:
    """What a comparison comes to."""

    answer: str
    """Yes, in part or no, and at which gaps."""
    sentences: tuple[str, ...]
    used: dict[str, Figure]
    """The paired differences that the sentences rest on."""


def headline(comparison: Comparison) -> Headline | None:
    """The verdict on one file; None where it compares the memory with nothing on places seen again."""
    return _Writer(comparison).headline() if comparison.base == MEMORY else None


class _Writer:
    """Writes the sentences, and keeps the figures that they name."""

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison
        self.used: dict[str, Figure] = {}

    def headline(self) -> Headline | None:
        revisits = [self._at_gap(gap) for gap in self.comparison.gaps]
        if not any(revisits):
            return None
        sentences = [*revisits, self._own_visits(), self._next_chunk(), self._long_videos(), self._cost()]
        return Headline(self._answer(), tuple(filter(None, [*sentences, self._signatures()])), self.used)

    def _difference(self, measure: str, rival: str = NO_MEMORY) -> Figure | None:
        figure = self.comparison.differences.get(measure, {}).get(rival)
        if figure is not None:
            self.used[f"{measure}_{MEMORY}_minus_{rival}"] = figure
        return figure

    def _ago(self, gap: str) -> str:
        return gap_words(gap, self.comparison.bounds_of(gap))

    def _answer(self) -> str:
        """Against no memory, gap by gap; the figure over all gaps counts where there is no other."""
        judged: dict[str, Word] = {}
        for gap in self.comparison.gaps:
            if figure := self._difference(f"truth_psnr_{gap}"):
                judged[gap] = verdict(figure, scale_of(f"truth_psnr_{gap}"))
        judged = {gap: word for gap, word in judged.items() if gap != ALL_GAPS} or judged
        better, worse = ([self._ago(gap) for gap, one in judged.items() if one == word] for word in ("better", "worse"))
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

    def _at_gap(self, gap: str) -> str:
        """Against every arm, but only the strongest of the raw contexts: the table has them all."""
        measure = f"truth_psnr_{gap}"
        rows = self.comparison.differences.get(measure, {})
        raw = [arm for arm in self.comparison.rivals if arm in rows and is_raw_context(arm)]
        strongest = min(raw, key=lambda arm: rows[arm].mean, default="")
        adds, loses, same = [], [], []
        for arm in self.comparison.rivals:
            if arm not in rows or (arm in raw and arm != strongest):
                continue
            figure, scale = self._difference(measure, arm), scale_of(measure)
            assert figure is not None
            name = self.comparison.looks[arm].phrase
            if arm in raw and len(raw) > 1:
                name += f" (the strongest of {len(raw)})"
            word = verdict(figure, scale)
            if word == "better":
                adds.append(f"{shown(figure, scale)} over {name}")
            elif word == "worse":
                loses.append(f"{shown(negated(figure), scale)} against {name}")
            else:
                same.append(f"{name}, {shown(figure, scale)}")
        told = [f"adds {listed(adds)}"] if adds else []
        told += [f"loses {listed(loses)}"] if loses else []
        told += [f"makes no difference to {listed(same)}"] if same else []
        where = "seen again at any gap" if gap == ALL_GAPS else f"last seen {self._ago(gap)}"
        return f"On places {where} the memory {_chain(told)}." if told else ""

    def _own_visits(self) -> str:
        parts = []
        for gap in self.comparison.gaps:
            if figure := self._difference(f"history_psnr_{gap}"):
                where = "" if gap == ALL_GAPS else f" on places seen {self._ago(gap)}"
                parts.append(_change(figure, scale_of(f"history_psnr_{gap}")) + where)
        told = "Against the video's own first visit, which it made up itself, the memory"
        return f"{told} {_chain(parts)}." if parts else ""

    def _next_chunk(self) -> str:
        parts = []
        for measure, where in (("psnr", ""), ("novel_psnr", " at places never seen")):
            if figure := self._difference(measure):
                parts.append(_change(figure, scale_of(measure)) + where)
        return f"For the next chunk after the true past the memory {_chain(parts)}." if parts else ""

    def _long_videos(self) -> str:
        by_word: dict[Word, list[str]] = {}
        for measure, scale in CONSISTENCY.items():
            if figure := self._difference(measure):
                by_word.setdefault(verdict(figure, scale), []).append(scale.label)
        order: tuple[Word, ...] = ("better", "worse", "higher", "lower", "no difference")
        told = [f"{word} in {listed(by_word[word])}" for word in order if word in by_word]
        return f"Long videos, against no memory: {'; '.join(told)}." if told else ""

    def _cost(self) -> str:
        values, others = self.comparison.values, self.comparison.others
        ratio = values.get("time_over_no_memory", {}).get(MEMORY) or others.get("cost_ratio_shipped")
        time = values.get("seconds_per_frame", {}).get(MEMORY)
        size = values.get("memory_mb", {}).get(MEMORY) or others.get("memory_mb")
        told = [f"{shown(ratio, COST['time_over_no_memory'])} times the time of no memory"] if ratio else []
        told += [f"{shown(time, COST['seconds_per_frame'])} a frame"] if time else []
        told += [f"{shown(size, COST['memory_mb'])} of memory"] if size else []
        return f"It costs {listed(told)}." if told else ""

    def _signatures(self) -> str:
        rows = self.comparison.suite.signatures if self.comparison.suite else ()
        found = [row for row in rows if row.found]
        if not found:
            return f"Of {len(rows)} signatures of failure that were looked for, none was found." if rows else ""
        looks = self.comparison.looks
        by_arm: dict[str, list[str]] = {}
        for row in found:
            by_arm.setdefault(looks[row.arm].label if row.arm in looks else row.arm, []).append(row.name)
        told = [f"{arm}: {listed(names)}" for arm, names in by_arm.items()]
        were = "was" if len(found) == 1 else "were"
        return (
            f"Of {len(rows)} signatures of failure that were looked for, {len(found)} {were} found; {'; '.join(told)}."
        )


def _change(figure: Figure, scale: Scale) -> str:
    """A difference to no memory, of a measure of which more is better, behind "the memory"."""
    word = verdict(figure, scale)
    if word == "no difference":
        return f"makes no difference to no memory ({shown(figure, scale)})"
    return f"adds {shown(figure, scale)}" if word == "better" else f"loses {shown(negated(figure), scale)}"


def _chain(clauses: Iterable[str]) -> str:
    """Clauses behind "the memory"."""
    return "; it ".join(clauses)
