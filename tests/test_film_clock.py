"""Which picture of a film is taken: every container against films whose pictures tell their own numbers."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from made_films import change_display_matrix, coded, make_film, read_code, read_codes, without_presentation_times
from PIL import Image

from slowfast_vgen.data.adapters.base import UnusableError
from slowfast_vgen.data.adapters.clips import picture_times, read_clip, video_facts

NUM_PICTURES = 100
SIDES = (32, 32)
KINDS = [
    ("a.avi", "mpeg4", None, 0),
    ("b.avi", "mpeg4", None, 2),
    ("c.avi", "libx264", None, 2),
    ("d.avi", "mjpeg", None, 0),
    ("e.mpg", "mpeg1video", "mpeg", 2),
    ("f.mpg", "mpeg2video", "mpeg", 0),
    ("g.vob", "mpeg2video", "vob", 2),
    ("h.m2v", "mpeg2video", "mpeg2video", 2),
    ("i.h264", "libx264", "h264", 2),
    ("j.nut", "mpeg4", "nut", 2),
    ("k.ts", "libx264", "mpegts", 2),
    ("l.mp4", "libx264", "mp4", 2),
    ("m.mkv", "libx264", "matroska", 2),
    ("n.mov", "libx264", "mov", 2),
    ("o.flv", "libx264", "flv", 2),
    ("p.webm", "libvpx", "webm", 0),
    ("q.wmv", "wmv2", "asf", 0),
]  # fmt: skip


@pytest.mark.parametrize(("name", "codec", "container", "b_frames"), KINDS)
def test_every_picture_is_found_wherever_reading_begins(
    name: str, codec: str, container: str | None, b_frames: int, tmp_path: Path
) -> None:
    path = make_film(tmp_path / name, range(NUM_PICTURES), codec=codec, format=container, b_frames=b_frames)
    numbers = list(range(0, NUM_PICTURES, 3))
    assert [read_code(read_clip(path, [number / 25], SIDES)[0]) for number in numbers] == numbers
    assert read_codes(read_clip(path, np.arange(NUM_PICTURES) / 25, SIDES)) == list(range(NUM_PICTURES))
    facts = video_facts(path)
    assert (facts.start, facts.seconds, facts.fps) == (0, pytest.approx(4.0), 25)
    np.testing.assert_allclose(picture_times(path), np.arange(NUM_PICTURES) / 25, atol=1e-3)


@pytest.mark.parametrize("b_frames", [0, 2])
def test_a_program_stream_without_any_times_is_counted(b_frames: int, tmp_path: Path) -> None:
    path = make_film(tmp_path / "a.vob", range(60), codec="mpeg2video", format="vob", b_frames=b_frames)
    without_presentation_times(path)
    assert read_codes(read_clip(path, np.arange(60) / 25, SIDES)) == list(range(60))
    assert [read_code(read_clip(path, [number / 25], SIDES)[0]) for number in (0, 1, 29, 58)] == [0, 1, 29, 58]
    assert video_facts(path).seconds == pytest.approx(2.4)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov", "a.ts", "a.mpg"])
@pytest.mark.parametrize("lead", [1.0, 2.4])
def test_times_count_on_the_clock_that_sound_and_pictures_share(name: str, lead: float, tmp_path: Path) -> None:
    old = name.endswith("mpg")
    path = make_film(tmp_path / name, range(50), codec="mpeg2video" if old else "libx264", sound_lead=lead)
    assert [read_code(read_clip(path, [lead + 0.012 + number / 25], SIDES)[0]) for number in (0, 20, 40)] == [
        0,
        20,
        40,
    ]
    facts = video_facts(path)
    assert (facts.start, facts.seconds) == (pytest.approx(lead, abs=0.04), pytest.approx(lead + 2, abs=0.04))
    with pytest.raises(UnusableError, match="shows its first picture at") as caught:
        read_clip(path, [0.5, lead + 1], SIDES)
    assert caught.value.reason == "range-outside"


@pytest.mark.parametrize("codec", ["mpeg4", "libx264"])
def test_pictures_that_were_dropped_leave_the_others_at_their_times(codec: str, tmp_path: Path) -> None:
    kept = [number for number in range(60) if number not in (7, 20, 21, 22)]
    for name in ("a.mp4", "a.mkv", "a.avi"):
        path = make_film(tmp_path / name, kept, codec=codec, ticks=kept, b_frames=0)
        assert read_codes(read_clip(path, np.array([5, 6, 8, 19, 23, 40, 59]) / 25, SIDES)) == [
            5,
            6,
            8,
            19,
            23,
            40,
            59,
        ]
        assert read_code(read_clip(path, [21.6 / 25], SIDES)[0]) == 23


def test_a_rate_that_varies(tmp_path: Path) -> None:
    ticks = np.cumsum([0, *([1, 3, 1, 7, 2] * 10)]).tolist()
    path = make_film(tmp_path / "a.mkv", range(len(ticks)), ticks=ticks)
    for index in (0, 1, 13, 30, 50):
        assert read_code(read_clip(path, [ticks[index] / 25], SIDES)[0]) == index


def test_a_doubled_time_ends_no_film(tmp_path: Path) -> None:
    whole = make_film(tmp_path / "a.mkv", range(30), b_frames=0, codec="mjpeg")
    path = tmp_path / "b.mkv"
    with av.open(str(whole)) as source, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(packet for packet in source.demux(video=0) if packet.size):
            if number == 10:  # as written by recorders whose clock stood still for a moment
                packet.pts = packet.dts = packet.pts - 40
            packet.stream = stream
            out.mux(packet)
    assert read_codes(read_clip(path, np.array([8, 11, 20]) / 25, SIDES)) == [8, 11, 20]


def test_an_edit_list_hides_what_comes_before(tmp_path: Path) -> None:
    make_film(tmp_path / "a.mp4", range(50), b_frames=0)
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    place = data.index(b"elst") + 4 + 8  # version and flags, one entry; then the length and where it begins
    scale = int.from_bytes(data[data.index(b"mdhd") + 16 : data.index(b"mdhd") + 20], "big")
    data[place + 4 : place + 8] = (scale * 10 // 25).to_bytes(4, "big")
    (tmp_path / "b.mp4").write_bytes(data)
    assert read_codes(read_clip(tmp_path / "b.mp4", np.array([0, 1, 30]) / 25, SIDES)) == [10, 11, 40]
    assert len(picture_times(tmp_path / "b.mp4")) == 40


# ------------------------------------------------------------------------------------------------------------ the shape

TURNS = {
    (1, 0, 0, 1): lambda shown: shown,
    (-1, 0, 0, 1): np.fliplr,
    (1, 0, 0, -1): np.flipud,
    (-1, 0, 0, -1): lambda shown: np.rot90(shown, 2),
    (0, 1, -1, 0): lambda shown: np.rot90(shown, -1),
    (0, -1, 1, 0): np.rot90,
    (0, 1, 1, 0): lambda shown: shown.transpose(1, 0, 2),
    (0, -1, -1, 0): lambda shown: np.rot90(shown, 2).transpose(1, 0, 2),
}


@pytest.mark.parametrize("matrix", TURNS)
def test_all_eight_ways_to_hold_a_camera(matrix: tuple[int, int, int, int], tmp_path: Path) -> None:
    path = make_film(tmp_path / "a.mp4", [0b01100001] * 3)
    stored = read_clip(path, [0.0], (64, 64))[0]
    change_display_matrix(path, matrix)
    np.testing.assert_array_equal(read_clip(path, [0.0], (64, 64))[0], TURNS[matrix](stored))
    assert read_code(stored) == 0b01100001


@pytest.mark.parametrize(("width", "height", "aspect"), [(32, 64, 2), (64, 32, 0.5), (36, 64, 16 / 9), (64, 64, 4 / 3)])
@pytest.mark.parametrize("is_turned", [False, True])
def test_pixels_that_are_not_square_are_shown_in_shape(
    width: int, height: int, aspect: float, is_turned: bool, tmp_path: Path
) -> None:
    shown = np.array(Image.fromarray(coded(0b10010110, 640, round(640 * width / height * aspect))))
    stored = np.array(Image.fromarray(shown).resize((width, height), Image.Resampling.BOX))
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream: Any = container.add_stream("libx264", rate=10, options={"qp": "1"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv444p"
        stream.codec_context.sample_aspect_ratio = Fraction(aspect).limit_denominator(100)
        frame = av.VideoFrame.from_ndarray(stored, format="rgb24")
        container.mux([*stream.encode(frame), *stream.encode(None)])
    if is_turned:
        change_display_matrix(tmp_path / "a.mp4", (0, 1, -1, 0))
        shown = np.rot90(shown, -1)
    side = min(shown.shape[:2])
    top, left = (shown.shape[0] - side) // 2, (shown.shape[1] - side) // 2
    square = Image.fromarray(np.ascontiguousarray(shown[top : top + side, left : left + side]))
    wanted = np.array(square.resize((16, 16), Image.Resampling.BOX)).astype(int)
    found = read_clip(tmp_path / "a.mp4", [0.0], (16, 16))[0].astype(int)
    assert np.abs(found - wanted).mean() < 12
    assert np.abs(np.roll(found, 4, 1) - wanted).mean() > 30
