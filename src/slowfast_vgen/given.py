"""Checks of numbers that are given in code; those of the command line are read by `cli.common`."""

import math
import operator
from numbers import Real
from typing import Any

from slowfast_vgen.errors import UserError


def whole(value: Any, wanted: str, low: int = -(2**63), high: int = 2**63 - 1) -> int:
    """Converts a whole number of any kind, numpy's too, to an int.

    Args:
        value: the given value.
        wanted: a sentence that says what is wanted; ", got ..." is appended.
        low: the least value allowed.
        high: the greatest value allowed.

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
    """Converts a finite number of any kind, numpy's too, to a float; see `whole`.

    Raises:
        UserError: another kind of value, or out of range.

    >>> real(2, "a scale is a number")
    2.0
    """
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    if not low <= number <= high or math.isinf(number):
        raise UserError(f"{wanted}, got {value!r}")
    return number
