"""Sessions on disk: exact resuming, PEFT's own reader, and every way to refuse a folder."""

import json
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from tiny import flat, levels, randn

from slowfast_vgen import sealed
from slowfast_vgen.errors import UserError
from slowfast_vgen.memory import sessions, store
from slowfast_vgen.memory.config import MemoryConfig, MemorySetting
from slowfast_vgen.memory.ridge import RidgeConfig
from slowfast_vgen.memory.sessions import HEADER_FILE, MEMORY_FOLDER, STATE_FILE
from slowfast_vgen.memory.settings import FastLearningConfig, LoraConfig
from slowfast_vgen.models.text import TextEncoder
from slowfast_vgen.models.world_model import WorldWeights, load_denoiser
from slowfast_vgen.rollout import Session, WorldModel
from slowfast_vgen.tensors import parse_metadata, parse_tensors, write_tensors

IMAGE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
STRONG = FastLearningConfig(LoraConfig(rank=4, alpha=8.0), learning_rate=1e-2, updates_per_chunk=3)


def tensors_of(session: Session) -> list[torch.Tensor]:
    """All that the session's memory is made of."""
    memory, found = session.memory, []
    assert memory is not None
    if memory.lora is not None:
        found += flat(memory.lora.weights.states())
    if memory.ridge is not None:
        state = memory.ridge.state
        found += [state.gram, state.cross, memory.ridge.pose]
        found += [part for entry in memory.ridge.journal for part in (entry.poses, entry.values, entry.weights)]
    return found


def session_of(world: WorldModel, memory: MemorySetting = STRONG, chunks: int = 2, **settings: Any) -> Session:
    session = world.start(IMAGE, memory=memory, seed=11, **settings)
    for action in ("turn left", "go forward", "turn left")[:chunks]:
        session.step(action)
    return session


@pytest.mark.parametrize(
    "memory",
    [
        False,
        True,
        STRONG,
        FastLearningConfig(LoraConfig(rank=2), learning_rate=0.1, updates_per_chunk=2, optimizer="sgd"),
        FastLearningConfig(LoraConfig(rank=2, layers=("qkv",)), noise_draws=2),
        FastLearningConfig(LoraConfig(rank=2), rule="denoising-original", learning_rate=1e-2),
        FastLearningConfig(LoraConfig(rank=2), rule="replay", learning_rate=1e-2, independent_noise=True),
        RidgeConfig(),
        RidgeConfig(rule="delta", forgetting=0.01),
        MemoryConfig(RidgeConfig(), STRONG),
    ],
    ids=["off", "own", "adam", "sgd", "one layer", "original", "replay", "ridge", "delta", "ridge and eq. 3"],
)
def test_a_resumed_session_goes_on_bit_for_bit(
    ridge_world: WorldModel, ridge_world_folder: Path, tmp_path: Path, memory: MemorySetting
) -> None:
    tiny_world, tiny_world_folder = ridge_world, ridge_world_folder
    session = session_of(tiny_world, memory, num_sampling_steps=3)
    session.save(tmp_path / "s")
    # Into weights loaded anew, and for two chunks more: the second shows whether the optimiser's state came along.
    resumed = WorldModel(WorldWeights.load(tiny_world_folder)).resume(tmp_path / "s")
    assert resumed.num_chunks == 2
    # The frame last seen. It was decoded together with others then and alone now, so its last bits may be rounded
    # otherwise.
    last = tiny_world.model.codec.decode(session._rollout.history[0])[-1].numpy()
    assert np.abs(resumed.start_frame.astype(int) - last).max() <= 1
    back = [each.fork() for each in (resumed, session)]  # to before it was saved
    assert np.array_equal(*(each.rewind(2) for each in back))
    assert np.array_equal(*(each.step("go forward") for each in back))
    if session.memory is not None:
        assert all(torch.equal(*pair) for pair in zip(*map(tensors_of, back), strict=True))
    for action in ("go forward", "turn right"):
        assert np.array_equal(resumed.step(action), session.step(action))
    assert torch.equal(resumed._rollout.history, session._rollout.history)
    if session.memory is not None:
        assert resumed.memory is not None
        pairs = list(zip(tensors_of(resumed), tensors_of(session), strict=True))
        assert pairs
        assert all(torch.equal(*pair) for pair in pairs)
        assert resumed.memory.num_chunks == 4


