"""Miniworld's own environment as a stage that shows one house at a time. Importing this module needs Miniworld and EGL.

Set `pyglet.options["headless"] = True` first. Nothing here moves by itself and nothing is drawn at random, so a view
depends on the house and the place alone.
"""

import contextlib
import io
import math
from functools import cache

import numpy as np
from jaxtyping import UInt8
from miniworld.entity import Agent, Box, Entity, MeshEnt
from miniworld.miniworld import MiniWorldEnv
from miniworld.opengl import Texture, drawBox
from miniworld.params import DEFAULT_PARAMS
from PIL import Image
from pyglet import gl
from pyglet.image import ImageData

from slowfast_envs.miniworld.camera import FOV_DEGREES, Camera, angle_of, view_of
from slowfast_envs.miniworld.map import COLOURS, DOOR_HEIGHT, UNITS_PER_METRE, House, Item, Panel
from slowfast_envs.walking import HEADINGS, Place

_BODY = (  # colour, then west, east, bottom, top, north and south in metres for a body that faces east
    ((0.16, 0.18, 0.32), (-0.09, 0.09, 0.0, 0.72, -0.19, -0.03)),
    ((0.16, 0.18, 0.32), (-0.09, 0.09, 0.0, 0.72, 0.03, 0.19)),
    ((0.93, 0.36, 0.12), (-0.13, 0.13, 0.72, 1.30, -0.23, 0.23)),
    ((0.80, 0.29, 0.09), (-0.09, 0.11, 0.76, 1.26, -0.34, -0.23)),
    ((0.80, 0.29, 0.09), (-0.09, 0.11, 0.76, 1.26, 0.23, 0.34)),
    ((0.20, 0.42, 0.30), (-0.27, -0.13, 0.84, 1.24, -0.17, 0.17)),
    ((0.35, 0.22, 0.13), (-0.14, 0.10, 1.34, 1.62, -0.13, 0.13)),
    ((0.90, 0.70, 0.56), (0.04, 0.14, 1.34, 1.54, -0.11, 0.11)),
)
_PANEL_DEPTH = 4  # units, of which half is in the wall
_TEXELS = 256  # of a side of a texture; more would not be seen in frames so small


class Walker(Agent):
    """The walker in the house, and the camera that looks out of its eyes or over its shoulders."""

    def put(self, house: House, place: Place, camera: Camera) -> None:
        """Puts the walker at a place, and its camera where the walls leave room for it."""
        self.pos = np.array([place.x, 0.0, -place.y]) / UNITS_PER_METRE
        self.dir = angle_of(place)
        self.camera = camera
        self.cam_fov_y = FOV_DEGREES[camera]
        view = view_of(house, place, camera)
        self._eye, self._direction = np.array(view.eye), np.array(view.direction)

    @property
    def cam_pos(self) -> np.ndarray:
        """Position of the camera in metres."""
        return self._eye

    @property
    def cam_dir(self) -> np.ndarray:
        """Direction of sight, a vector of any length."""
        return self._direction

    def render(self) -> None:
        """Draws the body."""
        body = _body()
        gl.glPushMatrix()
        gl.glTranslatef(*self.pos)
        gl.glRotatef(math.degrees(self.dir), 0, 1, 0)
        gl.glCallList(body)
        gl.glPopMatrix()


@cache
def _body() -> int:
    """The display list of a body that faces east."""
    number = int(gl.glGenLists(1))
    gl.glNewList(number, gl.GL_COMPILE)
    gl.glDisable(gl.GL_TEXTURE_2D)
    for colour, extents in _BODY:
        gl.glColor3f(*colour)
        drawBox(*extents)
    gl.glEndList()
    return number


class _Painted(Box):
    """A box of any colour that never moves, so that it is compiled with the walls."""

    def __init__(self, colour: tuple[int, int, int], metres: tuple[float, float, float]) -> None:
        super().__init__("grey", list(metres))
        self.color_vec = np.array(colour) / 255

    def randomize(self, params: object, rng: object) -> None:
        """Keeps the colour."""

    @property
    def is_static(self) -> bool:
        """Always true."""
        return True


class _PaintedBall(Entity):
    """A ball of any colour that never moves. Miniworld's own has 5,192 triangles, which halves the speed."""

    def __init__(self, colour: tuple[int, int, int], metres: float) -> None:
        super().__init__()
        self.height = metres
        self.radius = metres / 2
        self.color_vec = np.array(colour) / 255

    @property
    def is_static(self) -> bool:
        """Always true."""
        return True

    def render(self) -> None:
        """Draws it, lying on the floor."""
        gl.glDisable(gl.GL_TEXTURE_2D)
        gl.glColor3f(*self.color_vec)
        gl.glPushMatrix()
        gl.glTranslatef(self.pos[0], self.pos[1] + self.radius, self.pos[2])
        quadric = gl.gluNewQuadric()
        gl.gluSphere(quadric, self.radius, 16, 10)
        gl.gluDeleteQuadric(quadric)
        gl.glPopMatrix()


