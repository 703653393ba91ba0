from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from slowfast_vgen.errors import UserError
from slowfast_vgen.pictures import Panel, contact_sheet, save_animation, save_picture, side_by_side, upscaled


def coloured(*colours: tuple[int, int, int]) -> np.ndarray:
    return np.stack([np.full((16, 16, 3), colour, np.uint8) for colour in colours])


RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def test_upscaling_makes_squares_of_pixels() -> None:
    frames = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)
    large = upscaled(frames, 3)
    assert large.shape == (2, 9, 12, 3)
    assert np.array_equal(large[:, 1::3, 2::3], frames)
    assert np.array_equal(upscaled(frames, 1), frames)


def test_a_contact_sheet_shows_each_frame_once_in_rows_and_columns() -> None:
    rows = [Panel("above", coloured(RED, GREEN)), Panel("a long label below", coloured(BLUE, RED))]
    sheet = contact_sheet(rows, ["start", "frame 1\nturn left"], factor=3)
    for colour, count in ((RED, 2), (GREEN, 1), (BLUE, 1)):
        assert (sheet == colour).all(-1).sum() == count * 48 * 48
    above, below = (np.argwhere((sheet == colour).all(-1)) for colour in (GREEN, BLUE))
    assert above[:, 0].max() < below[:, 0].min()
    assert below[:, 1].max() < above[:, 1].min()
    assert (sheet[:, : below[:, 1].min()] < 128).any()  # labels on the left
    assert (sheet[: above[:, 0].min()] < 128).any()  # and above


def test_side_by_side_has_even_sides_and_one_caption_a_frame() -> None:
    one, two, three = (Panel("label", coloured(colour, colour)) for colour in (RED, GREEN, BLUE))
    captions = ["start image", "frame 1: turn left and go on for ever and ever"]
    video = side_by_side([[one], [two, three]], captions, factor=3)
    assert video.dtype == np.uint8
    assert len(video) == 2
    assert video.shape[1] % 2 == video.shape[2] % 2 == 0
    for colour in (RED, GREEN, BLUE):
        assert ((video == colour).all(-1).sum((1, 2)) == 48 * 48).all()
    top, left, right = (np.argwhere((video[0] == colour).all(-1)) for colour in (RED, GREEN, BLUE))
    assert top[:, 0].max() < left[:, 0].min() == right[:, 0].min()
    assert left[:, 1].max() < right[:, 1].min()
    centre = (top[:, 1].min() + top[:, 1].max()) / 2
    assert abs(centre - (left[:, 1].min() + right[:, 1].max()) / 2) <= 1
    differing = np.argwhere((video[0] != video[1]).any(-1))
    assert differing[:, 0].min() > left[:, 0].max()  # only the caption changes, below all panels


def test_panels_of_another_length_are_a_mistake_of_the_program() -> None:
    with pytest.raises(AssertionError):
        side_by_side([[Panel("a", coloured(RED))]], ["one", "two"])
    with pytest.raises(AssertionError):
        contact_sheet([Panel("a", coloured(RED))], ["one", "two"])


def test_a_picture_is_kept_bit_for_bit(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    save_picture(tmp_path / "new/a.png", picture)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "new/a.png")), picture)
    with pytest.raises(UserError, match=r"must end in .png"):
        save_picture(tmp_path / "a.jpg", picture)


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp"])
def test_an_animation_keeps_frames_and_pace(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    save_animation(path, coloured(RED, GREEN, BLUE), 10, 100_000)
    with Image.open(path) as animation:
        assert animation.n_frames == 3
        for index, colour in enumerate((RED, GREEN, BLUE)):
            animation.seek(index)
            animation.load()
            assert animation.info["duration"] == 100
            assert np.abs(np.asarray(animation.convert("RGB"), int) - colour).max() < 12


def test_an_animation_is_made_small_enough_or_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (16, 32, 32, 3), dtype=np.uint8)
    save_animation(tmp_path / "a.gif", noise, 10, 10**6)
    full = (tmp_path / "a.gif").stat().st_size
    save_animation(tmp_path / "b.gif", noise, 10, full // 3)
    assert (tmp_path / "b.gif").stat().st_size <= full // 3
    with Image.open(tmp_path / "b.gif") as animation:
        assert animation.n_frames * animation.info["duration"] == 1600  # fewer frames, as long a time
    with pytest.raises(UserError, match="would be larger than 100 bytes"):
        save_animation(tmp_path / "c.gif", noise, 10, 100)
    with pytest.raises(UserError, match=r"must end in .gif"):
        save_animation(tmp_path / "c.mp4", noise, 10, 10**6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.gif", "b.gif"]
