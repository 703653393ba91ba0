"""The world `metaworld`: a robot arm at a table, told in words what to do, driven by scripted experts.

Three scripts: `clip` shows one of Meta-World's tasks, from a start image until it is done; `sequence` moves blocks in
one scene and puts them back; `moves` does so too, but a chunk is one whole move. The camera stands still, so there are
no poses (for a memory's sake `moves` gives the camera's own, always the same); positions are in the metadata.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np

from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Chunk, Episode, Frames, Poses
from slowfast_vgen.worlds.metaworld_camera import FRAME_SIZE
from slowfast_vgen.worlds.metaworld_layout import Layout, draw_layout
from slowfast_vgen.worlds.metaworld_moves import MIN_CHUNKS as LEAST_MOVES
from slowfast_vgen.worlds.metaworld_moves import NOMINAL_FPS, play_moves
from slowfast_vgen.worlds.metaworld_play import rows
from slowfast_vgen.worlds.metaworld_sequence import MIN_CHUNKS, play_sequence
from slowfast_vgen.worlds.metaworld_stage import TaskStage
from slowfast_vgen.worlds.metaworld_table import CAMERA_POSE, STEPS_PER_FRAME, Table
from slowfast_vgen.worlds.metaworld_tasks import TASKS, draw_text
from slowfast_vgen.worlds.path_scripts import FRAMES_PER_CHUNK
from slowfast_vgen.worlds.recording import FPS, path_random, scene_seed

WORLD_NUMBER = 4
SCRIPTS = ("clip", "sequence", "moves")
MIX = "mix"
"""Three clips to one sequence; clips alone where there are too few chunks for a sequence."""
LONGEST_CLIP = 8
"""Chunks after which a task counts as failed; the experts need 1 to 4."""

_CLIP_SHARE = 0.75
_LICENCE = "MIT (robot, table and tasks of Meta-World; blocks and sequences by slowfast_vgen)"


class MetaWorld:
    """Episodes of one split, each in a scene of its own, drawn from (split, seed, episode index).

    Raises:
        UserError: unknown split, or a seed out of range.
    """

    name = "metaworld"

    def __init__(self, split: str, seed: int) -> None:
        scene_seed(split, seed, 0, WORLD_NUMBER)
        self.split = split
        self.seed = seed

    def layout(self, episode_index: int) -> Layout:
        """What lies on the table at the start of a sequence.

        Raises:
            UserError: an index out of range.
        """
        return draw_layout(scene_seed(self.split, self.seed, episode_index, WORLD_NUMBER))

    def episodes(self, num_episodes: int, script: str, num_chunks: int, first_index: int = 0) -> Iterator[Episode]:
        """Episodes `first_index` to `first_index + num_episodes - 1`.

        A sequence and an episode of moves have `num_chunks` chunks. A clip ends with the chunk in which its task is
        done, or after `num_chunks` or `LONGEST_CLIP`.
        An episode depends on its index, the script and the number of chunks alone, not on how many are asked for.

        Raises:
            UserError: unknown script, too few chunks, no episode, an index out of range, or no Meta-World or EGL.
        """
        if script not in (*SCRIPTS, MIX):
            raise UserError(f'there is no script "{script}"; choose one of: {", ".join((*SCRIPTS, MIX))}')
        fewest = {"sequence": MIN_CHUNKS, "moves": LEAST_MOVES}.get(script, 1)
        if num_chunks < fewest:
            raise UserError(f"{num_chunks} chunks were asked for; the script {script} needs at least {fewest}")
        if num_episodes < 1:
            raise UserError(f"{num_episodes} episodes were asked for; ask for at least 1")
        indices = range(first_index, first_index + num_episodes)
        for index in (indices[0], indices[-1]):
            scene_seed(self.split, self.seed, index, WORLD_NUMBER)
        return self._episodes(indices, script, num_chunks)

    def _episodes(self, indices: range, script: str, num_chunks: int) -> Iterator[Episode]:
        with _Studio() as studio:
            for index in indices:
                rng = path_random(WORLD_NUMBER, self.split, self.seed, index)
                yield self._episode(studio, rng, index, script, num_chunks)

    def _episode(
        self, studio: "_Studio", rng: np.random.Generator, index: int, script: str, num_chunks: int
    ) -> Episode:
        if script == MIX:
            script = "clip" if rng.random() < _CLIP_SHARE or num_chunks < MIN_CHUNKS else "sequence"
        if script == "clip":
            verb = list(TASKS)[rng.integers(len(TASKS))]
            scene = scene_seed(self.split, self.seed, index, WORLD_NUMBER)
            shot = _clip(studio.stage(verb, scene), verb, rng, num_chunks)
        else:
            layout = self.layout(index)
            shot = (_moves if script == "moves" else _sequence)(studio.table(layout), layout, rng, num_chunks)
        common = {
            "world": self.name,
            "split": self.split,
            "seed": self.seed,
            "episode_index": index,
            "script": script,
            "licence": _LICENCE,
            "frame_size": FRAME_SIZE,
            "steps_per_frame": STEPS_PER_FRAME,
        }
        return Episode(shot.frames, shot.chunks, shot.poses, shot.fps, common | shot.metadata)


class _Studio:
    """The scenes that a run has met so far, kept to be used again: one takes half a second to make, and 90 MB."""

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

    frames: Frames
    chunks: tuple[Chunk, ...]
    metadata: dict[str, Any]
    poses: Poses | None = None
    fps: float = FPS


def _clip(stage: TaskStage, verb: str, rng: np.random.Generator, num_chunks: int) -> _Shot:
    """The expert does its task under one instruction, in whole chunks."""
    text = draw_text(rng, stage.task.phrasings)
    scene = stage.digest
    frames, states = [stage.frame()], [stage.state()]
    chunks: list[Chunk] = []
    while len(chunks) < min(num_chunks, LONGEST_CLIP) and not any(state.is_done for state in states[1:]):
        chunks.append(Chunk(text, verb, len(frames), FRAMES_PER_CHUNK))
        for _ in range(FRAMES_PER_CHUNK):
            stage.act_expert()
            frames.append(stage.frame())
            states.append(stage.state())
    metadata = {
        "scene": scene,
        "task": stage.task.env,
        "done": any(state.is_done for state in states),
        "hand": rows(state.hand for state in states),
        "opening": [round(state.opening, 6) for state in states],
        "objects": {stage.task.thing: rows(state.thing for state in states)},
    }
    return _Shot(np.stack(frames), tuple(chunks), metadata)


def _sequence(table: Table, layout: Layout, rng: np.random.Generator, num_chunks: int) -> _Shot:
    play = play_sequence(table, layout, rng, num_chunks)
    return _Shot(play.frames, tuple(play.chunks), {"scene": layout.digest} | play.metadata())


def _moves(table: Table, layout: Layout, rng: np.random.Generator, num_chunks: int) -> _Shot:
    moves = play_moves(table, layout, rng, num_chunks)
    metadata = {"scene": moves.layout.digest, "fps_is": "nominal: a move's pictures are spread evenly over it"}
    poses = np.tile(CAMERA_POSE, (len(moves.states), 1))
    return _Shot(moves.frames, tuple(moves.chunks), metadata | moves.metadata(), poses, NOMINAL_FPS)
