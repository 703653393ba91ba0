"""Small worlds, sessions, episodes and trainings of random content, and fingerprints that tell any bit of them."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from slowfast_vgen.models.addressing.address import PlanarAddress
from slowfast_vgen.models.codec import Codec
from slowfast_vgen.models.fingerprint import sha256_of_tensors
from slowfast_vgen.models.settings import CodecConfig
from slowfast_vgen.models.text import EMBED_DIM, TextEncoder
from slowfast_vgen.models.video_transformer import VideoTransformer
from slowfast_vgen.models.world_model import WorldModelConfig, WorldWeights
from slowfast_vgen.rollout import Session, WorldModel
from slowfast_vgen.tensors import write_tensors
from slowfast_vgen.train.run import Step, TrainingRun
from slowfast_vgen.train.settings import OptimisationConfig
from slowfast_vgen.types import Chunk, Episode

ACTIONS = ("turn left", "turn right", "go forward", "go back")
MEMORIES: dict[str, dict[str, Any]] = {
    "off": {},
    "ridge": {"ridge": {"journal_chunks": 6}},
    "lora": {"lora": {"lora": {"rank": 2}, "learning_rate": 1e-3}},
    "replay": {"lora": {"lora": {"rank": 2}, "learning_rate": 1e-3, "rule": "replay", "replay_windows": 4}},
    "both": {"ridge": {"journal_chunks": 4}, "lora": {"lora": {"rank": 2}, "learning_rate": 1e-3}},
}
"""Settings of each sort of memory, as JSON."""


def random_like(module: torch.nn.Module, seed: int) -> None:
    """Gives a fresh module weights that are nowhere zero."""
    generator = torch.Generator().manual_seed(seed)
    for value in (*module.parameters(), *(each for each in module.buffers() if each.is_floating_point())):
        value.data += 0.05 * torch.randn(value.shape, generator=generator)


def tiny_world(seed: int) -> WorldModel:
    """A world of random weights, which steps in some milliseconds; its four actions need no text encoder."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        codec = Codec.from_config(CodecConfig(encoder_width=8, decoder_width=8, decoder_blocks=(1, 1)))
        denoiser = VideoTransformer(width=32, depth=1, num_heads=2, memory_width=4)
        address = PlanarAddress(key_width=32)
        generator = torch.Generator().manual_seed(seed)
        known = {action: torch.randn(1, EMBED_DIM, generator=generator) for action in ACTIONS}
    for module in (codec, denoiser):
        random_like(module, seed)
    codec.latent_std.abs_()
    config = WorldModelConfig("tiny", num_sampling_steps=1, memory=MEMORIES["both"])
    model = WorldWeights(config, codec.eval(), denoiser.eval(), TextEncoder.for_world(known), address)
    return WorldModel(model.requires_grad_(False))


def start_image(seed: int) -> np.ndarray:
    """Noise, `[64, 64, 3]`."""
    return np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def fingerprint_of(session: Session) -> str:
    """Changes with any bit of a session: where it stands, what it remembers, how far it goes back."""
    rollout = session._rollout
    tensors = {"history": rollout.history} | {f"earlier/{place}": each for place, each in enumerate(rollout.earlier)}
    told: list[Any] = [rollout.num_chunks, rollout.seeds]
    if rollout.memory is not None:
        tensors |= {name: value for part in rollout.memory.parts for name, value in part.tensors().items()}
        told += [part.counts() for part in rollout.memory.parts]
    return digest_of(sha256_of_tensors(tensors), told)


def digest_of(*values: Any) -> str:
    """A short SHA-256 over JSON values, arrays and bytes."""
    digest = hashlib.sha256()
    for value in values:
        if isinstance(value, np.ndarray):
            digest.update(f"{value.dtype}{value.shape}".encode() + value.tobytes())
        else:
            digest.update(value if isinstance(value, bytes) else json.dumps(value, sort_keys=True).encode())
    return digest.hexdigest()[:16]


def digest_of_episode(episode: Episode) -> str:
    """Over all that an episode is."""
    chunks = [[each.action, each.verb, each.start_frame, each.num_frames] for each in episode.chunks]
    poses = episode.poses if episode.poses is not None else np.zeros(0)
    return digest_of(episode.frames, poses, chunks, episode.fps, dict(episode.metadata))


def made_episode(seed: int) -> Episode:
    """Nine small frames of noise in two chunks."""
    rng = np.random.default_rng(seed)
    return Episode(
        frames=rng.integers(0, 256, (9, 16, 16, 3), dtype=np.uint8),
        chunks=(Chunk("turn left", "turn_left", 1, 4), Chunk(f"go on {seed}", "go_forward", 5, 4)),
        poses=rng.uniform(0, 359, (9, 3)),
        fps=10.0,
        metadata={"scene": f"scene {seed}", "split": "train", "script": "spin"},
    )


def line_run(folder: Path, seed: int, steps: int = 5, part: Any = None) -> TrainingRun:
    """A training of a small layer, which saves after every step and validates after every second one."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = torch.nn.Linear(6, 3)

    def loss(step: Step) -> Iterator[Tensor]:
        inputs = torch.randn(4, 6, generator=torch.Generator().manual_seed(1000 * seed + step.number))
        value = (module(inputs) - inputs[:, :3]).square().mean()
        yield value if part is None else part(value, module, step.number)

    config = OptimisationConfig(num_steps=steps, warmup_steps=1, validate_every=2, checkpoint_minutes=0)
    return TrainingRun(module, config, folder, loss, lambda: {"size": 1.0}, {"what": "a line", "seed": seed})


def write_line(run: TrainingRun) -> Callable[[Path], None]:
    """Writes the layer as the file of a part."""
    return lambda folder: write_tensors(folder / "weights.safetensors", dict(run.module.state_dict()))
