"""A goal in words, split into sub-goals by rules (paper 3.4, where a language model does it; see `endpoint`)."""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import groupby

from slowfast_vgen.errors import UserError
from slowfast_vgen.language.amounts import take_amounts
from slowfast_vgen.language.lists import written_out
from slowfast_vgen.language.normal import words_of
from slowfast_vgen.language.reading import read
from slowfast_vgen.models.text import validate_action
from slowfast_vgen.models.vocabulary import Vocabulary

MOST_CHUNKS = 1000
"""Most chunks of one sub-goal, and of a whole goal."""
RETRACE_TEXT = "retrace your steps"
"""Text of a sub-goal that leads back along the path walked so far."""
PUT_BACK_TEXT = "put everything back where it was"
"""Text of a sub-goal that becomes one sub-goal for each thing that was moved."""
OPEN_TEXTS = (RETRACE_TEXT, PUT_BACK_TEXT)
"""Texts of sub-goals whose number of chunks depends on what was done before."""

_COUNTS = {"once": 1, "twice": 2, "thrice": 3}
_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NUMBER = rf"(?P<number>\d+|{'|'.join(_NUMBERS)})"
_HOW_OFTEN = re.compile(
    rf"\s*(?:,\s*)?(?:\b(?P<word>once|twice|thrice)|\b{_NUMBER}\s+times|\bfor\s+{_NUMBER.replace('number', 'chunks')}"
    r"\s+(?:chunks?|steps?|moves?))$"
)
_SEPARATORS = re.compile(r"\s*(?:[;.\n]|,?\s*\band\s+then\b|,?\s*\bthen\b)\s*,?\s*")
_LOOSE = re.compile(r"\s*(?:,\s*and\b|,|\band\b)\s*")
_RETRACE = re.compile(
    r"\b(?:retrace|backtrack|the way (?:that )?(?:you|i|we) came"
    r"|(?:back|return)\b.*\b(?:start|begin|beginning|began|started|came from|where you (?:were|stood))"
    r"|undo your)\b"
)
_ALSO_RETRACE = ("return along your path", "follow your own trail back", "walk the same path in reverse")
_PUT_BACK = re.compile(
    r"\b(?:put|bring|move|return|set|get|take|carry)\b.*\b(?:everything|all|each|every)\b"
    r"(?:.*\b(?:back|was|were|places?|began|started)\b)|\btidy up\b"
)
_POLITE = re.compile(r"^(?:(?:please|now|first|next|finally|afterwards)\b[, ]*)+")

PutBack = Callable[[Sequence[str]], list[str]]
"""Callback: gives the texts that put back what some texts moved, one for each thing; see `environment.PutsBack`."""


@dataclass(frozen=True)
class SubGoal:
    """One thing to do, with the text that the world model gets."""

    text: str
    num_chunks: int | None = 1
    """Number of chunks; None for one of `OPEN_TEXTS`: as many as led here, or as things were moved."""

    def __post_init__(self) -> None:
        validate_action(self.text)
        if self.num_chunks is not None and not 1 <= self.num_chunks <= MOST_CHUNKS:
            raise UserError(f"a sub-goal takes 1 to {MOST_CHUNKS} chunks, got {self.num_chunks} for {self.text!r}")


def split_goal(
    goal: str, vocabulary: Vocabulary | None = None, known_texts: Collection[str] = ()
) -> tuple[SubGoal, ...]:
    """Splits a goal into its sub-goals, in order.

    Parts are separated by `;`, full stops, "then" and "and then"; by commas and "and" too where every part is a known
    action. "twice", "3 times" and "for 5 chunks" repeat a part; where there is a vocabulary, other ways to say so, and
    groups in brackets, are read as lists of actions are (docs/words.md). Whatever asks for the way back ("go back the
    way you came", "return to the start") becomes `RETRACE_TEXT`, for as many chunks as led there; whatever asks to put
    all things back becomes `PUT_BACK_TEXT`.

    Args:
        goal: the goal in words.
        vocabulary: verbs, without the way back; None where no verbs are known.
        known_texts: other texts of single actions.

    Raises:
        UserError: no words, a count out of range, a part that says what not to do, or a way back with a count.

    >>> split_goal("turn left twice, then go back the way you came")
    (SubGoal(text='turn left', num_chunks=2), SubGoal(text='retrace your steps', num_chunks=None))
    """
    parts = [part for part in _SEPARATORS.split(written_out(goal.strip().lower())) if part.strip(" ,")]
    if not parts:
        raise UserError(f"the goal {goal!r:.60} holds no words; say what to do, such as 'turn left, then go forward'")
    known = {*known_texts, *(vocabulary.phrasings if vocabulary else ())}
    return tuple(sub_goal for part in parts for sub_goal in _sub_goals(part, vocabulary, known))


