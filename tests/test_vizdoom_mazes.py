"""The world vizdoom-mazes: mazes that can be walked, surfaces of Freedoom, exact motion, scripts, paths on file."""

import hashlib
import itertools
import re
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from world_checks import (
    check_closed_script,
    check_drawn_again,
    check_free_space,
    count_revisits,
    gaps_of,
    identity,
    neighbours,
    open_spaces,
    reached_from_first,
    second_of_train,
    told_by_another_process,
    wandered,
)

from slowfast_bench.paths.episodes import HeldOut, Tour, play_tours
from slowfast_bench.paths.tours import BUCKETS, PATH_SETS, TOUR_SETS, draw_tours, held_out_tours, write_tours
from slowfast_envs.actions import FRAMES_PER_CHUNK, VERBS
from slowfast_envs.base import SPLITS, scene_seed
from slowfast_envs.scene import MARGIN, Scene
from slowfast_envs.vizdoom.base import open_vizdoom_world
from slowfast_envs.vizdoom.engine import VizdoomEngine
from slowfast_envs.vizdoom.mazes import VizdoomMazes
from slowfast_envs.vizdoom.mazes_map import draw_maze
from slowfast_envs.vizdoom.mazes_textures import CEILINGS, FLOORS, WALL_HEIGHT, WALL_WIDTHS
from slowfast_envs.vizdoom.rooms import VizdoomRooms
from slowfast_envs.vizdoom.rooms_map import draw_scene
from slowfast_envs.vizdoom.rooms_textures import COLOURS
from slowfast_envs.walking import poses_of, walk
from slowfast_envs.walking_scripts import SCRIPTS, draw_path, draw_start
from slowfast_vgen.errors import UserError
from slowfast_vgen.files import read_json, write_json

pytest.importorskip("vizdoom")
import freedoom

CHUNK = 96
FREEDOOM_SHA256 = "087c98c2bee77dcecebac6795f91288efe969115b30f15342d9573224c95af17"


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [VizdoomMazes("train", 0).scene(index) for index in range(24)]


@pytest.fixture(scope="module")
def engine(scenes):
    with VizdoomEngine() as engine:
        engine.load(scenes[:4])
        yield engine


# --- the map


def test_every_junction_can_be_reached_and_some_ways_close_loops(scenes):
    sizes, dead_ends, crossings = Counter(), 0, 0
    for scene in scenes:
        joined = neighbours(scene)
        assert reached_from_first(joined.__getitem__) == set(range(len(scene.rooms)))
        columns, rows = len({room.left for room in scene.rooms}), len({room.bottom for room in scene.rooms})
        assert len(scene.rooms) == columns * rows
        sizes[max(columns, rows), min(columns, rows)] += 1
        closed = columns * (rows - 1) + rows * (columns - 1) - (columns * rows - 1)
        opened = len(scene.corridors) - (columns * rows - 1)
        assert 0.2 * closed - 0.5 <= opened <= 0.4 * closed + 0.5
        dead_ends += sum(len(ends) == 1 for ends in joined.values())
        crossings += sum(len(ends) >= 3 for ends in joined.values())
    assert set(sizes) <= {(4, 4), (5, 4), (6, 4), (5, 5), (6, 5)}
    assert len(sizes) >= 3
    assert dead_ends / len(scenes) > 1
    assert crossings / len(scenes) > 4


