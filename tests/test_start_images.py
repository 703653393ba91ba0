"""What a start image, a memory's name and an observation may be in the Python API."""

import io
import struct
import tracemalloc
import zlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from slowfast_vgen.errors import UserError
from slowfast_vgen.images import FORMATS, frame_from_image, picture_from_bytes
from slowfast_vgen.memory.config import MemoryConfig, RidgeConfig
from slowfast_vgen.plan.gym_env import from_gymnasium
from slowfast_vgen.presets.worlds import load

PIXELS = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def test_tensors_are_start_images_by_one_rule() -> None:
    plain = torch.from_numpy(PIXELS)
    for tensor in (
        plain,
        plain.permute(2, 0, 1),
        plain.permute(2, 0, 1) / 255,
        (plain / 255).double(),
        plain.half() / 255,
    ):
        np.testing.assert_array_equal(frame_from_image(tensor, 64, 64), PIXELS)
    wide = torch.zeros(3, 40, 80)
    wide[0] = 1
    np.testing.assert_array_equal(frame_from_image(wide, 16, 16)[..., 0], 255)
    for tensor, sentence in (
        (plain.permute(2, 0, 1) / 127.5 - 1, "floating-point values go from 0 to 1, got -1 to 1"),
        (plain.float(), "got 0 to 255; bring pixels from -1 to 1 there by"),
        (torch.full((3, 64, 64), float("nan")), "go from 0 to 1, got nan"),
        (plain.int(), "uint8 or holds floating-point values from 0 to 1, got int32"),
        (plain[None], "got .1, 64, 64, 3.; give one"),
        (torch.zeros(1, 64, 64), "got .1, 64, 64."),
    ):
        with pytest.raises(UserError, match=sentence):
            frame_from_image(tensor, 64, 64)
    with pytest.raises(UserError, match="a NoneType is no image"):
        frame_from_image(None, 64, 64)  # type: ignore[arg-type]


def test_a_world_starts_from_a_tensor_and_takes_memories_by_name() -> None:
    world = load("rooms-64")
    tensor = torch.from_numpy(PIXELS).permute(2, 0, 1)
    frames = world.start(tensor / 255, memory="on", num_sampling_steps=1).step("turn left")
    np.testing.assert_array_equal(frames, world.start(PIXELS, True, num_sampling_steps=1).step("turn left"))
    assert world.memory_config("on") == world.memory_config(True)
    assert world.memory_config("off") is None
    assert isinstance(world.memory_config("ridge"), MemoryConfig)
    assert world.memory_config(RidgeConfig()) == MemoryConfig(RidgeConfig())
    with pytest.raises(UserError, match="unknown memory 'yes'; choose one of on, off"):
        world.start(PIXELS, memory="yes")
    for wrong in (1, {"ridge": {}}, [True]):
        with pytest.raises(UserError, match="is no memory; give True, False, a name or a MemoryConfig"):
            world.start(PIXELS, memory=wrong)  # type: ignore[arg-type]


class Parts:
    """An environment whose observations have parts."""

    class action_space:  # noqa: N801
        n, start = 2, 0

    def __init__(self, observation: Any) -> None:
        self.observation = observation

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        return self.observation, {}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        return self.observation, 0.0, False, False, {}

    def render(self) -> Any:
        return [PIXELS // 2, PIXELS]


def test_observations_of_several_parts_give_their_picture() -> None:
    for observation in (
        (PIXELS, np.zeros(3)), (0, PIXELS), [PIXELS], {"image": PIXELS, "depth": np.zeros((64, 64, 1), np.uint8)},
    ):  # fmt: skip
        environment = from_gymnasium(Parts(observation), ["a", "b"])
        np.testing.assert_array_equal(environment.reset(0)[0], PIXELS)
        np.testing.assert_array_equal(environment.act("a"), np.stack([PIXELS] * 4))
    for observation, named in (
        ((np.zeros(3), 1), "none"),
        ((PIXELS, 2, PIXELS), "0, 2"),
        ({"x": PIXELS[..., 0]}, "none"),
    ):
        with pytest.raises(UserError, match=f"must hold one uint8 RGB picture, found {named}; wrap"):
            from_gymnasium(Parts(observation), ["a", "b"]).reset(0)
    rendered = from_gymnasium(Parts(0), ["a", "b"], image="render").reset(0)
    np.testing.assert_array_equal(rendered[0], PIXELS)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "TIFF", "BMP", "GIF", "PPM", "JPEG2000"])
