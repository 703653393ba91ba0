"""ViZDoom with its software renderer as a camera: frames of a scene from exact poses.

A pose seen twice gives the same pixels, in every process: nothing in a scene moves, and light depends only on the pose.
"""

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from jaxtyping import Bool
from PIL import Image

from slowfast_envs.base import FRAME_SIZE
from slowfast_envs.scene import Look, Scene
from slowfast_envs.vizdoom.process import EngineFolder
from slowfast_envs.vizdoom.udmf import build_wad
from slowfast_envs.walking import Place, check_free, poses_of, walk
from slowfast_vgen.errors import UserError
from slowfast_vgen.extras import needs
from slowfast_vgen.types import Frames, Poses

# The engine renders 256x192; the middle 192x192 is averaged over 3x3 blocks. Its field of view is set in whole degrees
# for the full 4:3 picture: 106 there leaves 3/4 of the tangent in the square.
_RENDER_SCALE = 3
_ENGINE_FOV_DEGREES = 106
HORIZONTAL_FOV_DEGREES = math.degrees(2 * math.atan(0.75 * math.tan(math.radians(_ENGINE_FOV_DEGREES / 2))))
"""Horizontal field of view of the 64x64 frame: 89.73 degrees."""
VERTICAL_FOV_DEGREES = math.degrees(2 * math.atan(0.75 / 1.2 * math.tan(math.radians(_ENGINE_FOV_DEGREES / 2))))
"""Vertical field of view of the 64x64 frame: 79.34 degrees. Doom stretches heights by 1.2, so a pixel is not square."""
_WARM_UP_TICS = 20  # the engine ignores input for some 8 tics, and the field of view widens over several
# A missing AutoExec section would make the engine create a folder `_vizdoom` in the working directory.
_CONFIG = "".join(f"[{game}.AutoExec]\n" for game in ("Doom", "Heretic", "Hexen", "Strife", "Chex"))

# When the engine ends, its static destructors read a table that is already freed; if malloc has given the page back, it
# crashes (one close in five, with a log in the working directory). So the engine's malloc must not give any back.
_ENGINE_ENVIRONMENT = {"MALLOC_TRIM_THRESHOLD_": "4000000000", "MALLOC_MMAP_THRESHOLD_": "1000000000"}


class DrawnMap(Protocol):
    """The parts of a map that the engine needs to show it."""

    @property
    def seed(self) -> int:
        """Number that identifies it among the maps of its world."""
        ...

    @property
    def text(self) -> str:
        """The map in UDMF."""
        ...

    @property
    def textures(self) -> tuple[str, ...]:
        """Names of the textures that the text mentions."""
        ...

    @property
    def look(self) -> Look:
        """Source of those textures."""
        ...


class Play(NamedTuple):
    """Recording of `VizdoomEngine.play`; row 0 is the start, then `FRAMES_PER_CHUNK` rows per verb."""

    frames: Frames
    poses: Poses
    collided: Bool[np.ndarray, " num_frames"]
    """True if the frame's step was refused because a wall is too near."""


