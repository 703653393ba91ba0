"""The world vizdoom-streets: towns that can be driven, a car that cannot turn on the spot, ways that come back."""

import re
import sys
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from world_checks import (
    check_drawn_again,
    check_free_space,
    count_revisits,
    identity,
    reached_from_first,
    second_of_train,
    told_by_another_process,
)

from slowfast_envs import actions
from slowfast_envs.actions import FRAMES_PER_CHUNK
from slowfast_envs.base import SPLITS, scene_seed
from slowfast_envs.scene import Rect
from slowfast_envs.vizdoom.base import open_vizdoom_world
from slowfast_envs.vizdoom.car import (
    HEADINGS,
    PHRASINGS,
    RADIUS,
    STEP_UNITS,
    VERBS,
    CarPlace,
    advance,
    car_poses,
    drive,
    is_clear,
)
from slowfast_envs.vizdoom.driving import (
    CHUNK_UNITS,
    SCRIPTS,
    Spot,
    draw_drive,
    legs_from,
    loops_from,
    place_at,
    route,
    undone,
)
from slowfast_envs.vizdoom.engine import VizdoomEngine
from slowfast_envs.vizdoom.rooms import VizdoomRooms
from slowfast_envs.vizdoom.slabs import Slab, write_slabs
from slowfast_envs.vizdoom.streets import VizdoomStreets
from slowfast_envs.vizdoom.streets_map import BODY, ROAD, SPACINGS, StreetMap, draw_streets
from slowfast_envs.vizdoom.streets_textures import FACADES, GROUND, GROUND_FLOORS, TRIMS, WINDOWS, Facade, StreetsLook
from slowfast_envs.vizdoom.textures import PaintedLook
from slowfast_envs.vizdoom.udmf import Panel
from slowfast_vgen.errors import UserError

pytest.importorskip("vizdoom")


class Plain:
    """A square of asphalt without end."""

    def is_free(self, x: int, y: int) -> bool:
        return True


@pytest.fixture(scope="module")
def towns() -> list[StreetMap]:
    return [VizdoomStreets("train", 0).scene(index) for index in range(20)]


@pytest.fixture(scope="module")
def engine(towns):
    with VizdoomEngine() as engine:
        engine.load(towns[:4])
        yield engine


def spots_of(town: StreetMap) -> list[Spot]:
    return [Spot(end, heading) for exits in town.exits for heading, end in exits]


# --- the map


def test_every_crossing_can_be_reached_and_has_two_streets_at_least(towns):
    sizes = Counter()
    for town in towns:
        reached = reached_from_first(lambda crossing, exits=town.exits: {end for _, end in exits[crossing]})
        assert reached == set(range(len(town.crossings)))
        assert min(len(exits) for exits in town.exits) >= 2
        assert any(loops_from(town, spot) for spot in spots_of(town))
        sizes[len(town.crossings)] += 1
    assert set(sizes) <= {9, 12, 15, 16}
    assert len(sizes) >= 3


def test_streets_run_along_the_axes_in_whole_chunks(towns):
    for town in towns:
        for i, j in town.streets:
            (x1, y1), (x2, y2) = town.crossings[i], town.crossings[j]
            assert (x1 == x2) != (y1 == y2)
            assert abs(x1 - x2) + abs(y1 - y2) in SPACINGS
    assert all(spacing % CHUNK_UNITS == 0 for spacing in SPACINGS)


def test_free_is_where_the_whole_body_is_on_asphalt(towns):
    rng = np.random.default_rng(0)
    free = 0
    for town in towns[:3]:
        strips = [
            Rect(min(x1, x2) - ROAD, min(y1, y2) - ROAD, max(x1, x2) + ROAD, max(y1, y2) + ROAD)
            for (x1, y1), (x2, y2) in ((town.crossings[i], town.crossings[j]) for i, j in town.streets)
        ]
        free += check_free_space(town.is_free, strips, BODY, rng.integers(0, 1800, (200, 2)))
    assert free > 60


def test_splits_worlds_and_seeds_never_share_a_map():
    places = [(s, seed, i, number) for s in SPLITS for seed in (0, 2**32 - 1) for i in (0, 1) for number in (0, 1, 5)]
    assert len({scene_seed(*place) for place in places}) == len(places)
    digests = {VizdoomStreets(split, 0).scene(index).digest for split in SPLITS for index in range(6)}
    assert len(digests) == 18
    streets, rooms = VizdoomStreets("train", 0), VizdoomRooms("train", 0)
    assert streets.random(0, 0, 0, 2).random() != rooms.random(0, 0, 0, 2).random()


