"""The vocabulary of a world: its verbs with phrasings and motions, or a sample of the narrations that it learned.

A world whose every chunk has one of a few verbs has a vocabulary of *verbs*: each text is mapped to the verb
that it means, and that verb's canonical phrasing goes to the denoiser and to the path alike, so that all ways of saying
it give the same video. A world of free narrations keeps every text as it is, and only notices when one is like nothing
that it knows. Texts are read by `language`; no torch here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from slowfast_vgen.errors import UserError
from slowfast_vgen.files import read_json, write_json
from slowfast_vgen.language.likeness import Likeness, letters_alike
from slowfast_vgen.language.lists import repeats_unclearly, without_marker, without_remark, written_out
from slowfast_vgen.language.normal import STOP, words_of
from slowfast_vgen.language.reading import Reading, clauses_of, read
from slowfast_vgen.sealed import fits

FILE = "actions.json"
"""Name of the vocabulary's file in a world's folder, next to its index."""
FORMAT = "slowfast-actions"
FORMAT_VERSION = 1
MOST_PHRASINGS = 10_000
MOST_VERBS = 64
MOST_WAYS = 64
"""Most phrasings of one verb; where a data set has more, its texts are narrations."""
MOST_NARRATIONS = 2000
"""Most narrations that are kept of a data set, the commonest first."""

Kind = Literal["understood", "negated", "several", "unknown"]
MOST_MOTION = 1e6
"""Most steps or degrees of one chunk."""
MOST_TIMES = 100_001
"""Most chunks of one text."""
_FEWEST_DEGREES = 10
"""Smallest number without a unit that is read as degrees where something turns: "turn left 90"."""
_TURN_TOLERANCE = 1.0
"""Degrees by which a turn that is asked for may differ from the turn of a chunk."""


@dataclass(frozen=True)
class Motion:
    """The camera's motion within one chunk of a verb, in the camera's own frame."""

    forward: float = 0.0
    """Motion forward, in steps of the world."""
    left: float = 0.0
    """Motion to the left, in steps of the world."""
    turn: float = 0.0
    """Turn to the left, in degrees."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not fits(value, float) or abs(value) > MOST_MOTION:
                raise UserError(
                    f"the motion of a verb gives {name} as {value!r:.60}; give a number up to {MOST_MOTION:g}"
                )


@dataclass(frozen=True)
class Action:
    """One verb of a world."""

    verb: str
    """Name of the verb, such as "turn_left"."""
    phrasings: tuple[str, ...]
    """Texts of the action in training; the first is the canonical one, which the networks are given."""
    motion: Motion | None = None
    """The verb's motion; None for a verb without one of its own, such as the way back, and where it is not known."""

    def __post_init__(self) -> None:
        if not isinstance(self.verb, str) or not isinstance(self.phrasings, tuple):
            raise UserError(f"the action {self.verb!r:.60} is no name with a list of phrasings; give both as texts")
        if not self.verb or not self.phrasings or not all(isinstance(text, str) and text for text in self.phrasings):
            raise UserError(f"the action {self.verb!r:.60} has no phrasing; give at least one, the canonical one first")

    @property
    def text(self) -> str:
        """The canonical phrasing."""
        return self.phrasings[0]


@dataclass(frozen=True)
class Understood:
    """The meaning that was found in a text."""

    text: str
    """The text as it was given."""
    kind: Kind
    """"understood": one verb, or a free narration. "negated": it says what not to do. "several": it asks for more than
    one chunk. "unknown": it is like nothing known."""
    verbs: tuple[str, ...]
    """The verbs that it asks for, in order, one a chunk; empty where it asks for none, and for narrations."""
    nearest: str
    """Canonical phrasing of the known action that comes nearest, or a known narration; the verb's own where there is
    one."""
    note: str = ""
    """The part of the text that cannot be followed exactly, such as an amount; empty where there is none."""
    problem: str = ""
    """The reason why it cannot be carried out as one chunk, in one sentence; empty where it can."""

    @property
    def verb(self) -> str:
        """The one verb that is meant; empty where there is not exactly one."""
        return self.verbs[0] if self.kind == "understood" and self.verbs else ""


