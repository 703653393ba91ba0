"""The ridge memory of an episode at work: it follows the path, writes each finished chunk and recalls the next one.

Next to the fast weights it keeps a journal: what was written in the latest chunks, under which poses and with which
weights. Together with what is older (`Block.base`) the journal gives the fast weights again, write by write. So a
memory goes back bit for bit, and forgets a chunk as if it had never been written.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import pairwise
from typing import Any, ClassVar, Self

import torch
from jaxtyping import Float
from torch import Tensor

from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.columns import from_columns, to_columns
from slowfast_vgen.memory.columns import value_width as value_width_of
from slowfast_vgen.memory.fast_weights import Chunk, Host, Start
from slowfast_vgen.memory.journal import (
    Block,
    Written,
    bare_blocks,
    dropped_oldest,
    followed_by,
    measured,
    rebuilt,
    reweighed,
    unmeasured,
    without,
)
from slowfast_vgen.memory.relocalise import MOST_CHUNKS, STEP, Ways, best_way, chunk_options, extended, shortened
from slowfast_vgen.memory.ridge import RidgeConfig, RidgeState, exact_dtype, with_rows
from slowfast_vgen.models.denoiser import DenoiserModule, Latents, PatchFeatures, Recall
from slowfast_vgen.models.step_judge import TEXTURED, Verdicts, texture
from slowfast_vgen.models.text import TextEmbedding

Poses = Float[Tensor, "episodes frames 3"]

RIGHT = 0.25
"""Greatest recall error that counts as right (docs/decisions/0005, "A full memory knows that it is")."""
SAMPLED_CHUNKS = 32
"""Most chunks of the journal whose last frames are read to measure the recall error."""


class RidgeMemory:
    """The memory of a batch of episodes by the ridge rule, with the pose of each; see `FastWeights`."""

    kind: ClassVar[str] = "ridge"
    config_class: ClassVar[type[Any]] = RidgeConfig
    needs_actions = True

    def __init__(self, host: Host, config: RidgeConfig, episodes: int) -> None:
        assert host.address is not None
        self.host, self.config, self.address = host, config, host.address
        self.num_columns = self.address.config.num_columns
        self.memory_width, rows, columns = host.denoiser.memory_shape(*host.latent_shape[1:])
        if self.num_columns != columns:
            raise UserError(
                f"these addresses are of frames of {self.num_columns} columns, and the denoiser sees {columns}; fit "
                "them with PlanarAddress.fitted"
            )
        value_width = value_width_of(host.latent_shape, columns, self.memory_width, rows)
        self.state = RidgeState(episodes, self.address.config.key_width, value_width, config, host.device)
        self.pose: Float[Tensor, "episodes 3"] = torch.zeros(episodes, 3, device=host.device)
        self.num_chunks = 0
        self.blocks: tuple[Block, ...] = (Block(),)
        """The journal in the order of writing; several blocks where memories were merged."""
        self.limit = config.journal_chunks
        """Number of writes that the journal keeps."""
        self.tick = 0
        """Number of writes so far, without those of a merged-in episode: the time that `forgetting` uses."""
        self.factor: Tensor | None = None
        """The Cholesky factor of the current state; None after a change."""
        self.recall_error: Float[Tensor, " episodes"] = torch.zeros(episodes, device=host.device)
        """Share of the written content's variance that reading does not give back: it grows as the memory overfills."""
        self.doubts: tuple[Ways | None, ...] = (None,) * episodes
        """Possible paths of each episode since a step stayed undecided; see `relocalise`."""

    @classmethod
    def fresh(cls, host: Host, config: RidgeConfig, seeds: Sequence[int]) -> Self:
        """Makes empty memories; every episode is at the origin, where its start image was taken.

        Raises:
            UserError: a world without addresses or with those of other frames, or a denoiser without room for what is
                recalled.
        """
        if host.address is None:
            raise UserError(
                f"the world {host.world!r} has no addresses for a ridge memory; pack it with --address, or choose "
                "another rule"
            )
        if not host.denoiser.can_recall:
            raise UserError(
                f"the denoiser of the world {host.world!r}, a {type(host.denoiser).__name__}, has no room for what a "
                "ridge memory recalls, so the memory could not act; make room with `slowfast train slow --memory` or "
                "`slowfast train loop`, or choose another rule"
            )
        return cls(host, config, len(seeds))

    def empty(self) -> Self:
        """A memory of the same shapes and settings that holds nothing."""
        return type(self)(self.host, self.config, self.num_episodes)

    @property
    def num_episodes(self) -> int:
        """Number of batched episodes."""
        return len(self.pose)

    @property
    def journal(self) -> list[Written]:
        """Entries of the latest chunks that are not forgotten, in the order in which they were written."""
        return [entry for entry in self._entries() if entry.values is not None]

    def _entries(self) -> Iterator[Written]:
        return (entry for block in self.blocks for entry in block.entries)

    @property
    def path(self) -> Float[Tensor, "episodes past 3"]:
        """The poses that the journal holds; the last one is the current pose."""
        own = (entry.poses for block in self.blocks if not block.merged_in for entry in block.entries)
        return torch.cat([*own, self.pose[:, None]], dim=1)

    def num_bytes(self) -> int:
        """Size of the fast weights in bytes, without the journal, which has a constant size as well."""
        return 4 * (self.state.gram.numel() + self.state.cross.numel())

    def begin_again(self) -> None:
        """Returns to the origin, before another session's start image, which counts as one more chunk."""
        self.pose = torch.zeros_like(self.pose)
        self.num_chunks += 1
        self.doubts = (None,) * self.num_episodes

    # ------------------------------------------------------------------------------------------- generating and writing

    def applied(self, denoiser: DenoiserModule) -> AbstractContextManager[DenoiserModule]:
        """Gives the denoiser itself: this memory is read, not applied."""
        return nullcontext(denoiser)

    def keys(self, poses: Poses) -> Float[Tensor, "episodes entries key_width"]:
        """Computes the addresses of all columns, frame by frame."""
        return self.address(poses).flatten(1, 2)

    def _factor(self) -> Tensor:
        if self.factor is None:
            self.factor = self.state.factor()
        return self.factor

    @torch.no_grad()
    def recall(self, text: TextEmbedding, num_frames: int) -> Recall:
        """Recalls what is known of the chunk to come, at the poses that the action leads to.

        Solved once a chunk: addresses hold no content, so they are the same at every sampling step.
        """
        return self.recall_at(self.address.path.predicted(self.path, text, num_frames))

    @property
    def confidence(self) -> Float[Tensor, " episodes"]:
        """Trust in the recall: 1 up to a `recall_error` of `RIGHT`, down to 0 at an error of 1."""
        return ((1 - self.recall_error) / (1 - RIGHT)).clamp(0, 1)

    def _measured_error(self) -> Float[Tensor, " episodes"]:
        """Measures the recall error on a sample of the latest writes, at their own addresses.

        Novelty cannot show it: for an over-full memory that has seen all directions of addresses every place is
        known. Only the latents count, since only their unit is known.
        """
        journal = self.journal
        if not journal:
            return torch.zeros_like(self.recall_error)
        count = min(len(journal), SAMPLED_CHUNKS)
        chosen = [journal[place * len(journal) // count] for place in range(count)]
        poses = torch.cat([entry.poses[:, -1:] for entry in chosen], dim=1)
        raw = value_width_of(self.host.latent_shape, self.num_columns, 0, 0)
        written = torch.cat([entry.values[:, -1, :, :raw] for entry in chosen if entry.values is not None], dim=1)
        read = self.state.read(self._factor(), self.keys(poses))[0][..., :raw]
        return (read - written).square().sum((1, 2)) / written.square().sum((1, 2)).clamp(min=1e-12)

    @torch.no_grad()
    def recall_at(self, poses: Poses) -> Recall:
        """Recalls frames seen from `poses`; the lower the memory's confidence, the higher the novelty."""
        values, novelty = self.state.read(self._factor(), self.keys(poses))
        novelty = torch.where(self.recall_error[:, None] > RIGHT, 1 - self.confidence[:, None] * (1 - novelty), novelty)
        shape = (poses.shape[1], self.num_columns)
        return from_columns(
            values.unflatten(1, shape), novelty.unflatten(1, shape), self.host.latent_shape, self.memory_width
        )

    @torch.no_grad()
    def begin(self, start: Start) -> None:
        """Writes the start image at the current poses."""
        self._write(self.pose[:, None], start.frames, start.features())
        self.recall_error = self._measured_error()
        self.blocks = measured(self.blocks, self.recall_error)

    @torch.no_grad()
    def write(self, chunk: Chunk) -> None:
        """Moves to the end of the finished chunk, and writes its frames under the poses along it.

        If they show that an earlier step was judged wrongly, the path is corrected; see `relocalise`.
        """
        verdicts = self.address.path.judged(chunk.before[:, -1:], chunk.new)
        poses = self.address.path.followed_as(self.path, chunk.text, verdicts.made)
        doubts = self._doubts(chunk.text, verdicts)
        self.pose = poses[:, -1]
        self.num_chunks += 1
        self._write(poses, chunk.new, chunk.features())
        self.doubts = tuple(self._settled(*each, chunk.new) for each in enumerate(doubts))
        self.recall_error = self._measured_error()
        self.blocks = measured(self.blocks, self.recall_error)

    def _doubts(self, text: TextEmbedding, verdicts: Verdicts) -> list[Ways | None]:
        """The possible paths of each episode after a chunk, which begins at the current poses."""
        path, frames = self.address.path, verdicts.made.shape[1]
        if self.pose.is_meta:  # shapes only: nothing to decide
            return list(self.doubts)
        undecided = (~verdicts.decided).any(1).tolist()
        if not any(undecided) and not any(ways is not None for ways in self.doubts):
            return list(self.doubts)
        motions, back = path.motions(text), (path.retrace_logits(text) > 0).tolist()
        steps = (motions[:, :2].norm(dim=-1) > STEP).tolist()
        doubts: list[Ways | None] = []
        for episode, ways in enumerate(self.doubts):
            if back[episode] or (ways is None and not (steps[episode] and undecided[episode])):
                doubts.append(None)
                continue
            made, decided = verdicts.made[episode], verdicts.decided[episode]
            options = chunk_options(made, decided) if steps[episode] else [made]
            ways = extended(ways, self.pose[episode], motions[episode], options)
            too_long = ways is not None and ways.shape[1] > MOST_CHUNKS * frames
            doubts.append(None if too_long else ways)
        return doubts

    def _settled(self, episode: int, ways: Ways | None, new: Latents) -> Ways | None:
        """The possible paths, if the latest chunk does not decide between them; None once it does."""
        if ways is None or ways.shape[1] // new.shape[1] >= len(self.blocks[-1].entries):
            return None
        row = slice(episode, episode + 1)
        shows = texture(new[row])[0] >= TEXTURED
        best = best_way(self, episode, ways, new[row], shows)
        if best:
            self._move_one(episode, ways[best].unflatten(0, (-1, new.shape[1])))
        return ways if best is None else None

    def _move_one(self, episode: int, poses: Float[Tensor, "chunks frames 3"]) -> None:
        """Corrects the path of one episode and leaves the others as they are, to the bit."""
        row = slice(episode, episode + 1)
        alone = copy.copy(self)
        alone.state, alone.pose = self.state.rows(row), self.pose[row]
        alone.blocks, alone.factor = tuple(block.rows(row) for block in self.blocks), None
        alone.move([each[None] for each in poses])
        count = len(poses)
        block, moved = self.blocks[-1], alone.blocks[-1].entries[-count:]
        entries = tuple(entry.with_row(row, other) for entry, other in zip(block.entries[-count:], moved, strict=True))
        self.blocks = (*self.blocks[:-1], replace(block, entries=(*block.entries[:-count], *entries)))
        self.state, self.factor = self.state.with_rows(row, alone.state), None
        self.pose = with_rows(self.pose, row, alone.pose)

    def _write(self, poses: Poses, frames: Latents, features: PatchFeatures | None) -> None:
        frames = frames[:, -poses.shape[1] :]
        features = None if features is None else features[:, -poses.shape[1] :]
        values = to_columns(frames, features, self.num_columns)
        self._add(Written(self.num_chunks - 1, poses, values, None, self.tick + 1))

    @torch.no_grad()
    def put(self, chunk: int, poses: Poses, frames: Latents, features: PatchFeatures | None, tick: int) -> None:
        """Writes frames seen from `poses` as chunk number `chunk`, whatever the current poses (`rollout.rewrite`)."""
        features = None if features is None else features[:, -poses.shape[1] :]
        self.state = copy.copy(self.state)
        self.state.decay(max(0, tick - 1 - self.tick))
        self._add(Written(chunk, poses, to_columns(frames, features, self.num_columns), None, tick))

    @torch.no_grad()
    def stand(self, pose: Float[Tensor, "episodes 3"], num_chunks: int, tick: int) -> None:
        """Sets the pose and the numbers of chunks and writes."""
        self.state, self.factor = copy.copy(self.state), None
        self.state.decay(max(0, tick - self.tick))
        self.pose, self.num_chunks, self.tick = pose, num_chunks, tick
        self.recall_error = self._measured_error()

    def _add(self, entry: Written) -> None:
        assert entry.values is not None
        factor = self._factor()
        self.state, self.factor = copy.copy(self.state), None
        weights = self.state.write(factor, self.keys(entry.poses), entry.values.flatten(1, 2))
        self.tick = entry.tick
        self.blocks = followed_by(self.blocks, replace(entry, weights=weights))
        while sum(len(block.entries) for block in self.blocks) > self.limit:
            self.blocks = dropped_oldest(self.blocks, self.state, self.keys)

    # ------------------------------------------------------------------------------------------------------ going back

    def snapshot(self) -> Any:
        """A state for `restore` to return to: all that the memory holds is replaced and never written into."""
        return self.__dict__ | {"state": copy.copy(self.state)}

    def restore(self, snapshot: Any) -> None:
        """Returns to the state of a snapshot."""
        self.__dict__.update(snapshot)

    def fork(self) -> Self:
        """An independent copy."""
        other = copy.copy(self)
        other.state = copy.copy(self.state)
        return other

    def _stood(self, chunks: int) -> tuple[Written, Poses] | None:
        """The last write `chunks` chunks ago and the pose then; None if the journal does not reach back that far."""
        target, stood = self.num_chunks - chunks, None
        for place, block in enumerate(self.blocks):
            for entry in block.entries:
                # Merged-in entries came to this episode while it was at the end of its own latest chunk. Every
                # episode has a start image of its own; the first is this one's.
                own = not block.merged_in
                stood = entry.poses[:, -1] if own else stood
                if entry.chunk == target - 1 and stood is not None and (own or target > 0):
                    bare = bare_blocks(self.blocks[place + 1 :]) if entry is block.entries[-1] else ()
                    return (bare[-1].entries[-1] if bare else entry), stood
        return None

    def chunks_behind(self, steps: int) -> int:
        """Number of chunks since the latest `steps` chunks of the episode itself began, merged ones included."""
        own = [entry for block in self.blocks if not block.merged_in for entry in block.entries]
        return self.num_chunks - own[-steps].chunk if 0 < steps <= len(own) else steps

    def check_rewind(self, chunks: int) -> None:
        """Raises `UserError` for more chunks than the journal or the episode has."""
        if self.num_chunks < chunks or (chunks and self._stood(chunks) is None):
            raise UserError(
                f"cannot rewind by {chunks} chunks: this memory was made of {self.num_chunks}, and its journal keeps "
                f"the latest {self.limit}"
            )

    @torch.no_grad()
    def rewind(self, chunks: int) -> None:
        """Returns to the pose and the content of `chunks` chunks ago.

        What was written up to there is written again, by the same operations: the result is the same bit for bit.

        Raises:
            UserError: see `check_rewind`.
        """
        self.check_rewind(chunks)
        found = self._stood(chunks)
        if not chunks or found is None:
            return
        last, pose = found
        blocks = []
        for block in self.blocks:
            place = next((index for index, entry in enumerate(block.entries) if entry is last), None)
            if place is not None:
                blocks.append(replace(block, entries=block.entries[: place + 1]))
                break
            blocks.append(block)
        self.state, self.factor = rebuilt(tuple(blocks), last.tick, self.state, self.keys), None
        self.blocks, self.tick = tuple(blocks), last.tick
        self.pose, self.num_chunks = pose, self.num_chunks - chunks
        # The sample of a full journal is not the one that was read then.
        self.recall_error = self._measured_error() if last.recall_error is None else last.recall_error
        self.doubts = tuple(shortened(ways, chunks * last.poses.shape[1]) for ways in self.doubts)

    @torch.no_grad()
    def forget(self, first: int, stop: int) -> None:
        """Removes chunks `first` to `stop - 1`, as if they had never been written; path and numbers stay as they are.

        Later entries of the same places had low weights, since the places were known. They now get the weights that
        they would have had without the forgotten chunks. With `forgetting`, what is kept stays as old as it is.

        Raises:
            UserError: the delta rule; chunks that the journal no longer holds or that are still to come.
        """
        if self.config.rule != "least-squares":
            raise UserError("only a memory by least squares can take chunks out again; the delta rule mixes them")
        if not 0 <= first < stop <= self.num_chunks:
            raise UserError(
                f"cannot forget chunks {first} to {stop - 1}: this memory holds chunks 0 to {self.num_chunks - 1}"
            )
        gone = sorted(set(range(first, stop)) - {entry.chunk for entry in self.journal})
        if gone:
            raise UserError(
                f"cannot forget chunk {gone[0]}: it is forgotten already, or longer ago than the "
                f"{self.limit} chunks that the journal of this memory keeps"
            )
        blocks = reweighed(without(self.blocks, range(first, stop)), self.blocks, self.state, self.keys)
        exact = rebuilt(blocks, self.tick, self.state.to(dtype=exact_dtype(self.state.gram.device)), self.keys)
        self.state, self.factor, self.blocks = exact.to(dtype=self.state.gram.dtype), None, unmeasured(blocks)
        self.recall_error = self._measured_error()
        self.doubts = (None,) * self.num_episodes

    @torch.no_grad()
    def move(self, poses: Sequence[Poses]) -> None:
        """Corrects the path: writes the latest chunks, as many as `poses` has, again under these poses.

        There is one `[episodes, frames, 3]` for each chunk, oldest first; unchanged episodes keep theirs. The last
        pose becomes the current one.

        Raises:
            UserError: more chunks than the journal holds in a row.
        """
        latest = self.blocks[-1].entries[-len(poses) :] if poses else ()
        if len(latest) < len(poses) or any(entry.values is None for entry in latest):
            raise UserError(f"the path of this memory can be corrected over {len(latest)} chunks, not {len(poses)}")
        if not poses:
            return
        kept = replace(self.blocks[-1], entries=self.blocks[-1].entries[: -len(poses)])
        if self.config.rule == "least-squares" and not self.config.forgetting:  # quicker, and the same up to rounding
            self.state = self.state.less(Block(latest).written(self.state, self.tick, self.keys))
        else:
            self.state = rebuilt((*self.blocks[:-1], kept), latest[0].tick - 1, self.state, self.keys)
        self.blocks, self.factor = (*self.blocks[:-1], kept), None
        for entry, seen_from in zip(latest, poses, strict=True):
            assert seen_from.shape == entry.poses.shape, "a chunk's poses are corrected as a whole"
            self._add(replace(entry, poses=seen_from.to(entry.poses), recall_error=None))
        self.pose = self.blocks[-1].entries[-1].poses[:, -1]
        self.recall_error = self._measured_error()

    def check_merge(self, other: Self) -> None:
        """Raises `UserError` for the delta rule, or memories of other sizes or settings."""
        same = replace(other.config, journal_chunks=self.config.journal_chunks) == self.config
        if self.config.rule != "least-squares" or not same:
            raise UserError("memories can be merged where both are written by least squares with the same settings")
        if self.state.cross.shape != other.state.cross.shape:
            raise UserError("memories can be merged where both have the same size")

    @torch.no_grad()
    def merge(self, other: Self) -> None:
        """Adds what another memory knows; both must have begun at the same place.

        The other's chunks get the numbers that follow on this one's (its chunk 0 becomes chunk `num_chunks`), as if
        its episode had come next, and its journal is appended. The current pose stays as it is.
        """
        self.check_merge(other)
        device, shift = self.pose.device, self.tick - other.tick
        others = tuple(block.to(device).later(self.num_chunks, shift) for block in other.blocks if block.holds)
        mine = tuple(block for block in self.blocks if block.holds)
        self.state, self.factor = self.state.plus(other.state.to(device)), None
        self.blocks = (*unmeasured((*mine, *others)), Block(reach=len(mine) + len(others)))
        self.num_chunks += other.num_chunks
        self.doubts = (None,) * self.num_episodes
        self.limit += other.limit
        self.recall_error = self._measured_error()

    # ------------------------------------------------------------------------------------------ description and on disk

    def describe(self) -> dict[str, Any]:
        """Description of the first episode's memory, as JSON values."""
        gram = self.state.gram
        spread = torch.linalg.eigvalsh(gram[0].cpu().double()).clamp(min=0)
        return {
            "rule": self.config.rule,
            "megabytes": self.num_bytes() / 2**20 / self.num_episodes,
            "key_width": gram.shape[1],
            "value_width": self.state.cross.shape[2],
            "directions_in_use": float((spread / (spread + self.config.ridge)).sum()),
            "entries_written": float(spread.sum()),
            "recall_error": float(self.recall_error[0]),
            "confidence": float(self.confidence[0]),
            "pose_steps_and_degrees": [
                float(self.pose[0, 0]),
                float(self.pose[0, 1]),
                float(self.pose[0, 2].rad2deg()),
            ],
            "chunks_in_journal": len(self.journal),
            "chunks_forgotten": sum(entry.values is None for entry in self._entries()),
            "episodes_merged_in": sum(block.merged_in and not block.reach for block in self.blocks),
        }

    def tensors(self) -> dict[str, Tensor]:
        """Tensors to save for the first episode."""
        tensors = {"ridge/gram": self.state.gram, "ridge/cross": self.state.cross, "ridge/pose": self.pose}
        if self.doubts[0] is not None:
            tensors["ridge/ways"] = self.doubts[0]
        for index, entry in enumerate(self._entries()):
            parts = {"poses": entry.poses, "values": entry.values, "weights": entry.weights}
            parts["recall_error"] = entry.recall_error
            tensors |= {f"journal/{index}/{name}": value for name, value in parts.items() if value is not None}
        for index, block in enumerate(self.blocks):
            if block.base is not None:
                tensors |= {f"base/{index}/gram": block.base.gram, f"base/{index}/cross": block.base.cross}
        return tensors

    def counts(self) -> dict[str, Any]:
        """The numbers to save with `tensors`, as JSON values."""
        return {
            "ridge_chunks": self.num_chunks,
            "journal": [entry.chunk for entry in self._entries()],
            "journal_ticks": [entry.tick for entry in self._entries()],
            "journal_limit": self.limit,
            "tick": self.tick,
            "blocks": [block.counts() for block in self.blocks],
        }

    def fill(self, tensors: Mapping[str, Tensor], counts: Mapping[str, Any]) -> None:
        """Fills an empty memory; files from before there were blocks have one, whose base is what the journal lacks."""
        device = self.pose.device

        def fitting(name: str, shape: tuple[int, ...]) -> Tensor:
            return _fitting(name, tensors[name], shape).to(device)

        gram, cross = self.state.gram.shape, self.state.cross.shape
        self.state = self.state.empty()
        self.state.gram, self.state.cross = fitting("ridge/gram", gram), fitting("ridge/cross", cross)
        self.pose = fitting("ridge/pose", self.pose.shape)
        ways = tensors.get("ridge/ways")
        if ways is not None:
            _fitting("ridge/ways", ways, (max(2, len(ways)), ways.shape[-2] if ways.dim() > 1 else 1, 3))
        self.doubts = (None if ways is None else ways.to(device),)
        chunks = [int(chunk) for chunk in counts["journal"]]
        rising = all(one < other for one, other in pairwise(chunks))
        ticks = counts.get("journal_ticks", [chunk + 1 for chunk in chunks] if rising else list(range(len(chunks))))
        entries = []
        for index, (chunk, tick) in enumerate(zip(chunks, ticks, strict=True)):
            entries.append(self._entry(index, chunk, int(tick), tensors).to(device))
        self.num_chunks = int(counts["ridge_chunks"])
        self.limit = int(counts.get("journal_limit", self.limit))
        self.tick = int(counts.get("tick", ticks[-1] if ticks else 0))
        counted = (self.num_chunks, self.limit - 1, self.tick)
        numbered = (*chunks, *(entry.tick for entry in entries))  # -1 and below: what a merge put before the start
        if not all(0 <= number < 2**31 for number in counted) or not all(abs(number) < 2**31 for number in numbered):
            raise ValueError("its counts are out of range")
        self.factor = None
        self._factor()  # impossible content cannot be solved for
        if "blocks" not in counts:
            block = Block(entries=tuple(entries))
            if chunks and chunks[0] >= 0 and self.config.rule == "least-squares":
                block = block.with_base_below(self.state, self.tick, self.keys)
            self.blocks = (block,)
            self.recall_error = self._measured_error()
            return
        blocks, place = [], 0
        for index, row in enumerate(counts["blocks"]):
            base = None
            if f"base/{index}/gram" in tensors:
                base = self.state.empty()
                base.gram, base.cross = fitting(f"base/{index}/gram", gram), fitting(f"base/{index}/cross", cross)
            own = tuple(entries[place : place + int(row["entries"])])
            place += int(row["entries"])
            blocks.append(Block(own, int(row["reach"]), bool(row["merged_in"]), base, int(row["base_tick"])))
        if place != len(entries) or not blocks:
            raise ValueError("its blocks do not hold its journal")
        self.blocks = tuple(blocks)
        self.recall_error = self._measured_error()

    def _entry(self, index: int, chunk: int, tick: int, tensors: Mapping[str, Tensor]) -> Written:
        """Reads one saved write of the journal.

        Raises:
            ValueError: its parts do not fit each other, or this memory.
        """

        def part(name: str, *shape: int) -> Tensor | None:
            key = f"journal/{index}/{name}"
            return _fitting(key, tensors[key], shape) if key in tensors else None

        key = f"journal/{index}/poses"
        frames = tensors[key].shape[1] if tensors[key].dim() == 3 else 1
        poses = _fitting(key, tensors[key], (1, frames, 3))
        values = part("values", 1, frames, self.num_columns, self.state.cross.shape[2])
        weights = part("weights", 1, frames * self.num_columns)
        if (values is None) != (weights is None) or not frames:
            raise ValueError(f"entry {index} of the journal does not fit itself")
        return Written(chunk, poses, values, weights, tick, part("recall_error", 1))

    def to(self, device: torch.device | str) -> None:
        """Moves all that the memory holds to a device."""
        self.state, self.pose = self.state.to(device), self.pose.to(device)
        self.recall_error = self.recall_error.to(device)
        self.doubts = tuple(None if ways is None else ways.to(device) for ways in self.doubts)
        self.blocks = tuple(block.to(device) for block in self.blocks)
        self.factor = None


def _fitting(name: str, value: Tensor, shape: tuple[int, ...]) -> Tensor:
    if tuple(value.shape) != shape or value.dtype != torch.float32:
        raise ValueError(f"{name} is {value.dtype} {list(value.shape)}, not torch.float32 {list(shape)}")
    return value
