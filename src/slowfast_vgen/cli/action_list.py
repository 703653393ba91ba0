"""Lists of actions as users write them: `"turn left x4; go forward"`, or a file with one action a line."""

import re
from collections.abc import Iterable
from pathlib import Path

from slowfast_vgen.errors import UserError

MAX_CHUNKS = 100_000
MAX_FILE_BYTES = 10_000_000
_REPEATED = re.compile(r"(?P<action>.*\S)\s+[x×](?P<times>\d+)", re.DOTALL)


def parse_actions(text: str) -> list[str]:
    """Actions parted by semicolons. One at the end does not matter.

    >>> parse_actions("turn left x2; go forward")
    ['turn left', 'turn left', 'go forward']

    Raises:
        UserError: nothing given, an action that is empty, or a number of times out of range.
    """
    parts = [part.strip() for part in text.split(";")]
    if len(parts) > 1 and not parts[-1]:
        del parts[-1]
    if not any(parts):
        raise UserError('--actions holds no action; write some, such as "turn left; go forward"')
    for number, part in enumerate(parts, start=1):
        if not part:
            raise UserError(f"action {number} of {len(parts)} in --actions is empty; write it or take a semicolon away")
    return _repeated(parts)


def read_actions(path: Path) -> list[str]:
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
    actions = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not actions:
        raise UserError(f"{path} holds no action; write one a line, such as: turn left")
    return _repeated(actions)


def _repeated(parts: Iterable[str]) -> list[str]:
    actions: list[str] = []
    for part in parts:
        match = _REPEATED.fullmatch(part)
        times = int(match["times"][:9]) if match else 1  # nine digits are too many already
        if not 1 <= times <= MAX_CHUNKS - len(actions):
            raise UserError(f"{part[:60]!r} asks for too many or no chunks; ask for 1 to {MAX_CHUNKS} in all")
        actions += [match["action"] if match else part] * times
    return actions
