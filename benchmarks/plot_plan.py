"""Draws where planning at a task breaks, by decision, and beside it (.jpg) pictures of one episode's video.

`python benchmarks/plot_plan.py results/plan-TASK.json --out docs/images/plan-TASK.png [--video FILE.mp4]`
"""

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator
from PIL import Image

from slowfast_envs.actions import FRAMES_PER_CHUNK
from slowfast_vgen.data.video import read_video

PANELS = {
    "imagination_psnr": ("imagination: against the true way (dB)", "each decision alone, from the true way"),
    "idm_accuracy": ("reading: share of right actions", "each decision alone, from the true way"),
    "distance": ("acting: distance", "one decision after the other"),
}


def plot_plan(results: Path, path: Path) -> None:
    """A panel for imagination, reading and acting, a line an arm."""
    protocol = json.loads(results.read_text())["protocol"]
    figure, axes = plt.subplots(1, len(PANELS), figsize=(12, 3.6))
    colours = {name: f"C{index}" for index, name in enumerate(protocol["arms"])}
    for axis, (name, (title, told)) in zip(axes, PANELS.items(), strict=True):
        for arm, values in protocol["by_decision"][name].items():
            heights = np.array([np.nan if each is None else each for each in values], float)
            label = protocol["arms"][arm]["label"]
            axis.plot(np.arange(1, 1 + len(heights)), heights, marker=".", color=colours[arm], label=label)
        axis.set(xlabel=f"decision ({told})", title=title)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.title.set_fontsize(10)
        axis.grid(alpha=0.3)
    axes[-1].set_ylabel(protocol["task"]["distance"].split(",")[0])
    axes[-1].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def draw_pictures(results: Path, video: Path, path: Path, num_columns: int = 2, num_rows: int = 2) -> None:
    """Pictures of an episode's video, from the last one before planning to the end, row by row."""
    task = json.loads(results.read_text())["protocol"]["task"]
    decisions = np.linspace(0, task["decisions"], num_columns * num_rows).round().astype(int)
    chosen = read_video(video)[FRAMES_PER_CHUNK * (task["led_chunks"] + decisions)]
    rows = [
        np.concatenate(list(chosen[first : first + num_columns]), 1) for first in range(0, len(chosen), num_columns)
    ]
    Image.fromarray(np.concatenate(rows)).save(path, quality=85)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--video", type=Path)
    given = parser.parse_args()
    plot_plan(given.results, given.out)
    if given.video:
        draw_pictures(given.results, given.video, given.out.with_suffix(".jpg"))
