"""Stepping through a world: `World.start`, `Session.step`, and batches of episodes side by side (Algorithm 1a).

Everything between two chunks stays in latents; frames are decoded when someone asks for them.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from slowfast_vgen.diffusion.noising import Noising
from slowfast_vgen.diffusion.sampler import SamplerConfig, make_scheduler, sample_chunk
from slowfast_vgen.errors import UserError
from slowfast_vgen.images import frame_from_image
from slowfast_vgen.memory.fast_learning import EpisodeMemory, FastLearner, FastLearningConfig, LearningReport
from slowfast_vgen.memory.seeds import mixed_seed
from slowfast_vgen.memory.store import SavedSession, fast_learning_from_json, load_session, save_session
from slowfast_vgen.models.denoiser import Latents
from slowfast_vgen.models.text import validate_action
from slowfast_vgen.models.world_model import WorldModel
from slowfast_vgen.types import Frames

CHUNK_NOISE = 0
"""Which stream of an episode's seed the sampler's noise comes from."""


class World:
    """A loaded world model, ready to be stepped through. Any number of sessions may share one."""

    def __init__(self, model: WorldModel) -> None:
        self.model = model
        self.noising = Noising(model.config.target)  # type: ignore[arg-type]
        self.scheduler = make_scheduler(self.noising.target)
        self.device = next(model.denoiser.parameters()).device

    @property
    def frame_size(self) -> tuple[int, int]:
        """Height and width of a frame in pixels."""
        return self.model.config.frame_height, self.model.config.frame_width

    @property
    def shipped_fast_learning(self) -> FastLearningConfig:
        """The fast-learning settings that `memory=True` stands for."""
        return fast_learning_from_json(self.model.config.fast_learning)

    def start(
        self,
        image: Image.Image | Frames | str | Path,
        memory: bool | FastLearningConfig = True,
        seed: int = 0,
        num_sampling_steps: int | None = None,
    ) -> "Session":
        """A new episode from a start image.

        Args:
            image: a path, a Pillow image, or uint8 `[height, width, 3]`; other sizes are cut to the largest centred
                region of the frame's shape and resized (docs/conventions.md).
            memory: True for the world's own fast-learning settings, a config for others, False for none.
            seed: the same seed, image and actions give the same video, bit for bit, on the same machine.
            num_sampling_steps: None for the world's own number.

        Raises:
            UserError: an image that cannot be used, a seed or number of steps out of range.
        """
        frame = frame_from_image(image, *self.frame_size)
        rollout = self.start_batch(frame[None], memory, [seed], num_sampling_steps)
        return Session(rollout, frame)

    def start_batch(
        self,
        images: Frames,
        memory: bool | FastLearningConfig,
        seeds: Sequence[int],
        num_sampling_steps: int | None = None,
    ) -> "Rollout":
        """Several episodes, each with its own seed and memory; `images` are uint8 `[episodes, height, width, 3]`."""
        assert len(images) == len(seeds)
        for seed in seeds:
            if not 0 <= seed < 2**31:
                raise UserError(f"a seed is a whole number from 0 to 2147483647, got {seed}")
        config = self.shipped_fast_learning if memory is True else memory
        steps = self.model.config.num_sampling_steps if num_sampling_steps is None else num_sampling_steps
        sampler = SamplerConfig(steps)
        history = self.model.codec.encode(torch.from_numpy(np.ascontiguousarray(images)).to(self.device))[:, None]
        return Rollout(self, sampler, config or None, seeds, history)

    def resume(self, folder: str | Path) -> "Session":
        """Goes on with a session that `Session.save` wrote; the next chunk is bit-identical to an uninterrupted run's.

        Raises:
            UserError: no session there, damaged files, or a session of other weights.
        """
        saved = load_session(Path(folder), self.model.fingerprint, self.model.config.name, self.model.latent_shape)
        sampler = SamplerConfig(saved.num_sampling_steps)
        rollout = Rollout(self, sampler, saved.fast_learning, [saved.seed], saved.history.to(self.device))
        rollout.num_chunks = saved.num_chunks
        if saved.fast_learning is not None:
            rollout.memory = saved.restore_memory(rollout.learner)
        frame = self.model.codec.decode(rollout.history[0, -1:])[0].cpu().numpy()
        return Session(rollout, frame)


class Rollout:
    """Episodes side by side in one batch. Each has its own seed, action and memory, and goes as it would alone."""

    def __init__(
        self,
        world: World,
        sampler: SamplerConfig,
        fast_learning: FastLearningConfig | None,
        seeds: Sequence[int],
        history: Latents,
    ) -> None:
        self.world, self.sampler, self.seeds = world, sampler, tuple(seeds)
        self.history = history
        """The latest frames' latents, at most `f_p` of them."""
        self.num_chunks = 0
        self.learner: FastLearner | None = None
        self.memory: EpisodeMemory | None = None
        if fast_learning is not None:
            null_text = world.model.text_encoder.null
            self.learner = FastLearner(
                world.model.denoiser, world.noising, lambda batch: null_text(batch, world.device), fast_learning
            )
            self.memory = self.learner.fresh(seeds)

    def step(self, actions: Sequence[str]) -> Latents:
        """The next chunk of every episode, latents `[episodes, f_g, channels, h, w]`; memory learns from it."""
        assert len(actions) == len(self.seeds)
        model, world = self.world.model, self.world
        noise = self._noise(model.config.num_new_frames)
        with torch.no_grad():
            text = model.text_encoder(list(actions))
            null_text = model.text_encoder.null(len(actions), world.device)
            with self.learner.applied(self.memory) if self.learner and self.memory else nullcontext():
                past = model.denoiser.encode_past(
                    self.history, torch.zeros(self.history.shape[:2], device=world.device)
                )
                new = sample_chunk(model.denoiser, world.scheduler, self.sampler, past, text, null_text, noise)
        self._take_in(new)
        return new

    def observe(self, frames: UInt8[Tensor, "episodes f_g height width 3"]) -> None:
        """Takes true frames as the next chunk instead of generating one; the memory learns from them likewise."""
        self.observe_latents(self.world.model.codec.encode(frames.to(self.world.device)))

    def observe_latents(self, new: Latents) -> None:
        """As `observe`, for a chunk that is in latents already."""
        self._take_in(new)

    def _take_in(self, new: Latents) -> LearningReport | None:
        window = torch.cat([self.history, new], dim=1)
        report = None
        if self.learner is not None and self.memory is not None:
            report = self.learner.learn(self.memory, window)
        self.history = window[:, -self.world.model.config.num_past_frames :]
        self.num_chunks += 1
        return report

    def _noise(self, num_frames: int) -> Latents:
        shape = (num_frames, *self.world.model.latent_shape)
        draws = [
            torch.randn(shape, generator=torch.Generator().manual_seed(mixed_seed(seed, CHUNK_NOISE, self.num_chunks)))
            for seed in self.seeds
        ]
        return torch.stack(draws).to(self.world.device)


