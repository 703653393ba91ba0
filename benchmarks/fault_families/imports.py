"""Sources of every adapter with one file damaged, imported, and what became of them: the family `videos_and_tables`.

Each mutant is a small sound source with a damaged video, or table, log or record. It is

- `unnamed` if something of it is missing from the episodes and neither the report nor an error names the file or row;
- `rest_lost` if episodes of files, or of rows of a table of actions, that were not damaged are missing or differ;
- `changed` if nothing is missing and nothing named, but pixels or words differ: damage that formats without checksums
  cannot tell;
- `named` by the report, `refused` in a sentence, or `whole`.
"""

import contextlib
import io
import itertools
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fault_families.damage import damaged_bytes

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

VIDEO_SOURCES = ("folder", "epic-kitchens", "vpt", "hdd", "lerobot")
TABLE_SOURCES = ("folder", "epic-kitchens", "vpt", "hdd", "lerobot", "rlds")
VIDEO_KINDS = ("cut", "flip", "flip index", "blank", "delete", "insert", "shorter", "empty", "text", "gone")
TABLE_KINDS = ("cut", "flip", "blank", "delete", "insert", "cells", "quotes", "empty", "gone")


CELLS = (b"", b"nan", b"-1", b"1e308", b"999999999999", b"00:99:99", b"\xff\xfe", b"null", b"[]", b"a" * 2000)


