"""Whole moves at Meta-World's table: the script `moves`, several scenes at one table, the environment by words."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from metaworld_scenes import distance, open_table, where_seen

from slowfast_envs.metaworld.env import ACTION_TEXTS, MetaWorldEnv
from slowfast_envs.metaworld.environment import MetaWorld
from slowfast_envs.metaworld.expert import Goal
from slowfast_envs.metaworld.instructions import CARRY, carry_text, named_block, read_carry
from slowfast_envs.metaworld.layout import BLOCK_HALF, COLOURS, REACH_HIGH, REACH_LOW, draw_layout
from slowfast_envs.metaworld.moves import MIN_CHUNKS, REST, Moves
from slowfast_envs.metaworld.table import VIEW, Table
from slowfast_envs.mujoco.camera import FOV_DEGREES
from slowfast_vgen.cli.main import main
from slowfast_vgen.data.format import EpisodeDataset
from slowfast_vgen.errors import UserError
from slowfast_vgen.presets.tables import METAWORLD
from slowfast_vgen.types import Episode


@pytest.fixture(scope="module")
def table() -> Iterator[Table]:
    with open_table() as opened:
        yield opened


@pytest.fixture(scope="module")
def episode(table: Table) -> Episode:
    return next(MetaWorld("train", 3).episodes(1, "moves", 9))


def spot(moves: Moves, name: str) -> tuple[float, float]:
    x, y = moves.states[-1].blocks[name][:2].tolist()
    return x, y


# --- the script


def test_a_chunk_is_a_whole_move_and_ends_with_the_hand_out_of_the_way(episode: Episode) -> None:
    told = episode.metadata
    assert episode.num_frames == 1 + 4 * 9 and [chunk.num_frames for chunk in episode.chunks] == [4] * 9
    assert episode.chunks[0].verb == "wait" and (episode.frames[1:5] == episode.frames[0]).all()
    assert len(told["objects"]) == len(told["homes"]) >= 2 and json.dumps(told)
    for chunk, goal in list(zip(episode.chunks, told["sub_goals"], strict=True))[1:]:
        last = chunk.end_frame - 1
        assert goal["done"] and goal["verb"] == chunk.verb != "wait" and goal["block"] in chunk.action
        assert np.linalg.norm(np.subtract(told["hand"][last], REST)) < 0.02
        assert distance(told["objects"][goal["block"]][last], goal["spot"]) < 0.015
        assert len({frame.tobytes() for frame in episode.frames[chunk.start_frame - 1 : chunk.end_frame]}) == 5
        for name, rows in told["objects"].items():
            assert rows[last][2] < BLOCK_HALF + 0.006  # lies on the table
            assert name == goal["block"] or distance(rows[last], rows[chunk.start_frame - 1]) < 0.01
        if chunk.verb == "put_back":
            assert distance(told["objects"][goal["block"]][last], told["homes"][goal["block"]]) < 0.015
    assert {"put_back"} < {chunk.verb for chunk in episode.chunks}
    steps = np.diff(told["table_frames"])
    assert (steps[4:] >= 1).all() and 12 < steps[4:].sum() / 8 < 45
    assert episode.poses is not None and (episode.poses == episode.poses[0]).all() and episode.fps == 2


def test_moves_depend_on_their_index_alone_and_splits_share_no_scene(table: Table, episode: Episode) -> None:
    again = next(MetaWorld("train", 3).episodes(1, "moves", 9))
    assert (again.frames == episode.frames).all() and again.metadata == episode.metadata
    assert again.chunks == episode.chunks
    other = next(MetaWorld("test", 3).episodes(1, "moves", MIN_CHUNKS))
    assert other.metadata["scene"] != episode.metadata["scene"] and other.chunks[2].verb == "put_back"
    with pytest.raises(UserError, match="moves needs at least 3"):
        MetaWorld("train", 3).episodes(1, "moves", 2)


def test_moves_made_by_the_program_are_sound(table: Table, tmp_path: Path) -> None:
    words = ["data", "make", "--env", "metaworld", "--script", "moves", "--episodes", "1", "--num-chunks", "3"]
    assert main([*words, "--out", str(tmp_path)]) == 0 and main(["data", "check", str(tmp_path)]) == 0
    assert EpisodeDataset(tmp_path)[0].metadata["script"] == "moves"


# --- several scenes at one table


def test_scenes_that_share_a_table_do_not_disturb_each_other(table: Table) -> None:
    def three(moves: Moves) -> list[np.ndarray]:
        name = next(iter(moves.homes))
        return [moves.do("put", "there", Goal(name, place)) for place in ((0.0, 0.5), (0.2, 0.74))]

    alone = three(Moves(table, draw_layout(7)))
    first, second = Moves(table, draw_layout(7)), Moves(table, draw_layout(11))
    one, other = next(iter(first.homes)), next(iter(second.homes))
    seen = [first.do("put", "there", Goal(one, (0.0, 0.5)))]
    second.do("put", "there", Goal(other, (0.1, 0.6)))
    seen.append(first.do("put", "there", Goal(one, (0.2, 0.74))))
    assert all((now == before).all() for now, before in zip(seen, alone, strict=True))
    first.rewind(1)
    assert len(first.frames) == 5 and distance(spot(first, one), (0.0, 0.5)) < 0.015
    assert (first.do("put", "there", Goal(one, (0.2, 0.74))) == alone[1]).all()
    stays = first.stay("wait", "wait")
    assert (stays == alone[1][-1]).all() and len(first.chunks) == 3
    with pytest.raises(UserError, match="3 moves were made"):
        first.rewind(4)
    with pytest.raises(UserError, match="out of the hand's reach"):
        first.do("put", "there", Goal(one, (0.9, 0.5)))


# --- the environment


def test_the_table_is_acted_in_by_words_and_nothing_ends_the_episode(table: Table) -> None:
    env = MetaWorldEnv("test", table=table)
    with pytest.raises(UserError, match="call reset first"):
        env.act("wait")
    start = env.reset(0)
    assert start.shape == (1, 64, 64, 3) and CARRY in env.action_texts == ACTION_TEXTS and not env.ended
    name, other = list(env.moves.homes)[:2]
    free = next(
        (x, y)
        for x in np.linspace(REACH_LOW[0], REACH_HIGH[0], 9)
        for y in np.linspace(REACH_LOW[1], REACH_HIGH[1], 5)
        if all(np.hypot(x - home[0], y - home[1]) > 0.15 for home in env.moves.homes.values())
    )
    seen = env.act(carry_text(name, free))
    assert seen.shape == (4, 64, 64, 3) and env.said == "" and distance(spot(env.moves, name), free) < 0.015
    assert env.distances_from_home()[name] > 0.1 > env.distances_from_home()[other]
    env.act(f"put the {name} back where it was")
    assert env.said == "" and env.distances_from_home()[name] < 0.015
    still = env.act("make me a sandwich")
    assert "is not known" in env.said and (still == still[0]).all()
    absent = next(f"{colour} cube" for colour in COLOURS if not any(one.startswith(colour) for one in env.moves.homes))
    env.act(carry_text(absent, (0.0, 0.6)))
    assert f'there is no "{absent}" on the table' in env.said
    twin = name.replace("cube", "PUCK").replace("puck", "cube").replace("PUCK", "puck")
    env.act(carry_text(twin, free))
    assert env.said == "" and distance(spot(env.moves, name), free) < 0.015  # colours are surer than shapes
    env.act(carry_text(name, (0.9, 0.6)))
    assert "(0.900, 0.600) is out of reach or taken" in env.said and distance(spot(env.moves, name), (0.28, 0.6)) < 0.1
    taken = spot(env.moves, other)
    env.act(carry_text(name, taken))
    assert "taken" in env.said and 0.07 < distance(spot(env.moves, name), taken) < 0.14
    assert distance(spot(env.moves, other), taken) < 0.02
    env.act("wait")
    assert env.said == "" and len(env.moves.chunks) == 8
    assert np.array_equal(env.reset(0), start) and np.array_equal(MetaWorldEnv("test", table=table).reset(0), start)
    assert not np.array_equal(env.reset(1), start)
    with pytest.raises(UserError, match="split"):
        MetaWorldEnv("dream")


def test_what_the_camera_sees_is_where_the_table_says(table: Table, episode: Episode) -> None:
    spots = METAWORLD.spots(64)
    assert spots.shape == (64, 64, 2)
    for name, rows in episode.metadata["objects"].items():
        seen = where_seen(episode.frames[0], name.split()[0])
        assert len(seen) > 8 and distance(spots[seen[:, 0], seen[:, 1]].mean(0), rows[0]) < 0.015


def test_readers_of_moves_are_trained_at_the_engines_own_table() -> None:
    seen = METAWORLD.look_at, METAWORLD.distance, METAWORLD.azimuth, METAWORLD.elevation
    assert seen == VIEW and METAWORLD.fov == FOV_DEGREES
    assert (METAWORLD.height, METAWORLD.low, METAWORLD.high) == (BLOCK_HALF, REACH_LOW, REACH_HIGH)


@pytest.mark.parametrize(
    "text",
    ["carry the red cube to (0, 0)", "carry the blue cube to (a, 0)", "carry the blue cube to (1e9, 0)", "carry"],
)
def test_what_carries_nothing_is_no_carrying(text: str) -> None:
    assert read_carry(text) is None


def test_the_first_block_that_is_named_is_meant() -> None:
    assert named_block("Put the YELLOW cube next to the blue puck") == "yellow cube" and named_block("wait") == ""
    assert read_carry(carry_text("pink puck", (-0.1234, 0.5))) == ("pink puck", (-0.123, 0.5))
