"""What several test files share: the text encoder, and a tiny packed world with random weights."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from alone import pytest_pyfunc_call
from no_skips import pytest_addoption, pytest_make_collect_report, pytest_runtest_makereport

from slowfast_vgen.metrics import features
from slowfast_vgen.models.addressing.address import PlanarAddress
from slowfast_vgen.models.codec import Codec
from slowfast_vgen.models.settings import CodecConfig
from slowfast_vgen.models.text import TextEncoder
from slowfast_vgen.models.video_transformer import VideoTransformer
from slowfast_vgen.models.world_model import WorldModelConfig, WorldWeights
from slowfast_vgen.rollout import WorldModel

# Hooks of pytest.
__all__ = ["pytest_addoption", "pytest_make_collect_report", "pytest_pyfunc_call", "pytest_runtest_makereport"]

pytest.register_assert_rewrite("world_checks")  # so that a failure there shows its figures


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Gives numbers of ports that nobody listens on."""

    def find() -> int:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            return int(listener.getsockname()[1])

    return find


@pytest.fixture
def quick_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network of SRC and FVD sees frames of 32x32, not 224x224: the same code in a fiftieth of the time.

    For tests of what is done with features; what they see in frames has tests of its own.
    """
    monkeypatch.setattr(features, "IMAGE_SIZE", 32)


@pytest.fixture(scope="session")
def text_encoder() -> TextEncoder:
    return TextEncoder.load()


def pack_tiny_world(folder: Path, text_encoder: TextEncoder, ridge: bool = False, **settings: Any) -> Path:
    """Packs untrained weights that are not all zero, as a world named "tiny"."""
    memory = {"lora": {"lora": {"rank": 4}, "learning_rate": 1e-3}}
    config = WorldModelConfig("tiny", **({"memory": memory} | settings))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        codec = Codec.from_config(CodecConfig())
        height, width = (size // codec.downsampling for size in (config.frame_height, config.frame_width))
        denoiser = VideoTransformer(
            width=64, depth=2, num_heads=4, memory_width=4 if ridge else 0, latent_height=height, latent_width=width
        )
        # A fresh denoiser ends in zeros and says nothing, and a fresh codec decodes to black.
        for parameter in (*denoiser.parameters(), *codec.parameters()):
            parameter.data += 0.05 * torch.randn_like(parameter)
        address = PlanarAddress(key_width=64) if ridge else None
    model = WorldWeights(config, codec, denoiser, text_encoder, address)
    model.save(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_world_folder(tmp_path_factory: pytest.TempPathFactory, text_encoder: TextEncoder) -> Path:
    """A packed world named "tiny". Read it; a test that damages a world copies it first."""
    return pack_tiny_world(tmp_path_factory.mktemp("worlds") / "tiny", text_encoder)


@pytest.fixture(scope="session")
def ridge_world_folder(tmp_path_factory: pytest.TempPathFactory, text_encoder: TextEncoder) -> Path:
    """The same with addresses and a ridge memory as its own."""
    return pack_tiny_world(
        tmp_path_factory.mktemp("ridge") / "tiny", text_encoder, ridge=True, memory={"ridge": {"journal_chunks": 8}}
    )


@pytest.fixture(scope="session")
def ridge_world(ridge_world_folder: Path) -> WorldModel:
    """The world with a ridge memory, loaded."""
    return WorldModel(WorldWeights.load(ridge_world_folder))


@pytest.fixture(scope="session")
def hasty_world_folder(tmp_path_factory: pytest.TempPathFactory, text_encoder: TextEncoder) -> Path:
    """The same with a single sampling step, for tests that generate many chunks."""
    return pack_tiny_world(tmp_path_factory.mktemp("hasty") / "tiny", text_encoder, num_sampling_steps=1)


@pytest.fixture(scope="session")
def hasty_world(hasty_world_folder: Path) -> WorldModel:
    """The hasty world, loaded."""
    return WorldModel(WorldWeights.load(hasty_world_folder))


@pytest.fixture(scope="session")
def hasty_ridge_world_folder(tmp_path_factory: pytest.TempPathFactory, text_encoder: TextEncoder) -> Path:
    """The world with a ridge memory and a single sampling step."""
    settings = {"memory": {"ridge": {"journal_chunks": 8}}, "num_sampling_steps": 1}
    return pack_tiny_world(tmp_path_factory.mktemp("hasty_local") / "tiny", text_encoder, ridge=True, **settings)


@pytest.fixture(scope="session")
def hasty_local_world(hasty_ridge_world_folder: Path) -> WorldModel:
    """The hasty world with a ridge memory, loaded."""
    return WorldModel(WorldWeights.load(hasty_ridge_world_folder))


@pytest.fixture(scope="session")
def tiny_world(tiny_world_folder: Path) -> WorldModel:
    """The tiny world, loaded. Sessions leave its weights as they are; a test that writes them loads its own."""
    return WorldModel(WorldWeights.load(tiny_world_folder))
