"""The local memory of an episode at work: it follows the path, writes each finished chunk and recalls the next one."""

import copy
from collections import deque
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.columns import ColumnValues, from_columns, to_columns, value_width
from slowfast_vgen.memory.local import LocalRuleConfig, LocalState
from slowfast_vgen.models.denoiser import DenoiserModule, Latents, Past, Recall
from slowfast_vgen.models.planar_address import PlanarAddress
from slowfast_vgen.models.text import TextEmbedding


@dataclass(frozen=True)
class Written:
    """One chunk as it was written: what it takes to take it out again."""

    chunk: int
    """Its number from 0; the start image has -1."""
    poses: Float[Tensor, "episodes frames 3"]
    values: ColumnValues
    weights: Float[Tensor, "episodes entries"]


class LocalMemory:
    """What a batch of episodes remembers, and where each of them stands."""

    def __init__(self, episodes: int, key_width: int, value_width: int, config: LocalRuleConfig) -> None:
        self.config = config
        self.state = LocalState(episodes, key_width, value_width, config)
        self.pose = torch.zeros(episodes, 3)
        self.num_chunks = 0
        self.journal: deque[Written] = deque(maxlen=config.journal_chunks)
        self.factor: Tensor | None = None
        """The Cholesky factor of the state as it is; None after a change."""

    @property
    def num_episodes(self) -> int:
        """Episodes side by side."""
        return len(self.pose)

    @property
    def path(self) -> Float[Tensor, "episodes past 3"]:
        """The poses that the journal holds, the latest being where the episodes stand."""
        return torch.cat([*(entry.poses for entry in self.journal), self.pose[:, None]], dim=1)

    def num_bytes(self) -> int:
        """What the fast weights take; the journal, which has a constant size as well, not counted."""
        return 4 * (self.state.gram.numel() + self.state.cross.numel())

    def begin_again(self) -> None:
        """Back at the origin, before another session's start image, which counts as one more chunk."""
        self.pose = torch.zeros_like(self.pose)
        self.num_chunks += 1

    def fork(self) -> "LocalMemory":
        """An independent copy."""
        return copy.deepcopy(self)


