"""What `make setup` looks at before it fetches torch, on what pip reported of dry runs."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
REPORTS = ROOT / "tests" / "data"
CUDA_PACKAGES = [
    "cuda-bindings", "nvidia-cublas", "nvidia-cuda-cupti", "nvidia-cuda-nvrtc", "nvidia-cuda-runtime",
    "nvidia-cudnn-cu13", "nvidia-cufft", "nvidia-cusolver", "nvidia-cusparse", "nvidia-cusparselt-cu13",
    "nvidia-nccl-cu13",
    "triton",
]  # fmt: skip


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("before_install", ROOT / "tools" / "before_install.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cpu_report() -> dict[str, Any]:
    report: dict[str, Any] = json.loads((REPORTS / "pip-report-cpu.json").read_text())
    return report


def cuda_report(version: str = "2.13.0") -> dict[str, Any]:
    """The same where the index has the CUDA build: other packages beside torch."""
    report = cpu_report()
    for row in report["install"]:
        if row["metadata"]["name"] == "torch":
            row["metadata"]["version"] = version
    for name in CUDA_PACKAGES:
        url = f"https://index.invalid/packages/{name}.whl"
        metadata = {"metadata_version": "2.1", "name": name, "version": "13.0"}
        report["install"].append({"download_info": {"url": url}, "requested": False, "metadata": metadata})
    return report


def test_a_cpu_build_is_let_through_without_a_word(tool: ModuleType) -> None:
    fetched = tool.read_report(cpu_report())
    assert (fetched.torch, fetched.is_cuda) == ("2.13.0+cpu", False)
    assert tool.verdict(fetched, gpu=False, asked_for=False) == (0, "")


def test_the_cuda_build_stops_on_a_machine_without_a_gpu(tool: ModuleType) -> None:
    fetched = tool.read_report(cuda_report())
    assert fetched.is_cuda and len(fetched.urls) == len(cpu_report()["install"]) + len(CUDA_PACKAGES)
    code, told = tool.verdict(fetched, gpu=False, asked_for=False, size=lambda _: 100_000_000)
    assert code == 1
    assert f"{len(fetched.urls)} packages, {len(fetched.urls) / 10:.1f} GB" in told
    assert "no NVIDIA GPU" in told and "make setup TORCH_INDEX=ADDRESS" in told and "make setup CUDA=1" in told


def test_a_local_version_tells_it_too(tool: ModuleType) -> None:
    report = cpu_report()
    for row in report["install"]:
        if row["metadata"]["name"] == "torch":
            row["metadata"]["version"] = "2.13.0+cu130"
    assert tool.read_report(report).is_cuda


@pytest.mark.parametrize(("gpu", "asked_for"), [(True, False), (False, True)])
def test_with_a_gpu_or_when_asked_for_one_line_is_told(tool: ModuleType, gpu: bool, asked_for: bool) -> None:
    code, told = tool.verdict(tool.read_report(cuda_report()), gpu, asked_for, size=lambda _: None)
    assert code == 0 and told.count("\n") == 0
    assert "about 2.7 GB" in told


def test_an_installed_torch_is_not_fetched(tool: ModuleType) -> None:
    fetched = tool.read_report({"version": "1", "install": []})
    assert fetched == ("", False, ())
    assert tool.verdict(fetched, gpu=False, asked_for=False) == (0, "")


def test_sizes_of_files_on_this_machine_are_known(tool: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "a b.whl").write_bytes(b"0" * 1000)
    assert tool.size_of((tmp_path / "a b.whl").as_uri()) == 1000
    assert tool.size_of((tmp_path / "none.whl").as_uri()) is None


def test_pip_is_asked_and_nothing_is_installed(tool: ModuleType, tmp_path: Path) -> None:
    # A project of our own, so that no index is needed.
    (tmp_path / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "nothing-at-all"\nversion = "1.2"\n[tool.setuptools]\npy-modules = []\n'
    )
    report = tool.ask_pip(["--no-index", "--no-build-isolation", str(tmp_path)])
    assert report is not None and [row["metadata"]["name"] for row in report["install"]] == ["nothing-at-all"]
    assert importlib.util.find_spec("nothing_at_all") is None
    assert tool.ask_pip(["--no-index", "no-such-package-anywhere"]) is None


def test_the_script_stops_make_by_its_exit_code(tmp_path: Path) -> None:
    """With a pip in its way that reports the CUDA build."""
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "__init__.py").touch()
    (tmp_path / "pip" / "__main__.py").write_text(f"print({json.dumps(json.dumps(cuda_report()))})")
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['before_install.py', 'torch']\n"
        f"module = runpy.run_path({str(ROOT / 'tools/before_install.py')!r})\n"
        "main = module['main']; main.__globals__.update(has_gpu=lambda: False, size_of=lambda _: None)\n"
        "sys.exit(main())"
    )
    environment = {"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert ran.returncode == 1 and "TORCH_INDEX" in ran.stderr
    ran = subprocess.run([sys.executable, "-c", code], env=environment | {"CUDA": "1"}, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_make_asks_before_it_installs() -> None:
    ran = subprocess.run(
        ["make", "--dry-run", "--always-make", "setup", "TORCH_INDEX=https://index.invalid/cpu"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = ran.stdout.splitlines()
    asked = next(number for number, line in enumerate(lines) if "tools/before_install.py" in line)
    installed = next(number for number, line in enumerate(lines) if "pip install" in line and "torch==2.13.0" in line)
    assert asked < installed
    for number in (asked, installed):
        assert "--index-url https://index.invalid/cpu" in lines[number]