def test_a_walker_on_the_lattice_of_chunks_passes_every_corridor(scenes):
    for scene in scenes[:4]:
        for one in scene.corridors:
            rect = one.rect
            across, along = ((rect.bottom, rect.top), (rect.left, rect.right))[:: 1 if one.along_x else -1]
            for way in (along[0], sum(along) // 2, along[1]):
                sides = range(across[0], across[1] + 1)
                free = [scene.is_free(way, side) if one.along_x else scene.is_free(side, way) for side in sides]
                assert sum(free) > CHUNK


def test_long_lines_are_free(scenes):
    longest = []
    for scene in scenes:
        starts = [draw_start(np.random.default_rng(seed), scene, "out-and-back") for seed in range(10)]
        walks = [walk(scene, start, ["go_forward"] * 24)[1] for start in starts]
        longest.append(max(refused.index(True) - 1 if True in refused else 96 for refused in walks))
    assert np.mean(longest) > 12 * FRAMES_PER_CHUNK


def test_free_space_keeps_the_margin(scenes):
    rng = np.random.default_rng(0)
    free = 0
    for scene in scenes[:3]:
        right, top = max(r.right for r in scene.rooms), max(r.top for r in scene.rooms)
        points = rng.integers(0, (right, top), (150, 2))
        free += check_free_space(scene.is_free, open_spaces(scene), MARGIN, points)
    assert free > 50


def test_splits_worlds_and_seeds_never_share_a_map():
    places = [
        (split, seed, index, number)
        for split in SPLITS
        for seed in (0, 2**32 - 1)
        for index in (0, 2**32 - 1)
        for number in (0, 1)
    ]
    assert len({scene_seed(*place) for place in places}) == len(places)
    digests = {VizdoomMazes(split, 0).scene(index).digest for split in SPLITS for index in range(12)}
    assert len(digests) == 36
    mazes, rooms = VizdoomMazes("train", 0), VizdoomRooms("train", 0)
    assert mazes.random(0, 0, 0, 2).random() != rooms.random(0, 0, 0, 2).random()
    # even the same number gives the worlds' maps different draws
    assert draw_maze(5).rooms != draw_scene(5).rooms


def test_a_map_is_the_same_when_drawn_again():
    check_drawn_again(draw_maze, 7)


# --- surfaces


def test_the_textures_are_freedooms_and_do_not_move():
    walls, flats, moving = freedoom.walls(), freedoom.flats(), freedoom.moving()
    assert {"FIREBLU1", "NUKAGE2", "SLIME05"} <= moving
    assert len(WALL_WIDTHS) >= 20
    assert len(set(FLOORS)) >= 8
    assert len(set(CEILINGS)) >= 8
    assert not set(FLOORS) & set(CEILINGS)
    for name, width in WALL_WIDTHS.items():
        assert walls[name].shape == (WALL_HEIGHT, width)
        assert walls[name].min() >= 0, "a hole in the texture"
        assert not name.startswith(("SW1", "SW2")), "a switch"
    assert {*FLOORS, *CEILINGS} <= set(flats)
    assert not moving & {*WALL_WIDTHS, *FLOORS, *CEILINGS}


def test_what_freedoom_draws_is_what_the_digests_of_maps_take_for_granted():
    sha = hashlib.sha256(freedoom.lumps()["PLAYPAL"][:768])
    for name in WALL_WIDTHS:
        sha.update(name.encode() + freedoom.walls()[name].astype("<i2").tobytes())
    for name in FLOORS + CEILINGS:
        sha.update(name.encode() + freedoom.flats()[name].tobytes())
    assert sha.hexdigest() == FREEDOOM_SHA256


def test_surfaces_are_far_apart():
    def coarse(pixels: np.ndarray) -> np.ndarray:  # as seen from afar: 8x8 patches
        height, width = pixels.shape
        patches = freedoom.colours(pixels).astype(float).reshape(8, height // 8, 8, width // 8, 3)
        return patches.mean((1, 3))

    kinds = [
        [coarse(freedoom.walls()[name]) for name in WALL_WIDTHS],
        [coarse(freedoom.flats()[name]) for name in FLOORS],
        [coarse(freedoom.flats()[name]) for name in CEILINGS],
    ]
    for kind in kinds:
        distances = [np.sqrt(((a - b) ** 2).mean()) for a, b in itertools.combinations(kind, 2)]
        assert min(distances) > 12
        assert np.median(distances) > 35
    assert np.mean(kinds[2]) > np.mean(kinds[1]) + 30, "ceilings are paler than floors"


def test_neighbouring_walls_floors_and_ceilings_differ(scenes):
    for scene in scenes[:8]:
        walls = defaultdict(list)
        for region, name in re.findall(r'sidedef{sector=(\d+);texture(?:middle|top)="([^"]+)"', scene.text):
            walls[int(region)].append(name)
        flats = re.findall(r'texturefloor="([^"]+)";textureceiling="([^"]+)"', scene.text)
        assert {name for names in walls.values() for name in names} | {n for pair in flats for n in pair} == set(
            scene.textures
        )
        touching = []
        for number, corridor in enumerate(scene.corridors, start=len(scene.rooms)):
            ends = {corridor.first, corridor.second}
            touching += [(number, end) for end in ends]
            for other, far in enumerate(scene.corridors[: number - len(scene.rooms)], start=len(scene.rooms)):
                touching += [(number, other)] if ends & {far.first, far.second} else []
        assert all(len(set(names)) == len(names) for names in walls.values())
        for one, other in touching:
            assert not set(walls[one]) & set(walls[other])
            assert flats[one][0] != flats[other][0]
            assert flats[one][1] != flats[other][1]


def test_it_looks_unlike_the_rooms(engine, scenes):
    for index, scene in enumerate(scenes[:4]):
        _, start, verbs = draw_path(np.random.default_rng(index), scene, "wander", 12)
        frames = engine.play(scene, poses_of([start])[0], verbs).frames
        flat = (frames[:, :, :, None, :] == np.array(COLOURS, np.uint8)).all(-1).any(-1)
        assert flat.mean() < 0.02, "the rooms' colours"
        assert len(np.unique(frames @ [65536, 256, 1])) > 1000
        assert 40 < frames.mean() < 160, "neither dark nor glaring"
        assert (frames.max(-1) == 0).mean() < 0.1, "no holes"
        assert frames.std((1, 2)).mean() > 15, "there is something to see"


# --- motion and pixels


def test_a_pose_looks_the_same_on_every_visit_however_it_was_reached(engine, scenes):
    revisited = 0
    for index, scene in enumerate(scenes[:4]):
        rng = np.random.default_rng(index)
        _, start, verbs = draw_path(rng, scene, ["wander", "loop", "out-and-back", "full-turn"][index], 24)
        played = engine.play(scene, poses_of([start])[0], verbs)
        revisited += count_revisits(played.frames, played.poses)
        order = rng.permutation(len(played.poses))
        assert (engine.render(scene, played.poses[order]) == played.frames[order]).all()
    assert revisited > 50


def test_another_process_renders_the_same_episode():
    # here among others, and loaded in blocks of another size
    episode = list(VizdoomMazes("validation", 3, maps_per_load=2).episodes(3, "mix", 4))[2]
    assert told_by_another_process(VizdoomMazes, 4) == identity(episode)


def test_one_engine_shows_both_worlds(engine, scenes):
    room = VizdoomRooms("test", 0).scene(0)
    tours = [
        Tour(scene, draw_start(np.random.default_rng(0), scene, "wander"), ("turn_left",), 1)
        for scene in (room, scenes[0], room)
    ]
    plays = play_tours(tours)
    assert (plays[0].frames == plays[2].frames).all()
    assert (plays[1].frames == engine.play(scenes[0], plays[1].poses[0], ["turn_left"]).frames).all()
    assert (tours[0].scene.world, tours[1].scene.world) == ("vizdoom-rooms", "vizdoom-mazes")


# --- scripts


@pytest.mark.parametrize("script", ["turn-and-return", "out-and-back", "loop"])
@pytest.mark.parametrize("num_chunks", [1, 7, 32])
def test_closed_scripts_end_where_they_start_without_a_bump(scenes, script, num_chunks):
    for index, scene in enumerate(scenes[:10]):
        verbs = check_closed_script(scene, script, num_chunks, index)
        if script != "turn-and-return" and num_chunks == 32:
            assert "go_forward" in verbs


def test_loops_go_round_a_block(scenes):
    for index, scene in enumerate(scenes[:10]):
        _, start, verbs = draw_path(np.random.default_rng(index), scene, "loop", 32)
        places, _ = walk(scene, start, verbs)
        assert len({scene.room_at(place.x, place.y) for place in places} - {None}) >= 4
        assert "go_back" not in verbs


def test_wander_explores_uses_every_verb_and_bumps_rarely(scenes):
    verbs_used, junctions, bumps = wandered(scenes)
    assert set(verbs_used) == set(VERBS)
    assert np.mean(junctions) > 4
    assert 0.001 < np.mean(bumps) < 0.1


@pytest.mark.parametrize("script", SCRIPTS)
def test_starts_are_in_junctions_and_look_along_a_corridor(scenes, script):
    for index, scene in enumerate(scenes[:8]):
        start = draw_start(np.random.default_rng(index), scene, script)
        assert scene.room_at(start.x, start.y) is not None
        assert not any(walk(scene, start, ["go_forward"])[1])


# --- episodes


def test_data_of_mazes_is_made_and_sound(tmp_path: Path) -> None:
    episode = second_of_train(VizdoomMazes, tmp_path)
    assert "textures: Freedoom (BSD-3-Clause)" in episode.metadata["licence"]
    assert episode.metadata["scene"] == VizdoomMazes("train", 0).scene(1).digest


# --- the evaluation's paths


def test_tours_on_file_are_those_that_are_drawn(tmp_path: Path) -> None:
    for name in PATH_SETS:
        tours = held_out_tours(name, 64, world="vizdoom-mazes")
        assert tours[:1] == draw_tours(name, 1, world="vizdoom-mazes")
        assert len({tour.scene.digest for tour in tours}) == 64
        assert tours[0].scene.world == "vizdoom-mazes"
    file = write_tours("full-turn-16", 1, tmp_path, "vizdoom-mazes")
    assert file == tmp_path / "vizdoom-mazes" / "full-turn-16.json"
    assert held_out_tours("full-turn-16", 1, tmp_path, "vizdoom-mazes")[0].scene.world == "vizdoom-mazes"
    write_json(file, read_json(file) | {"world": "vizdoom-rooms"})
    with pytest.raises(UserError, match="holds paths of vizdoom-rooms, not of vizdoom-mazes"):
        held_out_tours("full-turn-16", 1, tmp_path, "vizdoom-mazes")
    with pytest.raises(UserError, match="cannot read"):
        held_out_tours("full-turn-16", 1, tmp_path)


@pytest.mark.parametrize("name", TOUR_SETS)
def test_tours_come_back_to_shown_places_after_their_gap(name: str) -> None:
    for tour in held_out_tours(name, 8, world="vizdoom-mazes"):
        gaps = gaps_of(tour, bumps=name.startswith("bump"))
        if name == "retrace":
            assert gaps.max() > 64
            places, _ = walk(tour.scene, tour.start, list(tour.verbs))
            assert len({tour.scene.room_at(place.x, place.y) for place in places} - {None}) >= 5
        else:
            fewest, most = BUCKETS[f"gap{name.rsplit('-', 1)[1]}"]
            assert ((gaps >= fewest) & (gaps <= most)).mean() >= 0.5


def test_held_out_episodes_of_mazes() -> None:
    held_out = HeldOut(1, 2, world="vizdoom-mazes")
    assert held_out.wanders[0].metadata["world"] == "vizdoom-mazes"
    assert held_out.outcomes(2).frames.shape == (1, 2, len(VERBS), FRAMES_PER_CHUNK, 64, 64, 3)
    for tour in held_out.full_turns + held_out.out_and_backs:
        assert walk(tour.scene, tour.start, tour.verbs)[0][-1] == tour.start


# --- bad input


def test_worlds_that_are_not_there_or_have_no_maps() -> None:
    with pytest.raises(UserError, match='"car-racing" has no maps to walk on'):
        open_vizdoom_world("car-racing", "test", 0)
    with pytest.raises(UserError, match='there is no world "mars"'):
        HeldOut(1, 1, world="mars")
    with pytest.raises(UserError, match="unknown split"):
        VizdoomMazes("exam", 0)
    with pytest.raises(UserError, match="-2 is out of range"):
        VizdoomMazes("test", 0).episodes(1, "mix", 4, first_index=-2)