def test_a_map_is_the_same_when_drawn_again():
    check_drawn_again(draw_streets, 7)


def test_slabs_show_the_sides_of_the_higher_one_and_hang_one_sky():
    sides = (Panel("NS", 1, 2), Panel("EW", 3, 4))
    low, high = (Slab(Rect(0, 0, 300, 300), 0, Panel("LOW", 1, 1), sides), (100, 100, 200, 200))
    text, textures = write_slabs(
        [low, low._replace(rect=Rect(0, 0, 50, 300)), Slab(Rect(*high), 64, Panel("TOP", 1, 1), sides)], "SKY9", (9, 9)
    )
    assert textures == ("EW", "LOW", "NS", "SKY9", "TOP")
    assert text.count("special=190") == 1
    assert len(re.findall(r"sector{", text)) == 3
    floors = [int(height) for height in re.findall(r"heightfloor=(\d+)", text)]
    vertices = [(int(x), int(y)) for x, y in re.findall(r"vertex{x=(\d+);y=(\d+);}", text)]
    faces = re.findall(r'sidedef{sector=(\d+);texturebottom="(\w+)";scalex_bottom=(\S+?);scaley_bottom=(\S+?);}', text)
    assert Counter(name for _, name, *_ in faces) == {"NS": 2, "EW": 2}
    assert all(floors[int(sector)] == 0 for sector, *_ in faces), "a face is seen from the lower ground"
    assert {(name, float(x), float(y)) for _, name, x, y in faces} == {("NS", 1, 2), ("EW", 3, 4)}
    sectors = [int(one) for one in re.findall(r"sidedef{sector=(\d+);", text)]
    for v1, v2, front in re.findall(r"linedef{v1=(\d+);v2=(\d+);sidefront=(\d+);", text):
        (x1, y1), (x2, y2) = vertices[int(v1)], vertices[int(v2)]
        length = abs(x2 - x1) + abs(y2 - y1)
        middle_x, middle_y = (x1 + x2) / 2 + (y2 - y1) / length, (y1 + y2) / 2 - (x2 - x1) / length
        inside_high = 100 < middle_x < 200 and 100 < middle_y < 200
        assert (floors[sectors[int(front)]] == 64) == inside_high, "the front is at the right hand"
    with pytest.raises(AssertionError, match="hole"):
        write_slabs([low, low._replace(rect=Rect(400, 0, 500, 300))], "SKY9", (9, 9))


# --- surfaces


def test_each_part_of_a_facade_shows():
    look = StreetsLook()
    plain = Facade(0, 3, "A", "A", 0)
    for change in (
        [plain._replace(colour=colour) for colour in range(len(FACADES))],
        [plain._replace(storeys=storeys) for storeys in range(1, 6)],
        [plain._replace(windows=windows) for windows in WINDOWS],
        [plain._replace(ground=ground) for ground in GROUND_FLOORS],
        [plain._replace(trim=trim) for trim in range(len(TRIMS))],
    ):
        names = [facade.texture(shaded) for facade in change for shaded in (False, True)]
        assert all(len(name) == 8 for name in names), "the engine's names have no more"
        assert [Facade.of_texture(name)[0] for name in names[::2]] == change
        pictures = {np.array(look.colours, np.uint8)[look.pixels(name) - 1].tobytes() for name in names}
        assert len(pictures) == len(names)


def test_textures_are_what_the_engine_can_tile_and_of_our_colours(towns):
    look = StreetsLook()
    assert 100 < len(look.colours) <= 255
    assert len(set(FACADES)) == len(FACADES)
    for town in towns[:6]:
        for name in town.textures:
            pixels = look.pixels(name)
            assert all(side & (side - 1) == 0 for side in pixels.shape), "powers of two"
            assert pixels.min() >= 1
            assert pixels.max() <= len(look.colours)


def test_houses_of_a_town_are_many_and_neighbours_differ(towns):
    for town in towns[:8]:
        facades = [Facade.of_texture(name)[0] for name in town.textures if name.startswith("F")]
        assert len({facade.colour for facade in facades}) > 18
        assert len(set(facades)) > 20
        assert sum(name.startswith("SKY") for name in town.textures) == 1


