"""The task metaworld-return: reading whole moves, the episodes, a trial, a still camera's memory, the command line."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import pack_tiny_world
from made_results import by_name
from metaworld_scenes import open_table

from slowfast_bench.planning.arms import Player
from slowfast_bench.planning.metaworld_return import MetaworldReturn, ReturnEpisode
from slowfast_bench.planning.runner import Stage
from slowfast_bench.planning.trial import Trial, TrialConfig
from slowfast_bench.planning.vizdoom_retrace import VizdoomRetrace
from slowfast_envs.metaworld.env import BLOCKS
from slowfast_vgen.cli.main import build_parser, main
from slowfast_vgen.errors import UserError
from slowfast_vgen.metrics.video_distance import VideoFeatures
from slowfast_vgen.models.codec import frames_to_pixels
from slowfast_vgen.models.inverse_dynamics import InverseDynamics
from slowfast_vgen.models.move_dynamics import MoveDynamics, load_move_dynamics
from slowfast_vgen.models.text import TextEncoder
from slowfast_vgen.models.world_model import load_address
from slowfast_vgen.plan.goal import split_goal
from slowfast_vgen.plan.reader import MoveReader, Reading, VerbReader, load_reader
from slowfast_vgen.plan.reader_accuracy import read_held_out_moves
from slowfast_vgen.presets.tables import METAWORLD
from slowfast_vgen.train.inverse_dynamics import FOLDER
from slowfast_vgen.train.move_dynamics import new_move_dynamics, train_move_dynamics
from slowfast_vgen.train.move_pairs import move_pairs
from slowfast_vgen.train.run import LOG_FILE
from slowfast_vgen.train.settings import InverseDynamicsTrainingConfig, OptimisationConfig
from slowfast_vgen.types import Chunk, Episode

NAMES = ("blue cube", "pink puck")
COLOURS = ((30, 60, 240), (250, 130, 190))
SIDE = 32


def grid(cells: int) -> torch.Tensor:
    """A table seen from right above: a metre from side to side."""
    across = (torch.arange(cells) + 0.5) / cells
    return torch.stack([across.expand(cells, cells), across[:, None].expand(cells, cells)], -1)


def toy_episode(seed: int, num_moves: int = 6) -> Episode:
    """Two squares on grey, one of which is somewhere else after each move."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(0.2, 0.8, (2, 2))

    def frame() -> np.ndarray:
        picture = np.full((SIDE, SIDE, 3), 128, np.uint8)
        for (x, y), colour in zip(places, COLOURS, strict=True):
            row, column = round(y * SIDE), round(x * SIDE)
            picture[row - 2 : row + 2, column - 2 : column + 2] = colour
        return picture

    frames, chunks, goals = [frame()], [], []
    rows: dict[str, list[list[float]]] = {name: [[*places[index], 0.0]] for index, name in enumerate(NAMES)}
    for number in range(num_moves):
        moved = int(rng.integers(2))
        places[moved] = rng.uniform(0.2, 0.8, 2)
        frames += [frame()] * 4
        for index, name in enumerate(NAMES):
            rows[name] += [[*places[index], 0.0]] * 4
        chunks.append(Chunk("move it", "put", 1 + 4 * number, 4))
        goals.append({"block": NAMES[moved]})
    return Episode(np.stack(frames), tuple(chunks), None, 2.0, {"script": "moves", "sub_goals": goals, "objects": rows})


