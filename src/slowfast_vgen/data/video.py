"""Reads and writes video files. Every frame is RGB, uint8, 0 to 255.

Only adapters/clips.py, which reads ranges of foreign files, opens videos too.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream
from jaxtyping import UInt8

from slowfast_vgen.data.rules import one_line
from slowfast_vgen.errors import UserError
from slowfast_vgen.files import atomic_path
from slowfast_vgen.types import Frames

Image = UInt8[np.ndarray, "height width 3"]
"""One RGB frame, 0 to 255."""

FPS_RANGE = (0.1, 1000.0)
"""Lowest and highest frame rate, in frames a second, of a written file."""

LARGEST_VIDEO_AREA = 8192 * 4320
"""Largest number of pixels of a decoded frame. A decoder keeps up to 17 frames, and a few bytes can claim any size."""
SAFE_DECODING = {"max_pixels": str(LARGEST_VIDEO_AREA)}
"""FFmpeg's own limit, checked before memory is allocated."""
CONTAINERS = (
    "mov", "matroska", "avi", "mpegts", "mpeg", "mpegvideo", "m4v", "h264", "hevc", "mjpeg", "asf", "flv", "ogg", "mxf",
    "ivf", "dv", "nut", "gif",
)  # fmt: skip
"""Container formats that are opened, by FFmpeg's names; QuickTime and MP4 are "mov", WebM is "matroska". All contain
their pictures: a playlist, which FFmpeg would read too, names other files, wherever they are."""
SAFE_OPENING = SAFE_DECODING | {"format_whitelist": ",".join(CONTAINERS)}

LARGEST_FRAMES = 2**31
"""Largest number of bytes of the frames of a video that are read at once: 170,000 frames of 64x64."""

_LOSSLESS = {"qp": "0", "preset": "ultrafast"}  # slower presets take four times as long for files of the same size
_BROWSER = {"crf": "16", "preset": "veryfast"}


