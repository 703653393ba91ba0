"""Lists of actions as people write them: bullets, numbers and remarks around the actions."""

import re

_REMARK = re.compile(r"\s*(?:#|//).*", re.DOTALL)
_MARKERS = (
    r"[-–—*+•‣◦·]\s+", r"\(?\d{1,4}\s*[.):]\)?\s+", r"\(?[a-z][.)]\s+", r"\[[ x✓]?\]\s*",
    r"(?:step|action|no|number)\.?\s+\d{1,4}\s*[.:)]\s*",
)  # fmt: skip
_MARKER = re.compile(rf"\s*(?:{'|'.join(_MARKERS)})+", re.IGNORECASE)


def without_remark(line: str) -> str:
    """A line without what stands behind # or //.

    >>> without_remark("turn left  # twice?")
    'turn left'
    """
    return _REMARK.sub("", line, count=1)


def without_marker(entry: str) -> str:
    """An entry of a list without the bullet, number, letter or box to tick that it begins with.

    >>> [without_marker(entry) for entry in ("- go back", "2) wait", "[ ] turn left", "stay")]
    ['go back', 'wait', 'turn left', 'stay']
    """
    return _MARKER.sub("", entry, count=1) if _MARKER.match(entry) else entry
