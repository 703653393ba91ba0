"""What belongs to a package: version, names, types, cards, extras."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import slowfast_vgen
from slowfast_vgen.cli.main import main
from slowfast_vgen.errors import UserError
from slowfast_vgen.extras import EXTRAS, needs
from slowfast_vgen.presets.model_card import FILE, model_card
from slowfast_vgen.presets.worlds import load, shipped_worlds

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_package_tells_its_version_and_its_names() -> None:
    assert slowfast_vgen.__version__ == version("slowfast-vgen")
    assert set(slowfast_vgen.__all__) <= set(dir(slowfast_vgen))
    for name in slowfast_vgen.__all__:
        assert getattr(slowfast_vgen, name) is not None
    assert (Path(slowfast_vgen.__file__).parent / "py.typed").is_file()
    assert f"version: {PROJECT['version']}" in (ROOT / "CITATION.cff").read_text()


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import time, sys; begun = time.process_time(); import slowfast_vgen; dir(slowfast_vgen)\n"
        "assert time.process_time() - begun < 0.3\n"
        "assert not {'torch', 'numpy', 'diffusers', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_world_and_its_model_tell_what_they_are() -> None:
    model = load("rooms-64").model
    assert re.fullmatch(
        r"WorldWeights\('rooms-64[^']*', 64x64, VideoTransformer of [\d.]+ M parameters, weights \w{12}\)", repr(model)
    )


@pytest.mark.parametrize("name", sorted(shipped_worlds()))
def test_the_model_card_beside_the_weights_is_what_the_index_says(name: str) -> None:
    folder = shipped_worlds()[name]
    assert (folder / FILE).read_text() == model_card(folder), "run: python benchmarks/write_model_cards.py"
    assert (folder / FILE).read_text().startswith("---\nlicense: mit\n")


def test_a_plain_installation_needs_no_package_of_an_extra() -> None:
    plain = {re.split(r"[>=<\[]", one)[0] for one in PROJECT["dependencies"]}
    left_out = {
        "vizdoom",
        "scenedetect-headless",
        "matplotlib",
        "accelerate",
        "pyarrow",
        "gymnasium",
        "scikit-image",
        "transformers",
    }
    assert not plain & left_out
    extras = PROJECT["optional-dependencies"]
    assert set(EXTRAS) <= set(extras)
    told = " ".join(one for name in EXTRAS for one in extras[name])
    assert all(name in told for name in left_out)
    assert extras["all"] and any("all" in one for one in extras["dev"])


@pytest.mark.parametrize("extra", sorted(EXTRAS))
def test_a_missing_extra_is_one_sentence(extra: str) -> None:
    with pytest.raises(UserError, match=re.escape(f"pip install 'slowfast-vgen[{extra}]'")), needs(extra):
        import a_package_that_is_not_there  # noqa: F401


@pytest.mark.parametrize(
    ("package", "words"),
    [
        ("pyarrow", ["data", "check", "OUT"]),
        pytest.param("vizdoom", ["demo", "--out", "OUT"], marks=pytest.mark.slow),
        pytest.param("skimage", ["evaluate", "recall", "--quick"], marks=pytest.mark.slow),
    ],
)
def test_commands_without_their_extra_say_so(package: str, words: list[str], tmp_path: Path) -> None:
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from slowfast_vgen.cli.main import main\n"
        f"sys.exit(main({[word.replace('OUT', str(tmp_path)) for word in words]!r}))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 2, ran.stderr
    assert f"needs the package {package}" in ran.stderr and "slowfast-vgen[" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert slowfast_vgen.__version__ in capsys.readouterr().out
