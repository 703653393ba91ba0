"""A socket server that sends what it is told, at the pace it is told: for tests of peers that mean ill."""

import contextlib
import itertools
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator

Acts = Iterable["bytes | float | str"]
"""Bytes are sent, numbers are seconds to wait. Words: `read` takes in what the peer sent until it pauses, `hold` keeps
the connection open and silent, `reset` ends it without a farewell."""


def perform(connection: socket.socket, acts: Acts, stopped: threading.Event) -> int:
    """Does the acts until the peer goes or `stopped` is set; returns how many bytes the peer's side took."""
    num_sent = 0
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.settimeout(0.05)
    for act in acts:
        try:
            if isinstance(act, bytes):
                rest = memoryview(act)
                while rest and not stopped.is_set():
                    with contextlib.suppress(TimeoutError):
                        size = connection.send(rest)
                        num_sent += size
                        rest = rest[size:]
            elif isinstance(act, float):
                stopped.wait(act)
            elif act == "read":
                with contextlib.suppress(TimeoutError):
                    while connection.recv(1 << 16):
                        pass
            elif act == "hold":
                stopped.wait()
            elif act == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            break
        if stopped.is_set():
            break
    return num_sent


class HostileServer:
    """Does the acts that `acts` gives to every connection, one after the other, and closes it then."""

    def __init__(self, acts: Callable[[], Acts]) -> None:
        self._acts = acts
        self.num_sent = 0
        """Bytes that a peer's side took."""
        self.num_connections = 0
        self._stopped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(timeout=10)
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.num_connections += 1
            with connection:
                self.num_sent += perform(connection, self._acts(), self._stopped)


@contextlib.contextmanager
def serving(acts: Callable[[], Acts]) -> Iterator[HostileServer]:
    server = HostileServer(acts)
    try:
        yield server
    finally:
        server.close()


def dripping(content: Iterable[bytes] | bytes, seconds: float = 0.02) -> Iterator[bytes | float]:
    """One byte after the other, or one piece."""
    pieces = (content[i : i + 1] for i in range(len(content))) if isinstance(content, bytes) else content
    for piece in pieces:
        yield piece
        yield seconds


def without_end(content: bytes) -> Iterator[bytes]:
    """The content again and again, in large pieces."""
    return itertools.repeat(content * max(1, (1 << 16) // len(content)))
