"""Encoded episodes on disk: never stale, never damaged without a word, the same from a folder and from its shards."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_sets import episode_of, make_set, make_tiny_set
from safetensors.torch import load_file, save_file
from torch import Tensor

from slowfast_vgen.data import format as data_format
from slowfast_vgen.data import latent_cache
from slowfast_vgen.data.chains import episode_poses
from slowfast_vgen.data.format import EpisodeDataset
from slowfast_vgen.data.latents import JoinedLatents, LatentSet, cached_latents
from slowfast_vgen.data.settings import WindowLengths
from slowfast_vgen.data.shards.read import ShardSet
from slowfast_vgen.data.shards.write import write_shards
from slowfast_vgen.data.sources import EpisodeSource, open_episodes
from slowfast_vgen.data.windows import WindowSampler
from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Episode


def encode(frames: Tensor) -> Tensor:
    return frames.float().mean((1, 2))[:, :, None, None] / 255


def encode_text(text: str) -> Tensor:
    return torch.tensor([[float(ord(letter)), 1.0] for letter in text])


def never(value: Any) -> Tensor:
    raise AssertionError("the cache was not used")


def latents(source: EpisodeSource, cache: Path | None, cached: bool = False, **more: Any) -> LatentSet:
    """With the encoders above; where `cached`, none of them may be asked."""
    options = {"codec_fingerprint": "codec", "encode_text": encode_text, "text_fingerprint": "text"} | more
    if cached:
        return cached_latents(source, never, cache=cache, **(options | {"encode_text": never}))
    return cached_latents(source, encode, cache=cache, **options)


def values(found: LatentSet) -> Tensor:
    return found.latents[torch.arange(len(found.latents))]


def assert_same(got: LatentSet, wanted: LatentSet) -> None:
    assert torch.equal(values(got), values(wanted))
    for name in ("episode_start", "chunk_start", "chunk_frames"):
        np.testing.assert_array_equal(getattr(got, name), getattr(wanted, name))
    assert (got.actions, got.key, got.episodes) == (wanted.actions, wanted.key, wanted.episodes)
    assert set(got.texts) == set(wanted.texts) == set(got.actions)
    assert all(torch.equal(got.texts[text], wanted.texts[text]) for text in got.texts)


@pytest.fixture
def dataset(tmp_path: Path) -> EpisodeDataset:
    return make_tiny_set(tmp_path / "set", 5)


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache file holds two episodes of a folder."""
    monkeypatch.setattr(data_format, "GROUP_EPISODES", 2)


def test_what_comes_from_the_cache_is_what_was_encoded(dataset: EpisodeDataset, tmp_path: Path) -> None:
    fresh = latents(dataset, None)
    assert not list(tmp_path.rglob("*.safetensors"))
    expected = torch.cat([encode(torch.from_numpy(episode.frames)) for episode in dataset]).half()
    assert torch.equal(values(fresh), expected)
    assert torch.equal(fresh.texts["turn left"], encode_text("turn left"))
    for cached in (False, True, True):
        assert_same(latents(dataset, tmp_path / "cache", cached), fresh)


@pytest.mark.usefixtures("small_groups")
def test_a_grown_data_set_has_only_its_end_encoded(tmp_path: Path) -> None:
    dataset, cache = make_tiny_set(tmp_path / "set", 5), tmp_path / "cache"
    latents(dataset, cache)
    assert len(list(cache.iterdir())) == 3
    seen: list[int] = []

    def counting(frames: Tensor) -> Tensor:
        seen.append(len(frames))
        return encode(frames)

    grown = make_tiny_set(tmp_path / "set", 7)
    found = cached_latents(grown, counting, "codec", cache, encode_text, "text")
    assert len(seen) == 3  # the last group and the new one, not the four episodes before
    assert isinstance(found.latents, JoinedLatents)
    assert_same(found, latents(grown, None))


def repainted(episode: Episode) -> Episode:
    frames = episode.frames.copy()
    frames[3, 2, 1, 0] ^= 1
    return replace(episode, frames=frames)


def reworded(episode: Episode) -> Episode:
    return replace(episode, chunks=(replace(episode.chunks[0], action="turn right"), *episode.chunks[1:]))


CHANGED_EPISODES: dict[str, Callable[[Episode, Episode], list[Episode]]] = {
    "a pixel": lambda first, second: [first, repainted(second)],
    "an action": lambda first, second: [first, reworded(second)],
    "the order": lambda first, second: [second, first],
    "an episode less": lambda first, second: [first],
}
CHANGED_OPTIONS = {"codec": {"codec_fingerprint": "another"}, "text encoder": {"text_fingerprint": "another"}}


