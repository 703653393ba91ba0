"""Every kind of thing that we save, in an old and in a new state, with the public door that it is read through."""

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fault_families.made import (
    ACTIONS,
    digest_of,
    digest_of_episode,
    fingerprint_of,
    line_run,
    made_episode,
    random_like,
    start_image,
    tiny_world,
    write_line,
)
from slowfast_vgen.data.format import DatasetWriter, EpisodeDataset, read_episode, write_episode
from slowfast_vgen.data.headers import DatasetHeader
from slowfast_vgen.data.latent_cache import Encoded, load_encoded, save_encoded
from slowfast_vgen.data.shards.read import ShardSet
from slowfast_vgen.data.shards.write import write_shards
from slowfast_vgen.data.video import read_video, write_video
from slowfast_vgen.errors import UserError
from slowfast_vgen.file_system import recover
from slowfast_vgen.files import read_json, write_json
from slowfast_vgen.models.fingerprint import sha256_of_tensors
from slowfast_vgen.models.inverse_dynamics import InverseDynamics, load_inverse_dynamics
from slowfast_vgen.models.training_record import TrainingRecord
from slowfast_vgen.models.weights import save_part
from slowfast_vgen.models.world_model import WorldWeights, denoiser_writer, load_codec, load_denoiser
from slowfast_vgen.rollout import Session, WorldModel
from slowfast_vgen.train.checkpoint import CHECKPOINT, STATE_FILE
from slowfast_vgen.train.run import TrainingRun

NOTHING = "nothing"
"""The fingerprint of a thing that is not there."""


@dataclass(frozen=True)
class Thing:
    """Something that we save."""

    name: str
    target: str
    """What it is called in the folder where it lies."""
    save: Callable[[Path, str], None]
    """Saves a state, `old` or `new`, at a path, whatever is there."""
    read: Callable[[Path], str]
    """The fingerprint of what is there, read as a user reads it; `UserError` where that is refused."""
    has_old: bool = True
    """Whether the new state can be saved over an old one."""
    between: tuple[str, ...] = ()
    """Fingerprints of states that are whole though neither old nor new: such as two of three episodes."""
    refusals: tuple[str, ...] = ()
    """What may be said of one that is not finished, where that is told and not read."""


