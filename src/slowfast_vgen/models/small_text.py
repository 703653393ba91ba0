"""A small replacement for the text encoder: from the characters and words of an action to its pooled embedding.

It was trained by `benchmarks/train_small_text.py` to give what all-MiniLM-L6-v2 gives for action texts, and is used
where the package of that encoder is not installed. It gives one embedding a text, not one a word.
"""

import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from slowfast_vgen.action_texts import pieces
from slowfast_vgen.errors import UserError
from slowfast_vgen.files import sha256_of_file

BUCKETS = 2**14
WIDTH, HIDDEN, EMBED_DIM = 128, 512, 384
WEIGHTS_FILE = "small_text.safetensors"
WEIGHTS_SHA256 = "5518a7e1b1e9d433bbee62fdb4d46599c16fc3a8d277d5c272e6cc3cc45a108a"
"""SHA-256 of the file that is shipped."""

_GRAMS = (3, 4)


def features(text: str) -> Iterator[str]:
    """Features of a text that are looked up: words, neighbouring pairs, words by place, character runs within words."""
    words = pieces(text)
    for index, word in enumerate(words):
        yield f"word {word}"
        yield f"place {min(index, 15)} {word}"
        marked = f"<{word}>"
        for length in _GRAMS:
            for start in range(len(marked) - length + 1):
                yield f"run {marked[start : start + length]}"
    for first, second in pairwise(["<", *words, ">"]):
        yield f"pair {first} {second}"


class SmallTextEncoder(nn.Module):
    """Hashed features, their vectors added up, and two layers; `load_small_text_encoder` loads the trained one."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.EmbeddingBag(BUCKETS, WIDTH, mode="sum")
        self.layers = nn.Sequential(
            nn.LayerNorm(WIDTH), nn.Linear(WIDTH, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, EMBED_DIM)
        )

    def forward(self, texts: list[str]) -> Float[Tensor, "batch 384"]:
        """Pooled embeddings, of length 1."""
        rows = [[zlib.crc32(name.encode(errors="replace")) % BUCKETS for name in features(text)] for text in texts]
        device = self.table.weight.device
        numbers = torch.tensor([number for row in rows for number in row], device=device)
        begins = torch.tensor([0, *(len(row) for row in rows[:-1])], device=device).cumsum(0)
        return self.embed(numbers, begins)

    def embed(self, numbers: Tensor, begins: Tensor) -> Float[Tensor, "batch 384"]:
        """Pooled embeddings from the feature numbers of all texts, end to end, and the index where each text begins."""
        return F.normalize(self.layers(self.table(numbers, begins)), dim=-1)


def load_small_text_encoder() -> SmallTextEncoder:
    """The trained encoder that is shipped, in float32 and evaluation mode.

    Raises:
        UserError: its file is missing or damaged.
    """
    path = Path(__file__).parents[1] / "weights" / "text" / WEIGHTS_FILE
    try:
        if sha256_of_file(path) != WEIGHTS_SHA256:
            raise UserError(f"{path} is damaged: its SHA-256 is not the one expected; install slowfast-vgen again")
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} cannot be read ({error}); install slowfast-vgen again") from error
    with torch.device("meta"):
        encoder = SmallTextEncoder()
    encoder.load_state_dict({name: value.float() for name, value in tensors.items()}, assign=True)
    return encoder.eval().requires_grad_(False)
