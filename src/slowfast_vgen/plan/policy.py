"""Policies that decide the next action of batched episodes: imagination with inverse dynamics, and the bounds."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, Protocol

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8

from slowfast_vgen.plan.reader import Reader, Reading
from slowfast_vgen.rollout import Stepper, WorldModel
from slowfast_vgen.types import Frames

Feedback = Literal["real", "imagined"]
FEEDBACKS: tuple[Feedback, ...] = ("real", "imagined")
"""Frames that may enter the memory after an action: those that the engine showed, or those that were imagined."""

Chunks = UInt8[np.ndarray, "episodes f_g height width 3"]


class Decided(NamedTuple):
    """One decision of every episode."""

    actions: list[str]
    """One action for each episode, in the environment's words."""
    confidence: Float[np.ndarray, " episodes"]
    """Confidence of the reader; NaN where nothing is read."""
    imagined: Chunks | None
    """The imagined chunks; None where nothing is imagined."""
    broken: Bool[np.ndarray, " episodes"]
    """True where the model gave frames that are not finite."""


class Policy(Protocol):
    """Decides the actions of batched episodes."""

    def show(self, frames: Chunks, actions: Sequence[str]) -> None:
        """Takes in a chunk of true frames on which nothing was decided."""
        ...

    def decide(self, sub_goals: Sequence[str]) -> Decided:
        """The next action of each episode towards its sub-goal."""
        ...

    def take_in(self, frames: Chunks, actions: Sequence[str]) -> None:
        """Takes in what the engine showed after the decision, and the action that was carried out."""
        ...


class ImaginingPolicy:
    """The loop of the paper (3.4): a chunk is imagined for the sub-goal, and the action is read off it.

    The first pair of frames that is read is the one before the chunk, as the policy believes it, and the chunk's first.
    """

    def __init__(
        self,
        world: WorldModel,
        stepper: Stepper,
        reader: Reader,
        feedback: Feedback,
        starts: Frames,
    ) -> None:
        """Begins the episodes.

        Args:
            world: the world whose codec decodes what `stepper` imagines.
            stepper: imagines; it has begun these very episodes.
            reader: reads actions off frames.
            feedback: the frames that enter the memory.
            starts: the start image of each.
        """
        self.codec, self.device = world.model.codec, world.device
        self.stepper, self.reader, self.feedback = stepper, reader, feedback
        self.last = starts
        self._ahead: tuple[torch.Tensor, Chunks, list[str]] | None = None

    def show(self, frames: Chunks, actions: Sequence[str]) -> None:
        """Takes in true frames, as `Policy` says."""
        latents = self.codec.encode(torch.from_numpy(np.ascontiguousarray(frames)).to(self.device))
        self.stepper.observe_latents(latents, list(actions))
        self.last = frames[:, -1]

    def decide(self, sub_goals: Sequence[str]) -> Decided:
        """Decides the next actions, as `Policy` says."""
        latents = self.stepper.predict(list(sub_goals))
        broken = ~latents.isfinite().flatten(1).all(1)
        latents = latents.masked_fill(broken[:, None, None, None, None], 0.0)
        imagined = self.codec.decode(latents).cpu().numpy()
        self._ahead = latents, imagined, list(sub_goals)
        return Decided(*read_chunks(self.reader, self.last, imagined), imagined, broken.cpu().numpy())

    def take_in(self, frames: Chunks, actions: Sequence[str]) -> None:
        """Takes in what the engine showed, as `Policy` says."""
        assert self._ahead is not None, "a decision goes first"
        if self.feedback == "real":
            self.show(frames, actions)
            return
        latents, imagined, sub_goals = self._ahead
        self.stepper.observe_latents(latents, sub_goals)
        self.last = imagined[:, -1]


