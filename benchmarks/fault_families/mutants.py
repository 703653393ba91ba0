"""Mutants and forged files of every kind that is read: each is refused in a sentence, or nothing has changed.

Every kind (`sound_models`, `sound_data`) is damaged in every way (`damage`, `forge`), as it is and with hashes that are
mended afterwards, and read through the door that users have. It fails by anything but a `UserError` of one line that
names the file or folder; by content that differs though a checksum should have told; by a payload that ran; by more
memory than any of these small things can ask for; and, as every family, by time.
"""

import os
import resource
import shutil
from pathlib import Path
from typing import ClassVar

from fault_families import damage, forge
from fault_families.core import Found, Plain
from fault_families.damage import CANARY, Damage
from fault_families.sound import Kind

DAMAGES: dict[str, Damage] = {
    **{kind: damage.of_bytes(kind) for kind in damage.BYTES},
    "gone": damage.gone,
    "swapped": damage.swapped,
    "exchanged": damage.exchanged,
    "extra": damage.extra,
    "payload": damage.payload,
    "postscript": damage.postscript,
    "special": damage.special,
    "endless": damage.endless,
    "json": damage.of_json,
    "json text": damage.of_json_text,
    "tensors": damage.of_tensors,
    "tensors' header": damage.of_tensors_header,
    "table": forge.of_table,
    "film": forge.of_film,
    "names": forge.of_names,
}
FORGED = ("json", "json", "json", "tensors", "tensors", "table", "film", "swapped", "extra", "payload", "names", "flip")
"""Damages that are tried with mended hashes, too; by as many rounds as they are named."""
SHARE_OF_FREE = 4
"""Kinds without any checksum are tried so many times less often: there is little to go wrong with one file."""
MOST_BYTES = 400 * 2**20
"""Of memory, more than before. What is damaged holds less than a megabyte, and no more may be believed of it."""
ROUNDS = 22


class Mutants(Plain):
    """Trials: (kind, damage, mended or not), drawn anew in each round."""

    name: ClassVar[str] = "mutants"
    what: ClassVar[str] = "mutants and forged files of every kind that is read"
    floor: ClassVar[int] = 5000

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        """Of all kinds, or of those of the given names."""
        self.names = names
        self.kinds: list[Kind] = []
        self.ways: list[tuple[int, str, bool]] = []
        self.whole: list[str] = []
        self.folder = Path()

    def prepare(self, folder: Path, seed: int) -> int:
        """Makes two sound things of each kind and reads them."""
        from fault_families import sound_data, sound_models

        self.seed, self.folder = seed, folder
        (folder / "shared").mkdir(parents=True)
        kinds = [*sound_models.kinds(folder / "shared"), *sound_data.kinds()]
        self.kinds = [kind for kind in kinds if not self.names or kind.name in self.names]
        self.ways = ways_of(self.kinds)
        self.whole = []
        for number, kind in enumerate(self.kinds):
            for which in (0, 1):
                self.sound(number, which).mkdir(parents=True)
                kind.make(self.sound(number, which), which)
            copy = folder / "copy"  # some readers finish what they read
            shutil.copytree(self.sound(number, 0), copy)
            self.whole.append(kind.read(copy))
            shutil.rmtree(copy)
        return len(self.ways)

    def sound(self, number: int, which: int) -> Path:
        """The folder of a sound one."""
        return self.folder / f"kind-{number}" / str(which)

    def run(self, number: int, folder: Path) -> Found:
        """Damages one, maybe mends its hashes, and reads it."""
        which, way, is_mended = self.ways[number]
        place = folder / "thing"
        shutil.copytree(self.sound(which, 0), place)
        os.environ[CANARY] = str(folder / "canary")
        victim = DAMAGES[way](place, self.sound(which, 1), self.rng(number))
        if is_mended:
            forge.mend(place, names_all=way == "extra")
        kind = self.kinds[which]
        found = judged(kind, place, victim, self.whole[which], may_differ=is_mended or not kind.is_sealed)
        return found and f"{kind.name}, {way}{' and mended' if is_mended else ''} ({victim}): {found}"


def ways_of(kinds: list[Kind]) -> list[tuple[int, str, bool]]:
    """Number of the kind, damage, and whether hashes are mended: all of them, in rounds."""
    ways = []
    for turn in range(ROUNDS):
        for number, kind in enumerate(kinds):
            if kind.is_sealed or turn % SHARE_OF_FREE == 0:
                ways += [(number, way, False) for way in DAMAGES]
            if kind.is_sealed:
                ways += [(number, way, True) for way in FORGED]
    return ways


def judged(kind: Kind, place: Path, victim: str, whole: str, may_differ: bool) -> str | None:
    """What is wrong with how a damaged thing is read; None for nothing."""
    from slowfast_vgen.errors import UserError

    before = _peak()
    told: str | None = None
    try:
        content = kind.read(place)
        if content != whole and not may_differ:
            told = "it was read as something else, without a word"
    except UserError as error:
        told = _fault_of_sentence(str(error), place, victim)
    if (grown := _peak() - before) > MOST_BYTES:
        return f"reading it took {grown // 2**20} MB"
    if not forge.canary_is_alive():
        return "its payload was run"
    return told


def _fault_of_sentence(sentence: str, place: Path, victim: str) -> str | None:
    if "\n" in sentence:
        return f"it is refused in several lines: {sentence!r:.300}"
    if len(sentence) > 1500:
        return f"it is refused in {len(sentence)} letters: {sentence!r:.300}"
    if victim not in sentence and str(place) not in sentence:
        return f"neither file nor folder is named: {sentence!r:.300}"
    return None


def _peak() -> int:
    """The most memory that this process has taken so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


FAMILY = Mutants()
