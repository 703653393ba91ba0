"""Places where a value may not be finite. Each function puts one there and returns what went wrong, or None.

Well is: one sentence (`UserError`), and what was there before is there as it was, in memory and on the disk.
"""

import copy
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fault_families.made import (
    ACTIONS,
    MEMORIES,
    digest_of,
    fingerprint_of,
    line_run,
    made_episode,
    start_image,
    write_line,
)
from slowfast_vgen.cli.common import write_figures
from slowfast_vgen.data.format import DatasetWriter, EpisodeDataset, write_episode
from slowfast_vgen.data.headers import DatasetHeader
from slowfast_vgen.data.latents import cached_latents
from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.config import MemoryConfig
from slowfast_vgen.memory.sessions import SESSION
from slowfast_vgen.memory.store import MEMORY
from slowfast_vgen.models.video_transformer import VideoTransformer
from slowfast_vgen.models.weights import WEIGHTS, save_part
from slowfast_vgen.models.world_model import WorldWeights, load_denoiser
from slowfast_vgen.results import Estimate
from slowfast_vgen.rollout import Session, WorldModel
from slowfast_vgen.tensors import parse_tensors, write_tensors
from slowfast_vgen.train.checkpoint import CHECKPOINT, STATE_FILE

VALUES = ("nan", "inf", "-inf")
Place = Callable[[WorldModel, str, np.random.Generator, Path], str | None]


def refused(work: Callable[[], Any], what: str = "it is taken in silence") -> str | None:
    """None where `work` is refused by a sentence; else `what`."""
    try:
        work()
    except UserError:
        return None
    return what


def poison(tensor: Tensor, value: str, rng: np.random.Generator) -> None:
    """Puts the value at a random place of a tensor of floats."""
    flat = tensor.detach().view(-1)
    flat[int(rng.integers(len(flat)))] = float(value)


def begun(world: WorldModel, rng: np.random.Generator) -> Session:
    """A session with a memory, two chunks old."""
    memory = MemoryConfig.from_json(MEMORIES[str(rng.choice(["ridge", "lora", "replay", "both"]))])
    session = world.start(start_image(int(rng.integers(1000))), memory, int(rng.integers(1000)))
    for action in ACTIONS[:2]:
        session.step(action)
    return session


@contextmanager
def poisoned_output(value: str, rng: np.random.Generator) -> Iterator[None]:
    """What any denoiser gives is not finite inside the block: memories have one of their own."""
    kept = VideoTransformer._latents

    def poisoned(self: VideoTransformer, tokens: Tensor) -> Tensor:
        latents = kept(self, tokens).clone()
        poison(latents, value, rng)
        return latents

    VideoTransformer._latents = poisoned  # type: ignore[method-assign]
    try:
        yield
    finally:
        VideoTransformer._latents = kept  # type: ignore[method-assign]


def _step_is_undone(session: Session) -> str | None:
    before = fingerprint_of(session)
    fault = refused(lambda: session.step(ACTIONS[2]))
    return fault or (None if fingerprint_of(session) == before else "the session has changed")


def denoiser_output(world: WorldModel, value: str, rng: np.random.Generator, folder: Path) -> str | None:
    session = begun(world, rng)
    with poisoned_output(value, rng):
        if fault := _step_is_undone(session):
            return fault
    session.step(ACTIONS[2])
    return None


def text_embedding(world: WorldModel, value: str, rng: np.random.Generator, folder: Path) -> str | None:
    session, encoder = begun(world, rng), world.model.text_encoder
    known = dict(encoder._known)
    known[ACTIONS[2]] = known[ACTIONS[2]].clone()
    poison(known[ACTIONS[2]], value, rng)
    encoder.know(known)
    return _step_is_undone(session)


def chunk_that_is_shown(world: WorldModel, value: str, rng: np.random.Generator, folder: Path) -> str | None:
    session = begun(world, rng)
    before, new = fingerprint_of(session), torch.randn(1, 4, *world.model.latent_shape)
    poison(new, value, rng)
    fault = refused(lambda: session._rollout.observe_latents(new, [ACTIONS[0]]))
    return fault or (None if fingerprint_of(session) == before else "the session has changed")


def memory_of_a_session(world: WorldModel, value: str, rng: np.random.Generator, folder: Path) -> str | None:
    session = begun(world, rng)
    session.save(folder / "session")
    before = fingerprint_of(world.resume(folder / "session"))
    assert session.memory is not None
    tensors = [each for part in session.memory.parts for each in part.tensors().values() if each.is_floating_point()]
    poison(tensors[int(rng.integers(len(tensors)))], value, rng)
    fault = refused(lambda: session.save(folder / "session"), "it is saved in silence")
    return fault or (None if fingerprint_of(world.resume(folder / "session")) == before else "the older one is lost")


