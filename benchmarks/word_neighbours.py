"""Writes language/neighbours.py: the tokenizer's own words that would be taken for typing errors of the table's.

    python benchmarks/word_neighbours.py

Run it after a change of the table; a test compares.
"""

import json
import textwrap
from pathlib import Path

from slowfast_vgen.language import lexicon, neighbours
from slowfast_vgen.models.text import FILES, INSTALL, PACKAGE
from slowfast_vgen.packaged import packaged_file

RARE_FROM = 20_000
"""The vocabulary's number from which on words of three letters are rather pieces and names."""


def whole_words(vocabulary: dict[str, int]) -> list[str]:
    return [word for word, number in vocabulary.items() if len(word) > 3 or number < RARE_FROM]


def main() -> None:
    path = packaged_file(PACKAGE, "model/tokenizer.json", FILES["tokenizer.json"], INSTALL)
    vocabulary = json.loads(path.read_text(encoding="utf-8"))["model"]["vocab"]
    words = sorted(lexicon.neighbours_among(whole_words(vocabulary)))
    target = Path(neighbours.__file__)
    text = target.read_text().partition('NEIGHBOURS = """')[0]
    target.write_text(f'{text}NEIGHBOURS = """\n{textwrap.fill(" ".join(words), 120)}\n"""\n')
    print(f"wrote {len(words)} words: {target}")


if __name__ == "__main__":
    main()
