"""One task, one reader, one goal: what every arm plays on, and the parts of a trial that are computed there."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Float32

from slowfast_bench.cache import Progress
from slowfast_bench.planning.arms import Player
from slowfast_bench.planning.scores import PlanScores, Scorer, clip_features
from slowfast_bench.planning.task import Task, TaskEpisode
from slowfast_bench.scores.following import row_seeds
from slowfast_vgen.errors import UserError
from slowfast_vgen.metrics.video_distance import ClipFeatures, VideoFeatures
from slowfast_vgen.plan.environment import put_back_of
from slowfast_vgen.plan.goal import SubGoal, decisions
from slowfast_vgen.plan.planner import Decision, OnDecision, Shown, run_episodes
from slowfast_vgen.plan.policy import Feedback
from slowfast_vgen.plan.reader import Reader

TIMED_DECISIONS = 9
"""In one episode, of which the first is not counted; short episodes are followed by others."""


@dataclass(frozen=True)
class TrueWays:
    """What the true ways of some episodes give; NaN for one that could not begin."""

    right: Float[np.ndarray, "episodes decisions"]
    """1 where the right action is read off the true frames."""
    features: Float32[np.ndarray, "episodes features"]


@dataclass(frozen=True)
class Pace:
    """Seconds of each decision of single episodes, alone."""

    seconds: Float[np.ndarray, " decisions"]


class Stage:
    """Where arms plan: `Stage(task, reader, sub_goals, "real").played(player, seed, rows, progress)`."""

    def __init__(
        self,
        task: Task,
        reader: Reader,
        sub_goals: Sequence[SubGoal],
        feedback: Feedback,
        clips: VideoFeatures | None = None,
    ) -> None:
        """`clips` gives the features of videos; None takes the embedded network."""
        self.task, self.reader, self.sub_goals, self.feedback = task, reader, tuple(sub_goals), feedback
        self._clips = clips

    def words(self, episode: TaskEpisode) -> list[str]:
        """One sub-goal a decision; how many there are is told by the task's way-points."""
        count = self.task.num_decisions
        texts = decisions(self.sub_goals, episode.actions, put_back_of(episode.environment))[:count]
        return texts + [texts[-1]] * (count - len(texts))

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
        policy = player.begin(self.reader, self.feedback, self.task, episodes, seeds)
        shown = [Shown(one.environment, one.frames, one.actions) for one in episodes]
        words = [self.words(one)[:num_decisions] for one in episodes]
        actions = [one.true_actions for one in episodes] if forced else None
        traces = run_episodes(policy, shown, words, on_decision, actions)
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
                read = self.reader.read(torch.from_numpy(chunks)).actions
                right[row] = [episode.is_right(number, action) for number, action in enumerate(read)]
                features[row] = clip_features(self.clips, episode.true_way)
        return TrueWays(right, features)

    def pace(self, player: Player, progress: Progress) -> Pace:
        """From one finished action to the next: memory, imagination, reading and acting."""
        each = min(TIMED_DECISIONS, self.task.num_decisions)
        seconds = [np.empty(0)]
        with self.task.open(range(math.ceil((TIMED_DECISIONS - 1) / max(1, each - 1)))) as opened:
            for episode in opened:
                times: list[float] = []
                if not isinstance(episode, str):
                    self.perform(
                        player, [0], [episode], lambda *_, to=times: to.append(time.perf_counter()), num_decisions=each
                    )
                seconds.append(np.diff(times))
        return Pace(np.concatenate(seconds))
