"""Films whose every picture tells its own number, in any container and codec that FFmpeg writes."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

BITS = 8


def coded(number: int, height: int = 64, width: int = 64) -> np.ndarray:
    """A picture of two rows of four blocks, bright where the number's bit is set; see `read_code`."""
    picture = np.full((height, width, 3), 20, np.uint8)
    for bit in range(BITS):
        row, column = divmod(bit, 4)
        if number >> bit & 1:
            rows = slice(row * height // 2, (row + 1) * height // 2)
            picture[rows, column * width // 4 : (column + 1) * width // 4] = 230
    return picture


def read_code(picture: np.ndarray) -> int:
    """The number of a `coded` picture of any size and some loss."""
    height, width = picture.shape[:2]
    number = 0
    for bit in range(BITS):
        row, column = divmod(bit, 4)
        block = picture[
            row * height // 2 + height // 8 : (row + 1) * height // 2 - height // 8,
            column * width // 4 + width // 16 : (column + 1) * width // 4 - width // 16,
        ]
        number |= int(block.mean() > 125) << bit
    return number


def read_codes(frames: Sequence[np.ndarray] | np.ndarray) -> list[int]:
    return [read_code(frame) for frame in frames]


def make_film(
    path: Path,
    numbers: Sequence[int],
    fps: int = 25,
    *,
    codec: str = "libx264",
    format: str | None = None,
    b_frames: int = 2,
    keyframe_every: int = 12,
    ticks: Sequence[int] | None = None,
    sound_lead: float | None = None,
    side: int = 64,
    options: dict[str, str] | None = None,
) -> Path:
    """A film of `coded` pictures.

    Args:
        path: of the file.
        numbers: one a picture.
        fps: pictures a second.
        codec: of the pictures.
        format: of the file; None takes it from the name.
        b_frames: pictures in a row that are stored in another order than they are shown.
        keyframe_every: pictures.
        ticks: when each picture is shown, in pictures of `fps`; None: one after the other.
        sound_lead: seconds by which a sound track begins before the pictures; None: no sound.
        side: pixels.
        options: of the container.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format=format, options=options or {}) as container:
        stream: Any = container.add_stream(codec, rate=fps)
        stream.width = stream.height = side
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.gop_size, stream.codec_context.max_b_frames = keyframe_every, b_frames
        if sound_lead is not None:
            _add_silence(container, sound_lead + len(numbers) / fps)
        first = round((sound_lead or 0) * fps)
        for index, number in enumerate(numbers):
            frame = av.VideoFrame.from_ndarray(coded(number, side, side), format="rgb24").reformat(
                format=stream.pix_fmt
            )
            frame.pts = first + (ticks[index] if ticks is not None else index)
            frame.time_base = Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _add_silence(container: Any, seconds: float) -> None:
    is_old = container.format.name in ("avi", "mpeg", "vob")
    stream = container.add_stream("mp2" if is_old else "aac", rate=44100)
    stream.layout, stream.format = "stereo", "s16" if is_old else "fltp"
    silence = np.zeros((1, 2304), np.int16) if is_old else np.zeros((2, 1024), np.float32)
    per_frame = 1152 if is_old else 1024
    for index in range(int(seconds * 44100) // per_frame):
        frame = av.AudioFrame.from_ndarray(silence, format=stream.format.name, layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = 44100, index * per_frame, Fraction(1, 44100)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def change_display_matrix(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Sets a, b, c and d of the only track of an MP4 file (ISO/IEC 14496-12, 8.3.2): (x, y) shows at (ax+cy, bx+dy)."""
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40  # version, times, track, length, layer and volume come first
    a, b, c, d = matrix
    values = (a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    data[place : place + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in values)
    path.write_bytes(data)


def without_presentation_times(path: Path) -> None:
    """Takes the times out of an MPEG program stream's packets of pictures; stuffing takes their place."""
    data = bytearray(path.read_bytes())
    place = data.find(b"\x00\x00\x01\xe0")
    while place >= 0:
        if data[place + 6] >> 6 == 2:  # MPEG-2: flags, length of the header, times
            data[place + 7] &= 0x3F
            data[place + 9 : place + 9 + data[place + 8]] = b"\xff" * data[place + 8]
        place = data.find(b"\x00\x00\x01\xe0", place + 4)
    path.write_bytes(data)
