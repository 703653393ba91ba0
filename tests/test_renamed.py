"""Options, classes and saved memories by the names of the last release still work, with a sentence where one is due."""

import json
from pathlib import Path

import pytest
import torch
from test_memory_object import walked

import slowfast_vgen
from slowfast_vgen.cli.main import main
from slowfast_vgen.errors import SlowFastWarning, UserError
from slowfast_vgen.memory.config import MemoryConfig, memory_by_name
from slowfast_vgen.memory.ridge import RidgeConfig
from slowfast_vgen.memory.store import FILES, HEADER_FILE, MEMORY, STATE_FILE, MemoryHeader
from slowfast_vgen.rollout import WorldModel
from slowfast_vgen.tensors import write_tensors

START = Path(__file__).parents[1] / "docs" / "images" / "start.png"


def test_options_of_before_work_with_a_sentence(
    ridge_world_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["--image", str(START), "--actions", "turn left", "--steps", "1", "--out", str(tmp_path / "out.mp4")]
    assert main(["generate", "--world", str(ridge_world_folder), "--memory", "local-delta", *words]) == 0
    told = capfd.readouterr().err
    assert "--world is --model now" in told and "local-delta is called ridge-delta now" in told
    assert main(["data", "make", "--world", "mars", "--episodes", "1", "--out", str(tmp_path / "set")]) == 2
    assert "--world is --env now" in capfd.readouterr().err
    assert main(["generate", "--model", str(ridge_world_folder), "--memory", "ridge-delta", *words]) == 0
    assert "now" not in capfd.readouterr().err


def test_classes_and_names_of_before() -> None:
    for old, new in (("World", WorldModel), ("LocalRuleConfig", RidgeConfig)):
        with pytest.warns(DeprecationWarning, match=f"slowfast_vgen.{old} is {new.__name__} now"):
            assert getattr(slowfast_vgen, old) is new
    with pytest.warns(SlowFastWarning, match="local is called ridge now"):
        assert memory_by_name("local", MemoryConfig()) == MemoryConfig(RidgeConfig())
    assert MemoryConfig.from_json({"local": {"ridge": 0.1}}) == MemoryConfig(RidgeConfig(ridge=0.1))
    with pytest.raises(UserError, match="unknown memory 'locals'"):
        memory_by_name("locals", MemoryConfig())


def test_a_memory_of_before_is_read(ridge_world: WorldModel, tmp_path: Path) -> None:
    session = walked(ridge_world, True, 2)
    assert session.memory is not None
    session.memory.save(tmp_path / "memory")
    sealed = MEMORY.read(tmp_path / "memory")
    old = {name.replace("ridge/", "local/"): value for name, value in sealed.tensors(STATE_FILE).items()}
    counts = {name.replace("ridge_", "local_"): value for name, value in sealed.header.counts.items()}
    config = {name.replace("ridge", "local"): value for name, value in sealed.header.config.items()}
    assert "local/gram" in old and "local_chunks" in counts and "local" in config
    folder = tmp_path / "old"
    folder.mkdir()
    write_tensors(folder / STATE_FILE, old)
    MEMORY.seal(folder, MemoryHeader(sealed.header.world, sealed.header.base_sha256, config, counts))
    assert "ridge" not in json.loads((folder / HEADER_FILE).read_text())["counts"] and FILES
    loaded = ridge_world.load_memory(folder)
    assert loaded.ridge is not None and session.memory.ridge is not None
    assert torch.equal(loaded.ridge.state.gram, session.memory.ridge.state.gram)
    assert torch.equal(loaded.ridge.pose, session.memory.ridge.pose)
