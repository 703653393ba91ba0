"""The world `franka-kitchen`: a robot arm that opens, switches and moves things in a kitchen, told in words.

Two scripts: `clip` shows one task; `sequence` does many in one kitchen, each undone later. The camera stands still, so
there are no poses; angles and positions are in the metadata.
"""

from collections.abc import Iterator
from contextlib import ExitStack

from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Episode
from slowfast_vgen.worlds.kitchen_layout import Kitchen, draw_kitchen
from slowfast_vgen.worlds.kitchen_play import MIN_CHUNKS, play_clip, play_sequence
from slowfast_vgen.worlds.kitchen_stage import KitchenStage
from slowfast_vgen.worlds.recording import FPS, FRAME_SIZE, check_request, path_random, scene_seed

WORLD_NUMBER = 7
SCRIPTS = ("clip", "sequence")
MIX = "mix"
"""Three clips to one sequence; clips alone where there are too few chunks for a sequence."""

_CLIP_SHARE = 0.75
_LICENCE = "MIT and Apache-2.0 (kitchen and robot of gymnasium-robotics; tasks and motion by slowfast_vgen)"


class FrankaKitchen:
    """Episodes of one split, each in a kitchen of its own, drawn from (split, seed, episode index).

    Raises:
        UserError: unknown split, or a seed out of range.
    """

    name = "franka-kitchen"

    def __init__(self, split: str, seed: int) -> None:
        scene_seed(split, seed, 0, WORLD_NUMBER)
        self.split = split
        self.seed = seed

    def kitchen(self, episode_index: int) -> Kitchen:
        """How the kitchen of an episode starts.

        Raises:
            UserError: an index out of range.
        """
        return draw_kitchen(scene_seed(self.split, self.seed, episode_index, WORLD_NUMBER))

    def episodes(self, num_episodes: int, script: str, num_chunks: int, first_index: int = 0) -> Iterator[Episode]:
        """Episodes `first_index` to `first_index + num_episodes - 1`.

        A sequence has `num_chunks` chunks, a clip as many as its task takes, or `num_chunks` where that is fewer.
        An episode depends on its index, the script and the number of chunks alone, not on how many are asked for.

        Raises:
            UserError: unknown script, too few chunks, no episode, an index out of range, no engine or no EGL.
        """
        indices = range(first_index, first_index + num_episodes)
        check_request(WORLD_NUMBER, self.split, self.seed, indices, script, num_chunks, SCRIPTS)
        if script == "sequence" and num_chunks < MIN_CHUNKS:
            raise UserError(
                f"{num_chunks} chunks were asked for; the script sequence needs at least {MIN_CHUNKS}: it does one "
                "thing and undoes it"
            )
        return self._episodes(indices, script, num_chunks)

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
        rng = path_random(WORLD_NUMBER, self.split, self.seed, index)
        if script == MIX:
            script = "clip" if rng.random() < _CLIP_SHARE or num_chunks < MIN_CHUNKS else "sequence"
        play = (play_clip if script == "clip" else play_sequence)(stage, rng, num_chunks)
        metadata = {
            "world": self.name,
            "split": self.split,
            "seed": self.seed,
            "episode_index": index,
            "scene": kitchen.digest,
            "script": script,
            "licence": _LICENCE,
            "frame_size": FRAME_SIZE,
        }
        return Episode(play.frames, tuple(play.chunks), None, FPS, metadata | play.metadata())
