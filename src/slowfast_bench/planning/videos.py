"""Videos of episodes: imagined and real side by side with the map; they can be watched while they grow."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from slowfast_bench.planning.arms import Player
from slowfast_bench.planning.runner import Stage
from slowfast_bench.planning.task import MAP_SIDE, Maps, TaskEpisode
from slowfast_bench.scores.following import row_seeds
from slowfast_vgen.data.video import write_video
from slowfast_vgen.pictures import Panel, side_by_side, upscaled
from slowfast_vgen.plan.planner import Decision
from slowfast_vgen.types import Frames

_GREY = 72
_MOST_TOLD = 50  # letters of sub-goal and action that fit into a caption
_PAUSE = 8
"""Frames that the last picture stands still for."""
_SIDE_BY_SIDE = 16
"""Episodes that are played at once: their pictures are kept until they are written."""


class Film(NamedTuple):
    """A video that was written."""

    path: Path
    error: str
    """Why its episode broke off; empty where it did not."""


class Recording:
    """The video of one episode. `live` writes the file anew after every decision, whole and playable each time."""

    def __init__(self, path: Path, episode: TaskEpisode, title: str, unit: str, fps: float, live: bool = False) -> None:
        """Takes in how the episode was led; `title` says who plans.

        Raises:
            UserError: with `live`, a place that cannot be written.
        """
        self.path, self.episode, self.title, self.unit, self.fps, self.live = path, episode, title, unit, fps, live
        self.parts: list[Frames] = []
        self._blank = _blank("being led")
        num_led, num_frames = len(episode.actions), len(episode.frames)
        per_chunk = (num_frames - 1) // max(1, num_led)
        captions = [f"{title}  |  the start"]
        for number, action in enumerate(episode.actions):
            captions += [f"{title}  |  led: {action} ({number + 1} of {num_led})"] * per_chunk
        self._add(None, episode.frames, episode.maps(num_frames), captions)
        self._blank = _blank("nothing imagined")

    def on_decision(self, decision: Decision) -> None:
        """Appends what a decision led to.

        Raises:
            UserError: with `live`, a place that cannot be written.
        """
        count = len(decision.real)
        away = self.episode.distances(decision.number)[-1]
        told = f"{decision.sub_goal}: {decision.action}"
        told = told if len(told) <= _MOST_TOLD else decision.action
        certain = f" ({decision.confidence:.0%})" if math.isfinite(decision.confidence) else ""
        caption = f"{self.title}  |  {decision.number + 1}. {told}{certain}, {away:.2g} {self.unit} off"
        self._add(decision.imagined, decision.real, self.episode.maps(count), [caption] * count)

    def write(self) -> None:
        """Writes the file.

        Raises:
            UserError: a place that cannot be written.
        """
        frames = np.concatenate([*self.parts, np.repeat(self.parts[-1][-1:], _PAUSE, 0)])
        write_video(self.path, frames, self.fps)

    def _add(self, imagined: Frames | None, real: Frames, maps: Maps, captions: Sequence[str]) -> None:
        blank = np.broadcast_to(self._blank, (len(real), *self._blank.shape))
        panels = [
            Panel("imagined", blank if imagined is None else _enlarged(imagined)),
            Panel("real", _enlarged(real)),
            Panel("map", maps),
        ]
        self.parts.append(side_by_side([panels], captions))
        if self.live:
            self.write()


def _blank(text: str) -> UInt8[np.ndarray, "side side 3"]:
    """What stands in the imagined panel where nothing is imagined."""
    picture = Image.new("RGB", (MAP_SIDE, MAP_SIDE), (_GREY,) * 3)
    middle = MAP_SIDE // 2
    ImageDraw.Draw(picture).text((middle, middle), text, (2 * _GREY,) * 3, ImageFont.load_default(16), anchor="mm")
    return np.asarray(picture)


def _enlarged(frames: Frames) -> Frames:
    """As large as the map, in whole steps; the rest is a border."""
    height, width = frames.shape[1:3]
    large = upscaled(frames, max(1, MAP_SIDE // max(height, width)))[:, :MAP_SIDE, :MAP_SIDE]
    top, left = (MAP_SIDE - large.shape[1]) // 2, (MAP_SIDE - large.shape[2]) // 2
    below, right = MAP_SIDE - large.shape[1] - top, MAP_SIDE - large.shape[2] - left
    return np.pad(large, ((0, 0), (top, below), (left, right), (0, 0)))


def record_episodes(stage: Stage, player: Player, count: int, folder: Path, live: bool) -> list[Film]:
    """Plays an arm's first episodes once more, and writes a video of each that could begin.

    Raises:
        UserError: a place that cannot be written, or an engine that is not installed.
    """
    seeds = row_seeds(0, 0, count)
    some = [range(first, min(first + _SIDE_BY_SIDE, count)) for first in range(0, count, _SIDE_BY_SIDE)]
    return [film for rows in some for film in _record(stage, player, rows, seeds, folder, live)]


def _record(stage: Stage, player: Player, rows: range, seeds: Sequence[int], folder: Path, live: bool) -> list[Film]:
    task = stage.task
    with task.open(rows) as opened:
        begun = [(row, one) for row, one in zip(rows, opened, strict=True) if not isinstance(one, str)]
        films = [
            Recording(folder / f"{player.name}-{row:03d}.mp4", one, player.label, task.unit, task.fps, live)
            for row, one in begun
        ]
        if not begun:
            return []
        errors = stage.perform(
            player,
            [seeds[row] for row, _ in begun],
            [one for _, one in begun],
            lambda number, decision: films[number].on_decision(decision),
        )
    for film in films:
        film.write()
    return [Film(film.path, error) for film, error in zip(films, errors, strict=True)]
