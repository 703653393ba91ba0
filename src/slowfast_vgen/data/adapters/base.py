"""The interface of adapters: the recordings of a source and, lazily, the episodes that can be made of each."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from jaxtyping import Float64, Int64

from slowfast_vgen.action_texts import length_fault
from slowfast_vgen.data.rules import SPLITS
from slowfast_vgen.data.video import FPS_RANGE, LARGEST_FRAMES
from slowfast_vgen.errors import UserError
from slowfast_vgen.images import LARGEST_SIDE, SMALLEST_SIDE
from slowfast_vgen.types import Frames, Poses

REASONS = {
    "missing-video": "the video is not there",
    "broken-video": "the video cannot be decoded, or breaks off",
    "short-video": "the video is cut off, or it and its table state different lengths; the intact part is used",
    "range-outside": "the range lies outside the video, or ends before it starts",
    "too-short": "fewer than two frames at the rate asked for",
    "bad-row": "a row of a table, or a line, that cannot be read",
    "no-action": "no words that say what is done, or more of them than an action can have",
    "unknown-label": "a label, key or button that there are no words for; a file of a split that is not known",
    "overlap": "the range overlaps one before it in the same video",
    "wrong-time": "the video has no picture at a time in its table, or another rate than stated",
    "ambiguous": "two columns, files or rows mean the same thing, and it is unclear which one is right",
    "outside": "a path in a file of the source leads out of its folder, which `--allow-outside` allows",
    "missing-file": "the log, labels or records that belong to the rest are not there",
    "bad-pose": "poses that are missing, cut short, out of order or by another convention",
    "broken-file": "a table, a record or a label file that cannot be read",
}
"""Reason of a finding -> its description, as docs/howto/bring-your-data.md lists it."""

SPLIT_NAMES = {**{split: split for split in SPLITS}, "val": "validation", "valid": "validation"}
"""Name of a split in a source -> its name in this library."""

LONGEST_RECORDING = 24 * 3600.0
"""Largest number of seconds of a recording. A longer range comes from a damaged table or file."""


@dataclass(frozen=True)
class ImportSettings:
    """Settings for importing any source."""

    size: int | tuple[int, int] = 64
    """Frame size in pixels: of both sides, or width and height. The largest centred region of that shape is cropped and
    resized (`images.py`)."""
    fps: float = 10.0
    """Frames a second of the episodes; the source's frames nearest in time are taken."""
    chunk_frames: int = 4
    """Largest number of frames of a chunk; a longer action becomes several chunks."""
    episode_frames: int = 513
    """Largest number of frames of an episode; a longer recording becomes several, each starting at the last frame of
    the one before."""
    split: str = "train"
    """Split of the episodes: train, validation or test; a source with splits gives the one of that name."""
    licence: str = ""
    """Licence that replaces the source's own."""
    table: Path | None = None
    """Table to read, where a source has several or none of the usual name."""
    poses: Path | None = None
    """Table of poses, where it has another name than the usual one."""
    camera: str = ""
    """Camera to take, where a source has several."""
    source_fps: float | None = None
    """Frames a second of a source that does not state its rate."""
    allow_outside: bool = False
    """Whether to follow paths in the source's files that lead out of its folder."""
    fov: float | None = None
    """Horizontal field of view in degrees, from a frame's left edge to its right one, where that is known."""

    @property
    def frame_size(self) -> tuple[int, int]:
        """Height and width of a frame in pixels."""
        width, height = (self.size, self.size) if isinstance(self.size, int) else self.size
        return height, width

    def __post_init__(self) -> None:
        if not all(SMALLEST_SIDE <= side <= LARGEST_SIDE for side in self.frame_size):
            size = self.size if isinstance(self.size, int) else "x".join(map(str, self.size))
            raise UserError(f"the size {size} is out of range; use {SMALLEST_SIDE} to {LARGEST_SIDE} pixels")
        if self.fov is not None and not 0 < self.fov < 180:
            raise UserError(f"a field of view of {self.fov:g} degrees cannot be; use 1 to 179")
        for name, rate in (("fps", self.fps), ("source-fps", self.source_fps or self.fps)):
            if not FPS_RANGE[0] <= rate <= FPS_RANGE[1]:
                raise UserError(f"{name} {rate} is out of range; use {FPS_RANGE[0]} to {FPS_RANGE[1]}")
        if self.chunk_frames < 1 or self.episode_frames < 2:
            raise UserError(
                f"chunks of {self.chunk_frames} and episodes of {self.episode_frames} frames cannot be cut; "
                "use 1 or more and 2 or more"
            )
        height, width = self.frame_size
        if (num_bytes := self.episode_frames * height * width * 3) > LARGEST_FRAMES:
            raise UserError(
                f"episodes of {self.episode_frames} frames of {height}x{width} take {num_bytes / 1e9:.1f} GB, over "
                f"{LARGEST_FRAMES / 1e9:.1f}; use fewer or smaller frames"
            )
        if self.split not in SPLITS:
            raise UserError(f"the split {self.split!r} is unknown; choose {', '.join(SPLITS)}")


class UnusableError(UserError):
    """Something of a source cannot be used: the reason, and the frames that could be decoded before the error."""

    def __init__(self, reason: str, message: str, frames: Sequence[np.ndarray] = ()) -> None:
        """Keeps one of `REASONS`, a one-sentence message, and uint8 RGB frames of one size."""
        super().__init__(message)
        assert reason in REASONS, reason
        self.reason, self.message, self.frames = reason, message, tuple(frames)


