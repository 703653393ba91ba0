"""Results: a protocol and its rows, fresh from a measurement or read back from a file and checked."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from slowfast_vgen.errors import UserError
from slowfast_vgen.files import read_json
from slowfast_vgen.machine import provenance
from slowfast_vgen.results import KEYS, NUMBERS, Estimate, Row

if TYPE_CHECKING:
    import torch

    from slowfast_vgen.pictures import Panel

SUITE_COMMANDS = tuple(
    f"evaluate {part}" for part in ("standard", "quality", "consistency", "isolation", "crossdomain", "ablations")
)
"""Commands that run the suite, or parts of it, on some arms; their files have one form."""
SUITE_VERSION = 1
_DEEPEST = 40
"""Levels of lists and objects inside each other; a results file has five."""


@dataclass(frozen=True)
class Results:
    """The rows of one measurement, and how they came about."""

    protocol: dict[str, Any]
    rows: tuple[Row, ...]
    name: str = ""
    """What a file is called beside others: its name without the suffix, folders before it where two share it."""
    path: Path = Path()
    sheets: Mapping[str, "Sequence[Panel]"] = field(default_factory=dict)
    """Contact sheets by name, of a measurement just made."""

    @classmethod
    def made(
        cls,
        protocol: Mapping[str, Any],
        rows: Iterable[Row],
        device: "torch.device | str | None" = None,
        kept_from: frozenset[str] = frozenset(),
        sheets: "Mapping[str, Sequence[Panel]] | None" = None,
    ) -> "Results":
        """Of a measurement just made: rows that had something to measure, and beside the protocol what made them."""
        measured = tuple(row for row in rows if row.n)
        return cls(dict(protocol) | provenance(measured, device, kept_from), measured, sheets=sheets or {})

    @cached_property
    def by_name(self) -> dict[str, Row]:
        """The rows by name."""
        return {row.name: row for row in self.rows}

    def __getitem__(self, name: str) -> Row:
        return self.by_name[name]

    def select(self, **keys: str | None) -> list[Row]:
        """The rows with these keys; a key that is not named may be anything, None asks for rows without it.

        >>> Results({}, (Row(1.0, 1.0, 1.0, 1, name="a", metric="psnr"),)).select(metric="psnr", gap=None)[0].name
        'a'
        """
        return [row for row in self.rows if all(getattr(row, key) == value for key, value in keys.items())]

    @property
    def command(self) -> str:
        """The command that wrote it, such as "evaluate recall"; empty where the protocol does not say."""
        return self.text("command")

    @property
    def num_seeds(self) -> int | None:
        """How many seeds each episode was generated with; None where the protocol does not say."""
        count, seeds = self.protocol.get("num_seeds"), self.protocol.get("seeds")
        if isinstance(count, int) and not isinstance(count, bool):
            return count
        return len(seeds) if isinstance(seeds, list) else None

    def text(self, key: str) -> str:
        """A string of the protocol; empty where there is none of that name."""
        value = self.protocol.get(key)
        return value if isinstance(value, str) else ""


@dataclass(frozen=True)
class Line:
    """One arm's curve with its 95 % interval; NaN where nothing was measured."""

    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class Curve:
    """A measure against something else, a line an arm."""

    title: str
    x_label: str
    y_label: str
    x: tuple[float, ...]
    lines: dict[str, Line]


@dataclass(frozen=True)
class Signature:
    """A way to fail that was looked for."""

    name: str
    arm: str
    found: bool
    evidence: str


@dataclass(frozen=True)
class SuiteProtocol:
    """What the protocol of the suite holds beside settings."""

    arms: dict[str, str]
    """The label of each; differences are those of the first to the others."""
    needs_weights: dict[str, str]
    """Measures and arms that were left out for want of weights: how to give them."""
    warnings: tuple[str, ...]
    curves: dict[str, Curve]
    signatures: tuple[Signature, ...]
    pictures: dict[str, Path]
    """Where each should be, whether or not it is there."""


