"""Finds a source's files: by a search below its folder, or by a path inside one of its files.

Links in the folder are trusted as the user's own and followed. A path inside a file is not: one that leads out of the
folder is refused, unless the user allows it.
"""

import filecmp
import os
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

from slowfast_vgen.data.adapters.base import UnusableError
from slowfast_vgen.data.skipped import tell


def folders_below(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yields `root` and every folder below it, also behind links, each once, with the sorted names of its files.

    A folder with several names, as through a link to a folder above, is read under its own path where that is below
    `root`, else under the first name. Files whose names begin with `._`, which macOS adds, are skipped.
    """
    met: set[tuple[int, int]] = set()
    waiting, linked = [root], list[Path]()
    while waiting or linked:
        folder = waiting.pop() if waiting else linked.pop(0)
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in met:
                continue
            met.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            tell(f"not searched: {folder} ({error.strerror or error})")
            continue
        folders = [entry for entry in listed if _is_folder(entry)]
        waiting += [folder / entry.name for entry in reversed(folders) if not entry.is_symlink()]
        linked += [folder / entry.name for entry in folders if entry.is_symlink()]
        hidden = {entry.name for entry in folders} | {entry.name for entry in listed if entry.name.startswith("._")}
        yield folder, [entry.name for entry in listed if entry.name not in hidden]


def files_below(root: Path, *patterns: str) -> list[Path]:
    """Returns the files below `root` whose names match any of the patterns, sorted; see `folders_below`."""
    return sorted(
        folder / name
        for folder, names in folders_below(root)
        for name in names
        if any(fnmatch(name, pattern) for pattern in patterns)
    )


def files_in(folder: Path, pattern: str) -> list[Path]:
    """Returns the files in a folder that match a pattern of `Path.glob`, sorted."""
    return sorted(path for path in folder.glob(pattern) if not path.name.startswith("._"))


def told_file(source: Path, name: str, allow_outside: bool = False) -> Path:
    """Returns the file that a path inside a source refers to: below the folder, in any Unicode normalization.

    Raises:
        UnusableError: the path leads out of the folder and that is not allowed, or no file can have it.
    """
    if not name.strip() or "\0" in name:
        raise UnusableError("missing-video", f"{name[:80]!r} names no file")
    root = os.path.abspath(source)
    plain = os.path.normpath(os.path.join(root, name))
    if not allow_outside and os.path.commonpath([root, plain]) != root:
        raise UnusableError(
            "outside", f"the path {name[:200]!r} leads out of {source}; allow that with --allow-outside"
        )
    path = source / os.path.relpath(plain, root)
    return path if os.path.exists(path) else _composed_otherwise(path)


def only_one(paths: Sequence[Path]) -> Path | None:
    """Returns the first of several copies of a file; None where there is none.

    Raises:
        UnusableError: they are not the same.
    """
    for other in paths[1:]:
        if not filecmp.cmp(paths[0], other, shallow=False):
            raise UnusableError("ambiguous", f"{paths[0]} and {other} are not the same; leave the right one")
    return paths[0] if paths else None


def is_regular(path: Path) -> bool:
    """Returns whether a path is a regular file: a pipe or a device could block a reader forever."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a circular link
        return False


def _composed_otherwise(path: Path) -> Path:
    """Returns the file whose name is the same text in other code points, as macOS and Linux write é; else `path`."""
    for form in ("NFC", "NFD"):
        variant = Path(unicodedata.normalize(form, str(path)))
        if os.path.exists(variant):
            return variant
    folder = path.parent
    if folder == path or not (os.path.exists(folder) or (folder := _composed_otherwise(folder)) != path.parent):
        return path
    try:
        wanted = unicodedata.normalize("NFC", path.name)
        names = [name for name in os.listdir(folder) if unicodedata.normalize("NFC", name) == wanted]
    except OSError:
        return path
    return folder / names[0] if names else path
