"""Acting at the table of the world metaworld by texts and goals, and the script `sequence`."""

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from metaworld_scenes import distance, open_table, where_seen

from slowfast_envs.metaworld.environment import MetaWorld
from slowfast_envs.metaworld.expert import ARRIVED, Goal
from slowfast_envs.metaworld.instructions import (
    BESIDE_METRES,
    DIRECTIONS,
    PHRASINGS,
    PLACES,
    known_texts,
    taken_spots,
    understand,
)
from slowfast_envs.metaworld.layout import Block, Layout, draw_layout, is_clear
from slowfast_envs.metaworld.recorder import LONGEST, Play
from slowfast_envs.metaworld.sequences import MIN_CHUNKS, play_sequence
from slowfast_envs.metaworld.table import TableState
from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Episode

LAYOUT = Layout(
    (Block("yellow", 0, (0.02, 0.53)), Block("blue", 1, (0.02, 0.68)), Block("pink", 2, (0.16, 0.54))),
    (0.0, 0.57, 0.18),
)
NAMES = [block.name for block in LAYOUT.blocks]
HOMES = {block.name: block.spot for block in LAYOUT.blocks}


@pytest.fixture(scope="module")
def shared_table():
    with open_table() as table:
        yield table


@pytest.fixture
def play(shared_table) -> Play:
    shared_table.reset(LAYOUT)
    return Play(shared_table)


@pytest.fixture(scope="module")
def sequence(shared_table) -> Episode:
    return next(MetaWorld("train", 0).episodes(1, "sequence", 3 * MIN_CHUNKS))


def state_of(spots: dict) -> TableState:
    blocks = {name: np.array([*spot[:2], 0.025]) for name, spot in spots.items()}
    return TableState(np.array([0.0, 0.6, 0.2]), np.array([0.0, 0.6, 0.2]), 0.09, blocks)


def obeyed(play: Play, text: str) -> int:
    """Says it until it is done; how often that was."""
    for count in range(1, LONGEST + 1):
        play.obey(text)
        if play.sub_goals[-1].done:
            return count
    raise AssertionError(f"{text} is not done")


# --- what texts mean; no engine is needed


def test_every_text_means_one_thing():
    wheres = [sum(len(said) for _, said in table.values()) for table in (DIRECTIONS, PLACES)]
    fillings = {"push": 3 * wheres[0], "put": 3 * wheres[1], "put_beside": 3 * 2, "put_back": 3, "hover": 3, "wait": 1}
    assert set(fillings) == set(PHRASINGS)
    texts = known_texts(NAMES)
    assert Counter(texts.values()) == {verb: len(PHRASINGS[verb]) * count for verb, count in fillings.items()}
    assert not any("{" in text for text in texts)


def test_what_is_meant_lies_where_the_text_says():
    state = state_of(HOMES)
    for text, verb in known_texts(NAMES).items():
        try:
            order = understand(f" {text.upper()}", state, HOMES)
        except UserError as error:
            assert "no room" in str(error)
            continue
        assert order.verb == verb
        if order.goal is None:
            assert verb in ("hover", "wait")
            continue
        name, spot, way = order.goal
        assert name in text
        assert (way == "slide") == (verb == "push")
        assert verb == "put_back" or is_clear(spot, taken_spots(name, state, HOMES))
        if verb == "put_back":
            assert spot == HOMES[name]
        if verb == "put_beside":
            (other,) = [other for other in NAMES if other != name and other in text]
            assert BESIDE_METRES[0] < distance(spot, HOMES[other]) < BESIDE_METRES[1]
        if verb == "push":
            (step,) = {
                step for step, said in DIRECTIONS.values() if any(text.endswith(f"{name} {one}") for one in said)
            }
            move = np.subtract(spot, HOMES[name])
            assert move @ step == pytest.approx(np.hypot(*move))
            assert 0.07 <= move @ step <= 0.18


def test_what_cannot_be_done_is_told():
    state = state_of(HOMES)
    with pytest.raises(UserError, match='"dance" means at this table is not known; say something like "wait"') as error:
        understand("dance", state, HOMES)
    for example in str(error.value).split("something like ")[1].split('"')[1::2]:
        assert example in known_texts(NAMES)
    cornered = state_of(HOMES | {"yellow cube": (0.19, 0.73)})
    with pytest.raises(UserError, match="no room"):
        understand("push the yellow cube to the left", cornered, HOMES)


