"""A connection to a running UnrealCV server, by UnrealCV's own client package: an answer, or one sentence why not.

The package waits for ever for a server that hangs or is too slow, accepts any size that it announces, reconnects
silently, and ends its receiving thread with a traceback. Here the asking thread reads its messages, within a time and
up to a size, and a connection that has failed stays closed.
"""

import contextlib
import io
import logging
import os
import socket
import struct
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slowfast_vgen.errors import UserError

MOST_BYTES = 64 << 20
"""Largest size of a picture: four bytes for each pixel of 4096x4096."""
MOST_TEXT_BYTES = 1 << 16
"""Largest size of any other answer."""
FARTHEST_CM = 1e7
"""Largest coordinate: answers with larger ones, or with none, are nonsense."""
_PREFIX = "SLOWFAST_UNREALCV"
_PIECE = 1 << 20


@dataclass(frozen=True)
class UnrealSettings:
    """Address of the server and limits of its camera's places; read from environment variables."""

    host: str = "localhost"
    port: int = 9000
    timeout_seconds: float = 10.0
    """Longest wait for one answer, until its last byte."""
    home: tuple[float, float, float] | None = None
    """Unreal's x, y and z in centimetres, where all paths start; None for the camera's first place."""
    area_cm: int = 1000
    """Largest distance of the camera from home along x and along y."""

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] = os.environ) -> "UnrealSettings":
        """`SLOWFAST_UNREALCV` (host:port), `..._TIMEOUT` (seconds), `..._HOME` (x,y,z) and `..._AREA`, all optional.

        Raises:
            UserError: one of them is invalid.
        """
        settings: dict[str, Any] = {}
        if address := variables.get(_PREFIX):
            host, _, port = address.rpartition(":")
            if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
                raise UserError(f"{_PREFIX} is {address!r}; give HOST:PORT, such as localhost:9000")
            settings |= {"host": host, "port": int(port)}
        if timeout := variables.get(f"{_PREFIX}_TIMEOUT"):
            settings["timeout_seconds"] = _numbers("TIMEOUT", timeout, 1, 0.1, 3600, "seconds from 0.1 to 3600")[0]
        if home := variables.get(f"{_PREFIX}_HOME"):
            settings["home"] = _numbers("HOME", home, 3, -FARTHEST_CM, FARTHEST_CM, "x,y,z in cm, such as -120,40,160")
        if area := variables.get(f"{_PREFIX}_AREA"):
            settings["area_cm"] = int(_numbers("AREA", area, 1, 100, 1e6, "centimetres from 100 to 1000000")[0])
        return cls(**settings)


def _numbers(name: str, text: str, count: int, low: float, high: float, wanted: str) -> tuple[float, ...]:
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) != count or not all(low <= value <= high for value in values):
        raise UserError(f"{_PREFIX}_{name} is {text!r}; give {wanted}")
    return values


