"""NaN at every place, exceptions at every line: what is not finite is never saved, what breaks off is undone.

An exception is raised at one line of our code that an operation runs: Ctrl-C, as its signal gives it, or a want of
memory. The session must then be what it was, or what it was to become, and the operation must do all it did before.
"""

import contextlib
import io
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import slowfast_vgen
from fault_families.core import Found, Plain
from fault_families.made import ACTIONS, MEMORIES, digest_of, fingerprint_of, line_run, start_image, tiny_world
from fault_families.nan_places import PLACES, VALUES
from fault_families.prepared import Prepared, prepared
from fault_families.steps import told_by_a_process
from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.config import MemoryConfig
from slowfast_vgen.rollout import Session

OURS = str(Path(slowfast_vgen.__file__).parent)
ROUNDS = 6
"""Of each place with each value, drawn anew."""
LINES = {"step": 150, "rewind": 40, "fork": 10, "merge": 50, "forget": 50, "save": 90, "resume": 70, "train": 120}
"""Operation -> at most so many lines, spread evenly over all that it runs, each with Ctrl-C and without memory."""
THING_LINES = 20
"""Of saving each thing."""


@dataclass(frozen=True)
class Line:
    """Where an exception is raised."""

    operation: str
    """One of `LINES`, or `saving THING`."""
    memory: str
    at: int
    interrupts: bool
    """By Ctrl-C; else for want of memory."""


