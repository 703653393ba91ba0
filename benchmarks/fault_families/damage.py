"""Ways to damage a file or a folder, and to forge one: all of its hashes fit then, and what it says is wrong.

Each takes a folder, a sound one beside it to swap files with, and a source of chance, and gives the name of the file
that it has damaged.
"""

import json
import os
import pickle
import shutil
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

Rng = np.random.Generator
Damage = Callable[[Path, Path, Rng], str]

CANARY = "SLOWFAST_FAULTS_CANARY"
"""Names the file that a payload would make if anything ran it."""
BYTES = ("flip", "cut", "blank", "insert", "delete", "double", "empty", "tail", "text")
DEEP = 100_000
"""Levels of lists inside each other."""
JUNK: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, -0.0, 2**31, 2**63, 10**30, 10**400, 1e308, float("nan"), float("inf"), "", "x",
    "../../../etc/passwd", "/etc/passwd", "a\x00b", "\ud800", "\x1b[2J", "<script>", "a" * 100_000, [], [[]], {},
    {"a": None}, [1, "x", None], list(range(3000)),
)  # fmt: skip


class Payload:
    """Whoever unpickles it makes a file; nobody may."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (os.environ[CANARY],))


def files_of(folder: Path) -> list[Path]:
    """Those that can be damaged, in a steady order."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def draw_file(folder: Path, rng: Rng, suffixes: tuple[str, ...] = ()) -> Path:
    """One of the files, those of the given endings where there are any."""
    files = files_of(folder)
    wanted = [path for path in files if path.suffix in suffixes]
    files = wanted or files
    return files[int(rng.integers(len(files)))]


# ----------------------------------------------------------------------------------------------------------- of bytes


