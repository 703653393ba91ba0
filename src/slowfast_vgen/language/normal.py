"""Texts as rows of plain words: case, accents, apostrophes, blanks, emoji and signs away, punctuation kept apart."""

import re
import unicodedata
from typing import NamedTuple

from slowfast_vgen.language.table import SIGNS

MAX_CHARACTERS = 400
"""Of a text that is read; a longer one tells no single action."""
STOP = "."
"""The word that all punctuation which parts clauses becomes."""

_SIGNS = {sign: f" {word} " for word, signs in SIGNS.items() for sign in signs}
_ARROWS = re.compile(r"\s*(?:-+>|=+>|[→➡⇒]️?)\s*(?=[^\W_])")
_TIMES = re.compile(r"\*+\s*(?=\d)|(?<=\d)\s*\*+(?!\d)|(?<=\d)\s*\*+\s*(?=[^\W\d])")
_SIGNED = re.compile(r"(?:(?<![^\s(\[{,;:])|(?<=\bx))[-\u2212\u2013](?=\d)", re.IGNORECASE)
"""A minus before a number: "x -2", "-90 degrees"; not the hyphens of "turn-left-90" and "2-3"."""
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z][a-z])")
_PARTS = re.compile(r"[^\W\d_]+|\d+(?:[.,]\d+)?|[.,;:!?\n\r\u2026()|\[\]{}]|(?<=\s)[-–—]+(?=\s)|[–—]|/")
_APOSTROPHES = re.compile(r"(?<=[^\W\d_])['’‘´`ʼ′](?=[^\W\d_])")
_REPEATED = re.compile(r"(.)\1{2,}")


class Word(NamedTuple):
    """One word of a text."""

    text: str
    """Lower-case, without accents; digits for a number; `STOP`; "or" for a slash."""
    plain: bool
    """Whether it was written in letters a to z: what was not is no typing error of an English word."""


def words_of(text: str) -> list[Word]:
    """The words of a text, in order; nothing of it but the first `MAX_CHARACTERS` characters is read.

    >>> [word.text for word in words_of("  Turn LEFT, please!")]
    ['turn', 'left', '.', 'please', '.']
    """
    text = unicodedata.normalize("NFKC", text[:MAX_CHARACTERS])
    text = _APOSTROPHES.sub(" ", text.replace("ﾟ", " "))
    if re.match(r"\s*[^\W_]", text):
        text = _ARROWS.sub(" . ", text)  # between words it says "then"; alone it is a direction
    text = _SIGNED.sub(" minus ", _TIMES.sub(" x ", text))
    for sign, word in _SIGNS.items():
        if sign in text:
            text = text.replace(sign, word)
    text = _CAMEL.sub(" ", text)
    words: list[Word] = []
    for part in _PARTS.findall(text):
        plain = unicodedata.normalize("NFD", part)
        bare = "".join(each for each in plain if not unicodedata.combining(each)).casefold()
        if bare[0].isalnum():
            words.append(Word(bare, bare == part.casefold() and bare.isascii()))
        elif bare == "/":
            words.append(Word("or", True))
        else:
            words.append(Word(STOP, True))
    return words


def without_runs(word: str) -> tuple[str, str]:
    """A word with letters that are drawn out ("leeeft") written once, and twice.

    >>> without_runs("leeeft")
    ('left', 'leeft')
    """
    return _REPEATED.sub(r"\1", word), _REPEATED.sub(r"\1\1", word)