# --- the car


@pytest.mark.parametrize("quarter", range(4))
@pytest.mark.parametrize(("verb", "sign", "ahead"), [
    ("turn_left", 1, 1), ("turn_right", -1, 1), ("back_left", -1, -1), ("back_right", 1, -1),
])  # fmt: skip
def test_two_chunks_of_a_turn_are_a_quarter_of_a_circle(quarter, verb, sign, ahead):
    start = CarPlace(0, 0, 8 * quarter)
    places, _ = drive(Plain(), start, [verb] * 2)
    assert places[-1].heading == 8 * (quarter + sign) % HEADINGS
    along, across = ((1, 0), (0, 1), (-1, 0), (0, -1))[quarter], ((0, 1), (-1, 0), (0, -1), (1, 0))[quarter]
    centre = tuple(RADIUS * sign * ahead * b for b in across)  # reversing to the left, the nose goes to the right
    assert places[-1][:2] == tuple(ahead * RADIUS * a + c for a, c in zip(along, centre, strict=True))
    for place in places:
        assert abs(np.hypot(place.x - centre[0], place.y - centre[1]) - RADIUS) < 1


def test_it_never_turns_on_the_spot_and_goes_where_it_looks():
    rng = np.random.default_rng(0)
    place = CarPlace(0, 0, 0)
    for verb in rng.choice(VERBS, 2000):
        after, refused = advance(Plain(), place, str(verb))
        assert not refused
        moved = np.array(after[:2]) - place[:2]
        turned = (after.heading - place.heading + 16) % HEADINGS - 16
        if verb == "stop":
            assert after == place
            continue
        length = np.hypot(*moved)
        assert abs(length - (STEP_UNITS if not turned else 2 * RADIUS * np.sin(np.pi / 32))) < 1
        middle = np.pi / 16 * (place.heading + turned / 2)
        sign = 1 if verb in ("drive_on", "turn_left", "turn_right") else -1
        assert moved @ (np.cos(middle), np.sin(middle)) * sign > 0.99 * length
        assert {"turn_left": 1, "turn_right": -1, "back_left": -1, "back_right": 1}.get(verb, 0) == turned
        place = after


def test_undoing_verbs_drives_the_same_poses_backwards():
    rng = np.random.default_rng(1)
    for _ in range(50):
        verbs = [str(verb) for verb in rng.choice(VERBS, 9)]
        places, _ = drive(Plain(), CarPlace(5, -7, int(rng.integers(HEADINGS))), verbs + undone(verbs))
        assert places == places[::-1]


def test_a_refused_step_leaves_the_car_where_it_is(towns):
    bumps = 0
    for number, town in enumerate(towns):
        rng = np.random.default_rng(number)
        start = place_at(town, spots_of(town)[0])
        places, refused = drive(town, start, [str(verb) for verb in rng.choice(VERBS, 40)])
        for before, after, bumped in zip(places, places[1:], refused[1:], strict=False):
            assert is_clear(town, after)
            if bumped:
                bumps += 1
                assert after == before
    assert bumps > 100


# --- ways through the town


def test_every_leg_can_be_driven_and_ends_at_its_spot(towns):
    turns = Counter()
    for town in towns:
        for spot in spots_of(town):
            for leg in legs_from(town, spot):
                places, refused = drive(town, place_at(town, spot), leg.verbs)
                assert not any(refused)
                assert places[-1] == place_at(town, leg.spot)
                assert (leg.spot.heading - spot.heading) % 4 == leg.turn
                turns[leg.turn] += 1
                inside = places[4:-8]  # in its lane wherever it is not on a crossing
                for place in inside:
                    far = min(max(abs(place.x - x), abs(place.y - y)) for x, y in town.crossings) > ROAD + 60
                    assert not far or place.heading % 8 == 0
    assert set(turns) == {0, 1, 2, 3}


