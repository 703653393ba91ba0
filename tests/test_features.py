import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch

from slowfast_vgen.errors import UserError
from slowfast_vgen.metrics import features as features_module
from slowfast_vgen.metrics.features import ImageFeatures, preprocess

# Pictures that come inside the scikit-image wheel, and ImageNet classes that name what they show.
TABBY, TIGER_CAT, EGYPTIAN_CAT = 281, 282, 285
ESPRESSO, CUP = 967, 968


@pytest.fixture(scope="module")
def network() -> ImageFeatures:
    return ImageFeatures.load()


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def centre_square(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return np.ascontiguousarray(image[top : top + side, left : left + side])


@pytest.mark.parametrize(
    ("picture", "classes"),
    [
        ("chelsea", {TABBY, TIGER_CAT, EGYPTIAN_CAT}),
        ("coffee", {ESPRESSO, CUP}),
    ],
)
def test_the_whole_network_sees_what_the_picture_shows(network: ImageFeatures, picture: str, classes: set[int]) -> None:
    image = centre_square(getattr(skimage.data, picture)())
    with torch.no_grad():
        logits = network.network(preprocess(torch.from_numpy(image[None])))[0]
    top = logits.topk(5).indices.tolist()
    assert top[0] in classes and classes <= set(top)


def test_the_features_are_what_the_classifier_reads(network: ImageFeatures) -> None:
    image = centre_square(skimage.data.chelsea())[None]
    with torch.no_grad():
        logits = network.network(preprocess(torch.from_numpy(image)))
        ours = network.network.classifier(torch.from_numpy(network(image)))
    torch.testing.assert_close(ours, logits, atol=1e-4, rtol=1e-4)


def test_similarity_orders_itself_shifted_and_other(network: ImageFeatures) -> None:
    cat, coffee = skimage.data.chelsea(), skimage.data.coffee()
    same, shifted = network(np.stack([cat[:, :-8], cat[:, 8:]]))
    other = network(coffee[None])[0]
    assert cosine(same, same) == pytest.approx(1, abs=1e-6)
    assert 1 > cosine(same, shifted) > 0.9 > 0.5 > cosine(same, other)


def test_small_frames_and_several_batches(network: ImageFeatures) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (features_module.BATCH_SIZE + 1, 16, 24, 3), dtype=np.uint8)
    features = network(frames)
    assert features.shape == (len(frames), ImageFeatures.num_features) and features.dtype == np.float32
    assert np.isfinite(features).all()
    np.testing.assert_allclose(network(frames[-1:])[0], features[-1], atol=1e-4)
    assert network(frames[:0]).shape == (0, ImageFeatures.num_features)


@pytest.mark.parametrize(
    "frames",
    [np.zeros((2, 8, 8, 3), np.float32), np.zeros((8, 8, 3), np.uint8), np.zeros((2, 3, 8, 8), np.uint8)],
    ids=["float", "one frame", "channels first"],
)
def test_other_arrays_are_refused(network: ImageFeatures, frames: np.ndarray) -> None:
    with pytest.raises(UserError, match="8-bit RGB frames"):
        network(frames)


def test_loading_leaves_the_random_state_alone() -> None:
    before = torch.random.get_rng_state()
    ImageFeatures.load()
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_damaged_weights_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / features_module.PACKAGE
    shutil.copytree(find_spec(features_module.PACKAGE).submodule_search_locations[0], copy)
    with (copy / features_module.WEIGHTS_FILE).open("ab") as file:
        file.write(b"\0")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=r"SHA-256 .* damaged"):
        ImageFeatures.load()
