"""The table's words in all their forms, and the correction of typing errors."""

from collections.abc import Iterable, Iterator
from functools import cache

from slowfast_vgen.language import table
from slowfast_vgen.language.neighbours import NEIGHBOURS
from slowfast_vgen.language.normal import Word, without_runs

SHORTEST = 3
"""Least number of letters of a word in which a typing error is corrected."""
SHORTEST_TWICE = 7
"""Least number of letters of a word in which two typing errors are corrected."""
_CORE = frozenset((table.TURN, table.STEP, table.GO, table.RETREAT, table.STAY, table.HALT, table.RETRACE, table.LEFT,
                   table.RIGHT, table.FORWARD, table.BACK))  # fmt: skip
_RARE = 0.15
"""Extra cost of a word outside the commonest senses."""
_MARGIN = 0.45
"""Least cost by which one meaning must be nearer than all others."""
_SAME_FIRST_LETTER, _TRANSPOSED, _CHANGED = 0.4, 0.2, 1.05


@cache
def senses() -> dict[str, str]:
    """Returns every single word, in every form -> its sense."""
    sense_of: dict[str, str] = {}
    for sense, verbs in table.VERBS.items():
        for verb in verbs.split():
            for form in forms(verb):
                sense_of.setdefault(form, sense)
    for sense, words in table.WORDS.items():
        for word in words.split():
            plain = word.replace("'", "").replace("-", "")
            if sense == table.FILLER:
                sense_of.setdefault(plain, sense)
            else:
                sense_of[plain] = sense
    return sense_of


@cache
def phrases() -> dict[tuple[str, ...], tuple[str, ...]]:
    """Returns consecutive words -> their senses."""
    senses_of: dict[tuple[str, ...], tuple[str, ...]] = {}
    for meaning, row in table.PHRASES.items():
        for phrase in row.split(","):
            senses_of[tuple(phrase.split())] = tuple(meaning.split())
    return senses_of


@cache
def phrases_with_connectives() -> tuple[tuple[str, ...], ...]:
    """Returns the phrases that contain a word which separates clauses elsewhere."""
    parting = {table.AND, table.THEN, table.BUT, table.OR}
    return tuple(phrase for phrase in phrases() if any(senses().get(word) in parting for word in phrase))


@cache
def longest_phrase() -> int:
    """Returns the number of words of the longest phrase."""
    return max(map(len, phrases()))


@cache
def known() -> frozenset[str]:
    """Returns every word of the table."""
    words = {word for phrase in phrases() for word in phrase}
    words |= set(" ".join((table.WALKED, table.LEADS_TO_ORIGIN, *table.UNITS.values())).split())
    return frozenset(words | set(senses()) | set(table.NUMBERS) | set(table.HOW_OFTEN))


@cache
def _no_errors() -> frozenset[str]:
    """Returns the words that are never corrected."""
    return frozenset((NEIGHBOURS + table.FOREIGN).split())


def forms(verb: str) -> list[str]:
    """Returns the forms of a verb, its base first.

    >>> forms("stop")
    ['stop', 'stops', 'stopped', 'stopping']
    """
    special = table.FORMS.get(verb, "").split()
    if verb.endswith("ee"):
        return [verb, f"{verb}s", f"{verb}ing", *special]
    sibilant = verb.endswith(("s", "sh", "ch", "x", "z"))
    third = verb + ("es" if sibilant or verb.endswith("o") else "s")
    stem = verb[:-1] if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")) else verb
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return [verb, f"{verb[:-1]}ies", f"{verb[:-1]}ied", f"{verb}ing", *special]
    double = len(verb) > 2 and verb[-1] in "bdgmnprt" and verb[-2] in "aeiou" and verb[-3] not in "aeiou"
    unstressed = verb in ("wander", "linger", "loiter", "motor", "saunter", "venture", "cancel", "orient", "happen",
                          "position", "recede", "cover")  # fmt: skip
    stem += verb[-1] if double and not unstressed else ""
    past = [] if verb in table.FORMS and verb not in ("look", "turn") else [f"{stem}ed"]
    return [verb, third, *past, f"{stem}ing", *special]


def correct(words: Iterable[Word]) -> list[str]:
    """Returns the words with typing errors of the table's words corrected; others unchanged."""
    row = list(words)
    corrected: list[str] = []
    index = 0
    while index < len(row):
        word = row[index]
        if _known_or_number(word.text):
            corrected.append(word.text)
        else:
            joined = row[index].text + row[index + 1].text if index + 1 < len(row) else ""
            if corrected and not _is_content(corrected[-1]) and _is_content(corrected[-1] + word.text):
                corrected[-1] += word.text  # "for ward"
            elif joined and _is_content(joined):
                corrected.append(joined)
                index += 1
            elif joined and word.text not in _no_errors() and (parts := _parted(joined)):
                corrected += parts  # "gob ack"
                index += 1
            else:
                corrected += _mended(word)
        index += 1
    return corrected


def _parted(text: str) -> list[str]:
    """Splits a text into two known words of which at least one is content; empty where it is none."""
    for cut in range(2, len(text) - 1):
        first, second = text[:cut], text[cut:]
        if first in senses() and second in senses() and (_is_content(first) or _is_content(second)):
            return [first, second]
    return []


