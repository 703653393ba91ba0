"""What an arm costs: seconds a frame and megabytes kept, deep in an episode."""

import time
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from slowfast_bench.variants import Arm, ContextRollout
from slowfast_envs.actions import FRAMES_PER_CHUNK
from slowfast_envs.vizdoom.engine import Play
from slowfast_envs.walking import STEP_UNITS
from slowfast_vgen.rollout import Rollout, Stepper

SHOWN_CHUNKS, WARM_UP_CHUNKS, TIMED_CHUNKS = 32, 2, 12
ACTIONS = ("turn left", "go forward", "turn right", "go back", "stay")


@dataclass(frozen=True)
class Cost:
    """Of one session, alone on the machine."""

    seconds_per_frame: Float[np.ndarray, " chunks"]
    """Of each timed chunk."""
    seconds_per_frame_no_memory: Float[np.ndarray, " chunks"]
    """Of the chunk without memory that was timed in turns with it, whatever else the machine did."""
    megabytes: Float[np.ndarray, ""]
    """What is kept of the episode after `SHOWN_CHUNKS` chunks, beside the last frames."""


def measured_cost(arm: Arm, reference: Arm, play: Play) -> Cost:
    """Times chunks deep in an episode, in turns with those of the arm without memory."""
    poses = torch.from_numpy(play.poses / [STEP_UNITS, STEP_UNITS, 180 / np.pi]).float()[None]
    runs = [one.begin(play.frames[:1], [0], poses) for one in (arm, reference)]
    latents = arm.world.model.codec.encode(torch.from_numpy(play.frames[1:]).to(arm.world.device))[None]
    times: list[list[float]] = [[], []]
    for number in range(SHOWN_CHUNKS + WARM_UP_CHUNKS + TIMED_CHUNKS):
        action = ACTIONS[number % len(ACTIONS)]
        for run, taken in zip(runs, times, strict=True):
            if number < SHOWN_CHUNKS:
                run.observe_latents(latents[:, FRAMES_PER_CHUNK * number : FRAMES_PER_CHUNK * (number + 1)], [action])
                continue
            start = time.perf_counter()
            new = run.predict([action])
            run.observe_latents(new, [action])
            arm.world.model.codec.decode(new)
            if number >= SHOWN_CHUNKS + WARM_UP_CHUNKS:
                taken.append((time.perf_counter() - start) / FRAMES_PER_CHUNK)
    return Cost(np.array(times[0]), np.array(times[1]), np.array(_num_bytes(runs[0]) / 2**20))


def _num_bytes(run: Stepper) -> int:
    if isinstance(run, ContextRollout):
        kept = run.frames if run.context.kind == "retrieval" else run.frames[:, : run.context.num_frames]
        return kept.numel() * kept.element_size()
    if isinstance(run, Rollout) and run.memory is not None:
        return run.memory.num_bytes()
    return 0