@dataclass(frozen=True)
class Vocabulary:
    """The actions that a world knows. Give `actions` for a world of verbs, `narrations` for one of free texts."""

    actions: tuple[Action, ...] = ()
    narrations: tuple[str, ...] = ()
    """Texts of the training: all of them, or a sample that shows their kind."""
    null: str = ""
    """The verb that does nothing, which a session takes instead of what it does not carry out; empty for none."""
    _by_text: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if bool(self.actions) == bool(self.narrations):
            raise UserError("a vocabulary holds either actions or narrations; give one of them")
        if len(self.phrasings) > MOST_PHRASINGS:
            raise UserError(f"a vocabulary holds at most {MOST_PHRASINGS} texts, got {len(self.phrasings)}; give some")
        for action in self.actions:
            for phrasing in action.phrasings:
                other = self._by_text.setdefault(_plain(phrasing), action.verb)
                if other != action.verb:
                    raise UserError(f"{phrasing!r} belongs to two verbs, {other} and {action.verb}; give it one")
        if len({action.verb for action in self.actions}) < len(self.actions):
            raise UserError("a verb is in the vocabulary twice; give it one row")
        if self.null and self.null not in self.verbs:
            raise UserError(f"the verb that does nothing is {self.null!r}, which is none of {', '.join(self.verbs)}")

    @property
    def is_free(self) -> bool:
        """True for a world of free narrations."""
        return not self.actions

    @property
    def verbs(self) -> tuple[str, ...]:
        """Names of the verbs, in order; none in a world of free narrations."""
        return tuple(action.verb for action in self.actions)

    @property
    def phrasings(self) -> tuple[str, ...]:
        """Every text of the training that is written down here, canonical phrasings first."""
        canonical = [action.text for action in self.actions]
        others = [phrasing for action in self.actions for phrasing in action.phrasings[1:]]
        return (*canonical, *others, *self.narrations)

    def action(self, verb: str) -> Action:
        """The action of a verb.

        Raises:
            UserError: there is none.
        """
        chosen = next((action for action in self.actions if action.verb == verb), None)
        if chosen is None:
            raise UserError(f"unknown verb {verb!r}; this world has {', '.join(self.verbs) or 'free narrations'}")
        return chosen

    def verb_of(self, text: str) -> str:
        """The verb that a phrasing belongs to; empty for any other text."""
        return self._by_text.get(_plain(text), "")

    def understand(self, text: str) -> Understood:
        """Finds the meaning of a text; never raises, whatever the text.

        >>> from slowfast_vgen.presets.worlds import vocabulary
        >>> rooms = vocabulary("rooms-64")
        >>> rooms.understand("Please turn lef!").verb
        'turn_left'
        >>> print(rooms.understand("do not turn left").problem)
        'do not turn left' says what not to do
        """
        if self.is_free:
            return self._narration(text)
        if verb := self.verb_of(text):
            return Understood(text, "understood", (verb,), self.action(verb).text)
        reading, shown = read(text), _shown(text)
        if repeats_unclearly(text):
            problem = f"{shown} does not make clear which actions it repeats, and how often; write them out"
            return Understood(text, "unknown", (), self._nearest(text, reading), problem=problem)
        unknown = [verb for verb in reading.verbs if verb not in self.verbs]
        if reading.problem or unknown or not (reading.verbs or reading.refused):
            return Understood(text, "unknown", (), self._nearest(text, reading), problem=self._why(shown, reading))
        if not reading.verbs:
            nearest = self.action(self.null).text if self.null else self._nearest(text, reading)
            return Understood(text, "negated", (), nearest, problem=f"{shown} says what not to do")
        verbs, note, problem = self._measured(reading, shown)
        nearest = self.action(reading.verbs[0]).text
        if problem:
            return Understood(text, "unknown", (), nearest, problem=problem)
        if len(verbs) == 1:
            return Understood(text, "understood", verbs, nearest, note)
        what = ", then ".join(repr(self.action(verb).text) for verb in verbs[:4]) + (", …" if len(verbs) > 4 else "")
        return Understood(text, "several", verbs, nearest, note, f"{shown} asks for {len(verbs)} chunks: {what}")

    def told(self, understood: Understood) -> str:
        """The text given to the networks for what was understood: the verb's canonical phrasing, or the narration."""
        return understood.text if self.is_free else self.action(understood.verb).text

    def _why(self, shown: str, reading: Reading) -> str:
        if reading.problem == "choice":
            return f"{shown} leaves a choice between {' and '.join(dict.fromkeys(reading.verbs))}"
        if reading.problem == "question":
            return f"{shown} is a question"
        return f"{shown} is like nothing that this world knows"

    def _measured(self, reading: Reading, shown: str) -> tuple[tuple[str, ...], str, str]:
        """The verbs, each as often as its amount says; what of an amount cannot be followed; what makes no sense."""
        verbs, notes = list(reading.verbs), []
        motion = self.action(verbs[0]).motion
        turn = abs(motion.turn) if motion is not None and len(verbs) == 1 else 0.0
        for amount in reading.amounts:
            value = min(amount.value, float(MOST_TIMES))
            chunks = 0
            if amount.kind == "times":
                if value < 1 or value != int(value):
                    return (), "", f"{shown} asks for {amount.value:g} chunks, not for one or more"
                chunks = int(value) if len(verbs) == 1 else 0
            elif amount.kind == "degrees" or (not amount.kind and turn and value >= _FEWEST_DEGREES):
                number = round(value / turn) if turn else 0
                chunks = number if abs(value - number * turn) <= _TURN_TOLERANCE else 0
            elif not amount.kind:
                return (), "", f"{shown} does not say what {amount.said} counts; write 'x{amount.said}' for chunks"
            if chunks:
                verbs = verbs * chunks
            else:
                notes.append(f"{amount.said!r} in {shown} is not followed: {self._stretch(verbs[0])}")
        return tuple(verbs), "; ".join(notes), ""

    def sequence(self, text: str) -> tuple[Understood, ...]:
        """The meanings of a text of one or more actions, one chunk each; a part that is not understood is there too.

        A bullet or number before and a remark behind # or // are left out, as in a line of a list; a group in brackets
        that is to be repeated is written out.

        Raises:
            UserError: a repeated group asks for too many actions.

        >>> from slowfast_vgen.presets.worlds import vocabulary
        >>> [part.verb for part in vocabulary("rooms-64").sequence("turn left twice, then walk on")]
        ['turn_left', 'turn_left', 'go_forward']
        """
        if self.is_free:
            return (self.understand(text),)
        bare = without_marker(without_remark(text).strip())
        text = written_out(bare if bare else text)
        whole = self.understand(text)
        if repeats_unclearly(text):
            return (whole,)
        if whole.kind == "understood" and not whole.note:
            return (whole,)
        if whole.kind == "several" and not whole.note:
            return self._each(whole)
        rows = [self.understand(part) for part in clauses_of(text)]
        parts = [part for part in rows if part.kind != "unknown" or read(part.text).problem != "nothing"]
        kinds = {part.kind for part in parts}
        if len(parts) < 2 or "negated" in kinds or (whole.kind != "unknown" and "unknown" in kinds):
            return (whole,)
        return tuple(understood for part in parts for understood in self._each(part))

    def _each(self, whole: Understood) -> tuple[Understood, ...]:
        if whole.kind != "several":
            return (whole,)
        texts = {verb: self.action(verb).text for verb in whole.verbs}
        return tuple(Understood(texts[verb], "understood", (verb,), texts[verb], whole.note) for verb in whole.verbs)

    def _stretch(self, verb: str) -> str:
        motion = self.action(verb).motion
        if motion is not None and motion.turn:
            return f"a chunk of {verb} turns by {abs(motion.turn):.0f} degrees"
        if motion is not None and (motion.forward or motion.left):
            return f"a chunk of {verb} is {math.hypot(motion.forward, motion.left):.0f} steps, one a frame"
        return f"a chunk of {verb} has its own length"

    def _nearest(self, text: str, reading: Reading) -> str:
        """Canonical phrasing of the verb that words or letters point to; the null verb's where nothing does."""
        hinted = [verb for verb in (*reading.verbs, *reading.refused, *sorted(reading.hints)) if verb in self.verbs]
        if len(set(hinted)) == 1:
            return self.action(hinted[0]).text
        phrasings = [(action.text, phrasing) for action in self.actions for phrasing in action.phrasings
                     if not hinted or action.verb in hinted]  # fmt: skip
        scores = [letters_alike(text, phrasing) for _, phrasing in phrasings]
        if max(scores) <= 0:
            return self.action(self.null).text if self.null else self.actions[0].text
        return phrasings[scores.index(max(scores))][0]

    @cached_property
    def _likeness(self) -> Likeness:
        return Likeness(self.narrations)

    def _narration(self, text: str) -> Understood:
        nearest, alike = self._likeness.nearest(text)
        if alike:
            return Understood(text, "understood", (), nearest)
        shown = _shown(text)
        return Understood(text, "unknown", (), nearest, problem=f"{shown} is like nothing that this world knows")

    def to_json(self) -> dict[str, Any]:
        """JSON values, as they are written in a world's folder."""
        return {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "null": self.null,
            "actions": [asdict(action) | {"phrasings": list(action.phrasings)} for action in self.actions],
            "narrations": list(self.narrations),
        }

    @classmethod
    def from_json(cls, value: Any, where: str = "a vocabulary") -> "Vocabulary":
        """The inverse of `to_json`.

        Raises:
            UserError: another format, or rows that make no vocabulary.
        """
        if not isinstance(value, Mapping) or value.get("format") != FORMAT or value.get("version") != FORMAT_VERSION:
            raise UserError(f"{where} is not of the format {FORMAT} {FORMAT_VERSION}; write it again")
        try:
            for name, kind in (("actions", list[dict[str, Any]]), ("narrations", list[str]), ("null", str)):
                if not fits(value[name], kind):
                    raise TypeError(f"it gives {name} as {value[name]!r:.60}")
            for row in value["actions"]:
                if not fits(row["phrasings"], list[str]):
                    raise TypeError(f"it gives phrasings as {row['phrasings']!r:.60}")
            rows = [(row["verb"], tuple(row["phrasings"]), row["motion"]) for row in value["actions"]]
            actions = [Action(verb, said, None if motion is None else Motion(**motion)) for verb, said, motion in rows]
            return cls(tuple(actions), tuple(value["narrations"]), value["null"])
        except (KeyError, TypeError, UserError) as error:
            raise UserError(f"{where} holds no actions that can be read ({error}); write it again") from error

    def save(self, path: Path) -> None:
        """Writes the file, atomically."""
        write_json(path, self.to_json())

    @classmethod
    def load(cls, path: Path) -> "Vocabulary":
        """Reads a file that `save` wrote.

        Raises:
            UserError: missing, not JSON, or no vocabulary.
        """
        return cls.from_json(read_json(path), str(path))


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:59] + "…")


