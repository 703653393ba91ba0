"""Rows of a results file of `slowfast plan`: each arm's with its own commit; new ones join those that are there."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from slowfast_bench.planning.arms import is_seeded
from slowfast_bench.planning.trial import REFERENCE
from slowfast_bench.results import Results
from slowfast_vgen.errors import UserError
from slowfast_vgen.results import Estimate, Row
from slowfast_vgen.sealed import fits

SAME = (
    "version",
    "task",
    "sub_goals",
    "feedback",
    "inverse_dynamics_sha256",
    "precision",
    "sampling_steps",
    "num_episodes",
    "num_seeds",
)
"""Parts of the protocol in which rows of one table must agree."""
_MADE = ("git_commit", "machine")


def with_own_commits(protocol: Mapping[str, Any]) -> dict[str, Any]:
    """The protocol with commit and machine in every arm's row that has none: rows may be made at several times."""
    made = {name: protocol[name] for name in _MADE}
    return {**protocol, "arms": {name: made | about for name, about in protocol["arms"].items()}}


def joined_rows(kept: Results, new: Results) -> Results:
    """The rows of a results file and new ones; an arm that both have is told by the new one.

    What belongs to no single row stays as it was, unless the reference arm is among the new ones; paired differences
    from it need a run of both.

    Raises:
        UserError: rows of other episodes or settings.
    """
    check_rows(kept)
    before, after = with_own_commits(kept.protocol), with_own_commits(new.protocol)
    other = [key for key in SAME if before[key] != after[key]]
    if other:
        raise UserError(
            f"{kept.path} holds rows of another {' and '.join(other)}, so new ones cannot stand beside them; give the "
            "same settings, or write to another file"
        )
    rows = {row.name: row for row in new.rows}
    if REFERENCE not in after["arms"] and REFERENCE in before["arms"]:
        rows.pop("seconds_per_decision", None)
    ours = set(after["arms"])
    stale = {row.name for row in kept.rows if row.minus == REFERENCE and row.variant in ours}
    arms = before["arms"] | after["arms"]
    crashed = [one for one in before["crashed"] if one["arm"].removesuffix(" on the way") not in ours]
    crashed += after["crashed"]
    total = sum(_num_runs(name, about, after) for name, about in arms.items())
    rows["crashed"] = Row.of(Estimate.exact(len(crashed), total), "crashed")
    curves = {name: one | after["by_decision"].get(name, {}) for name, one in before["by_decision"].items()}
    told = before.get("needs_weights", {}) | after.get("needs_weights", {})
    protocol = {
        **before,
        "arms": arms,
        "crashed": crashed,
        "by_decision": curves,
        "per_seed": {name: one for name, one in before["per_seed"].items() if name not in stale} | after["per_seed"],
        "needs_weights": {name: one for name, one in told.items() if name not in arms},
    }
    joined = {row.name: row for row in kept.rows if row.name not in stale} | rows
    return replace(kept, protocol=protocol, rows=tuple(joined.values()))


def check_rows(kept: Results) -> None:
    """Refuses a results file that has other rows than those of `slowfast plan`.

    Raises:
        UserError: it has.
    """
    try:
        protocol = with_own_commits(kept.protocol)
        rows = dict[str, dict[str, Any]]
        kinds = {"crashed": list[dict[str, Any]], "per_seed": dict[str, Any], "by_decision": rows}
        is_ours = all(key in protocol for key in SAME) and fits(protocol["arms"], rows)
        is_ours = is_ours and all(fits(protocol[name], kind) for name, kind in kinds.items())
        is_ours = is_ours and fits(protocol.get("needs_weights", {}), dict[str, Any])
        is_ours = is_ours and all(isinstance(one["arm"], str) for one in protocol["crashed"])
    except (KeyError, TypeError, AttributeError):
        is_ours = False
    if not is_ours:
        raise UserError(f"{kept.path} holds no rows of `slowfast plan`; write to another")


def _num_runs(name: str, about: Mapping[str, Any], protocol: Mapping[str, Any]) -> int:
    """Episodes that an arm played: by every seed that changes it, and once more on the true way if it has weights."""
    seeds = protocol["num_seeds"] if is_seeded(name) else 1
    return int(protocol["num_episodes"]) * (seeds + ("weights_sha256" in about))
