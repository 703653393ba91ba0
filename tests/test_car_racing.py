"""The world car-racing: verbs that steer, a driver who keeps to the road, pictures that hang on the poses alone."""

import gc
import json
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from world_checks import identity, make_two_splits, told_by_another_process

from slowfast_envs.base import SPLITS
from slowfast_envs.car_racing import engine as car_racing_engine
from slowfast_envs.car_racing.driver import CONTROLS, PHRASINGS, Driver, Habits
from slowfast_envs.car_racing.engine import Controls, Race
from slowfast_envs.car_racing.environment import SCRIPTS, CarRacing
from slowfast_envs.car_racing.renderer import SCENERY, VIEW_UNITS, View
from slowfast_vgen.data.format import EpisodeDataset
from slowfast_vgen.engines import open_env
from slowfast_vgen.errors import UserError

SOURCE = Path(__file__).parents[1] / "src"
SENSIBLE = Habits(0.0, (12.0, 26.0), 0.0)


@pytest.fixture(scope="module", autouse=True)
def engine() -> None:
    """Skips where the extra is not installed."""
    try:
        with Race(0, 0.0):
            pass
    except UserError as error:
        pytest.skip(str(error))


def after(verb: str, speed: float, frames: int = 4, seed: int = 1) -> tuple[float, float, float]:
    """How far the car comes, by how many degrees it turns, and its speed after, once it was that fast."""
    with Race(seed, 0.0) as race:
        while race.speed < speed:
            race.frame(Controls(0.0, 0.1, 0.0))
        for _ in range(3):
            race.frame(CONTROLS["drive_on"])
        x, y, degrees = race.pose
        for _ in range(frames):
            race.frame(CONTROLS[verb])
        x2, y2, degrees2 = race.pose
        return math.hypot(x2 - x, y2 - y), (degrees2 - degrees + 180) % 360 - 180, race.speed


# --- the car


def test_the_pedals_change_the_speed_and_straight_on_keeps_it():
    for speed in (8.0, 15.0):
        coast = after("drive_on", speed)
        assert coast[2] == pytest.approx(after("drive_on", speed, 1)[2], rel=0.02)
        assert abs(coast[1]) < 0.5
        assert coast[0] == pytest.approx(0.4 * coast[2], rel=0.05)
        assert coast[2] + 2 < after("accelerate", speed)[2] < coast[2] + 10
        assert coast[2] - 10 < after("brake", speed)[2] < coast[2] - 2


def test_steering_turns_the_car_to_that_side_and_bearing_less():
    for speed in (8.0, 15.0, 20.0):
        turned = {verb: after(verb, speed)[1] for verb in CONTROLS}
        assert turned["steer_left"] > 2 * turned["bear_left"] > 4
        assert turned["steer_right"] < 2 * turned["bear_right"] < -4
        assert turned["steer_left"] == pytest.approx(-turned["steer_right"], abs=1)
        assert after("steer_left", speed)[2] > 0.9 * speed


def test_the_car_starts_at_rest_on_the_road_headed_along_it_anywhere():
    places = set()
    for seed in range(3):
        for start in (0.0, 0.3, 0.8):
            with Race(seed, start) as race:
                assert race.speed == 0
                assert not race.is_off_road
                x, y, degrees = race.pose
                tiles = race.track[:, 2:]
                near = int(((tiles - (x, y)) ** 2).sum(1).argmin())
                assert np.hypot(*(tiles[near] - (x, y))) < 1
                assert abs(near - int(start * len(tiles))) <= 1
                step = tiles[(near + 1) % len(tiles)] - tiles[near - 1]
                along = math.degrees(math.atan2(step[1], step[0]))
                assert abs((degrees - along + 180) % 360 - 180) < 15
                places.add((x, y))
    assert len(places) == 9


def test_it_knows_when_it_has_left_the_road():
    with Race(2, 0.0) as race:
        assert not race.is_off_road
        for _ in range(60):
            race.frame(Controls(0.0, 0.3, 0.0))
        x, y, _ = race.pose
        far = np.sqrt(((race.track[:, 2:] - (x, y)) ** 2).sum(1)).min()
        assert race.is_off_road == (far > 8)
        assert far > 8


def test_races_leave_no_memory_behind():
    counts = []
    for _ in range(3):
        for seed in range(5):
            with Race(seed, 0.5):
                pass
        gc.collect()
        counts.append(len(gc.get_objects()))
    assert counts[2] - counts[1] < 500


# --- the driver


