"""What the tests of the world metaworld share."""

import hashlib

import numpy as np
import pytest

from slowfast_envs.metaworld.expert import Goal, expert_action
from slowfast_envs.metaworld.layout import COLOURS, draw_layout
from slowfast_envs.metaworld.table import Table
from slowfast_vgen.errors import UserError

HOLD = np.array([0.0, 0.0, 0.0, -1.0])


def open_table() -> Table:
    """A table; skips where Meta-World is not installed or cannot draw."""
    try:
        return Table(draw_layout(0))
    except UserError as error:
        pytest.skip(str(error))


def distance(first, second) -> float:
    """Along the table, metres."""
    return float(np.hypot(*(np.asarray(first)[:2] - np.asarray(second)[:2])))


def where_seen(frame: np.ndarray, colour: str) -> np.ndarray:
    """Rows and columns of the pixels that have the colour of a block, `[pixels, 2]`."""
    frame = frame.astype(int)
    wanted = np.array(COLOURS[colour])
    direction = frame @ wanted / (np.linalg.norm(frame, axis=-1) * np.linalg.norm(wanted) + 1e-9)
    return np.argwhere((direction > 0.97) & (frame.max(axis=-1) > 110) & (frame.max(axis=-1) - frame.min(axis=-1) > 60))


def drawn(table: Table, layout_seed: int) -> str:
    """Draws some frames in a scene and gives their checksum."""
    layout = draw_layout(layout_seed)
    table.reset(layout)
    goal = Goal(layout.blocks[0].name, (0.0, 0.6), "carry")
    sha = hashlib.sha256(table.frame().tobytes())
    for _ in range(6):
        table.act(expert_action(table.state(), goal))
        sha.update(table.frame().tobytes())
    return sha.hexdigest()
