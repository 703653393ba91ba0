"""Whatever a language model's server sends, and however slowly: the plan goes on in time, by one sentence."""

import gzip
import itertools
import json
import time
from collections.abc import Callable

import pytest
from hostile_server import Acts, dripping, serving, without_end

from slowfast_envs.metaworld.instructions import CARRY
from slowfast_vgen.plan.endpoint import MOST_BYTES, EndpointSplitter
from slowfast_vgen.plan.goal import SubGoal

LIMIT = 0.3
"""Seconds that an endpoint has."""
TEXTS = ("turn left", CARRY)
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def chat(content: str) -> bytes:
    return json.dumps({"choices": [{"message": {"content": content}}]}).encode()


def with_length(body: bytes, length: object = None, headers: bytes = b"") -> bytes:
    return OK + headers + f"Content-Length: {len(body) if length is None else length}\r\n\r\n".encode() + body


def goal(value: str) -> bytes:
    return with_length(chat(f'{{"sub_goals": [{value}]}}'))


GOOD = chat('{"sub_goals": [{"text": "turn left", "chunks": 3}]}')
BOMB = gzip.compress(bytes(200 << 20), 1)
BLOCKS = "carry the " + "a to (b, " * 20_000
"""Begins to fit a template of three gaps at 20,000 places, and never does."""