class Things:
    """All of them, with what they share."""

    def __init__(self, folder: Path, seed: int) -> None:
        """In `folder` lies what some of them are made from."""
        self.folder, self.seed = folder, seed

    @cached_property
    def worlds(self) -> dict[str, WorldModel]:
        """Two worlds."""
        return {"old": tiny_world(self.seed), "new": tiny_world(self.seed + 1)}

    @cached_property
    def sessions(self) -> dict[str, Session]:
        """Two moments of one session, in the world `old`."""
        session = self.worlds["old"].start(start_image(self.seed), seed=self.seed)
        for action in ACTIONS[:2]:
            session.step(action)
        later = session.fork()
        later.step(ACTIONS[2])
        return {"old": session, "new": later}

    def all(self) -> list[Thing]:
        """Each kind."""
        return [
            self._results(), self._video(), self._session(), self._memory(), self._world(), self._part(),
            self._codec(), self._reader(), self._latents(), self._episode(), self._dataset(), self._shards(),
            self._checkpoint(), self._run(),
        ]  # fmt: skip

    def _results(self) -> Thing:
        values = {which: {"figures": [f"{which} {number}" for number in range(800)]} for which in ("old", "new")}
        return Thing(
            "results",
            "results.json",
            lambda path, which: write_json(path, values[which]),
            lambda p: digest_of(read_json(p)),
        )

    def _video(self) -> Thing:
        rng = np.random.default_rng(self.seed)
        frames = {which: rng.integers(0, 256, (6, 16, 16, 3), dtype=np.uint8) for which in ("old", "new")}
        return Thing(
            "video",
            "video.mp4",
            lambda path, which: write_video(path, frames[which], 10, lossless=True),
            lambda path: digest_of(read_video(path)),
        )

    def _session(self) -> Thing:
        return Thing(
            "session",
            "session",
            lambda path, which: self.sessions[which].save(path),
            lambda path: fingerprint_of(self.worlds["old"].resume(path)),
        )

    def _memory(self) -> Thing:
        def save(path: Path, which: str) -> None:
            memory = self.sessions[which].memory
            assert memory is not None
            memory.save(path, "tiny@1")

        def read(path: Path) -> str:
            memory = self.worlds["old"].load_memory(path)
            tensors = {name: each for part in memory.parts for name, each in part.tensors().items()}
            return digest_of(sha256_of_tensors(tensors), [part.counts() for part in memory.parts])

        return Thing("memory", "memory", save, read)

    def _world(self) -> Thing:
        def save(path: Path, which: str) -> None:
            self.worlds[which].model.save(path)

        return Thing("world", "world", save, lambda path: WorldWeights.load(path).fingerprint)

    def _part(self) -> Thing:
        record = TrainingRecord("flow", 64, 64, 4, 4, 10.0)

        def save(path: Path, which: str) -> None:
            denoiser = self.worlds[which].model.denoiser
            save_part(path, denoiser, denoiser_writer(denoiser, record))

        return Thing("part", "denoiser", save, lambda path: sha256_of_tensors(load_denoiser(path).state_dict()))

    def _codec(self) -> Thing:
        def save(path: Path, which: str) -> None:
            codec = self.worlds[which].model.codec
            save_part(path, codec, codec.save)

        return Thing("codec", "codec", save, lambda path: load_codec(path).fingerprint())

    def _reader(self) -> Thing:
        readers = {}
        for place, which in enumerate(("old", "new")):
            readers[which] = InverseDynamics(width=16)
            random_like(readers[which], self.seed + place)
        return Thing(
            "reader",
            "reader",
            lambda path, which: save_part(path, readers[which]),
            lambda path: load_inverse_dynamics(path).fingerprint,
        )

    def _latents(self) -> Thing:
        generator = torch.Generator().manual_seed(self.seed)
        made = {
            which: Encoded(
                torch.randn(9, 8, 2, 2, generator=generator).half(),
                {"turn left": torch.randn(2, 8, generator=generator)},
            )
            for which in ("old", "new")
        }

        def read(path: Path) -> str:
            found = load_encoded(path, "key", 9)
            if found is None:
                raise UserError("it is damaged")
            return sha256_of_tensors({"latents": found.latents, **found.texts})

        return Thing("latents", "latents.safetensors", lambda path, which: save_encoded(path, "key", made[which]), read)

    def _episode(self) -> Thing:
        made = {which: made_episode(self.seed + place) for place, which in enumerate(("old", "new"))}
        return Thing(
            "episode",
            "000000",
            lambda path, which: write_episode(path, made[which]),
            lambda path: digest_of_episode(read_episode(path)),
        )

    def _dataset(self) -> Thing:
        made = [made_episode(self.seed + number) for number in range(3)]
        digests = [digest_of_episode(each) for each in made]

        def save(path: Path, which: str) -> None:
            writer = DatasetWriter(
                path, DatasetHeader("tiny", "train", 1 if which == "old" else 3, {"seed": self.seed})
            )
            for episode in made[writer.num_present : 1 if which == "old" else 3]:
                writer.append(episode)
            writer.finish()

        def read(path: Path) -> str:
            found = EpisodeDataset(path, unfinished=True)
            return digest_of([digest_of_episode(each) for each in found], found.header.num_episodes)

        between = tuple(digest_of(digests[:number], total) for number in range(4) for total in (1, 3))
        # A folder in which nothing is yet, but that killed program's own, is one as new; it holds no data set.
        return Thing("dataset", "set", save, read, between=between, refusals=("dataset.json: missing",))

    def _shards(self) -> Thing:
        made = [made_episode(self.seed + number) for number in range(3)]

        source = self.folder / "source"
        writer = DatasetWriter(source, DatasetHeader("tiny", "train", 3, {"seed": self.seed}))
        for episode in made:
            writer.append(episode)
        writer.finish()

        def save(path: Path, which: str) -> None:
            write_shards([source], path, 2 * 10_240)

        def read(path: Path) -> str:
            return digest_of([digest_of_episode(each) for each in ShardSet(path)])

        return Thing("shards", "shards", save, read, has_old=False, refusals=("shards.json",))

    def _checkpoint(self) -> Thing:
        def trained(steps: int) -> TrainingRun:
            run = line_run(Path("/nowhere"), self.seed)
            for _ in range(steps):
                run._take_step()
            return run

        runs = {"old": trained(2), "new": trained(4)}

        def read(path: Path) -> str:
            sealed = CHECKPOINT.read(path)
            return digest_of(sha256_of_tensors(sealed.tensors(STATE_FILE)), sealed.header.step)

        return Thing("checkpoint", "checkpoint", lambda path, which: runs[which]._save(path), read)

    def _run(self) -> Thing:
        """The folder of a training: its old state is one that was stopped after two of five steps."""

        def stopped(value: Tensor, module: torch.nn.Module, step: int) -> Tensor:
            if step == 2:
                raise KeyboardInterrupt
            return value

        def save(path: Path, which: str) -> None:
            run = line_run(path, self.seed, part=stopped if which == "old" else None)
            if which == "new":
                run.train_part("part", write_line(run))
                return
            with contextlib.suppress(KeyboardInterrupt):
                run.train_part("part", write_line(run))

        def read(path: Path) -> str:
            if not (path / "checkpoint").exists():
                recover(path / "checkpoint")
            if not (path / "checkpoint").exists():
                return NOTHING
            sealed = CHECKPOINT.read(path / "checkpoint")
            lines = (path / "log.jsonl").read_text().splitlines() if (path / "log.jsonl").exists() else []
            steps = [json.loads(line)["step"] for line in lines if line.endswith("}")]
            part = (path / "part" / "weights.safetensors").read_bytes() if (path / "part").exists() else b""
            if sealed.header.step == 5 and part:
                return digest_of(sha256_of_tensors(sealed.tensors(STATE_FILE)), steps, part)
            return digest_of(sha256_of_tensors(sealed.tensors(STATE_FILE)), sealed.header.step)

        between = []
        run = line_run(Path("/nowhere"), self.seed)
        for _ in range(5):
            run._take_step()
            names = [name for name, _ in run.module.named_parameters()]
            tensors = {f"weights/{name}": each.detach() for name, each in run.module.state_dict().items()}
            tensors |= {f"ema/{name}": each for name, each in zip(names, run.ema.shadow_params, strict=True)}
            for index, state in run.optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer/{index}/{key}": each for key, each in state.items()}
            between.append(digest_of(sha256_of_tensors(tensors), run.progress.step))
        return Thing("run", "run", save, read, between=(*between, NOTHING))
