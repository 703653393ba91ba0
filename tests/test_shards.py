"""Shards: written the same every time, gone on with, read back bit for bit, streamed in order, damage named."""

import itertools
import json
import shutil
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_results import by_name
from made_sets import make_tiny_set

from slowfast_vgen.cli import shard as shard_commands
from slowfast_vgen.cli.main import main
from slowfast_vgen.data.format import CHUNKS_FILE, EpisodeDataset
from slowfast_vgen.data.rules import DefectiveDataError
from slowfast_vgen.data.shards import read as shards_module
from slowfast_vgen.data.shards import write as sharding
from slowfast_vgen.data.shards.index import SHARDS_FILE, read_index
from slowfast_vgen.data.shards.read import ShardSet
from slowfast_vgen.data.shards.stream import Part, ShardStream, StreamConfig, epoch_order
from slowfast_vgen.data.shards.write import DEFAULT_MAX_BYTES, write_shards
from slowfast_vgen.data.tables import write_chunks
from slowfast_vgen.data.validate import check_dataset, check_datasets
from slowfast_vgen.errors import UserError
from slowfast_vgen.sealed import OWN, own_hash
from slowfast_vgen.types import Episode

SIZE = 60_000
"""Of a shard: some episodes of the sources below."""


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two data sets of 7 and 4 episodes."""
    folder = tmp_path_factory.mktemp("sources")
    make_tiny_set(folder / "a", 7)
    make_tiny_set(folder / "b", 4, first=7, world="other")
    return folder / "a", folder / "b"


@pytest.fixture(scope="module")
def shards(sources: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both in one folder of shards. Read it; a test that damages them copies it."""
    out = tmp_path_factory.mktemp("shards") / "set"
    write_shards(sources, out, SIZE)
    return out


@pytest.fixture
def copied(shards: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(shards, tmp_path / "copied"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def assert_same(got: Episode, wanted: Episode) -> None:
    np.testing.assert_array_equal(got.frames, wanted.frames)
    assert (got.chunks, got.fps, got.metadata) == (wanted.chunks, wanted.fps, wanted.metadata)
    assert (got.poses is None) == (wanted.poses is None)
    if got.poses is not None and wanted.poses is not None:
        np.testing.assert_array_equal(got.poses, wanted.poses)


# ------------------------------------------------------------------------------------------------------------- writing


def test_nothing_is_lost_in_shards(sources: tuple[Path, Path], shards: Path) -> None:
    wanted = [folder for source in sources for folder in EpisodeDataset(source).episode_folders]
    index = read_index(shards)
    assert (index.num_episodes, len(wanted)) == (11, 11)
    assert len(index.shards) > 2
    assert index.sources == tuple(EpisodeDataset(source).header for source in sources)
    found: dict[str, dict[str, bytes]] = {}
    for shard in index.shards:
        assert (shards / shard.name).stat().st_size == shard.num_bytes <= SIZE
        with tarfile.open(shards / shard.name) as tar:
            for member in tar:
                key, name = member.name.split(".", 1)
                assert (member.mtime, member.uid, member.uname, member.mode) == (0, 0, "", 0o644)
                reader = tar.extractfile(member)
                assert reader is not None
                found.setdefault(key, {})[name] = reader.read()
    assert [contents(folder) for folder in wanted] == list(found.values())
    assert list(found) == [f"{number:08d}" for number in range(11)]
    for number, folder in enumerate(wanted):
        assert_same(ShardSet(shards)[number], EpisodeDataset(folder.parents[1])[int(folder.name)])


def test_shards_are_the_same_every_time(sources: tuple[Path, Path], shards: Path, tmp_path: Path) -> None:
    moved = [Path(shutil.copytree(source, tmp_path / "moved" / source.name)) for source in sources]
    write_shards(moved, tmp_path / "again", SIZE)
    assert contents(tmp_path / "again") == contents(shards)
    write_shards(sources, tmp_path / "one", DEFAULT_MAX_BYTES)
    write_shards(sources, tmp_path / "each", 1)
    assert [len(shard) for shard in read_index(tmp_path / "one").shards] == [11]
    assert [len(shard) for shard in read_index(tmp_path / "each").shards] == [1] * 11
    hashes = {read_index(tmp_path / name).content_sha256 for name in ("again", "one", "each")}
    assert len(hashes) == 1  # of the episodes, however they are dealt out


@pytest.mark.parametrize("stop_at", [1, 4, 11])
def test_a_stopped_sharding_goes_on_and_gives_the_same(
    sources: tuple[Path, Path], shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int
) -> None:
    taken: list[int] = []
    sample = sharding._sample

    def stopping(entry: Any, number: int) -> tuple[bytes, int]:
        if len(taken) + 1 == stop_at:
            raise KeyboardInterrupt
        taken.append(number)
        return sample(entry, number)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(sharding, "_sample", stopping)
        write_shards(sources, tmp_path / "set", SIZE)
    assert not (tmp_path / "set" / SHARDS_FILE).exists()
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "set").glob("shard-*.tar")}
    assert bool(kept) == (stop_at > 3)
    # As after a power cut: a half-written shard and a line of the journal that broke off.
    (tmp_path / "set" / ".shard-000001.tar.part-0").mkdir()
    with (tmp_path / "set" / sharding.JOURNAL_FILE).open("a") as journal:
        journal.write('{"shard": {"name": "shar')
    write_shards(sources, tmp_path / "set", SIZE)
    assert contents(tmp_path / "set") == contents(shards)
    assert all((tmp_path / "set" / name).stat().st_mtime_ns == time for name, time in kept.items())


