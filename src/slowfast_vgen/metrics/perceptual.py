"""Perceptual distances and features: the published ones, whose weights the user gives, and replacements.

SRC compares `ResNet18Features`, and `Lpips` is LPIPS. Where their weights are not available, `ImageFeatures` and
`PerceptualDistance` replace them under their own names (`mbv2`, `distance_mbv2`).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from slowfast_vgen.metrics import alexnet, resnet18
from slowfast_vgen.metrics.alexnet import AlexNetTrunk
from slowfast_vgen.metrics.features import DEVIATION, MEAN, WEIGHTS_SHA256, FrameFeatures, ImageFeatures
from slowfast_vgen.metrics.frames import AnyFrames, PerFrame
from slowfast_vgen.metrics.mobilenet_v2 import InvertedResidual, MobileNetV2
from slowfast_vgen.metrics.pairs import check_pair
from slowfast_vgen.metrics.pretrained import PublishedFile, fill, read_tensors
from slowfast_vgen.metrics.resnet18 import ResNet18
from slowfast_vgen.packaged import packaged_file

PIXELS_AT_ONCE = 2**19
"""Most pixels of all frames that go through a network together: some 200 MB of activations."""

HEADS_PACKAGE, HEADS_FILE = "lpips", "weights/v0.1/alex.pth"
HEADS_INSTALL = "pip install --no-deps lpips==0.1.4"  # its own dependencies include torchvision
HEADS_SHA256 = "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0"
HALVING_BLOCKS = (2, 4, 7, 14)
"""Blocks of `MobileNetV2.features` that widen, halve the picture's sides and narrow, and have no shortcut."""
LPIPS_SHIFT, LPIPS_SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""Mean and deviation of RGB in [-1, 1], as in the authors' code (v0.1); nearly, but not quite, ImageNet's."""


class ResNet18Features(FrameFeatures):
    """Pooled features of ResNet-18, which SRC compares (paper, table 1). Make one with `load`."""

    name = "resnet18"
    num_features = resnet18.FEATURES
    network: ResNet18

    def __init__(self, network: ResNet18, fingerprint: str) -> None:
        super().__init__(network)
        self.fingerprint = fingerprint

    @classmethod
    def load(cls, path: Path, sha256: str | None = None, device: torch.device | str = "cpu") -> "ResNet18Features":
        """Loads torchvision's weights from the user's file.

        Args:
            path: `resnet18-f37072fd.pth` or the older `resnet18-5c106cde.pth`, under any name.
            sha256: the hash that another file must have.
            device: device to compute on.

        Raises:
            UserError: the file is not the expected one or does not hold the network.
        """
        tensors, actual = read_tensors(path, resnet18.WEIGHTS, sha256)
        with torch.device("meta"):
            network = ResNet18()
        fill(network, tensors, path, resnet18.WEIGHTS)
        return cls(network.to(device), actual)

    def _pooled(self, pixels: Float[Tensor, "num_frames 3 224 224"]) -> Float[Tensor, "num_frames 512"]:
        return self.network.features(pixels)


class FrameDistance(ABC):
    """A symmetric distance between frames of one shape: `distance(a, b)`; 0 for equal frames."""

    name: str
    """Name of the distance in the names of its figures."""
    fingerprint: str
    """SHA-256 of the network's weights file."""
    smallest_side: int
    """Smallest side of a frame in pixels."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network.eval().requires_grad_(False)

    @abstractmethod
    def _maps(self, frames: Float[Tensor, "batch 3 h w"]) -> list[Float[Tensor, "batch channels h2 w2"]]:
        """Non-negative maps at several depths of frames with values in [0, 255]."""

    @abstractmethod
    def _combined(self, differences: Sequence[Float[Tensor, "batch channels h w"]]) -> Float[Tensor, " batch"]:
        """Computes the distance from the squared differences of unit vectors at each depth."""

    @torch.no_grad()
    def __call__(self, a: AnyFrames, b: AnyFrames) -> PerFrame:
        """Distance of each frame of `a` from that of `b`, at the frames' own resolution.

        Raises:
            UserError: not 8-bit RGB, not of one shape, or under `smallest_side` pixels a side.
        """
        check_pair(self.name, a, b, self.smallest_side)
        device = next(self.network.parameters()).device
        *batch, height, width, _ = a.shape
        first, second = (frames.reshape(math.prod(batch), height, width, 3) for frames in (a, b))
        values = np.empty(len(first), dtype=np.float64)
        at_once = max(1, PIXELS_AT_ONCE // (2 * height * width))
        for start in range(0, len(first), at_once):
            part = slice(start, start + at_once)
            pixels = torch.tensor(np.concatenate([first[part], second[part]])).to(device)
            maps = [_unit(each).chunk(2) for each in self._maps(pixels.permute(0, 3, 1, 2).float())]
            values[part] = self._combined([(one - other).square() for one, other in maps]).cpu().numpy()
        return values.reshape(batch)


class Lpips(FrameDistance):
    """LPIPS v0.1 with AlexNet (arXiv 1801.03924); 0 or more.

    The authors weight each channel at each of five depths by what they learned from people's judgements, take the mean
    over the picture and add the depths up. Make one with `load`.
    """

    name = "lpips"
    smallest_side = alexnet.SMALLEST_SIDE
    network: AlexNetTrunk

    def __init__(
        self,
        network: AlexNetTrunk,
        heads: Sequence[Float[Tensor, "1 channels 1 1"]],
        fingerprint: str,
        heads_fingerprint: str,
    ) -> None:
        super().__init__(network)
        device = next(network.parameters()).device
        self.heads = [head.to(device) for head in heads]
        self.fingerprint = fingerprint
        self.heads_fingerprint = heads_fingerprint
        """SHA-256 of the file of the channels' learned weights."""

    @classmethod
    def load(
        cls,
        alexnet_path: Path,
        heads_path: Path | None = None,
        sha256: str | None = None,
        device: torch.device | str = "cpu",
    ) -> "Lpips":
        """Loads torchvision's AlexNet from the user's file and the channel weights of the authors' package.

        Args:
            alexnet_path: `alexnet-owt-7be5be79.pth` or the older `alexnet-owt-4df8aa71.pth`, under any name.
            heads_path: `weights/v0.1/alex.pth` of the package `lpips`; None takes it from the installed package,
                none of whose code is run.
            sha256: the hash that another AlexNet file must have.
            device: device to compute on.

        Raises:
            UserError: a file is not the expected one, or the package is needed and missing.
        """
        tensors, actual = read_tensors(alexnet_path, alexnet.WEIGHTS, sha256, below=alexnet.TRUNK)
        with torch.device("meta"):
            network = AlexNetTrunk()
            heads = _Heads()
        fill(network, tensors, alexnet_path, alexnet.WEIGHTS)
        path = heads_path or packaged_file(HEADS_PACKAGE, HEADS_FILE, HEADS_SHA256, HEADS_INSTALL)
        published = PublishedFile("LPIPS's heads", f"{HEADS_FILE} of the package lpips 0.1.4", (HEADS_SHA256,))
        head_tensors, heads_actual = read_tensors(path, published)
        fill(heads, head_tensors, path, published)
        return cls(network.to(device), [head.detach() for head in heads.parameters()], actual, heads_actual)

    def _maps(self, frames: Float[Tensor, "batch 3 h w"]) -> list[Float[Tensor, "batch channels h2 w2"]]:
        return self.network(_standardised(frames / 127.5 - 1, LPIPS_SHIFT, LPIPS_SCALE))

    def _combined(self, differences: Sequence[Float[Tensor, "batch channels h w"]]) -> Float[Tensor, " batch"]:
        depths = [(head * each).sum(1).mean((1, 2)) for head, each in zip(self.heads, differences, strict=True)]
        return torch.stack(depths).sum(0)


