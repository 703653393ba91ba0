"""Interprets texts as instructions by a small grammar over the table; `read` is the entry point.

A text is split into clauses, at punctuation and "and", "then", "but", "or"; within a clause, a verb after a complete
action begins the next one, and a negation negates what follows it. Each piece is an action if the senses of all its
words are compatible: every word must be in the table, and no two may contradict each other.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from slowfast_vgen.language import lexicon, table
from slowfast_vgen.language.amounts import Amount, take_amounts
from slowfast_vgen.language.normal import MAX_CHARACTERS, STOP, words_of
from slowfast_vgen.language.table import (
    AND,
    AROUND,
    BACK,
    BUT,
    CAMERA,
    DRIFT,
    FILLER,
    FOLLOW,
    FORWARD,
    GO,
    HALT,
    INVERSE,
    KEEP,
    LEFT,
    NO,
    NOT,
    OR,
    ORIGIN,
    OWN,
    PLACE,
    RETRACE,
    RETREAT,
    RETURN,
    RIGHT,
    STAY,
    STEP,
    STILL,
    STRANGE,
    THEN,
    TRAIL,
    TURN,
)

MEANINGS = ("turn_left", "turn_right", "go_forward", "go_back", "stay", "retrace")
"""Verbs that the grammar can find; those that a vocabulary does not have are never meant."""

_VERBS = frozenset((TURN, STEP, GO, DRIFT, RETREAT, STAY, RETURN, RETRACE, FOLLOW))
_MOVES = frozenset((STEP, GO, DRIFT))
_CONNECTIVES = frozenset((AND, THEN, BUT, OR))
_UNFINISHED_TURN, _UNFINISHED_MOVE, _UNFINISHED_WAY = "turn", "move", "way"
_MOTION = "motion"
"""The action that "do not move" negates."""

_PERSON = r"(?:you|we|i|it|they|he|she|u)"
_LEADS, _WALKED = ("|".join(words.split()) for words in (table.LEADS_TO_ORIGIN, table.WALKED))
_ORIGIN = re.compile(
    rf"\b(?:(?:from|to|exactly|just|the|that|which|all)\s+)*(?:(?:{_LEADS})\s+)+(?:(?:that|which|from)\s+)*{_PERSON}"
    r"(?:\s+(?:just|have|ve|had|originally|first|once|all|already|last|previously|d|both))*"
    rf"\s+(?:{_WALKED})\b"
    r"(?:\s+(?:from|off|out|along|down|through|before|earlier|on|in|here|there|today|to get here|to get there))*"
)
_FACED = "|".join(table.FACED.split())
_AHEAD = re.compile(
    r"\b(?:(?:in|to|the|that|which|whichever|whatever)\s+)*(?:where|wherever|way|direction)\s+(?:(?:that|which|in)\s+)*"
    rf"{_PERSON}(?:\s+(?:are|re|am|m|is|s|currently|now|already))*\s+(?:{_FACED})\b(?:\s+(?:at|in|to))*"
)
_QUESTIONS = (one.strip() for one in " ".join(table.QUESTIONS.split()).split(","))
_QUESTION = re.compile(rf"(?:{'|'.join(sorted(_QUESTIONS, key=len, reverse=True))})\b")
_STILL_FACING = re.compile(
    r"\b(?:(?:but|and)\s+)?(?:(?:while|still|keeping|keep|always)\s+)+(?:(?:your|my|our|the|ur)\s+)?"
    r"(?:eyes|gaze|view|camera|head|face|facing|looking)\s+(?:(?:is|straight|still|pointed|fixed|facing|looking)\s+)*"
    r"(?:ahead|forwards?|in front|straight|front|(?:in )?(?:the|this) (?:same )?(?:way|direction))\b"
    r"(?:\s+of\s+(?:you|me))?(?:\s+as\s+(?:now|before|you are|i am))?"
)
_ENCOURAGING = re.compile(
    r"^(?:(?:well|ok|okay|so|hey|oh|yes)\s)?(?:go on|go ahead|come on|right then|right so|all right then)\s\.\s(?=\w)"
)
_CORRECTED = re.compile(r".*\b(?:i mean|or rather|make that|correction|i meant)\b\s*(?=.*\w)")
_DISCOURSE = re.compile(
    r"right\s\.\s(?=(?:now|lets|let|so|then|ok|okay|you|could|can|please|i|we|everyone|off|well|here)\b)"
)
_LEADING_IN = re.compile(
    r"(?:(?:ok|okay|so|well|and|now|look|listen)\s)*"
    r"(?:(?:(?:what|all|(?:the|my)(?: \w+)? (?:thing|request|wish|order|command|instruction|idea|plan))\b)"
    r"(?=[^.]*\b(?:i|we|want|like|need|wish|ask|my)\b)[^.]*?\b(?:want|like|need|wish|ask|request|order|command|plan)\b"
    r"[^.]*?\bis\b(?:\s(?:that|for|simply|just))*"
    r"|.*\b(?:decided|decide|deciding|chose|choose)\b(?:\s(?:that|to))+)\s(?=\w)"
)
_PURPOSE = re.compile(
    r"(?<=\w)\s\.?\s?(?:so (?:that )?(?:i|we|you|it) (?:can|could|may)\b"
    r"|(?:in order )?to (?:see|check|find|get|inspect|observe)\b"
    r"|and (?:see|tell|show|check)\b(?= (?:me )?(?:what|if|whether|where|who)\b)).*"
)
_THEN = re.compile(r"\b(?:followed by|after that|after which|afterwards|afterward|and next|before(?= \w+ing\b))\b")
_AFTER = re.compile(r"^after (?=\w+ing\b)")
_BECAUSE = re.compile(r"\s\.?\s?(?:because|cause|cuz|coz)\b[^.]*(?=\.|$)")
_AGAIN = re.compile(r"\b(?:again|once more|one more|another)\b")
_NEGATIONS = frozenset((*table.WORDS[NOT].split(), "t", "no", "nothing"))
_REFERENCES = {"@origin": ORIGIN, "@ahead": FORWARD}
_NOUNS = frozenset(("movement", "movements", "motion", "motions", "rotation"))
"""Nouns of actions, which begin no clause."""
_CUTS = re.compile(
    r"\s*(?:(?<!\d)[,.!?\n]|[,.](?!\d)|[;|]|-+>|=+>|→|\band\b|\bthen\b|\bafter that\b|&|(?<=\s)[-–—](?=\s))\s*",
    re.IGNORECASE,
)
_AFTER_WEAK_RIGHT = frozenset(table.AFTER_WEAK_RIGHT.split())
_TRAIL_OF_OWN = frozenset(table.TRAIL_OF_OWN.split())


class Item(NamedTuple):
    """A word or phrase with its sense."""

    sense: str
    word: str
    following: str
    """Word after it."""


@dataclass(frozen=True)
class Reading:
    """Interpretation of a text."""

    verbs: tuple[str, ...] = ()
    """Instructed actions, in order, of `MEANINGS`."""
    refused: tuple[str, ...] = ()
    """Negated actions."""
    amounts: tuple[Amount, ...] = ()
    problem: str = ""
    """Reason for no instruction: "words" that are unknown or incompatible, "choice", "question", "nothing"."""
    hints: frozenset[str] = field(default_factory=frozenset)
    """Meanings that single words suggest, whatever the whole text means."""


def read(text: str) -> Reading:
    """Interprets a text as an instruction.

    >>> read("Please turn to your left.").verbs
    ('turn_left',)
    >>> read("do not turn left").refused
    ('turn_left',)
    >>> read("turn left, then walk on").verbs
    ('turn_left', 'go_forward')
    >>> read("open the door").problem
    'words'
    """
    words = _plainly(lexicon.correct(words_of(text)))
    words, amounts = take_amounts(words)
    clauses = _clauses(words)
    hints = frozenset(_hint(item) for _, clause in clauses for item in clause) - {""}
    if len(text) > MAX_CHARACTERS:
        return Reading(problem="words", hints=hints)
    if _asks(words):
        return Reading(problem="question", hints=hints)
    if not clauses:
        return Reading(problem="nothing")
    return _Reader(tuple(amounts), hints).read(clauses)


def _plainly(words: Sequence[str]) -> list[str]:
    """Returns the words without leading encouragement, corrected parts, reasons, and phrases that keep the view."""
    text = _CORRECTED.sub("", _ENCOURAGING.sub("", " ".join(words), count=1), count=1)
    text = _DISCOURSE.sub("", text, count=1) if text.startswith("right .") else text
    for pattern in (_LEADING_IN, _PURPOSE):
        match = pattern.search(text) if pattern is _PURPOSE else pattern.match(text)
        before = [word for word in text[: match.start()].split() if _has_content(word)] if match else []
        if match and (before or pattern is _LEADING_IN) and not _NEGATIONS & set(match[0].split()):
            text = text[: match.start()] + text[match.end() :]
    text = _AFTER.sub("", _THEN.sub("then", text))
    return _STILL_FACING.sub("", _BECAUSE.sub("", text)).split()


def _has_content(word: str) -> bool:
    return lexicon.senses().get(word) in _VERBS | {HALT, LEFT, RIGHT, FORWARD, BACK}


def clauses_of(text: str) -> list[str]:
    """Splits a text at commas and other punctuation, and before "and" and "then": each part as it was written.

    >>> clauses_of("Turn left x2, then go forward and wait.")
    ['Turn left x2', 'go forward', 'wait']
    """
    parts = _CUTS.split(text)
    return [part.strip() for part in parts if part.strip(" .!?\t")]


def _asks(words: Sequence[str]) -> bool:
    row = [word for word in words if word != STOP]
    while row and row[0] in ("so", "and", "but", "ok", "okay", "hey", "hi", "well"):
        del row[0]
    polite = any(tuple(row[:n]) in lexicon.phrases() for n in range(1, lexicon.longest_phrase() + 1) if len(row) >= n)
    return not polite and bool(_QUESTION.match(" ".join(row)))


def _clauses(words: Sequence[str]) -> list[tuple[str, list[Item]]]:
    """Returns the clauses, each with its separator from the one before: a stop, a connective, or both."""
    clauses: list[tuple[str, list[Item]]] = []
    row: list[str] = []
    parted = ""
    for word in [*words, STOP]:
        connective = lexicon.senses().get(word, "")
        if word != STOP and connective not in _CONNECTIVES:
            row.append(word)
            continue
        if word != STOP and _within_phrase(row, word, words):
            row.append(word)
            continue
        if row:
            pieces = _items(row)
            clauses.append((parted, pieces))
            row, parted = [], ""
        parted += STOP if word == STOP else connective
    return clauses


def _within_phrase(row: Sequence[str], word: str, words: Sequence[str]) -> bool:
    """Returns whether a connective belongs to a phrase, as in "go and", "or not", "anything but"."""
    text = " ".join(words)
    for phrase in lexicon.phrases_with_connectives():
        if word in phrase and (at := phrase.index(word)) <= len(row):
            before = list(phrase[:at])
            if row[len(row) - at :] == before and re.search(rf"\b{re.escape(' '.join(phrase))}\b", text):
                return True
    return False


def _items(row: Sequence[str]) -> list[Item]:
    """Returns the words of a clause with their senses, phrases before single words."""
    text = _AHEAD.sub("@ahead", _ORIGIN.sub("@origin", " ".join(row)))
    words = text.split()
    known, senses = lexicon.phrases(), lexicon.senses()
    items: list[Item] = []
    index = 0
    while index < len(words):
        longest = min(lexicon.longest_phrase(), len(words) - index)
        for length in range(longest, 0, -1):
            phrase = tuple(words[index : index + length])
            if phrase in known:
                following = words[index + length] if index + length < len(words) else ""
                items += [Item(sense, " ".join(phrase), following) for sense in known[phrase]]
                index += length
                break
        else:
            word = words[index]
            sense = _REFERENCES.get(word) or senses.get(
                word, FILLER if word.endswith("ly") and len(word) > 4 else STRANGE
            )
            if word in ("head", "heading") and not any(
                item.sense in (OWN, TURN, DRIFT) or item.word == "the" for item in items
            ):
                sense = GO  # not the part of the body
            before = items[-1] if items else None
            retraced = any(earlier.sense in (RETRACE, FOLLOW) for earlier in items)
            if word in _TRAIL_OF_OWN and before and (retraced or before.sense in (OWN, TRAIL) or before.word == "the"):
                sense = TRAIL
            following = words[index + 1] if index + 1 < len(words) else ""
            items.append(Item(sense, word, following))
            index += 1
    return items


def _hint(item: Item) -> str:
    return {
        LEFT: "turn_left", RIGHT: "turn_right", FORWARD: "go_forward", BACK: "go_back", RETREAT: "go_back",
        STAY: "stay", HALT: "stay", RETRACE: "retrace", STEP: "go_forward",
    }.get(item.sense, "")  # fmt: skip


class _Piece(NamedTuple):
    """A part of a clause with one meaning."""

    meaning: str
    """Meaning of the piece: one of `MEANINGS`, an unfinished turn or move, empty for function words, or `STRANGE`."""
    negated: bool
    items: Sequence[Item]
    flatly: bool = False
    """Whether its negation is a "no", which negates what precedes it, never what follows."""


class _Reader:
    def __init__(self, amounts: tuple[Amount, ...], hints: frozenset[str]) -> None:
        self.amounts, self.hints = amounts, hints
        self.verbs: list[str] = []
        self.said: list[Sequence[Item]] = []
        self.refused: list[str] = []
        self.unfinished: Sequence[Item] = ()
        """Items of a turn or a move that wait for a direction."""
        self.dangling = False
        """Whether a negation at the end of the text so far still waits for what it negates."""
        self.choice = False
        self.again = False
        """Whether "again", or its like, occurs without an action before it."""

    def problem(self, problem: str) -> Reading:
        return Reading(refused=tuple(self.refused), problem=problem, hints=self.hints)

    def read(self, clauses: Sequence[tuple[str, list[Item]]]) -> Reading:
        after_negation = False
        for place, (parted, items) in enumerate(clauses):
            pieces = _pieces(items)
            if not after_negation and not self._leads_in(clauses[place + 1 :]) and _is_again(items):
                if len(set(self.verbs)) > 1 or self.amounts:
                    return self.problem("words")  # the last, or all of them?
                self.again = not self.verbs
                self.verbs, self.said = [*self.verbs, *self.verbs[-1:]], [*self.said, *self.said[-1:]]
                continue
            if after_negation and not any(piece.negated for piece in pieces) and _carries(parted, pieces):
                pieces = [piece._replace(negated=bool(piece.meaning)) for piece in pieces]
            if OR in parted and not after_negation:
                begun = bool(self.verbs or self.unfinished)
                self.choice = self.choice or (begun and any(piece.meaning for piece in pieces))
            for number, piece in enumerate(pieces):
                if not self._take(piece, parted if number == 0 else ""):
                    return self.problem("words")
            if any(piece.meaning for piece in pieces):
                after_negation = pieces[-1].negated
        return self._end()

    def _leads_in(self, later: Sequence[tuple[str, list[Item]]]) -> bool:
        """Returns whether a later clause names the action that this one only introduces: "once more, turn left"."""
        meaning = next((piece.meaning for _, items in later for piece in _pieces(items) if piece.meaning), "")
        return bool(meaning) and (not self.verbs or meaning == self.verbs[-1])

    def _take(self, piece: _Piece, parted: str) -> bool:
        """Adds the meaning of a piece; returns False where it makes no sense."""
        meaning, negated, items, flatly = piece
        if meaning == STRANGE:
            return False
        if not meaning:
            if negated:
                self.dangling = not flatly or bool(self.verbs)
            return True
        if self.dangling and not self.verbs:
            negated, self.dangling = True, False
        if negated:
            self.refused.append(_MOTION if meaning == _UNFINISHED_MOVE or _is_bare(meaning, items) else meaning)
            return True
        turns = bool(self.verbs) and self.verbs[-1].startswith("turn")
        if meaning == _UNFINISHED_TURN and turns and (not parted or _is_side_alone(self.said[-1])):
            return True  # "go right turn", "a bit to the right, turn"
        if meaning in (_UNFINISHED_TURN, _UNFINISHED_MOVE):
            if self.unfinished and _sense_of(self.unfinished) != meaning:
                return False
            self.unfinished = items
            return True
        if meaning == _UNFINISHED_WAY and _meaning([*self.unfinished, *items]) not in MEANINGS:
            if self.unfinished:
                return False
            self.unfinished = items
            return True
        if self.unfinished:
            joined = _meaning([*self.unfinished, *items])
            if joined not in MEANINGS or (joined != meaning and any(item.sense in _VERBS for item in items)):
                return False
            meaning, self.unfinished = joined, ()
        if self.verbs and self.verbs[-1] == meaning and _goes_on(meaning, items, self.said[-1], parted):
            return True
        self.verbs.append(meaning)
        self.said.append(items)
        return True

    def _end(self) -> Reading:
        if self.unfinished:
            return self.problem("words")
        if self.choice:
            return Reading(tuple(self.verbs), problem="choice", hints=self.hints)
        if self.verbs and self.dangling:
            return Reading(refused=tuple(self.verbs), hints=self.hints)
        if not self.verbs:
            if _MOTION in self.refused:
                return Reading(("stay",), amounts=self.amounts, hints=self.hints)
            return Reading(
                refused=tuple(self.refused),
                problem="" if self.refused else "words" if self.again else "nothing",
                hints=self.hints,
            )
        clash = set(self.verbs) & set(self.refused)
        turned = _UNFINISHED_TURN in self.refused and any(verb.startswith("turn") for verb in self.verbs)
        if clash or turned or (_MOTION in self.refused and set(self.verbs) != {"stay"}):
            return Reading(refused=tuple(self.verbs), hints=self.hints)
        return Reading(tuple(self.verbs), tuple(self.refused), self.amounts, hints=self.hints)


def _is_side_alone(items: Sequence[Item]) -> bool:
    """Returns whether only a side was named, without a verb."""
    return not any(item.sense in _VERBS or item.sense == CAMERA for item in items)


def _carries(parted: str, pieces: Sequence[_Piece]) -> bool:
    """Returns whether a preceding negation extends: "do not turn left or right", "do not turn left, right"."""
    if BUT in parted:
        return False
    if OR in parted:
        return True
    if STOP in parted:
        return bool(pieces) and not any(item.sense in _VERBS for piece in pieces for item in piece.items)
    return True


def _is_bare(meaning: str, items: Sequence[Item]) -> bool:
    """Returns whether a motion is named without a direction."""
    senses = {item.sense for item in items}
    return meaning == "go_forward" and FORWARD not in senses


def _goes_on(meaning: str, items: Sequence[Item], said: Sequence[Item], parted: str) -> bool:
    """Returns whether repeating the same verb adds nothing: "stop and wait", "walk on and keep walking"."""
    if (meaning == "stay" and not (parted and _same_words(items, said))) or any(item.sense == KEEP for item in items):
        return True
    verbs, before = ({item.word for item in row if item.sense in _VERBS} for row in (items, said))
    return not parted and verbs != before


def _is_again(items: Sequence[Item]) -> bool:
    """Returns whether a clause says only "again": the last action is to be repeated."""
    return all(item.sense in (FILLER, OWN) for item in items) and bool(_AGAIN.search(" ".join(i.word for i in items)))


def _same_words(items: Sequence[Item], said: Sequence[Item]) -> bool:
    return [item.word for item in items] == [item.word for item in said]


def _pieces(items: Sequence[Item]) -> list[_Piece]:
    """Splits a clause at its negations and at verbs after a complete action."""
    pieces: list[_Piece] = []
    if len(items) > 1 and all(item.sense in (LEFT, RIGHT, FORWARD, BACK) for item in items):
        directions = [_Piece(_meaning([item]), False, (item,)) for item in items if item.word != "straight"]
        if len({piece.meaning for piece in directions}) > 1:
            return directions
    row: list[Item] = []
    negations = 0
    flatly = True

    def close() -> None:
        nonlocal row
        meaning = _meaning(row)
        if row or negations:
            pieces.append(_Piece(meaning, negations % 2 == 1, tuple(row), flatly))
        row = []

    for index, item in enumerate(items):
        later = items[index + 1 :]
        if item.sense in (NOT, NO) or (item.sense == HALT and _halts_something(later)):
            if _meaning(row):
                if negations == 0 and item.sense != HALT and _meaning(row) not in MEANINGS:
                    row_before = row  # "turn not left": the turn itself is what is denied
                    row = []
                    negations += 1
                    row += row_before
                    continue
                close()
                negations, flatly = 0, True
            negations += 1
            flatly = flatly and item.sense == NO
            continue
        if (
            item.sense in _VERBS
            and not _is_noun(item)
            and _meaning(row) in MEANINGS
            and any(earlier.sense in _VERBS for earlier in row)
        ):
            close()
        row.append(item)
    close()
    return pieces


def _is_noun(item: Item) -> bool:
    """Returns whether a verb is used as a noun, which begins no clause: "a step", "movement"."""
    *before, last = item.word.split()
    return last in _NOUNS or (bool(before) and last in ("step", "steps", "pace", "paces"))


def _halts_something(later: Sequence[Item]) -> bool:
    """Returns whether "stop" has an object: "stop turning left", but not "stop moving", "stop here"."""
    meaning = _meaning([Item(HALT, "stop", ""), *later])
    return meaning != "stay"


def _sense_of(items: Sequence[Item]) -> str:
    return _meaning(items)


def _meaning(items: Sequence[Item]) -> str:
    """Returns the meaning of a piece if all its words are compatible; see `_Piece.meaning`."""
    senses = [item.sense for item in items]
    if STRANGE in senses:
        return STRANGE
    for index, item in enumerate(items):
        if item.sense == RIGHT and item.following in _AFTER_WEAK_RIGHT:
            without = _meaning([*items[:index], *items[index + 1 :]])
            if without in MEANINGS:
                return without
    present = frozenset(senses) - {FILLER, NOT, NO}
    content = present - {OWN, PLACE, KEEP, AROUND}
    if present & {KEEP, HALT} and PLACE in present and not content - {CAMERA, HALT} and AROUND not in present:
        return "stay"
    if not content:
        continued = any(item.word.split()[0].startswith(("continu", "proceed")) for item in items if item.sense == KEEP)
        if continued and not present & {PLACE, AROUND}:
            return "go_forward"
        return STRANGE if present & {PLACE, AROUND, KEEP} else ""
    if RETRACE in content or RETURN in content or content & {TRAIL, ORIGIN, INVERSE, FOLLOW}:
        return _way_back(present)
    words = {item.word for item in items if item.sense in (FORWARD, BACK)}
    if TURN in content or CAMERA in content or content & {LEFT, RIGHT}:
        return _turning(present, words)
    return _moving(present, words, items)


def _way_back(present: frozenset[str]) -> str:
    if present & {LEFT, RIGHT, FORWARD, TURN, CAMERA, STAY, HALT, STILL}:
        return STRANGE
    if RETRACE in present or (RETURN in present and not present & {PLACE}):
        return "retrace"
    behind = ORIGIN in present or (TRAIL in present and present & {OWN, INVERSE, FOLLOW, BACK, RETREAT})
    back = present & {RETURN, BACK, RETREAT, INVERSE, FOLLOW}
    if (behind and not back and not present & {STILL, AROUND, PLACE}) or present <= {INVERSE, FILLER}:
        return _UNFINISHED_WAY
    return "retrace" if behind and back else STRANGE


def _turning(present: frozenset[str], words: set[str]) -> str:
    sides = present & {LEFT, RIGHT}
    if len(sides) == 2:
        return STRANGE
    side = next(iter(sides), "")
    straight = words == {"straight"}
    if TURN in present and HALT in present and not present & {LEFT, RIGHT, FORWARD, BACK, STEP, RETREAT}:
        return "stay"
    if TURN in present:
        if present & {STEP, RETREAT, STAY, HALT}:
            return STRANGE
        if present & {FORWARD, BACK} and not (side and words <= {"back", "straight"}):
            return STRANGE
        return f"turn_{side}" if side else _UNFINISHED_TURN
    if side:
        plain = not present & {RETREAT, STAY, HALT, FORWARD, BACK} or straight
        if CAMERA in present:
            return f"turn_{side}" if plain and STEP not in present else STRANGE
        return f"turn_{side}" if plain and not present & {STEP, DRIFT} else STRANGE
    if present & {STAY, STILL, HALT}:
        return "stay" if not present & {FORWARD, BACK, RETREAT} else STRANGE
    if present & {FORWARD, BACK, RETREAT} and present & (_MOVES | {RETREAT}):
        return _moving(present - {CAMERA}, words, ())
    return STRANGE


def _moving(present: frozenset[str], words: set[str], items: Sequence[Item]) -> str:
    backwards = bool(present & {BACK, RETREAT})
    if FORWARD in present and backwards and "straight" not in words:
        return STRANGE
    if backwards or FORWARD in present:
        if present & {STAY, HALT, AROUND} or (PLACE in present):
            return STRANGE
        return "go_back" if backwards else "go_forward"
    if present & {STAY, STILL, HALT}:
        if present & {AROUND}:
            return STRANGE
        if HALT in present or not present & _MOVES:
            return "stay"
        return STRANGE
    if present & {AROUND, PLACE}:
        return _UNFINISHED_MOVE if PLACE in present and AROUND not in present else STRANGE
    if STEP in present or (present & _MOVES and KEEP in present):
        return "go_forward"
    return _UNFINISHED_MOVE