def test_routes_are_the_shortest_and_turn_round_only_where_they_may(towns):
    shorter = 0
    for number, town in enumerate(towns[:8]):
        spots = spots_of(town)
        rng = np.random.default_rng(number)
        start, goal = (spots[index] for index in rng.choice(len(spots), 2, replace=False))
        ways = [route(town, start, goal, u_turns) for u_turns in (True, False)]
        for way in ways:
            places, refused = drive(town, place_at(town, start), way)
            assert not any(refused)
            assert places[-1] == place_at(town, goal)
        assert "back_left" not in ways[1]
        assert "back_right" not in ways[1]
        assert len(ways[0]) <= len(ways[1])
        shorter += len(ways[0]) < len(ways[1])
        legs = legs_from(town, start)
        assert all(len(route(town, start, leg.spot, True)) <= len(leg.verbs) for leg in legs)
    assert shorter >= 1


def test_round_a_single_block_there_is_no_way_to_turn_but_in_three_moves(towns):
    block = replace(
        towns[0], crossings=((0, 0), (480, 0), (0, 480), (480, 480)), streets=((0, 1), (0, 2), (1, 3), (2, 3))
    )
    assert route(block, Spot(1, 0), Spot(0, 2), u_turns=False) == []
    assert len(route(block, Spot(1, 0), Spot(1, 0), u_turns=False)) == len(loops_from(block, Spot(1, 0))[0])
    assert [leg.turn for leg in legs_from(block, Spot(1, 0))] == [1], "no side street to back out of"


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("num_chunks", [1, 7, 32])
def test_scripts_drive_as_many_chunks_as_asked_in_the_lanes(towns, script, num_chunks):
    for index, town in enumerate(towns[:8]):
        drawn, start, verbs = draw_drive(np.random.default_rng(index), town, script, num_chunks)
        assert drawn == script
        assert len(verbs) == num_chunks
        places, refused = drive(town, start, verbs)
        by_chunk = np.array(refused[1:]).reshape(-1, FRAMES_PER_CHUNK)
        assert (by_chunk.all(1) == by_chunk.any(1)).all(), "a bump takes a whole chunk"
        assert all(place.heading % 4 == 0 for place in places[::FRAMES_PER_CHUNK])
        if script in ("loop", "out-and-back"):
            assert not any(refused)


def test_loops_come_round_to_the_start_pose(towns):
    for index, town in enumerate(towns):
        _, start, verbs = draw_drive(np.random.default_rng(index), town, "loop", 64)
        places, _ = drive(town, start, verbs)
        assert places.count(start) >= 2
        turns = {verb for verb in verbs if verb != "drive_on"}
        assert turns <= {"turn_left", "turn_right"}
        longest = max(map(len, loops_from(town, spots_of(town)[0])), default=64)
        assert len(verbs) >= min(16, longest)


def test_there_and_back_sees_the_street_from_both_sides(towns):
    both, closed = 0, 0
    for index, town in enumerate(towns):
        _, start, verbs = draw_drive(np.random.default_rng(index), town, "there-and-back", 40)
        places, _ = drive(town, start, verbs)
        closed += places.count(start) >= 2
        side = (1, 0) if start.heading % 16 == 0 else (0, 1)
        passed = {place.heading for place in places if (place.x * side[1] + place.y * side[0]) in _lanes(start, side)}
        both += {start.heading, (start.heading + 16) % HEADINGS} <= passed
    assert both == len(towns)
    assert closed > len(towns) // 2


def _lanes(start: CarPlace, side: tuple[int, int]) -> set[int]:
    """Where the two lanes of the start's street lie across it."""
    mine = start.x * side[1] + start.y * side[0]
    return {mine, mine + 96, mine - 96}


def test_out_and_back_ends_where_it_starts(towns):
    for index, town in enumerate(towns):
        _, start, verbs = draw_drive(np.random.default_rng(index), town, "out-and-back", 32)
        places, _ = drive(town, start, verbs)
        assert places[-1] == start
        assert len(set(places)) > 16


def test_wander_uses_every_verb_meets_many_crossings_and_bumps_rarely(towns):
    used, bumps, crossings = Counter(), [], []
    for index, town in enumerate(towns):
        _, start, verbs = draw_drive(np.random.default_rng(index), town, "wander", 64)
        places, refused = drive(town, start, verbs)
        used.update(verbs)
        bumps.append(np.mean(refused))
        crossings.append(sum(any(max(abs(p.x - x), abs(p.y - y)) < ROAD for p in places) for x, y in town.crossings))
    assert set(used) == set(VERBS)
    assert min(used.values()) > 0.01 * sum(used.values())
    assert 0.001 < np.mean(bumps) < 0.06
    assert np.mean(crossings) > 4


