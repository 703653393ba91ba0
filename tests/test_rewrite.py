"""A saved memory written anew for other weights, in Python and by `slowfast memory rewrite`."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import pack_tiny_world
from torch import Tensor

from slowfast_vgen.cli.main import main
from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.columns import from_columns
from slowfast_vgen.memory.config import MemoryConfig
from slowfast_vgen.memory.ridge import RidgeConfig
from slowfast_vgen.memory.ridge_memory import RidgeMemory
from slowfast_vgen.memory.settings import FastLearningConfig
from slowfast_vgen.models.addressing.address import PlanarAddress
from slowfast_vgen.models.text import TextEncoder
from slowfast_vgen.models.world_model import WorldWeights
from slowfast_vgen.rollout import Session, WorldModel
from slowfast_vgen.rollout.rewrite import rewritten

IMAGE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
BOTH = MemoryConfig(RidgeConfig(journal_chunks=4, forgetting=0.01), FastLearningConfig())


@pytest.fixture(scope="module")
def new_folder(tmp_path_factory: pytest.TempPathFactory, text_encoder: TextEncoder) -> Path:
    """The tiny ridge world with other weights in its codec and its denoiser, and steps twice as long."""
    folder = pack_tiny_world(tmp_path_factory.mktemp("new") / "old", text_encoder, ridge=True, memory={"ridge": {}})
    model = WorldWeights.load(folder)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        for parameter in (*model.codec.parameters(), *model.denoiser.parameters()):
            parameter.data += 0.05 * torch.randn_like(parameter)
    assert model.address is not None
    address = type(model.address)(key_width=64, step_units=48.0)
    address.path.load_state_dict(model.address.path.state_dict())
    config = replace(model.config, name="next")
    new = WorldWeights(config, model.codec, model.denoiser, model.text_encoder, address)
    new.save(folder.parent / "next")
    return folder.parent / "next"


@pytest.fixture(scope="module")
def new_world(new_folder: Path) -> WorldModel:
    return WorldModel(WorldWeights.load(new_folder))


def walked(world: WorldModel, memory: MemoryConfig | RidgeConfig | FastLearningConfig) -> Session:
    session = world.start(IMAGE, memory, seed=1, num_sampling_steps=1)
    for action in ("turn left", "go forward", "turn left", "go back", "turn right", "go forward"):
        session.step(action)
    return session


def ridge_of(session_or_memory: object) -> RidgeMemory:
    memory = getattr(session_or_memory, "memory", session_or_memory)
    return memory.ridge  # type: ignore[no-any-return, union-attr]


def latents_of(memory: RidgeMemory, world: WorldModel, index: int) -> Tensor:
    values = memory.journal[index].values
    assert values is not None
    novelty = torch.zeros(values.shape[:3])
    return from_columns(values, novelty, world.model.latent_shape, memory.memory_width).latents


def test_the_journal_is_shown_by_the_old_codec_and_written_by_the_new_one(
    ridge_world: WorldModel, new_world: WorldModel
) -> None:
    session = walked(ridge_world, BOTH)
    assert session.memory is not None
    made = rewritten(session.memory, ridge_world, new_world)
    old, new = ridge_of(session), ridge_of(made.memory)
    assert made.memory.base_fingerprint == new_world.model.fingerprint
    assert made.memory.config == MemoryConfig(BOTH.ridge)
    assert [each.chunk for each in new.journal] == [each.chunk for each in old.journal] == [2, 3, 4, 5]
    assert made.num_frames == 16
    assert made.memory.num_chunks == 6
    half = torch.tensor([0.5, 0.5, 1.0])
    torch.testing.assert_close(new.pose, old.pose * half)
    for index in range(4):
        torch.testing.assert_close(new.journal[index].poses, old.journal[index].poses * half)
        shown = ridge_world.model.codec.decode(latents_of(old, ridge_world, index)[0])
        expected = new_world.model.codec.encode(shown)[None]
        torch.testing.assert_close(latents_of(new, new_world, index), expected)
    assert "2 of 6 chunks" in made.left_out[0] and "what gradients learned" in made.left_out[1]
    poses = new.journal[-1].poses
    known = new.recall_at(poses)
    wanted = latents_of(new, new_world, -1)
    assert (known.latents - wanted).square().mean() < 0.5 * wanted.square().mean()
    assert known.novelty.max() < 0.2
    further = new_world.start(IMAGE, made.memory, seed=2, num_sampling_steps=1)
    assert further.step("turn left").shape == (4, 64, 64, 3)


def test_what_cannot_be_rewritten_is_told(ridge_world: WorldModel, new_world: WorldModel) -> None:
    lora, session = walked(ridge_world, FastLearningConfig()), walked(ridge_world, RidgeConfig())
    assert lora.memory is not None and session.memory is not None
    with pytest.raises(UserError, match="learned by gradients alone keeps no frames"):
        rewritten(lora.memory, ridge_world, new_world)
    with pytest.raises(UserError, match="of the weights of tiny@1 already"):
        rewritten(session.memory, ridge_world, ridge_world)
    with pytest.raises(UserError, match="not learned on the weights of next@1"):
        rewritten(session.memory, new_world, ridge_world)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        (PlanarAddress.still(), "does not move"),
        (PlanarAddress(key_width=64, fov_degrees=60.0), "sees 60 degrees"),
    ],
    ids=["still", "narrow"],
)
def test_another_camera_takes_over_no_memory(ridge_world: WorldModel, address: PlanarAddress, told: str) -> None:
    model, memory = ridge_world.model, walked(ridge_world, RidgeConfig()).memory
    other = WorldModel(
        WorldWeights(replace(model.config, name="other"), model.codec, model.denoiser, model.text_encoder, address)
    )
    assert memory is not None
    with pytest.raises(
        UserError, match=f"the camera of tiny@1 moves and sees 89.7 degrees and that of other@1.*{told}"
    ):
        rewritten(memory, ridge_world, other)


def test_by_the_command_line_and_a_hint_where_it_helps(
    ridge_world: WorldModel,
    ridge_world_folder: Path,
    new_folder: Path,
    new_world: WorldModel,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    session = walked(ridge_world, RidgeConfig())
    session.save(tmp_path / "s")
    for load in (new_world.resume, lambda folder: new_world.load_memory(folder / "memory")):
        with pytest.raises(UserError, match=r"`slowfast memory rewrite .* --model NAME"):
            load(tmp_path / "s")
    words = ["memory", "rewrite", str(tmp_path / "s"), "--model", str(new_folder), "--out", str(tmp_path / "m")]
    assert main([*words, "--from-model", str(ridge_world_folder)]) == 0
    assert "wrote 25 frames" in capsys.readouterr().out
    loaded = new_world.load_memory(tmp_path / "m")
    assert ridge_of(loaded).journal[0].chunk == -1
    assert loaded.num_chunks == 6
    assert main(words) == 2  # the world is no shipped one, and was not named
    assert "tiny" in capsys.readouterr().err
