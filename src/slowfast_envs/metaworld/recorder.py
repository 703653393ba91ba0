"""Acting at the table by texts or by goals, chunk by chunk, with everything recorded that was done and seen.

Interface for planners: give a text or a goal, look at the four frames that come back, and measure how far each block is
from its first spot.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from slowfast_envs.actions import FRAMES_PER_CHUNK
from slowfast_envs.metaworld.expert import Goal, check_block, check_goal, expert_action, hover_action, is_done
from slowfast_envs.metaworld.instructions import known_texts, spot_of, understand
from slowfast_envs.metaworld.layout import Spot
from slowfast_envs.metaworld.table import Action, Table, TableState
from slowfast_envs.recorder import Frame, Recorder, rows
from slowfast_vgen.types import Frames

LONGEST = 6
"""Most chunks for one goal; the expert needs 3 to 6."""

_OPEN_GRIP = -1.0


@dataclass(frozen=True)
class SubGoal:
    """One request, as the metadata record it."""

    verb: str
    """One of `instructions.PHRASINGS`."""
    text: str
    block: str
    """Name of the block; empty when waiting."""
    spot: Spot
    """Spot where the block is to lie, or lies; metres."""
    way: Literal["slide", "carry", ""]
    """Way of moving; empty if nothing is moved."""
    start_frame: int
    num_frames: int
    done: bool


class TableRecorder(Recorder[TableState]):
    """A recording at a table, with the blocks' first spots and what was asked for."""

    def __init__(self, table: Table) -> None:
        super().__init__(table.frame(), table.state())
        self._table = table
        self.homes: dict[str, Spot] = {name: spot_of(self.states[0], name) for name in self.states[0].blocks}
        """Name -> first spot of the block, metres."""
        self.sub_goals: list[SubGoal] = []

    def distances_from_home(self) -> dict[str, float]:
        """Name -> distance of the block from its first spot along the table, metres."""
        here = {name: spot_of(self.states[-1], name) for name in self.homes}
        return {name: float(np.hypot(*np.subtract(here[name], home))) for name, home in self.homes.items()}

    def metadata(self, **more: Any) -> dict[str, Any]:
        """The truth of every frame, and further entries, as JSON values; metres, to the micrometre."""
        states = self.states
        return {
            "hand": rows(state.hand for state in states),
            "opening": [round(state.opening, 6) for state in states],
            "objects": {name: rows(state.blocks[name] for state in states) for name in states[0].blocks},
            **more,
            "sub_goals": [asdict(sub_goal) for sub_goal in self.sub_goals],
        }


class Play(TableRecorder):
    """Recording of a table from its last reset on.

    >>> with Table(draw_layout(7)) as table:  # doctest: +SKIP
    ...     play = Play(table)
    ...     start = play.frames[0]
    ...     chunk = play.obey("put the blue cube in the middle")  # uint8 [4, 64, 64, 3]; repeat it until it is done
    ...     play.follow("put_back", "put the blue cube back where it was", Goal("blue cube", (0.05, 0.61)))
    ...     play.distances_from_home()["blue cube"]
    """

    def __init__(self, table: Table) -> None:
        super().__init__(table)
        self.actions: list[Action] = []
        """One action per frame except for the start image."""

    @property
    def action_texts(self) -> tuple[str, ...]:
        """All texts that `obey` understands here."""
        return tuple(known_texts(list(self.homes)))

    def obey(self, text: str) -> Frames:
        """Carries out a text for one chunk and returns its frames.

        To move a block takes 3 to 6 chunks: repeating the text continues the move, or asks for another once it is done.
        The last of `sub_goals` records how the text was understood, and whether that is done. Another text in between
        makes the hand let go of what it carries.

        Raises:
            UserError: the text is none of `action_texts`, or there is no room for what it asks.
        """
        last = self.sub_goals[-1] if self.sub_goals else None
        goal: Goal | None
        if last and last.way and not last.done and last.text == text:
            verb, block, goal, first = last.verb, last.block, Goal(last.block, last.spot, last.way), last.start_frame
            self.sub_goals.pop()
        else:
            verb, block, goal = understand(text, self.states[-1], self.homes)
            first = len(self.states)
        if goal is not None:
            pursued = goal
            self._chunk(verb, text, lambda state: expert_action(state, pursued))
            self._note(verb, text, goal, first)
        elif block:
            self.hover(text, block)
        else:
            self.wait(text)
        return np.stack(self._frames[-FRAMES_PER_CHUNK:])

    def follow(self, verb: str, text: str, goal: Goal, most_chunks: int = LONGEST) -> bool:
        """Lets the expert bring a block to any goal, in whole chunks; returns whether it did.

        Args:
            verb: verb of the chunks, such as "put".
            text: text of the chunks; not interpreted.
            goal: the block and its spot.
            most_chunks: number of chunks after which it gives up.

        Raises:
            UserError: no such block on the table, or a spot out of the hand's reach.
        """
        check_goal(self.states[-1], goal)
        first = len(self.states)
        while len(self.states) - first < most_chunks * FRAMES_PER_CHUNK and not is_done(self.states[-1], goal):
            self._chunk(verb, text, lambda state: expert_action(state, goal))
        return self._note(verb, text, goal, first)

    def hover(self, text: str, block: str) -> None:
        """Brings the open hand above a block, or a good part of the way, in one chunk.

        Raises:
            UserError: no such block on the table.
        """
        check_block(self.states[-1], block)
        first = len(self.states)
        self._chunk("hover", text, lambda state: hover_action(state, block))
        spot = spot_of(self.states[-1], block)
        self.sub_goals.append(SubGoal("hover", text, block, spot, "", first, FRAMES_PER_CHUNK, True))

    def wait(self, text: str) -> None:
        """Keeps the hand where it is for one chunk, open or closed as it was last."""
        first = len(self.states)
        grip = self.actions[-1][3] if self.actions else _OPEN_GRIP
        self._chunk("wait", text, lambda state: np.array([0.0, 0.0, 0.0, grip]))
        self.sub_goals.append(SubGoal("wait", text, "", (0.0, 0.0), "", first, FRAMES_PER_CHUNK, True))

    def metadata(self, **more: Any) -> dict[str, Any]:
        """The truth of every frame, with the actions."""
        return super().metadata(actions=rows(self.actions), **more)

    def _chunk(self, verb: str, text: str, decide: Callable[[TableState], Action]) -> None:
        self.record(verb, text, self._acted(decide))

    def _acted(self, decide: Callable[[TableState], Action]) -> Iterator[tuple[Frame, TableState]]:
        """Acts for one chunk; yields the moment after each action."""
        for _ in range(FRAMES_PER_CHUNK):
            self.actions.append(decide(self.states[-1]))
            self._table.act(self.actions[-1])
            yield self._table.frame(), self._table.state()

    def _note(self, verb: str, text: str, goal: Goal, start_frame: int) -> bool:
        """Adds the sub-goal that was pursued since a frame; returns whether it is done."""
        done = is_done(self.states[-1], goal)
        self.sub_goals.append(SubGoal(verb, text, *goal, start_frame, len(self.states) - start_frame, done))
        return done