class Session:
    """One episode: `frames = session.step("turn left")`."""

    def __init__(self, rollout: Rollout, frame: Frames) -> None:
        self._rollout = rollout
        self.start_frame = frame
        """The frame that the session begins with, uint8 `[height, width, 3]`."""

    @property
    def num_chunks(self) -> int:
        """Chunks generated so far, those before a resume included."""
        return self._rollout.num_chunks

    @property
    def memory(self) -> EpisodeMemory | None:
        """The episode's fast weights; None for a session without memory."""
        return self._rollout.memory

    def step(self, action: str) -> Frames:
        """Generates the next chunk: uint8 `[f_g, height, width, 3]`.

        Raises:
            UserError: an action that is empty, too long or not text; nothing is generated then.
        """
        validate_action(action)
        latents = self._rollout.step([action])
        if not bool(latents.isfinite().all()):
            raise UserError("the model gave frames that are not finite; start a new session or load other weights")
        return self._rollout.world.model.codec.decode(latents[0]).cpu().numpy()

    def save(self, folder: str | Path) -> None:
        """Writes the session atomically: memory in PEFT's layout, the latest frames' latents, seed, count, checksums.

        Raises:
            UserError: the folder cannot be written.
        """
        rollout = self._rollout
        saved = SavedSession(
            world=rollout.world.model.config.name,
            base_fingerprint=rollout.world.model.fingerprint,
            seed=rollout.seeds[0],
            num_chunks=rollout.num_chunks,
            num_sampling_steps=rollout.sampler.num_steps,
            fast_learning=rollout.learner.config if rollout.learner else None,
            history=rollout.history,
        )
        save_session(Path(folder), saved, rollout.memory)
