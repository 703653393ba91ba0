"""Writes the model card of every shipped world beside its weights: python benchmarks/write_model_cards.py."""

from slowfast_vgen.presets.model_card import write_model_card
from slowfast_vgen.presets.worlds import shipped_worlds

if __name__ == "__main__":
    for folder in shipped_worlds().values():
        print(write_model_card(folder))
