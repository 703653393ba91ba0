"""Episodes that cannot be read: reported, counted, and left out only where they are few."""

import sys
from collections.abc import Iterable

from tqdm import tqdm

from slowfast_vgen.errors import UserError


def tell(line: str) -> None:
    """Prints a line to standard error, above a progress bar where there is one."""
    tqdm.write(line, file=sys.stderr)


class LeftOut:
    """The episodes of a data set that could not be read so far."""

    def __init__(self, num_episodes: int, max_share: float) -> None:
        """Nothing is left out yet.

        Args:
            num_episodes: number of episodes of the whole data set.
            max_share: share of them that may be left out, 0 to 1; 0 refuses the first.

        Raises:
            UserError: a share outside 0 to 1.
        """
        if not 0 <= max_share <= 1:
            raise UserError(f"the share of episodes that may be left out must lie between 0 and 1, got {max_share}")
        self.num_episodes, self.max_share = num_episodes, max_share
        self._names: dict[str, None] = {}
        self._told: set[str] = set()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the episodes left out, in the order of their occurrence."""
        return tuple(self._names)

    def add(self, name: str, error: UserError | OSError) -> None:
        """Reports and counts an episode, once.

        Raises:
            UserError: more than the share are left out now; where none may be, the error of this one.
        """
        if name in self._names:
            return
        self._names[name] = None
        if len(self._names) > self.max_share * self.num_episodes:
            if self.max_share == 0:
                raise error if isinstance(error, UserError) else UserError(f"cannot read {name}: {error}")
            raise UserError(
                f"{len(self._names)} of {self.num_episodes} episodes cannot be read, more than the share of "
                f"{self.max_share:g}; the last one: {error}"
            ) from error
        if str(error) not in self._told:  # a missing shard takes many episodes with it, and is reported once
            self._told.add(str(error))
            tell(f"left out: {error}")

    def restore(self, names: Iterable[str]) -> None:
        """Counts episodes that were reported before the run was resumed."""
        self._names.update(dict.fromkeys(names))