def test_a_session_saved_before_its_first_chunk_resumes_too(tiny_world: WorldModel, tmp_path: Path) -> None:
    session = session_of(tiny_world, chunks=0)
    session.save(tmp_path / "s")
    assert np.array_equal(tiny_world.resume(tmp_path / "s").step("turn left"), session.step("turn left"))


def test_the_count_of_rollbacks_is_kept(tiny_world: WorldModel, tmp_path: Path) -> None:
    session = session_of(tiny_world, FastLearningConfig(LoraConfig(rank=2), learning_rate=1e20))
    assert session.memory is not None
    assert session.memory.rollbacks == [2]
    session.save(tmp_path / "s")
    resumed = tiny_world.resume(tmp_path / "s")
    assert resumed.memory is not None
    assert resumed.memory.rollbacks == [2]
    assert np.array_equal(resumed.step("stay"), session.step("stay"))


def test_states_to_rewind_to_must_lead_to_where_a_memory_stands(tiny_world: WorldModel) -> None:
    lora = session_of(tiny_world)._rollout.memory.lora
    tensors, counts = lora.tensors(), lora.counts()
    one = counts["lora_earlier"][0]
    for rows, told in (([one] * 3, "3 states to rewind to"), ([one] * 2, "do not lead to its 2 chunks")):
        with pytest.raises(ValueError, match=told):
            lora.empty().fill(tensors, counts | {"lora_earlier": rows})
    older = {name: value for name, value in tensors.items() if not name.startswith("lora_earlier/")}
    memory = lora.empty()
    memory.fill(older, {name: value for name, value in counts.items() if name != "lora_earlier"})
    with pytest.raises(UserError, match="can be rewound by 0 chunks"):
        memory.rewind(1)


def test_the_same_tensors_and_texts_give_the_same_bytes(tmp_path: Path) -> None:
    tensors, texts = {"b": torch.zeros(3), "a": torch.arange(2)}, {name: f'{name} é "' for name in "hgfedcba"}
    for name in ("one", "other"):
        write_tensors(tmp_path / name, tensors, texts)
    content = (tmp_path / "one").read_bytes()
    assert content == (tmp_path / "other").read_bytes() and parse_metadata(content) == texts
    read = parse_tensors(tmp_path / "one", content)
    assert read.keys() == tensors.keys() and all(torch.equal(read[name], tensors[name]) for name in read)


def test_peft_reads_the_memory_as_an_adapter(tiny_world: WorldModel, tiny_world_folder: Path, tmp_path: Path) -> None:
    from peft import PeftModel

    session = session_of(tiny_world)
    session.save(tmp_path / "s")
    assert session.memory is not None
    memory = session.memory.lora
    assert memory is not None

    def predict(net: Any) -> torch.Tensor:
        past = net.encode_past(randn(1, 3, 8, 8, 8), torch.zeros(1, 3))
        return net.predict(randn(1, 2, 8, 8, 8, seed=1), levels(1, 2), TextEncoder.null(1), past)

    base_model = load_denoiser(tiny_world_folder / "denoiser")
    adapted = PeftModel.from_pretrained(base_model, str(tmp_path / "s" / MEMORY_FOLDER))
    with torch.no_grad():
        base = predict(tiny_world.model.denoiser)
        with memory.applied(tiny_world.model.denoiser) as applied:
            ours = predict(applied)
        theirs = predict(adapted.base_model.model)
        merged = predict(adapted.merge_and_unload())
    assert (ours - base).abs().max() > 1e-2
    torch.testing.assert_close(theirs, ours, rtol=0, atol=1e-5)
    torch.testing.assert_close(merged, ours, rtol=0, atol=1e-5)
    held = {name.rsplit(".lora_A", 1)[0] for name in adapted.state_dict() if "lora_A" in name}
    assert len(memory.factors) == 8
    assert all(any(name.endswith(layer) for name in held | set(memory.factors)) for layer in memory.factors)


