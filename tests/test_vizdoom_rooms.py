"""The world vizdoom-rooms: exact motion, identical revisits, scripts that end where they say, splits apart."""

import hashlib
import math
import os
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from world_checks import (
    check_closed_script,
    check_drawn_again,
    check_free_space,
    check_walked_episode,
    count_revisits,
    neighbours,
    open_spaces,
    reached_from_first,
    solid_near,
    wandered,
)

from slowfast_envs.actions import PHRASINGS, RETRACE_PHRASINGS, VERBS, draw_phrasing, verb_of
from slowfast_envs.base import SPLITS, scene_seed
from slowfast_envs.vizdoom.engine import HORIZONTAL_FOV_DEGREES, VizdoomEngine
from slowfast_envs.vizdoom.rooms import VizdoomRooms
from slowfast_envs.vizdoom.rooms_map import MARGIN, Scene, draw_scene
from slowfast_envs.vizdoom.rooms_textures import COLOURS
from slowfast_envs.walking import STEP_UNITS, STEPS, Place, poses_of, walk
from slowfast_envs.walking_scripts import SCRIPTS, draw_path, draw_start, led_walk
from slowfast_vgen.errors import UserError

pytest.importorskip("vizdoom")


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [draw_scene(scene_seed("test", 5, index)) for index in range(4)]


@pytest.fixture(scope="module")
def engine(scenes):
    with VizdoomEngine() as engine:
        engine.load(scenes)
        yield engine


def middle(scene: Scene, room: int = 0) -> tuple[int, int]:
    rect = scene.rooms[room]
    return (rect.left + rect.right) // 2, (rect.bottom + rect.top) // 2


# --- the map


def test_maps_have_three_to_six_rooms_that_can_all_be_reached():
    counts = Counter()
    for index in range(60):
        scene = draw_scene(scene_seed("train", 0, index))
        counts[len(scene.rooms)] += 1
        assert reached_from_first(neighbours(scene).__getitem__) == set(range(len(scene.rooms)))
        sizes = [side for room in scene.rooms for side in (room.right - room.left, room.top - room.bottom)]
        assert min(sizes) >= 256
        assert max(sizes) <= 640
    assert set(counts) == {3, 4, 5, 6}


def test_free_space_keeps_the_margin(scenes):
    rng = np.random.default_rng(0)
    for scene in scenes:
        right, top = max(r.right for r in scene.rooms), max(r.top for r in scene.rooms)
        check_free_space(scene.is_free, open_spaces(scene), MARGIN, rng.integers(0, (right, top), (300, 2)))


def test_splits_seeds_and_indices_never_share_a_map():
    triples = [(split, seed, index) for split in SPLITS for seed in (0, 1, 2**32 - 1) for index in (0, 1, 2**32 - 1)]
    seeds = {scene_seed(*triple) for triple in triples}
    assert len(seeds) == len(triples)
    digests = {draw_scene(scene_seed(split, 0, index)).digest for split in SPLITS for index in range(30)}
    assert len(digests) == 90


def test_a_map_is_the_same_when_drawn_again():
    check_drawn_again(draw_scene, scene_seed("validation", 3, 7))


def test_maps_and_frames_are_what_they_were_when_models_were_trained_on_them():
    world = VizdoomRooms("test", 0)
    assert [world.scene(index).digest for index in range(3)] == [
        "0db35a89a1a4686ea4426d017cea4f1985b9a5179637668d0ebf084383184341",
        "711c8080874615d1b084dacad228ecc8aa67a1664c3a0491c1713f86c6f9aa3b",
        "37532a20292cfaaff6014c88b0df3e6539d3b32464ca13549f3903a69cddf695",
    ]
    episode = next(world.episodes(1, "wander", 4))
    assert hashlib.sha256(episode.frames.tobytes()).hexdigest() == (
        "2fc84f66b2ce14dfe93b533b7e0b84ed688082387131c2912ca6db036c33b52d"
    )
    assert hashlib.sha256(episode.poses.tobytes()).hexdigest() == (
        "8635674612c98a1337ddd0c2a0b37431c25bb4cebaa56adecfad4624b78c33c4"
    )


