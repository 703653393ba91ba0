"""Things that can be moved in the kitchen of the world `franka-kitchen`, and phrasings for it. Needs no engine."""

from dataclasses import dataclass

import numpy as np

from slowfast_envs.actions import one_of, read_phrasings

Direction = tuple[float, float, float]
"""A unit-free direction: x to the right as the robot sees it, y away from it, z up."""

_AHEAD: Direction = (0.0, 1.0, 0.0)
_DOWN: Direction = (0.0, 0.75, -0.66)


@dataclass(frozen=True)
class Fixture:
    """A thing that is in one of a few states, each of which has a verb that leads to it."""

    joint: str
    """Name of its joint in the model."""
    handle: str
    """Name of the site that the hand grasps."""
    values: tuple[tuple[float, ...], ...]
    """Value of each state: the joint's angle in radians or shift in metres; for the kettle x, y and z."""
    verbs: tuple[str, ...]
    """One verb per state, which brings the thing into it."""
    approach: Direction = _AHEAD
    """Direction in which the hand points when it grasps."""
    follower: tuple[str, float] = ("", 0.0)
    """A joint that moves along, and the ratio of its motion to this one's."""
    turns_hand: bool = False
    """True if the hand turns with the thing."""


def _door(joint: str, handle: str, opened: float, name: str) -> Fixture:
    return Fixture(joint, handle, ((0.0,), (opened,)), (f"close_{name}", f"open_{name}"))


def _burner(number: int, burner: str, name: str) -> Fixture:
    verbs = (f"turn_off_{name}", f"turn_on_{name}")
    site, follower = f"knob{number}_site", (burner, 0.016 / 1.57)  # the engine's own 9 mm hardly show
    return Fixture(f"knob_Joint_{number}", site, ((0.0,), (-1.57,)), verbs, follower=follower, turns_hand=True)


_STOVE_Z = 1.626
KETTLE = "kettle"
FIXTURES: dict[str, Fixture] = {
    "microwave": _door("microwave", "microhandle_site", -1.0, "microwave"),
    "slide cabinet": _door("slide_cabinet", "slide_site", 0.4, "slide_cabinet"),
    "hinge cabinet": _door("right_hinge_cabinet", "hinge_site2", 1.4, "hinge_cabinet"),
    "light": Fixture("light_switch", "light_site", ((0.0,), (-0.7,)), ("switch_light_off", "switch_light_on")),
    "front left burner": _burner(2, "bottom_left_burner", "front_left_burner"),
    "front right burner": _burner(1, "bottom_right_burner", "front_right_burner"),
    "back left burner": _burner(4, "top_left_burner", "back_left_burner"),
    "back right burner": _burner(3, "top_right_burner", "back_right_burner"),
    KETTLE: Fixture(
        "kettle",
        "kettle_site",
        ((-0.24, 0.34, _STOVE_Z), (0.21, 0.34, _STOVE_Z), (-0.24, 0.7, _STOVE_Z), (0.21, 0.7, _STOVE_Z)),
        ("kettle_to_front_left", "kettle_to_front_right", "kettle_to_back_left", "kettle_to_back_right"),
        approach=_DOWN,
    ),
}
"""Name -> fixture. A state is an index into `values`; 0 is closed or off."""


def _with_names(templates: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    """Every template with the first name, and the first three with the others."""
    others = (template.format(name) for name in names[1:] for template in templates[:3])
    return (*(template.format(names[0]) for template in templates), *others)


_FILE = "kitchen/phrasings.json"
PHRASINGS = read_phrasings(_FILE, "verbs") | {
    verb.format(place=place): _with_names(templates, names)
    for verb, templates in read_phrasings(_FILE, "burner_verbs").items()
    for place, names in read_phrasings(_FILE, "burners").items()
}
"""Verb -> its phrasings, the canonical one first. No phrasing belongs to two verbs."""
AGAIN = read_phrasings(_FILE, "again")
"""Phrasings by the start of the verb, for use right after the opposite move of a thing that the text before names."""


@dataclass(frozen=True)
class Task:
    """The task of bringing one thing into one state."""

    fixture: str
    """A name of `FIXTURES`."""
    state: int
    """Index of the state that it is brought into."""

    @property
    def verb(self) -> str:
        """The verb of the task."""
        return FIXTURES[self.fixture].verbs[self.state]


def draw_text(rng: np.random.Generator, verb: str, undoes_last: bool = False) -> str:
    """Draws a phrasing, the canonical one with probability `CANONICAL_SHARE`.

    Args:
        rng: draws it.
        verb: one of `PHRASINGS`.
        undoes_last: whether the task before is undone: half of the texts then only say "it".
    """
    phrasings = PHRASINGS[verb]
    if undoes_last and rng.random() < 0.5:
        phrasings = next(texts for start, texts in AGAIN.items() if verb.startswith(start))
    return one_of(rng, phrasings)