@pytest.mark.parametrize("change", [*CHANGED_EPISODES, *CHANGED_OPTIONS, "preprocessing"])
def test_a_change_of_anything_misses_the_cache(tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    episodes = [episode_of(0), episode_of(1, (4, 3, 2), poses=False)]
    cache = tmp_path / "cache"
    latents(make_set(tmp_path / "set", *episodes), cache)
    latents(make_set(tmp_path / "same", *episodes), cache, cached=True)
    changed = CHANGED_EPISODES.get(change, lambda *same: list(same))(*episodes)
    source, options = make_set(tmp_path / "changed", *changed), CHANGED_OPTIONS.get(change, {})
    if change == "preprocessing":
        monkeypatch.setattr(latent_cache, "PREPROCESSING_VERSION", latent_cache.PREPROCESSING_VERSION + 1)
    with pytest.raises(AssertionError, match="cache was not used"):
        latents(source, cache, cached=True, **options)
    assert_same(latents(source, cache, **options), latents(source, None, **options))


def test_what_does_not_matter_does_not_miss_the_cache(dataset: EpisodeDataset, tmp_path: Path) -> None:
    latents(dataset, tmp_path / "cache")
    moved = EpisodeDataset(Path(shutil.copytree(dataset.folder, tmp_path / "moved")))
    assert_same(latents(moved, tmp_path / "cache", cached=True), latents(dataset, None))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def flipped(place: int) -> Callable[[Path], None]:
    def flip(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[place] ^= 4
        path.write_bytes(data)

    return flip


def of_another_key(path: Path) -> None:
    save_file(load_file(path), path, {"format": "slowfast-latents", "key": "0" * 64, "texts": "[]", "sha256": ""})


@pytest.mark.parametrize(
    "damage",
    [cut, flipped(-1), flipped(-120), flipped(0), lambda path: path.write_bytes(b""), of_another_key],
    ids=["cut", "a text's value", "a value", "the header", "empty", "of another key"],
)
def test_a_damaged_cache_file_is_told_of_and_made_anew(
    dataset: EpisodeDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], Any]
) -> None:
    latents(dataset, tmp_path / "cache")
    fresh = latents(dataset, None)
    (file,) = (tmp_path / "cache").iterdir()
    size = file.stat().st_size
    damage(file)
    capsys.readouterr()
    assert_same(latents(dataset, tmp_path / "cache"), fresh)
    assert f"{file} is damaged (" in capsys.readouterr().err
    assert file.stat().st_size == size
    assert_same(latents(dataset, tmp_path / "cache", cached=True), fresh)
    assert "damaged" not in capsys.readouterr().err


def test_a_run_stopped_while_encoding_leaves_only_whole_files(tmp_path: Path, small_groups: None) -> None:
    dataset, left = make_tiny_set(tmp_path / "set", 5), [3]

    def stopping(frames: Tensor) -> Tensor:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return encode(frames)

    with pytest.raises(KeyboardInterrupt):
        cached_latents(dataset, stopping, "codec", tmp_path / "cache", encode_text, "text")
    assert len(list((tmp_path / "cache").iterdir())) == 1
    left[0] = 3  # the two episodes of the first file are not encoded again
    cached_latents(dataset, stopping, "codec", tmp_path / "cache", encode_text, "text")
    assert_same(latents(dataset, tmp_path / "cache", cached=True), latents(dataset, None))


