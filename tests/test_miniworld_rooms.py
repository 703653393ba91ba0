"""The worlds miniworld-rooms: exact motion, identical revisits, two cameras, splits apart."""

import hashlib
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from world_checks import (
    check_closed_script,
    check_drawn_again,
    check_walked_episode,
    count_revisits,
    make_two_splits,
    wandered,
)

from slowfast_envs.actions import VERBS
from slowfast_envs.base import SPLITS, scene_seed
from slowfast_envs.miniworld import engine as miniworld_engine
from slowfast_envs.miniworld.camera import BOOM_METRES, view_of
from slowfast_envs.miniworld.engine import ground, play, render
from slowfast_envs.miniworld.environment import MiniworldRooms, MiniworldRoomsThird
from slowfast_envs.miniworld.map import MARGIN, UNITS_PER_METRE, House, draw_house
from slowfast_envs.walking import HEADINGS, Place, poses_of
from slowfast_envs.walking_scripts import SCRIPTS, draw_path, draw_start
from slowfast_vgen.data.validate import check_datasets
from slowfast_vgen.engines import open_env
from slowfast_vgen.errors import UserError

WORLD_NUMBER = MiniworldRooms.number
CAMERAS = ("first", "third")


@pytest.fixture(scope="module")
def houses() -> list[House]:
    return [draw_house(scene_seed("test", 5, index, WORLD_NUMBER)) for index in range(4)]


@pytest.fixture(scope="module")
def stage() -> None:
    """Skips where Miniworld cannot draw."""
    try:
        miniworld_engine._stage()
    except UserError as error:
        pytest.skip(str(error))


def start_in(house: House, script: str = "loop") -> Place:
    return draw_start(np.random.default_rng(1), ground(house), script)


def free_places(house: House, count: int, seed: int) -> list[Place]:
    rng = np.random.default_rng(seed)
    right, top = max(r.right for r in house.rooms), max(r.top for r in house.rooms)
    places: list[Place] = []
    while len(places) < count:
        place = Place(int(rng.integers(right)), int(rng.integers(top)), int(rng.integers(HEADINGS)))
        if house.is_free(place.x, place.y):
            places.append(place)
    return places


def in_open_space(house: House, x: float, y: float) -> bool:
    spaces = [*house.rooms, *(door.rect for door in house.doors)]
    return any(r.left <= x <= r.right and r.bottom <= y <= r.top for r in spaces)


# --- the house


def test_houses_have_three_to_six_rooms_that_can_all_be_walked_to() -> None:
    counts: Counter[int] = Counter()
    kinds: Counter[str] = Counter()
    for index in range(25):
        house = draw_house(scene_seed("train", 0, index, WORLD_NUMBER))
        counts[len(house.rooms)] += 1
        kinds.update(item.kind for item in house.items)
        # a flood over free ground in steps of 16 units: neither walls nor things cut a room off
        x, y = house.starts[0].left, house.starts[0].bottom
        reached, frontier = {(x, y)}, [(x, y)]
        while frontier:
            x, y = frontier.pop()
            for new in ((x + 16, y), (x - 16, y), (x, y + 16), (x, y - 16)):
                if new not in reached and house.is_free(*new):
                    reached.add(new)
                    frontier.append(new)
        assert {house.room_at(*point) for point in reached} - {None} == set(range(len(house.rooms)))
        assert 1 <= len(house.items) / len(house.rooms) <= 3
    assert set(counts) == {3, 4, 5, 6}
    assert {"box", "ball", "barrel", "cone"} <= set(kinds)


def test_free_ground_keeps_away_from_walls_and_things(houses: list[House]) -> None:
    for number, house in enumerate(houses):
        for x, y, _ in free_places(house, 100, number):
            for dx in (-MARGIN, 0, MARGIN):
                for dy in (-MARGIN, 0, MARGIN):
                    assert in_open_space(house, x + dx, y + dy)
            assert all(math.dist((x, y), (item.x, item.y)) >= item.radius + MARGIN for item in house.items)