def test_a_driver_keeps_to_the_road_and_gets_on():
    for seed in range(4):
        with Race(seed, 0.25 * seed) as race:
            driver = Driver(race, SENSIBLE, np.random.default_rng(seed))
            driven, off, fast = 0.0, 0, []
            for _ in range(60):
                controls = CONTROLS[driver.verb()]
                for _ in range(4):
                    x, y, _ = race.pose
                    race.frame(controls)
                    driven += math.hypot(race.pose[0] - x, race.pose[1] - y)
                    off += race.is_off_road
                    fast.append(race.speed)
            assert off <= 4
            assert 200 < driven < 800
            assert max(fast) < 38


def test_a_driver_on_the_grass_comes_back():
    with Race(5, 0.1) as race:
        for _ in range(8):
            race.frame(Controls(0.0, 0.1, 0.0))
        for _ in range(16):
            race.frame(Controls(0.3, 0.0, 0.0))
        for _ in range(12):
            race.frame(Controls(0.0, 0.05, 0.0))
        assert race.is_off_road
        driver = Driver(race, SENSIBLE, np.random.default_rng(0))
        back = []
        for _ in range(40):
            controls = CONTROLS[driver.verb()]
            for _ in range(4):
                race.frame(controls)
            back.append(not race.is_off_road)
        assert all(back[-10:])


def test_a_driver_at_rest_sets_off_wherever_the_road_bends():
    with Race(0, 0.0) as race:
        assert Driver(race, SENSIBLE, np.random.default_rng(0)).verb() == "accelerate"
    for twelfth in range(12):
        with Race(6, twelfth / 12) as race:
            assert Driver(race, SENSIBLE, np.random.default_rng(0)).verb() == "accelerate"


def test_scripts_drive_differently():
    world = CarRacing("train", 0)
    off, speeds, verbs = {}, {}, {}
    for script in SCRIPTS:
        episodes = list(world.episodes(4, script, 32))
        assert {episode.metadata["script"] for episode in episodes} == {script}
        off[script] = np.mean([len(episode.metadata["off_road"]) / episode.num_frames for episode in episodes])
        speeds[script] = np.mean([episode.metadata["speed"] for episode in episodes])
        assert min(np.mean(episode.metadata["speed"]) for episode in episodes) > 5, "it never stands for good"
        verbs[script] = Counter(chunk.verb for episode in episodes for chunk in episode.chunks)
    assert set(sum(verbs.values(), Counter())) == set(CONTROLS)
    assert off["race"] < 0.01
    assert off["weave"] < 0.3
    assert speeds["race"] > speeds["stop-and-go"] + 2
    assert verbs["stop-and-go"]["brake"] > verbs["race"]["brake"]
    assert max(verbs["race"].values()) < 0.5 * sum(verbs["race"].values())


# --- pictures


def test_a_picture_hangs_on_poses_alone():
    with Race(3, 0.0) as race:
        view = View(race, 0)
        fresh = view.digest
        first = view.frame()
        for _ in range(12):
            race.frame(Controls(0.0, 0.2, 0.0))  # over tiles, whose shade the engine then forgets
        driven = view.frame()
        assert (driven != first).any()
        assert (View(race, 0).digest, view.digest) == (fresh, fresh)
        assert (View(race, 0).frame() == driven).all()


def test_the_car_is_red_below_the_middle_on_grey_road_with_the_ground_around():
    for scenery, (ground, patch, road) in enumerate(SCENERY):
        with Race(3, 0.0) as race:
            frame = View(race, scenery).frame().astype(int)
        assert frame.shape == (64, 64, 3)
        red = (frame[..., 0] > 140) & (frame[..., 1:].max(-1) < 90)
        rows, columns = np.nonzero(red)
        assert 6 < len(rows) < 40
        assert abs(rows.mean() - 48) < 3
        assert abs(columns.mean() - 31.5) < 1
        assert (np.abs(frame[36:41, 30:34] - road) < 9).all(), "the road is ahead"
        beside = frame[:, :8].reshape(-1, 3)
        near = [np.abs(beside - colour).max(1) < 4 for colour in (ground, patch)]
        assert (near[0] | near[1]).mean() > 0.7
        assert np.abs(np.subtract(ground, road)).max() > 24


def test_what_is_ahead_comes_down_and_a_left_turn_moves_the_picture_right():
    with Race(7, 0.0) as race:
        view = View(race, 0)
        for _ in range(10):
            race.frame(Controls(0.0, 0.08, 0.0))
        units = race.speed / 10
        before = view.frame().astype(float)
        race.frame(Controls(0.0, 0.0, 0.0))
        ahead = view.frame().astype(float)
        down = round(units * 64 / VIEW_UNITS)
        assert down >= 2
        right = np.abs(ahead[down:40] - before[: 40 - down]).mean()
        wrong = np.abs(ahead[: 40 - down] - before[down:40]).mean()
        assert right < 0.5 * wrong