def _plain(text: str) -> str:
    """A text without case, accents, punctuation and blanks that say nothing."""
    return " ".join(word.text for word in words_of(text) if word.text != STOP)


def vocabulary_of(chunks: Sequence[tuple[str, str]], motions: Mapping[str, Motion] | None = None) -> Vocabulary:
    """The vocabulary of a data set.

    Where every chunk has a verb and verbs have few phrasings, these are the actions, the commonest phrasing of each
    being the canonical one; otherwise the texts are narrations, of which the commonest are kept.

    Args:
        chunks: verb and text of each chunk; an empty verb where a source has none.
        motions: motion of each verb, where it is known.

    Raises:
        UserError: there is no chunk.

    >>> vocabulary_of([("stay", "wait"), ("stay", "stay"), ("stay", "stay")]).actions[0].phrasings
    ('stay', 'wait')
    """
    if not chunks:
        raise UserError("a vocabulary needs at least one chunk with its action")
    motions = motions or {}
    counts: dict[str, dict[str, int]] = {}
    for verb, text in chunks:
        row = counts.setdefault(verb, {})
        row[text] = row.get(text, 0) + 1
    by_count = {verb: sorted(row, key=lambda text: (-row[text], text)) for verb, row in counts.items()}
    owners: dict[str, set[str]] = {}
    for verb, row in counts.items():
        for text in row:
            owners.setdefault(_plain(text), set()).add(verb)
    closed = "" not in counts and len(counts) <= MOST_VERBS and all(len(verbs) == 1 for verbs in owners.values())
    if closed and all(len(row) <= MOST_WAYS for row in counts.values()):
        null = next((verb for verb in ("stay", "stop", "wait") if verb in counts), "")
        return Vocabulary(
            tuple(Action(verb, tuple(by_count[verb]), motions.get(verb)) for verb in sorted(counts)), null=null
        )
    texts = sorted(((-count, text) for row in counts.values() for text, count in row.items()))
    return Vocabulary(narrations=tuple(dict.fromkeys(text for _, text in texts))[:MOST_NARRATIONS])
