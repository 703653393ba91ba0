"""Things with their states on disk: a trial takes a copy, does its worst, and looks what is there."""

import contextlib
import io
import shutil
from dataclasses import dataclass
from pathlib import Path

from fault_families.things import NOTHING, Thing, Things
from slowfast_vgen.errors import UserError
from slowfast_vgen.file_system import recover


@dataclass
class Prepared:
    """A thing with its states on disk."""

    thing: Thing
    folder: Path
    """Holds `old/TARGET` and `new/TARGET`."""
    old: str = NOTHING
    new: str = ""
    listing: tuple[str, ...] = ()
    """The files of the new state."""

    def place(self, where: Path, with_old: bool = True) -> Path:
        """Puts the old state into a folder, or nothing; the path to save at."""
        if with_old and self.thing.has_old:
            copy = shutil.copytree if (self.folder / "old" / self.thing.target).is_dir() else shutil.copyfile
            copy(self.folder / "old" / self.thing.target, where / self.thing.target)
        return where / self.thing.target

    def state(self, path: Path) -> str:
        """The fingerprint of what is there, `NOTHING`, or `refused: SENTENCE`."""
        recover(path)
        if not path.exists():
            return NOTHING
        try:
            return self.thing.read(path)
        except UserError as error:
            if any(each in str(error) for each in self.thing.refusals):
                return NOTHING
            return f"refused: {error}"

    def fault(self, path: Path, allowed: set[str]) -> str | None:
        """What is wrong with what is there, if it is in none of the states that it may be in."""
        state = self.state(path)
        names = {self.old: "old", self.new: "new", NOTHING: "nothing"}
        if state in allowed or state in self.thing.between:
            return None
        wanted = " or ".join(sorted(names.get(each, each) for each in allowed))
        return f"{self.thing.name}: {names.get(state, state)[:300]} is there, not the {wanted}"

    def fault_after_saving(self, path: Path) -> str | None:
        """Saves once more, undisturbed: it must succeed, and nothing that is not the new state may be left."""
        try:
            self.thing.save(path, "new")
        except UserError as error:
            return f"{self.thing.name}: the next save fails: {error}"
        if fault := self.fault(path, {self.new}):
            return f"after the next save: {fault}"
        left = sorted(set(files_below(path.parent)) - set(self.listing))
        lacking = sorted(set(self.listing) - set(files_below(path.parent)))
        return f"{self.thing.name}: after the next save {left} is left, {lacking} missing" if left or lacking else None


def files_below(folder: Path) -> list[str]:
    """All files, and folders that are empty."""
    return sorted(
        each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file() or not any(each.iterdir())
    )


def prepared(folder: Path, seed: int, names: tuple[str, ...] = ()) -> list[Prepared]:
    """All things, or those of these names, with their states saved in `folder`."""
    found = []
    folder.mkdir(parents=True, exist_ok=True)
    for thing in Things(folder, seed).all():
        if names and thing.name not in names:
            continue
        one = Prepared(thing, folder / thing.name)
        for which in ("old", "new") if thing.has_old else ("new",):
            path = one.folder / which / thing.target
            path.parent.mkdir(parents=True)
            with contextlib.redirect_stderr(io.StringIO()):  # trainings draw bars
                thing.save(path, which)
            setattr(one, which, one.state(path))
        one.listing = tuple(files_below(one.folder / "new"))
        assert one.old != one.new and not one.new.startswith("refused"), (thing.name, one.old, one.new)
        found.append(one)
    return found
