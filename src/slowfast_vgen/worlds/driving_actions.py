"""The seven verbs of the car in `vizdoom-streets` and the ways in which people say them."""

PHRASINGS: dict[str, tuple[str, ...]] = {
    "drive_on": (
        "drive on", "drive straight on", "keep driving", "drive forward", "carry on along the road", "go straight on",
        "keep to the lane", "follow the road ahead",
    ),
    "turn_left": (
        "turn left", "steer left", "take the turn to the left", "drive round to the left", "bear left",
        "curve to the left", "steer the car to the left", "swing into the street on the left",
    ),
    "turn_right": (
        "turn right", "steer right", "take the turn to the right", "drive round to the right", "bear right",
        "curve to the right", "steer the car to the right", "swing into the street on the right",
    ),
    "reverse": (
        "reverse", "back up", "drive backwards", "reverse straight back", "roll back", "put it in reverse",
        "back the car up", "drive back without turning",
    ),
    "back_left": (
        "reverse to the left", "back up to the left", "steer left in reverse", "back round to the left",
        "swing the rear to the left", "reverse round the corner on the left", "back the car up to the left",
        "curve backwards to the left",
    ),
    "back_right": (
        "reverse to the right", "back up to the right", "steer right in reverse", "back round to the right",
        "swing the rear to the right", "reverse round the corner on the right", "back the car up to the right",
        "curve backwards to the right",
    ),
    "stop": (
        "stop", "wait", "stop the car", "hold the car", "stand still", "wait at the wheel", "keep the brake down",
        "do not drive",
    ),
}  # fmt: skip
"""Canonical verb -> its phrasings, the canonical one first. No phrasing stands under two verbs."""

VERBS = tuple(PHRASINGS)
