"""Display times of a video's pictures: one rule for every container.

Times are seconds on the file's own clock, as players and FFmpeg's `-ss` count them: 0 is where the first of picture and
sound begins. Where the two begin less than `SAME_START` apart, as encoders pad them, the first picture is at 0.

Some files hold no picture times, but one rate: AVI numbers its pictures in storage order, which is not display order,
and raw streams number none. Their pictures are counted from the first one on. MPEG program streams hold so few times
that decoding right after a seek gives wrong ones; they are read from the start too.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from jaxtyping import Float64

from slowfast_vgen.data.adapters.base import UnusableError

STALL_SECONDS = 8.0
"""Seconds without a frame after which reading a video is abandoned."""
SAME_START = 0.05
_NO_SEEK = frozenset({"mpeg", "vob"})
_COUNTED = frozenset({"avi"})

Times = Float64[np.ndarray, " pictures"]


class StallError(UnusableError):
    """Decoding stalls; neither waiting longer nor another try would help."""


def rate_of(stream: Any) -> float:
    """Returns pictures a second; 0 where unknown."""
    return float(stream.average_rate or stream.guessed_rate or stream.base_rate or 0)


def is_counted(container: Any, stream: Any) -> bool:
    """Returns whether pictures are counted, since the file holds at most their storage order."""
    return container.format.name in _COUNTED and bool(stream.codec_context.has_b_frames)


def can_seek(container: Any, stream: Any) -> bool:
    """Returns whether the times are right wherever reading begins."""
    return not (is_counted(container, stream) or container.format.name in _NO_SEEK or stream.start_time is None)


def first_picture_at(container: Any, stream: Any) -> float:
    """Returns the time of the first picture in seconds on the file's clock."""
    if stream.start_time is None or container.start_time is None:
        return 0.0
    lead = float(stream.start_time * stream.time_base) - container.start_time / 1e6
    return lead if lead > max(SAME_START, 1 / (rate_of(stream) or 1e9)) else 0.0


def timed_frames(path: Path, container: Any, stream: Any, start: float) -> Iterator[tuple[float, VideoFrame]]:
    """Yields the frames from a keyframe before `start` seconds on, each with its time.

    Raises:
        StallError: no frame for `STALL_SECONDS`.
        UnusableError: a frame without a time.
    """
    lead, rate = first_picture_at(container, stream), rate_of(stream)
    counted, origin = is_counted(container, stream), stream.start_time
    if start > lead and can_seek(container, stream):
        container.seek(origin + int((start - lead) / stream.time_base), stream=stream)
    slots: list[int] = []
    number = 0
    deadline = time.monotonic() + STALL_SECONDS
    for packet in container.demux(stream):
        if container.format.name in _COUNTED and packet.size:
            slots.append(packet.dts if packet.dts is not None else len(slots))
            packet.pts = slots[-1]  # FFmpeg's guess is up to one picture off
        for frame in packet.decode():
            at = slots[number] if counted else frame.pts
            if at is None and not rate:
                raise UnusableError("broken-video", f"a frame of {path} has no time; write or fetch it again")
            if at is None:
                yield lead + number / rate, frame
            else:
                origin = at if origin is None else origin
                yield lead + float((at - origin) * stream.time_base), frame
            number += 1
            deadline = time.monotonic() + STALL_SECONDS
        if time.monotonic() > deadline:
            raise StallError("broken-video", f"{path} gave no frame for {STALL_SECONDS:g} seconds; fetch it again")


def packet_times(container: Any, stream: Any) -> Times:
    """Returns the times of all pictures as stored in the container, ascending; nothing is decoded."""
    stamps: list[int] = []
    number = 0
    for packet in container.demux(stream):
        if packet.size and not packet.is_discard:
            number += 1
            if (at := packet.dts if container.format.name in _COUNTED else packet.pts) is not None:
                stamps.append(at)
    rate, lead = rate_of(stream), first_picture_at(container, stream)
    if len(stamps) < number:
        return lead + np.arange(number) / rate if rate else np.zeros(0)
    ticks = np.sort(np.array(stamps, dtype=np.int64))
    origin = (ticks[0] if len(ticks) else 0) if stream.start_time is None else stream.start_time
    return lead + (ticks - origin) * float(stream.time_base)
