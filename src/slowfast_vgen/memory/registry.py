"""Every kind of memory by its name among the settings; `register` adds others (docs/howto/add-a-memory-rule.md)."""

from importlib import import_module

from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.fast_weights import FastWeights
from slowfast_vgen.memory.lora_memory import LoraMemory
from slowfast_vgen.memory.ridge_memory import RidgeMemory

KINDS: dict[str, type[FastWeights]] = {kind.kind: kind for kind in (LoraMemory, RidgeMemory)}
"""Kinds in the order in which they take in a chunk: what changes the denoiser comes before what keeps its features."""


def register(kind: type[FastWeights]) -> type[FastWeights]:
    """Class decorator: makes a kind of memory known, so that its settings can be part of a `MemoryConfig`.

    Raises:
        UserError: another class has the same `kind`, or settings of the same class.
    """
    for name, known in KINDS.items():
        is_same = (known.__module__, known.__qualname__) == (kind.__module__, kind.__qualname__)
        if not is_same and (name == kind.kind or known.config_class is kind.config_class):
            raise UserError(
                f"{kind.__qualname__} has the kind {kind.kind!r} and the settings {kind.config_class.__name__}; one of "
                f"them is taken by {known.__qualname__}; give it a `kind` and a `config_class` of its own"
            )
    KINDS[kind.kind] = kind
    return kind


def imported_kind(place: str) -> type[FastWeights]:
    """The kind of memory at `module:Class`, registered.

    Raises:
        UserError: no such module or class, or a class that is no memory.
    """
    module, _, name = place.partition(":")
    try:
        kind = getattr(import_module(module), name, None)
    except ImportError as error:
        raise UserError(f"the memory {place!r} cannot be imported ({error}); give MODULE:CLASS of a module") from error
    lacking = [part for part in _PARTS if not hasattr(kind, part)]
    if not isinstance(kind, type) or lacking:
        raise UserError(
            f"{place!r} is no memory{f': it lacks {lacking[0]}' if isinstance(kind, type) else ''}; see "
            "docs/howto/add-a-memory-rule.md"
        )
    return register(kind)


_METHODS = [
    name for name, part in vars(FastWeights).items() if not name.startswith("_") and not isinstance(part, property)
]
_PARTS = ("kind", "config_class", *_METHODS)