def test_splits_and_numbers_never_share_a_track():
    digests = {episode.metadata["scene"] for split in SPLITS for episode in CarRacing(split, 0).episodes(5, "mix", 1)}
    assert len(digests) == 15
    drawn = set()
    for split, seed in (("train", 0), ("train", 1), ("test", 0)):
        starts = [episode.frames[0] for episode in CarRacing(split, seed).episodes(8, "mix", 1)]
        drawn.add(tuple(np.argmax([(start == ground).all(-1).sum() for ground, *_ in SCENERY]) for start in starts))
    assert len(drawn) == 3, "nor do they draw the same sceneries"
    with Race(0, 0.0) as race:
        assert View(race, 0).digest != View(race, 1).digest


# --- episodes


def test_every_verb_has_eight_phrasings_and_none_stands_twice():
    texts = [text for phrasings in PHRASINGS.values() for text in phrasings]
    assert set(PHRASINGS) == set(CONTROLS)
    assert all(len(phrasings) == 8 for phrasings in PHRASINGS.values())
    assert len(set(texts)) == len(texts) == 56


def test_an_episode_is_complete_and_does_not_depend_on_its_neighbours():
    world = CarRacing("train", 9)
    episodes = list(world.episodes(3, "mix", 5))
    alone = next(world.episodes(1, "mix", 5, first_index=2))
    assert (alone.frames == episodes[2].frames).all()
    assert (alone.poses == episodes[2].poses).all()
    assert (alone.chunks, alone.metadata) == (episodes[2].chunks, episodes[2].metadata)
    for index, episode in enumerate(episodes):
        assert episode.frames.shape == (21, 64, 64, 3)
        assert episode.poses.dtype == np.float64
        assert episode.poses.shape == (21, 3)
        assert (episode.poses[:, 2] >= 0).all()
        assert (episode.poses[:, 2] < 360).all()
        assert episode.fps == 10
        assert [(c.start_frame, c.num_frames) for c in episode.chunks] == [(1 + 4 * k, 4) for k in range(5)]
        assert all(c.action in PHRASINGS[c.verb] for c in episode.chunks)
        assert json.loads(json.dumps(episode.metadata)) == episode.metadata
        assert episode.metadata["episode_index"] == index
        assert len(episode.metadata["speed"]) == 21


def test_poses_and_speeds_fit_together():
    episode = next(CarRacing("train", 1).episodes(1, "race", 24))
    moved = np.hypot(*np.diff(episode.poses[:, :2], axis=0).T)
    speed = np.array(episode.metadata["speed"])
    assert np.abs(moved - (speed[1:] + speed[:-1]) / 20).max() < 0.25
    headings = np.radians(episode.poses[:-1, 2])
    fast = moved > 0.5
    along = (np.diff(episode.poses[:, :2], axis=0) * np.stack([np.cos(headings), np.sin(headings)], -1)).sum(-1)
    assert (along[fast] > 0.8 * moved[fast]).all(), "the car goes where it looks"


def test_another_process_records_the_same_episode():
    episode = list(CarRacing("validation", 3).episodes(3, "mix", 6))[2]
    assert told_by_another_process(CarRacing, 6) == identity(episode), "and nothing else is printed"


def test_data_sets_of_two_splits_are_sound_and_apart(tmp_path: Path) -> None:
    train, _ = make_two_splits("car-racing", tmp_path, 2)
    assert EpisodeDataset(train)[1].metadata["world"] == "car-racing"


# --- bad input


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: open_env("car-racing", "training", 0), "training"),
        (lambda: open_env("car-racing", "train", -1), "-1"),
        (lambda: CarRacing("train", 0).episodes(1, "wander", 4), "choose one of race, weave, stop-and-go, mix"),
        (lambda: CarRacing("train", 0).episodes(1, "mix", 0), "0 chunks"),
        (lambda: CarRacing("train", 0).episodes(1, "mix", 4, first_index=-2), "-2"),
        (lambda: CarRacing("train", 0).episodes(0, "mix", 4), "0 episodes"),
    ],
)
def test_bad_input_is_told_in_one_sentence(call, told: str) -> None:
    with pytest.raises(UserError, match=told) as error:
        call()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("package", ["gymnasium", "Box2D", "pygame"])
def test_a_missing_package_tells_what_to_install(package: str) -> None:
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from slowfast_envs.car_racing.environment import CarRacing\n"
        "next(CarRacing('train', 0).episodes(1, 'mix', 1))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": str(SOURCE)})
    last = done.stderr.strip().splitlines()[-1]
    assert "UserError" in last
    assert last.endswith(
        f"the world car-racing needs the package {package}; install it with: pip install 'slowfast-vgen[car-racing]'"
    )


def test_the_engine_draws_nothing():
    env_class, _ = car_racing_engine._classes()
    assert env_class()._render("state_pixels") is None
