"""How the arms are called and drawn: the same name and colour everywhere on a page.

Colours are Okabe and Ito's, which people with colour blindness tell apart; the raw contexts are three depths of one
blue, and every arm has a marker of its own.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

MEMORY, NO_MEMORY, FROZEN, TRUE = "memory", "no_memory", "frozen", "true"


@dataclass(frozen=True)
class Look:
    """An arm's name on the page and its pen."""

    label: str
    phrase: str
    """As it stands behind "over" in a sentence."""
    colour: str
    marker: str
    dash: str = "-"
    is_bound: bool = False
    """It is given what no model has, so that it is never called the best."""


_PENS = {
    MEMORY: ("#D55E00", "o", "-"),
    NO_MEMORY: ("#4D4D4D", "s", "-"),
    FROZEN: ("#8C8C8C", "X", "--"),
    "raw_context_2": ("#56B4E9", "^", "-"),
    "raw_context_4": ("#0072B2", "v", "-"),
    "raw_context_8": ("#003A66", "D", "-"),
    "anchor": ("#CC79A7", "P", "-."),
    "retrieval": ("#009E73", "*", "-."),
    "readout": ("#E69F00", "h", "--"),
    "ceiling": ("#009E73", "*", "-."),
    "foreign_memory": ("#CC79A7", "P", "-."),
    "slow_alone": ("#009E73", "*", "-."),
    TRUE: ("#000000", ".", ":"),
}
_SPARE_PENS = (("#E69F00", "h", "-"), ("#882255", "<", "-"), ("#332288", ">", "-"), ("#117733", "p", "-"))
_PHRASES = {MEMORY: "the memory", NO_MEMORY: "no memory", FROZEN: "a frozen last frame", TRUE: "the true frames"}


def looks_of(labels: Mapping[str, str], bounds: Iterable[str] = ()) -> dict[str, Look]:
    """The look of each arm, in the order given.

    Args:
        labels: the label of each arm as its results file has it.
        bounds: arms that are given what no model has.
    """
    unknown = [arm for arm in labels if arm not in _PENS]
    pens = _PENS | {arm: _SPARE_PENS[number % len(_SPARE_PENS)] for number, arm in enumerate(unknown)}
    return {arm: Look(labels[arm], _phrase(arm, labels[arm]), *pens[arm], arm in bounds) for arm in labels}


def is_raw_context(arm: str) -> bool:
    """Whether an arm sees more past frames instead of having a memory."""
    return re.fullmatch(r"raw_context_\d+", arm) is not None


def _phrase(arm: str, label: str) -> str:
    match = re.fullmatch(r"raw_context_(\d+)", arm)
    return f"a raw context of {match[1]} chunks" if match else _PHRASES.get(arm, label)
