"""A connection to a running UnrealCV server, by UnrealCV's own client package: an answer, or one sentence why not.

The package waits for ever for a server that hangs, connects anew behind one's back, and ends its receiving thread with
a traceback. Here every wait has an end, and a connection that has failed stays closed.
"""

import contextlib
import io
import logging
import os
import socket
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from slowfast_vgen.errors import UserError

_PREFIX = "SLOWFAST_UNREALCV"


@dataclass(frozen=True)
class UnrealSettings:
    """Where the server is and where its camera may go; read from environment variables."""

    host: str = "localhost"
    port: int = 9000
    timeout_seconds: float = 10.0
    """Longest wait for one answer."""
    home: tuple[float, float, float] | None = None
    """Unreal's x, y and z in centimetres, from where all paths start; None: where the camera is found."""
    area_cm: int = 1000
    """The camera stays within so much of home along x and y."""

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] = os.environ) -> "UnrealSettings":
        """`SLOWFAST_UNREALCV` (host:port), `..._TIMEOUT` (seconds), `..._HOME` (x,y,z) and `..._AREA`, all optional.

        Raises:
            UserError: one of them is not what it should be.
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
            settings["home"] = _numbers("HOME", home, 3, -1e7, 1e7, "x,y,z in centimetres, such as -120,40,160")
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
        UserError: the package is not installed; nobody answers; or what answers is no UnrealCV server.
    """

    def __init__(self, settings: UnrealSettings) -> None:
        self.where = f"{settings.host}:{settings.port}"
        self._timeout = settings.timeout_seconds
        self._client = _make_client((settings.host, settings.port))
        before = socket.getdefaulttimeout()
        socket.setdefaulttimeout(self._timeout)  # the package makes its socket itself
        try:
            with _quiet():
                connected = self._client.connect()
        finally:
            socket.setdefaulttimeout(before)
        if connected:
            return
        self.close()
        if self._client.reached:
            raise UserError(
                f"what answers at {self.where} sent no UnrealCV greeting within {self._timeout:g} s; see that it is an "
                "UnrealCV server and that no other client is connected to it"
            )
        raise UserError(
            f"no UnrealCV server answers at {self.where}; start the Unreal game that has the UnrealCV plugin, or say "
            f"where it is by {_PREFIX}=HOST:PORT"
        )

    def __enter__(self) -> "UnrealConnection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_open(self) -> bool:
        """False once it was closed or has failed."""
        return bool(self._client.isconnected())

    def close(self) -> None:
        """Ends the connection; may be called twice."""
        self._client.disconnect()

    def ask(self, command: str) -> str:
        """The answer in words; "ok" where there is nothing to say.

        Raises:
            UserError: the server refuses the command, or gives no answer or one that is none.
        """
        answer = self._granted(command)
        if isinstance(answer, bytes):
            raise self._nonsense(command, f"{len(answer)} bytes")
        return answer

    def data(self, command: str) -> bytes:
        """The answer in bytes.

        Raises:
            UserError: as `ask`.
        """
        answer = self._granted(command)
        if isinstance(answer, str):
            raise self._nonsense(command, repr(answer[:80]))
        return answer

    def try_to(self, command: str) -> bool:
        """Whether the server could carry out the command.

        Raises:
            UserError: no answer or one that is none.
        """
        answer = self._request(command)
        return isinstance(answer, str) and not answer.startswith("error")

    def numbers(self, command: str, count: int) -> tuple[float, ...]:
        """The answer as `count` numbers.

        Raises:
            UserError: it is something else.
        """
        answer = self.ask(command)
        try:
            values = tuple(float(part) for part in answer.split())
        except ValueError:
            values = ()
        if len(values) != count:
            raise self._nonsense(command, repr(answer[:80]))
        return values

    def _granted(self, command: str) -> str | bytes:
        answer = self._request(command)
        if isinstance(answer, str) and answer.startswith("error"):
            raise UserError(
                f'the UnrealCV server at {self.where} answers "{command}" with {answer[:80]!r}; see that a level is '
                "loaded and shown, and that the server is of release 0.3 or later"
            )
        return answer

    def _request(self, command: str) -> str | bytes:
        try:
            with _quiet():
                answer = self._client.request(command, timeout=self._timeout)
        except Exception as error:  # the package raises AssertionError and more
            answer = error
        if isinstance(answer, AssertionError) and self.is_open:
            raise self._nonsense(command, "a message of another number") from answer
        if isinstance(answer, Exception):
            self.close()
            raise UserError(
                f'the UnrealCV server at {self.where} gave no answer to "{command}" within {self._timeout:g} s, or '
                f"closed the connection; see that the game runs, or wait longer by {_PREFIX}_TIMEOUT=SECONDS"
            ) from answer
        if not isinstance(answer, str | bytes):
            raise self._nonsense(command, "a message without a number")
        return answer

    def _nonsense(self, command: str, told: str) -> UserError:
        self.close()
        return UserError(
            f'what answers at {self.where} sent {told} to "{command}", as no UnrealCV server does; see that the '
            "address is right"
        )


def _make_client(endpoint: tuple[str, int]) -> Any:
    """UnrealCV's client, mended."""
    try:
        with _quiet():
            import unrealcv
    except ModuleNotFoundError as error:
        raise UserError(
            f"the world unrealcv needs the package {error.name}; install it with: pip install 'slowfast-vgen[unrealcv]'"
        ) from error
    logging.getLogger("unrealcv").setLevel(logging.CRITICAL)

    class Client(unrealcv.Client):
        """Hands failures to whoever waits, and ends at once and without noise."""

        sock: socket.socket | None
        reached = False
        """Whether somebody took the connection."""

        def receive_loop_queue(self) -> None:
            try:
                super().receive_loop_queue()
            except Exception as error:
                self.recv_data_q.put(error)

        def receive(self) -> bytes:
            connection = self.sock
            message = connection and unrealcv.SocketMessage.ReceivePayload(connection)
            if not message:
                raise ConnectionError("the connection is closed, or nothing came in time")
            return bytes(message)

        def disconnect(self) -> None:
            connection, self.sock = self.sock, None
            if connection is not None:
                self.reached = True
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
                connection.close()
            self.recv_num_q.put(None)  # ends the receiving thread, for which Python would wait at its end

    return Client(endpoint, "inet")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The package prints its progress to standard output and warns of servers older than itself."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
