"""Pairs of neighbouring crossings of a grid that are joined. Crossings are counted from the lower left, row by row."""

import numpy as np


def draw_pairs(rng: np.random.Generator, columns: int, rows: int, opened: tuple[float, float]) -> list[tuple[int, int]]:
    """The neighbours that are joined: a random tree over all, then some of the pairs that are left.

    Args:
        rng: draws both.
        columns: columns of the grid.
        rows: rows of the grid.
        opened: least and largest share of the pairs beyond the tree.
    """
    index = np.arange(columns * rows).reshape(rows, columns)
    pairs = np.concatenate([_pairs(index[:, :-1], index[:, 1:]), _pairs(index[:-1], index[1:])])
    rng.shuffle(pairs)
    group = index.ravel()
    tree, left = [], []
    for i, j in pairs.tolist():
        if group[i] == group[j]:
            left.append((i, j))
        else:
            tree.append((i, j))
            group = np.where(group == group[j], group[i], group)
    return tree + left[: round(rng.uniform(*opened) * len(left))]


def has_block(pairs: list[tuple[int, int]], columns: int) -> bool:
    """True if some four pairs lead round a single block."""
    one, up = 1, columns
    sides = ((0, one), (0, up), (one, one + up), (up, one + up))
    return any(all((first + a, first + b) in pairs for a, b in sides) for first, _ in pairs)


def _pairs(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.stack([first.ravel(), second.ravel()], axis=1)