@dataclass(frozen=True)
class Finding:
    """An entry in the report of an import."""

    name: str
    """Row, file or range, as a user finds it in the source."""
    reason: str
    """Reason of the finding, one of `REASONS`."""
    message: str
    lost: bool = True
    """Whether a sample is lost; else it is only reported, and the intact part is used."""


@dataclass(frozen=True)
class Words:
    """Action that brings about a frame."""

    action: str
    """Action as free text, as a user would type it."""
    verb: str = ""
    """Canonical verb of the action; empty where the source has none."""


@dataclass(frozen=True)
class Recipe:
    """An episode to import: everything but the pixels, and a function that decodes those."""

    name: str
    """Name that is unique in the source, in the source's own terms."""
    scene: str
    """Name of the scene, equal for episodes that show the same place, as far as the source states it."""
    words: tuple[Words, ...]
    """Actions of frames 1 to the last."""
    decode: Callable[[], Frames]
    """Returns uint8 [1 + len(words), height, width, 3]; raises UnusableError with the frames before a break."""
    poses: Poses | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    """JSON values from the source, such as who recorded it."""
    ends: Sequence[int] = ()
    """Ascending frame counts to which the episode may be cut where the rest is broken; empty: it cannot be cut."""


@dataclass(frozen=True)
class Recording:
    """A unit of a source, such as a video, a session or a record; opened only when its samples are requested."""

    name: str
    samples: Callable[[], Iterator[Recipe | Finding]]
    """Function that yields the samples: the same ones in the same order at every call."""


class Adapter(Protocol):
    """A reader of one source format. The same files always give the same recordings, in the same order."""

    name: ClassVar[str]
    """Name for `slowfast data import --from`."""
    options: ClassVar[frozenset[str]]
    """Options that it reads, out of `table`, `poses`, `camera`, `source_fps`."""

    def __init__(self, source: Path, settings: ImportSettings) -> None:
        """Finds the tables; reads as little as possible.

        Raises:
            UserError: `source` does not have the layout.
        """
        ...

    @property
    def licence(self) -> str:
        """Licence of the source, or that none is stated."""
        ...

    def index_files(self) -> list[Path]:
        """Returns the files that determine the recordings: an import resumes only if they are unchanged."""
        ...

    def recordings(self) -> Iterator[Recording]:
        """Yields every recording of the source.

        Raises:
            UserError: a required table is missing or broken.
        """
        ...


def words_of(text: object, verb: str = "") -> Words:
    """Returns the words of a source's text, stripped of surrounding whitespace.

    Raises:
        UnusableError: not text, blank, too long, or not valid Unicode.
    """
    if not isinstance(text, str) or not text.strip():
        raise UnusableError("no-action", "there is no text that says what is done")
    if fault := length_fault(text.strip()):
        raise UnusableError("no-action", f"the text {fault}")
    if any("\ud800" <= letter <= "\udfff" for letter in text + verb):
        raise UnusableError("no-action", "the text is not valid Unicode")
    return Words(text.strip(), verb.strip())


def frame_times(start: float, end: float, settings: ImportSettings) -> np.ndarray:
    """Returns the times of the frames from `start` to `end` in seconds, both included where the rate hits them.

    Raises:
        UnusableError: the end comes before the start, or fewer than two frames.
    """
    if not 0 <= start <= end <= LONGEST_RECORDING:
        raise UnusableError("range-outside", f"seconds {start:g} to {end:g} are no range of a video")
    count = int((end - start) * settings.fps + 1e-6) + 1
    if count < 2:
        raise UnusableError(
            "too-short", f"seconds {start:g} to {end:g} give one frame at {settings.fps:g} frames a second"
        )
    return start + np.arange(count) / settings.fps


def step_before(times: Float64[np.ndarray, " frames"], fps: float, num_steps: int) -> Int64[np.ndarray, " frames-1"]:
    """Returns, for each frame but the first, the step of a source at the time halfway to the frame before."""
    return np.minimum((times[1:] + times[:-1]) / 2 * fps, num_steps - 1).astype(np.int64)


def nearest_frames(times: Float64[np.ndarray, " frames"], source_fps: float) -> Int64[np.ndarray, " frames"]:
    """Returns the numbers of a source's frames nearest to given times, the earlier in a tie, as `read_clip` does.

    >>> nearest_frames(np.arange(6) / 10, 5.0)
    array([0, 0, 1, 1, 2, 2])
    """
    return np.ceil(times * source_fps - 0.5 - 1e-6).astype(np.int64)


def parts(name: str, num_frames: int, settings: ImportSettings) -> list[tuple[str, int, int]]:
    """Returns (name, first, stop) of a recording's episodes: frames `first` to `stop - 1`; neighbours share one.

    >>> parts("walk", 9, ImportSettings(episode_frames=5))
    [('walk part 1 of 2', 0, 5), ('walk part 2 of 2', 4, 9)]
    """
    step = settings.episode_frames - 1
    firsts = range(0, num_frames - 1, step)
    names = [f"{name} part {1 + number} of {len(firsts)}" if len(firsts) > 1 else name for number in range(len(firsts))]
    return [(part, first, min(first + step + 1, num_frames)) for part, first in zip(names, firsts, strict=True)]
