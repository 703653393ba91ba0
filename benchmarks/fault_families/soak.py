"""Soak: long sessions, many worlds and sessions, and several threads at once, in which nothing grows and nothing mixes.

Memory and descriptors are measured after a third of the way, when all that is kept on purpose is there, and at the end.
"""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from fault_families.core import Found, NotTried, Plain

MOST_GROWTH = 24 * 2**20
"""Bytes; a leak of a frame a chunk, or of the tiny world's weights a load, would be more."""
CHUNKS, WORLDS, SESSIONS, READS = 1500, 50, 200, 200
NUM_THREADS, THREADED_CHUNKS = 4, 3
RULES = ("ridge", "ridge-delta", "denoising", "denoising-independent", "denoising-original", "replay", "off")
THREAD_TRIALS = 105


class Soak(Plain):
    """Trials: each long run once, then rules in several threads."""

    name: ClassVar[str] = "soak"
    what: ClassVar[str] = "long runs, many worlds and sessions, several threads at once"
    floor: ClassVar[int] = 110
    limit_seconds = 300.0

    def __init__(self) -> None:
        self.folder, self.world = Path(), None
        self.runs: list[Callable[[Path], Iterator[None]]] = []

    def prepare(self, folder: Path, seed: int) -> int:
        """Packs and loads a tiny world."""
        from fault_families import sound_data, sound_models

        self.seed, self.folder = seed, folder
        sound_models.save_world(folder / "world")
        sound_data.save_dataset(folder / "set", 0)
        self.world = sound_models.load(folder / "world")
        self.runs = [self.chunks("ridge", CHUNKS), self.chunks("off", CHUNKS), self.chunks("replay", 600)]
        self.runs += [self.worlds, self.sessions, self.data_sets, self.shards]
        return len(self.runs) + THREAD_TRIALS

    def run(self, number: int, folder: Path) -> Found:
        """A long run, or threads."""
        if number >= len(self.runs):
            return self.threads(number)
        return steady(self.runs[number](folder))

    def chunks(self, rule: str, count: int) -> Callable[[Path], Iterator[None]]:
        """One session of so many chunks, which is saved and gone on with at the end."""

        def run(folder: Path) -> Iterator[None]:
            from fault_families.sound_models import IMAGE, TEXTS

            session = self.world.start(IMAGE, memory=rule)
            for number in range(count):
                session.step(TEXTS[number % len(TEXTS)])
                yield
            assert session.num_chunks == count
            session.save(folder / "session")
            again = self.world.resume(folder / "session")
            assert (again.step(TEXTS[0]) == session.step(TEXTS[0])).all(), "what was saved goes on in another way"

        return run

    def worlds(self, folder: Path) -> Iterator[None]:
        """Worlds that are loaded one after the other."""
        from fault_families.sound_models import IMAGE, TEXTS, load

        for _ in range(WORLDS):
            load(self.folder / "world").start(IMAGE).step(TEXTS[0])
            yield

    def sessions(self, folder: Path) -> Iterator[None]:
        """Sessions that are saved over each other and gone on with."""
        from fault_families.sound_models import IMAGE, TEXTS

        for number in range(SESSIONS):
            session = self.world.start(IMAGE, memory=RULES[number % len(RULES)], seed=number)
            session.step(TEXTS[number % len(TEXTS)])
            session.save(folder / "session")
            self.world.resume(folder / "session").step(TEXTS[0])
            yield

    def data_sets(self, folder: Path) -> Iterator[None]:
        """A data set that is checked and read again and again."""
        from fault_families.sound_data import checked
        from slowfast_vgen.data.format import EpisodeDataset

        for _ in range(READS):
            checked(self.folder / "set", EpisodeDataset)
            yield

    def shards(self, folder: Path) -> Iterator[None]:
        """The same as shards."""
        from fault_families.sound_data import checked
        from slowfast_vgen.data.shards.read import ShardSet
        from slowfast_vgen.data.shards.write import write_shards

        for _ in range(READS // 2):
            write_shards([self.folder / "set"], folder / "shards", max_bytes=8000)
            checked(folder / "shards", ShardSet)
            yield

    def threads(self, number: int) -> Found:
        """Sessions by one rule, or by several, side by side and one by one: the same frames."""
        own, several = RULES[number % len(RULES)], number % 3 == 0
        rules = [RULES[(number + index) % len(RULES)] if several else own for index in range(NUM_THREADS)]
        alone = [self.frames(rule, number + index) for index, rule in enumerate(rules)]
        found: list[Any] = [None] * NUM_THREADS

        def run(index: int) -> None:
            found[index] = self.frames(rules[index], number + index)

        workers = [threading.Thread(target=run, args=(index,)) for index in range(NUM_THREADS)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        wrong = [rule for rule, one, other in zip(rules, alone, found, strict=True) if one != other]
        return f"beside others {', '.join(wrong)} went another way" if wrong else None

    def frames(self, rule: str, seed: int) -> bytes:
        """Those of a session's chunks."""
        from fault_families.sound_models import IMAGE, TEXTS

        session = self.world.start(IMAGE, memory=rule, seed=seed)
        chunks = (session.step(TEXTS[(seed + at) % len(TEXTS)]) for at in range(THREADED_CHUNKS))
        return b"".join(chunk.tobytes() for chunk in chunks)


def steady(run: Iterator[None]) -> Found:
    """Goes through a long run; what grew in its last two thirds."""
    if not Path("/proc/self/statm").exists():
        return NotTried("this system does not tell what a process holds")
    held = [holding() for _ in run]
    early, late = held[len(held) // 3], max(held[-3:])
    if late[0] - early[0] > MOST_GROWTH:
        return f"memory grew from {early[0] // 2**20} to {late[0] // 2**20} MB in {len(held)} rounds"
    if late[1] > early[1]:
        return f"open files grew from {early[1]} to {late[1]} in {len(held)} rounds"
    return None


def holding() -> tuple[int, int]:
    """Bytes of memory, and open files."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir("/proc/self/fd"))


FAMILY = Soak()
