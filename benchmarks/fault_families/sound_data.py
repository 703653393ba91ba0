"""Data sets, shards, caches, imports, pictures, texts and tables of figures, all tiny; see `sound`."""

import contextlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from fault_families.sound import Kind, told
from slowfast_bench.cache import Block, compute, finished
from slowfast_bench.planning.rows import SAME, check_rows, joined_rows
from slowfast_bench.results import Results, read_results
from slowfast_bench.words import WordList
from slowfast_vgen.cli.action_list import read_actions
from slowfast_vgen.cli.common import write_figures
from slowfast_vgen.data.adapters.base import ImportSettings
from slowfast_vgen.data.adapters.registry import open_adapter
from slowfast_vgen.data.format import DatasetWriter, EpisodeDataset
from slowfast_vgen.data.headers import DatasetHeader
from slowfast_vgen.data.importing import import_dataset
from slowfast_vgen.data.latents import cached_latents
from slowfast_vgen.data.rules import DefectiveDataError
from slowfast_vgen.data.shards.read import ShardSet
from slowfast_vgen.data.shards.stream import ShardStream, StreamConfig
from slowfast_vgen.data.shards.write import JOURNAL_FILE, write_shards
from slowfast_vgen.data.validate import check_dataset
from slowfast_vgen.data.video import write_video
from slowfast_vgen.images import frame_from_image
from slowfast_vgen.models.vocabulary import Vocabulary, vocabulary_of
from slowfast_vgen.results import Estimate, Row
from slowfast_vgen.tensors import check_finite, parse_tensors, write_tensors
from slowfast_vgen.types import Chunk, Episode

ACTIONS = ("turn left", "go forward")
FORMATS = {
    "png": "PNG", "jpg": "JPEG", "gif": "GIF", "bmp": "BMP", "tiff": "TIFF", "ppm": "PPM", "webp": "WEBP",
}  # fmt: skip


def episode(seed: int) -> Episode:
    """Six frames of noise, two chunks, and poses where the seed is even."""
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    chunks = (Chunk(ACTIONS[seed % 2], "", 1, 3), Chunk(ACTIONS[1 - seed % 2], "go", 4, 2))
    poses = None if seed % 2 else rng.uniform(0, 359, (6, 3))
    return Episode(frames, chunks, poses, 10.0, {"scene": f"scene {seed}", "split": "train", "script": "wander"})


def save_dataset(folder: Path, number: int) -> None:
    """Two episodes."""
    writer = DatasetWriter(folder, DatasetHeader("tiny", "train", 2, {"seed": number}))
    for seed in (2 * number, 2 * number + 1):
        writer.append(episode(seed))
    writer.finish()


def _content(dataset: EpisodeDataset | ShardSet) -> str:
    rows = [(each.frames, each.chunks, each.poses, each.fps, each.metadata) for each in dataset]
    return told(rows, [dataset.tables(number) for number in range(len(dataset))])


def checked(folder: Path, open_it: Callable[[Path], EpisodeDataset | ShardSet]) -> str:
    """All of a data set, which `check` must find sound where it can be read, and broken where it cannot."""
    defects = check_dataset(folder)
    try:
        content = _content(open_it(folder))
    except ValueError as error:
        if not defects:
            raise AssertionError(f"nothing was found by the check, but reading tells: {error}") from error
        raise
    if defects:
        raise DefectiveDataError(defects)
    return content


def _save_shards(folder: Path, number: int) -> None:
    source = folder.with_name(f"{folder.name}-source")
    save_dataset(source, number)
    write_shards([source], folder, max_bytes=8000)


def _read_shards(folder: Path) -> str:
    content = checked(folder, ShardSet)
    stream = ShardStream(folder, StreamConfig(num_epochs=1))
    return told(content, [each.chunks for each in stream])


def _save_unfinished_shards(folder: Path, number: int) -> None:
    """As a run leaves them that was stopped after the first shard, beside what it was made of."""
    save_dataset(folder / "source", number)
    write_shards([folder / "source"], folder / "shards", max_bytes=8000)
    index = json.loads((folder / "shards" / "shards.json").read_text())
    lines = [{"sources_sha256": index["sources_sha256"]}, {"shard": index["shards"][0]}]
    (folder / "shards" / JOURNAL_FILE).write_text("".join(f"\n{json.dumps(line)}\n" for line in lines))
    (folder / "shards" / "shards.json").unlink()


def _finish_shards(folder: Path) -> str:
    write_shards([folder / "source"], folder / "shards", max_bytes=8000)
    return checked(folder / "shards", ShardSet)


def _encode(frames: torch.Tensor) -> torch.Tensor:
    return frames[:, ::4, ::4].movedim(-1, 1).float() / 255


def _save_cache(folder: Path, number: int) -> None:
    save_dataset(folder / "set", number)
    _read_cache(folder)


def _read_cache(folder: Path) -> str:
    with contextlib.redirect_stderr(io.StringIO()):
        found = cached_latents(
            EpisodeDataset(folder / "set"), _encode, "codec", folder / "cache",
            lambda text: torch.full((2, 3), float(len(text))), "text",
        )  # fmt: skip
    frames = torch.arange(len(found.latents))
    rows = (found.latents[frames], found.chunk_start, found.chunk_frames, found.actions, found.fps)
    return told(*rows, sorted(found.texts.items()))


