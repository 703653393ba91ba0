"""Clips such as a user records: a video, a table of actions and the way of the camera, for several test files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from made_sources import write_csv

from slowfast_vgen.data.video import write_video

STEP, TURN = 0.14, 9.0
"""Metres and degrees a frame."""
MOTIONS = {"walk on": (STEP, 0.0), "turn left": (0.0, TURN), "turn right": (0.0, -TURN), "wait": (0.0, 0.0)}


def way(actions: Sequence[str], frames: int, start: tuple[float, float, float] = (3.0, -2.0, 90.0)) -> np.ndarray:
    """The pose of each frame, the start image included; every action lasts for so many frames."""
    x, y, heading = start
    poses = [start]
    for action in actions:
        forward, turn = MOTIONS[action]
        for _ in range(frames):
            x += forward * float(np.cos(np.radians(heading)))
            y += forward * float(np.sin(np.radians(heading)))
            heading += turn
            poses.append((x, y, heading))
    return np.array(poses)


def make_clips(
    folder: Path,
    count: int = 20,
    actions: Sequence[Sequence[str]] = (("walk on", "turn left", "walk on"), ("turn right", "walk on", "wait")),
    seconds: float = 1.5,
    fps: float = 10.0,
    size: tuple[int, int] = (36, 64),
    poses: bool = True,
) -> Path:
    """So many videos whose actions last so long, `actions.csv`, and `poses.csv` with a pose a frame."""
    rng = np.random.default_rng(0)
    rows: list[Sequence[object]] = [("video", "start", "end", "action")]
    places: list[Sequence[object]] = [("video", "time", "x", "y", "heading")]
    each = round(seconds * fps)
    for number in range(count):
        told = actions[number % len(actions)]
        name = f"clip {number:02}.mp4"
        there = way(told, each)
        views = rng.integers(0, 256, (40, *size, 3), dtype=np.uint8)
        frames = views[np.round(there[:, 2] / TURN).astype(int) % 40]
        folder.mkdir(parents=True, exist_ok=True)
        write_video(folder / name, np.concatenate([frames, frames[-1:]]), fps, lossless=True)
        rows += [(name, at * seconds, (at + 1) * seconds, action) for at, action in enumerate(told)]
        places += [(name, frame / fps, *pose) for frame, pose in enumerate(there)]
    write_csv(folder / "actions.csv", rows)
    if poses:
        write_csv(folder / "poses.csv", places)
    return folder