# --- motion


def test_steps_are_antisymmetric_and_of_constant_length():
    for heading, (dx, dy) in enumerate(STEPS):
        assert STEPS[(heading + 8) % 16] == (-dx, -dy)
        assert abs(math.hypot(dx, dy) - STEP_UNITS) < 0.75
        assert abs(math.degrees(math.atan2(dy, dx)) % 360 - heading * 22.5) % 360 < 1.5


@pytest.mark.parametrize("verb", ["turn_left", "turn_right"])
def test_sixteen_frames_of_turning_are_a_full_circle(engine, scenes, verb):
    x, y = middle(scenes[0])
    frames, poses, collided = engine.play(scenes[0], (x, y, 22.5), [verb] * 8)
    sign = 1 if verb == "turn_left" else -1
    assert poses[:, 2].tolist() == [(22.5 + sign * 22.5 * frame) % 360 for frame in range(33)]
    assert (poses[:, :2] == (x, y)).all()
    assert not collided.any()
    assert (frames[16:] == frames[:17]).all()
    assert all((frames[frame] != frames[frame + 1]).any() for frame in range(16))


@pytest.mark.parametrize("heading", [0, 3, 5, 10, 15])
def test_forward_then_back_returns_exactly(engine, scenes, heading):
    x, y = middle(scenes[1])
    frames, poses, collided = engine.play(scenes[1], (x, y, heading * 22.5), ["go_forward", "go_back"])
    assert not collided.any()
    assert (poses == poses[::-1]).all()
    assert (frames == frames[::-1]).all()
    assert poses[1:5, :2].tolist() == [[x + k * STEPS[heading][0], y + k * STEPS[heading][1]] for k in range(1, 5)]


def test_stay_changes_nothing(engine, scenes):
    frames, poses, _ = engine.play(scenes[0], (*middle(scenes[0]), 90), ["stay", "stay"])
    assert (frames == frames[0]).all()
    assert (poses == poses[0]).all()


def test_a_pose_looks_the_same_on_every_visit_however_it_was_reached(engine, scenes):
    revisits = 0
    for index, scene in enumerate(scenes):
        rng = np.random.default_rng(index)
        _, start, verbs = draw_path(rng, scene, "wander", 40)
        played = engine.play(scene, poses_of([start])[0], verbs)
        revisits += count_revisits(played.frames, played.poses)
        order = rng.permutation(len(played.poses))
        assert (engine.render(scene, played.poses[order]) == played.frames[order]).all()
    assert revisits > 50


def test_a_refused_step_leaves_the_camera_in_place_and_out_of_the_solid(engine, scenes):
    for scene in scenes:
        frames, poses, collided = engine.play(scene, (*middle(scene), 45), ["go_forward"] * 8 + ["go_back"] * 16)
        assert collided.any()
        assert not collided[0]
        for index in np.flatnonzero(collided):
            assert (poses[index] == poses[index - 1]).all()
            assert (frames[index] == frames[index - 1]).all()
        moved = (poses[1:, :2] != poses[:-1, :2]).any(1)
        assert (moved == ~collided[1:]).all()
        assert not any(solid_near(open_spaces(scene), x, y, MARGIN) for x, y, _ in poses)


def test_the_field_of_view_is_as_stated(engine, scenes):
    """The corners of the wall straight ahead lie in the columns that the constant predicts."""
    found = 0
    half = math.tan(math.radians(HORIZONTAL_FOV_DEGREES / 2))
    for scene in scenes:
        for rect in scene.rooms:
            # nearest place from which both corners are in sight, if the room is deep enough
            x, y = rect.left + MARGIN, (rect.bottom + rect.top) // 2
            columns = [32 + 32 * sign * (rect.top - y) / (rect.right - x) / half for sign in (-1, 1)]
            if not 3 < columns[0] < 29:
                continue
            row = engine.render(scene, np.array([[x, y, 0.0]]))[0, 28].astype(int)
            for column in columns:
                near = row[round(column) - 2 : round(column) + 3]
                found += 1
                assert np.abs(np.diff(near, axis=0)).sum() > 20, "no edge where the corner should be"
    assert found >= 4