# --- pixels


def test_a_pose_looks_the_same_on_every_visit_however_it_was_reached(engine, towns):
    revisited = 0
    for index, town in enumerate(towns[:4]):
        rng = np.random.default_rng(index)
        script = list(SCRIPTS)[index]
        _, start, verbs = draw_drive(rng, town, script, 24)
        poses = car_poses(drive(town, start, verbs)[0])
        frames = engine.show(town, poses)
        revisited += count_revisits(frames, poses)
        order = rng.permutation(len(poses))
        assert (engine.show(town, poses[order]) == frames[order]).all()
    assert revisited > 50


def test_it_looks_like_a_street(engine, towns):
    for town in towns[:4]:
        starts = [place_at(town, spot, 1) for spot in spots_of(town)]
        frames = engine.show(town, car_poses(starts))
        road = frames[:, 48:60, 26:34].astype(int)
        asphalt = (np.abs(road - GROUND["asphalt"]) < 6).all(-1)
        assert asphalt.mean() > 0.5, "the road is ahead"
        marked = (frames[:, 34:].astype(int) > 180).all(-1)
        assert (marked.mean((1, 2)) > 0.005).all(), "with lines on it"
        grass_or_houses = frames[:, 12:30].reshape(len(frames), -1, 3)
        assert np.mean([len(np.unique(one, axis=0)) for one in grass_or_houses]) > 60, "between houses"
        assert (frames.max(-1) == 0).mean() < 0.01, "no holes"


def test_each_direction_has_its_own_piece_of_the_sky(engine, towns):
    town = next(town for town in towns[:4] if "SKY5" not in town.textures)  # that one is overcast
    sky = {tuple(StreetsLook().colours[entry - 1]) for entry in np.unique(StreetsLook().pixels(_sky_of(town)))}
    x, y = town.crossings[0]
    tops = engine.show(town, car_poses([CarPlace(x, y, heading) for heading in range(0, HEADINGS, 4)]))[:, :6]
    flat = np.array([[tuple(map(int, pixel)) in sky for pixel in top.reshape(-1, 3)] for top in tops])
    assert flat.mean() > 0.05
    assert len({top.tobytes() for top in tops}) == len(tops)


def _sky_of(town: StreetMap) -> str:
    return next(name for name in town.textures if name.startswith("SKY"))


class Rulers(PaintedLook):
    """Sides that tell how far from the top one looks; everything else is blue."""

    world = "rulers"
    colours = (*((shade, shade, 0) for shade in range(0, 256, 2)), (0, 0, 255))

    def pixels(self, name: str) -> np.ndarray:
        if name == "RULER":
            return np.repeat(np.arange(1, 129, dtype=np.uint8)[:, None], 128, axis=1)
        return np.full((128, 1024) if name.startswith("SKY") else (64, 64), 129, np.uint8)


@pytest.mark.parametrize("height", [200, 392])
def test_a_front_is_covered_from_the_roof_down_by_one_picture(height):
    ruler, blue = Panel("RULER", 128 / 400, 128 / height), Panel("BLUE", 1, 1)
    ground = Slab(Rect(0, 0, 2000, 2000), 0, blue, (blue, blue))
    tower = Slab(Rect(1500, 800, 1900, 1200), height, blue, (ruler, ruler))
    text, textures = write_slabs([ground, ground._replace(rect=Rect(0, 0, 50, 2000)), tower], "SKY0", (700, 1000))
    with VizdoomEngine() as engine:
        drawn = SimpleNamespace(seed=0, text=text, textures=textures, look=Rulers())
        column = engine.show(drawn, np.array([[900.0, 1000, 0]]))[0, :, 32].astype(int)
    seen = column[column[:, 2] == 0, 0]
    assert len(seen) > 10
    assert (np.diff(seen) > 0).all(), "it does not begin again"
    assert seen[0] < 40
    assert seen[-1] > 215


def test_facades_fit_their_houses():
    town = draw_streets(3)
    heights = {int(height) for height in re.findall(r"heightfloor=(\d+)", town.text)}
    sides = re.findall(r'texturebottom="(F\w+)";scalex_bottom=\S+?;scaley_bottom=(\S+?);', town.text)
    assert len(sides) > 40
    for name, scale in sides:
        height = 96 + 72 * Facade.of_texture(name)[0].storeys
        assert float(scale) == pytest.approx(128 / height)
        assert 8 + height in heights