class VizdoomEngine:
    """One ViZDoom game that shows scenes from exact poses. A context manager; `close` ends the game and its files.

    Raises:
        UserError: ViZDoom is not installed.
    """

    def __init__(self) -> None:
        with needs("rooms"):
            import vizdoom
        self._vizdoom = vizdoom
        self._game: Any = None
        self._folder: EngineFolder | None = None
        self._maps: dict[tuple[str, int], int] = {}  # world and scene seed -> number of its map in the WAD

    def __enter__(self) -> "VizdoomEngine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the game and removes its files; may be called twice."""
        if self._game is not None:
            self._game.close()
            self._game = None
        if self._folder is not None:
            self._folder.close()
            self._folder = None
        self._maps = {}

    def load(self, scenes: Sequence[DrawnMap]) -> None:
        """Starts a game with up to 99 scenes of one world, which `render` and `play` then show within milliseconds.

        This is optional: a scene that is not loaded is loaded when it is shown, in some 0.3 s.
        """
        assert 1 <= len(scenes) <= 99, "one WAD holds 1 to 99 maps"
        look = scenes[0].look
        assert all(scene.look == look for scene in scenes), "one WAD has one palette"
        self.close()
        self._folder = EngineFolder()
        wad, config = self._folder.path / "maps.wad", self._folder.path / "vizdoom.ini"
        textures = {name for scene in scenes for name in scene.textures}
        wad.write_bytes(build_wad([scene.text for scene in scenes], look, textures))
        config.write_text(_CONFIG)
        vizdoom = self._vizdoom
        game = vizdoom.DoomGame()
        # Freedoom, even if another game has been put next to it: some worlds use its textures
        game.set_doom_game_path(str(Path(*vizdoom.__path__, "freedoom2.wad")))
        engine = self._folder.starter(Path(*vizdoom.__path__, "vizdoom"))
        if engine is not None:
            game.set_vizdoom_path(str(engine))
        game.set_doom_scenario_path(str(wad))
        game.set_doom_config_path(str(config))
        game.set_doom_map("MAP01")
        game.set_screen_resolution(vizdoom.ScreenResolution.RES_256X192)
        game.set_screen_format(vizdoom.ScreenFormat.RGB24)
        game.set_render_hud(False)
        game.set_render_weapon(False)
        game.set_render_crosshair(False)
        game.set_render_messages(False)
        game.set_window_visible(False)
        game.set_sound_enabled(False)
        game.set_mode(vizdoom.Mode.PLAYER)
        game.set_available_buttons([vizdoom.Button.TURN_LEFT_RIGHT_DELTA])
        game.set_available_game_variables([])
        game.set_episode_timeout(0)
        game.add_game_args("+sv_cheats 1 +movebob 0")
        self._game = game
        try:
            with _environment(_ENGINE_ENVIRONMENT):
                game.init()
        except _start_errors(vizdoom) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UserError(
                f"ViZDoom's engine does not start ({reason}); install vizdoom again, and see that the disk has room"
            ) from error
        self._maps = {(scene.look.world, scene.seed): number for number, scene in enumerate(scenes, start=1)}

    def render(self, scene: Scene, poses: Poses) -> Frames:
        """The true frames of any poses in the scene, 64x64 each.

        Raises:
            UserError: a pose off the grid (see `Place.of_pose`) or too near a wall.
        """
        places = [Place.of_pose(pose) for pose in poses]
        for place in places:
            check_free(scene, place)
        return self.show(scene, poses_of(places))

    def play(self, scene: Scene, start_pose: Sequence[float] | np.ndarray, verbs: Sequence[str]) -> Play:
        """Carries out the verbs, one chunk each, from the start pose (x, y, degrees) on.

        Raises:
            UserError: an unknown verb, a start off the grid (see `Place.of_pose`) or too near a wall.
        """
        places, refused = walk(scene, Place.of_pose(start_pose), verbs)
        poses = poses_of(places)
        return Play(self.show(scene, poses), poses, np.array(refused))

    def show(self, scene: DrawnMap, poses: Poses) -> Frames:
        """The frames of poses that are known to be free; x and y are whole, headings multiples of 360 / 65536."""
        heading = self._enter_map(scene)
        frames = np.empty((len(poses), FRAME_SIZE, FRAME_SIZE, 3), np.uint8)
        before = None
        for index, pose in enumerate(poses.tolist()):
            if pose == before:
                frames[index] = frames[index - 1]
                continue
            x, y, degrees = pose
            clockwise = (heading - degrees + 180) % 360 - 180
            if before is None or [x, y] != before[:2]:
                # The eye is back at its height only in the second tic after a warp: turn in the first, then look.
                self._game.send_game_command(f"warp {int(x)} {int(y)}")
                self._game.set_action([clockwise])
                self._game.advance_action(1, False)
                clockwise = 0
            self._game.make_action([clockwise])
            frames[index] = _square(self._game.get_state().screen_buffer)
            heading, before = degrees, pose
        return frames

    def _enter_map(self, scene: DrawnMap) -> float:
        """Makes the scene's map the running one; returns the camera's heading in degrees."""
        key = (scene.look.world, scene.seed)
        if key not in self._maps:
            self.load([scene])
        number = self._maps[key]
        self._game.set_doom_map(f"MAP{number:02d}")
        self._game.new_episode()
        self._game.send_game_command(f"fov {_ENGINE_FOV_DEGREES}")
        self._game.make_action([0], _WARM_UP_TICS)
        return 0  # the map's start looks east


def _square(screen: np.ndarray) -> np.ndarray:
    """The middle square of the screen, averaged down to `FRAME_SIZE`."""
    side = FRAME_SIZE * _RENDER_SCALE
    left = (screen.shape[1] - side) // 2
    return np.asarray(Image.fromarray(np.ascontiguousarray(screen[:, left : left + side])).reduce(_RENDER_SCALE))


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Environment variables for the processes that are started inside the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _start_errors(vizdoom: Any) -> tuple[type[Exception], ...]:
    names = ("FileDoesNotExist", "MessageQueue", "SharedMemory", "ViZDoomError", "ViZDoomUnexpectedExit")
    return (OSError, *(getattr(vizdoom, f"{name}Exception") for name in names))
