"""Networks of published measures read other people's files and nothing else; their measures move when frames do."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image, ImageFilter
from torch import Tensor, nn

from slowfast_vgen.errors import UserError
from slowfast_vgen.files import sha256_of_file
from slowfast_vgen.metrics import alexnet, perceptual, resnet18, video_distance
from slowfast_vgen.metrics.features import ImageFeatures, preprocess
from slowfast_vgen.metrics.frames import feature_similarity
from slowfast_vgen.metrics.perceptual import FrameDistance, Lpips, PerceptualDistance, ResNet18Features
from slowfast_vgen.metrics.video_distance import (
    RECOMMENDED_VIDEOS,
    ClipFeatures,
    I3DFeatures,
    frechet_distance,
    small_sample_warning,
)

State = dict[str, Tensor]
OTHER_SHA256 = "0" * 64


def picture(seed: int, size: int = 64) -> np.ndarray:
    """Some rectangles of plain colours, as rooms have them."""
    rng = np.random.default_rng(seed)
    frame = np.empty((size, size, 3), np.uint8)
    frame[:] = rng.integers(0, 256, 3)
    for _ in range(8):
        left, top = rng.integers(0, size - 8, 2)
        frame[top : top + rng.integers(8, 32), left : left + rng.integers(8, 32)] = rng.integers(0, 256, 3)
    return frame


def blurred(frame: np.ndarray, radius: float) -> np.ndarray:
    return np.asarray(Image.fromarray(frame).filter(ImageFilter.GaussianBlur(radius)))


def noisy(frame: np.ndarray, deviation: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, deviation, frame.shape)
    return (frame + noise).round().clip(0, 255).astype(np.uint8)


def tinted(frame: np.ndarray, red: int) -> np.ndarray:
    return (frame.astype(np.int16) + np.array([red, 0, -red])).clip(0, 255).astype(np.uint8)


def one_sentence(error: pytest.ExceptionInfo[UserError]) -> bool:
    return "\n" not in str(error.value) and not str(error.value).endswith(".")


# --- files in torchvision's layout, with random weights


def convolution(outputs: int, inputs: int, kernel: int) -> Tensor:
    return torch.randn(outputs, inputs, kernel, kernel) * (2 / (inputs * kernel**2)) ** 0.5


def norm_state(name: str, channels: int) -> State:
    return {
        f"{name}.weight": torch.rand(channels) + 0.5,
        f"{name}.bias": torch.randn(channels) * 0.1,
        f"{name}.running_mean": torch.randn(channels) * 0.1,
        f"{name}.running_var": torch.rand(channels) + 0.5,
        f"{name}.num_batches_tracked": torch.tensor(7),
    }


def resnet18_state() -> State:
    """The names and shapes of torchvision's `resnet18-f37072fd.pth`, written down once more."""
    torch.manual_seed(0)
    state = {"conv1.weight": convolution(64, 3, 7)} | norm_state("bn1", 64)
    inputs = 64
    for stage, outputs in enumerate((64, 128, 256, 512), 1):
        for block in (0, 1):
            name = f"layer{stage}.{block}"
            state[f"{name}.conv1.weight"] = convolution(outputs, inputs, 3)
            state |= norm_state(f"{name}.bn1", outputs)
            state[f"{name}.conv2.weight"] = convolution(outputs, outputs, 3)
            state |= norm_state(f"{name}.bn2", outputs)
            if inputs != outputs:
                state[f"{name}.downsample.0.weight"] = convolution(outputs, inputs, 1)
                state |= norm_state(f"{name}.downsample.1", outputs)
            inputs = outputs
    return state | {"fc.weight": torch.randn(1000, 512) * 0.05, "fc.bias": torch.zeros(1000)}


def alexnet_state() -> State:
    torch.manual_seed(1)
    state = {}
    for number, outputs, inputs, kernel in ((0, 64, 3, 11), (3, 192, 64, 5), (6, 384, 192, 3), (8, 256, 384, 3)):
        state[f"features.{number}.weight"] = convolution(outputs, inputs, kernel)
        state[f"features.{number}.bias"] = torch.randn(outputs) * 0.1
    state |= {"features.10.weight": convolution(256, 256, 3), "features.10.bias": torch.randn(256) * 0.1}
    return state | {"classifier.1.weight": torch.zeros(8, 8), "classifier.1.bias": torch.zeros(8)}