def _known_or_number(word: str) -> bool:
    return word in known() or not word[0].isalpha()


def _is_content(word: str) -> bool:
    return len(word) > 3 and senses().get(word, table.FILLER) not in (table.FILLER, table.STRANGE)


def _mended(word: Word) -> list[str]:
    """Returns the known word or two words meant by an unknown one; the word itself where that is unclear."""
    if not word.plain or word.text in _no_errors() or len(word.text) > 24:
        return [word.text]
    for shorter in without_runs(word.text):
        if shorter in known():
            return [shorter]
    if word.text.endswith("ly") and len(word.text) > 5:
        return ["slow"]  # any manner adverb: no environment has manners
    if meant := nearest_word(word.text):
        return [meant]
    text = word.text
    if parts := _parted(text):
        return parts
    for cut in range(2, len(text) - 1):
        first, second = text[:cut], text[cut:]
        if len(first) > 2 and _is_content(first) and len(second) > 3 and _is_content(again := nearest_word(second)):
            return [first, again]
    if word.text.endswith(("in", "ing")):  # "rotatin", "rotateing"
        for base in (text.removesuffix("in"), text.removesuffix("ing")):
            if len(base) > SHORTEST and base in known():
                return [base]
    return [word.text]


@cache
def _shortened() -> dict[str, list[str]]:
    """Returns words with one or two letters left out -> the words."""
    words_of: dict[str, list[str]] = {}
    mute = (table.STRANGE, table.NOT, table.NO)  # a misspelt "not" is not to be corrected
    meant = {word for word, sense in senses().items() if sense not in mute and (sense != table.FILLER or len(word) > 4)}
    for word in sorted(meant | set(table.MISTYPED.split())):
        if len(word) > SHORTEST:
            twice = len(word) >= SHORTEST_TWICE
            for shorter in {word, *_left_out(word, 2 if twice else 1)}:
                words_of.setdefault(shorter, []).append(word)
    return words_of


def _left_out(word: str, letters: int) -> Iterator[str]:
    for index in range(len(word)):
        shorter = word[:index] + word[index + 1 :]
        yield shorter
        if letters > 1:
            yield from _left_out(shorter, letters - 1)


def nearest_word(word: str) -> str:
    """Returns the known word that differs by one typing error, or two in long words; empty where it is ambiguous.

    >>> nearest_word("lef"), nearest_word("rihgt"), nearest_word("stp")
    ('left', 'right', '')
    """
    if len(word) < SHORTEST:
        return ""
    most = 2 if len(word) >= SHORTEST_TWICE else 1
    costs: dict[str, float] = {}
    for shorter in {word, *_left_out(word, most)}:
        for candidate in _shortened().get(shorter, ()):
            if candidate not in costs and abs(len(candidate) - len(word)) <= most:
                costs[candidate] = _cost(word, candidate)
    near = {
        candidate: cost
        for candidate, cost in costs.items()
        if cost <= most * _CHANGED + _SAME_FIRST_LETTER + _RARE and _long_enough(word, candidate)
    }
    near = {
        candidate: cost
        for candidate, cost in near.items()
        if cost <= _CHANGED + _SAME_FIRST_LETTER + _RARE or candidate[0] == word[0]
    }
    if not near:
        return ""
    best = min(near.values())
    meanings = {senses().get(candidate, candidate) for candidate, cost in near.items() if cost < best + _MARGIN}
    return min(near, key=lambda candidate: (near[candidate], candidate)) if len(meanings) == 1 else ""


def _long_enough(word: str, candidate: str) -> bool:
    """Returns whether a word is long enough: three letters are if one was left out or two swapped, as "lef", "trn"."""
    return len(word) > SHORTEST or (len(candidate) == SHORTEST + 1) or sorted(word) == sorted(candidate)


def _cost(word: str, candidate: str) -> float:
    """Returns the edit distance of two words; a swap costs less than a change, a different first letter more."""
    rows = [[float(each) for each in range(len(candidate) + 1)]]
    for i, letter in enumerate(word, start=1):
        row = [float(i)]
        for j, other in enumerate(candidate, start=1):
            cost = min(rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + (_CHANGED if letter != other else 0))
            if i > 1 and j > 1 and letter == candidate[j - 2] and word[i - 2] == other and letter != other:
                cost = min(cost, rows[i - 2][j - 2] + 1 - _TRANSPOSED)
            row.append(cost)
        rows.append(row)
    far = 0.0 if senses().get(candidate) in _CORE else _RARE
    return (
        rows[-1][-1]
        + far
        + (_SAME_FIRST_LETTER if word[0] != candidate[0] and sorted(word) != sorted(candidate) else 0)
    )


def neighbours_among(words: Iterable[str]) -> set[str]:
    """Returns those of some words that are unknown, purely alphabetic, and would be corrected as typing errors."""
    whole = {word for word in words if word.isascii() and word.isalpha() and len(word) >= SHORTEST}
    return {word for word in whole if word not in known() and nearest_word(word)}
