"""Readers of the next action off an imagined chunk, for each kind of actions."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from slowfast_vgen.errors import UserError
from slowfast_vgen.files import read_json
from slowfast_vgen.models.inverse_dynamics import InverseDynamics, load_inverse_dynamics
from slowfast_vgen.models.move_dynamics import MoveDynamics, load_move_dynamics
from slowfast_vgen.plan.environment import texts_of_verbs


class Reading(NamedTuple):
    """One action a chunk."""

    actions: list[str]
    """One action for each chunk, in the environment's words."""
    confidence: Float[np.ndarray, " chunks"]
    """Confidence of each action, in (0, 1]."""


class Reader(Protocol):
    """Reads actions off frames."""

    @property
    def fingerprint(self) -> str:
        """Hex SHA-256 over all weights."""
        ...

    def read(self, frames: UInt8[Tensor, "chunks f_g+1 height width 3"]) -> Reading:
        """The action of each chunk, off its frames and the one before them.

        Raises:
            UserError: frames that cannot be read.
        """
        ...


class VerbReader:
    """Reads one of a few verbs, each of which is held for a chunk."""

    def __init__(self, model: InverseDynamics, action_texts: Sequence[str]) -> None:
        """Raises `UserError` for a verb that is none of `action_texts`, what the environment can do."""
        self.model = model
        self.texts = texts_of_verbs(model.names, action_texts)

    @property
    def fingerprint(self) -> str:
        """Hex SHA-256 over all weights."""
        return self.model.fingerprint

    def read(self, frames: UInt8[Tensor, "chunks f_g+1 height width 3"]) -> Reading:
        """Reads the verb of each chunk, as `Reader` says."""
        verbs, confidence = self.model.read(frames)
        return Reading([self.texts[verb] for verb in verbs], confidence)


class MoveReader:
    """Reads the thing that was moved and the spot that it was moved to.

    The environment describes it by a template among its `action_texts`, such as "carry the {block} to ({x}, {y})".
    """

    def __init__(self, model: MoveDynamics, action_texts: Sequence[str]) -> None:
        """Raises `UserError` where the environment has no such template."""
        templates = [text for text in action_texts if all(f"{{{part}}}" in text for part in ("block", "x", "y"))]
        if not templates:
            raise UserError(
                f"the inverse dynamics model reads moves of things, but the environment can only "
                f"{', '.join(action_texts)}; train it on episodes of this environment"
            )
        self.model, self.template = model, templates[0]

    @property
    def fingerprint(self) -> str:
        """Hex SHA-256 over all weights."""
        return self.model.fingerprint

    def read(self, frames: UInt8[Tensor, "chunks f_g+1 height width 3"]) -> Reading:
        """Reads the move of each chunk, as `Reader` says. Spots are given to the millimetre."""
        read = self.model.read(frames)
        moves = zip(read.names, read.spots.tolist(), strict=True)
        texts = [self.template.format(block=block, x=f"{x:.3f}", y=f"{y:.3f}") for block, (x, y) in moves]
        return Reading(texts, read.confidence)


READERS: dict[str, tuple[Callable[[Path], Any], Callable[[Any, Sequence[str]], Reader]]] = {
    InverseDynamics.__name__: (load_inverse_dynamics, VerbReader),
    MoveDynamics.__name__: (load_move_dynamics, MoveReader),
}
"""Loader of the model and class of its reader, by the class name in the folder's config.json."""


def load_reader(folder: Path, action_texts: Sequence[str]) -> Reader:
    """Loads what `slowfast train inverse-dynamics` wrote, ready to read.

    Args:
        folder: folder of the model.
        action_texts: texts of the environment's actions.

    Raises:
        UserError: no readable model there, or one whose actions the environment does not know.
    """
    config = read_json(folder / "config.json")
    name = config.get("_class_name") if isinstance(config, dict) else None
    # A class that is not known is reported in one sentence by the loader of verbs.
    load, reader = READERS.get(str(name), READERS[InverseDynamics.__name__])
    model = load(folder)
    try:
        return reader(model, action_texts)
    except UserError as error:
        raise UserError(f"{folder}: {error}") from error
