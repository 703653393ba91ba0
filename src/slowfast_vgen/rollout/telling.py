"""Check of the actions given to a rollout: what is not understood, or says what not to do, is not carried out."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from slowfast_vgen.errors import ActionWarning, UserError
from slowfast_vgen.models.vocabulary import Understood, Vocabulary


@dataclass(frozen=True)
class ToldAction:
    """An action as it was given, and as it was understood."""

    given: str
    text: str
    """The text that the denoiser, the path and the memory got: the verb's canonical phrasing, or a free narration."""
    verb: str
    """The verb that was carried out; empty in a world without a vocabulary of verbs."""
    kind: str
    """Kind of what was understood: see `Understood.kind`; empty in a world without a vocabulary."""
    warning: str = ""
    """The warning that the user got; empty where there was none."""


def checked_strict(strict: bool | None) -> bool | None:
    """Checks a value given as `strict`: None, True or False, and nothing that only counts as one of them.

    Raises:
        UserError: another value.
    """
    if strict is not None and not isinstance(strict, bool):
        raise UserError(f"strict is None, True or False, got {strict!r}")
    return strict


def tell(
    vocabulary: Vocabulary | None, actions: Sequence[str], strict: bool | None = None, stacklevel: int = 3
) -> tuple[ToldAction, ...]:
    """Understands some actions, one an episode.

    Args:
        vocabulary: vocabulary of the world; None takes every text as it is.
        actions: one an episode, each for one chunk.
        strict: what to do with an action that is not understood, that says what not to do, or that asks for several
            chunks. None takes the action that does nothing, with an `ActionWarning`; True refuses; False takes the
            nearest action, with a warning. A free narration is never replaced: only warned of, or refused.
        stacklevel: stack level of the warnings, as in `warnings.warn`.

    Raises:
        UserError: such an action where `strict` is True, or where the world has no action that does nothing.
    """
    if vocabulary is None:
        return tuple(ToldAction(action, action, "", "") for action in actions)
    understood = tuple(describe(vocabulary, action, strict) for action in actions)
    for warning in dict.fromkeys(action.warning for action in understood if action.warning):
        warnings.warn(warning, ActionWarning, stacklevel=stacklevel)
    return understood


def describe(vocabulary: Vocabulary, action: str, strict: bool | None = None) -> ToldAction:
    """Understands one action as `tell` does, without a warning."""
    heard = vocabulary.understand(action)
    if not heard.problem:
        return ToldAction(heard.text, vocabulary.told(heard), heard.verb, heard.kind, heard.note)
    if strict:
        raise UserError(refusal(vocabulary, heard))
    if vocabulary.is_free:
        return ToldAction(
            heard.text, heard.text, "", heard.kind, f"{heard.problem}; the nearest that it knows is {heard.nearest!r}"
        )
    verb = vocabulary.verb_of(heard.nearest) if strict is False else vocabulary.null
    if not verb:
        raise UserError(refusal(vocabulary, heard))
    text = vocabulary.action(verb).text
    instead = f"{text!r} is carried out instead"
    if strict is None and heard.nearest != text:
        instead += f"; the nearest known action is {heard.nearest!r}"
    return ToldAction(heard.text, text, verb, heard.kind, f"{heard.problem}; {instead}")


def refusal(vocabulary: Vocabulary, heard: Understood) -> str:
    """The reason why an action is not carried out, and what could be said instead, in one sentence."""
    if heard.kind == "several":
        return f"{heard.problem}; give one action a chunk"
    known = "the nearest that it knows" if vocabulary.is_free else "the nearest known action"
    return f"{heard.problem}; {known} is {heard.nearest!r}"
