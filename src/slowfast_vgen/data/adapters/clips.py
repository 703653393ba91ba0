"""Ranges of any video, however long or damaged: found, resampled, cropped and resized, in bounded time.

With data/video.py this is the only file of the project that opens a video.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import Type
from av.stream import Disposition
from av.video.frame import VideoFrame

from slowfast_vgen.data.adapters.base import UnusableError
from slowfast_vgen.data.adapters.film_clock import (
    SAME_START,
    STALL_SECONDS,
    StallError,
    Times,
    first_picture_at,
    packet_times,
    rate_of,
    timed_frames,
)
from slowfast_vgen.data.rules import one_line
from slowfast_vgen.data.video import LARGEST_VIDEO_AREA, SAFE_DECODING, SAFE_OPENING
from slowfast_vgen.images import LARGEST_SIDE, frame_from_image
from slowfast_vgen.types import Frames

_LEADS = (0.0, 5.0, 120.0)
"""Seconds before the first frame at which decoding begins; the next one is tried where that frame was not reached.

Bounded, lest each of hundreds of rows after a break decodes an hour of video before it.
"""
_LARGEST_PIXEL_ASPECT = 10.0
_GUESSED_LENGTHS = frozenset({"mpeg", "vob"})
"""Formats whose length FFmpeg guesses from the file size."""

_ERRORS = (av.FFmpegError, OSError, ValueError, MemoryError, ArithmeticError, EOFError, TypeError)


@dataclass(frozen=True)
class VideoFacts:
    """Properties that a video file states, and whether it is complete."""

    start: float
    """Time of the first frame in seconds on the file's clock (`film_clock.py`): mostly 0."""
    seconds: float
    """End of the last frame in seconds on the file's clock."""
    fps: float
    is_cut: bool
    """Whether the file ends before the last frame of its index."""

    @property
    def length(self) -> float:
        """Length in seconds, from the first frame on."""
        return self.seconds - self.start


def video_facts(path: Path) -> VideoFacts:
    """Reads a file's header and index; decodes nothing.

    Raises:
        UnusableError: no such file, or no video in it.
    """
    try:
        with _opened(path) as (container, stream):
            rate, start = rate_of(stream), first_picture_at(container, stream)
            ends = [entry.pos + entry.size for entry in stream.index_entries]
            is_cut = max(ends, default=0) > path.stat().st_size
            if stream.duration and container.format.name not in _GUESSED_LENGTHS:
                seconds = start + float(stream.duration * stream.time_base)
            else:  # some containers state no length; the time of the last packet gives it
                times = packet_times(container, stream)
                seconds = float(times[-1]) + 1 / rate if len(times) and rate else 0.0
    except _ERRORS as error:
        raise _broken(path, error) from error
    if rate <= 0 or seconds <= start:
        raise UnusableError("broken-video", f"{path} states no rate or length; write or fetch it again")
    return VideoFacts(start, seconds, rate, is_cut)


def picture_times(path: Path) -> Times:
    """Returns the times of a file's pictures, ascending, in seconds on its clock; nothing is decoded.

    Raises:
        UnusableError: no such file, or no video in it.
    """
    try:
        status = path.stat()
        return _picture_times(path, status.st_mtime_ns, status.st_size)
    except _ERRORS as error:
        raise (
            UnusableError("missing-video", f"there is no video {path}")
            if isinstance(error, FileNotFoundError)
            else _broken(path, error)
        ) from error


@lru_cache(maxsize=8)
def _picture_times(path: Path, changed: int, size: int) -> Times:
    """Cached, since many episodes lie in one file; `changed` and `size` distinguish a file from an earlier one."""
    with _opened(path) as (container, stream):
        return packet_times(container, stream)


def read_clip(path: Path, times: Sequence[float] | np.ndarray, size: tuple[int, int]) -> Frames:
    """Returns the frames of a video nearest to given times, resized by the rule of `images.py`.

    Args:
        path: any file that FFmpeg decodes.
        times: seconds on the file's clock (`film_clock.py`), ascending.
        size: height and width in pixels.

    Raises:
        UnusableError: no such file, no video, a break or a stall before the last time, with the frames before it;
            or a video that ends before the last time, with the frames up to its end.
    """
    for lead in _LEADS:
        taken: list[np.ndarray] = []
        try:
            for image in _nearest(path, times, size, lead):
                taken.append(image)
            return np.stack(taken)
        except UnusableError as error:
            failure = UnusableError(error.reason, error.message, taken)
            if error.reason == "missing-video" or isinstance(error, StallError):
                break
        except _ERRORS as error:
            failure = _broken(path, error, taken)
        if taken or times[0] <= lead:
            break
    raise failure


