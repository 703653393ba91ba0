"""What `import slowfast_vgen` gives, and that it costs nothing before it is used."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import slowfast_vgen
from slowfast_vgen.memory.settings import FastLearningConfig, LoraConfig
from slowfast_vgen.rollout import WorldModel

IMAGE = np.zeros((64, 64, 3), np.uint8)


def test_every_public_name_is_there_and_described() -> None:
    assert set(slowfast_vgen.__all__) == {*slowfast_vgen._HOMES, "__version__"}
    for name in slowfast_vgen.__all__:
        assert getattr(slowfast_vgen, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'Seesion'"):
        _ = slowfast_vgen.Seesion


def test_importing_the_package_does_not_import_torch() -> None:
    check = "import sys, slowfast_vgen; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"seed": 1.5}, "a seed is a whole number from 0 to 2147483647, got 1.5"),
        ({"seed": "a"}, "got 'a'"),
        ({"seed": True}, "got True"),
        ({"seed": None}, "got None"),
        ({"num_sampling_steps": 2.5}, "sampling takes 1 to 1000 steps, got 2.5"),
        ({"num_sampling_steps": "8"}, "got '8'"),
        ({"guidance_scale": float("nan")}, "the guidance scale is a number from 0 on, where 1 is off, got nan"),
        ({"guidance_scale": "2"}, "got '2'"),
        ({"strict": 0}, "strict is None, True or False, got 0"),
        ({"strict": "yes"}, "got 'yes'"),
    ],
)
def test_a_setting_of_another_kind_is_refused(ridge_world: WorldModel, settings: dict[str, Any], told: str) -> None:
    with pytest.raises(slowfast_vgen.UserError, match=told):
        ridge_world.start(IMAGE, memory=False, **settings)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"ridge": float("inf")}, "must be above 0, got inf"),
        ({"ridge": "a"}, "must be above 0, got 'a'"),
        ({"ridge": 0}, "must be above 0, got 0"),
        ({"familiar": None}, r"must lie in \[0, 1\], got None"),
        ({"forgetting": 1}, r"must lie in \[0, 1\), got 1"),
        ({"journal_chunks": 2.5}, "at least 1 chunk, got 2.5"),
    ],
)
def test_a_setting_that_no_local_memory_has_is_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(slowfast_vgen.UserError, match=told):
        slowfast_vgen.RidgeConfig(**settings)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"learning_rate": "x"}, "learning_rate of fast learning is a number, got 'x'"),
        ({"learning_rate": None}, "got None"),
        ({"updates_per_chunk": 1.5}, "updates_per_chunk of fast learning is a whole number, got 1.5"),
        ({"guard_ratio": True}, "got True"),
    ],
)
def test_a_setting_that_no_lora_learns_by_is_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(slowfast_vgen.UserError, match=told):
        FastLearningConfig(**settings)
    with pytest.raises(slowfast_vgen.UserError, match="a LoRA's rank is a whole number, got"):
        LoraConfig(2.5)  # type: ignore[arg-type]


def test_what_is_no_name_is_refused(ridge_world: WorldModel) -> None:
    for name in (None, 3):
        with pytest.raises(slowfast_vgen.UserError, match=f"a world is a name or a folder, got {name}"):
            slowfast_vgen.load(name)  # type: ignore[arg-type]
    with pytest.raises(slowfast_vgen.UserError, match="a device is named, such as 'cpu' or 'cuda', got None"):
        slowfast_vgen.load("rooms-64", device=None)  # type: ignore[arg-type]
    with pytest.raises(slowfast_vgen.UserError, match="a session is saved into a folder, got None"):
        ridge_world.start(IMAGE, memory=False).save(None)  # type: ignore[arg-type]


def test_numbers_of_numpy_are_numbers(ridge_world: WorldModel, tmp_path: Path) -> None:
    """They end up in JSON files, where they must be plain ones."""
    session = ridge_world.start(
        IMAGE,
        seed=np.int64(3),
        num_sampling_steps=np.int32(1),
        guidance_scale=np.float32(2),  # type: ignore[arg-type]
    )
    for _ in range(4):
        session.step("wait")
    assert session.memory is not None
    session.rewind(np.int64(1))  # type: ignore[arg-type]
    session.memory.forget(np.int64(0), np.int64(1))  # type: ignore[arg-type]
    session.save(tmp_path / "session")
    assert np.array_equal(ridge_world.resume(tmp_path / "session").step("wait"), session.step("wait"))
    for call in (session.rewind, session.memory.rewind, lambda one: session.memory.forget(one, 2)):  # type: ignore[union-attr]
        for one in (1.0, "1", None, True):
            with pytest.raises(slowfast_vgen.UserError, match=r"whole number.*, got"):
                call(one)
    for other in (None, session):
        with pytest.raises(slowfast_vgen.UserError, match="is no memory to merge"):
            session.memory.merge(other)  # type: ignore[arg-type]
