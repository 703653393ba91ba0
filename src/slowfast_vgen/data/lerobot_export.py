"""Writes a data set as a LeRobot data set, format 3, as `slowfast data import --from lerobot` and lerobot read it.

The text of an action becomes the task of the frame from which it is carried out; poses become `observation.state`.
That format has no field for verbs and scenes.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from slowfast_vgen.data.format import EpisodeDataset, read_header
from slowfast_vgen.data.video import VideoWriter
from slowfast_vgen.errors import UserError
from slowfast_vgen.extras import needs
from slowfast_vgen.files import atomic_folder, is_unused, write_json
from slowfast_vgen.types import Episode

with needs("data"):
    import pyarrow as pa
    import pyarrow.parquet as pq

CAMERA = "observation.images.main"
STATE = "observation.state"
FRAMES_PER_FILE = 20_000
"""Number of frames after which a video or data file gets no further episode."""
_FILES_PER_CHUNK = 1000
_SAMPLED_FRAMES = 100
"""Number of frames of an episode from which the statistics of its pixels are computed."""
_DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
_VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"

Stats = dict[str, dict[str, np.ndarray]]
"""Feature -> min, max, mean, std, count."""


def export_lerobot(
    dataset: EpisodeDataset,
    out: Path,
    lossless: bool = False,
    on_progress: Callable[[], None] = lambda: None,
) -> int:
    """Writes the folder atomically.

    Args:
        dataset: episodes of one size and rate, with actions.
        out: new or empty.
        lossless: RGB bit for bit, which few players show; else H.264, which needs even sides.
        on_progress: called after each episode.

    Returns:
        The number of frames written.

    Raises:
        UserError: `out` is not empty; no episodes, one without actions, or episodes of several sizes or rates.
    """
    if not is_unused(out):
        raise UserError(f"{out} is there and not empty; give a new or empty folder")
    height, width, fps, has_poses = _common(dataset)
    with atomic_folder(out) as folder:
        writer = _Writer(folder, fps, has_poses, lossless)
        with writer:
            for number, episode in enumerate(dataset):
                if not episode.chunks:
                    raise UserError(
                        f"episode {number} of {dataset.folder} has no actions, and a LeRobot frame needs one"
                    )
                writer.add(episode)
                on_progress()
        writer.write_meta(dataset, height, width)
        _write_card(folder / "README.md", dataset)
        return writer.num_frames


class _Writer:
    """The files of a LeRobot data set while episodes are added."""

    def __init__(self, folder: Path, fps: float, has_poses: bool, lossless: bool) -> None:
        self.folder, self.fps, self.has_poses, self.lossless = folder, fps, has_poses, lossless
        self.tasks: dict[str, int] = {}
        self.episodes: list[dict[str, Any]] = []
        self.num_frames = 0
        self._file = 0
        self._frames_in_file = 0
        self._tables: list[pa.Table] = []
        self._stats: list[Stats] = []
        self._stack = ExitStack()
        self._video: VideoWriter | None = None

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        """Finishes the open files."""
        self._stack.__exit__(kind, *rest)
        if kind is None and self._tables:
            self._write_data()

    def add(self, episode: Episode) -> None:
        """Appends an episode to the open video and table."""
        if self._frames_in_file >= FRAMES_PER_FILE:
            self._stack.close()
            self._write_data()
            self._file, self._frames_in_file, self._video = self._file + 1, 0, None
        if self._video is None:
            path = self.folder / _VIDEO_PATH.format(video_key=CAMERA, **self._place())
            self._video = self._stack.enter_context(VideoWriter(path, self.fps, self.lossless))
        self._video.write(episode.frames)
        number, count = len(self.episodes), episode.num_frames
        table = self._table(episode, number)
        stats = _stats_of(table, episode)
        self._tables.append(table)
        self._stats.append(stats)
        begin = self._frames_in_file / self.fps
        row: dict[str, Any] = {"episode_index": number, "tasks": list(dict.fromkeys(_tasks(episode))), "length": count}
        row |= {f"data/{key}": value for key, value in self._place().items()}
        row |= {f"videos/{CAMERA}/{key}": value for key, value in self._place().items()}
        row |= {f"videos/{CAMERA}/from_timestamp": begin, f"videos/{CAMERA}/to_timestamp": begin + count / self.fps}
        row |= {"dataset_from_index": self.num_frames, "dataset_to_index": self.num_frames + count}
        row |= {"meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0}
        flat = _nested(stats).items()
        row |= {f"stats/{name}/{key}": value for name, values in flat for key, value in values.items()}
        self.episodes.append(row)
        self._frames_in_file += count
        self.num_frames += count

    def write_meta(self, dataset: EpisodeDataset, height: int, width: int) -> None:
        """Writes everything in meta/."""
        meta = self.folder / "meta"
        (meta / "episodes" / "chunk-000").mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(self.episodes), meta / "episodes" / "chunk-000" / "file-000.parquet")
        pq.write_table(_indexed_by_task(self.tasks), meta / "tasks.parquet")
        write_json(meta / "stats.json", _nested(_merged(self._stats)))
        write_json(meta / "info.json", self._info(dataset, height, width))

    def _info(self, dataset: EpisodeDataset, height: int, width: int) -> dict[str, Any]:
        fps = int(self.fps) if self.fps == int(self.fps) else self.fps
        plain = {"shape": [1], "names": None}
        features: dict[str, Any] = {
            CAMERA: {
                "dtype": "video",
                "shape": [height, width, 3],
                "names": ["height", "width", "channels"],
                "info": {
                    "video.height": height,
                    "video.width": width,
                    "video.codec": "h264",
                    "video.pix_fmt": "gbrp" if self.lossless else "yuv420p",
                    "video.is_depth_map": False,
                    "video.fps": fps,
                    "video.channels": 3,
                    "has_audio": False,
                },
            }
        }
        if self.has_poses:
            features[STATE] = {"dtype": "float32", "shape": [3], "names": ["x", "y", "heading"]}
        features["timestamp"] = {"dtype": "float32", **plain}
        features |= {
            name: {"dtype": "int64", **plain} for name in ("frame_index", "episode_index", "index", "task_index")
        }
        return {
            "codebase_version": "v3.0",
            "robot_type": dataset.header.world,
            "total_episodes": len(self.episodes),
            "total_frames": self.num_frames,
            "total_tasks": len(self.tasks),
            "chunks_size": _FILES_PER_CHUNK,
            "data_files_size_in_mb": 100,
            "video_files_size_in_mb": 200,
            "fps": fps,
            "splits": {dataset.header.split: f"0:{len(self.episodes)}"},
            "data_path": _DATA_PATH,
            "video_path": _VIDEO_PATH,
            "features": features,
        }

    def _place(self) -> dict[str, int]:
        return {"chunk_index": self._file // _FILES_PER_CHUNK, "file_index": self._file % _FILES_PER_CHUNK}

    def _table(self, episode: Episode, number: int) -> pa.Table:
        count = episode.num_frames
        steps = np.arange(count)
        tasks = [self.tasks.setdefault(task, len(self.tasks)) for task in _tasks(episode)]
        columns: dict[str, Any] = {}
        if episode.poses is not None and self.has_poses:
            flat = pa.array(episode.poses.astype(np.float32).reshape(-1))
            columns[STATE] = pa.FixedSizeListArray.from_arrays(flat, 3)
        columns |= {
            "timestamp": pa.array((steps / self.fps).astype(np.float32)),
            "frame_index": pa.array(steps),
            "episode_index": pa.array(np.full(count, number)),
            "index": pa.array(steps + self.num_frames),
            "task_index": pa.array(tasks, pa.int64()),
        }
        return pa.table(columns)

    def _write_data(self) -> None:
        path = self.folder / _DATA_PATH.format(**self._place())
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.concat_tables(self._tables), path)
        self._tables = []


def _common(dataset: EpisodeDataset) -> tuple[int, int, float, bool]:
    """Returns height, width and rate of all episodes, and whether all have poses."""
    if not len(dataset):
        raise UserError(f"{dataset.folder} holds no episodes to export")
    headers = [read_header(folder) for folder in dataset.episode_folders]
    kinds = {(header.height, header.width, header.fps) for header in headers}
    if len(kinds) > 1:
        sizes = ", ".join(f"{height}x{width} at {fps:g}" for height, width, fps in sorted(kinds))
        raise UserError(f"{dataset.folder} has episodes of {sizes} frames a second; a LeRobot data set has one of each")
    (kind,) = kinds
    return *kind, all(header.has_poses for header in headers)


def _tasks(episode: Episode) -> Iterator[str]:
    """Yields for each frame the action that is carried out from it on; the last frame keeps the last one."""
    for chunk in episode.chunks:
        yield from [chunk.action] * chunk.num_frames
    yield episode.chunks[-1].action


def _stats_of(table: pa.Table, episode: Episode) -> Stats:
    picks = np.unique(np.linspace(0, episode.num_frames - 1, _SAMPLED_FRAMES).round().astype(int))
    pixels = episode.frames[picks].reshape(-1, 3) / 255.0
    stats = {CAMERA: {name: value.reshape(3, 1, 1) for name, value in _moments(pixels).items()}}
    stats[CAMERA]["count"] = np.array([len(picks)])
    for name in table.column_names:
        values = np.array(table[name].to_pylist(), np.float64).reshape(table.num_rows, -1)
        stats[name] = _moments(values) | {"count": np.array([len(values)])}
    return stats


def _moments(values: np.ndarray) -> dict[str, np.ndarray]:
    return {"min": values.min(0), "max": values.max(0), "mean": values.mean(0), "std": values.std(0)}


def _merged(all_stats: list[Stats]) -> Stats:
    """Combines the statistics of all episodes; variances by the law of total variance."""
    merged: Stats = {}
    for name in all_stats[0]:
        values = {key: np.stack([stats[name][key] for stats in all_stats]) for key in all_stats[0][name]}
        weight = values["count"].reshape(-1, *(1,) * (values["mean"].ndim - 1)) / values["count"].sum()
        mean = (weight * values["mean"]).sum(0)
        variance = (weight * (values["std"] ** 2 + (values["mean"] - mean) ** 2)).sum(0)
        extremes = {"min": values["min"].min(0), "max": values["max"].max(0)}
        merged[name] = extremes | {"mean": mean, "std": np.sqrt(variance), "count": values["count"].sum(0)}
    return merged


def _nested(stats: Stats) -> dict[str, dict[str, Any]]:
    return {name: {key: value.tolist() for key, value in statistics.items()} for name, statistics in stats.items()}


def _indexed_by_task(tasks: dict[str, int]) -> pa.Table:
    """Returns the tasks as pandas writes a table whose index is their text: lerobot looks them up by it."""

    def column(name: str, kind: str, numpy_type: str) -> dict[str, Any]:
        return {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy_type, "metadata": None}

    about = {
        "index_columns": ["task"],
        "column_indexes": [column("", "unicode", "object") | {"name": None, "field_name": None}],
        "columns": [column("task_index", "int64", "int64"), column("task", "unicode", "object")],
        "pandas_version": "2.0.0",
    }
    table = pa.table({"task_index": pa.array(list(tasks.values()), pa.int64()), "task": pa.array(list(tasks))})
    return table.replace_schema_metadata({"pandas": json.dumps(about)})


def _write_card(path: Path, dataset: EpisodeDataset) -> None:
    """Writes the data set's card, with the licences of every episode."""
    licences = {str(read_header(folder).metadata.get("licence", "not stated")) for folder in dataset.episode_folders}
    licence = "; ".join(sorted(licences)).replace("\n", " ")
    path.write_text(
        f"---\nlicense: other\nlicense_name: {json.dumps(licence)}\n"
        "task_categories:\n- robotics\ntags:\n- LeRobot\n---\n\n"
        f"{len(dataset)} episodes of {escape(dataset.header.world)}, exported by slowfast-vgen.\n"
    )
