"""VPT's and MineRL BASALT 2022's contractor data: X.mp4 of Minecraft, X.jsonl with keyboard and mouse of each frame."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from slowfast_vgen.data.adapters.base import (
    LONGEST_RECORDING,
    Finding,
    ImportSettings,
    Recipe,
    Recording,
    UnusableError,
    Words,
    frame_times,
    nearest_frames,
    parts,
)
from slowfast_vgen.data.adapters.clips import read_clip, video_facts
from slowfast_vgen.data.adapters.places import files_below, is_regular
from slowfast_vgen.data.format import DATASET_FILE
from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Poses

SOURCE_FPS = 20.0
DEGREES_PER_PIXEL = 360 / 2400
"""Degrees of view per pixel of the mouse (VPT, run_inverse_dynamics_model.py)."""
TURN_DEGREES_PER_SECOND = 20.0
"""Least speed of a turn: a slower movement of the mouse is aiming."""
_LONGEST_LINE = 1_000_000
_KEY = "key.keyboard."
_SLOT_KEYS = frozenset("123456789")
_NAMED_KEYS = _SLOT_KEYS | {"w", "a", "s", "d", "space", "left.shift", "left.control", "q", "f"}
_MENU_KEYS = frozenset({"e", "escape"})
"""Keys that open and close menus; the menu itself is described instead."""
_BUTTONS = {0: "attack", 1: "use the item", 2: "pick the block"}


@dataclass(frozen=True)
class Step:
    """Keyboard and mouse input at one frame of the video; its effect shows in the next one."""

    keys: frozenset[str]
    """Pressed keys, such as "w" or "left.shift"."""
    buttons: frozenset[int]
    """Pressed mouse buttons: 0 is left, 1 is right, 2 is the middle one."""
    right: float
    """Degrees that the view turns to the right."""
    down: float
    """Degrees that the view turns down."""
    is_in_menu: bool
    pose: tuple[float, float, float] | None
    """Pose as in `Poses`; None where the line has none."""
    wheel: float = 0.0
    """Rotation of the mouse's wheel."""


