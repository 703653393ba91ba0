"""One task, one reader, one goal: what every arm plays on, and the parts of a trial that are computed there."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Float32

from slowfast_vgen.errors import UserError
from slowfast_vgen.evaluate.blocks import Progress
from slowfast_vgen.evaluate.following import row_seeds
from slowfast_vgen.evaluate.video_distance import ClipFeatures, VideoFeatures
from slowfast_vgen.models.inverse_dynamics import InverseDynamics
from slowfast_vgen.plan.arms import Player
from slowfast_vgen.plan.environment import texts_of_verbs
from slowfast_vgen.plan.goal import SubGoal, decisions
from slowfast_vgen.plan.planner import Decision, OnDecision, Shown, run_episodes
from slowfast_vgen.plan.policy import Feedback
from slowfast_vgen.plan.scores import PlanScores, Scorer, clip_features
from slowfast_vgen.plan.tasks.task import Task, TaskEpisode

TIMED_DECISIONS = 9
"""Of which the first is not counted."""


@dataclass(frozen=True)
class TrueWays:
    """What the true ways of some episodes give; NaN for one that could not begin."""

    right: Float[np.ndarray, "episodes decisions"]
    """1 where the verb is read off the true frames."""
    features: Float32[np.ndarray, "episodes features"]


@dataclass(frozen=True)
class Pace:
    """Seconds of each decision of a single episode, alone."""

    seconds: Float[np.ndarray, " decisions"]


class Stage:
    """Where arms plan: `Stage(task, reader, sub_goals, "real").played(player, seed, rows, progress)`."""

    def __init__(
        self,
        task: Task,
        reader: InverseDynamics,
        sub_goals: Sequence[SubGoal],
        feedback: Feedback,
        clips: VideoFeatures | None = None,
    ) -> None:
        """`clips` gives the features of videos; None takes the embedded network.

        Raises:
            UserError: the reader has verbs that the task's engine does not know.
        """
        self.task, self.reader, self.sub_goals, self.feedback = task, reader, tuple(sub_goals), feedback
        self.texts = texts_of_verbs(reader.names, task.action_texts)
        texts = decisions(self.sub_goals, task.num_led)[: task.num_decisions]
        self.words = texts + [texts[-1]] * (task.num_decisions - len(texts))
        """One a decision; how many there are is told by the task's way-points."""
        self._clips = clips

    @cached_property
    def clips(self) -> VideoFeatures:
        """What gives the features of videos."""
        return self._clips or ClipFeatures.load()

    def check(self, player: Player) -> None:
        """Raises `UserError` where the arm imagines other frames than the task shows."""
        if player.arm is None:
            return
        world, task = player.arm.world, self.task
        if (world.frame_size, world.model.config.num_new_frames) != (task.frame_size, task.frames_per_chunk):
            raise UserError(
                f"the task {task.name} shows chunks of {task.frames_per_chunk} frames of {task.frame_size[0]}x"
                f"{task.frame_size[1]}, but the world {world.model.config.name} imagines "
                f"{world.model.config.num_new_frames} of {world.frame_size[0]}x{world.frame_size[1]}; choose another"
            )

    def perform(
        self,
        player: Player,
        seeds: Sequence[int],
        episodes: Sequence[TaskEpisode],
        on_decision: OnDecision,
        forced: bool = False,
        num_decisions: int | None = None,
    ) -> list[str]:
        """One arm at episodes that are open; why each crashed, empty where it did not.

        With `forced` the true way is walked whatever the arm decides.
        """
        policy = player.begin(self.reader, self.feedback, episodes, seeds, self.task.num_decisions)
        shown = [Shown(one.environment, one.frames, one.actions) for one in episodes]
        verbs = [one.true_verbs for one in episodes] if forced else None
        # The way may take verbs that the reader never saw.
        texts = self.texts | texts_of_verbs(
            sorted({each for way in verbs or () for each in way}), self.task.action_texts
        )
        traces = run_episodes(policy, shown, self.words[:num_decisions], texts, on_decision, verbs)
        return [trace.error for trace in traces]

    def played(self, player: Player, seed: int | None, rows: range, progress: Progress) -> PlanScores:
        """The scores of some episodes: with a seed the arm acts, without one each decision is measured on the way."""
        with self.task.open(rows) as opened:
            scorer = Scorer(opened, self.task)
            begun = [(row, one) for row, one in enumerate(opened) if not isinstance(one, str)]
            if begun:
                own_seeds = row_seeds(seed or 0, rows.start, len(rows))

                def on_decision(number: int, decision: Decision) -> None:
                    scorer.on_decision(begun[number][0], decision)
                    progress(1)

                errors = self.perform(
                    player,
                    [own_seeds[row] for row, _ in begun],
                    [one for _, one in begun],
                    on_decision,
                    forced=seed is None,
                )
                for (row, _), error in zip(begun, errors, strict=True):
                    scorer.errors[row] = error
            return scorer.scores(self.clips)

    def true_ways(self, rows: range, progress: Progress) -> TrueWays:
        """Readings and features of true frames: the most that reading can do, and what imagined videos are far from."""
        length, count = self.task.frames_per_chunk, self.task.num_decisions
        with self.task.open(rows) as opened:
            right = np.full((len(opened), count), np.nan)
            features = np.full((len(opened), self.clips.num_features), np.nan, np.float32)
            for row, episode in enumerate(opened):
                if isinstance(episode, str):
                    continue
                way = np.concatenate([episode.frames[-1:], episode.true_way])
                chunks = np.stack([way[length * number : length * (number + 1) + 1] for number in range(count)])
                read = self.reader.read(torch.from_numpy(chunks)).verbs
                right[row] = [one == true for one, true in zip(read, episode.true_verbs, strict=True)]
                features[row] = clip_features(self.clips, episode.true_way)
        return TrueWays(right, features)

    def pace(self, player: Player, progress: Progress) -> Pace:
        """From one finished action to the next: memory, imagination, reading and acting."""
        times: list[float] = []
        with self.task.open(range(1)) as opened:
            if not isinstance(opened[0], str):
                self.perform(
                    player,
                    [0],
                    [opened[0]],
                    lambda *_: times.append(time.perf_counter()),
                    num_decisions=TIMED_DECISIONS,
                )
        return Pace(np.diff(times))
