"""The environment of a planner: one episode of some engine, seen as frames and acted in by texts."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from slowfast_vgen.errors import UserError
from slowfast_vgen.plan.goal import PutBack
from slowfast_vgen.types import Frames


class PlanEnvironment(Protocol):
    """One episode to plan in. `gym_env.from_gymnasium` makes one of any gymnasium environment with images."""

    @property
    def action_texts(self) -> Sequence[str]:
        """The possible actions, in words or as a template of words; the world model gets the words of what was done."""
        ...

    @property
    def ended(self) -> bool:
        """True if the engine has ended the episode; nothing is carried out then."""
        ...

    def reset(self, seed: int) -> Frames:
        """Begins the episode; returns the start image as a single frame, uint8 `[1, height, width, 3]`."""
        ...

    def act(self, action_text: str) -> Frames:
        """Carries out one of `action_texts`, a template filled in, for a chunk: uint8 `[f_g, height, width, 3]`.

        Whatever it raises ends this episode, and no other.
        """
        ...


@runtime_checkable
class PutsBack(Protocol):
    """The method that an environment with movable things has in addition to `PlanEnvironment`."""

    def put_back_texts(self, texts: Sequence[str]) -> list[str]:
        """Gives the environment's texts that put back what `texts` moved.

        One text for each thing, the one that was moved last first.
        """
        ...


def put_back_of(environment: PlanEnvironment) -> PutBack | None:
    """The environment's function for putting things back; None where it has no things."""
    return environment.put_back_texts if isinstance(environment, PutsBack) else None


def texts_of_verbs(verbs: Sequence[str], action_texts: Sequence[str]) -> dict[str, str]:
    """The environment's text for each verb that is read off frames: the verb itself, or the verb with blanks.

    Raises:
        UserError: a verb that the environment does not know.

    >>> texts_of_verbs(["turn_left", "stay"], ["stay", "turn left"])
    {'turn_left': 'turn left', 'stay': 'stay'}
    """
    texts = {}
    for verb in verbs:
        matching = [text for text in action_texts if text in (verb, verb.replace("_", " "))]
        if not matching:
            raise UserError(
                f"the inverse dynamics model reads {verb!r:.80}, but the environment can only "
                f"{', '.join(action_texts)}; train it on episodes of this environment"
            )
        texts[verb] = matching[0]
    return texts
