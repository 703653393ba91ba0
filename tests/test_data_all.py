"""`make data-all` on small sets: what it makes and keeps, and what it says of absent engines and of broken sets."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from installed_engines import install
from made_sets import content_of, episode_of

from slowfast_envs.unrealcv.environment import UnrealEnvironment
from slowfast_vgen.data.format import EpisodeDataset
from slowfast_vgen.engines import env_names, open_env
from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Episode

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import data_all
from data_all import ABSENT, FAILED, SOUND, Row, import_sample, make_world

SCRIPTS = ("spin", "jump")


class SmallWorld:
    """Episodes of noise."""

    name = "small"
    scripts = SCRIPTS

    def __init__(self, split: str, seed: int) -> None:
        self.split, self.seed = split, seed

    def episodes(self, num_episodes: int, script: str, num_chunks: int, first_index: int = 0) -> Iterator[Episode]:
        if script not in SCRIPTS or num_episodes < 1:
            raise UserError(f'there is no script "{script}", or no episode was asked for')
        for index in range(first_index, first_index + num_episodes):
            metadata = {"split": self.split, "scene": f"{self.split} {self.seed} {index}", "script": script}
            yield episode_of(index, (4,) * num_chunks, **metadata)


@pytest.fixture(autouse=True)
def small_world(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    worlds = {"small": f"{__name__}:SmallWorld", "far": "no_such_engine.world:WorldModel"}
    install(monkeypatch, tmp_path_factory.mktemp("engines"), **worlds)


def test_every_world_takes_the_scripts_that_it_names() -> None:
    for name in set(env_names()) - {"small", "far"}:
        world = open_env(name, "train", 0)
        assert "mix" not in world.scripts
        for script in (*world.scripts, "mix"):
            world.episodes(1, script, 12)  # refused before the engine starts


def test_a_world_is_made_checked_and_kept(tmp_path: Path) -> None:
    made = make_world("small", tmp_path, 2, 0)
    assert (made.verdict, made.told) == (SOUND, "")
    assert made.counted is not None
    assert (made.counted.num_episodes, dict(made.counted.episodes_by_script)) == (4, {"spin": 2, "jump": 2})
    assert len(made.counted.scenes) == 4
    assert "small                    other" in str(made)
    videos = sorted((tmp_path / "small").rglob("video.mp4"))
    times = [path.stat().st_mtime_ns for path in videos]
    again = make_world("small", tmp_path, 2, 0)
    assert again.verdict == SOUND
    assert [path.stat().st_mtime_ns for path in videos] == times
    videos[0].write_bytes(b"")
    broken = make_world("small", tmp_path, 2, 0)
    assert broken.verdict == FAILED
    assert str(videos[0]) in broken.told
    assert FAILED in str(broken)


def test_an_absent_engine_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = make_world("far", tmp_path, 2, 0)
    assert (row.verdict, row.told) == (
        ABSENT,
        'the world "far" needs the package no_such_engine; install it with pip',
    )
    assert ABSENT in str(row)
    monkeypatch.setattr(SmallWorld, "episodes", _needs_an_extra)
    row = make_world("small", tmp_path, 2, 0)
    assert row.verdict == ABSENT
    assert row.told == "slowfast: error: the world small needs the package x; install it with: pip install x"
    assert list(tmp_path.rglob("episode.json")) == []


def _needs_an_extra(*_: object, **__: object) -> Iterator[Episode]:
    raise UserError("the world small needs the package x; install it with: pip install x")


def test_a_sample_is_written_imported_and_kept(tmp_path: Path) -> None:
    row = import_sample("folder", tmp_path)
    assert row.verdict == SOUND, row.told
    first = content_of(EpisodeDataset(tmp_path / "folder"))
    assert import_sample("folder", tmp_path).verdict == SOUND
    assert content_of(EpisodeDataset(tmp_path / "folder")) == first
    (path,) = (tmp_path / "sources").iterdir()
    assert path.name == "folder"


def test_the_recorder_of_unreal_talks_to_the_tests_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("unrealcv")
    monkeypatch.setenv("SLOWFAST_UNREALCV", "localhost:1")
    monkeypatch.setattr(UnrealEnvironment, "scripts", ("full-turn",))
    monkeypatch.setattr(data_all, "NUM_CHUNKS", 1)
    row = make_world("unrealcv", tmp_path, 1, 0)
    assert row.verdict == SOUND, row.told
    assert os.environ["SLOWFAST_UNREALCV"] == "localhost:1"


@pytest.mark.parametrize(
    ("verdict", "words", "code"),
    [(SOUND, [], 0), (ABSENT, [], 1), (ABSENT, ["--skip-absent"], 0), (FAILED, ["--skip-absent"], 1)],
)
def test_it_leaves_with_what_it_found(
    verdict: str, words: list[str], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def made(_: Callable[..., Row], name: str, *rest: Any) -> Row:
        return Row(name, verdict if name == "small" else SOUND, "" if verdict == SOUND else "so it is")

    monkeypatch.setattr(data_all, "in_own_process", made)
    monkeypatch.setattr(sys, "argv", ["data_all.py", "--only", "small", "hdd", *words])
    with pytest.raises(SystemExit) as left:
        data_all.main()
    assert int(left.value.code or 0) == code
    told = capsys.readouterr()
    assert [line.split()[0] for line in told.out.splitlines()[1:3]] == ["small", "hdd"]
    assert ("so it is" in told.err) == (verdict != SOUND)


def test_a_process_that_dies_is_a_row() -> None:
    assert data_all.in_own_process(_die, "small").told == "its process died"


def _die(name: str) -> Row:
    os._exit(3)
