"""Worlds, their parts, sessions, memories, checkpoints and readers, all tiny; see `sound`."""

import contextlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fault_families.sound import Kind, told, without_warnings
from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.config import MemoryConfig
from slowfast_vgen.memory.ridge import RidgeConfig
from slowfast_vgen.memory.settings import FastLearningConfig, LoraConfig
from slowfast_vgen.models.addressing.address import PlanarAddress
from slowfast_vgen.models.codec import Codec
from slowfast_vgen.models.inverse_dynamics import InverseDynamics
from slowfast_vgen.models.settings import CodecConfig
from slowfast_vgen.models.text import EMBED_DIM, TextEncoder
from slowfast_vgen.models.training_record import TrainingRecord
from slowfast_vgen.models.video_transformer import VideoTransformer
from slowfast_vgen.models.vocabulary import Action, Motion, Vocabulary
from slowfast_vgen.models.weights import save_part
from slowfast_vgen.models.world_model import (
    WorldModelConfig,
    WorldWeights,
    denoiser_writer,
    load_address,
    load_codec,
    load_denoiser,
    read_vocabulary,
)
from slowfast_vgen.plan.reader import load_reader
from slowfast_vgen.presets.worlds import load
from slowfast_vgen.rollout import WorldModel
from slowfast_vgen.rollout.session import Session
from slowfast_vgen.train.run import Step, TrainingRun
from slowfast_vgen.train.settings import OptimisationConfig

SIDE = 32
"""Of a frame; the latents have an eighth."""
VERBS = ("turn_left", "go_forward", "stay")
TEXTS = ("turn left", "go forward", "stay")
IMAGE = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
LOCAL = MemoryConfig(RidgeConfig(journal_chunks=4))
LORA = MemoryConfig(lora=FastLearningConfig(LoraConfig(rank=1), "replay", replay_windows=2, learning_rate=1e-3))


