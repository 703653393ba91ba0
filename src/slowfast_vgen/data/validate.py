"""Checks recorded data and names each defect, whatever the files hold. docs/data-format.md lists the names."""

import reprlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from slowfast_vgen.data.format import (
    CHUNKS_FILE,
    DATASET_FILE,
    EPISODE_FILE,
    EPISODES_FOLDER,
    POSES_FILE,
    VIDEO_FILE,
    episode_folder,
    episode_numbers,
    read_chunks,
    read_episode_frames,
    read_header,
    read_poses,
)
from slowfast_vgen.data.headers import EpisodeHeader, read_dataset_header
from slowfast_vgen.data.import_report import read_report
from slowfast_vgen.data.rules import Defect, DefectiveDataError, require
from slowfast_vgen.data.shards.index import is_sharded, read_index
from slowfast_vgen.data.shards.read import ShardSet, check_shards
from slowfast_vgen.errors import UserError
from slowfast_vgen.file_system import contents

__all__ = ["Defect", "check_dataset", "check_datasets", "check_episode"]

Value = TypeVar("Value")


def check_episode(folder: Path) -> list[Defect]:
    """Returns every defect of one episode folder; none if it is sound."""
    defects: list[Defect] = []
    header = _collect(defects, read_header, folder)
    wanted = {EPISODE_FILE, VIDEO_FILE, CHUNKS_FILE}
    if header is None or header.has_poses:
        wanted.add(POSES_FILE)
    for name in sorted(_names(folder) - wanted):
        defects.append(Defect(str(folder / name), "extra-file", "no part of the episode; move it elsewhere"))
    if header is None:  # without its numbers the other files cannot be checked
        for name in (VIDEO_FILE, CHUNKS_FILE):
            _collect(defects, require, folder / name)
        return defects
    _collect(defects, read_episode_frames, folder, header)
    _collect(defects, read_chunks, folder, header)
    _collect(defects, read_poses, folder, header)
    return defects


def check_dataset(folder: Path) -> list[Defect]:
    """Returns every defect of a data set folder or folder of shards, and of its episodes; none if it is sound.

    Raises:
        UserError: `folder` is no folder.
    """
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder} to check; give the folder of a data set")
    if is_sharded(folder):
        return check_shards(folder)
    defects: list[Defect] = []
    header = _collect(defects, read_dataset_header, folder / DATASET_FILE)
    _collect(defects, read_report, folder)
    episodes = folder / EPISODES_FOLDER
    numbers = episode_numbers(folder)
    for name in sorted(_names(episodes) - {episode_folder(folder, number).name for number in numbers}):
        defects.append(Defect(str(episodes / name), "extra-file", "no episode folder of six digits; move it elsewhere"))
    if missing := sorted(set(range(max(numbers, default=-1))) - set(numbers)):
        message = f"{len(missing)} numbers below the last episode's have no folder; the first is {missing[0]:06d}"
        defects.append(Defect(str(episodes), "episode-numbers", message))
    if header and header.num_episodes != len(numbers):
        message = f"{len(numbers)} episodes are there, {DATASET_FILE} says {header.num_episodes}"
        defects.append(Defect(str(episodes), "episode-count", message))
    for number in tqdm(numbers, desc=f"checking {folder}", unit="episode", disable=None, leave=False):
        defects += check_episode(episode_folder(folder, number))
    for episode, episode_header in _readable_headers(folder):
        if header and (split := episode_header.metadata.get("split", header.split)) != header.split:
            message = f"the metadata say split {reprlib.repr(split)}, {DATASET_FILE} says {header.split}"
            defects.append(Defect(str(episode / EPISODE_FILE), "split-mismatch", message))
    return defects


def check_datasets(folders: Sequence[Path]) -> list[Defect]:
    """Returns every defect of some data sets, and every scene or video that two of them have under different splits.

    Raises:
        UserError: one of `folders` is no folder.
    """
    defects = [defect for folder in folders for defect in check_dataset(folder)]
    met: dict[str, tuple[str, Path]] = {}  # a scene or a video -> its first split and episode
    for folder in folders:
        own = _collect([], _split, folder)
        if own is None:
            continue
        for episode, header in _readable_headers(folder):
            scene = header.metadata.get("scene")
            for what in (f"scene {scene if isinstance(scene, str) else episode}", f"video {header.video_sha256}"):
                split, first = met.setdefault(what, (own, episode))
                if split != own:
                    message = f"{what[:80]} of the {own} split is in the {split} split too, in {first}"
                    defects.append(Defect(str(episode), "leaked-scene", message))
                    break  # the same episode need not be named twice
    return defects


def _collect(defects: list[Defect], read: Callable[..., Value], path: Path | int, *rest: Any) -> Value | None:
    """Returns `read(path, *rest)`, or None after adding the defects that it raised to `defects`."""
    try:
        return read(path, *rest)
    except DefectiveDataError as error:
        defects += error.defects
    except (UserError, OSError) as error:
        defects.append(Defect(str(path), "unreadable", str(error)))
    return None


def _split(folder: Path) -> str:
    """Returns the split of a data set folder or of shards."""
    return read_index(folder).split if is_sharded(folder) else read_dataset_header(folder / DATASET_FILE).split


def _readable_headers(folder: Path) -> Iterator[tuple[Path, EpisodeHeader]]:
    if is_sharded(folder):
        shards = ShardSet(folder)
        for number in range(len(shards)):
            tables = _collect([], shards.tables, number)
            if tables is not None:
                yield Path(shards.name(number)), tables[0]
        return
    for episode in (episode_folder(folder, number) for number in episode_numbers(folder)):
        header = _collect([], read_header, episode)
        if header is not None:
            yield episode, header


def _names(folder: Path) -> set[str]:
    return {path.name for path in contents(folder)} if folder.is_dir() else set()