def test_a_turn_to_the_left_moves_the_picture_to_the_right(engine, towns):
    moved = []
    for town in towns[:4]:
        x, y = town.crossings[0]
        before, after = engine.show(town, car_poses([CarPlace(x, y, 4), CarPlace(x, y, 5)])).astype(float)
        # 11.25 of 90 degrees are some 6 of 64 columns in the middle
        errors = {by: np.abs(after[:, 24 + by : 40 + by] - before[:, 24:40]).mean() for by in (-6, 6)}
        moved.append(errors[6] < errors[-6])
    assert all(moved)


def test_another_process_renders_the_same_episode():
    # here among others, and loaded in blocks of another size
    episode = list(VizdoomStreets("validation", 3, maps_per_load=2).episodes(3, "mix", 4))[2]
    assert told_by_another_process(VizdoomStreets, 4) == identity(episode)


# --- episodes


def test_every_verb_has_eight_phrasings_and_none_stands_twice():
    texts = [text for phrasings in PHRASINGS.values() for text in phrasings]
    assert all(len(phrasings) == 8 for phrasings in PHRASINGS.values())
    assert len(set(texts)) == len(texts) == 56
    rng = np.random.default_rng(0)
    told = Counter(actions.one_of(rng, PHRASINGS["stop"]) for _ in range(2000))
    assert set(told) == set(PHRASINGS["stop"])
    assert 0.35 < told["stop"] / 2000 < 0.45


def test_data_of_streets_is_made_and_sound(tmp_path: Path) -> None:
    episode = second_of_train(VizdoomStreets, tmp_path)
    assert [(chunk.start_frame, chunk.num_frames) for chunk in episode.chunks] == [(1, 4), (5, 4), (9, 4)]
    assert all(chunk.action in PHRASINGS[chunk.verb] for chunk in episode.chunks)
    town = VizdoomStreets("train", 0).scene(1)
    assert episode.metadata["scene"] == town.digest
    assert (episode.metadata["turn_degrees"], episode.metadata["step_units"]) == (11.25, 24)
    assert episode.metadata["turn_radius_units"] == 96
    x, y, degrees = episode.poses[0]
    places, refused = drive(town, CarPlace(int(x), int(y), int(degrees / 11.25)), [c.verb for c in episode.chunks])
    assert (car_poses(places) == episode.poses).all()
    assert episode.metadata["collisions"] == [frame for frame, bumped in enumerate(refused) if bumped]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: VizdoomStreets("training", 0), "training"),
        (lambda: VizdoomStreets("train", 0).episodes(1, "full-turn", 4), "choose one of wander, loop"),
        (lambda: VizdoomStreets("train", 0).episodes(1, "mix", 0), "0 chunks"),
        (lambda: VizdoomStreets("train", 0).episodes(0, "mix", 4), "0 episodes"),
        (lambda: drive(draw_streets(0), CarPlace(0, 0, 0), ["stop"]), "kerb is too near"),
        (
            lambda: drive(Plain(), CarPlace(0, 0, 0), ["go_forward"]),
            "unknown verb 'go_forward'; choose one of dri",
        ),
        (lambda: open_vizdoom_world("vizdoom-streets", "test", 0), "no maps to walk on"),
    ],
)
def test_bad_input_is_told_in_one_sentence(call, told: str) -> None:
    with pytest.raises(UserError, match=told) as error:
        call()
    assert "\n" not in str(error.value)


def test_a_missing_vizdoom_tells_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vizdoom", None)
    with pytest.raises(UserError, match=r"slowfast-vgen\[rooms\]"):
        next(VizdoomStreets("train", 0).episodes(1, "mix", 1))


def test_a_digest_changes_with_the_text_and_the_textures(towns):
    town = towns[0]
    assert replace(town, text=town.text + "\n").digest != town.digest
    others = [name for name in town.textures if not name.startswith("SKY")]
    assert replace(town, textures=tuple(others)).digest != town.digest
    assert len({one.digest for one in towns}) == len(towns)
    assert all(a != b for a, b in pairwise([one.text for one in towns]))
