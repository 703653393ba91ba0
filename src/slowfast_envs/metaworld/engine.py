"""Meta-World, imported when it is needed, and the changes that every scene makes to its models."""

from typing import Any

from slowfast_envs.mujoco.engine import import_mujoco, not_installed

_MARK_RADIUS = 0.03
_BEHIND = ("pedestal", "head", "right_arm_base_link")


def import_metaworld() -> tuple[dict[str, Any], dict[str, Any]]:
    """Meta-World's environments whose observations include the goal, and its experts, by name.

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
    """Hides Meta-World's coloured marks, all but the one that is `shown`, which is enlarged."""
    for site in range(model.nsite):
        if model.site(site).name == shown:
            model.site_size[site] = _MARK_RADIUS
        else:
            model.site_rgba[site, 3] = 0.0


def hide_base(model: Any) -> None:
    """Hides the robot's base and head, which no view shows: this saves a sixth of the time."""
    for geom in range(model.ngeom):
        if model.body(model.geom_bodyid[geom]).name in _BEHIND:
            model.geom_matid[geom] = -1
            model.geom_rgba[geom, 3] = 0.0
