"""The networks of metrics: one embedded network, and the published ones where their weights are given."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from slowfast_vgen.metrics.features import ImageFeatures
from slowfast_vgen.metrics.frames import feature_similarity
from slowfast_vgen.metrics.perceptual import Lpips, PerceptualDistance, ResNet18Features
from slowfast_vgen.metrics.video_distance import ClipFeatures, I3DFeatures
from slowfast_vgen.types import Frames

PairMeasure = Callable[[Frames, Frames], Float[np.ndarray, "..."]]
Clips = UInt8[np.ndarray, "clips frames height width 3"]
ClipEncoder = Callable[[Clips], Float[np.ndarray, "clips features"]]


@dataclass(frozen=True)
class GivenWeights:
    """Files of published networks; None leaves their metrics out."""

    resnet18: Path | None = None
    alexnet: Path | None = None
    lpips_heads: Path | None = None
    i3d: Path | None = None
    i3d_sha256: str | None = None

    @property
    def missing(self) -> dict[str, str]:
        """Metric -> the weights to give, for the metrics that are left out."""
        weights = {
            "src": (self.resnet18, "--resnet18 PATH (torchvision's resnet18-f37072fd.pth)"),
            "lpips": (self.alexnet, "--alexnet PATH (torchvision's alexnet-owt-7be5be79.pth)"),
            "fvd": (self.i3d, "--i3d PATH --i3d-sha256 HASH (StyleGAN-V's i3d_torchscript.pt)"),
        }
        return {measure: f"needs weights: {needed}" for measure, (path, needed) in weights.items() if path is None}


@dataclass(frozen=True)
class Networks:
    """Metrics that need a network, ready to be called."""

    distance: PairMeasure
    similarity: PairMeasure
    clips: ClipEncoder
    similarity_resnet18: PairMeasure | None = None
    lpips: PairMeasure | None = None
    i3d: ClipEncoder | None = None
    sha256: dict[str, str] = field(default_factory=dict)
    """SHA-256 of every network's weights, for the protocol."""

    @classmethod
    def load(cls, given: GivenWeights) -> "Networks":
        """Loads the embedded network and those whose weights are given.

        Raises:
            UserError: a package or file is missing, damaged, or not the expected one.
        """
        features = ImageFeatures.load()
        sha256 = {features.name: features.fingerprint}
        resnet = ResNet18Features.load(given.resnet18) if given.resnet18 else None
        lpips = Lpips.load(given.alexnet, given.lpips_heads) if given.alexnet else None
        i3d = I3DFeatures.load(given.i3d, given.i3d_sha256) if given.i3d else None
        for network in (resnet, lpips, i3d):
            if network is not None:
                sha256[network.name] = network.fingerprint
        if lpips is not None:
            sha256["lpips_heads"] = lpips.heads_fingerprint
        return cls(
            PerceptualDistance(features),
            _similarity(features),
            ClipFeatures(features),
            None if resnet is None else _similarity(resnet),
            lpips,
            i3d,
            sha256,
        )


def _similarity(features: Callable[[Frames], Float[np.ndarray, "frames features"]]) -> PairMeasure:
    def similarity(a: Frames, b: Frames) -> Float[np.ndarray, " frames"]:
        vectors = features(np.concatenate([a, b]))
        return feature_similarity(vectors[: len(a)], vectors[len(a) :])

    return similarity
