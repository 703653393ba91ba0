"""Which rules write an episode's memory, as settings."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.fast_learning import FastLearningConfig
from slowfast_vgen.memory.local import LocalRuleConfig
from slowfast_vgen.memory.lora import LoraConfig
from slowfast_vgen.memory.names import MEMORY_NAMES


@dataclass(frozen=True)
class MemoryConfig:
    """Which rules write an episode's memory: `local` keeps content, `lora` (eq. 3 and its variants) keeps style."""

    local: LocalRuleConfig | None = None
    lora: FastLearningConfig | None = None

    def __post_init__(self) -> None:
        if self.local is None and self.lora is None:
            raise UserError("a memory needs a rule: local, lora or both; for none, give memory=False")

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "MemoryConfig":
        """The inverse of `to_json`; missing values take their defaults, and no rule at all means the paper's.

        Raises:
            UserError: a setting that is not known, or a value that cannot be.

        >>> config = MemoryConfig(LocalRuleConfig(ridge=0.1), FastLearningConfig(learning_rate=0.5))
        >>> MemoryConfig.from_json(config.to_json()) == config
        True
        """
        try:
            values = dict(values)
            local, lora = values.pop("local", None), values.pop("lora", None)
            if values:
                raise TypeError(f"unknown settings {', '.join(sorted(values))}")
            if local is None and lora is None:
                return cls(lora=FastLearningConfig())
            return cls(None if local is None else LocalRuleConfig(**local), None if lora is None else _lora(lora))
        except UserError:
            raise
        except (TypeError, ValueError) as error:
            raise UserError(f"the memory's settings cannot be used ({error}); correct them") from error


def memory_by_name(name: str, shipped: MemoryConfig) -> MemoryConfig | None:
    """The memory behind a name that a user gives: `on` is the world's own, `off` none, the others are rules.

    A part that the world's own memory has as well comes with the world's settings, but for what the name says.

    >>> memory_by_name("off", MemoryConfig(LocalRuleConfig())) is None
    True
    >>> memory_by_name("local+denoising", MemoryConfig(LocalRuleConfig(ridge=0.1))).local.ridge
    0.1

    Raises:
        UserError: a name that is not known.
    """
    local, lora = shipped.local or LocalRuleConfig(), shipped.lora or FastLearningConfig()
    known: dict[str, MemoryConfig | None] = {
        "on": shipped,
        "off": None,
        "local": MemoryConfig(local),
        "local-delta": MemoryConfig(replace(local, rule="delta")),
        "denoising": MemoryConfig(lora=replace(lora, rule="denoising", independent_noise=False)),
        "denoising-independent": MemoryConfig(lora=replace(lora, rule="denoising", independent_noise=True)),
        "denoising-original": MemoryConfig(lora=replace(lora, rule="denoising-original")),
        "replay": MemoryConfig(lora=replace(lora, rule="replay")),
        "local+denoising": MemoryConfig(local, replace(lora, rule="denoising")),
    }
    if name not in known:
        raise UserError(f"unknown memory {name!r}; choose one of {', '.join(MEMORY_NAMES)}")
    return known[name]


MemorySetting = bool | MemoryConfig | LocalRuleConfig | FastLearningConfig
"""True for the world's own memory, False for none; or settings."""


def _lora(values: dict[str, Any]) -> FastLearningConfig:
    values = dict(values)
    lora = dict(values.pop("lora", {}))
    if "layers" in lora:
        lora["layers"] = tuple(lora["layers"])
    return FastLearningConfig(lora=LoraConfig(**lora), **values)