ANSWERS: dict[str, Acts | Callable[[], Acts]] = {
    # the connection
    "never reads or answers": ["hold"],
    "never answers": ["read", "hold"],
    "closes at once": [],
    "resets at once": ["reset"],
    "closes after the request": ["read"],
    "resets after the request": ["read", "reset"],
    "resets in the status": ["read", OK[:10], 0.05, "reset"],
    "resets in the headers": ["read", OK + b"Content-Le", 0.05, "reset"],
    "resets in the body": ["read", with_length(GOOD[:9], len(GOOD)), 0.05, "reset"],
    "resets between chunks": ["read", CHUNKED + b"1\r\n{\r\n", 0.05, "reset"],
    # the status
    "drips the status": lambda: ["read", *dripping(OK * 10)],
    "a status without end": lambda: itertools.chain(["read", b"HTTP/1.1 200 "], without_end(b"O")),
    "empty lines without end": lambda: itertools.chain(["read"], without_end(b"\r\n")),
    "goes on without end": lambda: itertools.chain(["read"], without_end(CONTINUE)),
    "goes on, slowly": lambda: itertools.chain(["read"], dripping(itertools.repeat(CONTINUE))),
    "goes on with headers without end": lambda: itertools.chain(["read", CONTINUE[:-2]], without_end(b"A: b\r\n")),
    "another protocol": ["read", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", "hold"],
    "mail": ["read", b"220 mail.example.org ready\r\n", "hold"],
    "noise": ["read", bytes(range(256)) * 400],
    "a TLS alert": ["read", b"\x15\x03\x03\x00\x02\x02\x28"],
    "a status below zero": ["read", b"HTTP/1.1 -200 OK\r\n\r\n" + GOOD],
    "a status in words": ["read", b"HTTP/1.1 fine OK\r\n\r\n" + GOOD],
    "a version of the future": ["read", b"HTTP/9.9 200 OK\r\n\r\n" + GOOD],
    "nothing to say": ["read", b"HTTP/1.1 204 No Content\r\n\r\n"],
    "a redirection to itself": ["read", b"HTTP/1.1 307 Again\r\nLocation: /v1/chat/completions\r\n\r\n"],
    "a redirection to a file": ["read", b"HTTP/1.1 302 There\r\nLocation: file:///etc/passwd\r\n\r\n"],
    "a redirection to nowhere": ["read", b"HTTP/1.1 301 Moved\r\n\r\n"],
    "an error without end": lambda: itertools.chain(["read", b"HTTP/1.1 500 No\r\n\r\n"], without_end(b"x")),
    "a refusal that waits": ["read", b"HTTP/1.1 401 No\r\nA: b\r\nContent-Length: 9\r\n\r\n", "hold"],
    "a reason that steers terminals": ["read", b"HTTP/1.1 500 \x1b[2J\x1b]0;owned\x07\r\n\r\n"],
    # the headers
    "drips headers": lambda: itertools.chain(["read", OK], dripping(itertools.repeat(b"A: b\r\n"))),
    "headers without end": lambda: itertools.chain(["read", OK], without_end(b"A: b\r\n")),
    "a header without end": lambda: itertools.chain(["read", OK + b"A: "], without_end(b"b")),
    "ninety long headers": ["read", OK + (b"A: " + b"b" * 60_000 + b"\r\n") * 90 + b"\r\n" + GOOD],
    "a header without a name": ["read", OK + b"no colon here\r\n\0: \0\r\n\r\n"],
    # the length
    "announces 10^18 bytes": ["read", with_length(GOOD, 10**18), "hold"],
    "announces a length of 5000 digits": ["read", with_length(GOOD, "9" * 5000), "hold"],
    "announces less than nothing": ["read", with_length(GOOD, -1), "hold"],
    "announces nonsense": ["read", with_length(GOOD, "NaN"), "hold"],
    "announces one byte more and waits": ["read", with_length(GOOD, len(GOOD) + 1), "hold"],
    "announces one byte more and closes": ["read", with_length(GOOD, len(GOOD) + 1)],
    "announces one byte less": ["read", with_length(GOOD, len(GOOD) - 1)],
    # chunks
    "a chunk of 2^64 bytes": ["read", CHUNKED + b"FFFFFFFFFFFFFFFF\r\n" + GOOD, "hold"],
    "chunks without end": lambda: itertools.chain(["read", CHUNKED], without_end(b"1\r\n \r\n")),
    "drips chunks": lambda: itertools.chain(["read", CHUNKED], dripping(itertools.repeat(b"1\r\n \r\n"))),
    "a chunk's size in words": ["read", CHUNKED + b"many\r\n" + GOOD],
    "a chunk of less than nothing": ["read", CHUNKED + b"-5\r\n" + GOOD, "hold"],
    "a chunk's extension without end": lambda: itertools.chain(["read", CHUNKED + b"5;a="], without_end(b"b")),
    "drips a chunk's extension": lambda: itertools.chain(["read", CHUNKED + b"5;a="], dripping(b"b" * 5000)),
    "trailers without end": lambda: itertools.chain(["read", CHUNKED + b"0\r\n"], without_end(b"A: b\r\n")),
    "drips trailers": lambda: itertools.chain(["read", CHUNKED + b"0\r\n"], dripping(itertools.repeat(b"A: b\r\n"))),
    "chunks that break off": ["read", CHUNKED + b"fff\r\n" + GOOD],
    # the body
    "drips the body": lambda: itertools.chain(["read", OK + b"\r\n"], dripping(GOOD * 100)),
    "a body without end": lambda: itertools.chain(["read", OK + b"\r\n"], without_end(b" ")),
    "twice the limit": ["read", with_length(b" " * (2 * MOST_BYTES) + GOOD)],
    "a bomb": ["read", with_length(BOMB, headers=b"Content-Encoding: gzip\r\n")],
    "no text": ["read", with_length(b"\xff\xfe\x80")],
    "half the text": ["read", with_length(GOOD[:30])],
    "nothing": ["read", with_length(b"")],
    "zeros": ["read", with_length(bytes(1000))],
    "lists in lists": ["read", with_length(b"[" * 500_000)],
    "objects in objects": ["read", with_length(chat('{"a":' * 100_000))],
    "a number of 10,000 digits": ["read", with_length(b"9" * 10_000)],
    "not a number": ["read", goal('{"text": "turn left", "chunks": NaN}')],
    "infinitely many": ["read", goal('{"text": "turn left", "chunks": 1e999}')],
    "10^4000 chunks": ["read", goal(f'{{"text": "turn left", "chunks": 1{"0" * 4000}}}')],
    "half a letter": ["read", goal('{"text": "carry the \\ud800 to (1, 2)", "chunks": 1}')],
    "a text of zeros": ["read", goal('{"text": "\\u0000", "chunks": 1}')],
    "a text that almost fits": ["read", goal(f'{{"text": "{BLOCKS}", "chunks": 1}}')],
    "no choices": ["read", with_length(b'{"choices": []}')],
    "a list for a text": ["read", with_length(b'{"choices": [{"message": {"content": [[]]}}]}')],
}


def split(url: str) -> tuple[tuple[SubGoal, ...], str, float]:
    begun = time.monotonic()
    sub_goals, warning = EndpointSplitter(url, "m", seconds=LIMIT).split("turn left twice", TEXTS)
    return sub_goals, warning, time.monotonic() - begun


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@pytest.mark.parametrize("name", ANSWERS)
def test_no_answer_outlasts_the_limit_and_each_ends_in_a_sentence(name: str) -> None:
    acts = ANSWERS[name]
    with serving(acts if callable(acts) else lambda: acts) as server:
        sub_goals, warning, seconds = split(f"http://{server.address}/v1")
        assert seconds < LIMIT + 2
        assert sub_goals == (SubGoal("turn left", 2),)
        assert warning.startswith(f"the endpoint http://{server.address}/v1 gave no sub-goals (")
        assert warning.endswith("), so the rules split the goal")
        assert "\n" not in warning
        assert len(warning) < 400
        assert server.num_connections == 1, "it asks once"
        assert server.num_sent < 16 << 20, "what is too long is not read on"


@pytest.mark.parametrize("acts", [["hold"], [b"\x16\x03\x03", "hold"], [b"no handshake"], ["read", "reset"]])
def test_no_handshake_outlasts_the_limit(acts: Acts) -> None:
    with serving(lambda: acts) as server:
        sub_goals, warning, seconds = split(f"https://{server.address}/v1")
    assert seconds < LIMIT + 2
    assert sub_goals == (SubGoal("turn left", 2),)
    assert warning


def test_a_sound_answer_that_comes_in_pieces_is_read() -> None:
    pieces = [GOOD[:20], GOOD[20:21], GOOD[21:]]
    chunked = CHUNKED + b"".join(b"%x;a=b\r\n%s\r\n" % (len(each), each) for each in pieces) + b"0\r\nA: b\r\n\r\n"
    for content in (with_length(GOOD), CONTINUE + with_length(GOOD), chunked, OK + b"\r\n" + GOOD):
        halves = [content[:50], 0.05, content[50:]]
        with serving(lambda halves=halves: ["read", *halves]) as server:  # type: ignore[misc]
            sub_goals, warning, _ = split(f"http://{server.address}/v1")
        assert (sub_goals, warning) == ((SubGoal("turn left", 3),), "")
