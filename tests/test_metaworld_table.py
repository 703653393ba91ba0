"""The table of the world metaworld: what an action does, an expert for any goal, pictures that come out alike."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from metaworld_scenes import HOLD, distance, drawn, open_table, where_seen

from slowfast_envs.base import FPS
from slowfast_envs.metaworld import engine as metaworld_engine
from slowfast_envs.metaworld.expert import ARRIVED, Goal, expert_action, hover_action, is_done
from slowfast_envs.metaworld.layout import BLOCK_HALF, CLEARANCE, COLOURS, REACH_HIGH, REACH_LOW, draw_layout, is_clear
from slowfast_envs.metaworld.recorder import LONGEST
from slowfast_envs.metaworld.table import MOST_PER_FRAME, Table
from slowfast_envs.miniworld import engine as miniworld_engine
from slowfast_vgen.engines import open_env
from slowfast_vgen.errors import UserError


@pytest.fixture(scope="module")
def shared_table():
    with open_table() as table:
        yield table


@pytest.fixture
def table(shared_table):
    shared_table.reset(draw_layout(0))
    return shared_table


def test_layouts_leave_room_for_the_fingers():
    counts = Counter()
    for seed in range(200):
        layout = draw_layout(seed)
        counts[len(layout.blocks)] += 1
        names = [block.name for block in layout.blocks]
        assert len({name.split()[0] for name in names}) == len(names)
        for block in layout.blocks:
            assert is_clear(block.spot, [other.spot for other in layout.blocks if other != block])
            assert block.colour in COLOURS
    assert set(counts) == {2, 3}
    assert not is_clear((0.0, 0.6), [(0.0, 0.6 + 0.9 * CLEARANCE)])
    assert not is_clear((0.5, 0.6), [])


def test_an_action_moves_the_hand_as_far_as_it_says(table):
    table.act(HOLD)
    before = table.state()
    move = np.array([-0.3, 0.5, 0.2])
    table.act(np.append(move, -1.0))
    table.act(HOLD)  # the hand follows within a frame or two
    table.act(HOLD)
    after = table.state()
    np.testing.assert_allclose(after.target - before.target, move * MOST_PER_FRAME, atol=1e-9)
    np.testing.assert_allclose(after.hand - before.hand, move * MOST_PER_FRAME, atol=0.008)
    assert after.opening > 0.08
    for _ in range(3):
        table.act(np.array([0.0, 0.0, 0.0, 1.0]))
    assert table.state().opening < 0.03


def test_blocks_lie_still_and_are_seen_in_their_colours(table):
    layout = draw_layout(0)
    for _ in range(5):
        table.act(HOLD)
    state, frame = table.state(), table.frame()
    for block in layout.blocks:
        np.testing.assert_allclose(state.blocks[block.name], (*block.spot, BLOCK_HALF), atol=0.002)
        assert len(where_seen(frame, block.colour)) >= 8, block.name


def test_what_is_nearer_to_the_camera_is_lower_and_the_robots_right_is_left(table):
    layout = draw_layout(0)
    middles = {block.spot: where_seen(table.frame(), block.colour).mean(axis=0) for block in layout.blocks}
    rows, columns = zip(*(middles[spot] for spot in sorted(middles, key=lambda spot: spot[1])), strict=True)
    assert list(rows) == sorted(rows)
    columns = [middles[spot][1] for spot in sorted(middles, reverse=True)]
    assert columns == sorted(columns)


@pytest.mark.parametrize("way", ["slide", "carry"])
def test_the_expert_reaches_any_goal(table, way):
    errors = []
    for seed in range(4):
        layout = draw_layout(seed)
        table.reset(layout)
        block, *others = layout.blocks
        rng = np.random.default_rng(seed)
        while True:
            spot = tuple(rng.uniform((-0.2, 0.5), (0.2, 0.74)))
            if is_clear(spot, [other.spot for other in others]) and distance(spot, block.spot) > 0.1:
                break
        goal = Goal(block.name, spot, way)
        highest = 0.0
        for _ in range(4 * LONGEST):
            table.act(expert_action(table.state(), goal))
            highest = max(highest, table.state().blocks[block.name][2])
            if is_done(table.state(), goal):
                break
        assert is_done(table.state(), goal)
        errors.append(distance(table.state().blocks[block.name], spot))
        if way == "slide":
            assert highest < 0.05
        else:
            assert highest > 0.09
            for other in others:
                assert distance(table.state().blocks[other.name], other.spot) < 0.002
    assert max(errors) < ARRIVED


def test_hovering_touches_nothing(table):
    layout = draw_layout(0)
    name = layout.blocks[-1].name
    for _ in range(6):
        table.act(hover_action(table.state(), name))
    state = table.state()
    assert distance(state.hand, state.blocks[name]) < 0.01
    for block in layout.blocks:
        assert distance(state.blocks[block.name], block.spot) < 0.002


def test_a_saved_state_goes_on_alike(table):
    goal = Goal(draw_layout(0).blocks[0].name, (0.0, 0.6))
    for _ in range(5):
        table.act(expert_action(table.state(), goal))
    saved = table.save()
    runs = []
    for _ in range(2):
        table.restore(saved)
        for _ in range(8):
            table.act(expert_action(table.state(), goal))
        runs.append((table.frame(), table.state().blocks[goal.block]))
    assert (runs[0][0] == runs[1][0]).all()
    assert (runs[0][1] == runs[1][1]).all()


def test_a_reset_forgets_what_was_before(shared_table):
    assert drawn(shared_table, 3) == drawn(shared_table, 3)
    first = drawn(shared_table, 4)
    drawn(shared_table, 5)
    assert drawn(shared_table, 4) == first


def test_what_is_hidden_was_not_in_the_picture(monkeypatch, shared_table):
    seen = [drawn(shared_table, seed) for seed in range(2)]
    monkeypatch.setattr(metaworld_engine, "_BEHIND", ())
    with Table(draw_layout(0)) as whole:
        assert [drawn(whole, seed) for seed in range(2)] == seen


def test_two_processes_draw_the_same(shared_table):
    code = (
        "import sys, weakref; weakref.finalize(sys, int); "  # one that is older than MuJoCo's exit handler
        "sys.path.insert(0, 'tests'); from metaworld_scenes import drawn; "
        "from slowfast_envs.metaworld.table import Table; from slowfast_envs.metaworld.layout import *; "
        "table = Table(draw_layout(1)); print(drawn(table, 2))"
    )
    repository = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=repository)
    assert (done.stdout.strip(), done.stderr) == (drawn(shared_table, 2), "")


def test_another_engine_keeps_its_drawing_context(table):
    try:
        miniworld_engine._stage()
    except UserError as error:
        pytest.skip(str(error))
    alone = list(open_env("miniworld-rooms", "train", 0).episodes(2, "mix", 1))
    between = []
    for episode in open_env("miniworld-rooms", "train", 0).episodes(2, "mix", 1):
        between.append(episode)
        table.act(HOLD)
        table.frame()
    assert all((first.frames == second.frames).all() for first, second in zip(alone, between, strict=True))


def test_the_environment_is_put_back(table):
    assert "LP_NUM_THREADS" not in os.environ


def test_any_spot_within_reach_is_reached(table):
    layout = draw_layout(6)
    for x in (REACH_LOW[0], REACH_HIGH[0]):
        for y in (REACH_LOW[1], REACH_HIGH[1]):
            table.reset(layout)
            goal = Goal(layout.blocks[0].name, (x, y))
            for _ in range(36):
                table.act(expert_action(table.state(), goal))
            assert is_done(table.state(), goal), (x, y)


def test_bad_goals_are_refused(table):
    block = draw_layout(0).blocks[0].name
    with pytest.raises(UserError, match='no "red cube"'):
        expert_action(table.state(), Goal("red cube", (0.0, 0.6)))
    for spot in ((1.0, 0.6), (0.0, 0.1), (np.nan, 0.6)):
        with pytest.raises(UserError, match="out of the hand's reach"):
            expert_action(table.state(), Goal(block, spot))


def test_a_frame_lasts_a_tenth_of_a_second(table):
    before = table._data.time
    table.act(HOLD)
    assert table._data.time - before == pytest.approx(1 / FPS)
