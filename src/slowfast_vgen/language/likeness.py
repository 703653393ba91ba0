"""Similarity of texts: by their words to narrations, by their letters to short phrasings."""

import math
from collections.abc import Sequence
from functools import cached_property, lru_cache

from slowfast_vgen.language.normal import STOP, words_of

MOST_WORDS = 40
"""Largest number of words of a text that are compared."""
_SMALL_WORDS = """
a an the to of in on at for and or then with from by into onto it its is are be this that these those there here please
now just slowly quickly gently carefully again up down off out over back your my his her their our you i we he she they
c one
"""
_SMALL = frozenset(_SMALL_WORDS.split())
"""Words that are ignored in comparisons."""
_HEADS = 3
"""Number of words at the beginning of a narration among which its verb is."""
_FEWEST_SHARED = 0.5


def letters_alike(text: str, other: str) -> float:
    """Returns the share of letter pairs that two texts have in common (Dice's coefficient), 0 to 1.

    >>> letters_alike("turn lft", "turn left") > letters_alike("turn lft", "go back")
    True
    """
    first, second = _pairs(text[:100]), _pairs(other[:100])
    return 2 * len(first & second) / (len(first) + len(second)) if first and second else 0.0


@lru_cache(2048)
def _pairs(text: str) -> frozenset[str]:
    row = " ".join(word.text for word in words_of(text))
    return frozenset(row[index : index + 2] for index in range(len(row) - 1))


class Likeness:
    """The narrations that a world model knows, to compare texts with.

    A text is similar if a narration shares half of its words, except for function words, and its verb, one of its first
    words, begins some narration. So "pick up the spoon" is similar to "pick up the cup", and "turn left" is not similar
    to "push the cup left".
    """

    def __init__(self, narrations: Sequence[str]) -> None:
        self.narrations = tuple(narrations)

    @cached_property
    def _index(self) -> tuple[dict[str, list[int]], list[int], frozenset[str]]:
        """Word -> narrations that contain it; number of words of each; words that begin some of them."""
        where: dict[str, list[int]] = {}
        lengths, heads = [], set()
        for number, narration in enumerate(self.narrations):
            words = _stems(narration)
            lengths.append(len(words))
            heads.update(words[:_HEADS])
            for word in words:
                where.setdefault(word, []).append(number)
        return where, lengths, frozenset(heads)

    def nearest(self, text: str) -> tuple[str, bool]:
        """Returns the most similar narration, and whether the text is similar enough."""
        where, lengths, heads = self._index
        words = _stems(text)
        shared: dict[int, float] = {}
        for word in words:
            places = where.get(word, ())
            rarity = math.log(1 + len(self.narrations) / (1 + len(places)))
            for number in places:
                shared[number] = shared.get(number, 0.0) + 1 + 0.01 * rarity
        if not shared:
            return self._by_letters(text), False
        best = max(shared, key=lambda number: (shared[number] - 0.05 * abs(lengths[number] - len(words)), -number))
        alike = int(shared[best]) >= _FEWEST_SHARED * len(words) and bool(heads & set(words[:_HEADS]))
        return self.narrations[best], alike

    def _by_letters(self, text: str) -> str:
        sample = self.narrations[:200]
        return max(sample, key=lambda narration: letters_alike(text, narration))


def _stems(text: str) -> list[str]:
    """Returns the stemmed words of a text, each once, without function words unless it has no others."""
    words = [word.text for word in words_of(text) if word.text != STOP]
    stems = [_stem(word) for word in words if word not in _SMALL] or words
    return list(dict.fromkeys(stems))[:MOST_WORDS]


def _stem(word: str) -> str:
    """Returns a word without its inflectional ending: "pick" for "picks", "picking" and "picked".

    >>> [_stem(word) for word in ("picks", "picking", "picked", "places", "placing", "glass")]
    ['pick', 'pick', 'pick', 'plac', 'plac', 'glass']
    """
    for ending in ("ing", "ed", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word.removesuffix(ending)
            break
    return word[:-1] if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "sl" else word