class Vpt:
    """Adapter: words come from keys and mouse by `words_for`, one for each frame of the episode."""

    name: ClassVar[str] = "vpt"
    options: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, source: Path, settings: ImportSettings) -> None:
        self._source, self._settings = source, settings
        logs = {path for path in files_below(source, "*.jsonl") if not _is_ours(path)}
        if not logs:
            raise UserError(f"{source} holds no .jsonl files; give the folder with the .mp4 and .jsonl files")
        videos = {path for path in files_below(source, "*.mp4") if not _is_ours(path)}
        self._alone = {path for path in videos if path.with_suffix(".jsonl") not in logs}
        self._files = sorted(logs | self._alone)

    @property
    def licence(self) -> str:
        """Licence, which the recordings do not state."""
        return "not stated with the recordings; see the page of Video PreTraining (VPT)"

    def index_files(self) -> list[Path]:
        """Returns the logs, and the videos without one."""
        return list(self._files)

    def recordings(self) -> Iterator[Recording]:
        """Yields one per log, and one per video without a log."""
        for path in self._files:
            name = path.relative_to(self._source).with_suffix("").as_posix()
            if path in self._alone:
                finding = Finding(f"{name}.mp4", "missing-file", f"there is no {name}.jsonl that says what is done")
                yield Recording(name, partial(iter, [finding]))
            else:
                yield Recording(name, partial(self._samples, name, path))

    def _samples(self, name: str, log: Path) -> Iterator[Recipe | Finding]:
        video = log.with_suffix(".mp4")
        try:
            facts = video_facts(video)
            if abs(facts.fps / SOURCE_FPS - 1) > 0.01:
                message = f"{name}.mp4 has {facts.fps:g} frames a second; its log has {SOURCE_FPS:g}"
                raise UnusableError("wrong-time", message)
            steps: list[Step | None] = []
            for number, step in enumerate(read_steps(log), start=1):
                if isinstance(step, UnusableError):
                    yield Finding(f"{name}.jsonl line {number}", step.reason, step.message)
                steps.append(step if isinstance(step, Step) else None)
        except UnusableError as error:
            yield Finding(name, error.reason, error.message)
            return
        shown = math.floor(facts.length * SOURCE_FPS + 0.5)
        num_frames = min(len(steps), shown)
        if num_frames < 2:
            yield Finding(name, "too-short", f"{len(steps)} lines for {facts.length:.2f} s make no episode")
            return
        if facts.is_cut or abs(len(steps) - shown) > 1:
            message = f"it has {shown} frames for {len(steps)} lines{', and is cut off' * facts.is_cut}"
            yield Finding(f"{name}.mp4", "short-video", message, lost=False)
        if wordless := _wordless([step for step in steps if step]):
            yield Finding(f"{name}.jsonl", "unknown-label", f"no words for {wordless}; the rest is used", lost=False)
        # An unreadable line ends one run of frames, and the next begins after it.
        broken = [index for index, step in enumerate(steps[:num_frames]) if step is None]
        for first, last in zip([0, *(index + 1 for index in broken)], [*broken, num_frames - 1], strict=True):
            run = steps[first : last + 1]
            known = [step for step in run if step]
            yield from self._recipes(name, video, facts.start, first / SOURCE_FPS, known, last - first)

    def _recipes(
        self, name: str, video: Path, origin: float, start: float, steps: list[Step], num_steps: int
    ) -> Iterator[Recipe | Finding]:
        label = name if start == 0 else f"{name} from {start:g} s"
        if num_steps < 1:
            return  # between two reported lines
        try:
            times = frame_times(0.0, num_steps / SOURCE_FPS, self._settings)
        except UnusableError as error:
            yield Finding(label, error.reason, error.message)
            return
        at = nearest_frames(times, SOURCE_FPS)
        words = []
        for begin, end in pairwise(at.tolist()):
            begin = min(begin, num_steps - 1)  # the last lines count twice where frames are doubled
            words.append(words_for(steps[begin : max(end, begin + 1)]))
        poses = _poses(steps, at)
        for part, first, stop in parts(label, len(times), self._settings):
            yield Recipe(
                name=part,
                # The segments of one session, which differ only in date and time, show one Minecraft world.
                scene=f"{self.name} {re.sub(r'-[0-9]{8}-[0-9]{6}$', '', Path(name).name)}",
                words=tuple(words[first : stop - 1]),
                decode=partial(read_clip, video, origin + start + times[first:stop], self._settings.frame_size),
                poses=None if poses is None else poses[first:stop],
                metadata={"start_seconds": float(start + times[first])},
                ends=range(2, stop - first + 1),
            )


def _is_ours(path: Path) -> bool:
    """Returns whether a file is part of a data set of this library, imported into a folder of the source."""
    return any((folder / DATASET_FILE).is_file() for folder in (path.parent, *path.parents[2:3]))


def words_for(steps: list[Step]) -> Words:
    """Describes the steps behind one new frame in the words of a user.

    A key or button counts if any step has it, the turns are averaged, and opposite keys cancel out.

    >>> words_for([Step(frozenset({"w", "space"}), frozenset(), 0.0, 0.0, False, None)])
    Words(action='jump and go forward', verb='jump+go_forward')
    """
    if any(step.is_in_menu for step in steps):
        return Words("use the inventory", "use_inventory")
    keys = frozenset[str]().union(*(step.keys for step in steps))
    buttons = frozenset[int]().union(*(step.buttons for step in steps))
    seconds = len(steps) / SOURCE_FPS
    right = sum(step.right for step in steps) / seconds
    down = sum(step.down for step in steps) / seconds
    forward, side = ("w" in keys) - ("s" in keys), ("d" in keys) - ("a" in keys)
    said = ["jump"] if "space" in keys else []
    if forward > 0:
        gait = "sneak" if "left.shift" in keys else "run" if "left.control" in keys else "go"
        said.append(f"{gait} forward")
    elif forward < 0:
        said.append("go back")
    if side:
        said.append("step right" if side > 0 else "step left")
    if abs(right) >= TURN_DEGREES_PER_SECOND:
        said.append("turn right" if right > 0 else "turn left")
    if abs(down) >= TURN_DEGREES_PER_SECOND:
        said.append("look down" if down > 0 else "look up")
    said += [word for button, word in _BUTTONS.items() if button in buttons]
    said += ["drop the item"] if "q" in keys else []
    said += ["swap hands"] if "f" in keys else []
    if slots := keys & _SLOT_KEYS:
        said.append(f"select item {max(slots)}")
    elif any(step.wheel for step in steps):
        said.append("select the next item")
    said = said or ["stay"]
    action = said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"
    return Words(action, "+".join(word.replace(" ", "_") for word in said))


