"""Things that can be moved in the kitchen of the world `franka-kitchen`, and phrasings for it. Needs no engine."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from slowfast_envs.actions import CANONICAL_SHARE

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

_BURNERS = {
    "front_left": ("front left burner", "bottom left burner", "left burner at the front"),
    "front_right": ("front right burner", "bottom right burner", "right burner at the front"),
    "back_left": ("back left burner", "top left burner", "left burner at the back"),
    "back_right": ("back right burner", "top right burner", "right burner at the back"),
}
_TURN_ON = (
    "turn the {} on", "turn on the {}", "switch the {} on", "light the {}", "turn the knob of the {} on",
    "heat up the {}",
)  # fmt: skip
_TURN_OFF = (
    "turn the {} off", "turn off the {}", "switch the {} off", "shut the {} off", "turn the knob of the {} back",
    "let the {} cool down",
)  # fmt: skip
_KETTLE_TO = (
    "move the kettle to the {}", "put the kettle on the {}", "place the kettle on the {}", "bring the kettle to the {}",
    "lift the kettle onto the {}", "set the kettle down on the {}", "carry the tea kettle over to the {}",
)  # fmt: skip


def _said(templates: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    """Every template with the first name, and the first three with the others."""
    others = (template.format(name) for name in names[1:] for template in templates[:3])
    return (*(template.format(names[0]) for template in templates), *others)


PHRASINGS: dict[str, tuple[str, ...]] = {
    "open_microwave": (
        "open the microwave", "pull the microwave door open", "open the microwave door", "swing the microwave open",
        "open up the microwave", "get the microwave open", "pull open the door of the microwave",
    ),
    "close_microwave": (
        "close the microwave", "shut the microwave", "push the microwave door shut", "close the microwave door",
        "swing the microwave closed", "shut the door of the microwave", "push the microwave closed",
    ),
    "open_slide_cabinet": (
        "slide the cabinet open", "open the slide cabinet", "slide the cabinet door to the right",
        "open the sliding cabinet", "push the sliding door open", "move the sliding door of the cabinet aside",
    ),
    "close_slide_cabinet": (
        "slide the cabinet closed", "close the slide cabinet", "slide the cabinet door to the left",
        "close the sliding cabinet", "slide the cabinet shut", "push the sliding door shut",
    ),
    "open_hinge_cabinet": (
        "open the hinge cabinet", "swing the cabinet door open", "pull the hinge cabinet open",
        "open the cupboard on the left", "open the hinged cabinet", "pull the cupboard door open",
    ),
    "close_hinge_cabinet": (
        "close the hinge cabinet", "swing the cabinet door shut", "push the hinge cabinet closed",
        "close the cupboard on the left", "close the hinged cabinet", "shut the cupboard door",
    ),
    "switch_light_on": (
        "turn on the light switch", "turn the light on", "switch on the light", "flip the light switch on",
        "turn on the light above the stove", "put the light on", "light up the stove",
    ),
    "switch_light_off": (
        "turn off the light switch", "turn the light off", "switch off the light", "flip the light switch off",
        "turn off the light above the stove", "put the light out", "make it dark over the stove",
    ),
    **{f"turn_on_{place}_burner": _said(_TURN_ON, names) for place, names in _BURNERS.items()},
    **{f"turn_off_{place}_burner": _said(_TURN_OFF, names) for place, names in _BURNERS.items()},
    **{f"kettle_to_{place}": _said(_KETTLE_TO, names) for place, names in _BURNERS.items()},
    "wait": ("wait", "hold still", "do nothing", "stay where you are", "keep the arm still"),
}  # fmt: skip
"""Verb -> its phrasings, the canonical one first. No phrasing belongs to two verbs."""
AGAIN: dict[str, tuple[str, ...]] = {
    "open": ("open it again", "open it", "pull it open again"),
    "close": ("close it", "close it again", "shut it", "push it shut again"),
    "switch": ("flip it back", "flip the switch again", "switch it back"),
    "turn_on": ("turn it on again", "turn it back on", "turn that one on"),
    "turn_off": ("turn it off", "turn it off again", "turn that one off"),
    "kettle": ("put it back where it was", "move it back", "take the kettle back", "bring it back to its old place"),
}
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
    phrasings: Sequence[str] = PHRASINGS[verb]
    if undoes_last and rng.random() < 0.5:
        phrasings = next(said for start, said in AGAIN.items() if verb.startswith(start))
    canonical, *others = phrasings
    return canonical if rng.random() < CANONICAL_SHARE else others[rng.integers(len(others))]
