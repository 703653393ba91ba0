"""What a plain installation leaves out, and how to get it: the extras of the package."""

from collections.abc import Iterator
from contextlib import contextmanager

from slowfast_vgen.errors import UserError

EXTRAS: dict[str, tuple[str, ...]] = {
    "rooms": ("vizdoom", "gymnasium"),
    "data": ("pyarrow", "matplotlib", "pillow_heif"),
    "train": ("accelerate", "transformers", "tokenizers"),
    "evaluate": ("skimage", "scenedetect", "cv2"),
}
"""Extra -> names that its packages are imported by. Worlds of other engines have extras called after them."""


def missing(error: ModuleNotFoundError, extra: str) -> UserError:
    """What to tell a user who lacks a package that an extra brings."""
    package = str(error.name).partition(".")[0]
    return UserError(
        f"this needs the package {package}, which a plain installation leaves out; install it with: "
        f"pip install 'slowfast-vgen[{extra}]'"
    )


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Inside the block packages of an extra are imported; where one is missing, that is told in one sentence.

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
