"""The planning loop (paper 3.4): sub-goal, imagined chunk, action read off it, action carried out, memory updated."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.config import MemorySetting
from slowfast_vgen.models.vocabulary import Action, Vocabulary
from slowfast_vgen.plan.environment import PlanEnvironment, put_back_of
from slowfast_vgen.plan.goal import RETRACE_TEXT, SubGoal, decisions, split_goal
from slowfast_vgen.plan.policy import Feedback, ImaginingPolicy, Policy
from slowfast_vgen.plan.reader import Reader
from slowfast_vgen.rollout import WorldModel
from slowfast_vgen.types import Frames


@dataclass(frozen=True)
class Decision:
    """One round of the loop."""

    number: int
    """Number of the decision, from 0."""
    sub_goal: str
    read: str
    """The action that was read off the imagined frames (or drawn, by a policy that imagines nothing)."""
    confidence: float
    action: str
    """The action that was carried out: the one that was read, unless another was forced."""
    imagined: Frames | None
    """The imagined chunk, `f_g` frames."""
    real: Frames
    """The engine's frames, as many."""


@dataclass
class Trace:
    """The decisions and the outcome of one episode."""

    decisions: list[Decision] = field(default_factory=list)
    error: str = ""
    """The reason why the episode broke off; empty where it did not."""


@dataclass(frozen=True)
class Shown:
    """An episode at the point where planning begins."""

    environment: PlanEnvironment
    frames: Frames
    """The start image and the frames since, `1 + f_g * len(actions)`."""
    actions: tuple[str, ...]
    """Actions that were carried out, a text a chunk."""


OnDecision = Callable[[int, Decision], object]
"""Callback: gets the row of the episode and the decision as soon as it was carried out."""


def run_episodes(
    policy: Policy,
    episodes: Sequence[Shown],
    sub_goals: Sequence[Sequence[str]],
    on_decision: OnDecision = lambda row, decision: None,
    forced: Sequence[Sequence[str]] | None = None,
) -> list[Trace]:
    """Shows the policy the past of each episode, then decides and acts, all episodes batched.

    Args:
        policy: a policy that has begun these very episodes.
        episodes: the episodes; all were led by the same number of chunks.
        sub_goals: sub-goals by episode, one text a decision; the same number for each.
        on_decision: see `OnDecision`.
        forced: actions to carry out, by episode and decision, in place of those that are read: for measuring each
            decision alone, from the true trajectory.
    """
    num_led = len(episodes[0].actions)
    assert all(len(episode.actions) == num_led for episode in episodes), "batched episodes were led equally long"
    f_g = (len(episodes[0].frames) - 1) // num_led if num_led else None
    for number in range(num_led):
        now = slice(1 + f_g * number, 1 + f_g * (number + 1)) if f_g else slice(0, 0)
        policy.show(np.stack([shown.frames[now] for shown in episodes]), [shown.actions[number] for shown in episodes])
    last = np.stack([episode.frames[-1] for episode in episodes])
    traces = [Trace() for _ in episodes]
    for number, wanted in enumerate(zip(*sub_goals, strict=True)):
        decided = policy.decide(wanted)
        f_g = f_g if decided.imagined is None else decided.imagined.shape[1]
        chunks, actions = [], []
        for row, (episode, trace) in enumerate(zip(episodes, traces, strict=True)):
            action = decided.actions[row] if forced is None else forced[row][number]
            if decided.broken[row] and not trace.error:
                trace.error = "the model gave frames that are not finite"
            real = None if trace.error or episode.environment.ended else _act(episode, action, trace, f_g)
            if real is not None:
                f_g = len(real)
                imagined = None if decided.imagined is None else decided.imagined[row]
                read, confidence = decided.actions[row], float(decided.confidence[row])
                trace.decisions.append(Decision(number, wanted[row], read, confidence, action, imagined, real))
                on_decision(row, trace.decisions[-1])
                last[row] = real[-1]
            chunks.append(real)
            actions.append(action)
        if all(chunk is None for chunk in chunks):
            break
        # An episode that is over repeats its last frame, so that the others can continue in the same batch.
        filled = [np.repeat(last[row][None], f_g or 1, 0) if new is None else new for row, new in enumerate(chunks)]
        policy.take_in(np.stack(filled), actions)
    return traces


def _act(episode: Shown, text: str, trace: Trace, f_g: int | None) -> Frames | None:
    """Frames that the engine shows, `f_g` if that is known; where it fails, the trace gets the reason."""
    try:
        frames = episode.environment.act(text)
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[1:] != episode.frames.shape[1:]:
            wanted = ", ".join(map(str, episode.frames.shape[1:]))
            raise UserError(f"the engine showed {frames.dtype} {list(frames.shape)}, not uint8 [f_g, {wanted}]")
        if len(frames) != (f_g or len(frames)):
            raise UserError(f"the engine showed {len(frames)} frames, not {f_g}; set its frames_per_chunk accordingly")
    except Exception as error:  # an engine may fail in any way; the other episodes continue
        trace.error = f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
        return None
    return frames


def plan(
    world: WorldModel,
    reader: Reader,
    environment: PlanEnvironment,
    goal: str | Sequence[SubGoal],
    led: Sequence[str] = (),
    memory: MemorySetting = True,
    seed: int = 0,
    feedback: Feedback = "real",
    on_decision: OnDecision = lambda row, decision: None,
) -> Trace:
    """Plans one episode in any environment; `docs/howto/plan.md` has an example.

    Args:
        world: the world that imagines.
        reader: reads the environment's actions off frames.
        environment: the environment; it is reset with `seed` first.
        goal: the goal in words, or split already.
        led: actions to carry out before planning begins, so that there is something to remember.
        memory: the memory, as in `WorldModel.start`.
        seed: seed of the environment and of the world's noise.
        feedback: the frames that enter the memory after an action.
        on_decision: see `OnDecision`; the row is 0.

    Raises:
        UserError: a goal without words, a led action that the environment does not know, or frames of another size than
            the world's. What an engine raises while it is reset or led is passed on.
    """
    known = [text.lower() for text in environment.action_texts]
    split = split_goal(goal, _verbs_of(world), known) if isinstance(goal, str) else goal
    sub_goals = decisions(split, led, put_back_of(environment))
    frames = np.concatenate([environment.reset(seed), *(environment.act(action) for action in led)])
    config = world.model.config
    if frames.shape[1:3] != world.frame_size or len(frames) != 1 + config.num_new_frames * len(led):
        raise UserError(
            f"the environment shows {len(frames)} frames of {frames.shape[1]}x{frames.shape[2]} for {len(led)} "
            f"actions, but the world {config.name} has chunks of {config.num_new_frames} frames of "
            f"{world.frame_size[0]}x{world.frame_size[1]}; set size and frames_per_chunk accordingly"
        )
    stepper = world.start_batch(frames[:1], world.memory_config(memory) or False, [seed])
    policy = ImaginingPolicy(world, stepper, reader, feedback, frames[:1])
    return run_episodes(policy, [Shown(environment, frames, tuple(led))], [sub_goals], on_decision)[0]


def _verbs_of(world: WorldModel) -> Vocabulary | None:
    """The world's vocabulary for reading goals; None where it has none."""
    actions = world.model.vocabulary.actions if world.model.vocabulary else ()
    # With motions "turn left 180 degrees" would be two chunks; the way back is read by `goal` itself.
    verbs = tuple(Action(action.verb, action.phrasings) for action in actions if action.text != RETRACE_TEXT)
    return Vocabulary(verbs) if verbs else None
