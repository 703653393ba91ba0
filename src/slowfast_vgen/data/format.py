"""A data set folder: its header and its episodes, written atomically, read back bit for bit. See docs/data-format.md.

DIR/dataset.json
DIR/episodes/000000/{episode.json, video.mp4, chunks.parquet, poses.parquet}
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from slowfast_vgen.data import tables
from slowfast_vgen.data.headers import (
    DatasetHeader,
    EpisodeHeader,
    read_dataset_header,
    read_episode_header,
    write_header,
)
from slowfast_vgen.data.parquet import LARGEST_TABLE
from slowfast_vgen.data.rules import Defect, chunk_defects, pose_defects, refuse, require
from slowfast_vgen.data.video import LARGEST_FRAMES, check_frames, read_video, write_video
from slowfast_vgen.errors import UserError
from slowfast_vgen.file_system import tidy
from slowfast_vgen.files import atomic_folder, hold_folder, is_unused, read_bytes, sha256_of_bytes, sha256_of_file
from slowfast_vgen.types import Chunk, Episode, Frames, Poses

DATASET_FILE, EPISODES_FOLDER = "dataset.json", "episodes"
EPISODE_FILE, VIDEO_FILE, CHUNKS_FILE, POSES_FILE = "episode.json", "video.mp4", "chunks.parquet", "poses.parquet"
GROUP_EPISODES = 256
"""Episodes of a folder whose latents share a cache file: when a data set grows, only the last group is recomputed."""


def write_episode(folder: Path, episode: Episode, lossless: bool = True) -> None:
    """Writes an episode folder atomically; an older one at `folder` is replaced.

    Args:
        folder: the episode's own folder, such as DIR/episodes/000000.
        episode: checked against every rule of the format first.
        lossless: keep every pixel value; else lossy H.264, a third of the size, which browsers play.

    Raises:
        DefectiveDataError: chunks or poses that break a rule; it lists all of them.
        UserError: frames, rate, metadata or a place that cannot be written.
    """
    check_frames(episode.frames, f"the episode {folder}")
    if episode.frames.nbytes > LARGEST_FRAMES:
        raise UserError(f"the episode {folder} has more than {LARGEST_FRAMES} bytes of pixels; make several of it")
    refuse(chunk_defects(folder / CHUNKS_FILE, episode.chunks, episode.num_frames))
    if episode.poses is not None:
        if episode.poses.shape[1:] != (3,) or episode.poses.dtype != np.float64:
            given = f"{episode.poses.dtype} {list(episode.poses.shape)}"
            raise UserError(f"the poses of the episode {folder} are {given}; they must be float64 [N, 3]")
        refuse(pose_defects(folder / POSES_FILE, episode.poses, episode.num_frames))
    try:
        with atomic_folder(folder) as temporary:
            write_video(temporary / VIDEO_FILE, episode.frames, episode.fps, lossless)
            tables.write_chunks(temporary / CHUNKS_FILE, episode.chunks)
            if episode.poses is not None:
                tables.write_poses(temporary / POSES_FILE, episode.poses)
            named = {path.name: sha256_of_file(path) for path in sorted(temporary.iterdir())}
            header = EpisodeHeader(
                num_frames=episode.num_frames,
                height=episode.frames.shape[1],
                width=episode.frames.shape[2],
                fps=episode.fps,
                has_poses=episode.poses is not None,
                video_sha256=named[VIDEO_FILE],
                metadata=episode.metadata,
                sha256=named,
            )
            write_header(temporary / EPISODE_FILE, header)
    except OSError as error:
        raise UserError(
            f"cannot write {folder}: {error.strerror or error}; check the space and rights there"
        ) from error


def read_episode(folder: Path) -> Episode:
    """Reads an episode and checks every rule of the format.

    Raises:
        DefectiveDataError: anything missing or broken; for a short or long video it names both numbers of frames.
    """
    header = read_header(folder)
    return Episode(
        frames=read_episode_frames(folder, header),
        chunks=read_chunks(folder, header),
        poses=read_poses(folder, header),
        fps=header.fps,
        metadata=header.metadata,
    )


def read_header(folder: Path) -> EpisodeHeader:
    """Reads the episode's header, but not the video.

    Raises:
        DefectiveDataError: missing or broken.
    """
    return read_episode_header(folder / EPISODE_FILE)


def read_episode_frames(folder: Path, header: EpisodeHeader) -> Frames:
    """Reads the episode's frames; their number, their size and the file's SHA-256 must match the header.

    Raises:
        DefectiveDataError: a missing, broken, short, long, wrongly sized or exchanged video.
    """
    path = folder / VIDEO_FILE
    require(path)
    defects = []

    def found(code: str, message: str) -> None:
        defects.append(Defect(str(path), code, message))

    # No need to read or decode more than twice the size in the header to know that it is too much.
    most_bytes = 2 * header.num_frames * header.height * header.width * 3 + 2**24
    if path.is_file() and path.stat().st_size > most_bytes:
        message = f"the video has {path.stat().st_size} bytes, too many for {header.num_frames} frames of its size"
        refuse([Defect(str(path), "bad-video", message)])
    try:
        frames = read_video(path, min(LARGEST_FRAMES, most_bytes))
        if len(frames) != header.num_frames:
            found("frame-count", f"the video has {len(frames)} frames, the header says {header.num_frames}")
        if frames.shape[1:3] != (header.height, header.width):
            size = f"{frames.shape[1]}x{frames.shape[2]}"
            found("frame-size", f"the frames are {size}, the header says {header.height}x{header.width}")
    except UserError as error:
        found("bad-video", f"{error} (the header says {header.num_frames} frames)")
    if sha256_of_file(path) != header.video_sha256:
        found("checksum", "the file is not the one that was written: its SHA-256 differs from the header's")
    refuse(defects)
    return frames


def read_chunks(folder: Path, header: EpisodeHeader) -> tuple[Chunk, ...]:
    """Reads the episode's chunks, but not the video.

    Raises:
        DefectiveDataError: a missing or broken table, or chunks that break a rule.
    """
    chunks = tables.read_chunks(folder / CHUNKS_FILE, header.num_frames)
    _check_hash(folder / CHUNKS_FILE, header)
    return chunks


def read_poses(folder: Path, header: EpisodeHeader) -> Poses | None:
    """Reads the episode's poses; None where the header says that there are none.

    Raises:
        DefectiveDataError: a missing or broken table, or poses that break a rule.
    """
    if not header.has_poses:
        return None
    poses = tables.read_poses(folder / POSES_FILE, header.num_frames)
    _check_hash(folder / POSES_FILE, header)
    return poses


def _check_hash(path: Path, header: EpisodeHeader) -> None:
    """Refuses a table whose SHA-256 is not the one in its header; called after reading, to check the file just read."""
    expected = header.sha256.get(path.name)
    if (expected is None and header.sha256) or (
        expected is not None and sha256_of_bytes(read_bytes(path, LARGEST_TABLE)) != expected
    ):
        refuse([Defect(str(path), "checksum", "the file is not the one that was written: see sha256 in its header")])


class EpisodeDataset:
    """The episodes of a data set folder, read on demand: `dataset[3]` decodes episode 3."""

    def __init__(self, folder: Path, unfinished: bool = False) -> None:
        """Reads the header and lists the episodes.

        Args:
            folder: holds dataset.json.
            unfinished: accept a data set that is still being made, with the episodes written so far.

        Raises:
            DefectiveDataError: dataset.json is missing or broken.
            UserError: episodes are missing, or are not numbered 0 to n - 1.
        """
        self.folder = Path(folder)
        self.header = read_dataset_header(self.folder / DATASET_FILE)
        present = episode_numbers(self.folder)
        if present != list(range(len(present))):
            raise UserError(f"the episodes in {folder} are not numbered 0 to {len(present) - 1}; make or copy it again")
        if len(present) < self.header.num_episodes and not unfinished:
            raise UserError(
                f"{folder} holds {len(present)} of its {self.header.num_episodes} episodes; "
                "run the command that makes it again, and it continues"
            )
        self.episode_folders = tuple(episode_folder(self.folder, number) for number in present)

    def __len__(self) -> int:
        """Number of episodes in the data set."""
        return len(self.episode_folders)

    def __getitem__(self, index: int) -> Episode:
        """Reads one episode; see `read_episode`."""
        return read_episode(self.episode_folders[index])

    def __iter__(self) -> Iterator[Episode]:
        """Reads one episode after the other."""
        return map(read_episode, self.episode_folders)

    @property
    def groups(self) -> tuple[range, ...]:
        """Episode numbers in groups of `GROUP_EPISODES`; results computed from a group are stored together."""
        return groups_of(len(self))

    def name(self, number: int) -> str:
        """Returns the path of the episode's folder."""
        return str(self.episode_folders[number])

    @property
    def num_bytes(self) -> int:
        """Bytes of all files of the episodes."""
        return sum(path.stat().st_size for folder in self.episode_folders for path in folder.iterdir())

    @property
    def headers(self) -> tuple[DatasetHeader, ...]:
        """The header that all episodes share."""
        return (self.header,)

    def tables(self, number: int) -> tuple[EpisodeHeader, tuple[Chunk, ...]]:
        """Reads the header and the chunks of an episode, but not its video or poses.

        Raises:
            DefectiveDataError: missing or broken.
        """
        folder = self.episode_folders[number]
        header = read_header(folder)
        return header, read_chunks(folder, header)

    def frames(self, number: int) -> Frames:
        """Decodes the frames of an episode.

        Raises:
            DefectiveDataError: missing or broken.
        """
        folder = self.episode_folders[number]
        return read_episode_frames(folder, read_header(folder))

    def poses(self, number: int) -> Poses | None:
        """Reads the poses of an episode; None where it has none.

        Raises:
            DefectiveDataError: missing or broken.
        """
        folder = self.episode_folders[number]
        return read_poses(folder, read_header(folder))


