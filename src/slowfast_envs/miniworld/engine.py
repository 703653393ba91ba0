"""Miniworld as a camera: frames of a house from exact places, by the first or the third person, without a display.

A place seen twice gives the same pixels, in every process of a machine. Other drivers round a colour here and there.
"""

import os
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
from jaxtyping import Bool

from slowfast_envs.base import FRAME_SIZE
from slowfast_envs.miniworld.camera import Camera
from slowfast_envs.miniworld.map import House
from slowfast_envs.scene import Scene
from slowfast_envs.walking import Place, check_free, poses_of, walk
from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Frames, Poses

if TYPE_CHECKING:
    from slowfast_envs.miniworld.renderer import Stage

_LIBRARIES = "libegl1 libgl1 libgl1-mesa-dri libglu1-mesa libfreetype6"


class Play(NamedTuple):
    """Recording of `play`; row 0 is the start, then `FRAMES_PER_CHUNK` rows per verb."""

    frames: Frames
    poses: Poses
    """Poses of the walker; the third-person camera is behind it."""
    collided: Bool[np.ndarray, " num_frames"]
    """True if the frame's step was refused because a wall or a thing is too near."""


def ground(house: House) -> Scene:
    """The house as a `Scene` for path scripts, which ask for its free space and its rooms, not for its drawing."""
    return cast(Scene, house)


def render(house: House, poses: Poses, camera: Camera) -> Frames:
    """The true frames of any poses in the house, 64x64 each.

    Raises:
        UserError: a pose off the grid (see `Place.of_pose`) or too near a wall or thing; or no Miniworld or EGL.
    """
    places = [Place.of_pose(pose) for pose in poses]
    for place in places:
        check_free(ground(house), place)
    return show(house, places, camera)


def play(house: House, start_pose: Sequence[float] | np.ndarray, verbs: Sequence[str], camera: Camera) -> Play:
    """Carries out the verbs, one chunk each, from the start pose (x, y, degrees) on.

    Raises:
        UserError: an unknown verb; a start off the grid or too near a wall or thing; or no Miniworld or EGL.
    """
    places, refused = walk(ground(house), Place.of_pose(start_pose), verbs)
    return Play(show(house, places, camera), poses_of(places), np.array(refused))


def show(house: House, places: Sequence[Place], camera: Camera) -> Frames:
    """The frames of places that are known to be free.

    Raises:
        UserError: no Miniworld or EGL.
    """
    stage = _stage()
    frames = np.empty((len(places), FRAME_SIZE, FRAME_SIZE, 3), np.uint8)
    for index, place in enumerate(places):
        same = index and place == places[index - 1]
        frames[index] = frames[index - 1] if same else stage.show(house, place, camera)
    return frames


@cache
def _stage() -> "Stage":
    """The one stage of this process."""
    before = os.environ.get("LP_NUM_THREADS")
    # Mesa's software renderer loses more than it gains by threads on frames so small; other drivers do not read this.
    os.environ.setdefault("LP_NUM_THREADS", "0")
    try:
        _open_display()
        from slowfast_envs.miniworld.renderer import Stage

        return Stage(FRAME_SIZE)
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        raise UserError(
            f"the world miniworld-rooms needs the package {package}; install it with: "
            "pip install 'slowfast-vgen[miniworld]'"
        ) from error
    except ImportError as error:  # a missing system library, as pyglet reports it
        raise _no_display(error) from error
    finally:
        if before is None:
            os.environ.pop("LP_NUM_THREADS", None)


def _open_display() -> None:
    """Makes pyglet draw without a display, and checks that it can."""
    import pyglet

    pyglet.options["headless"] = True
    pyglet.options["debug_gl"] = False  # a third of the time
    try:
        from pyglet.window import Window

        Window(width=1, height=1, visible=False).close()
    except ModuleNotFoundError:
        raise
    except Exception as error:  # drivers fail in many ways
        raise _no_display(error) from error


def _no_display(error: Exception) -> UserError:
    reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return UserError(
        f"the world miniworld-rooms draws without a display through EGL, which does not work here ({reason}); install "
        f"the libraries, on Debian with: apt-get install {_LIBRARIES}"
    )
