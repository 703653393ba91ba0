"""The world franka-kitchen: a hand that stays at the handle, kitchens that come back to the pixel, splits apart."""

import dataclasses
import hashlib
import json
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack, nullcontext
from pathlib import Path

import numpy as np
import pytest

from slowfast_envs.base import SPLITS
from slowfast_envs.kitchen import environment as franka_kitchen
from slowfast_envs.kitchen.environment import FrankaKitchen
from slowfast_envs.kitchen.fixtures import AGAIN, FIXTURES, KETTLE, PHRASINGS, Task, draw_text
from slowfast_envs.kitchen.layout import draw_kitchen
from slowfast_envs.kitchen.recorder import MIN_CHUNKS, TASK_CHUNKS
from slowfast_envs.kitchen.scene import TASK_FRAMES, KitchenStage
from slowfast_vgen.cli.main import main
from slowfast_vgen.data.format import EpisodeDataset
from slowfast_vgen.engines import open_env
from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Episode

ALL_CLOSED = dataclasses.replace(draw_kitchen(0), states={**dict.fromkeys(FIXTURES, 0), KETTLE: 2})


@pytest.fixture(scope="module")
def stage():
    """Skips where the extra is not installed or MuJoCo cannot draw."""
    try:
        made = KitchenStage(ALL_CLOSED)
    except UserError as error:
        pytest.skip(str(error))
    with made:
        yield made


@pytest.fixture
def one_stage(stage, monkeypatch):
    """Lets a test's worlds use the one stage: making one takes a second."""

    def reset(kitchen):
        stage.reset(kitchen)
        return nullcontext(stage)

    monkeypatch.setattr(franka_kitchen, "KitchenStage", reset)


@pytest.fixture
def sequence(one_stage) -> Episode:
    return next(FrankaKitchen("train", 1).episodes(1, "sequence", 18))


# --- kitchens and texts; no engine is needed


def test_splits_seeds_and_indices_never_share_a_kitchen():
    worlds = [FrankaKitchen(split, seed) for split in SPLITS for seed in (0, 1, 2**32 - 1)]
    digests = {world.kitchen(index).digest for world in worlds for index in (0, 1, 2**32 - 1)}
    assert len(digests) == 27
    assert FrankaKitchen("test", 5).kitchen(3) == FrankaKitchen("test", 5).kitchen(3)


def test_kitchens_differ_in_all_that_is_drawn():
    kitchens = [draw_kitchen(seed) for seed in range(60)]
    for field in dataclasses.fields(kitchens[0]):
        assert len({repr(getattr(kitchen, field.name)) for kitchen in kitchens}) > 30
    for name, fixture in FIXTURES.items():
        assert {kitchen.states[name] for kitchen in kitchens} == set(range(len(fixture.values)))
    changed = [
        dataclasses.replace(kitchens[0], **{field.name: getattr(kitchens[1], field.name)})
        for field in dataclasses.fields(kitchens[0])
    ]
    assert len({kitchen.digest for kitchen in [kitchens[0], *changed]}) == 1 + len(changed)


def test_every_verb_is_said_in_many_ways_and_no_way_stands_for_two():
    verbs = [verb for fixture in FIXTURES.values() for verb in fixture.verbs]
    assert len(set(verbs)) == len(verbs) >= 20
    assert {*verbs, "wait"} == set(PHRASINGS)
    said = [text for phrasings in PHRASINGS.values() for text in phrasings]
    assert len(set(said)) == len(said)
    rng = np.random.default_rng(0)
    for verb in verbs:
        counts = Counter(draw_text(rng, verb) for _ in range(400))
        assert set(counts) == set(PHRASINGS[verb])
        assert len(counts) >= 6
        assert counts.most_common(1)[0][0] == PHRASINGS[verb][0]


def test_what_undoes_the_last_task_may_be_said_in_short():
    rng = np.random.default_rng(0)
    short = {text for texts in AGAIN.values() for text in texts}
    assert not short & {text for phrasings in PHRASINGS.values() for text in phrasings}
    for verb in (verb for fixture in FIXTURES.values() for verb in fixture.verbs):
        said = {draw_text(rng, verb, undoes_last=True) for _ in range(300)}
        assert said > set(PHRASINGS[verb])
        assert said - set(PHRASINGS[verb]) < short
    assert all(" on" in text for text in AGAIN["turn_on"])
    assert all(" off" in text for text in AGAIN["turn_off"])


# --- the stage


