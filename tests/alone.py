"""The mark `alone` of pytest, for conftest.py: a test that is run by a process of its own, whatever ran before it.

A process that is forked has the locks of its parent as they were, and none of the threads that would open them: tests
that fork trials must not do so where other tests have had threads of torch, of videos or of tables.
"""

import os
import subprocess
import sys

import pytest

ALONE = "SLOWFAST_TESTED_ALONE"
"""Is set in such a process."""


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Calls the test in a new process, and tells here what became of it there."""
    if pyfuncitem.get_closest_marker("alone") is None or ALONE in os.environ:
        return None
    words = ["-p", "no:xdist", "-p", "no:cacheprovider", "--basetemp", str(pyfuncitem.funcargs["tmp_path"] / "alone")]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *words, pyfuncitem.nodeid],
        cwd=pyfuncitem.config.rootpath,
        env=os.environ | {ALONE: "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    if run.returncode:
        pytest.fail(run.stdout + run.stderr, pytrace=False)
    if skipped := [line for line in run.stdout.splitlines() if line.startswith("SKIPPED")]:
        pytest.skip(skipped[0])
    return True