class PerceptualDistance(FrameDistance):
    """An offline replacement for LPIPS: no learned weights, so not LPIPS and not to be compared with it; 0 to 2.

    At each of five resolutions the widest maps of MobileNetV2, those right before the next halving and the last ones,
    are compared: as in LPIPS each place's channels are a vector of length 1, whose squared difference is averaged over
    the picture. The channels are 0 or more, so that it is 0 for the same direction and 2 for orthogonal ones. The mean
    over the depths is the distance. Make one with `load`.
    """

    name = "distance_mbv2"
    fingerprint = WEIGHTS_SHA256
    smallest_side = 32
    network: MobileNetV2

    def __init__(self, images: ImageFeatures) -> None:
        super().__init__(images.network)

    @classmethod
    def load(cls, device: torch.device | str = "cpu") -> "PerceptualDistance":
        """Loads the verified weights from the installed package, without network.

        Raises:
            UserError: the package is missing, or its file is not the expected one.
        """
        return cls(ImageFeatures.load(device))

    def _maps(self, frames: Float[Tensor, "batch 3 h w"]) -> list[Float[Tensor, "batch channels h2 w2"]]:
        maps, kept = _standardised(frames / 255, MEAN, DEVIATION), []
        for number, block in enumerate(self.network.features):
            if number in HALVING_BLOCKS:
                assert isinstance(block, InvertedResidual) and not block.skips
                kept.append(block.conv[0](maps))
                maps = block.conv[1:](kept[-1])
            else:
                maps = block(maps)
        return [*kept, maps]

    def _combined(self, differences: Sequence[Float[Tensor, "batch channels h w"]]) -> Float[Tensor, " batch"]:
        return torch.stack([each.sum(1).mean((1, 2)) for each in differences]).mean(0)


class _Heads(nn.Module):
    """One weight per channel and depth, under the names of the authors' file (`lin0.model.1.weight` and so on)."""

    def __init__(self) -> None:
        super().__init__()
        for number, channels in enumerate(alexnet.CHANNELS):
            # In the authors' network a dropout comes first.
            model = nn.Sequential(nn.Dropout(), nn.Conv2d(channels, 1, 1, bias=False))
            self.add_module(f"lin{number}", nn.ModuleDict({"model": model}))


def _standardised(
    pixels: Float[Tensor, "batch 3 h w"], mean: tuple[float, ...], deviation: tuple[float, ...]
) -> Float[Tensor, "batch 3 h w"]:
    centre, spread = (torch.tensor(each, device=pixels.device)[:, None, None] for each in (mean, deviation))
    return (pixels - centre) / spread


def _unit(maps: Float[Tensor, "batch channels h w"]) -> Float[Tensor, "batch channels h w"]:
    """Scales each place's channels to a vector of length 1, or 0 where all are 0; the constant is the authors'."""
    return maps / (maps.norm(dim=1, keepdim=True) + 1e-10)
