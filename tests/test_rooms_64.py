"""The default world is worth shipping: on maps that no training has seen it goes where it is told, and remembers."""

import numpy as np
import pytest
import torch

from slowfast_bench.generate import generate_tours
from slowfast_bench.paths.episodes import HeldOut, Tour, play_tours
from slowfast_bench.paths.tours import draw_tours
from slowfast_bench.scores.following import Following, generate_chunks, score_chunks
from slowfast_bench.variants import memory_arm
from slowfast_envs.actions import FRAMES_PER_CHUNK
from slowfast_envs.vizdoom.rooms import VizdoomRooms
from slowfast_envs.walking import walk
from slowfast_envs.walking_scripts import draw_start
from slowfast_vgen.metrics.frames import colour_spread, psnr, sharpness
from slowfast_vgen.presets.worlds import load
from slowfast_vgen.rollout import WorldModel

NUM_CHUNKS = 8


@pytest.fixture(scope="module")
def rooms() -> WorldModel:
    return load("rooms-64")


@pytest.fixture(scope="module")
def held_out() -> HeldOut:
    return HeldOut(4, NUM_CHUNKS, split="validation")


@pytest.fixture(scope="module")
def following(rooms: WorldModel, held_out: HeldOut) -> Following:
    chunks = generate_chunks(rooms, held_out.wanders, NUM_CHUNKS, 0, lambda _: None)
    return score_chunks(chunks, held_out.wanders, held_out.outcomes(NUM_CHUNKS))


def test_it_goes_where_it_is_told(following: Following) -> None:
    turns = following.direction[~np.isnan(following.direction)]
    assert len(turns) >= 6
    assert turns.mean() > 0.9
    assert np.nanmean(following.five_way) > 0.8


def test_the_first_new_frame_beats_a_copy_of_the_last(following: Following) -> None:
    assert np.nanmean(following.first_frame_gain) > 2


@pytest.mark.parametrize(
    "memory", [pytest.param(False, marks=pytest.mark.slow, id="memory off"), pytest.param(True, id="memory on")]
)
def test_a_video_stays_a_picture(rooms: WorldModel, held_out: HeldOut, memory: bool) -> None:
    episode = held_out.wanders[1]
    session = rooms.start(episode.frames[0], memory=memory)
    late = np.concatenate([session.step(chunk.action) for chunk in episode.chunks * 2][-NUM_CHUNKS:])
    # Far below what is measured over many maps: this finds a collapse to one colour, not a lost decimal.
    assert sharpness(late).mean() > 0.4 * sharpness(episode.frames).mean()
    assert colour_spread(late).mean() > 0.4 * colour_spread(episode.frames).mean()


def revisit_psnr(world: WorldModel, tours: list[Tour], memory: bool) -> float:
    """Mean over the frames of the tours' second half, the first being shown."""
    plays = play_tours(tours)
    config = world.shipped_memory if memory else None
    made = generate_tours(memory_arm("", "", world, config), tours, plays, range(len(tours)), True, lambda _: None)
    halves = [slice(1 + FRAMES_PER_CHUNK * tour.num_out, None) for tour in tours]
    scores = [psnr(frames[half], play.frames[half]) for frames, play, half in zip(made, plays, halves, strict=True)]
    return float(np.concatenate(scores).mean())


@pytest.mark.parametrize("name", ["full-turn-16", pytest.param("out-and-back-64", marks=pytest.mark.slow)])
def test_it_shows_a_place_again_as_it_was(rooms: WorldModel, name: str) -> None:
    tours = draw_tours(name, 4, split="validation")
    assert revisit_psnr(rooms, tours, memory=True) > revisit_psnr(rooms, tours, memory=False) + 5


def test_its_own_room_is_the_same_after_a_full_turn(rooms: WorldModel, held_out: HeldOut) -> None:
    session = rooms.start(held_out.wanders[0].frames[0], memory=True)
    first, second = (np.concatenate([session.step("turn right") for _ in range(4)]) for _ in range(2))
    assert psnr(second, first).mean() > 18
    assert session.memory is not None
    assert session.memory.describe()["ridge"]["pose_steps_and_degrees"][2] == pytest.approx(-720, abs=2)


def test_a_wall_stops_the_path_too(rooms: WorldModel) -> None:
    scene = VizdoomRooms("validation", 0).scene(0)
    start = draw_start(np.random.default_rng(0), scene, "out-and-back")
    verbs = ["go_forward"] * 14
    places, refused = walk(scene, start, verbs)
    assert any(refused)
    play = play_tours([Tour(scene, start, tuple(verbs), len(verbs))])[0]
    rollout = rooms.start_batch(play.frames[:1], True, [0])
    for chunk in range(len(verbs)):
        frames = play.frames[1 + 4 * chunk : 5 + 4 * chunk]
        rollout.observe(torch.from_numpy(frames.copy())[None], ["go forward"])
    assert rollout.memory is not None and rollout.memory.ridge is not None
    walked = np.hypot(places[-1].x - start.x, places[-1].y - start.y) / 24
    found = rollout.memory.ridge.pose[0, :2].norm().item()
    assert found == pytest.approx(walked, abs=1.1)
    assert found < 4 * len(verbs) - 4
