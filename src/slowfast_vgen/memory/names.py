"""Names of memories. No torch here: the command line needs them for its help."""

import re
import warnings
from argparse import ArgumentTypeError

from slowfast_vgen.errors import SlowFastWarning

MEMORY_NAMES = (
    "on",
    "off",
    "ridge",
    "ridge-delta",
    "denoising",
    "denoising-independent",
    "denoising-original",
    "replay",
    "ridge+denoising",
)
"""Names that `memory.config.memory_by_name` knows, apart from `module:Class`."""


OLD_KIND = "local"
"""Name of the ridge memory until the last release; files and options with it are still read."""


def renamed(name: str) -> str:
    """The present name of a memory, or of a part of a saved one.

    >>> renamed("local-delta"), renamed("local/gram"), renamed("local_chunks"), renamed("replay")
    ('ridge-delta', 'ridge/gram', 'ridge_chunks', 'replay')
    """
    return re.sub(rf"^{OLD_KIND}(?![a-z])", "ridge", name)


def present_name(text: str) -> str:
    """The present name of a memory, with a warning where another one was given."""
    if (name := renamed(text)) != text:
        message = f"the memory {text} is called {name} now; the old name works until the next release"
        warnings.warn(message, SlowFastWarning, stacklevel=3)
    return name


def memory_name(text: str) -> str:
    """Argparse type for a memory: one of `MEMORY_NAMES`, or `module:Class`."""
    text = present_name(text)
    if text not in MEMORY_NAMES and ":" not in text:
        raise ArgumentTypeError(f"invalid choice: {text!r:.80} (choose from {', '.join(MEMORY_NAMES)}, MODULE:CLASS)")
    return text