def heads_state() -> State:
    torch.manual_seed(2)
    return {
        f"lin{number}.model.1.weight": torch.rand(1, channels, 1, 1) / channels
        for number, channels in enumerate((64, 192, 384, 256, 256))
    }


def saved(path: Path, state: object) -> Path:
    torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def resnet_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("resnet") / "mine.pth", resnet18_state())


@pytest.fixture(scope="module")
def alexnet_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("alexnet") / "mine.pth", alexnet_state())


@pytest.fixture
def heads_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The heads inside an installed package whose import fails, as the real one's does without torchvision."""
    package = tmp_path / "site" / "lpips"
    (package / "weights" / "v0.1").mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('this package must not be imported')\n")
    path = saved(package / "weights" / "v0.1" / "alex.pth", heads_state())
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(perceptual, "HEADS_SHA256", sha256_of_file(path))
    return path


@pytest.fixture
def lpips(alexnet_file: Path, heads_file: Path) -> Lpips:
    return Lpips.load(alexnet_file, sha256=sha256_of_file(alexnet_file))


@pytest.fixture(scope="module")
def images() -> ImageFeatures:
    return ImageFeatures.load()


# --- which files are read


def test_another_file_is_refused_unless_its_whole_hash_is_given(resnet_file: Path) -> None:
    found = sha256_of_file(resnet_file)
    with pytest.raises(UserError, match=f"{found}.* begins with f37072fd or 5c106cde") as error:
        ResNet18Features.load(resnet_file)
    assert one_sentence(error)
    assert ResNet18Features.load(resnet_file, found.upper()).fingerprint == found
    with pytest.raises(UserError, match=f"{found}, not {OTHER_SHA256}"):
        ResNet18Features.load(resnet_file, OTHER_SHA256)
    with pytest.raises(UserError, match="64 hex digits"):
        ResNet18Features.load(resnet_file, found[:8])


def test_a_published_file_is_known_by_its_hash_and_not_by_its_name(
    resnet_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = sha256_of_file(resnet_file)
    published = resnet18.WEIGHTS.__class__("ResNet-18", "a file", ("12345678", found[:8]))
    monkeypatch.setattr(resnet18, "WEIGHTS", published)
    assert ResNet18Features.load(resnet_file).fingerprint == found
    with pytest.raises(UserError, match=f"not {OTHER_SHA256}"):  # what is asked for counts, published or not
        ResNet18Features.load(resnet_file, OTHER_SHA256)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*No such file.*resnet18-f37072fd") as error:
        ResNet18Features.load(tmp_path / "none.pth")
    assert one_sentence(error)


def without(state: State, name: str) -> State:
    return {key: value for key, value in state.items() if key != name}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: without(state, "layer3.1.bn2.bias"), "1 of its tensors are missing.*layer3.1.bn2.bias"),
        (lambda state: state | {"more": torch.zeros(1)}, "1 are unknown.*more"),
        (lambda state: state | {"fc.bias": torch.zeros(10)}, r"fc.bias has shape \[10\] and not \[1000\]"),
        (lambda state: {"state_dict": state}, "holds no tensors by name but a dict"),
        (lambda state: [1, 2], "holds no tensors by name but a list"),
        (lambda state: picture, "damaged or not a .pth file"),  # a pickled function is code: it must not be unpickled
    ],
    ids=["missing", "unknown", "shape", "nested", "list", "code"],
)
def test_a_file_of_something_else_is_one_sentence(
    change: Callable[[State], object], message: str, tmp_path: Path
) -> None:
    path = saved(tmp_path / "other.pth", change(resnet18_state()))
    with pytest.raises(UserError, match=message) as error:
        ResNet18Features.load(path, sha256_of_file(path))
    assert one_sentence(error)