@pytest.mark.parametrize("name", FIXTURES)
def test_the_hand_is_at_the_handle_while_the_thing_moves(stage, name):
    stage.reset(ALL_CLOSED)
    states = [1, 0, 3, 2] if name == KETTLE else [1, 0]
    for wanted in states:
        rest = stage.state()
        seen = [(state, np.linalg.norm(stage.handle(name) - state.hand)) for state in stage.do(Task(name, wanted))]
        assert len(seen) == TASK_FRAMES
        moving = [
            frame
            for frame in range(1, TASK_FRAMES)
            if seen[frame][0].fixtures[name] != seen[frame - 1][0].fixtures[name]
        ]
        assert len(moving) == 5
        assert all(seen[frame][1] < 0.006 for frame in moving)
        assert all(seen[frame][0].fingers < 0.02 for frame in moving)
        assert seen[2][1] > 0.1
        assert seen[-1][0].fixtures[name] == pytest.approx(FIXTURES[name].values[wanted])
        assert (seen[-1][0].joints == rest.joints).all()
        assert all(
            state.fixtures[other] == rest.fixtures[other] for state, _ in seen for other in FIXTURES if other != name
        )
        low, high = stage._model.jnt_range[:7].T
        assert all(((low <= state.joints) & (state.joints <= high)).all() for state, _ in seen)
        steps = np.abs(np.diff([rest.joints, *(state.joints for state, _ in seen)], axis=0))
        assert steps.max() < 2.5, "no joint jumps"


@pytest.mark.parametrize("name", FIXTURES)
def test_what_was_done_is_seen_and_what_is_undone_comes_back_to_the_pixel(stage, name):
    kitchen = ALL_CLOSED
    if name == "back left burner":  # the kettle would stand on it
        kitchen = dataclasses.replace(kitchen, states={**kitchen.states, KETTLE: 3})
    stage.reset(kitchen)
    before = stage.frame()
    list(stage.do(Task(name, 1)))
    done = stage.frame().astype(int)
    changed = np.abs(done - before).max(axis=-1) > 25
    assert changed.sum() >= 6
    list(stage.do(Task(name, ALL_CLOSED.states[name])))
    assert (stage.frame() == before).all()


def test_a_burner_glows_and_the_light_brightens_the_stove(stage):
    stage.reset(ALL_CLOSED)
    dark = stage.frame().astype(int)
    list(stage.do(Task("back right burner", 1)))
    red = stage.frame().astype(int) - dark
    assert ((red[..., 0] > 60) & (red[..., 2] < 30)).sum() >= 5
    list(stage.do(Task("light", 1)))
    assert stage.frame().mean() > dark.mean() + 1


def test_the_order_of_tasks_leaves_no_trace(stage):
    stage.reset(ALL_CLOSED)
    for name in ("microwave", "light", KETTLE):
        list(stage.do(Task(name, 1)))
    there = stage.frame()
    stage.reset(dataclasses.replace(ALL_CLOSED, states={**ALL_CLOSED.states, "microwave": 1, "light": 1, KETTLE: 1}))
    assert (stage.frame() == there).all()
    stage.reset(draw_kitchen(5))
    stage.reset(ALL_CLOSED)
    for name in (KETTLE, "light", "microwave"):
        list(stage.do(Task(name, 1)))
    assert (stage.frame() == there).all()


# --- the world


def test_a_sequence_ends_as_it_began_and_visits_states_again(sequence):
    assert len(sequence.chunks) == 18
    assert sequence.num_frames == 1 + 4 * 18
    assert (sequence.frames[0] == sequence.frames[-1]).all()
    goals = sequence.metadata["sub_goals"]
    assert len(goals) == 4
    assert sum(chunk.verb == "wait" for chunk in sequence.chunks) == 2
    for goal in goals:
        first = (goal["start_frame"] - 1) // 4
        chunks = sequence.chunks[first : first + TASK_CHUNKS]
        assert {(chunk.verb, chunk.action) for chunk in chunks} == {(goal["verb"], goal["text"])}
        rows = sequence.metadata["fixtures"][goal["fixture"]]
        wanted = FIXTURES[goal["fixture"]].values[goal["state"]]
        assert rows[goal["start_frame"] - 1] != rows[goal["start_frame"] + goal["num_frames"] - 1]
        assert rows[goal["start_frame"] + goal["num_frames"] - 1] == pytest.approx(wanted)
    for rows in sequence.metadata["fixtures"].values():
        assert len(rows) == sequence.num_frames
        assert rows[0] == rows[-1]
    assert {len(sequence.metadata[key]) for key in ("hand", "joints", "opening")} == {sequence.num_frames}
    assert json.loads(json.dumps(sequence.metadata)) == sequence.metadata


