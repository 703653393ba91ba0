"""Normalization of texts to plain words: without case, accents, apostrophes, emoji and signs, punctuation separate."""

import re
import unicodedata
from typing import NamedTuple

from slowfast_vgen.language.table import SIGNS

MAX_CHARACTERS = 400
"""Largest number of characters of a text that are read; a longer text is no single action."""
STOP = "."
"""The word that replaces all punctuation which separates clauses."""

_SIGNS = {sign: f" {word} " for word, signs in SIGNS.items() for sign in signs}
_ARROWS = re.compile(r"\s*(?:-+>|=+>|[→➡⇒]️?)\s*(?=[^\W_])")
_TIMES = re.compile(r"\*+\s*(?=\d)|(?<=\d)\s*\*+(?!\d)|(?<=\d)\s*\*+\s*(?=[^\W\d])")
_SIGNED = re.compile(r"(?:(?<![^\s(\[{,;:])|(?<=\bx))[-\u2212\u2013](?=\d)", re.IGNORECASE)
"""Pattern of a minus before a number: "x -2", "-90 degrees"; not the hyphens of "turn-left-90" and "2-3"."""
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z][a-z])")
_PARTS = re.compile(r"[^\W\d_]+|\d+(?:[.,]\d+)?|[.,;:!?\n\r\u2026()|\[\]{}]|(?<=\s)[-–—]+(?=\s)|[–—]|/")
_APOSTROPHES = re.compile(r"(?<=[^\W\d_])['’‘´`ʼ′](?=[^\W\d_])")
_REPEATED = re.compile(r"(.)\1{2,}")


class Word(NamedTuple):
    """One word of a text."""

    text: str
    """Word in lower case without accents, digits of a number, `STOP`, or "or" for a slash."""
    plain: bool
    """Whether it was written in letters a to z: any other word is no typing error of an English one."""


def words_of(text: str) -> list[Word]:
    """Returns the words of a text, in order; only the first `MAX_CHARACTERS` characters are read.

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
        bare = "".join(letter for letter in plain if not unicodedata.combining(letter)).casefold()
        if bare[0].isalnum():
            words.append(Word(bare, bare == part.casefold() and bare.isascii()))
        elif bare == "/":
            words.append(Word("or", True))
        else:
            words.append(Word(STOP, True))
    return words


def without_runs(word: str) -> tuple[str, str]:
    """Returns a word with its repeated letters ("leeeft") written once, and written twice.

    >>> without_runs("leeeft")
    ('left', 'leeft')
    """
    return _REPEATED.sub(r"\1", word), _REPEATED.sub(r"\1\1", word)
