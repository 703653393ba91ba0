"""Verbs and nouns of action texts, for counting: a few rules and closed lists of function words, no grammar.

An action is an instruction, so a clause begins with its verb; a noun is the last word between two function words.
Compound nouns count by their last word, an adverb without "-ly" may be taken for a noun, and a text in another language
gives nonsense. Good for "what is this data set about", not for more.
"""

import re
from typing import NamedTuple

_CLAUSE_WORDS = frozenset({"and", "then", "while", "until", "before", "after", "to", "but", "or"})
_BEFORE_VERBS = frozenset({"not", "don't", "never", "do", "please", "now", "slowly", "quickly", "carefully", "gently"})
_ARTICLES_AND_PRONOUNS = """
a an the this that these those some any each every all both another other my your his her its our their it them him me
you us there here where who which what when are is be was were
"""
_PREPOSITIONS = """
of in into inside on onto upon off out over under at by for from with without through across along around round against
behind beside between above below near toward towards past as per via up down
"""
_SMALL = frozenset((_ARTICLES_AND_PRONOUNS + _PREPOSITIONS).split())
"""Words that separate phrases and are never nouns."""
_DIRECTIONS_AND_STATES = """
left right forward forwards backward backwards back ahead straight away upward upwards downward downwards sideways
clockwise counterclockwise together apart again once twice still shut open closed empty full place
fast faster slow slower hard harder soft softer more less much little
"""
_NUMBERS = "one two three four five six seven eight nine ten half"
_NO_NOUNS = frozenset((_DIRECTIONS_AND_STATES + _NUMBERS).split())
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_CLAUSE_SIGNS = re.compile(r"[,;.:!?/+]+")


class Words(NamedTuple):
    """Verbs and nouns of an action text."""

    verbs: tuple[str, ...]
    nouns: tuple[str, ...]


def words_of(action: str) -> Words:
    """Returns the verbs and nouns of an action, lower-case, in order.

    >>> words_of("Pick up the red block and put it on the shelf")
    Words(verbs=('pick', 'put'), nouns=('block', 'shelf'))
    >>> words_of("rotate to the left")
    Words(verbs=('rotate',), nouns=())
    """
    verbs: list[str] = []
    nouns: list[str] = []
    for part in _CLAUSE_SIGNS.split(action.lower()):
        clause: list[str] = []
        for word in [*_WORD.findall(part), "and"]:
            if word in _CLAUSE_WORDS:
                _read_clause(clause, verbs, nouns)
                clause = []
            clause.append(word)
    return Words(tuple(verbs), tuple(nouns))


def _read_clause(clause: list[str], verbs: list[str], nouns: list[str]) -> None:
    """Adds the verb and nouns of a clause; all clauses but a text's first begin with the word that separates them."""
    goes_on = clause[:1] == ["to"] and clause[2:3] not in (["it"], ["them"])  # "to the shelf", not "to open it"
    rest = [word for word in clause[:1] if word not in _CLAUSE_WORDS] + clause[1:]
    while rest and rest[0] in _BEFORE_VERBS:
        del rest[0]
    if rest and not goes_on:
        verbs.append(rest.pop(0))
    phrase: list[str] = []
    for word in [*rest, "the"]:
        if word not in _SMALL:
            phrase.append(word)
            continue
        noun = _head(phrase)
        nouns += [noun] if noun else []
        phrase = []


def _head(phrase: list[str]) -> str:
    """Returns the last word that can be a noun; empty where there is none."""
    for word in reversed(phrase):
        plain = word.removesuffix("'s").removesuffix("’s")
        if not (plain in _NO_NOUNS or plain.endswith(("ly", "ing", "wards"))):
            return plain
    return ""