def toy_model() -> MoveDynamics:
    torch.manual_seed(0)
    return MoveDynamics(NAMES, (0.0, 0.0), (1.0, 1.0), SIDE // 2, 16).place(grid(SIDE // 2))


# --- reading moves


@pytest.mark.slow
def test_a_reader_of_moves_learns_what_was_carried_and_where(tmp_path: Path) -> None:
    training, held_out = [toy_episode(seed) for seed in range(40)], [toy_episode(seed) for seed in range(100, 106)]
    optimisation = OptimisationConfig(150, learning_rate=4e-3, warmup_steps=10, ema_decay=0.9, validate_every=150)
    config = InverseDynamicsTrainingConfig(optimisation, batch_size=32)
    pairs = move_pairs(training)
    assert pairs.names == NAMES and len(pairs.first) == 240 and (pairs.last - pairs.first == 4).all()
    model = train_move_dynamics(config, toy_model(), None, pairs, move_pairs(held_out, pairs.names), tmp_path)
    again = load_move_dynamics(tmp_path / FOLDER)
    assert again.fingerprint == model.fingerprint and torch.equal(again.spots, grid(SIDE // 2))
    figures = read_held_out_moves(again, held_out).figures
    assert figures["idm_accuracy_things"].mean > 0.95 and figures["idm_error_metres"].mean < 0.05  # 1.6 pixels
    assert json.loads((tmp_path / LOG_FILE).read_text().splitlines()[-1])["validation_error_metres"] < 0.05
    carried = load_reader(tmp_path / FOLDER, MetaworldReturn.action_texts).read(
        torch.from_numpy(held_out[0].frames[None, :5])
    )
    assert carried.actions[0].startswith(f"carry the {held_out[0].metadata['sub_goals'][0]['block']} to (0.")
    assert 0 < carried.confidence[0] <= 1
    with pytest.raises(UserError, match=f"{FOLDER}: .* but the environment can only turn left"):
        load_reader(tmp_path / FOLDER, VizdoomRetrace.action_texts)


def test_a_hill_is_read_at_its_middle_and_the_farther_one_does_not_pull() -> None:
    model = new_move_dynamics(NAMES, 64, METAWORLD)
    there, label = torch.tensor([[0.1034, 0.6241], [-0.2, 0.5]]), torch.tensor([0, 1])
    targets = model.targets(label, there, 0.015)
    torch.testing.assert_close(targets.sum((1, 2, 3)), torch.ones(2))
    both = 0.7 * targets + 0.3 * model.targets(label, there.flip(0), 0.015)
    read, spots, mass = model.hills(both.log())
    assert read.tolist() == [0, 1] and (spots - there).norm(dim=-1).max() < 0.004
    assert torch.allclose(mass, torch.full((2,), 0.7), atol=0.05)


def test_readers_of_moves_that_cannot_be_are_refused(tmp_path: Path) -> None:
    for settings, sentence in (({"names": ()}, "different things"), ({"cells": 18}, "multiple of 4")):
        with pytest.raises(UserError, match=sentence):
            MoveDynamics(**settings)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="check the camera"):
        MoveDynamics(NAMES, (5.0, 5.0), (6.0, 6.0)).place(grid(32))
    with pytest.raises(UserError, match="frames of 32x32"):
        toy_model().read(torch.zeros(1, 5, 64, 64, 3, dtype=torch.uint8))
    with pytest.raises(UserError, match="8-bit RGB"):
        toy_model().read(torch.zeros(1, 5, 64, 64, 3))
    with pytest.raises(UserError, match="none of whole moves"):
        move_pairs([Episode(np.zeros((5, 32, 32, 3), np.uint8), (), None, 10.0)])
    with pytest.raises(UserError, match="none of whole moves"):
        chunks = (Chunk("put it back", "put_back", 1, 4),)
        told = {"script": "moves", "sub_goals": [{"block": "blue cube"}], "objects": {}}
        move_pairs([Episode(np.zeros((5, 32, 32, 3), np.uint8), chunks, None, 10.0, told)])
    with pytest.raises(UserError, match="reads 'turn_left'"):
        VerbReader(InverseDynamics(width=16), MetaworldReturn.action_texts)
    InverseDynamics(width=16).save_pretrained(tmp_path / "verbs")
    assert isinstance(load_reader(tmp_path / "verbs", VizdoomRetrace.action_texts), VerbReader)
    (tmp_path / "config.json").write_text('{"_class_name": "PlanarAddress"}')
    with pytest.raises(UserError, match="no inverse dynamics model"):
        load_reader(tmp_path, VizdoomRetrace.action_texts)


# --- the memory of a camera that stands still


def test_a_still_camera_has_one_place_whatever_is_done(tmp_path: Path, text_encoder: TextEncoder) -> None:
    assert main(["train", "still-path", "--out", str(tmp_path)]) == 0
    address = load_address(tmp_path / "address")
    path, text = torch.zeros(3, 2, 3), text_encoder(["push the pink cube left", "wait", "retrace your steps"])
    ahead = address.path.predicted(path, text, 4)
    assert torch.equal(ahead, torch.zeros(3, 4, 3))
    keys = address(ahead)
    assert torch.equal(keys[0, 0], keys[2, 3]) and not torch.allclose(keys[0, 0, 0], keys[0, 0, 1], atol=0.1)
    seen = torch.randn(3, 5, 8, 8, 8)
    assert torch.equal(address.path.followed(path, text, seen[:, :1], seen[:, 1:]), torch.zeros(3, 4, 3))


# --- the task


@pytest.fixture(scope="module")
def task() -> Iterator[MetaworldReturn]:
    open_table().close()
    yield MetaworldReturn.quick()


@pytest.fixture
def episodes(task: MetaworldReturn) -> Iterator[list[ReturnEpisode]]:
    with task.open(range(2)) as opened:
        assert all(isinstance(one, ReturnEpisode) for one in opened), opened
        yield opened  # type: ignore[misc]


def test_every_block_is_led_away_and_the_expert_brings_it_back(
    task: MetaworldReturn, episodes: list[ReturnEpisode]
) -> None:
    first, second = episodes
    assert first.frames.shape == (17, 64, 64, 3) and first.true_way.shape == (12, 64, 64, 3) and task.num_led == 4
    assert len(first.actions) == 4 and set(first.blocks) == set(first.homes) and first.blocks[0] in first.actions[-1]
    assert min(first.distances(2)) > 0.024 and not first.succeeded() and first.on_way(0) and not first.on_way(1)
    assert first.maps(17).shape == (17, 256, 256, 3) and not np.array_equal(*first.maps(17)[[0, -1]])
    for number, action in enumerate(first.true_actions):
        assert first.on_way(number) and first.is_right(number, action)
        assert not first.is_right(number, second.true_actions[number]) and not first.is_right(number, "wait")
        second.act("wait")  # shares the table
        assert np.array_equal(first.act(action), first.true_way[4 * number : 4 * number + 4])
        assert len(first.distances(number)) == number + 1 and max(first.distances(number)) < 0.02
    assert first.succeeded() and not second.succeeded() and first.maps(4).shape == (4, 256, 256, 3)
    away = min(first.distances(2))
    first.act(task.draw_action(np.random.default_rng(0), f"put the {first.blocks[0]} back where it was"))
    assert first.distances(2)[0] > away and not first.succeeded()  # a block that was back is moved again
    assert np.array_equal(first.reset(0), first.frames[-1:]) and first.on_way(0)
    with task.open(range(1)) as again:
        assert again[0] is first and first.on_way(0)


def test_what_is_random_knows_the_block_at_most(task: MetaworldReturn) -> None:
    rng = np.random.default_rng(0)
    drawn = [task.draw_action(rng, "put the pink puck back where it was") for _ in range(5)]
    assert len(set(drawn)) == 5 and all(text.startswith("carry the pink puck to (") for text in drawn)
    assert any(name in task.draw_action(rng, "tidy up") for name in BLOCKS)


def test_tasks_that_cannot_be_are_refused() -> None:
    with pytest.raises(UserError, match="moved at least once, got 2 moves"):
        MetaworldReturn("test", 2)
    with pytest.raises(UserError, match="split"):
        MetaworldReturn("dream")
    assert MetaworldReturn().describe()["moves"] == 10 and MetaworldReturn().num_decisions == 3


class ByHeart:
    """Reads the true way's last frames; anything else is taken for waiting."""

    fingerprint = "0" * 64

    def __init__(self, episodes: list[ReturnEpisode]) -> None:
        self.known = {
            one.true_way[4 * number + 3].tobytes(): action
            for one in episodes
            for number, action in enumerate(one.true_actions)
        }

    def read(self, frames: torch.Tensor) -> Reading:
        actions = [self.known.get(chunk[-1].numpy().tobytes(), "wait") for chunk in frames]
        return Reading(actions, np.full(len(actions), 0.9))


class Means(VideoFeatures):
    """Quick features: mean colours."""

    name, num_features, least_frames, fingerprint = "fvd_means", 3, 1, "0" * 64

    def _of_clips(self, clips: Any) -> Any:
        return clips.mean((1, 2, 3)).astype(np.float32)


def test_the_bounds_hold_what_they_promise(task: MetaworldReturn, episodes: list[ReturnEpisode]) -> None:
    stage = Stage(task, ByHeart(episodes), split_goal(task.goal), "real", Means())
    assert stage.words(episodes[0]) == [f"put the {block} back where it was" for block in episodes[0].blocks]
    bounds = [Player("oracle", "true video"), Player("random", "random")]
    results = Trial(stage, bounds, TrialConfig(2, 1)).run()
    protocol, figures = results.protocol, results.by_name
    assert figures["success_oracle"].mean == 1 and figures["distance_oracle"].mean < 0.02
    assert figures["success_random"].mean == 0 and figures["distance_random"].mean > 0.05
    assert figures["idm_accuracy"].mean == 1 and figures["crashed"].mean == 0
    assert protocol["task"]["name"] == "metaworld-return" and len(protocol["by_decision"]["distance"]["oracle"]) == 3


@pytest.mark.slow
def test_the_command_line_plans(
    task: MetaworldReturn, text_encoder: TextEncoder, quick_features: None, tmp_path: Path
) -> None:
    world = pack_tiny_world(
        tmp_path / "tiny", text_encoder, ridge=True, memory={"ridge": {"journal_chunks": 8}}, num_sampling_steps=1
    )
    torch.manual_seed(0)
    new_move_dynamics(BLOCKS, 64, METAWORLD).save_pretrained(tmp_path / "reader")
    report = tmp_path / "plan.json"
    words = ["plan", "--task", "metaworld-return", "--quick", "--model", str(world), "--arms", "loop,random"]
    words += ["--inverse-dynamics", str(tmp_path / "reader"), "--json", str(report), "--episodes", "1"]
    assert main([*words, "--video", str(tmp_path / "videos"), "--videos", "1"]) == 0
    figures = by_name(json.loads(report.read_text()))
    assert {"distance_loop", "success_loop", "distance_random", "seconds_per_decision", "idm_accuracy"} <= set(figures)
    assert figures["distance_loop"]["mean"] > 0.03
    assert sorted(path.name for path in (tmp_path / "videos").iterdir()) == ["loop-000.mp4", "random-000.mp4"]


def test_the_commands_of_the_page_are_understood() -> None:
    page = (Path(__file__).parent.parent / "docs" / "howto" / "plan.md").read_text()
    page = page[page.index("## The task `metaworld-return`") : page.index("## Goals")]
    data, codec = re.findall(r"`(--data [^`]*|--codec [^`]*)`", page)
    commands = re.findall(r"\| `slowfast ([^`]*)`", page)
    assert len(commands) == 15
    for command in commands:
        build_parser().parse_args(command.replace("DATA", data).replace("CODEC", codec).split())


def test_frames_of_a_model_are_those_of_the_codec() -> None:
    frames = torch.randint(0, 256, (2, 5, SIDE, SIDE, 3), dtype=torch.uint8)
    model = toy_model().eval()
    with torch.no_grad():
        maps = model(*frames_to_pixels(frames[:, [0, -1]]).unbind(1))
    assert torch.allclose(maps.exp().sum((1, 2, 3)), torch.ones(2), atol=1e-4)
    read, (label, spots, mass) = model.read(frames), model.hills(maps)
    assert read.names == [NAMES[index] for index in label.tolist()] and np.allclose(read.spots, spots, atol=1e-6)
    assert np.allclose(read.confidence, mass, atol=1e-6)
    texts = MoveReader(model, MetaworldReturn.action_texts).read(frames).actions
    assert texts == [
        f"carry the {name} to ({x:.3f}, {y:.3f})" for name, (x, y) in zip(read.names, read.spots, strict=True)
    ]
