"""Options that would change nothing, or be written over, as a command is called: told or refused, never ignored."""

from pathlib import Path

import pytest

from slowfast_vgen.cli.main import main

DATA = ["--data", "nowhere", "--codec", "nowhere", "--out"]


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (["train", "slow", *DATA, "OUT", "--denoiser", "unet3d", "--width", "64", "--depth", "2"], ["width", "depth"]),
        (["train", "slow", *DATA, "OUT", "--init", "x", "--denoiser", "wan", "--width", "64"], ["denoiser", "width"]),
        (["train", "slow", *DATA, "OUT", "--memory-width", "8"], ["memory-width"]),
        (
            ["train", "loop", *DATA, "OUT", "--init", "x", "--rule", "replay", "--address", "x", "--memory-width", "8",
             "--familiar", "0.5", "--segment", "2", "--write-gradients", "1"],
            ["address", "memory-width", "familiar", "segment", "write-gradients"],
        ),
        (
            ["train", "loop", *DATA, "OUT", "--init", "x", "--address", "x", "--rank", "4", "--triples", "shards",
             "--fast-learning-rate", "0.1"],
            ["rank", "triples", "fast-learning-rate"],
        ),
        (["plan", "--task", "nothing", "--videos", "2", "--endpoint-model", "m"], ["videos", "endpoint-model"]),
        (
            ["evaluate", "quality", "--model", "nowhere", "--lpips-heads", "x", "--i3d-sha256", "x"],
            ["lpips-heads", "i3d-sha256"],
        ),
    ],
)  # fmt: skip
def test_what_changes_nothing_is_told(
    words: list[str], options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "out") if word == "OUT" else word for word in words]) == 2  # there is nothing to read
    told = [line for line in capsys.readouterr().err.splitlines() if "so it changes nothing here" in line]
    assert sorted(line.split("--")[1].split()[0] for line in told) == sorted(options)


@pytest.mark.parametrize(
    "words",
    [
        ["train", "slow", *DATA, "OUT", "--width", "64", "--memory", "--memory-width", "8"],
        ["train", "loop", *DATA, "OUT", "--init", "x", "--address", "x", "--memory-width", "8", "--familiar", "1"],
        ["train", "loop", *DATA, "OUT", "--init", "x", "--rule", "denoising", "--rank", "2"],
        ["train", "slow", *DATA, "OUT", "--init", "x"],
    ],
)
def test_what_changes_something_is_taken(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(tmp_path / "out") if word == "OUT" else word for word in words])
    assert "changes nothing" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["evaluate", "--maps", "2", "quality"], "--maps stands before quality, which would not see it"),
        (["evaluate", "--json", "x.json", "recall", "--quick"], "--json stands before recall"),
        (["evaluate", "--suite", "quick", "words"], "--suite stands before words"),
        (["models", "--json", "x.json", "pack", "--name", "x"], "--json stands before pack"),
        (["evaluate", "isolation", "--context", "x"], "unrecognized arguments: --context"),
    ],
)
def test_an_option_that_a_command_would_not_see_is_refused(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert told in capsys.readouterr().err


def test_no_file_is_written_over_another_of_the_same_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "start.png").write_bytes(b"a picture")
    generate = ["generate", "--image", "start.png", "--actions", "wait"]
    for words, told in (
        ([*generate, "--out", "x.mp4", "--json", "./x.mp4"], "--out and --json name the same file"),
        ([*generate, "--out", "x.mp4", "--json", "start.png"], "--image and --json name the same file"),
        (["demo", "--gif", "x.gif", "--json", "x.gif"], "--gif and --json name the same file"),
        (
            ["evaluate", "recall", "--quick", "--json", "x.png", "--contact-sheet", "x.png"],
            "--json and --contact-sheet name the same file",
        ),
    ):
        assert main(words) == 2
        assert told in capsys.readouterr().err
    assert (tmp_path / "start.png").read_bytes() == b"a picture"
