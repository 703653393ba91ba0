"""Stepping through a world: `World.start`, `Session.step`, and batches of episodes side by side (Algorithm 1a).

Everything between two chunks stays in latents; frames are decoded when someone asks for them.
"""

from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from slowfast_vgen.diffusion.noising import Noising
from slowfast_vgen.diffusion.sampler import SamplerConfig, make_scheduler, sample_chunk
from slowfast_vgen.errors import UserError
from slowfast_vgen.images import frame_from_image
from slowfast_vgen.memory.config import MemoryConfig, MemorySetting
from slowfast_vgen.memory.episode import EpisodeMemory
from slowfast_vgen.memory.fast_learning import FastLearner, FastLearningConfig
from slowfast_vgen.memory.local import LocalRuleConfig
from slowfast_vgen.memory.local_learner import LocalLearner, LocalMemory
from slowfast_vgen.memory.lora import LoraConfig
from slowfast_vgen.memory.seeds import mixed_seed
from slowfast_vgen.memory.sessions import MEMORY_FOLDER, SavedSession, load_session, save_session
from slowfast_vgen.memory.store import read_memory_header
from slowfast_vgen.models.denoiser import DenoiserModule, Latents, Past
from slowfast_vgen.models.planar_address import PlanarAddress
from slowfast_vgen.models.text import TextEmbedding, validate_action
from slowfast_vgen.models.world_model import WorldModel
from slowfast_vgen.precision import check_precision, computing
from slowfast_vgen.types import Frames

CHUNK_NOISE = 0
"""Which stream of an episode's seed the sampler's noise comes from."""

MOST_REWINDS = 128
"""Chunks that a rollout can go back by."""


