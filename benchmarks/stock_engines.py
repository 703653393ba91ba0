"""The baseline of `engine_speed.py`: each engine's own gymnasium environment, stepped at random.

It is what one writes who has no recorder: reset with a seed, step, keep the picture of every step; no texts, no poses,
no script. One step is one frame, as little as a frame can cost there, while a frame of ours may take several steps of
the engine's physics. ViZDoom's plays one finished map at the size that its scenario sets, so it is the engine alone.
"""

import importlib
import os
import tempfile
from dataclasses import dataclass
from typing import Any

FRAMES_PER_EPISODE = 129
SIDE_PIXELS = 64


@dataclass(frozen=True)
class StockEnvironment:
    """A registered environment, and how to have its picture."""

    env_id: str
    module: str
    """What registers it."""
    settings: dict[str, Any]
    rendered: bool = False
    """Whether the picture is `render()`'s and not part of the observation."""

    def open(self) -> "StockRecorder":
        """Makes it."""
        import gymnasium

        os.environ.setdefault("MUJOCO_GL", "egl")
        folder = tempfile.TemporaryDirectory()
        os.chdir(folder.name)  # ViZDoom's leaves its settings where it stands; this process does nothing else
        if self.module == "miniworld":
            import pyglet

            pyglet.options["headless"] = True
        importlib.import_module(self.module)
        settings = {**self.settings, "render_mode": "rgb_array"} if self.rendered else self.settings
        env = gymnasium.make(self.env_id, disable_env_checker=True, **settings)
        return StockRecorder(env, self.rendered, folder)


class StockRecorder:
    """Counts the frames of episodes."""

    def __init__(self, env: Any, rendered: bool, folder: tempfile.TemporaryDirectory[str]) -> None:
        self.env, self.rendered = env, rendered
        self._folder = folder  # goes when this does

    def __call__(self, first: int, num_episodes: int) -> int:
        """Frames of that many episodes."""
        for episode in range(first, first + num_episodes):
            self._reset(episode)
            for _ in range(FRAMES_PER_EPISODE - 1):
                _, _, terminated, truncated, _ = self.env.step(self.env.action_space.sample())
                if terminated or truncated:
                    self._reset(episode)
                elif self.rendered:
                    self.env.render()
        return num_episodes * FRAMES_PER_EPISODE

    def _reset(self, seed: int) -> None:
        self.env.reset(seed=seed)
        if self.rendered:
            self.env.render()


_VIZDOOM = StockEnvironment("VizdoomMyWayHome-v1", "vizdoom.gymnasium_wrapper", {})
_MINIWORLD = StockEnvironment(
    "MiniWorld-FourRooms-v0", "miniworld", {"obs_width": SIDE_PIXELS, "obs_height": SIDE_PIXELS}
)
STOCK = {
    "vizdoom-rooms": _VIZDOOM,
    "vizdoom-mazes": _VIZDOOM,
    "vizdoom-streets": _VIZDOOM,
    "miniworld-rooms": _MINIWORLD,
    "miniworld-rooms-third": _MINIWORLD,
    "metaworld": StockEnvironment(
        "Meta-World/MT1",
        "metaworld",
        {"env_name": "push-v3", "camera_name": "corner2", "width": SIDE_PIXELS, "height": SIDE_PIXELS},
        rendered=True,
    ),
    "franka-kitchen": StockEnvironment(
        "FrankaKitchen-v1", "gymnasium_robotics", {"width": SIDE_PIXELS, "height": SIDE_PIXELS}, rendered=True
    ),
    "car-racing": StockEnvironment("CarRacing-v3", "gymnasium.envs.box2d", {}),
}
"""WorldModel -> the environment of the same engine that is nearest to it."""
