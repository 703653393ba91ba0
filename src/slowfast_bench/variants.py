"""What is compared: one world with several memories, and baselines, behind one way of stepping them all.

Every arm draws the same noise for the same seed, so differences between arms are paired.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from slowfast_vgen.memory.config import MemoryConfig
from slowfast_vgen.memory.context import chosen_frames, past_with_context
from slowfast_vgen.memory.settings import ContextConfig
from slowfast_vgen.models.denoiser import Latents, Recall
from slowfast_vgen.rollout import Rollout, Stepper, WorldModel
from slowfast_vgen.types import Frames

Poses = Float[Tensor, "episodes frames 3"]
"""x, y in steps, heading in radians: of every frame of each path, the start included."""

Begin = Callable[[Frames, Sequence[int], Poses], Stepper]
"""Start images `[episodes, height, width, 3]`, a seed and the poses of each."""


@dataclass(frozen=True)
class Arm:
    """One of the things compared."""

    name: str
    label: str
    world: WorldModel
    begin: Begin
    settings: dict[str, Any]
    """What decides its figures beside the world's weights, as JSON values."""

    def describe(self) -> dict[str, Any]:
        """For the protocol."""
        return {"label": self.label, "weights_sha256": self.world.model.fingerprint, **self.settings}


def memory_arm(name: str, label: str, world: WorldModel, memory: MemoryConfig | None) -> Arm:
    """The world with a memory of fast weights, or None for without."""

    def begin(images: Frames, seeds: Sequence[int], poses: Poses) -> Stepper:
        return world.start_batch(images, memory or False, seeds)

    return Arm(name, label, world, begin, {"memory": None if memory is None else memory.to_json()})


def foreign_memory_arm(world: WorldModel, memory: MemoryConfig) -> Arm:
    """The world with the memory of another episode: what the architecture is worth without the right content.

    Each episode reads what its neighbour in the batch wrote, at its own poses; so a batch of one reads its own.
    """

    def begin(images: Frames, seeds: Sequence[int], poses: Poses) -> Stepper:
        return ForeignRollout(world.start_batch(images, memory, seeds))

    return Arm("foreign_memory", "memory of another episode", world, begin, {"memory": memory.to_json()})


def readout_arm(world: WorldModel, memory: MemoryConfig) -> Arm:
    """What the ridge memory recalls, decoded as it is: nothing is denoised, so that no seed changes anything.

    Over a generated frame it has no sharpness to win and nothing to invent; where the place is new it is blank.
    """

    def begin(images: Frames, seeds: Sequence[int], poses: Poses) -> Stepper:
        return ReadoutRollout(world.start_batch(images, memory, seeds))

    settings = {"memory": memory.to_json(), "denoised": False}
    return Arm("readout", "read-out: what the memory recalls, not denoised", world, begin, settings)


def frozen_arm(world: WorldModel) -> Arm:
    """The last frame, for ever."""

    def begin(images: Frames, seeds: Sequence[int], poses: Poses) -> Stepper:
        return FrozenRollout(world.start_batch(images, False, seeds))

    return Arm("frozen", "last frame frozen", world, begin, {"memory": None})


def context_arm(name: str, label: str, world: WorldModel, context: ContextConfig) -> Arm:
    """A world whose denoiser was trained by `slowfast train context`."""

    def begin(images: Frames, seeds: Sequence[int], poses: Poses) -> Stepper:
        return ContextRollout(world.start_batch(images, False, seeds), context, poses)

    return Arm(name, label, world, begin, {"context": {"kind": context.kind, "num_frames": context.num_frames}})


class ForeignRollout:
    """Reads each episode's ridge memory in the next one of the batch."""

    def __init__(self, inner: Rollout) -> None:
        assert inner.memory is not None and inner.memory.ridge is not None, "only a ridge memory can be exchanged"
        self.inner, self.memory = inner, inner.memory.ridge

    def predict(self, actions: Sequence[str]) -> Latents:
        """See `Stepper`."""
        state = self.memory.state
        own = state.gram, state.cross, self.memory.factor
        state.gram, state.cross, self.memory.factor = own[0].roll(1, 0), own[1].roll(1, 0), None
        try:
            return self.inner.predict(actions)
        finally:
            state.gram, state.cross, self.memory.factor = own

    def observe_latents(self, new: Latents, actions: Sequence[str] | None = None) -> None:
        """See `Stepper`."""
        self.inner.observe_latents(new, actions)


class ReadoutRollout:
    """Goes on with what its episodes' ridge memories recall of the chunk to come."""

    def __init__(self, inner: Rollout) -> None:
        self.inner = inner

    def predict(self, actions: Sequence[str]) -> Latents:
        """See `Stepper`."""
        recall = recalled(self.inner, actions)
        assert recall is not None, "only a ridge memory can be read out"
        return recall.latents

    def observe_latents(self, new: Latents, actions: Sequence[str] | None = None) -> None:
        """See `Stepper`."""
        self.inner.observe_latents(new, actions)


class FrozenRollout:
    """Shows the last frame it has seen."""

    def __init__(self, inner: Rollout) -> None:
        self.inner = inner

    def predict(self, actions: Sequence[str]) -> Latents:
        """See `Stepper`."""
        return self.inner.history[:, -1:].repeat(1, self.inner.world.model.config.num_new_frames, 1, 1, 1)

    def observe_latents(self, new: Latents, actions: Sequence[str] | None = None) -> None:
        """See `Stepper`."""
        self.inner.observe_latents(new, actions)


def recalled(rollout: Rollout, actions: Sequence[str]) -> Recall | None:
    """What the memory knows of the chunk to which the actions lead; None without one that can be read."""
    model = rollout.world.model
    if rollout.memory is None:
        return None
    return rollout.memory.recall(model.text_encoder(list(actions)), model.config.num_new_frames)


class ContextRollout:
    """Keeps every frame of its episodes, and shows the denoiser some of them before its window.

    Retrieval is given the true poses of the path: no baseline is weaker for losing its way.
    """

    def __init__(self, inner: Rollout, context: ContextConfig, poses: Poses) -> None:
        self.inner, self.context, self.poses = inner, context, poses
        self.frames: Latents = inner.history

    def predict(self, actions: Sequence[str]) -> Latents:
        """See `Stepper`."""
        config, seen = self.inner.world.model.config, self.frames.shape[1]
        ahead = self.poses[:, seen : seen + config.num_new_frames]
        chosen = chosen_frames(self.context, self.poses[:, :seen], ahead, config.num_past_frames)
        past = past_with_context(self.frames, chosen.to(self.frames.device), config.num_past_frames)
        return self.inner.predict_after(past, actions)

    def observe_latents(self, new: Latents, actions: Sequence[str] | None = None) -> None:
        """See `Stepper`."""
        self.frames = torch.cat([self.frames, new], dim=1)
        self.inner.observe_latents(new, actions)