def test_things_and_panels_are_inside_the_house(houses: list[House]) -> None:
    for house in houses:
        for item in house.items:
            assert house.room_at(item.x - item.radius, item.y - item.radius) is not None
            assert house.room_at(item.x + item.radius, item.y + item.radius) is not None
            assert not house.is_free(item.x, item.y)
        for panel in house.panels:
            angle = math.radians(22.5 * panel.heading)
            half = panel.width / 2
            for side in (-half, 0, half):
                x, y = panel.x - side * math.sin(angle), panel.y + side * math.cos(angle)
                assert in_open_space(house, x + 4 * math.cos(angle), y + 4 * math.sin(angle))
                assert not in_open_space(house, x - 4 * math.cos(angle), y - 4 * math.sin(angle))


def test_starts_are_free_for_every_script() -> None:
    for script in SCRIPTS:
        for index in range(15):
            house = draw_house(scene_seed("test", 2, index, WORLD_NUMBER))
            assert house.is_free(*draw_start(np.random.default_rng(index), ground(house), script)[:2])


def test_splits_seeds_and_indices_never_share_a_house() -> None:
    digests = {draw_house(scene_seed(split, 0, index, WORLD_NUMBER)).digest for split in SPLITS for index in range(15)}
    assert len(digests) == 45
    check_drawn_again(draw_house, scene_seed("validation", 3, 7, WORLD_NUMBER))


# --- scripts


@pytest.mark.parametrize("script", ["turn-and-return", "out-and-back", "loop"])
def test_closed_scripts_end_where_they_start_without_a_bump(script: str) -> None:
    walked = 0
    for index in range(10):
        house = ground(draw_house(scene_seed("train", 1, index, WORLD_NUMBER)))
        verbs = check_closed_script(house, script, 20, index)
        walked += "go_forward" in verbs
    assert walked == (0 if script == "turn-and-return" else 10)


def test_wander_explores_and_uses_every_verb() -> None:
    houses = (ground(draw_house(scene_seed("train", 2, index, WORLD_NUMBER))) for index in range(12))
    verbs_used, rooms, bumps = wandered(houses)
    assert all(verbs_used[verb] / verbs_used.total() > 0.01 for verb in VERBS)
    assert np.mean(rooms) > 2
    assert 0.005 < np.mean(bumps) < 0.12


# --- the camera


def test_the_third_person_camera_is_behind_above_and_never_in_a_wall(houses: list[House]) -> None:
    booms = []
    for number, house in enumerate(houses):
        for place in free_places(house, 80, number):
            (x, height, z), direction = view_of(house, place, "third")
            eye = (x * UNITS_PER_METRE, -z * UNITS_PER_METRE)
            boom = math.dist(eye, place[:2]) / UNITS_PER_METRE
            angle = math.radians(22.5 * place.heading)
            booms.append(boom)
            assert in_open_space(house, *eye)
            assert math.isclose(eye[0] - place.x, -boom * UNITS_PER_METRE * math.cos(angle), abs_tol=1e-6)
            assert math.isclose(eye[1] - place.y, -boom * UNITS_PER_METRE * math.sin(angle), abs_tol=1e-6)
            assert 1.8 < height < 2.5
            assert direction[1] < 0
            assert math.isclose(math.atan2(-direction[2], direction[0]) % math.tau, angle % math.tau, abs_tol=1e-6)
    assert max(booms) <= BOOM_METRES + 1e-9
    assert min(booms) < 0.5
    assert np.mean(booms) > 1.0


@pytest.mark.usefixtures("stage")
@pytest.mark.parametrize("camera", CAMERAS)
def test_a_place_looks_the_same_on_every_visit_however_it_was_reached(houses: list[House], camera) -> None:
    revisits = 0
    for index, house in enumerate(houses):
        rng = np.random.default_rng(index)
        _, start, verbs = draw_path(rng, ground(house), "wander", 16)
        played = play(house, poses_of([start])[0], verbs, camera)
        revisits += count_revisits(played.frames, played.poses)
        order = rng.permutation(len(played.poses))
        render(houses[index - 1], poses_of([start_in(houses[index - 1])]), camera)  # another house in between
        assert (render(house, played.poses[order], camera) == played.frames[order]).all()
    assert revisits > 15


