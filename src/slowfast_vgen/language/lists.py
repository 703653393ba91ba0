"""Lists of actions as people write them, with bullets, numbers, remarks and repeated groups."""

import math
import re

from slowfast_vgen.errors import UserError
from slowfast_vgen.language.amounts import take_amounts, times_alone
from slowfast_vgen.language.normal import MAX_CHARACTERS, STOP, words_of
from slowfast_vgen.language.reading import read

_REMARK = re.compile(r"\s*(?:#|//).*", re.DOTALL)
_MARKERS = (
    r"[-–—*+•‣◦·]\s+", r"\(?\d{1,4}\s*[.):]\)?\s+", r"\(?[a-z][.)]\s+", r"\[[ x✓]?\]\s*",
    r"(?:step|action|no|number)\.?\s+\d{1,4}\s*[.:)]\s*",
)  # fmt: skip
_MARKER = re.compile(rf"\s*(?:{'|'.join(_MARKERS)})+", re.IGNORECASE)


def without_remark(line: str) -> str:
    """Returns a line without the remark after # or //.

    >>> without_remark("turn left  # twice?")
    'turn left'
    """
    return _REMARK.sub("", line, count=1)


def without_marker(entry: str) -> str:
    """Returns an entry of a list without the bullet, number, letter or checkbox at its beginning.

    >>> [without_marker(entry) for entry in ("- go back", "2) wait", "[ ] turn left", "stay")]
    ['go back', 'wait', 'turn left', 'stay']
    """
    return _MARKER.sub("", entry, count=1) if _MARKER.match(entry) else entry


MOST_WRITTEN_OUT = 1_000_000
"""Largest number of characters of a group with all its repetitions."""
MOST_GROUPS = 200
_GROUP = re.compile(r"[(\[{]([^()\[\]{}]*)[)\]}]")
_PARTED = re.compile(r"[;,\n]|\band\b|\bthen\b|->|→", re.IGNORECASE)
_BEFORE, _AFTER = re.compile(r"[^;,\n()\[\]{}]*$"), re.compile(r"[^;,\n()\[\]{}]*")
_BESIDE = 60
"""Number of characters before and after a group that may state its repetitions."""
_SAY_NOTHING = (STOP, "then", "and", "repeat", "do", "please")
_ONE_END = re.compile(
    r"\d\s*(?:[x×*]|times)?\s*:?\s*[(\[{][^)\]}]*$|^[^(\[{]*[)\]}]\s*(?:[x×*]\s*\d|\d+\s*(?:x|times)\b)", re.IGNORECASE
)


def written_out(text: str) -> str:
    """Returns a text with its repeated groups of actions written out.

    Raises:
        UserError: more than `MOST_WRITTEN_OUT` characters or `MOST_GROUPS` groups.

    >>> written_out("wait; (turn left, go back) x2")
    'wait; turn left, go back; turn left, go back'
    """
    place, num_groups = 0, 0
    while match := _GROUP.search(text, place):
        before, after = _beside(text, match)
        times = [times_alone(words) for words in (_words(before), _words(after)) if words]
        if not _PARTED.search(match[1]) or not times or 0 in times:
            place = match.end()
            continue
        num_groups += 1
        if math.prod(times) * len(match[1]) > MOST_WRITTEN_OUT or num_groups > MOST_GROUPS:
            raise UserError(f"{match[0][:60]!r} asks for too many chunks; write fewer")
        group = "; ".join([match[1].strip(" ;,")] * math.prod(times))
        lead = " " if before[:1].isspace() else ""
        text = text[: match.start() - len(before)] + lead + group + text[match.end() + len(after) :]
        place = 0  # it may be in a group itself
    return text


def repeats_unclearly(text: str) -> bool:
    """Returns whether a text repeats a group with one end only, or an unclear number of times: "go back) x3"."""
    if len(text) > MAX_CHARACTERS:  # no single action in any case
        return False
    groups = (match for match in _GROUP.finditer(text) if _PARTED.search(match[1]))
    sides = (side for match in groups for side in _beside(text, match))
    return bool(_ONE_END.search(text)) or any(take_amounts(_words(side))[1] and not read(side).verbs for side in sides)


def _beside(text: str, group: re.Match[str]) -> tuple[str, str]:
    """Returns the text directly before and after a group."""
    before = _BEFORE.search(text[max(0, group.start() - _BESIDE) : group.start()])
    after = _AFTER.match(text[group.end() : group.end() + _BESIDE])
    return before[0] if before else "", after[0] if after else ""


def _words(side: str) -> list[str]:
    return [word.text for word in words_of(side) if word.text not in _SAY_NOTHING]