def damaged_bytes(content: bytes, kind: str, rng: Rng) -> bytes:
    """The content with one of `BYTES` done to it."""
    data = bytearray(content)
    place = int(rng.integers(len(data) + 1))
    size = int(rng.integers(1, max(2, min(len(data) // 4, 400))))
    if kind == "flip" and data:
        for _ in range(int(rng.integers(1, 9))):
            data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    elif kind == "cut":
        data = data[:place]
    elif kind == "blank":
        data[place : place + size] = bytes(len(data[place : place + size]))
    elif kind == "insert":
        data[place:place] = rng.bytes(size)
    elif kind == "delete":
        del data[place : place + size]
    elif kind == "double":
        data[place:place] = data[place : place + size]
    elif kind == "empty":
        data = bytearray()
    elif kind == "tail":
        data += rng.bytes(size)
    elif kind == "text":
        data = bytearray(b"this is something else\n" * 20)
    return bytes(data)


def of_bytes(kind: str) -> Damage:
    """A file of the folder, damaged by one of `BYTES`."""

    def damage(folder: Path, other: Path, rng: Rng) -> str:
        path = draw_file(folder, rng)
        path.write_bytes(damaged_bytes(path.read_bytes(), kind, rng))
        return path.name

    return damage


# ---------------------------------------------------------------------------------------------------------- of a folder


def gone(folder: Path, other: Path, rng: Rng) -> str:
    """A file is missing."""
    path = draw_file(folder, rng)
    path.unlink()
    return path.name


def swapped(folder: Path, other: Path, rng: Rng) -> str:
    """A file is that of another sound folder."""
    path = draw_file(folder, rng)
    its = other / path.relative_to(folder)
    its = its if its.is_file() else draw_file(other, rng, (path.suffix,))
    shutil.copyfile(its, path)
    return path.name


def exchanged(folder: Path, other: Path, rng: Rng) -> str:
    """Two files of the folder have each other's name."""
    first, second = draw_file(folder, rng), draw_file(folder, rng)
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    return first.name


def extra(folder: Path, other: Path, rng: Rng) -> str:
    """A file that a library would prefer, with a payload, or a script."""
    names = (
        "diffusion_pytorch_model.bin", "pytorch_model.bin", "adapter_model.bin", "model.pt", "state.pkl", "x.py",
        "__init__.py", "conftest.py", "000000.json", "video.mp4.tmp",
    )  # fmt: skip
    path = draw_file(folder, rng).with_name(str(rng.choice(names)))
    path.write_bytes(pickle.dumps(Payload()))
    return path.name


def payload(folder: Path, other: Path, rng: Rng) -> str:
    """A file is a pickle, alone or as PyTorch and numpy pack it."""
    import torch

    path, out = draw_file(folder, rng), BytesIO()
    kind = int(rng.integers(3))
    if kind == 0:
        pickle.dump(Payload(), out)
    elif kind == 1:
        torch.save({"weight": Payload()}, out)
    else:
        np.save(out, np.array([Payload()], dtype=object), allow_pickle=True)
    path.write_bytes(out.getvalue())
    return path.name


def postscript(folder: Path, other: Path, rng: Rng) -> str:
    """A file is a program for the interpreter that some libraries hand it to."""
    path = draw_file(folder, rng)
    head = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n"
    path.write_text(f"{head}({os.environ[CANARY]}) (w) file closefile showpage\n")
    return path.name


def special(folder: Path, other: Path, rng: Rng) -> str:
    """Something that is no file is in a file's place, or a link to one."""
    path = draw_file(folder, rng)
    kind = str(rng.choice(("fifo", "folder", "nowhere", "loop", "zeros", "elsewhere", "full", "terminal")))
    content = path.read_bytes()
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "elsewhere":  # the very same content, outside of the folder
        place = folder.with_name("elsewhere")
        place.write_bytes(content)
        path.symlink_to(place)
    else:
        target = {"nowhere": "/nowhere/at/all", "loop": path.name, "zeros": "/dev/zero"}
        path.symlink_to(target.get(kind, {"full": "/dev/full", "terminal": "/dev/tty"}.get(kind, "")))
    return path.name


def endless(folder: Path, other: Path, rng: Rng) -> str:
    """A file has a size that no memory has, though it takes no space."""
    path = draw_file(folder, rng)
    os.truncate(path, 2 ** int(rng.integers(36, 41)))
    return path.name


# ------------------------------------------------------------------------------------------------------------ of JSON


def of_json(folder: Path, other: Path, rng: Rng) -> str:
    """A value of a JSON file is another one, or is missing, or there is one more."""
    path = draw_file(folder, rng, (".json", ".jsonl"))
    try:
        lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
        number = int(rng.integers(len(lines)))
        lines[number] = json.dumps(changed(json.loads(lines[number]), rng), indent=None)
        path.write_text("\n".join(lines) + "\n")
    except (ValueError, IndexError):  # a kind without JSON, or an empty line
        path.write_text(json.dumps(JUNK[int(rng.integers(len(JUNK)))]))
    return path.name


def changed(value: Any, rng: Rng) -> Any:
    """A copy of a JSON value with one place in it changed; the deeper ones are as likely as those above them."""
    places = list(_places(value))
    holder, key = places[int(rng.integers(len(places)))] if places else (None, None)
    junk = JUNK[int(rng.integers(len(JUNK)))]
    if holder is None:
        return junk
    kind = int(rng.integers(6))
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[f"extra {junk!r:.20}"] = junk
    elif kind == 1:
        holder.append(junk)
    elif kind == 2 and isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
        factors = (-1, 0, 2, 1000, 10**6, 10**9, 1e-9)
        holder[key] = holder[key] * factors[int(rng.integers(len(factors)))]
    else:
        holder[key] = junk
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


def of_json_text(folder: Path, other: Path, rng: Rng) -> str:
    """JSON that says something twice, is nested without end, or holds numbers without end."""
    path = draw_file(folder, rng, (".json", ".jsonl"))
    text = path.read_text(errors="replace")
    kind = int(rng.integers(4))
    if kind == 0:
        path.write_text("[" * DEEP + "]" * DEEP)
    elif kind == 1:
        path.write_text('{"a":' * DEEP + "1" + "}" * DEEP)
    elif kind == 2:
        path.write_text(text.replace("{", '{"format": 1, "version": 7, "sha256": {}, "a": 1, "a": 2, ', 1))
    else:
        path.write_text(text.replace(": ", ": " + "9" * 5000, 1))
    return path.name


# ------------------------------------------------------------------------------------------------------ of safetensors


def of_tensors(folder: Path, other: Path, rng: Rng) -> str:
    """A tensor has another value, type, shape or name, is missing, or there is one more."""
    import torch

    from slowfast_vgen.tensors import parse_metadata, parse_tensors

    path = draw_file(folder, rng, (".safetensors",))
    if path.suffix != ".safetensors":
        return of_json(folder, other, rng)
    content = path.read_bytes()
    tensors = parse_tensors(path, content)
    try:
        metadata: dict[str, str] | None = parse_metadata(content)
    except (KeyError, ValueError):
        metadata = None
    name = sorted(tensors)[int(rng.integers(len(tensors)))]
    value = tensors[name]
    kind = int(rng.integers(9))
    if kind == 0:
        del tensors[name]
    elif kind == 1:
        tensors[f"{name}.extra"] = value.clone()
    elif kind == 2:
        tensors[str(rng.choice((name + "x", "a/b/c", "", "../x", "optimizer/99999/exp_avg")))] = tensors.pop(name)
    elif kind == 3:
        types = (torch.float64, torch.float16, torch.int64, torch.uint8, torch.bool, torch.bfloat16)
        tensors[name] = value.to(types[int(rng.integers(len(types)))])
    elif kind == 4:
        shapes = (value.flatten(), value[None], value.reshape(-1)[:0], value.reshape(-1)[:1], value.movedim(0, -1)
                  if value.dim() else value)  # fmt: skip
        tensors[name] = shapes[int(rng.integers(len(shapes)))].contiguous().clone()
    elif kind == 5:
        tensors[name] = torch.cat([value.reshape(-1), value.reshape(-1)])
    elif kind == 6:
        tensors[name] = value * -1e30 if value.is_floating_point() else value * -1
    else:
        bad = (float("nan"), float("inf"), -float("inf"))[int(rng.integers(3))]
        tensors[name] = torch.full_like(value.float(), bad)
    _write(path, tensors, metadata)
    return path.name


def _write(path: Path, tensors: Mapping[str, Any], metadata: dict[str, str] | None) -> None:
    from slowfast_vgen.tensors import write_tensors

    write_tensors(path, tensors, metadata)


def of_tensors_header(folder: Path, other: Path, rng: Rng) -> str:
    """The header of a safetensors file tells other offsets, shapes, types or lengths than there are."""
    path = draw_file(folder, rng, (".safetensors",))
    if path.suffix != ".safetensors":
        return of_json(folder, other, rng)
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = changed(json.loads(content[8 : 8 + size]), rng)
    packed = json.dumps(header).encode()
    told = (len(packed), len(packed), 2**63, 2**40, 0, len(packed) + 10**6)[int(rng.integers(6))]
    path.write_bytes(told.to_bytes(8, "little") + packed + content[8 + size :])
    return path.name
