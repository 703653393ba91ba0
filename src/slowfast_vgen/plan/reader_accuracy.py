"""Accuracy of an inverse dynamics model on held-out episodes: verbs by pair and by chunk, moves by thing and spot."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int64

from slowfast_vgen.errors import UserError
from slowfast_vgen.metrics.bootstrap import estimate
from slowfast_vgen.models.inverse_dynamics import InverseDynamics
from slowfast_vgen.models.move_dynamics import MoveDynamics
from slowfast_vgen.results import Estimate
from slowfast_vgen.train.frame_pairs import STILL, shows_nothing, told_verb
from slowfast_vgen.train.move_dynamics import NEAR_METRES
from slowfast_vgen.train.move_pairs import told_moves
from slowfast_vgen.types import Episode


@dataclass(frozen=True)
class ReadingReport:
    """Figures and confusion matrix of a reader."""

    names: tuple[str, ...]
    """The reader's verbs, or things."""
    figures: dict[str, Estimate]
    """Estimates by name: `idm_accuracy` (chunks); of verbs `idm_accuracy_pairs`, and `idm_accuracy_VERB` of each verb's
    chunks; of moves `idm_accuracy_things` and `idm_error_metres`."""
    confusion: Int64[np.ndarray, "true read"]
    """Number of chunks by their own verb or thing and by the one that was read, in the order of `names`."""


def read_held_out(reader: InverseDynamics, episodes: Iterable[Episode]) -> ReadingReport:
    """Reads every chunk whose verb the reader knows; episodes are the units of the intervals.

    A chunk that a wall refused from its first frame on shows nothing and is left out; so is a pair of equal frames
    whose verb moves.

    Raises:
        UserError: no chunk that can be read.
    """
    names = reader.names
    confusion = np.zeros((len(names), len(names)), np.int64)
    chunk_rows: list[list[tuple[int, bool]]] = []
    pair_rows: list[list[bool]] = []
    for episode in episodes:
        chunks, pairs = [], []
        for chunk in episode.chunks:
            verb = told_verb(chunk)
            frames = episode.frames[chunk.start_frame - 1 : chunk.end_frame]
            if verb not in names or shows_nothing(frames, verb):
                continue
            logs = reader.log_probabilities(torch.from_numpy(np.ascontiguousarray(frames)))
            own, read = names.index(verb), int(reader.scores(logs).argmax())
            confusion[own, read] += 1
            chunks.append((own, own == read))
            moved = (frames[1:] != frames[:-1]).any((1, 2, 3)) | (verb == STILL)
            pairs += [bool(right) for right in (logs.argmax(-1).cpu().numpy() == own)[moved]]
        chunk_rows.append(chunks)
        pair_rows.append(pairs)
    if not confusion.sum():
        raise UserError(f"no chunk has one of the verbs {', '.join(names)}; give data with these verbs")
    figures = {
        "idm_accuracy": _estimate([[right for _, right in row] for row in chunk_rows]),
        "idm_accuracy_pairs": _estimate(pair_rows),
    }
    for index, name in enumerate(names):
        if confusion[index].any():
            figures[f"idm_accuracy_{name}"] = _estimate(
                [[right for own, right in row if own == index] for row in chunk_rows]
            )
    return ReadingReport(names, figures, confusion)


def read_held_out_moves(reader: MoveDynamics, episodes: Iterable[Episode]) -> ReadingReport:
    """Reads every move of a thing that the reader knows; a move is read correctly where both thing and spot are.

    Raises:
        UserError: no such move.
    """
    names = reader.names
    confusion = np.zeros((len(names), len(names)), np.int64)
    things: list[list[float]] = []
    errors: list[list[float]] = []
    rights: list[list[float]] = []
    for episode in episodes:
        moves = [move for move in told_moves(episode) if move[2] in names]
        if not moves:
            continue
        pairs = np.stack([episode.frames[[before, last]] for before, last, _, _ in moves])
        read = reader.read(torch.from_numpy(pairs))
        for (_, _, name, _), read_name in zip(moves, read.names, strict=True):
            confusion[names.index(name), names.index(read_name)] += 1
        error = np.linalg.norm(read.spots - np.array([spot for _, _, _, spot in moves]), axis=1)
        same = np.array([name == read_name for (_, _, name, _), read_name in zip(moves, read.names, strict=True)])
        things.append(same.tolist())
        errors.append(error.tolist())
        rights.append((same & (error < NEAR_METRES)).tolist())
    if not confusion.sum():
        raise UserError(f"no move is one of {', '.join(names)}; give data with these things")
    figures = {
        "idm_accuracy": _estimate(rights),
        "idm_accuracy_things": _estimate(things),
        "idm_error_metres": _estimate(errors),
    }
    return ReadingReport(names, figures, confusion)


def _estimate(rows: Sequence[Sequence[float]]) -> Estimate:
    values = np.full((len(rows), 1, max(1, *(len(row) for row in rows))), np.nan)
    for row, rights in enumerate(rows):
        values[row, 0, : len(rights)] = rights
    return estimate(values)
