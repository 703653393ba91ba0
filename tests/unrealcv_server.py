"""A small server that speaks UnrealCV's wire protocol and shows a made-up level, for the tests of the world unrealcv.

Each message is a magic number, the size of what follows, both little-endian 32-bit, and then the payload. The server
greets with "connected to NAME"; afterwards each request is "NUMBER:COMMAND" and is answered by "NUMBER:ANSWER".
"""

import contextlib
import io
import math
import socket
import struct
import threading
from collections.abc import Iterator

import numpy as np
from PIL import Image

MAGIC = 0x9E2B83C1
EYES_CM = 64.0


class FakeUnreal:
    """A level: an open square with a pillar. `fault` says what is wrong with the server."""

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        self.commands: list[str] = []
        self.pawn = [30.2, -40.4, 100.0]
        self.rotation = [0.0, 12.0, 0.0]
        self.late_rotation = list(self.rotation)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def close(self) -> None:
        self.stopped.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(timeout=5)
        assert not self.thread.is_alive()

    def serve(self) -> None:
        while not self.stopped.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError, EOFError):
                connection.settimeout(10)
                self.talk(connection)

    def talk(self, connection: socket.socket) -> None:
        if self.fault == "silent":
            self.stopped.wait(5)
            return
        if self.fault == "web":
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            return
        send(connection, b"connected to MadeUpLevel")
        while True:
            number, _, command = receive(connection).partition(b":")
            self.commands.append(command.decode())
            if self.fault == "hang" and len(self.commands) > 5:
                self.stopped.wait(5)
                return
            if self.fault == "crash" and len(self.commands) > 30:
                return
            answer = self.answer(command.decode())
            if self.fault == "unnumbered":
                send(connection, answer)
            elif self.fault == "misnumbered":
                send(connection, b"77:" + answer)
            elif self.fault == "short" and len(self.commands) > 30:
                connection.sendall(struct.pack("<II", MAGIC, 10_000) + number + b":ok")
                return
            else:
                send(connection, number + b":" + answer)

    def answer(self, command: str) -> bytes:
        self.rotation, before = list(self.late_rotation), self.rotation
        match command.split():
            case ["vget", "/scene/name"]:
                return b"MadeUp"
            case ["vget", "/level/name"] if self.fault != "old":
                return b"Square"
            case ["vset", "/camera/0/size" | "/camera/0/fov", *_] if self.fault != "old":
                return b"ok"
            case ["vset", "/camera/0/location", *place]:
                self.pawn = [float(value) for value in place] if self.fault != "stuck" else self.pawn
                return b"ok"
            case ["vset", "/camera/0/moveto", *place] if self.fault != "old":
                goal = [float(value) for value in place]
                if not blocked(goal[0], goal[1]):
                    self.pawn = goal
                return b"ok"
            case ["vset", "/camera/0/rotation", *angles]:
                self.late_rotation = [float(value) for value in angles]
                return b"ok"
            case ["vget", "/camera/0/location"]:
                x, y, z = self.pawn
                return b"nowhere" if self.fault == "wordy" else b"%.3f %.3f %.3f" % (x, y, z + EYES_CM)
            case ["vget", "/camera/0/rotation"]:
                pitch, yaw, roll = before
                return b"%.3f %.3f %.3f" % (pitch, (yaw + 180) % 360 - 180, roll)
            case ["vget", "/camera/0/lit", "png"]:
                return {"blind": b"error no viewport", "noise": b"\x89PNG\r\n\x1a\n\xff\xff"}.get(
                    self.fault
                ) or self.png()
        return b"error unknown command"

    def png(self) -> bytes:
        """What a camera sees that looks at walls of which each has its colour. The alpha is 0, as Unreal's may be."""
        rows, columns = np.mgrid[-1:1:96j, -1:1:128j]
        angle = math.radians(self.rotation[1]) + np.arctan(columns)
        east, north = np.cos(angle), np.sin(angle)
        far = np.minimum(
            (500 - np.sign(east) * self.pawn[0]) / np.abs(east), (500 - np.sign(north) * self.pawn[1]) / np.abs(north)
        )
        wall = np.abs(rows) < 120 / np.maximum(far, 1) * 2
        image = np.zeros((96, 128, 4), np.uint8)
        image[..., 0] = np.where(wall, 128 + 100 * east, 40)
        image[..., 1] = np.where(wall, 128 + 100 * north, 40)
        image[..., 2] = np.where(wall, np.clip(255 - far / 4, 0, 255), self.pawn[2])
        file = io.BytesIO()
        Image.fromarray(image, "RGBA").save(file, "PNG")
        return file.getvalue()


def blocked(x: float, y: float) -> bool:
    """The walls and a pillar."""
    return max(abs(x), abs(y)) > 450 or max(abs(x - 150), abs(y + 40)) < 60


def send(connection: socket.socket, payload: bytes) -> None:
    connection.sendall(struct.pack("<II", MAGIC, len(payload)) + payload)


def receive(connection: socket.socket) -> bytes:
    magic, size = struct.unpack("<II", exactly(connection, 8))
    assert magic == MAGIC
    return exactly(connection, size)


def exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


@contextlib.contextmanager
def running(fault: str = "") -> Iterator[FakeUnreal]:
    server = FakeUnreal(fault)
    try:
        yield server
    finally:
        server.close()