@pytest.mark.usefixtures("stage")
@pytest.mark.parametrize("camera", CAMERAS)
def test_sixteen_frames_of_turning_are_a_full_circle(houses: list[House], camera) -> None:
    start = start_in(houses[0])
    for verb, sign in (("turn_left", 1), ("turn_right", -1)):
        frames, poses, collided = play(houses[0], poses_of([start])[0], [verb] * 8, camera)
        assert frames.shape == (33, 64, 64, 3)
        assert poses[:, 2].tolist() == [22.5 * ((start.heading + sign * frame) % 16) for frame in range(33)]
        assert not collided.any()
        assert (frames[16:] == frames[:17]).all()
        assert all((frames[frame] != frames[frame + 1]).any() for frame in range(16))


@pytest.mark.usefixtures("stage")
def test_a_loop_comes_back_to_the_very_frame_and_walking_back_mirrors(houses: list[House]) -> None:
    for house in houses:
        start = poses_of([start_in(house)])[0]
        frames, poses, collided = play(house, start, ["go_forward", "go_back", "stay"], "first")
        assert not collided.any()
        assert (poses[:9] == poses[8::-1]).all()
        assert (frames[:9] == frames[8::-1]).all()
        assert (frames[0] != frames[4]).any()
        assert (frames[8:] == frames[8]).all()


@pytest.mark.usefixtures("stage")
def test_a_turn_to_the_left_moves_the_picture_to_the_right(houses: list[House]) -> None:
    """Axes and signs between our north and Miniworld's south."""
    for house in houses:
        before, after = play(house, poses_of([start_in(house)])[0], ["turn_left"], "first").frames[:2].astype(float)
        # 22.5 of 90 degrees are some 13 of 64 columns in the middle
        errors = {by: np.abs(after[24:40, 14 + by : 40 + by] - before[24:40, 14:40]).mean() for by in (-12, 12)}
        assert errors[12] < errors[-12]


@pytest.mark.usefixtures("stage")
def test_a_refused_step_leaves_everything_as_it_was(houses: list[House]) -> None:
    for house in houses:
        frames, poses, collided = play(house, poses_of([start_in(house)])[0], ["go_forward"] * 8, "third")
        assert collided.any()
        for index in np.flatnonzero(collided):
            assert (poses[index] == poses[index - 1]).all()
            assert (frames[index] == frames[index - 1]).all()
        assert all(house.is_free(int(x), int(y)) for x, y, _ in poses)


@pytest.mark.usefixtures("stage")
def test_the_body_is_in_sight_of_the_third_person_camera_alone(houses: list[House]) -> None:
    shirt = np.array([237, 92, 31]) / np.linalg.norm([237, 92, 31])

    def share(frames: np.ndarray) -> np.ndarray:
        """Of the pixels in the lower middle that have the shirt's hue."""
        pixels = frames[:, 24:64, 20:44].astype(float) + 1e-3
        alike = pixels @ shirt / np.linalg.norm(pixels, axis=-1) > 0.99
        return alike.mean((1, 2))

    poses = poses_of([place for number, house in enumerate(houses[:1]) for place in free_places(house, 40, number)])
    third, first = (share(render(houses[0], poses, camera)) for camera in ("third", "first"))
    assert third.min() > 0.03
    assert np.median(first) < 0.01


@pytest.mark.usefixtures("stage")
def test_pictures_are_bright_and_varied(houses: list[House]) -> None:
    for house in houses:
        frames = render(house, poses_of(free_places(house, 30, 0)), "first")
        assert 60 < frames.mean() < 200
        assert np.median(frames.reshape(30, -1, 3).std(1)) > 15


