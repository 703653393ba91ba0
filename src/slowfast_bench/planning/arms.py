"""Who plans: the arms of the paper's Table 2, the path without imagination, and two bounds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from slowfast_bench.planning.task import Task, TaskEpisode
from slowfast_bench.variants import Arm, context_arm, memory_arm
from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.config import MemoryConfig
from slowfast_vgen.memory.settings import ContextConfig, FastLearningConfig
from slowfast_vgen.models.denoiser import DenoiserModule
from slowfast_vgen.plan.policy import Feedback, ImaginingPolicy, OraclePolicy, PathPolicy, Policy, RandomPolicy
from slowfast_vgen.plan.reader import Reader
from slowfast_vgen.rollout import WorldModel

LORA = FastLearningConfig(learning_rate=3e-4, rewind_chunks=0)
"""Eq. 3 at the rate at which it keeps most of the palette (docs/decisions/0004)."""
CONTEXTS = {
    "anchor": ("anchor frame", ContextConfig("anchor", 1)),
    "raw_context": ("raw context of 8 chunks", ContextConfig("raw", 28)),
}
PATH = "path"
BOUNDS = {"oracle": "true video (upper bound)", "random": "random actions (lower bound)"}
ARMS = ("anchor", "raw_context", "no_memory", "no_loop", "loop", PATH, *BOUNDS)
"""In the order of the paper's table, then the path alone and the bounds."""
NEEDS_SLOW = "needs weights: --slow DIR (the denoiser folder of `slowfast train slow`)"
NEEDS_CONTEXT = "needs weights: --context DIR (the denoiser folder of `slowfast train context`)"
NEEDS_TRAIL = "needs a world whose path has learned the way back (`slowfast train path --retrace`)"


@dataclass(frozen=True)
class Player:
    """One arm at planning: a world model that imagines, its path alone, or a bound without one."""

    name: str
    label: str
    arm: Arm | None = None

    @property
    def seeded(self) -> bool:
        """Whether seeds change what it does."""
        return is_seeded(self.name)

    def describe(self) -> dict[str, Any]:
        """For the protocol."""
        return {"label": self.label} if self.arm is None else self.arm.describe()

    def begin(
        self,
        reader: Reader,
        feedback: Feedback,
        task: Task,
        episodes: Sequence[TaskEpisode],
        seeds: Sequence[int],
    ) -> Policy:
        """The policy of some episodes side by side."""
        if self.arm is not None:
            starts = np.stack([one.frames[0] for one in episodes])
            if self.name == PATH:
                return PathPolicy(self.arm.world, task.action_texts, starts, seeds)
            # No arm here looks at poses: they fix how many frames there are, no more.
            num_chunks = len(episodes[0].actions) + task.num_decisions
            num_frames = 1 + num_chunks * self.arm.world.model.config.num_new_frames
            stepper = self.arm.begin(starts, seeds, torch.zeros(len(starts), num_frames, 3))
            return ImaginingPolicy(self.arm.world, stepper, reader, feedback, starts)
        if self.name == "random":
            return RandomPolicy(task.draw_action, seeds)
        ways = np.stack([one.true_way for one in episodes])
        last = np.stack([one.frames[-1] for one in episodes])
        return OraclePolicy(reader, ways, last, task.frames_per_chunk)


def is_seeded(name: str) -> bool:
    """Whether seeds change what the arm of that name does."""
    return name not in ("oracle", PATH)


def chosen_arms(text: str) -> tuple[str, ...]:
    """The arms of a list such as "loop,no_memory", in the order of `ARMS`; all for no text.

    Raises:
        UserError: an arm that is not known.

    >>> chosen_arms("random, loop")
    ('loop', 'random')
    """
    named = {name.strip() for name in text.split(",") if name.strip()} or set(ARMS)
    if unknown := sorted(named - set(ARMS)):
        raise UserError(f"unknown arm {unknown[0]!r:.80}; choose some of {', '.join(ARMS)}")
    return tuple(name for name in ARMS if name in named)


def players(
    world: WorldModel, slow: DenoiserModule | None, context: DenoiserModule | None, names: Sequence[str]
) -> tuple[list[Player], dict[str, str]]:
    """Those of the named arms whose weights are there, and what to give for the others.

    Args:
        world: with the memory of the slow-fast loop; the other arms share its codec.
        slow: the denoiser before any loop.
        context: the denoiser that was trained with raw contexts and anchors.
        names: some of `ARMS`.
    """
    arms: dict[str, Arm] = {"loop": memory_arm("loop", "memory with the loop", world, world.shipped_memory)}
    missing: dict[str, str] = {}
    if world.model.address is not None and world.model.address.path.retrace is not None:
        arms[PATH] = memory_arm(PATH, "path alone, nothing imagined", world, world.shipped_memory)
    else:
        missing[PATH] = NEEDS_TRAIL
    if slow is not None:
        before = world.with_parts(slow.to(world.device).eval().requires_grad_(False))
        arms["no_loop"] = memory_arm("no_loop", "memory without the loop", before, MemoryConfig(lora=LORA))
        arms["no_memory"] = memory_arm("no_memory", "no memory", before, None)
    else:
        missing |= dict.fromkeys(("no_memory", "no_loop"), NEEDS_SLOW)
    if context is not None:
        other = world.with_parts(context.to(world.device).eval().requires_grad_(False))
        arms |= {name: context_arm(name, label, other, kind) for name, (label, kind) in CONTEXTS.items()}
    else:
        missing |= dict.fromkeys(CONTEXTS, NEEDS_CONTEXT)
    found = [Player(name, arms[name].label, arms[name]) for name in names if name in arms]
    found += [Player(name, BOUNDS[name]) for name in names if name in BOUNDS]
    return found, {name: told for name, told in missing.items() if name in names}
