"""Results files that nobody measured, in the form of those that were: for tests of what reads them."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from slowfast_vgen.results import Estimate, Row

Content = dict[str, Any]

LABELS = {
    "memory": "memory",
    "no_memory": "no memory",
    "frozen": "last frame frozen",
    "raw_context_2": "raw context of 2 chunks",
    "raw_context_4": "raw context of 4 chunks",
    "raw_context_8": "raw context of 8 chunks",
    "anchor": "one anchor frame",
    "retrieval": "frames retrieved by true pose",
}
GAPS = {"gap16": [9, 32], "gap64": [41, 104], "gap200": [200, 100_000]}
TRUTH_PSNR = {
    "memory": (22.9, 21.9, 21.5),
    "no_memory": (11.0, 10.5, 10.48),
    "frozen": (14.8, 11.8, 10.4),
    "raw_context_2": (11.2, 10.6, 10.5),
    "raw_context_4": (17.4, 10.8, 10.5),
    "raw_context_8": (22.85, 11.2, 10.6),
    "anchor": (13.1, 12.5, 12.2),
    "retrieval": (23.6, 23.4, 23.2),
}
SHORT_ONLY = ("raw_context_2", "raw_context_4")
WIDTH, SPREAD = 0.2, 0.01
"""Half an interval: of decibels, of all else as a share."""
PICTURES = ("best", "median", "worst")


def made_row(
    mean: float, metric: str, variant: str | None = None, half: float | None = None, n: int = 64, **keys: str | None
) -> Content:
    """A row with a symmetric interval."""
    half = abs(mean) * SPREAD if half is None else half
    return Row.of(Estimate(mean, mean - half, mean + half, n), metric, variant, **keys).to_json()


def by_name(content: Content) -> dict[str, Content]:
    """The rows of a file's content by their names."""
    return {each["name"]: each for each in content["rows"]}


def standard_results(**changed: Any) -> Content:
    """What `evaluate --suite standard` writes, with every measure and arm but those that need weights.

    Args:
        changed: keys of the protocol with other values.
    """
    rows: list[Content] = []

    def put(
        metric: str, values: dict[str, float], half: float | None = None, paired: bool = True, gap: str | None = None
    ) -> None:
        for arm, value in values.items():
            rows.append(made_row(value, metric, arm, half, gap=gap))
            if paired and arm != "memory":
                rows.append(made_row(values["memory"] - value, metric, "memory", half, minus=arm, gap=gap))

    for place, gap in enumerate(GAPS):
        truth = {arm: row[place] for arm, row in TRUTH_PSNR.items()}
        own = {arm: value - 1 for arm, value in truth.items() if arm not in SHORT_ONLY}
        for kind, values in (("truth", truth), ("own_visit", own)):
            put(f"psnr_{kind}", values, WIDTH, gap=gap)
            put(f"ssim_{kind}", {arm: value / 30 for arm, value in values.items()}, gap=gap)
            put(f"distance_mbv2_{kind}", {arm: 8 / value for arm, value in values.items()}, gap=gap)
        worst = {arm: value - 5 for arm, value in truth.items()}
        put("psnr_truth_worst5", worst, WIDTH, paired=False, gap=gap)
    level = {arm: row[2] for arm, row in TRUTH_PSNR.items()}
    long = {arm: value for arm, value in level.items() if arm not in SHORT_ONLY}
    put("psnr", {arm: 19 + value / 20 for arm, value in level.items()}, WIDTH)
    put("ssim", {arm: 0.5 + value / 300 for arm, value in level.items()})
    put("distance_mbv2", {arm: 0.5 - value / 300 for arm, value in level.items()})
    put("fvd_mbv2", {arm: 300 - 5 * value for arm, value in level.items()}, paired=False)
    put("scene_cuts", {arm: 1 / value for arm, value in long.items()})
    put("motion", {arm: 0.07 + value / 9000 for arm, value in long.items()}, 0.0001)
    put("src_mbv2", {arm: 60 + value for arm, value in long.items()})
    put("mirror_mse", {arm: 1 / value**2 for arm, value in long.items()})
    put("drift_psnr_db", {arm: value / 10 - 4 for arm, value in long.items()})
    put("drift_sharpness", {arm: value / 3000 - 0.01 for arm, value in long.items()}, 0.01)
    put("following", {arm: 0.9 + value / 300 for arm, value in long.items()})
    for place, arm in enumerate(LABELS):
        rows.append(made_row(0.025 + 0.004 * place, "seconds_per_frame", arm, n=12))
        rows.append(made_row(1 + 0.16 * place, "cost_ratio", arm, n=12))
        rows.append(made_row(3.375 if arm == "memory" else float(place), "memory_mb", arm, 0, n=1))
    protocol: Content = {
        "command": "evaluate standard",
        "version": 1,
        "suite": "standard",
        "world": "rooms-64",
        "weights_sha256": "334b2896e8cd" + "0" * 52,
        "resolution": [64, 64],
        "sampling_steps": 8,
        "num_maps": 64,
        "num_seeds": 3,
        "arms": {arm: {"label": label, "memory": None} for arm, label in LABELS.items()},
        "gaps_in_frames": GAPS,
        "needs_weights": {
            "src": "needs weights: --resnet18 PATH (torchvision's resnet18-f37072fd.pth)",
            "lpips": "--alexnet PATH (torchvision's alexnet-owt-7be5be79.pth)",
            "fvd": "needs weights: --i3d PATH --i3d-sha256 HASH (StyleGAN-V's i3d_torchscript.pt)",
        },
        "warnings": ["Fréchet distances of 192 videos are far too large (recommended: 2048)."],
        "curves": {
            "clip_psnr": curve("After the true past", 16, 1.0),
            "rollout_psnr": curve("From the start image alone, there and back", 30, 0.25),
        },
        "signatures": [
            {"name": name, "arm": arm, "found": arm == "no_memory" and "scene" in name, "evidence": evidence}
            for arm in ("memory", "no_memory")
            for name, evidence in (
                ("scene inconsistent across windows", "places seen again agree with their first visit to 10.5 dB"),
                ("quality decays with length", "the last 32 frames are 12 % less sharp than the first"),
                ("actions not followed", "98 % of the turns move the picture the right way"),
            )
        ],
        "pictures": {f"revisit_{name}": f"standard/revisit_{name}.png" for name in PICTURES},
        "per_seed": {"psnr_memory": [20.1, 20.0, 20.2]},
        "git_commit": "19f3b04ddb142bdead30c5935fa1a7b7ab84e157",
        "machine": {"cpu": "AMD EPYC", "cores": 2},
        "interval": "95 % bootstrap over maps, 4000 resamples",
    }
    return {"protocol": protocol | changed, "rows": rows}


