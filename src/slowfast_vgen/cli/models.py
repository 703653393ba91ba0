"""`slowfast models`: the worlds that are shipped, and packing a new one."""

import argparse
import json
import math
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slowfast_vgen.cli.common import add_json_argument, number, path_name, whole_number, write_figures
from slowfast_vgen.cli.outputs import check_output_folder
from slowfast_vgen.cli.quick_start import import_diffusers_quickly
from slowfast_vgen.cli.unused import OptionsBehind
from slowfast_vgen.errors import SlowFastWarning, UserError
from slowfast_vgen.files import read_json, sha256_of_file
from slowfast_vgen.sealed import files_in

if TYPE_CHECKING:
    from slowfast_vgen.models.codec import Codec
    from slowfast_vgen.models.denoiser import DenoiserModule
    from slowfast_vgen.models.training_record import TrainingRecord
    from slowfast_vgen.models.vocabulary import Vocabulary
    from slowfast_vgen.models.world_model import WorldHeader

DAMAGED_EXIT_CODE = 1
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")

_LIST = """\
Lists the worlds that are shipped with this package, by name and version: what they can be told, files with size and
SHA-256, and whether each is as it was packed; parameters, licence and training. The exit code is 1 where a file is
damaged or missing."""

_PACK = """\
Puts a trained codec and a trained denoiser into one folder, which `--model DIR` takes: weights in half precision,
settings, licence, and a SHA-256 for every file. The folder is loaded again and makes one chunk before this ends."""

