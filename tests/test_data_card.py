"""Data cards: the right counts, of folders and of shards, in pages whose pictures are there."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from made_results import by_name
from made_sets import content_of, episode_of, make_set, make_tiny_set
from PIL import Image

from slowfast_vgen.cli.main import main
from slowfast_vgen.data.adapters.registry import ADAPTERS
from slowfast_vgen.data.cards.statistics import DOMAINS, OTHER, count_episodes, domain_of
from slowfast_vgen.data.cards.words import words_of
from slowfast_vgen.data.format import EpisodeDataset
from slowfast_vgen.data.shards.read import ShardSet
from slowfast_vgen.data.shards.write import write_shards
from slowfast_vgen.data.sources import EpisodeSource
from slowfast_vgen.engines import env_names


@pytest.mark.parametrize(
    ("action", "verbs", "nouns"),
    [
        ("turn left", "turn", ""),
        ("Walk straight AHEAD!", "walk", ""),
        ("do not move", "move", ""),
        ("pan the camera left", "pan", "camera"),
        ("open drawer", "open", "drawer"),
        ("take plate from the top cupboard", "take", "plate cupboard"),
        ("move the window's handle to open it", "move open", "handle"),
        ("change lane to the left", "change", "lane"),
        ("drive over the railroad crossing", "drive", "railroad"),
        ("make a U-turn", "make", "u-turn"),
        ("go forward, turn left and attack", "go turn attack", ""),
        ("press the coffee machine's button twice", "press", "button"),
        ("slowly pour some milk into both glasses", "pour", "milk glasses"),
        ("jump", "jump", ""),
        ("   ...   ", "", ""),
    ],
)
def test_words_of_actions(action: str, verbs: str, nouns: str) -> None:
    assert words_of(action) == (tuple(verbs.split()), tuple(nouns.split()))


def test_every_world_and_source_has_a_domain() -> None:
    names = {*env_names(), *ADAPTERS}
    without = {name for name in names if domain_of(name) == OTHER}
    assert without == {"folder"}, "a new world or source needs a line in data/cards/statistics.py"
    assert set(DOMAINS.values()) == {"driving", "games", "human activities", "robotics", "simulation"}


@pytest.fixture(params=["folder", "shards"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> EpisodeSource:
    """Three episodes of a game and two of a robot."""
    make_set(tmp_path / "a", *(episode_of(n, (4, 3, 2)) for n in range(3)), world="vizdoom-rooms")
    more = {"licence": "CC BY", "script": "clip"}
    robots = [episode_of(3, (4, 4), size=16, **more), episode_of(4, (4,), size=16, **more, domain="kitchen")]
    make_set(tmp_path / "b", *robots, world="metaworld")
    if request.param == "folder":
        make_set(tmp_path / "c", *(episode_of(n, (4, 3, 2)) for n in range(3)), *robots, world="vizdoom-rooms")
        return EpisodeDataset(tmp_path / "c")
    write_shards([tmp_path / "a", tmp_path / "b"], tmp_path / "shards", 30_000)
    return ShardSet(tmp_path / "shards")


def test_counts(source: EpisodeSource) -> None:
    found = count_episodes(source)
    assert (found.num_episodes, found.num_clips, found.num_frames) == (5, 12, 44)
    assert found.seconds == pytest.approx(4.4)
    assert sorted(found.episode_seconds) == pytest.approx([0.5, 0.9, 1.0, 1.0, 1.0])
    assert found.clip_seconds == {0.4: 6, 0.3: 3, 0.2: 3}
    assert found.num_bytes == source.num_bytes > 0
    assert len(found.scenes) == 5
    robot = "games" if isinstance(source, EpisodeDataset) else "robotics"
    assert found.clips_by_domain == ({"games": 11} if robot == "games" else {"games": 9, "robotics": 2}) | {
        "kitchen": 1
    }
    assert found.verbs == {"turn": 4, "walk": 5, "pick": 3}
    assert found.nouns == {"door": 5, "ball": 3}
    assert found.clips_by_verb == {"turn_left": 4, "go_forward": 5}  # the third has no canonical verb
    assert found.episodes_by_size == {"8x8": 3, "16x16": 2}
    assert found.episodes_by_fps == {10.0: 5}
    assert found.episodes_by_licence == {"CC0": 3, "CC BY": 2}
    assert found.episodes_by_script == {"spin": 3, "clip": 2}
    assert found.episodes_by_split == {"train": 5}
    twice = count_episodes(source)
    twice.add(found)
    assert (twice.num_episodes, len(twice.scenes), twice.verbs["turn"]) == (10, 5, 8)


def pictures(page: Path) -> list[Path]:
    return [page.parent / name for name in re.findall(r"!\[[^]]+\]\(([^)]+)\)", page.read_text())]


def test_cards_of_several_sets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_tiny_set(tmp_path / "rooms" / "train", 3, world="vizdoom-rooms")
    odd = episode_of(9, (5, 4), licence="A | B\nC", scene="$x_1^2$", script="$\\frac$")
    make_set(tmp_path / "my set" / "test", odd, world="metaworld", split="test")
    write_shards([tmp_path / "rooms" / "train"], tmp_path / "rooms" / "shards")
    folders = [tmp_path / name for name in ("rooms/train", "my set/test", "rooms/shards")]
    words = ["data", "info", "--card", *map(str, folders), "--out", str(tmp_path / "cards")]
    assert main([*words, "--json", str(tmp_path / "cards.json")]) == 0
    names = ["index", "rooms-train", "my-set-test", "rooms-shards"]
    pages = [tmp_path / "cards" / f"{name}.md" for name in names]
    assert capsys.readouterr().out.splitlines() == [f"wrote {page}" for page in pages]
    for page in pages:
        shown = pictures(page)
        assert len(shown) == (1 if page.stem == "index" else 2)
        for picture in shown:
            with Image.open(picture) as image:
                assert np.asarray(image.convert("L")).std() > 5  # something is drawn
    assert {path.name for path in (tmp_path / "cards").iterdir()} == {
        name for page in pages for name in (page.name, *(picture.name for picture in pictures(page)))
    }
    train = (tmp_path / "cards" / "rooms-train.md").read_text()
    for line in ("| splits | train |", "| resolution | 8x8 |", "| frames a second | 10 |", "| licences | CC0 |",
                 "| episodes | 3 in 3 scenes |", "| seconds an episode | 0.8 to 1, median 0.8 |"):  # fmt: skip
        assert line in train
    # By shards or by folder, the set is the same; only its name and its size on disk differ.
    sharded = (tmp_path / "cards" / "rooms-shards.md").read_text().replace("rooms-shards", "rooms-train")
    size = re.compile(r"\| size \|.*")
    assert size.sub("", sharded) == size.sub("", train)
    assert "| licences | A \\| B C |" in (tmp_path / "cards" / "my-set-test.md").read_text()
    index = (tmp_path / "cards" / "index.md").read_text()
    assert "[my-set-test](my-set-test.md)" in index
    assert re.search(r"\| robotics \| 2 \| \d+\.\d% \|", index)
    figures = by_name(json.loads((tmp_path / "cards.json").read_text()))
    assert (figures["episodes"]["mean"], figures["clips of domain robotics"]["mean"]) == (7, 2)


def test_shards_are_described_as_the_folder_they_were_made_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_tiny_set(tmp_path / "set", 3).folder
    write_shards([folder], tmp_path / "shards")
    printed, figures = [], []
    for source in (folder, tmp_path / "shards"):
        capsys.readouterr()
        assert main(["data", "info", str(source), "--json", str(tmp_path / "info.json")]) == 0
        printed.append([line for line in capsys.readouterr().out.splitlines() if not line.startswith("size")])
        figures.append(by_name(json.loads((tmp_path / "info.json").read_text())))
        size = figures[-1].pop("bytes")["mean"]
        assert size > 0
    assert printed[0] == printed[1] and figures[0] == figures[1]
    assert f"content    {content_of(EpisodeDataset(folder))}" in printed[0]
    counts = {name: figure["mean"] for name, figure in figures[0].items()}
    assert counts["chunks"] == 7 and counts["frames"] == 8 + 10 + 8 and counts["scenes"] == 3
    verbs = [counts[f"chunks of verb {verb}"] for verb in ("turn_left", "go_forward", "unnamed")]
    assert verbs == [3, 2, 2]


def test_what_no_card_can_be_written_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_tiny_set(tmp_path / "set", 2).folder
    write_shards([folder], tmp_path / "shards")
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "dataset.json").write_text((folder / "dataset.json").read_text())
    broken = make_tiny_set(tmp_path / "broken", 1).folder
    (broken / "episodes/000000/chunks.parquet").write_bytes(b"")
    blocked = tmp_path / "blocked"
    blocked.touch()
    for words, told in (
        (["--card", str(tmp_path / "none")], "missing-file"),
        (["--card", str(empty)], "holds no episodes yet"),
        (["--card", str(broken)], "bad-table"),
        (["--card", str(folder), str(folder)], "named twice"),
        (["--card", str(folder), "--contact-sheet", "a.png"], "has its own contact sheet"),
        (["--card", str(folder), "--out", str(blocked / "cards")], "cannot write"),
        ([str(folder), str(tmp_path / "shards")], "takes one folder"),
        ([str(folder), "--out", str(tmp_path / "cards")], "takes one folder and no --out"),
    ):
        out = [] if "--out" in words or "--card" not in words else ["--out", str(tmp_path / "cards")]
        assert main(["data", "info", *words, *out]) == 2, words
        error = capsys.readouterr().err
        assert told in error
        assert "Traceback" not in error
