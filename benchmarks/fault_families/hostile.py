"""Hostile peers and terminals: servers that mean ill, text that steers, streams that are closed, full or broken.

The servers' answers are those of the tests (`tests/hostile_server.py` and what uses it), and mutants of sound ones.
"""

import importlib
import itertools
import os
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from fault_families.core import Found, NotTried, Plain
from fault_families.damage import BYTES, Rng, damaged_bytes
from fault_families.terminals import COMMANDS, ENCODINGS, STREAMS, TEXTS, said, streamed

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

PEER_SECONDS = 0.3
"""What a peer is given for an answer."""
SPARE_SECONDS = 4.0
"""After that a peer has kept us waiting: the machine may be busy."""
MUTANTS = 60
"""Of a sound answer, for each sort of peer."""

Trial = tuple[Callable[..., Found], tuple[Any, ...]]


class Hostile(Plain):
    """Trials: each answer of a peer, then each text in each command and encoding, then each command on each stream."""

    name: ClassVar[str] = "hostile"
    what: ClassVar[str] = "hostile peers and terminals"
    floor: ClassVar[int] = 300
    limit_seconds = 30.0
    """The plots of a card are a second's work, more on a busy machine; peers are held to `PEER_SECONDS`."""

    def __init__(self) -> None:
        self.trials: list[Trial] = []

    def prepare(self, folder: Path, seed: int) -> int:
        """Lists the trials, after each command was run once: what it imports, the trials have."""
        self.seed = seed
        for command in COMMANDS:
            place = folder / "before" / command
            place.mkdir(parents=True)
            assert (found := said(command, "letters", "utf-8", place, self.rng(0))) is None, f"{command}: {found}"
        endpoint = importlib.import_module("test_hostile_endpoints")
        answers = [(_endpoint, (_acts(each),)) for each in endpoint.ANSWERS.values()]
        mutants = [(_endpoint_mutant, (number,)) for number in range(MUTANTS)]
        self.trials = [*answers, *mutants, *_unreal_trials()]
        self.trials += [(said, each) for each in itertools.product(sorted(COMMANDS), sorted(TEXTS), ENCODINGS)]
        self.trials += [(streamed, each) for each in itertools.product(sorted(COMMANDS), sorted(STREAMS))]
        return len(self.trials)

    def run(self, number: int, folder: Path) -> Found:
        """Runs it."""
        run, arguments = self.trials[number]
        os.environ["no_proxy"] = "*"
        found = run(*arguments, folder=folder, rng=self.rng(number))
        told = " ".join(str(each) for each in arguments if isinstance(each, str | int))
        return f"{run.__name__} {told}: {found}" if isinstance(found, str) else found


def _acts(answer: Any) -> Callable[[], Any]:
    return answer if callable(answer) else lambda: answer


# ---------------------------------------------------------------------------------------------------- language models


def _endpoint(acts: Callable[[], Any], folder: Path, rng: Rng) -> Found:
    """The plan goes on by the rules, in time, and one sentence tells why."""
    from hostile_server import serving

    from slowfast_vgen.plan.endpoint import EndpointSplitter

    with serving(acts) as server:
        begun = time.monotonic()
        splitter = EndpointSplitter(f"http://{server.address}/v1", "m", seconds=PEER_SECONDS)
        sub_goals, warning = splitter.split("turn left twice", ("turn left",))
        seconds = time.monotonic() - begun
    if seconds > PEER_SECONDS + SPARE_SECONDS:
        return f"it waited {seconds:.1f} s"
    if not sub_goals or len(warning) > 400 or "\n" in warning:
        return f"it told {sub_goals!r:.100} and {warning!r:.500}"
    return None


def _endpoint_mutant(number: int, folder: Path, rng: Rng) -> Found:
    endpoint = importlib.import_module("test_hostile_endpoints")
    sound = endpoint.CHUNKED + b"%x\r\n%s\r\n0\r\n\r\n" % (len(endpoint.GOOD), endpoint.GOOD)
    answer = damaged_bytes((sound, endpoint.with_length(endpoint.GOOD))[number % 2], BYTES[number % len(BYTES)], rng)
    place = int(rng.integers(len(answer) + 1))
    return _endpoint(lambda: ["read", answer[:place], 0.02, answer[place:]], folder, rng)


# --------------------------------------------------------------------------------------------------------------- Unreal


def _unreal_trials() -> list[Trial]:
    if find_spec("unrealcv") is None:
        return [(_no_unreal, (number,)) for number in range(MUTANTS)]
    unreal = importlib.import_module("test_hostile_unrealcv")
    fixed = [(_unreal, each) for each in (*unreal.CASES, *unreal.ONLY_HERE)]
    return [*fixed, *((_unreal_mutant, (number,)) for number in range(MUTANTS))]


def _no_unreal(number: int, folder: Path, rng: Rng) -> Found:
    return NotTried("the package unrealcv is not installed")


def _unreal(moment: str, what: str, folder: Path, rng: Rng) -> Found:
    unreal = importlib.import_module("test_hostile_unrealcv")
    content = unreal.ONLY_HERE.get((moment, what))
    if content is None:
        return _recorded(moment, unreal.EVERYWHERE[what])
    return _recorded(moment, lambda number: [unreal.message(number + b":" + content), "hold"])


def _unreal_mutant(number: int, folder: Path, rng: Rng) -> Found:
    """A sound answer, damaged."""
    unreal = importlib.import_module("test_hostile_unrealcv")
    moment = (unreal.NAME, unreal.PLACE, unreal.PICTURE)[number % 3]
    sound = (b":MadeUp", b":10 20 30", b":" + unreal.png(64, 64, bytes(64 * 193)))[number % 3]

    def acts(asked: bytes) -> Sequence[Any]:
        answer = unreal.message(asked + sound)
        return [damaged_bytes(answer, BYTES[number // 3 % len(BYTES)], rng), "hold"]

    return _recorded(moment, acts)


def _recorded(moment: str, acts: Callable[[bytes], Any]) -> Found:
    """A recording ends in time, by one sentence."""
    unreal = importlib.import_module("test_hostile_unrealcv")
    from slowfast_envs.unrealcv.environment import UnrealEnvironment
    from slowfast_vgen.errors import UserError

    server = unreal.HostileUnreal(moment, acts)
    os.environ |= {"SLOWFAST_UNREALCV": server.address, "SLOWFAST_UNREALCV_TIMEOUT": str(PEER_SECONDS)}
    begun = time.monotonic()
    try:
        episodes = list(UnrealEnvironment("train", 0).episodes(1, "wander", 2))
        told = f"{len(episodes)} episodes were recorded"
    except UserError as error:
        told = str(error)
    finally:
        seconds = time.monotonic() - begun
        server.close()
    if seconds > PEER_SECONDS + SPARE_SECONDS:
        return f"it waited {seconds:.1f} s"
    if server.address not in told or not told.isprintable() or len(told) > 500:
        return f"it told {told!r:.600}"
    return None


FAMILY = Hostile()