def _save_import(folder: Path, number: int) -> None:
    (folder / "source").mkdir()
    frames = np.broadcast_to(np.arange(12, dtype=np.uint8)[:, None, None, None] * 20 + number, (12, 16, 16, 3))
    write_video(folder / "source" / "a.mp4", frames, 10)
    rows = ["video,start,end,action", "a.mp4,0,0.6,turn left", "a.mp4,0.6,1.1,go forward", "b.mp4,0,1,lost"]
    (folder / "source" / "actions.csv").write_text("\n".join(rows) + "\n")
    _go_on_with_import(folder)


def _go_on_with_import(folder: Path) -> str:
    settings = ImportSettings(size=16)
    report = import_dataset(open_adapter("folder", folder / "source", settings), folder / "out", settings)
    return told(report.episodes, report.frames, _content(EpisodeDataset(folder / "out")))


def _picture(suffix: str) -> Callable[[Path, int], None]:
    def make(folder: Path, number: int) -> None:
        pixels = np.random.default_rng(number).integers(0, 256, (20, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"start.{suffix}", FORMATS[suffix])

    return make


def _read_picture(folder: Path) -> str:
    frame = frame_from_image(only(folder), 16, 16)
    assert frame.shape == (16, 16, 3) and frame.dtype == np.uint8
    return told(frame)


def only(folder: Path) -> Path:
    """The file that a trial left in place, or the name that it had."""
    return next(iter(sorted(path for path in folder.iterdir() if path.stem in ("start", "a"))), folder / "a")


def _text(name: str, *texts: str) -> Callable[[Path, int], None]:
    def make(folder: Path, number: int) -> None:
        (folder / name).write_text(texts[number], encoding="utf-8")

    return make


def _vocabulary(number: int = 0) -> Vocabulary:
    return vocabulary_of([("turn_left", "turn left"), ("stay", "stay"), (("go", "walk")[number],) * 2])


def _save_results(folder: Path, number: int) -> None:
    command = ("evaluate recall", "bench")[number]
    write_figures(folder / "a.json", {"command": command, "num_seeds": 2}, {"psnr": Estimate(1.0, 0.5, 1.5, 3)})


def _save_plan_rows(folder: Path, number: int) -> None:
    write_figures(folder / "a.json", _plan_protocol(f"arm {number}"), {f"arm {number}_score": Estimate(1, 0, 2, 3)})


def _plan_protocol(arm: str) -> dict[str, object]:
    same = dict.fromkeys(SAME, "same") | {"num_episodes": 2, "num_seeds": 1}
    parts = {"by_decision": {"distance": {arm: [1.0]}}, "per_seed": {f"{arm}_score": [1.0]}, "needs_weights": {}}
    arms = {arm: {"label": arm, "weights_sha256": "0"}}
    return same | parts | {"arms": arms, "crashed": [], "git_commit": "0", "machine": {}}


def _add_plan_rows(folder: Path) -> str:
    kept = read_results(folder / "a.json")
    check_rows(kept)
    new = Results(_plan_protocol("new"), (Row.of(Estimate(1.0, 0.0, 2.0, 3), "score", "new"),))
    return told(vars(joined_rows(kept, new)))


WORDS = json.dumps({"paraphrases": [{"text": "x", "verb": "y"}], "nonsense": ["z"], "sequences": []})


@dataclass(frozen=True)
class Rows:
    """Of a block."""

    values: np.ndarray


def _block(number: int = 0) -> Block[Rows]:
    return Block("a", Rows, 1, lambda progress: Rows(np.arange(200.0) + number))


def _save_block(folder: Path, number: int) -> None:
    compute(_block(number), folder, lambda count: None)


def _read_block(folder: Path) -> str:
    record = finished(_block(), folder)
    return told("computed anew") if record is None else told(record.values)


def _save_tensors(folder: Path, number: int) -> None:
    write_tensors(folder / "a.safetensors", {"a": torch.full((3, 2), float(number)), "b": torch.arange(4)})


def _read_tensors(folder: Path) -> str:
    from slowfast_vgen.files import read_bytes

    tensors = parse_tensors(only(folder), read_bytes(only(folder)))
    check_finite(f"the file {only(folder)}", tensors, "write it anew")
    return told(sorted(tensors.items()))


def kinds() -> list[Kind]:
    """All of them."""
    return [
        Kind("data set", save_dataset, lambda folder: checked(folder, EpisodeDataset)),
        Kind("shards", _save_shards, _read_shards),
        Kind("unfinished shards", _save_unfinished_shards, _finish_shards),
        Kind("latent cache", _save_cache, _read_cache),
        Kind("import", _save_import, _go_on_with_import),
        Kind("results", _save_results, lambda folder: told(vars(read_results(folder / "a.json"))), False),
        Kind("rows of plans", _save_plan_rows, _add_plan_rows, False),
        Kind("vocabulary", lambda folder, number: _vocabulary(number).save(folder / "a.json"),
             lambda folder: told(Vocabulary.load(folder / "a.json").to_json()), False),
        Kind("actions", _text("a.txt", "turn left x2\n# note\ngo forward; stay\n", "stay, then go forward\n" * 3),
             lambda folder: told(read_actions(folder / "a.txt", _vocabulary())), False),
        Kind("list of texts", _text("a.json", WORDS, WORDS.replace("z", "w")),
             lambda folder: told(WordList.load(folder / "a.json")), False),
        Kind("block", _save_block, _read_block, False),
        Kind("tensors", _save_tensors, _read_tensors, False),
        *(Kind(f"picture {suffix}", _picture(suffix), _read_picture, False) for suffix in FORMATS),
    ]  # fmt: skip
