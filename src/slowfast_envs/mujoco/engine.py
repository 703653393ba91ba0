"""MuJoCo and Meta-World, imported when they are needed, and what every scene does to one of their models."""

import os
from types import ModuleType
from typing import Any, cast

from slowfast_vgen.errors import UserError

_WORLD = "metaworld"
_LIBRARIES = "libegl1 libgl1-mesa-dri"
_MARK_RADIUS = 0.03
_BEHIND = ("pedestal", "head", "right_arm_base_link")


def import_mujoco(world: str = _WORLD) -> ModuleType:
    """MuJoCo, set to draw through EGL unless MUJOCO_GL says otherwise.

    Args:
        world: whose extra brings it.

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


def import_metaworld() -> tuple[dict[str, Any], dict[str, Any]]:
    """Meta-World's environments whose observations tell the goal, and its experts, by name.

    Raises:
        UserError: the package or the system's EGL is missing.
    """
    import_mujoco()
    try:
        from metaworld.env_dict import ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE
        from metaworld.policies import ENV_POLICY_MAP
    except ModuleNotFoundError as error:
        raise not_installed(error) from error
    return dict(ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE), dict(ENV_POLICY_MAP)


def model_file(name: str) -> str:
    """Path of one of Meta-World's models, such as "sawyer_xyz/sawyer_pick_place_v3.xml".

    Raises:
        UserError: Meta-World is not installed.
    """
    import_mujoco()
    try:
        from metaworld.asset_path_utils import full_V3_path_for
    except ModuleNotFoundError as error:
        raise not_installed(error) from error
    return str(full_V3_path_for(name))


def hide_marks(model: Any, shown: str = "") -> None:
    """Takes Meta-World's coloured marks out of sight, all but the one that is `shown`, which grows to be seen."""
    for site in range(model.nsite):
        if model.site(site).name == shown:
            model.site_size[site] = _MARK_RADIUS
        else:
            model.site_rgba[site, 3] = 0.0


def hide_base(model: Any) -> None:
    """Spares the drawing of the robot's base and head, which no view shows: a sixth of the time."""
    for geom in range(model.ngeom):
        if model.body(model.geom_bodyid[geom]).name in _BEHIND:
            model.geom_matid[geom] = -1
            model.geom_rgba[geom, 3] = 0.0


def cannot_draw(error: Exception, world: str = _WORLD) -> UserError:
    """What to tell a user where the system's libraries fail."""
    reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    setting = f"MUJOCO_GL={os.environ.get('MUJOCO_GL')}"
    return UserError(
        f"the world {world} draws without a display through {setting}, which does not work here ({reason}); take "
        f"MUJOCO_GL=egl, and install its libraries, on Debian with: apt-get install {_LIBRARIES}"
    )


def not_installed(error: ModuleNotFoundError, world: str = _WORLD) -> UserError:
    """What to tell a user where a package is missing; the extra that brings it is called like the world."""
    return UserError(
        f"the world {world} needs the package {error.name}; install it with: pip install 'slowfast-vgen[{world}]'"
    )
