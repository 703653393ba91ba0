"""Two twins of a session do the same; one is saved and loaded in between: they stay the same, bit for bit.

What they do is drawn: steps, going back, forks, merging in and forgetting; and what is refused is refused to both, and
changes nothing. Beside them each thing is saved twice: the same state gives the same bytes, read or not in between.
"""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np

from fault_families.core import Found, Plain
from fault_families.made import ACTIONS, MEMORIES, digest_of, fingerprint_of, start_image, tiny_world
from fault_families.prepared import files_below, prepared
from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.config import MemoryConfig
from slowfast_vgen.rollout import Session

TWINS, MERGES = 600, 200
MOST_DEEDS = 7
TELL_TIME = ("run",)
"""Things whose files tell how long it took to make them."""


class SaveLoadForkMerge(Plain):
    """First each thing, saved twice; then twins; then memories that are merged."""

    name: ClassVar[str] = "save_load_fork_merge"
    what: ClassVar[str] = "save, load, fork, merge"
    floor: ClassVar[int] = 0

    def prepare(self, folder: Path, seed: int) -> int:
        """Makes the things and the world."""
        self.seed, self.things, self.world = seed, prepared(folder, seed), tiny_world(seed)
        return len(self.things) + TWINS + MERGES

    def run(self, number: int, folder: Path) -> Found:
        """See the class."""
        if number < len(self.things):
            return self._twice(number, folder)
        rng = self.rng(number)
        return self._twins(rng, folder) if number < len(self.things) + TWINS else self._merged(rng, folder)

    def _twice(self, number: int, folder: Path) -> Found:
        thing, path = self.things[number], folder / self.things[number].thing.target
        thing.thing.save(path, "new")
        kept = {name: (thing.folder / "new" / name).read_bytes() for name in files_below(thing.folder / "new")}
        found = {name: (folder / name).read_bytes() for name in files_below(folder)}
        if thing.thing.name not in TELL_TIME and found != kept:
            return f"{thing.thing.name}: saved twice, the files differ"
        thing.thing.save(path, "new")
        return thing.fault(path, {thing.new})

    def _start(self, rng: np.random.Generator, memory: str) -> Session:
        config = MemoryConfig.from_json(MEMORIES[memory]) or False
        return self.world.start(start_image(int(rng.integers(2**31))), config, int(rng.integers(2**31)))

    def _twins(self, rng: np.random.Generator, folder: Path) -> Found:
        memory = str(rng.choice(list(MEMORIES)))
        plain = self._start(rng, memory)
        saved, other = plain.fork(), self._start(rng, memory)
        other.step(str(rng.choice(ACTIONS)))
        told: list[str] = [memory]
        for _ in range(MOST_DEEDS):
            name, deed = self._deed(rng, other)
            told.append(name)
            saved.save(folder / "session")
            saved = self.world.resume(folder / "session")
            before = fingerprint_of(plain)
            ends = [done(deed, each) for each in (plain, saved)]
            if ends[0] != ends[1]:
                return f"{told}: {ends[0][:200]} for the one, {ends[1][:200]} for the one that was loaded"
            if ends[0].startswith("refused") and fingerprint_of(plain) != before:
                return f"{told}: what was refused has changed the session"
            if fingerprint_of(plain) != fingerprint_of(saved):
                return f"{told}: the twin that was loaded is another"
        fork = plain.fork()
        before = fingerprint_of(plain)
        frames = fork.step(ACTIONS[0])
        if fingerprint_of(plain) != before:
            return f"{told}: a step of the fork has changed the session"
        return None if np.array_equal(frames, plain.step(ACTIONS[0])) else f"{told}: the fork goes on otherwise"

    @staticmethod
    def _deed(rng: np.random.Generator, other: Session) -> tuple[str, Callable[[Session], str]]:
        """Something to do to each twin; it returns what came of it."""
        kind, count = (
            str(rng.choice(["step", "step", "step", "rewind", "merge", "forget", "export"])),
            int(rng.integers(4)),
        )
        action = str(rng.choice(ACTIONS))

        def do(session: Session) -> str:
            memory = session.memory
            if kind == "step" or (memory is None and kind != "rewind"):
                return digest_of(session.step(action))
            if kind == "rewind":
                return digest_of(session.rewind(count))
            assert memory is not None
            if kind == "merge":
                assert other.memory is not None
                memory.merge(other.memory)
            elif kind == "forget":
                memory.forget(count, count + 1)
            else:
                begun = session._rollout.world.start(start_image(count), memory, 1)
                return digest_of(begun.step(action))
            return "done"

        return f"{kind} {count}" if kind in ("rewind", "forget") else kind, do

    def _merged(self, rng: np.random.Generator, folder: Path) -> Found:
        """Memories that are merged, then saved, are what saved ones are that are merged then; the other stays."""
        kind = str(rng.choice(["ridge", "lora", "both"]))
        one, two = self._start(rng, kind), self._start(rng, kind)
        for session in (one, two):
            for _ in range(int(rng.integers(1, 4))):
                session.step(str(rng.choice(ACTIONS)))
            assert session.memory is not None
        assert one.memory is not None and two.memory is not None
        one.memory.save(folder / "one")
        two.memory.save(folder / "two")
        before = fingerprint_of(two)
        loaded = self.world.load_memory(folder / "one")
        ends = [
            done(lambda _: one.memory.merge(two.memory) or "", one),  # type: ignore[union-attr,func-returns-value]
            done(lambda _: loaded.merge(self.world.load_memory(folder / "two")) or "", one),  # type: ignore[func-returns-value]
        ]
        if ends[0] != ends[1]:
            return f"{kind}: {ends}"
        if fingerprint_of(two) != before:
            return f"{kind}: merging has changed the memory that was merged in"
        one.memory.save(folder / "merged")
        loaded.save(folder / "loaded")
        files = [
            {name: (folder / each / name).read_bytes() for name in files_below(folder / each)}
            for each in ("merged", "loaded")
        ]
        return None if files[0] == files[1] else f"{kind}: merged and then saved is another than saved and then merged"


def done(deed: Callable[[Session], str], session: Session) -> str:
    """What came of a deed, or the sentence by which it was refused."""
    try:
        return deed(session)
    except UserError as error:
        return f"refused: {error}"


FAMILY = SaveLoadForkMerge()
