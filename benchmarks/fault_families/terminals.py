"""Commands on texts of others, on terminals of few letters, and on streams that are closed, full or broken."""

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fault_families.core import Found
from fault_families.damage import Rng

STEERING = "\x1b\x07\x9b\r\u202e\u2066\x08\u2028"
"""Characters that nothing that is shown may hold; progress bars move by some of them, and are not tried here."""
TEXTS = {
    "clears": "a\x1b[2Jb",
    "names the window": "\x1b]0;owned\x07",
    "one byte": "a\x9b31mb",
    "goes back": "sound\rwrong\x08\x08",
    "turns": "a\u202eb\u2066c",
    "lines": "x\nslowfast: done\u2028y",
    "script": "<script>alert(1)</script><img src=x onerror=y>",
    "links": "[a](javascript:b) ![c](http://d) `e` |f|",
    "letters": "öffne 火 the 🚪",
}
ENCODINGS = ("ascii", "utf-8", "cp1252")
TAGS = ("<script", "<img")

Command = tuple[Callable[[Path, str], list[str]], tuple[int, ...]]


def _dataset(folder: Path, text: str) -> Path:
    """A data set that says the text wherever it can."""
    from slowfast_vgen.data.format import DatasetWriter
    from slowfast_vgen.data.headers import DatasetHeader
    from slowfast_vgen.types import Chunk, Episode

    names = ("script", "licence", "world", "scene", "source")
    metadata = {**dict.fromkeys(names, text), "split": "train"}
    writer = DatasetWriter(folder / "set", DatasetHeader(text, "train", 1, {"note": text}))
    writer.append(Episode(np.zeros((5, 16, 16, 3), np.uint8), (Chunk(text, text, 1, 4),), None, 10.0, metadata))
    writer.finish()
    return folder / "set"


def _check(folder: Path, text: str) -> list[str]:
    made = _dataset(folder, text)
    (made / "episodes" / "000000" / text.replace("/", "")).touch()
    return ["data", "check", str(made)]


def _import(folder: Path, text: str) -> list[str]:
    (folder / "source").mkdir()
    rows = [["video", "start", "end", "action"], [text, "0", "1", "go"]]
    lines = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
    (folder / "source" / "actions.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return ["data", "import", "--from", "folder", str(folder / "source"), str(folder / "out"), "--licence", text]


def _forged(folder: Path, text: str) -> list[str]:
    made = _dataset(folder, "x")
    path = made / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"split": text, "format": text}))
    return ["data", "info", str(made)]


def _export(folder: Path, text: str) -> list[str]:
    return ["data", "export", "--to", "lerobot", str(_dataset(folder, text)), str(folder / "out")]


def _card(folder: Path, text: str) -> list[str]:
    return ["data", "info", str(_dataset(folder, text)), "--card", "--out", str(folder / "cards")]


COMMANDS: dict[str, Command] = {
    "check": (_check, (1,)),
    "info": (lambda folder, text: ["data", "info", str(_dataset(folder, text))], (0,)),
    "card": (_card, (0,)),
    "import": (_import, (2,)),
    "forged header": (_forged, (2,)),
    "export": (_export, (0,)),
    "no such file": (lambda folder, text: ["memory", "show", str(folder / text)], (2,)),
    "no such word": (lambda folder, text: ["data", text], (2,)),
}
"""Name -> what makes it, and the codes that it may leave with."""
WORK = {"card": "cards/{0.name}-set.md", "export": "out/meta/info.json"}
"""What some of them write into their folder, whose name a card's has."""


def said(command: str, text: str, encoding: str, folder: Path, rng: Rng) -> Found:
    """Whatever a command prints and writes for people shows the text, and does nothing."""
    make, codes = COMMANDS[command]
    words = make(folder, TEXTS[text])
    streams = [io.TextIOWrapper(io.BytesIO(), encoding, newline="\n", write_through=True) for _ in range(2)]
    code = _run(words, *streams)
    printed = "".join(stream.buffer.getvalue().decode(encoding) for stream in streams)  # type: ignore[attr-defined]
    if code not in codes:
        return f"it left with {code}: {printed[-300:]!r}"
    shown = "\n".join(line for line in printed.splitlines() if "episode/s" not in line and "%|" not in line)
    if steering := set(shown) & set(STEERING):
        return f"it printed {steering}: {shown[-300:]!r}"
    if "\nslowfast: done" in f"\n{shown}":
        return "a text of others looks like a line of ours"
    return _fault_of_pages(folder)


def _fault_of_pages(folder: Path) -> Found:
    for page in (*folder.glob("cards/**/*.md"), *folder.glob("out/README.md")):
        body = page.read_text(encoding="utf-8").split("---\n")[-1]
        if tag := next((tag for tag in TAGS if tag in body), None):
            return f"{page.name} holds {tag}"
    return None


def _run(words: list[str], out: io.TextIOBase | None, err: io.TextIOBase | None) -> int:
    from slowfast_vgen.cli.main import main

    kept = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = out, err  # type: ignore[assignment]
    try:
        return main(words)
    finally:
        sys.stdout, sys.stderr = kept


# -------------------------------------------------------------------------------------------------------------- streams


def _closed(number: int) -> None:
    os.close(number)


def _full(number: int) -> None:
    os.dup2(os.open("/dev/full", os.O_WRONLY), number)


def _unread(number: int) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    os.dup2(writer, number)


STREAMS: dict[str, tuple[tuple[int, Callable[[int], None]], ...]] = {
    **{f"{''.join(map(str, numbers))} closed": tuple((number, _closed) for number in numbers)
       for numbers in ((0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2))},
    **{f"{''.join(map(str, numbers))} full": tuple((number, _full) for number in numbers)
       for numbers in ((1,), (2,), (1, 2))},
    **{f"{''.join(map(str, numbers))} unread": tuple((number, _unread) for number in numbers)
       for numbers in ((1,), (2,), (1, 2))},
}  # fmt: skip
"""Name -> what is done to which of the three standard streams."""


def streamed(command: str, stream: str, folder: Path, rng: Rng) -> Found:
    """A command does its work and leaves with its code, or with that of a stream that cannot be written."""
    make, codes = COMMANDS[command]
    words = make(folder, "plain")
    kept = [os.dup(number) for number in range(3)]
    sys.stdout.flush()
    sys.stderr.flush()
    for number, spoil in STREAMS[stream]:
        spoil(number)
    try:
        code = _run(words, *(_opened(number) for number in (1, 2)))
    finally:
        for number, descriptor in enumerate(kept):
            os.dup2(descriptor, number)
    told_of = any(number == 1 for number, _ in STREAMS[stream])
    if code not in (*codes, *((2, 141) if told_of else ())):
        return f"it left with {code}"
    if (work := WORK.get(command)) and not (folder / work.format(folder)).is_file():
        return f"its work is lost: there is no {work}"
    return None


def _opened(number: int) -> io.TextIOBase | None:
    """As Python has a stream at its start: none where it is closed."""
    try:
        return open(number, "w", closefd=False)
    except OSError:
        return None
