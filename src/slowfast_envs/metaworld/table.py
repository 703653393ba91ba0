"""Meta-World's robot at its table with some blocks: a scene to reset, act in, draw and measure.

The arm, the table and how the hand is driven are Meta-World's; the blocks are ours. Ten frames per second; within a
frame one action is held, so the frames and the actions of an episode record exactly what was done.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from slowfast_envs.base import FRAME_SIZE
from slowfast_envs.metaworld.engine import hide_base, hide_marks, model_file
from slowfast_envs.metaworld.layout import BLOCK_HALF, COLOURS, SHAPES, Layout
from slowfast_envs.mujoco.camera import Camera, View
from slowfast_envs.mujoco.engine import import_mujoco
from slowfast_envs.recorder import Frame
from slowfast_vgen.errors import UserError

VIEW = View(look_at=(0.0, 0.65, 0.05), distance=0.72, azimuth=-90.0, elevation=-51.0)
"""View into the robot's face: its right (x) is the picture's left, and y comes towards the camera.

From here the arm hides a block in 1 of 100 frames, from next to the robot in 9."""
CAMERA_POSE = (0.0, round(VIEW.look_at[1] + VIEW.distance * math.cos(math.radians(VIEW.elevation)), 4), 270.0)
"""Pose of the camera above the table: x, y in metres, and its heading in degrees counter-clockwise from x."""
STEPS_PER_FRAME = 8
"""Control steps per frame, as Meta-World counts them: 12.5 ms of simulated time each."""
MOST_PER_FRAME = 0.01 * STEPS_PER_FRAME
"""Distance that an action of 1 moves the hand within a frame, metres."""

_SUBSTEPS = 5
_HAND_LOW, _HAND_HIGH = (-0.3, 0.45, 0.05), (0.3, 0.8, 0.3)
_HAND_TURN = (1.0, 0.0, 1.0, 0.0)
_WELD = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 5.0)  # the hand is tied to the mocap body without offset
_SETTLING_STEPS = 60
_PARKED = (0.6, 0.4)  # blocks that a scene does not use lie here, unseen

Action = Float64[np.ndarray, "4"]
"""Motion of the hand's target along x, y and z (-1 to 1, of `MOST_PER_FRAME`), and the grip (-1 open, 1 closed)."""
Position = Float64[np.ndarray, "3"]
"""Coordinates x, y and z, metres."""


@dataclass(frozen=True)
class TableState:
    """The true state of a scene at one moment; input of an expert."""

    hand: Position
    target: Position
    """Target that the hand is led to; it follows within a frame or two, some millimetres lower."""
    opening: float
    """Gap between the two fingers, metres: about 0.09 open, a block's width around one."""
    blocks: Mapping[str, Position]
    """Name -> the block's middle."""