def test_a_shard_that_is_gone_is_written_again(sources: tuple[Path, Path], shards: Path, copied: Path) -> None:
    (copied / "shard-000001.tar").unlink()
    before = (copied / "shard-000000.tar").stat().st_mtime_ns
    write_shards(sources, copied, SIZE)
    assert contents(copied) == contents(shards)
    assert (copied / "shard-000000.tar").stat().st_mtime_ns == before


def test_a_damaged_shard_and_a_broken_index_are_written_again(
    sources: tuple[Path, Path], shards: Path, copied: Path
) -> None:
    shard = copied / "shard-000001.tar"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    write_shards(sources, copied, SIZE)
    assert contents(copied) == contents(shards)
    (copied / SHARDS_FILE).write_text("{")
    write_shards(sources, copied, SIZE)
    assert contents(copied) == contents(shards)


def test_another_word_in_a_table_makes_other_data(sources: tuple[Path, Path], copied: Path, tmp_path: Path) -> None:
    changed = Path(shutil.copytree(sources[0], tmp_path / "changed"))
    table = changed / "episodes" / "000003" / CHUNKS_FILE
    size = table.stat().st_size
    _, chunks = EpisodeDataset(changed).tables(3)
    write_chunks(table, [replace(chunk, action=chunk.action.swapcase()) for chunk in chunks])
    assert table.stat().st_size == size
    with pytest.raises(UserError, match="other data"):
        write_shards((changed, sources[1]), copied, SIZE)


