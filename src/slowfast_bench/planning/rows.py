"""Rows of a results file of `slowfast plan`: each arm's with its own commit; new ones join those that are there."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from slowfast_bench.planning.arms import is_seeded
from slowfast_bench.planning.trial import REFERENCE
from slowfast_vgen.errors import UserError
from slowfast_vgen.metrics.bootstrap import Estimate
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

Figures = dict[str, dict[str, float]]


def with_own_commits(protocol: Mapping[str, Any]) -> dict[str, Any]:
    """The protocol with commit and machine in every arm's row that has none: rows may be made at several times."""
    made = {name: protocol[name] for name in _MADE}
    return {**protocol, "arms": {name: made | about for name, about in protocol["arms"].items()}}


def joined_rows(
    kept: Mapping[str, Any], protocol: Mapping[str, Any], figures: Mapping[str, Estimate], where: str
) -> tuple[dict[str, Any], Figures]:
    """The rows of a results file and new ones; an arm that both have is told by the new one.

    Args:
        kept: the results file, as read.
        protocol: of the new rows.
        figures: of the new rows.
        where: the results file's name, for messages.

    Returns:
        The protocol and the figures of all rows. What belongs to no single row stays as it was, unless the reference
        arm is among the new ones; paired differences from it need a run of both.

    Raises:
        UserError: rows of other episodes or settings.
    """
    new = {name: {key: asdict(one)[key] for key in ("mean", "low", "high", "n")} for name, one in figures.items()}
    before, old = check_rows(kept, where)
    other = [key for key in SAME if before[key] != protocol[key]]
    if other:
        raise UserError(
            f"{where} holds rows of another {' and '.join(other)}, so new ones cannot stand beside them; give the same "
            "settings, or write to another file"
        )
    after = with_own_commits(protocol)
    if REFERENCE not in after["arms"] and REFERENCE in before["arms"]:
        new.pop("seconds_per_decision", None)
    ours = set(after["arms"])
    stale = {name for name in old if any(name.endswith(f"_{arm}_minus_{REFERENCE}") for arm in ours)}
    rows = {name: one for name, one in old.items() if name not in stale} | new
    arms = before["arms"] | after["arms"]
    crashed = [one for one in before["crashed"] if one["arm"].removesuffix(" on the way") not in ours]
    crashed += after["crashed"]
    total = sum(_num_runs(name, about, protocol) for name, about in arms.items())
    rows["crashed"] = {"mean": len(crashed), "low": len(crashed), "high": len(crashed), "n": total}
    curves = {name: one | after["by_decision"].get(name, {}) for name, one in before["by_decision"].items()}
    told = before.get("needs_weights", {}) | after.get("needs_weights", {})
    return {
        **before,
        "arms": arms,
        "crashed": crashed,
        "by_decision": curves,
        "per_seed": {name: one for name, one in before["per_seed"].items() if name not in stale} | after["per_seed"],
        "needs_weights": {name: one for name, one in told.items() if name not in arms},
    }, rows


def check_rows(kept: Any, where: str) -> tuple[dict[str, Any], Figures]:
    """The protocol and the figures of a results file, where it has those of `slowfast plan`.

    Raises:
        UserError: it has others.
    """
    try:
        protocol, figures = with_own_commits(kept["protocol"]), kept["figures"]
        rows = dict[str, dict[str, Any]]
        kinds = {"crashed": list[dict[str, Any]], "per_seed": dict[str, Any], "by_decision": rows}
        told = [protocol[key] for key in SAME]
        is_ours = len(told) == len(SAME) and fits(figures, rows) and fits(protocol["arms"], rows)
        is_ours = is_ours and all(fits(protocol[name], kind) for name, kind in kinds.items())
        is_ours = is_ours and fits(protocol.get("needs_weights", {}), dict[str, Any])
        is_ours = is_ours and all(isinstance(one["arm"], str) for one in protocol["crashed"])
    except (KeyError, TypeError, AttributeError):
        is_ours = False
    if not is_ours:
        raise UserError(f"{where} holds no rows of `slowfast plan`; write to another")
    return protocol, figures


def _num_runs(name: str, about: Mapping[str, Any], protocol: Mapping[str, Any]) -> int:
    """Episodes that an arm played: by every seed that changes it, and once more on the true way if it has weights."""
    seeds = protocol["num_seeds"] if is_seeded(name) else 1
    return int(protocol["num_episodes"]) * (seeds + ("weights_sha256" in about))