@pytest.mark.parametrize("length", [0, 10, 5000])
def test_a_damaged_file_is_one_sentence(length: int, resnet_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.pth"
    path.write_bytes(resnet_file.read_bytes()[:length])
    with pytest.raises(UserError, match="damaged") as error:
        ResNet18Features.load(path, sha256_of_file(path))
    assert one_sentence(error)


def test_loading_leaves_the_random_state_alone(resnet_file: Path, alexnet_file: Path, heads_file: Path) -> None:
    hashes = [sha256_of_file(path) for path in (resnet_file, alexnet_file)]
    before = torch.random.get_rng_state()
    ResNet18Features.load(resnet_file, hashes[0])
    Lpips.load(alexnet_file, sha256=hashes[1])
    assert torch.equal(before, torch.random.get_rng_state())


# --- ResNet-18


def normed(state: State, name: str, maps: Tensor) -> Tensor:
    weight, bias, mean, variance = (
        state[f"{name}.{part}"][:, None, None] for part in ("weight", "bias", "running_mean", "running_var")
    )
    return (maps - mean) / (variance + 1e-5).sqrt() * weight + bias


def block_by_hand(state: State, name: str, maps: Tensor, stride: int) -> Tensor:
    inner = normed(state, f"{name}.bn1", F.conv2d(maps, state[f"{name}.conv1.weight"], stride=stride, padding=1))
    inner = normed(state, f"{name}.bn2", F.conv2d(inner.clamp(min=0), state[f"{name}.conv2.weight"], padding=1))
    if f"{name}.downsample.0.weight" in state:
        maps = F.conv2d(maps, state[f"{name}.downsample.0.weight"], stride=stride)
        maps = normed(state, f"{name}.downsample.1", maps)
    return (inner + maps).clamp(min=0)


def test_resnet18_is_what_it_is_by_hand(resnet_file: Path) -> None:
    state = resnet18_state()
    ours = ResNet18Features.load(resnet_file, sha256_of_file(resnet_file))
    frames = np.stack([picture(0), picture(1)])
    maps = preprocess(torch.from_numpy(frames))
    with torch.no_grad():
        maps = F.conv2d(maps, state["conv1.weight"], stride=2, padding=3)
        maps = F.max_pool2d(normed(state, "bn1", maps).clamp(min=0), 3, 2, 1)
        torch.testing.assert_close(
            ours.network.layer1[0](maps), block_by_hand(state, "layer1.0", maps, 1), atol=1e-4, rtol=1e-4
        )
        for stage in range(1, 5):
            for block in (0, 1):
                stride = 2 if stage > 1 and block == 0 else 1
                maps = block_by_hand(state, f"layer{stage}.{block}", maps, stride)
        assert maps.shape == (2, 512, 7, 7)
        scores = ours.network(preprocess(torch.from_numpy(frames)))
    features = ours(frames)
    assert features.shape == (2, 512) and features.dtype == np.float32
    np.testing.assert_allclose(features, maps.mean((2, 3)).numpy(), rtol=1e-3, atol=1e-3 * float(maps.max()))
    expected = features @ state["fc.weight"].numpy().T
    np.testing.assert_allclose(scores.numpy(), expected, atol=1e-3 * np.abs(expected).max())


def test_old_files_without_counters_are_read(resnet_file: Path, tmp_path: Path) -> None:
    old = {name: value for name, value in resnet18_state().items() if not name.endswith("num_batches_tracked")}
    path = saved(tmp_path / "old.pth", old)
    frames = picture(0)[None]
    ours = ResNet18Features.load(path, sha256_of_file(path))
    np.testing.assert_array_equal(ours(frames), ResNet18Features.load(resnet_file, sha256_of_file(resnet_file))(frames))
    assert (ours.name, ours.num_features) == ("resnet18", 512)


def test_features_of_both_networks_are_called_alike(resnet_file: Path, images: ImageFeatures) -> None:
    resnet = ResNet18Features.load(resnet_file, sha256_of_file(resnet_file))
    for features in (resnet, images):
        assert features(picture(0)[None][:0]).shape == (0, features.num_features)
        with pytest.raises(UserError, match="8-bit RGB frames"):
            features(np.zeros((1, 8, 8, 3), np.float32))
        found = features(np.stack([picture(0), blurred(picture(0), 1), picture(1)]))
        near, far = feature_similarity(found[:1], found[1:2])[0], feature_similarity(found[:1], found[2:])[0]
        assert feature_similarity(found, found) == pytest.approx([100.0] * 3)
        assert 100 > near > far


# --- distances between frames


def lpips_by_hand(a: np.ndarray, b: np.ndarray) -> float:
    """From the paper's equation 1, place by place where the code is vectorised."""
    weights, heads = alexnet_state(), list(heads_state().values())
    sides = []
    for frame in (a, b):
        pixels = torch.tensor(frame).permute(2, 0, 1)[None].double() / 255 * 2 - 1
        shift = torch.tensor([-0.030, -0.088, -0.188], dtype=torch.float64)[:, None, None]
        scale = torch.tensor([0.458, 0.448, 0.450], dtype=torch.float64)[:, None, None]
        maps, kept = (pixels - shift) / scale, []
        for number, stride, padding, pooled in ((0, 4, 2, 0), (3, 1, 2, 1), (6, 1, 1, 1), (8, 1, 1, 0), (10, 1, 1, 0)):
            if pooled:
                maps = F.max_pool2d(maps, 3, 2)
            weight, bias = (weights[f"features.{number}.{part}"].double() for part in ("weight", "bias"))
            maps = F.conv2d(maps, weight, bias, stride, padding).clamp(min=0)
            kept.append(maps[0].flatten(1).T)  # a row a place
        sides.append(kept)
    total = 0.0
    for head, first, second in zip(heads, *sides, strict=True):
        places = [
            float(head.flatten().double() @ (one / (one.norm() + 1e-10) - other / (other.norm() + 1e-10)).square())
            for one, other in zip(first, second, strict=True)
        ]
        total += sum(places) / len(places)
    return total


def test_lpips_is_the_papers_equation(lpips: Lpips) -> None:
    a, b = picture(0), blurred(picture(1), 1)
    assert float(lpips(a, b)) == pytest.approx(lpips_by_hand(a, b), rel=1e-4)


@pytest.fixture(params=["lpips", "distance_mbv2"])
def distance(request: pytest.FixtureRequest) -> FrameDistance:
    if request.param == "lpips":
        return request.getfixturevalue("lpips")
    return PerceptualDistance(request.getfixturevalue("images"))


def test_a_frame_is_no_distance_from_itself(distance: FrameDistance) -> None:
    frames = np.stack([picture(0), picture(1)])
    assert distance(frames, frames).tolist() == [0.0, 0.0]
    assert distance(frames, frames[::-1])[0] == pytest.approx(distance(frames, frames[::-1])[1], rel=1e-4)


@pytest.mark.parametrize(
    "change",
    [
        lambda frame, amount: blurred(frame, amount),
        lambda frame, amount: noisy(frame, 10 * amount),
        lambda frame, amount: tinted(frame, 20 * amount),
    ],
    ids=["blur", "noise", "colour"],
)
def test_a_frames_distance_grows_with_what_is_done_to_it(
    distance: FrameDistance, change: Callable[[np.ndarray, int], np.ndarray]
) -> None:
    frames = np.stack([picture(seed) for seed in range(4)])
    values = [distance(frames, np.stack([change(frame, amount) for frame in frames])) for amount in (0, 1, 2, 4)]
    means = [float(each.mean()) for each in values]
    assert means[0] == pytest.approx(0, abs=1e-7) and means == sorted(means)
    assert means[-1] > 1.5 * means[1] > 0


def test_a_swapped_frame_is_found(distance: FrameDistance) -> None:
    frames = np.stack([picture(seed) for seed in range(3)])
    values = distance(frames[None], frames[[1, 0, 2]][None])
    assert values.shape == (1, 3) and values[0, 2] == 0 and (values[0, :2] > 0).all()


def test_many_and_large_frames_go_through_in_parts(distance: FrameDistance, monkeypatch: pytest.MonkeyPatch) -> None:
    a = np.stack([picture(seed, 72)[:, :64] for seed in range(5)])
    b = a[[1, 2, 3, 4, 0]]
    whole = distance(a, b)
    monkeypatch.setattr(perceptual, "PIXELS_AT_ONCE", 2 * 72 * 64 * 2)
    np.testing.assert_allclose(distance(a, b), whole, rtol=1e-4)
    assert distance(a[:0], b[:0]).shape == (0,)


def test_frames_that_cannot_be_compared_are_one_sentence(distance: FrameDistance) -> None:
    frames = np.stack([picture(0)] * 2)
    for a, b, message in (
        (frames, frames[:1], r"\[2, 64, 64, 3\] and \[1, 64, 64, 3\]"),
        (frames[:, :30], frames[:, :30], f"at least {distance.smallest_side} pixels.*64x30"),
        (frames.astype(np.float32), frames, "8-bit RGB frames.*float32"),
        (frames[..., :2], frames[..., :2], "8-bit RGB frames"),
    ):
        with pytest.raises(UserError, match=f"{distance.name} .*{message}") as error:
            distance(a, b)
        assert one_sentence(error)
    side = distance.smallest_side
    smallest = np.stack([picture(0)[:side, :side], picture(1)[:side, :side]])
    assert np.isfinite(distance(smallest, smallest[::-1])).all()


def test_the_stand_in_has_its_own_name_and_range(images: ImageFeatures) -> None:
    distance = PerceptualDistance(images)
    noise = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    plain = np.zeros((2, 64, 64, 3), np.uint8)
    assert (distance.name, distance.fingerprint) == ("distance_mbv2", images.fingerprint)
    values = distance(noise, plain)
    assert (values > 0).all() and (values <= 2).all()


# --- LPIPS's files


def test_the_heads_are_told_how_to_get(alexnet_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perceptual, "HEADS_PACKAGE", "a_package_that_is_not_there")
    with pytest.raises(UserError, match=r"pip install --no-deps lpips==0\.1\.4") as error:
        Lpips.load(alexnet_file, sha256=sha256_of_file(alexnet_file))
    assert one_sentence(error)


def test_heads_by_path_are_checked_too(lpips: Lpips, alexnet_file: Path, heads_file: Path, tmp_path: Path) -> None:
    sha256 = sha256_of_file(alexnet_file)
    a, b = picture(0), picture(1)
    assert Lpips.load(alexnet_file, heads_file, sha256)(a, b) == lpips(a, b)
    assert (lpips.name, lpips.fingerprint, lpips.heads_fingerprint) == ("lpips", sha256, sha256_of_file(heads_file))
    other = saved(tmp_path / "other.pth", {name: 2 * head for name, head in heads_state().items()})
    with pytest.raises(UserError, match="LPIPS's heads begins with") as error:
        Lpips.load(alexnet_file, other, sha256)
    assert one_sentence(error)


def test_alexnet_needs_its_convolutions_and_not_its_classifier(heads_file: Path, tmp_path: Path) -> None:
    state = alexnet_state()
    path = saved(tmp_path / "trunk.pth", {name: state[name] for name in state if name.startswith("features.")})
    Lpips.load(path, sha256=sha256_of_file(path))
    path = saved(tmp_path / "cut.pth", without(state, "features.10.bias"))
    with pytest.raises(UserError, match=r"AlexNet: 1 of its tensors are missing.*features.10.bias"):
        Lpips.load(path, sha256=sha256_of_file(path))
    with pytest.raises(UserError, match="begins with 7be5be79 or 4df8aa71"):
        Lpips.load(path)


def test_alexnet_gives_five_maps() -> None:
    with torch.no_grad():
        maps = alexnet.AlexNetTrunk()(torch.zeros(1, 3, 64, 64))
    assert [tuple(each.shape[1:]) for each in maps] == [
        (64, 15, 15),
        (192, 7, 7),
        (384, 3, 3),
        (256, 3, 3),
        (256, 3, 3),
    ]


# --- Fréchet distance


def gaussian(seed: int, videos: int, features: int, spread: float = 1.0, mean: float = 0.0) -> np.ndarray:
    """Features whose sample mean and covariance are exactly `mean` and `spread**2` times the unit matrix."""
    noise = np.random.default_rng(seed).standard_normal((videos, features))
    white = np.linalg.qr(noise - noise.mean(0))[0] * (videos - 1) ** 0.5
    return mean + spread * (white - white.mean(0))


@pytest.mark.parametrize(("videos", "features"), [(2, 5), (40, 100), (200, 10)])
def test_a_set_is_no_distance_from_itself(videos: int, features: int) -> None:
    x = 5 * np.random.default_rng(0).standard_normal((videos, features)).astype(np.float32) ** 2
    assert frechet_distance(x, x) < 1e-6
    assert frechet_distance(x, x[::-1]) < 1e-6


@pytest.mark.parametrize(("spread", "mean"), [(1, 0), (3, 0), (1, 2), (0.5, -1)])
def test_the_distance_of_known_gaussians(spread: float, mean: float) -> None:
    a, b = gaussian(0, 50, 8), gaussian(1, 70, 8, spread, mean)
    assert frechet_distance(a, b) == pytest.approx(8 * mean**2 + 8 * (spread - 1) ** 2, abs=1e-9)


def test_the_distance_of_gaussians_that_do_not_commute() -> None:
    rng = np.random.default_rng(3)
    a, b = (gaussian(seed, 60, 4) @ rng.standard_normal((4, 4)) for seed in (0, 1))
    A, B = np.cov(a.T), np.cov(b.T)
    root = np.sqrt(np.linalg.eigvals(A @ B).real).sum()
    assert frechet_distance(a, b) == pytest.approx(np.trace(A + B) - 2 * root, rel=1e-9)


def test_the_distance_with_fewer_videos_than_features_is_that_in_the_space_they_span() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.standard_normal((30, 6)), 2 * rng.standard_normal((20, 6)) + 1
    embedding = np.linalg.qr(rng.standard_normal((300, 300)))[0][:6]
    assert frechet_distance(a @ embedding, b @ embedding) == pytest.approx(frechet_distance(a, b), rel=1e-9)


def test_the_distance_is_the_same_both_ways_round() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.standard_normal((20, 50)), 3 * rng.standard_normal((33, 50))
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-12)


