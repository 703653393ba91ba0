"""The shipped world: whole, small, repeatable, and worth shipping on maps that no training has seen."""

from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from slowfast_vgen.cli.main import main
from slowfast_vgen.evaluate.following import Following, generate_chunks, score_chunks
from slowfast_vgen.evaluate.held_out import HeldOut
from slowfast_vgen.evaluate.measures import colour_spread, sharpness
from slowfast_vgen.presets.worlds import load, world_folder
from slowfast_vgen.rollout import World
from slowfast_vgen.types import Frames

NUM_CHUNKS = 8


@pytest.fixture(scope="module")
def rooms() -> World:
    return load("rooms-64")


@pytest.fixture(scope="module")
def held_out() -> HeldOut:
    return HeldOut(4, NUM_CHUNKS, split="validation")


@pytest.fixture(scope="module")
def following(rooms: World, held_out: HeldOut) -> Following:
    chunks = generate_chunks(rooms, held_out.wanders, NUM_CHUNKS, 0, lambda _: None)
    return score_chunks(chunks, held_out.wanders, held_out.outcomes(NUM_CHUNKS))


def test_it_is_whole_small_and_in_half_precision(capsys: pytest.CaptureFixture[str]) -> None:
    folder = world_folder("rooms-64")
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 40e6
    for path in folder.rglob("*.safetensors"):
        with safe_open(path, "pt") as file:
            assert {file.get_slice(name).get_dtype() for name in file.keys()} == {"F16"}, path  # noqa: SIM118
    assert main(["models"]) == 0
    assert "rooms-64" in capsys.readouterr().out


def test_a_seed_gives_one_video_through_a_save_as_well(rooms: World, held_out: HeldOut, tmp_path: Path) -> None:
    start, actions = held_out.wanders[0].frames[0], ["turn left", "go forward", "turn left"]

    def video(seed: int, save_after: int | None = None) -> Frames:
        session = rooms.start(start, memory=True, seed=seed)
        chunks = []
        for number, action in enumerate(actions):
            if number == save_after:
                session.save(tmp_path / "memory")
                session = rooms.resume(tmp_path / "memory")
            chunks.append(session.step(action))
        return np.concatenate(chunks)

    first = video(0)
    np.testing.assert_array_equal(video(0), first)
    np.testing.assert_array_equal(video(0, save_after=2), first)
    assert (video(1) != first).any()


def test_it_goes_where_it_is_told(following: Following) -> None:
    turns = following.direction[~np.isnan(following.direction)]
    assert len(turns) >= 6
    assert turns.mean() > 0.9
    assert np.nanmean(following.five_way) > 0.8


def test_the_first_new_frame_beats_a_copy_of_the_last(following: Following) -> None:
    assert np.nanmean(following.first_frame_gain) > 2


@pytest.mark.parametrize("memory", [False, True], ids=["memory off", "memory on"])
def test_a_video_stays_a_picture(rooms: World, held_out: HeldOut, memory: bool) -> None:
    episode = held_out.wanders[1]
    session = rooms.start(episode.frames[0], memory=memory)
    late = np.concatenate([session.step(chunk.action) for chunk in episode.chunks * 2][-NUM_CHUNKS:])
    # Far below what is measured over many maps: this finds a collapse to one colour, not a lost decimal.
    assert sharpness(late).mean() > 0.4 * sharpness(episode.frames).mean()
    assert colour_spread(late).mean() > 0.4 * colour_spread(episode.frames).mean()


def test_the_memory_learns_and_is_not_taken_back(rooms: World, held_out: HeldOut) -> None:
    start = held_out.wanders[0].frames[0]
    session, plain = (rooms.start(start, memory=memory) for memory in (True, False))
    videos = [[each.step(action) for action in ("turn left", "go forward")] for each in (session, plain)]
    np.testing.assert_array_equal(videos[0][0], videos[1][0])  # nothing learned before the first chunk
    assert (videos[0][1] != videos[1][1]).any()
    assert session.memory is not None
    assert session.memory.rollbacks == [0]
