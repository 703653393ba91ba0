"""Amounts in texts: repetitions, degrees, distances and durations."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from slowfast_vgen.language import table

_UNITS = {unit: kind for kind, units in table.UNITS.items() for unit in units.split()}
_CIRCLES = frozenset(table.CIRCLES.split())
_BETWEEN = frozenset(("more", "full", "big", "small", "further", "whole", "of", "another", "a", "left", "right"))
_STEPS = frozenset(("step", "steps", "pace", "paces", "stride", "strides", "move", "moves"))
"""Units in which people count actions."""
_RADIAN_DEGREES = 57.29578
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+")
_VAGUE = frozenset(("several", "few", "many", "multiple", "numerous", "some", "countless"))
_OVER = ("again and again", "over and over again", "over and over")


class Amount(NamedTuple):
    """One amount that a text names."""

    kind: str
    """Kind: degrees, times, lengths, seconds; vague, with value 0, for "several times"; empty without a unit."""
    value: float
    said: str


def take_amounts(words: list[str]) -> tuple[list[str], list[Amount]]:
    """Returns the words without the amounts, and the amounts.

    >>> take_amounts("turn left 90 degrees".split())
    (['turn', 'left'], [Amount(kind='degrees', value=90.0, said='90 degrees')])
    >>> take_amounts("go forward twice".split())
    (['go', 'forward'], [Amount(kind='times', value=2.0, said='twice')])
    """
    rest: list[str] = []
    amounts: list[Amount] = []
    index = 0
    while index < len(words):
        word = words[index]
        if word in table.HOW_OFTEN:
            amounts.append(Amount("times", float(table.HOW_OFTEN[word]), word))
            index += 1
            continue
        if word in table.TURNS_OF and (circle := _circle(words, index)):
            amounts.append(Amount("degrees", table.TURNS_OF[word], " ".join(words[index : circle + 1])))
            rest.append("turn")
            index = circle + 1
            continue
        if word == "x" and index + 1 < len(words) and (number := _number(words, index + 1)):
            amounts.append(Amount("times", number[0], f"x{words[index + 1]}"))
            index = number[1]
            continue
        if vague := _vague(words, index):
            amounts.append(vague[0])
            index = vague[1]
            continue
        number = _number(words, index)
        if number is None:
            rest.append(word)
            index += 1
            continue
        value, end = number
        unit, between = end, []
        while unit < len(words) and words[unit] in _BETWEEN and unit < end + 2:
            between.append(words[unit])
            unit += 1
        kind = _UNITS.get(words[unit], "") if unit < len(words) else ""
        if word.isalpha() and value <= 1 and (kind in ("", "lengths") or "more" in between):
            rest.append(word)  # "one more time", "one step": no amount
            index += 1
            continue
        if kind == "lengths" and value == 1:
            rest += [*between, words[unit]]
        elif kind == "lengths" and words[unit] in _STEPS:
            amounts.append(Amount("times", value, " ".join(words[index : unit + 1])))
            rest += [*between, "one", "step"]  # as a noun, which begins no clause
        elif kind:
            said = " ".join(words[index : unit + 1])
            degrees = value * _RADIAN_DEGREES if kind == "radians" else value
            amounts.append(Amount("degrees" if kind == "radians" else kind, degrees, said))
            rest += between
        else:
            amounts.append(Amount("", value, " ".join(words[index:end])))
        index = unit + 1 if kind else end
    return rest, amounts


def times_alone(words: Sequence[str]) -> int:
    """Returns the number of repetitions if words state only that: 3 for "x3", "three times"; else 0.

    >>> times_alone(["3", "times"]), times_alone(["turn", "x", "3"])
    (3, 0)
    """
    rest, amounts = take_amounts(list(words))
    if rest or len(amounts) != 1 or amounts[0].kind != "times" or not amounts[0].value.is_integer():
        return 0
    return int(amounts[0].value)


def _vague(words: list[str], index: int) -> tuple[Amount, int] | None:
    """Parses "a couple of times", which is two, or "a few times", "over and over": no number; also returns its end."""
    for said in _OVER:
        if words[index : index + said.count(" ") + 1] == said.split():
            return Amount("vague", 0.0, said), index + said.count(" ") + 1
    start = index + (words[index] == "a")
    how_many = words[start : start + 1]
    end = start + 1 + (words[start + 1 : start + 2] == ["of"])
    if words[end : end + 1] != ["times"] or not how_many or how_many[0] not in _VAGUE | {"couple"}:
        return None
    said = " ".join(words[index : end + 1])
    return (Amount("times", 2.0, said) if how_many == ["couple"] else Amount("vague", 0.0, said)), end + 1


def _circle(words: list[str], index: int) -> int:
    """Returns the index of "turn" after "half a", "a quarter" and the like; 0 where there is none."""
    for end in range(index + 1, min(index + 4, len(words))):
        if words[end] in _CIRCLES:
            return end
        if words[end] not in ("a", "of", "left", "right"):
            return 0
    return 0


def _number(words: list[str], start: int) -> tuple[float, int] | None:
    """Returns the number that begins at `start`, in digits or words, and its end; None where there is none."""
    if start >= len(words):
        return None
    if words[start][0].isdigit():
        try:
            digits = words[start].replace(",", "" if _THOUSANDS.fullmatch(words[start]) else ".")
            return float(digits), start + 1
        except ValueError:  # digits of another script
            return None
    total, index, has_number = 0.0, start, False
    while index < len(words):
        word = words[index]
        if word == "hundred":
            total = max(total, 1) * 100
        elif word in table.NUMBERS:
            total += table.NUMBERS[word]
        elif not (has_number and word == "and" and index + 1 < len(words) and words[index + 1] in table.NUMBERS):
            break
        has_number, index = True, index + 1
    return (total, index) if has_number else None
