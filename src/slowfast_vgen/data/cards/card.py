"""Data cards: a Markdown page for each data set, with pictures of its frames and plots, and one page for all sets."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from statistics import median

from slowfast_vgen.data.cards.plots import save_statistics
from slowfast_vgen.data.cards.statistics import Statistics, count_episodes
from slowfast_vgen.data.contact_sheet import save_contact_sheet
from slowfast_vgen.data.import_report import read_report
from slowfast_vgen.data.sources import EpisodeSource, open_episodes
from slowfast_vgen.errors import UserError
from slowfast_vgen.files import atomic_path

INDEX = "index"
"""Name of the page about all sets."""
_MOST_ROWS = 30
_WORDS_NOTE = (
    "Verbs and nouns are taken from the action texts by rule: the first word of each clause, and the last word of each "
    "phrase after it. They show what the set is about; they are no grammar. A word used twice in a clip counts twice."
)


def write_data_cards(folders: Sequence[Path], out: Path) -> tuple[list[Path], Statistics]:
    """Writes a card for each data set (`NAME.md`, `NAME-statistics.png`, `NAME-frames.png`) into one folder.

    For several sets, `index.md` covers all of them as well. Existing cards are replaced.

    Returns:
        The pages, and the counts over all sets.

    Raises:
        DefectiveDataError: a data set, its import's report or an episode that is missing or broken.
        UserError: a data set without episodes, one named twice, or a folder that cannot be written.
    """
    if len({folder.resolve() for folder in folders}) != len(folders):
        raise UserError("a data set is named twice, and would count twice; name each once")
    names = _names(folders)
    pages, by_set, total = [], {}, Statistics()
    for folder, name in zip(folders, names, strict=True):
        read_report(folder)
        source = open_episodes(folder, unfinished=True)
        if not len(source):
            raise UserError(f"{folder} holds no episodes yet; there is nothing to write a card of")
        counted = count_episodes(source)
        save_statistics(out / f"{name}-statistics.png", name, counted)
        save_contact_sheet(source, out / f"{name}-frames.png")
        pages.append(_write(out / f"{name}.md", _card(name, source, counted)))
        by_set[name] = counted
        total.add(counted)
    if len(folders) > 1:
        save_statistics(out / f"{INDEX}-statistics.png", f"{len(folders)} data sets", total)
        pages.insert(0, _write(out / f"{INDEX}.md", _index(by_set, total)))
    return pages, total


def _card(name: str, source: EpisodeSource, counted: Statistics) -> str:
    creations = [", ".join(f"{key} {value}" for key, value in header.creation.items()) for header in source.headers]
    facts = {
        "worlds or sources": _counts(counted.episodes_by_world),
        "splits": _counts(counted.episodes_by_split),
        "made with": "; ".join(filter(None, creations)) or "not stated",
        "licences": _counts(counted.episodes_by_licence),
        **_facts(counted),
    }
    return "\n\n".join(
        [
            f"# {name}",
            _table(("", ""), facts.items()),
            f"![frames of some episodes]({name}-frames.png)",
            "## What it is about",
            f"![clips by domain, verbs, nouns, lengths, scripts]({name}-statistics.png)",
            _WORDS_NOTE,
            _count_table("domain", "clips", counted.clips_by_domain, counted.num_clips),
            _count_table("verb in the texts", "clips", counted.verbs, counted.num_clips),
            _count_table("noun in the texts", "clips", counted.nouns, counted.num_clips),
            _count_table("canonical verb", "clips", counted.clips_by_verb, counted.num_clips),
            _count_table("action text", "clips", counted.phrasings, counted.num_clips),
            "## How it was recorded",
            _count_table("script", "episodes", counted.episodes_by_script, counted.num_episodes),
            _count_table("seconds a clip", "clips", _named(counted.clip_seconds), counted.num_clips),
        ]
    )


def _index(by_set: Mapping[str, Statistics], total: Statistics) -> str:
    columns = ("data set", "splits", "episodes", "scenes", "clips", "frames", "hours", "MB", "licences")
    rows = [
        (
            _link(name),
            ", ".join(counted.episodes_by_split),
            f"{counted.num_episodes:,}",
            f"{len(counted.scenes):,}",
            f"{counted.num_clips:,}",
            f"{counted.num_frames:,}",
            f"{counted.seconds / 3600:.3g}",
            f"{counted.num_bytes / 1e6:.1f}",
            "; ".join(counted.episodes_by_licence),
        )
        for name, counted in by_set.items()
    ]
    return "\n\n".join(
        [
            f"# {len(by_set)} data sets",
            _table(columns, rows),
            _table(("together", ""), _facts(total).items()),
            f"![clips by domain, verbs, nouns, lengths, scripts]({INDEX}-statistics.png)",
            _WORDS_NOTE,
            _count_table("domain", "clips", total.clips_by_domain, total.num_clips),
            _count_table("verb in the texts", "clips", total.verbs, total.num_clips),
            _count_table("noun in the texts", "clips", total.nouns, total.num_clips),
        ]
    )


def _facts(counted: Statistics) -> dict[str, str]:
    lengths = sorted(round(seconds, 3) for seconds in counted.episode_seconds)
    return {
        "episodes": f"{counted.num_episodes:,} in {len(counted.scenes):,} scenes",
        "clips (one action each)": f"{counted.num_clips:,}, {len(counted.phrasings):,} different texts",
        "frames": f"{counted.num_frames:,}, {counted.seconds / 3600:.3g} hours",
        "seconds an episode": f"{lengths[0]:g} to {lengths[-1]:g}, median {median(lengths):g}",
        "resolution": _counts(counted.episodes_by_size),
        "frames a second": _counts(_named(counted.episodes_by_fps)),
        "size": f"{counted.num_bytes / 1e6:.1f} MB, {counted.num_bytes / counted.num_episodes / 1e3:.1f} kB an episode",
    }


def _counts(counts: Counter[str]) -> str:
    """Returns the single name, or several names with their counts."""
    shown = [f"{name} ({count:,})" for name, count in counts.most_common(_MOST_ROWS)]
    if len(counts) > _MOST_ROWS:
        shown.append(f"and {len(counts) - _MOST_ROWS} more")
    return next(iter(counts)) if len(counts) == 1 else ", ".join(shown)


def _named(counts: Counter[float]) -> Counter[str]:
    return Counter({f"{value:g}": counts[value] for value in counts})


def _count_table(name: str, unit: str, counts: Counter[str], total: int) -> str:
    if not counts:
        return f"No {name} is stated."
    rows = [(label, f"{count:,}", f"{count / total:.1%}") for label, count in counts.most_common(_MOST_ROWS)]
    if len(counts) > _MOST_ROWS:
        rest = sum(counts.values()) - sum(count for _, count in counts.most_common(_MOST_ROWS))
        rows.append((f"{len(counts) - _MOST_ROWS} others", f"{rest:,}", f"{rest / total:.1%}"))
    return _table((name, unit, "share"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


class _Link(str):
    """Markdown written by this module, which a table does not escape."""


def _link(name: str) -> _Link:
    return _Link(f"[{name}]({name}.md)")


def _cell(text: str) -> str:
    """Escapes a cell: no character ends it or begins a line, an HTML tag, a link, a picture or code."""
    if isinstance(text, _Link):
        return text
    plain = "".join(letter if letter.isprintable() or letter.isspace() else "\ufffd" for letter in text)
    return re.sub(r"([\\|`\[\]])", r"\\\1", escape(" ".join(plain.split()), quote=False))


def _names(folders: Sequence[Path]) -> list[str]:
    """Returns a file name for each set: the last two folders of its path, with a number where they are ambiguous."""
    names: list[str] = []
    for folder in folders:
        plain = "-".join(folder.resolve().parts[-2:])
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-.") or "set"
        taken = {*names, INDEX}
        candidates = (name, *(f"{name}-{number}" for number in range(2, 10**6)))
        names.append(next(candidate for candidate in candidates if candidate not in taken))
    return names


def _write(path: Path, text: str) -> Path:
    try:
        with atomic_path(path) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; check the space there") from error
    return path
