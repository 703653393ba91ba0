"""The extras of the package, which a plain installation leaves out, and how to install them."""

from collections.abc import Iterator
from contextlib import contextmanager

from slowfast_vgen.errors import UserError

EXTRAS: dict[str, tuple[str, ...]] = {
    "rooms": ("vizdoom", "gymnasium"),
    "data": ("pyarrow", "matplotlib", "pillow_heif"),
    "train": ("accelerate", "transformers", "tokenizers"),
    "evaluate": ("skimage", "scenedetect", "cv2"),
}
"""Extra -> import names of its packages. Worlds of other engines have extras of the same name."""


def missing(error: ModuleNotFoundError, extra: str) -> UserError:
    """The error for a user who lacks a package of an extra."""
    package = str(error.name).partition(".")[0]
    return UserError(
        f"this needs the package {package}, which a plain installation leaves out; install it with: "
        f"pip install 'slowfast-vgen[{extra}]'"
    )


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Reports in one sentence a package of an extra that is missing when the block imports it.

    >>> with needs("data"):
    ...     import a_package_that_is_not_there
    Traceback (most recent call last):
    slowfast_vgen.errors.UserError: this needs the package a_package_that_is_not_there, which ...

    Raises:
        UserError: a package is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise missing(error, extra) from error
