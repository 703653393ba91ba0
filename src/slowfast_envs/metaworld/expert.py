"""An expert for the table: the action that brings a block nearer to a goal, found from the state alone.

It keeps nothing between frames, so a planner may call it at any moment, with a true or an estimated state.
"""

from typing import Literal, NamedTuple

import numpy as np

from slowfast_envs.metaworld.layout import BLOCK_HALF, REACH_HIGH, REACH_LOW, Spot
from slowfast_envs.metaworld.table import MOST_PER_FRAME, Action, TableState
from slowfast_vgen.errors import UserError

ARRIVED = 0.012
"""Distance from its goal within which a block counts as being there, metres."""

_TRAVEL_Z = 0.17  # height of the hand above all blocks, also with one in its fingers
_GRIP_Z = 0.06  # height of the hand around a block; its finger tips are 4.5 cm lower
_OVER = 0.02  # how exactly the hand must be above a block before it goes down
_OPEN = 0.085
_HELD = 2 * BLOCK_HALF + 0.012
_THERE = 0.006  # where a held block is let go
_NEAR = 0.03  # where a carried block is lowered
_HELD_SPEED = 0.07 / MOST_PER_FRAME  # a block that is moved faster slips
_OPEN_GRIP, _CLOSED_GRIP = -1.0, 1.0


class Goal(NamedTuple):
    """The goal of a block: any spot from `REACH_LOW` to `REACH_HIGH` of `layout`."""

    block: str
    """Name of the block, as in `Layout`."""
    spot: Spot
    way: Literal["slide", "carry"] = "carry"
    """Way of moving: along the table, or lifted over what lies in between."""


def is_done(state: TableState, goal: Goal) -> bool:
    """True if the block lies there and the hand has let go of it and risen.

    Raises:
        UserError: no such block in the scene.
    """
    check_block(state, goal.block)
    return _lies_there(state, goal) and state.opening >= _OPEN and bool(state.hand[2] > _TRAVEL_Z - 0.04)


def expert_action(state: TableState, goal: Goal) -> Action:
    """Action of the next frame: go over, down, close, move, let go, rise.

    A spot that another block lies on is not cleared first; the goal is then not reached.

    Raises:
        UserError: no such block in the scene, or a spot out of the hand's reach.
    """
    check_goal(state, goal)
    block, hand, target = state.blocks[goal.block], state.hand, state.target
    is_over = float(np.hypot(*(block[:2] - hand[:2]))) < _OVER
    is_low = hand[2] < _GRIP_Z + 0.01
    if not _is_held(state, goal.block):
        if _lies_there(state, goal):
            if is_low and state.opening < _OPEN:
                return _towards(target, target, _OPEN_GRIP)
            return _towards(target, (*target[:2], _TRAVEL_Z), _OPEN_GRIP)
        if is_over and is_low:
            return _towards(target, target, _CLOSED_GRIP)
        if is_over:
            return _towards(target, (*block[:2], _GRIP_Z), _OPEN_GRIP)
        if hand[2] < _TRAVEL_Z - 0.03:
            return _towards(target, (*target[:2], _TRAVEL_Z), _OPEN_GRIP)
        return _towards(target, (*block[:2], _TRAVEL_Z), _OPEN_GRIP)
    distance = float(np.hypot(*(block[:2] - goal.spot)))
    if is_low and distance < _THERE:
        return _towards(target, target, _OPEN_GRIP)
    above = np.asarray(goal.spot) - (block[:2] - hand[:2])  # where the hand has the block at its goal
    if goal.way == "slide" or distance < _NEAR:  # going down shifts a block by some millimetres: it is led all the way
        return _towards(target, (*above, _GRIP_Z), _CLOSED_GRIP, _HELD_SPEED)
    if hand[2] < _TRAVEL_Z - 0.03:
        return _towards(target, (*target[:2], _TRAVEL_Z), _CLOSED_GRIP, _HELD_SPEED)
    return _towards(target, (*above, _TRAVEL_Z), _CLOSED_GRIP, _HELD_SPEED)


def hover_action(state: TableState, block: str) -> Action:
    """Action of the next frame that brings the open hand above a block without touching it.

    Raises:
        UserError: no such block in the scene.
    """
    check_block(state, block)
    return _towards(state.target, (*state.blocks[block][:2], _TRAVEL_Z), _OPEN_GRIP)


def rest_action(state: TableState, place: tuple[float, float, float]) -> Action:
    """Action of the next frame that lets go, rises, and brings the open hand to a place above all blocks."""
    if state.hand[2] < _TRAVEL_Z - 0.03:
        risen = state.target if state.opening < _OPEN else (*state.target[:2], _TRAVEL_Z)
        return _towards(state.target, risen, _OPEN_GRIP)
    return _towards(state.target, place, _OPEN_GRIP)


def check_block(state: TableState, block: str) -> None:
    """Raises `UserError` unless a block of that name is on the table."""
    if block not in state.blocks:
        raise UserError(f'there is no "{block}" on the table; name one of: {", ".join(state.blocks)}')


def check_goal(state: TableState, goal: Goal) -> None:
    """Raises `UserError` unless there is such a block and the hand can bring it there."""
    check_block(state, goal.block)
    if not all(low <= value <= high for low, value, high in zip(REACH_LOW, goal.spot, REACH_HIGH, strict=True)):
        x, y = goal.spot
        raise UserError(
            f"the spot x={x:g}, y={y:g} is out of the hand's reach; choose x from {REACH_LOW[0]} to {REACH_HIGH[0]} "
            f"and y from {REACH_LOW[1]} to {REACH_HIGH[1]}"
        )


def _is_held(state: TableState, name: str) -> bool:
    block, hand = state.blocks[name], state.hand
    return bool(state.opening < _HELD and np.hypot(*(block[:2] - hand[:2])) < 0.03 and abs(hand[2] - block[2]) < 0.06)


def _lies_there(state: TableState, goal: Goal) -> bool:
    block = state.blocks[goal.block]
    return float(np.hypot(*(block[:2] - goal.spot))) < ARRIVED and bool(block[2] < BLOCK_HALF + 0.006)


def _towards(target: np.ndarray, wanted: object, grip: float, speed: float = 1.0) -> Action:
    """Action that moves the hand's target straight to `wanted`, at most at `speed`."""
    move = (np.asarray(wanted, np.float64) - target) / MOST_PER_FRAME
    length = float(np.abs(move).max())
    if length > speed:
        move *= speed / length
    return np.append(move, grip)
