"""Tasks in the kitchen, one after the other, recorded with their texts as the episodes of `franka-kitchen`."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np

from slowfast_envs.actions import FRAMES_PER_CHUNK
from slowfast_envs.kitchen.fixtures import FIXTURES, Task, draw_text
from slowfast_envs.kitchen.scene import TASK_FRAMES, KitchenStage, KitchenState
from slowfast_envs.recorder import Frame, Recorder, rows

TASK_CHUNKS = TASK_FRAMES // FRAMES_PER_CHUNK
"""Number of chunks of every task."""
MIN_CHUNKS = 2 * TASK_CHUNKS
"""Fewest chunks of a sequence, which does one thing and undoes it."""

_RETURN_SHARE = 0.3  # how often a thing is put back before it has to be
_WAIT_SHARE = 0.5  # how often time that is left for no task is spent at its first chance


class KitchenPlay(Recorder[KitchenState]):
    """A recording in the making, from the start image on. The stage must have just been reset."""

    def __init__(self, stage: KitchenStage) -> None:
        super().__init__(stage.frame(), stage.state())
        self._stage = stage
        self.sub_goals: list[dict[str, Any]] = []
        """One row per task: `verb`, `text`, `fixture`, `state`, `start_frame`, `num_frames`."""

    def follow(self, task: Task, text: str, num_chunks: int = TASK_CHUNKS) -> None:
        """Does a task, or its first `num_chunks` chunks."""
        sub_goal = {"verb": task.verb, "text": text, "fixture": task.fixture, "state": task.state}
        start = len(self.states)
        moments = self._moments(self._stage.do(task))
        for _ in range(min(num_chunks, TASK_CHUNKS)):
            self.record(task.verb, text, islice(moments, FRAMES_PER_CHUNK))
        self.sub_goals.append({**sub_goal, "start_frame": start, "num_frames": len(self.states) - start})

    def wait(self, text: str) -> None:
        """Lets a chunk pass."""
        self.record("wait", text, self._moments(self._stage.wait(FRAMES_PER_CHUNK)))

    def metadata(self) -> dict[str, Any]:
        """The truth of each frame and task, as JSON values."""
        return {
            "hand": rows(state.hand for state in self.states),
            "joints": rows(state.joints for state in self.states),
            "opening": [round(2 * state.fingers, 6) for state in self.states],
            "fixtures": {name: rows(state.fixtures[name] for state in self.states) for name in FIXTURES},
            "sub_goals": self.sub_goals,
        }

    def _moments(self, states: Iterable[KitchenState]) -> Iterator[tuple[Frame, KitchenState]]:
        return ((self._stage.frame(), state) for state in states)


def play_clip(stage: KitchenStage, rng: np.random.Generator, num_chunks: int) -> KitchenPlay:
    """Records one task under one text, cut if there are too few chunks for it."""
    play = KitchenPlay(stage)
    names = list(FIXTURES)
    task = _draw_task(rng, names[rng.integers(len(names))], stage.states)
    play.follow(task, draw_text(rng, task.verb), num_chunks)
    return play


def play_sequence(stage: KitchenStage, rng: np.random.Generator, num_chunks: int) -> KitchenPlay:
    """Records one task after the other, each undone later: in the end the kitchen is as it was.

    Chunks that are left (no whole task, or an odd one) are spent waiting somewhere in between.
    """
    play = KitchenPlay(stage)
    home = dict(stage.states)
    away: list[str] = []
    last = ""
    idle = num_chunks % MIN_CHUNKS
    while (left := num_chunks - len(play.chunks)) > 0:
        if idle and (rng.random() < _WAIT_SHARE or left == idle):
            play.wait(draw_text(rng, "wait"))
            idle, last = idle - 1, ""
            continue
        free = [name for name in FIXTURES if name not in away]
        must_return = (left - idle) // TASK_CHUNKS <= len(away) or not free
        if away and (must_return or rng.random() < _RETURN_SHARE):
            name = away.pop(int(rng.integers(len(away))))
            task = Task(name, home[name])
        else:
            name = free[rng.integers(len(free))]
            task = _draw_task(rng, name, stage.states)
            away.append(name)
        play.follow(task, draw_text(rng, task.verb, undoes_last=name == last))
        # "it" means the way back: where a kettle that came back and goes elsewhere is to go must be said
        last = name if name in away else ""
    return play


def _draw_task(rng: np.random.Generator, name: str, states: dict[str, int]) -> Task:
    """Draws a task that can be done with a fixture now."""
    others = [state for state in range(len(FIXTURES[name].values)) if state != states[name]]
    return Task(name, others[rng.integers(len(others))])
