"""Ways and tours played by an arm: the beginning true or generated, the rest generated."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch

from slowfast_bench.cache import Progress
from slowfast_bench.paths.episodes import Tour
from slowfast_bench.paths.ways import Way
from slowfast_bench.scores.following import ROWS_PER_BATCH
from slowfast_bench.variants import Arm
from slowfast_envs.actions import FRAMES_PER_CHUNK
from slowfast_envs.vizdoom.engine import Play
from slowfast_envs.walking import STEP_UNITS
from slowfast_vgen.types import Frames


def generate_tours(
    arm: Arm,
    tours: Sequence[Tour],
    plays: Sequence[Play],
    seeds: Sequence[int],
    observe: bool,
    progress: Progress,
) -> list[Frames]:
    """The frames of each tour, start image and true frames of the way out (with `observe`) included."""
    ways = [
        Way(play.frames, play.poses, tuple(tour.actions), tour.num_out) for tour, play in zip(tours, plays, strict=True)
    ]
    return generate_ways(arm, ways, seeds, observe, progress)


def generate_ways(
    arm: Arm, ways: Sequence[Way], seeds: Sequence[int], observe: bool, progress: Progress
) -> list[Frames]:
    """The frames of each way, start image and what is shown of it (with `observe`) included.

    Ways of one length go side by side.
    """
    groups: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index, way in enumerate(ways):
        groups[len(way.actions), way.num_shown].append(index)
    made: dict[int, Frames] = {}
    codec, device = arm.world.model.codec, arm.world.device
    for (num_chunks, num_shown), members in groups.items():
        for begin in range(0, len(members), ROWS_PER_BATCH):
            rows = members[begin : begin + ROWS_PER_BATCH]
            true = np.stack([ways[row].frames for row in rows])
            poses = np.stack([ways[row].poses for row in rows]) / [STEP_UNITS, STEP_UNITS, 180 / np.pi]
            rollout = arm.begin(true[:, 0], [seeds[row] for row in rows], torch.from_numpy(poses).float())
            kept = FRAMES_PER_CHUNK * num_shown if observe else 0
            latents = codec.encode(torch.from_numpy(true[:, 1 : 1 + kept]).to(device)) if kept else None
            chunks = []
            for number in range(num_chunks):
                actions = [ways[row].actions[number] for row in rows]
                begin_frame = FRAMES_PER_CHUNK * number
                if latents is not None and begin_frame < kept:
                    new = latents[:, begin_frame : begin_frame + FRAMES_PER_CHUNK]
                else:
                    new = rollout.predict(actions)
                    chunks.append(new)
                rollout.observe_latents(new, actions)
                progress(len(rows))
            decoded = codec.decode(torch.cat(chunks, 1)).cpu().numpy()
            for row, frames in zip(rows, np.concatenate([true[:, : 1 + kept], decoded], 1), strict=True):
                made[row] = frames
    return [made[index] for index in range(len(ways))]
