"""Any `gymnasium.Env` that shows images, as an environment to plan in."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np

from slowfast_vgen.errors import UserError
from slowfast_vgen.images import frame_from_image
from slowfast_vgen.types import Frames

Source = Literal["observation", "render"]


class StepEnv(Protocol):
    """The part of `gymnasium.Env` that is used; gymnasium itself is not imported."""

    action_space: Any

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begins an episode; returns observation and info."""
        ...

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Carries out an action; returns observation, reward, terminated, truncated and info."""
        ...

    def render(self) -> Any:
        """Renders an RGB picture, where `image` is "render"."""
        ...


class GymEnvironment:
    """A `PlanEnvironment`; make one with `from_gymnasium`."""

    def __init__(
        self, env: StepEnv, action_texts: Sequence[str], frames_per_chunk: int, size: tuple[int, int], image: Source
    ) -> None:
        self.env, self.action_texts, self.size, self.image = env, tuple(action_texts), size, image
        self.frames_per_chunk = frames_per_chunk
        self.ended = False
        """True if the environment has ended the episode."""
        self._last: np.ndarray | None = None

    def reset(self, seed: int) -> Frames:
        """Begins an episode, as `PlanEnvironment` says."""
        observation, _ = self.env.reset(seed=seed)
        self.ended = False
        self._last = self._frame(observation)
        return self._last[None]

    def act(self, action_text: str) -> Frames:
        """Carries out an action for a chunk; where the episode ends within it, its last frame fills the rest.

        Raises:
            UserError: the episode has not begun or is over, or the environment does not have this action.
        """
        if self._last is None or self.ended:
            raise UserError("the episode has not begun or is over; call reset first")
        if action_text not in self.action_texts:
            raise UserError(f"unknown action {action_text!r}; choose one of {', '.join(self.action_texts)}")
        frames: list[np.ndarray] = []
        for _ in range(self.frames_per_chunk):
            if not self.ended:
                action = self.action_texts.index(action_text) + int(getattr(self.env.action_space, "start", 0))
                observation, _, terminated, truncated, _ = self.env.step(action)
                self._last, self.ended = self._frame(observation), bool(terminated or truncated)
            frames.append(self._last)
        return np.stack(frames)

    def _frame(self, observation: Any) -> np.ndarray:
        if self.image == "render":
            rendered = self.env.render()
            # Some environments hand out every picture since the last call.
            picture = rendered[-1] if isinstance(rendered, list) and rendered else rendered
        else:
            picture = _picture_in(observation)
        return frame_from_image(np.asarray(picture), *self.size)


def _picture_in(observation: Any) -> Any:
    """The observation itself, or the only picture among its parts where it is a tuple or a dictionary.

    Raises:
        UserError: no part of it is a picture, or several are.
    """
    if not isinstance(observation, tuple | list | dict):
        return observation
    parts = observation.items() if isinstance(observation, dict) else enumerate(observation)
    pictures = {name: part for name, part in parts if _is_picture(part)}
    if len(pictures) != 1:
        named = ", ".join(map(str, pictures)) or "none"
        raise UserError(
            f"an observation of {len(observation)} parts must hold one uint8 RGB picture, found {named}; wrap the "
            'environment so that it gives one, or take image="render"'
        )
    return next(iter(pictures.values()))


def _is_picture(part: Any) -> bool:
    return getattr(part, "dtype", None) == np.uint8 and len(part.shape) == 3 and part.shape[2] == 3


def from_gymnasium(
    env: StepEnv,
    action_texts: Sequence[str],
    frames_per_chunk: int = 4,
    size: tuple[int, int] = (64, 64),
    image: Source = "observation",
) -> GymEnvironment:
    """Makes an environment to plan in.

    Args:
        env: has a `Discrete` action space; its observations, a part of them where they are
            tuples or dictionaries, or its renderings are uint8 RGB pictures of any size.
        action_texts: one text for each action, in order; the world model is driven by them.
        frames_per_chunk: number of steps that an action is held: the world model's `f_g`.
        size: height and width of the world model's frames, to which pictures are cut and resized.
        image: source of the pictures.

    Raises:
        UserError: another action space, or not one text for each action.

    >>> from slowfast_envs.vizdoom.gym_env import RoomsEnv
    >>> from_gymnasium(RoomsEnv(), RoomsEnv.action_texts).act("turn left")
    Traceback (most recent call last):
    slowfast_vgen.errors.UserError: the episode has not begun or is over; call reset first
    """
    count = getattr(env.action_space, "n", None)
    if count is None:
        raise UserError(
            f"planning needs a Discrete action space, not {type(env.action_space).__name__}; wrap the environment"
        )
    if len(set(action_texts)) != count or len(action_texts) != count:
        raise UserError(
            f"the environment has {count} actions but {len(set(action_texts))} texts were given; give one for each"
        )
    if frames_per_chunk < 1 or image not in ("observation", "render"):
        raise UserError(
            "a chunk has at least 1 frame and images come from observation or render, got "
            f"{frames_per_chunk} and {image!r}"
        )
    return GymEnvironment(env, action_texts, frames_per_chunk, size, image)
