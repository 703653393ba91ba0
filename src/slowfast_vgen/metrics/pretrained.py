"""Published weights that the user gives by path: their SHA-256 is checked before anything reads them.

They are neither in the repository nor in a package that we could install, so each file is somebody's download. No
object in it is ever unpickled: tensors are read with `weights_only=True`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from slowfast_vgen.errors import UserError
from slowfast_vgen.files import sha256_of_file

_OLD_FILES_LACK = ".num_batches_tracked"
"""Suffix of counters that batch normalisation writes and never reads once trained; files before 2018 lack them."""


@dataclass(frozen=True)
class PublishedFile:
    """A weights file that others know by its hash."""

    network: str
    """Name of the network in messages, such as "ResNet-18"."""
    source: str
    """File name and publisher, for the message of a wrong file."""
    prefixes: tuple[str, ...]
    """Possible beginnings of its SHA-256; empty where nobody publishes one.

    torchvision puts the first eight digits into its file names. They distinguish its files from others and from damaged
    ones, not from one forged on purpose: for that, pass all 64.
    """


def check_file(path: Path, published: PublishedFile, sha256: str | None = None) -> str:
    """Checks that a file's SHA-256 is an expected one, whatever the file's name, and returns it (64 hex digits).

    Args:
        path: the user's file.
        published: the expected file.
        sha256: the whole hash that it must have instead of a published one, 64 hex digits.

    Raises:
        UserError: the file cannot be read or is another one, or `sha256` is no hash.
    """
    if sha256 is not None and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise UserError(f"a SHA-256 has 64 hex digits, but {sha256!r} was given for {path}; copy the whole of it")
    try:
        actual = sha256_of_file(path)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; check the path of {published.source}") from error
    if sha256 is not None:
        if actual != sha256.lower():
            raise UserError(
                f"{path} has SHA-256 {actual}, not {sha256.lower()} as asked for: it is damaged or another file;"
                f" give {published.source}"
            )
    elif not published.prefixes:
        raise UserError(
            f"no SHA-256 is published for {published.source}, so give the one that {path} should have"
            f" (it has {actual}: compare that with your source's)"
        )
    elif not actual.startswith(published.prefixes):
        raise UserError(
            f"{path} has SHA-256 {actual}, but that of {published.network} begins with"
            f" {' or '.join(published.prefixes)}: give {published.source}, or this file's whole SHA-256 if you mean it"
        )
    return actual


def read_tensors(
    path: Path, published: PublishedFile, sha256: str | None = None, below: str = ""
) -> tuple[dict[str, Tensor], str]:
    """Reads the tensors of a checked `.pth` file by name, on the CPU, and the file's SHA-256.

    Args:
        path: the user's file.
        published: the expected file.
        sha256: see `check_file`.
        below: keep only the names that begin with this, which leaves out an unused classifier.

    Raises:
        UserError: the file is not the expected one, or holds no tensors by name.
    """
    actual = check_file(path, published, sha256)
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file may raise anything in its reader
        raise UserError(
            f"{path} cannot be read as weights of {published.network} ({type(error).__name__}): it is damaged or"
            f" not a .pth file of tensors; give {published.source}"
        ) from error
    if not isinstance(tensors, Mapping) or not all(isinstance(each, Tensor) for each in tensors.values()):
        raise UserError(
            f"{path} holds no tensors by name but a {type(tensors).__name__}; give {published.source}, which holds"
            f" a state dict of {published.network}"
        )
    return {name: tensor for name, tensor in tensors.items() if name.startswith(below)}, actual


def fill(network: nn.Module, tensors: Mapping[str, Tensor], path: Path, published: PublishedFile) -> None:
    """Puts the tensors into `network`, which may still be on the meta device.

    Raises:
        UserError: a tensor is missing, unknown or of another shape.
    """
    shapes = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    missing = [name for name in shapes if name not in tensors and not name.endswith(_OLD_FILES_LACK)]
    unknown = [name for name in tensors if name not in shapes]
    if missing or unknown:
        raise UserError(
            f"{path} does not hold {published.network}: {len(missing)} of its tensors are missing and {len(unknown)}"
            f" are unknown, the first is {(missing or unknown)[0]}; give {published.source}"
        )
    for name, tensor in tensors.items():
        if list(tensor.shape) != shapes[name]:
            raise UserError(
                f"{path} does not hold {published.network}: {name} has shape {list(tensor.shape)} and not"
                f" {shapes[name]}; give {published.source}"
            )
    network.load_state_dict(dict(tensors), assign=True)