def test_a_cache_that_cannot_be_written_is_told(dataset: EpisodeDataset, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write"):
        latents(dataset, tmp_path / "file" / "cache")


# -------------------------------------------------------------------------------------------------------------- shards


def test_shards_give_the_very_latents_of_their_folder(dataset: EpisodeDataset, tmp_path: Path) -> None:
    write_shards([dataset.folder], tmp_path / "shards", 40_000)
    source = open_episodes(tmp_path / "shards")
    assert isinstance(source, ShardSet)
    assert isinstance(open_episodes(dataset.folder), EpisodeDataset)
    assert len(source.groups) > 1
    whole = latents(dataset, None)
    for cached in (False, True):
        found = latents(source, tmp_path / "cache", cached)
        assert isinstance(found.latents, JoinedLatents)
        assert_same(found, whole)
    draws = [
        WindowSampler(each).draw(np.random.default_rng(7), 40, WindowLengths((1, 4), (2,))) for each in (found, whole)
    ]
    assert torch.equal(draws[0].past, draws[1].past)
    assert torch.equal(draws[0].new, draws[1].new)
    assert draws[0].actions == draws[1].actions
    with_poses = [0, 2, 4]
    np.testing.assert_array_equal(episode_poses(source, with_poses), episode_poses(dataset, with_poses))
    with pytest.raises(UserError, match=r"00000001 has no poses"):
        episode_poses(source)


def test_joined_latents_are_indexed_like_one_tensor() -> None:
    whole = torch.arange(60).half().reshape(20, 3, 1, 1)
    joined = JoinedLatents(whole.split([4, 1, 9, 6]))
    assert (len(joined), joined.shape) == (20, whole.shape)
    for shape in ((7,), (5, 6), (1,), (2, 3, 4)):
        frames = torch.randint(20, shape, generator=torch.Generator().manual_seed(0))
        assert torch.equal(joined[frames], whole[frames])
    assert torch.equal(joined[torch.arange(20)], whole)


def damaged_shards(dataset: EpisodeDataset, folder: Path) -> Path:
    """Shards of which the samples 1 and 3 are damaged, the latter where only the whole sample's checksum tells."""
    write_shards([dataset.folder], folder, 2**20)
    offsets = np.cumsum([0, *ShardSet(folder).index.shards[0].sample_bytes])
    for place in (offsets[1] + 600, offsets[4] - 5):
        flipped(int(place))(folder / "shard-000000.tar")
    return folder


def test_damaged_samples_are_left_out_and_never_cached(
    dataset: EpisodeDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, cache = damaged_shards(dataset, tmp_path / "shards"), tmp_path / "cache"
    for cache_folder in (cache, cache):
        found = latents(open_episodes(folder), cache_folder, max_bad_share=0.4)
        told = capsys.readouterr().err
        assert f"left out: {folder}/shard-000000.tar/00000001" in told
        assert f"left out: {folder}/shard-000000.tar/00000003" in told
        assert found.episodes == (0, 2, 4)
        assert not cache.exists()
    sound = [dataset[number] for number in (0, 2, 4)]
    wanted = latents(make_set(tmp_path / "sound", *sound), None)
    assert torch.equal(values(found), values(wanted))
    assert (found.actions, found.key) == (wanted.actions, wanted.key)
    np.testing.assert_array_equal(
        episode_poses(open_episodes(folder), found.episodes), np.concatenate([each.poses for each in sound])
    )
    shutil.rmtree(folder)
    write_shards([dataset.folder], folder, 2**20)  # mended: nothing of the damage is remembered
    assert_same(latents(open_episodes(folder), cache, max_bad_share=0.4), latents(dataset, None))
    with pytest.raises(UserError, match="2 of 5 episodes cannot be read"):
        latents(open_episodes(damaged_shards(dataset, tmp_path / "again")), None, max_bad_share=0.3)
    with pytest.raises(UserError, match=r"000001/episode\.json: checksum"):
        latents(open_episodes(tmp_path / "again"), None)
    with pytest.raises(UserError, match="holds no episodes"):
        everything = make_tiny_set(tmp_path / "gone", 1)
        (tmp_path / "gone/episodes/000000/video.mp4").unlink()
        latents(everything, None, max_bad_share=1.0)


def test_an_action_that_the_text_encoder_refuses_is_named(dataset: EpisodeDataset) -> None:
    def choosy(text: str) -> Tensor:
        if "ball" in text:
            raise UserError(f"the action {text!r} has too many tokens")
        return encode_text(text)

    with pytest.raises(UserError, match=r"episodes/000001: unfit-action: the action 'pick up the ball'"):
        latents(dataset, None, encode_text=choosy)
    found = latents(dataset, None, encode_text=choosy, max_bad_share=0.9)
    assert "pick up the ball" not in found.actions


@pytest.mark.parametrize("value", [float("nan"), 1e5])  # the latter is too much for half precision
def test_latents_that_are_not_finite_are_neither_used_nor_kept(
    dataset: EpisodeDataset, tmp_path: Path, value: float
) -> None:
    def broken(frames: Tensor) -> Tensor:
        return torch.full((len(frames), 4, 2, 2), value)

    with pytest.raises(UserError, match=r"the encoding of .* holds values that are not finite"):
        cached_latents(dataset, broken, "codec", tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