def read_all(paths: Sequence[Path]) -> list[Results]:
    """Reads results files; one that is named twice is read once.

    Raises:
        UserError: no file, or one that cannot be read or is no results file.
    """
    found = list({path.resolve(): path for path in reversed(paths)}.values())[::-1]
    if not found:
        raise UserError("no results file was given; name at least one that `slowfast evaluate ... --json` wrote")
    return [read_results(path, name) for path, name in zip(found, _names(found), strict=True)]


def read_results(path: Path, name: str | None = None) -> Results:
    """Reads one results file; the suite's are checked whole.

    Raises:
        UserError: unreadable, not JSON, no results file, a value that is not finite, or a suite of another version.
    """
    content = read_json(path)
    _check_values(path, content)
    if isinstance(content, dict) and isinstance(content.get("figures"), dict):
        raise UserError(
            f"{path} is of the form before rows; make rows of it with tools/results_to_rows.py, or measure anew"
        )
    rows = content.get("rows") if isinstance(content, dict) else None
    if not isinstance(rows, list) or not isinstance(content.get("protocol"), dict):
        raise UserError(
            f"{path} is no results file, which has an object 'protocol' and a list 'rows'; give one that "
            "`slowfast evaluate ... --json` or `slowfast bench --json` wrote"
        )
    if not rows:
        raise UserError(f"{path} holds no rows; measure anew")
    made = tuple(_row(path, number, row) for number, row in enumerate(rows))
    names = [row.name for row in made]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"{path}: two rows are called {twice!r:.80}; measure anew")
    results = Results(content["protocol"], made, path.stem if name is None else name, path)
    if results.command in SUITE_COMMANDS:
        read_suite(results)
    return results


def read_suite(results: Results) -> SuiteProtocol:
    """The protocol of the suite as a record. Parts that a run left out may be missing.

    Raises:
        UserError: another version, or a key that is missing or not of its kind.
    """
    found = results.protocol.get("version")
    if found != SUITE_VERSION:
        raise UserError(
            f"{results.path} is of version {found!r:.40} of `{results.command:.40}`, but this slowfast reads version "
            f"{SUITE_VERSION}; use the slowfast that wrote it, or measure anew"
        )
    reader = _Reader(results.path, "protocol", results.protocol)
    for key in ("world", "weights_sha256", "suite"):
        reader.text(key)
    for key in ("num_maps", "num_seeds"):
        reader.number(key)
    arms = {name: arm.text("label") for name, arm in reader.objects("arms").items()}
    if not arms:
        raise reader.refusal("arms", "an object with at least one arm")
    pictures, needs = reader.part("pictures"), reader.part("needs_weights")
    return SuiteProtocol(
        arms,
        {name: needs.text(name) for name in needs.values},
        reader.texts("warnings"),
        {name: _curve(curve) for name, curve in reader.objects("curves").items()},
        tuple(
            Signature(each.text("name"), each.text("arm"), each.flag("found"), each.text("evidence"))
            for each in reader.rows("signatures")
        ),
        {name: results.path.parent / pictures.text(name) for name in pictures.values},
    )


def _curve(reader: "_Reader") -> Curve:
    x = reader.numbers("x")
    lines = {
        arm: Line(*(line.numbers(key, len(x)) for key in ("mean", "low", "high")))
        for arm, line in reader.objects("lines").items()
    }
    return Curve(reader.text("title"), reader.text("x_label"), reader.text("y_label"), x, lines)


