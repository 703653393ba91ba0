"""The kitchen as a stage: laid out from a seed, changed by the robot's hand frame by frame, and drawn.

Nothing is simulated. A thing is led from state to state, and the arm's angles are solved for so that the hand stays at
the handle. So every task ends as it should, and the same states give the same pixels whatever came before.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from slowfast_envs.base import FRAME_SIZE
from slowfast_envs.kitchen.engine import WORLD, load_model
from slowfast_envs.kitchen.fixtures import FIXTURES, KETTLE, Fixture, Task
from slowfast_envs.kitchen.inverse_kinematics import REST, SEARCH, Angles, Arm, stretched
from slowfast_envs.kitchen.layout import VIEW, Kitchen
from slowfast_envs.mujoco.camera import Camera
from slowfast_envs.mujoco.engine import import_mujoco
from slowfast_envs.recorder import Frame

TASK_FRAMES = 16
"""Number of frames of every task, from the arm's rest to its rest."""

_APPROACH, _GRASP, _MOVE, _RETREAT = 3, 2, 5, 3  # frames; two more close and open the fingers, one draws the hand back
_BEFORE = 0.12  # metres before the handle where the hand straightens
_LIFT = 0.07  # metres that the kettle is carried above the stove
_OPEN, _CLOSED = 0.04, 0.018  # of each finger, metres
_CABINETS = ("M_slide_blue", "M_hinge_blue", "counter_blue")
_GLOW = 0.5  # of a burner that is on
_LAMP = np.array((1.6, 1.5, 1.2))  # red, green and blue of the light above the stove
_LIGHTS = slice(0, 3)  # those of the room


class KitchenState(NamedTuple):
    """The true state at one moment."""

    joints: Angles
    fingers: float
    """Distance of each finger from the middle, metres."""
    hand: np.ndarray
    """Position of the hand: x, y and z, metres."""
    fixtures: dict[str, tuple[float, ...]]
    """Name -> angle in radians or shift in metres; for the kettle x, y and z."""


