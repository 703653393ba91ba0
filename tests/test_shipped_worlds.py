"""Every world that is shipped: whole, small, listed and repeatable."""

from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from slowfast_vgen.cli.main import main
from slowfast_vgen.models.world_model import PHRASINGS_FILE
from slowfast_vgen.presets.worlds import load, shipped_worlds
from slowfast_vgen.types import Frames

START = Path(__file__).parents[1] / "docs" / "images" / "start.png"
ACTIONS = ("turn left", "go forward", "turn left")

each_world = pytest.mark.parametrize("name", shipped_worlds())


def test_they_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    told = capsys.readouterr().out
    assert "rooms-64" in shipped_worlds()
    assert [name for name in shipped_worlds() if name not in told] == []


@each_world
def test_it_is_whole_small_and_in_half_precision(name: str) -> None:
    folder = shipped_worlds()[name]
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 20e6
    for path in folder.rglob("*.safetensors"):
        in_full = path.parent.name == "address" or path.name == PHRASINGS_FILE  # headings must not drift, nor texts
        wanted = {"F32"} if in_full else {"F16"}
        with safe_open(path, "pt") as file:
            assert {file.get_slice(key).get_dtype() for key in file.keys()} == wanted, path  # noqa: SIM118


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "rooms-64" else pytest.mark.slow) for name in shipped_worlds()]
)
def test_a_seed_gives_one_video_through_a_save_as_well(name: str, tmp_path: Path) -> None:
    world = load(name)

    def video(seed: int, save_after: int | None = None) -> Frames:
        session = world.start(START, memory=True, seed=seed)
        chunks = []
        for number, action in enumerate(ACTIONS):
            if number == save_after:
                session.save(tmp_path / "memory")
                session = world.resume(tmp_path / "memory")
            chunks.append(session.step(action))
        return np.concatenate(chunks)

    first = video(0)
    np.testing.assert_array_equal(video(0), first)
    np.testing.assert_array_equal(video(0, save_after=2), first)
    assert (video(1) != first).any()