def test_few_videos_make_the_distance_too_large_and_are_warned_of() -> None:
    rng = np.random.default_rng(6)
    few, more = (frechet_distance(*rng.standard_normal((2, videos, 32))) for videos in (33, 1000))
    assert few > 5 * more > 0
    assert small_sample_warning(RECOMMENDED_VIDEOS) is None
    warning = small_sample_warning(64)
    assert warning and "64 videos" in warning and str(RECOMMENDED_VIDEOS) in warning and "\n" not in warning


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.zeros((1, 3)), np.zeros((5, 3)), "at least 2 videos"),
        (np.zeros((5, 3)), np.zeros((5, 4)), r"\[5, 3\] and \[5, 4\]"),
        (np.zeros(5), np.zeros(5), "two arrays"),
        (np.zeros((5, 3)), np.full((5, 3), np.nan), "NaN"),
        (np.full((5, 3), np.inf), np.zeros((5, 3)), "infinity"),
    ],
)
def test_sets_without_a_distance_are_one_sentence(a: np.ndarray, b: np.ndarray, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        frechet_distance(a, b)
    assert one_sentence(error)


def test_sets_without_spread_are_as_far_apart_as_their_means() -> None:
    assert frechet_distance(np.zeros((4, 3)), np.ones((4, 3))) == 3.0


# --- I3D


class Stand(nn.Module):
    """Called as StyleGAN-V's I3D is: 400 numbers that tell how bright each colour is in each frame."""

    def forward(self, x: Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False) -> Tensor:
        assert rescale and resize and return_features
        colours = x.mean([3, 4]).flatten(1)
        return F.pad(colours, [0, 400 - colours.shape[1]])


class Unlike(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


class Short(Stand):
    def forward(self, x: Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False) -> Tensor:
        return x.mean([3, 4]).flatten(1)


def scripted(path: Path, module: nn.Module) -> Path:
    torch.jit.save(torch.jit.script(module), path)
    return path


torchscript = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")


@torchscript
def test_i3d_is_called_as_stylegan_v_calls_it(tmp_path: Path) -> None:
    path = scripted(tmp_path / "i3d.pt", Stand())
    features = I3DFeatures.load(path, sha256_of_file(path))
    clips = np.zeros((video_distance.I3D_AT_ONCE + 1, 16, 8, 8, 3), np.uint8)
    clips[-1, 3, :, :, 1] = 200
    found = features(clips)
    assert found.shape == (len(clips), 400) and found.dtype == np.float32
    assert np.argwhere(found).tolist() == [[len(clips) - 1, 16 + 3]] and found.max() == 200  # green, in [0, 255]
    assert (features.name, features.fingerprint) == ("fvd", sha256_of_file(path))
    with pytest.raises(UserError, match="at least 10 frames, but 9") as error:
        features(clips[:, :9])
    assert one_sentence(error)
    with pytest.raises(UserError, match="8-bit RGB clips"):
        features(clips[0])


@torchscript
def test_i3d_is_read_with_its_hash_only(tmp_path: Path) -> None:
    path = scripted(tmp_path / "i3d.pt", Stand())
    with pytest.raises(UserError, match=f"no SHA-256 is published.*{sha256_of_file(path)}") as error:
        I3DFeatures.load(path, None)
    assert one_sentence(error)
    with pytest.raises(UserError, match=f"not {OTHER_SHA256}"):
        I3DFeatures.load(path, OTHER_SHA256)


@torchscript
def test_another_network_than_i3d_is_one_sentence(tmp_path: Path, resnet_file: Path) -> None:
    path = scripted(tmp_path / "unlike.pt", Unlike())
    with pytest.raises(UserError, match="takes x and not rescale, resize, return_features") as error:
        I3DFeatures.load(path, sha256_of_file(path))
    assert one_sentence(error)
    path = scripted(tmp_path / "short.pt", Short())
    with pytest.raises(UserError, match=r"shape \[1, 48\] for 1 clips"):
        I3DFeatures.load(path, sha256_of_file(path))(np.zeros((1, 16, 8, 8, 3), np.uint8))
    damaged = tmp_path / "damaged.pt"
    damaged.write_bytes(path.read_bytes()[:1000])
    for wrong in (damaged, resnet_file):
        with pytest.raises(UserError, match="cannot be read as TorchScript") as error:
            I3DFeatures.load(wrong, sha256_of_file(wrong))
        assert one_sentence(error)


@torchscript
@pytest.mark.skipif(
    "SLOWFAST_I3D" not in os.environ, reason="for want of weights that cannot be installed: SLOWFAST_I3D names no file"
)
def test_the_published_distance_of_black_and_white() -> None:
    path = Path(os.environ["SLOWFAST_I3D"])
    features = I3DFeatures.load(path, sha256_of_file(path))
    black, white = (np.full((8, 30, 64, 64, 3), level, np.uint8) for level in (0, 255))
    assert frechet_distance(features(black), features(white)) == pytest.approx(151.25, abs=1)


# --- the stand-in for I3D


@pytest.fixture(scope="module")
def clip_features(images: ImageFeatures) -> ClipFeatures:
    return ClipFeatures(images)


@pytest.fixture(scope="module")
def moving() -> np.ndarray:
    """Clips of 6 frames that pan over a picture by 4 pixels a frame."""
    wide = [np.concatenate([picture(seed), picture(seed + 100)], axis=1) for seed in range(4)]
    return np.stack([np.stack([each[:, 4 * step : 4 * step + 64] for step in range(6)]) for each in wide])


def test_fvd_mbv2_moves_when_the_clips_do(clip_features: ClipFeatures, moving: np.ndarray) -> None:
    true = clip_features(moving)
    assert true.shape == (4, clip_features.num_features) and true.dtype == np.float32

    def distance(clips: np.ndarray) -> float:
        return frechet_distance(true, clip_features(clips))

    swapped, shuffled = moving[:, [0, 1, 3, 2, 4, 5]], moving[:, [0, 4, 1, 5, 2, 3]]
    blurry = [np.stack([[blurred(frame, radius) for frame in clip] for clip in moving]) for radius in (1, 3)]
    assert frechet_distance(true, true) < 1e-6
    assert 1e-3 < distance(swapped) < distance(shuffled)
    assert 0 < distance(blurry[0]) < distance(blurry[1])
    assert 0 < distance(tinted(moving, 20)) < distance(tinted(moving, 60))
    assert distance(np.repeat(moving[:, :1], 6, axis=1)) > distance(swapped)  # a frozen video


def test_the_projection_is_fixed_and_orthonormal(clip_features: ClipFeatures, images: ImageFeatures) -> None:
    projection = clip_features.projection
    np.testing.assert_allclose(projection.T @ projection, np.eye(clip_features.num_features), atol=1e-12)
    np.testing.assert_array_equal(projection, ClipFeatures(images).projection)


def test_clips_without_motion_are_refused(clip_features: ClipFeatures, moving: np.ndarray) -> None:
    with pytest.raises(UserError, match="fvd_mbv2 needs clips of at least 2 frames, but 1 were given"):
        clip_features(moving[:, :1])
    with pytest.raises(UserError, match="8-bit RGB clips"):
        clip_features(moving[0])