class LocalLearner:
    """Writes and reads local memories for one denoiser and one set of addresses."""

    def __init__(
        self,
        denoiser: DenoiserModule,
        address: PlanarAddress,
        config: LocalRuleConfig,
        latent_shape: tuple[int, int, int],
    ) -> None:
        self.denoiser, self.address, self.config, self.latent_shape = denoiser, address, config, latent_shape
        self.num_columns = address.config.num_columns
        if not denoiser.can_recall:
            raise UserError(
                f"this {type(denoiser).__name__} has no room for what a local memory recalls, so the memory could not "
                "act; train it with `slowfast train loop`, or choose another rule"
            )
        self.memory_width, rows, columns = denoiser.memory_shape(*latent_shape[1:])
        if self.num_columns != columns:
            raise UserError(
                f"these addresses are of frames of {self.num_columns} columns, and the denoiser sees {columns}; fit "
                "them with PlanarAddress.fitted"
            )
        self.value_width = value_width(latent_shape, columns, self.memory_width, rows)

    def fresh(self, episodes: int) -> LocalMemory:
        """Empty memories; every episode stands at the origin, where its start image was taken."""
        return LocalMemory(episodes, self.address.config.key_width, self.value_width, self.config)

    def _factor(self, memory: LocalMemory) -> Tensor:
        if memory.factor is None:
            memory.factor = memory.state.factor()
        return memory.factor

    def keys(self, poses: Float[Tensor, "episodes frames 3"]) -> Float[Tensor, "episodes entries key_width"]:
        """Addresses of all columns, frame by frame."""
        return self.address(poses).flatten(1, 2)

    @torch.no_grad()
    def write(
        self, memory: LocalMemory, poses: Float[Tensor, "episodes frames 3"], past: Past, history: Latents
    ) -> None:
        """Writes the latest frames, seen from `poses`.

        `past` is what the denoiser made of `history`, the latest frames' latents: the next chunk needs it anyway.
        """
        num_frames = poses.shape[1]
        features = self.denoiser.memory_features(past)
        features = None if features is None else features[:, -num_frames:]
        values = to_columns(history[:, -num_frames:], features, self.num_columns)
        weights = memory.state.write(self._factor(memory), self.keys(poses), values.flatten(1, 2))
        memory.journal.append(Written(memory.num_chunks - 1, poses, values, weights))
        memory.factor = None

    @torch.no_grad()
    def recall(self, memory: LocalMemory, text: TextEmbedding, num_frames: int) -> Recall:
        """What is known of the chunk to come, at the poses where the action leads.

        Solved once a chunk: addresses hold no content, so they are the same at every sampling step.
        """
        poses = self.address.path.predicted(memory.path, text, num_frames)
        values, novelty = memory.state.read(self._factor(memory), self.keys(poses))
        shape = (num_frames, self.num_columns)
        return from_columns(
            values.unflatten(1, shape), novelty.unflatten(1, shape), self.latent_shape, self.memory_width
        )

    @torch.no_grad()
    def follow(self, memory: LocalMemory, text: TextEmbedding, last: Latents, new: Latents) -> Tensor:
        """Moves on to where the finished chunk ended, the frames having the last word on whether a step was made.

        Returns the poses `[episodes, frames, 3]` of its frames.
        """
        poses = self.address.path.followed(memory.path, text, last, new)
        memory.pose = poses[:, -1]
        memory.num_chunks += 1
        return poses

    @torch.no_grad()
    def forget(self, memory: LocalMemory, first: int, stop: int) -> None:
        """Takes chunks `first` to `stop - 1` out again, by subtracting what they added; the path stays as it is.

        Raises:
            UserError: the delta rule; chunks that the journal no longer holds or that are still to come.
        """
        if memory.config.rule != "least-squares":
            raise UserError("only a memory by least squares can take chunks out again; the delta rule mixes them")
        if not 0 <= first < stop <= memory.num_chunks:
            raise UserError(
                f"cannot forget chunks {first} to {stop - 1}: this memory holds chunks 0 to {memory.num_chunks - 1}"
            )
        held = {entry.chunk: entry for entry in memory.journal}
        gone = sorted(set(range(first, stop)) - held.keys())
        if gone:
            raise UserError(
                f"cannot forget chunk {gone[0]}: it is forgotten already, or longer ago than the "
                f"{memory.config.journal_chunks} chunks that the journal of this memory keeps"
            )
        for number in range(first, stop):
            entry = held[number]
            later = sum(each.chunk > number for each in memory.journal)
            memory.state.unwrite(self.keys(entry.poses), entry.values.flatten(1, 2), entry.weights, later)
        kept = [entry for entry in memory.journal if not first <= entry.chunk < stop]
        memory.journal = deque(kept, maxlen=memory.config.journal_chunks)
        memory.factor = None

    @torch.no_grad()
    def rewind(self, memory: LocalMemory, chunks: int) -> None:
        """Back to where the episode stood `chunks` chunks ago, and to what it knew then (up to rounding).

        Raises:
            UserError: further than the journal or the episode goes back.
        """
        target = memory.num_chunks - chunks
        stood = next((entry for entry in memory.journal if entry.chunk == target - 1), None)
        if chunks == 0:
            return
        if target < 0 or stood is None:
            raise UserError(
                f"cannot rewind by {chunks} chunks: this memory was made of {memory.num_chunks}, and its journal keeps "
                f"the latest {memory.config.journal_chunks}"
            )
        self.forget(memory, target, memory.num_chunks)
        memory.pose = stood.poses[:, -1]
        memory.num_chunks = target

    @torch.no_grad()
    def merge(self, memory: LocalMemory, other: LocalMemory) -> None:
        """Adds what another memory knows; both must have begun at the same place.

        Raises:
            UserError: the delta rule, or memories of other sizes or another ridge.
        """
        same = replace(other.config, journal_chunks=memory.config.journal_chunks) == memory.config
        if memory.config.rule != "least-squares" or not same:
            raise UserError("memories can be merged where both are written by least squares with the same settings")
        if memory.state.cross.shape != other.state.cross.shape:
            raise UserError("memories can be merged where both have the same size")
        memory.state.gram += other.state.gram
        memory.state.cross += other.state.cross
        memory.factor = None
