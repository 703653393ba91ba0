"""A held-out part that is made where none is given: whole scenes, the same ones each time, never all of them."""

from pathlib import Path

import pytest
from made_sets import episode_of, make_set

from slowfast_vgen.cli.main import build_parser
from slowfast_vgen.cli.settings import settings_of
from slowfast_vgen.data.shards.write import write_shards
from slowfast_vgen.data.sources import EpisodeSource, open_episodes
from slowfast_vgen.data.splitting import split_held_out
from slowfast_vgen.errors import UserError
from slowfast_vgen.train.inputs import open_sets
from slowfast_vgen.train.settings import TrainingFiles


def numbers(source: EpisodeSource) -> list[int]:
    return [source[index].metadata["number"] for index in range(len(source))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 episodes of 10 scenes: `data`; the same in shards; 6 episodes of one scene: `one`."""
    folder = tmp_path_factory.mktemp("sets")
    make_set(folder / "data", *(episode_of(n, scene=f"scene {n % 10}") for n in range(20)))
    make_set(folder / "one", *(episode_of(n, scene="a room") for n in range(6)))
    write_shards([folder / "data"], folder / "shards")
    return folder


@pytest.mark.parametrize(("share", "count"), [(0.1, 2), (0.25, 6), (0.3, 6), (0.9, 18)])
def test_whole_scenes_are_held_out(folder: Path, share: float, count: int) -> None:
    kept, held = split_held_out(open_episodes(folder / "data"), share)
    assert len(held) == count
    assert sorted(numbers(kept) + numbers(held)) == list(range(20))
    assert not {n % 10 for n in numbers(kept)} & {n % 10 for n in numbers(held)}


def test_the_same_ones_of_a_folder_and_of_its_shards(folder: Path) -> None:
    parts = [split_held_out(open_episodes(folder / name), 0.2) for name in ("data", "data", "shards")]
    assert len({tuple(numbers(held)) for _, held in parts}) == 1
    _, held = parts[0]
    assert held.tables(0)[0].metadata["number"] == numbers(held)[0]
    assert (held.frames(1) == held[1].frames).all()
    assert [number for group in held.groups for number in group] == list(range(len(held)))
    assert [episode.metadata["number"] for episode in held] == numbers(held)


def test_one_scene_is_shared_out_by_episodes(folder: Path) -> None:
    kept, held = split_held_out(open_episodes(folder / "one"), 0.1)
    assert (len(kept), len(held)) == (5, 1)


def test_a_single_episode_cannot_be_shared_out(tmp_path: Path) -> None:
    make_set(tmp_path / "data", episode_of(0))
    with pytest.raises(UserError, match=r"holds 1 episode, .* --validation DIR"):
        split_held_out(open_episodes(tmp_path / "data"), 0.1)


def words(folder: Path, *validation: str) -> list[str]:
    words = ["train", "codec", "--data", str(folder / "data"), "--out", "x"]
    return [*words, "--validation", *validation] if validation else words


def test_the_command_line_takes_a_share_or_folders(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def parse(words: list[str]) -> TrainingFiles:
        return settings_of(build_parser().parse_args(words), TrainingFiles)

    assert parse(words(folder)).validation == (0.1,)
    sets = open_sets(parse(words(folder, "25%")))
    assert sets.held_out is not None
    assert sets.held_out["share"] == 0.25
    assert len(sets.validation[0]) == 6  # whole scenes of two
    assert "held out to validate on: 6 of 20 episodes" in capsys.readouterr().out
    given = open_sets(parse(words(folder, str(folder / "one"))))
    assert given.held_out is None
    assert (len(given.training[0]), len(given.validation[0])) == (20, 6)
    with pytest.raises(UserError, match="one share such as 10%"):
        open_sets(parse(words(folder, "10%", str(folder / "one"))))
    for share in ("0%", "95%"):
        with pytest.raises(SystemExit):
            parse(words(folder, share))
    assert "cannot be held out; use 1% to 90%" in capsys.readouterr().err