class World:
    """A loaded world model, ready to be stepped through. Any number of sessions may share one.

    In bfloat16 (`precision`) it is about twice as fast where the machine has instructions for it; its videos are others
    then, though hardly worse (docs/decisions/0003).
    """

    def __init__(self, model: WorldModel, precision: str = "float32") -> None:
        check_precision(precision)
        self.model, self.precision = model, precision
        self.noising = Noising(model.config.target)  # type: ignore[arg-type]
        self.scheduler = make_scheduler(self.noising.target)
        self.device = next(model.denoiser.parameters()).device

    @property
    def frame_size(self) -> tuple[int, int]:
        """Height and width of a frame in pixels."""
        return self.model.config.frame_height, self.model.config.frame_width

    def with_parts(
        self,
        denoiser: DenoiserModule | None = None,
        address: PlanarAddress | None = None,
        num_past_frames: int | None = None,
    ) -> "World":
        """The same world with another denoiser, other addresses or a longer past; what is not given is shared."""
        model = self.model
        config = model.config if num_past_frames is None else replace(model.config, num_past_frames=num_past_frames)
        return World(
            WorldModel(
                config, model.codec, denoiser or model.denoiser, model.text_encoder, address or model.address
            ).eval(),
            self.precision,
        )

    @property
    def shipped_memory(self) -> MemoryConfig:
        """The memory that `memory=True` stands for."""
        return MemoryConfig.from_json(self.model.config.memory)

    @property
    def paper_memory(self) -> MemoryConfig:
        """Eq. 3 as published, on the layers that the world's own LoRA has."""
        shipped = self.shipped_memory.lora
        layers = LoraConfig().layers if shipped is None else shipped.lora.layers
        return MemoryConfig(lora=FastLearningConfig(LoraConfig(layers=layers)))

    def memory_config(self, setting: MemorySetting) -> MemoryConfig | None:
        """The settings behind what a user gives as `memory`; None for no memory."""
        if setting is True:
            return self.shipped_memory
        if isinstance(setting, LocalRuleConfig):
            return MemoryConfig(local=setting)
        if isinstance(setting, FastLearningConfig):
            return MemoryConfig(lora=setting)
        return setting or None

    def start(
        self,
        image: Image.Image | Frames | str | Path,
        memory: "MemorySetting | EpisodeMemory" = True,
        seed: int = 0,
        num_sampling_steps: int | None = None,
    ) -> "Session":
        """A new episode from a start image.

        Args:
            image: a path, a Pillow image, or uint8 `[height, width, 3]`; other sizes are cut to the largest centred
                region of the frame's shape and resized (docs/conventions.md).
            memory: True for the world's own memory, a config for another, False for none; or a memory that was loaded
                or taken from another session, whose episode began where this one does.
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
        memory: "MemorySetting | EpisodeMemory",
        seeds: Sequence[int],
        num_sampling_steps: int | None = None,
    ) -> "Rollout":
        """Several episodes, each with its own seed and memory; `images` are uint8 `[episodes, height, width, 3]`.

        A memory that is given as such is where every one of them begins; it is copied, not changed.
        """
        assert len(images) == len(seeds)
        for seed in seeds:
            if not 0 <= seed < 2**31:
                raise UserError(f"a seed is a whole number from 0 to 2147483647, got {seed}")
        steps = self.model.config.num_sampling_steps if num_sampling_steps is None else num_sampling_steps
        sampler = SamplerConfig(steps)
        history = self.model.codec.encode(torch.from_numpy(np.ascontiguousarray(images)).to(self.device))[:, None]
        if not isinstance(memory, EpisodeMemory):
            rollout = Rollout(self, sampler, self.memory_config(memory), seeds, history)
            rollout.write_start()
            return rollout
        if memory.base_fingerprint != self.model.fingerprint or len(images) != 1:
            raise UserError("a memory goes on with one episode, in the world whose weights it was learned on")
        rollout = Rollout(self, sampler, memory.config, seeds, history)
        rollout.memory = memory.fork()
        rollout.memory.begin_again()
        rollout.write_start()
        return rollout

    def learners(self, config: MemoryConfig | None) -> tuple[LocalLearner | None, FastLearner | None]:
        """What writes and reads memories of these settings in this world.

        Raises:
            UserError: a local rule in a world without addresses.
        """
        local_learner = learner = None
        model = self.model
        if config is not None and config.local is not None:
            if model.address is None:
                raise UserError(
                    f"the world {model.config.name!r} has no addresses for a local memory; pack it with --address, or "
                    "choose another rule"
                )
            local_learner = LocalLearner(model.denoiser, model.address, config.local, model.latent_shape)
        if config is not None and config.lora is not None:
            null_text = model.text_encoder.null
            learner = FastLearner(
                model.denoiser, self.noising, lambda batch: null_text(batch, self.device), config.lora, self.precision
            )
        return local_learner, learner

    def load_memory(self, folder: str | Path) -> EpisodeMemory:
        """A memory that `EpisodeMemory.save` wrote.

        Raises:
            UserError: no memory there, damaged files, or one of other weights.
        """
        config = MemoryConfig.from_json(read_memory_header(Path(folder))["config"])
        local_learner, learner = self.learners(config)
        memory = EpisodeMemory(
            config,
            self.model.fingerprint,
            local_learner.fresh(1) if local_learner else None,
            learner.fresh([0]) if learner else None,
            local_learner,
        )
        memory.load(folder)
        return memory

    def resume(self, folder: str | Path) -> "Session":
        """Goes on with a session that `Session.save` wrote; the next chunk is bit-identical to an uninterrupted run's.

        Raises:
            UserError: no session there, damaged files, or a session of other weights.
        """
        saved = load_session(Path(folder), self.model.fingerprint, self.model.config.name, self.model.latent_shape)
        sampler = SamplerConfig(saved.num_sampling_steps)
        rollout = Rollout(self, sampler, saved.memory_config, [saved.seed], saved.history.to(self.device))
        rollout.num_chunks = saved.num_chunks
        rollout.earlier.extend(each.to(self.device) for each in saved.earlier)
        if rollout.memory is not None:
            rollout.memory.load(Path(folder) / MEMORY_FOLDER)
        frame = self.model.codec.decode(rollout.history[0, -1:])[0].cpu().numpy()
        return Session(rollout, frame)


class Rollout:
    """Episodes side by side in one batch. Each has its own seed, action and memory, and goes as it would alone."""

    def __init__(
        self,
        world: World,
        sampler: SamplerConfig,
        memory: MemoryConfig | None,
        seeds: Sequence[int],
        history: Latents,
    ) -> None:
        self.world, self.sampler, self.seeds = world, sampler, tuple(seeds)
        self.history = history
        """The latest frames' latents, at most `f_p` of them."""
        self.num_chunks = 0
        self.earlier: deque[Latents] = deque(maxlen=MOST_REWINDS)
        """The history before each of the latest chunks."""
        self._past: Past | None = None
        self.local_learner, self.learner = world.learners(memory)
        self.memory: EpisodeMemory | None = None
        if memory is not None:
            self.memory = EpisodeMemory(
                memory,
                world.model.fingerprint,
                self.local_learner.fresh(len(self.seeds)) if self.local_learner else None,
                self.learner.fresh(self.seeds) if self.learner else None,
                self.local_learner,
            )

    def step(self, actions: Sequence[str]) -> Latents:
        """The next chunk of every episode, latents `[episodes, f_g, channels, h, w]`; memory learns from it."""
        new = self.predict(actions)
        self._take_in(new, self.world.model.text_encoder(list(actions)))
        return new

    def predict(self, actions: Sequence[str]) -> Latents:
        """The chunk that `step` would give, without going on to it."""
        with torch.no_grad(), self._applied():
            return self._sample(self._encode_history(), actions)

    def predict_after(self, frames: Latents, actions: Sequence[str]) -> Latents:
        """The same, after other frames than the latest ones: any number that the denoiser was trained on."""
        with torch.no_grad(), self._applied():
            return self._sample(self._encode(frames), actions)

    def _sample(self, past: Past, actions: Sequence[str]) -> Latents:
        assert len(actions) == len(self.seeds)
        model, world = self.world.model, self.world
        noise = self._noise(model.config.num_new_frames)
        text = model.text_encoder(list(actions))
        recall = None
        if self.local_learner is not None:
            recall = self.local_learner.recall(self._local, text, model.config.num_new_frames)
        null_text = model.text_encoder.null(len(actions), world.device)
        with computing(world.device, world.precision):
            return sample_chunk(model.denoiser, world.scheduler, self.sampler, past, text, null_text, noise, recall)

    def observe(
        self, frames: UInt8[Tensor, "episodes f_g height width 3"], actions: Sequence[str] | None = None
    ) -> None:
        """Takes true frames as the next chunk instead of generating one; the memory learns from them likewise.

        Raises:
            UserError: no actions, where the memory must know where they lead.
        """
        self.observe_latents(self.world.model.codec.encode(frames.to(self.world.device)), actions)

    def observe_latents(self, new: Latents, actions: Sequence[str] | None = None) -> None:
        """As `observe`, for a chunk that is in latents already."""
        reads_actions = self.local_learner is not None or (
            self.learner is not None and self.learner.config.rule == "denoising-original"
        )
        if actions is None and reads_actions:
            raise UserError("this memory must be told the actions of the frames that it is shown; give them")
        encoder = self.world.model.text_encoder
        text = encoder(list(actions)) if actions is not None else encoder.null(len(self.seeds), self.world.device)
        self._take_in(new, text)

    @property
    def _local(self) -> LocalMemory:
        assert self.memory is not None and self.memory.local is not None
        return self.memory.local

    def _applied(self) -> AbstractContextManager[None]:
        if self.learner is None or self.memory is None or self.memory.lora is None:
            return nullcontext()
        return self.learner.applied(self.memory.lora)

    def _encode_history(self) -> Past:
        """What the denoiser makes of the latest frames; a local memory has it made already, when it wrote them."""
        return self._encode(self.history) if self._past is None else self._past

    def _encode(self, frames: Latents) -> Past:
        levels = torch.zeros(frames.shape[:2], device=self.world.device)
        with computing(self.world.device, self.world.precision):
            return self.world.model.denoiser.encode_past(frames, levels)

    def write_start(self) -> None:
        """The local memory takes in the start image, where it stands."""
        if self.local_learner is not None:
            self._write(self._local.pose[:, None])

    def _write(self, poses: Float[Tensor, "episodes frames 3"]) -> None:
        assert self.local_learner is not None
        self._past = None
        with torch.no_grad(), self._applied():
            self._past = self._encode_history()
            self.local_learner.write(self._local, poses, self._past, self.history)

    def _take_in(self, new: Latents, text: TextEmbedding) -> None:
        before = self.history
        self.earlier.append(before)
        self.history = torch.cat([before, new], dim=1)[:, -self.world.model.config.num_past_frames :]
        self.num_chunks += 1
        if self.learner is not None and self.memory is not None and self.memory.lora is not None:
            window = torch.cat([before, new], dim=1)
            self.learner.learn(self.memory.lora, window, before.shape[1], text)
        if self.local_learner is not None:
            self._write(self.local_learner.follow(self._local, text, before[:, -1:], new))

    def fork(self) -> "Rollout":
        """The same episodes once more, to go on in another way."""
        other = Rollout(self.world, self.sampler, None, self.seeds, self.history)
        other.num_chunks, other.earlier = self.num_chunks, self.earlier.copy()
        other.learner, other.local_learner = self.learner, self.local_learner
        other.memory = None if self.memory is None else self.memory.fork()
        return other

    def rewind(self, chunks: int) -> None:
        """Takes every episode back by `chunks` chunks, memory included.

        Raises:
            UserError: further than the rollout or its memory goes back; nothing is changed then.
        """
        if not 0 <= chunks <= len(self.earlier):
            raise UserError(f"cannot go back by {chunks} chunks; this session can go back by 0 to {len(self.earlier)}")
        if self.memory is not None:
            self.memory.rewind(chunks)
        for _ in range(chunks):
            self.history = self.earlier.pop()
        self.num_chunks -= chunks
        self._past = None

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

    def rewind(self, chunks: int) -> Frames:
        """Takes the session back by `chunks` chunks, memory included, and shows the frame where it stands then.

        What comes next has the noise that it had the first time: the same action gives the same chunk, but for the
        rounding of a local memory's subtraction.

        Raises:
            UserError: further than the session or its memory goes back; nothing is changed then.
        """
        self._rollout.rewind(chunks)
        return self._rollout.world.model.codec.decode(self._rollout.history[0, -1:])[0].cpu().numpy()

    def fork(self) -> "Session":
        """An independent session that stands where this one does and remembers the same."""
        return Session(self._rollout.fork(), self.start_frame)

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
        """Writes the session atomically: its memory, the latest frames' latents, seed, count, checksums.

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
            memory_config=rollout.memory.config if rollout.memory else None,
            history=rollout.history,
            earlier=tuple(rollout.earlier),
        )
        save_session(Path(folder), saved, rollout.memory)