class DatasetWriter:
    """Adds episodes to a new or an existing data set folder: `writer.append(episode)`."""

    def __init__(self, folder: Path, header: DatasetHeader) -> None:
        """Checks whether `folder` can take the episodes. A new folder is made only when the first one is written.

        Args:
            folder: new or empty, or a data set made with the same world, split and creation settings.
            header: its `num_episodes` is the intended number; existing episodes beyond it are kept.

        Raises:
            UserError: the folder holds something else, episodes made with other settings, or another program's work.
        """
        self.folder = Path(folder)
        self.num_present = 0
        """Number of episodes written, and so the number of the next one."""
        self._header = header
        self._lock = hold_folder(self.folder) if self.folder.is_dir() else None
        if (self.folder / DATASET_FILE).exists():
            dataset = EpisodeDataset(self.folder, unfinished=True)
            self.num_present = len(dataset)
            self._refuse_other_settings(dataset.header)
            self._write_header()
        elif not is_unused(self.folder):
            raise UserError(f"{folder} is there and holds no data set; give a new or empty folder")

    def append(self, episode: Episode, lossless: bool = True) -> None:
        """Writes the next episode.

        Raises:
            UserError: as `write_episode`.
        """
        if self._lock is None:
            self._lock = hold_folder(self.folder)
        if self.num_present == 0:
            self._write_header()
        write_episode(episode_folder(self.folder, self.num_present), episode, lossless)
        self.num_present += 1

    def finish(self) -> None:
        """Records the number of episodes as final; does nothing where there is none."""
        if self.num_present:
            self._header = replace(self._header, num_episodes=self.num_present)
            self._write_header()

    def _refuse_other_settings(self, existing: DatasetHeader) -> None:
        headers = (existing, self._header)
        was, now = ({"world": header.world, "split": header.split, **header.creation} for header in headers)
        differing = [name for name in was | now if was.get(name) != now.get(name)]
        if self.num_present and differing:
            old, new = (", ".join(f"{name} {values.get(name)}" for name in differing) for values in (was, now))
            raise UserError(f"{self.folder} was made with {old}, not with {new}; use the same or another folder")

    def _write_header(self) -> None:
        if (episodes := self.folder / EPISODES_FOLDER).is_dir():
            tidy(episodes)
        num_episodes = max(self._header.num_episodes, self.num_present)
        write_header(self.folder / DATASET_FILE, replace(self._header, num_episodes=num_episodes))


def groups_of(num_episodes: int) -> tuple[range, ...]:
    """Returns the numbers of episodes in groups of `GROUP_EPISODES`."""
    firsts = range(0, num_episodes, GROUP_EPISODES)
    return tuple(range(first, min(first + GROUP_EPISODES, num_episodes)) for first in firsts)


def episode_folder(folder: Path, number: int) -> Path:
    """Returns the folder of one episode of a data set."""
    return folder / EPISODES_FOLDER / f"{number:06d}"


def episode_numbers(folder: Path) -> list[int]:
    """Returns the numbers of the episode folders, ascending."""
    episodes = folder / EPISODES_FOLDER
    names = [path.name for path in episodes.iterdir() if path.is_dir()] if episodes.is_dir() else []
    return sorted(int(name) for name in names if re.fullmatch(r"[0-9]{6}", name))