class VideoWriter:
    """Writes an MP4 file from frames as they come: `with VideoWriter(path, fps=10) as writer: writer.write(frames)`.

    The first frames fix the size. However the block ends, by an error or by Ctrl-C too, the frames written so far make
    a finished, playable file at `path` (but see `keep_begun`), and an older file is replaced only then. If no frame was
    written, nothing is left behind.
    """

    def __init__(self, path: Path, fps: float, lossless: bool = False, keep_begun: bool = True) -> None:
        """Opens nothing yet.

        Args:
            path: ends in `.mp4`.
            fps: frames a second, in `FPS_RANGE`.
            lossless: RGB bit for bit (libx264rgb; browsers do not play it), else H.264 4:2:0 in BT.709, which they do.
            keep_begun: whether a block that ends by an error leaves the frames written so far; otherwise `path` stays
                as it was.

        Raises:
            UserError: another suffix, or a rate out of range.
        """
        self.path = Path(path)
        self.num_frames = 0
        if self.path.suffix != ".mp4":
            raise UserError(f"cannot write the video {path}: its name must end in .mp4")
        if not FPS_RANGE[0] <= fps <= FPS_RANGE[1]:
            low, high = FPS_RANGE
            raise UserError(f"cannot write the video {path} at {fps} frames a second; use {low} to {high}")
        self._rate = Fraction(fps).limit_denominator(1001)  # NTSC rates are n/1001
        self._lossless, self._keep_begun = lossless, keep_begun
        self._place: AbstractContextManager[Path] = atomic_path(self.path)
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._is_broken = False
        """Whether a write has failed: FFmpeg must then not be given any more frames."""

    def __enter__(self) -> Self:
        """Makes a temporary file in the folder of `path`."""
        self._temporary = self._place.__enter__()
        return self

    def write(self, frames: Frames) -> None:
        """Appends frames.

        Raises:
            UserError: not uint8 [N, H, W, 3], another size than the first, odd sides without `lossless`, no space.
        """
        check_frames(frames, f"the video {self.path}")
        if not len(frames):
            return
        try:
            stream = self._stream or self._start(*frames.shape[1:3])
            if (stream.height, stream.width) != frames.shape[1:3]:
                held, given = f"{stream.height}x{stream.width}", f"{frames.shape[1]}x{frames.shape[2]}"
                raise UserError(f"{self.path} holds frames of {held}; frames of {given} do not fit, make them one size")
            for image in frames:
                self._encode(self._to_video_frame(image))
                self.num_frames += 1
        except (av.FFmpegError, OSError) as error:
            self._is_broken = True
            raise self._cannot_write(error) from error

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Finishes the file and moves it to `path`; with an error and without `keep_begun`, `path` stays as it was.

        Raises:
            UserError: no frame was written, or the disk is full.
        """
        failure = self._finish()
        if error is None and failure is None and self.num_frames == 0:
            failure = UserError(f"cannot write the video {self.path}: no frames were given; give one at least")
        discard = failure or (None if self.num_frames and self._keep_begun else error)
        self._place.__exit__(type(discard) if discard else None, discard, None)
        if failure:
            raise failure from error

    def _finish(self) -> UserError | None:
        try:
            if self._container and not self._is_broken:
                self._encode(None)
            if self._container:
                self._container.close()
        except (av.FFmpegError, OSError) as error:
            return self._cannot_write(error)
        return None

    def _start(self, height: int, width: int) -> VideoStream:
        if not self._lossless and (height % 2 or width % 2):
            raise UserError(
                f"cannot write the video {self.path} of {height}x{width}: H.264 for browsers wants even sides; "
                "use even sides or write it lossless"
            )
        # The prefix keeps FFmpeg from taking a colon in the name for a protocol; faststart lets a browser play at once.
        container = av.open(f"file:{self._temporary}", "w", format="mp4", options={"movflags": "+faststart"})
        codec, options = ("libx264rgb", _LOSSLESS) if self._lossless else ("libx264", _BROWSER)
        stream = container.add_stream(codec, rate=self._rate, options=dict(options))
        assert isinstance(stream, VideoStream)
        stream.height, stream.width, stream.pix_fmt = height, width, "rgb24" if self._lossless else "yuv420p"
        context: Any = stream.codec_context
        context.thread_count = 1  # small frames gain nothing from threads, and there may be only one core
        if not self._lossless:
            context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
            context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        # On a full disk writing the header fails; if the first frame or the end tries it again, FFmpeg crashes.
        container.start_encoding()
        self._container, self._stream = container, stream
        return stream

    def _to_video_frame(self, image: Image) -> VideoFrame:
        frame = VideoFrame.from_ndarray(image, format="rgb24")
        if self._lossless:
            return frame
        return frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)

    def _encode(self, frame: VideoFrame | None) -> None:
        assert self._container is not None
        assert self._stream is not None
        self._container.mux(self._stream.encode(frame))

    def _cannot_write(self, error: Exception) -> UserError:
        return UserError(f"cannot write the video {self.path}: {one_line(error)}; check the space left there")


def write_video(path: Path, frames: Frames, fps: float, lossless: bool = False) -> None:
    """Writes a whole video at once; see `VideoWriter`.

    Raises:
        UserError: frames, size, rate or name that cannot be written.
    """
    check_frames(frames, f"the video {path}")
    with VideoWriter(path, fps, lossless, keep_begun=False) as writer:
        writer.write(frames)


def read_video(path: Path, most_bytes: int = LARGEST_FRAMES) -> Frames:
    """Reads every frame of a video file.

    Raises:
        UserError: missing, unreadable, without frames, cut short (the message gives the frames found and promised), or
            with more bytes of pixels than `most_bytes`: a small file can hold any number of plain frames.
    """
    images, num_bytes = [], 0
    for image in iterate_frames(path):
        num_bytes += image.nbytes
        if num_bytes > most_bytes:
            raise UserError(f"the frames of {path} take more than {most_bytes} bytes; give a shorter or smaller video")
        images.append(image)
    return _stack(path, images)


def iterate_frames(path: Path) -> Iterator[Image]:
    """Yields frames in display order. A truncated file raises after the last frame that could be decoded.

    Raises:
        UserError: as `read_video`.
    """
    if not Path(path).is_file():
        raise UserError(f"there is no video file at {path}; check the path")
    num_frames = num_packets = 0
    promised = 0
    try:
        with av.open(f"file:{path}", options=SAFE_OPENING) as container:
            if not container.streams.video:
                raise UserError(f"{path} holds no video; give a video file")
            stream = container.streams.video[0]
            if stream.codec_context is None:
                raise UserError(f"{path} holds no video of a known kind; write or fetch it again")
            stream.codec_context.options = SAFE_DECODING
            promised = stream.frames  # 0 where the container does not say
            for packet in container.demux(stream):
                num_packets += packet.size > 0
                for frame in packet.decode():
                    yield frame.to_ndarray(format="rgb24")
                    num_frames += 1
    except UserError:
        raise
    except (av.FFmpegError, OSError, ValueError, MemoryError) as error:
        if num_packets == 0:
            raise UserError(f"cannot read the video {path}: {one_line(error)}; write or fetch it again") from error
        raise UserError(_breaks_off(path, num_frames, promised)) from error
    # Packets, not frames: an edit list may hide some frames of a whole file on purpose.
    if num_packets < promised:
        raise UserError(_breaks_off(path, num_frames, promised))
    if num_frames == 0:
        raise UserError(f"the video {path} holds no frames; write or fetch it again")


def check_frames(frames: Frames, of: str) -> None:
    """Refuses an array that is not a batch of RGB frames.

    Raises:
        UserError: not uint8 [N, H, W, 3] with sides of at least one pixel; `of` names the frames in the message.
    """
    shape: tuple[int, ...] = getattr(frames, "shape", ())
    dtype = getattr(frames, "dtype", None)
    if dtype != np.uint8 or len(shape) != 4 or shape[3] != 3 or 0 in shape[1:]:
        raise UserError(f"the frames of {of} are {dtype} {list(shape)}; they must be uint8 [N, H, W, 3]")


def _breaks_off(path: Path, num_frames: int, promised: int) -> str:
    of = f"of its {promised} frames" if promised else "frames"
    return f"the video {path} breaks off: only {num_frames} {of} can be decoded; write or fetch it again"


def _stack(path: Path, images: list[Image]) -> Frames:
    try:
        return np.stack(images)
    except ValueError as error:
        raise UserError(f"the frames of {path} change size; give a video of one size") from error
