"""Tasks of Meta-World whose scripted experts succeed and whose things can be seen at 64x64, with their phrasings."""

from dataclasses import dataclass

from slowfast_vgen.errors import UserError


@dataclass(frozen=True)
class Task:
    """A task that the robot can do."""

    env: str
    """Its name in Meta-World, without the version."""
    thing: str
    """Name of the moved thing; the metadata have its position for every frame."""
    phrasings: tuple[str, ...]
    """Phrasings, the canonical one first."""
    shows_goal: bool = False
    """True if the text refers to the coloured mark, which must then be seen."""


TASKS: dict[str, Task] = {
    "reach": Task("reach", "puck", (
        "reach for the red ball", "move the gripper to the red ball", "touch the red ball", "go to the red mark",
        "bring the hand to the red ball", "reach the red dot",
    ), shows_goal=True),
    "push": Task("push", "puck", (
        "push the puck to the green mark", "slide the puck onto the green dot", "move the puck over to the green mark",
        "shove the red puck to the green spot", "bring the puck to the green dot", "push the red cylinder to the mark",
    ), shows_goal=True),
    "pick_place": Task("pick-place", "puck", (
        "lift the puck to the blue ball", "carry the puck up to the blue mark", "grab the red puck and raise it",
        "take the puck up to the blue dot", "pick the puck up and hold it at the blue ball",
        "lift the red cylinder to the blue mark",
    ), shows_goal=True),
    "open_door": Task("door-open", "door handle", (
        "open the door", "pull the door open", "swing the door open", "open up the safe", "pull the handle of the door",
        "get the door open", "open the dark door",
    )),
    "close_door": Task("door-close", "door handle", (
        "close the door", "push the door shut", "shut the door", "swing the door closed", "close the safe",
        "push the door closed", "shut the dark door",
    )),
    "open_drawer": Task("drawer-open", "drawer", (
        "open the drawer", "pull the drawer open", "slide the drawer out", "pull out the drawer", "get the drawer open",
        "pull the handle of the drawer", "open the green drawer",
    )),
    "close_drawer": Task("drawer-close", "drawer", (
        "close the drawer", "push the drawer shut", "shut the drawer", "slide the drawer in", "push the drawer in",
        "shove the drawer closed", "close the green drawer",
    )),
    "open_window": Task("window-open", "window handle", (
        "open the window", "slide the window open", "push the window open", "slide the pane open",
        "move the window's handle to open it", "get the window open",
    )),
    "close_window": Task("window-close", "window handle", (
        "close the window", "slide the window shut", "shut the window", "push the window closed", "slide the pane shut",
        "pull the window's handle to close it",
    )),
    "press_button_down": Task("button-press-topdown", "button", (
        "press the button", "push the red button down", "press down on the button", "hit the button from above",
        "push the button on top", "press the red knob down",
    )),
    "press_button": Task("button-press", "button", (
        "press the button on the side", "push the red button in", "press the button from the front", "poke the button",
        "push in the button on the side", "press the red knob in",
    )),
    "slide_plate": Task("plate-slide", "plate", (
        "slide the plate into the goal", "push the black disc into the net", "shoot the puck into the goal",
        "slide the disc into the net", "push the plate away into the goal", "put the black disc into the goal",
    )),
    "open_faucet": Task("faucet-open", "faucet handle", (
        "turn the faucet on", "open the tap", "turn on the tap", "rotate the faucet's handle to open it",
        "open the faucet", "let the water run",
    )),
    "close_faucet": Task("faucet-close", "faucet handle", (
        "turn the faucet off", "close the tap", "turn off the tap", "rotate the faucet's handle to close it",
        "close the faucet", "stop the water",
    )),
    "pull_lever": Task("lever-pull", "lever", (
        "pull the lever up", "raise the lever", "lift the lever", "pull up the lever", "swing the lever up",
        "move the lever upwards",
    )),
    "press_coffee_button": Task("coffee-button", "button", (
        "press the button of the coffee machine", "make a coffee", "start the coffee machine", "brew some coffee",
        "push the coffee machine's button", "turn the coffee machine on",
    )),
    "shelve": Task("shelf-place", "block", (
        "put the block on the shelf", "place the cube onto the shelf", "lift the block onto the shelf",
        "pick up the block and put it on the shelf", "set the block down on the shelf", "shelve the block",
    )),
    "throw_basketball": Task("basketball", "ball", (
        "put the ball into the basket", "dunk the basketball", "drop the ball through the hoop", "score a basket",
        "carry the ball to the hoop", "throw the ball into the net",
    )),
    "hammer": Task("hammer", "hammer", (
        "hammer the nail in", "hit the nail with the hammer", "drive the nail in", "use the hammer on the nail",
        "pick up the hammer and hit the nail", "knock the nail into the block",
    )),
}  # fmt: skip
"""Verb -> task. No phrasing belongs to two verbs."""


def task_named(verb: str) -> Task:
    """The task of a verb.

    Raises:
        UserError: no such verb.
    """
    if verb not in TASKS:
        raise UserError(f'there is no task "{verb}"; choose one of: {", ".join(TASKS)}')
    return TASKS[verb]
