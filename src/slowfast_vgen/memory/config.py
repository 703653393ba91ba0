"""Which rules write an episode's memory, as settings."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.fast_learning import FastLearningConfig
from slowfast_vgen.memory.local import LocalRuleConfig
from slowfast_vgen.memory.lora import LoraConfig


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
    """The memory behind a name that a user gives: `on` is the world's own, `off` none, the others single rules.

    A rule that the world's own memory has as well comes with the world's settings.

    >>> memory_by_name("off", MemoryConfig(LocalRuleConfig())) is None
    True
    >>> memory_by_name("local+denoising", MemoryConfig(LocalRuleConfig(ridge=0.1))).local.ridge
    0.1
    """
    if name in ("on", "off"):
        return shipped if name == "on" else None
    local = (shipped.local or LocalRuleConfig()) if name.startswith("local") else None
    rule = name.removeprefix("local").removeprefix("+")
    lora = replace(shipped.lora or FastLearningConfig(), rule=rule) if rule else None  # type: ignore[arg-type]
    return MemoryConfig(local, lora)


MemorySetting = bool | MemoryConfig | LocalRuleConfig | FastLearningConfig
"""True for the world's own memory, False for none; or settings."""


def _lora(values: dict[str, Any]) -> FastLearningConfig:
    values = dict(values)
    lora = dict(values.pop("lora", {}))
    if "layers" in lora:
        lora["layers"] = tuple(lora["layers"])
    return FastLearningConfig(lora=LoraConfig(**lora), **values)
