"""The world `franka-kitchen`: a robot arm that opens, switches and moves things in a kitchen, described in words.

Two scripts: `clip` shows one task; `sequence` does many in one kitchen, each undone later. The camera never moves, so
there are no poses; angles and positions are in the metadata.
"""

from collections.abc import Iterator
from contextlib import ExitStack

from slowfast_envs.base import FPS, FRAME_SIZE, SeededEnvironment
from slowfast_envs.kitchen.layout import Kitchen, draw_kitchen
from slowfast_envs.kitchen.recorder import MIN_CHUNKS, play_clip, play_sequence
from slowfast_envs.kitchen.scene import KitchenStage
from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Episode

SCRIPTS = ("clip", "sequence")
MIX = "mix"
"""Mixture of three clips to one sequence; only clips if there are too few chunks for a sequence."""

_CLIP_SHARE = 0.75


class FrankaKitchen(SeededEnvironment):
    """Episodes in one kitchen each. See `SeededEnvironment`.

    A sequence has as many chunks as are asked for, a clip as many as its task takes, at most that number.
    """

    name = "franka-kitchen"
    number = 7
    licence = "MIT and Apache-2.0 (kitchen and robot of gymnasium-robotics; tasks and motion by slowfast_vgen)"
    scripts = SCRIPTS

    def kitchen(self, episode_index: int) -> Kitchen:
        """The kitchen of an episode at its start.

        Raises:
            UserError: an index out of range.
        """
        return draw_kitchen(self.seed_of(episode_index))

    def check(self, script: str, num_chunks: int) -> None:
        """Raises `UserError` for a script that is not in `SCRIPTS`, or a sequence of fewer than `MIN_CHUNKS` chunks."""
        super().check(script, num_chunks)
        if script == "sequence" and num_chunks < MIN_CHUNKS:
            raise UserError(
                f"{num_chunks} chunks were asked for; the script sequence needs at least {MIN_CHUNKS}: it does one "
                "thing and undoes it"
            )

    def _episodes(self, indices: range, script: str, num_chunks: int) -> Iterator[Episode]:
        with ExitStack() as stack:
            stage: KitchenStage | None = None
            for index in indices:
                kitchen = self.kitchen(index)
                if stage is None:
                    stage = stack.enter_context(KitchenStage(kitchen))
                else:
                    stage.reset(kitchen)
                yield self._episode(stage, kitchen, index, script, num_chunks)

    def _episode(self, stage: KitchenStage, kitchen: Kitchen, index: int, script: str, num_chunks: int) -> Episode:
        rng = self.path_random(index)
        if script == MIX:
            script = "clip" if rng.random() < _CLIP_SHARE or num_chunks < MIN_CHUNKS else "sequence"
        play = (play_clip if script == "clip" else play_sequence)(stage, rng, num_chunks)
        metadata = self._told(index, kitchen.digest, script) | {"frame_size": FRAME_SIZE}
        return Episode(play.frames, tuple(play.chunks), None, FPS, metadata | play.metadata())
