"""Names of memories. No torch here: the command line needs them for its help."""

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
"""What `memory.config.memory_by_name` knows."""
