"""Small samples of the sources that are imported, made on the spot in each source's own layout; nothing is vendored."""

import csv
import json
import struct
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from slowfast_vgen.data.video import write_video

SIDE = 24


def numbered(num_frames: int, first: int = 0) -> np.ndarray:
    """Frames of 24 x 36 whose colour tells their number, from `first` on: red counts up; see `numbers_of`."""
    count = np.arange(first, first + num_frames)
    colours = np.stack([count % 256, count * 37 % 256, 255 - count % 256], axis=-1).astype(np.uint8)
    return np.broadcast_to(colours[:, None, None], (num_frames, SIDE, SIDE * 3 // 2, 3)).copy()


def numbers_of(frames: np.ndarray) -> list[int]:
    """The numbers of `numbered` frames, modulo 256, whatever size they were brought to."""
    return [int(red) for red in frames[:, frames.shape[1] // 2, frames.shape[2] // 2, 0]]


def make_video(path: Path, num_frames: int, fps: float, first: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".mp4")  # EPIC-KITCHENS writes its suffix in capitals
    write_video(temporary, numbered(num_frames, first), fps, lossless=True)
    temporary.rename(path)


def write_csv(path: Path, rows: Sequence[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


# -------------------------------------------------------------------------------------------------------------- folder


def make_folder(source: Path) -> Path:
    """Two videos of 4 s at 10 frames a second; of the first, two actions in a row and one after a gap."""
    make_video(source / "a.mp4", 40, 10)
    make_video(source / "day 2" / "b.mp4", 40, 10, first=100)
    rows = [
        ("video", "start", "end", "action"),
        ("a.mp4", 0, 1, "turn left"),
        ("a.mp4", 1, 2, "go, then stop"),
        ("a.mp4", 3, "3.9", 'open the "red" door'),
        ("day 2/b.mp4", 0.5, 2.5, "wait"),
    ]
    write_csv(source / "actions.csv", rows)
    return source


# ------------------------------------------------------------------------------------------------------- EPIC-KITCHENS

EPIC_COLUMNS = [
    "narration_id", "participant_id", "video_id", "narration_timestamp", "start_timestamp", "stop_timestamp",
    "start_frame", "stop_frame", "narration", "verb", "verb_class", "noun", "noun_class", "all_nouns",
    "all_noun_classes",
]  # fmt: skip


def epic_row(number: int, video: str, start: str, stop: str, narration: str = "open door") -> list[object]:
    verb, noun = (*narration.split(maxsplit=1), "", "")[:2]
    times = ["00:00:01.089", start, stop]
    return [
        f"{video}_{number}", video[:3], video, *times, 8, 202, narration, verb, 3, noun, 3, f"['{noun}']", "[3]",
    ]  # fmt: skip


def make_epic(source: Path) -> Path:
    """Two kitchens, three narrated actions, videos of 59.94 and 50 frames a second."""
    make_video(source / "P01" / "videos" / "P01_01.MP4", 240, 60000 / 1001)
    make_video(source / "P02" / "videos" / "P02_101.MP4", 100, 50)
    rows: list[Sequence[object]] = [
        EPIC_COLUMNS,
        epic_row(0, "P01_01", "00:00:00.14", "00:00:01.37"),
        epic_row(1, "P01_01", "00:00:01.20", "00:00:03.00", "take plate"),
        epic_row(0, "P02_101", "00:00:00.00", "00:00:01.50", "put-down knife, fork"),
    ]
    write_csv(source / "EPIC_100_train.csv", rows)
    info = [
        ("video_id", "duration", "fps", "resolution"),
        ("P01_01", 240 * 1001 / 60000, 59.9400599400599, "36x24"),
        ("P02_101", 2.0, 50.0, "36x24"),
    ]
    write_csv(source / "EPIC_100_video_info.csv", info)
    return source


# ------------------------------------------------------------------------------------------------------------- LeRobot

CAMERA = "observation.images.top"


def make_lerobot(source: Path) -> Path:
    """Three episodes at 20 frames a second: two in the first video file, one, whose task changes, in the second."""
    lengths, tasks = (30, 25, 24), ["Pick up the cube.", "Open the drawer."]
    task_of = [[0] * 30, [1] * 25, [0] * 12 + [1] * 12]
    rows, tables, total = [], [], 0
    for episode, (length, its_tasks) in enumerate(zip(lengths, task_of, strict=True)):
        file, begin = (0, sum(lengths[:episode]) / 20) if episode < 2 else (1, 0.0)
        place = {"chunk_index": 0, "file_index": file}
        row: dict[str, Any] = {"episode_index": episode, "tasks": sorted({tasks[each] for each in its_tasks})}
        row |= {"length": length, "dataset_from_index": total, "dataset_to_index": total + length}
        row |= {f"data/{key}": value for key, value in place.items()}
        row |= {f"videos/{CAMERA}/{key}": value for key, value in place.items()}
        row |= {f"videos/{CAMERA}/from_timestamp": begin, f"videos/{CAMERA}/to_timestamp": begin + length / 20}
        row |= {"stats/action/mean": [0.0, 0.0], "meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0}
        rows.append(row)
        steps = np.arange(length)
        columns: dict[str, Any] = {
            "observation.state": pa.array([[0.0, 1.0]] * length, pa.list_(pa.float32(), 2)),
            "action": pa.array([[0.5, 0.5]] * length, pa.list_(pa.float32(), 2)),
            "timestamp": (steps / 20).astype(np.float32),
            "frame_index": steps,
            "episode_index": np.full(length, episode),
            "index": steps + total,
            "task_index": np.array(its_tasks),
        }
        tables.append(pa.table(columns))
        total += length
    data = source / "data" / "chunk-000"
    data.mkdir(parents=True)
    pq.write_table(pa.concat_tables(tables[:2]), data / "file-000.parquet")
    pq.write_table(tables[2], data / "file-001.parquet")
    make_video(source / "videos" / CAMERA / "chunk-000" / "file-000.mp4", 55, 20)
    make_video(source / "videos" / CAMERA / "chunk-000" / "file-001.mp4", 24, 20, first=100)
    meta = source / "meta"
    (meta / "episodes" / "chunk-000").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), meta / "episodes" / "chunk-000" / "file-000.parquet")
    # As pandas writes a table whose index has no name.
    pq.write_table(pa.table({"task_index": [0, 1], "__index_level_0__": tasks}), meta / "tasks.parquet")
    vector = {"dtype": "float32", "shape": [2], "names": ["x", "y"]}
    video = {"dtype": "video", "shape": [SIDE, SIDE * 3 // 2, 3], "names": ["height", "width", "channels"]}
    info = {
        "codebase_version": "v3.0",
        "robot_type": "so100",
        "total_episodes": 3,
        "total_frames": total,
        "total_tasks": 2,
        "chunks_size": 1000,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": 20,
        "splits": {"train": "0:3"},
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
        "features": {
            CAMERA: video | {"info": {"video.fps": 20.0, "video.codec": "h264"}},
            "observation.state": vector,
            "action": vector,
        },
    }
    (meta / "info.json").write_text(json.dumps(info, indent=4))
    (meta / "stats.json").write_text("{}")
    (source / "README.md").write_text("---\nlicense: apache-2.0\ntask_categories:\n- robotics\n---\nA data set.\n")
    return source


# ---------------------------------------------------------------------------------------------------------------- RLDS


def slow_crc32c(data: bytes) -> int:
    """Bit by bit, as RFC 3720 has it."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


def masked(data: bytes) -> bytes:
    value = slow_crc32c(data)
    return struct.pack("<I", ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def masked_length(size: int) -> bytes:
    """How a TFRecord file announces a record of so many bytes."""
    length = struct.pack("<Q", size)
    return length + masked(length)


def framed(record: bytes) -> bytes:
    """A record as a TFRecord file holds it."""
    return masked_length(len(record)) + record + masked(record)


def varint(number: int) -> bytes:
    number %= 2**64
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def message(number: int, body: bytes) -> bytes:
    """A field of bytes in protobuf's wire format."""
    return varint(number << 3 | 2) + varint(len(body)) + body


def example(features: dict[str, list[bytes] | list[float] | list[int]]) -> bytes:
    """An `Example`: lists of bytes, of floats (packed) or of whole numbers (packed)."""
    entries = b""
    for name, values in features.items():
        if isinstance(values[0], bytes):
            body = message(1, b"".join(message(1, each) for each in values if isinstance(each, bytes)))
        elif isinstance(values[0], float):
            body = message(2, message(1, struct.pack(f"<{len(values)}f", *values)))
        else:
            body = message(3, message(1, b"".join(varint(each) for each in values if isinstance(each, int))))
        entries += message(1, message(1, name.encode()) + message(2, body))
    return message(1, entries)


def png(image: np.ndarray) -> bytes:
    out = BytesIO()
    Image.fromarray(image).save(out, "PNG")
    return out.getvalue()


def rlds_episode(num_steps: int, instruction: str, first: int = 0) -> bytes:
    return example(
        {
            "steps/observation/image": [png(image) for image in numbered(num_steps, first)],
            "steps/observation/wrist_image": [png(image) for image in numbered(num_steps, first + 50)],
            "steps/language_instruction": [instruction.encode()] * num_steps,
            "steps/action": [0.25] * (7 * num_steps),
            "steps/is_first": [1] + [0] * (num_steps - 1),
            "episode_metadata/file_path": [b"episode.npy"],
        }
    )


def make_rlds(source: Path) -> Path:
    """Two files of the train split with three episodes, and one of the test split."""
    source.mkdir(parents=True)
    episodes = [
        framed(
            rlds_episode(12, "pick up the can"),
        ),
        framed(rlds_episode(9, "close the drawer", 100)),
    ]
    (source / "toy-train.tfrecord-00000-of-00002").write_bytes(b"".join(episodes))
    (source / "toy-train.tfrecord-00001-of-00002").write_bytes(framed(rlds_episode(10, "push the block", 150)))
    (source / "toy-test.tfrecord-00000-of-00001").write_bytes(framed(rlds_episode(5, "wave", 200)))
    (source / "features.json").write_text("{}")
    info = {"name": "toy", "version": "0.1.0", "redistributionInfo": {"license": "CC BY 4.0"}}
    (source / "dataset_info.json").write_text(json.dumps(info))
    return source


# ----------------------------------------------------------------------------------------------------------------- VPT


def vpt_line(keys: str = "", dx: float = 0.0, dy: float = 0.0, **more: Any) -> dict[str, Any]:
    """One frame of a log; `keys` are those of the keyboard, parted by blanks."""
    buttons = more.pop("buttons", [])
    mouse = {"x": 640.0, "y": 360.0, "dx": dx, "dy": dy, "dwheel": 0.0, "buttons": buttons, "newButtons": []}
    keyboard = {"keys": [f"key.keyboard.{key}" for key in keys.split()], "newKeys": [], "chars": ""}
    record = {"mouse": mouse, "keyboard": keyboard, "isGuiOpen": False, "hotbar": 4, "tick": 0}
    record |= {"yaw": -90.0, "pitch": 8.1, "xpos": 841.5, "ypos": 63.0, "zpos": 25.0}
    return record | more


VPT_RUN = (
    [vpt_line("w")] * 20 + [vpt_line(dx=-20)] * 10 + [vpt_line("w space")] * 10 + [vpt_line(buttons=[0])] * 10
)  # fmt: skip


def make_vpt(source: Path) -> Path:
    """Two segments of a session and one of another: 20 frames a second, 50 or 30 lines."""
    sessions = (
        "cheeky-cornflower-setter-02e496ce4abb-20220421-092639",
        "cheeky-cornflower-setter-02e496ce4abb-20220421-093149",
    )
    for number, name in enumerate((*sessions, "lovely-persimmon-angora-abcdefabcdef-20220421-100000")):
        lines = VPT_RUN if number < 2 else VPT_RUN[10:40]
        make_video(source / f"{name}.mp4", len(lines), 20, first=60 * number)
        (source / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return source


# ----------------------------------------------------------------------------------------------------------------- HDD


def make_hdd(source: Path) -> Path:
    """Two sessions of 6 s at 30 frames a second, labelled three times a second, with speed and brake from the bus."""
    release, clocks = source / "release_2019_07_08", source / "release_2019_07_25"
    (source / "target").mkdir(parents=True)
    for number, (day, session) in enumerate((("2017_02_27_ITS1", "201702271017"), ("2017_03_01_ITS1", "201703011000"))):
        folder = release / day / session
        make_video(folder / "camera" / "center" / "2017-02-27-10-17-27_new_0.75.mp4", 180, 30, first=20 * number)
        labels = [0] * 6 + [2] * 6 + [0] * 6 if number == 0 else [5] * 6 + [0] * 12
        np.save(source / "target" / f"{session}.npy", np.array(labels))
        start = 1488219447.25
        times = [start + 0.1 * step for step in range(-5, 65)]
        # The car brakes in the last second but one and stands in the last.
        speed = [0.0 if time - start >= 5 else 30.0 for time in times]
        brake = [900.0 if 4 <= time - start < 5 else 0.0 for time in times]
        for name, column, values in (("vel", "speed", speed), ("brake_pedal", "pedalpressure(kPa)", brake)):
            rows = [(f"{time:.9f}", "2017-02-27", f"{value:.6f}") for time, value in zip(times, values, strict=True)]
            write_csv(folder / "general" / "csv" / f"{name}.csv", [("# unix_timestamp", "iso", column), *rows])
        frames = [(f"{start + frame / 30:.9f}", "2017-02-27", f"{frame:05d}.png", 1.0, frame) for frame in range(180)]
        clock = clocks / day / session / "camera" / "center" / "png_timestamp.csv"
        write_csv(clock, [("# unix_timestamp", "iso", "filename", "clock", "counter"), *frames])
    return source


SOURCES: dict[str, Callable[[Path], Path]] = {
    "epic-kitchens": make_epic,
    "folder": make_folder,
    "hdd": make_hdd,
    "lerobot": make_lerobot,
    "rlds": make_rlds,
    "vpt": make_vpt,
}