@pytest.mark.usefixtures("stage")
def test_another_process_gives_the_same_frames() -> None:
    code = (
        "import hashlib; from slowfast_vgen.engines import open_env;"
        "frames = [next(open_env(name, 'test', 1).episodes(1, 'wander', 3)).frames for name in"
        " ('miniworld-rooms-third', 'miniworld-rooms')];"
        "print(*[hashlib.sha256(one.tobytes()).hexdigest() for one in frames])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    worlds = [MiniworldRoomsThird("test", 1), MiniworldRooms("test", 1)]
    frames = [next(world.episodes(1, "wander", 3)).frames for world in worlds]
    assert done.stdout.split() == [hashlib.sha256(one.tobytes()).hexdigest() for one in frames]


# --- episodes


@pytest.mark.usefixtures("stage")
def test_an_episode_is_complete_and_does_not_depend_on_its_neighbours() -> None:
    first, third = MiniworldRooms("train", 9), MiniworldRoomsThird("train", 9)
    episodes = list(first.episodes(3, "mix", 3))
    alone = next(first.episodes(1, "mix", 3, first_index=2))
    assert (alone.frames == episodes[2].frames).all()
    assert (alone.chunks, alone.metadata) == (episodes[2].chunks, episodes[2].metadata)
    behind = next(third.episodes(1, "mix", 3, first_index=2))
    assert (behind.poses == alone.poses).all()
    assert behind.chunks == alone.chunks
    assert (behind.frames != alone.frames).any((1, 2, 3)).all()
    assert (alone.metadata["camera"], behind.metadata["camera"]) == CAMERAS
    for index, episode in enumerate(episodes):
        house = first.house(index)
        check_walked_episode(episode, ground(house), house.digest)


@pytest.mark.usefixtures("stage")
def test_data_sets_of_two_splits_are_sound_and_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_datasets(make_two_splits("miniworld-rooms-third", tmp_path, 2)) == []
    assert "Falling back" not in capsys.readouterr().out


# --- bad input


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: open_env("miniworld-rooms", "training", 0), "training"),
        (lambda: open_env("miniworld-rooms-third", "train", -1), "-1"),
        (lambda: MiniworldRooms("train", 0).episodes(1, "walk", 4), "walk"),
        (lambda: MiniworldRooms("train", 0).episodes(1, "mix", 0), "0 chunks"),
        (lambda: MiniworldRooms("train", 0).episodes(1, "mix", 4, first_index=-2), "-2"),
        (lambda: MiniworldRooms("train", 0).episodes(0, "mix", 4), "0 episodes"),
        (lambda: play(draw_house(0), (10.5, 3, 0), ["stay"], "first"), "whole numbers"),
        (lambda: play(draw_house(0), (0, 0, 0), ["stay"], "first"), "too near"),
        (lambda: render(draw_house(0), np.array([[-500.0, 0, 0]]), "first"), "too near"),
    ],
)
def test_bad_input_is_told_in_one_sentence(call, told: str) -> None:
    with pytest.raises(UserError, match=told) as error:
        call()
    assert "\n" not in str(error.value)


def test_a_missing_package_tells_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyglet", None)
    with pytest.raises(UserError, match=r"needs the package pyglet; install it with: pip install 'slowfast-vgen\[mini"):
        miniworld_engine._stage.__wrapped__()


def test_missing_graphics_libraries_tell_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    pyglet = pytest.importorskip("pyglet")
    monkeypatch.setitem(pyglet.options, "headless", True)
    window = pytest.importorskip("pyglet.window", exc_type=ImportError)

    def fail(**_: object) -> None:
        raise RuntimeError("No standard config\nis available.")

    monkeypatch.setattr(window, "Window", fail)
    with pytest.raises(UserError, match=r"\(No standard config is available\); .* apt-get install libegl1") as error:
        miniworld_engine._stage.__wrapped__()
    assert "\n" not in str(error.value)
