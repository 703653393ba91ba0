"""One model over several data sets: held-out episodes as ways, arms, figures, and the command."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import pack_tiny_world
from made_results import by_name

from slowfast_bench.paths.ways import recorded_ways
from slowfast_vgen.cli.main import main
from slowfast_vgen.data.sources import open_episodes
from slowfast_vgen.errors import UserError
from slowfast_vgen.models.text import TextEncoder


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("domains") / "rooms"
    words = ["--env", "vizdoom-rooms", "--split", "test", "--episodes", "3", "--num-chunks", "8"]
    assert main(["data", "make", *words, "--out", str(folder)]) == 0
    return folder


def test_ways_are_the_beginnings_of_episodes(rooms: Path) -> None:
    source = open_episodes(rooms)
    ways = recorded_ways(source, 2, 3, 4)
    for way, episode in zip(ways, source, strict=False):
        np.testing.assert_array_equal(way.frames, episode.frames[:29])
        assert episode.poses is not None
        np.testing.assert_array_equal(way.poses, episode.poses[:29])
        assert way.actions == tuple(chunk.action for chunk in episode.chunks[:7]) and way.num_shown == 3
    with pytest.raises(UserError, match="has 3 episodes that begin with 7 chunks of 4 frames, but 4 are wanted"):
        recorded_ways(source, 4, 3, 4)
    with pytest.raises(UserError, match="has 0 episodes that begin with 9 chunks"):
        recorded_ways(source, 1, 5, 4)


@pytest.mark.slow
def test_the_command_scores_each_domain(
    rooms: Path, text_encoder: TextEncoder, quick_features: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = pack_tiny_world(tmp_path / "tiny", text_encoder, ridge=True, memory={"ridge": {}}, num_sampling_steps=1)
    report = tmp_path / "domains.json"
    words = ["evaluate", "domains", "--model", str(world), "--quick", "--json", str(report)]
    words += ["--on", f"rooms={rooms}", "--on", f"again={rooms}", "--without", f"again={world / 'denoiser'}"]
    assert main(words) == 0
    content = json.loads(report.read_text())
    figures = by_name(content)
    for domain in ("rooms", "again"):
        for arm in ("memory", "no_memory", "eq3", "frozen"):
            assert figures[f"psnr_{arm}_{domain}"]["n"] == 2 and f"fvd_mbv2_{arm}_{domain}" in figures
        difference = figures[f"psnr_eq3_{domain}"]["mean"] - figures[f"psnr_no_memory_{domain}"]["mean"]
        assert figures[f"psnr_eq3_minus_no_memory_{domain}"]["mean"] == pytest.approx(difference, abs=1e-6)
    assert figures["psnr_frozen_rooms"]["mean"] == figures["psnr_frozen_again"]["mean"]  # the same episodes
    assert "distance_left_out_eq3_minus_left_out_again" in figures
    assert "psnr_left_out_eq3_minus_left_out_again" in figures and "psnr_left_out_rooms" not in figures
    # The denoiser left out is the world's own here.
    assert figures["psnr_no_memory_minus_left_out_again"]["mean"] == 0
    assert content["protocol"]["domains"]["rooms"]["episodes"][0]["split"] == "test"
    assert sorted(path.name for path in (tmp_path / "domains").iterdir()) == ["again.png", "rooms.png"]
    capsys.readouterr()
    assert main(words) == 0  # all parts are kept: the same figures
    assert by_name(json.loads(report.read_text())) == figures


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--on", "rooms"], "is no NAME=DIR"),
        (["--on", "rooms=nowhere"], "nowhere"),
        (["--on", "rooms={rooms}", "--on", "rooms={rooms}"], "--on rooms is given twice"),
        (["--on", "rooms={rooms}", "--without", "kitchen={world}/denoiser"], "none of the domains: rooms"),
        (["--on", "rooms={rooms}", "--without", "rooms=nowhere"], "nowhere"),
        (["--on", "rooms={rooms}", "--episodes", "50"], "but 50 are wanted"),
    ],
)
def test_mistakes_are_told_in_one_sentence(
    words: list[str], sentence: str, rooms: Path, text_encoder: TextEncoder, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    world = pack_tiny_world(tmp_path / "tiny", text_encoder, ridge=True)
    given = [word.format(rooms=rooms, world=world) for word in words]
    assert main(["evaluate", "domains", "--model", str(world), "--quick", *given]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert sentence in error and "Traceback" not in error