_PACK_EXAMPLE = """\
example:
  slowfast models pack --name rooms-64 --codec runs/codec/codec --denoiser runs/slow/denoiser --out worlds/rooms-64
"""


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the group `models` and its commands."""
    group = subparsers.add_parser(
        "models",
        help="list the shipped worlds; pack a new one",
        description=_LIST,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_json_argument(group)
    group.set_defaults(handler=list_models)
    commands = group.add_subparsers(title="commands", dest="command", metavar="COMMAND", action=OptionsBehind)

    pack = commands.add_parser(
        "pack",
        help="put trained weights into one folder",
        description=_PACK,
        epilog=_PACK_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    pack.add_argument("--name", required=True, help="of the world: lower-case letters, digits and . _ -")
    pack.add_argument("--codec", required=True, type=path_name, metavar="DIR", help="one that `train codec` wrote")
    pack.add_argument("--denoiser", required=True, type=path_name, metavar="DIR", help="one that `train slow` wrote")
    pack.add_argument(
        "--address", type=path_name, metavar="DIR", help="one that `train path` wrote: for a ridge memory"
    )
    told = "what the world can be told; default: the one that `train slow` wrote beside the denoiser"
    pack.add_argument("--actions", type=path_name, metavar="FILE.json", help=told)
    pack.add_argument("--version", type=whole_number(1, 100_000), default=1, metavar="N", help="default: 1")
    pack.add_argument("--out", required=True, type=path_name, metavar="DIR", help="the folder to write")
    told = "what the denoiser predicts; default: what it was trained for"
    pack.add_argument("--target", choices=("flow", "v_prediction", "epsilon"), help=told)
    pack.add_argument("--sampling-steps", type=whole_number(1, 1000), default=8, metavar="N", help="default: 8")
    told = "frames a second; default: those of the data that it was trained on, else 10"
    pack.add_argument("--fps", type=number(0.1, 1000), help=told)
    pack.add_argument("--memory", type=path_name, metavar="FILE.json", help="settings of the memory to ship")
    pack.add_argument("--provenance", type=path_name, metavar="FILE.json", help="how it was trained: any JSON object")
    pack.add_argument("--licence", default="MIT", help="of the weights; default: MIT")
    pack.set_defaults(handler=pack_model)


def list_models(args: argparse.Namespace) -> int:
    """`slowfast models`."""
    import_diffusers_quickly()
    from slowfast_vgen.models.world_model import WORLD
    from slowfast_vgen.presets.worlds import shipped_worlds

    worlds = shipped_worlds()
    if not worlds:
        print("no world is shipped with this installation; pack one with `slowfast models pack`")
    figures: dict[str, float] = {}
    details: dict[str, Any] = {}
    num_defects = 0
    for name, folder in worlds.items():
        header = WORLD.read_header(folder)
        named = WORLD.named(folder) | {WORLD.file: sha256_of_file(folder / WORLD.file)}
        files = {file: _check_file(folder / file, named.get(file)) for file in sorted(named.keys() | files_in(folder))}
        num_defects += sum(state["checksum"] != "ok" for state in files.values())
        parameters = {part: _count_parameters(folder / part) for part in ("codec", "denoiser")}
        num_bytes = sum(state["bytes"] for state in files.values())
        _print_model(name, header, parameters, num_bytes)
        vocabulary = _vocabulary(folder, files)
        _print_vocabulary(vocabulary)
        for file, state in files.items():
            print(f"  {file:<46} {state['bytes']:>12,} B  {state['sha256'] or '-':<64}  {state['checksum']}")
        details[name] = {"files": files, "settings": header.world, "denoiser_class": header.denoiser[-1]}
        details[name] |= {"version": _version(header), "vocabulary": vocabulary.to_json() if vocabulary else None}
        for part, count in parameters.items():
            figures[f"{name} {part} parameters"] = count
        figures[f"{name} bytes"] = num_bytes
    figures["damaged or missing files"] = num_defects
    write_figures(args.json, {"command": "models", "worlds": details}, figures)
    return DAMAGED_EXIT_CODE if num_defects else 0


def _print_model(name: str, header: "WorldHeader", parameters: dict[str, int], num_bytes: int) -> None:
    settings = header.world
    size = f"{settings.get('frame_width')}x{settings.get('frame_height')}"
    counts = ", ".join(f"{part} {count / 1e6:.2f} M" for part, count in parameters.items())
    print(name)
    print(f"  {'version':<10} {_version(header)}, loaded as {name} or {name}@{_version(header)}")
    print(f"  {'denoiser':<10} {header.denoiser[-1]}, predicts {settings.get('target')}")
    print(f"  {'parameters':<10} {counts}; {num_bytes / 1e6:.1f} MB on disk")
    print(
        f"  {'frames':<10} {size} at {settings.get('fps')} a second, {settings.get('num_new_frames')} a chunk, "
        f"{settings.get('num_sampling_steps')} sampling steps"
    )
    print(f"  {'licence':<10} {settings.get('licence')}")
    for key, value in settings.get("provenance", {}).items():
        text = value if isinstance(value, str) else json.dumps(value)
        print(f"  {'training':<10} {key}: {text if len(text) <= 100 else text[:99] + '…'}")


def _version(header: "WorldHeader") -> int:
    version: int = header.world.get("version", 1)
    return version


def _vocabulary(folder: Path, files: dict[str, dict[str, Any]]) -> "Vocabulary | None":
    """What the world can be told; None where that is not written down, or the file is damaged, which is told beside."""
    from slowfast_vgen.models.vocabulary import FILE, Vocabulary

    return Vocabulary.load(folder / FILE) if files.get(FILE, {}).get("checksum") == "ok" else None


def _print_vocabulary(vocabulary: "Vocabulary | None") -> None:
    if vocabulary is None:
        print(f"  {'actions':<10} any text, taken as it is")
        return
    for action in vocabulary.actions:
        others = f"; also: {', '.join(action.phrasings[1:4])}" if len(action.phrasings) > 1 else ""
        more = f" and {len(action.phrasings) - 4} more" if len(action.phrasings) > 4 else ""
        print(f"  {'actions':<10} {action.verb}: {action.text}{others}{more}")
    if vocabulary.is_free:
        sample = ", ".join(repr(text) for text in vocabulary.narrations[:: max(1, len(vocabulary.narrations) // 3)][:3])
        print(f"  {'actions':<10} free narrations, such as {sample}")


def _check_file(path: Path, expected: str | None) -> dict[str, Any]:
    if not path.is_file():
        return {"bytes": 0, "sha256": "", "checksum": "missing"}
    found = sha256_of_file(path)
    state = "NOT NAMED" if expected is None else "ok" if found == expected else "DAMAGED"
    return {"bytes": path.stat().st_size, "sha256": found, "checksum": state}


def _count_parameters(folder: Path) -> int:
    """Of a weights file, from its header alone; 0 where it is missing or unreadable."""
    from safetensors import SafetensorError, safe_open

    from slowfast_vgen.models.weights import WEIGHTS_FILE

    try:
        with safe_open(folder / WEIGHTS_FILE, "np") as file:
            return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    except (SafetensorError, OSError):
        return 0


def pack_model(args: argparse.Namespace) -> int:
    """`slowfast models pack`."""
    if not _NAME.fullmatch(args.name):
        raise UserError(f"{args.name[:80]!r} cannot be a world's name; use lower-case letters, digits and . _ - only")
    memory, provenance = _read_object(args.memory), _read_object(args.provenance)
    _check_target_folder(args.out)
    vocabulary = _given_vocabulary(args)

    import numpy as np

    from slowfast_vgen.memory.config import MemoryConfig
    from slowfast_vgen.models.text import TextEncoder
    from slowfast_vgen.models.vocabulary import FILE as VOCABULARY_FILE
    from slowfast_vgen.models.world_model import WorldModelConfig, WorldWeights, load_address, load_codec, load_denoiser
    from slowfast_vgen.rollout import WorldModel

    memory_config = MemoryConfig.from_json(memory)
    codec, denoiser = load_codec(args.codec), load_denoiser(args.denoiser)
    address = None if args.address is None else load_address(args.address)
    record = _training_of(args, codec, denoiser)
    height, width = record.frame_height, record.frame_width
    config = WorldModelConfig(
        name=args.name,
        version=args.version,
        target=record.target,
        num_past_frames=record.num_past_frames,
        num_new_frames=record.num_new_frames,
        num_sampling_steps=args.sampling_steps,
        frame_height=height,
        frame_width=width,
        fps=args.fps or record.fps or WorldModelConfig.fps,
        licence=args.licence,
        memory=memory,
        provenance=provenance,
    )
    if vocabulary is None:
        told = (
            f"there is no {args.denoiser / VOCABULARY_FILE}, so {args.name} will take any text as it is; see --actions"
        )
        warnings.warn(told, SlowFastWarning, stacklevel=2)
    model = WorldWeights(config, codec, denoiser, TextEncoder.load(), address, vocabulary)
    # A memory that could not act is refused before anything is written.
    WorldModel(model).fresh_memory(memory_config, [0])
    model.save(args.out)
    packed = WorldWeights.load(args.out)
    try:
        WorldModel(packed).start(np.zeros((height, width, 3), np.uint8), num_sampling_steps=1).step(
            _any_action(vocabulary)
        )
    except RuntimeError as error:
        raise UserError(f"{args.out} is written, but codec and denoiser do not fit each other: {error}") from error
    num_bytes = sum(path.stat().st_size for path in args.out.rglob("*") if path.is_file())
    print(f"packed {args.name} ({num_bytes / 1e6:.1f} MB, weights {packed.fingerprint[:12]}): {args.out}")
    return 0


def _given_vocabulary(args: argparse.Namespace) -> "Vocabulary | None":
    from slowfast_vgen.models.vocabulary import FILE, Vocabulary

    if args.actions is not None:
        return Vocabulary.load(args.actions)
    beside = (args.denoiser / FILE, args.denoiser.parent / FILE)  # of a training, and of a packed world
    return next((Vocabulary.load(path) for path in beside if path.is_file()), None)


def _any_action(vocabulary: "Vocabulary | None") -> str:
    return "turn left" if vocabulary is None else vocabulary.phrasings[0]


def _training_of(args: argparse.Namespace, codec: "Codec", denoiser: "DenoiserModule") -> "TrainingRecord":
    """What the denoiser's folder tells of its training; where it tells nothing, the flow and what its sizes tell.

    Raises:
        UserError: another `--target` than it was trained for.
    """
    from slowfast_vgen.models.training_record import TrainingRecord, read_record
    from slowfast_vgen.models.weights import PartFiles

    side = codec.downsampling
    height, width = (getattr(denoiser.config, f"latent_{each}", 64 // side) * side for each in ("height", "width"))
    record = read_record(PartFiles.read(args.denoiser))
    if record is None:
        return TrainingRecord(args.target or "flow", height, width, num_past_frames=4, num_new_frames=4)
    if args.target not in (None, record.target):
        raise UserError(f"{args.denoiser} was trained to predict {record.target}; leave out --target {args.target}")
    return record


def _read_object(path: Path | None) -> dict[str, Any]:
    value = {} if path is None else read_json(path)
    if not isinstance(value, dict):
        raise UserError(f"{path} holds a {type(value).__name__}; give a JSON object")
    return value


def _check_target_folder(folder: Path) -> None:
    from slowfast_vgen.models.world_model import WORLD

    check_output_folder(folder.parent)
    WORLD.check_target(folder)
