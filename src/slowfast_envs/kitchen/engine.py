"""The model of gymnasium-robotics' FrankaKitchen, made light: it is only posed and drawn, not simulated."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from slowfast_envs.mujoco.engine import import_mujoco, not_installed

WORLD = "franka-kitchen"
_PACKAGE = "gymnasium_robotics"
_MODEL = "envs/assets/kitchen_franka/kitchen_assets/kitchen_env_model.xml"


def load_model() -> Any:
    """The kitchen and its robot, a `mujoco.MjModel`.

    The arm is drawn with its collision meshes, 2,000 triangles instead of 133,000: this cannot be seen at 64x64, and
    loading and drawing take a fraction of the time.

    Raises:
        UserError: a package or the system's EGL is missing.
    """
    mujoco = import_mujoco(WORLD)
    package = find_spec(_PACKAGE)  # the package is not run: it would only register environments
    if package is None or not package.submodule_search_locations:
        error = ModuleNotFoundError(name="gymnasium-robotics")
        raise not_installed(error, WORLD) from error
    spec = mujoco.MjSpec.from_file(str(Path(package.submodule_search_locations[0]) / _MODEL))
    for mesh in spec.meshes:
        mesh.file = mesh.file.replace("visual/", "collision/")
    return spec.compile()