def test_a_clip_is_one_task_and_may_be_cut(one_stage):
    clip = next(FrankaKitchen("train", 2).episodes(1, "clip", 9))
    assert len(clip.chunks) == TASK_CHUNKS
    assert len({(chunk.verb, chunk.action) for chunk in clip.chunks}) == 1
    assert clip.chunks[0].action in PHRASINGS[clip.chunks[0].verb]
    short = next(FrankaKitchen("train", 2).episodes(1, "clip", 2))
    assert short.num_frames == 9
    assert (short.frames == clip.frames[:9]).all()


def test_another_process_records_the_same_episode(one_stage):
    code = (
        "import hashlib; from slowfast_envs.kitchen.environment import FrankaKitchen;"
        "episode = next(FrankaKitchen('test', 3).episodes(1, 'clip', 2, first_index=1));"
        "print(hashlib.sha256(episode.frames.tobytes()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    episode = list(FrankaKitchen("test", 3).episodes(2, "clip", 2))[1]
    assert done.stdout.split() == [hashlib.sha256(episode.frames.tobytes()).hexdigest()]


def test_mix_holds_clips_and_sequences(monkeypatch):
    class Nothing:
        frames, chunks = np.zeros((1, 64, 64, 3), np.uint8), ()

        def metadata(self):
            return {}

    class NoStage(ExitStack):
        def __init__(self, kitchen):
            super().__init__()

        def reset(self, kitchen):
            pass

    for name in ("play_clip", "play_sequence"):
        monkeypatch.setattr(franka_kitchen, name, lambda *_: Nothing())
    monkeypatch.setattr(franka_kitchen, "KitchenStage", NoStage)
    world = FrankaKitchen("train", 0)
    counts = Counter(episode.metadata["script"] for episode in world.episodes(80, "mix", MIN_CHUNKS))
    assert counts["clip"] > counts["sequence"] > 5
    assert {episode.metadata["script"] for episode in world.episodes(20, "mix", MIN_CHUNKS - 1)} == {"clip"}


def test_data_made_by_the_program_are_sound_and_apart(stage, tmp_path: Path):
    for split in ("train", "test"):
        words = ["--env", "franka-kitchen", "--split", split, "--script", "clip", "--episodes", "1"]
        assert main(["data", "make", *words, "--num-chunks", "2", "--out", str(tmp_path / split)]) == 0
    assert main(["data", "check", str(tmp_path / "train"), str(tmp_path / "test")]) == 0
    assert EpisodeDataset(tmp_path / "train")[0].metadata["world"] == "franka-kitchen"


# --- bad input


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: open_env("franka-kitchen", "training", 0), "training"),
        (lambda: open_env("franka-kitchen", "train", -1), "-1"),
        (lambda: FrankaKitchen("train", 0).kitchen(-1), "-1"),
        (lambda: FrankaKitchen("train", 0).episodes(1, "walk", 4), "choose one of clip, sequence, mix"),
        (lambda: FrankaKitchen("train", 0).episodes(1, "clip", 0), "0 chunks"),
        (lambda: FrankaKitchen("train", 0).episodes(1, "sequence", MIN_CHUNKS - 1), f"at least {MIN_CHUNKS}"),
        (lambda: FrankaKitchen("train", 0).episodes(0, "clip", 4), "0 episodes"),
        (lambda: FrankaKitchen("train", 0).episodes(1, "clip", 4, first_index=-2), "-2"),
    ],
)
def test_bad_input_is_told_in_one_sentence(call, told):
    with pytest.raises(UserError, match=told) as error:
        call()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("package", ["mujoco", "gymnasium_robotics"])
def test_without_the_package_the_program_says_what_to_install(monkeypatch, tmp_path: Path, capsys, package):
    if package != "mujoco":
        pytest.importorskip("mujoco")
    monkeypatch.setitem(sys.modules, package, None)
    words = ["--env", "franka-kitchen", "--script", "clip", "--episodes", "1", "--out", str(tmp_path / "set")]
    assert main(["data", "make", *words]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"slowfast: error: the world franka-kitchen needs the package {package.replace('_', '-')}; install it with: "
        "pip install 'slowfast-vgen[franka-kitchen]'"
    )


def test_the_program_starts_without_the_engine():
    code = (
        "import sys; import slowfast_envs.kitchen.environment; "
        "print({'mujoco', 'gymnasium_robotics', 'OpenGL', 'gymnasium'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("set()", "")
