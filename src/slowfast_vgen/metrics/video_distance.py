"""Fréchet distances between sets of videos (FVD, arXiv 1812.01717): distances of their features as Gaussians.

With `I3DFeatures` they are FVD in the convention of StyleGAN-V (arXiv 2112.14683); its weights come from the user.
`ClipFeatures` replaces it offline, under a name of its own.
"""

import math
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8

from slowfast_vgen.errors import UserError
from slowfast_vgen.metrics.features import ImageFeatures
from slowfast_vgen.metrics.pretrained import PublishedFile, check_file
from slowfast_vgen.results import Estimate

RECOMMENDED_VIDEOS = 2048
"""Number of videos on either side in published figures; 16 frames each."""

Features = Float[np.ndarray, "videos features"]
Clips = UInt8[np.ndarray, "videos frames height width 3"]

I3D = PublishedFile("I3D", "i3d_torchscript.pt of StyleGAN-V", ())
"""StyleGAN-V's I3D. Its SHA-256 is published nowhere, so the user has to give it."""
I3D_ARGUMENTS = {"rescale": True, "resize": True, "return_features": True}
"""Arguments of I3D: scale from [0, 255] to [-1, 1], resize to 224x224, return the values before the softmax."""
I3D_LEAST_FRAMES = 10
"""Least frames of a clip: I3D halves them three times and pools over two of the rest; its users take at least 10."""
I3D_AT_ONCE = 8
"""Number of clips that go through the network together."""

CLIP_DIMENSIONS = 128
NUM_RESAMPLES = 100
_PROJECTION_SEED, _RESAMPLING_SEED = 20241030, 20241031


def small_sample_warning(num_videos: int) -> str | None:
    """The sentence to print with a distance of fewer than 2048 videos a side, or None.

    >>> small_sample_warning(2048) is None
    True
    """
    if num_videos >= RECOMMENDED_VIDEOS:
        return None
    return (
        f"Fréchet distances of {num_videos} videos are far too large (recommended: {RECOMMENDED_VIDEOS}); compare them"
        f" only with distances of {num_videos} videos."
    )