def test_a_session_of_other_weights_is_refused(tiny_world: WorldModel, tiny_world_folder: Path, tmp_path: Path) -> None:
    session_of(tiny_world).save(tmp_path / "s")
    model = WorldWeights.load(tiny_world_folder)
    model.denoiser.patch_out.bias.data[0] += 1e-3
    other = WorldModel(WorldWeights(model.config, model.codec, model.denoiser, model.text_encoder))
    with pytest.raises(UserError, match="learned on other weights") as error:
        other.resume(tmp_path / "s")
    assert tiny_world.model.fingerprint[:12] in str(error.value)
    assert other.model.fingerprint[:12] in str(error.value)


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize("damage", [flip_a_byte, cut_off, Path.unlink], ids=["flipped", "cut off", "missing"])
@pytest.mark.parametrize("name", [HEADER_FILE, STATE_FILE, *(f"{MEMORY_FOLDER}/{name}" for name in store.FILES)])
def test_damaged_files_are_refused_by_name(
    tiny_world: WorldModel, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, name: str, damage: Any
) -> None:
    sound = tmp_path_factory.getbasetemp() / "sound-session"
    if not sound.exists():
        session_of(tiny_world).save(sound)
    shutil.copytree(sound, tmp_path / "s")
    damage(tmp_path / "s" / name)
    with pytest.raises(UserError, match=name):
        tiny_world.resume(tmp_path / "s")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "slowfast-session", "version": 1}', '{"version": 1}'])
def test_headers_of_another_kind_are_refused(tiny_world: WorldModel, tmp_path: Path, text: str) -> None:
    (tmp_path / HEADER_FILE).write_text(text)
    with pytest.raises(UserError, match=HEADER_FILE):
        tiny_world.resume(tmp_path)


def test_a_folder_without_a_session_is_refused(tiny_world: WorldModel, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no saved session"):
        tiny_world.resume(tmp_path)
    with pytest.raises(UserError, match="no saved session"):
        tiny_world.resume(tmp_path / "nowhere")


def contents(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("module", "failing"),
    [(store, "write_tensors"), (sessions, "write_tensors"), (sealed, "write_record"), (sealed, "sha256_of_file")],
)
def test_an_interrupted_write_leaves_the_older_session(
    tiny_world: WorldModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str, module: ModuleType
) -> None:
    session = session_of(tiny_world)
    session.save(tmp_path / "s")
    files = contents(tmp_path / "s")
    next_chunk = session.step("go forward")

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(module, failing, interrupted)
        with pytest.raises(KeyboardInterrupt):
            session.save(tmp_path / "s")
    assert contents(tmp_path / "s") == files
    assert [path.name for path in tmp_path.iterdir()] == ["s"]
    assert np.array_equal(tiny_world.resume(tmp_path / "s").step("go forward"), next_chunk)
    session.save(tmp_path / "s")  # and the next save replaces it
    assert tiny_world.resume(tmp_path / "s").num_chunks == 3
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_other_peoples_files_are_not_replaced(tiny_world: WorldModel, tmp_path: Path) -> None:
    session = session_of(tiny_world, False, chunks=1)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "thesis.txt").write_text("precious")
    with pytest.raises(UserError, match=r"thesis\.txt|other files"):
        session.save(tmp_path / "notes")
    with pytest.raises(UserError, match="a file of that name"):
        session.save(tmp_path / "notes" / "thesis.txt")
    assert (tmp_path / "notes" / "thesis.txt").read_text() == "precious"


def test_the_settings_survive_json() -> None:
    lora = FastLearningConfig(LoraConfig(7, 3.5, ("qkv",)), "replay", True, 8, 0.25, 2, 3, "sgd", 9.0, 1)
    config = MemoryConfig(RidgeConfig("delta", 0.1, 0.2, 0.3, 4), lora)
    assert MemoryConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
    assert MemoryConfig.from_json({}) == MemoryConfig.from_json({"ridge": None, "lora": None}) == MemoryConfig()


@pytest.mark.parametrize(
    "values",
    [
        {"learning_rate": 1e-3},
        {"lora": {"learning_rat": 1e-3}},
        {"lora": {"lora": {"ranks": 4}}},
        {"lora": {"lora": {"rank": 0}}},
        {"lora": {"optimizer": "lion"}},
        {"lora": {"rule": "dreaming"}},
        {"lora": {"lora": 4}},
        {"lora": {"rewind_chunks": -1}},
        {"ridge": {"rule": "hebb"}},
        {"ridge": {"ridge": 0}},
        {"ridge": {"forgetting": 1}},
        {"ridge": {"familiar": 2}},
        {"ridge": {"journal_chunks": 0}},
        {"ridge": 3},
    ],
)
def test_settings_that_are_not_known_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        MemoryConfig.from_json(values)
