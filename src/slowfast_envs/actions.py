"""The five verbs of first-person worlds, their phrasings, and how they are carried out."""

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from importlib.resources import files
from typing import TypeVar

import numpy as np

from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Chunk

PlaceT = TypeVar("PlaceT")

FRAMES_PER_CHUNK = 4
"""Number of frames for which a verb is held, in every world."""


def read_phrasings(file: str, part: str = "") -> dict[str, tuple[str, ...]]:
    """Verb -> its phrasings, the canonical one first, from a JSON file of this package or one part of it."""
    entries = json.loads(files("slowfast_envs").joinpath(file).read_text("utf-8"))
    return {verb: tuple(phrasings) for verb, phrasings in (entries[part] if part else entries).items()}


PHRASINGS = read_phrasings("phrasings.json")
"""Canonical verb -> its phrasings, the canonical one first. No phrasing belongs to two verbs."""
RETRACE = "retrace"
"""Verb of the way back of a led walk: no motion of its own, but all motions so far, backwards."""
RETRACE_PHRASINGS = PHRASINGS.pop(RETRACE)
"""Phrasings of `RETRACE`, the canonical one first; none belongs to another verb."""
VERBS = tuple(PHRASINGS)
CANONICAL_SHARE = 0.4
"""Share of the chunks that have the canonical phrasing; the others share the rest evenly."""

_VERB_OF = {phrasing: verb for verb, phrasings in PHRASINGS.items() for phrasing in phrasings}


def draw_phrasing(rng: np.random.Generator, verb: str) -> str:
    """Draws one of the verb's phrasings, the canonical one with probability `CANONICAL_SHARE`.

    Raises:
        UserError: `verb` is neither one of `VERBS` nor `RETRACE`.
    """
    if verb != RETRACE:
        check_verb(verb)
    return one_of(rng, RETRACE_PHRASINGS if verb == RETRACE else PHRASINGS[verb])


def one_of(rng: np.random.Generator, phrasings: tuple[str, ...]) -> str:
    """Draws one of the phrasings, the first with probability `CANONICAL_SHARE`."""
    canonical, *others = phrasings
    return canonical if rng.random() < CANONICAL_SHARE else others[rng.integers(len(others))]


def verb_of(text: str) -> str:
    """The verb behind a phrasing or a verb's own name; case and outer blanks do not matter.

    Raises:
        UserError: `text` is no known phrasing.
    """
    plain = text.strip().lower()
    if plain in PHRASINGS:
        return plain
    if plain not in _VERB_OF:
        canonical = ", ".join(phrasings[0] for phrasings in PHRASINGS.values())
        raise UserError(f"the action {text!r} is no known phrasing; say one of: {canonical}")
    return _VERB_OF[plain]


def check_verb(verb: str, verbs: Collection[str] = VERBS) -> None:
    """Raises `UserError` unless `verb` is one of `verbs`."""
    if verb not in verbs:
        raise UserError(f"unknown verb {verb!r}; choose one of {', '.join(verbs)}")


def carried_out(
    start: PlaceT, verbs: Sequence[str], advance: Callable[[PlaceT, str], tuple[PlaceT, bool]]
) -> tuple[list[PlaceT], list[bool]]:
    """Place of each frame and whether its step was refused; `advance` gives both for the frame after a place."""
    places, refused = [start], [False]
    for verb in verbs:
        for _ in range(FRAMES_PER_CHUNK):
            place, bumped = advance(places[-1], verb)
            places.append(place)
            refused.append(bumped)
    return places, refused


def chunks_of(verbs: Iterable[str], texts: Iterable[str]) -> tuple[Chunk, ...]:
    """Consecutive chunks of `FRAMES_PER_CHUNK` frames each."""
    return tuple(
        Chunk(text, verb, 1 + FRAMES_PER_CHUNK * number, FRAMES_PER_CHUNK)
        for number, (verb, text) in enumerate(zip(verbs, texts, strict=True))
    )