class UnrealConnection:
    """One client of a server, which serves one at a time. A context manager; `close` ends it.

    Raises:
        UserError: the package is not installed; nothing answers; or the answer is not that of an UnrealCV server.
    """

    def __init__(self, settings: UnrealSettings) -> None:
        self.where = f"{settings.host}:{settings.port}"
        self._timeout = settings.timeout_seconds
        endpoint = (settings.host, settings.port)
        package = _package()
        self._client = package.Client(endpoint, "inet")  # reads messages; its own socket is never opened
        self._num_requests = 0
        self._wire: _Wire | None = None
        until = time.monotonic() + self._timeout
        try:
            self._wire = _Wire(socket.create_connection(endpoint, self._timeout), package.SocketMessage.magic)
            if self._wire.receive(until, MOST_TEXT_BYTES).startswith(b"connected"):
                return
        except (OSError, _NonsenseError):
            pass
        if not self.is_open:
            raise UserError(
                f"no UnrealCV server answers at {self.where}; start the Unreal game that has the UnrealCV plugin, or "
                f"say where it is by {_PREFIX}=HOST:PORT"
            )
        self.close()
        raise UserError(
            f"what answers at {self.where} sent no UnrealCV greeting within {self._timeout:g} s; see that it is an "
            "UnrealCV server and that no other client is connected to it"
        )

    def __enter__(self) -> "UnrealConnection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_open(self) -> bool:
        """True until it is closed or has failed."""
        return self._wire is not None

    def close(self) -> None:
        """Ends the connection; may be called twice."""
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()

    def ask(self, command: str) -> str:
        """The answer as text; "ok" if there is nothing else to say.

        Raises:
            UserError: the server refuses the command, or gives no answer or an invalid one.
        """
        answer = self._granted(command)
        if isinstance(answer, bytes):
            raise self._nonsense(command, f"{len(answer)} bytes")
        return answer

    def data(self, command: str) -> bytes:
        """The answer as bytes.

        Raises:
            UserError: as `ask`.
        """
        answer = self._granted(command, MOST_BYTES)
        if isinstance(answer, str):
            raise self._nonsense(command, repr(answer[:80]))
        return answer

    def try_to(self, command: str) -> bool:
        """Sends a command; returns whether the server could carry it out.

        Raises:
            UserError: no answer or an invalid one.
        """
        answer = self._request(command)
        return isinstance(answer, str) and not answer.startswith("error")

    def numbers(self, command: str, count: int) -> tuple[float, ...]:
        """The answer as `count` numbers, each at most `FARTHEST_CM` from 0.

        Raises:
            UserError: the answer is something else.
        """
        answer = self.ask(command)
        try:
            values = tuple(float(part) for part in answer.split())
        except ValueError:
            values = ()
        if len(values) != count or not all(abs(value) <= FARTHEST_CM for value in values):  # nan is not
            raise self._nonsense(command, repr(answer[:80]))
        return values

    def _granted(self, command: str, most_bytes: int = MOST_TEXT_BYTES) -> str | bytes:
        answer = self._request(command, most_bytes)
        if isinstance(answer, str) and answer.startswith("error"):
            raise UserError(
                f'the UnrealCV server at {self.where} answers "{command}" with {answer[:80]!r}; see that a level is '
                "loaded and shown, and that the server is of release 0.3 or later"
            )
        return answer

    def _request(self, command: str, most_bytes: int = MOST_TEXT_BYTES) -> str | bytes:
        number = self._client.recv_message_id = self._num_requests
        self._num_requests += 1
        until = time.monotonic() + self._timeout
        try:
            if self._wire is None:
                raise ConnectionError("it was closed before")
            self._wire.send(f"{number}:{command}".encode(), until)
            answer = self._client.raw_message_handler(self._wire.receive(until, most_bytes))
        except AssertionError as error:
            raise self._nonsense(command, "a message of another number") from error
        except ValueError as error:
            raise self._nonsense(command, str(error)[:80]) from error
        except OSError as error:
            self.close()
            raise UserError(
                f'the UnrealCV server at {self.where} gave no answer to "{command}" within {self._timeout:g} s, or '
                f"closed the connection; see that the game runs, or wait longer by {_PREFIX}_TIMEOUT=SECONDS"
            ) from error
        if not isinstance(answer, str | bytes):
            raise self._nonsense(command, "a message without a number")
        return answer

    def _nonsense(self, command: str, content: str) -> UserError:
        self.close()
        return UserError(
            f'what answers at {self.where} sent {content} to "{command}", as no UnrealCV server does; see that the '
            "address is right"
        )


class _NonsenseError(ValueError):
    """The received bytes are not a message; describes them."""


class _Wire:
    """Messages over a connection: a magic number and the size of the content, little-endian 32 bits each, come first.

    Raises:
        OSError: the connection ends, or a message is late. _NonsenseError: the received bytes are not a message.
    """

    _HEAD = struct.Struct("<II")

    def __init__(self, connection: socket.socket, magic: int) -> None:
        self._connection, self._magic = connection, magic

    def send(self, content: bytes, until: float) -> None:
        """Sends a message before a time of the monotonic clock."""
        self._wait_no_longer_than(until)
        self._connection.sendall(self._HEAD.pack(self._magic, len(content)) + content)

    def receive(self, until: float, most_bytes: int) -> bytes:
        """The content of the next message, all of which must arrive in time."""
        magic, size = self._HEAD.unpack(self._exactly(self._HEAD.size, until))
        if magic != self._magic:
            raise _NonsenseError("what is no message")
        if size > most_bytes:
            raise _NonsenseError(f"a message of {size} bytes")
        return self._exactly(size, until)

    def close(self) -> None:
        """Ends the connection."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def _exactly(self, size: int, until: float) -> bytes:
        content = bytearray()
        while len(content) < size:
            self._wait_no_longer_than(until)
            part = self._connection.recv(min(size - len(content), _PIECE))
            if not part:
                raise ConnectionError("the connection was closed")
            content += part
        return bytes(content)

    def _wait_no_longer_than(self, until: float) -> None:
        seconds = until - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("timed out")
        self._connection.settimeout(seconds)


def _package() -> Any:
    """UnrealCV's client package, without its output."""
    try:
        # It prints which client it uses, and warns, when it is imported.
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import unrealcv
    except ModuleNotFoundError as error:
        raise UserError(
            f"the world unrealcv needs the package {error.name}; install it with: pip install 'slowfast-vgen[unrealcv]'"
        ) from error
    logging.getLogger("unrealcv").setLevel(logging.CRITICAL)
    return unrealcv
