"""From the suite's kept scores to rows, curves, signatures of failure and contact sheets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from slowfast_bench.cost import Cost
from slowfast_bench.paths.tours import BUCKETS
from slowfast_bench.results import Results
from slowfast_bench.scores.consistency import SHEET_COLUMNS, Revisited, RolledOut
from slowfast_bench.scores.next_chunk import NextChunks
from slowfast_bench.signatures import Signature, signatures
from slowfast_bench.variants import Arm
from slowfast_envs.actions import FRAMES_PER_CHUNK
from slowfast_vgen.metrics.bootstrap import estimate
from slowfast_vgen.metrics.frames import drift, horizon
from slowfast_vgen.metrics.networks import Networks
from slowfast_vgen.metrics.video_distance import estimate_distance, small_sample_warning
from slowfast_vgen.pictures import Panel
from slowfast_vgen.results import Estimate, Row
from slowfast_vgen.types import Frames

DRIFT_FRAMES = 32
"""Of the first and the last window of a roll-out that are compared."""
HORIZON_FRAMES = 8
SHEET_ARMS = ("memory", "no_memory", "raw_context_8", "retrieval")

METRICS = {
    **{f"truth_{measure}": f"{measure}_truth" for measure in ("psnr", "ssim", "distance_mbv2")},
    **{f"history_{measure}": f"{measure}_own_visit" for measure in ("psnr", "ssim", "distance_mbv2")},
    "scuts": "scene_cuts",
}
"""Words of published names -> the metrics that they are called today."""
_PAIRED = {"psnr": "psnr", "ssim": "ssim", "distance_mbv2": "distance"}
"""Metric -> the field of the scores that holds it."""

Samples = Float[np.ndarray, "maps seeds *more"]


@dataclass(frozen=True)
class Scores:
    """All kept scores, by arm; a list has an entry a seed. What was not measured is empty."""

    clips: Mapping[str, Sequence[NextChunks]]
    revisits: Mapping[str, Mapping[str, Sequence[Revisited]]]
    rollouts: Mapping[str, RolledOut]
    costs: Mapping[str, Cost]
    true_clips: Callable[[], UInt8[np.ndarray, "clips frames height width 3"]]
    true_revisits: Callable[[], UInt8[np.ndarray, "maps columns height width 3"]]
    true_rollouts: Callable[[], UInt8[np.ndarray, "maps frames height width 3"]]


def suite_results(
    protocol: Mapping[str, Any], scores: Scores, arms: Sequence[Arm], networks: Networks, made_by: frozenset[str]
) -> Results:
    """The rows of every arm, the differences from the first one, and what is seen in them.

    Args:
        protocol: of the suite.
        scores: all that was kept.
        arms: what was compared.
        networks: what measures look through.
        made_by: commits of the code that made the kept scores.
    """
    samples = {arm.name: _samples(scores, arm.name) for arm in arms}
    rows: list[Row] = []
    for name, own in samples.items():
        rows += [
            Row.of(estimate(values), METRICS.get(word, word), name, gap=gap, called=word)
            for (word, gap), values in own.items()
        ]
        rows += _worst(scores, name)
        rows += _costs(scores.costs[name], name)
    if scores.clips:
        rows += _distances(scores, arms, networks)
    first, *others = arms
    for other in others:
        for (word, gap), values in samples[first.name].items():
            if (word, gap) in samples[other.name]:
                difference, metric = estimate(values - samples[other.name][word, gap]), METRICS.get(word, word)
                rows.append(Row.of(difference, metric, first.name, minus=other.name, gap=gap, called=word))
    count = max(len(values) for values in samples[arms[0].name].values())
    warnings = [] if count >= 64 else [f"only {count} episodes of each kind: intervals are wide, 64 are wanted"]
    for clips in list(scores.clips.values())[:1]:
        warnings += filter(None, [small_sample_warning(count * len(clips))])
    seen = {
        "curves": _curves(scores),
        "signatures": [one.to_json() for one in _signatures(scores, rows)],
        "warnings": warnings,
    }
    sheets = _sheets(scores, first.name)
    return Results.made({**protocol, **seen}, rows, first.world.device, made_by, sheets)


def _samples(scores: Scores, arm: str) -> dict[tuple[str, str | None], Samples]:
    """By published word and gap, all that is measured episode by episode: the same maps and seeds in every arm."""
    values: dict[tuple[str, str | None], Samples] = {}
    if clips := scores.clips.get(arm):
        values |= {
            ("psnr", None): np.stack([one.psnr[:, :FRAMES_PER_CHUNK] for one in clips], 1),
            ("ssim", None): np.stack([one.ssim for one in clips], 1),
            ("distance_mbv2", None): np.stack([one.distance for one in clips], 1),
            ("lpips", None): np.stack([one.lpips for one in clips], 1),
        }
    for gap, by_arm in scores.revisits.items():
        fewest, most = BUCKETS[gap]
        seeds = by_arm[arm]
        chosen = [(one.gap >= fewest) & (one.gap <= most) for one in seeds]
        for metric, attribute in _PAIRED.items():
            rows = [np.where(mask, getattr(one, attribute), np.nan) for mask, one in zip(chosen, seeds, strict=True)]
            values[f"truth_{metric}", gap] = np.stack(rows, 1)
    if arm not in scores.rollouts:
        return values
    rollout = scores.rollouts[arm]
    for gap, (fewest, most) in BUCKETS.items():
        mask = (rollout.gap >= fewest) & (rollout.gap <= most)
        for metric, attribute in _PAIRED.items():
            history = np.where(mask, getattr(rollout, f"history_{attribute}"), np.nan)
            values[f"history_{metric}", gap] = history[:, None]
    values |= {
        ("src_mbv2", None): rollout.similarity[:, None],
        ("src", None): rollout.similarity_resnet18[:, None],
        ("mirror_mse", None): rollout.mirror[:, None],
        ("scuts", None): rollout.scene_cuts[:, None],
        ("motion", None): rollout.motion[:, None],
        ("following", None): rollout.following[:, None],
        ("drift_sharpness", None): drift(rollout.sharpness, DRIFT_FRAMES)[:, None],
        ("drift_psnr_db", None): drift(rollout.truth_psnr, DRIFT_FRAMES)[:, None],
    }
    return values


def _worst(scores: Scores, arm: str) -> list[Row]:
    """Mean of the worst twentieth of the revisited frames, for each gap."""
    found = []
    for gap, by_arm in scores.revisits.items():
        fewest, most = BUCKETS[gap]
        rows = [np.where((one.gap >= fewest) & (one.gap <= most), one.psnr, np.nan) for one in by_arm[arm]]
        values = np.stack(rows, 1)
        if not np.isfinite(values).any():
            continue
        limit = np.nanquantile(values, 0.05)
        worst = estimate(np.where(values <= limit, values, np.nan))
        found.append(Row.of(worst, "psnr_truth_worst5", arm, gap=gap, called="worst5_truth_psnr"))
    return found


def _costs(cost: Cost, arm: str) -> list[Row]:
    """Median and quartiles of the times, and the size."""
    rows = [Row.of(Estimate.exact(float(cost.megabytes)), "memory_mb", arm)]
    ratios = cost.seconds_per_frame / cost.seconds_per_frame_no_memory
    for metric, word, values in (
        ("seconds_per_frame", "seconds_per_frame", cost.seconds_per_frame),
        ("cost_ratio", "time_over_no_memory", ratios),
    ):
        low, high = np.quantile(values, (0.25, 0.75))
        median = Estimate(float(np.median(values)), float(low), float(high), len(values))
        rows.append(Row.of(median, metric, arm, called=word))
    return rows


def _distances(scores: Scores, arms: Sequence[Arm], networks: Networks) -> list[Row]:
    """Fréchet distances between all clips of an arm and the true ones."""
    rows = []
    true = scores.true_clips()
    for metric, encode, attribute in (("fvd_mbv2", networks.clips, "clip"), ("fvd_i3d", networks.i3d, "i3d")):
        if encode is None:
            continue
        reference = encode(true)
        for arm in arms:
            made = np.stack([getattr(one, attribute) for one in scores.clips[arm.name]], 1)
            word = "fvd" if metric == "fvd_i3d" else metric
            rows.append(Row.of(estimate_distance(made, reference), metric, arm.name, called=word))
    return rows


def _curves(scores: Scores) -> dict[str, Any]:
    """PSNR against how far the video has come: short clips after the truth, and roll-outs from the start image."""
    curves: dict[str, Any] = {}
    if scores.clips:
        clips = {arm: np.stack([one.psnr for one in seeds], 1) for arm, seeds in scores.clips.items()}
        frames = list(range(1, 1 + next(iter(clips.values())).shape[-1]))
        truth = "PSNR against the truth (dB)"
        curves["clip_psnr"] = _curve("After the true past", "frames generated", truth, frames, clips)
    if scores.rollouts:
        long = {arm: horizon(one.truth_psnr, HORIZON_FRAMES)[:, None] for arm, one in scores.rollouts.items()}
        sharp = {arm: horizon(one.sharpness, HORIZON_FRAMES)[:, None] for arm, one in scores.rollouts.items()}
        history = {arm: _by_gap(one)[:, None] for arm, one in scores.rollouts.items()}
        windows = [HORIZON_FRAMES * (index + 1) for index in range(next(iter(long.values())).shape[-1])]
        gaps = [GAP_WIDTH * (index + 1) for index in range(next(iter(history.values())).shape[-1])]
        made, truth = "frames generated", "PSNR against the truth (dB)"
        curves |= {
            "rollout_psnr": _curve("From the start image alone, there and back", made, truth, windows, long),
            "history_psnr": _curve(
                "The way back against the video's own way out", "gap (frames)", "PSNR (dB)", gaps, history
            ),
            "rollout_sharpness": _curve("Sharpness", made, "mean difference of neighbours", windows, sharp),
        }
    return curves


GAP_WIDTH = 16


def _by_gap(rollout: RolledOut) -> Float[np.ndarray, "maps gaps"]:
    """Mean history PSNR for each 16 frames of gap."""
    longest = int(np.nanmax(rollout.gap))
    columns = []
    for low in range(0, longest, GAP_WIDTH):
        mask = (rollout.gap > low) & (rollout.gap <= low + GAP_WIDTH)
        counts = mask.sum(1)
        sums = np.where(mask, rollout.history_psnr, 0).sum(1)
        columns.append(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan))
    return np.stack(columns, 1)


def _curve(title: str, x_label: str, y_label: str, x: list[int], lines: Mapping[str, Samples]) -> dict[str, Any]:
    drawn = {}
    kept = [index for index in range(len(x)) if all(np.isfinite(each[..., index]).any() for each in lines.values())]
    for arm, values in lines.items():
        points = [estimate(values[..., index]) for index in kept]
        drawn[arm] = {side: [round(getattr(point, side), 5) for point in points] for side in ("mean", "low", "high")}
    return {"title": title, "x_label": x_label, "y_label": y_label, "x": [x[index] for index in kept], "lines": drawn}


def _signatures(scores: Scores, rows: Sequence[Row]) -> list[Signature]:
    found: list[Signature] = []
    for arm, rollout in scores.rollouts.items():
        own = {(row.metric, row.gap): row for row in rows if row.n and row.variant == arm and row.minus is None}
        again = own.get(("psnr_own_visit", "gap64")) or estimate(rollout.history_psnr[:, None])
        followed = own.get(("following", None)) or estimate(rollout.following[:, None])
        found += signatures(arm, rollout, scores.true_rollouts(), again, followed)
    return found


def _sheets(scores: Scores, first: str) -> dict[str, list[Panel]]:
    """The best, the median and the worst episode of the first arm: revisits at the middle gap, and roll-outs."""
    sheets: dict[str, list[Panel]] = {}
    if scores.revisits:
        seen = {arm: seeds[0] for arm, seeds in scores.revisits["gap64"].items()}
        for name, row in _ranked(seen[first].psnr):
            rows = {arm: one.sheet[row] for arm, one in seen.items() if arm in SHEET_ARMS or arm == first}
            sheets[f"revisit_{name}"] = _panels({"true": scores.true_revisits()[row]} | rows)
    if scores.rollouts:
        true = scores.true_rollouts()
        shown = np.linspace(0, true.shape[1] - 1, SHEET_COLUMNS).round().astype(int)
        for name, row in _ranked(scores.rollouts[first].history_psnr):
            rows = {arm: one.sheet[row] for arm, one in scores.rollouts.items() if arm in SHEET_ARMS or arm == first}
            sheets[f"rollout_{name}"] = _panels({"true": true[row, shown]} | rows)
    return sheets


def _ranked(values: Float[np.ndarray, "maps frames"]) -> list[tuple[str, int]]:
    order = np.argsort(-np.nanmean(values, 1))
    return [("best", int(order[0])), ("median", int(order[len(order) // 2])), ("worst", int(order[-1]))]


def _panels(rows: Mapping[str, Frames]) -> list[Panel]:
    return [Panel(name.replace("_", " "), frames) for name, frames in rows.items()]
