"""What a user can get wrong with `slowfast generate`: each is told in one sentence, and nothing is left behind."""

import errno
import json
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from slowfast_vgen.cli.main import main
from slowfast_vgen.data.video import read_video
from slowfast_vgen.errors import UserError
from slowfast_vgen.files import read_json, sha256_of_file
from slowfast_vgen.images import frame_from_image
from slowfast_vgen.memory import sessions, store
from slowfast_vgen.models.world_model import WorldModelConfig, WorldWeights
from slowfast_vgen.sealed import own_hash, write_record

WEIGHTS = "denoiser/diffusion_pytorch_model.safetensors"


@pytest.fixture
def start_image(tmp_path: Path) -> Path:
    path = tmp_path / "start.png"
    Image.new("RGB", (64, 64), (200, 30, 60)).save(path)
    return path


@pytest.fixture
def world_copy(tiny_world_folder: Path, tmp_path: Path) -> Path:
    """A world to damage."""
    return Path(shutil.copytree(tiny_world_folder, tmp_path / "copy"))


@pytest.fixture(scope="module")
def saved_session(tiny_world_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session of two chunks with memory. Read it; a test that damages a session copies it first."""
    folder = tmp_path_factory.mktemp("saved")
    Image.new("RGB", (64, 64), (200, 30, 60)).save(folder / "start.png")
    words = ["--image", str(folder / "start.png"), "--actions", "turn left x2", "--steps", "1"]
    words += ["--out", str(folder / "out.mp4"), "--save-memory", str(folder / "session")]
    assert main(["generate", "--model", str(tiny_world_folder), *words]) == 0
    return folder / "session"


@pytest.fixture
def session_copy(saved_session: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved_session, tmp_path / "session"))


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., str]]:
    """Runs a command that must fail with one sentence and leave the test's folder as it was; returns the sentence."""

    def run(*words: str | Path) -> str:
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        capsys.readouterr()
        assert main([str(word) for word in words]) == 2
        captured = capsys.readouterr()
        lines = captured.err.splitlines()
        sentence = lines[-1]
        assert captured.out == ""
        assert "error: " in sentence
        assert all(line.startswith(("usage:", " ")) for line in lines[:-1]), captured.err  # argparse's own reminder
        assert len(sentence) < 600 + 3 * len(str(tmp_path))
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
        return sentence

    yield run


def command(world: Path, tmp_path: Path, **options: object) -> list[str]:
    """A sound command, some of its options changed or (None) taken away; names have underscores for hyphens."""
    given = {"model": world, "image": tmp_path / "start.png", "actions": "turn left", "out": tmp_path / "out.mp4"}
    words = ["generate"]
    for name, value in (given | options).items():
        if value is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return words


# -------------------------------------------------------------------------------------------------------------- images


def png_header(width: int, height: int) -> bytes:
    """A PNG file that claims a size and holds hardly any data."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"")
    chunks = (struct.pack(">I", len(each) - 4) + each + struct.pack(">I", zlib.crc32(each)) for each in (body, data))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_images_that_cannot_be_used(
    tiny_world_folder: Path, tmp_path: Path, refused: Callable[..., str], start_image: Path
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "whole.png")
    whole = (tmp_path / "whole.png").read_bytes()
    Image.fromarray(noise).save(tmp_path / "whole.jpg")
    contents = {
        "text.png": (b"not an image at all", "is not an image that can be read; give a PNG or JPEG file"),
        "empty.png": (b"", "is not an image that can be read"),
        "cut.png": (whole[: len(whole) // 2], "is damaged"),
        "cut.jpg": ((tmp_path / "whole.jpg").read_bytes()[:900], "is damaged"),
        "flipped.png": (whole[:2000] + bytes([whole[2000] ^ 1]) + whole[2001:], "is damaged"),
        "huge.png": (png_header(40_000, 40_000), "too large"),
        "wide.png": (png_header(16_000, 9_000), "80 million pixels at most"),
        "zero.png": (png_header(0, 10), "give"),
    }
    for name, (data, told) in contents.items():
        (tmp_path / name).write_bytes(data)
        sentence = refused(*command(tiny_world_folder, tmp_path, image=tmp_path / name))
        assert f"{tmp_path / name} is " in sentence, sentence
        assert told in sentence, sentence
    Image.new("RGB", (200, 7)).save(tmp_path / "flat.png")
    assert "flat.png is 200x7; give an image with sides of 8 to 16384 pixels" in refused(
        *command(tiny_world_folder, tmp_path, image=tmp_path / "flat.png")
    )
    Image.fromarray(np.zeros((64, 64), np.float32)).save(tmp_path / "float.tiff")
    assert "floating-point pixels" in refused(*command(tiny_world_folder, tmp_path, image=tmp_path / "float.tiff"))
    for missing in (tmp_path / "missing.png", tmp_path, Path("/dev/null"), start_image / "below.png"):
        sentence = refused(*command(tiny_world_folder, tmp_path, image=missing))
        assert f"there is no image file {missing}; check the path" in sentence


def gradient(mode: str) -> Image.Image:
    """The same picture from dark to bright in any mode."""
    ramp = np.tile(np.linspace(0, 255, 64).round().astype(np.uint8), (64, 1))
    if mode == "I;16":
        return Image.fromarray(ramp.astype(np.uint16) * 257)
    grey = Image.fromarray(ramp)
    return grey.convert("RGB").convert(mode) if mode in ("CMYK", "RGBA", "YCbCr") else grey.convert(mode)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        *[(mode, ".png") for mode in ("L", "LA", "RGBA", "P", "I;16")],
        *[(mode, ".tiff") for mode in ("L", "I;16", "I", "CMYK")],
        *[("P", ".gif"), ("CMYK", ".jpg"), ("YCbCr", ".jpg"), ("L", ".webp"), ("RGBA", ".webp")],
    ],
)
def test_every_mode_gives_the_same_picture(mode: str, suffix: str, tmp_path: Path) -> None:
    picture = gradient("I;16").convert("I") if mode == "I" else gradient(mode)
    picture.save(tmp_path / f"a{suffix}")
    frame = frame_from_image(tmp_path / f"a{suffix}", 64, 64)
    expected = np.asarray(gradient("L").convert("RGB"), int)
    assert frame.dtype == np.uint8
    assert np.abs(frame - expected).mean() < 3


def test_transparent_pixels_are_black_and_rotation_marks_obeyed(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (64, 64), (255, 255, 255, 0))
    clear.save(tmp_path / "clear.png")
    assert frame_from_image(tmp_path / "clear.png", 64, 64).max() == 0
    palette = Image.new("P", (64, 64), 1)
    palette.putpalette([255, 255, 255] * 2)
    palette.save(tmp_path / "palette.png", transparency=1)
    assert frame_from_image(tmp_path / "palette.png", 64, 64).max() == 0
    halves = np.zeros((64, 64, 3), np.uint8)
    halves[:32] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.fromarray(halves).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(frame_from_image(tmp_path / "turned.png", 64, 64), halves[::-1])


def test_other_sizes_are_cut_to_their_middle_and_resized() -> None:
    wide = np.zeros((64, 192, 3), np.uint8)
    wide[:, 64:128] = 255
    assert frame_from_image(wide, 64, 64).min() == 255
    large = np.kron(np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8), np.ones((4, 4), np.uint8))
    large = np.repeat(large[..., None], 3, axis=2)
    assert np.array_equal(frame_from_image(large, 64, 64), large[::4, ::4])  # area-averaged
    assert frame_from_image(large[:8, :8].copy(), 64, 64).shape == (64, 64, 3)
    assert frame_from_image(large, 32, 64).shape == (32, 64, 3)
    for wrong in (large.astype(np.float32), large[..., 0], large[..., :2]):
        with pytest.raises(UserError, match="a start image is uint8"):
            frame_from_image(wrong, 64, 64)


# ------------------------------------------------------------------------------------------------- actions and options


def test_actions_that_cannot_be_carried_out(
    tiny_world_folder: Path, tmp_path: Path, refused: Callable[..., str], start_image: Path
) -> None:
    for actions, told in {
        "": "--actions holds no action",
        " ; ;": "--actions holds no action",
        "turn left;;go": "action 2 of 3 in --actions is empty",
        "turn left; \u200b": "has no visible character",
        "word " * 10_000: "characters; shorten it to at most 1000",
        "go forward; " + "on and " * 40: "tokens; shorten it to at most 32",
        "turn left x0": "too many or no chunks",
        "turn left x99999999999999999999": "too many or no chunks",
        "go \udcff": "is not valid Unicode text",
    }.items():
        assert told in refused(*command(tiny_world_folder, tmp_path, actions=actions))


def test_files_of_actions_that_cannot_be_used(
    tiny_world_folder: Path, tmp_path: Path, refused: Callable[..., str], start_image: Path
) -> None:
    for name, content, told in (
        ("empty", b"", "holds no action; write one a line"),
        ("comments", b"# turn left\n\n   \n", "holds no action"),
        ("latin", "gehe vorwärts".encode("latin-1"), "is not UTF-8 text (at byte 9)"),
        ("long", b"turn left\n" + b"word " * 10_000, "characters; shorten it"),
        ("large", b"turn left\n" * 1_100_000, "bytes; give one of at most"),
    ):
        (tmp_path / name).write_bytes(content)
        assert told in refused(*command(tiny_world_folder, tmp_path, actions=None, actions_file=tmp_path / name))
    for missing in (tmp_path / "missing", tmp_path):
        sentence = refused(*command(tiny_world_folder, tmp_path, actions=None, actions_file=missing))
        assert f"there is no file of actions {missing}" in sentence


def test_options_that_are_out_of_range_or_contradict(
    tiny_world_folder: Path, tmp_path: Path, refused: Callable[..., str], start_image: Path, saved_session: Path
) -> None:
    for options, told in (
        ({"seed": -1}, "'-1' is not a whole number from 0 to 2147483647"),
        ({"seed": 2**31}, "'2147483648' is not a whole number"),
        ({"seed": 1.5}, "'1.5' is not a whole number"),
        ({"seed": "nan"}, "'nan' is not a whole number"),
        ({"seed": "9" * 5000}, "is not a whole number"),
        ({"steps": 0}, "'0' is not a whole number from 1 to 1000"),
        ({"scale": 0}, "'0' is not a whole number from 1 to 32"),
        ({"memory": "maybe"}, "invalid choice: 'maybe'"),
        ({"image": None}, "one of the arguments --image --load-memory is required"),
        ({"load_memory": saved_session}, "not allowed with argument --image"),
        ({"actions_file": start_image}, "not allowed with argument --actions"),
        ({"image": None, "load_memory": saved_session, "memory": "off"}, "goes on with --memory on; leave the option"),
        ({"image": None, "load_memory": saved_session, "seed": 1}, "goes on with --seed 0; leave the option away"),
        ({"image": None, "load_memory": saved_session, "steps": 9}, "goes on with --steps 1; leave the option away"),
        ({"out": ""}, "'' cannot be the name of a file"),
        ({"image": "a" * 5000}, "cannot be the name of a file: it is empty or too long"),
    ):
        assert told in refused(*command(tiny_world_folder, tmp_path, **options))


def test_places_that_cannot_be_written_are_refused_before_the_work(
    tiny_world_folder: Path, tmp_path: Path, refused: Callable[..., str], start_image: Path
) -> None:
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/notes.txt").write_text("mine")
    below_file = start_image / "below/out.mp4"
    never = tmp_path / "never.png"  # refused for the place, before the missing image is seen
    for options, told in (
        ({"out": tmp_path / "folder.mp4"}, "a folder of that name is there; choose another name"),
        ({"out": below_file}, f"{start_image} is a file, not a folder; choose another place"),
        ({"out": "/proc/no/out.mp4"}, "cannot write /proc/no/out.mp4 (/proc: "),
        ({"out": tmp_path / "out.avi"}, "its name must end in .mp4"),
        ({"json": tmp_path / "full"}, "a folder of that name is there"),
        ({"json": below_file}, "is a file, not a folder"),
        ({"save_memory": tmp_path / "full"}, "holds other files (notes.txt) and would be replaced; give a new folder"),
        ({"save_memory": start_image}, "a file of that name is there"),
        ({"save_memory": below_file}, "is a file, not a folder"),
        ({"save_memory": "/proc/no"}, "cannot write /proc"),
        ({"save_memory": tmp_path / "s", "out": tmp_path / "s/out.mp4"}, "which --save-memory replaces as a whole"),
        ({"save_memory": tmp_path / "s", "json": tmp_path / "s/a.json"}, "which --save-memory replaces as a whole"),
    ):
        assert told in refused(*command(tiny_world_folder, tmp_path, image=never, **options))
    assert (tmp_path / "full/notes.txt").read_text() == "mine"


def test_a_full_disk_is_told(refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "data"))

    monkeypatch.setattr("slowfast_vgen.data.format.DatasetWriter.__init__", full)
    words = ["data", "make", "--env", "vizdoom-rooms", "--episodes", "1", "--out", tmp_path / "data"]
    assert f"{tmp_path / 'data'} cannot be read or written (No space left on device)" in refused(*words)


@pytest.mark.parametrize("command", ["check", "info"])
def test_a_name_that_no_file_can_have_is_told(refused: Callable[..., str], command: str) -> None:
    assert "cannot be the name of a file" in refused("data", command, "x" * 300)


def test_an_older_session_with_other_files_in_it_is_not_replaced(session_copy: Path) -> None:
    for place in (session_copy, session_copy / "memory"):
        (place / "diary.txt").touch()
        with pytest.raises(UserError, match=r"holds other files \((memory/)?diary.txt\)"):
            sessions.check_session_target(session_copy)
        (place / "diary.txt").unlink()
    sessions.check_session_target(session_copy)


# -------------------------------------------------------------------------------------------------------------- worlds


def test_worlds_that_are_not_there(tmp_path: Path, refused: Callable[..., str], start_image: Path) -> None:
    (tmp_path / "empty").mkdir()
    for world, told in (
        ("mars-64", "unknown world 'mars-64'; shipped are: "),
        (start_image, "unknown world"),
        (tmp_path / "empty", "holds no world (no model_index.json); give a folder that `slowfast models pack` wrote"),
        ("w" * 5000, "cannot look for the world"),
        ("", "unknown world ''"),
    ):
        assert told in refused(*command(world, tmp_path))


def resealed(folder: Path, **changes: object) -> None:
    """Changes entries of the index, or of the settings in it, and brings its checksums up to date."""
    for part in folder.glob("*/seal.json"):
        resealed_header(part.parent, part.name, {})
    index = read_json(folder / "model_index.json")
    for name, value in changes.items():
        target = index if name in index else index["world"]
        target[name] = value
    if "sha256" not in changes:
        index["sha256"] = {name: sha256_of_file(folder / name) for name in index["sha256"]}
    index["header_sha256"] = own_hash(index)
    (folder / "model_index.json").write_text(json.dumps(index))


def test_damaged_weights(world_copy: Path, tmp_path: Path, refused: Callable[..., str], start_image: Path) -> None:
    whole = (world_copy / WEIGHTS).read_bytes()
    middle = len(whole) // 2
    for data in (whole[:middle], whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :], b""):
        (world_copy / WEIGHTS).write_bytes(data)
        assert f"{WEIGHTS} is damaged: its SHA-256 is not the one" in refused(*command(world_copy, tmp_path))
    # Even where someone has brought the checksums up to date:
    for data in (whole[:middle], b""):
        (world_copy / WEIGHTS).write_bytes(data)
        resealed(world_copy)
        assert "is no readable safetensors file" in refused(*command(world_copy, tmp_path))
    (world_copy / WEIGHTS).unlink()
    assert f"{WEIGHTS} is missing from the world" in refused(*command(world_copy, tmp_path))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"format_version": 2}, "it gives format_version as 2, not 1"),
        ({"format_version": None}, "it gives format_version as None"),
        ({"sha256": {}}, "no SHA-256 names it"),
        ({"sha256": "none"}, "model_index.json names no files"),
        ({"world": {}}, "does not give a world's settings"),
        ({"world": [1]}, "it gives world as [1]"),
        ({"wheels": 4}, "unexpected keyword argument 'wheels'"),
        ({"fps": 0}, "the world's setting fps is 0; give a number"),
        ({"fps": float("nan")}, "the world's setting fps is nan"),
        ({"num_new_frames": 4.5}, "the world's setting num_new_frames is 4.5; give a whole number"),
        ({"num_new_frames": -4}, "give a number above 0"),
        ({"target": "magic"}, "choose one of epsilon, v_prediction, flow"),
        ({"memory": {"speed": 1}}, "the memory's settings"),
        ({"memory": {"lora": 4}}, "the memory's settings"),
        ({"memory": {"lora": {"learning_rate": "fast"}}}, "the memory's settings"),
        ({"memory": {"lora": {"lora": {"layers": ["nowhere"]}}}}, "has no linear layer named nowhere"),
        ({"memory": {"ridge": {"ridge": 0}}}, "ridge of a ridge memory must be above 0"),
        ({"memory": {"ridge": {}}}, "has no addresses for a ridge memory"),
        ({"frame_width": 60}, "multiples of 8"),
    ],
)
def test_settings_of_a_world_that_cannot_be(
    world_copy: Path,
    tmp_path: Path,
    refused: Callable[..., str],
    start_image: Path,
    changes: dict[str, object],
    told: str,
) -> None:
    resealed(world_copy, **changes)
    assert told in refused(*command(world_copy, tmp_path))


def test_parts_of_a_world_that_cannot_be_read(
    world_copy: Path, tmp_path: Path, refused: Callable[..., str], start_image: Path
) -> None:
    for name, content, told in (
        ("denoiser/config.json", "[]", "holds no JSON object"),
        ("denoiser/config.json", '{"_class_name": "Dit"}', "holds a denoiser of the class 'Dit'"),
        ("codec/latent_statistics.json", "{}", "does not fit its codec"),
        ("codec/latent_statistics.json", '{"fold": 2, "mean": [1], "std": "a"}', "does not fit its codec"),
        ("codec/config.json", "{", "is not valid JSON"),
    ):
        kept = (world_copy / name).read_bytes()
        (world_copy / name).write_text(content)
        resealed(world_copy)
        assert told in refused(*command(world_copy, tmp_path))
        (world_copy / name).write_bytes(kept)
    (world_copy / "model_index.json").write_text("{")
    assert "is not valid JSON" in refused(*command(world_copy, tmp_path))


# ------------------------------------------------------------------------------------------------------------ sessions


def test_folders_that_hold_no_session(
    tiny_world_folder: Path, tmp_path: Path, refused: Callable[..., str], start_image: Path
) -> None:
    for folder in (tmp_path, tmp_path / "missing", start_image, tiny_world_folder):
        sentence = refused(*command(tiny_world_folder, tmp_path, image=None, load_memory=folder))
        assert f"{folder} holds no saved session (no session.json); give a folder that --save-memory wrote" in sentence


SESSION_FILES = [
    "session.json",
    "session.safetensors",
    *(f"memory/{name}" for name in store.FILES),
]


@pytest.mark.parametrize("name", SESSION_FILES)
def test_a_flipped_bit_in_any_file_of_a_session_is_found(
    tiny_world_folder: Path, tmp_path: Path, refused: Callable[..., str], session_copy: Path, name: str
) -> None:
    run = command(tiny_world_folder, tmp_path, image=None, load_memory=session_copy)
    path = session_copy / name
    whole = path.read_bytes()
    places = [len(whole) * part // 7 for part in range(7)]
    if name.endswith(("session.json", "memory.json")):
        places = [index for index, byte in enumerate(whole) if chr(byte).isdigit()][::9]  # a digit into another digit
    for place in places if name.endswith(("session.json", "memory.json")) else places[::3]:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        sentence = refused(*run)
        assert any(told in sentence for told in ("is damaged", "is not valid JSON", "format version")), sentence
    path.write_bytes(whole[: len(whole) // 2])
    refused(*run)
    path.unlink()
    assert name in refused(*run)


def reheaded(session: Path, **changes: object) -> None:
    """Changes a session's header and brings all its checksums up to date; None takes an entry away."""
    resealed_header(session / "memory", "memory.json", {})
    resealed_header(session, "session.json", changes)


def resealed_header(folder: Path, name: str, changes: dict[str, object]) -> None:
    header = read_json(folder / name) | changes
    header = {key: value for key, value in header.items() if key not in changes or value is not None}
    if "sha256" in header:
        header["sha256"] = {file: sha256_of_file(folder / file) for file in header["sha256"]}
    write_record(folder / name, header)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"version": 1}, "is no saved session of format version 2"),
        ({"format": "slowfast-dataset"}, "is no saved session of format version 2"),
        (
            {"base_sha256": "0" * 64},
            "was learned on other weights (world 'tiny@1', 000000000000) than those of 'tiny@1'",
        ),
        ({"seed": 1.5}, "gives seed as 1.5, which no saved session has"),
        ({"seed": -1}, "gives seed as -1"),
        ({"seed": True}, "gives seed as True"),
        ({"seed": 2**40}, "gives seed as"),
        ({"num_chunks": None}, "does not give num_chunks"),
        ({"num_sampling_steps": 0}, "sampling takes 1 to 1000 steps"),
        ({"sha256": None}, "session.json names no files"),
        ({"memory": []}, "gives memory as []"),
        ({"memory": {"lora": {"lora": {"rank": 8}}}}, "was written with other settings"),
        ({"memory": {"lora": {"lora": {"rank": "four"}}}}, "the memory's settings"),
    ],
)
def test_headers_that_no_session_has(
    tiny_world_folder: Path,
    tmp_path: Path,
    refused: Callable[..., str],
    session_copy: Path,
    changes: dict[str, object],
    told: str,
) -> None:
    reheaded(session_copy, **changes)
    assert told in refused(*command(tiny_world_folder, tmp_path, image=None, load_memory=session_copy))