def _wordless(steps: list[Step]) -> str:
    """Returns the keys and buttons that `words_for` has no words for, each with the number of lines that have it."""
    held = Counter(key for step in steps for key in step.keys - _NAMED_KEYS - _MENU_KEYS)
    held.update(f"button {button}" for step in steps for button in step.buttons - _BUTTONS.keys())
    return ", ".join(f"{key} (lines: {count})" for key, count in sorted(held.items()))


def read_steps(path: Path) -> Iterator[Step | UnusableError]:
    """Yields one step per non-blank line of the log, or an error where the line cannot be read.

    Raises:
        UnusableError: the file cannot be read, or has more lines than a day has frames.
    """
    # In some recordings the attack button is down from the first line on though nobody holds it, until it is pressed
    # for the first time (VPT, data_loader.py).
    is_attack_stuck = False
    if path.exists() and not is_regular(path):
        raise UnusableError("broken-file", f"{path} is no regular file")
    try:
        with path.open("rb") as file:
            lines = iter(lambda: file.readline(_LONGEST_LINE), b"")
            for number, line in enumerate(line for line in lines if line.strip()):
                if number > LONGEST_RECORDING * SOURCE_FPS:
                    raise UnusableError("broken-file", f"{path} has more lines than a day has frames")
                try:
                    record = json.loads(line)
                    step = _step(record)
                    new = frozenset(record["mouse"].get("newButtons") or ())
                except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
                    yield UnusableError("bad-row", f"the line is no record of keyboard and mouse ({error!r:.80})")
                    continue
                is_attack_stuck = new == {0} if number == 0 else is_attack_stuck and 0 not in new
                if is_attack_stuck:
                    step = replace(step, buttons=step.buttons - {0})
                yield step
    except OSError as error:
        raise UnusableError("broken-file", f"{path} cannot be read ({error.strerror or error})") from error


def _step(record: dict[str, Any]) -> Step:
    mouse = record["mouse"]
    right, down = float(mouse["dx"]) * DEGREES_PER_PIXEL, float(mouse["dy"]) * DEGREES_PER_PIXEL
    if not (math.isfinite(right) and math.isfinite(down)):
        raise ValueError("dx or dy is not finite")
    keys = frozenset(str(key).removeprefix(_KEY) for key in record["keyboard"]["keys"])
    buttons = frozenset(int(button) for button in mouse["buttons"])
    wheel = float(mouse.get("dwheel") or 0.0)  # the first recordings have none
    return Step(keys, buttons, right, down, bool(record.get("isGuiOpen")), _pose(record), wheel)


def _pose(record: dict[str, Any]) -> tuple[float, float, float] | None:
    """Converts Minecraft's pose: x is east, z south; yaw 0 looks south and grows clockwise."""
    values = [record.get(name) for name in ("xpos", "zpos", "yaw")]
    if not all(isinstance(value, int | float) and math.isfinite(value) for value in values):
        return None
    x, z, yaw = (float(value) for value in values)  # type: ignore[arg-type]  # all three are numbers
    heading = (270.0 - yaw) % 360.0
    return x, -z, heading if heading < 360.0 else 0.0


def _poses(steps: list[Step], at: np.ndarray) -> Poses | None:
    """Returns the pose of each frame; the last one's line may be unreadable."""
    poses = [steps[index].pose for index in at if index < len(steps)]
    if len(poses) < len(at) or None in poses:
        return None
    return np.array(poses, dtype=np.float64)