@dataclass(frozen=True)
class Mutant:
    """Which source is damaged where and how; all is drawn from the seed."""

    is_video: bool
    seed: int

    @property
    def source(self) -> str:
        """The adapter."""
        sources = VIDEO_SOURCES if self.is_video else TABLE_SOURCES
        return sources[self.seed % len(sources)]

    @property
    def kind(self) -> str:
        """The damage."""
        kinds = VIDEO_KINDS if self.is_video else TABLE_KINDS
        return kinds[self.seed // 7 % len(kinds)]


@dataclass
class Outcome:
    """What became of one mutant."""

    file: str
    """That was damaged."""
    verdict: str
    """named, refused, whole, changed, unnamed or rest_lost."""
    told: str


def damage(path: Path, kind: str, rng: np.random.Generator) -> None:
    """Damages a file in place."""
    content = path.read_bytes()
    if kind == "gone":
        path.unlink()
    elif kind == "flip index":
        start = max(content.find(b"moov"), 0)
        head, index, rest = content[:start], content[start : start + 900], content[start + 900 :]
        path.write_bytes(head + damaged_bytes(index, "flip", rng) + rest)
    elif kind == "cells":
        cells = list(re.finditer(rb"[^,\n]+", content))
        found = cells[int(rng.integers(len(cells)))]
        path.write_bytes(content[: found.start()] + CELLS[int(rng.integers(len(CELLS)))] + content[found.end() :])
    elif kind == "quotes":
        place = int(rng.integers(len(content)))
        path.write_bytes(content[:place] + b'"' + content[place:])
    else:
        path.write_bytes(damaged_bytes(content, kind, rng))


def make_shorter(path: Path, rng: np.random.Generator) -> None:
    """Puts a sound video of fewer frames in place of a longer one."""
    from slowfast_vgen.data.adapters.clips import video_facts
    from slowfast_vgen.data.video import read_video, write_video

    frames, fps = read_video(path), video_facts(path).fps
    temporary = path.with_name("shorter.mp4")
    write_video(temporary, frames[: int(rng.integers(1, len(frames) * 2 // 3))], fps, lossless=True)
    temporary.replace(path)


def victims(source: Path, mutant: Mutant) -> list[Path]:
    """The files of a source that a mutant may damage."""
    files = sorted(path for path in source.rglob("*") if path.is_file())
    videos = [path for path in files if path.suffix.lower() == ".mp4"]
    if mutant.is_video:
        return videos
    return [path for path in files if path not in videos and path.name not in ("README.md", "stats.json")]


def import_source(name: str, source: Path, out: Path) -> tuple[dict[str, Any], str]:
    """The episodes by their names, what was found, and the error if there was one."""
    from slowfast_vgen.cli.main import main
    from slowfast_vgen.data.format import EpisodeDataset

    quiet = io.StringIO()
    with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        words = ["--size", "16", "--max-bad-share", "1"]
        code = main(["data", "import", "--from", name, str(source), str(out), *words])
    told: dict[str, Any] = {"episodes": {}, "findings": [], "left_out": 0}
    if (out / "import.json").is_file():
        report = json.loads((out / "import.json").read_text())
        tallies = [*report["left_out"].values(), *report["noticed"].values()]
        told["findings"] = [" ".join(each.values()) for tally in tallies for each in tally["first"]]
        told["left_out"] = sum(tally["count"] for tally in report["left_out"].values())
    if (out / "dataset.json").is_file():
        for episode in EpisodeDataset(out, unfinished=True):
            words_told = [(chunk.action, chunk.num_frames) for chunk in episode.chunks]
            told["episodes"][episode.metadata["source"]] = (episode.frames, words_told, episode.metadata)
    lines = quiet.getvalue().strip().splitlines()
    error = next((line for line in reversed(lines) if line.startswith("slowfast: error: ")), "")
    assert (code == 0) == (error == ""), f"code {code} without a sentence: {lines[-3:]}"
    return told, error


def judge(mutant: Mutant, source: Path, out: Path, whole: dict[str, Any]) -> Outcome:
    """Damages a sound source, imports it to `out` and holds it against what the whole one gave."""
    rng = np.random.default_rng([mutant.is_video, mutant.seed])
    candidates = victims(source, mutant)
    victim = candidates[int(rng.integers(len(candidates)))]
    before = victim.read_bytes()
    if mutant.kind == "shorter":
        make_shorter(victim, rng)
    else:
        damage(victim, mutant.kind, rng)
    file = victim.relative_to(source).as_posix()
    told, error = import_source(mutant.source, source, out)
    # A video is named by its file, a session's by the session, what LeRobot's tables tell of by the episode, and a row
    # of EPIC-KITCHENS by its narration_id.
    names = {victim.stem, *victim.relative_to(source).parts} - {"camera", "center", "videos"}
    names |= {"episode "} if mutant.source == "lerobot" and not mutant.is_video else set()
    names |= set(whole["episodes"]) if victim.name == "EPIC_100_train.csv" else set()
    if not told["episodes"]:
        is_named = any(name in error for name in (*names, str(source)))
        return Outcome(file, "refused" if is_named else "unnamed", error)
    # What does not come from the damaged file must come out as ever: other videos and logs, and their rows.
    for name, kept in whole["episodes"].items():
        if not _comes_from(name, kept[2], file) and not _same(kept, told["episodes"].get(name)):
            return Outcome(file, "rest_lost", f"{name} is missing or differs")
    for name in _of_other_rows(victim, before, whole["episodes"]):
        if not any(_same(whole["episodes"][name], other) for other in told["episodes"].values()):
            return Outcome(file, "rest_lost", f"{name}, of other rows, is missing or differs")
    frames = sum(len(each[0]) for each in told["episodes"].values())
    if told["findings"] or error:
        is_named = any(name in line for name in names for line in (*told["findings"], error))
        return Outcome(file, "named" if is_named else "unnamed", error or "; ".join(told["findings"])[:300])
    lines = _accounted_lines(mutant, victim)
    if lines is not None and lines != len(told["episodes"]) + told["left_out"]:
        return Outcome(file, "unnamed", f"{lines} rows, {len(told['episodes'])} episodes")
    if (
        lines is None
        and frames < sum(len(each[0]) for each in whole["episodes"].values())
        and not _lost_by_choice(mutant, file)
    ):
        return Outcome(file, "unnamed", f"{frames} frames")
    same = told["episodes"].keys() == whole["episodes"].keys()
    same = same and all(_same(kept, told["episodes"][name]) for name, kept in whole["episodes"].items())
    return Outcome(file, "whole" if same else "changed", "")


def _same(one: tuple[Any, ...], other: tuple[Any, ...] | None) -> bool:
    return other is not None and np.array_equal(one[0], other[0]) and one[1] == other[1]


def _comes_from(name: str, metadata: dict[str, Any], file: str) -> bool:
    """Whether an episode shows the damaged video, or is told of in the damaged table, log or record."""
    is_of_all = file.endswith((".csv", ".json")) and not metadata.get("session")
    if is_of_all or "meta/" in file:
        return True  # it tells of every episode
    if ".tfrecord" in file:
        return name.startswith(file)
    keys = (metadata.get("video"), metadata.get("video_id"), metadata.get("session"), name)
    if name.startswith("episode "):  # of LeRobot: two in the first file, one in the second
        return ("file-001" in file) == (name == "episode 2")
    return any(key and str(key) in file for key in keys)


def _of_other_rows(victim: Path, before: bytes, episodes: dict[str, Any]) -> list[str]:
    """The episodes whose rows of a damaged table of actions are as they were, and are told of nowhere else in it."""
    if victim.name not in ("actions.csv", "EPIC_100_train.csv") or not victim.is_file():
        return []
    lines, after = before.split(b"\n"), victim.read_bytes().split(b"\n")
    if lines[0] != after[0]:
        return []  # the damaged head tells of every column
    first = _num_alike(lines, after)
    last = _num_alike(lines[first:][::-1], after[first:][::-1])
    damaged = b"\n".join([*lines[first : len(lines) - last], *after[first : len(after) - last]])
    # Actions of one video in `folder` may overlap once one of them is damaged.
    told_by = {name: kept[2].get("narration_id") or kept[2]["video"] for name, kept in episodes.items()}
    return [name for name, words in told_by.items() if words.encode() not in damaged]


def _num_alike(lines: list[bytes], others: list[bytes]) -> int:
    """How many of the first lines are the same."""
    return len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], zip(lines, others, strict=False))))


def _accounted_lines(mutant: Mutant, victim: Path) -> int | None:
    """How many rows a damaged table of single actions holds, each to be used or named; None: another sort of file."""
    if mutant.source != "epic-kitchens" or victim.name != "EPIC_100_train.csv" or not victim.is_file():
        return None
    return sum(bool(line.strip()) for line in victim.read_bytes().split(b"\n")[1:])


def _lost_by_choice(mutant: Mutant, file: str) -> bool:
    """Whether fewer frames may be what the damaged text says: one number or line of it is as good as another."""
    return mutant.kind in ("flip", "cells", "delete", "cut", "insert", "blank") and file.endswith((".csv", ".json"))