class NanAndExceptions(Plain):
    """First the places where values are not finite (`nan_places`), then the lines."""

    name: ClassVar[str] = "nan_and_exceptions"
    what: ClassVar[str] = "NaN and exceptions at every place"
    floor: ClassVar[int] = 0

    def prepare(self, folder: Path, seed: int) -> int:
        """Runs each operation once, counting its lines."""
        self.seed, self.world = seed, tiny_world(seed)
        self.things = {each.thing.name: each for each in prepared(folder / "things", seed)}
        self.plan: list[Line] = []
        for operation, most in LINES.items():
            for memory in ("off",) if operation in ("fork", "train") else ("both", "replay", "ridge"):
                if operation != "forget" or memory == "ridge":
                    self._plan(operation, memory, most, folder)
        for name in self.things:
            self._plan(f"saving {name}", "off", THING_LINES, folder)
        self.num_places = len(PLACES) * len(VALUES) * ROUNDS
        return self.num_places + len(self.plan)

    def _plan(self, operation: str, memory: str, most: int, folder: Path) -> None:
        def rehearse() -> int:
            sys.stderr = io.StringIO()  # trainings draw bars
            place = folder / f"{operation} {memory}"
            place.mkdir()
            ready = self._ready(operation, memory, place)
            with lines_counted() as count:
                ready.operate()
            return count[0]

        total = int(told_by_a_process(rehearse))
        chosen = range(total) if total <= most else [place * total // most for place in range(most)]
        self.plan += [Line(operation, memory, at, bool(interrupts)) for at in chosen for interrupts in (0, 1)]

    def run(self, number: int, folder: Path) -> Found:
        """See the class."""
        if number < self.num_places:
            place, value = list(PLACES)[number % len(PLACES)], VALUES[number // len(PLACES) % len(VALUES)]
            fault = PLACES[place](self.world, value, self.rng(number), folder)
            return f"{value} in {place}: {fault}" if fault else None
        line = self.plan[number - self.num_places]
        ready = self._ready(line.operation, line.memory, folder)
        told = f"{line.operation} ({line.memory}), {'Ctrl-C' if line.interrupts else 'no memory'} at line {line.at}"
        with (
            contextlib.suppress(KeyboardInterrupt, MemoryError, UserError),
            raised_at(line.at, line.interrupts) as where,
        ):
            ready.operate()
        fault = ready.fault()
        return f"{told}, {where[0]}: {fault}" if fault else None

    def _ready(self, operation: str, memory: str, folder: Path) -> "Ready":
        if operation.startswith("saving "):
            return ready_to_save(self.things[operation.removeprefix("saving ")], folder)
        if operation == "train":
            return ready_to_train(self.seed, folder)
        config = MemoryConfig.from_json(MEMORIES[memory]) or False
        session = self.world.start(start_image(self.seed), config, self.seed)
        for action in ACTIONS[:2]:
            session.step(action)
        return ready_session(operation, session, folder)


FAMILY = NanAndExceptions()


@dataclass(frozen=True)
class Ready:
    """Something that is about to be done."""

    operate: Callable[[], Any]
    fault: Callable[[], str | None]
    """What is wrong once it was broken off; it may do it once more."""


def ready_to_save(thing: Prepared, folder: Path) -> Ready:
    """A thing that is saved over its old state."""
    place = folder / "place"
    place.mkdir()
    path = thing.place(place)
    return Ready(
        lambda: thing.thing.save(path, "new"),
        lambda: thing.fault(path, {thing.old, thing.new}) or thing.fault_after_saving(path),
    )


def ready_to_train(seed: int, folder: Path) -> Ready:
    """A training of a few steps, which goes on after the exception."""
    whole = line_run(folder / "whole", seed)
    whole.run()
    wanted = [value.tolist() for value in whole.module.state_dict().values()]

    def fault() -> str | None:
        again = line_run(folder / "run", seed)
        again.run()
        found = [value.tolist() for value in again.module.state_dict().values()]
        return None if found == wanted else "the training that goes on has other weights"

    return Ready(lambda: line_run(folder / "run", seed).run(), fault)


def ready_session(operation: str, session: Session, folder: Path) -> Ready:
    """A session of some chunks; the operation on it must happen as a whole or not at all."""
    other = session.fork()
    other.step(ACTIONS[3])
    session.save(folder / "session")
    world = session._rollout.world

    def operate(one: Session) -> Any:
        memory = one.memory
        if operation == "step":
            return digest_of(one.step(ACTIONS[2]))
        if operation == "rewind":
            return digest_of(one.rewind(1))
        if operation == "fork":
            return one.fork()
        if operation == "resume":
            return world.resume(folder / "session")
        if operation == "save":
            return one.save(folder / "session")
        assert memory is not None
        return memory.merge(other.memory) if operation == "merge" else memory.forget(1, 2)  # type: ignore[func-returns-value,arg-type]

    twin, before = session.fork(), fingerprint_of(session)
    operate(twin)
    after, others = fingerprint_of(twin), fingerprint_of(other)

    def fault() -> str | None:
        state = fingerprint_of(session)
        if state not in (before, after):
            return "the session is neither what it was nor what it was to become"
        if fingerprint_of(other) != others:
            return "another session has changed"
        if fingerprint_of(world.resume(folder / "session")) != before:
            return "what is saved is another session"
        if state == before:
            operate(session)
        if fingerprint_of(session) != after:
            return "the same, done once more, comes out otherwise"
        if (left := sorted(each.name for each in folder.iterdir())) != ["session"]:
            session.save(folder / "session")
            left = sorted(each.name for each in folder.iterdir())
        same = digest_of(session.step(ACTIONS[0])) == digest_of(twin.step(ACTIONS[0]))
        return f"{left} is left" if left != ["session"] else None if same else "the next chunk differs"

    return Ready(lambda: operate(session), fault)


@contextlib.contextmanager
def lines_counted() -> Any:
    """Counts the lines of our code that run inside the block."""
    count = [0]
    with _each_line(lambda where: count.__setitem__(0, count[0] + 1)):
        yield count


@contextlib.contextmanager
def raised_at(line: int, interrupts: bool) -> Any:
    """Raises an exception before that line of our code inside the block; yields a list that tells where it was."""
    count, where = [0], ["not reached"]

    def strike(here: str) -> None:
        count[0] += 1
        if count[0] == line + 1:
            where[0] = here
            if not interrupts:
                raise MemoryError
            signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    with _each_line(strike):
        yield where


@contextlib.contextmanager
def _each_line(tell: Callable[[str], None]) -> Any:
    def of_line(frame: Any, event: str, _: Any) -> Any:
        if event == "line":
            tell(f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}")
        return of_line

    def of_call(frame: Any, event: str, _: Any) -> Any:
        return of_line if frame.f_code.co_filename.startswith(OURS) else None

    sys.settrace(of_call)
    try:
        yield
    finally:
        sys.settrace(None)