@dataclass(frozen=True)
class _Reader:
    """A JSON object of a file, and where in it it stands, so that a mistake can be told."""

    path: Path
    place: str
    values: dict[str, Any]

    def refusal(self, key: str, wanted: str) -> UserError:
        given = f"{self.values[key]!r:.60}" if key in self.values else "nothing"
        return UserError(f"{self.path}: {self.place}.{key:.60} must be {wanted}, not {given}; measure anew")

    def text(self, key: str) -> str:
        value = self.values.get(key)
        if not isinstance(value, str):
            raise self.refusal(key, "a string")
        return value

    def flag(self, key: str) -> bool:
        value = self.values.get(key)
        if not isinstance(value, bool):
            raise self.refusal(key, "true or false")
        return value

    def number(self, key: str) -> float:
        value = self.values.get(key)
        if not _is_number(value):
            raise self.refusal(key, "a number")
        return float(value)

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self.refusal(key, "a list of strings")
        return tuple(value)

    def numbers(self, key: str, length: int | None = None) -> tuple[float, ...]:
        """Numbers; null, for nothing measured, becomes NaN where a length is asked for."""
        value = self.values.get(key)
        hole = length is not None
        if not isinstance(value, list) or not all(_is_number(each) or (hole and each is None) for each in value):
            raise self.refusal(key, "a list of numbers")
        if hole and len(value) != length:
            raise self.refusal(key, f"a list of {length} numbers, as many as x has")
        return tuple(math.nan if each is None else float(each) for each in value)

    def part(self, key: str) -> "_Reader":
        """An object of any size; none there is an empty one."""
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self.refusal(key, "an object")
        return _Reader(self.path, f"{self.place}.{key:.60}", value)

    def objects(self, key: str) -> dict[str, "_Reader"]:
        inside = self.part(key)
        return {name: inside.part(name) for name in inside.values}

    def rows(self, key: str) -> list["_Reader"]:
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise self.refusal(key, "a list of objects")
        return [_Reader(self.path, f"{self.place}.{key}[{number}]", each) for number, each in enumerate(value)]


def _row(path: Path, number: int, row: Any) -> Row:
    place = f"{path}: rows[{number}]"
    if not isinstance(row, dict) or not all(isinstance(row.get(key), str) for key in ("name", "metric")):
        raise UserError(f"{place} must have the strings name and metric, not {row!r:.80}; measure anew")
    keys = {key: row.get(key) for key in KEYS}
    if not all(value is None or isinstance(value, str) for value in keys.values()):
        raise UserError(f"{place} has a key that is neither a string nor null ({keys!r:.120}); measure anew")
    place = f"{path}: the row {row['name']!r:.80}"
    if not all(_is_number(row.get(key)) for key in NUMBERS):
        raise UserError(f"{place} must have the numbers mean, low, high and n, not {row!r:.80}; measure anew")
    if row["low"] > row["high"] or row["n"] < 0 or row["n"] != int(row["n"]):
        raise UserError(f"{place} has an interval that is upside down or an n that is no count ({row!r:.200})")
    name, metric, variant, minus, gap, dataset = keys.values()
    found = Estimate(float(row["mean"]), float(row["low"]), float(row["high"]), int(row["n"]))
    return Row.of(found, str(metric), variant, minus=minus, gap=gap, dataset=dataset, name=name)


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_values(path: Path, value: Any, place: str = "", depth: int = 0) -> None:
    """Refuses what no page can show: numbers that are not finite, text that cannot be written, endless nesting."""
    if depth > _DEEPEST:
        raise UserError(f"{path} has more than {_DEEPEST} levels of lists and objects, so it is no results file")
    if isinstance(value, dict):
        for key, each in value.items():
            _check_values(path, key, place, depth)
            _check_values(path, each, f"{place}.{key:.60}" if place else f"{key:.60}", depth + 1)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            _check_values(path, each, f"{place}[{number}]", depth + 1)
    elif isinstance(value, str):
        if any("\ud800" <= letter <= "\udfff" for letter in value):
            raise UserError(f"{path}: {place or 'a key'} holds half a Unicode character; write the file anew")
    elif _is_number(value) and not _is_finite(value):
        raise UserError(f"{path}: {place:.200} is {value!r:.20}, but results are finite numbers; measure anew")


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number too large for a float
        return False


def _names(paths: Sequence[Path]) -> list[str]:
    """The shortest endings of the paths, suffix left out, that tell them apart."""
    whole = [path.resolve() for path in paths]
    bare = [path.with_suffix("") for path in whole]
    parts = [path.parts for path in (bare if len(set(bare)) == len(bare) else whole)]
    names = []
    for one in parts:
        length = 1
        while length < len(one) and sum(other[-length:] == one[-length:] for other in parts) > 1:
            length += 1
        names.append("/".join(one[-length:]))
    return names