def test_what_cannot_be_sharded_is_told(
    sources: tuple[Path, Path], shards: Path, copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = map(str, sources)
    make_tiny_set(tmp_path / "test", 1, split="test")
    broken = Path(shutil.copytree(sources[1], tmp_path / "broken"))
    video = broken / "episodes/000002/video.mp4"
    video.write_bytes(video.read_bytes()[:-1] + b"x")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    full = tmp_path / "no folder"
    full.touch()
    size = ("--max-bytes-per-shard", str(SIZE))
    before = contents(copied)
    for words, told in (
        ((a, str(tmp_path / "test"), str(tmp_path / "out")), "are of the splits test, train"),
        ((a, a, str(tmp_path / "out")), "named twice"),
        ((str(tmp_path / "none"), str(tmp_path / "out")), "missing-file"),
        ((str(broken), str(tmp_path / "out")), "000002/video.mp4: checksum"),
        ((a, str(tmp_path / "other")), "holds no shards; give a new or empty folder"),
        ((a, str(full)), "holds no shards; give a new or empty folder"),
        ((b, a, str(copied), *size), "other data, or of another size"),
        ((a, b, str(copied)), "other data, or of another size"),
        ((a, str(tmp_path / "out"), "--max-bytes-per-shard", "0"), "'0' is not a whole number"),
        ((a,), "the following arguments are required"),
    ):
        assert main(["data", "shard", *words]) == 2, words
        error = capsys.readouterr().err
        assert told in error
        assert "Traceback" not in error
    assert contents(copied) == before
    assert not (tmp_path / "out" / SHARDS_FILE).exists()


def test_the_command_tells_what_it_wrote(
    sources: tuple[Path, Path], shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["data", "shard", *map(str, sources), str(tmp_path / "set"), "--max-bytes-per-shard", str(SIZE)]
    for _ in range(2):  # the second time there is nothing left to do
        assert main([*words, "--json", str(tmp_path / "made.json")]) == 0
        assert f"holds 11 episodes ({read_index(shards).num_frames} frames) in " in capsys.readouterr().out
    assert contents(tmp_path / "set") == contents(shards)
    figures = by_name(json.loads((tmp_path / "made.json").read_text()))
    assert (figures["episodes"]["mean"], figures["shards"]["mean"]) == (11, len(read_index(shards).shards))
    parser_default = shard_commands.register_shard.__code__.co_consts
    assert DEFAULT_MAX_BYTES in parser_default


@pytest.mark.compared
def test_webdataset_reads_them(shards: Path, sources: tuple[Path, Path]) -> None:
    webdataset = pytest.importorskip("webdataset")
    names = [str(shards / shard.name) for shard in read_index(shards).shards]
    samples = list(webdataset.WebDataset(names, shardshuffle=False))
    assert [sample["__key__"] for sample in samples] == [f"{number:08d}" for number in range(11)]
    assert samples[8]["video.mp4"] == (sources[1] / "episodes/000001/video.mp4").read_bytes()
    assert json.loads(samples[8]["episode.json"])["metadata"]["number"] == 8


# -------------------------------------------------------------------------------------------------------------- damage


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_sound_shards_have_no_defects(shards: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_dataset(shards) == []
    assert main(["data", "check", str(shards)]) == 0


@pytest.mark.parametrize("place", [0, 124, 700, -2000])
def test_a_flipped_bit_anywhere_is_found(copied: Path, place: int) -> None:
    flip(copied / "shard-000001.tar", place)
    (defect,) = check_dataset(copied)
    assert defect.code == "checksum"
    assert defect.path.startswith(f"{copied}/shard-000001.tar")


def test_every_other_damage_is_named(copied: Path, sources: tuple[Path, Path]) -> None:
    names = [shard.name for shard in read_index(copied).shards]
    (copied / names[0]).unlink()
    cut(copied / names[1])
    flip(copied / names[2], -1)  # after the last sample
    shutil.copy(copied / names[2], copied / "shard-000777.tar")
    found = {(Path(each.path).name, each.code) for each in check_dataset(copied)}
    wanted = {names[0]: "missing-file", names[1]: "checksum", names[2]: "checksum", "shard-000777.tar": "extra-file"}
    assert set(wanted.items()) <= found
    numbers = ShardSet(copied).groups[1]
    assert ShardSet(copied)[numbers[0]].metadata["number"] == numbers[0]  # what lies before the break is whole
    with pytest.raises(DefectiveDataError, match=rf"{names[1]}: checksum: the shard has \d+ bytes, not \d+"):
        ShardSet(copied).tables(numbers[-1])
    with pytest.raises(UserError, match="has the episodes 0 to 10, not 11"):
        ShardSet(copied)[11]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda index: index | {"version": 2}, "no index of shards of version 1"),
        (lambda index: [], "no index of shards"),
        (lambda index: index | {"split": "exam"}, "damaged"),
        (lambda index: index | {"shards": []}, "damaged"),
        (lambda index: index | {"sources": index["sources"][:1]}, "it lists 11 of 7 episodes"),
        (lambda index: index | {"shards": [index["shards"][0] | {"name": "../up.tar"}]}, "called '../up.tar'"),
        (lambda index: index | {"shards": [index["shards"][0] | {"num_bytes": 5}]}, "do not add up"),
        (lambda index: index | {"shards": [index["shards"][0] | {"sample_frames": [1]}]}, "lists of"),
        (lambda index: index | {"shards": [index["shards"][0] | {"sha256": "no"}]}, "a checksum that is none"),
        (lambda index: {key: index[key] for key in index if key != "shards"}, "KeyError"),
    ],
)
def test_an_index_that_is_none_is_refused(copied: Path, change: Callable[[Any], Any], told: str) -> None:
    path = copied / SHARDS_FILE
    index = change(json.loads(path.read_text()))
    path.write_text(json.dumps(index | {OWN: own_hash(index)} if isinstance(index, dict) else index))
    with pytest.raises(UserError, match=told):
        ShardStream(copied)
    (defect,) = check_dataset(copied)
    assert defect.code == "bad-header"


def test_scenes_shared_with_another_split_are_found_in_shards(shards: Path, tmp_path: Path) -> None:
    make_tiny_set(tmp_path / "test", 2, first=3, split="test")
    defects = check_datasets([shards, tmp_path / "test"])
    assert [defect.code for defect in defects] == ["leaked-scene"] * 2
    assert "/00000003" in defects[0].message


# -------------------------------------------------------------------------------------------------------------- stream


def numbers(episodes: Iterator[Episode], count: int | None = None) -> list[int]:
    return [episode.metadata["number"] for episode in itertools.islice(episodes, count)]


GROUPS = st.lists(st.integers(1, 9), min_size=1, max_size=6).map(
    lambda sizes: [range(sum(sizes[:at]), sum(sizes[: at + 1])) for at in range(len(sizes))]
)


