"""What docs/glossary.md forbids is not there: old words for things, and English that nobody speaks."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ARCHAIC = re.compile(
    r"\b(told|tells?|stands?|anew|go(?:es|ing)? on|so many|hangs? on|shall|mend(?:s|ed)?|beside)\b", re.IGNORECASE
)
FUNCTIONS = re.compile(r"\b(?:def |\.)(?:tell|told|stand)\b|\btell\(|`tell`|import .*\btell$")
"""Functions that are called so in code: their names are not English of the house."""
NOT_YET: tuple[str, ...] = (
    "slowfast_bench",
    "slowfast_vgen/cli",
    "slowfast_vgen/data/told.py",
    "slowfast_vgen/train",
)
"""Packages and rooms whose English, or names in it, are still to be gone over. This list only gets shorter."""
WORDS_OF_USERS = (
    "slowfast_vgen/data/cards/words.py",
    "slowfast_vgen/language/reading.py",
    "slowfast_vgen/language/table.py",
)
"""Lists and patterns of the words in action texts, which are data."""


def sources() -> Iterator[tuple[str, int, str]]:
    """Every line of the packages' sources, with its place."""
    for path in sorted((ROOT / "src").rglob("*.py")):
        name = path.relative_to(ROOT / "src").as_posix()
        for number, line in enumerate(path.read_text().splitlines(), 1):
            yield name, number, line


def test_no_archaic_english() -> None:
    found = [
        f"{name}:{number}: {line.strip()}"
        for name, number, line in sources()
        if not any(name.startswith(room) for room in (*NOT_YET, *WORDS_OF_USERS))
        and ARCHAIC.search(FUNCTIONS.sub("", line))
    ]
    assert found == []


OLD_NAMES = re.compile(
    r"\b(?:Local(?:Memory|RuleConfig|State|Loop)|SeededWorld|MakeWorld|open_world|[Ll]ocal memor(?:y|ies))\b"
)
READS_OLD_NAMES = ("slowfast_vgen/__init__.py",)
"""Sources that know the names of the last release, to accept them."""


def test_no_old_names() -> None:
    found = [
        f"{name}:{number}" for name, number, line in sources() if OLD_NAMES.search(line) and name not in READS_OLD_NAMES
    ]
    assert found == []


def test_rooms_that_wait_for_their_english_need_it() -> None:
    for room in NOT_YET:
        lines = [line for name, _, line in sources() if name.startswith(room)]
        assert lines, f"{room} is not there any more; take it off NOT_YET"
        assert any(ARCHAIC.search(FUNCTIONS.sub("", line)) for line in lines), f"{room} is done; take it off NOT_YET"


@pytest.mark.parametrize(
    "metric", ["psnr_truth", "psnr_own_visit", "src_mbv2", "scene_cuts", "cost_ratio", "frames_per_second"]
)
def test_the_page_has_every_metric(metric: str) -> None:
    assert f"`{metric}`" in (ROOT / "docs" / "glossary.md").read_text()
