"""Stretches of anybody's video, however long or damaged: sought, resampled, cut out and resized, and always ending.

With data/video.py this is the only file of the project that opens a video.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame

from slowfast_vgen.data.adapters.base import UnusableError
from slowfast_vgen.errors import UserError
from slowfast_vgen.images import LARGEST_AREA, LARGEST_SIDE, frame_from_image
from slowfast_vgen.types import Frames

STALL_SECONDS = 8.0
"""A video that gives no frame for so long is given up."""

_LEADS = (0.0, 5.0, 120.0)
"""How many seconds before the first frame decoding begins, where an earlier try did not get as far as that frame.

Bounded, lest each of hundreds of rows after a break decodes an hour of video before it.
"""

_ERRORS = (av.FFmpegError, OSError, ValueError, MemoryError, ArithmeticError, EOFError, TypeError)


class _StallError(UnusableError):
    """Waiting longer would not help, and neither would another try."""


@dataclass(frozen=True)
class VideoFacts:
    """What a video file says of itself, and whether all of it is there."""

    seconds: float
    """Until its last frame has been shown."""
    fps: float
    is_cut: bool
    """The file ends before the last frame that its index names."""


def video_facts(path: Path) -> VideoFacts:
    """Reads a file's header and index; decodes nothing.

    Raises:
        UnusableError: no such file, or no video in it.
    """
    try:
        with _opened(path) as (container, stream):
            rate = float(stream.average_rate or stream.guessed_rate or 0)
            ends = [entry.pos + entry.size for entry in stream.index_entries]
            is_cut = max(ends, default=0) > path.stat().st_size
            if stream.duration:
                seconds = float(stream.duration * stream.time_base)
            else:  # some containers tell no length; the time of the last packet does
                last = [packet.pts for packet in container.demux(stream) if packet.pts is not None]
                seconds = float((max(last) - min(last)) * stream.time_base) + 1 / rate if last and rate else 0.0
    except _ERRORS as error:
        raise _broken(path, error) from error
    if rate <= 0 or seconds <= 0:
        raise UnusableError("broken-video", f"{path} tells no rate or length; write or fetch it anew")
    return VideoFacts(seconds, rate, is_cut)


def read_clip(path: Path, times: Sequence[float] | np.ndarray, size: int) -> Frames:
    """The frames of a video nearest to given times, made `size` x `size` by the rule of `images.py`.

    Args:
        path: any file that FFmpeg decodes.
        times: seconds after the video's first frame, rising.
        size: pixels a side.

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
            if error.reason == "missing-video" or isinstance(error, _StallError):
                break
        except _ERRORS as error:
            failure = _broken(path, error, taken)
        if taken or times[0] <= lead:
            break
    raise failure


def _nearest(path: Path, times: Sequence[float] | np.ndarray, size: int, lead: float) -> Iterator[np.ndarray]:
    """One image a time: the frame shown nearest to it."""
    wanted = [float(each) for each in times]
    index = 0
    before: tuple[float, VideoFrame] | None = None
    interval = 0.0
    with _opened(path) as (container, stream):
        for shown_at, frame in _timed_frames(path, container, stream, wanted[0] - lead):
            if before is None and shown_at > wanted[0] and wanted[0] - lead > 0:
                raise UnusableError("broken-video", f"the index of {path} leads astray; write or fetch it anew")
            if before is not None:
                if shown_at <= before[0]:
                    raise UnusableError("broken-video", f"the frames of {path} are out of order at {shown_at:g} s")
                interval = shown_at - before[0]
            # A time between two frames goes to the nearer one, in a tie to the earlier.
            while index < len(wanted) and wanted[index] <= shown_at:
                chosen = frame
                if before is not None and wanted[index] - before[0] <= shown_at - wanted[index] + 1e-6:
                    chosen = before[1]
                yield _image(path, chosen, size)
                index += 1
            if index == len(wanted):
                return
            before = (shown_at, frame)
        rate = float(stream.average_rate or 0)
        interval = max(interval, 1 / rate if rate else 0.0)
        while before is not None and index < len(wanted) and wanted[index] <= before[0] + interval + 1e-6:
            yield _image(path, before[1], size)
            index += 1
    if index < len(wanted):
        ends = f"ends at {before[0] + interval:.3f} s" if before else "has no frames there"
        raise UnusableError("range-outside", f"{path} {ends}, before {wanted[index]:.3f} s")


def _timed_frames(path: Path, container: Any, stream: Any, start: float) -> Iterator[tuple[float, VideoFrame]]:
    """Frames from a keyframe before `start` on, with the seconds since the first frame of the file."""
    origin = stream.start_time or 0
    if start > 0:
        container.seek(origin + int(start / stream.time_base), stream=stream)
    deadline = time.monotonic() + STALL_SECONDS
    for packet in container.demux(stream):
        for frame in packet.decode():
            if frame.pts is None:
                raise UnusableError("broken-video", f"a frame of {path} has no time; write or fetch it anew")
            yield float((frame.pts - origin) * stream.time_base), frame
            deadline = time.monotonic() + STALL_SECONDS
        if time.monotonic() > deadline:
            raise _StallError("broken-video", f"{path} gave no frame for {STALL_SECONDS:g} seconds; fetch it anew")


def _image(path: Path, frame: VideoFrame, size: int) -> np.ndarray:
    if max(frame.width, frame.height) > LARGEST_SIDE or frame.width * frame.height > LARGEST_AREA:
        raise UnusableError("broken-video", f"{path} says its frames are {frame.width}x{frame.height}; fetch it anew")
    if frame.is_corrupt:
        raise UnusableError("broken-video", f"the frame of {path} at {frame.time} s is damaged; fetch it anew")
    upright = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90))  # as a telephone marks it
    return frame_from_image(upright, size, size)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, Any]]:
    if not os.path.isfile(path):  # unlike Path.is_file, it takes names that no file can have
        raise UnusableError("missing-video", f"there is no video {path}")
    # The prefix keeps FFmpeg from taking a colon in the name for a protocol.
    with av.open(f"file:{path}", timeout=STALL_SECONDS) as container:
        stream = next(iter(container.streams.video), None)
        if stream is None or stream.codec_context is None:
            raise UnusableError("broken-video", f"{path} holds no video of a known kind")
        # By default a decoder paints over what it cannot read; here it shall say so.
        stream.codec_context.options = {"err_detect": "explode"}
        yield container, stream


def _broken(path: Path, error: Exception, frames: Sequence[np.ndarray] = ()) -> UnusableError:
    if isinstance(error, UnusableError):
        return error
    reason = str(error) if isinstance(error, UserError) else str(getattr(error, "strerror", None) or error)
    return UnusableError("broken-video", f"{path} cannot be decoded ({' '.join(reason.split())})", frames)