class Table:
    """One scene at a time. A context manager; `close` ends the drawing.

    >>> with Table(draw_layout(7)) as table:  # doctest: +SKIP
    ...     first = table.frame()
    ...     table.act(np.array([0.5, 0.0, 0.0, -1.0]))  # 4 cm to the right of the robot, grip open
    ...     table.state().blocks["blue cube"]

    Raises:
        UserError: Meta-World is not installed, or MuJoCo cannot draw here.
    """

    def __init__(self, layout: Layout, size: int = FRAME_SIZE, view: View = VIEW) -> None:
        self._mujoco = import_mujoco()
        self._model = _build(self._mujoco)
        self._data = self._mujoco.MjData(self._model)
        self._camera = Camera(self._model, view, size)
        self._names: dict[str, int] = {}
        self.layout = layout
        """The latest layout."""
        self.reset(layout)

    def __enter__(self) -> "Table":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the drawing; may be called twice."""
        self._camera.close()

    def reset(self, layout: Layout) -> None:
        """Lays the blocks out and puts the hand where the layout has it; the same layout gives the same state."""
        data, self.layout = self._data, layout
        self._mujoco.mj_resetData(self._model, data)
        self._names = {block.name: block.slot for block in layout.blocks}
        for slot in range(len(SHAPES)):
            self._model.geom(_geom(slot)).rgba[3] = 0.0
        data.mocap_pos[0] = layout.hand
        data.mocap_quat[0] = _HAND_TURN
        data.ctrl[:] = (-1.0, 1.0)
        # the arm comes from the other side of the table: the blocks are put down when it is there
        self._mujoco.mj_step(self._model, data, _SETTLING_STEPS * _SUBSTEPS)
        for block in layout.blocks:
            self._model.geom(_geom(block.slot)).rgba[:] = (*COLOURS[block.colour], 1.0)
            data.joint(_joint(block.slot)).qpos[:] = (*block.spot, BLOCK_HALF, 1.0, 0.0, 0.0, 0.0)
            data.joint(_joint(block.slot)).qvel[:] = 0.0
        self._mujoco.mj_step(self._model, data, _SETTLING_STEPS * _SUBSTEPS)
        self._mujoco.mj_forward(self._model, data)

    def act(self, action: Action) -> None:
        """Holds an action for one frame.

        Raises:
            UserError: not four finite numbers.
        """
        action = check_action(action)
        move, grip = action[:3] * (MOST_PER_FRAME / STEPS_PER_FRAME), float(action[3])
        data = self._data
        data.ctrl[:] = (grip, -grip)
        for _ in range(STEPS_PER_FRAME):
            data.mocap_pos[0] = np.clip(data.mocap_pos[0] + move, _HAND_LOW, _HAND_HIGH)
            data.mocap_quat[0] = _HAND_TURN
            self._mujoco.mj_step(self._model, data, _SUBSTEPS)
        self._mujoco.mj_forward(self._model, data)

    def state(self) -> TableState:
        """The true positions now."""
        data = self._data
        fingers = data.body("leftpad").xpos[1] - data.body("rightpad").xpos[1]
        blocks = {name: data.body(_body(slot)).xpos.copy() for name, slot in self._names.items()}
        return TableState(data.body("hand").xpos.copy(), data.mocap_pos[0].copy(), float(fingers), blocks)

    def frame(self) -> Frame:
        """Picture of the current state."""
        return self._camera.shoot(self._data)

    def save(self) -> np.ndarray:
        """The whole state of the simulation, so that a planner can try something and go back; for `restore`."""
        kind = self._mujoco.mjtState.mjSTATE_INTEGRATION
        saved = np.empty(self._mujoco.mj_stateSize(self._model, kind))
        self._mujoco.mj_getState(self._model, self._data, saved, kind)
        return saved

    def restore(self, saved: np.ndarray) -> None:
        """Goes back to what `save` gave, within the same layout."""
        self._mujoco.mj_setState(self._model, self._data, saved, self._mujoco.mjtState.mjSTATE_INTEGRATION)
        self._mujoco.mj_forward(self._model, self._data)


def check_action(action: Action) -> Action:
    """The action, clipped to [-1, 1].

    Raises:
        UserError: not four finite numbers.
    """
    action = np.asarray(action, np.float64)
    if action.shape != (4,) or not np.isfinite(action).all():
        raise UserError(f"the action {action.tolist()} is unfit; give four finite numbers: x, y, z and grip")
    return np.clip(action, -1.0, 1.0)


def _body(slot: int) -> str:
    return f"block {slot}"


def _geom(slot: int) -> str:
    return f"geom of block {slot}"


def _joint(slot: int) -> str:
    return f"joint of block {slot}"


def _build(mujoco: Any) -> Any:
    """The model: Meta-World's pick-and-place scene with our blocks in place of its puck."""
    spec = mujoco.MjSpec.from_file(model_file("sawyer_xyz/sawyer_pick_place_v3.xml"))
    puck = next(body for body in spec.bodies if body.name == "obj")
    spec.detach_body(puck)
    kinds = {"cube": mujoco.mjtGeom.mjGEOM_BOX, "puck": mujoco.mjtGeom.mjGEOM_CYLINDER}
    for slot, shape in enumerate(SHAPES):
        body = spec.worldbody.add_body(name=_body(slot), pos=(_PARKED[0], _PARKED[1] + 0.1 * slot, BLOCK_HALF))
        body.mass, body.inertia, body.ipos, body.explicitinertial = 0.2, [1e-4] * 3, [0.0] * 3, True
        body.add_freejoint(name=_joint(slot))
        # friction and stiffness of the contacts are those of Meta-World's puck
        body.add_geom(
            name=_geom(slot),
            type=kinds[shape],
            size=[BLOCK_HALF] * 3,
            condim=4,
            friction=[1.0, 0.1, 0.002],
            solref=[0.01, 1.0],
            solimp=[0.99, 0.99, 0.01, 0.5, 2.0],
        )
    model = spec.compile()
    for equality in range(model.neq):
        if model.eq_type[equality] == mujoco.mjtEq.mjEQ_WELD:
            model.eq_data[equality] = _WELD
    hide_base(model)
    hide_marks(model)
    return model
