"""Lists of actions as users write them: `"turn left x4; go forward"`, or a file with one action a line.

In a world with a vocabulary of verbs a list is read as people write lists: actions are parted by semicolons, commas,
line ends, "and", "then" and arrows; a number of times stands before or behind ("x4", "4x", "*4", "4 times", "twice");
numbers and bullets at the beginning of a line and remarks behind # or // are left out. In a world of free narrations,
whose texts may hold all of these, only semicolons (in a file: line ends) part actions, "x4" behind an action or "4x"
before it repeats it, and a remark begins with a # between blanks.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from slowfast_vgen.errors import UserError
from slowfast_vgen.language.lists import without_remark, written_out

if TYPE_CHECKING:
    from slowfast_vgen.models.vocabulary import Vocabulary

MAX_CHUNKS = 100_000
MAX_FILE_BYTES = 10_000_000
_REPEATED = (
    re.compile(r"(?P<action>.*\S)\s+\(?[xX×*]\s*(?P<times>\d+)\)?", re.DOTALL),
    re.compile(r"(?P<times>\d+)\s*[xX×*]\s+(?P<action>[^\W\d_].*)", re.DOTALL),
)
_FREE_REMARK = re.compile(r"\s+#\s.*")


def parse_actions(text: str, vocabulary: "Vocabulary | None" = None) -> list[str]:
    """Actions parted by semicolons or line ends, and as the vocabulary has it. A semicolon at the end does not matter.

    >>> parse_actions("turn left x2; go forward")
    ['turn left', 'turn left', 'go forward']

    Raises:
        UserError: nothing given, an action that is empty, or a number of times out of range.
    """
    reads_lists = vocabulary is not None and not vocabulary.is_free
    lines = text.splitlines() if reads_lists else [text]
    parts = [part.strip() for line in lines for part in _without_remark(line, reads_lists).split(";")]
    if reads_lists:
        parts = [part for part in parts if part or len(parts) == 1]
    elif len(parts) > 1 and not parts[-1]:
        del parts[-1]
    if not any(parts):
        raise UserError('--actions holds no action; write some, such as "turn left; go forward"')
    for number, part in enumerate(parts, start=1):
        if not part:
            raise UserError(f"action {number} of {len(parts)} in --actions is empty; write it or take a semicolon away")
    return _listed(parts, vocabulary)


def read_actions(path: Path, vocabulary: "Vocabulary | None" = None) -> list[str]:
    """Actions of a UTF-8 text file, one a line; blank lines and lines that begin with # are skipped.

    Raises:
        UserError: no such file, not UTF-8, too large, no action in it, or a number of times out of range.
    """
    try:
        if not path.is_file():
            raise UserError(f"there is no file of actions {path}; check the path")
        if (size := path.stat().st_size) > MAX_FILE_BYTES:
            raise UserError(f"the file of actions {path} has {size} bytes; give one of at most {MAX_FILE_BYTES}")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise UserError(f"cannot read the file of actions {path}: {error.strerror}; check the path") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text (at byte {error.start}); save it as UTF-8") from error
    reads_lists = vocabulary is not None and not vocabulary.is_free
    actions = [_without_remark(line, reads_lists).strip() for line in lines if not line.lstrip().startswith("#")]
    if reads_lists:
        actions = [part.strip() for line in actions for part in line.split(";")]
    actions = [action for action in actions if action]
    if not actions:
        raise UserError(f"{path} holds no action; write one a line, such as: turn left")
    return _listed(actions, vocabulary)


def _without_remark(line: str, reads_lists: bool) -> str:
    return written_out(without_remark(line)) if reads_lists else _FREE_REMARK.sub("", line, count=1)


def _listed(parts: Iterable[str], vocabulary: "Vocabulary | None") -> list[str]:
    """One text a chunk. What is not understood stays as it is: whoever carries it out says so."""
    actions: list[str] = []
    for part in parts:
        if vocabulary is None or vocabulary.is_free:
            listed: list[str] | Iterator[str] = _repeated(part, MAX_CHUNKS - len(actions))
        else:
            listed = [one.text for one in vocabulary.sequence(part)]
        actions += listed
        if len(actions) > MAX_CHUNKS:
            raise UserError(_too_many(part))
    return actions


def _repeated(part: str, most: int) -> list[str]:
    match = next(filter(None, (pattern.fullmatch(part) for pattern in _REPEATED)), None)
    times = int(match["times"][:9]) if match else 1  # nine digits are too many already
    if not 1 <= times <= most:
        raise UserError(_too_many(part))
    return [match["action"] if match else part] * times


def _too_many(part: str) -> str:
    return f"{part[:60]!r} asks for too many or no chunks; ask for 1 to {MAX_CHUNKS} in all"
