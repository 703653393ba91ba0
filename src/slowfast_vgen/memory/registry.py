"""Every kind of memory by its name among the settings."""

from slowfast_vgen.memory.fast_weights import FastWeights
from slowfast_vgen.memory.lora_memory import LoraMemory
from slowfast_vgen.memory.ridge_memory import LocalMemory

KINDS: dict[str, type[FastWeights]] = {kind.kind: kind for kind in (LoraMemory, LocalMemory)}
"""In the order in which they take in a chunk: what changes the denoiser stands before what keeps its features."""