def test_pictures_of_pixels_are_opened(kind: str, tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "x", kind)
    assert frame_from_image(tmp_path / "x", 64, 64).shape == (64, 64, 3)
    assert picture_from_bytes((tmp_path / "x").read_bytes(), "x").size == (64, 64)
    assert kind in FORMATS


def test_a_photo_of_several_pictures_shows_its_first(tmp_path: Path) -> None:
    """MPO, as telephones and 3D cameras write it; Pillow opens it as a JPEG and has no opener of that name."""
    Image.new("RGB", (64, 64), (200, 30, 60)).save(
        tmp_path / "x.jpg", "MPO", save_all=True, append_images=[Image.new("RGB", (64, 64))]
    )
    with Image.open(tmp_path / "x.jpg") as opened:
        assert (opened.format, opened.n_frames) == ("MPO", 2)  # type: ignore[attr-defined]
    assert np.abs(frame_from_image(tmp_path / "x.jpg", 64, 64).astype(int) - (200, 30, 60)).max() < 8


@pytest.mark.parametrize("kind", ["EPS", "PDF", "ICO", "TGA", "PCX", "XBM"])
def test_other_kinds_are_not_even_opened(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = Image.fromarray(PIXELS)
    picture = picture.convert("1") if kind in ("XBM",) else picture
    picture.save(tmp_path / "x.png", kind)
    called: list[Any] = []
    monkeypatch.setattr("subprocess.check_call", lambda *words, **more: called.append(words))
    for read in (lambda: frame_from_image(tmp_path / "x.png", 64, 64),
                 lambda: picture_from_bytes((tmp_path / "x.png").read_bytes(), "x")):  # fmt: skip
        with pytest.raises(UserError, match="is not an image that can be read"):
            read()
    assert called == []


def test_the_size_of_a_picture_is_asked_before_memory_is_taken(tmp_path: Path) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    for side in (20_000, 10**9):
        head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
        data = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b"")
        (tmp_path / "x.png").write_bytes(data)
        tracemalloc.start()
        with pytest.raises(UserError, match="is damaged or too large"):
            frame_from_image(tmp_path / "x.png", 64, 64)
        with pytest.raises(UserError, match="is damaged or too large"):
            picture_from_bytes(data, "x")
        assert tracemalloc.get_traced_memory()[1] < 10**7
        tracemalloc.stop()


def test_a_turned_photo_inside_a_record_is_upright() -> None:
    frames = np.zeros((64, 64, 3), np.uint8)
    frames[:32] = 200
    marks = Image.Exif()
    marks[0x0112] = 6  # turn clockwise
    out = io.BytesIO()
    Image.fromarray(frames).save(out, "JPEG", exif=marks, quality=95)
    upright = np.asarray(picture_from_bytes(out.getvalue(), "x"))
    assert upright[:, 40:].min() > 150 > 50 > upright[:, :24].max()


def test_a_photo_of_a_telephone_is_read_or_told(tmp_path: Path) -> None:
    path = tmp_path / "photo.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200))
    if find_spec("pillow_heif") is None:
        with pytest.raises(UserError, match=r"is a HEIF photo, .*; run: pip install pillow-heif, or save it as JPEG"):
            frame_from_image(path, 64, 64)
        return
    import pillow_heif

    pillow_heif.from_pillow(Image.fromarray(np.full((64, 64, 3), (200, 40, 90), np.uint8))).save(path, quality=95)
    assert np.abs(frame_from_image(path, 64, 64).astype(int) - (200, 40, 90)).max() < 12
