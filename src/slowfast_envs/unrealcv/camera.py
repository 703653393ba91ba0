"""The camera of an UnrealCV server, put at exact places.

Unreal uses centimetres, x forward, y to the right, z up, and yaw clockwise from above. A `Place` here is x and -y in
whole centimetres and the heading counter-clockwise.
"""

import contextlib
import time
from collections.abc import Callable

import numpy as np
from jaxtyping import UInt8

from slowfast_envs.base import FRAME_SIZE
from slowfast_envs.unrealcv.client import UnrealConnection, UnrealSettings
from slowfast_envs.walking import TURN_DEGREES, Place
from slowfast_vgen.errors import UserError
from slowfast_vgen.images import frame_from_image, picture_from_bytes

FOV_DEGREES = 90
_CAPTURE_SIDE = 4 * FRAME_SIZE
_NEAR_CM = 0.5
_NEAR_DEGREES = 0.05
_SETTLE_TRIES = 20
"""Number of queries for a new pose, which is true a tick or two after it was set."""
_BLOCKED_TRIES = 3
_LONGEST_NAME = 200


class UnrealCamera:
    """Camera 0 of a server: the eyes of the player's pawn. A context manager; `close` returns it to its first pose.

    Raises:
        UserError: as `UnrealConnection`; or the camera does not reach its pose.
    """

    def __init__(self, settings: UnrealSettings) -> None:
        self._connection = UnrealConnection(settings)
        try:
            self._open(settings)
        except BaseException:
            self._connection.close()
            raise

    def _open(self, settings: UnrealSettings) -> None:
        connection = self._connection
        self.scene = _scene_name(connection)
        """Names of the project and the level."""
        location = connection.numbers("vget /camera/0/location", 3)
        self._first_pose = (location, connection.numbers("vget /camera/0/rotation", 3))
        x, y, z = settings.home or location
        self.home = Place(round(x), -round(y), 0)
        self.height_cm = float(round(z))
        connection.try_to(f"vset /camera/0/size {_CAPTURE_SIDE} {_CAPTURE_SIDE}")  # releases before 1.0 cannot
        self.fov_known = connection.try_to(f"vset /camera/0/fov {FOV_DEGREES}")
        # The location that is set is that of the pawn; the server reports that of its eyes, which are higher.
        self._eyes_cm = 0.0
        self._place: Place | None = None
        self._put(self.home)
        self._eyes_cm = connection.numbers("vget /camera/0/location", 3)[2] - self.height_cm
        self._place = None
        self._put(self.home)
        self.collides = connection.try_to(f"vset /camera/0/moveto {self._location(self.home)}")
        """True if the server can detect where the camera would hit something."""

    def __enter__(self) -> "UnrealCamera":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Puts the camera back and ends the connection; may be called twice."""
        if self._connection.is_open:
            (x, y, z), rotation = self._first_pose
            with contextlib.suppress(UserError):  # it may have failed just now
                self._connection.try_to(f"vset /camera/0/location {x} {y} {z - self._eyes_cm:.3f}")
                self._connection.try_to(f"vset /camera/0/rotation {' '.join(map(str, rotation))}")
        self._connection.close()

    def frame(self, place: Place) -> UInt8[np.ndarray, "64 64 3"]:
        """The camera's picture from the place.

        Raises:
            UserError: the server fails, or sends no picture.
        """
        self._put(place)
        data = self._connection.data("vget /camera/0/lit png")
        try:
            # Unreal leaves any value in the alpha of a render
            picture = picture_from_bytes(data, "it").convert("RGB")
        except (UserError, ValueError) as error:
            raise UserError(
                f"the UnrealCV server at {self._connection.where} sent {len(data)} bytes that are no PNG picture "
                f"({error}); see that the game renders, not only simulates"
            ) from error
        return frame_from_image(picture, FRAME_SIZE, FRAME_SIZE)

    def reaches(self, start: Place, goal: Place) -> bool:
        """True if nothing is in the way of the camera's body between two places, or if the server cannot detect it.

        Raises:
            UserError: the server fails.
        """
        if not self.collides:
            return True
        self._put(start)
        self._place = None
        self._connection.ask(f"vset /camera/0/moveto {self._location(goal)}")
        for _ in range(_BLOCKED_TRIES):
            if self._is_at(goal):
                return True
            time.sleep(0.01)  # a tick, in case the answer was from before the move
        return False

    def _put(self, place: Place) -> None:
        """Puts the camera at the place and waits until the server reports it there."""
        before, self._place = self._place, place
        if before is None or before[:2] != place[:2]:
            self._connection.ask(f"vset /camera/0/location {self._location(place)}")
            self._settle("location", lambda: self._is_at(place), f"{place.x} {-place.y}")
        if before is None or before.heading != place.heading:
            yaw = -place.heading * TURN_DEGREES
            self._connection.ask(f"vset /camera/0/rotation 0 {yaw} 0")
            self._settle("rotation", lambda: self._looks(yaw), f"0 {yaw} 0")

    def _settle(self, what: str, is_there: Callable[[], bool], wanted: str) -> None:
        if not any(is_there() for _ in range(_SETTLE_TRIES)):
            reported = self._connection.ask(f"vget /camera/0/{what}")
            raise UserError(
                f"the camera of the UnrealCV server at {self._connection.where} has the {what} {reported:.80} where "
                f"{wanted} was asked for; choose a level whose pawn flies freely, and let nobody else steer it"
            )

    def _is_at(self, place: Place) -> bool:
        x, y, _ = self._connection.numbers("vget /camera/0/location", 3)
        return max(abs(x - place.x), abs(y + place.y)) < _NEAR_CM

    def _looks(self, yaw: float) -> bool:
        angles = self._connection.numbers("vget /camera/0/rotation", 3)
        return all(abs((a - b + 180) % 360 - 180) < _NEAR_DEGREES for a, b in zip(angles, (0, yaw, 0), strict=True))

    def _location(self, place: Place) -> str:
        return f"{place.x} {-place.y} {self.height_cm - self._eyes_cm:.3f}"


def _scene_name(connection: UnrealConnection) -> str:
    """Project and level, as far as the server reports them."""
    names = [connection.ask("vget /scene/name").strip()]
    if connection.try_to("vget /level/name"):
        names.append(connection.ask("vget /level/name").strip())
    for name in names:
        if len(name) > _LONGEST_NAME or not name.isprintable():
            raise UserError(
                f"the UnrealCV server at {connection.where} names its level {name[:80]!r}; choose a level whose name "
                f"has at most {_LONGEST_NAME} letters, all of which can be printed"
            )
    return "/".join(names)
