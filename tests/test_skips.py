"""`--no-skips` lets a test be skipped for want of what cannot be installed, and for nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

HOOKS = Path(__file__).parent / "no_skips.py"
TESTS = """
import pytest

def test_passes(): pass

def test_allowed(): pytest.skip("for want of a GPU: none is there")

@pytest.mark.skipif(True, reason="because")
def test_not_allowed(): pass
"""


@pytest.mark.parametrize(("option", "wanted"), [([], (0, "3 skipped")), (["--no-skips"], (1, "1 error"))])
def test_a_skip_fails_but_for_the_allowed_reasons(option: list[str], wanted: tuple[int, str], tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(HOOKS.read_text())
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "test_module.py").write_text(
        'import pytest\npytest.skip("for want of a mount", allow_module_level=True)'
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-c",
        "/dev/null",
        "--rootdir",
        str(tmp_path),
        *option,
        str(tmp_path),
    ]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == wanted[0] and wanted[1] in ran.stdout, ran.stdout + ran.stderr
    if option:
        assert "because" in ran.stdout and "1 passed" in ran.stdout


def test_a_missing_package_of_a_whole_file_fails(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(HOOKS.read_text())
    (tmp_path / "test_some.py").write_text('import pytest\npytest.importorskip("no_such_package")\ndef test(): pass')
    command = [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "--rootdir", str(tmp_path), "--no-skips"]
    ran = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True)
    assert ran.returncode != 0 and "no_such_package" in ran.stdout
