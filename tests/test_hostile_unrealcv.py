"""Whatever an UnrealCV server sends, and however slowly: recording ends in time, by one sentence, in little memory."""

import itertools
import re
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable

import pytest
from hostile_server import Acts, dripping, perform, without_end
from unrealcv_server import MAGIC, FakeUnreal, receive, send

from slowfast_envs.unrealcv.environment import UnrealEnvironment
from slowfast_vgen.cli.main import main
from slowfast_vgen.errors import UserError

pytest.importorskip("unrealcv")

LIMIT = 0.3
"""Seconds that a server has for an answer."""
NAME, PLACE, PICTURE = "vget /scene/name", "vget /camera/0/location", "vget /camera/0/lit png"


def head(size: int) -> bytes:
    return struct.pack("<II", MAGIC, size)


def message(content: bytes) -> bytes:
    return head(len(content)) + content


def png(width: int, height: int, pixels: bytes = b"") -> bytes:
    """A PNG of these sides, whatever its pixels are."""
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(pixels))]
    chunks = (
        struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in [*parts, (b"IEND", b"")]
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n(/etc/passwd) (r) file\n%%EOF\n"
NPY = b"\x93NUMPY\x01\x00\x76\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,)}" + b" " * 60 + b"\n\x80\x04."

EVERYWHERE: dict[str, Callable[[bytes], Acts]] = {
    "never answers": lambda number: ["hold"],
    "closes": lambda number: [],
    "resets": lambda number: ["reset"],
    "closes in the head": lambda number: [head(100)[:5]],
    "closes in the middle": lambda number: [head(100) + number + b":ok"],
    "resets in the middle": lambda number: [head(100) + number + b":ok", 0.05, "reset"],
    "waits in the middle": lambda number: [head(100) + number + b":ok", "hold"],
    "drips the head": lambda number: dripping(head(100) * 10),
    "drips the content": lambda number: itertools.chain([head(60_000)], dripping(number + b":" + b"1" * 5000)),
    "announces 4 GB and waits": lambda number: [head(2**32 - 1) + number + b":", "hold"],
    "announces 4 GB and drips": lambda number: itertools.chain([head(2**32 - 1)], dripping(b"1" * 5000)),
    "announces 4 GB and sends them": lambda number: itertools.chain([head(2**32 - 1)], without_end(b"1")),
    "another magic number": lambda number: [struct.pack("<II", 0x12345678, 5) + number + b":ok", "hold"],
    "the wrong byte order": lambda number: [struct.pack(">II", MAGIC, 5) + number + b":ok", "hold"],
    "zeros without end": lambda number: without_end(b"\0"),
    "a web page": lambda number: [b"HTTP/1.1 400 Bad Request\r\n\r\n", "hold"],
    "an empty message": lambda number: [message(b""), "hold"],
    "empty messages without end": lambda number: without_end(message(b"")),
    "another number": lambda number: [message(b"77:ok"), "hold"],
    "a number of 5000 digits": lambda number: [message(b"9" * 5000 + b":ok"), "hold"],
    "a number below zero": lambda number: [message(b"-1:ok"), "hold"],
    "no number": lambda number: [message(b"ok"), "hold"],
    "no text": lambda number: [message(number + b":\xff\xfe"), "hold"],
}
ONLY_HERE: dict[tuple[str, str], bytes] = {
    (NAME, "a name of 60 kB"): b"n" * 60_000,
    (NAME, "a name that steers terminals"): b"\x1b[2J\x1b]0;owned\x07",
    (NAME, "an error that steers terminals"): b"error \x1b[2J\nslowfast: done" + b"e" * 9000,
    (PLACE, "nowhere"): b"nan nan nan",
    (PLACE, "infinitely far"): b"inf 0 0",
    (PLACE, "beyond all numbers"): b"1e400 -1e400 0",
    (PLACE, "very far"): b"1e30 0 0",
    (PLACE, "two numbers"): b"1 2",
    (PLACE, "20,000 numbers"): b"1 " * 20_000,
    (PLACE, "a number without end"): b"9" * 60_000 + b" 0 0",
    (PICTURE, "nothing"): b"",
    (PICTURE, "a text"): b"ok",
    (PICTURE, "half a picture"): png(64, 64, bytes(64 * 193))[:-30],
    (PICTURE, "a picture without pixels"): png(64, 64),
    (PICTURE, "a picture of 2^31 pixels a side"): png(2**31 - 1, 2**31 - 1),
    (PICTURE, "a picture of 12,000 pixels a side"): png(12_000, 12_000, bytes(10_000_000)),
    (PICTURE, "a picture of one pixel"): png(1, 1, bytes(4)),
    (PICTURE, "a program"): EPS + b"\xff",
    (PICTURE, "a pickle"): NPY,
    (PICTURE, "noise"): bytes(range(256)) * 100,
}
CASES = [(moment, what) for moment in ("greeting", NAME, PLACE, PICTURE) for what in EVERYWHERE]


class HostileUnreal(FakeUnreal):
    """Sound until the moment comes."""

    def __init__(self, moment: str, acts: Callable[[bytes], Acts]) -> None:
        self.moment, self.acts, self.num_sent = moment, acts, 0
        super().__init__()

    def talk(self, connection: socket.socket) -> None:
        number, command = b"", "greeting"
        while not command.startswith(self.moment):
            answer = number + b":" + self.answer(command) if number else b"connected to MadeUpLevel"
            send(connection, answer)
            number, _, asked = receive(connection).partition(b":")
            command = asked.decode()
        self.num_sent = perform(connection, self.acts(number), self.stopped)


@pytest.mark.parametrize(("moment", "what"), [*CASES, *ONLY_HERE])
def test_no_server_keeps_a_recording_waiting_and_each_ends_in_a_sentence(
    moment: str, what: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLOWFAST_UNREALCV_TIMEOUT", str(LIMIT))
    content = ONLY_HERE.get((moment, what))
    acts = EVERYWHERE[what] if content is None else lambda number: [message(number + b":" + content), "hold"]
    server = HostileUnreal(moment, acts)
    try:
        monkeypatch.setenv("SLOWFAST_UNREALCV", server.address)
        num_threads = threading.active_count()
        begun = time.monotonic()
        with pytest.raises(UserError) as error:
            list(UnrealEnvironment("train", 0).episodes(1, "wander", 2))
        assert time.monotonic() - begun < LIMIT + 2
        assert threading.active_count() == num_threads
    finally:
        server.close()
    told = str(error.value)
    assert server.address in told
    assert "\n" not in told
    assert "\x1b" not in told
    assert len(told) < 500
    assert server.num_sent < 16 << 20, "what is too long is not read on"
    assert capfd.readouterr() == ("", "")


def test_a_command_ends_in_time_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    monkeypatch.setenv("SLOWFAST_UNREALCV_TIMEOUT", str(LIMIT))
    server = HostileUnreal(PLACE, EVERYWHERE["announces 4 GB and drips"])
    try:
        monkeypatch.setenv("SLOWFAST_UNREALCV", server.address)
        words = ["data", "make", "--env", "unrealcv", "--episodes", "1", "--num-chunks", "2"]
        assert main([*words, "--out", f"{tmp_path}/set"]) == 2
    finally:
        server.close()
    error = capsys.readouterr().err
    assert re.search(
        r'error: what answers at .* sent a message of 4294967295 bytes to "vget /camera/0/location"', error
    )
