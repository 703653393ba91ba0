"""One HTTP request with limits: its server decides neither how long it takes nor how many bytes come."""

import io
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import Message
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, IncompleteRead
from typing import IO, Any, NoReturn

_PIECE = 1 << 16


def post(url: str, body: bytes, headers: Mapping[str, str], seconds: float, most_bytes: int) -> bytes:
    """Sends a POST and returns the whole body of the answer; redirections are not followed.

    Args:
        url: URL of http or https; proxies are those that the environment names.
        body: bytes to send.
        headers: headers to send in addition to those of HTTP itself.
        seconds: time limit for all of it: finding the host, connecting, sending, the answer's headers and its body.
        most_bytes: limit for the answer, including its headers and what frames its body.

    Raises:
        OSError, HTTPException, ValueError: no answer in time, one that is longer or breaks off, or a status other than
            200 to 299.
    """
    until = time.monotonic() + seconds
    outcome: list[bytes | Exception] = []

    def ask() -> None:
        request = urllib.request.Request(url, body, dict(headers))
        try:
            outcome.append(_answer(request, until, most_bytes))
        except (OSError, HTTPException, ValueError) as error:
            outcome.append(error)

    # A thread, since no look-up of a name can be given a limit; nor can a host of several addresses, or a handshake.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    if not outcome:
        raise TimeoutError("timed out")
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


def _answer(request: urllib.request.Request, until: float, most_bytes: int) -> bytes:
    limits = partial(_LimitedResponse, until=until, most_bytes=most_bytes)
    # A redirection could carry a key to another host.
    opener = urllib.request.build_opener(_NoRedirection, _Http(limits), _Https(limits))
    with opener.open(request, timeout=max(until - time.monotonic(), 0.001)) as response:
        announced = response.length or 0  # None where it comes in chunks, or until the connection ends
        content = b"".join(iter(lambda: response.read1(_PIECE), b""))
        if len(content) < announced:
            raise IncompleteRead(content, announced - len(content))
        return content


class _LimitedResponse(HTTPResponse):
    """A response that reads no more and no longer than its limits.

    A socket's own timeout starts again with every byte; and a server may send endless status lines (100 Continue),
    trailers and sizes of chunks, none of which `http.client` shows to its caller.
    """

    def __init__(self, sock: socket.socket, *args: Any, until: float, most_bytes: int, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        raw = self.fp.detach()  # from its BufferedReader
        self.fp = io.BufferedReader(_Limited(raw, sock, until, most_bytes))


class _Limited(io.RawIOBase):
    """The bytes of a connection, until a time of the monotonic clock and up to a number of bytes."""

    def __init__(self, raw: io.RawIOBase, connection: socket.socket, until: float, most_bytes: int) -> None:
        self._raw, self._connection, self._until, self._most_bytes = raw, connection, until, most_bytes
        self._num_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        seconds = self._until - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("timed out")
        self._connection.settimeout(seconds)
        size = self._raw.readinto(buffer) or 0
        self._num_bytes += size
        if self._num_bytes > self._most_bytes:
            raise ValueError(f"the answer is longer than {self._most_bytes} bytes")
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Http(urllib.request.HTTPHandler):
    def __init__(self, response_class: Any) -> None:
        super().__init__()
        self._response_class = response_class

    def http_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(partial(_connection, HTTPConnection, self._response_class), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, response_class: Any) -> None:
        super().__init__()
        self._response_class = response_class

    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(partial(_connection, HTTPSConnection, self._response_class), req)


def _connection(kind: type[HTTPConnection], response_class: Any, host: str, **options: Any) -> HTTPConnection:
    connection = kind(host, **options)
    connection.response_class = response_class
    return connection


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> NoReturn:
        raise urllib.error.HTTPError(req.full_url, code, "it redirects, which is not followed", headers, fp)
