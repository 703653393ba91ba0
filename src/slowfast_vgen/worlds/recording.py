"""What engines have in common beside the frames: size and speed of a recording, and the telling of actions."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from slowfast_vgen.types import Episode, Frames
from slowfast_vgen.worlds.path_scripts import told_chunks
from slowfast_vgen.worlds.walking import STEP_UNITS, TURN_DEGREES, Place, poses_of

FRAME_SIZE = 64
FPS = 10.0


def recorded(
    rng: np.random.Generator,
    frames: Frames,
    places: Sequence[Place],
    refused: Sequence[bool],
    verbs: Sequence[str],
    metadata: dict[str, Any],
) -> Episode:
    """The episode of a walk: told in words (see `told_chunks`), and what every world tells is added.

    Args:
        rng: draws the phrasings.
        frames: the start image and `FRAMES_PER_CHUNK` frames a verb.
        places: one a frame.
        refused: for each frame whether its step was refused.
        verbs: one a chunk.
        metadata: what else there is to tell; "script" must be there.
    """
    chunks = told_chunks(rng, metadata["script"], verbs)
    common = {
        "collisions": [frame for frame, bumped in enumerate(refused) if bumped],
        "frame_size": FRAME_SIZE,
        "turn_degrees": TURN_DEGREES,
        "step_units": STEP_UNITS,
    }
    return Episode(frames, chunks, poses_of(places), FPS, metadata | common)