BUSY = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
"""Health checks that a busy machine fails."""


@settings(deadline=None, suppress_health_check=BUSY)
@given(GROUPS, st.integers(1, 30), st.integers(0, 5), st.integers(0, 3))
def test_each_epoch_has_each_episode_once(groups: list[range], buffer: int, seed: int, epoch: int) -> None:
    config = StreamConfig(seed=seed, buffer_episodes=buffer)
    order = list(epoch_order(groups, config, epoch))
    assert sorted(order) == list(range(groups[-1].stop))
    assert order == list(epoch_order(groups, config, epoch))
    # No more than the buffer waits: what comes next has been met in the shards' order, and not long ago.
    shard_order = np.random.default_rng((seed, epoch)).permutation(len(groups))
    met = {number: place for place, number in enumerate(number for at in shard_order for number in groups[at])}
    assert all(met[number] <= place + buffer for place, number in enumerate(order))
    plain = StreamConfig(shuffle=False)
    assert list(epoch_order(groups, plain, epoch)) == list(range(groups[-1].stop))


def test_orders_differ_with_epoch_and_seed_and_are_shuffled() -> None:
    groups = [range(start, start + 50) for start in range(0, 1000, 50)]
    config = StreamConfig(buffer_episodes=200)
    orders = [list(epoch_order(groups, config, epoch)) for epoch in range(2)]
    orders.append(list(epoch_order(groups, StreamConfig(seed=1, buffer_episodes=200), 0)))
    assert len({tuple(order) for order in orders}) == 3
    for order in orders:
        assert np.mean(np.abs(np.diff(order)) == 1) < 0.05  # neighbours are parted


@pytest.fixture
def read_once(shards: Path) -> Iterator[None]:
    """Each episode is decoded once, since here only their order counts."""
    episodes = list(ShardSet(shards))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ShardSet, "__getitem__", lambda self, number: episodes[number])
        yield