def _load_texture(path: str) -> object:
    """Miniworld's `Texture.load`, which takes seconds: pyglet turns RGB to RGBA pixel by pixel in Python."""
    with Image.open(path) as image:
        size = image.size
        picture = image.convert("RGBA").resize((_TEXELS, _TEXELS), Image.Resampling.BOX)
    data = picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM).tobytes()
    texture = ImageData(_TEXELS, _TEXELS, "RGBA", data).get_texture()
    texture.width, texture.height = size  # they decide how many metres it covers
    gl.glBindTexture(texture.target, texture.id)
    gl.glGenerateMipmap(gl.GL_TEXTURE_2D)
    gl.glTexParameteri(gl.GL_TEXTURE_2D, gl.GL_TEXTURE_MAG_FILTER, gl.GL_LINEAR)
    gl.glTexParameteri(gl.GL_TEXTURE_2D, gl.GL_TEXTURE_MIN_FILTER, gl.GL_LINEAR_MIPMAP_LINEAR)
    gl.glBindTexture(gl.GL_TEXTURE_2D, 0)
    return texture


class Stage(MiniWorldEnv):
    """A camera in one house after the other. There is one per process: Miniworld has one list of drawn things."""

    agent: Agent

    def __init__(self, size: int) -> None:
        self._house: House | None = None
        Texture.load = staticmethod(_load_texture)
        params = DEFAULT_PARAMS.copy()
        params.set("light_ambient", [0.55, 0.55, 0.55])
        params.set("sky_color", [0.4, 0.4, 0.4])  # no window shows it; it shines through hairlines between walls
        with contextlib.redirect_stdout(io.StringIO()):  # it prints how many samples per pixel the driver can take
            super().__init__(obs_width=size, obs_height=size, window_width=8, window_height=8, params=params)

    def show(self, house: House, place: Place, camera: Camera) -> UInt8[np.ndarray, "size size 3"]:
        """Picture of `camera`, "first" or "third", with the walker at the place."""
        if self._house is not house:
            self._house = house
            self.reset()
        self.agent.put(house, place, camera)
        return self.render_obs()

    def _gen_world(self) -> None:
        """Called by `reset`."""
        house = self._house
        if house is None:  # the base class resets once when it is made
            self.place_entity(self.agent, self.add_rect_room(0, 1, 0, 1), pos=np.zeros(3), dir=0.0)
            return
        self.agent = Walker()
        self.agent.put(house, Place(0, 0, 0), "first")  # anywhere: `reset` draws a frame that is not used
        rooms = [
            self.add_rect_room(
                *(value / UNITS_PER_METRE for value in (rect.left, rect.right, -rect.top, -rect.bottom)),
                wall_height=look.height / UNITS_PER_METRE,
                wall_tex=look.wall,
                floor_tex=look.floor,
                ceil_tex=look.ceiling,
            )
            for rect, look in zip(house.rooms, house.looks, strict=True)
        ]
        for door in house.doors:
            rect = door.rect
            ends = (-rect.top, -rect.bottom) if door.along_x else (rect.left, rect.right)
            names = ("min_z", "max_z") if door.along_x else ("min_x", "max_x")
            self.connect_rooms(
                rooms[door.first],
                rooms[door.second],
                max_y=DOOR_HEIGHT / UNITS_PER_METRE,
                **{name: end / UNITS_PER_METRE for name, end in zip(names, ends, strict=True)},
            )
        for item in house.items:
            self._put(_entity(item), item, 0.0)
        for panel in house.panels:
            thick, high, wide = (length / UNITS_PER_METRE for length in (_PANEL_DEPTH, panel.height, panel.width))
            bottom = (panel.middle - panel.height / 2) / UNITS_PER_METRE
            self._put(_Painted(COLOURS[panel.colour], (thick, high, wide)), panel, bottom)

    def _put(self, entity: object, what: Item | Panel, bottom: float) -> None:
        pos = np.array([what.x / UNITS_PER_METRE, bottom, -what.y / UNITS_PER_METRE])
        self.place_entity(entity, pos=pos, dir=2 * math.pi * what.heading / HEADINGS)

    def _render_world(self, frame_buffer: object, render_agent: bool) -> np.ndarray:
        return super()._render_world(frame_buffer, isinstance(self.agent, Walker) and self.agent.camera == "third")


def _entity(item: Item) -> object:
    """The item as an entity of Miniworld."""
    east, north, up = (side / UNITS_PER_METRE for side in item.sides)
    if item.kind == "box":
        return _Painted(COLOURS[item.colour], (east, up, north))
    if item.kind == "ball":
        return _PaintedBall(COLOURS[item.colour], up)
    return MeshEnt(item.kind, up)
