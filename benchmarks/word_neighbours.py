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


def main() -> None:
    path = packaged_file(PACKAGE, "model/tokenizer.json", FILES["tokenizer.json"], INSTALL)
    vocabulary = json.loads(path.read_text(encoding="utf-8"))["model"]["vocab"]
    words = sorted(lexicon.neighbours_among(vocabulary))
    target = Path(neighbours.__file__)
    text = target.read_text().partition('NEIGHBOURS = """')[0]
    target.write_text(f'{text}NEIGHBOURS = """\n{textwrap.fill(" ".join(words), 120)}\n"""\n')
    print(f"wrote {len(words)} words: {target}")


if __name__ == "__main__":
    main()
