"""A planning task under one configuration: every arm, every seed, in parts that are kept (the paper's Table 2)."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from slowfast_bench.cache import Block, cache_folder, run_blocks
from slowfast_bench.planning.arms import Player
from slowfast_bench.planning.runner import Pace, Stage, TrueWays
from slowfast_bench.planning.scores import PlanScores, arm_rows, by_decision, differences, forced_rows
from slowfast_bench.results import Results
from slowfast_vgen.errors import UserError
from slowfast_vgen.metrics.bootstrap import NUM_RESAMPLES, estimate
from slowfast_vgen.plan.policy import FEEDBACKS
from slowfast_vgen.results import Estimate, Row

VERSION = 1
"""Raised with every change that makes kept parts of older code wrong."""
EPISODES_PER_PART = 20
REFERENCE = "loop"
"""The arm that the others are compared with."""


@dataclass(frozen=True)
class TrialConfig:
    """How large the trial is."""

    num_episodes: int = 100
    num_seeds: int = 3

    def __post_init__(self) -> None:
        if self.num_episodes < 1 or self.num_seeds < 1:
            raise UserError(f"at least 1 episode and 1 seed are needed, got {self.num_episodes} and {self.num_seeds}")

    @classmethod
    def quick(cls) -> "TrialConfig":
        """Shows that everything runs; its figures mean nothing."""
        return cls(num_episodes=2, num_seeds=1)


class Trial:
    """Arms at one task: `Trial(stage, players, config).run(folder)`."""

    def __init__(self, stage: Stage, players: Sequence[Player], config: TrialConfig) -> None:
        """Raises `UserError` for no arm, or one that imagines other frames than the task shows."""
        if not players:
            raise UserError("no arm is left to plan with; give the weights that they need, or choose others")
        if stage.feedback not in FEEDBACKS:
            raise UserError(f"unknown feedback {stage.feedback!r}; choose one of {', '.join(FEEDBACKS)}")
        for player in players:
            stage.check(player)
        self.stage, self.players, self.config = stage, list(players), config

    @property
    def protocol(self) -> dict[str, Any]:
        """Everything that decides the figures, as JSON values."""
        worlds = [player.arm.world for player in self.players if player.arm is not None]
        task = self.stage.task
        return {
            "command": "plan",
            "version": VERSION,
            "task": task.describe(),
            "sub_goals": [asdict(each) for each in self.stage.sub_goals],
            "feedback": self.stage.feedback,
            "inverse_dynamics_sha256": self.stage.reader.fingerprint,
            "precision": worlds[0].precision if worlds else "float32",
            "sampling_steps": worlds[0].model.config.num_sampling_steps if worlds else 0,
            "arms": {player.name: player.describe() for player in self.players},
            "way_points": f"reached within {task.near:g} {task.unit}",
            "interval": f"95 % bootstrap over episodes, {NUM_RESAMPLES} resamples; of seconds the quartiles",
            **asdict(self.config),
        }

    def folder(self, results: Path) -> Path | None:
        """Where finished parts are kept beside the results; arms and episodes may be added later."""
        fixed = {name: each for name, each in self.protocol.items() if name not in ("arms", "num_episodes")}
        return cache_folder(results, "plan", fixed)

    def run(self, folder: Path | None = None) -> Results:
        """Computes what `folder` does not hold yet; gives the protocol and the rows.

        Raises:
            UserError: an engine is not installed, or `folder` cannot be written.
            KeyboardInterrupt: says how much is done.
        """
        records = run_blocks(list(self._blocks()), folder)
        true: list[TrueWays] = [records[self._name("true", first)] for first in self._firsts]
        features = np.concatenate([one.features for one in true])
        features = features[np.isfinite(features).all(1)]
        free = {one.name: [self._joined(records, one, seed) for seed in self._seeds(one)] for one in self.players}
        forced = {one.name: self._joined(records, one, None) for one in self.players if one.arm is not None}
        rows: list[Row] = []
        for name, seeds in free.items():
            to_compare = features if name in forced else features[:0]  # the bounds imagine nothing of their own
            rows += arm_rows(name, seeds, self.stage.task.near, to_compare, self.stage.clips.name)
        for name, scores in forced.items():
            rows += forced_rows(name, scores)
        rows.append(Row.of(estimate(np.concatenate([one.right for one in true])[:, None]), "idm_accuracy"))
        rows += [*differences(free, REFERENCE), *self._paces(records)]
        runs = [(name, seed, one) for name, seeds in free.items() for seed, one in enumerate(seeds)]
        runs += [(f"{name} on the way", 0, one) for name, one in forced.items()]
        crashed = [
            {"arm": name, "seed": seed, "episode": episode, "error": str(error)}
            for name, seed, one in runs
            for episode, error in enumerate(one.error)
            if error
        ]
        total = sum(len(one.error) for _, _, one in runs)
        rows.append(Row.of(Estimate.exact(len(crashed), total), "crashed"))
        curves = {"distance": {name: by_decision([one.distance for one in seeds]) for name, seeds in free.items()}}
        curves["imagination_psnr"] = {name: by_decision([one.imagination_psnr]) for name, one in forced.items()}
        curves["idm_accuracy"] = {name: by_decision([one.right]) for name, one in forced.items()}
        devices = [one.arm.world.device for one in self.players if one.arm is not None]
        protocol = self.protocol | {"crashed": crashed, "by_decision": curves}
        return Results.made(protocol, rows, devices[0] if devices else None, records.commits)

    @property
    def _firsts(self) -> range:
        return range(0, self.config.num_episodes, EPISODES_PER_PART)

    def _seeds(self, player: Player) -> range:
        return range(self.config.num_seeds if player.seeded else 1)

    def _rows(self, first: int) -> range:
        return range(first, min(first + EPISODES_PER_PART, self.config.num_episodes))

    def _name(self, what: str, first: int) -> str:
        return f"{what}-{first}-{len(self._rows(first))}"

    def _of(self, player: Player, run: object) -> str:
        digest = hashlib.sha256(json.dumps(player.describe(), sort_keys=True).encode()).hexdigest()[:8]
        return f"{player.name}-{digest}-{'forced' if run is None else run}"

    def _blocks(self) -> Iterator[Block[Any]]:
        stage = self.stage
        for player in self.players:
            if player.arm is not None:
                yield Block(self._of(player, "pace"), Pace, 0, partial(stage.pace, player))
        for first in self._firsts:
            yield Block(self._name("true", first), TrueWays, 0, partial(stage.true_ways, self._rows(first)))
        for seed in [*range(self.config.num_seeds), None]:  # seed by seed: a run that is stopped has whole seeds
            for player in self.players:
                if player.arm is None if seed is None else seed not in self._seeds(player):
                    continue
                for first in self._firsts:
                    rows = self._rows(first)
                    name, work = self._name(self._of(player, seed), first), len(rows) * stage.task.num_decisions
                    yield Block(name, PlanScores, work, partial(stage.played, player, seed, rows))

    def _joined(self, records: Mapping[str, Any], player: Player, seed: int | None) -> PlanScores:
        return PlanScores.joined([records[self._name(self._of(player, seed), first)] for first in self._firsts])

    def _paces(self, records: Mapping[str, Any]) -> list[Row]:
        """The median of each arm with its quartiles; without an arm, that of the reference or of the first."""
        found: dict[str, Estimate] = {}
        for player in self.players:
            seconds = records[self._of(player, "pace")].seconds if player.arm is not None else np.empty(0)
            if len(seconds):
                low, median, high = (float(each) for each in np.quantile(seconds, (0.25, 0.5, 0.75)))
                found[player.name] = Estimate(median, low, high, len(seconds))
        own = found.get(REFERENCE, next(iter(found.values()), None))
        rows = [] if own is None else [Row.of(own, "seconds_per_decision")]
        return rows + [Row.of(one, "seconds_per_decision", name) for name, one in found.items()]