def curve(title: str, length: int, fall: float) -> Content:
    """A curve with a line an arm, all falling."""
    frames = [8 * (1 + index) for index in range(length)]
    lines = {}
    for arm, (_, _, level) in TRUTH_PSNR.items():
        mean = [level + 6 - fall * index * 12 / level for index in range(length)]
        lines[arm] = {"mean": mean, "low": [one - 0.4 for one in mean], "high": [one + 0.4 for one in mean]}
    return {"title": title, "x_label": "frames generated", "y_label": "PSNR (dB)", "x": frames, "lines": lines}


def draw_pictures(folder: Path) -> None:
    """The pictures that the standard file names, below the folder that it is to stand in."""
    (folder / "standard").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for name in PICTURES:
        cells = rng.integers(0, 256, (5, 12, 3), dtype=np.uint8)
        Image.fromarray(cells.repeat(64, 0).repeat(64, 1)).save(folder / "standard" / f"revisit_{name}.png")


def ablation_results() -> Content:
    """Arms of which none is "memory": the others are held against the first."""
    labels = {"eq3": "eq. 3", **{f"rank_{rank}": f"rank {rank}" for rank in range(1, 12)}, "no_memory": "no memory"}
    rows = []
    for place, arm in enumerate(labels):
        for metric, gap in (("scene_cuts", None), ("src_mbv2", None), ("psnr_truth", "gap16"), ("psnr_truth", "gap64")):
            rows.append(made_row(10.0 + place, metric, arm, gap=gap))
            if place:
                rows.append(made_row(-float(place), metric, "eq3", 0.5, minus=arm, gap=gap))
    arms = {arm: {"label": label} for arm, label in labels.items()}
    protocol = standard_results(command="evaluate ablations", arms=arms, pictures={}, signatures=[])["protocol"]
    return {"protocol": protocol | {"curves": {}, "needs_weights": {}}, "rows": rows}


def rules_results() -> Content:
    """Rules with and without loops."""
    arms = ("off", "denoising_original", "denoising", "ridge", "off_after_ridge_loop", "ridge_after_ridge_loop")
    arms += ("off_after_denoising_loop", "denoising_after_denoising_loop")
    rows = [
        made_row(base + place, metric, arm)
        for metric, base in (
            ("src_mbv2", 60),
            ("scene_cuts", 0.1),
            ("motion", 0.1),
            ("psnr_own_visit", 9),
            ("psnr_truth", 11.5),
        )
        for place, arm in enumerate(arms)
    ]
    protocol = {"command": "evaluate rules", "version": 1, "arms": {arm: {"memory": None} for arm in arms}}
    return {"protocol": protocol | {"num_maps": 64, "num_seeds": 3}, "rows": rows}


def scaling_results() -> Content:
    """Runs of the loop of two sizes."""
    runs = {"small-1k": (5e6, 1e15), "small-4k": (5e6, 4e15), "small-16k": (5e6, 1.6e16), "large-4k": (2e7, 1.6e16)}
    rows = []
    for place, run in enumerate(runs):
        rows.append(made_row(11, "psnr_truth", "no_memory", 0.1, dataset=run))
        rows.append(made_row(14.0 + place, "psnr_truth", "memory", 0.2, dataset=run))
        rows.append(made_row(3.0 + place, "psnr_truth", "memory", 0.3, minus="no_memory", dataset=run))
    points = {run: {"parameters": size, "loop_steps": 1000, "loop_flop": flop} for run, (size, flop) in runs.items()}
    return {"protocol": {"command": "evaluate scaling", "version": 1, "points": points}, "rows": rows}


def capacity_results() -> Content:
    """Memories of several sizes and rules, over rooms."""
    rows = []
    for place, arm in enumerate(("width256", "width2048", "rank8", "rank128", "ridge_delta", "replay")):
        rows.append(made_row(1.0 + place, "memory_mb", arm, 0, 1))
        for rooms in (1, 4, 32):
            gain = 7 - place - rooms / 16
            rows.append(made_row(gain, "psnr_truth", arm, 1.2, 8, minus="no_memory", gap=f"{rooms} rooms"))
    rows.append(made_row(16.3, "psnr_truth", "no_memory", 1, 8))
    return {"protocol": {"command": "evaluate capacity", "version": 1}, "rows": rows}
