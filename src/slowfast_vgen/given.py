"""Numbers that are given in code; those of the command line are read by `cli.common`."""

import math
import operator
from numbers import Real
from typing import Any

from slowfast_vgen.errors import UserError


def whole(value: Any, wanted: str, low: int = -(2**63), high: int = 2**63 - 1) -> int:
    """A whole number of any kind, numpy's too, as an int.

    Args:
        value: what was given.
        wanted: what is wanted, as a sentence that ", got ..." is put behind.
        low: the least that it may be.
        high: the greatest.

    Raises:
        UserError: another kind of value, or out of range.

    >>> whole(3, "a seed is a whole number")
    3
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or not low <= number <= high:
        raise UserError(f"{wanted}, got {value!r}")
    return number


def real(value: Any, wanted: str, low: float = -math.inf, high: float = math.inf) -> float:
    """A finite number of any kind, numpy's too, as a float; see `whole`.

    Raises:
        UserError: another kind of value, or out of range.

    >>> real(2, "a scale is a number")
    2.0
    """
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    if not low <= number <= high or math.isinf(number):
        raise UserError(f"{wanted}, got {value!r}")
    return number
