"""Engines by name: entry points, `module:Class`, and the check of whether a world keeps the contract."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from installed_engines import install

from slowfast_envs.check import check_env_world
from slowfast_vgen import engines
from slowfast_vgen.cli.main import main
from slowfast_vgen.data.format import EpisodeDataset
from slowfast_vgen.engines import GROUP, env_class, env_names, open_env
from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Chunk, Episode

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PAGE = (ROOT / "docs" / "howto" / "add-an-engine.md").read_text()
(EXAMPLE,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)

Change = Callable[[Episode], Episode]


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the manual's own engine, a file `sliding.py`, where Python finds it."""
    folder = tmp_path_factory.mktemp("engine")
    (folder / "sliding.py").write_text(EXAMPLE)
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


# --- by name


def test_every_registered_world_is_there_under_its_own_name() -> None:
    registered = {point.name: point.value for point in entry_points(group=GROUP)}
    assert registered == PROJECT["entry-points"][GROUP], "install the package again: its entry points are old"
    for name in env_names():
        assert open_env(name, "test", 1).name == name


def test_an_engine_of_another_package_is_found(example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, tmp_path, sliding="sliding:Sliding")
    assert "sliding" in env_names() and env_class("sliding") is env_class("sliding:Sliding")
    words = ["--episodes", "2", "--num-chunks", "3", "--seed", "5"]
    assert main(["data", "make", "--env", "sliding", *words, "--out", str(tmp_path / "a")]) == 0
    assert main(["data", "make", "--env", "sliding:Sliding", *words, "--out", str(tmp_path / "b")]) == 0
    sets = [EpisodeDataset(tmp_path / name) for name in "ab"]
    assert [one.header.world for one in sets] == ["sliding", "sliding"]
    for one, other in zip(*sets, strict=True):
        np.testing.assert_array_equal(one.frames, other.frames)
        assert one.chunks == other.chunks
    assert main(["data", "check", str(tmp_path / "a")]) == 0


def test_worlds_that_cannot_be_opened_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, tmp_path, **{"vizdoom-rooms": "other:Rooms", "far": "no_such_engine.world:WorldModel"})
    for name, sentence in (
        ("mars", 'there is no world "mars"; choose one of: car-racing, far, franka-kitchen'),
        ("vizdoom-rooms", "name one of them as other:Rooms or slowfast_envs.vizdoom.rooms:VizdoomRooms"),
        ("far", '"far" needs the package no_such_engine; install it with pip'),
        ("no_such_engine:WorldModel", "needs the package no_such_engine; install it with pip"),
        ("json:WorldModel", '"json:WorldModel" is to be WorldModel of json, where there is no such class'),
        ("json:", "where there is no such class"),
        ("operator:add", '"operator:add" has no `name`; see docs/howto/add-an-engine.md'),
    ):
        with pytest.raises(UserError, match=re.escape(sentence)):
            open_env(name, "train", 0) if name != "operator:add" else open_env(name, 1, 2)  # type: ignore[arg-type]
    monkeypatch.setattr(engines, "GROUP", "slowfast_vgen.none")
    with pytest.raises(UserError, match="no engine is installed; install slowfast-vgen again"):
        open_env("vizdoom-rooms", "train", 0)


def test_the_library_goes_without_the_engines_and_says_so() -> None:
    code = (
        "import sys; sys.modules['slowfast_envs'] = None\n"
        "import slowfast_vgen.plan.planner, slowfast_vgen.plan.reader, slowfast_vgen.train.move_dynamics\n"
        "import slowfast_vgen.train.inverse_dynamics, slowfast_vgen.rollout, slowfast_vgen.data.importing\n"
        "from slowfast_vgen.cli.main import main\n"
        "sys.exit(main(['data', 'make', '--env', 'vizdoom-rooms', '--episodes', '1', '--out', 'nowhere']))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 2, ran.stderr
    assert '"vizdoom-rooms" needs the package slowfast_envs' in ran.stderr and "Traceback" not in ran.stderr


# --- the check


def test_the_engine_of_the_manual_keeps_the_contract(example: Path) -> None:
    check_env_world("sliding:Sliding")


@pytest.mark.parametrize("name", ["vizdoom-rooms", "vizdoom-mazes", "vizdoom-streets"])
def test_the_worlds_of_vizdoom_keep_the_contract(name: str) -> None:
    check_env_world(name)


def _frames_changed(episode: Episode) -> Episode:
    frames = episode.frames.copy()
    frames[-1] = np.random.default_rng().integers(0, 256, frames[-1].shape)
    return replace(episode, frames=frames)


def _told(**more: Any) -> Change:
    return lambda episode: replace(episode, metadata=episode.metadata | more)


def _moved(episode: Episode) -> Episode:
    return replace(episode, chunks=tuple(replace(chunk, start_frame=chunk.start_frame + 1) for chunk in episode.chunks))


def _poses(change: Callable[[np.ndarray], np.ndarray]) -> Change:
    return lambda episode: replace(episode, poses=None if episode.poses is None else change(episode.poses))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (_frames_changed, "episode 1 differs when it is recorded without episode 0"),
        (lambda episode: replace(episode, frames=episode.frames[:-1]), "not uint8 (17, 64, 64, 3)"),
        (lambda episode: replace(episode, frames=episode.frames / 255.0), "frames are float64"),
        (lambda episode: replace(episode, chunks=(Chunk("go", "", 1, 16),)), "1 chunks were recorded where 4 were"),
        (_moved, "chunks do not tile the frames"),
        (_poses(lambda poses: poses.astype(np.float32)), "poses are not float64"),
        (_poses(lambda poses: poses + np.array([0.0, 0.0, 360.0])), "a heading is not in [0, 360)"),
        (_poses(lambda poses: poses * np.nan), "a pose is not finite"),
        (_poses(lambda poses: poses // np.array([2.0, 1.0, 1.0])), "shows two pictures in one episode"),
        (lambda episode: replace(episode, fps=0.0), "0.0 frames a second"),
        (_told(scene="one"), "two episodes show one scene"),
        (_told(script="jump"), "the metadata name the script 'jump'"),
        (_told(world="standing"), "the metadata name another world or split"),
        (_told(shape=(1, 2)), "the metadata differ when read back as JSON"),
        (_told(array=np.zeros(2)), "the metadata are no JSON"),
        (lambda episode: replace(episode, metadata={}), "the metadata lack licence, scene, script, split, world"),
    ],
)
def test_a_world_that_breaks_the_contract_is_told_how(example: Path, change: Change, sentence: str) -> None:
    class Broken(env_class("sliding:Sliding")):  # type: ignore[misc]
        def episodes(self, *args: Any, **more: Any) -> Iterator[Episode]:
            return map(change, super().episodes(*args, **more))

    with pytest.raises(AssertionError, match=re.escape(sentence)):
        check_env_world(Broken)


def test_a_world_that_takes_anything_is_told_what_to_refuse(example: Path) -> None:
    class Lenient(env_class("sliding:Sliding")):  # type: ignore[misc]
        def check(self, script: str, num_chunks: int) -> None:
            pass

    with pytest.raises(AssertionError, match="an unknown script is not refused by a UserError"):
        check_env_world(Lenient)

    class Shared(env_class("sliding:Sliding")):  # type: ignore[misc]
        def seed_of(self, episode_index: int) -> int:
            return super().seed_of(episode_index) % 2**64

    with pytest.raises(AssertionError, match='"validation" and "train" share a scene'):
        check_env_world(Shared)