def test_two_engines_give_the_same_frames(engine, scenes):
    _, start, verbs = draw_path(np.random.default_rng(3), scenes[2], "wander", 8)
    with VizdoomEngine() as other:
        again = other.play(scenes[2], poses_of([start])[0], verbs)
    assert (again.frames == engine.play(scenes[2], poses_of([start])[0], verbs).frames).all()


def test_frames_are_full_bright_flat_colours(engine, scenes):
    """Far walls have the palette's exact colours: no fading, no noise, no overlay."""
    frames = engine.play(scenes[0], (*middle(scenes[0]), 0), ["turn_left"] * 4).frames
    assert frames.shape == (17, 64, 64, 3)
    exact = (frames[:, :, :, None, :] == np.array(COLOURS, np.uint8)).all(-1).any(-1)
    assert exact.mean() > 0.8  # the rest are edges, averaged


# --- scripts


@pytest.mark.parametrize("script", ["turn-and-return", "out-and-back", "loop"])
@pytest.mark.parametrize("num_chunks", [1, 7, 8, 32])
def test_closed_scripts_end_where_they_start_without_a_bump(script, num_chunks):
    for index in range(12):
        scene = draw_scene(scene_seed("train", 1, index))
        verbs = check_closed_script(scene, script, num_chunks, index)
        if script != "turn-and-return" and num_chunks == 32:
            assert "go_forward" in verbs


def test_loops_leave_the_line_and_close():
    scene = draw_scene(scene_seed("train", 1, 0))
    _, start, verbs = draw_path(np.random.default_rng(0), scene, "loop", 32)
    places, _ = walk(scene, start, verbs)
    assert len({p.x for p in places}) > 1
    assert len({p.y for p in places}) > 1
    assert "go_back" not in verbs


def test_full_turn_goes_one_way():
    scene = draw_scene(0)
    ways = {tuple(SCRIPTS["full-turn"](np.random.default_rng(k), scene, Place(0, 0, 0), 4)) for k in range(20)}
    assert ways == {("turn_left",) * 4, ("turn_right",) * 4}


def test_wander_explores_uses_every_verb_and_bumps_rarely():
    verbs_used, rooms, bumps = wandered(draw_scene(scene_seed("train", 2, index)) for index in range(40))
    assert all(verbs_used[verb] / verbs_used.total() > 0.01 for verb in VERBS)
    assert np.mean(rooms) > 2.3
    assert 0.005 < np.mean(bumps) < 0.1


def test_a_led_walk_crosses_rooms_without_a_bump_and_never_stands_twice_on_a_pose():
    rooms = []
    for index in range(12):
        scene = draw_scene(scene_seed("train", 3, index))
        rng = np.random.default_rng(index)
        start = draw_start(rng, scene, "retrace")
        verbs = led_walk(rng, scene, start, 16)
        places, refused = walk(scene, start, verbs)
        stood = places[::4]
        assert len(verbs) in (0, 16)
        assert not any(refused)
        assert len(set(stood)) == len(stood)
        rooms.append(len({scene.room_at(place.x, place.y) for place in places} - {None}))
    assert np.mean(rooms) > 2


def test_the_way_back_is_told_as_such_and_ends_at_the_start():
    for index in range(4):
        episode = next(VizdoomRooms("train", 9).episodes(1, "retrace", 9, first_index=index))
        verbs = [chunk.verb for chunk in episode.chunks]
        assert verbs[0] == "stay" and verbs[5:] == ["retrace"] * 4 and "retrace" not in verbs[:5]
        assert all(chunk.action in RETRACE_PHRASINGS for chunk in episode.chunks[5:])
        assert (episode.poses[4:][::-1] == episode.poses[4:]).all()
        assert (episode.frames[4:][::-1] == episode.frames[4:]).all()


