"""Verbs held for a chunk of frames each, whatever the world and whoever moves in it."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from slowfast_vgen.types import Chunk

PlaceT = TypeVar("PlaceT")

FRAMES_PER_CHUNK = 4


def carried_out(
    start: PlaceT, verbs: Sequence[str], advance: Callable[[PlaceT, str], tuple[PlaceT, bool]]
) -> tuple[list[PlaceT], list[bool]]:
    """What `walk` returns, of anything that moves as `advance` tells: the place one frame later, and any refusal."""
    places, refused = [start], [False]
    for verb in verbs:
        for _ in range(FRAMES_PER_CHUNK):
            place, bumped = advance(places[-1], verb)
            places.append(place)
            refused.append(bumped)
    return places, refused


def chunks_of(verbs: Iterable[str], texts: Iterable[str]) -> tuple[Chunk, ...]:
    """One chunk after the other, of `FRAMES_PER_CHUNK` frames each."""
    return tuple(
        Chunk(text, verb, 1 + FRAMES_PER_CHUNK * number, FRAMES_PER_CHUNK)
        for number, (verb, text) in enumerate(zip(verbs, texts, strict=True))
    )
