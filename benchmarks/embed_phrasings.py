"""Writes the embeddings of what each shipped world can be told beside its weights, and their checksum into its index.

    python benchmarks/embed_phrasings.py

Needs the package of all-MiniLM-L6-v2. Of `metaworld-moves` every text of the table's grammar is written, but for those
of exact spots.
"""

from slowfast_envs.metaworld.instructions import known_texts
from slowfast_envs.metaworld.layout import COLOURS, SHAPES
from slowfast_vgen.models.text import TextEncoder
from slowfast_vgen.models.world_model import PHRASINGS_FILE, save_phrasings, seal_world
from slowfast_vgen.presets.worlds import shipped_worlds, vocabulary


def main() -> None:
    """One world after the other."""
    encoder = TextEncoder.load()
    blocks = [f"{colour} {shape}" for colour in COLOURS for shape in sorted(set(SHAPES))]
    for name, folder in shipped_worlds().items():
        told = vocabulary(name)
        texts = dict.fromkeys(() if told is None else told.phrasings)
        if name == "metaworld-moves":
            texts |= dict.fromkeys(known_texts(blocks))
        save_phrasings(folder / PHRASINGS_FILE, list(texts), encoder)
        seal_world(folder)
        print(f"{name}: {len(texts)} texts, {(folder / PHRASINGS_FILE).stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