def latents_of_a_session(world: WorldModel, value: str, rng: np.random.Generator, folder: Path) -> str | None:
    session = begun(world, rng)
    session.save(folder / "session")
    before = fingerprint_of(world.resume(folder / "session"))
    rollout = session._rollout
    poison([rollout.history, *rollout.earlier][int(rng.integers(3))], value, rng)
    fault = refused(lambda: session.save(folder / "session"), "it is saved in silence")
    return fault or (None if fingerprint_of(world.resume(folder / "session")) == before else "the older one is lost")


def files_of_a_session(world: WorldModel, value: str, rng: np.random.Generator, folder: Path) -> str | None:
    begun(world, rng).save(folder / "session")
    names = sorted((folder / "session").rglob("*.safetensors"))
    poison_file(names[int(rng.integers(len(names)))], value, rng)
    if (folder / "session" / "memory").exists():
        MEMORY.seal(folder / "session" / "memory", MEMORY.read_header(folder / "session" / "memory"))
    SESSION.seal(folder / "session", SESSION.read_header(folder / "session"))
    return refused(lambda: world.resume(folder / "session"), "it is loaded in silence")


def poison_file(path: Path, value: str, rng: np.random.Generator) -> None:
    """Puts the value into a tensor of a file."""
    tensors = {name: each.clone() for name, each in parse_tensors(path, path.read_bytes()).items()}
    floats = [each for each in tensors.values() if each.is_floating_point()]
    poison(floats[int(rng.integers(len(floats)))], value, rng)
    write_tensors(path, tensors, {"format": "pt"})


def weights_of_a_world(world: WorldModel, value: str, rng: np.random.Generator, folder: Path) -> str | None:
    save = lambda: world.model.save(folder / "world")  # noqa: E731
    save()
    before = WorldWeights.load(folder / "world").fingerprint
    tensors = [each for each in world.model.state_dict().values() if each.is_floating_point() and each.numel()]
    poison(tensors[int(rng.integers(len(tensors)))], value, rng)
    fault = refused(save, "it is saved in silence")
    return fault or (None if WorldWeights.load(folder / "world").fingerprint == before else "the older one is lost")


def weights_of_a_part(world: WorldModel, value: str, rng: np.random.Generator, folder: Path) -> str | None:
    part = copy.deepcopy(world.model.denoiser)
    save_part(folder / "part", part)
    before = digest_of((folder / "part" / "diffusion_pytorch_model.safetensors").read_bytes())
    tensors = list(part.state_dict().values())
    poison(tensors[int(rng.integers(len(tensors)))], value, rng)
    fault = refused(lambda: save_part(folder / "part", part), "it is saved in silence")
    after = digest_of((folder / "part" / "diffusion_pytorch_model.safetensors").read_bytes())
    return fault or (None if after == before else "the older one is lost")


def files_of_a_part(world: WorldModel, value: str, rng: np.random.Generator, folder: Path) -> str | None:
    save_part(folder / "part", world.model.denoiser)
    poison_file(folder / "part" / "diffusion_pytorch_model.safetensors", value, rng)
    WEIGHTS.seal(folder / "part", WEIGHTS.read_header(folder / "part"))
    return refused(lambda: load_denoiser(folder / "part"), "it is loaded in silence")


def state_of_a_training(world: WorldModel, value: str, rng: np.random.Generator, folder: Path) -> str | None:
    """Weights, averages and moments."""
    run = line_run(folder / "run", 0)
    run.run()
    before = digest_of((folder / "run" / "checkpoint" / STATE_FILE).read_bytes())
    moments = [each["exp_avg"] for each in run.optimizer.state.values()]
    moments += [each["exp_avg_sq"] for each in run.optimizer.state.values()]
    state = [*run.module.state_dict().values(), *run.ema.shadow_params, *moments]
    poison(state[int(rng.integers(len(state)))], value, rng)
    fault = refused(lambda: run._save(folder / "run" / "checkpoint"), "it is saved in silence")
    after = digest_of((folder / "run" / "checkpoint" / STATE_FILE).read_bytes())
    return fault or (None if after == before else "the older one is lost")


def _broken_training(folder: Path, at: int, part: Any) -> str | None:
    run = line_run(folder / "run", 0, part=part)
    if fault := refused(lambda: run.train_part("part", write_line(run))):
        return fault
    if (folder / "run" / "part").exists():
        return "its result is saved"
    if at and CHECKPOINT.read(folder / "run" / "checkpoint").header.step != at:
        return "the last sound checkpoint is lost"
    again = line_run(folder / "run", 0)
    again.train_part("part", write_line(again))
    whole = line_run(folder / "whole", 0)
    whole.train_part("part", write_line(whole))
    files = [(folder / name / "part" / "weights.safetensors").read_bytes() for name in ("run", "whole")]
    return None if files[0] == files[1] else "what goes on has other weights"


