"""The demo: a path that comes back to places in a held-out room, with memory, without memory, and the true frames."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from slowfast_envs.actions import FRAMES_PER_CHUNK, PHRASINGS
from slowfast_envs.base import FPS, FRAME_SIZE
from slowfast_envs.vizdoom.engine import Play, VizdoomEngine
from slowfast_envs.vizdoom.rooms import VizdoomRooms
from slowfast_envs.vizdoom.rooms_map import Scene
from slowfast_envs.walking import poses_of
from slowfast_envs.walking_scripts import draw_start
from slowfast_vgen.data.video import write_video
from slowfast_vgen.errors import UserError
from slowfast_vgen.metrics.frames import psnr
from slowfast_vgen.pictures import Panel, contact_sheet, save_animation, save_picture, side_by_side, upscaled
from slowfast_vgen.results import Estimate, Row
from slowfast_vgen.rollout import WorldModel
from slowfast_vgen.types import Frames

MAP_INDEX = 0
"""Of the test split with seed 0: no training and no choice of settings has seen this map."""
_OUT_AND_BACK = ["go_forward"] * 2 + ["go_back"] * 2
VERBS = tuple(["turn_left"] * 8 + _OUT_AND_BACK + ["turn_right"] * 4 + _OUT_AND_BACK + ["turn_left"] * 4)
"""Two laps, out and back, a lap the other way, out and back, a lap: 24 chunks, 96 frames."""
MIN_GAP_FRAMES = 8
"""A pose counts as revisited where its first visit is more frames ago than the denoiser's window reaches back."""
LAP_FRAMES = 16
"""Frames of a full turn on the spot: so many frames after each view of the first lap it is seen again."""
ANIMATION_BYTES = 1_500_000
ANIMATION_FPS = 5.0
"""Slower than the world's own time, so that two visits can be compared by eye."""


@dataclass(frozen=True)
class Arm:
    """One generated video."""

    frames: Frames
    """The start frame, then the generated ones."""
    seconds: float
    """For the generated ones."""

    @property
    def frames_per_second(self) -> float:
        """Generated frames in a second."""
        return (len(self.frames) - 1) / self.seconds


@dataclass(frozen=True)
class Demo:
    """What the demo shows."""

    actions: tuple[str, ...]
    """One a chunk."""
    truth: Play
    """The engine's own frames along the same path."""
    memory_on: Arm
    memory_off: Arm


def true_path() -> Play:
    """The engine's frames along the demo's path.

    Raises:
        UserError: ViZDoom is missing or cannot start.
    """
    scene = VizdoomRooms("test", seed=0).scene(MAP_INDEX)
    try:
        with VizdoomEngine() as engine:
            return engine.play(scene, _start_pose(scene), VERBS)
    except UserError:
        raise
    except Exception as error:  # ViZDoom's own exceptions have no common base but this
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(
            f"the engine ViZDoom, which the demo's start image and true frames come from, cannot start ({reason}); use "
            "`slowfast generate` with an image of your own"
        ) from error


def _start_pose(scene: Scene) -> Float[np.ndarray, "3"]:
    """A fixed place from which two chunks forward are free."""
    return poses_of([draw_start(np.random.default_rng(0), scene, "out-and-back")])[0]


def make_demo(world: WorldModel, seed: int, progress: Callable[[str, int], None] = lambda arm, chunk: None) -> Demo:
    """Generates the path twice from the start image alone, after one chunk to warm up.

    Args:
        world: steps in chunks as long as the engine's.
        seed: of both videos.
        progress: called with the arm's name and the number of finished chunks.

    Raises:
        UserError: a world with other frames or chunks than the engine's, or an engine that cannot start.
    """
    if world.frame_size != (FRAME_SIZE, FRAME_SIZE) or world.model.config.num_new_frames != FRAMES_PER_CHUNK:
        raise UserError(
            f"the demo wants a world of {FRAME_SIZE}x{FRAME_SIZE} frames and {FRAMES_PER_CHUNK} frames a chunk, but "
            f"{world.model.config.name} has others; give one trained on vizdoom-rooms"
        )
    truth = true_path()
    actions = tuple(PHRASINGS[verb][0] for verb in VERBS)
    world.start(truth.frames[0], memory=True, seed=seed).step(actions[0])
    arms = {}
    for memory in (True, False):
        session = world.start(truth.frames[0], memory=memory, seed=seed)
        chunks = [truth.frames[:1]]
        start = time.perf_counter()
        for number, action in enumerate(actions, start=1):
            chunks.append(session.step(action))
            progress("memory on" if memory else "memory off", number)
        arms[memory] = Arm(np.concatenate(chunks), time.perf_counter() - start)
    return Demo(actions, truth, memory_on=arms[True], memory_off=arms[False])


def visits(demo: Demo) -> tuple[list[int], list[tuple[int, int]]]:
    """Frames whose pose was never seen before; and pairs (frame, first visit) more than `MIN_GAP_FRAMES` apart.

    Frame 0, the start image, is in neither list as a later frame: it is given, not generated.
    """
    first: dict[tuple[float, ...], int] = {}
    new, again = [], []
    for index, pose in enumerate(map(tuple, demo.truth.poses.tolist())):
        earlier = first.setdefault(pose, index)
        if earlier == index and index > 0:
            new.append(index)
        elif index - earlier > MIN_GAP_FRAMES:
            again.append((index, earlier))
    return new, again


