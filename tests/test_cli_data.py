"""The command line: `slowfast data ...` through `main`, and the program itself in a process of its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from installed_engines import install
from made_results import by_name
from made_sets import content_of
from PIL import Image

from slowfast_vgen.cli import common
from slowfast_vgen.cli.main import main
from slowfast_vgen.data.format import EpisodeDataset
from slowfast_vgen.data.validate import check_dataset
from slowfast_vgen.engines import open_env
from slowfast_vgen.errors import UserError
from slowfast_vgen.results import Estimate
from slowfast_vgen.types import Chunk, Episode

SOURCE = Path(__file__).parents[1] / "src"


class TinyWorld:
    """Episodes of noise. It can be told to be interrupted, as by Ctrl-C, when it comes to an episode."""

    name = "tiny"
    scripts = ("spin",)
    interrupt_at: int | None = None

    def __init__(self, split: str, seed: int) -> None:
        self.split, self.seed = split, seed

    def episodes(self, num_episodes: int, script: str, num_chunks: int, first_index: int = 0) -> Iterator[Episode]:
        if script not in ("mix", "spin"):
            raise UserError(f'there is no script "{script}"; choose mix or spin')
        if num_episodes < 1:
            raise UserError(f"{num_episodes} episodes were asked for; ask for at least 1")
        return (self._episode(index, num_chunks) for index in range(first_index, first_index + num_episodes))

    def _episode(self, index: int, num_chunks: int) -> Episode:
        if index == self.interrupt_at:
            raise KeyboardInterrupt
        rng = np.random.default_rng([self.seed, index])
        frames = rng.integers(0, 256, (1 + 4 * num_chunks, 16, 16, 3), dtype=np.uint8)
        verbs = ["turn_left", "go_forward"]
        chunks = tuple(Chunk(verbs[i % 2].replace("_", " "), verbs[i % 2], 1 + 4 * i, 4) for i in range(num_chunks))
        metadata = {"split": self.split, "scene": f"{self.split} {self.seed} {index // 2}", "script": "spin"}
        return Episode(frames, chunks, np.zeros((len(frames), 3)), 10.0, metadata)


@pytest.fixture(autouse=True)
def tiny_world(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    install(
        monkeypatch,
        tmp_path_factory.mktemp("engines"),
        tiny=f"{__name__}:TinyWorld",
        far="no_such_engine.world:WorldModel",
    )
    monkeypatch.setattr(TinyWorld, "interrupt_at", None)


def make(folder: Path, *more: str, episodes: int = 3) -> int:
    words = ["--env", "tiny", "--episodes", str(episodes), "--out", str(folder), "--num-chunks", "3", *more]
    return main(["data", "make", *words])


def program(*words: str) -> list[str]:
    return [sys.executable, "-m", "slowfast_vgen", *words]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{SOURCE}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}


def test_make_writes_a_sound_data_set_and_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert make(tmp_path / "set", "--json", str(tmp_path / "made.json"), "--split", "validation") == 0
    assert "wrote 3 episodes (39 frames)" in capsys.readouterr().out
    dataset = EpisodeDataset(tmp_path / "set")
    assert (len(dataset), dataset.header.world, dataset.header.split) == (3, "tiny", "validation")
    assert dataset.header.creation == {"seed": 0, "script": "mix", "num_chunks": 3}
    assert check_dataset(tmp_path / "set") == []
    results = json.loads((tmp_path / "made.json").read_text())
    assert set(results) == {"protocol", "rows"}
    assert results["protocol"]["world"] == "tiny"
    keys = {"name": "new_frames", "metric": "new_frames", "variant": None, "minus": None, "gap": None, "dataset": None}
    assert results["rows"][1] == keys | {"mean": 39, "low": 39, "high": 39, "n": 1}
    assert by_name(results)["frames_per_second"]["mean"] > 0


def test_a_terminated_make_ends_its_engine_and_leaves_nothing_behind(tmp_path: Path) -> None:
    out, scratch = tmp_path / "out", tmp_path / "scratch"
    scratch.mkdir()
    words = ["data", "make", "--env", "vizdoom-rooms", "--episodes", "9999", "--num-chunks", "8", "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-m", "slowfast_vgen", *words],
        env={**os.environ, "TMPDIR": str(scratch)},
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (out / "episodes" / "000001").is_dir():
        assert process.poll() is None
        time.sleep(0.05)
    process.terminate()
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "Traceback" not in stderr
    assert "slowfast: terminated" in stderr.splitlines()[-1]
    assert list(scratch.iterdir()) == []
    assert len(EpisodeDataset(out, unfinished=True)) >= 2


def test_an_interrupted_make_goes_on_to_the_same_data_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert make(tmp_path / "whole") == 0
    monkeypatch.setattr(TinyWorld, "interrupt_at", 2)
    assert make(tmp_path / "stopped") == 130
    error = capsys.readouterr().err
    assert "slowfast: interrupted: 2 of 3 episodes are written; the same command goes on from there" in error
    assert [defect.code for defect in check_dataset(tmp_path / "stopped")] == ["episode-count"]
    monkeypatch.setattr(TinyWorld, "interrupt_at", None)
    assert make(tmp_path / "stopped") == 0
    assert "holds 2 episodes already; 1 more to make" in capsys.readouterr().out
    whole, stopped = EpisodeDataset(tmp_path / "whole"), EpisodeDataset(tmp_path / "stopped")
    assert content_of(whole) == content_of(stopped)
    assert make(tmp_path / "stopped") == 0
    assert "holds 3 episodes already; 0 more to make" in capsys.readouterr().out
    assert make(tmp_path / "stopped", episodes=5) == 0
    assert len(EpisodeDataset(tmp_path / "stopped")) == 5


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--env", "mars"], 'there is no world "mars"; choose one of: '),
        (["--script", "waltz"], 'there is no script "waltz"'),
        (["--episodes", "0"], "'0' is not a whole number from 1"),
        (["--seed", "-1"], "'-1' is not a whole number from 0"),
        (["--num-chunks", "many"], "'many' is not a whole number"),
        (["--split", "exam"], "invalid choice: 'exam'"),
    ],
)
def test_a_wrong_setting_is_told_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert make(tmp_path / "set", *words) == 2
    assert sentence in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_other_settings_in_the_same_folder_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert make(tmp_path / "set") == 0
    assert make(tmp_path / "set", "--seed", "7") == 2
    assert "was made with seed 0, not with seed 7" in capsys.readouterr().err
    assert check_dataset(tmp_path / "set") == []


def test_a_world_whose_engine_is_not_installed() -> None:
    with pytest.raises(UserError, match='"far" needs the package no_such_engine'):
        open_env("far", "train", 0)


def test_check_names_defects_and_counts_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert make(tmp_path / "set") == 0
    assert main(["data", "check", str(tmp_path / "set")]) == 0
    (tmp_path / "set/episodes/000001/video.mp4").unlink()
    (tmp_path / "set/episodes/000002/notes.txt").touch()
    capsys.readouterr()
    assert main(["data", "check", str(tmp_path / "set"), "--json", str(tmp_path / "checked.json")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[1] for line in lines] == ["missing-file", "extra-file"]
    assert lines[0].startswith(f"{tmp_path}/set/episodes/000001/video.mp4: ")
    figures = by_name(json.loads((tmp_path / "checked.json").read_text()))
    assert {name: figure["mean"] for name, figure in figures.items()} == {
        "defects": 2,
        "extra-file": 1,
        "missing-file": 1,
    }


def test_check_finds_scenes_shared_between_splits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert make(tmp_path / "a") == 0
    assert make(tmp_path / "b", "--split", "test") == 0
    assert main(["data", "check", str(tmp_path / "a")]) == 0
    assert main(["data", "check", str(tmp_path / "a"), str(tmp_path / "b")]) == 1  # TinyWorld ignores the split
    assert capsys.readouterr().out.count("leaked-scene") == 3


def test_check_without_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.startswith("slowfast: error: there is no folder")
    assert main(["data", "check", str(tmp_path)]) == 1
    assert "dataset.json: missing-file" in capsys.readouterr().out


def test_info_counts_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert make(tmp_path / "set") == 0
    sheet = tmp_path / "sheet.png"
    words = [str(tmp_path / "set"), "--contact-sheet", str(sheet), "--json", str(tmp_path / "info.json")]
    capsys.readouterr()
    assert main(["data", "info", *words]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    for part in ("world tiny", "split train", "episodes 3 of 3", "scenes 2 distinct", "frames 39 of 16x16, 13 to 13"):
        assert part in printed
    assert "spin 3" in printed
    assert "turn_left 6" in printed
    figures = by_name(json.loads((tmp_path / "info.json").read_text()))
    assert figures["chunks of verb go_forward"]["mean"] == 3
    with Image.open(sheet) as image:
        assert image.size == (96 + 12 * 18, 3 * 18)
        first_frame = np.asarray(image.convert("RGB"))[:16, 96:112]
    np.testing.assert_array_equal(first_frame, EpisodeDataset(tmp_path / "set")[0].frames[0])


def test_info_of_what_cannot_be_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "info", str(tmp_path)]) == 2
    assert "dataset.json: missing-file" in capsys.readouterr().err
    assert make(tmp_path / "set") == 0
    assert main(["data", "info", str(tmp_path / "set"), "--contact-sheet", str(tmp_path / "sheet.jpg")]) == 2
    assert "must end in .png" in capsys.readouterr().err


def test_a_programming_error_keeps_its_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TinyWorld, "_episode", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        make(tmp_path / "set")


def test_figures_must_be_finite(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the figure psnr is not finite"):
        common.write_figures(tmp_path / "a.json", {}, {"psnr": Estimate(float("nan"), 0, 1, 5)})
    assert list(tmp_path.iterdir()) == []
    common.write_figures(None, {}, {})


def test_a_command_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert main(["data"]) == 2
    assert main(["data", "dance"]) == 2
    assert "invalid choice: 'dance'" in capsys.readouterr().err
    assert main(["--help"]) == 0


def test_the_program_itself(tmp_path: Path) -> None:
    done = subprocess.run(program("--version"), capture_output=True, text=True, env=environment())
    assert (done.returncode, done.stdout.split()[0]) == (0, "slowfast")
    done = subprocess.run(
        program("data", "check", "none"), capture_output=True, text=True, env=environment(), cwd=tmp_path
    )
    assert done.returncode == 2
    assert done.stderr == "slowfast: error: there is no folder none to check; give the folder of a data set\n"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from slowfast_vgen.cli.main import build_parser; build_parser().format_help();"
        "print({'torch', 'pyarrow', 'av', 'vizdoom'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment())
    assert (done.stdout, done.stderr) == ("set()\n", "")


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "set" / "episodes").mkdir(parents=True)
    for number in range(3000):  # more defects than a pipe holds
        (tmp_path / "set" / "episodes" / f"no episode {number}").touch()
    command = program("data", "check", str(tmp_path / "set"))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == f"3001 defects in {tmp_path / 'set'}\n".encode()  # the work went on
    assert process.returncode == 141


def test_rooms_are_made_through_the_program(tmp_path: Path) -> None:
    pytest.importorskip("vizdoom")
    words = ["--env", "vizdoom-rooms", "--episodes", "2", "--num-chunks", "2", "--out", "rooms"]
    done = subprocess.run(
        program("data", "make", *words), capture_output=True, text=True, env=environment(), cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert check_dataset(tmp_path / "rooms") == []
    assert EpisodeDataset(tmp_path / "rooms")[1].num_frames == 9
