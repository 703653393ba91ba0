"""The world metaworld: experts that succeed, splits apart, sound data sets, and what is told where it cannot run."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from metaworld_scenes import open_table

from slowfast_envs.actions import one_of
from slowfast_envs.base import SPLITS
from slowfast_envs.metaworld import engine as metaworld_engine
from slowfast_envs.metaworld import environment as metaworld_world
from slowfast_envs.metaworld.environment import LONGEST_CLIP, MetaWorld
from slowfast_envs.metaworld.sequences import MIN_CHUNKS
from slowfast_envs.metaworld.task_scene import TaskStage
from slowfast_envs.metaworld.tasks import TASKS
from slowfast_vgen.cli.main import main
from slowfast_vgen.data.format import EpisodeDataset
from slowfast_vgen.data.validate import check_datasets
from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Episode


@pytest.fixture(scope="module")
def engine() -> None:
    """Skips where Meta-World is not installed or cannot draw."""
    open_table().close()


@pytest.fixture(scope="module")
def drawer(engine):
    with TaskStage("close_drawer") as stage:
        yield stage


@pytest.fixture(scope="module")
def clips(engine) -> list[Episode]:
    return list(MetaWorld("train", 1).episodes(3, "clip", 8))


# --- scenes and texts; no engine is needed


def test_splits_seeds_and_indices_never_share_a_layout():
    worlds = [MetaWorld(split, seed) for split in SPLITS for seed in (0, 1, 2**32 - 1)]
    digests = {world.layout(index).digest for world in worlds for index in (0, 1, 2**32 - 1)}
    assert len(digests) == 27
    assert MetaWorld("test", 5).layout(3) == MetaWorld("test", 5).layout(3)


def test_every_task_is_said_in_many_ways():
    assert len(TASKS) >= 10
    said = [text for task in TASKS.values() for text in task.phrasings]
    assert len(set(said)) == len(said)
    rng = np.random.default_rng(0)
    for task in TASKS.values():
        counts = Counter(one_of(rng, task.phrasings) for _ in range(300))
        assert set(counts) == set(task.phrasings)
        assert len(counts) >= 6
        assert counts.most_common(1)[0][0] == task.phrasings[0]


# --- the script clip


def test_clips_end_when_the_task_is_done(clips):
    for clip in clips:
        metadata = clip.metadata
        assert metadata["done"]
        assert clip.num_frames == 1 + 4 * len(clip.chunks)
        assert 1 <= len(clip.chunks) <= LONGEST_CLIP
        (verb,) = {chunk.verb for chunk in clip.chunks}
        (text,) = {chunk.action for chunk in clip.chunks}
        assert text in TASKS[verb].phrasings
        assert TASKS[verb].env == metadata["task"]
        assert np.array(metadata["objects"][TASKS[verb].thing]).shape == (clip.num_frames, 3)
        assert len({clip.metadata["scene"] for clip in clips}) == len(clips)


def test_a_clip_is_cut_where_there_are_too_few_chunks(engine, clips):
    short = next(MetaWorld("train", 1).episodes(1, "clip", 1))
    assert short.num_frames == 5
    assert (short.frames == clips[0].frames[:5]).all()


def test_a_drawer_is_moved(drawer):
    drawer.reset(5)
    start = drawer.state()
    for _ in range(14):
        drawer.act_expert()
        if drawer.state().is_done:
            break
    assert drawer.state().is_done
    assert drawer.state().thing[1] - start.thing[1] > 0.1


def test_a_task_may_be_acted_in_and_is_the_same_when_reset(drawer):
    drawer.reset(7)
    first, digest, hand = drawer.frame(), drawer.digest, drawer.state().hand
    for _ in range(3):
        drawer.act(np.array([0.0, 0.0, 0.5, 1.0]))
    assert drawer.state().hand[2] - hand[2] > 0.05
    drawer.reset(8)
    assert drawer.digest != digest
    drawer.reset(7)
    assert (drawer.frame() == first).all()
    assert drawer.digest == digest


@pytest.mark.slow
@pytest.mark.parametrize("verb", TASKS)
def test_experts_succeed(engine, verb):
    successes = 0
    with TaskStage(verb) as stage:
        for seed in range(4):
            stage.reset(seed)
            for _ in range(4 * LONGEST_CLIP):
                stage.act_expert()
                if stage.state().is_done:
                    successes += 1
                    break
    assert successes >= 3


# --- the world


def test_an_episode_depends_on_its_index_alone(engine, clips):
    later = next(MetaWorld("train", 1).episodes(1, "clip", 8, first_index=2))
    assert (later.frames == clips[2].frames).all()
    assert later.chunks == clips[2].chunks
    assert later.metadata == clips[2].metadata


def test_mix_holds_clips_and_sequences(monkeypatch):
    monkeypatch.setattr(metaworld_world, "_clip", lambda *_: metaworld_world._Shot("", np.zeros(0), (), {}))
    monkeypatch.setattr(metaworld_world, "_sequence", lambda *_: metaworld_world._Shot("", np.zeros(0), (), {}))
    monkeypatch.setattr(metaworld_world._Studio, "stage", lambda *_: None)
    monkeypatch.setattr(metaworld_world._Studio, "table", lambda *_: None)
    world = MetaWorld("train", 0)
    counts = Counter(episode.metadata["script"] for episode in world.episodes(80, "mix", MIN_CHUNKS))
    assert counts["clip"] > counts["sequence"] > 5
    assert {episode.metadata["script"] for episode in world.episodes(20, "mix", 1)} == {"clip"}


def test_data_made_by_the_program_are_sound(engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for split, script, episodes in (("train", "sequence", 1), ("validation", "clip", 2)):
        words = ["--env", "metaworld", "--split", split, "--script", script, "--episodes", str(episodes)]
        assert main(["data", "make", *words, "--num-chunks", str(MIN_CHUNKS), "--out", str(tmp_path / split)]) == 0
    assert main(["data", "check", str(tmp_path / "train"), str(tmp_path / "validation")]) == 0
    assert check_datasets([tmp_path / "train", tmp_path / "validation"]) == []
    episode = EpisodeDataset(tmp_path / "train")[0]
    assert episode.metadata["script"] == "sequence"
    assert json.dumps(episode.metadata)
    capsys.readouterr()


# --- bad input


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: MetaWorld("training", 0), "training"),
        (lambda: MetaWorld("train", -1), "-1"),
        (lambda: MetaWorld("train", 0).layout(-1), "-1"),
        (
            lambda: MetaWorld("train", 0).episodes(1, "walk", 4),
            "unknown script .walk.; choose one of clip, sequence, moves, mix",
        ),
        (lambda: MetaWorld("train", 0).episodes(1, "clip", 0), "0 chunks"),
        (lambda: MetaWorld("train", 0).episodes(1, "sequence", MIN_CHUNKS - 1), f"at least {MIN_CHUNKS}"),
        (lambda: MetaWorld("train", 0).episodes(0, "clip", 4), "0 episodes"),
        (lambda: MetaWorld("train", 0).episodes(1, "clip", 4, first_index=-2), "-2"),
        (lambda: TaskStage("juggle"), 'no task "juggle"'),
    ],
)
def test_bad_input_is_told_in_one_sentence(call, told):
    with pytest.raises(UserError, match=told) as error:
        call()
    assert "\n" not in str(error.value)


def test_bad_actions_are_refused(drawer):
    with open_table() as table:
        for scene in (table, drawer):
            for action in ([0.0, 0.0, 0.0], [0.0, 0.0, np.nan, 0.0]):
                with pytest.raises(UserError, match="four finite numbers"):
                    scene.act(np.array(action))


@pytest.mark.parametrize("package", ["mujoco", "metaworld.env_dict", "metaworld.asset_path_utils"])
def test_a_missing_package_tells_what_to_install(monkeypatch, package):
    if package != "mujoco":
        pytest.importorskip("mujoco")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=r"pip install 'slowfast-vgen\[metaworld\]'"):
        if package == "metaworld.env_dict":
            metaworld_engine.import_metaworld()
        else:
            metaworld_engine.model_file("sawyer_xyz/sawyer_pick_place_v3.xml")


@pytest.mark.parametrize("settings", [{"MUJOCO_GL": "crayons"}, {"MUJOCO_GL": "egl", "MUJOCO_EGL_DEVICE_ID": "99"}])
def test_a_machine_that_cannot_draw_is_told_what_to_install(engine, tmp_path: Path, settings):
    words = ["data", "make", "--env", "metaworld", "--script", "sequence", "--episodes", "1", "--out", "set"]
    done = subprocess.run(
        [sys.executable, "-m", "slowfast_vgen", *words],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, **settings},
    )
    assert done.returncode == 2
    told = done.stderr.splitlines()[-1]
    assert told.startswith("slowfast: error: the world metaworld draws without a display through")
    assert "apt-get install libegl1 libgl1-mesa-dri" in told
    assert "Traceback" not in done.stderr


def test_the_program_starts_without_the_engine():
    code = (
        "import sys; from slowfast_vgen.cli.main import main; import slowfast_envs.metaworld.environment; "
        "print({'mujoco', 'metaworld', 'OpenGL', 'gymnasium'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("set()", "")


def test_without_the_package_the_program_says_what_to_install(monkeypatch, tmp_path: Path, capsys):
    monkeypatch.setitem(sys.modules, "mujoco", None)
    for script in ("clip", "sequence"):
        words = ["--env", "metaworld", "--script", script, "--episodes", "1", "--out", str(tmp_path / script)]
        assert main(["data", "make", *words]) == 2
        told = capsys.readouterr().err.splitlines()[-1]
        assert told == (
            "slowfast: error: the world metaworld needs the package mujoco; install it with: "
            "pip install 'slowfast-vgen[metaworld]'"
        )
