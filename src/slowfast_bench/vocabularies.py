"""What the shipped worlds can be told, as their trainings told it; their folders hold the same as `actions.json`."""

from itertools import cycle, islice

from slowfast_envs.actions import FRAMES_PER_CHUNK, PHRASINGS, RETRACE, RETRACE_PHRASINGS
from slowfast_envs.metaworld.instructions import DIRECTIONS, PLACES, carry_text
from slowfast_envs.metaworld.instructions import PHRASINGS as TABLE_PHRASINGS
from slowfast_envs.metaworld.layout import COLOURS, SHAPES
from slowfast_envs.walking import TURN_DEGREES
from slowfast_vgen.models.vocabulary import Action, Motion, Vocabulary

WALKING_MOTIONS = {
    "turn_left": Motion(turn=FRAMES_PER_CHUNK * TURN_DEGREES),
    "turn_right": Motion(turn=-FRAMES_PER_CHUNK * TURN_DEGREES),
    "go_forward": Motion(forward=FRAMES_PER_CHUNK),
    "go_back": Motion(forward=-FRAMES_PER_CHUNK),
    "stay": Motion(),
}
"""Verb -> its motion within one chunk: in each frame a turn of 22.5 degrees, or one step."""


def walking_vocabulary(retrace: bool = False) -> Vocabulary:
    """The verbs of who walks through rooms; with `retrace` the way back too."""
    actions = [Action(verb, phrasings, WALKING_MOTIONS[verb]) for verb, phrasings in PHRASINGS.items()]
    if retrace:
        actions.append(Action(RETRACE, RETRACE_PHRASINGS))
    return Vocabulary(tuple(actions), null="stay")


def table_vocabulary() -> Vocabulary:
    """A sample of what is said of the moves of blocks: every way to say each, of some block or other."""
    blocks = [f"{colour} {shape}" for shape in dict.fromkeys(SHAPES) for colour in COLOURS]
    texts: list[str] = []
    for verb, templates in TABLE_PHRASINGS.items():
        if verb == "hover":  # no whole move
            continue
        places = {"push": DIRECTIONS, "put": PLACES}.get(verb, {})
        wheres = [said for _, ways in places.values() for said in ways] or [""]
        for number, template in enumerate(templates):
            names, others = islice(cycle(blocks), number, None), islice(cycle(blocks), number + 3, None)
            rows = wheres if places else blocks if "{block}" in template else [""]
            for row in rows:
                texts.append(template.format(block=next(names), other=next(others), where=row))
    texts += [carry_text(block, (0.01 * number, 0.6)) for number, block in enumerate(blocks)]
    return Vocabulary(narrations=tuple(dict.fromkeys(texts)))


SHIPPED = {
    "rooms-64": walking_vocabulary,
    "rooms-64-retrace": lambda: walking_vocabulary(retrace=True),
    "metaworld-moves": table_vocabulary,
}
"""WorldModel -> what makes its vocabulary."""
