"""The world `car-racing`: gymnasium's CarRacing seen from above, a fresh track for each episode.

A verb is held for a chunk; its effect also depends on the speed, which the frames before show. Unlike in the worlds of
exact poses, no place is reached twice to the unit: a lap leads back to nearly the same view.
"""

from collections.abc import Iterator

import numpy as np

from slowfast_envs.actions import FRAMES_PER_CHUNK, chunks_of, one_of
from slowfast_envs.base import FPS, FRAME_SIZE, SeededEnvironment
from slowfast_envs.car_racing.driver import CONTROLS, PHRASINGS, Driver, Habits
from slowfast_envs.car_racing.engine import STEPS_PER_FRAME, Race
from slowfast_envs.car_racing.renderer import SCENERY, VIEW_UNITS, View
from slowfast_envs.walking_scripts import draw_script
from slowfast_vgen.types import Episode

SCRIPTS: dict[str, Habits] = {
    "race": Habits(random_share=0.0, speeds=(12.0, 26.0), stop_share=0.0),
    "weave": Habits(random_share=0.15, speeds=(11.0, 20.0), stop_share=0.0),
    "stop-and-go": Habits(random_share=0.03, speeds=(10.0, 16.0), stop_share=0.05),
}
MIX = {"race": 0.4, "weave": 0.4, "stop-and-go": 0.2}
"""Shares of the scripts in "mix"."""


class CarRacing(SeededEnvironment):
    """Episodes on racing tracks. See `SeededEnvironment`."""

    name = "car-racing"
    number = 6
    licence = "MIT (track, car and physics of gymnasium's CarRacing; pictures by slowfast_vgen)"
    scripts = SCRIPTS

    def _episodes(self, indices: range, script: str, num_chunks: int) -> Iterator[Episode]:
        return (self._episode(index, script, num_chunks) for index in indices)

    def _episode(self, index: int, script: str, num_chunks: int) -> Episode:
        rng = self.path_random(index)
        script = draw_script(rng, script, MIX)
        with Race(self.seed_of(index), float(rng.random())) as race:
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
        metadata = self._told(index, view.digest, script) | {
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
