"""How a command line gives the fields of a settings class; `cli.settings` makes the flags.

A field `batch_size: Annotated[int, Flag(low=1)] = 16` with a docstring under it is all that `--batch-size` needs.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Flag:
    """What does not follow from a field's name, type, default and docstring."""

    name: str = ""
    """The flag's own name, without hyphens in front; "" is the field's."""
    metavar: str | None = None
    """What the value is called in the help."""
    low: float = -math.inf
    """The least number that is taken."""
    high: float = math.inf
    """The greatest one."""
    read: Callable[[str], Any] | None = None
    """Reads one word of a value that is no plain number, name or path; raises a `UserError` for what it cannot be."""
    default: str = "{}"
    """The default as the help has it; the braces are replaced by the value."""
    added: bool = True
    """Whether this flag is added; another part of the command line gives the value where it is not."""


@dataclass(frozen=True)
class Nested:
    """Which fields of a settings class inside another one have flags."""

    prefix: str = ""
    """Prefix of the names of its flags, except of those that are given one."""
    without: tuple[str, ...] = ()
    """Fields, at any depth, that have no flag: what is trained does not ask for them, or the data decides them."""


ALL = Nested()
NO_FLAG = object()
"""In the annotation of a field that has no flag."""