def test_no_block_is_pushed_past_another_that_is_too_near():
    for aside, has_room in ((0.12, True), (0.095, False)):
        state = state_of(HOMES | {"yellow cube": (-0.19, 0.6), "blue puck": (-0.13, 0.6 + aside)})
        if has_room:
            order = understand("push the yellow cube to the left", state, HOMES)
            assert order.goal is not None
            assert order.goal.spot == pytest.approx((-0.19 + 0.125, 0.6), abs=0.01)
        else:
            with pytest.raises(UserError, match="no room"):
                understand("push the yellow cube to the left", state, HOMES)


# --- acting by texts


def test_a_block_goes_where_the_picture_shows_what_was_said(play):
    before = where_seen(play.frames[0], "blue").mean(axis=0)
    assert obeyed(play, "push the blue puck to the right") >= 2
    play.obey("hover above the pink cube")
    right = where_seen(play.frames[-1], "blue").mean(axis=0)
    assert right[1] - before[1] > 5
    assert abs(right[0] - before[0]) < 3
    obeyed(play, "push the blue puck away from the camera")
    play.obey("hover above the pink cube")
    back = where_seen(play.frames[-1], "blue").mean(axis=0)
    assert right[0] - back[0] > 4
    assert abs(back[1] - right[1]) < 3


def test_a_text_is_carried_out_chunk_by_chunk_until_it_is_done(play):
    text = "put the yellow cube in the front right corner"
    chunk = play.obey(text)
    assert chunk.shape == (4, 64, 64, 3)
    assert chunk.dtype == np.uint8
    assert (chunk == play.frames[-4:]).all()
    assert len(play.sub_goals) == 1
    assert not play.sub_goals[0].done
    count = 1 + obeyed(play, text)
    assert len(play.sub_goals) == 1
    assert play.sub_goals[0].num_frames == 4 * count == len(play.states) - 1
    assert play.distances_from_home()["yellow cube"] > 0.1
    assert distance(play.states[-1].blocks["yellow cube"], PLACES["front right"][0]) < 0.04
    play.obey("wait")
    obeyed(play, "return the yellow cube to its place")
    assert max(play.distances_from_home().values()) < ARRIVED
    assert [goal.verb for goal in play.sub_goals] == ["put", "wait", "put_back"]


def test_what_is_done_already_takes_a_chunk_too(play):
    assert len(play.obey("put the pink cube back where it was")) == 4
    assert play.sub_goals[0].num_frames == 4
    assert len(play.chunks) == 1
    assert max(play.distances_from_home().values()) < 0.002


def test_waiting_does_not_drop_a_block(play):
    for _ in range(3):
        play.obey("put the pink cube in the back right corner")
    held = play.states[-1].blocks["pink cube"]
    assert held[2] > 0.08
    play.obey("hold still")
    assert play.states[-1].blocks["pink cube"][2] > 0.08


def test_texts_that_are_offered_are_understood(play):
    assert set(play.action_texts) == set(known_texts(NAMES))


def test_goals_that_cannot_be_reached_are_refused(play):
    for call, told in (
        (lambda: play.follow("put", "put the red cube away", Goal("red cube", (0.0, 0.6))), 'no "red cube"'),
        (
            lambda: play.follow("put", "put the pink cube away", Goal("pink cube", (0.0, 1.6))),
            "out of the hand's reach",
        ),
        (lambda: play.hover("go to the red cube", "red cube"), 'no "red cube"'),
        (lambda: play.obey("put the red cube in the middle"), "not known"),
    ):
        with pytest.raises(UserError, match=told):
            call()
    assert play.chunks == []
    assert play.sub_goals == []
    assert len(play.frames) == 1


def test_a_goal_that_is_not_reached_is_given_up(play):
    goal = Goal("pink cube", HOMES["yellow cube"])  # another block lies there
    assert not play.follow("put", "put the pink cube on the yellow cube", goal, most_chunks=4)
    assert len(play.chunks) == 4
    assert not play.sub_goals[0].done