@settings(max_examples=60, deadline=None, suppress_health_check=BUSY)
@given(
    stops=st.lists(st.integers(0, 15), min_size=1, max_size=3),
    buffer=st.integers(1, 12),
    seed=st.integers(0, 3),
    count=st.integers(1, 3),
)
def test_a_stream_stopped_anywhere_goes_on_with_the_next_episode(
    shards: Path, read_once: None, stops: list[int], buffer: int, seed: int, count: int
) -> None:
    config = StreamConfig(seed=seed, buffer_episodes=buffer)
    order = [number for epoch in range(6) for number in epoch_order(ShardSet(shards).groups, config, epoch)]
    for index in range(count):
        part = Part(index, count)
        mine = order[index::count]
        stream, seen = ShardStream(shards, config, part), []
        for stop in stops:
            seen += numbers(stream, stop // count)
            state = json.loads(json.dumps(stream.state_dict()))
            seen_after = numbers(stream, 2)  # what the stopped run still read is not lost
            stream = ShardStream(shards, config, part)
            stream.load_state_dict(state)
            assert seen_after == mine[len(seen) : len(seen) + 2]
        seen += numbers(stream, 2)
        assert seen == mine[: len(seen)]


def test_parts_take_turns_and_other_numbers_of_them_can_go_on(shards: Path) -> None:
    config = StreamConfig(buffer_episodes=5)
    whole = numbers(ShardStream(shards, config), 24)
    streams = [ShardStream(shards, config, Part(index, 3)) for index in range(3)]
    taken = [number for _ in range(4) for stream in streams for number in numbers(stream, 1)]
    assert taken == whole[:12]
    states = [stream.state_dict() for stream in streams]
    assert states[0] == states[1] == states[2]
    two = [ShardStream(shards, config, Part(index, 2)) for index in range(2)]
    for stream in two:
        stream.load_state_dict(states[0])
    assert taken + [number for _ in range(6) for stream in two for number in numbers(stream, 1)] == whole
    # A data loader asks the workers of its rank in turns.
    workers = [ShardStream(shards, config, Part.of(1, 2, worker, 3)) for worker in range(3)]
    assert [number for _ in range(3) for stream in workers for number in numbers(stream, 1)] == whole[1:18:2]


def test_a_stream_of_some_epochs_ends(shards: Path) -> None:
    config = StreamConfig(num_epochs=2)
    parts = [numbers(ShardStream(shards, config, Part(index, 4))) for index in range(4)]
    assert [len(part) for part in parts] == [6, 6, 5, 5]
    assert sorted(itertools.chain(*parts)) == sorted([*range(11)] * 2)
    assert numbers(ShardStream(shards, StreamConfig(shuffle=False, num_epochs=1))) == list(range(11))


def test_an_interrupt_while_an_episode_is_read_loses_none(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = StreamConfig()
    whole = numbers(ShardStream(shards, config), 6)
    stream = ShardStream(shards, config)
    got = numbers(stream, 3)

    def interrupt(self: ShardSet, number: int) -> Episode:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(ShardSet, "__getitem__", interrupt)
        next(stream)
    assert got + numbers(stream, 3) == whole


def test_few_files_are_open_at_a_time(
    sources: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_shards(sources, tmp_path / "each", 1)
    stream = ShardStream(tmp_path / "each", StreamConfig(num_epochs=3))
    monkeypatch.setattr(shards_module, "MOST_OPEN_FILES", 3)
    opened: list[Any] = []
    opening = ShardSet._open
    monkeypatch.setattr(ShardSet, "_open", lambda self, shard: opened.append(opening(self, shard)) or opened[-1])
    assert len(numbers(stream)) == 33
    assert len({file.name for file in opened}) == 11
    assert sum(not file.closed for file in {id(file): file for file in opened}.values()) == 3
    stream.shards.close()
    assert all(file.closed for file in opened)


def test_states_of_another_stream_are_refused(shards: Path, tmp_path: Path, sources: tuple[Path, Path]) -> None:
    write_shards(sources[:1], tmp_path / "less", SIZE)
    write_shards(sources, tmp_path / "dealt otherwise", 2 * SIZE)
    state = ShardStream(shards).state_dict()
    for stream, told in (
        (ShardStream(shards, StreamConfig(seed=1)), "seed differ"),
        (ShardStream(shards, StreamConfig(buffer_episodes=7)), "buffer_episodes differ"),
        (ShardStream(shards, StreamConfig(shuffle=False)), "shuffle differ"),
        (ShardStream(tmp_path / "less"), "content_sha256"),
        (ShardStream(tmp_path / "dealt otherwise"), "dealt_sha256 differ"),
    ):
        with pytest.raises(UserError, match=told):
            stream.load_state_dict(state)
    for turns in (None, -1, "3"):
        with pytest.raises(UserError, match="turns"):
            ShardStream(shards).load_state_dict(state | {"turns": turns})
    for settings_ in ({"buffer_episodes": 0}, {"num_epochs": 0}):
        with pytest.raises(UserError):
            StreamConfig(**settings_)
    for bad in ((0, 0), (2, 2), (-1, 2)):
        with pytest.raises(UserError, match="does not exist"):
            Part(*bad)
    with pytest.raises(UserError, match="between 0 and 1"):
        ShardStream(shards, StreamConfig(max_bad_share=2))


def test_damage_is_skipped_below_the_share_named_and_counted(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index = read_index(copied)
    lost = [*ShardSet(copied).groups[1]]
    (copied / index.shards[1].name).unlink()
    flip(copied / index.shards[0].name, 3000)
    bad = [0, *lost]
    share = len(bad) / 11
    whole = [n for n in epoch_order(ShardSet(copied).groups, StreamConfig(), 0) if n not in bad]
    stream = ShardStream(copied, StreamConfig(num_epochs=2, max_bad_share=share))
    assert numbers(stream, len(whole)) == whole
    told = capsys.readouterr().err
    assert told.count("left out: ") == told.count("\n") == 2  # the shard that is gone is named once
    assert f"{index.shards[1].name}: missing-file" in told
    assert f"{index.shards[0].name}/00000000: checksum" in told
    numbers(stream)
    assert len(stream.left_out.names) == len(bad)  # in the second epoch they do not count again
    assert capsys.readouterr().err == ""
    stricter = ShardStream(copied, StreamConfig(num_epochs=1, max_bad_share=share - 0.01))
    with pytest.raises(UserError, match=rf"{len(bad)} of 11 episodes cannot be read, more than the share of"):
        numbers(stricter)
    with pytest.raises(DefectiveDataError, match=r"missing-file|checksum"):
        numbers(ShardStream(copied, StreamConfig(num_epochs=1)))


def test_what_was_left_out_counts_after_going_on(copied: Path) -> None:
    flip(copied / "shard-000000.tar", 3000)
    flip(copied / "shard-000001.tar", 3000)
    config = StreamConfig(shuffle=False, num_epochs=1, max_bad_share=1.5 / 11)
    stream = ShardStream(copied, config)
    assert numbers(stream, 1) == [1]
    resumed = ShardStream(copied, config)
    resumed.load_state_dict(stream.state_dict())
    with pytest.raises(UserError, match="2 of 11 episodes cannot be read"):
        numbers(resumed)
