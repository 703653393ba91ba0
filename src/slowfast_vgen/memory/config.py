"""Settings of the rules that write an episode's memory."""

from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from typing import Any, get_type_hints

from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.names import MEMORY_NAMES, present_name, renamed
from slowfast_vgen.memory.registry import KINDS, imported_kind
from slowfast_vgen.memory.ridge import RidgeConfig
from slowfast_vgen.memory.settings import FastLearningConfig
from slowfast_vgen.sealed import fits


@dataclass(frozen=True, init=False)
class MemoryConfig:
    """The rules that write an episode's memory: `ridge` keeps content, `lora` (eq. 3 and its variants) keeps style.

    Without any rule it means no memory, and is false.

    >>> MemoryConfig(RidgeConfig()).lora is None, bool(MemoryConfig())
    (True, False)
    """

    rules: dict[str, Any] = field(default_factory=dict)
    """The settings of each rule by its name in `memory.registry`, in the order in which they take in a chunk."""

    def __init__(self, *rules: Any, **named: Any) -> None:
        given = dict(named)
        for rule in rules:
            if rule is not None:
                name = next((name for name, kind in KINDS.items() if isinstance(rule, kind.config_class)), None)
                if name is None or name in given:
                    raise UserError(f"{rule!r} is no rule of a memory, or there are two of its kind; give one of each")
                given[name] = rule
        for name, rule in given.items():
            if name not in KINDS or not isinstance(rule, KINDS[name].config_class | None):
                raise UserError(f"a memory has no rule {name} with the settings {rule!r}; known: {', '.join(KINDS)}")
        ordered = {name: given[name] for name in KINDS if given.get(name) is not None}
        object.__setattr__(self, "rules", ordered)

    def __bool__(self) -> bool:
        return bool(self.rules)

    def __hash__(self) -> int:
        return hash(tuple(self.rules.items()))

    def __repr__(self) -> str:
        """The rules, each with what differs from its defaults.

        >>> MemoryConfig(RidgeConfig(ridge=0.1))
        MemoryConfig(ridge=RidgeConfig(ridge=0.1))
        """
        return f"MemoryConfig({', '.join(f'{name}={_short(rule)}' for name, rule in self.rules.items())})"

    @property
    def ridge(self) -> RidgeConfig | None:
        """The settings of the ridge rule; None for a memory without it."""
        return self.rules.get("ridge")

    @property
    def lora(self) -> FastLearningConfig | None:
        """The settings of learning by gradients; None for a memory without it."""
        return self.rules.get("lora")

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON values; None for each rule that is not there."""
        return {name: asdict(self.rules[name]) if name in self.rules else None for name in sorted(KINDS)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "MemoryConfig":
        """The inverse of `to_json`; missing values take their defaults, and no rule at all means no memory.

        Raises:
            UserError: a setting that is not known, or a value that cannot be.

        >>> config = MemoryConfig(RidgeConfig(ridge=0.1), FastLearningConfig(learning_rate=0.5))
        >>> MemoryConfig.from_json(config.to_json()) == config
        True
        >>> MemoryConfig.from_json({})
        MemoryConfig()
        """
        try:
            values = {renamed(name): value for name, value in values.items()}
            if unknown := sorted(set(values) - set(KINDS)):
                raise TypeError(f"unknown settings {', '.join(unknown)[:200]}")
            rules = {
                name: _settings(KINDS[name].config_class, given) for name, given in values.items() if given is not None
            }
            return cls(**rules)
        except UserError:
            raise
        except (TypeError, ValueError) as error:
            raise UserError(f"the memory's settings cannot be used ({error}); correct them") from error


def memory_by_name(name: str, shipped: MemoryConfig) -> MemoryConfig | None:
    """The settings for a memory's name: `on` is the world's own, `off` none, the others are rules.

    `module:Class` names a rule of the user's own, with its default settings.

    A rule that the world's own memory has as well takes the world's settings, except for what the name says.

    >>> memory_by_name("off", MemoryConfig(RidgeConfig())) is None
    True
    >>> memory_by_name("ridge+denoising", MemoryConfig(RidgeConfig(ridge=0.1))).ridge.ridge
    0.1

    Raises:
        UserError: a name that is not known, or a class that is no memory.
    """
    if ":" in name:
        return MemoryConfig(imported_kind(name).config_class())
    ridge, lora = shipped.ridge or RidgeConfig(), shipped.lora or FastLearningConfig()
    known: dict[str, MemoryConfig | None] = {
        "on": shipped or None,
        "off": None,
        "ridge": MemoryConfig(ridge),
        "ridge-delta": MemoryConfig(replace(ridge, rule="delta")),
        "denoising": MemoryConfig(replace(lora, rule="denoising", independent_noise=False)),
        "denoising-independent": MemoryConfig(replace(lora, rule="denoising", independent_noise=True)),
        "denoising-original": MemoryConfig(replace(lora, rule="denoising-original")),
        "replay": MemoryConfig(replace(lora, rule="replay")),
        "ridge+denoising": MemoryConfig(ridge, replace(lora, rule="denoising")),
    }
    if (name := present_name(name)) not in known:
        raise UserError(f"unknown memory {name!r}; choose one of {', '.join(MEMORY_NAMES)}")
    return known[name]


MemorySetting = bool | str | MemoryConfig | RidgeConfig | FastLearningConfig
"""True for the world's own memory, False for none; a name of `MEMORY_NAMES`; or settings."""


def _settings(config_class: type[Any], values: Any) -> Any:
    """Makes a settings dataclass from JSON values, nested settings too; lists become tuples."""
    if not isinstance(values, dict):
        raise TypeError(f"{values!r:.80} are no settings of {config_class.__name__}")
    made, kinds = {}, get_type_hints(config_class)
    for each in fields(config_class):
        if each.name in values:
            value = values[each.name]
            inner = kinds[each.name]
            if isinstance(inner, type) and is_dataclass(inner):
                value = _settings(inner, value)
            elif not fits(list(value) if isinstance(value, tuple) else value, kinds[each.name]):
                raise TypeError(f"{each.name} is {value!r:.80}")
            made[each.name] = tuple(value) if isinstance(value, list) else value
    if unknown := sorted(set(values) - set(made)):
        raise TypeError(f"{config_class.__name__} has no setting {', '.join(unknown)[:200]}")
    return config_class(**made)


def _short(rule: Any) -> str:
    """Formats a settings dataclass as the call that makes it, without the defaults."""
    default = type(rule)()
    arguments = []
    for each in fields(rule):
        value = getattr(rule, each.name)
        if value != getattr(default, each.name):
            arguments.append(f"{each.name}={_short(value) if is_dataclass(value) else repr(value)}")
    return f"{type(rule).__name__}({', '.join(arguments)})"