def test_the_example_of_the_manual_runs(shared_table, capsys: pytest.CaptureFixture[str]):
    page = (Path(__file__).parents[1] / "docs/worlds.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page.partition("## Meta-World\n")[2].partition("\n## ")[0], re.S)
    names: dict = {}
    exec(code, names)
    assert names["chunk"].shape == (4, 64, 64, 3)
    assert names["play"].sub_goals[-1].done
    assert capsys.readouterr().out.startswith("False ")


# --- the script sequence


def test_a_sequence_moves_blocks_and_puts_them_back(sequence):
    metadata = sequence.metadata
    assert sequence.num_frames == 1 + 4 * 3 * MIN_CHUNKS
    assert sequence.poses is None
    verbs = Counter(goal["verb"] for goal in metadata["sub_goals"])
    assert verbs["put_back"] >= 1
    assert sum(verbs[verb] for verb in ("push", "put", "put_beside")) >= 2
    moved = 0
    for name, rows in metadata["objects"].items():
        rows = np.array(rows)
        assert rows.shape == (sequence.num_frames, 3)
        assert distance(rows[-1], rows[0]) < 0.02, name
        moved += max(distance(row, rows[0]) for row in rows) > 0.06
    assert moved >= 1
    for goal in metadata["sub_goals"]:
        assert goal["done"]
        if goal["way"]:
            last = goal["start_frame"] + goal["num_frames"] - 1
            assert distance(metadata["objects"][goal["block"]][last], goal["spot"]) < ARRIVED
        assert {chunk.action for chunk in chunks_of(sequence, goal)} == {goal["text"]}
    assert np.array(metadata["hand"]).shape == (sequence.num_frames, 3)
    assert len(metadata["opening"]) == sequence.num_frames


def chunks_of(episode: Episode, goal: dict) -> list:
    end = goal["start_frame"] + goal["num_frames"]
    return [chunk for chunk in episode.chunks if goal["start_frame"] <= chunk.start_frame < end]


def test_a_sequence_says_what_it_does(sequence):
    homes = {block.name: block.spot for block in MetaWorld("train", 0).layout(0).blocks}
    for goal in sequence.metadata["sub_goals"]:
        before = {name: rows[goal["start_frame"] - 1] for name, rows in sequence.metadata["objects"].items()}
        assert known_texts(list(homes))[goal["text"]] == goal["verb"]
        order = understand(goal["text"], state_of(before), homes)
        assert order.block == goal["block"]
        if goal["way"]:
            assert order.goal is not None
            start = before[goal["block"]]
            meant, done = np.subtract(order.goal.spot, start[:2]), np.subtract(goal["spot"], start[:2])
            if goal["verb"] == "push":
                assert meant @ done > 0.99 * np.hypot(*meant) * np.hypot(*done)
            elif goal["verb"] != "put_beside":  # which side is not said
                assert distance(meant, done) < 0.08


def test_blocks_are_seen_most_of_the_time(sequence):
    for name in sequence.metadata["objects"]:
        seen = [len(where_seen(frame, name.split()[0])) >= 4 for frame in sequence.frames]
        assert np.mean(seen) > 0.9, name


def test_a_sequence_can_be_played_again_from_its_actions(shared_table, sequence):
    shared_table.reset(MetaWorld("train", 0).layout(0))
    frames = [shared_table.frame()]
    for action in sequence.metadata["actions"][:20]:
        shared_table.act(np.array(action))
        frames.append(shared_table.frame())
    assert len(sequence.metadata["actions"]) == sequence.num_frames - 1
    # actions are told to the micrometre, so an edge may differ
    assert np.abs(np.stack(frames).astype(int) - sequence.frames[:21]).mean() < 0.05
    for name, position in shared_table.state().blocks.items():
        np.testing.assert_allclose(position, sequence.metadata["objects"][name][20], atol=1e-3)


def test_each_frame_of_a_moving_hand_differs(sequence):
    moves = np.abs(np.diff(np.array(sequence.metadata["hand"]), axis=0)).max(axis=1)
    changes = np.abs(np.diff(sequence.frames.astype(int), axis=0)).mean(axis=(1, 2, 3))
    assert (changes[moves > 0.03] > 0.5).all()


def test_a_sequence_that_is_too_short_is_refused(shared_table):
    with pytest.raises(UserError, match=f"at least {MIN_CHUNKS}"):
        play_sequence(shared_table, draw_layout(0), np.random.default_rng(0), MIN_CHUNKS - 1)