def frechet_distance(a: Features, b: Features) -> float:
    """Squared Fréchet distance of the Gaussians that have the means and covariances of `a` and of `b`; 0 or more.

    `|mean difference|^2 + trace(A + B - 2 (A B)^(1/2))` with unbiased covariances, in the features' units squared.

    **Few videos make it far too large**: Gaussians of 400 features at a true distance of 5.0 gave 611 with 64 videos a
    side, 333 with 256 and 48 with 2048. Always print the number of videos, and compare only what has the same one.

    A and B are each split by a symmetric eigendecomposition into R^T R; the trace of (A B)^(1/2) is the sum of the
    singular values of R_A R_B^T. No root of the product is taken, which is not symmetric and, with fewer videos than
    features, singular: there `scipy.linalg.sqrtm` fails or gives complex numbers.

    Args:
        a: features of the videos of one side, a row a video.
        b: features of the other side; as many features, not necessarily as many videos.

    Raises:
        UserError: fewer than 2 videos on a side, other numbers of features, or values that are no finite numbers.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise UserError(
            f"a Fréchet distance needs two arrays [videos, features] of as many features, but {list(a.shape)} and"
            f" {list(b.shape)} were given; take both from one network"
        )
    if min(len(a), len(b)) < 2:
        raise UserError(
            f"a Fréchet distance needs at least 2 videos a side, but {len(a)} and {len(b)} were given;"
            f" {RECOMMENDED_VIDEOS} are recommended"
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise UserError("features hold NaN or infinity, which have no Fréchet distance; look at the videos' frames")
    (mean_a, root_a), (mean_b, root_b) = _gaussian(a), _gaussian(b)
    overlap = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    spread = np.square(root_a).sum() + np.square(root_b).sum() - 2 * overlap
    return max(0.0, float(np.square(mean_a - mean_b).sum() + spread))


def estimate_distance(
    samples: Float[np.ndarray, "episodes seeds features"], reference: Float[np.ndarray, "clips features"]
) -> Estimate:
    """Fréchet distance of all samples together from the reference; the interval resamples episodes.

    `n` counts the samples: the distance is biased upwards where they are few (see `frechet_distance`), and resampling,
    which repeats some, adds to that. The interval is shifted by the bias that it shows, so that it holds the distance.
    """
    count = len(samples)
    flat = samples.reshape(-1, samples.shape[-1])
    distance = frechet_distance(flat, reference)
    rng = np.random.default_rng(_RESAMPLING_SEED)
    draws = [
        frechet_distance(samples[rng.integers(0, count, count)].reshape(flat.shape), reference)
        for _ in range(NUM_RESAMPLES)
    ]
    low, high = np.quantile(draws, (0.025, 0.975)) - (np.mean(draws) - distance)
    return Estimate(distance, float(low), float(high), len(flat))


def _gaussian(
    features: Features,
) -> tuple[Float[np.ndarray, " features"], Float[np.ndarray, "rank features"]]:
    """Mean of the features, and R with R^T R their covariance."""
    mean = features.mean(0, dtype=np.float64)
    centred = features.astype(np.float64) - mean
    values, vectors = np.linalg.eigh(centred.T @ centred / (len(features) - 1))
    # A zero with a rounding error has a root that is no longer small: hundreds of them would add up.
    kept = values > values[-1] * len(values) * np.finfo(np.float64).eps
    return mean, np.sqrt(values[kept])[:, None] * vectors[:, kept].T


class VideoFeatures(ABC):
    """Features of clips, one row a clip: `features(clips)`; `name` is the name of their Fréchet distance."""

    name: str
    num_features: int
    least_frames: int
    fingerprint: str
    """SHA-256 of the weights file."""

    @abstractmethod
    def _of_clips(self, clips: Clips) -> Float32[np.ndarray, "videos features"]:
        """Features of clips that were checked already."""

    @torch.no_grad()
    def __call__(self, clips: Clips) -> Float32[np.ndarray, "videos features"]:
        """Features of each clip. Clips of any resolution are resized to 224x224 whole.

        Raises:
            UserError: not 8-bit RGB clips, or fewer than `least_frames` frames.
        """
        if clips.dtype != np.uint8 or clips.ndim != 5 or clips.shape[-1] != 3:
            raise UserError(
                f"{self.name} needs 8-bit RGB clips of shape [videos, frames, height, width, 3],"
                f" but {clips.dtype} of shape {list(clips.shape)} was given"
            )
        if clips.shape[1] < self.least_frames:
            raise UserError(
                f"{self.name} needs clips of at least {self.least_frames} frames, but {clips.shape[1]} were given;"
                " use longer clips"
            )
        return self._of_clips(clips)


class I3DFeatures(VideoFeatures):
    """The 400 outputs of I3D (Kinetics-400) before the softmax, as FVD compares them. Make one with `load`."""

    name = "fvd"
    num_features = 400
    least_frames = I3D_LEAST_FRAMES

    def __init__(self, network: torch.jit.ScriptModule, fingerprint: str, device: torch.device | str = "cpu") -> None:
        self.network, self.fingerprint, self.device = network.eval().to(device), fingerprint, torch.device(device)

    @classmethod
    def load(cls, path: Path, sha256: str | None, device: torch.device | str = "cpu") -> "I3DFeatures":
        """Loads StyleGAN-V's TorchScript file; its hash is checked first because it holds code of its own.

        Args:
            path: `i3d_torchscript.pt`, under whatever name.
            sha256: the hash that it must have. Nobody publishes one, so None is refused.
            device: device to compute on.

        Raises:
            UserError: no hash was given, or the file is not that one or no such network.
        """
        actual = check_file(path, I3D, sha256)
        try:
            network = torch.jit.load(path, map_location="cpu")
            arguments = {argument.name for argument in network.forward.schema.arguments}
        except Exception as error:  # whatever the bytes of a damaged file lead the reader to
            raise UserError(
                f"{path} cannot be read as TorchScript ({type(error).__name__}): it is damaged or another kind of file;"
                f" give {I3D.source}"
            ) from error
        if not arguments >= I3D_ARGUMENTS.keys():
            raise UserError(
                f"the network in {path} takes {', '.join(sorted(arguments - {'self'}))} and not"
                f" {', '.join(I3D_ARGUMENTS)}; give {I3D.source}"
            )
        return cls(network, actual, device)

    def _of_clips(self, clips: Clips) -> Float32[np.ndarray, "videos 400"]:
        features = np.empty((len(clips), self.num_features), dtype=np.float32)
        for start in range(0, len(clips), I3D_AT_ONCE):
            part = torch.tensor(clips[start : start + I3D_AT_ONCE]).to(self.device)
            output = self.network(part.permute(0, 4, 1, 2, 3).float().contiguous(), **I3D_ARGUMENTS)
            if output.shape != (len(part), self.num_features):
                raise UserError(
                    f"the network gives features of shape {list(output.shape)} for {len(part)} clips and not"
                    f" {[len(part), self.num_features]}; give {I3D.source}"
                )
            features[start : start + I3D_AT_ONCE] = output.cpu().numpy()
        return features


class ClipFeatures(VideoFeatures):
    """An offline replacement for I3D from MobileNetV2's features of single frames; not FVD. Make one with `load`.

    A clip's features are the mean over its frames, which describes the scene, and the mean absolute difference of
    consecutive frames' features, which describes the motion: shuffling the frames leaves the one and raises the
    other. The order has no other effect, so a clip played backwards has the same features.

    These 2560 numbers are projected onto 128 fixed random directions (orthonormal), because the covariance of N clips
    has rank N - 1 at most: 64 clips would span a fortieth of all directions, but span half of 128. Two draws from
    one Gaussian of variance 1 (falling as 1/k over the directions) are 0.48 apart with 64 clips and 0.13 with 256; in
    2560 dimensions that is 1.05 and 0.67. So the bias of few clips is halved and falls with their number, but remains.
    A random projection keeps distances in proportion (Johnson and Lindenstrauss 1984), squared ones here to about a
    20th; compare this distance only with others of its own name and number of clips.
    """

    name = "fvd_mbv2"
    num_features = CLIP_DIMENSIONS
    least_frames = 2
    fingerprint = ImageFeatures.fingerprint

    def __init__(self, images: ImageFeatures) -> None:
        self.images = images
        noise = np.random.default_rng(_PROJECTION_SEED).standard_normal((2 * images.num_features, CLIP_DIMENSIONS))
        self.projection = np.linalg.qr(noise)[0]  # a column's sign may differ by machine: distances do not depend on it

    @classmethod
    def load(cls, device: torch.device | str = "cpu") -> "ClipFeatures":
        """Loads the verified weights from the installed package, without network.

        Raises:
            UserError: the package is missing, or its file is not the expected one.
        """
        return cls(ImageFeatures.load(device))

    def _of_clips(self, clips: Clips) -> Float32[np.ndarray, "videos 128"]:
        vectors = self.images(clips.reshape(math.prod(clips.shape[:2]), *clips.shape[2:])).astype(np.float64)
        by_clip = vectors.reshape(*clips.shape[:2], self.images.num_features)
        seen, moved = by_clip.mean(1), np.abs(np.diff(by_clip, axis=1)).mean(1)
        return (np.concatenate([seen, moved], 1) @ self.projection).astype(np.float32)