def test_starts_are_free():
    for script in SCRIPTS:
        for index in range(20):
            scene = draw_scene(scene_seed("test", 2, index))
            x, y, _ = draw_start(np.random.default_rng(index), scene, script)
            assert not solid_near(open_spaces(scene), x, y, MARGIN)


# --- episodes


def test_an_episode_is_complete_and_does_not_depend_on_its_neighbours(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    world = VizdoomRooms("train", 9, maps_per_load=2)
    episodes = list(world.episodes(3, "mix", 3))
    alone = next(world.episodes(1, "mix", 3, first_index=2))
    assert (alone.frames == episodes[2].frames).all()
    assert alone.chunks == episodes[2].chunks
    assert alone.metadata == episodes[2].metadata
    assert not list(Path(tmp_path).iterdir()), "files are left behind"
    for index, episode in enumerate(episodes):
        check_walked_episode(episode, world.scene(index), world.scene(index).digest)
        assert episode.metadata["episode_index"] == index


def test_the_environment_is_put_back(engine):
    assert "MALLOC_TRIM_THRESHOLD_" not in os.environ


# --- phrasings


def test_phrasings_vary_and_the_canonical_one_leads():
    rng = np.random.default_rng(0)
    all_phrasings = [phrasing for phrasings in PHRASINGS.values() for phrasing in phrasings]
    assert len(set(all_phrasings)) == len(all_phrasings)
    for verb, phrasings in PHRASINGS.items():
        counts = Counter(draw_phrasing(rng, verb) for _ in range(500))
        assert set(counts) == set(phrasings)
        assert len(phrasings) >= 6
        assert counts.most_common(1)[0][0] == phrasings[0]
        assert all(verb_of(f" {phrasing.upper()} ") == verb for phrasing in phrasings)
        assert verb_of(verb) == verb


# --- bad input


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: VizdoomRooms("training", 0), "training"),
        (lambda: VizdoomRooms("train", -1), "-1"),
        (lambda: VizdoomRooms("train", 0).episodes(1, "walk", 4), "walk"),
        (lambda: VizdoomRooms("train", 0).episodes(1, "mix", 0), "0 chunks"),
        (lambda: VizdoomRooms("train", 0).episodes(1, "mix", 4, first_index=-2), "-2"),
        (lambda: VizdoomRooms("train", 0).episodes(0, "mix", 4), "0 episodes"),
        (lambda: verb_of("fly away"), "fly away"),
        (lambda: draw_phrasing(np.random.default_rng(0), "fly"), "fly"),
    ],
)
def test_bad_input_is_told_in_one_sentence(call, told):
    with pytest.raises(UserError, match=told) as error:
        call()
    assert "\n" not in str(error.value)


def test_bad_poses_and_verbs_are_refused(engine, scenes):
    x, y = middle(scenes[0])
    with pytest.raises(UserError, match="multiple of"):
        engine.play(scenes[0], (x, y, 10.0), ["stay"])
    with pytest.raises(UserError, match="whole numbers"):
        engine.play(scenes[0], (x + 0.5, y, 0.0), ["stay"])
    with pytest.raises(UserError, match="whole numbers"):
        engine.play(scenes[0], (math.nan, y, 0.0), ["stay"])
    with pytest.raises(UserError, match="too near"):
        engine.play(scenes[0], (scenes[0].rooms[0].left, scenes[0].rooms[0].top, 0.0), ["stay"])
    with pytest.raises(UserError, match="too near"):
        engine.render(scenes[0], np.array([[-500.0, y, 0.0]]))
    with pytest.raises(UserError, match="jump"):
        engine.play(scenes[0], (x, y, 0.0), ["jump"])


def test_missing_vizdoom_tells_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "vizdoom", None)
    with pytest.raises(UserError, match=r"slowfast-vgen\[rooms\]"):
        VizdoomEngine()
