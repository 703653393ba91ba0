"""A loaded world model: `WorldModel.start` begins an episode, `WorldModel.start_batch` a batch of them."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from slowfast_vgen.diffusion.noising import Noising
from slowfast_vgen.diffusion.sampler import SamplerConfig, make_scheduler
from slowfast_vgen.errors import SlowFastWarning, UserError
from slowfast_vgen.given import whole
from slowfast_vgen.images import frame_from_image
from slowfast_vgen.memory.config import MemoryConfig, MemorySetting, memory_by_name
from slowfast_vgen.memory.episode import EpisodeMemory
from slowfast_vgen.memory.fast_weights import Host
from slowfast_vgen.memory.ridge import RidgeConfig
from slowfast_vgen.memory.sessions import MEMORY_FOLDER, load_session, read_memory_of
from slowfast_vgen.memory.settings import FastLearningConfig, LoraConfig
from slowfast_vgen.models.addressing.address import PlanarAddress
from slowfast_vgen.models.denoiser import DenoiserModule
from slowfast_vgen.models.text import KNOWN
from slowfast_vgen.models.vocabulary import Vocabulary
from slowfast_vgen.models.world_model import WorldWeights
from slowfast_vgen.precision import check_precision
from slowfast_vgen.rollout.batch import Rollout
from slowfast_vgen.rollout.session import Session
from slowfast_vgen.rollout.telling import checked_strict
from slowfast_vgen.types import Frames


class WorldModel:
    """A loaded world model, ready to be rolled out. Any number of sessions may share one.

    In bfloat16 (`precision`) it is about twice as fast where the machine has instructions for it; its videos then
    differ, though they are hardly worse (docs/decisions/0003).
    """

    def __init__(self, model: WorldWeights, precision: str = "float32") -> None:
        check_precision(precision)
        self.model, self.precision = model, precision
        self.noising = Noising(model.config.target)  # type: ignore[arg-type]
        self.scheduler = make_scheduler(self.noising.target)
        self.device = next(model.denoiser.parameters()).device

    def __repr__(self) -> str:
        config, memory = self.model.config, self.shipped_memory or "no memory of its own"
        size = f"{config.frame_width}x{config.frame_height}"
        return f"<WorldModel {config.full_name}: {size}, {self.precision} on {self.device}, {memory}>"

    @property
    def frame_size(self) -> tuple[int, int]:
        """Height and width of a frame in pixels."""
        return self.model.config.frame_height, self.model.config.frame_width

    @property
    def actions(self) -> Vocabulary | None:
        """The vocabulary of the world; None where it is not written down, and every text is taken as it is."""
        return self.model.vocabulary

    def with_parts(
        self,
        denoiser: DenoiserModule | None = None,
        address: PlanarAddress | None = None,
        num_past_frames: int | None = None,
    ) -> "WorldModel":
        """A world with another denoiser, other addresses or a longer past; parts that are not given are shared.

        Raises:
            UserError: a denoiser of other latents.
        """
        model = self.model
        if denoiser is not None:
            model.check_fits(denoiser)
        config = model.config if num_past_frames is None else replace(model.config, num_past_frames=num_past_frames)
        return WorldModel(
            WorldWeights(
                config,
                model.codec,
                denoiser or model.denoiser,
                model.text_encoder,
                address or model.address,
                model.vocabulary,
            ).eval(),
            self.precision,
        )

    @property
    def shipped_memory(self) -> MemoryConfig:
        """The memory that `memory=True` selects; without rules (and false) in a world that has none of its own."""
        return MemoryConfig.from_json(self.model.config.memory)

    @property
    def paper_memory(self) -> MemoryConfig:
        """The memory of eq. 3 as published, on the layers that the world's own LoRA has."""
        shipped = self.shipped_memory.lora
        layers = () if shipped is None else shipped.lora.layers
        return MemoryConfig(lora=FastLearningConfig(LoraConfig(layers=layers)))

    def memory_config(self, setting: MemorySetting) -> MemoryConfig | None:
        """The settings of a memory that a user gives as `memory`; None for no memory.

        Raises:
            UserError: an unknown name, or another kind of value.
        """
        if setting is True:
            return self.shipped_memory
        if isinstance(setting, str):
            return memory_by_name(setting, self.shipped_memory)
        if isinstance(setting, RidgeConfig):
            return MemoryConfig(ridge=setting)
        if isinstance(setting, FastLearningConfig):
            return MemoryConfig(lora=setting)
        if setting is not None and not isinstance(setting, bool | MemoryConfig):
            raise UserError(f"a {type(setting).__name__} is no memory; give True, False, a name or a MemoryConfig")
        return setting or None

    def start(
        self,
        image: Image.Image | Frames | torch.Tensor | str | Path,
        memory: "MemorySetting | EpisodeMemory" = True,
        seed: int = 0,
        num_sampling_steps: int | None = None,
        strict: bool | None = None,
        guidance_scale: float = 1.0,
    ) -> Session:
        """A new episode from a start image.

        Args:
            image: a path, a Pillow image, uint8 `[height, width, 3]`, or a tensor, `[3, height, width]` or
                `[height, width, 3]`, of uint8 or of values from 0 to 1; other sizes are cut to the largest centred
                region of the frame's shape and resized (docs/conventions.md).
            memory: True for the world's own memory, which may be none; a name as `--memory` takes it ("on", "off",
                "ridge", ...) or a config for another, False for none; or a memory that was loaded or taken from
                another session, whose episode began where this one does.
            seed: the same seed, image and actions give the same video, bit for bit, on the same machine.
            num_sampling_steps: None for the world's own number.
            strict: what to do with an action that is not understood or says what not to do: None takes the action that
                does nothing, with an `ActionWarning`; True refuses it; False takes the nearest action. Worlds of free
                narrations keep every text, and warn or, where this is True, refuse.
            guidance_scale: strength of the action (classifier-free guidance, arXiv 2207.12598): 1 is off; anything else
                takes twice as long.

        Raises:
            UserError: an image that cannot be used; a seed, number of steps or scale out of range.
        """
        frame = frame_from_image(image, *self.frame_size)
        rollout = self.start_batch(frame[None], memory, [seed], num_sampling_steps, guidance_scale)
        rollout.strict = checked_strict(strict)
        return Session(rollout, frame)

    def start_batch(
        self,
        images: Frames,
        memory: "MemorySetting | EpisodeMemory",
        seeds: Sequence[int],
        num_sampling_steps: int | None = None,
        guidance_scale: float = 1.0,
    ) -> Rollout:
        """Several episodes, each with its own seed and memory; `images` are uint8 `[episodes, height, width, 3]`.

        A memory object is the start of every one of them; it is copied, not changed.

        Raises:
            UserError: images of another size than the world's; or as `start`.
        """
        assert len(images) == len(seeds)
        seeds = [whole(seed, "a seed is a whole number from 0 to 2147483647", 0, 2**31 - 1) for seed in seeds]
        steps = self.model.config.num_sampling_steps if num_sampling_steps is None else num_sampling_steps
        sampler = SamplerConfig(steps, guidance_scale)
        history = self.encode(torch.from_numpy(np.ascontiguousarray(images)))[:, None]
        if isinstance(memory, EpisodeMemory):
            if memory.base_fingerprint != self.model.fingerprint or {len(images), memory.num_episodes} != {1}:
                raise UserError("a memory continues one episode, in the world whose weights it was learned on")
            memory = memory.fork().to(self.device)
            memory.begin_again()
            begun: EpisodeMemory | None = memory
        else:
            begun = self.fresh_memory(self.memory_config(memory), seeds)
        rollout = Rollout(self, sampler, begun, seeds, history)
        rollout.write_start()
        return rollout

    def encode(self, frames: UInt8[Tensor, "*batch height width 3"]) -> Float[Tensor, "*batch channels h w"]:
        """The latents of frames, on the world's device.

        Raises:
            UserError: frames of another size than the world's.
        """
        if tuple(frames.shape[-3:-1]) != self.frame_size:
            given, wanted = (f"{width}x{height}" for height, width in (frames.shape[-3:-1], self.frame_size))
            raise UserError(
                f"the frames are {given} and those of the world {self.model.config.name!r} are {wanted}; give "
                "frames of its size, or a world of theirs"
            )
        return self.model.codec.encode(frames.to(self.device))

    @cached_property
    def host(self) -> Host:
        """The parts of this world that memories use."""
        model = self.model
        return Host(
            world=model.config.name,
            denoiser=model.denoiser,
            noising=self.noising,
            latent_shape=model.latent_shape,
            null_text=lambda batch: model.text_encoder.null(batch, self.device),
            device=self.device,
            address=model.address,
            precision=self.precision,
        )

    def fresh_memory(self, config: MemoryConfig | None, seeds: Sequence[int]) -> EpisodeMemory | None:
        """Empty memories with the rules of `config`, one a seed; None for no rules.

        Raises:
            UserError: one of the rules cannot act in this world: a ridge rule without addresses, for example.
        """
        return EpisodeMemory.fresh(self.host, config, self.model.fingerprint, seeds) if config else None

    def load_memory(self, folder: str | Path) -> EpisodeMemory:
        """Loads a memory that `EpisodeMemory.save` wrote, or the memory of a saved session.

        Raises:
            UserError: no memory there, damaged files, or one of other weights.
        """
        saved = read_memory_of(Path(folder), self.model.fingerprint)
        memory = self.fresh_memory(saved.config, [0])
        if memory is None:
            raise UserError(f"the memory in {folder} has no rule, so it holds nothing; load another one")
        memory.take(saved, Path(folder))
        return memory

    def resume(self, folder: str | Path, strict: bool | None = None) -> Session:
        """Resumes a session that `Session.save` wrote; the next chunk is bit-identical to an uninterrupted run's.

        It warns where the session was computed in another precision or with another number of threads.
        `strict` is as in `start`.

        Raises:
            UserError: no session there, damaged files, or a session of other weights.
        """
        saved = load_session(Path(folder), self.model.fingerprint, self.model.config.full_name, self.model.latent_shape)
        encoder = self.model.text_encoder
        text_encoder = saved.text_encoder if saved.text_encoder == KNOWN else encoder.name
        for what, stored, here in (
            ("precision", saved.precision, self.precision),
            ("threads", saved.threads, torch.get_num_threads()),
            ("text encoder", saved.text_encoder, text_encoder),
        ):
            if stored is not None and stored != here:
                warnings.warn(
                    f"the session in {folder} was computed with {what} {stored} and is resumed with {here}: its frames "
                    "will differ from those of an uninterrupted run",
                    SlowFastWarning,
                    stacklevel=2,
                )
        strict = checked_strict(strict)
        sampler = SamplerConfig(saved.num_sampling_steps, saved.guidance_scale)
        memory = self.fresh_memory(saved.memory_config, [saved.seed])
        rollout = Rollout(self, sampler, memory, [saved.seed], saved.history.to(self.device))
        rollout.num_chunks, rollout.strict = saved.num_chunks, strict
        rollout.earlier.extend(latents.to(self.device) for latents in saved.earlier)
        if rollout.memory is not None:
            assert saved.memory is not None, "a session with settings of a memory was read with the memory"
            rollout.memory.take(saved.memory, Path(folder) / MEMORY_FOLDER)
        frame = self.model.codec.decode(rollout.history[0, -1:])[0].cpu().numpy()
        return Session(rollout, frame)
