"""Checks the films of a LeRobot data set against its tables: many episodes share one film, each located by its times.

A picture slightly off its stated time is a different one, and at the border of two episodes it belongs to the other. So
every picture of an episode must be at its own time, in a film of the stated rate, and no two episodes share any.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from slowfast_vgen.data.adapters.base import UnusableError
from slowfast_vgen.data.adapters.clips import picture_times, video_facts
from slowfast_vgen.data.adapters.film_clock import Times

TOLERANCE = 0.1
"""Largest deviation of a picture's time, as a share of the time between two pictures."""
ROUNDING = 0.0005
"""Rounding of times by containers, in seconds."""


@dataclass(frozen=True)
class Span:
    """The location of an episode."""

    episode: int
    film: Path
    """Path of the film in the tables."""
    place: tuple[int, int]
    """Chunk and file index of the film."""
    begin: float
    """Start in the film in seconds."""
    num_frames: int


class Films:
    """The films of one camera, and the faults found in them."""

    def __init__(self, locate: Callable[[Path], Path], fps: float, spans: Iterable[Span]) -> None:
        """Compares the spans with each other; no film is opened.

        Args:
            locate: path of a film in the tables -> its file.
            fps: pictures a second, from the tables.
            spans: spans of all episodes, including those of other splits, in the order of the tables.
        """
        self._locate, self._fps = locate, fps
        self._faults: dict[int, UnusableError] = {}
        self._by_film: dict[Path, list[Span]] = {}
        ordered = list(spans)
        for item in ordered:
            self._by_film.setdefault(item.film, []).append(item)
        for film, its_spans in self._by_film.items():
            self._compare(film, sorted(its_spans, key=lambda item: (item.begin, item.episode)))
        for span, following in pairwise(item for item in ordered if self._is_there(item.film)):
            if following.place < span.place:
                message = f"episode {span.episode} is in {span.film}, the next one before it in {following.film}"
                self._blame((span, following), UnusableError("wrong-time", message))

    @property
    def names(self) -> Mapping[Path, Sequence[Span]]:
        """Film -> the spans of its episodes."""
        return self._by_film

    def check(self, span: Span) -> None:
        """Checks that every picture of an episode is in its film.

        Raises:
            UnusableError: a picture is not at its time, or the episode overlaps another one.
        """
        if span.episode in self._faults:
            raise self._faults[span.episode]
        path = self._locate(span.film)
        times, is_cut = picture_times(path), video_facts(path).is_cut
        self._check_film(span.film, times, is_cut)
        wanted = span.begin + np.arange(span.num_frames) / self._fps
        if is_cut:  # the intact part is used, and the rest reported when it is decoded
            wanted = wanted[wanted <= (times[-1] if len(times) else 0.0)]
        off = np.abs(times[_nearest(times, wanted)] - wanted) if len(times) else np.zeros(0)
        if (off > TOLERANCE / self._fps + ROUNDING).any():
            first = int(np.argmax(off > TOLERANCE / self._fps + ROUNDING))
            raise UnusableError(
                "wrong-time",
                f"{span.film} has no picture at {wanted[first]:.4f} s, of frame {first}; the nearest is "
                f"{off[first]:.4f} s off",
            )

    def _is_there(self, film: Path) -> bool:
        try:
            return os.path.isfile(self._locate(film))
        except UnusableError:
            return False

    def _check_film(self, film: Path, times: Times, is_cut: bool) -> None:
        if len(times) < 2:
            return
        rate = 1 / max(float(np.median(np.diff(times))), 1e-9)
        if abs(rate / self._fps - 1) > 0.01 and abs(1 / rate - 1 / self._fps) > 2 * ROUNDING:
            message = f"{film} has {rate:.4g} pictures a second, meta/info.json states {self._fps:g}"
            raise UnusableError("wrong-time", message)
        end = max(span.begin + span.num_frames / self._fps for span in self._by_film[film])
        has_gaps = bool((np.diff(times) > 1.5 / self._fps).any())
        missing = round((end - times[-1]) * self._fps) - 1
        if missing > 0 and not has_gaps and not is_cut:
            raise UnusableError(
                "wrong-time",
                f"{film} has {len(times)} pictures, {missing} fewer than its episodes, and it is unclear which ones",
            )

    def _compare(self, film: Path, spans: Sequence[Span]) -> None:
        for span, following in pairwise(spans):
            if following.begin < span.begin + (span.num_frames - 0.5) / self._fps:
                message = f"episodes {span.episode} and {following.episode} lie in {film} at the same time"
                self._blame((span, following), UnusableError("overlap", message))

    def _blame(self, spans: Iterable[Span], error: UnusableError) -> None:
        for span in spans:
            self._faults.setdefault(span.episode, error)


def _nearest(times: Times, wanted: Times) -> np.ndarray:
    after = np.clip(np.searchsorted(times, wanted), 1, max(len(times) - 1, 1))
    before = after - 1
    after = np.minimum(after, len(times) - 1)
    return np.where(wanted - times[before] <= times[after] - wanted, before, after)
