"""What `import slowfast_vgen` gives, and that it costs nothing before it is used."""

import subprocess
import sys

import pytest

import slowfast_vgen


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
