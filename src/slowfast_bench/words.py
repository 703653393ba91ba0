"""Does a world do what people mean, however they say it? Paraphrases, nonsense and lists of actions, one by one.

The texts in `word_lists` were written by people who saw neither the table of words nor the rules that read by it. Each
passes the door that a session's actions pass (`rollout.telling`); the path that the world then believes in is compared
with the true motion of the verb that was meant.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from slowfast_bench.paths.episodes import LAP_CHUNKS, SEED, SPLIT, HeldOut
from slowfast_bench.results import Results
from slowfast_envs.actions import FRAMES_PER_CHUNK, RETRACE
from slowfast_vgen.errors import UserError
from slowfast_vgen.files import read_json
from slowfast_vgen.metrics.bootstrap import estimate
from slowfast_vgen.metrics.frames import psnr
from slowfast_vgen.models.addressing.path import compose
from slowfast_vgen.models.addressing.retrace import way_back
from slowfast_vgen.models.vocabulary import Vocabulary
from slowfast_vgen.results import Row
from slowfast_vgen.rollout import WorldModel
from slowfast_vgen.rollout.telling import ToldAction, describe
from slowfast_vgen.sealed import fits

VERSION = 1
LISTS = "word_lists"
LAPS = 3
TOLERANCE = 0.01
"""Of a chunk's own turn, or of its steps, that a path may be off by."""
_FULL_TURN = 360.0


