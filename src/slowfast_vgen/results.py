"""What was measured: estimates with their intervals, and the rows of a results file."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from slowfast_vgen.errors import UserError
from slowfast_vgen.files import atomic_path

NUMBERS = ("mean", "low", "high", "n")


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval: 95 % by bootstrap unless the protocol says otherwise."""

    mean: float
    low: float
    """Lower end of the interval; the mean itself for a count."""
    high: float
    """Upper end."""
    n: int
    """Samples that the mean is over; 0 means that nothing was measured, and the mean is NaN."""
    per_seed: tuple[float, ...] = ()
    """The mean of each seed alone, fresh from a measurement; NaN for a seed with no sample."""

    @classmethod
    def exact(cls, value: float, n: int = 1) -> "Estimate":
        """A count or a single reading."""
        return cls(value, value, value, n)

    @classmethod
    def over_repetitions(cls, readings: Sequence[float]) -> "Estimate":
        """Median, least and greatest of some readings."""
        return cls(median(readings), min(readings), max(readings), len(readings))


@dataclass(frozen=True, kw_only=True)
class Row(Estimate):
    """One row of a results file: an estimate, and what it is an estimate of."""

    name: str
    """Unique in the file. Pages and issues ask for it; nothing takes it apart."""
    metric: str
    """What was measured, such as `psnr_truth` (docs/glossary.md)."""
    variant: str | None = None
    """Whose it is: a memory, none, a baseline."""
    minus: str | None = None
    """The variant that was taken off it, sample by sample."""
    gap: str | None = None
    """How long ago a place was last seen."""
    dataset: str | None = None
    """Which of the episodes it is over, where it is not all of them."""

    @classmethod
    def of(
        cls,
        estimate: Estimate,
        metric: str,
        variant: str | None = None,
        *,
        minus: str | None = None,
        gap: str | None = None,
        dataset: str | None = None,
        name: str | None = None,
        called: str | None = None,
    ) -> "Row":
        """The row of an estimate; without a name it is called by its keys, joined by underscores.

        `called` is what that name has in place of the metric, where published names have an older word for it.

        >>> Row.of(Estimate.exact(3), "psnr", "memory", minus="none", gap="gap64").name
        'psnr_gap64_memory_minus_none'
        """
        keys = (called or metric, gap, variant, minus and f"minus_{minus}", dataset)
        return cls(
            estimate.mean,
            estimate.low,
            estimate.high,
            estimate.n,
            estimate.per_seed,
            name=name or "_".join(key for key in keys if key),
            metric=metric,
            variant=variant,
            minus=minus,
            gap=gap,
            dataset=dataset,
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {key: getattr(self, key) for key in (*KEYS, *NUMBERS)}


KEYS = ("name", "metric", "variant", "minus", "gap", "dataset")


def counts(values: Mapping[str, float | Estimate]) -> list[Row]:
    """A row for each count or single reading by its name, or for what is an estimate already."""
    return [
        Row.of(value if isinstance(value, Estimate) else Estimate.exact(value), name, name=name)
        for name, value in values.items()
    ]


def write_results(path: Path, protocol: Mapping[str, Any], rows: Iterable[Row]) -> None:
    """Writes `{"protocol": {...}, "rows": [{"name", "metric", ..., "mean", "low", "high", "n"}]}`, a row a line.

    Raises:
        UserError: the file cannot be written, a name is there twice, or a value is not finite or not a JSON value.
    """
    written: dict[str, str] = {}
    for row in rows:
        if not all(math.isfinite(getattr(row, key)) for key in NUMBERS):
            raise UserError(f"the figure {row.name} is not finite ({row.mean}), so {path} was not written")
        assert row.name not in written, f"two rows are called {row.name}"
        written[row.name] = json.dumps(row.to_json())
    try:
        head = json.dumps({"protocol": dict(protocol)}, indent=2, allow_nan=False).removesuffix("\n}")
        body = ",\n".join(f"    {line}" for line in written.values())
        with atomic_path(path) as temporary:
            temporary.write_text(f'{head},\n  "rows": [\n{body}\n  ]\n}}\n', encoding="utf-8")
    except UserError:
        raise
    except (TypeError, ValueError, OSError) as error:
        raise UserError(f"cannot write {path}: {error}") from error
