"""MuJoCo, imported when it is needed, and the errors that are raised if it is missing or cannot draw."""

import os
from types import ModuleType
from typing import cast

from slowfast_vgen.errors import UserError

_WORLD = "metaworld"
_LIBRARIES = "libegl1 libgl1-mesa-dri"


def import_mujoco(world: str = _WORLD) -> ModuleType:
    """MuJoCo, set to draw through EGL unless MUJOCO_GL says otherwise.

    Args:
        world: name of the world whose extra installs it.

    Raises:
        UserError: the package or the system's EGL is missing.
    """
    os.environ.setdefault("MUJOCO_GL", "egl")  # read once, by the import
    try:
        import mujoco
        from mujoco.gl_context import GLContext  # not there where MUJOCO_GL turns drawing off
    except ModuleNotFoundError as error:
        raise not_installed(error, world) from error
    except Exception as error:  # without its library PyOpenGL fails in many ways
        raise cannot_draw(error, world) from error
    # Where drawing fails these two are left half made, and their `__del__` would add a traceback to our sentence.
    for half_made, missing in ((mujoco.Renderer, "_mjr_context"), (GLContext, "_context")):
        if not hasattr(half_made, missing):
            setattr(half_made, missing, None)
    return cast(ModuleType, mujoco)


def cannot_draw(error: Exception, world: str = _WORLD) -> UserError:
    """The error for a system whose libraries fail."""
    reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    setting = f"MUJOCO_GL={os.environ.get('MUJOCO_GL')}"
    return UserError(
        f"the world {world} draws without a display through {setting}, which does not work here ({reason}); take "
        f"MUJOCO_GL=egl, and install its libraries, on Debian with: apt-get install {_LIBRARIES}"
    )


def not_installed(error: ModuleNotFoundError, world: str = _WORLD) -> UserError:
    """The error for a missing package; the extra that installs it has the world's name."""
    return UserError(
        f"the world {world} needs the package {error.name}; install it with: pip install 'slowfast-vgen[{world}]'"
    )
