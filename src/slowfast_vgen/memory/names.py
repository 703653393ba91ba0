"""Names of memories. No torch here: the command line needs them for its help."""

from argparse import ArgumentTypeError

MEMORY_NAMES = (
    "on",
    "off",
    "local",
    "local-delta",
    "denoising",
    "denoising-independent",
    "denoising-original",
    "replay",
    "local+denoising",
)
"""Names that `memory.config.memory_by_name` knows, apart from `module:Class`."""


def memory_name(text: str) -> str:
    """Argparse type for a memory: one of `MEMORY_NAMES`, or `module:Class`."""
    if text not in MEMORY_NAMES and ":" not in text:
        raise ArgumentTypeError(f"invalid choice: {text!r:.80} (choose from {', '.join(MEMORY_NAMES)}, MODULE:CLASS)")
    return text
