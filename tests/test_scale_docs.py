"""The page on training at scale runs, and the benchmarks that share a results file leave each other's figures alone."""

import json
import re
import shlex
import sys
from pathlib import Path

import pytest
from made_sets import make_tiny_set

from slowfast_bench.results import read_results
from slowfast_vgen.cli.main import build_parser, main
from slowfast_vgen.results import Estimate, counts

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "howto" / "train-at-scale.md").read_text()
sys.path.insert(0, str(ROOT / "benchmarks"))

from data_results import update_results  # noqa: E402 - it lies beside the package


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for first, split in ((0, "train"), (10, "validation")):
        make_tiny_set(tmp_path / "data" / "rooms" / split, 4, first=first, world="vizdoom-rooms", split=split)
    (block,) = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines():
        words = shlex.split(line)[1:]
        if words[0] == "train":  # tests/test_train_from_shards.py trains
            build_parser().parse_args(words)
        else:
            assert main(words) == 0, line
    assert (tmp_path / "cards" / "index.md").is_file()
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(code, "train-at-scale.md", "exec"), {})


FPS_A, FPS_B = counts({"fps_a": Estimate(5, 4, 6, 3), "fps_b": Estimate(7, 7, 7, 1)})


def test_each_benchmark_replaces_its_own_figures(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    update_results(path, "speed", {"absent": {}}, [FPS_A, FPS_B])
    update_results(path, "wait", {"steps": 3}, counts({"share": Estimate.over_repetitions([0.3, 0.1, 0.2])}))
    update_results(path, "speed", {"absent": {"b": "gone"}}, counts({"fps_a": Estimate(9, 8, 10, 3)}))
    some = tmp_path / "some.json"
    update_results(some, "speed", {}, [FPS_A, FPS_B])
    update_results(some, "speed", {}, counts({"fps_a": Estimate(6, 5, 7, 3)}), asked=["fps_a"])
    assert {row.name: row.mean for row in read_results(some).rows} == {"fps_a": 6, "fps_b": 7}
    assert json.loads(some.read_text())["protocol"]["parts"]["speed"]["figures"] == ["fps_a", "fps_b"]
    results = read_results(path)
    assert set(results.by_name) == {"fps_a", "share"}
    assert (results["fps_a"].mean, results["share"].mean) == (9, 0.2)
    assert (results["share"].low, results["share"].high, results["share"].n) == (0.1, 0.3, 3)
    parts = json.loads(path.read_text())["protocol"]["parts"]
    assert parts["speed"]["absent"] == {"b": "gone"}
    assert parts["wait"]["steps"] == 3
