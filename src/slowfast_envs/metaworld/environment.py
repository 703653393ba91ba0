"""The world `metaworld`: a robot arm at a table, instructed by texts and driven by scripted experts.

Three scripts: `clip` shows one of Meta-World's tasks, from a start image until it is done; `sequence` moves blocks in
one scene and puts them back; `moves` does so too, but a chunk is one whole move. The camera never moves, so there are
no poses (`moves` gives the camera's own, always the same, for memories); positions are in the metadata.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np

from slowfast_envs.actions import FRAMES_PER_CHUNK, one_of
from slowfast_envs.base import FPS, FRAME_SIZE, SeededEnvironment
from slowfast_envs.metaworld.layout import Layout, draw_layout
from slowfast_envs.metaworld.moves import MIN_CHUNKS as LEAST_MOVES
from slowfast_envs.metaworld.moves import NOMINAL_FPS, play_moves
from slowfast_envs.metaworld.sequences import MIN_CHUNKS, play_sequence
from slowfast_envs.metaworld.table import CAMERA_POSE, STEPS_PER_FRAME, Table
from slowfast_envs.metaworld.task_scene import TaskStage, TaskState
from slowfast_envs.metaworld.tasks import TASKS
from slowfast_envs.recorder import Frame, Recorder, rows
from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Chunk, Episode, Frames, Poses

SCRIPTS = ("clip", "sequence", "moves")
MIX = "mix"
"""Mixture of three clips to one sequence; only clips if there are too few chunks for a sequence."""
LONGEST_CLIP = 8
"""Number of chunks after which a task counts as failed; the experts need 1 to 4."""

_CLIP_SHARE = 0.75


class MetaWorld(SeededEnvironment):
    """Episodes at the table. See `SeededEnvironment`.

    A sequence has as many chunks as are asked for. A clip ends with the chunk in which its task is done, or after that
    number or `LONGEST_CLIP`.
    """

    name = "metaworld"
    number = 4
    licence = "MIT (robot, table and tasks of Meta-World; blocks and sequences by slowfast_vgen)"
    scripts = SCRIPTS

    def layout(self, episode_index: int) -> Layout:
        """Layout of the table at the start of a sequence.

        Raises:
            UserError: an index out of range.
        """
        return draw_layout(self.seed_of(episode_index))

    def check(self, script: str, num_chunks: int) -> None:
        """Raises `UserError` for another script, a sequence below `MIN_CHUNKS` or moves below `LEAST_MOVES` chunks."""
        super().check(script, num_chunks)
        fewest = {"sequence": MIN_CHUNKS, "moves": LEAST_MOVES}.get(script, 1)
        if num_chunks < fewest:
            raise UserError(f"{num_chunks} chunks were asked for; the script {script} needs at least {fewest}")

    def _episodes(self, indices: range, script: str, num_chunks: int) -> Iterator[Episode]:
        with _Studio() as studio:
            for index in indices:
                yield self._episode(studio, self.path_random(index), index, script, num_chunks)

    def _episode(
        self, studio: "_Studio", rng: np.random.Generator, index: int, script: str, num_chunks: int
    ) -> Episode:
        if script == MIX:
            script = "clip" if rng.random() < _CLIP_SHARE or num_chunks < MIN_CHUNKS else "sequence"
        if script == "clip":
            verb = list(TASKS)[rng.integers(len(TASKS))]
            shot = _clip(studio.stage(verb, self.seed_of(index)), verb, rng, num_chunks)
        else:
            layout = self.layout(index)
            shot = (_moves if script == "moves" else _sequence)(studio.table(layout), layout, rng, num_chunks)
        common = self._told(index, shot.scene, script)
        common |= {"frame_size": FRAME_SIZE, "steps_per_frame": STEPS_PER_FRAME}
        return Episode(shot.frames, shot.chunks, shot.poses, shot.fps, common | shot.metadata)


class _Studio:
    """The scenes of a run so far, kept to be used again: one takes half a second to make, and 90 MB."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._table: Table | None = None
        self._stages: dict[str, TaskStage] = {}

    def __enter__(self) -> "_Studio":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def table(self, layout: Layout) -> Table:
        """The table, laid out."""
        if self._table is None:
            self._table = self._open.enter_context(Table(layout))
        else:
            self._table.reset(layout)
        return self._table

    def stage(self, verb: str, seed: int) -> TaskStage:
        """The task in the scene of a seed."""
        if verb not in self._stages:
            self._stages[verb] = self._open.enter_context(TaskStage(verb))
        self._stages[verb].reset(seed)
        return self._stages[verb]


class _Shot(NamedTuple):
    """An episode without what all of them share."""

    scene: str
    """Identifies the scene; equal if the same things lie in the same places."""
    frames: Frames
    chunks: tuple[Chunk, ...]
    metadata: dict[str, Any]
    poses: Poses | None = None
    fps: float = FPS


def _clip(stage: TaskStage, verb: str, rng: np.random.Generator, num_chunks: int) -> _Shot:
    """The expert does its task under one instruction, in whole chunks."""
    text = one_of(rng, stage.task.phrasings)
    scene = stage.digest  # before anything moves
    recorder = Recorder(stage.frame(), stage.state())
    states = recorder.states
    while len(recorder.chunks) < min(num_chunks, LONGEST_CLIP) and not any(state.is_done for state in states[1:]):
        recorder.record(verb, text, _acted(stage))
    metadata = {
        "task": stage.task.env,
        "done": any(state.is_done for state in states),
        "hand": rows(state.hand for state in states),
        "opening": [round(state.opening, 6) for state in states],
        "objects": {stage.task.thing: rows(state.thing for state in states)},
    }
    return _Shot(scene, recorder.frames, tuple(recorder.chunks), metadata)


def _acted(stage: TaskStage) -> Iterator[tuple[Frame, TaskState]]:
    """Lets the expert act for one chunk; yields the moment after each frame."""
    for _ in range(FRAMES_PER_CHUNK):
        stage.act_expert()
        yield stage.frame(), stage.state()


def _sequence(table: Table, layout: Layout, rng: np.random.Generator, num_chunks: int) -> _Shot:
    play = play_sequence(table, layout, rng, num_chunks)
    return _Shot(layout.digest, play.frames, tuple(play.chunks), play.metadata())


def _moves(table: Table, layout: Layout, rng: np.random.Generator, num_chunks: int) -> _Shot:
    moves = play_moves(table, layout, rng, num_chunks)
    metadata = {"fps_is": "nominal: a move's pictures are spread evenly over it"} | moves.metadata()
    poses = np.tile(CAMERA_POSE, (len(moves.states), 1))
    return _Shot(moves.layout.digest, moves.frames, tuple(moves.chunks), metadata, poses, NOMINAL_FPS)