def decisions(sub_goals: Sequence[SubGoal], led: Sequence[str], put_back: PutBack | None = None) -> list[str]:
    """One text per decision; a sub-goal without a number takes as many chunks as there were before it, at least one.

    "Put everything back" becomes what `put_back` gives for the texts before it; where that is nothing, it stays.

    Args:
        sub_goals: sub-goals in order.
        led: the text of each chunk before the first.
        put_back: the environment's own function; None where it has no things.

    Raises:
        UserError: more than `MOST_CHUNKS` in all.

    >>> decisions([SubGoal("turn left", 2), SubGoal("retrace your steps", None)], ["go forward"])
    ['turn left', 'turn left', 'retrace your steps', 'retrace your steps', 'retrace your steps']
    """
    texts: list[str] = []
    for sub_goal in sub_goals:
        back = put_back([*led, *texts]) if put_back and sub_goal.text == PUT_BACK_TEXT else []
        if back:
            texts += back
        elif sub_goal.num_chunks is not None:
            texts += [sub_goal.text] * sub_goal.num_chunks
        else:
            texts += [sub_goal.text] * (max(1, len(led) + len(texts)) if sub_goal.text == RETRACE_TEXT else 1)
        if len(texts) > MOST_CHUNKS:
            raise UserError(f"the goal takes {len(texts)} chunks and more; ask for at most {MOST_CHUNKS}")
    return texts


def _sub_goals(part: str, vocabulary: Vocabulary | None, known: Collection[str]) -> list[SubGoal]:
    meant = read(part)
    if meant.refused and not meant.verbs:
        raise UserError(f"{part!r:.80} says what not to do; say in the goal what to do")
    listed = [piece for piece in _LOOSE.split(part) if piece]
    if len(listed) > 1 and all(_counted(piece)[0] in known for piece in listed):
        return [SubGoal(*_counted(piece)) for piece in listed]
    text, count = _counted(part)
    if (open_text := _open_text(text, known)) is not None:
        known_parts = [_open_text(piece, known) or piece in known or read(piece).verbs for piece in listed]
        if len(listed) > 1 and all(known_parts) and open_text in known_parts:
            return [sub_goal for piece in listed for sub_goal in _sub_goals(piece, vocabulary, known)]
        return [_whole(open_text, part)]
    several = _understood(part, vocabulary) if vocabulary and text not in known else []
    return several or [SubGoal(text, count)]


def _open_text(text: str, known: Collection[str]) -> str | None:
    """The one of `OPEN_TEXTS` that a part asks for; None where it asks for neither."""
    if _PUT_BACK.search(text):
        return PUT_BACK_TEXT
    retraces = text not in known and (text in _ALSO_RETRACE or _RETRACE.search(text))
    return RETRACE_TEXT if retraces else None


def _whole(text: str, part: str) -> SubGoal:
    """A sub-goal of one of `OPEN_TEXTS`, whose number of chunks follows from what was done before."""
    _, amounts = take_amounts([word.text for word in words_of(part)])
    if _counted(part)[1] != 1 or any(amount.kind in ("times", "vague") and amount.value != 1 for amount in amounts):
        raise UserError(
            f"{part!r:.80} says how often, and the way back is gone, or all is put back, once and as a whole; say it "
            "without a number"
        )
    return SubGoal(text, None)


def _understood(part: str, vocabulary: Vocabulary) -> list[SubGoal]:
    """Sub-goals that a vocabulary finds in a part of several chunks; empty where it does not know it."""
    heard = vocabulary.sequence(part)
    unclear = next((row for row in heard if row.problem and read(row.text).verbs), None)
    if unclear is not None:
        raise UserError(f"{unclear.problem}; say in the goal what to do, and how often")
    if len(heard) == 1 or not all(row.verb and not row.note for row in heard):
        return []
    texts = (vocabulary.action(row.verb).text for row in heard)
    return [SubGoal(text, len(list(group))) for text, group in groupby(texts)]


def _counted(part: str) -> tuple[str, int]:
    """The words without their count, and the count."""
    text = _POLITE.sub("", part.strip(" ,"))
    match = _HOW_OFTEN.search(text)
    if match is None:
        return text, 1
    text = text[: match.start()].strip(" ,")
    if match["word"]:
        return text, _COUNTS[match["word"]]
    number = match["number"] or match["chunks"]
    return text, 1 + _NUMBERS.index(number) if number in _NUMBERS else int(number[:9])
