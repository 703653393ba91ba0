"""One results file as a page shows it: its rows by metric, variant and gap, and how its variants look."""

from dataclasses import dataclass
from functools import cached_property

from slowfast_bench.report.metrics import GAPS, Look, gap_words, looks_of
from slowfast_bench.results import SUITE_COMMANDS, Results, SuiteProtocol, read_suite
from slowfast_vgen.results import Row

MEMORY, NO_MEMORY, FROZEN = "memory", "no_memory", "frozen"


@dataclass(frozen=True)
class View:
    """A results file and what is said of it."""

    results: Results

    @cached_property
    def suite(self) -> SuiteProtocol | None:
        """Curves, signatures and pictures, which the suite's files have."""
        return read_suite(self.results) if self.results.command in SUITE_COMMANDS else None

    @cached_property
    def base(self) -> str:
        """The variant that others are taken from in differences: the memory, but for ablations."""
        return next(iter(self.suite.arms)) if self.suite else MEMORY

    @cached_property
    def looks(self) -> dict[str, Look]:
        """The look of each variant, in the order of the page."""
        arms = self.results.protocol.get("arms")
        told = arms if isinstance(arms, dict) else {}
        labels = {name: about["label"] for name, about in told.items() if isinstance(about, dict) and "label" in about}
        found = dict.fromkeys(one for row in self.results.rows for one in (row.variant, row.minus) if one)
        return looks_of(list(dict.fromkeys([*(name for name in labels if name in found), *found])), labels)

    @cached_property
    def gaps(self) -> list[str | None]:
        """The gaps of places seen again, short ones first; None, which is over all of them, is the last."""
        rows = [row for row in self.results.rows if row.metric in ("psnr_truth", "psnr_own_visit") and not row.dataset]
        found = dict.fromkeys(row.gap for row in rows if row.variant == self.base)
        return sorted(found, key=lambda gap: (gap is None, (self.bounds_of(gap) or (0, 0))[0]))

    def bounds_of(self, gap: str | None) -> tuple[int, int] | None:
        """Fewest and most frames of a gap, as the protocol or else this version has them."""
        given = self.results.protocol.get("gaps_in_frames")
        row = given.get(gap) if isinstance(given, dict) else None
        if isinstance(row, list) and len(row) == 2 and all(isinstance(each, int) for each in row):
            return row[0], row[1]
        return GAPS.get(gap or "")

    def ago(self, gap: str | None) -> str:
        """How long ago, in words."""
        return gap_words(gap, self.bounds_of(gap))

    def row(self, metric: str, variant: str | None, minus: str | None = None, gap: str | None = None) -> Row | None:
        """The row over all episodes; None where there is none."""
        found = self.results.select(metric=metric, variant=variant, minus=minus, gap=gap, dataset=None)
        return found[0] if found else None

    @property
    def rivals(self) -> list[str]:
        """The variants that the base is measured against."""
        return [variant for variant in self.looks if variant != self.base]
