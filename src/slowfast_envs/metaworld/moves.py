"""Episodes of whole moves: a chunk is one move of a block from beginning to end, seen in four pictures.

The script `moves` of the world `metaworld`. Between two moves the hand rests out of sight, so the last picture of every
chunk shows where all blocks lie, as a planner needs that thinks in moves and not in motions.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from slowfast_envs.actions import FRAMES_PER_CHUNK, one_of
from slowfast_envs.metaworld.expert import Goal, check_goal, expert_action, is_done, rest_action
from slowfast_envs.metaworld.instructions import PHRASINGS, carry_text, spot_of
from slowfast_envs.metaworld.layout import Layout
from slowfast_envs.metaworld.recorder import SubGoal, TableRecorder
from slowfast_envs.metaworld.sequences import Wish, blocks_away, draw_move, draw_return
from slowfast_envs.metaworld.table import Action, Table, TableState
from slowfast_envs.recorder import Frame
from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Frames

NOMINAL_FPS = 2.0
"""Approximate pictures per second: a move takes about 2.2 seconds, and is always kept in 4 pictures."""
MIN_CHUNKS = 3
"""Fewest chunks: a look, a move away and a move back."""
MOST_MOVES = 10
"""Most moves before blocks are put back: more than a context of 8 chunks reaches back."""
REST = (0.0, 0.45, 0.3)
"""Place where the hand rests, metres: at the table's back, where it hides no block."""

_MOST_FRAMES = 40  # of the table, ten per second, after which a move is given up
_MOST_REST_FRAMES = 14
_AT_REST = 0.01  # metres
_CARRY_SHARE = 0.15  # how often a text gives the spot in metres


class Moves(TableRecorder):
    """Recording of whole moves at a table.

    Several may share a table: each lays its own scene out again when its turn comes.

    >>> with Table(draw_layout(7)) as table:  # doctest: +SKIP
    ...     moves = Moves(table, draw_layout(7))
    ...     pictures = moves.do("put", "put it there", Goal("blue cube", (0.05, 0.61)))  # uint8 [4, 64, 64, 3]
    ...     moves.distances_from_home()["blue cube"]
    """

    def __init__(self, table: Table, layout: Layout) -> None:
        """Lays the blocks out, with the hand at `REST` and not where the layout has it."""
        self.layout = replace(layout, hand=REST)
        table.reset(self.layout)
        super().__init__(table)
        self._saved = [table.save()]  # the start, and the end of each move
        self.table_frames = [0]
        """Number of the table's frames, ten per second, that had passed at each picture."""

    def do(self, verb: str, text: str, goal: Goal) -> Frames:
        """Lets the expert make one move and brings the hand to rest; returns its pictures, the last one at rest.

        The last of `sub_goals` records whether the block lies there then.

        Args:
            verb: verb of the chunk, such as "put".
            text: text of the chunk; not interpreted.
            goal: the block and its spot.

        Raises:
            UserError: no such block on the table, or a spot out of the hand's reach.
        """
        check_goal(self.states[-1], goal)
        self._resume()
        passed = self._run(lambda state: expert_action(state, goal), lambda state: is_done(state, goal), _MOST_FRAMES)
        passed += self._run(lambda state: rest_action(state, REST), _is_at_rest, _MOST_REST_FRAMES)
        if not passed:
            return self.stay(verb, text, goal.block)
        kept = [math.ceil(len(passed) * part / FRAMES_PER_CHUNK) for part in range(1, FRAMES_PER_CHUNK + 1)]
        self._saved.append(passed[-1])
        pictures = self.record(verb, text, self._replayed(passed, kept))
        self._note(verb, text, goal, is_done(self.states[-1], goal))
        return pictures

    def stay(self, verb: str, text: str, block: str = "") -> Frames:
        """Does nothing for a chunk; returns the same picture four times."""
        self._saved.append(self._saved[-1])
        self.table_frames += self.table_frames[-1:] * FRAMES_PER_CHUNK
        pictures = self.record(verb, text, [(self._frames[-1], self.states[-1])] * FRAMES_PER_CHUNK)
        self._note(verb, text, Goal(block, spot_of(self.states[-1], block) if block else (0.0, 0.0)), True)
        return pictures

    def rewind(self, num_chunks: int) -> None:
        """Returns to the state after `num_chunks` moves, as if the later ones had not been made.

        Raises:
            UserError: more moves than were made.
        """
        if not 0 <= num_chunks <= len(self.chunks):
            raise UserError(f"{len(self.chunks)} moves were made; go back to one of them, not to {num_chunks}")
        num_frames = 1 + FRAMES_PER_CHUNK * num_chunks
        for kept in (self._frames, self.states, self.table_frames):
            del kept[num_frames:]
        del self._saved[1 + num_chunks :], self.chunks[num_chunks:], self.sub_goals[num_chunks:]

    def metadata(self, **more: Any) -> dict[str, Any]:
        """The truth of every picture, with the homes and the table's frames."""
        homes = {name: list(home) for name, home in self.homes.items()}
        return super().metadata(homes=homes, table_frames=self.table_frames, **more)

    def _resume(self) -> None:
        """Lays this scene out as it was left, in case the table has been used for another one since."""
        if self._table.layout is not self.layout:
            self._table.reset(self.layout)
        self._table.restore(self._saved[-1])

    def _note(self, verb: str, text: str, goal: Goal, done: bool) -> None:
        """Adds the sub-goal of the chunk that was just recorded."""
        self.sub_goals.append(SubGoal(verb, text, *goal, self.chunks[-1].start_frame, FRAMES_PER_CHUNK, done))

    def _replayed(self, passed: list[np.ndarray], kept: list[int]) -> Iterator[tuple[Frame, TableState]]:
        """The moments after these numbers of the saved frames."""
        before = self.table_frames[-1]
        for number in kept:
            self._table.restore(passed[number - 1])
            self.table_frames.append(before + number)
            yield self._table.frame(), self._table.state()

    def _run(
        self, decide: Callable[[TableState], Action], ended: Callable[[TableState], bool], most_frames: int
    ) -> list[np.ndarray]:
        """Acts until `ended`; returns the saved simulation after every frame."""
        passed: list[np.ndarray] = []
        while len(passed) < most_frames and not ended(self._table.state()):
            self._table.act(decide(self._table.state()))
            passed.append(self._table.save())
        return passed