@dataclass(frozen=True)
class WordList:
    """Texts for one world."""

    paraphrases: tuple[tuple[str, str], ...]
    """Text and the verb that it means."""
    nonsense: tuple[str, ...]
    """Texts that mean no action of the world, or say what not to do: they must be reported."""
    sequences: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """A text that asks for several actions, and their verbs."""

    @classmethod
    def load(cls, path: Path) -> "WordList":
        """Reads `{"paraphrases": [{"text", "verb"}], "nonsense": [text], "sequences": [{"text", "verbs"}]}`.

        Raises:
            UserError: no such file, or of another form.
        """
        try:
            value = read_json(path)
            if not fits(value, dict[str, list[Any]]) or not fits(value["nonsense"], list[str]):
                raise TypeError("it has no lists of texts")
            rows = [*value["paraphrases"], *value.get("sequences", ())]
            if not all(isinstance(row["text"], str) and fits(row.get("verbs", [row.get("verb")]), list[str])
                       for row in rows):  # fmt: skip
                raise TypeError("a row has no text and verbs")
            return cls(
                tuple((row["text"], row["verb"]) for row in value["paraphrases"]),
                tuple(value["nonsense"]),
                tuple((row["text"], tuple(row["verbs"])) for row in value.get("sequences", ())),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{path} is no list of texts ({error}); see the docstring of WordList.load") from error


@dataclass(frozen=True)
class WordsConfig:
    """How much is generated for `full_stop_lap3_db`."""

    num_maps: int = 16
    num_seeds: int = 3

    def __post_init__(self) -> None:
        if self.num_maps < 1 or self.num_seeds < 1:
            raise UserError(f"at least 1 map and 1 seed are needed, got {self.num_maps} and {self.num_seeds}")

    @classmethod
    def quick(cls) -> "WordsConfig":
        """Shows that everything runs; its figures mean nothing."""
        return cls(1, 1)


@dataclass(frozen=True)
class Miss:
    """A text that did not become what it should have."""

    text: str
    wanted: str
    found: str


def shipped_lists() -> dict[str, WordList]:
    """The lists in this package, by the world that they were written for, in the order in which they were written."""
    root = Path(str(files("slowfast_bench") / LISTS))
    return {path.stem: WordList.load(path) for path in sorted(root.glob("*.json"))}


class WordsTest:
    """Worlds with their lists: `WordsTest(worlds, lists, config).run()`."""

    def __init__(self, worlds: Sequence[WorldModel], config: WordsConfig) -> None:
        """Takes for each world the lists that carry its name.

        Raises:
            UserError: a world without a vocabulary of verbs, or without a list.
        """
        self.worlds, self.config = list(worlds), config
        self.lists: list[dict[str, WordList]] = []
        for world in self.worlds:
            name = world.model.config.name
            if world.actions is None or world.actions.is_free:
                raise UserError(f"the world {name!r} has no vocabulary of verbs; give one that has, such as rooms-64")
            lists = {stem: one for stem, one in shipped_lists().items() if stem.partition(".")[0] == name}
            if not lists:
                raise UserError(f"there is no list of texts for the world {name!r}")
            self.lists.append(lists)

    @cached_property
    def protocol(self) -> dict[str, Any]:
        """Everything that decides the figures, as JSON values."""
        return {
            "command": "evaluate words",
            "version": VERSION,
            "worlds": [world.model.config.full_name for world in self.worlds],
            "weights_sha256": [world.model.fingerprint for world in self.worlds],
            "precision": self.worlds[0].precision,
            "lists": {stem: _digest(one) for lists in self.lists for stem, one in lists.items()},
            "tolerance": TOLERANCE,
            "data": {"world": "vizdoom-rooms", "split": SPLIT, "seed": SEED},
            **asdict(self.config),
        }

    def run(self) -> Results:
        """Of all texts together, and of each world's; the protocol tells what was missed."""
        values: dict[tuple[str, str | None], list[float]] = {}
        missed: dict[str, list[dict[str, str]]] = {}
        for world, lists in zip(self.worlds, self.lists, strict=True):
            for stem, one in lists.items():
                scores, misses = score(world, one)
                missed[stem] = [asdict(miss) for miss in misses]
                for metric, own in scores.items():
                    for dataset in (None, world.model.config.name):
                        values.setdefault((metric, dataset), []).extend(own)
        rows = [
            Row.of(estimate(np.array(own)[:, None]), metric, dataset=dataset)
            for (metric, dataset), own in values.items()
            if own
        ]
        for number, world in enumerate(self.worlds):
            name, laps = world.model.config.name, estimate(self._full_stop(world))
            rows += [Row.of(laps, "full_stop_lap3_db")] if number == 0 else []
            rows.append(Row.of(laps, "full_stop_lap3_db", dataset=name))
        return Results.made(self.protocol | {"missed": missed}, rows, self.worlds[0].device)

    def _full_stop(self, world: WorldModel) -> Float[np.ndarray, "maps seeds"]:
        """PSNR of the third lap on the spot against the first, both generated, with a full stop after each phrase."""
        assert world.actions is not None
        text = f"{world.actions.action('turn_left').text}."
        starts = np.stack([one.frames[0] for one in HeldOut(self.config.num_maps, LAP_CHUNKS).wanders])
        scores = np.zeros((len(starts), self.config.num_seeds))
        for seed in range(self.config.num_seeds):
            rollout = world.start_batch(starts, True, [seed * 10_000 + row for row in range(len(starts))])
            chunks = [rollout.step([text] * len(starts)) for _ in range(LAPS * LAP_CHUNKS)]
            frames = world.model.codec.decode(torch.cat(chunks, 1)).cpu().numpy()
            lap = LAP_CHUNKS * FRAMES_PER_CHUNK
            for row, video in enumerate(frames):
                scores[row, seed] = psnr(video[:lap], video[-lap:]).mean()
        return scores


def score(world: WorldModel, texts: WordList) -> tuple[dict[str, list[float]], list[Miss]]:
    """One value a text, 1 or 0, and the texts that missed."""
    assert world.actions is not None
    scores: dict[str, list[float]] = {"paraphrase_right": [], "false_warnings": [], "nonsense_reported": []}
    missed: list[Miss] = []
    for text, verb in texts.paraphrases:
        told = describe(world.actions, text)
        right = told.kind == "understood" and told.verb == verb and path_is_right(world, told, verb)
        scores["paraphrase_right"].append(float(right))
        scores["false_warnings"].append(float(bool(told.warning)))
        if not right or told.warning:
            missed.append(Miss(text, verb, told.warning or told.verb))
    for text in texts.nonsense:
        told = describe(world.actions, text)
        scores["nonsense_reported"].append(float(bool(told.warning)))
        if not told.warning:
            missed.append(Miss(text, "to be reported", told.verb))
    for text, verbs in texts.sequences:
        found = tuple(part.verb or part.problem for part in world.actions.sequence(text))
        scores.setdefault("sequences_right", []).append(float(found == verbs))
        if found != verbs:
            missed.append(Miss(text, ", ".join(verbs), ", ".join(found)))
    return scores, missed


def path_is_right(world: WorldModel, told: ToldAction, verb: str) -> bool:
    """Whether the path goes, by what the networks are told, where the verb's own motion leads, to `TOLERANCE`."""
    assert world.actions is not None
    if world.model.address is None:
        return True
    text = world.model.text_encoder([told.text])
    trail = torch.tensor([[[float(step), 0.0, 0.0] for step in range(8)]], device=world.device)
    reached = world.model.address.path.predicted(trail, text, FRAMES_PER_CHUNK)[0, -1].cpu()
    wanted = _destination(world.actions, verb, trail.cpu())
    off = (reached - wanted).abs()
    turn = (off[2] + torch.pi) % (2 * torch.pi) - torch.pi
    quarter = torch.pi / 2
    return bool(off[:2].norm() <= TOLERANCE * FRAMES_PER_CHUNK and turn.abs() <= TOLERANCE * quarter)


def _destination(vocabulary: Vocabulary, verb: str, trail: Float[Tensor, "1 past 3"]) -> Float[Tensor, "3"]:
    if verb == RETRACE:
        return way_back(trail, FRAMES_PER_CHUNK)[0, -1]
    motion = vocabulary.action(verb).motion
    assert motion is not None, "every verb but the way back has a motion"
    each = torch.tensor([motion.forward, motion.left, np.deg2rad(motion.turn)]) / FRAMES_PER_CHUNK
    return compose(trail[0, -1], each.float().expand(FRAMES_PER_CHUNK, 3))[-1]


def _digest(texts: WordList) -> str:
    return hashlib.sha256(json.dumps(asdict(replace(texts)), sort_keys=True).encode()).hexdigest()
