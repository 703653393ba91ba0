"""SlowFast-VGen: action-driven long video generation with slow and fast learning (arXiv 2410.23277)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slowfast_vgen.errors import ActionWarning, UserError
    from slowfast_vgen.memory.config import MemoryConfig
    from slowfast_vgen.memory.episode import EpisodeMemory
    from slowfast_vgen.memory.ridge import RidgeConfig
    from slowfast_vgen.memory.settings import FastLearningConfig, LoraConfig
    from slowfast_vgen.models.vocabulary import Vocabulary
    from slowfast_vgen.presets.worlds import load
    from slowfast_vgen.rollout import Session, WorldModel

_HOMES = {
    "ActionWarning": "slowfast_vgen.errors",
    "UserError": "slowfast_vgen.errors",
    "EpisodeMemory": "slowfast_vgen.memory.episode",
    "RidgeConfig": "slowfast_vgen.memory.ridge",
    "MemoryConfig": "slowfast_vgen.memory.config",
    "FastLearningConfig": "slowfast_vgen.memory.settings",
    "LoraConfig": "slowfast_vgen.memory.settings",
    "Vocabulary": "slowfast_vgen.models.vocabulary",
    "load": "slowfast_vgen.presets.worlds",
    "Session": "slowfast_vgen.rollout",
    "WorldModel": "slowfast_vgen.rollout",
}
_RENAMED = {"LocalRuleConfig": "RidgeConfig", "World": "WorldModel"}
"""Names of before, which work until the next release."""
__all__ = [
    "ActionWarning",
    "EpisodeMemory",
    "FastLearningConfig",
    "LoraConfig",
    "MemoryConfig",
    "RidgeConfig",
    "Session",
    "UserError",
    "Vocabulary",
    "WorldModel",
    "__version__",
    "load",
]


def __getattr__(name: str) -> Any:
    # Imported on first use: `slowfast --help` and the data commands need no torch, whose import takes seconds.
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("slowfast-vgen")
        except PackageNotFoundError:  # run from a folder of sources
            return "0+unknown"
    if name in _RENAMED:
        import warnings

        message = f"slowfast_vgen.{name} is {_RENAMED[name]} now; the old name works until the next release"
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        name = _RENAMED[name]
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
