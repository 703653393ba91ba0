"""What reaches the terminal: the text of others cannot steer it, and letters that it does not know are spelt out."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff]"
)
"""Control characters but line feeds and tabs, marks that turn the direction of writing, and half characters."""
_BAR = re.compile(r"(?:\r|\n|\x1b\[A)*")
"""How tqdm moves about, which comes before its text."""


def plain(text: str) -> str:
    r"""The text with every character that could steer a terminal spelt out.

    >>> plain("a\x1b[2Jb\u202ec")
    'a\\x1b[2Jb\\u202ec'
    """
    return _STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def one_line(text: object) -> str:
    r"""The text on one line: what others wrote cannot look like a line of ours.

    >>> one_line("a\nslowfast: done")
    'a\\nslowfast: done'
    """
    return str(text).replace("\n", "\\n")


class PlainStream:
    """A text stream whose `write` sends `plain` text, and spells out what its encoding has no letters for."""

    def __init__(self, stream: TextIO, has_bars: bool = False) -> None:
        """Around a stream; `has_bars` lets pass how tqdm moves about."""
        self._stream, self._has_bars = stream, has_bars

    def write(self, text: str) -> int:
        """As of the stream."""
        start = cast(re.Match[str], _BAR.match(text)).end() if self._has_bars else 0
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        shown = text[:start] + plain(text[start:])
        self._stream.write(shown.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """As of the stream."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        """Everything else is the stream's."""
        return getattr(self._stream, name)


@contextmanager
def plain_streams() -> Iterator[None]:
    """Inside the block all that is printed goes through a `PlainStream`."""
    out, err = sys.stdout, sys.stderr
    try:
        if out is not None:
            sys.stdout = cast(TextIO, PlainStream(out))
        if err is not None:
            sys.stderr = cast(TextIO, PlainStream(err, has_bars=True))
        yield
    finally:
        sys.stdout, sys.stderr = out, err
