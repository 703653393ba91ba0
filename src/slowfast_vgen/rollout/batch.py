"""Batched episodes, rolled out chunk by chunk (Algorithm 1a)."""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from slowfast_vgen.diffusion.sampler import SamplerConfig, sample_chunk
from slowfast_vgen.errors import UserError
from slowfast_vgen.given import whole
from slowfast_vgen.memory.episode import EpisodeMemory
from slowfast_vgen.memory.fast_weights import Chunk, Start
from slowfast_vgen.models.denoiser import DenoiserModule, Latents, Past, PatchFeatures
from slowfast_vgen.models.text import TextEmbedding
from slowfast_vgen.precision import computing
from slowfast_vgen.rollout.telling import ToldAction, tell
from slowfast_vgen.seeds import mixed_seed

if TYPE_CHECKING:
    from slowfast_vgen.rollout.world import WorldModel

CHUNK_NOISE = 0
"""Stream of an episode's seed that the sampler's noise comes from."""

MOST_REWINDS = 128
"""Most chunks that a rollout can be rewound by."""


class Rollout:
    """Batched episodes. Each has its own seed, action and memory, and gives the result that it would give alone."""

    def __init__(
        self,
        world: "WorldModel",
        sampler: SamplerConfig,
        memory: EpisodeMemory | None,
        seeds: Sequence[int],
        history: Latents,
    ) -> None:
        self.world, self.sampler, self.memory, self.seeds = world, sampler, memory, tuple(seeds)
        if memory is not None:
            memory.is_in_session = True
        self.history = history
        """The latest frames' latents, at most `f_p` of them."""
        self.num_chunks = 0
        self.earlier: deque[Latents] = deque(maxlen=MOST_REWINDS)
        """The history before each of the latest chunks."""
        self._past: Past | None = None
        self._past_changes = 0
        """Value of `EpisodeMemory.changes` when `_past` was made."""
        self.strict: bool | None = None
        """Treatment of actions that are not understood: see `telling.tell`."""
        self.latest: tuple[ToldAction, ...] = ()
        """The latest actions, as they were understood."""

    def __repr__(self) -> str:
        episodes = "1 episode" if len(self.seeds) == 1 else f"{len(self.seeds)} episodes"
        return f"<Rollout of {self.world.model.config.full_name}: {episodes}, {self.num_chunks} chunks, {self.memory}>"

    def step(self, actions: Sequence[str]) -> Latents:
        """Generates every episode's next chunk, latents `[episodes, f_g, channels, h, w]`; memory learns from it."""
        before = self.snapshot()
        try:
            texts = self._tell(actions)
            new = self._predict(texts)
            self._take_in(new, self.world.model.text_encoder(texts))
            return new
        except BaseException:
            self.restore(before)
            raise

    def predict(self, actions: Sequence[str]) -> Latents:
        """The chunk that `step` would give; the rollout itself does not advance."""
        return self._predict(self._tell(actions))

    def predict_after(self, frames: Latents, actions: Sequence[str]) -> Latents:
        """The chunk that would follow `frames` in place of the latest ones, as many as the denoiser was trained on."""
        texts = self._tell(actions)
        with torch.no_grad(), self._applied() as denoiser:
            return self._sample(denoiser, self._encode(denoiser, frames), texts)

    def _tell(self, actions: Sequence[str]) -> list[str]:
        """The texts that the networks are given; all actions pass through here."""
        self.latest = tell(self.world.actions, actions, self.strict, stacklevel=5)
        return [action.text for action in self.latest]

    def _predict(self, texts: list[str]) -> Latents:
        with torch.no_grad(), self._applied() as denoiser:
            return self._sample(denoiser, self._encode_history(denoiser), texts)

    def _sample(self, denoiser: DenoiserModule, past: Past, texts: list[str]) -> Latents:
        assert len(texts) == len(self.seeds)
        model, world = self.world.model, self.world
        noise = self._noise(model.config.num_new_frames)
        text = model.text_encoder(texts)
        recall = None if self.memory is None else self.memory.recall(text, model.config.num_new_frames)
        null_text = model.text_encoder.null(len(texts), world.device)
        with computing(world.device, world.precision):
            return sample_chunk(denoiser, world.scheduler, self.sampler, past, text, null_text, noise, recall)

    def observe(
        self, frames: UInt8[Tensor, "episodes f_g height width 3"], actions: Sequence[str] | None = None
    ) -> None:
        """Takes true frames as the next chunk instead of generating one; the memory learns from them in the same way.

        Raises:
            UserError: no actions, where the memory must know where they lead; or frames of another size.
        """
        self.observe_latents(self.world.encode(frames), actions)

    def observe_latents(self, new: Latents, actions: Sequence[str] | None = None) -> None:
        """Takes a chunk of latents as the next one instead of generating it, as `observe` does with frames."""
        if actions is None and self.memory is not None and self.memory.needs_actions:
            raise UserError("this memory needs the actions of the frames that it is shown; give them")
        encoder = self.world.model.text_encoder
        text = encoder(self._tell(actions)) if actions is not None else encoder.null(len(self.seeds), self.world.device)
        self._take_in(new, text)

    def snapshot(self) -> Any:
        """A state for `restore` to return to; it costs next to nothing."""
        memory = None if self.memory is None else self.memory.snapshot()
        return self.__dict__ | {"earlier": self.earlier.copy()}, memory

    def restore(self, snapshot: Any) -> None:
        """Returns to the state of a snapshot, whatever was left unfinished since, by an error or Ctrl-C."""
        attributes, memory = snapshot
        self.__dict__.update(attributes)
        if self.memory is not None:
            self.memory.restore(memory)

    @contextmanager
    def _applied(self) -> Iterator[DenoiserModule]:
        denoiser = self.world.model.denoiser
        if self.memory is None:
            yield denoiser
        else:
            with self.memory.applied(denoiser) as applied:
                yield applied

    def _encode_history(self, denoiser: DenoiserModule) -> Past:
        """The denoiser's encoding of the latest frames; it may exist already if a memory needed it to write them."""
        if self._past is not None and self._past_changes == self._memory_changes:
            return self._past
        return self._encode(denoiser, self.history)

    @property
    def _memory_changes(self) -> int:
        return 0 if self.memory is None else self.memory.changes

    def _encode(self, denoiser: DenoiserModule, frames: Latents) -> Past:
        levels = torch.zeros(frames.shape[:2], device=self.world.device)
        with computing(self.world.device, self.world.precision):
            return denoiser.encode_past(frames, levels)

    def _features(self) -> PatchFeatures | None:
        """The denoiser's features of the latest frames for a memory to keep; the past is encoded on the way."""
        with torch.no_grad(), self._applied() as denoiser:
            self._past, self._past_changes = self._encode_history(denoiser), self._memory_changes
            return denoiser.memory_features(self._past)

    def write_start(self) -> None:
        """Writes the start image into the memory, at the current pose."""
        self._past = None
        if self.memory is not None:
            self.memory.begin(Start(self.history, self._features))

    def _take_in(self, new: Latents, text: TextEmbedding) -> None:
        if not new.is_meta and not bool(new.isfinite().all()):
            raise UserError(
                "the model gave frames that are not finite, and no memory takes them in; begin again, or load other "
                "weights"
            )
        snapshot, before = self.snapshot(), self.history
        try:
            self.earlier.append(before)
            self.history = torch.cat([before, new], dim=1)[:, -self.world.model.config.num_past_frames :]
            self.num_chunks += 1
            self._past = None
            if self.memory is not None:
                self.memory.write(Chunk(before, new, text, self._features))
        except BaseException:
            self.restore(snapshot)
            raise

    def fork(self) -> "Rollout":
        """An independent copy of the episodes, to be continued in another way."""
        memory = None if self.memory is None else self.memory.fork()
        other = Rollout(self.world, self.sampler, memory, self.seeds, self.history)
        other.num_chunks, other.earlier = self.num_chunks, self.earlier.copy()
        other.strict, other.latest = self.strict, self.latest
        return other

    def rewind(self, chunks: int) -> None:
        """Takes every episode back by `chunks` chunks, memory included.

        Raises:
            UserError: further than the rollout or its memory goes back; nothing is changed then.
        """
        chunks = whole(chunks, "a session goes back by a whole number of chunks")
        if not 0 <= chunks <= len(self.earlier):
            raise UserError(f"cannot go back by {chunks} chunks; this session can go back by 0 to {len(self.earlier)}")
        snapshot = self.snapshot()
        try:
            if self.memory is not None:
                self.memory.rewind_steps(chunks)
            for _ in range(chunks):
                self.history = self.earlier.pop()
            self.num_chunks -= chunks
            self._past = None
        except BaseException:
            self.restore(snapshot)
            raise

    def _noise(self, num_frames: int) -> Latents:
        shape = (num_frames, *self.world.model.latent_shape)
        draws = [
            torch.randn(shape, generator=torch.Generator().manual_seed(mixed_seed(seed, CHUNK_NOISE, self.num_chunks)))
            for seed in self.seeds
        ]
        return torch.stack(draws).to(self.world.device)
