"""The pages that show how to add a memory rule or a metric by one file: their code runs as it is printed."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from test_memory_object import IMAGES, walked

from slowfast_vgen.cli.main import main
from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.config import MemoryConfig, memory_by_name
from slowfast_vgen.memory.registry import KINDS, imported_kind
from slowfast_vgen.rollout import WorldModel

ROOT = Path(__file__).parents[1]
START = ROOT / "docs" / "images" / "start.png"


def code_of(page: str, number: int = 0) -> str:
    return re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "howto" / page).read_text(), re.S)[number]


@pytest.fixture(scope="module")
def mean_memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("rule")
    (folder / "mean_memory.py").write_text(code_of("add-a-memory-rule.md"))
    (folder / "not_whole.py").write_text("class Rule:\n    kind = 'rule'\n")
    sys.path.insert(0, str(folder))
    yield "mean_memory:MeanMemory"
    sys.path.remove(str(folder))
    KINDS.pop("mean", None)


def test_a_rule_of_ones_own_steps_forks_rewinds_saves_and_resumes(
    mean_memory: str, ridge_world: WorldModel, tmp_path: Path
) -> None:
    config = memory_by_name(mean_memory, MemoryConfig())
    assert config is not None and list(config.rules) == ["mean"]
    session = walked(ridge_world, config, 3)
    assert session.memory is not None
    assert session.memory.describe()["mean"] == {"frames": 1 + 3 * 2} or session.memory.describe()["mean"]["frames"] > 3
    twin = session.fork()
    session.save(tmp_path / "episode")
    after = [torch.as_tensor(session.step("turn left")), torch.as_tensor(session.step("go forward"))]
    resumed = ridge_world.resume(tmp_path / "episode")
    for other in (twin, resumed):
        again = [torch.as_tensor(other.step("turn left")), torch.as_tensor(other.step("go forward"))]
        assert all(torch.equal(one, two) for one, two in zip(after, again, strict=True))
    session.rewind(2)
    assert torch.equal(torch.as_tensor(session.step("turn left")), after[0])
    plain = walked(ridge_world, False, 3)
    assert not torch.equal(torch.as_tensor(plain.step("turn left")), after[0]), "the memory does not act"
    assert repr(session.memory).startswith("<EpisodeMemory: mean, ")


def test_rows_come_out_as_they_would_alone(mean_memory: str, ridge_world: WorldModel) -> None:
    config = memory_by_name(mean_memory, MemoryConfig())
    assert config is not None
    rollout = ridge_world.start_batch(IMAGES[:2], config, [1, 2], 2)
    assert rollout.memory is not None and rollout.memory.num_episodes == 2
    both = rollout.step(["turn left", "go forward"])
    for row, action in enumerate(("turn left", "go forward")):
        alone = ridge_world.start_batch(IMAGES[row : row + 1], config, [row + 1], 2).step([action])
        torch.testing.assert_close(both[row : row + 1], alone, atol=1e-5, rtol=1e-4)


def test_by_the_command_line(mean_memory: str, ridge_world_folder: Path, tmp_path: Path) -> None:
    words = ["--model", str(ridge_world_folder), "--image", str(START), "--actions", "turn left x2", "--steps", "1"]
    assert main(["generate", *words, "--memory", mean_memory, "--out", str(tmp_path / "out.mp4")]) == 0
    assert (tmp_path / "out.mp4").stat().st_size > 0


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("nowhere:Rule", "cannot be imported"),
        ("mean_memory:Nothing", "is no memory; see docs/howto/add-a-memory-rule.md"),
        ("not_whole:Rule", "is no memory: it lacks"),
    ],
)
def test_what_is_no_rule_is_refused(mean_memory: str, place: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        imported_kind(place)