def measure(demo: Demo) -> list[Row]:
    """Frames a second, and the mean PSNR in dB over every frame that it is defined for, with memory and without.

    Against the truth: a first visit shows what the model cannot know, a revisit what it might have kept. Against the
    video's own first visit: whether a place looks again as it did, true or not.
    """
    new, again = visits(demo)
    later, earlier = (list(part) for part in zip(*again, strict=True))
    rows = []
    for state, variant, arm in (("on", "memory", demo.memory_on), ("off", "no_memory", demo.memory_off)):
        to_truth, own = psnr(arm.frames, demo.truth.frames), psnr(arm.frames[later], arm.frames[earlier])
        for metric, values in (
            ("frames a second", np.array([arm.frames_per_second])),
            ("PSNR to truth, first visits", to_truth[new]),
            ("PSNR to truth, revisits", to_truth[later]),
            ("PSNR to own first visit, revisits", own),
        ):
            mean = Estimate.exact(float(values.mean()), len(values))
            rows.append(Row.of(mean, metric, variant, name=f"{metric}, memory {state}"))
    return rows


def captions(demo: Demo) -> list[str]:
    """What stands under each frame."""
    return ["start image"] + [
        f"frame {1 + number * FRAMES_PER_CHUNK + frame}: {action}"
        for number, action in enumerate(demo.actions)
        for frame in range(FRAMES_PER_CHUNK)
    ]


def laps(demo: Demo) -> int:
    """How many views, from the start image on, the second lap of full turns shows again `LAP_FRAMES` later."""
    poses, count = demo.truth.poses, 0
    while count < LAP_FRAMES and LAP_FRAMES + count < len(poses):
        if not np.array_equal(poses[count], poses[LAP_FRAMES + count]):
            break
        count += 1
    return count


def write_demo(demo: Demo, folder: Path, scale: int = 4) -> list[Path]:
    """Writes the start image, the videos, the contact sheet and the revisit; returns their paths.

    Raises:
        UserError: the folder cannot be written.
    """
    truth, on, off = _panels(demo)
    names = ("start.png", "with_memory.mp4", "without_memory.mp4", "side_by_side.mp4", "contact_sheet.png")
    paths = [folder / name for name in (*names, "revisit.png")]
    save_picture(paths[0], demo.truth.frames[0])
    write_video(paths[1], upscaled(on.frames, scale), FPS)
    write_video(paths[2], upscaled(off.frames, scale), FPS)
    write_video(paths[3], side_by_side([[truth], [on, off]], captions(demo), scale), FPS)
    shown = range(0, len(on.frames), FRAMES_PER_CHUNK)
    labels = [captions(demo)[index].replace(": ", "\n") for index in shown]
    rows = [Panel(panel.label, panel.frames[shown]) for panel in (truth, on, off)]
    save_picture(paths[4], contact_sheet(rows, labels))
    views = range(0, laps(demo), FRAMES_PER_CHUNK)
    told = ["start image" if view == 0 else f"{_degrees(view)}, dreamt" for view in views]
    save_picture(paths[5], contact_sheet([panel for row in _visits(demo, views) for panel in row], told, factor=2))
    return paths


def write_animation(demo: Demo, path: Path) -> None:
    """Writes a small animated picture of a revisit: the first lap beside the second one, with memory and without.

    Raises:
        UserError: another suffix than .gif, .png or .webp, or a place that cannot be written.
    """
    views = range(laps(demo))
    again = [view + LAP_FRAMES for view in views]
    kept, lost = (psnr(arm.frames[again], arm.frames[views]) for arm in (demo.memory_on, demo.memory_off))
    told = [
        f"{'start image' if view == 0 else f'turned by {_degrees(view)}'}: alike to {on:.0f} dB with memory, "
        f"{off:.0f} without"
        for view, on, off in zip(views, kept, lost, strict=True)
    ]
    save_animation(path, side_by_side(_visits(demo, views), told, factor=3), ANIMATION_FPS, ANIMATION_BYTES)


def _degrees(view: int) -> str:
    return f"{360 * view / LAP_FRAMES:g}°"


def _visits(demo: Demo, views: range) -> list[list[Panel]]:
    """Some views of the first lap and the same ones a lap later: a row for each video."""
    return [
        [
            Panel(f"{label}: first visit", arm.frames[views]),
            Panel(f"{label}: return", arm.frames[[view + LAP_FRAMES for view in views]]),
        ]
        for label, arm in (("memory on", demo.memory_on), ("memory off", demo.memory_off))
    ]


def _panels(demo: Demo) -> tuple[Panel, Panel, Panel]:
    return (
        Panel("true frames", demo.truth.frames),
        Panel("memory on", demo.memory_on.frames),
        Panel("memory off", demo.memory_off.frames),
    )
