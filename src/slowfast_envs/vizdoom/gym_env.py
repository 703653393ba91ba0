"""A ViZDoom world to act in, as a `gymnasium.Env`: one step is one frame, the observation is the camera's picture."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from jaxtyping import UInt8

from slowfast_envs.actions import PHRASINGS, VERBS
from slowfast_envs.base import FRAME_SIZE
from slowfast_envs.scene import Scene
from slowfast_envs.vizdoom.base import open_vizdoom_world
from slowfast_envs.vizdoom.engine import VizdoomEngine
from slowfast_envs.walking import Place, advance, check_free, poses_of
from slowfast_envs.walking_scripts import draw_start
from slowfast_vgen.errors import UserError
from slowfast_vgen.extras import needs

with needs("rooms"):
    import gymnasium
    from gymnasium import spaces

Picture = UInt8[np.ndarray, "64 64 3"]
_METADATA: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 10}
_MAPS = 2**20
"""Number of maps among which a reset without a scene chooses."""


class RoomsEnv(gymnasium.Env[Picture, np.int64]):
    """The camera of `vizdoom-rooms` (or another ViZDoom world), to act with.

    Observations are frames, uint8 `[64, 64, 3]`. Action `i` is `VERBS[i]` held for one frame: a turn of 22.5 degrees, a
    step of 24 units, or a pause; a step that would come too near a wall is refused. There is no reward, and an episode
    ends only by a reset. `info` holds "pose" (x, y in map units, heading in degrees) and "collided".

    Several environments may share one engine, which is quick as long as their scenes are loaded in it together.
    """

    metadata = _METADATA
    action_texts: ClassVar[tuple[str, ...]] = tuple(PHRASINGS[verb][0] for verb in VERBS)
    """The canonical phrasing of each action."""

    def __init__(
        self,
        world: str = "vizdoom-rooms",
        split: str = "test",
        engine: VizdoomEngine | None = None,
        render_mode: str | None = None,
    ) -> None:
        """Starts nothing yet.

        Args:
            world: a ViZDoom world's name.
            split: split of the maps that are drawn if a reset names no scene.
            engine: a shared one, which its owner closes; None for an own one.
            render_mode: "rgb_array" or None; `render` gives the latest frame in both.

        Raises:
            UserError: no such world or split, or ViZDoom is not installed.
        """
        self.world = open_vizdoom_world(world, split, 0)
        self.engine, self._owned = (VizdoomEngine(), True) if engine is None else (engine, False)
        self.render_mode = render_mode
        self.observation_space = spaces.Box(0, 255, (FRAME_SIZE, FRAME_SIZE, 3), np.uint8)
        self.action_space = spaces.Discrete(len(VERBS))
        self.scene: Scene | None = None
        self.place = Place(0, 0, 0)
        self._frame = np.zeros((FRAME_SIZE, FRAME_SIZE, 3), np.uint8)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Picture, dict[str, Any]]:
        """Begins an episode.

        Args:
            seed: draws scene and start if they are not given.
            options: may hold "scene" (a `Scene`) and "start" (a `Place` in it).

        Raises:
            UserError: other options, or a start that is too near a wall.
        """
        super().reset(seed=seed)
        given = options or {}
        if unknown := sorted(set(given) - {"scene", "start"}):
            raise UserError(f"unknown option {unknown[0]!r} of a reset; give scene and start, or neither")
        self.scene = given.get("scene") or self.world.scene(int(self.np_random.integers(_MAPS)))
        self.place = given.get("start") or draw_start(self.np_random, self.scene, "wander")
        check_free(self.scene, self.place)
        return self._look([self.place])[-1], self._info(False)

    def step(self, action: np.int64 | int) -> tuple[Picture, float, bool, bool, dict[str, Any]]:
        """One frame of `VERBS[action]`; the reward is 0 and nothing ends."""
        frames, collided = self.steps(int(action), 1)
        return frames[0], 0.0, False, False, self._info(collided)

    def steps(self, action: int, count: int) -> tuple[UInt8[np.ndarray, "count 64 64 3"], bool]:
        """The frames of an action that is held, rendered together, and whether any step was refused.

        Raises:
            UserError: no reset before, or no such action.
        """
        if self.scene is None:
            raise UserError("the environment has not begun; call reset first")
        if not 0 <= action < len(VERBS):
            raise UserError(f"there is no action {action}; choose one from 0 to {len(VERBS) - 1}")
        places, refused = [self.place], False
        for _ in range(count):
            place, bumped = advance(self.scene, places[-1], VERBS[action])
            places.append(place)
            refused |= bumped
        frames = self._look(places[1:])
        self.place = places[-1]
        return frames, refused

    def render(self) -> Picture:
        """The latest frame."""
        return self._frame.copy()

    def close(self) -> None:
        """Ends the engine, unless it is shared."""
        if self._owned:
            self.engine.close()

    def _look(self, places: Sequence[Place]) -> UInt8[np.ndarray, "count 64 64 3"]:
        assert self.scene is not None
        try:
            frames = self.engine.show(self.scene, poses_of(places))
        except Exception:
            self.engine.close()  # a game that broke off is started again for the next picture
            raise
        self._frame = frames[-1]
        return frames

    def _info(self, collided: bool) -> dict[str, Any]:
        return {"pose": poses_of([self.place])[0], "collided": collided}