class KitchenStage:
    """A kitchen and its robot. A context manager; `close` ends the drawing.

    Args:
        kitchen: its start.
        size: side of a frame, pixels.

    Raises:
        UserError: a package is missing, or MuJoCo cannot draw here.
    """

    def __init__(self, kitchen: Kitchen, size: int = FRAME_SIZE) -> None:
        self._mujoco = import_mujoco(WORLD)
        self._model = load_model()
        self._data = self._mujoco.MjData(self._model)
        self._arm = Arm(self._model, self._data)
        self._room = (self._model.light_diffuse[_LIGHTS].copy(), self._model.vis.headlight.diffuse.copy())
        self._lamp = self._model.light("ovenlight").id
        self._model.mat_emission[self._model.mat("oven_burner").id] = _GLOW
        self._camera = Camera(self._model, VIEW, size, WORLD)
        self.reset(kitchen)

    def __enter__(self) -> "KitchenStage":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the drawing; may be called twice."""
        self._camera.close()

    def reset(self, kitchen: Kitchen) -> None:
        """Sets the stage to a kitchen's start, the arm at rest; nothing is left of the state before."""
        self._mujoco.mj_resetData(self._model, self._data)
        for material, colour in {
            **dict.fromkeys(_CABINETS, kitchen.cabinets),
            "wall_blue": kitchen.wall,
            "kettle_white": kitchen.kettle,
            "micro_black": kitchen.microwave,
        }.items():
            self._model.mat_rgba[self._model.mat(material).id, :3] = colour
        self._model.light_diffuse[_LIGHTS] = kitchen.brightness * self._room[0]
        self._model.vis.headlight.diffuse[:] = kitchen.brightness * self._room[1]
        self._camera.aim(kitchen.view)
        self.states = dict(kitchen.states)
        """State of each fixture, an index into its values."""
        for name, state in kitchen.states.items():
            self._put(FIXTURES[name], np.array(FIXTURES[name].values[state]))
        self._rest()

    def do(self, task: Task) -> Iterator[KitchenState]:
        """Does a task in `TASK_FRAMES` steps and yields the state after each."""
        fixture = FIXTURES[task.fixture]
        start, end = (np.array(fixture.values[state]) for state in (self.states[task.fixture], task.state))
        self.states[task.fixture] = task.state
        handle = self._handle(fixture)
        start_angles = stretched(handle) if task.fixture == KETTLE else SEARCH
        before = self._arm.reach(handle - _back(fixture), fixture.approach, start_angles)
        grasp = self._arm.reach(handle, fixture.approach, before)
        yield from self._swing(REST, before, _APPROACH)
        yield from self._swing(before, grasp, _GRASP)
        yield self._hold(grasp, _CLOSED)
        angles = grasp
        for frame in range(1, _MOVE + 1):
            share = _smooth(frame / _MOVE)
            value = start + share * (end - start)
            if task.fixture == KETTLE:
                value[2] += _LIFT * np.sin(np.pi * share)
            self._put(fixture, value)
            angles = self._arm.reach(self._handle(fixture), fixture.approach, angles)
            turned = angles.copy()
            if fixture.turns_hand:
                turned[-1] += (value - start)[0]
            yield self._hold(turned, _CLOSED)
        yield self._hold(turned, _OPEN)
        before = self._arm.reach(self._handle(fixture) - _back(fixture), fixture.approach, angles)
        yield self._hold(before, _OPEN)
        yield from self._swing(before, REST, _RETREAT)

    def wait(self, num_frames: int) -> Iterator[KitchenState]:
        """Does nothing, and yields the state of each frame."""
        for _ in range(num_frames):
            yield self.state()

    def state(self) -> KitchenState:
        """The true state now."""
        fixtures = {name: tuple(self._value(fixture).tolist()) for name, fixture in FIXTURES.items()}
        return KitchenState(self._arm.angles, float(self._data.qpos[7]), self._arm.hand, fixtures)

    def handle(self, fixture: str) -> np.ndarray:
        """Current position of a fixture's handle, metres."""
        return self._handle(FIXTURES[fixture])

    def frame(self) -> Frame:
        """Picture of the current state."""
        on = self._value(FIXTURES["light"])[0] / FIXTURES["light"].values[1][0]
        self._model.light_diffuse[self._lamp] = on * _LAMP
        self._mujoco.mj_kinematics(self._model, self._data)
        self._mujoco.mj_comPos(self._model, self._data)
        self._mujoco.mj_camlight(self._model, self._data)
        return self._camera.shoot(self._data)

    def _rest(self) -> None:
        self._hold(REST, _OPEN)

    def _hold(self, angles: Angles, fingers: float) -> KitchenState:
        self._data.qpos[7:9] = fingers
        self._arm.angles = angles
        return self.state()

    def _swing(self, start: Angles, end: Angles, num_frames: int) -> Iterator[KitchenState]:
        """Moves from one posture to another with open fingers; ends exactly there."""
        for frame in range(1, num_frames + 1):
            share = _smooth(frame / num_frames)
            yield self._hold(end if frame == num_frames else start + share * (end - start), _OPEN)

    def _handle(self, fixture: Fixture) -> np.ndarray:
        self._mujoco.mj_kinematics(self._model, self._data)
        return np.array(self._data.site(fixture.handle).xpos)

    def _value(self, fixture: Fixture) -> np.ndarray:
        address = int(self._model.joint(fixture.joint).qposadr[0])
        return np.array(self._data.qpos[address : address + len(fixture.values[0])])

    def _put(self, fixture: Fixture, value: np.ndarray) -> None:
        """Sets a fixture, and its follower, to a value."""
        address = int(self._model.joint(fixture.joint).qposadr[0])
        self._data.qpos[address : address + len(value)] = value
        follower, ratio = fixture.follower
        if follower:
            self._data.qpos[int(self._model.joint(follower).qposadr[0])] = ratio * value[0]


def _back(fixture: Fixture) -> np.ndarray:
    """Vector to the handle from the place where the hand straightens, metres."""
    direction = np.array(fixture.approach)
    return _BEFORE * direction / np.linalg.norm(direction)


def _smooth(share: float) -> float:
    """Rises from 0 to 1 with zero slope at either end."""
    return share * share * (3 - 2 * share)