class PathPolicy:
    """Returns along the poses that the world's own path has integrated: nothing is imagined and nothing is read.

    Of the environment's texts it takes the one whose motions lead nearest to where the sub-goal's own motions lead.
    What an imagining policy achieves beyond this is what imagination adds.
    """

    def __init__(self, world: WorldModel, texts: Sequence[str], starts: Frames, seeds: Sequence[int]) -> None:
        """Begins the episodes.

        Args:
            world: a world with a ridge memory, whose path is followed on true frames.
            texts: the environment's actions.
            starts: the start image of each.
            seeds: one seed for each; they change nothing.

        Raises:
            UserError: a world without a ridge memory.
        """
        self.world, self.texts = world, tuple(texts)
        self.rollout = world.start_batch(starts, world.shipped_memory, seeds)

    def show(self, frames: Chunks, actions: Sequence[str]) -> None:
        """Takes in true frames, as `Policy` says."""
        self.rollout.observe(torch.from_numpy(np.ascontiguousarray(frames)).to(self.world.device), list(actions))

    def decide(self, sub_goals: Sequence[str]) -> Decided:
        """Decides the next actions, as `Policy` says."""
        wanted = self._poses(sub_goals)
        offered = torch.stack([self._poses([text] * len(sub_goals)) for text in self.texts], 1)
        away = (offered - wanted[:, None]).square()
        moved = (offered - self._path()[:, None, -1:]).square()
        # A turn and a step of one chunk count alike, whatever the units.
        scale = torch.stack([moved[..., :2].sum(-1).max(), moved[..., 2].max()]).clamp(min=1e-9)
        cost = (away[..., :2].sum(-1) / scale[0] + away[..., 2] / scale[1]).mean(-1)
        chosen = cost.argmin(1).tolist()
        unknown = np.full(len(chosen), np.nan)
        return Decided([self.texts[index] for index in chosen], unknown, None, np.zeros(len(chosen), bool))

    def take_in(self, frames: Chunks, actions: Sequence[str]) -> None:
        """Takes in what the engine showed, as `Policy` says."""
        self.show(frames, actions)

    def _path(self) -> Float[torch.Tensor, "episodes past 3"]:
        memory = self.rollout.memory
        assert memory is not None and memory.ridge is not None
        return memory.ridge.path

    def _poses(self, texts: Sequence[str]) -> Float[torch.Tensor, "episodes f_g 3"]:
        """Poses that each text leads to from the current pose of its episode."""
        model = self.world.model
        assert model.address is not None
        with torch.no_grad():
            text = model.text_encoder(list(texts))
            return model.address.path.predicted(self._path(), text, model.config.num_new_frames)


class OraclePolicy:
    """Reads the true video in place of an imagined one: any loss is then due to reading and acting."""

    def __init__(
        self, reader: Reader, ways: UInt8[np.ndarray, "episodes frames height width 3"], last: Frames, f_g: int
    ) -> None:
        self.reader, self.ways, self.last, self.f_g, self.number = reader, ways, last, f_g, 0

    def show(self, frames: Chunks, actions: Sequence[str]) -> None:
        """Takes in true frames, as `Policy` says."""
        self.last = frames[:, -1]

    def decide(self, sub_goals: Sequence[str]) -> Decided:
        """Decides the next actions, as `Policy` says."""
        true = self.ways[:, self.f_g * self.number : self.f_g * (self.number + 1)]
        self.number += 1
        return Decided(*read_chunks(self.reader, self.last, true), true, np.zeros(len(true), bool))

    def take_in(self, frames: Chunks, actions: Sequence[str]) -> None:
        """Takes in what the engine showed, as `Policy` says."""
        self.show(frames, actions)


DrawAction = Callable[[np.random.Generator, str], str]
"""Callback: draws an action at random towards a sub-goal, in the environment's words."""


class RandomPolicy:
    """Draws an action towards each sub-goal without looking; its confidence is NaN."""

    def __init__(self, draw: DrawAction, seeds: Sequence[int]) -> None:
        self.draw, self.draws = draw, [np.random.default_rng([seed, 3]) for seed in seeds]

    def show(self, frames: Chunks, actions: Sequence[str]) -> None:
        """Takes in true frames, as `Policy` says."""

    def decide(self, sub_goals: Sequence[str]) -> Decided:
        """Decides the next actions, as `Policy` says."""
        actions = [self.draw(rng, sub_goal) for rng, sub_goal in zip(self.draws, sub_goals, strict=True)]
        return Decided(actions, np.zeros(len(actions)), None, np.zeros(len(actions), bool))

    def take_in(self, frames: Chunks, actions: Sequence[str]) -> None:
        """Takes in what the engine showed, as `Policy` says."""


def read_chunks(reader: Reader, last: Frames, chunks: Chunks) -> Reading:
    """The action of each chunk and how certain it is; `last` is the frame before each."""
    return reader.read(torch.from_numpy(np.concatenate([last[:, None], chunks], 1)))