def _nearest(
    path: Path, times: Sequence[float] | np.ndarray, size: tuple[int, int], lead: float
) -> Iterator[np.ndarray]:
    """Yields one image per time: the frame nearest to it."""
    wanted = [float(time) for time in times]
    index = 0
    before: tuple[float, VideoFrame] | None = None
    interval = 0.0
    with _opened(path) as (container, stream):
        aspect = _pixel_aspect(path, stream)
        rate = rate_of(stream)
        for shown_at, frame in timed_frames(path, container, stream, wanted[0] - lead):
            if before is None and shown_at > wanted[0]:
                if wanted[0] - lead > 0 and shown_at > first_picture_at(container, stream) + 1e-6:
                    raise UnusableError("broken-video", f"the index of {path} is wrong; write or fetch it again")
                if shown_at - wanted[0] > max(SAME_START, 1.5 / rate if rate else 0.0):
                    message = f"{path} shows its first picture at {shown_at:.3f} s, after {wanted[0]:.3f} s"
                    raise UnusableError("range-outside", message)
            if before is not None:
                if shown_at < before[0]:
                    raise UnusableError("broken-video", f"the frames of {path} are out of order at {shown_at:g} s")
                interval = shown_at - before[0] or interval
            # A time between two frames gets the nearer one, in a tie the earlier.
            while index < len(wanted) and wanted[index] <= shown_at:
                chosen = frame
                if before is not None and wanted[index] - before[0] <= shown_at - wanted[index] + 1e-6:
                    chosen = before[1]
                yield _image(path, chosen, size, aspect)
                index += 1
            if index == len(wanted):
                return
            before = (shown_at, frame)
        interval = max(interval, 1 / rate if rate else 0.0)
        while before is not None and index < len(wanted) and wanted[index] <= before[0] + interval + 1e-6:
            yield _image(path, before[1], size, aspect)
            index += 1
    if index < len(wanted):
        ends = f"ends at {before[0] + interval:.3f} s" if before else "has no frames there"
        raise UnusableError("range-outside", f"{path} {ends}, before {wanted[index]:.3f} s")


def _pixel_aspect(path: Path, stream: Any) -> float:
    """Returns the displayed width of a stored pixel divided by its height."""
    aspect = float(stream.sample_aspect_ratio or 1)
    if not 1 / _LARGEST_PIXEL_ASPECT <= aspect <= _LARGEST_PIXEL_ASPECT:
        raise UnusableError("broken-video", f"{path} says its pixels are {aspect:g} times as wide as high")
    return aspect


def _image(path: Path, frame: VideoFrame, size: tuple[int, int], aspect: float) -> np.ndarray:
    if max(frame.width, frame.height) > LARGEST_SIDE or frame.width * frame.height > LARGEST_VIDEO_AREA:
        raise UnusableError("broken-video", f"{path} says its frames are {frame.width}x{frame.height}; fetch it again")
    if frame.is_corrupt:
        raise UnusableError("broken-video", f"the frame of {path} at {frame.time} s is damaged; fetch it again")
    upright, is_turned = _upright(frame)
    return frame_from_image(upright, *size, 1 / aspect if is_turned else aspect)


def _upright(frame: VideoFrame) -> tuple[np.ndarray, bool]:
    """Returns the picture rotated and mirrored by its display matrix, and whether width and height are exchanged.

    A pixel at (x, y) is shown at (a x + c y, b x + d y); ISO/IEC 14496-12, 8.3.2. Angles are rounded to right ones.
    """
    picture = frame.to_ndarray(format="rgb24")
    matrix = cast(Any, frame.side_data).get(Type.DISPLAYMATRIX)
    if matrix is None:
        return picture, False
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
    is_turned = abs(b) + abs(c) > abs(a) + abs(d)
    if is_turned:
        picture, a, d = picture.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(picture[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]), is_turned


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, Any]]:
    if not os.path.isfile(path):  # unlike Path.is_file, it accepts names that no file can have
        raise UnusableError("missing-video", f"there is no video {path}")
    # The prefix keeps FFmpeg from taking a colon in the name for a protocol.
    with av.open(f"file:{path}", timeout=STALL_SECONDS, options=SAFE_OPENING) as container:
        stream = next((track for track in container.streams.video if not _is_cover(track)), None)
        if stream is None or stream.codec_context is None:
            raise UnusableError("broken-video", f"{path} holds no video of a known kind")
        # By default a decoder conceals errors; here it must report them.
        stream.codec_context.options = {"err_detect": "explode", **SAFE_DECODING}
        yield container, stream


def _is_cover(stream: Any) -> bool:
    """Returns whether a stream is the file's cover picture, not its film."""
    return bool(stream.disposition & Disposition.attached_pic)


def _broken(path: Path, error: Exception, frames: Sequence[np.ndarray] = ()) -> UnusableError:
    if isinstance(error, UnusableError):
        return error
    return UnusableError("broken-video", f"{path} cannot be decoded ({one_line(error)})", frames)