def tiny_model(seed: int = 0) -> WorldWeights:
    """A world of random weights that are nowhere zero, with a ridge memory, that can be told `TEXTS`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        codec = Codec.from_config(CodecConfig(4, 4, 8, 8))
        denoiser = VideoTransformer(4, SIDE // 8, SIDE // 8, width=32, depth=1, num_heads=2, memory_width=4)
        address = PlanarAddress(key_width=16)
        for parameter in (*denoiser.parameters(), *codec.parameters(), *address.parameters()):
            parameter.data += 0.05 * torch.randn_like(parameter)
        encoder = TextEncoder.for_world({text: torch.randn(1, EMBED_DIM) / EMBED_DIM**0.5 for text in TEXTS})
    motions = (Motion(turn=30.0), Motion(forward=4.0), Motion())
    rows = zip(VERBS, TEXTS, motions, strict=True)
    vocabulary = Vocabulary(tuple(Action(verb, (text,), motion) for verb, text, motion in rows), null="stay")
    config = WorldModelConfig(
        "tiny", num_sampling_steps=1, frame_height=SIDE, frame_width=SIDE, memory=LOCAL.to_json(), provenance={"a": 1}
    )
    return WorldWeights(config, codec, denoiser, encoder, address, vocabulary).eval().requires_grad_(False)


def save_world(folder: Path, seed: int = 0) -> None:
    """Packs such a world."""
    tiny_model(seed).save(folder)


def steps_of(session: Session) -> list[Any]:
    """Where a session stands, and the frames of its next two steps and of the way back: the whole of its state."""
    with without_warnings():
        stands = [session.num_chunks, repr(session.memory), session.memory and session.memory.describe()]
        try:
            frames = [session.step(text) for text in TEXTS[:2]]
            return [*stands, *frames, session.rewind(2)]
        except UserError as error:  # forged numbers may show only in what comes of them
            return [*stands, str(error)]


def _world(folder: Path) -> str:
    with without_warnings():
        world = load(folder)
        told_of = [world.model.config.full_name, world.model.vocabulary, read_vocabulary(folder)]
        return told(told_of, world.model.state_dict(), steps_of(world.start(IMAGE)))


def _save_session(world: WorldModel, memory: MemoryConfig | bool) -> Callable[[Path, int], None]:
    def make(folder: Path, number: int) -> None:
        session = world.start(IMAGE, memory=memory, seed=number)
        for text in TEXTS[: 2 + number]:
            session.step(text)
        session.save(folder)

    return make


def _save_memory(world: WorldModel, memory: MemoryConfig) -> Callable[[Path, int], None]:
    def make(folder: Path, number: int) -> None:
        session = world.start(IMAGE, memory=memory, seed=number)
        session.step(TEXTS[number])
        assert session.memory is not None
        session.memory.save(folder)

    return make


def _load_memory(world: WorldModel) -> Callable[[Path], str]:
    def read(folder: Path) -> str:
        memory = world.load_memory(folder)
        return told(memory.describe(), steps_of(world.start(IMAGE, memory=memory)))

    return read


def _part(number: int, name: str) -> nn.Module:
    module: nn.Module = getattr(tiny_model(number), name)
    return module


def _save_denoiser(folder: Path, number: int) -> None:
    record = TrainingRecord("flow", SIDE, SIDE, 4, 4, 10.0)
    net = _part(number, "denoiser")
    save_part(folder, net, denoiser_writer(net, record))


def _save_codec(folder: Path, number: int) -> None:
    codec = _part(number, "codec")
    assert isinstance(codec, Codec)
    save_part(folder, codec, codec.save)


def _read_denoiser(folder: Path) -> str:
    net = load_denoiser(folder)
    return told(net.target, net.config, net.state_dict())  # type: ignore[attr-defined]


def _read_codec(folder: Path) -> str:
    codec = load_codec(folder)
    frames = torch.from_numpy(IMAGE)[None]
    return told(codec.encode(frames), codec.decode(torch.zeros(1, 4, SIDE // 8, SIDE // 8)))


def _read_address(folder: Path) -> str:
    address = load_address(folder)
    return told(address(torch.tensor([[1.0, 2.0, 3.0]])), address.state_dict())


def _save_reader(folder: Path, number: int) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(number)
        save_part(folder, InverseDynamics(VERBS, width=16))


def _read_reader(folder: Path) -> str:
    frames = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (1, 3, SIDE, SIDE, 3), dtype=np.uint8))
    reading = load_reader(folder, TEXTS).read(frames)
    return told(reading.actions, reading.confidence)


def _training(folder: Path, num_steps: int) -> TrainingRun:
    """Of a layer, whose losses hang on the step alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Linear(3, 2)

    def loss(step: Step) -> Iterator[Tensor]:
        yield (net(torch.full((1, 3), 1.0 + step.number % 3)) - 1).square().mean()

    settings = OptimisationConfig(num_steps=num_steps, validate_every=1, warmup_steps=1)
    return TrainingRun(net, settings, folder, loss, lambda: {"validation": 1.0}, {"what": "a layer"})


def _save_run(folder: Path, number: int) -> None:
    with contextlib.redirect_stderr(io.StringIO()):
        run = _training(folder, 6)
        run.optimisation = _training(folder, 3 + number).optimisation  # it was stopped there
        run.run()


def _read_run(folder: Path) -> str:
    with contextlib.redirect_stderr(io.StringIO()), without_warnings():
        run = _training(folder, 6)
        run.run()
    return told(run.module.state_dict(), run.ema.shadow_params)  # its log is for people, and no state


def kinds(folder: Path) -> list[Kind]:
    """All of them; what they share is made in `folder`."""
    save_world(folder / "world")
    with without_warnings():
        world = load(folder / "world")
    return [
        Kind("world", save_world, _world),
        Kind("session", _save_session(world, LOCAL), lambda place: told(steps_of(world.resume(place)))),
        Kind("session of gradients", _save_session(world, LORA), lambda place: told(steps_of(world.resume(place)))),
        Kind("session alone", _save_session(world, False), lambda place: told(steps_of(world.resume(place)))),
        Kind("memory", _save_memory(world, LOCAL), _load_memory(world)),
        Kind("memory of gradients", _save_memory(world, LORA), _load_memory(world)),
        Kind("denoiser", _save_denoiser, _read_denoiser),
        Kind("codec", _save_codec, _read_codec),
        Kind("address", lambda place, number: save_part(place, _part(number, "address")), _read_address),
        Kind("reader", _save_reader, _read_reader),
        Kind("training", _save_run, _read_run),
    ]
