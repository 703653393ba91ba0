"""Malformed videos and tables of every adapter: what is missing is named, and the rest comes out as ever."""

import json
import shutil
import time
from pathlib import Path
from typing import Any, ClassVar

from fault_families.core import Found, Plain
from fault_families.imports import TABLE_SOURCES, Mutant, import_source, judge

BAD = ("unnamed", "rest_lost")


class VideosAndTables(Plain):
    """Trials: mutants, videos and tables in turn."""

    name: ClassVar[str] = "videos_and_tables"
    what: ClassVar[str] = "malformed videos and tables of every adapter"
    floor: ClassVar[int] = 700

    def __init__(self, trials: int = 720, verdicts: Path | None = None) -> None:
        """So many trials; a line for each goes to `verdicts`, where they are to be counted."""
        self.trials, self.verdicts, self.folder = trials, verdicts, Path()
        self.whole: dict[str, Any] = {}

    def prepare(self, folder: Path, seed: int) -> int:
        """Makes a sound source of each adapter and imports it."""
        from made_sources import SOURCES

        self.seed, self.folder = seed, folder / "whole"
        self.folder.mkdir(parents=True)
        for name in TABLE_SOURCES:
            source = SOURCES[name](self.folder / name)
            self.whole[name], error = import_source(name, source, folder / f"{name} imported")
            assert not error, error
        return self.trials

    def mutant(self, number: int) -> Mutant:
        """The one of a trial."""
        return Mutant(number % 2 == 0, 100_000 * self.seed + number // 2)

    def run(self, number: int, folder: Path) -> Found:
        """Damages a copy and imports it."""
        mutant, started = self.mutant(number), time.monotonic()
        source = folder / "source"
        shutil.copytree(self.folder / mutant.source, source)
        outcome = judge(mutant, source, folder / "out", self.whole[mutant.source])
        if self.verdicts is not None:
            told = {"number": number, "verdict": outcome.verdict, "seconds": time.monotonic() - started}
            with self.verdicts.open("a") as file:
                file.write(json.dumps(told) + "\n")
        if outcome.verdict not in BAD:
            return None
        return f"{mutant.source}, {mutant.kind} ({outcome.file}): {outcome.verdict}: {outcome.told}"


FAMILY = VideosAndTables()
