"""Video files: exact and playable round trips, interrupted writing, broken files."""

from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slowfast_vgen.data.video import VideoWriter, read_video, write_video
from slowfast_vgen.errors import UserError


def noise(num_frames: int, height: int = 16, width: int = 24) -> np.ndarray:
    return np.random.default_rng(num_frames).integers(0, 256, (num_frames, height, width, 3), dtype=np.uint8)


def smooth(num_frames: int = 8, side: int = 32) -> np.ndarray:
    time, y, x = np.meshgrid(np.arange(num_frames), np.arange(side), np.arange(side), indexing="ij")
    return np.stack([6 * x + 4 * time, 255 - 7 * y, 3 * (x + y)], axis=-1).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (63, 65), (64, 64)])
def test_lossless_round_trip_is_bit_exact(tmp_path: Path, size: tuple[int, int]) -> None:
    frames = noise(7, *size)
    write_video(tmp_path / "a.mp4", frames, fps=10, lossless=True)
    np.testing.assert_array_equal(read_video(tmp_path / "a.mp4"), frames)


def test_lossless_keeps_still_and_flat_frames(tmp_path: Path) -> None:
    frames = np.concatenate([np.full((40, 32, 32, 3), 17, np.uint8), np.full((300, 32, 32, 3), 255, np.uint8)])
    write_video(tmp_path / "a.mp4", frames, fps=30, lossless=True)
    np.testing.assert_array_equal(read_video(tmp_path / "a.mp4"), frames)


def test_default_plays_in_browsers_and_keeps_the_colours(tmp_path: Path) -> None:
    path, frames = tmp_path / "a.mp4", smooth()
    write_video(path, frames, fps=7.5)
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "the index must come first, so that a browser can start at once"
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt, int(context.colorspace)) == ("h264", "yuv420p", 1)
        assert float(container.streams.video[0].average_rate) == 7.5
    error = read_video(path).astype(float) - frames
    assert np.abs(error).mean() < 3
    assert np.abs(error.mean(axis=(0, 1, 2))).max() < 2, "a wrong colour matrix would shift the channels"


@pytest.mark.parametrize("name", ["a: b é.mp4", "100%d.mp4", "-y.mp4"])
def test_any_file_name(tmp_path: Path, name: str) -> None:
    write_video(tmp_path / name, noise(3), fps=10, lossless=True)
    np.testing.assert_array_equal(read_video(tmp_path / name), noise(3))


def test_ntsc_rate_is_kept(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", noise(3), fps=30000 / 1001)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].average_rate == pytest.approx(30000 / 1001, abs=1e-9)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
def test_interrupted_writing_leaves_a_finished_file(tmp_path: Path, stop: type[BaseException]) -> None:
    path, frames = tmp_path / "a.mp4", noise(9)
    with pytest.raises(stop), VideoWriter(path, fps=10, lossless=True) as writer:
        writer.write(frames[:4])
        writer.write(frames[4:6])
        raise stop
    np.testing.assert_array_equal(read_video(path), frames[:6])
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]


def test_nothing_written_leaves_nothing_and_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with pytest.raises(UserError, match="no frames"), VideoWriter(path, fps=10):
        pass
    assert list(tmp_path.iterdir()) == []
    write_video(path, noise(2), fps=10, lossless=True)
    with pytest.raises(KeyboardInterrupt), VideoWriter(path, fps=10):
        raise KeyboardInterrupt
    with pytest.raises(UserError, match="even sides"), VideoWriter(path, fps=10) as writer:
        writer.write(noise(2, 15, 16))
    np.testing.assert_array_equal(read_video(path), noise(2))
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]


def test_a_change_of_size_is_refused_and_keeps_the_frames_before(tmp_path: Path) -> None:
    refused = pytest.raises(UserError, match="holds frames of 16x24; frames of 16x16 do not fit")
    with refused, VideoWriter(tmp_path / "a.mp4", fps=10, lossless=True) as writer:
        writer.write(noise(3))
        writer.write(noise(3, 16, 16))
    np.testing.assert_array_equal(read_video(tmp_path / "a.mp4"), noise(3))


