"""The memory as an object: fork, rewind, forget, merge, describe; on sessions, on folders, and by the CLI."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_results import by_name
from PIL import Image
from tiny import FAMILIES, flat, remembering
from torch import Tensor

from slowfast_vgen.cli.main import main
from slowfast_vgen.errors import UserError
from slowfast_vgen.files import read_json
from slowfast_vgen.memory.config import MemoryConfig, MemorySetting, memory_by_name
from slowfast_vgen.memory.episode import EpisodeMemory
from slowfast_vgen.memory.fast_weights import FastWeights
from slowfast_vgen.memory.names import MEMORY_NAMES
from slowfast_vgen.memory.registry import KINDS
from slowfast_vgen.memory.ridge import RidgeConfig
from slowfast_vgen.memory.settings import FastLearningConfig, LoraConfig
from slowfast_vgen.models.world_model import WorldWeights
from slowfast_vgen.rollout import Session, WorldModel

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
ACTIONS = ("turn left", "go forward", "turn left", "go back", "turn right")
LORA = FastLearningConfig(LoraConfig(rank=4), learning_rate=1e-2)
LOCAL = RidgeConfig(journal_chunks=8)
BOTH = MemoryConfig(LOCAL, LORA)


def walked(world: WorldModel, memory: MemorySetting, chunks: int = 4, seed: int = 1) -> Session:
    session = world.start(IMAGES[0], memory=memory, seed=seed, num_sampling_steps=2)
    for action in ACTIONS[:chunks]:
        session.step(action)
    return session


def memory_of(session: Session) -> EpisodeMemory:
    assert session.memory is not None
    return session.memory


def state_of(memory: EpisodeMemory) -> list[Tensor]:
    parts = [] if memory.ridge is None else [memory.ridge.state.gram, memory.ridge.state.cross, memory.ridge.pose]
    return parts + ([] if memory.lora is None else flat(memory.lora.weights.states()))


def largest_difference(one: EpisodeMemory, other: EpisodeMemory) -> float:
    pairs = list(zip(state_of(one), state_of(other), strict=True))
    assert pairs
    return max(float((a - b).abs().max()) for a, b in pairs)


@pytest.mark.parametrize("memory", [LOCAL, LORA, BOTH], ids=["ridge", "lora", "both"])
def test_a_fork_goes_its_own_way(ridge_world: WorldModel, memory: MemorySetting) -> None:
    session = walked(ridge_world, memory)
    fork = session.fork()
    before = [each.clone() for each in state_of(memory_of(session))]
    assert largest_difference(memory_of(session), memory_of(fork)) == 0
    fork.step("turn right")
    assert all(torch.equal(*pair) for pair in zip(before, state_of(memory_of(session)), strict=True))
    assert largest_difference(memory_of(session), memory_of(fork)) > 0
    again = session.fork()
    assert np.array_equal(session.step("go back"), again.step("go back"))


@pytest.mark.parametrize("memory", [False, LOCAL, LORA, BOTH], ids=["off", "ridge", "lora", "both"])
def test_a_rewound_session_goes_on_as_it_did(ridge_world: WorldModel, memory: MemorySetting) -> None:
    session = walked(ridge_world, memory, 5)
    earlier = walked(ridge_world, memory, 3)
    session.rewind(2)
    assert session.num_chunks == 3
    if session.memory is not None:
        assert memory_of(session).num_chunks == 3
        assert largest_difference(memory_of(session), memory_of(earlier)) < 1e-4
    one, other = session.step("stay"), earlier.step("stay")
    assert np.abs(one.astype(int) - other).max() <= (0 if memory in (False, LORA) else 2)


def test_rewinding_further_than_it_goes_is_refused_and_changes_nothing(ridge_world: WorldModel) -> None:
    session = walked(ridge_world, BOTH)
    before = [each.clone() for each in state_of(memory_of(session))]
    for call in (lambda: session.rewind(5), lambda: session.rewind(-1)):
        with pytest.raises(UserError, match="cannot go back by"):
            call()
    with pytest.raises(UserError, match="can be rewound by 2 chunks, not 3"):
        session.rewind(3)
    with pytest.raises(UserError, match="by 0 chunks or more"):
        memory_of(session).rewind(-1)
    assert session.num_chunks == 4
    assert all(torch.equal(*pair) for pair in zip(before, state_of(memory_of(session)), strict=True))
    small = walked(ridge_world, RidgeConfig(journal_chunks=2))
    with pytest.raises(UserError, match="keeps the latest 2"):
        memory_of(small).fork().rewind(2)


@pytest.mark.parametrize("memory", [LOCAL, LORA, BOTH], ids=["ridge", "lora", "both"])
def test_a_session_and_its_memory_do_not_come_apart(
    ridge_world: WorldModel, memory: MemorySetting, tmp_path: Path
) -> None:
    session = walked(ridge_world, memory)
    session.save(tmp_path)
    before = [each.clone() for each in state_of(memory_of(session))]
    with pytest.raises(UserError, match=r"take both back by `session\.rewind`"):
        memory_of(session).rewind(1)
    with pytest.raises(UserError, match=r"memory=world\.load_memory"):
        memory_of(session).load(tmp_path / "memory")
    for again in (session.fork(), ridge_world.resume(tmp_path)):
        with pytest.raises(UserError, match="a session uses this memory"):
            memory_of(again).rewind(1)
    memory_of(session).rewind(0)
    assert all(torch.equal(*pair) for pair in zip(before, state_of(memory_of(session)), strict=True))
    alone = memory_of(session).fork()
    alone.rewind(1)
    assert (alone.num_chunks, memory_of(session).num_chunks) == (3, 4)


def test_forgetting_takes_out_single_chunks(ridge_world: WorldModel) -> None:
    session = walked(ridge_world, RidgeConfig(familiar=0.0, journal_chunks=8))
    memory = memory_of(session)
    assert memory.ridge is not None
    pose = memory.ridge.pose.clone()
    entry = next(each for each in memory.ridge.journal if each.chunk == 1)
    keys = memory.ridge.keys(entry.poses)
    expected = memory.ridge.state.gram - keys.mT @ keys
    memory.forget(1, 2)
    torch.testing.assert_close(memory.ridge.state.gram, expected, rtol=0, atol=1e-5)
    assert torch.equal(memory.ridge.pose, pose)
    assert [each.chunk for each in memory.ridge.journal] == [-1, 0, 2, 3]
    with pytest.raises(UserError, match="cannot forget chunk 1: it is forgotten already"):
        memory.forget(0, 3)
    with pytest.raises(UserError, match="holds chunks 0 to 3"):
        memory.forget(2, 9)
    session.step("turn left")
    for refused in (LORA, BOTH):
        with pytest.raises(UserError, match="cannot take single chunks out"):
            memory_of(walked(ridge_world, refused, 2)).forget(0, 1)
    with pytest.raises(UserError, match="delta rule mixes them"):
        memory_of(walked(ridge_world, RidgeConfig(rule="delta"), 2)).forget(0, 1)


def test_merged_ridge_memories_know_both_episodes(ridge_world: WorldModel) -> None:
    one, other = walked(ridge_world, LOCAL, 3, seed=1), walked(ridge_world, LOCAL, 4, seed=2)
    merged = memory_of(one).fork()
    merged.merge(memory_of(other))
    assert merged.ridge is not None
    parts = [memory_of(each).ridge for each in (one, other)]
    assert all(part is not None for part in parts)
    total = sum(part.state.gram for part in parts if part is not None)
    torch.testing.assert_close(merged.ridge.state.gram, total)


def test_merged_loras_are_nearest_to_the_sum(ridge_world: WorldModel) -> None:
    one, other = walked(ridge_world, LORA, 3, seed=1), walked(ridge_world, LORA, 4, seed=2)
    first, second = memory_of(one).lora, memory_of(other).lora
    assert first is not None
    assert second is not None
    name = next(iter(first.factors))
    wanted = sum((up @ down)[0] for down, up in (first.factors[name], second.factors[name])).detach()
    merged = memory_of(one).fork()
    merged.merge(memory_of(other))
    assert merged.lora is not None
    down, up = merged.lora.factors[name]
    left_over = torch.linalg.matrix_norm(wanted - (up @ down)[0].detach())
    best = torch.linalg.svdvals(wanted)[4:].square().sum().sqrt()
    torch.testing.assert_close(left_over, best, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("change", ["merge", "rewind"])
def test_a_session_goes_on_with_its_memory_as_it_is_now(ridge_world: WorldModel, tmp_path: Path, change: str) -> None:
    one, other = (walked(ridge_world, BOTH, 2, seed=seed) for seed in (1, 2))
    if change == "merge":
        memory_of(one).merge(memory_of(other))
    else:
        one.rewind(1)
    one.save(tmp_path / "session")
    loaded = ridge_world.resume(tmp_path / "session")
    # What the denoiser made of the latest frames under the memory as it was before no longer counts.
    assert np.array_equal(one.step("turn left"), loaded.step("turn left"))


def test_memories_that_do_not_belong_together_are_not_merged(ridge_world: WorldModel, tiny_world: WorldModel) -> None:
    ridge, lora = (memory_of(walked(ridge_world, each, 1)) for each in (LOCAL, LORA))
    with pytest.raises(UserError, match="written by the same rules"):
        ridge.merge(lora)
    with pytest.raises(UserError, match="of the same weights"):
        lora.merge(memory_of(walked(tiny_world, LORA, 1)))
    with pytest.raises(UserError, match="the same settings"):
        ridge.merge(memory_of(walked(ridge_world, RidgeConfig(ridge=0.5), 1)))
    with pytest.raises(UserError, match="same rank and scale"):
        lora.merge(memory_of(walked(ridge_world, FastLearningConfig(LoraConfig(rank=2)), 1)))


def test_episodes_side_by_side_remember_as_each_alone(ridge_world: WorldModel) -> None:
    """Batched products may sum in another order: latents of order 1 agree to a thousandth."""
    seeds = [3, 4, 5]
    together = ridge_world.start_batch(IMAGES, LOCAL, seeds)
    alone = [ridge_world.start_batch(IMAGES[row : row + 1], LOCAL, [seeds[row]]) for row in range(3)]
    turns = [ACTIONS, ACTIONS[::-1], ("stay",) * 5]
    for turn in range(5):
        chunk = together.step([turns[row][turn] for row in range(3)])
        for row in range(3):
            single = alone[row].step([turns[row][turn]])
            torch.testing.assert_close(chunk[row : row + 1], single, rtol=1e-3, atol=1e-3)


def test_the_memory_matters_and_stays_of_one_size(ridge_world: WorldModel) -> None:
    on, off = walked(ridge_world, LOCAL, 3), walked(ridge_world, False, 3)
    assert not np.array_equal(on.step("turn right"), off.step("turn right"))
    memory = memory_of(on)
    size = memory.num_bytes()
    for _ in range(12):
        on.step("go forward")
    assert memory.num_bytes() == size == 4 * (64 * 64 + 64 * (8 * 8 * 2 + 4 * 4))
    assert memory.ridge is not None
    assert len(memory.ridge.journal) == 8


@pytest.mark.parametrize("family", ["UNet3DDenoiser", "WanDenoiser"])
@pytest.mark.parametrize("memory_width", [0, 3])
def test_the_rule_goes_with_any_denoiser(
    ridge_world: WorldModel, tmp_path: Path, family: str, memory_width: int
) -> None:
    """Content comes from the latents, and with a memory width from one clean pass over the finished chunk as well."""
    model, denoiser = ridge_world.model, remembering(family, memory_width).eval().requires_grad_(False)
    world = WorldModel(WorldWeights(model.config, model.codec, denoiser, model.text_encoder, model.address))  # type: ignore[arg-type]
    session = walked(world, LOCAL, 3)
    assert memory_of(session).num_bytes() == 4 * (64 * 64 + 64 * (8 * 8 * 2 + 4 * memory_width))
    session.save(tmp_path / "s")
    resumed, off = world.resume(tmp_path / "s"), walked(world, False, 3)
    on = session.step("turn right")
    assert np.array_equal(resumed.step("turn right"), on)
    assert not np.array_equal(off.step("turn right"), on)


def test_describe_tells_what_is_inside(ridge_world: WorldModel) -> None:
    told = memory_of(walked(ridge_world, BOTH)).describe()
    assert told["chunks"] == 4
    assert told["ridge"]["key_width"] == 64
    assert 0 < told["ridge"]["directions_in_use"] <= 64
    assert told["ridge"]["chunks_in_journal"] == 5
    assert told["lora"]["rank"] == 4
    assert told["lora"]["norm"] > 0


def test_a_memory_goes_on_in_another_session(ridge_world: WorldModel, tmp_path: Path) -> None:
    first = walked(ridge_world, LOCAL)
    memory_of(first).save(tmp_path / "m")
    loaded = ridge_world.load_memory(tmp_path / "m")
    assert largest_difference(loaded, memory_of(first)) == 0
    second = ridge_world.start(IMAGES[0], memory=loaded, seed=9, num_sampling_steps=2)
    assert memory_of(second).num_chunks == 5
    assert memory_of(second).ridge is not loaded.ridge
    assert not memory_of(second).ridge.pose.any()  # type: ignore[union-attr]
    fresh = ridge_world.start(IMAGES[0], memory=LOCAL, seed=9, num_sampling_steps=2)
    assert not np.array_equal(second.step("turn left"), fresh.step("turn left"))
    other = memory_of(ridge_world.start(IMAGES[0], memory=LOCAL)).fork()
    other.load(tmp_path / "m")
    assert largest_difference(other, loaded) == 0


def test_a_memory_of_other_weights_or_rules_is_refused(
    ridge_world: WorldModel, tiny_world: WorldModel, tmp_path: Path
) -> None:
    memory_of(walked(ridge_world, LORA, 2)).save(tmp_path / "m")
    with pytest.raises(UserError, match="learned on other weights"):
        tiny_world.load_memory(tmp_path / "m")
    other = walked(ridge_world, LOCAL, 1)
    fork = memory_of(other).fork()
    before = [each.clone() for each in state_of(fork)]
    with pytest.raises(UserError, match="written with other settings"):
        fork.load(tmp_path / "m")
    assert all(torch.equal(*pair) for pair in zip(before, state_of(fork), strict=True))
    with pytest.raises(UserError, match="has no addresses for a ridge memory"):
        tiny_world.start(IMAGES[0], memory=LOCAL)
    with pytest.raises(UserError, match="in the world whose weights"):
        tiny_world.start(IMAGES[0], memory=memory_of(other))


def test_frames_that_are_shown_need_their_actions(ridge_world: WorldModel) -> None:
    rollout = ridge_world.start_batch(IMAGES[:1], LOCAL, [1])
    frames = torch.from_numpy(np.repeat(IMAGES[1:2, None], 4, 1))
    with pytest.raises(UserError, match="needs the actions"):
        rollout.observe(frames)
    rollout.observe(frames, ["turn left"])
    assert rollout.num_chunks == 1
    assert rollout.memory is not None
    assert rollout.memory.ridge is not None
    assert len(rollout.memory.ridge.journal) == 2


# ------------------------------------------------------------------------------------------------------------- the CLI


@pytest.fixture
def session_folder(ridge_world: WorldModel, tmp_path: Path) -> Path:
    walked(ridge_world, LOCAL).save(tmp_path / "s")
    return tmp_path / "s"


def test_show_tells_and_writes_figures(
    session_folder: Path, ridge_world_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["memory", "show", str(session_folder), "--model", str(ridge_world_folder)]
    assert main([*words, "--json", str(tmp_path / "told.json")]) == 0
    assert "4 chunks of the world tiny" in capsys.readouterr().out
    assert by_name(read_json(tmp_path / "told.json"))["ridge key_width"]["mean"] == 64
    assert main(["memory", "show", str(session_folder / "memory"), "--model", str(ridge_world_folder)]) == 0


def test_fork_rewind_forget_merge_and_export(
    session_folder: Path, ridge_world_folder: Path, ridge_world: WorldModel, tmp_path: Path
) -> None:
    def run(*words: Any) -> int:
        return main(["memory", *map(str, words), "--model", str(ridge_world_folder)])

    whole = ridge_world.resume(session_folder)
    assert run("fork", session_folder, "--out", tmp_path / "fork") == 0
    assert np.array_equal(
        ridge_world.resume(tmp_path / "fork").step("stay"), ridge_world.resume(session_folder).step("stay")
    )
    assert run("rewind", session_folder, "--chunks", 2, "--out", tmp_path / "earlier") == 0
    earlier, expected = ridge_world.resume(tmp_path / "earlier"), walked(ridge_world, LOCAL, 2)
    assert earlier.num_chunks == 2
    assert np.abs(earlier.step("stay").astype(int) - expected.step("stay")).max() <= 2
    assert run("forget", tmp_path / "fork", "--first", 0, "--last", 1) == 0
    forgot = memory_of(ridge_world.resume(tmp_path / "fork")).ridge
    assert forgot is not None
    assert [entry.chunk for entry in forgot.journal] == [-1, 2, 3]
    assert run("export", session_folder, "--out", tmp_path / "alone") == 0
    assert largest_difference(ridge_world.load_memory(tmp_path / "alone"), memory_of(whole)) == 0
    assert run("merge", tmp_path / "alone", tmp_path / "earlier", "--out", tmp_path / "both") == 0
    both = ridge_world.load_memory(tmp_path / "both")
    assert largest_difference(both, memory_of(whole)) > 0
    assert run("rewind", tmp_path / "alone", "--chunks", 1) == 0
    assert ridge_world.load_memory(tmp_path / "alone").num_chunks == 3


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["show", "nowhere"], "holds no saved memory"),
        (["rewind", "SESSION", "--chunks", "9"], "cannot go back by 9 chunks"),
        (["forget", "SESSION", "--first", "3", "--last", "1"], "cannot forget chunks 3 to 1"),
        (["fork", "SESSION", "--out", "OTHER"], "holds other files"),
        (["merge", "SESSION", "nowhere", "--out", "new"], "holds no saved memory"),
    ],
)
def test_mistakes_are_told_in_one_sentence(
    session_folder: Path,
    ridge_world_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    sentence: str,
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("precious")
    places = {"SESSION": str(session_folder), "OTHER": str(tmp_path / "other")}
    before = {path: path.read_bytes() for path in session_folder.rglob("*") if path.is_file()}
    assert main(["memory", *(places.get(word, word) for word in words), "--model", str(ridge_world_folder)]) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1
    assert {path: path.read_bytes() for path in session_folder.rglob("*") if path.is_file()} == before
    assert (tmp_path / "other" / "thesis.txt").read_text() == "precious"


def test_every_name_has_a_memory_and_no_other_has() -> None:
    for name in MEMORY_NAMES:
        assert (memory_by_name(name, MemoryConfig(LOCAL)) is None) == (name == "off")
    with pytest.raises(UserError, match="unknown memory 'dreams'; choose one of on, off, ridge"):
        memory_by_name("dreams", MemoryConfig(LOCAL))


@pytest.mark.parametrize("rule", MEMORY_NAMES[2:])
def test_a_video_with_each_rule(
    ridge_world_folder: Path, ridge_world: WorldModel, tmp_path: Path, rule: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(IMAGES[0]).save(tmp_path / "start.png")
    words = ["generate", "--model", str(ridge_world_folder), "--image", str(tmp_path / "start.png"), "--steps", "2"]
    words += ["--actions", "turn left x2", "--out", str(tmp_path / "out.mp4"), "--memory", rule]
    assert main([*words, "--save-memory", str(tmp_path / "s")]) == 0
    memory = memory_of(ridge_world.resume(tmp_path / "s"))
    assert (memory.ridge is not None) == rule.startswith("ridge")
    if memory.lora is not None:
        assert memory.lora.config.independent_noise == rule.endswith("independent")
        assert rule.removeprefix("ridge+").startswith(memory.lora.config.rule)
    if memory.ridge is not None:
        assert (memory.ridge.config.rule == "delta") == rule.endswith("delta")
    assert main([*words[:3], "--load-memory", str(tmp_path / "s"), *words[7:], "--memory", "off"]) == 2
    assert "contradicts the session" in capsys.readouterr().err


@pytest.mark.parametrize("family", [pytest.param("UNet3DDenoiser", marks=pytest.mark.slow), "WanDenoiser"])
def test_every_rule_makes_videos_with_diffusers_denoisers_too(
    ridge_world: WorldModel, tmp_path: Path, family: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each denoiser names its own layers for a LoRA; a ridge memory without room is refused, not ignored."""
    model, (has_room, bare) = ridge_world.model, (remembering(family, 3), FAMILIES[family]())
    for name, denoiser in (("room", has_room), ("bare", bare)):
        config = replace(model.config, name=name, memory={"lora": {"learning_rate": 1e-2}})
        made = WorldWeights(config, model.codec, denoiser, model.text_encoder, model.address)  # type: ignore[arg-type]
        made.save(tmp_path / name)
    Image.fromarray(IMAGES[0]).save(tmp_path / "start.png")

    def run(world: str, rule: str) -> int:
        words = ["--image", str(tmp_path / "start.png"), "--steps", "1", "--actions", "turn left x2", "--memory", rule]
        words += ["--model", str(tmp_path / world), "--out", str(tmp_path / "out.mp4")]
        return main(["generate", *words, "--save-memory", str(tmp_path / f"{world}-{rule}")])

    for rule in ("on", "ridge", "denoising-original", "replay", "ridge+denoising"):
        assert run("room", rule) == 0
    assert run("bare", "on") == 0
    saved = read_json(tmp_path / "bare-on" / "memory" / "adapter_config.json")["target_modules"]
    assert saved and all(layer.rsplit(".", 1)[0] for layer in saved)
    assert read_json(tmp_path / "bare-on" / "memory" / "memory.json")["config"]["lora"]["lora"]["layers"][0] == "to_q"
    capsys.readouterr()
    for rule in ("ridge", "ridge+denoising"):
        assert run("bare", rule) == 2
        told = capsys.readouterr().err
        assert f"a {family}, has no room for what a ridge memory recalls" in told
        assert "slowfast train" in told


def test_every_kind_of_memory_stands_behind_the_protocol(ridge_world: WorldModel) -> None:
    memory = memory_of(walked(ridge_world, BOTH, 1))
    assert [part.kind for part in memory.parts] == list(KINDS) == ["lora", "ridge"]
    assert all(isinstance(part, FastWeights) for part in memory.parts)
    assert memory.config == MemoryConfig(*reversed([part.config for part in memory.parts]))
    assert "lora (denoising), ridge (least-squares), 1 chunks" in repr(memory)
    for wrong in (lambda: MemoryConfig(LOCAL, LOCAL), lambda: MemoryConfig(3), lambda: MemoryConfig(dreams=LOCAL)):
        with pytest.raises(UserError):
            wrong()
    assert not MemoryConfig() and MemoryConfig().to_json() == {"ridge": None, "lora": None}
    assert ridge_world.start_batch(IMAGES[:1], MemoryConfig(), [1]).memory is None
