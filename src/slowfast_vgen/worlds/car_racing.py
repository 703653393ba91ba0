"""The world `car-racing`: gymnasium's CarRacing seen from above, a fresh track for each episode.

A verb is held for a chunk; what it does hangs on the speed too, which the frames before show. Unlike in the worlds of
exact poses, no place is met twice to the unit: whoever drives a lap comes back to nearly the same view.
"""

from collections.abc import Iterator

import numpy as np

from slowfast_vgen.types import Episode
from slowfast_vgen.worlds.actions import one_of
from slowfast_vgen.worlds.car_racing_driver import CONTROLS, PHRASINGS, Driver, Habits
from slowfast_vgen.worlds.car_racing_engine import STEPS_PER_FRAME, Race
from slowfast_vgen.worlds.car_racing_view import SCENERY, VIEW_UNITS, View
from slowfast_vgen.worlds.path_scripts import FRAMES_PER_CHUNK, chunks_of
from slowfast_vgen.worlds.recording import FPS, FRAME_SIZE, check_request, path_random, scene_seed

WORLD_NUMBER = 6
SCRIPTS: dict[str, Habits] = {
    "race": Habits(random_share=0.0, speeds=(12.0, 26.0), stop_share=0.0),
    "weave": Habits(random_share=0.15, speeds=(11.0, 20.0), stop_share=0.0),
    "stop-and-go": Habits(random_share=0.03, speeds=(10.0, 16.0), stop_share=0.05),
}
MIX = {"race": 0.4, "weave": 0.4, "stop-and-go": 0.2}
"""Shares of the scripts where the script is "mix"."""


class CarRacing:
    """Episodes of one split: a fresh track, start and drive each, all drawn from (split, seed, episode index).

    Raises:
        UserError: unknown split, or a seed out of range.
    """

    name = "car-racing"

    def __init__(self, split: str, seed: int) -> None:
        scene_seed(split, seed, 0, WORLD_NUMBER)
        self.split = split
        self.seed = seed

    def episodes(self, num_episodes: int, script: str, num_chunks: int, first_index: int = 0) -> Iterator[Episode]:
        """Episodes `first_index` to `first_index + num_episodes - 1`, each of `4 num_chunks + 1` frames.

        An episode depends on its index, the script and the number of chunks alone, not on how many are asked for.

        Raises:
            UserError: unknown script, no chunk or episode, an index out of range, or a package is missing.
        """
        indices = range(first_index, first_index + num_episodes)
        check_request(WORLD_NUMBER, self.split, self.seed, indices, script, num_chunks, SCRIPTS)
        return (self._episode(index, script, num_chunks) for index in indices)

    def _episode(self, index: int, script: str, num_chunks: int) -> Episode:
        rng = path_random(WORLD_NUMBER, self.split, self.seed, index)
        if script == "mix":
            script = str(rng.choice(list(MIX), p=list(MIX.values())))
        scene = scene_seed(self.split, self.seed, index, WORLD_NUMBER)
        with Race(scene, float(rng.random())) as race:
            view = View(race, int(rng.integers(len(SCENERY))))
            driver = Driver(race, SCRIPTS[script], rng)
            seen = [_look(race, view)]
            verbs = []
            for _ in range(num_chunks):
                verbs.append(driver.verb())
                for _ in range(FRAMES_PER_CHUNK):
                    race.frame(CONTROLS[verbs[-1]])
                    seen.append(_look(race, view))
        frames, poses, speeds, off_road = zip(*seen, strict=True)
        metadata = {
            "world": self.name,
            "split": self.split,
            "seed": self.seed,
            "episode_index": index,
            "scene": view.digest,
            "script": script,
            "licence": "MIT (track, car and physics of gymnasium's CarRacing; pictures by slowfast_vgen)",
            "frame_size": FRAME_SIZE,
            "steps_per_frame": STEPS_PER_FRAME,
            "view_units": VIEW_UNITS,
            "speed": [round(speed, 3) for speed in speeds],
            "off_road": [frame for frame, off in enumerate(off_road) if off],
        }
        chunks = chunks_of(verbs, (one_of(rng, PHRASINGS[verb]) for verb in verbs))
        return Episode(np.stack(frames), chunks, np.array(poses, np.float64), FPS, metadata)


def _look(race: Race, view: View) -> tuple[np.ndarray, tuple[float, float, float], float, bool]:
    """The picture, the pose, the speed, and whether the car is off the road."""
    return view.frame(), race.pose, race.speed, race.is_off_road
