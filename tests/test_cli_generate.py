"""`slowfast generate`, `slowfast demo` and `slowfast models`: what they make when all goes well."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import pack_tiny_world
from made_results import by_name
from PIL import Image

from slowfast_bench import demo
from slowfast_envs.vizdoom.engine import VizdoomEngine
from slowfast_vgen.cli import action_list
from slowfast_vgen.cli.main import main
from slowfast_vgen.data.video import read_video
from slowfast_vgen.errors import UserError
from slowfast_vgen.files import read_json
from slowfast_vgen.memory.fast_learning import FastLearner
from slowfast_vgen.models.codec import Codec
from slowfast_vgen.models.settings import CodecConfig
from slowfast_vgen.models.text import TextEncoder
from slowfast_vgen.models.video_transformer import VideoTransformer
from slowfast_vgen.models.world_model import WorldWeights
from slowfast_vgen.presets import worlds
from slowfast_vgen.rollout import WorldModel

SOURCE = Path(__file__).parents[1] / "src"


@pytest.fixture
def start_image(tmp_path: Path) -> Path:
    path = tmp_path / "start.png"
    rows, columns = np.mgrid[:64, :64].astype(np.uint8)
    Image.fromarray(np.stack([4 * rows, 4 * columns, 255 - 4 * rows], axis=-1)).save(path)
    return path


def generate(world: Path, out: Path, *words: str) -> int:
    return main(["generate", "--model", str(world), "--out", str(out), "--steps", "2", *words])


def test_a_video_holds_the_start_image_and_four_frames_an_action(
    tiny_world_folder: Path, start_image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, figures = tmp_path / "new/out.mp4", tmp_path / "out.json"
    words = ["--image", str(start_image), "--actions", "turn left x2; go forward;", "--seed", "5"]
    words += ["--json", str(figures)]
    assert generate(tiny_world_folder, out, *words) == 0
    assert re.fullmatch(rf"12 frames in [0-9.]+ s, [0-9.]+ frames/s \(.*\): {out}\n", capsys.readouterr().out)
    video = read_video(out)
    assert video.shape == (13, 256, 256, 3)
    shown = np.asarray(Image.open(start_image)).repeat(4, 0).repeat(4, 1)
    assert np.abs(video[0].astype(int) - shown).mean() < 6
    results = read_json(figures)
    assert by_name(results)["frames"]["mean"] == 12
    assert results["protocol"]["actions"] == ["turn left", "turn left", "go forward"]
    assert {name: results["protocol"][name] for name in ("memory", "seed", "steps")} == {
        "memory": "on",
        "seed": 5,
        "steps": 2,
    }
    assert [path.name for path in out.parent.iterdir()] == ["out.mp4"]


def test_the_same_seed_gives_the_same_file_and_memory_and_seed_matter(
    tiny_world_folder: Path, start_image: Path, tmp_path: Path
) -> None:
    videos = {}
    for name, words in {
        "first": ["--seed", "1"],
        "same": ["--seed", "1", "--memory", "on"],
        "other seed": ["--seed", "2"],
        "off": ["--seed", "1", "--memory", "off"],
    }.items():
        out = tmp_path / f"{name}.mp4"
        out.write_bytes(b"an older file is replaced")
        common = ["--image", str(start_image), "--actions", "turn left x3", "--scale", "1"]
        assert generate(tiny_world_folder, out, *common, *words) == 0
        videos[name] = out.read_bytes()
    assert videos["first"] == videos["same"]
    assert len(set(videos.values())) == 3


@pytest.mark.parametrize("memory", ["on", "off"])
def test_a_saved_session_goes_on_as_if_it_had_never_stopped(
    tiny_world_folder: Path, start_image: Path, tmp_path: Path, memory: str
) -> None:
    begin = ["--image", str(start_image), "--memory", memory, "--seed", "3"]
    one, two = tmp_path / "one", tmp_path / "two"
    videos = [tmp_path / f"{name}.mp4" for name in "abc"]
    assert generate(tiny_world_folder, videos[0], *begin, "--actions", "go back x3", "--save-memory", str(one)) == 0
    assert generate(tiny_world_folder, videos[1], *begin, "--actions", "go back", "--save-memory", str(two)) == 0
    load = ["--load-memory", str(two), "--save-memory", str(two), "--memory", memory, "--seed", "3"]
    assert generate(tiny_world_folder, videos[2], *load, "--actions", "go back x2") == 0
    assert read_json(one / "session.json") == read_json(two / "session.json")
    whole, first, second = map(read_video, videos)
    assert len(whole) == len(first) + len(second) - 1
    assert np.abs(second[0].astype(int) - first[-1]).mean() < 8  # both are compressed


def test_actions_from_a_file(tiny_world_folder: Path, start_image: Path, tmp_path: Path) -> None:
    path = tmp_path / "path.txt"
    path.write_text("\ufeff# a lap\nturn left x2\n\n  # and on; slowly\ngo forward; slowly\r\n", encoding="utf-8")
    assert action_list.read_actions(path) == ["turn left", "turn left", "go forward; slowly"]
    words = ["--image", str(start_image), "--actions-file", str(path), "--scale", "1"]
    assert generate(tiny_world_folder, tmp_path / "out.mp4", *words) == 0
    assert read_video(tmp_path / "out.mp4").shape == (13, 64, 64, 3)


def test_multipliers() -> None:
    assert action_list.parse_actions("a x2;b ×3 ; x4; walk to x2y x1") == ["a", "a", "b", "b", "b", "x4", "walk to x2y"]
    with pytest.raises(UserError, match="too many or no chunks"):
        action_list.parse_actions("a x100000; b")


@pytest.mark.slow  # the one below sends the signal within this process
def test_ctrl_c_keeps_what_is_finished(tiny_world_folder: Path, start_image: Path, tmp_path: Path) -> None:
    out, session = tmp_path / "out.mp4", tmp_path / "session"
    words = ["--model", str(tiny_world_folder), "--image", str(start_image), "--actions", "turn left x9999"]
    words += ["--out", str(out), "--save-memory", str(session), "--steps", "4"]
    process = subprocess.Popen(
        [sys.executable, "-m", "slowfast_vgen", "generate", *words],
        env={**os.environ, "PYTHONPATH": f"{SOURCE}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )
    assert process.stderr is not None
    said = b""
    while b"frames/s" not in said:  # a chunk is finished
        read = process.stderr.read(1)
        assert read, said.decode()
        said += read
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate()
    assert process.returncode == 130
    assert stdout == b""
    text = stderr.decode()
    assert "Traceback" not in text
    last = text.splitlines()[-1]
    told = re.fullmatch(
        rf"slowfast: interrupted: {out} holds (\d+) of 9999 chunks; {session} the session after them", last
    )
    assert told, text
    num_chunks = int(told[1])
    assert num_chunks >= 1
    assert len(read_video(out)) == 1 + 4 * num_chunks
    assert read_json(session / "session.json")["num_chunks"] == num_chunks
    assert not list(tmp_path.glob(".*"))
    words = ["--load-memory", str(session), "--actions", "go forward", "--steps", "4"]
    assert main(["generate", "--model", str(tiny_world_folder), "--out", str(tmp_path / "more.mp4"), *words]) == 0


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_waits_for_a_chunks_end_and_a_second_one_leaves_that_chunk_out(
    tiny_world_folder: Path,
    start_image: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    times: int,
) -> None:
    learn, learned = FastLearner.learn, []

    def interrupted_learn(*arguments: Any) -> Any:
        learned.append(learn(*arguments))
        if len(learned) == 3:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
        return learned[-1]

    monkeypatch.setattr(FastLearner, "learn", interrupted_learn)
    out, session = tmp_path / "out.mp4", tmp_path / "session"
    before = signal.getsignal(signal.SIGINT)
    words = ["--image", str(start_image), "--actions", "turn left x5", "--save-memory", str(session)]
    assert generate(tiny_world_folder, out, *words) == 130
    error = capsys.readouterr().err.splitlines()[-1]
    kept = 4 - times
    assert error == f"slowfast: interrupted: {out} holds {kept} of 5 chunks; {session} the session after them"
    assert len(read_video(out)) == 1 + 4 * kept
    monkeypatch.undo()
    world = WorldModel(WorldWeights.load(tiny_world_folder))
    twin = world.start(start_image, seed=0, num_sampling_steps=2)
    for _ in range(kept):
        twin.step("turn left")
    assert np.array_equal(world.resume(session).step("turn left"), twin.step("turn left"))
    assert signal.getsignal(signal.SIGINT) == before


def test_packing_what_was_trained_and_listing_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Codec.from_config(CodecConfig()).save(tmp_path / "codec")
    VideoTransformer(width=64, depth=1, num_heads=4).save_pretrained(tmp_path / "denoiser")
    (tmp_path / "fast.json").write_text('{"lora": {"lora": {"rank": 2}}}')
    (tmp_path / "trained.json").write_text('{"command": "slowfast train slow", "hours": 2}')
    out = tmp_path / "worlds/mine"
    parts = ["--codec", str(tmp_path / "codec"), "--denoiser", str(tmp_path / "denoiser"), "--out", str(out)]
    words = ["--memory", str(tmp_path / "fast.json"), "--provenance", str(tmp_path / "trained.json")]
    for _ in range(2):  # an older world there is replaced
        assert main(["models", "pack", "--name", "mine", *parts, *words, "--sampling-steps", "3", "--fps", "2"]) == 0
    assert re.search(rf"packed mine \([0-9.]+ MB, weights [0-9a-f]+\): {out}", capsys.readouterr().out)
    settings = read_json(out / "model_index.json")["world"]
    assert settings["num_sampling_steps"] == 3 and settings["fps"] == 2
    assert settings["memory"] == {"lora": {"lora": {"rank": 2}}}
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in out.rglob("*") if path.is_file())

    monkeypatch.setattr(worlds, "shipped_worlds", lambda: {"mine": out})
    assert main(["models", "--json", str(tmp_path / "models.json")]) == 0
    listing = capsys.readouterr().out
    for part in ("mine\n", "VideoTransformer, predicts flow", "licence    MIT", "hours: 2", "  ok\n"):
        assert part in listing
    results = read_json(tmp_path / "models.json")
    assert by_name(results)["damaged or missing files"]["mean"] == 0
    counted = sum(parameter.numel() for parameter in VideoTransformer(width=64, depth=1, num_heads=4).parameters())
    assert by_name(results)["mine denoiser parameters"]["mean"] == counted

    (out / "codec/config.json").write_text("{}")
    (out / "denoiser/config.json").unlink()
    assert main(["models"]) == 1
    listing = capsys.readouterr().out
    assert re.search(r"codec/config.json .* DAMAGED\n", listing)
    assert re.search(r"denoiser/config.json .* missing\n", listing)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--name", "My WorldModel"], "'My WorldModel' cannot be a world's name"),
        (["--codec", "nowhere"], "cannot read nowhere/latent_statistics.json"),
        (["--denoiser", "nowhere"], "cannot read nowhere/config.json"),
        (["--memory", "[1]"], "holds a list; give a JSON object"),
        (["--memory", '{"rank": 4}'], "the memory's settings cannot be used (unknown settings rank)"),
        (["--memory", '{"lora": {"lora": {"rank": 0}}}'], "rank must be at least 1"),
        (["--provenance", "{"], "is not valid JSON"),
        (["--out", "."], "holds other files"),
    ],
)
def test_packing_refuses(
    tiny_world_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    if words[1][0] in "[{":
        (tmp_path / "settings.json").write_text(words[1])
        words = [words[0], "settings.json"]
    (tmp_path / "notes.txt").touch()
    before = sorted(tmp_path.iterdir())
    parts = ["--codec", str(tiny_world_folder / "codec"), "--denoiser", str(tiny_world_folder / "denoiser")]
    assert main(["models", "pack", "--name", "mine", *parts, "--out", "mine", *words]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_without_a_shipped_world_the_list_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worlds, "shipped_worlds", dict)
    assert main(["models"]) == 0
    assert "no world is shipped" in capsys.readouterr().out


def test_the_demo_writes_videos_sheet_and_figures(
    tiny_world_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "VERBS", ("turn_left",) * 5 + ("go_forward", "go_back"))
    out = tmp_path / "demo"
    words = ["--model", str(tiny_world_folder), "--out", str(out), "--gif", str(tmp_path / "small.gif")]
    assert main(["demo", *words, "--json", str(tmp_path / "again.json")]) == 0
    printed = capsys.readouterr().out
    assert "memory on  memory off" in printed
    assert "PSNR to truth, revisits" in printed
    names = ["start.png", "with_memory.mp4", "without_memory.mp4", "side_by_side.mp4", "contact_sheet.png"]
    names += ["revisit.png", "demo.json"]
    assert sorted(path.name for path in out.iterdir()) == sorted(names)
    assert read_video(out / "with_memory.mp4").shape == (29, 256, 256, 3)
    side_by_side = read_video(out / "side_by_side.mp4")
    assert len(side_by_side) == 29
    assert side_by_side.shape[1] > 512 and side_by_side.shape[2] > 512
    results = read_json(out / "demo.json")
    assert results == json.loads((tmp_path / "again.json").read_text())
    figures = by_name(results)
    # New are poses 1 to 15 of the lap and 4 steps forward; the lap's end, the fifth turn and the way's end come again.
    assert figures["PSNR to truth, first visits, memory on"]["n"] == 15 + 4
    for name in ("PSNR to truth, revisits, memory off", "PSNR to own first visit, revisits, memory on"):
        assert figures[name]["n"] == 1 + 4 + 1
    assert figures["frames a second, memory off"]["mean"] > 0
    for name, one in figures.items():  # frames of one episode are not independent: no interval
        assert one["low"] == one["mean"] == one["high"], name
    with Image.open(tmp_path / "small.gif") as animation:
        assert animation.n_frames == 1 + 4  # the start image and what the fifth turn shows again
    assert (tmp_path / "small.gif").stat().st_size <= 1_500_000


def test_the_hero_picture_sets_each_view_beside_its_return(tmp_path: Path) -> None:
    truth = demo.true_path()
    assert demo.laps(demo.Demo((), truth, *[demo.Arm(truth.frames, 1.0)] * 2)) == 16
    numbered = np.zeros((97, 64, 64, 3), np.uint8)
    numbered[:] = np.arange(97, dtype=np.uint8)[:, None, None, None]
    made = demo.Demo(("turn left",) * 24, truth, demo.Arm(numbered, 1.0), demo.Arm(numbered + 100, 1.0))
    *_, revisit = demo.write_demo(made, tmp_path)
    with Image.open(revisit) as picture:
        sheet = np.asarray(picture.convert("RGB"))
    left = sheet.shape[1] - 4 * 134
    assert [[int(sheet[row, left + 134 * column + 64, 0]) for column in range(4)] for row in range(90, 624, 134)] == [
        [0, 4, 8, 12],
        [16, 20, 24, 28],
        [100, 104, 108, 112],
        [116, 120, 124, 128],
    ]


def test_the_demo_without_its_engine(
    tiny_world_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoSharedMemoryError(Exception):
        pass

    def fail(*_: object) -> None:
        raise NoSharedMemoryError("shm_open failed\nno space left")

    monkeypatch.setattr(VizdoomEngine, "load", fail)
    assert main(["demo", "--model", str(tiny_world_folder), "--out", str(tmp_path / "demo")]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "cannot start (NoSharedMemoryError: shm_open failed no space left); use `slowfast generate`" in error
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize("command", [["generate"], ["demo"], ["models"], ["models", "pack"]])
def test_help_reads_without_loading_anything(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--help"]) == 0
    text = capsys.readouterr().out
    assert "usage: slowfast" in text
    assert all(len(line) <= 120 for line in text.splitlines())


def test_guidance_reaches_the_video_the_figures_and_the_saved_session(
    tiny_world_folder: Path, start_image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--image", str(start_image), "--actions", "turn left", "--json", str(tmp_path / "out.json")]
    words += ["--guidance", "2.5", "--save-memory", str(tmp_path / "s")]
    assert generate(tiny_world_folder, tmp_path / "out.mp4", *words) == 0
    assert read_json(tmp_path / "out.json")["protocol"]["guidance"] == 2.5
    assert read_json(tmp_path / "s" / "session.json")["guidance_scale"] == 2.5
    more = ["--load-memory", str(tmp_path / "s"), "--actions", "turn left", "--guidance"]
    assert generate(tiny_world_folder, tmp_path / "more.mp4", *more, "2.5") == 0
    assert generate(tiny_world_folder, tmp_path / "more.mp4", *more, "1") == 2
    assert "--guidance 1.0 contradicts the session" in capsys.readouterr().err


def test_memory_on_in_a_world_without_one_is_refused_and_left_away_it_is_off(
    tmp_path: Path, text_encoder: TextEncoder, start_image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = pack_tiny_world(tmp_path / "bare", text_encoder, memory={})
    words = ["--image", str(start_image), "--actions", "turn left", "--json", str(tmp_path / "out.json")]
    assert generate(world, tmp_path / "out.mp4", *words, "--memory", "on") == 2
    assert "has no memory of its own to switch on" in capsys.readouterr().err
    assert generate(world, tmp_path / "out.mp4", *words) == 0
    assert read_json(tmp_path / "out.json")["protocol"]["memory"] == "off"
    session = WorldModel(WorldWeights.load(world)).start(start_image)
    assert session.memory is None
    assert "no memory" in repr(session)
    assert generate(world, tmp_path / "out.mp4", *words, "--memory", "denoising") == 0
