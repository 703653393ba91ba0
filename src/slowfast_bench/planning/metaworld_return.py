"""The task `metaworld-return`: blocks are moved by others; later each must be put back where it was.

After the paper's RLBench task (4.2): objects are moved, and a robot puts them back, scored by their distance to where
they were. Where a block was is in no frame that a denoiser sees by then; a chunk is a whole move, and what is read off
an imagined one is which block was carried to which spot.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from slowfast_bench.planning.table_view import TableView
from slowfast_bench.planning.task import MAP_SIDE, Maps, TaskEpisode
from slowfast_envs.actions import FRAMES_PER_CHUNK
from slowfast_envs.base import FRAME_SIZE
from slowfast_envs.metaworld.env import ACTION_TEXTS, BLOCKS, MetaWorldEnv
from slowfast_envs.metaworld.environment import MetaWorld
from slowfast_envs.metaworld.expert import ARRIVED
from slowfast_envs.metaworld.instructions import PHRASINGS, carry_text, moved_blocks, named_block, read_carry, spot_of
from slowfast_envs.metaworld.layout import HIGH, LOW, SHAPES, Spot, draw_layout
from slowfast_envs.metaworld.moves import MOST_MOVES, NOMINAL_FPS, draw_any_move
from slowfast_envs.metaworld.table import Table, TableState
from slowfast_vgen.errors import UserError
from slowfast_vgen.plan.environment import PlanEnvironment
from slowfast_vgen.types import Frames

NEAR_METRES = 0.03
"""A block is back within this distance of where it was."""
_SEED, _STREAM = 0, 9  # a stream apart from the world's own
_SCENES_PER_EPISODE = 16


class ReturnEpisode:
    """A `TaskEpisode`, and the `PlanEnvironment` of it: a table on which every block has been moved."""

    action_texts = ACTION_TEXTS
    ended = False

    def __init__(self, env: MetaWorldEnv, index: int, num_moves: int) -> None:
        """Moves every block of a scene at least once; the environment must be no other episode's.

        Raises:
            UserError: a move for which there is no room, or which does not come off.
        """
        self.env = env
        self.environment: PlanEnvironment = self
        self._lead(index, num_moves)
        moves = env.moves
        self.frames: Frames = moves.frames
        self.actions = tuple(chunk.action for chunk in moves.chunks)
        self.blocks = moved_blocks(self.actions)
        """In the order in which they are put back: the one that was moved last goes first."""
        self.homes: Mapping[str, Spot] = moves.homes
        self.true_actions = tuple(carry_text(block, self.homes[block]) for block in self.blocks)
        self._led, self._before = len(moves.chunks), [moves.states[-1]]
        way = []
        for action in self.true_actions:
            way.append(env.act(action))
            self._before.append(moves.states[-1])
        self.true_way = np.concatenate(way)
        away = max(env.distances_from_home().values())
        moves.rewind(self._led)
        if away > 2 * ARRIVED:
            raise UserError(f"the expert itself leaves a block {away:.3f} m from where it was")
        self._view: TableView | None = None

    def reset(self, seed: int) -> Frames:
        """Back to where planning begins."""
        self.env.moves.rewind(self._led)
        return self.frames[-1:]

    def put_back_texts(self, texts: Sequence[str]) -> list[str]:
        """See `PutsBack`."""
        return self.env.put_back_texts(texts)

    def act(self, action_text: str) -> Frames:
        """See `PlanEnvironment`; what cannot be done leaves everything as it is."""
        return self.env.act(action_text)

    def distances(self, number: int) -> list[float]:
        """In metres; see `TaskEpisode`."""
        away = self.env.distances_from_home()
        return [away[block] for block in self.blocks[: number + 1]]

    def on_way(self, number: int) -> bool:
        """Whether every block lies where it does on the true way, give or take `ARRIVED`."""
        here, there = self.env.moves.states[-1], self._before[number]
        return all(np.hypot(*(here.blocks[name] - spot)[:2]) < ARRIVED for name, spot in there.blocks.items())

    def is_right(self, number: int, action: str) -> bool:
        """Whether it carries the right block to within `NEAR_METRES` of where it was."""
        carried = read_carry(action)
        if carried is None or self.env.meant(carried[0]) != self.blocks[number]:
            return False
        return float(np.hypot(*np.subtract(carried[1], self.homes[self.blocks[number]]))) <= NEAR_METRES

    def succeeded(self) -> bool:
        """Whether every block lies where it was, give or take `NEAR_METRES`."""
        return max(self.env.distances_from_home().values()) <= NEAR_METRES

    def maps(self, num_frames: int) -> Maps:
        """See `TaskEpisode`."""
        view = self._view = self._view or TableView(self.homes, MAP_SIDE)
        states, led = self.env.moves.states, len(self.frames)
        begins = led - 1 if len(states) > led else 0
        ends = range(len(states) - num_frames + 1, len(states) + 1)
        return np.stack([self._map(view, states[begins:end]) for end in ends])

    def _map(self, view: TableView, states: Sequence[TableState]) -> Any:
        trails = {name: [spot_of(state, name) for state in states] for name in self.homes}
        return view.draw({name: trail[-1] for name, trail in trails.items()}, trails)

    def _lead(self, index: int, num_moves: int) -> None:
        """Shows the table, then moves blocks as the script `moves` does; every block ends away from where it was."""
        self.env.reset(index)
        moves, rng = self.env.moves, MetaWorld(self.env.split, self.env.seed).path_random(index)
        rng = np.random.default_rng([int(rng.integers(2**62)), _STREAM])
        names = list(moves.homes)
        moves.stay("wait", PHRASINGS["wait"][0])
        order = [*names, *rng.choice(names, num_moves - len(names))]
        for name in rng.permutation(order).tolist():
            wish = draw_any_move(rng, moves, [name])
            if wish is None:
                raise UserError(f"there is no room to move the {name}")
            moves.do(*wish)
        if not all(goal.done for goal in moves.sub_goals) or min(moves.distances_from_home().values()) <= 2 * ARRIVED:
            raise UserError("a move did not come off")


class MetaworldReturn:
    """Episodes of one split: three blocks, `num_moves` moves, then three decisions.

    Raises:
        UserError: no such split, or too few moves.
    """

    name = "metaworld-return"
    goal = "Put everything back where it was."
    unit = "metres"
    near = NEAR_METRES
    fps = NOMINAL_FPS
    world_model, reader = "metaworld-moves", "moves"
    action_texts = ACTION_TEXTS
    vocabulary = None
    frame_size = (FRAME_SIZE, FRAME_SIZE)
    frames_per_chunk = FRAMES_PER_CHUNK
    num_decisions = len(SHAPES)

    def __init__(self, split: str = "test", num_moves: int = MOST_MOVES) -> None:
        if num_moves < self.num_decisions:
            raise UserError(f"each of the {self.num_decisions} blocks is moved at least once, got {num_moves} moves")
        MetaWorld(split, _SEED)  # such a split must be
        self.split, self.num_moves = split, num_moves
        self.num_led = 1 + num_moves
        self._table: Table | None = None
        self._kept: dict[int, ReturnEpisode] = {}

    @classmethod
    def quick(cls, split: str = "test") -> "MetaworldReturn":
        """One move a block, to see that everything runs."""
        return cls(split, num_moves=cls.num_decisions)

    def describe(self) -> dict[str, Any]:
        """See `Task`."""
        return {
            "name": self.name,
            "goal": self.goal,
            "world": "metaworld",
            "split": self.split,
            "scene_seed": _SEED,
            "moves": self.num_moves,
            "led_chunks": self.num_led,
            "decisions": self.num_decisions,
            "distance": "in metres, of each block from where it was at first, at the end",
            "success": f"every block at most {NEAR_METRES:g} m from there at the end",
        }

    def draw_action(self, rng: np.random.Generator, sub_goal: str) -> str:
        """See `Task`: the block that the sub-goal names, to any spot."""
        block = named_block(sub_goal) or BLOCKS[rng.integers(len(BLOCKS))]
        x, y = rng.uniform(LOW, HIGH).tolist()
        return carry_text(block, (x, y))

    @contextmanager
    def open(self, rows: range) -> Iterator[list[TaskEpisode | str]]:
        """See `Task`."""
        if self._table is None:
            self._table = Table(draw_layout(0))
        opened: list[TaskEpisode | str] = []
        for row in rows:
            one = self._kept.get(row) or self._begun(row, self._table)
            if isinstance(one, ReturnEpisode):  # to lead it takes a second, to go back to that point nothing
                self._kept[row] = one
                one.reset(0)
            opened.append(one)
        yield opened

    def _begun(self, row: int, table: Table) -> ReturnEpisode | str:
        """An episode in the first of the row's own scenes that has three blocks, and room to move them all."""
        told = "none of its scenes has three blocks"
        for index in range(row * _SCENES_PER_EPISODE, (row + 1) * _SCENES_PER_EPISODE):
            layout = MetaWorld(self.split, _SEED).layout(index)
            if len(layout.blocks) < self.num_decisions:
                continue
            try:
                return ReturnEpisode(MetaWorldEnv(self.split, _SEED, table), index, self.num_moves)
            except UserError as error:
                told = str(error)
            except Exception as error:  # the engine may break off in any way; the other episodes go on
                return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
        return told[:300]