def test_a_header_that_is_no_object(
    tiny_world_folder: Path, tmp_path: Path, refused: Callable[..., str], session_copy: Path
) -> None:
    for content in (b"[]", b"null", b"\xff\xfe", b"{", b"{}", b"[" * 100_000):
        (session_copy / "session.json").write_bytes(content)
        refused(*command(tiny_world_folder, tmp_path, image=None, load_memory=session_copy))


@pytest.mark.parametrize(
    ("name", "key", "value", "told"),
    [
        ("session.safetensors", "history", torch.full((1, 4, 8, 8, 8), torch.nan), "holds values that are not finite"),
        ("session.safetensors", "history", torch.zeros(1, 4, 8, 4, 4), "do not fit the world"),
        ("session.safetensors", "history", torch.zeros(2, 4, 8, 8, 8), "do not fit the world"),
        ("session.safetensors", "history", torch.zeros(3), "do not fit the world"),
        ("session.safetensors", "history", torch.zeros(1, 4, 8, 8, 8, dtype=torch.int64), "do not fit the world"),
        ("session.safetensors", "history", None, "cannot be read"),
        ("memory/memory.safetensors", "optimizer/0/exp_avg", torch.zeros(2, 2), "does not fit"),
        ("memory/memory.safetensors", "optimizer/0/exp_avg", torch.tensor(torch.inf), "not finite"),
        ("memory/memory.safetensors", "optimizer/999/exp_avg", torch.zeros(1), "does not fit"),
        ("memory/memory.safetensors", "optimizer/1/exp_avg", torch.zeros(1), "does not fit"),
        ("memory/adapter_model.safetensors", "odd", torch.zeros(1), "cannot be read"),
    ],
)
def test_tensors_that_no_session_has_under_right_checksums(
    tiny_world_folder: Path,
    tmp_path: Path,
    refused: Callable[..., str],
    session_copy: Path,
    name: str,
    key: str,
    value: torch.Tensor | None,
    told: str,
) -> None:
    tensors = load_file(session_copy / name)
    tensors.pop(key, None)
    save_file(tensors | ({} if value is None else {key: value}), session_copy / name)
    reheaded(session_copy)
    assert told in refused(*command(tiny_world_folder, tmp_path, image=None, load_memory=session_copy))


def test_a_memory_of_other_weights(
    tiny_world_folder: Path, tmp_path: Path, refused: Callable[..., str], saved_session: Path
) -> None:
    model = WorldWeights.load(tiny_world_folder)
    next(iter(model.denoiser.parameters())).data += 1
    other = WorldWeights(WorldModelConfig("other"), model.codec, model.denoiser, model.text_encoder)
    other.save(tmp_path / "other")
    sentence = refused(*command(tmp_path / "other", tmp_path, image=None, load_memory=saved_session))
    assert "was learned on other weights (world 'tiny@1'" in sentence
    assert "than those of 'other@1'" in sentence


def test_a_refused_run_keeps_the_file_that_was_there(
    tiny_world_folder: Path, tmp_path: Path, refused: Callable[..., str], start_image: Path
) -> None:
    words = command(tiny_world_folder, tmp_path)
    assert main(words) == 0
    before = read_video(tmp_path / "out.mp4")
    refused(*command(tiny_world_folder, tmp_path, actions="turn left; ;go"))
    assert np.array_equal(read_video(tmp_path / "out.mp4"), before)
