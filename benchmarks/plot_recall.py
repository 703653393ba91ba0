"""Draws docs/images/capacity.png and scaling.png (from results/) and path.png: `python benchmarks/plot_recall.py`."""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch

from slowfast_bench.results import read_results
from slowfast_envs.actions import FRAMES_PER_CHUNK
from slowfast_envs.vizdoom.rooms import VizdoomRooms
from slowfast_envs.walking import STEP_UNITS
from slowfast_vgen.presets.worlds import load
from slowfast_vgen.results import Row
from slowfast_vgen.types import Episode

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"


def plot_capacity(path: Path) -> None:
    """Recall of the first room against the rooms walked through since, a line a rule, key width or rank."""
    results = read_results(ROOT / "results" / "capacity.json")
    rooms = results.protocol["rooms"]
    gains = results.select(metric="psnr_truth", minus="no_memory")
    lines = {
        row.variant: [each for each in gains if each.variant == row.variant]
        for row in sorted(gains, key=lambda row: -row.mean)
        if row.gap == f"{rooms[-1]} rooms" and row.variant
    }
    figure, axes = plt.subplots(figsize=(7.5, 3.6))
    for name, rows in lines.items():
        style = "-" if name.startswith(("width", "ridge")) else "--"
        axes.plot(rooms, [row.mean for row in rows], style, marker="o", label=_capacity_label(name))
        axes.fill_between(rooms, [row.low for row in rows], [row.high for row in rows], alpha=0.08)
    axes.set(
        xscale="log",
        xlabel="rooms walked through",
        ylabel="gain over no memory (dB)",
        title="the first room, seen again",
    )
    axes.set_xticks(rooms, [str(count) for count in rooms])
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def _capacity_label(name: str) -> str:
    for kind, label in (("width", "ridge, key width "), ("rank", "eq. 3, rank ")):
        if name.startswith(kind):
            return label + name.removeprefix(kind)
    return {"ridge_delta": "ridge, delta rule", "denoising_original": "original update"}.get(name, name)


def plot_scaling(path: Path) -> None:
    """What the memory adds against the loop's compute, a line a size of the denoiser."""
    results = read_results(ROOT / "results" / "scaling.json")
    lines: dict[int, list[tuple[float, Row]]] = {}
    for row in results.select(metric="psnr_truth", minus="no_memory"):
        point = results.protocol["points"][row.dataset]
        lines.setdefault(point["parameters"], []).append((point["loop_flop"] / 1e15, row))
    figure, axes = plt.subplots(figsize=(6, 3.6))
    for parameters, unsorted in sorted(lines.items()):
        points = sorted(unsorted, key=lambda point: point[0])
        flop = [each for each, _ in points]
        axes.plot(flop, [row.mean for _, row in points], marker="o", label=f"{parameters / 1e6:.1f} M weights")
        axes.fill_between(flop, [row.low for _, row in points], [row.high for _, row in points], alpha=0.15)
    axes.set(
        xscale="log",
        xlabel="compute of the slow-fast loop (petaFLOP)",
        ylabel="gain over no memory (dB)",
        title="places seen again",
    )
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def integrated_path(world_name: str, episode: Episode, generate: bool) -> np.ndarray:
    """The path as the memory integrates it, from the actions and from true or generated frames: `[frames, 3]`."""
    world = load(world_name)
    rollout = world.start_batch(episode.frames[:1], True, [0])
    assert rollout.memory is not None and rollout.memory.ridge is not None
    ridge, poses = rollout.memory.ridge, [rollout.memory.ridge.pose[0].numpy()]
    for chunk in episode.chunks:
        if generate:
            rollout.step([chunk.action])
        else:
            frames = episode.frames[chunk.start_frame : chunk.end_frame]
            rollout.observe(torch.from_numpy(frames)[None], [chunk.action])
        poses += list(ridge.journal[-1].poses[0].numpy())
    return np.stack(poses)


def relative(episode: Episode) -> np.ndarray:
    """The true path in the units and from the origin of the integrated one."""
    assert episode.poses is not None
    poses = episode.poses / [STEP_UNITS, STEP_UNITS, 180 / np.pi]
    first = poses[0]
    cos, sin = np.cos(first[2]), np.sin(first[2])
    x, y = poses[:, 0] - first[0], poses[:, 1] - first[1]
    return np.stack([x * cos + y * sin, y * cos - x * sin, poses[:, 2] - first[2]], 1)


def plot_paths(world_name: str, path: Path, num_episodes: int = 4, num_chunks: int = 64) -> None:
    """True paths of wandering episodes that bump into walls, and what the memory makes of them."""
    episodes = list(VizdoomRooms("test", 0).episodes(num_episodes, "wander", num_chunks))
    figure, rows = plt.subplots(1, num_episodes, figsize=(3.4 * num_episodes, 3.6))
    errors = []
    for axes, episode in zip(rows, episodes, strict=True):
        true = relative(episode)
        seen = integrated_path(world_name, episode, generate=False)
        made = integrated_path(world_name, episode, generate=True)
        axes.plot(true[:, 0], true[:, 1], color="black", linewidth=3, alpha=0.3, label="true")
        axes.plot(seen[:, 0], seen[:, 1], label="actions and true frames")
        axes.plot(made[:, 0], made[:, 1], linestyle=":", label="actions and generated frames")
        axes.set_aspect("equal")
        axes.set_title(f"{FRAMES_PER_CHUNK * num_chunks} frames", fontsize=9)
        errors.append(np.linalg.norm(seen[:, :2] - true[:, :2], axis=1))
    rows[0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    last = [float(error[-1]) for error in errors]
    print(f"{path}: error of the place at the end, in steps, per episode: {[round(each, 2) for each in last]}")


def main() -> None:
    """Writes both pictures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="rooms-64")
    args = parser.parse_args()
    if (ROOT / "results" / "capacity.json").is_file():
        plot_capacity(IMAGES / "capacity.png")
    if (ROOT / "results" / "scaling.json").is_file():
        plot_scaling(IMAGES / "scaling.png")
    plot_paths(args.world, IMAGES / "path.png")


if __name__ == "__main__":
    main()