@pytest.mark.parametrize(
    ("frames", "fps", "name", "sentence"),
    [
        (noise(2).astype(np.float32), 10, "a.mp4", "float32"),
        (noise(2)[0], 10, "a.mp4", r"uint8 \[N, H, W, 3\]"),
        (noise(2)[..., :1], 10, "a.mp4", r"uint8 \[N, H, W, 3\]"),
        (noise(2)[:0], 10, "a.mp4", "no frames"),
        (noise(2), 0, "a.mp4", "0.1 to 1000"),
        (noise(2), float("nan"), "a.mp4", "0.1 to 1000"),
        (noise(2, 15, 16), 10, "a.mp4", "even sides"),
        (noise(2), 10, "a.avi", r"must end in \.mp4"),
    ],
)
def test_what_cannot_be_written(tmp_path: Path, frames: np.ndarray, fps: float, name: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        write_video(tmp_path / name, frames, fps)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        write_video(tmp_path / "file" / "a.mp4", noise(2), fps=10)


def test_a_full_disk_is_told_in_one_sentence() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    writer = VideoWriter(Path("unused.mp4"), fps=10)
    writer._temporary = Path("/dev/full")
    with pytest.raises(UserError, match="No space left"):
        writer.write(noise(400, 64, 64))
        raise writer._finish() or AssertionError("the disk was full")


def test_files_that_are_no_video(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no video file"):
        read_video(tmp_path / "none.mp4")
    with pytest.raises(UserError, match="there is no video file"):
        read_video(tmp_path)
    for content in (b"", b"hello\n" * 100, bytes(5000)):
        (tmp_path / "bad.mp4").write_bytes(content)
        with pytest.raises(UserError, match=r"cannot read the video|holds no"):
            read_video(tmp_path / "bad.mp4")


@pytest.mark.parametrize("lossless", [True, False])
def test_a_file_cut_anywhere_is_an_error(tmp_path: Path, lossless: bool) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, noise(20), fps=10, lossless=lossless)
    data = path.read_bytes()
    for length in range(0, len(data) - 1, len(data) // 40):
        path.write_bytes(data[:length])
        with pytest.raises(UserError) as caught:
            read_video(path)
    assert "of its 20 frames can be decoded" in str(caught.value)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_mutated_files_give_frames_or_a_user_error(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, noise(4), fps=10, lossless=data.draw(st.booleans()))
    content = bytearray(path.read_bytes())
    # Half the mutations go into the index, where they do most harm.
    index = content.index(b"moov")
    places = st.integers(0, len(content) - 1) | st.integers(index, min(index + 800, len(content) - 1))
    for place in data.draw(st.lists(places, min_size=1, max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        frames = read_video(path)
    except UserError:
        return
    assert frames.dtype == np.uint8
    assert frames.ndim == 4


def test_a_film_of_an_unknown_kind_is_told(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", noise(3), 10)
    (tmp_path / "b.mp4").write_bytes((tmp_path / "a.mp4").read_bytes().replace(b"avc1", b"zzzz"))
    with pytest.raises(UserError, match=r"b\.mp4"):
        read_video(tmp_path / "b.mp4")


def test_a_whole_video_that_is_stopped_leaves_the_older_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "video.mp4"
    frames = np.zeros((4, 16, 16, 3), np.uint8)
    write_video(path, frames, 10)
    before = path.read_bytes()
    encode, calls = VideoWriter._encode, iter(range(10))

    def stopped(writer: VideoWriter, image: object) -> None:
        if next(calls) == 2:
            raise KeyboardInterrupt
        encode(writer, image)  # type: ignore[arg-type]

    monkeypatch.setattr(VideoWriter, "_encode", stopped)
    with pytest.raises(KeyboardInterrupt):
        write_video(path, frames + 200, 10)
    assert path.read_bytes() == before and [each.name for each in tmp_path.iterdir()] == ["video.mp4"]