def loss(world: WorldModel, value: str, rng: np.random.Generator, folder: Path) -> str | None:
    at = int(rng.integers(5))
    return _broken_training(folder, at, lambda kept, _, step: kept * float(value) if step == at else kept)


def gradient(world: WorldModel, value: str, rng: np.random.Generator, folder: Path) -> str | None:
    at = int(rng.integers(5))

    def part(kept: Tensor, module: nn.Module, step: int) -> Tensor:
        if step == at:
            kept.register_hook(lambda grad: grad * float(value))
        return kept * 1.0

    return _broken_training(folder, at, part)


def validation(world: WorldModel, value: str, rng: np.random.Generator, folder: Path) -> str | None:
    """The log stays JSON, and the user is warned."""
    run = line_run(folder / "run", 0)
    run.validate = lambda: {"size": float(value)}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        run.run()
    text = (folder / "run" / "log.jsonl").read_text()
    if "NaN" in text or "Infinity" in text:
        return f"the log is no JSON: {text[:120]}"
    return None if any("the log tells null" in str(each.message) for each in told) else "nobody is warned"


def figures(world: WorldModel, value: str, rng: np.random.Generator, folder: Path) -> str | None:
    write_figures(folder / "results.json", {}, {"one": Estimate.exact(1.0)})
    before = (folder / "results.json").read_bytes()
    row = [1.0, 1.0, 1.0]
    row[int(rng.integers(3))] = float(value)
    fault = refused(lambda: write_figures(folder / "results.json", {}, {"one": Estimate(*row, 3)}))
    return fault or (None if (folder / "results.json").read_bytes() == before else "the older ones are lost")


def protocol(world: WorldModel, value: str, rng: np.random.Generator, folder: Path) -> str | None:
    row = {"one": Estimate.exact(1.0)}
    return refused(lambda: write_figures(folder / "results.json", {"told": [float(value)]}, row))


def poses(world: WorldModel, value: str, rng: np.random.Generator, folder: Path) -> str | None:
    episode = made_episode(0)
    assert episode.poses is not None
    episode.poses.reshape(-1)[int(rng.integers(episode.poses.size))] = float(value)
    return refused(lambda: write_episode(folder / "000000", episode), "it is written in silence")


def metadata(world: WorldModel, value: str, rng: np.random.Generator, folder: Path) -> str | None:
    episode = made_episode(0)
    episode.metadata["speed"] = float(value)
    return refused(lambda: write_episode(folder / "000000", episode), "it is written in silence")


def frame_rate(world: WorldModel, value: str, rng: np.random.Generator, folder: Path) -> str | None:
    episode = made_episode(0)
    object.__setattr__(episode, "fps", float(value))
    return refused(lambda: write_episode(folder / "000000", episode), "it is written in silence")


def cached(world: WorldModel, value: str, rng: np.random.Generator, folder: Path) -> str | None:
    """Latents of a codec that has lost its way, on their way into the cache."""
    writer = DatasetWriter(folder / "set", DatasetHeader("tiny", "train", 1, {"seed": 0}))
    writer.append(made_episode(0))
    writer.finish()

    def encode(frames: Tensor) -> Tensor:
        latents = torch.zeros(len(frames), 8, 2, 2)
        poison(latents, value, rng)
        return latents

    dataset = EpisodeDataset(folder / "set")
    fault = refused(lambda: cached_latents(dataset, encode, "codec", folder / "cache"))
    kept = list((folder / "cache").iterdir()) if (folder / "cache").exists() else []
    return fault or (f"{kept} is kept" if kept else None)


def start_picture(world: WorldModel, value: str, rng: np.random.Generator, folder: Path) -> str | None:
    picture = torch.rand(3, 64, 64)
    poison(picture, value, rng)
    return refused(lambda: world.start(picture))


def settings(world: WorldModel, value: str, rng: np.random.Generator, folder: Path) -> str | None:
    number = float(value)
    rules: list[Callable[[], Any]] = [
        lambda: world.start(start_image(0), False, guidance_scale=number),
        lambda: MemoryConfig.from_json({"lora": {"learning_rate": number}}),
        lambda: MemoryConfig.from_json({"lora": {"guard_ratio": number}}),
        lambda: MemoryConfig.from_json({"ridge": {"ridge": number}}),
        lambda: MemoryConfig.from_json({"ridge": {"forgetting": number}}),
    ]
    chosen = int(rng.integers(len(rules)))
    return refused(rules[chosen], f"setting {chosen} is taken in silence")


PLACES: dict[str, Place] = {
    each.__name__.replace("_", " "): each
    for each in (
        denoiser_output, text_embedding, chunk_that_is_shown, memory_of_a_session, latents_of_a_session,
        files_of_a_session, weights_of_a_world, weights_of_a_part, files_of_a_part, state_of_a_training, loss, gradient,
        validation, figures, protocol, poses, metadata, frame_rate, cached, start_picture, settings,
    )
}  # fmt: skip
"""Where a value is not finite."""
