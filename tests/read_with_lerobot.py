"""Reads a data set with lerobot itself: `python read_with_lerobot.py DATA_SET OUT.npz`, in lerobot's own environment.

It writes `pictures` float32 [n, h, w, 3] in [0, 1], `tasks` and `episodes` [n], for every frame.
"""

import sys
from pathlib import Path

import numpy as np
import torch


def main(data_set: Path, out: Path) -> None:
    # torchvision's wheels are made for one build of torch; with another its compiled operators are missing. lerobot
    # needs none of them, but torchvision cannot be imported before this one has a name.
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    dataset = LeRobotDataset("slowfast/test", root=data_set, video_backend="pyav")
    items = [dataset[i] for i in range(len(dataset))]
    np.savez(
        out,
        pictures=np.stack([item["observation.images.main"].permute(1, 2, 0).numpy() for item in items]),
        tasks=np.array([item["task"] for item in items]),
        episodes=np.array([int(item["episode_index"]) for item in items]),
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