def play_moves(table: Table, layout: Layout, rng: np.random.Generator, num_chunks: int) -> Moves:
    """A look at the table, then rounds of 1 to `MOST_MOVES` moves and of putting back whatever is away, in any order.

    Chunks that are left at the end are used up by moves; the block of a last one may stay where it is.

    Raises:
        UserError: fewer than `MIN_CHUNKS` chunks.
    """
    if num_chunks < MIN_CHUNKS:
        raise UserError(
            f"{num_chunks} chunks of whole moves were asked for; ask for at least {MIN_CHUNKS}: a look at the table, a "
            "move away and a move back"
        )
    moves = Moves(table, layout)
    moves.stay("wait", one_of(rng, PHRASINGS["wait"]))
    to_go = 0
    while (left := num_chunks - len(moves.chunks)) > 0:
        away = blocks_away(moves.homes, moves.states[-1])
        if not to_go and not away:
            to_go = int(rng.integers(1, MOST_MOVES + 1))
        wish = _draw_move(rng, moves, away, left) if to_go else None
        to_go = to_go - 1 if wish else 0
        if wish is None and away:
            wish = draw_return(rng, away[rng.integers(len(away))], moves.homes, moves.states[-1])
        if wish is not None:  # the first two blocks always leave room, but not every draw finds it
            moves.do(*wish)
    return moves


def draw_any_move(rng: np.random.Generator, moves: Moves, names: list[str]) -> Wish | None:
    """A move of one of these blocks, described in words or by its spot; None if no draw finds one."""
    state = moves.states[-1]
    wish = draw_move(rng, names, moves.homes, state)
    if wish is None or rng.random() >= _CARRY_SHARE:
        return wish
    block, (x, y), _ = wish.goal
    spot = round(x, 3), round(y, 3)
    return Wish("carry", carry_text(block, spot), Goal(block, spot))


def _draw_move(rng: np.random.Generator, moves: Moves, away: list[str], left: int) -> Wish | None:
    """A move that leaves time to put all blocks back; of any block if that is no longer possible."""
    names = [name for name in moves.homes if left == 1 or left > len({*away, name})]
    return draw_any_move(rng, moves, names) if not away or left > 1 else None


def _is_at_rest(state: TableState) -> bool:
    return float(np.linalg.norm(state.hand - REST)) < _AT_REST
