"""MuJoCo as a camera: pictures of a simulation from a fixed place, without a display.

Shadows, reflections and multi-samples are off: together they take most of the time and add little at 64x64. The picture
is drawn at twice the size and averaged down instead, so that small things do not flicker.
"""

import atexit
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from slowfast_envs.base import FRAME_SIZE
from slowfast_envs.mujoco.engine import cannot_draw, import_mujoco
from slowfast_envs.recorder import Frame

_RENDER_SCALE = 2

FOV_DEGREES = 45.0
"""Vertical and horizontal field of view, that of MuJoCo's free camera."""


class View(NamedTuple):
    """Viewpoint of a camera. x is to the right of the robot, y away from it, z up; metres and degrees."""

    look_at: tuple[float, float, float]
    distance: float
    azimuth: float
    """Direction of sight, counter-clockwise from x: 90 looks over the robot's shoulder, -90 into its face."""
    elevation: float
    """Elevation of the line of sight; negative looks down."""


class Camera:
    """Draws the state of one model from one view. A context manager; `close` frees its memory.

    Args:
        model: the model of the drawn states.
        view: the first viewpoint.
        size: side of a frame, pixels.
        world: name of the world, for errors.

    Raises:
        UserError: MuJoCo is not installed, or cannot draw here.
    """

    def __init__(self, model: Any, view: View, size: int = FRAME_SIZE, world: str = "metaworld") -> None:
        mujoco = import_mujoco(world)
        side = size * _RENDER_SCALE
        model.vis.quality.offsamples = 0
        model.vis.quality.shadowsize = 0
        model.vis.global_.offwidth = max(model.vis.global_.offwidth, side)
        model.vis.global_.offheight = max(model.vis.global_.offheight, side)
        threads = os.environ.get("LP_NUM_THREADS")
        # Mesa's software renderer loses more by threads than it gains on frames so small; others do not read this.
        os.environ.setdefault("LP_NUM_THREADS", "0")
        try:
            with _other_context_kept():
                self._renderer = mujoco.Renderer(model, side, side)
        except Exception as error:  # drivers fail in many ways
            raise cannot_draw(error, world) from error
        finally:
            if threads is None:
                del os.environ["LP_NUM_THREADS"]
        self._close = weakref.finalize(self, _close, self._renderer)
        # At the end of the process MuJoCo ends EGL by an exit handler; the one that is registered last runs first.
        self._close.atexit = False
        atexit.register(self._close)
        self._options = mujoco.MjvOption()
        self._off = (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION)
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FREE
        self.aim(view)

    def __enter__(self) -> "Camera":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the drawing context; may be called twice."""
        self._close()
        atexit.unregister(self._close)

    def aim(self, view: View) -> None:
        """Moves the camera to another viewpoint."""
        self._camera.lookat[:] = view.look_at
        self._camera.distance, self._camera.azimuth, self._camera.elevation = view[1:]

    def shoot(self, data: Any) -> Frame:
        """The frame of a state (`mujoco.MjData`) of the model."""
        self._renderer.update_scene(data, self._camera, self._options)
        for flag in self._off:
            self._renderer.scene.flags[flag] = False
        with _other_context_kept():
            picture = self._renderer.render()
        return np.asarray(Image.fromarray(picture).reduce(_RENDER_SCALE))


def _close(renderer: Any) -> None:
    with _other_context_kept():
        renderer.close()


@contextmanager
def _other_context_kept() -> Iterator[None]:
    """Restores the current EGL context at the end: MuJoCo leaves its own, and another engine may need its one."""
    if os.environ.get("MUJOCO_GL") != "egl":
        yield
        return
    from OpenGL import EGL

    EGL.eglBindAPI(EGL.EGL_OPENGL_API)
    context, display = EGL.eglGetCurrentContext(), EGL.eglGetCurrentDisplay()
    surfaces = [EGL.eglGetCurrentSurface(which) for which in (EGL.EGL_DRAW, EGL.EGL_READ)]
    try:
        yield
    finally:
        EGL.eglReleaseThread()
        EGL.eglBindAPI(EGL.EGL_OPENGL_API)
        if context:
            EGL.eglMakeCurrent(display, *surfaces, context)
